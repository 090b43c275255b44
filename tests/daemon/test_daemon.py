"""The daemon at work: `sluice dev` in one terminal, the provider in a second one.

Belongs here: what needs the real processes. Does not: what a single run does; `tests/run` has that.
"""

import gzip
import json
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import duckdb
import psycopg
import pytest
from psycopg import sql
from sluicegate.core.settings import Settings
from sluicegate.operations.status import Standing

from tests.company import BAKERY, MON, SHOP_ORDERS, TUE, WEATHER_REPORT, WED, Company, orders
from tests.daemon.server import Server

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="looks at processes through /proc"),
]


# The first start is that of the module's own server.
STARTS = range(1, int(os.environ.get("SLUICE_TEST_KILLS", "1")))


def land_at_once(company: Company, **files: Path) -> None:
    """Land files, of a source each, from the second terminal; at the same time, as providers do."""
    started = [company.start("land", source, str(file)) for source, file in files.items()]
    for process in started:
        with process:
            _, complained = process.communicate(timeout=120)
            assert (process.returncode, complained) == (0, "")


def land(company: Company, **files: Path) -> None:
    """Land files by the same command, typed in this process: to start one takes ten times as long."""
    for source, file in files.items():
        code, _, complained = company.sluice("land", source, str(file))
        assert (code, complained) == (0, "")


@contextmanager
def all_landed(folder: Path, postgres_url: str, landing: Callable[..., None] = land) -> Generator[Server]:
    """A bakery whose shops and Monday have landed before its daemon starts for the first time."""
    name = folder.name
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    url, container = postgres_url.replace("/postgres?", f"/{name}?"), folder / "container"
    environ = {"SLUICE_CONNECTION_SHOP_SCREENS": url, "SLUICE_CONNECTION_MILLER": str(container)}
    settings = Settings.load(environ, project_dir=BAKERY, data_dir=folder / "data")
    company = Company(settings, url, container)
    server = Server(company, folder / "sluice_dev.log")
    (folder / "shops.csv").write_text("shop,town\n" + "".join(f"{shop},Ulm\n" for shop in "abcd"))
    landing(
        company,
        shops=folder / "shops.csv",
        orders=orders_file(server, MON, a=3, b=4),
        weather=weather_file(server, MON, rain=1.5),
    )
    yield server
    server.kill()
    company.deployment.store.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[Server]:
    """A bakery with its daemon; each test lands days of its own."""
    with all_landed(tmp_path_factory.mktemp("daemon"), postgres_url, land_at_once) as server:
        yield server


def orders_file(server: Server, day: str, **loaves: int) -> Path:
    """Write a day's orders: loaves by shop."""
    file = server.log.with_name(f"{day}.csv.gz")
    file.write_bytes(gzip.compress(orders(day, **loaves).encode()))
    return file


def weather_file(server: Server, day: str, rain: float) -> Path:
    """Write a day's weather."""
    file = server.log.with_name(f"{day}.csv")
    file.write_text(f"date,town,rain_mm\n{day},Ulm,{rain}\n")
    return file


def screens(company: Company, day: str, *shops: str) -> dict[str, int]:
    """Return {shop: loaves} of the screens for a day; a window of three days shows other days' shops too."""
    # Read once: a delivery may arrive between two looks.
    rows = [row for row in company.in_postgres(day) if row[1] in shops]
    found = {shop: loaves for _, shop, loaves in rows}
    assert len(found) == len(rows)
    return found


def rain(company: Company, day: str) -> list[float]:
    """Return what the miller's files of a day say, found by the manifest."""
    shown = company.container / "weather" / day / "manifest.json"
    if not shown.exists():
        return []
    manifest = json.loads(shown.read_text())
    paths = [str(shown.parent / manifest["delivery_id"] / part["path"]) for part in manifest["files"]]
    return [float(row[0]) for row in duckdb.read_parquet(paths).select("rain_mm").fetchall()]


