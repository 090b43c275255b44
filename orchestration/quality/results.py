"""What was judged, kept in the warehouse with its history: for analysts, for trends, for Data Docs.

The gate does not read it; its evidence is in the state store. Failing rows are kept as samples, with the
values of classified columns masked. Belongs here: writing and reading those tables.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from orchestration.compute.sql import literal, value_literal
from orchestration.quality.rule_results import RuleResult

if TYPE_CHECKING:
    import duckdb

MASK = "***"
_DDL = """
    create schema if not exists sluice;
    create table if not exists sluice.rule_results (
        relation varchar, partition_key varchar, check_name varchar, version varchar, run_id varchar,
        judged_at timestamp, rule_number integer, type varchar, kwargs varchar, severity varchar,
        outcome varchar, expected varchar, observed varchar, observed_value double, row_count bigint,
        failing_rows bigint, failing_share double, error varchar
    );
    create table if not exists sluice.failing_rows (
        relation varchar, partition_key varchar, check_name varchar, version varchar, run_id varchar,
        judged_at timestamp, rule_number integer, row_number integer, row varchar
    );
"""


@dataclass(frozen=True)
class Judged:
    """Which data was judged, by whom, when (UTC)."""

    relation: str
    partition_key: str
    check: str
    version: str
    run_id: str
    judged_at: datetime

    @property
    def columns(self) -> tuple[Any, ...]:
        """The values that every kept row begins with."""
        return (self.relation, self.partition_key, self.check, self.version, self.run_id, self.judged_at)


def create_tables(connection: "duckdb.DuckDBPyConnection") -> None:
    """Make the tables where they are missing."""
    connection.execute(_DDL)


def keep(connection: "duckdb.DuckDBPyConnection", judged: Judged, results: Sequence[RuleResult]) -> None:
    """Keep what each rule said, and its failing rows; `results` are masked already (`masked`)."""
    said = judged.columns
    rules = [
        (
            *said, number, item.rule.type, json.dumps(item.rule.kwargs, default=str),
            item.rule.severity.value, item.outcome.value, item.expected, item.observed, item.observed_value,
            item.rows, item.failing_rows, item.failing_share, item.error,
        )
        for number, item in enumerate(results)
    ]  # fmt: skip
    _insert(connection, "sluice.rule_results", rules)
    rows = [
        (*said, number, place, json.dumps(row, default=str))
        for number, item in enumerate(results)
        for place, row in enumerate(item.sample)
    ]
    _insert(connection, "sluice.failing_rows", rows)


def _insert(connection: "duckdb.DuckDBPyConnection", relation: str, rows: Sequence[Sequence[object]]) -> None:
    if rows:
        listed = ", ".join(f"({', '.join(value_literal(value) for value in row)})" for row in rows)
        connection.execute(f"insert into {relation} values {listed}")


def judged_versions(connection: "duckdb.DuckDBPyConnection", relation: str) -> set[tuple[str, str]]:
    """Return (partition key, version) of all that a suite has judged of a table, whatever it said."""
    rows = connection.execute(
        "select distinct partition_key, version from sluice.rule_results"
        f" where relation = {literal(relation)}"
    ).fetchall()
    return set(rows)


def masked(row: Mapping[str, Any], classified: Collection[str]) -> dict[str, Any]:
    """Return a sample row with what may be classified hidden; an empty value stays empty.

    That is every value of a classified column, and where there is one every text: where the fields of a row
    are shifted, a column has its neighbour's text. A number or a date is of its column's type, and stays.
    """
    return {
        name: value if value is None or (name not in classified and _stays(value, classified)) else MASK
        for name, value in row.items()
    }


def _stays(value: object, classified: Collection[str]) -> bool:
    return not classified or isinstance(value, bool | int | float | Decimal | date)
