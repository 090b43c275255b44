"""Every core expectation of Great Expectations, each with kwargs that hold and kwargs that do not."""

from typing import Any

Kwargs = dict[str, Any]

# Twelve stores, of which two are alike in nothing; `one_shop` is a table beside it.
TABLE = """
    create table stores as
    select
        cast(range as integer) as number,
        'S' || lpad(cast(range as varchar), 3, '0') as code,
        case when range % 3 = 0 then 'Ames' else 'Pella' end as city,
        cast(range * 10 as decimal(12, 2)) as sales,
        cast(range as double) / 2 as rating,
        date '2022-10-03' + cast(range as integer) as opened,
        cast(date '2022-10-03' + cast(range as integer) as varchar) as opened_text,
        case when range < 6 then range else null end as half,
        cast(range + 1 as integer) as next,
        cast(-range as integer) as negative,
        range % 2 = 0 as even
    from range(12);
    create table one_shop as from stores where number = 1;
"""
NUMBERS = {"bins": [0, 4, 8, 12], "weights": [0.33, 0.34, 0.33]}
SKEWED = {"bins": [0, 4, 8, 12], "weights": [0.98, 0.01, 0.01]}
QUANTILES = {"quantiles": [0.1, 0.5, 0.9]}
DIFFERENT = {"comparison_data_source_name": "warehouse"}

