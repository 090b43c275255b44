"""What the binder proves, tried out: change what a table holds, and see what else changes.

An oracle that does not share the binder's opinions: it runs a model's SQL on the warehouse as it is and as it
is after a change, and compares rows. Belongs here: reads of whole tables and slices. Does not: columns.
"""

import os
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import pytest
from sluicegate.compute.select_only import Statement, scans
from sluicegate.core.settings import REPOSITORY, Settings
from sluicegate.demo.generate import generate_feed
from sluicegate.transformation.declared_reads import DeclaredReads
from sluicegate.transformation.runner import DbtProcess
from sluicegate.transformation.slices import partition_variables, slice_condition

from tests.company import TUE, Company
from tests.observatory import (
    DAY,
    FEBRUARY,
    HOURS,
    JANUARY,
    WEEK,
    land_hour,
    land_plan,
    land_recording,
    land_week,
    open_observatory,
)
from tests.typed import sluice

pytestmark = pytest.mark.long
Rows = list[tuple[object, ...]]
SENT_DAY = date(2024, 3, 5)
# How a value is made another of the same type.
OTHER = {
    "VARCHAR": "'x' || coalesce({0}, '')", "BOOLEAN": "not coalesce({0}, false)",
    "DATE": "coalesce({0}, date '2001-01-01') + 400", "TIMESTAMP": "{0} + interval 400 day",
}  # fmt: skip


@dataclass(frozen=True)
class Model:
    """A model's SQL for one partition, what the binder says that it reads, and the slice of each parent."""

    name: str
    sql: str
    reads: frozenset[str]
    slices: Mapping[str, str]


@dataclass(frozen=True)
class Built:
    """A company with something in each of its tables."""

    warehouse: Path
    models: tuple[Model, ...]

    @contextmanager
    def open(self) -> Generator[duckdb.DuckDBPyConnection]:
        """Open the warehouse for changes that are taken back."""
        with duckdb.connect(str(self.warehouse)) as connection:
            connection.execute("begin")
            yield connection
            connection.execute("rollback")


def bakery(request: pytest.FixtureRequest, _: Path) -> tuple[Company, Callable[[str], str]]:
    company: Company = request.getfixturevalue("open_bakery")
    company.land_day(TUE, a=1, b=2)
    company.run()
    return company, lambda _: TUE


def observatory(_: pytest.FixtureRequest, folder: Path) -> tuple[Company, Callable[[str], str]]:
    with open_observatory(folder) as company:
        for hour in HOURS:
            land_hour(company, hour, a=100.5, b=200)
        land_plan(company, FEBRUARY, readings=6)
        land_week(company, WEEK, "2024-01-31")
        land_recording(company, "quake-7", 0.25, 8.5)
        company.run()
    keys = {"hourly": HOURS[1], "daily": DAY, "weekly": WEEK, "monthly": JANUARY, "drop": "quake-7"}
    return company, keys.__getitem__


def demo(request: pytest.FixtureRequest, folder: Path) -> tuple[Company, Callable[[str], str]]:
    settings = Settings.load({}, project_dir=REPOSITORY, data_dir=folder / "data")
    company = Company(settings, request.getfixturevalue("database_url"), folder / "container")
    generate_feed(folder / "feed", start=date(2024, 3, 4), days=2, stores=20, products=60, seed=1)
    for source in ("stores", "products"):
        assert sluice(company, "land", source, str(folder / f"feed/{source}.csv.gz"))[0] == 0
    for source in ("sales", "inventory"):
        assert sluice(company, "land", source, str(folder / f"feed/{source}"))[0] == 0
    company.run()
    return company, lambda _: SENT_DAY.isoformat()


# The demo, and each column alone, take minutes.
EACH_COLUMN = int(os.environ.get("SLUICE_TEST_KILLS", "1")) > 1
COMPANIES = (bakery, observatory, demo) if EACH_COLUMN else (bakery, observatory)


@pytest.fixture(params=COMPANIES, ids=lambda made: made.__name__)
def built(request: pytest.FixtureRequest, tmp_path: Path) -> Built:
    """Each company that there is, after a run of everything."""
    company, keys = request.param(request, tmp_path / "other")
    return Built(company.settings.warehouse_path, tuple(_models(company, keys)))


