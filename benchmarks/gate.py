"""What the gate costs: a thousand exports with windows of sixty days, beside reading the same rows bare.

Each export has a raw table, a staging model, a mart that reads sixty days of it, and its own model; all of
them are built and judged on record. Asked is the newest day: of single exports as when they are sent, with
the warehouse open, and of all exports by the records, as `sluice status` and the sensor ask. Bare is what it
takes to read the rows that such an answer rests on: a query each for builds, evidence and versions, by
SQLite's and DuckDB's own clients.
"""

import argparse
import json
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
import sqlalchemy as sa
from sluicegate.core.lineage import Lineage, Table
from sluicegate.core.partitions import Grain, Partitioning
from sluicegate.core.relations import Relation
from sluicegate.gate.gate import Gate
from sluicegate.gate.on_record import OnRecord
from sluicegate.gate.sent_rows import sent_content
from sluicegate.state import schema
from sluicegate.state.store import StateStore
from sluicegate.warehouse.duckdb_file import DuckDBSession

from benchmarks.measuring import Side, peak_mb, show

GOAL = "3 x bare reads"
SMALLEST = ("--exports", "3", "--days", "4", "--asked", "2")
DAILY = Partitioning(Grain.DAILY)
FIRST = datetime(2024, 1, 1, tzinfo=UTC)


def lineage_of(exports: int, days: int) -> Lineage:
    """Return the lineage of a company of so many exports, with windows of so many days."""

    def tables() -> Iterator[Table]:
        for n in range(exports):
            raw, staging, mart, sent = (
                f"{name}_{n}" for name in ("raw.r", "staging.s", "marts.m", "exports.e")
            )
            for relation, parents in (
                (raw, {}),
                (staging, {raw: 1}),
                (mart, {staging: days}),
                (sent, {mart: 1}),
            ):
                table = Relation.parse(relation)
                yield Table(
                    table,
                    table.parts,
                    DAILY,
                    parents,
                    {"expectations": "rules", "key": "rules"},
                    start=FIRST,
                    code="" if relation == raw else "code",
                    cut_by="day",
                    sent=relation == sent,
                )

    return Lineage(tables())


def fill(lineage: Lineage, store_url: str, warehouse: duckdb.DuckDBPyConnection, days: int) -> str:
    """Write builds, evidence and versions of all days; return the newest day."""
    keys = [(FIRST + timedelta(days=number)).strftime("%Y-%m-%d") for number in range(days)]
    newest, now = keys[-1], datetime.now(UTC)
    warehouse.execute(
        "create schema sluice; create table sluice.table_versions"
        " (relation varchar, partition_key varchar, version varchar, recorded_at timestamp);"
        "create schema exports"
    )
    builds: list[dict[str, Any]] = []
    evidence: list[dict[str, Any]] = []
    for table in lineage.tables.values():
        windowed = table.relation.startswith(("marts.", "exports."))
        content = ""
        if table.sent:
            warehouse.execute(f"create table {table.relation} as select date '{newest}' as day, 1 as x")
            content = sent_content(DuckDBSession(warehouse), table, newest)
        for key in keys[-1:] if windowed else keys:
            inputs: dict[str, dict[str, str]] = {}
            for read in lineage.reads(table.relation, key):
                if read.partition_key in keys:
                    inputs.setdefault(read.relation, {})[read.partition_key] = _version(read.partition_key)
            place: dict[str, Any] = {"relation": table.relation, "partition_key": key, "run_id": "run"}
            place["version"] = _version(key)
            builds.append(
                place
                | {"built_at": now, "inputs": inputs, "code": table.code, "project": "p", "row_count": 1}
            )
            evidence += [
                place
                | {"check_name": check, "passed": True, "summary": "3 rules hold", "judged_at": now}
                | {"rules": "rules", "content": content}
                for check in table.rules
            ]
    StateStore(store_url).close()
    engine = sa.create_engine(store_url)
    with engine.begin() as connection:
        connection.execute(sa.insert(schema.builds), builds)
        connection.execute(sa.insert(schema.evidence), evidence)
    engine.dispose()
    columns = [[build[name] for build in builds] for name in ("relation", "partition_key", "version")]
    unnested = ", ".join(f"unnest({values})" for values in columns)
    warehouse.execute(
        f"insert into sluice.table_versions select *, now() from (select {unnested}) as built (r, k, v)"
    )
    return newest


def _version(key: str) -> str:
    """A version as long as dbt's invocation ids make them."""
    return f"{key}-0000-4000-8000-000000000000-12345678"


def read_bare(
    path: Path, warehouse: duckdb.DuckDBPyConnection, lineage: Lineage, relation: str, key: str
) -> int:
    """Read the rows that the gate of a partition rests on, and do nothing with them."""
    places = [(item.relation, item.partition_key) for item in lineage.chain(relation, key)]
    relations, keys = sorted({name for name, _ in places}), sorted({key for _, key in places})
    marks = (
        f"relation in ({','.join('?' * len(relations))}) and partition_key in ({','.join('?' * len(keys))})"
    )
    with sqlite3.connect(path) as connection:
        found = connection.execute(f"select * from builds where {marks}", [*relations, *keys]).fetchall()
        found += connection.execute(f"select * from evidence where {marks}", [*relations, *keys]).fetchall()
    listed = ", ".join(f"'{name}'" for name in relations)
    found += warehouse.execute(f"select * from sluice.table_versions where relation in ({listed})").fetchall()
    return len(found)


def main() -> None:
    """Print the figures as a table, and as JSON on the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exports", type=int, default=1000)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--asked", type=int, default=30, help="exports that are asked one by one")
    options = parser.parse_args()
    lineage = lineage_of(options.exports, options.days)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.db"
        warehouse = duckdb.connect(str(Path(folder) / "warehouse.duckdb"))
        newest = fill(lineage, f"sqlite:///{path}", warehouse, options.days)
        store = StateStore(f"sqlite:///{path}")
        gate = Gate(lineage, store)
        ours, bare, links = list[float](), list[float](), 0
        for n in range(options.asked):
            began = time.perf_counter()
            read_bare(path, warehouse, lineage, f"exports.e_{n}", newest)
            bare.append(time.perf_counter() - began)
            began = time.perf_counter()
            report = gate.report(DuckDBSession(warehouse), f"exports.e_{n}", newest)
            ours.append(time.perf_counter() - began)
            links = len(report.findings)
            if not report.open:
                raise SystemExit(f"the gate is closed: {report.reasons[0]}")
        peak = peak_mb()
        held = {
            (b.relation, b.partition_key): b.version
            for name in lineage.tables
            for b in store.latest_builds(name).values()
        }
        on_record = OnRecord(store)
        began = time.perf_counter()
        for n in range(options.exports):
            if not gate.report_from_records(f"exports.e_{n}", newest, held, on_record).open:
                raise SystemExit(f"the gate of exports.e_{n} is closed by the records")
        everything = time.perf_counter() - began
        store.close()
        warehouse.close()
    share = everything / options.exports
    sides = [
        Side("bare reads for one export", median(bare) * 1000, peak, "the same process"),
        Side("the gate of one export", median(ours) * 1000, peak),
        Side("all exports by the records, each", share * 1000, peak_mb(), f"{everything:.2f} s in all"),
    ]
    show(f"{options.exports} exports, windows of {options.days} days; {links} links each", "ms", sides, GOAL)
    print(
        json.dumps(
            {"ratio": round(median(ours) / median(bare), 3), "ratio_of_all": round(share / median(bare), 3)}
        )
    )


if __name__ == "__main__":
    main()
