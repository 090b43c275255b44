"""Results and metrics that code before form 3 of the records kept in the warehouse, taken over once.

They are written to the records in one transaction, and only then do the tables go; what is there already, as
a process died in between, is left as it is. Belongs here: that, and how those tables looked.
"""

import itertools
import json
import math
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from sluicegate.compute.engine import beside
from sluicegate.compute.sql import literals
from sluicegate.core.severity import Severity
from sluicegate.state import schema
from sluicegate.state.moments import utc
from sluicegate.state.results import Judgement, KeptRule, insert

if TYPE_CHECKING:
    import duckdb

_TABLES = ("rule_results", "failing_rows", "metrics")
_AT_ONCE = 500
_JUDGED = "relation, partition_key, check_name, version, run_id, judged_at"
_RESULTS = f"""
    select
        {_JUDGED}, type, kwargs, severity, outcome, coalesce(expected, ''), coalesce(observed, ''),
        observed_value, row_count, failing_rows, failing_share, error,
        (
            select list(sample.row order by sample.row_number)
            from sluice.failing_rows as sample
            where
                (sample.relation, sample.partition_key, sample.check_name)
                = (said.relation, said.partition_key, said.check_name)
                and (sample.run_id, sample.judged_at, sample.rule_number)
                = (said.run_id, said.judged_at, said.rule_number)
        )
    from sluice.rule_results as said
    order by judged_at, relation, partition_key, check_name, run_id, version, rule_number
"""
_METRICS = """
    select relation, partition_key, version, metric, max_by(value, measured_at), max(measured_at)
    from sluice.metrics
    where value is null or isfinite(value)
    group by all
"""


def take_over(connection: "duckdb.DuckDBPyConnection", records: sa.Engine) -> None:
    """Move what earlier code kept in an opened warehouse to the records; nothing where nothing is there."""
    there = connection.execute(
        "select table_name from duckdb_tables() where database_name = current_database()"
        f" and schema_name = 'sluice' and list_contains({literals(_TABLES)}, table_name)"
    ).fetchall()
    tables = {name for (name,) in there}
    if not tables:
        return
    with records.begin() as target:
        if {"rule_results", "failing_rows"} <= tables:
            known = _judgements_known(target)
            new = (item for item in _judgements(connection) if _place(item) not in known)
            while batch := list(itertools.islice(new, _AT_ONCE)):
                insert(target, batch)
        if "metrics" in tables:
            _move_metrics(connection, target)
    for table in sorted(tables):
        connection.execute(f"drop table sluice.{table}")


def _judgements(connection: "duckdb.DuckDBPyConnection") -> Iterator[Judgement]:
    with beside(connection) as apart:
        apart.execute(_RESULTS)
        rows = iter(lambda: apart.fetchone(), None)
        for judged, rules in itertools.groupby(rows, key=lambda row: row[:6]):
            place: tuple[str, str, str, str, str] = judged[:5]
            yield Judgement(*place, judged[5].replace(tzinfo=UTC), tuple(map(_rule, rules)))


def _rule(row: tuple[Any, ...]) -> KeptRule:
    said: dict[str, Any] = dict(zip((field.name for field in fields(KeptRule)), row[6:], strict=True))
    said["kwargs"], said["sample"] = json.loads(said["kwargs"]), tuple(said["sample"] or ())
    said["severity"] = Severity(said["severity"])
    if said["observed_value"] is not None and math.isnan(said["observed_value"]):
        said["observed_value"] = None
    return KeptRule(**said)


def _place(item: Judgement) -> tuple[Any, ...]:
    return (item.relation, item.partition_key, item.check, item.run_id, item.judged_at)


def _judgements_known(target: sa.Connection) -> set[tuple[Any, ...]]:
    table = schema.judgements
    query = sa.select(
        table.c.relation, table.c.partition_key, table.c.check_name, table.c.run_id, table.c.judged_at
    )
    return {(*row[:4], utc(row[4])) for row in target.execute(query)}


def _move_metrics(connection: "duckdb.DuckDBPyConnection", target: sa.Connection) -> None:
    table = schema.metrics
    known = {tuple(row) for row in target.execute(sa.select(*table.primary_key))}
    rows = [
        {**dict(zip(table.c.keys(), row[:5], strict=False)), "measured_at": row[5].replace(tzinfo=UTC)}
        for row in connection.execute(_METRICS).fetchall()
        if row[:4] not in known
    ]
    if rows:
        target.execute(sa.insert(table), rows)