def deliveries(company: Company, day: str) -> tuple[int, int]:
    """Return how many deliveries of a day came to the screens' database, and to the miller's folder."""
    query = "select count(*) from bakery._sluice_deliveries where partition_key = %s"
    with psycopg.connect(company.postgres_url) as connection:
        row = connection.execute(query, [day]).fetchone()
    return int(row[0]) if row else 0, len(list((company.container / "weather" / day).glob("*/manifest.json")))


def monday_arrives(server: Server) -> None:
    """Have Monday at both destinations, corrected or not: other tests need a table in Postgres."""
    company = server.up().company
    server.wait_until(lambda: bool(company.in_postgres(MON) and rain(company, MON)), "Monday is delivered")


def test_what_had_landed_before_the_first_start_arrives_once_by_few_runs(server: Server) -> None:
    monday_arrives(server)
    server.wait_until(server.idle, "no run is under way")
    company = server.company
    assert screens(company, MON, "a", "b") == {"a": 3, "b": 4}
    assert rain(company, MON) == [1.5]
    assert deliveries(company, MON) == (1, 1)
    # The shops' run, one of Monday for what is made without the shops, and at most one for what waited.
    ran = server.runs()
    assert ran.keys() == {("", "SUCCESS"), (MON, "SUCCESS")}
    assert ran["", "SUCCESS"] == 1
    assert ran[MON, "SUCCESS"] <= 2


@pytest.mark.parametrize("start", STARTS)
def test_each_first_start_is_like_that(
    tmp_path_factory: pytest.TempPathFactory, postgres_url: str, start: int
) -> None:
    with all_landed(tmp_path_factory.mktemp(f"start{start}"), postgres_url) as server:
        test_what_had_landed_before_the_first_start_arrives_once_by_few_runs(server)


def test_a_landed_day_arrives_and_its_correction_replaces_its_slice(server: Server) -> None:
    monday_arrives(server)
    company = server.company
    assert screens(company, MON, "a", "b") == {"a": 3, "b": 4}
    assert rain(company, MON) == [1.5]
    land(company, orders=orders_file(server, MON, a=5))
    server.wait_until(
        lambda: screens(company, MON, "a", "b") == {"a": 5},
        "the corrected Monday is on the screens, without the shop that ordered nothing",
    )
    assert deliveries(company, MON) == (2, 1)  # the weather is the same: nothing was sent


def test_a_broken_day_is_held_and_the_ui_says_so_until_it_is_corrected(server: Server) -> None:
    monday_arrives(server)
    company, gates = server.company, ("delivered/exp_shop_orders", "delivered/exp_weather_report")

    def gates_say(status: str) -> bool:
        found = [server.check(gate, "gate", TUE) for gate in gates]
        return [said[0] if said else None for said in found] == [status, status]

    land(company, orders=orders_file(server, TUE, c=1), weather=weather_file(server, TUE, rain=-1))
    server.wait_until(lambda: gates_say("FAILED"), "the UI shows both gates as closed for Tuesday")
    for gate in gates:
        said = server.check(gate, "gate", TUE)
        assert said is not None
        assert "staging.stg_weather" in said[1]
        assert "expectations" in said[1]
    server.wait_until(
        lambda: [server.failed_partitions(gate) for gate in gates] == [1, 1], "Tuesday is red among the days"
    )
    assert company.in_postgres(TUE) == []
    assert rain(company, TUE) == []
    standing = company.status()
    assert standing[(SHOP_ORDERS, TUE)].standing is Standing.HELD
    assert standing[(WEATHER_REPORT, TUE)].standing is Standing.HELD

    land(company, weather=weather_file(server, TUE, rain=1))
    server.wait_until(lambda: gates_say("SUCCEEDED"), "the UI shows both gates as open for Tuesday")
    server.wait_until(
        lambda: (screens(company, TUE, "c"), rain(company, TUE)) == ({"c": 1}, [1]),
        "the corrected Tuesday is at both destinations",
    )
    assert deliveries(company, TUE) == (1, 1)
    server.wait_until(
        lambda: [server.failed_partitions(gate) for gate in gates] == [0, 0], "no day is red any more"
    )


