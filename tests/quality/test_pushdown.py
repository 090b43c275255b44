"""Compiled rules: where Great Expectations' engines differ, or lack good sense; errors; samples; proofs."""

import subprocess
import sys
from collections.abc import Generator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from sluicegate.quality.judging import judge
from sluicegate.quality.pushdown.compiling import COMPILED_TYPES
from sluicegate.quality.rule_results import Outcome, RuleResult
from sluicegate.quality.suites import Rule, load_suites

ROWS = """
    create table shop (
        id integer, code varchar, "home town" varchar, price decimal(12, 2), rating double, opened date,
        "at" timestamp
    );
    insert into shop values
        (1, 'a', 'Ames',  1.10, 1.5,   '2022-10-03', '2022-10-03 08:00'),
        (2, 'b', 'Pella', 0.10, 'nan', '2022-10-04', '2022-10-04 08:00'),
        (3, 'b', null,    null, 'inf', null,         null),
        (4, 'd', 'Ames',  2.25, null,  '2022-10-04', '2022-10-05 00:00');
"""


@pytest.fixture
def shop() -> Generator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute(ROWS)
        yield connection


def said(connection: duckdb.DuckDBPyConnection, kind: str, **kwargs: Any) -> RuleResult:
    return judge(connection, "shop", None, [Rule(type=f"expect_{kind}", kwargs=kwargs)], key_columns=["id"])[
        0
    ]


@pytest.mark.parametrize(
    ("kind", "kwargs", "observed"),
    [
        # NaN is missing, as in pandas, and not the largest number, as in DuckDB.
        ("column_values_to_not_be_null", {"column": "rating"}, "2 of 4 rows (50 %)"),
        ("column_values_to_be_between", {"column": "rating", "max_value": 9}, "1 of 2 rows (50 %)"),
        # A number in a suite is the decimal it is written as.
        ("column_values_to_be_between", {"column": "price", "max_value": 0.1}, "2 of 3 rows (66.7 %)"),
        ("column_values_to_be_in_set", {"column": "price", "value_set": [0.1, 1.1]}, "1 of 3 rows (33.3 %)"),
        # A day may be written as text, also in sets, and beside timestamps.
        ("column_values_to_be_in_set", {"column": "opened", "value_set": ["2022-10-04"]},
         "1 of 3 rows (33.3 %)"),
        ("column_values_to_be_between", {"column": "at", "min_value": "2022-10-04"}, "1 of 3 rows (33.3 %)"),
        ("column_values_to_be_between", {"column": "at", "max_value": date(2022, 10, 5)}, "0 of 3 rows"),
        ("column_max_to_be_between", {"column": "at", "max_value": "2022-10-04"}, "2022-10-05 00:00:00"),
        ("column_max_to_be_between", {"column": "opened", "max_value": datetime(2022, 10, 3)}, "2022-10-04"),
        ("column_mean_to_be_between", {"column": "price", "max_value": 1}, "1.15"),
        ("column_median_to_be_between", {"column": "opened", "max_value": "2022-10-03"},
         "2022-10-04 00:00:00"),
        ("column_stdev_to_be_between", {"column": "rating", "max_value": 1}, "no value"),
        ("column_value_lengths_to_equal", {"column": "id", "value": 2}, "4 of 4 rows (100 %)"),
        ("column_pair_values_to_be_equal", {"column_A": "opened", "column_B": "at"}, "3 of 3 rows (100 %)"),
        ("column_to_exist", {"column": "code", "column_index": 0}, "id at 0"),
        ("table_columns_to_match_set", {"column_set": ["ID"], "exact_match": False}, "missing: ID"),
        ("column_values_to_be_of_type", {"column": "price", "type_": "decimal(10, 2)"}, "DECIMAL(12,2)"),
        ("column_quantile_values_to_be_between", {"column": "price", "quantile_ranges": {
            "quantiles": [0.5, 1], "value_ranges": [[2, 3], [0, 1]]}}, "p50 = 1.1, p100 = 2.25"),
        ("compound_columns_to_be_unique", {"column_list": ["code", "rating"]}, "0 of 4 rows"),
        ("column_distinct_values_to_equal_set", {"column": "home town", "value_set": ["Ames", "Boone", None]},
         "2 of the set's 3 missing; 1 not in the set: {'Pella'}"),
    ],
)  # fmt: skip
def test_observed(shop: duckdb.DuckDBPyConnection, kind: str, kwargs: dict[str, Any], observed: str) -> None:
    result = said(shop, kind, **kwargs)
    assert result.error is None
    assert result.observed == observed
    assert result.passed == observed.startswith("0 of")


