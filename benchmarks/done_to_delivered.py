"""From `.done` to rows at the destinations, with the daemon running.

A generated company of the demo's shape is served by `sluice dev`; a day lands, and the clock runs from
its last marker until both destinations hold it. Beside it, in the same run on the same machine: what bare
`dagster` takes to materialize one empty asset from the command line, and bare `dbt` to build one model. They
run before the daemon starts and after it has stopped, as often as days are measured, so that neither side has
the other's work beside it, and what else the machine does falls on both. Figures are medians; processor time
is that of all processes, and of the daemon's side with what the daemon does besides.
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psutil
import psycopg
from sluicegate.areas import Area
from sluicegate.contracts.load import load_contracts
from sluicegate.core.settings import Settings
from sluicegate.demo.destinations import demo_destinations
from sluicegate.demo.generate import generate_feed
from sluicegate.graph.instance import open_instance
from sluicegate.ingestion.landing import land
from watchfiles import watch

from benchmarks.measuring import Side, show

GOAL = "1.8 x bare dagster and dbt"
SMALLEST = ("--days", "1")
_PATIENCE_SECONDS = 600
EMPTY_ASSET = """
import dagster as dg
@dg.asset
def empty(): ...
defs = dg.Definitions([empty])
"""


@dataclass(frozen=True)
class Taken:
    """What something took: seconds of wall and of processor, MB at most."""

    seconds: float
    processor: float
    peak_mb: float


def finished(command: list[Any], environment: dict[str, str]) -> Taken:
    """Return what a command takes, which must go well."""
    began, away = time.perf_counter(), subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=away, stderr=away, env=os.environ | environment)
    _, status, used = os.wait4(process.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, command
    return Taken(time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def tree_of(process: psutil.Process) -> list[psutil.Process]:
    """Return a process and all below it."""
    return [process, *process.children(recursive=True)]


def used_by(process: psutil.Process) -> float:
    """Return the seconds of processor of a process and all below it, those that have ended too."""
    used = 0.0
    for one in tree_of(process):
        with suppress(psutil.NoSuchProcess):
            used += sum(one.cpu_times()[:4])
    return used


def held_by(process: psutil.Process) -> float:
    """Return the MB that a process and all below it hold; what they share is divided among them."""
    held = 0
    for one in tree_of(process):
        with suppress(psutil.NoSuchProcess):
            held += one.memory_full_info().pss
    return held / 2**20


def bare_dagster(folder: Path) -> Taken:
    """Return what `dagster asset materialize` takes for one empty asset."""
    home, program = folder / "bare_home", folder / "bare.py"
    home.mkdir(exist_ok=True)
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    program.write_text(EMPTY_ASSET)
    command = [sys.executable, "-m", "dagster", "asset", "materialize", "--select", "empty", "-f", program]
    return finished(command, {"DAGSTER_HOME": str(home)})


def bare_dbt(settings: Settings) -> Taken:
    """Return what `dbt run` takes for one model, with a warm partial parse."""
    command = [
        Path(sys.executable).with_name("dbt"), "run", "--select", "stg_stores", "--quiet",
        "--project-dir", settings.dbt_dir, "--profiles-dir", settings.dbt_dir,
        "--target-path", settings.data_dir / "bare_dbt", "--log-path", settings.data_dir / "bare_dbt",
    ]  # fmt: skip
    if not (settings.data_dir / "bare_dbt" / "partial_parse.msgpack").exists():
        finished(command, settings.environment())
    return finished(command, settings.environment())


def land_day(settings: Settings, feed: Path, day: date) -> None:
    """Land one day of both facts."""
    contracts, _ = load_contracts(settings.project_dir)
    for name in ("sales", "inventory"):
        file = feed / name / f"{day}.csv.gz"
        list(land(contracts[name], Area(settings.staging_url), {day.isoformat(): file}))


def wait_for(settings: Settings, day: date) -> None:
    """Return when both destinations hold the day."""
    container = Path(str(settings.connection("partner_drop")))
    manifest = container / "top_items" / day.isoformat() / "manifest.json"
    container.mkdir(exist_ok=True)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    for _ in watch(container, yield_on_timeout=True, rust_timeout=200):
        if manifest.exists():
            break
        if time.monotonic() > deadline:
            raise SystemExit(
                f"{day} is not delivered after {_PATIENCE_SECONDS} s: a run has failed, or none came"
            )
    with psycopg.connect(str(settings.connection("retailer_app")), autocommit=True) as connection:
        query = "select count(*) from marketplace.top_items where business_date = %s"
        while True:
            try:
                row = connection.execute(query, [day]).fetchone()
            except psycopg.errors.UndefinedTable:
                row = None
            if row and row[0]:
                return
            time.sleep(0.05)


def steps_of_last_run(settings: Settings) -> list[tuple[float, str]]:
    """Return (seconds, step) of the newest run, longest first, and what came before its first step."""
    with open_instance(settings) as instance:
        record = instance.get_run_records(limit=1)[0]
        stats = instance.get_run_step_stats(record.dagster_run.run_id)
    steps = [(s.end_time - s.start_time, s.step_key) for s in stats if s.start_time and s.end_time]
    first = min(s.start_time for s in stats if s.start_time)
    started = record.start_time or first
    return [
        (started - record.create_timestamp.timestamp(), "queue, and start of the run's process"),
        (first - started, "the run's own start"),
        *sorted(steps, reverse=True),
    ]


def median_of(taken: list[Taken]) -> Taken:
    """Return the medians, each of its own, and the most memory."""
    seconds = statistics.median(one.seconds for one in taken)
    processor = statistics.median(one.processor for one in taken)
    return Taken(seconds, processor, max(one.peak_mb for one in taken))


def main() -> None:
    """Print the figures as a table, and as JSON on the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=4, choices=range(1, 5))
    options = parser.parse_args()
    start = date(2024, 3, 4)  # a Monday: the generated providers send no sales on Sundays
    days = [start + timedelta(days=offset) for offset in range(options.days + 2)]
    with tempfile.TemporaryDirectory() as folder:
        feed = Path(folder) / "feed"
        generate_feed(feed, start=start, days=len(days), stores=60, products=300, seed=1)
        with demo_destinations(Settings.load({}, data_dir=Path(folder) / "data")) as settings:
            contracts, _ = load_contracts(settings.project_dir)
            for name in ("stores", "products"):
                files = {"snapshot": feed / f"{name}.csv.gz"}
                list(land(contracts[name], Area(settings.staging_url), files))
            # A day of its own makes what bare dbt reads, before the daemon is there.
            land_day(settings, feed, days[0])
            sluice = Path(sys.executable).with_name("sluice")
            finished([sluice, "run"], settings.environment())
            # bare dbt has a copy: the gate holds all that is made of what was built beside the platform.
            copy = Path(folder) / "bare.duckdb"
            shutil.copy(settings.warehouse_path, copy)
            apart = settings.model_copy(update={"warehouse_path": copy})
            dagster, dbt = list[Taken](), list[Taken]()

            def bare() -> None:
                for _ in range(-(-options.days // 2)):
                    dagster.append(bare_dagster(Path(folder)))
                    dbt.append(bare_dbt(apart))

            bare()
            server = subprocess.Popen(
                [sluice, "dev", "--port", "3999"], env=os.environ | settings.environment(),
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            try:
                land_day(settings, feed, days[1])
                wait_for(settings, days[1])  # the daemon's first day also waits for its start
                taken, served = list[Taken](), psutil.Process(server.pid)
                for day in days[2:]:
                    land_day(settings, feed, day)
                    began, before = time.perf_counter(), used_by(served)
                    wait_for(settings, day)
                    seconds, processor = time.perf_counter() - began, used_by(served) - before
                    taken.append(Taken(seconds, processor, held_by(served)))
            finally:
                server.send_signal(signal.SIGTERM)
                server.wait()
            steps = steps_of_last_run(settings)
            bare()
    one, other, ours = median_of(dagster), median_of(dbt), median_of(taken)
    both, peak = one.seconds + other.seconds, max(one.peak_mb, other.peak_mb)
    used = one.processor + other.processor
    spread = f"{min(item.seconds for item in taken):.1f} to {max(item.seconds for item in taken):.1f} s"
    share = ours.processor / used
    alone = (("bare dagster, one empty asset", one), ("bare dbt, one model", other))
    sides = [
        Side("bare dagster and dbt", both, peak, f"{used:.1f} s of processor"),
        Side(
            ".done to delivered", ours.seconds, ours.peak_mb,
            f"{spread}; {ours.processor:.1f} s of processor, {share:.2f} x; memory of all processes",
        ),
        *(
            Side(f"  {name}", item.seconds, item.peak_mb, f"{item.processor:.1f} s of processor")
            for name, item in alone
        ),
    ]  # fmt: skip
    ratio = show(f"the demo company's day, the median of {len(taken)}", "s", sides, GOAL)
    for duration, name in steps[:12]:
        print(f"    {duration:6.2f} s  {name}")
    print(f"    {sum(item[0] for item in steps[2:]):6.2f} s  all {len(steps) - 2} steps")
    told = {"ratio": round(ratio, 2), "ratio_by_cpu": round(share, 2), "median_s": round(ours.seconds, 1)}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
