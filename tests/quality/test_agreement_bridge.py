"""Every core expectation of Great Expectations, on data that it holds for and on data that it does not.

Twice: as rules are judged, compiled where that is possible; and through Great Expectations alone, over the
bridge to DuckDB. Both agree.
"""

from collections.abc import Generator
from importlib import import_module

import duckdb
import pytest
from sluicegate.quality.expectation_types import expectation_types
from sluicegate.quality.gx_engine import judge_with_gx
from sluicegate.quality.judging import judge
from sluicegate.quality.pushdown.compiling import COMPILED_TYPES
from sluicegate.quality.rule_results import Outcome, RuleResult
from sluicegate.quality.suites import Rule

from tests.quality.every_expectation import CASES, TABLE

pytestmark = pytest.mark.long
LEFT_TO_GX = {
    "expect_column_kl_divergence_to_be_less_than",
    "expect_query_results_to_match_comparison",
    "expect_table_row_count_to_equal_other_table",
    "unexpected_rows_expectation",
}
TYPES = sorted(CASES)
RULES = [Rule(type=name, kwargs=CASES[name][which]) for which in (0, 1) for name in TYPES]
# It reads another table, as no rule may; of its own it cannot fail.
OTHER_TABLE = "expect_table_row_count_to_equal_other_table"
EXPECTED = [Outcome.PASSED] * len(TYPES) + [
    Outcome.ERROR if name == OTHER_TABLE else Outcome.FAILED for name in TYPES
]


@pytest.fixture(scope="module")
def warehouse() -> Generator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute(TABLE)
        connection.execute("begin")
        yield connection


@pytest.fixture(autouse=True, scope="module")
def another_context() -> None:
    """GX keeps the newest context of the process as the current one; Data Docs make one of their own."""
    one_row = Rule(type="expect_table_row_count_to_equal", kwargs={"value": 1})
    with duckdb.connect() as connection:
        judge_with_gx(connection, "(select 1 as a)", None, [one_row])
    import_module("great_expectations").get_context(mode="ephemeral")


@pytest.fixture(scope="module")
def judged(warehouse: duckdb.DuckDBPyConnection) -> list[RuleResult]:
    return judge(warehouse, "stores", None, RULES, key_columns=["code"])


@pytest.fixture(scope="module")
def judged_by_gx(warehouse: duckdb.DuckDBPyConnection) -> list[RuleResult]:
    return judge_with_gx(warehouse, "stores", None, RULES, key_columns=["code"])


def test_there_is_a_case_for_every_core_expectation() -> None:
    assert set(CASES) == expectation_types()
    assert set(CASES) - COMPILED_TYPES == LEFT_TO_GX


def test_every_core_expectation_is_judged(judged: list[RuleResult]) -> None:
    wrong = [item for item, outcome in zip(judged, EXPECTED, strict=True) if item.outcome is not outcome]
    assert not wrong


def test_every_core_expectation_is_judged_by_gx_over_the_bridge(judged_by_gx: list[RuleResult]) -> None:
    wrong = [
        item for item, outcome in zip(judged_by_gx, EXPECTED, strict=True) if item.outcome is not outcome
    ]
    assert not wrong


def test_compiled_rules_and_the_bridge_count_the_same_rows(
    judged: list[RuleResult], judged_by_gx: list[RuleResult]
) -> None:
    """Like patterns too, which the pandas engine does not know."""
    pairs = [pair for pair in zip(judged, judged_by_gx, strict=True) if pair[0].rows is not None]
    assert len(pairs) > 40
    assert [(ours.failing_rows, ours.rows) for ours, _ in pairs] == [
        (theirs.failing_rows, theirs.rows) for _, theirs in pairs
    ]


def test_the_callers_transaction_is_open_and_nothing_is_left_behind(
    warehouse: duckdb.DuckDBPyConnection, judged_by_gx: list[RuleResult]
) -> None:
    assert judged_by_gx
    views = warehouse.execute("select count(*) from duckdb_views() where not internal").fetchone()
    assert views == (0,)
    warehouse.execute(
        "create table seen as select 1"
    )  # a transaction that has ended in an error refuses this
    warehouse.execute("rollback")
    assert (
        warehouse.execute("from duckdb_tables() where table_name in ('seen', 'stores')").fetchone()
        is not None
    )
    warehouse.execute("begin")


def test_conditions_are_left_to_gx_and_judged() -> None:
    with duckdb.connect() as connection:
        connection.execute(TABLE)
        conditional = {"row_condition": 'col("number") > 5', "condition_parser": "great_expectations"}
        rules = [
            Rule(type="expect_column_values_to_be_null", kwargs={"column": "half", **conditional}),
            Rule(type="expect_column_values_to_not_be_null", kwargs={"column": "half", "wat": 1}),
            Rule(type="expect_table_row_count_to_equal", kwargs={"value": 10}),
            Rule(type="expect_nothing", kwargs={}),
        ]
        results = judge(connection, "stores", "number >= 2", rules)
    assert [item.outcome.name for item in results] == ["PASSED", "ERROR", "PASSED", "ERROR"]
    assert results[0].rows == 6
    assert "extra fields not permitted" in (results[1].error or "")
