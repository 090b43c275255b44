"""Which expectations are compiled, by which function, and which of their keywords are known here."""

from collections.abc import Mapping

from sluicegate.quality.pushdown import (
    aggregates,
    column_values,
    outliers,
    quantiles,
    records,
    regex_rules,
    tables,
    uniqueness,
    value_sets,
)
from sluicegate.quality.pushdown.aggregates import between, share
from sluicegate.quality.pushdown.arguments import Arguments
from sluicegate.quality.pushdown.column_values import Compiler
from sluicegate.quality.pushdown.steps import Compiled, NotCompiled
from sluicegate.quality.pushdown.table import Table
from sluicegate.quality.suites import Rule

_BOUNDS = "min_value max_value strict_min strict_max"
_AGGREGATE = f"column {_BOUNDS}"
_PAIR = "column_A column_B mostly ignore_row_if"
_RECORD = "column_list mostly ignore_row_if"

# type after `expect_` -> (compiler, the keywords that it knows)
_COMPILERS: Mapping[str, tuple[Compiler, str]] = {
    "column_distinct_values_to_be_in_set": (
        value_sets.distinct_values(may_be_others=False, all_present=False, words="only"),
        "column value_set",
    ),
    "column_distinct_values_to_contain_set": (
        value_sets.distinct_values(may_be_others=True, all_present=True, words="all of"),
        "column value_set",
    ),
    "column_distinct_values_to_equal_set": (
        value_sets.distinct_values(may_be_others=False, all_present=True, words="exactly"),
        "column value_set",
    ),
    "column_max_to_be_between": (between(aggregates.largest, "maximum"), _AGGREGATE),
    "column_mean_to_be_between": (between(aggregates.mean, "mean"), _AGGREGATE),
    "column_median_to_be_between": (between(aggregates.median, "median"), _AGGREGATE),
    "column_min_to_be_between": (between(aggregates.smallest, "minimum"), _AGGREGATE),
    "column_most_common_value_to_be_in_set": (value_sets.most_common, "column value_set ties_okay"),
    "column_pair_values_a_to_be_greater_than_b": (records.pair_greater, f"{_PAIR} or_equal"),
    "column_pair_values_to_be_equal": (records.pair_equal, _PAIR),
    "column_pair_values_to_be_in_set": (records.pair_in_set, f"{_PAIR} value_pairs_set"),
    "column_proportion_of_non_null_values_to_be_between": (
        share(lambda column: column.count, lambda _: "count(*)", "share of values that are not null"),
        _AGGREGATE,
    ),
    "column_proportion_of_unique_values_to_be_between": (
        share(aggregates.different, lambda column: column.count, "different values a value"),
        _AGGREGATE,
    ),
    "column_quantile_values_to_be_between": (
        quantiles.quantiles,
        "column quantile_ranges allow_relative_error",
    ),
    "column_stdev_to_be_between": (between(aggregates.deviation, "standard deviation"), _AGGREGATE),
    "column_sum_to_be_between": (between(aggregates.total, "sum"), _AGGREGATE),
    "column_to_exist": (tables.column_exists, "column column_index"),
    "column_type_to_be": (tables.type_is("type_"), "column type_"),
    "column_unique_value_count_to_be_between": (
        between(aggregates.different, "number of different values"),
        _AGGREGATE,
    ),
    "column_value_lengths_to_be_between": (column_values.length_between, f"{_AGGREGATE} mostly"),
    "column_value_lengths_to_equal": (column_values.length_equal, "column value mostly"),
    "column_value_z_scores_to_be_less_than": (outliers.z_scores, "column threshold double_sided mostly"),
    "column_values_to_be_between": (column_values.between, f"{_AGGREGATE} mostly"),
    "column_values_to_be_in_set": (column_values.is_in_set, "column value_set mostly"),
    "column_values_to_be_in_type_list": (tables.type_is("type_list"), "column type_list mostly"),
    "column_values_to_be_null": (column_values.null, "column mostly"),
    "column_values_to_be_of_type": (tables.type_is("type_"), "column type_ mostly"),
    "column_values_to_be_unique": (uniqueness.unique, "column mostly"),
    "column_values_to_match_like_pattern": (
        column_values.is_like(name="like_pattern", positive=True),
        "column like_pattern escape mostly",
    ),
    "column_values_to_match_like_pattern_list": (
        column_values.is_like(name="like_pattern_list", positive=True),
        "column like_pattern_list match_on escape mostly",
    ),
    "column_values_to_match_regex": (
        regex_rules.matches(name="regex", positive=True),
        "column regex mostly",
    ),
    "column_values_to_match_regex_list": (
        regex_rules.matches(name="regex_list", positive=True),
        "column regex_list match_on mostly",
    ),
    "column_values_to_match_strftime_format": (
        column_values.strftime_format,
        "column strftime_format mostly",
    ),
    "column_values_to_not_be_in_set": (column_values.is_not_in_set, "column value_set mostly"),
    "column_values_to_not_be_null": (column_values.not_null, "column mostly"),
    "column_values_to_not_be_outliers": (outliers.not_outliers, "column method multiplier mostly"),
    "column_values_to_not_match_like_pattern": (
        column_values.is_like(name="like_pattern", positive=False),
        "column like_pattern escape mostly",
    ),
    "column_values_to_not_match_like_pattern_list": (
        column_values.is_like(name="like_pattern_list", positive=False),
        "column like_pattern_list escape mostly",
    ),
    "column_values_to_not_match_regex": (
        regex_rules.matches(name="regex", positive=False),
        "column regex mostly",
    ),
    "column_values_to_not_match_regex_list": (
        regex_rules.matches(name="regex_list", positive=False),
        "column regex_list mostly",
    ),
    "compound_columns_to_be_unique": (uniqueness.compound_unique, _RECORD),
    "multicolumn_sum_to_equal": (records.sum_equal, f"{_RECORD} sum_total"),
    "multicolumn_values_to_be_equal": (records.values_equal, _RECORD),
    "select_column_values_to_be_unique_within_record": (records.unique_within_record, _RECORD),
    "table_column_count_to_be_between": (tables.column_count_between, "min_value max_value"),
    "table_column_count_to_equal": (tables.column_count_equal, "value"),
    "table_columns_to_match_ordered_list": (tables.columns_ordered, "column_list"),
    "table_columns_to_match_set": (tables.columns_set, "column_set exact_match"),
    "table_row_count_to_be_between": (tables.row_count_between, _BOUNDS),
    "table_row_count_to_equal": (tables.row_count_equal, "value"),
}

COMPILED_TYPES = frozenset(f"expect_{name}" for name in _COMPILERS)
# What means Python's `re`, which Great Expectations has the warehouse read by RE2.
PYTHON_TYPES = frozenset(name for name in COMPILED_TYPES if "_match_regex" in name)


def compile_rule(rule: Rule, table: Table) -> Compiled:
    """Compile a rule on a table.

    Raises:
        NotCompiled: only Great Expectations judges it.
        RuleProblem: it cannot be judged on this table.
    """
    if rule.type not in COMPILED_TYPES:
        raise NotCompiled(rule.type)
    compiler, known = _COMPILERS[rule.type.removeprefix("expect_")]
    if not rule.kwargs.keys() <= set(known.split()):
        raise NotCompiled(rule.type)
    return compiler(table, Arguments(rule.kwargs))
