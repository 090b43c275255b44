"""How long `sluice env new` takes: a generated company of N tables, of which D days are published.

Goal: 1,000 tables of 30 days in less than 10 s. The shelf is written as production's publisher writes it,
with one Delta table that stands for all of a kind, as only their place and version are looked at. The project
was loaded once before, as a person's own has been; each figure is the best of several fresh processes.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
from deltalake import write_deltalake
from sluicegate.areas import Area
from sluicegate.core.lineage import Table
from sluicegate.core.settings import Settings
from sluicegate.project.loading import Project, load_project
from sluicegate.publishing.catalogue import Catalogue, PublishedPartition, PublishedTable
from sluicegate.publishing.meaning import meanings
from sluicegate.publishing.shelf import Shelf
from sluicegate.state.records import Build, Evidence

from benchmarks.graph_load import generate_company
from benchmarks.measuring import Side, show

GOAL = "1,000 tables of 30 days in less than 10 s"
SMALLEST = ("--pairs", "2", "--days", "2", "--rounds", "1")
KEY, ROWS = "_sluice_partition", 3
COLUMNS = {"day": "DATE", "id": "INTEGER", "amount": "DECIMAL(12,2)"}
STORED = {**COLUMNS, KEY: "VARCHAR"}
NEW = """
import resource, sys, time
from sluicegate.cli import app
began = time.perf_counter()
try:
    app(["env", "new", *sys.argv[1:]])
except SystemExit as ended:
    assert not ended.code
print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def keys_of(days: int) -> list[str]:
    """Return the keys of days from the first of 2024."""
    return [(date(2024, 1, 1) + timedelta(days=number)).isoformat() for number in range(days)]


def published(table: Table, location: str, days: int) -> PublishedTable:
    """Return a table of which all days are published."""
    partitions: dict[str, PublishedPartition] = {}
    for key in keys_of(days):
        version = f"{table.relation}@{key}"
        inputs = {parent: {key: f"{parent}@{key}"} for parent in table.parents}
        build = Build(
            table.relation, key, version, "run", rows=ROWS, inputs=inputs, code=table.code, project="p",
            built_at=datetime.now(UTC),
        )  # fmt: skip
        said = tuple(
            Evidence(
                table.relation, key, check, version, True, "holds", "run", datetime.now(UTC), rules=rules
            )
            for check, rules in table.rules.items()
        )
        partitions[key] = PublishedPartition(version, ROWS, build, said)
    return PublishedTable(table.relation, location, 0, COLUMNS, {}, table.cut_by, partitions, STORED, KEY)


def write_shelf(shelf: Shelf, project: Project, days: int) -> int:
    """Publish all tables of a project; return how many there are."""
    folder, tables = Path(shelf.area.engine_path("")), dict[str, PublishedTable]()
    keys = [key for key in keys_of(days) for _ in range(ROWS)]
    rows = pa.table(
        {
            "day": pa.array([date.fromisoformat(key) for key in keys], pa.date32()),
            "id": pa.array(range(len(keys)), pa.int32()),
            "amount": pa.array([None] * len(keys), pa.decimal128(12, 2)),
            KEY: pa.array(keys),
        }
    )
    write_deltalake(folder / "first", rows, partition_by=[KEY])
    for relation, table in project.lineage.tables.items():
        location = shelf.location(table.relation)
        shutil.copytree(folder / "first", folder / location)
        tables[relation] = published(table, location, days)
    identity = project.identity.digest
    shelf.add(
        Catalogue(
            f"{1:012d}",
            "production",
            1,
            datetime.now(UTC),
            identity,
            meanings(project),
            frozenset(),
            tables,
        )
    )
    return len(tables)


def main() -> None:
    """Print the figures, and as JSON on the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=500)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        generate_company(folder / "company", options.pairs)
        variables = {
            "SLUICE_ENVIRONMENT": "scratch",
            "SLUICE_PROJECT_DIR": str(folder / "company"),
            "SLUICE_DATA_DIR": str(folder / "data"),
            "SLUICE_PUBLISHED_URL": str(folder / "shelf"),
        }
        settings = Settings.load(variables)
        tables = write_shelf(Shelf(Area(str(folder / "shelf"))), load_project(settings), options.days)
        best, whole, peak = float("inf"), float("inf"), 0.0
        for number in range(options.rounds):
            began = time.perf_counter()
            command = [sys.executable, "-c", NEW, f"env-{number}", "--days", str(options.days)]
            told = subprocess.run(
                command, check=True, capture_output=True, text=True, env=variables | {"PATH": ""}
            ).stdout
            whole = min(whole, time.perf_counter() - began)
            seconds, taken = map(float, told.splitlines()[-1].split())
            best, peak = min(best, seconds), max(peak, taken)
    sides = [Side("sluice env new", best, peak), Side("with the process's start", whole, peak)]
    show(f"{tables} tables of {options.days} days", "s", sides, GOAL)
    print(json.dumps({"seconds": round(best, 3)}))


if __name__ == "__main__":
    main()