@pytest.mark.parametrize("name", ["DECIMAL", "numeric", "Decimal(12,2)"])
def test_a_type_may_be_named_as_the_warehouse_takes_it(shop: duckdb.DuckDBPyConnection, name: str) -> None:
    assert said(shop, "column_type_to_be", column="price", type_=name).passed


@pytest.mark.parametrize(
    ("kind", "kwargs", "message"),
    [
        ("column_values_to_not_be_null", {"column": "cod"}, "no column `cod`; did you mean `code`?"),
        ("column_values_to_match_regex", {"column": "code", "regex": "a(b"}, "`a(b`"),
        ("column_values_to_match_regex", {"column": "code", "regex": "[[:alpha:]]"}, "[A-Za-z]"),
        (
            "column_values_to_match_like_pattern",
            {"column": "code", "like_pattern": "a", "escape": "ab"},
            "`a`",
        ),
        ("column_values_to_match_strftime_format", {"column": "code", "strftime_format": "%Q"}, "`%Q`"),
        ("column_values_to_be_between", {"column": "id", "min_value": "2022-10-03"}, "column `id`"),
        ("column_values_to_be_between", {"column": "opened", "min_value": "soon"}, "column `opened`"),
        ("column_values_to_be_between", {"column": "id"}, "cannot both be None"),
        (
            "column_values_to_be_between",
            {"column": "id", "min_value": 2, "max_value": 1},
            "cannot be greater",
        ),
        ("column_mean_to_be_between", {"column": "code", "min_value": 1}, "column `code` is VARCHAR"),
        ("column_pair_values_to_be_equal", {"column_A": "id", "column_B": "code"}, "does not compare"),
        ("column_values_to_be_of_type", {"column": "id", "type_": "int64_t"}, "no type of the warehouse"),
    ],
)
def test_a_rule_that_cannot_run_is_an_error(
    shop: duckdb.DuckDBPyConnection, kind: str, kwargs: dict[str, Any], message: str
) -> None:
    shop.execute("begin")
    result = said(shop, kind, **kwargs)
    assert result.outcome is Outcome.ERROR
    assert message in (result.error or "")
    assert shop.execute("select count(*) from shop").fetchone() == (4,), "the caller's transaction has ended"


def test_an_error_leaves_the_other_rules_alone(shop: duckdb.DuckDBPyConnection) -> None:
    """Also one that only the engine notices: the scan is then taken rule by rule."""
    shop.execute("create table wide as select 1::decimal(38, 0) as n, 1 as one")
    too_precise = Rule(type="expect_column_values_to_be_between", kwargs={"column": "n", "min_value": 0.001})
    counted = Rule(type="expect_table_row_count_to_equal", kwargs={"value": 1})
    unknown = Rule(type="expect_column_values_to_not_be_null", kwargs={"column": "two"})
    results = judge(shop, "wide", None, [counted, too_precise, unknown, counted])
    assert [item.outcome for item in results[::3]] == [Outcome.PASSED, Outcome.PASSED]
    assert results[2].outcome is Outcome.ERROR
    assert results[1].outcome is not Outcome.FAILED


def test_a_relation_that_is_not_there_is_an_error_for_every_rule(shop: duckdb.DuckDBPyConnection) -> None:
    results = judge(
        shop, "no_such", None, [Rule(type="expect_table_row_count_to_equal", kwargs={"value": 0})] * 2
    )
    assert [item.outcome for item in results] == [Outcome.ERROR] * 2


def test_a_sample_has_keys_first_and_an_order(shop: duckdb.DuckDBPyConnection) -> None:
    unique = said(shop, "column_values_to_be_unique", column="code")
    assert unique.sample == ({"id": 2, "code": "b"}, {"id": 3, "code": "b"})
    assert [list(row) for row in unique.sample] == [["id", "code"]] * 2
    compound = said(shop, "compound_columns_to_be_unique", column_list=["home town", "opened"])
    assert compound.sample == ()
    assert [row["id"] for row in said(shop, "column_values_to_be_null", column="home town").sample] == [
        1,
        2,
        4,
    ]


def test_a_sample_is_bounded_and_only_of_the_judged_rows(shop: duckdb.DuckDBPyConnection) -> None:
    rule = Rule(type="expect_column_values_to_be_in_set", kwargs={"column": "code", "value_set": []})
    result = judge(shop, "shop", "id > 1", [rule], key_columns=["id"], sample_rows=2)[0]
    assert [row["id"] for row in result.sample] == [2, 3]
    assert (result.rows, result.failing_rows, result.failing_share) == (3, 3, 1.0)


