"""What a day of the demo company costs a processor, in a process that has run days before.

Two daily feeds, their models, suites, data tests and seven exports, five of which have no connection. Beside
it, in a process of their own, the bare tools: `dbt build` of the same models and tests in one call, and
Dagster with as many assets and checks that do nothing. Processor time and peak of resident memory of the
process alone, without the Postgres; the median of several days, and of rounds in which the two take turns.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.measuring import Side, show

GOAL = "2 x bare dbt and Dagster"
SMALLEST = ("--days", "4")
MEASURED = """
import gc, json, resource, statistics, sys, time
from datetime import date, timedelta
from pathlib import Path
from sluicegate.areas import Area
from sluicegate.contracts.load import load_contracts
from sluicegate.core.collecting import collect_seldom
from sluicegate.core.settings import Settings
from sluicegate.demo.destinations import demo_destinations
from sluicegate.demo.generate import generate_feed
from sluicegate.ingestion.landing import land
folder, number = Path(sys.argv[1]), int(sys.argv[2])
collect_seldom()
start = date(2024, 3, 4)  # a Monday: the generated providers send no sales on Sundays
days = [start + timedelta(days=n) for n in range(12) if (start + timedelta(days=n)).weekday() < 6][:number]
def measured(runs):
    seconds = []
    for run in runs:
        before = time.process_time()
        run()
        seconds.append(time.process_time() - before)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": statistics.median(seconds[2:]), "peak_mb": peak}))
"""
OURS = """
from contextlib import ExitStack
from sluicegate.graph.desk import Desk
from sluicegate.graph.finished import Finished
from sluicegate.graph.headless import run_everything
from sluicegate.graph.instance import open_instance
from sluicegate.operations.site import Site
from sluicegate.project.loading import load_project
from sluicegate.state.deployment import Deployment
feed = folder / "feed"
generate_feed(feed, start=start, days=12, stores=60, products=300, seed=1)
with ExitStack() as stack:
    settings = stack.enter_context(demo_destinations(Settings.load({}, data_dir=folder / "data")))
    contracts, _ = load_contracts(settings.project_dir)
    deployment = Deployment(settings)
    stack.callback(deployment.close)
    site = Site(deployment, load_project(settings))
    def landed(name, key, file):
        list(land(contracts[name], Area(settings.staging_url), {key: file}))
    def run_day():
        with open_instance(settings) as instance:
            done = [item for item in run_everything(Desk.of(site, instance)) if isinstance(item, Finished)]
        assert done and all(item.success for item in done), done
    def runs():
        for name in ("stores", "products"):
            landed(name, "snapshot", feed / f"{name}.csv.gz")
        for day in days:
            for name in ("sales", "inventory"):
                landed(name, day.isoformat(), feed / name / f"{day}.csv.gz")
            yield run_day
    measured(runs())
"""
BARE = """
import os
import dagster as dg
from dbt.cli.main import dbtRunner
settings = Settings.load({}, data_dir=folder / "data")
os.environ.update(settings.environment())
common = ["--project-dir", str(settings.dbt_dir), "--profiles-dir", str(settings.dbt_dir), "--quiet",
          "--target-path", str(folder / "bare"), "--log-path", str(folder / "bare"),
          "--log-level-file", "none"]
manifest = dbtRunner().invoke(["parse", *common]).result
partitioned = [node.name for node in manifest.nodes.values() if node.resource_type == "model"
               and node.config.get("incremental_strategy") == "partition"]
@dg.asset(check_specs=[dg.AssetCheckSpec("one", asset="a0"), dg.AssetCheckSpec("two", asset="a0")])
def a0():
    yield dg.MaterializeResult()
    for name in ("one", "two"):
        yield dg.AssetCheckResult(check_name=name, passed=True)
def asset(n):
    @dg.asset(name=f"a{n}", deps=[f"a{n - 1}"], check_specs=[
        dg.AssetCheckSpec("one", asset=f"a{n}"), dg.AssetCheckSpec("two", asset=f"a{n}")])
    def made():
        yield dg.MaterializeResult()
        for name in ("one", "two"):
            yield dg.AssetCheckResult(check_name=name, passed=True)
    return made
home = folder / "bare_home"
home.mkdir()
(home / "dagster.yaml").write_text("telemetry: {enabled: false}\\n")
assets = [a0, *(asset(n) for n in range(1, len(partitioned) + 9))]
with dg.DagsterInstance.from_config(str(home)) as instance:
    def run_day(day):
        told = {"partition_key": day, "partition_grain": "daily", "partition_start": day,
                "partition_end": str(date.fromisoformat(day) + timedelta(days=1))}
        built = dbtRunner(manifest=manifest).invoke([
            "build", "--select", *partitioned, "--exclude-resource-type", "unit_test", "--vars",
            json.dumps(told), *common])
        assert built.success, built
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}  # as ours: none is printed
        assert dg.materialize(assets, instance=instance, run_config=quiet).success
    measured(lambda day=day.isoformat(): run_day(day) for day in days)
"""


def measure(program: str, folder: Path, days: int) -> dict[str, Any]:
    """Return the figures of a fresh process."""
    command = [sys.executable, "-c", MEASURED + program, str(folder), str(days)]
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(told.splitlines()[-1])


def main() -> None:
    """Print the figures as a table, and as JSON on the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=7, choices=range(4, 11))
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    rounds: list[list[dict[str, float]]] = []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as name:
            rounds.append([measure(program, Path(name), options.days) for program in (OURS, BARE)])
    ours, bare = (
        {key: statistics.median(one[key] for one in side) for key in side[0]}
        for side in zip(*rounds, strict=True)
    )
    ratio = ours["seconds"] / bare["seconds"]
    sides = [
        Side(said, figures["seconds"], figures["peak_mb"])
        for said, figures in (("bare dbt and Dagster", bare), ("a day of the demo", ours))
    ]
    show("a day in a process that has run days before, by processor", "s", sides, GOAL)
    print(
        json.dumps({"ratio": round(ratio, 2), "cpu_s": round(ours["seconds"], 2), "peak_mb": ours["peak_mb"]})
    )


if __name__ == "__main__":
    main()