def test_runs_are_forked_from_one_process_that_has_no_threads(server: Server) -> None:
    monday_arrives(server)
    server.wait_until(server.idle, "no run is under way, which would be one more")
    forking = [
        process
        for process in server.processes()
        if b"multiprocessing.forkserver" in Path(f"/proc/{process}/cmdline").read_bytes()
    ]
    assert len(forking) == 1
    assert len(list(Path(f"/proc/{forking[0]}/task").iterdir())) == 1, "a fork would lose its other threads"


def test_a_job_of_the_ui_builds_and_sends_in_runs_of_the_partition(server: Server) -> None:
    monday_arrives(server)
    company, op = server.company, "rerun_partitions"
    assert "unexpected config entry" in server.launch("rerun", op, tables="staging.stg_orders")
    with psycopg.connect(company.postgres_url) as connection:
        connection.execute("delete from bakery.shop_orders where business_date = %s", [MON])
    jobs = [
        server.launch("rerun", op, table="staging.stg_orders", from_partition=MON),
        # At the same time: each waits for the other's steps, and none for ever.
        server.launch("rerun", op, table="staging.stg_weather", from_partition=MON),
    ]
    server.wait_until(server.idle, "the jobs and their runs have ended")
    # The first to build what both come to may find it made of what the other has built anew since.
    assert "SUCCESS" in [server.run_status(run) for run in jobs]
    again = server.launch("rerun", op, table="staging.stg_weather", from_partition=MON)
    server.wait_until(server.idle, "the job and its runs have ended")
    assert server.run_status(again) == "SUCCESS"
    sent = server.launch("resync", "resync_partition", export=SHOP_ORDERS, partition=MON)
    server.wait_until(server.idle, "the job and its run have ended")
    assert server.run_status(sent) == "SUCCESS"
    assert screens(company, MON, "a", "b", "c", "d") != {}
    wrong = server.launch("release", "release_partition", export=SHOP_ORDERS, reason="", by="", until="")
    server.wait_until(server.idle, "the job has ended")
    assert server.run_status(wrong) == "FAILURE"


def test_nobody_but_this_machine_is_listened_to(server: Server) -> None:
    monday_arrives(server)
    assert server.listening() == {("127.0.0.1", server.port), ("127.0.0.1", server.port + 1)}
    page = f"http://127.0.0.1:{server.port + 1}"
    with urlopen(f"{page}/data-docs/", timeout=120) as response:
        assert "raw.orders" in response.read().decode()
    with urlopen(f"{page}/exports.html", timeout=120) as response:
        assert "exp_shop_orders" in response.read().decode()


def test_a_day_in_the_middle_of_which_all_was_killed_arrives_once(server: Server) -> None:
    monday_arrives(server)
    company = server.company
    with psycopg.connect(company.postgres_url, autocommit=True) as ours, ours.transaction():
        ours.execute("lock table bakery.shop_orders in access exclusive mode")
        land(company, orders=orders_file(server, WED, d=7), weather=weather_file(server, WED, rain=3))
        server.wait_until(
            lambda: ours.execute("select 1 from pg_locks where not granted").fetchone() is not None,
            "Wednesday's rows wait for our lock",
        )
        server.kill()
    assert screens(company, WED, "d") == {}

    server.up()
    server.wait_until(
        lambda: (screens(company, WED, "d"), rain(company, WED)) == ({"d": 7}, [3]),
        "Wednesday is at both destinations",
    )
    server.wait_until(server.idle, "no run is left over")
    assert deliveries(company, WED) == (1, 1)


def test_asked_to_stop_it_ends_with_code_0_and_leaves_no_process(server: Server) -> None:
    server.up()
    server.wait_until(server.idle, "no run is under way")
    assert len(server.processes()) > 1
    assert server.stop(seconds=30) == 0
    # Its code server takes a moment longer.
    server.wait_until(lambda: server.processes() == [], "every process has ended")
    assert server.listening() == set()
