"""How much of a run's time publishing takes: a day of the demo's company, and a history of it all at once.

The days of a generated company run one by one, as `sluice run` does, with a shelf; what publishing took of a
run says its log. Then an empty shelf is filled with all of it. Goal: at most a tenth of a run's time.
"""

import argparse
import json
import re
import statistics
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
from sluicegate.areas import Area
from sluicegate.contracts.load import load_contracts
from sluicegate.core.settings import Settings
from sluicegate.demo.generate import generate_feed
from sluicegate.graph.desk import Desk
from sluicegate.graph.finished import Finished
from sluicegate.graph.headless import run_everything
from sluicegate.graph.instance import open_instance
from sluicegate.ingestion.landing import land
from sluicegate.operations.publishing import publishing_of
from sluicegate.operations.site import Site
from sluicegate.project.loading import load_project
from sluicegate.publishing.shelf import Shelf
from sluicegate.state.deployment import Deployment

from benchmarks.measuring import Side, peak_mb, show

GOAL = "a tenth of a run's time"
SMALLEST = ("--days", "1", "--stores", "2")
_START = date(2022, 10, 3)
_TOOK = re.compile(r"published (\d+) partitions, .* left (\d+) to the next run, in ([0-9.]+) s")


def told(instance: dg.DagsterInstance, run_id: str) -> tuple[int, int, float]:
    """Return what publishing at the end of a run has put and left, and the seconds that it took."""
    said = (_TOOK.search(entry.user_message) for entry in instance.all_logs(run_id))
    [found] = [one for one in said if one]
    return int(found[1]), int(found[2]), float(found[3])


def main() -> None:
    """Print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=4)
    parser.add_argument("--stores", type=int, default=60)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.load(
            {"SLUICE_ENVIRONMENT": "local"}, data_dir=Path(folder) / "data",
            published_url=str(Path(folder) / "shelf"),
        )  # fmt: skip
        deployment = Deployment(settings)
        site = Site(deployment, load_project(settings))
        feed = Path(folder) / "feed"
        generate_feed(feed, start=_START, days=arguments.days, stores=arguments.stores, products=300, seed=1)
        contracts, _ = load_contracts(settings.project_dir)
        shares, sides = list[float](), list[Side]()
        with open_instance(settings) as instance:
            for name in ("stores", "products"):
                list(land(contracts[name], deployment.staging, {"latest": feed / f"{name}.csv.gz"}))
            for day in (f"{_START + timedelta(days=number):%Y-%m-%d}" for number in range(arguments.days)):
                for name in ("sales", "inventory"):
                    list(land(contracts[name], deployment.staging, {day: feed / name / f"{day}.csv.gz"}))
                began = time.monotonic()
                ran = [
                    event for event in run_everything(Desk.of(site, instance)) if isinstance(event, Finished)
                ]
                seconds = time.monotonic() - began
                published = [told(instance, run.run_id) for run in ran]
                share = sum(one[2] for one in published) / seconds
                shares.append(share)
                put, left = sum(one[0] for one in published), published[-1][1] if published else 0
                told_of = f"{len(ran)} runs; published {put} partitions, left {left}"
                sides += [
                    Side(f"{day}, the run", seconds, peak_mb(), told_of),
                    Side(f"{day}, publishing", share * seconds, peak_mb(), f"{share:.1%} of it"),
                ]
        publishing = publishing_of(site)
        assert publishing is not None
        again = Shelf(Area(str(Path(folder) / "another")))
        began = time.monotonic()
        done = type(publishing)(deployment, site.project, again, publishing.allowed).publish()
        seconds = time.monotonic() - began
        each = f"{seconds / len(done.put) * 1_000:.1f} ms each of {len(done.put)} partitions"
        sides.append(Side("all at once", seconds, peak_mb(), each))
        deployment.close()
    share = statistics.median(shares)
    show(f"a run of a day, and publishing in it: {share:.1%} in the median", "s", sides, GOAL)
    print(json.dumps({"share": round(share, 3)}))


if __name__ == "__main__":
    main()