def test_compound_keys_treat_missing_values_as_equal(shop: duckdb.DuckDBPyConnection) -> None:
    shop.execute("insert into shop (id, code) values (5, 'b')")
    result = said(shop, "compound_columns_to_be_unique", column_list=["code", "home town"])
    assert result.sample == (
        {"id": 3, "code": "b", "home town": None},
        {"id": 5, "code": "b", "home town": None},
    )


@pytest.mark.parametrize(
    ("values", "failing"),
    [
        ("select range as n from range(1000)", 0),  # a bitmap proves it
        ("select range * 1000000007 as n from range(1000)", 0),  # too far apart: hashes
        ("select range % 999 as n from range(1000)", 2),
        ("select range // 2 as n from range(1000)", 1000),
        ("select (range - 500)::tinyint as n from range(400, 600)", 0),
        ("select 18446744073709551615::ubigint - range::ubigint as n from range(10)", 0),
        ("select (range::hugeint * 1000000000000000000000) as n from range(10)", 0),
        ("select unnest([-9223372036854775807, 0, 9223372036854775807]) as n", 0),
        ("select 'key ' || range % 990 as n from range(1000)", 20),
        ("select null::integer as n from range(3)", 0),
    ],
)
def test_uniqueness_by_every_proof(values: str, failing: int) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"create table t as {values}")
        rule = Rule(type="expect_column_values_to_be_unique", kwargs={"column": "n"})
        result = judge(connection, "t", None, [rule])[0]
    assert (result.failing_rows, result.passed, result.error) == (failing, failing == 0, None)
    assert len(result.sample) == min(failing, 20)


@pytest.mark.parametrize(
    ("kind", "value", "rule"),
    [
        ("hugeint", 2**126, {"type": "expect_column_sum_to_be_between", "kwargs": {"min_value": 1}}),
        ("double", 1e300, {"type": "expect_column_stdev_to_be_between", "kwargs": {"min_value": 0}}),
        ("double", float("-inf"), {"type": "expect_column_median_to_be_between", "kwargs": {"min_value": 0}}),
        ("decimal(38, 2)", Decimal(10) ** 35, {"type": "expect_column_sum_to_be_between", "kwargs": {}}),
    ],
)
def test_data_cannot_end_the_callers_transaction(kind: str, value: Any, rule: dict[str, Any]) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"create table t (n {kind}, m {kind})")
        connection.executemany("insert into t values (?, ?)", [(value, value)] * 4)
        connection.execute("begin")
        asked = Rule(type=rule["type"], kwargs={"column": "n", **rule["kwargs"]})
        both = Rule(
            type="expect_multicolumn_sum_to_equal", kwargs={"column_list": ["n", "m"], "sum_total": 1}
        )
        results = judge(connection, "t", None, [asked, both])
        assert connection.execute("select count(*) from t").fetchone() == (4,)
    assert all(item.outcome is not Outcome.ERROR for item in results)


def test_it_judges_within_the_callers_transaction(shop: duckdb.DuckDBPyConnection) -> None:
    shop.execute("begin")
    shop.execute("insert into shop (id) values (9)")
    rule = Rule(type="expect_table_row_count_to_equal", kwargs={"value": 5})
    assert judge(shop, "shop", None, [rule])[0].passed
    shop.execute("rollback")
    assert shop.execute("select count(*) from shop").fetchone() == (4,)


def test_the_demo_is_judged_by_compiled_rules_alone() -> None:
    suites, problems = load_suites(Path(__file__).parents[2])
    assert suites
    assert not problems
    rules = [rule for suite in suites.values() for rule in suite.rules]
    assert {rule.type for rule in rules if "row_condition" not in rule.kwargs} <= COMPILED_TYPES


COMPILED_ALONE = """
import sys, duckdb
from sluicegate.quality.judging import judge
from sluicegate.quality.suites import Rule, load_suites
with duckdb.connect() as connection:
    connection.execute("create table t as select 1 as n")
    rules = [Rule(type="expect_column_values_to_be_unique", kwargs={"column": "n"}),
             Rule(type="expect_column_values_to_match_regex", kwargs={"column": "n", "regex": "1"})]
    assert all(item.passed for item in judge(connection, "t", None, rules))
print({"great_expectations", "pandas", "sqlalchemy"} & set(sys.modules))
"""


@pytest.mark.long
def test_great_expectations_is_not_imported_for_compiled_rules() -> None:
    command = [sys.executable, "-c", COMPILED_ALONE]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.strip() == "set()", done.stderr
