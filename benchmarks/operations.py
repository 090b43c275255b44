"""What operations data cost: a look's collecting beside the runs that it tells of, and the page's reads.

The demo company, a day after the other: what a run takes by processor, and what collecting its run and steps
takes after it, as the look does at the end of `sluice run`. Then how much a day adds to the records and to
Parquet. Then a company of many exports with a month of days, as `incidents_look` makes it: the views and what
the page asks. The ratio that counts: collecting to runs.

Run as `python -m benchmarks.operations`.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from sluicegate.contracts.load import load_contracts
from sluicegate.core.settings import Settings
from sluicegate.demo.generate import generate_feed
from sluicegate.graph.desk import Desk
from sluicegate.graph.headless import run_everything
from sluicegate.graph.instance import open_instance
from sluicegate.graph.reported import report
from sluicegate.incidents.deadlines import Deadlines
from sluicegate.incidents.troubles import LOOKBACK
from sluicegate.ingestion.landing import land
from sluicegate.operations.records import Records
from sluicegate.operations.site import Site
from sluicegate.project.loading import load_project
from sluicegate.reporting.model import by_month, last_days
from sluicegate.reporting.publish import area_to_publish, publish
from sluicegate.state.deployment import Deployment
from sluicegate.state.ops_views import VIEWS

from benchmarks.incidents_look import NOW, deployed, project_of
from benchmarks.measuring import Side, peak_mb, show

GOAL = "0.3 % of the run that is collected"
SMALLEST = ("--days", "1", "--exports", "41")
GOAL_OF_READS = "the page's below 100 ms for 80 exports"
_START = date(2022, 10, 3)


def _timed(call: Callable[[], Any]) -> tuple[float, Any]:
    began = time.process_time()
    found = call()
    return time.process_time() - began, found


def _bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def days(number: int) -> float:
    """Print what the days of the demo take; return the share of collecting in their runs."""
    running = collecting = 0.0
    sides = list[Side]()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.load({"SLUICE_ENVIRONMENT": "local"}, data_dir=Path(folder) / "data")
        feed = Path(folder) / "feed"
        generate_feed(feed, start=_START, days=number, stores=60, products=300, seed=1)
        contracts, _ = load_contracts(settings.project_dir)
        with closing(Deployment(settings)) as deployment, open_instance(settings) as instance:
            desk = Desk.of(Site(deployment, load_project(settings)), instance)
            for name in ("stores", "products"):
                list(land(contracts[name], deployment.staging, {"latest": feed / f"{name}.csv.gz"}))
            for day in (f"{_START + timedelta(days=at):%Y-%m-%d}" for at in range(number)):
                for name in ("sales", "inventory"):
                    file = feed / name / f"{day}.csv.gz"
                    if file.exists():
                        list(land(contracts[name], deployment.staging, {day: file}))
                ran, _ = _timed(lambda: list(run_everything(desk)))
                took, whole = _timed(lambda: report(desk))
                assert whole
                running, collecting = running + ran, collecting + took
                sides.append(
                    Side(f"{day}, collecting", took * 1000, peak_mb(), f"beside {ran:.2f} s of its run")
                )
            idle, _ = _timed(lambda: report(desk))
            area = area_to_publish(deployment, None)
            first, done = _timed(lambda: publish(deployment, area, datetime.now(UTC)))
            again, _ = _timed(lambda: publish(deployment, area, datetime.now(UTC)))
            size = f"{len(done.written)} files, {_bytes_below(Path(area.url)) / number:,.0f} bytes a day"
            sides += [
                Side("a look with nothing new", idle * 1000, peak_mb()),
                Side("publishing", first * 1000, peak_mb(), size),
                Side("publishing again", again * 1000, peak_mb()),
            ]
    show(f"collecting after a day's run: {collecting / running:.2%} of it, by processor", "ms", sides, GOAL)
    return collecting / running


def month(exports: int) -> None:
    """Print what reading a month of a company of so many exports takes."""
    with tempfile.TemporaryDirectory() as folder:
        deployment, project = deployed(Path(folder), project_of(exports), asked=False)
        site, store = Site(deployment, project), deployment.store
        promised = len(Deadlines(site, Records(site), NOW, LOOKBACK, {}).moments)
        reads: dict[str, Callable[[], object]] = {
            "last_days": lambda: last_days(store, NOW),
            "by_month": lambda: by_month(store, NOW),
        }
        for name in ("promises", "sla", "late_now", "volume_trend"):
            reads[name] = lambda view=VIEWS[name]: list(store.operations.rows(view))
        sides = list[Side]()
        for name, read in reads.items():
            read()
            seconds, _ = _timed(read)
            sides.append(Side(name, seconds * 1000, peak_mb()))
        deployment.close()
    show(f"{exports} exports, {promised:,} promises: reads, by processor", "ms", sides, GOAL_OF_READS)


def main() -> None:
    """Print the figures, and the ratio that counts as JSON on the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=4)
    parser.add_argument("--exports", type=int, default=300)
    arguments = parser.parse_args()
    share = days(arguments.days)
    month(arguments.exports)
    print(json.dumps({"collecting_to_runs": round(share, 4)}))


if __name__ == "__main__":
    main()
