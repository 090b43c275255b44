"""What trials find of each kind of rule: whether it can fail, and by what."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from sluicegate.core.partitions import Grain
from sluicegate.core.relations import Relation
from sluicegate.quality.suites import Rule
from sluicegate.quality.trials.found import Trials
from sluicegate.quality.trials.shapes import Shape
from sluicegate.quality.trials.trying import About, laboratory, tried
from sluicegate.warehouse.slices import RAW_PARTITION_COLUMN

pytestmark = pytest.mark.long

COLUMNS = {
    "day": "date", "name": "VARCHAR", "price": "DECIMAL(12,2)", "count": "INTEGER", "other": "INTEGER",
    "share": "DOUBLE", "moment": "TIMESTAMP", "open": "BOOLEAN", "unsaid": "",
}  # fmt: skip
ROWS, QUERY = "table_row_count_to_be_between", "unexpected_rows_expectation"
BETWEEN, NOT_NULL, UNIQUE = (
    f"column_values_to_{what}" for what in ("be_between", "not_be_null", "be_unique")
)


OTHERS = {Relation("raw", "others"): Shape({"name": "VARCHAR", "count": "INTEGER"})}


def past(expression: str) -> dict[str, str]:
    return {"$PARAMETER": expression}


def sql(text: str) -> dict[str, Any]:
    return {"unexpected_rows_query": text}


CANNOT_FAIL: list[tuple[str, dict[str, Any]]] = [
    (ROWS, {"min_value": -1}),
    (ROWS, {"min_value": 0}),
    (ROWS, {"min_value": 0, "strict_min": False}),
    (ROWS, {"min_value": past("0 * row_count.median_28")}),
    (ROWS, {"min_value": past("0 * row_count.previous"), "max_value": None}),
    ("table_row_count_to_be_between", {"min_value": past("row_count.previous - row_count.previous")}),
    ("column_values_to_match_regex", {"column": "name", "regex": ""}),
    ("column_values_to_match_regex", {"column": "name", "regex": ".*"}),
    ("column_values_to_match_regex_list", {"column": "name", "regex_list": ["a", ""], "match_on": "any"}),
    ("column_values_to_match_like_pattern", {"column": "name", "like_pattern": "%"}),
    ("column_pair_values_to_be_equal", {"column_A": "count", "column_B": "count"}),
    (
        "column_pair_values_a_to_be_greater_than_b",
        {"column_A": "count", "column_B": "count", "or_equal": True},
    ),
    ("column_to_exist", {"column": "count"}),
    ("column_values_to_be_of_type", {"column": "count", "type_": "INTEGER"}),
    ("column_type_to_be", {"column": "count", "type_": "INTEGER"}),
    ("column_values_to_be_in_type_list", {"column": "count", "type_list": ["INTEGER"]}),
    ("table_column_count_to_equal", {"value": 5}),
    ("table_columns_to_match_set", {"column_set": ["day", "name"]}),
    (BETWEEN, {"column": "price", "max_value": 9999999999.99}),
    (BETWEEN, {"column": "count", "min_value": -2147483648, "max_value": 2147483647}),
    ("column_value_lengths_to_be_between", {"column": "name", "min_value": 0}),
    ("column_unique_value_count_to_be_between", {"column": "count", "min_value": 0}),
    (QUERY, sql("select 1 where false")),
    (QUERY, sql("select * from {batch} where false")),
    (QUERY, sql("select * from {batch} where count <> count")),
    (QUERY, sql("select * from {batch} limit 0")),
    (NOT_NULL, {"column": "name", "row_condition": 'col("count") > 5',
                "condition_parser": "great_expectations"}),
    (QUERY, sql("select * from {batch} where length(name) < 0")),
    (QUERY, sql("select 1 from raw.others where false")),
    (QUERY, sql("select a.* from {batch} as a join raw.others as b on false")),
]  # fmt: skip

# What a partition's own condition says already, of whatever grain it is; `cut` is the column that cuts.
IN_EACH_PARTITION: list[tuple[str, dict[str, Any]]] = [
    (NOT_NULL, {"column": "cut"}),
    (QUERY, sql("select * from {batch} where cut is null")),
    (QUERY, sql("select name from {batch} where cut is null and name = 'x'")),
]
IN_EACH_SPAN: list[tuple[str, dict[str, Any]]] = [
    (BETWEEN, {"column": "cut", "min_value": "1900-01-01"}),
    (BETWEEN, {"column": "cut", "min_value": past("partition.start"), "max_value": past("partition.end")}),
    (QUERY, sql("select * from {batch} where cut > '9000-01-01'")),
]
CUT_BY: list[tuple[Grain, str]] = [
    (Grain.HOURLY, "TIMESTAMP"), (Grain.DAILY, "DATE"), (Grain.DAILY, "TIMESTAMP"), (Grain.DAILY, ""),
    (Grain.WEEKLY, "DATE"), (Grain.MONTHLY, "DATE"), (Grain.MONTHLY, "TIMESTAMP WITH TIME ZONE"),
    (Grain.DROP, "VARCHAR"),
]  # fmt: skip

CAN_FAIL: list[tuple[str, dict[str, Any], str]] = [
    (ROWS, {"min_value": 1}, "rows"),
    (ROWS, {"min_value": 1, "max_value": 20_000_000}, "rows"),
    (ROWS, {"max_value": 10**12}, "rows"),
    (ROWS, {"min_value": 0, "max_value": 1000}, "rows"),
    (ROWS, {"min_value": past("0.5 * row_count.median_28")}, "rows"),
    (ROWS, {"min_value": past("no arithmetic")}, "rows"),
    ("table_row_count_to_equal", {"value": 0}, "rows"),
    ("table_row_count_to_equal_other_table", {"other_table_name": "x"}, "rows"),
    (UNIQUE, {"column": "name"}, "rows"),
    (UNIQUE, {"column": "unsaid"}, "rows"),
    ("compound_columns_to_be_unique", {"column_list": ["day", "name"]}, "rows"),
    (NOT_NULL, {"column": "name"}, "values"),
    (NOT_NULL, {"column": "unsaid"}, "values"),
    (NOT_NULL, {"column": "name", "mostly": 0.01}, "values"),
    (BETWEEN, {"column": "unsaid", "min_value": 0, "max_value": 10}, "values"),
    (BETWEEN, {"column": "price", "max_value": 9999}, "values"),
    (BETWEEN, {"column": "share", "min_value": -1e300, "max_value": 1e300}, "values"),
    (BETWEEN, {"column": "day", "min_value": "2020-01-01"}, "values"),
    (BETWEEN, {"column": "day", "max_value": past("partition.end")}, "values"),
    (BETWEEN, {"column": "price", "max_value": past("3 * price.max.median_7")}, "values"),
    ("column_values_to_be_in_set", {"column": "name", "value_set": ["A", "I"]}, "values"),
    ("column_values_to_not_be_in_set", {"column": "name", "value_set": ["A", "I"]}, "values"),
    ("column_values_to_match_regex", {"column": "name", "regex": "^[A-Z]{3}$"}, "values"),
    ("column_values_to_not_match_regex", {"column": "name", "regex": "XYZ-[0-9]{4}"}, "values"),
    ("column_values_to_not_match_like_pattern", {"column": "name", "like_pattern": "ab%cd_"}, "values"),
    ("column_value_lengths_to_be_between", {"column": "name", "max_value": 100_000}, "values"),
    ("column_value_lengths_to_equal", {"column": "name", "value": 5}, "values"),
    ("column_value_z_scores_to_be_less_than",
     {"column": "share", "threshold": 300, "double_sided": True}, "values"),
    ("column_values_to_match_strftime_format", {"column": "name", "strftime_format": "%Y"}, "values"),
    ("column_pair_values_to_be_equal", {"column_A": "count", "column_B": "other"}, "values"),
    ("column_pair_values_a_to_be_greater_than_b", {"column_A": "count", "column_B": "other"}, "values"),
    ("multicolumn_sum_to_equal", {"column_list": ["count", "other"], "sum_total": 5}, "values"),
    ("select_column_values_to_be_unique_within_record", {"column_list": ["count", "other"]}, "values"),
    # An empty table has neither, so that these look at both.
    ("column_max_to_be_between", {"column": "day", "max_value": "2020-01-01"}, "rows values"),
    ("column_mean_to_be_between", {"column": "count", "min_value": 0}, "rows values"),
    ("column_sum_to_be_between", {"column": "count", "min_value": 0, "max_value": 10}, "rows values"),
    (QUERY, sql("select * from {batch} where count < -5 and name = 'closed'"), "values"),
    (QUERY, sql("select * from {batch} where day >= '2024-01-01' and day < '2024-06-01' and price > 10"),
     "values"),
    (QUERY, sql("select count(*) from {batch} having count(*) < 5"), "rows"),
    (QUERY, sql("select name from {batch} group by name having count(*) > 1"), "rows"),
    (QUERY, sql("select lower(name) from {batch} group by 1 having count(distinct name) > 1"), "values"),
    (QUERY, sql("select * from {batch} where length(name) = 13"), "values"),
    (QUERY, sql("select * from {batch} where split_part(name, '-', 3) = 'X'"), "values"),
    (QUERY, sql("select 1 from {batch} having count(*) > 5000"), "rows"),
    (QUERY, sql("select 1 from {batch} having count(*) filter (name = 'Ulm') > 0.9 * count(*)"
                " and count(*) > 10"), "values"),
    (QUERY, sql("select name from {batch} where name is not null group by name having count(*) > 1"), "rows"),
    ("column_unique_value_count_to_be_between", {"column": "name", "max_value": 500}, "rows"),
    ("column_stdev_to_be_between", {"column": "price", "min_value": 0.5, "max_value": 10}, "rows values"),
    ("column_stdev_to_be_between", {"column": "count", "min_value": 0.5}, "rows values"),
    ("column_stdev_to_be_between", {"column": "share", "max_value": 5}, "rows values"),
    ("column_stdev_to_be_between", {"column": "share", "min_value": 4.9, "max_value": 5.1}, "rows values"),
    # What cannot be tried counts by its kind.
    (QUERY, sql("select * from {batch} join raw.others using (name)"), "values"),
    ("column_kl_divergence_to_be_less_than", {"column": "name", "threshold": 0.1}, "values"),
]  # fmt: skip


def rule(kind: str, kwargs: dict[str, Any]) -> Rule:
    return Rule(type=kind if kind == QUERY else f"expect_{kind}", kwargs=kwargs)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with laboratory("warehouse") as opened:
        yield opened


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("kind", "kwargs"), CANNOT_FAIL)
def test_a_rule_that_passes_on_whatever_is_made_up_is_no_guard(
    connection: duckdb.DuckDBPyConnection, kind: str, kwargs: dict[str, Any]
) -> None:
    assert tried(connection, rule(kind, kwargs), Shape(COLUMNS), OTHERS) == frozenset()


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("kind", "kwargs", "about"), CAN_FAIL)
def test_a_rule_guards_what_it_fails_by(
    connection: duckdb.DuckDBPyConnection, kind: str, kwargs: dict[str, Any], about: str
) -> None:
    assert " ".join(sorted(tried(connection, rule(kind, kwargs), Shape(COLUMNS), OTHERS))) == about


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("grain", "kind"), CUT_BY)
def test_a_rule_on_the_column_that_cuts_a_table_cannot_fail_in_a_partition(
    connection: duckdb.DuckDBPyConnection, grain: Grain, kind: str
) -> None:
    shape = Shape({"cut": kind, "name": "VARCHAR"}, "cut", grain)

    for type_, kwargs in IN_EACH_PARTITION + (IN_EACH_SPAN if grain.timed else []):
        assert tried(connection, rule(type_, kwargs), shape) == frozenset(), (type_, kwargs)
    # Another column's rules, and the number of its rows, can: so the trials have rows in the partition.
    assert tried(connection, rule(NOT_NULL, {"column": "name"}), shape) == {About.VALUES}
    assert tried(connection, rule(UNIQUE, {"column": "cut"}), shape) == {About.ROWS}


def test_a_raw_table_has_the_key_of_one_partition(connection: duckdb.DuckDBPyConnection) -> None:
    shape = Shape({RAW_PARTITION_COLUMN: "varchar", "name": "VARCHAR"}, RAW_PARTITION_COLUMN, Grain.WEEKLY)
    for what in ("is null", "<> '2024-W23-1'"):
        query = sql(f"select * from {{batch}} where {RAW_PARTITION_COLUMN} {what}")
        assert tried(connection, rule(QUERY, query), shape) == frozenset()


def test_what_was_found_is_kept_by_its_content_and_not_tried_again(tmp_path: Path) -> None:
    file = tmp_path / "dbt" / "trials.json"
    asked = rule(BETWEEN, {"column": "count", "min_value": 0})
    with Trials(file) as trials:
        assert sorted(trials.about(asked, Shape(COLUMNS))) == ["values"]
    [digest] = json.loads(file.read_text())
    # Another word than a trial's: it is read from the file.
    file.write_text(file.read_text().replace("values", "rows"))
    with Trials(file) as trials:
        assert sorted(trials.about(asked, Shape(COLUMNS))) == ["rows"]
        # Of another column's type nothing is known yet, and another column than the rule's is nothing to it.
        assert sorted(trials.about(asked, Shape(COLUMNS | {"other": "DATE"}))) == ["rows"]
        assert sorted(trials.about(asked, Shape(COLUMNS | {"count": "BIGINT"}))) == ["values"]
    assert digest in file.read_text()


def test_a_file_of_trials_that_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    file = tmp_path / "trials.json"
    file.write_text("{")
    with Trials(file) as trials:
        assert sorted(trials.about(rule(ROWS, {"min_value": 1}), Shape({}))) == ["rows"]
    assert "rows" in file.read_text()