# type -> (kwargs that hold, kwargs that do not)
CASES: dict[str, tuple[Kwargs, Kwargs]] = {
    "expect_column_distinct_values_to_be_in_set": (
        {"column": "city", "value_set": ["Ames", "Pella", "Boone"]},
        {"column": "city", "value_set": ["Ames"]},
    ),
    "expect_column_distinct_values_to_contain_set": (
        {"column": "city", "value_set": ["Ames"]},
        {"column": "city", "value_set": ["Ames", "Boone"]},
    ),
    "expect_column_distinct_values_to_equal_set": (
        {"column": "city", "value_set": ["Ames", "Pella"]},
        {"column": "city", "value_set": ["Ames", "Boone"]},
    ),
    "expect_column_kl_divergence_to_be_less_than": (
        {"column": "number", "partition_object": NUMBERS, "threshold": 0.5},
        {"column": "number", "partition_object": SKEWED, "threshold": 0.01},
    ),
    "expect_column_max_to_be_between": (
        {"column": "number", "min_value": 11, "max_value": 11},
        {"column": "number", "max_value": 11, "strict_max": True},
    ),
    "expect_column_mean_to_be_between": (
        {"column": "sales", "min_value": 55, "max_value": 55},
        {"column": "sales", "min_value": 56},
    ),
    "expect_column_median_to_be_between": (
        {"column": "number", "min_value": 5.5, "max_value": 5.5},
        {"column": "number", "max_value": 5},
    ),
    "expect_column_min_to_be_between": (
        {"column": "number", "min_value": 0},
        {"column": "number", "min_value": 0, "strict_min": True},
    ),
    "expect_column_most_common_value_to_be_in_set": (
        {"column": "city", "value_set": ["Pella"]},
        {"column": "city", "value_set": ["Ames"]},
    ),
    "expect_column_pair_values_a_to_be_greater_than_b": (
        {"column_A": "next", "column_B": "number"},
        {"column_A": "negative", "column_B": "number", "or_equal": True},
    ),
    "expect_column_pair_values_to_be_equal": (
        {"column_A": "number", "column_B": "half", "ignore_row_if": "either_value_is_missing"},
        {"column_A": "number", "column_B": "next"},
    ),
    "expect_column_pair_values_to_be_in_set": (
        {"column_A": "city", "column_B": "even", "value_pairs_set": [
            ["Ames", True], ["Ames", False], ["Pella", True], ["Pella", False]
        ]},
        {"column_A": "city", "column_B": "number", "value_pairs_set": [["Ames", 0]]},
    ),
    "expect_column_proportion_of_non_null_values_to_be_between": (
        {"column": "half", "min_value": 0.5, "max_value": 0.5},
        {"column": "half", "min_value": 0.6},
    ),
    "expect_column_proportion_of_unique_values_to_be_between": (
        {"column": "number", "min_value": 1},
        {"column": "city", "min_value": 0.5},
    ),
    "expect_column_quantile_values_to_be_between": (
        {"column": "number", "quantile_ranges": {**QUANTILES, "value_ranges": [[0, 2], [5, 6], [9, None]]}},
        {"column": "number", "quantile_ranges": {**QUANTILES, "value_ranges": [[5, 6], [5, 6], [5, 6]]}},
    ),
    "expect_column_stdev_to_be_between": (
        {"column": "number", "min_value": 3.6, "max_value": 3.61},
        {"column": "number", "max_value": 3},
    ),
    "expect_column_sum_to_be_between": (
        {"column": "number", "min_value": 66, "max_value": 66},
        {"column": "number", "min_value": 66, "strict_min": True},
    ),
    "expect_column_to_exist": ({"column": "city"}, {"column": "town"}),
    "expect_column_type_to_be": (
        {"column": "number", "type_": "INTEGER"},
        {"column": "number", "type_": "VARCHAR"},
    ),
    "expect_column_unique_value_count_to_be_between": (
        {"column": "city", "min_value": 2, "max_value": 2},
        {"column": "city", "min_value": 3},
    ),
    "expect_column_value_lengths_to_be_between": (
        {"column": "code", "min_value": 4, "max_value": 4},
        {"column": "city", "min_value": 5},
    ),
    "expect_column_value_lengths_to_equal": (
        {"column": "code", "value": 4},
        {"column": "city", "value": 4},
    ),
    "expect_column_value_z_scores_to_be_less_than": (
        {"column": "number", "threshold": 3, "double_sided": True},
        {"column": "number", "threshold": 1, "double_sided": True},
    ),
    "expect_column_values_to_be_between": (
        {"column": "opened", "min_value": "2022-10-03", "max_value": "2022-10-14"},
        {"column": "number", "min_value": 0, "strict_min": True},
    ),
    "expect_column_values_to_be_in_set": (
        {"column": "city", "value_set": ["Ames", "Pella"]},
        {"column": "number", "value_set": [1, 2, 3]},
    ),
    "expect_column_values_to_be_in_type_list": (
        {"column": "code", "type_list": ["INTEGER", "VARCHAR"]},
        {"column": "code", "type_list": ["INTEGER", "DATE"]},
    ),
    "expect_column_values_to_be_null": (
        {"column": "half", "mostly": 0.5},
        {"column": "half"},
    ),
    "expect_column_values_to_be_of_type": (
        {"column": "opened", "type_": "DATE"},
        {"column": "opened", "type_": "INTEGER"},
    ),
    "expect_column_values_to_be_unique": ({"column": "code"}, {"column": "city"}),
    "expect_column_values_to_match_like_pattern": (
        {"column": "code", "like_pattern": "S0__"},
        {"column": "city", "like_pattern": "A%"},
    ),
    "expect_column_values_to_match_like_pattern_list": (
        {"column": "city", "like_pattern_list": ["A%", "P%"]},
        {"column": "city", "like_pattern_list": ["A%", "P%"], "match_on": "all"},
    ),
    "expect_column_values_to_match_regex": (
        {"column": "code", "regex": r"^S\d{3}$"},
        {"column": "city", "regex": "^A"},
    ),
    "expect_column_values_to_match_regex_list": (
        {"column": "city", "regex_list": ["^A", "^P"], "match_on": "any"},
        {"column": "city", "regex_list": ["^A", "^P"], "match_on": "all"},
    ),
    "expect_column_values_to_match_strftime_format": (
        {"column": "opened_text", "strftime_format": "%Y-%m-%d"},
        {"column": "code", "strftime_format": "%Y-%m-%d"},
    ),
    "expect_column_values_to_not_be_in_set": (
        {"column": "city", "value_set": ["Boone"]},
        {"column": "city", "value_set": ["Ames"]},
    ),
    "expect_column_values_to_not_be_null": ({"column": "number"}, {"column": "half"}),
    "expect_column_values_to_not_be_outliers": (
        {"column": "number"},
        {"column": "number", "method": "std", "multiplier": 1},
    ),
    "expect_column_values_to_not_match_like_pattern": (
        {"column": "city", "like_pattern": "B%"},
        {"column": "city", "like_pattern": "A%"},
    ),
    "expect_column_values_to_not_match_like_pattern_list": (
        {"column": "city", "like_pattern_list": ["B%", "C%"]},
        {"column": "city", "like_pattern_list": ["A%", "C%"]},
    ),
    "expect_column_values_to_not_match_regex": (
        {"column": "city", "regex": "^B"},
        {"column": "city", "regex": "^A"},
    ),
    "expect_column_values_to_not_match_regex_list": (
        {"column": "city", "regex_list": ["^B", "^C"]},
        {"column": "city", "regex_list": ["^A", "^C"]},
    ),
    "expect_compound_columns_to_be_unique": (
        {"column_list": ["city", "number"]},
        {"column_list": ["city", "even"]},
    ),
    "expect_multicolumn_sum_to_equal": (
        {"column_list": ["number", "negative"], "sum_total": 0},
        {"column_list": ["number", "next"], "sum_total": 1},
    ),
    "expect_multicolumn_values_to_be_equal": (
        {"column_list": ["number", "half"], "ignore_row_if": "any_value_is_missing"},
        {"column_list": ["number", "next"]},
    ),
    "expect_query_results_to_match_comparison": (
        {**DIFFERENT, "base_query": "select 1 as n", "comparison_query": "select 1 as n"},
        {**DIFFERENT, "base_query": "select 1 as n", "comparison_query": "select 2 as n"},
    ),
    "expect_select_column_values_to_be_unique_within_record": (
        {"column_list": ["number", "next"]},
        {"column_list": ["number", "negative"]},
    ),
    "expect_table_column_count_to_be_between": ({"min_value": 11, "max_value": 11}, {"min_value": 12}),
    "expect_table_column_count_to_equal": ({"value": 11}, {"value": 12}),
    "expect_table_columns_to_match_ordered_list": (
        {"column_list": [
            "number", "code", "city", "sales", "rating", "opened", "opened_text", "half", "next", "negative",
            "even",
        ]},
        {"column_list": ["code", "number"]},
    ),
    "expect_table_columns_to_match_set": (
        {"column_set": ["city", "number"], "exact_match": False},
        {"column_set": ["city", "number"]},
    ),
    "expect_table_row_count_to_be_between": ({"min_value": 12, "max_value": 12}, {"min_value": 13}),
    "expect_table_row_count_to_equal": ({"value": 12}, {"value": 11}),
    "expect_table_row_count_to_equal_other_table": (
        {"other_table_name": "stores"},
        {"other_table_name": "one_shop"},  # an error: a suite reads no other table
    ),
    "unexpected_rows_expectation": (
        {"unexpected_rows_query": "select * from {batch} where number < 0"},
        {"unexpected_rows_query": "select * from {batch} where number > 10"},
    ),
}  # fmt: skip