def _models(company: Company, keys: Callable[[str], str]) -> Iterator[Model]:
    project, dbt = company.project, DbtProcess(company.settings)
    declared = DeclaredReads(project.manifest.content)
    for node in project.manifest.nodes.values():
        if node.resource_type == "seed":
            continue
        how = project.lineage.tables[node.relation].partitioning
        key = keys(how.grain.value) if how.partitioned else ""
        sql = dbt.compiled(node.selector, partition_variables(how, key)).strip().rstrip(";")
        slices: dict[str, str] = {}
        for parent in node.parents:
            relation, cut = str(project.manifest.relation(parent)), declared.cuts.of(parent)
            days = node.trailing_days.get(relation.rpartition(".")[2], 1)
            slices[relation] = slice_condition(cut, how, key, days) if cut else "true"
        with duckdb.connect(str(company.settings.warehouse_path)) as connection:
            reads = frozenset(scan.relation for scan in scans(connection, sql))
            assert declared.undeclared(Statement(connection, sql), node.unique_id, how, key) == []
        yield Model(node.relation, sql, reads, slices)


def rows(connection: duckdb.DuckDBPyConnection, model: Model) -> Rows:
    """Return what a model's SQL gives now."""
    return connection.execute(f"select columns(*)::varchar from ({model.sql}) order by all").fetchall()


def tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Return every table of the warehouse that models may read."""
    found = connection.execute("select schema_name, table_name from duckdb_tables()").fetchall()
    return sorted(f"{schema}.{name}" for schema, name in found if schema not in ("sluice", "main"))


def changes(connection: duckdb.DuckDBPyConnection, table: str, where: str) -> Iterator[str]:
    """Yield statements that change some rows of a table: its columns, one row less, one twice, none."""
    columns = connection.execute(f"describe {table}").fetchall()
    others = {
        f'"{name}"': OTHER.get(str(kind).split("(")[0], "coalesce({0}, 0) * 3 + 7").format(f'"{name}"')
        for name, kind, *_ in columns
    }
    if EACH_COLUMN:
        yield from (f"update {table} set {name} = {other} where {where}" for name, other in others.items())
        yield from (f"update {table} set {name} = null where {where}" for name in others)
    else:
        yield f"update {table} set {', '.join(f'{name} = {o}' for name, o in others.items())} where {where}"
        yield f"update {table} set {', '.join(f'{name} = null' for name in others)} where {where}"
    yield f"delete from {table} where rowid = (select min(rowid) from {table} where {where})"
    yield f"insert into {table} select * from {table} where {where}"
    yield f"delete from {table} where {where}"


@pytest.mark.sampled(2)
def test_what_moves_is_proved(built: Built) -> None:
    """By a change of a whole table, and of rows outside of the slice that a model declares.

    Each proof moves something, too: with one edge less in it, the first assertion would fail.
    """
    with built.open() as connection:
        names = tables(connection)
        statements = {name: list(changes(connection, name, "true")) for name in names}
        before = {model.name: rows(connection, model) for model in built.models}
    moved = {
        (model.name, name)
        for name in names
        for statement in statements[name]
        for model in _moved(built, before, statement)
    }
    proved = {(model.name, name) for model in built.models for name in model.reads}
    assert moved == proved
    assert len(proved) > 3
    assert _by_rows_outside(built, before) > 10


def _moved(built: Built, before: Mapping[str, Rows], statement: str) -> list[Model]:
    """Return the models whose rows change with a statement."""
    found: list[Model] = []
    with built.open() as connection:
        try:
            connection.execute(statement)
        except duckdb.Error:  # a value that the type does not hold
            return []
        for model in built.models:
            try:
                after = rows(connection, model)
            except duckdb.Error:  # a sum that overflows
                after = []
            if after != before[model.name]:
                found.append(model)
    return found


def _by_rows_outside(built: Built, before: Mapping[str, Rows]) -> int:
    """Change rows outside of each slice; return how many changes were tried."""
    tried = 0
    for model in built.models:
        for name, inside in model.slices.items():
            if inside == "true":
                continue
            with built.open() as connection:
                statements = list(changes(connection, name, f"not ({inside})"))
            for statement in statements:
                with built.open() as connection:
                    counted = f"select count(*) from {name} where {inside}"
                    held = connection.execute(counted).fetchone()
                    try:
                        connection.execute(statement)
                    except duckdb.Error:
                        continue
                    if connection.execute(counted).fetchone() == held:  # none was moved into it
                        assert rows(connection, model) == before[model.name], (model.name, statement)
                        tried += 1
    return tried
