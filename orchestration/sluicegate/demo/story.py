"""`make demo`: four days land, one of them broken; what is held, and how its correction goes through.

Belongs here: the demo's story. Does not belong here: anything that only works in it; every act is what
`sluice land`, `sluice run` and `sluice status` do.
"""

import json
import shutil
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.request import url2pathname

from rich.console import Console
from rich.table import Table

from sluicegate.core.partitions import SNAPSHOT_PARTITION, Grain
from sluicegate.core.settings import Settings
from sluicegate.demo.destinations import PARTNER_DROP, RETAILER_APP, demo_destinations
from sluicegate.demo.faults import Fault
from sluicegate.demo.generate import generate_feed
from sluicegate.ingestion.landing import land
from sluicegate.operations.site import Site
from sluicegate.operations.status import Standing, status
from sluicegate.project.loading import load_project
from sluicegate.state.deployment import Deployment

Run = Callable[[Site, Console], bool]
_STAMP = ".made-by-the-demo"
_DAYS, _STORES, _PRODUCTS, _SEED = 4, 60, 300, 1


def tell(settings: Settings, out: Console, run: Run) -> bool:
    """Tell the story on an empty data directory, with `run` as `sluice run`; return whether it ended well."""
    if not _clear(settings, out):
        return False
    with demo_destinations(settings, alone=True) as equipped:
        return _tell(equipped, out, run)


def _clear(settings: Settings, out: Console) -> bool:
    """Start from nothing, but never on data that somebody else has landed."""
    data = settings.data_dir
    if data.exists() and any(data.iterdir()) and not (data / _STAMP).exists():
        out.print(
            f"{data} holds data that the demo did not make; move it away, or run the demo elsewhere:"
            " SLUICE_DATA_DIR=… make demo",
            style="red",
        )
        return False
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    (data / _STAMP).touch()
    return True


def _tell(settings: Settings, out: Console, run: Run) -> bool:
    with closing(Deployment(settings)) as deployment:
        return _tell_of(Site(deployment, load_project(settings)), out, run)


def _tell_of(site: Site, out: Console, run: Run) -> bool:
    settings = site.deployment.settings
    start = _last_day(datetime.now(UTC).date()) - timedelta(days=_DAYS - 1)
    days = [start + timedelta(days=offset) for offset in range(_DAYS)]
    broken = days[2]
    began = time.monotonic()

    _act(out, f"1. A provider lands {_DAYS} days; the inventory of {broken} is broken.")
    feeds = settings.data_dir / "generated"
    faults = [Fault.parse(f"inventory:{broken}:{name}") for name in ("negative-quantities", "missing-stores")]
    _generate(feeds / "broken", start, faults)
    _land(site, feeds / "broken", days)
    run(site, out)
    _show(site, days, out)
    held_first = _standing(site, broken)

    _act(out, f"2. The provider corrects {broken} and lands it again; only that day runs.")
    _generate(feeds / "corrected", start, [])
    path = feeds / "corrected" / "inventory" / f"{broken}.csv.gz"
    inventory = site.project.contracts["inventory"]
    list(land(inventory, site.deployment.staging_of(inventory), {broken.isoformat(): path}))
    healthy = run(site, out)
    _show(site, days, out)
    delivered_then = _standing(site, broken)

    as_told = held_first == {Standing.HELD} and delivered_then == {Standing.DELIVERED}
    out.print(f"\n{time.monotonic() - began:.0f} s. To look at it in the UI:  [bold]make dev[/]")
    out.print("then http://127.0.0.1:3000 — Assets, group `deliveries`; Ctrl-C stops it.")
    return healthy and as_told


def _last_day(today: date) -> date:
    """Return yesterday, or Saturday on a Monday: no sales on a Sunday, which only a later day closes."""
    yesterday = today - timedelta(days=1)
    return yesterday - timedelta(days=1) if yesterday.isoweekday() == 7 else yesterday


def _act(out: Console, title: str) -> None:
    out.print(f"\n[bold]{title}[/]")


def _generate(directory: Path, start: date, faults: list[Fault]) -> None:
    generate_feed(
        directory,
        start=start,
        days=_DAYS,
        stores=_STORES,
        products=_PRODUCTS,
        seed=_SEED,
        faults=faults,
        contacts=True,
    )


def _land(site: Site, feed: Path, days: list[date]) -> None:
    for name, contract in site.project.contracts.items():
        if contract.grain is Grain.DAILY:
            files = {day.isoformat(): feed / name / f"{day}.csv.gz" for day in days}
            files = {key: file for key, file in files.items() if file.exists()}
        else:
            files = {SNAPSHOT_PARTITION: feed / f"{name}.csv.gz"}
        list(land(contract, site.deployment.staging_of(contract), files))


def _standing(site: Site, day: date) -> set[Standing]:
    """Return how a day's exports stand, those aside that are not configured."""
    rows = status(site)
    found = {row.standing for row in rows if row.kind == "export" and row.partition_key == day.isoformat()}
    return found - {Standing.NOT_CONFIGURED}


def _show(site: Site, days: list[date], out: Console) -> None:
    """Show what the destinations themselves say they hold, beside what our records say.

    Exports that are not configured are left out: the run has told of them.
    """
    standing = {(row.name, row.partition_key): row for row in status(site) if row.kind == "export"}
    table = Table(title="what arrived where", title_justify="left")
    for heading in ("day", "export", "rows at the destination", "standing"):
        table.add_column(heading, justify="right" if heading.startswith("rows") else "left")
    arrived = {
        RETAILER_APP: _rows_in_postgres(site),
        PARTNER_DROP: _rows_in_container(site.deployment.settings),
    }
    for day in (day.isoformat() for day in days):
        for name, export in site.project.exports.items():
            row = standing[(name, day)]
            if row.standing is Standing.NOT_CONFIGURED:
                continue
            rows = arrived.get(export.spec.destination.connection)
            style = "green" if row.standing is Standing.DELIVERED else "red"
            table.add_row(
                day,
                name,
                "not read" if rows is None else f"{rows.get(day, 0):,}",
                f"[{style}]{row.standing.value}[/]",
            )
    out.print(table)


def _rows_in_postgres(site: Site) -> dict[str, int]:
    import psycopg

    url = site.deployment.settings.connection(RETAILER_APP)
    assert url is not None
    exports = site.project.exports.values()
    table = next(
        item.spec.destination.object for item in exports if item.spec.destination.connection == RETAILER_APP
    )
    with psycopg.connect(url) as connection:
        exists = connection.execute("select to_regclass(%s)", [table]).fetchone()
        if exists is None or exists[0] is None:
            return {}
        query = f"select business_date, count(*) from {table} group by 1"
        rows = connection.execute(query.encode()).fetchall()
    return {day.isoformat(): int(count) for day, count in rows}


def _rows_in_container(settings: Settings) -> dict[str, int]:
    url = settings.connection(PARTNER_DROP)
    assert url is not None
    manifests = Path(url2pathname(url.removeprefix("file://"))).glob("*/*/manifest.json")
    return {path.parent.name: int(json.loads(path.read_text())["rows"]) for path in sorted(manifests)}
