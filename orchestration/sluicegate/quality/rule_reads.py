"""What a rule's own SQL reads: the rows that it judges, and no other table or partition.

Evidence names the one version that a suite has judged. What its SQL read besides would be on no record: a
table that changes would not be judged again, and rows of another day would decide this one. Asked twice: when
the project is loaded, of tables without rows, and in a run, of the very SQL, before it is judged. Belongs
here: one rule. Does not belong here: tables to bind it against (`suite_sql`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sluicegate.compute.select_only import scans
from sluicegate.compute.sql import quoted
from sluicegate.quality.expectation_types import QUERY_KWARGS
from sluicegate.quality.suites import Rule

if TYPE_CHECKING:
    import duckdb

OTHER_TABLE_KWARG = "other_table_name"
# Great Expectations fills in no placeholder there: what the batch is compared with is no part of it.
_WITHOUT_BATCH = "comparison_query"
_WITH_BATCH = tuple(name for name in QUERY_KWARGS if name != _WITHOUT_BATCH)
# How the engine begins to tell of a table that is not there.
_NO_TABLE = "Table with name"
_DBT_TEST = (
    "write what another table decides as a dbt test in dbt_project/tests/, which says by ref() and source()"
    " what it reads"
)

_BY_BATCH = f"write `from {{batch}}` in its place; {_DBT_TEST}"


@dataclass(frozen=True)
class WrongRead:
    """What a rule's SQL reads besides what it judges, or why it cannot be bound; `kwarg` has the SQL."""

    kwarg: str
    what: str
    expected: str
    fix: str

    def __str__(self) -> str:
        return f"{self.what}; expected {self.expected}: {self.fix}"


def reads_by_itself(rule: Rule) -> bool:
    """Return whether a rule says itself what it reads."""
    return any(rule.kwargs.get(name) for name in (*QUERY_KWARGS, OTHER_TABLE_KWARG))


def wrong_reads(connection: "duckdb.DuckDBPyConnection", rule: Rule, batch: str) -> Iterator[WrongRead]:
    """Yield what is wrong with what a rule reads.

    Args:
        connection: to a database with the tables of the project, with rows or without.
        rule: of any type.
        batch: the name of a view there, of the rows that are judged.
    """
    judged: dict[str, frozenset[str]] | None = None
    for kwarg, sql in _queries(rule.kwargs, batch):
        try:
            found = scans(connection, sql)
            if judged is None:
                rows = scans(connection, f"select * from {quoted(batch)}")
                judged = {scan.relation.lower(): frozenset(scan.conditions) for scan in rows}
        except (ValueError, LookupError) as problem:  # no query, or braces that are no placeholder
            fix = _DBT_TEST if kwarg == OTHER_TABLE_KWARG else "correct the SQL"
            if str(problem).startswith(_NO_TABLE) and kwarg in _WITH_BATCH:
                fix = _BY_BATCH
            yield WrongRead(kwarg, str(problem), _expected(kwarg), fix)
            continue
        for scan in found:
            conditions = judged.get(scan.relation.lower())
            if conditions is None:
                yield WrongRead(
                    kwarg, f"it reads `{scan.relation}`, which is not what the suite judges",
                    _expected(kwarg), _DBT_TEST,
                )  # fmt: skip
            elif not conditions <= set(scan.conditions):
                yield WrongRead(
                    kwarg, f"it reads `{scan.relation}` past the partition that is judged",
                    _expected(kwarg),
                    _BY_BATCH if kwarg in _WITH_BATCH else _DBT_TEST,
                )  # fmt: skip


def _queries(kwargs: Mapping[str, Any], batch: str) -> Iterator[tuple[str, str]]:
    """Yield (kwarg, SQL) of all that a rule reads by itself, with the batch put in as it will be."""
    for name in QUERY_KWARGS:
        if sql := kwargs.get(name):
            yield name, str(sql) if name == _WITHOUT_BATCH else _filled(str(sql), batch)
    if other := kwargs.get(OTHER_TABLE_KWARG):
        yield OTHER_TABLE_KWARG, f"select * from {quoted(str(other))}"


def _filled(sql: str, batch: str) -> str:
    try:
        return sql.format(batch=batch)
    except (ValueError, LookupError):
        return sql  # its braces are no SQL either, and the engine says so


def _expected(kwarg: str) -> str:
    if kwarg == _WITHOUT_BATCH:
        return "constants, as `select 5 as n`: a suite reads the rows that it judges, and nothing else"
    if kwarg == OTHER_TABLE_KWARG:
        return "no other table: a suite reads the rows that it judges, and nothing else"
    return "a query of `{batch}` alone, the rows that the suite judges: nothing says what else was read"
