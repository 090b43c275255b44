"""From `.done` to rows at the destinations, with the daemon running.

A generated company of the demo's shape is served by `sluice dev`; a day lands, and the clock runs from
its last marker until both destinations hold it. Beside it, in the same run on the same machine: what bare
`dagster` takes to materialize one empty asset from the command line, and bare `dbt` to build one model.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

import psycopg
from sluicegate.areas import Area
from sluicegate.contracts.load import load_contracts
from sluicegate.core.settings import Settings
from sluicegate.demo.destinations import demo_destinations
from sluicegate.demo.generate import generate_feed
from sluicegate.graph.instance import open_instance
from sluicegate.ingestion.landing import land
from watchfiles import watch

EMPTY_ASSET = """
import dagster as dg
@dg.asset
def empty(): ...
defs = dg.Definitions([empty])
"""


def bare_dagster(folder: Path) -> float:
    """Return the seconds of `dagster asset materialize` for one empty asset."""
    home, program = folder / "bare_home", folder / "bare.py"
    home.mkdir(exist_ok=True)
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    program.write_text(EMPTY_ASSET)
    command = [sys.executable, "-m", "dagster", "asset", "materialize", "--select", "empty", "-f", program]
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=os.environ | {"DAGSTER_HOME": str(home)})
    return time.perf_counter() - began


def bare_dbt(settings: Settings) -> float:
    """Return the seconds of `dbt run` for one model, with a warm partial parse."""
    command = [
        Path(sys.executable).with_name("dbt"), "run", "--select", "stg_stores", "--quiet",
        "--project-dir", settings.dbt_dir, "--profiles-dir", settings.dbt_dir,
        "--target-path", settings.data_dir / "bare_dbt", "--log-path", settings.data_dir / "bare_dbt",
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, env=os.environ | settings.environment())
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=os.environ | settings.environment())
    return time.perf_counter() - began


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
    for _ in watch(container, yield_on_timeout=True, rust_timeout=200):
        if manifest.exists():
            break
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


def main() -> None:
    """Print the figures as a table, and as JSON on the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=4, choices=range(1, 6))
    options = parser.parse_args()
    start = date(2024, 3, 4)  # a Monday: the generated providers send no sales on Sundays
    days = [start + timedelta(days=offset) for offset in range(options.days + 1)]
    with tempfile.TemporaryDirectory() as folder:
        feed = Path(folder) / "feed"
        generate_feed(feed, start=start, days=len(days), stores=60, products=300, seed=1)
        with demo_destinations(Settings.load({}, data_dir=Path(folder) / "data")) as settings:
            contracts, _ = load_contracts(settings.project_dir)
            for name in ("stores", "products"):
                files = {"snapshot": feed / f"{name}.csv.gz"}
                list(land(contracts[name], Area(settings.staging_url), files))
            command = [Path(sys.executable).with_name("sluice"), "dev", "--port", "3999"]
            server = subprocess.Popen(
                command, env=os.environ | settings.environment(), stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )  # fmt: skip
            try:
                land_day(settings, feed, days[0])
                wait_for(settings, days[0])  # the first day also waits for the daemon and the snapshots
                seconds: list[float] = []
                for day in days[1:]:
                    land_day(settings, feed, day)
                    began = time.perf_counter()
                    wait_for(settings, day)
                    seconds.append(time.perf_counter() - began)
            finally:
                server.send_signal(signal.SIGTERM)
                server.wait()
            steps = steps_of_last_run(settings)
            dagster, dbt = bare_dagster(Path(folder)), bare_dbt(settings)
    median, bare = statistics.median(seconds), dagster + dbt
    print(f"bare dagster, one empty asset      {dagster:6.1f} s")
    print(f"bare dbt, one model                {dbt:6.1f} s")
    print(f".done to delivered, median of {len(seconds)}    {median:6.1f} s   {median / bare:4.2f} x both")
    print(f"                    fastest, slowest {min(seconds):4.1f} s, {max(seconds):.1f} s")
    for duration, name in steps[:12]:
        print(f"    {duration:6.2f} s  {name}")
    print(f"    {sum(item[0] for item in steps[2:]):6.2f} s  all {len(steps) - 2} steps")
    print(json.dumps({"ratio": round(median / bare, 2), "median_s": round(median, 1)}))


if __name__ == "__main__":
    main()
