"""A rule's own SQL changes nothing and reads nothing but what it judges: it is refused before it is run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from sluicegate.quality.futile_rules import futilities
from sluicegate.quality.judging import judge
from sluicegate.quality.rule_results import Outcome
from sluicegate.quality.suites import Rule

QUERY, OTHER = "unexpected_rows_expectation", "expect_table_row_count_to_equal_other_table"
RESULTS = "expect_query_results_to_match_comparison"
# The rows that are judged, as a partition is.
JUDGED = "number < 2"
GOOD = Rule(type="expect_column_values_to_not_be_null", kwargs={"column": "number"})


def query(sql: str) -> Rule:
    return Rule(type=QUERY, kwargs={"unexpected_rows_query": sql})


def compared(**kwargs: Any) -> Rule:
    usual = {"base_query": "select 1 as n", "comparison_query": "select 1 as n"}
    return Rule(type=RESULTS, kwargs={"comparison_data_source_name": "warehouse", **usual, **kwargs})


# (the rule, what is said of it, whether it can be seen when the project loads)
REFUSED: dict[str, tuple[Rule, str, bool]] = {
    "an update": (query("update sales set number = 0 returning *"), "UPDATE", True),
    "a copy": (query("copy sales to '{{folder}}/taken.csv'"), "COPY", True),
    "a file attached": (query("attach '{{folder}}/other.db'"), "ATTACH", True),
    "a file's rows": (query("select * from read_csv('{{folder}}/secret.csv')"), "read_csv", True),
    "a file in a table's place": (query("select * from '{{folder}}/secret.csv'"), "file", True),
    "a file below the batch": (
        query("select * from {batch} where number in (from read_text('{{folder}}/secret.csv'))"),
        "read_text", True,
    ),
    "a file in a text": (query("from query('from read_text(''secret.csv'')')"), "read_text", True),
    "a view of a file": (query("select * from of_file"), "read_text", False),
    "a macro of a file": (query("select * from reads_file()"), "read_text", False),
    "another database": (query("select * from other.main.t"), "another database", False),
    "a sequence": (query("select nextval('numbers') from {batch}"), "nextval", True),
    "another table": (
        query("select * from {batch} join shops using (number)"), "it reads `main.shops`", False
    ),
    "other rows of the table": (
        query("select * from sales where number > 5"), "it reads `main.sales` past the partition", False
    ),
    "a view of another table": (query("select * from of_shops"), "it reads `main.shops`", False),
    "what is compared with another table": (
        compared(comparison_query="select count(*) as n from shops"), "it reads `main.shops`", False,
    ),
    "as many rows as another table": (
        Rule(type=OTHER, kwargs={"other_table_name": "shops"}), "it reads `main.shops`", False,
    ),
    "secrets": (query("select * from duckdb_secrets()"), "duckdb_secrets", True),
    "what is compared": (compared(base_query="from glob('/*')"), "glob", True),
    "what it is compared with": (compared(comparison_query="from glob('/*')"), "glob", True),
    "another table that is a file": (
        Rule(type=OTHER, kwargs={"other_table_name": "{folder}/secret.csv"}), "file", False,
    ),
}  # fmt: skip
ALLOWED: dict[str, tuple[Rule, Outcome]] = {
    "rows of the batch": (query("select * from {batch} where number > 5"), Outcome.PASSED),
    "its rows twice": (query("select * from {batch} join {batch} as b using (number)"), Outcome.FAILED),
    "the same rows by name": (query("select * from sales where number < 2"), Outcome.FAILED),
    "the same rows by a view": (query("select * from seen"), Outcome.FAILED),
    "a function of rows": (query("select * from range(3) where range > 5"), Outcome.PASSED),
    "a brace written twice": (
        query("from (select {{'a': number}} as s from {batch}) where s.a > 1"),
        Outcome.PASSED,
    ),
    "a brace in what is compared": (
        compared(base_query="select s.a as n from (select {{'a': 1}} as s)"),
        Outcome.PASSED,
    ),
    "two queries": (compared(base_query="select count(*) as n from {batch}"), Outcome.PASSED),
}


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    (tmp_path / "secret.csv").write_text("number\n1\n")
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        connection.execute(f"""
            create table sales as select 1 as number;
            create table shops as select 1 as number;
            create view seen as select * from sales where number < 2;
            create view of_shops as select * from shops;
            create view of_file as select * from read_text('{tmp_path}/secret.csv');
            create macro reads_file() as table select * from read_text('{tmp_path}/secret.csv');
            create sequence numbers;
            attach ':memory:' as other;
            create table other.t (number int);
        """)
        yield connection


def placed(rule: Rule, folder: Path) -> Rule:
    kwargs = {
        name: value.replace("{{folder}}", str(folder)).replace("{folder}", str(folder))
        for name, value in rule.kwargs.items()
    }
    return rule.model_copy(update={"kwargs": kwargs})


@pytest.mark.parametrize("case", REFUSED)
def test_sql_that_does_more_than_read_the_rows_judged_is_an_error_and_is_not_run(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path, case: str
) -> None:
    rule, said, _ = REFUSED[case]
    files = {path.name for path in tmp_path.iterdir()}
    warehouse.execute("begin")  # not read only: it is not the transaction that refuses it

    found, good = judge(warehouse, "sales", JUDGED, [placed(rule, tmp_path), GOOD])

    assert found.outcome is Outcome.ERROR
    assert said in str(found.error)
    assert good.outcome is Outcome.PASSED
    warehouse.execute("commit")
    assert warehouse.execute("select number, nextval('numbers') from sales").fetchall() == [(1, 1)]
    assert {path.name for path in tmp_path.iterdir()} == files


@pytest.mark.parametrize("case", [name for name, (_, _, seen) in REFUSED.items() if seen])
def test_what_can_be_seen_in_the_sql_is_told_when_the_project_loads(tmp_path: Path, case: str) -> None:
    rule, said, _ = REFUSED[case]

    [problem] = futilities(placed(rule, tmp_path))

    assert said in problem.what


@pytest.mark.parametrize("case", ALLOWED)
def test_a_query_of_the_rows_judged_is_judged(warehouse: duckdb.DuckDBPyConnection, case: str) -> None:
    rule, outcome = ALLOWED[case]

    assert list(futilities(rule)) == []
    [found] = judge(warehouse, "sales", JUDGED, [rule])

    assert (found.outcome, found.error) == (outcome, None)
