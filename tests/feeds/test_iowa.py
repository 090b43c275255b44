"""Real feeds through the graph, a month and more before a release; what arrives is what the files say.

The feeds are not part of the repository: SLUICE_TEST_FEEDS names their folder. What must arrive is worked
out by `top_items.sql` from those files alone. `SLUICE_TEST_KILLS=2` takes all of September, which fills
October's trailing windows to their edges; every other time its last days go through. Belongs here: what only
real feeds can show of the graph; that every file is taken in as it was published shows `test_ingestion`. Does
not: how the platform copes with a broken day; the small companies' tests break theirs at will.
"""

import gzip
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import psycopg
import pytest
from psycopg import sql
from sluicegate.areas import Area
from sluicegate.core.settings import Settings
from sluicegate.graph.headless import Event, run_everything
from sluicegate.ingestion.landing import land
from sluicegate.ingestion.local_files import files_to_land
from sluicegate.operations.status import Row, Standing

from tests.company import Company, failures, runs
from tests.sampled import every_case

FEEDS = os.environ.get("SLUICE_TEST_FEEDS", "")
pytestmark = [
    pytest.mark.feeds,
    pytest.mark.long,
    pytest.mark.timeout(1800),  # the first test waits for some forty runs
    pytest.mark.skipif(
        not FEEDS,
        reason="no real feeds: set SLUICE_TEST_FEEDS to a folder with sales/DAY.csv.gz,"
        " inventory/DAY.csv.gz, stores.csv.gz and products.csv.gz",
    ),
]
PATHS = {"sales": "sales", "inventory": "inventory", "stores": "stores.csv.gz", "products": "products.csv.gz"}
APP, PARTNER = "exp_top_items_retailer_app", "exp_top_items_partner_drop"
TABLE = sql.Identifier("marketplace", "top_items")
CORRECTED = "2022-10-03"
# The numbers of the business rules, as the project's vars and descriptions have them.
RULES: Mapping[str, object] = {
    "window_days": 28, "season_days": 365, "top_items": 100, "items_a_store": 10,
    "returns": True, "active_only": True, "closed_stores": True, "ties_by_item": True,
}  # fmt: skip

Rows = list[tuple[Any, ...]]


def _days(first: str, last: str) -> list[str]:
    start = date.fromisoformat(first)
    count = (date.fromisoformat(last) - start).days + 1
    return [(start + timedelta(days=offset)).isoformat() for offset in range(count)]


SEPTEMBER = _days("2022-09-01" if every_case() else "2022-09-29", "2022-09-30")
# A weekend, on whose Sunday nothing was sold, and the days after it.
OCTOBER = _days("2022-10-01", "2022-10-04")


@dataclass(frozen=True)
class Expected:
    """What the published files say that both destinations hold."""

    app: Rows
    app_columns: list[str]
    partner: Rows
    partner_columns: list[str]


def work_out(feeds: Path, first: str, last: str, **rules: object) -> Expected:
    """Work both exports out from published files, under the business rules or others."""
    variables = {"feeds": str(feeds), "first_day": first, "last_day": last, **RULES, **rules}
    with duckdb.connect() as engine:
        for name, value in variables.items():
            engine.execute(f"set variable {name} = $1", [value])
        engine.execute((Path(__file__).with_name("top_items.sql")).read_text())
        app, partner = engine.table("expected_app"), engine.table("expected_partner")
        return Expected(app.fetchall(), app.columns, partner.fetchall(), partner.columns)


@dataclass(frozen=True)
class Arrived:
    """A deployment through which all feeds have gone, and what was seen right after that."""

    company: Company
    instance: dg.DagsterInstance
    events: list[Event]
    standing: dict[tuple[str, str], Row]
    app: Rows
    app_columns: list[str]
    partner: Rows
    partner_columns: list[str]

    def run(self) -> list[Event]:
        """Take everything that is due through the graph."""
        return list(run_everything(self.company.desk(self.instance)))


def land_files(company: Company, source: str, path: Path) -> list[str]:
    """Land a file, or a folder of files, as `sluice land` does; return their partitions."""
    contracts = company.project.contracts
    files, complaint = files_to_land(contracts, source, [path], None)
    assert complaint == ""
    return list(land(contracts[source], Area(company.settings.staging_url), files))


@pytest.fixture(scope="module")
def feeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published files of those weeks."""
    folder = tmp_path_factory.mktemp("published")
    for file in sorted(Path(FEEDS).rglob("*.csv.gz")):
        first = {"sales": SEPTEMBER[0], "inventory": OCTOBER[0]}.get(file.parent.name)
        if first is None or first <= file.name.removesuffix(".csv.gz") <= OCTOBER[-1]:
            link = folder / file.relative_to(FEEDS)
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(file.resolve())
    return folder


@pytest.fixture(scope="module")
def arrived(tmp_path_factory: pytest.TempPathFactory, postgres_url: str, feeds: Path) -> Iterator[Arrived]:
    """All of it, landed and run, each day by a run of its own."""
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute("create database feeds")
    url, folder = postgres_url.replace("/postgres?", "/feeds?"), tmp_path_factory.mktemp("feeds")
    container = folder / "container"
    environ = {"SLUICE_CONNECTION_RETAILER_APP": url, "SLUICE_CONNECTION_PARTNER_DROP": str(container)}
    company = Company(Settings.load(environ, data_dir=folder / "data"), url, container)
    for source, path in PATHS.items():
        land_files(company, source, feeds / path)
    # In memory: Dagster's event log on disk is another test's, and would cost more than the runs.
    with dg.DagsterInstance.ephemeral() as instance:
        events = list(run_everything(company.desk(instance)))
        yield Arrived(
            company, instance, events, company.status(), *in_postgres(company), *in_container(company)
        )
    company.deployment.store.close()


@pytest.fixture(scope="module")
def published(feeds: Path) -> Expected:
    """What October's days must be, from the published files."""
    return work_out(feeds, OCTOBER[0], OCTOBER[-1])


# -- what the receivers see


def in_postgres(company: Company) -> tuple[Rows, list[str]]:
    """Return all rows of the app's table, and its columns."""
    with psycopg.connect(company.postgres_url) as connection:
        cursor = connection.execute(sql.SQL("select * from {}").format(TABLE))
        return cursor.fetchall(), [column.name for column in cursor.description or ()]


def in_container(company: Company) -> tuple[Rows, list[str]]:
    """Return all rows of the partner's files, found as the partner finds them: by the manifests."""
    rows: Rows = []
    columns: list[str] = []
    for shown in sorted((company.container / "top_items").glob("*/manifest.json")):
        manifest = json.loads(shown.read_text())
        assert manifest["partition_key"] == shown.parent.name
        for part in manifest["files"]:
            path = shown.parent / manifest["delivery_id"] / part["path"]
            found = duckdb.read_parquet(str(path))
            assert columns in ([], found.columns)
            columns = found.columns
            rows += (some := found.fetchall())
            assert len(some) == part["rows"]
    return rows, columns


def bytes_by_day(company: Company) -> dict[str, tuple[str, dict[str, bytes]]]:
    """Return, by day, a digest of the rows in Postgres and every byte of the files.

    The digest has the transaction that wrote each row in it: to write the same once more would show.
    """
    query = sql.SQL(
        "select business_date::text, md5(string_agg(xmin::text || t::text, ',' order by t::text))"
        " from {} as t group by 1"
    )
    with psycopg.connect(company.postgres_url) as connection:
        digests = dict(connection.execute(query.format(TABLE)).fetchall())
    folder = company.container / "top_items"
    return {
        day: (
            digest,
            {
                str(path.relative_to(folder)): path.read_bytes()
                for path in (folder / day).rglob("*")
                if path.is_file()
            },
        )
        for day, digest in digests.items()
    }


def differences(found: Iterable[tuple[Any, ...]], expected: Iterable[tuple[Any, ...]]) -> list[str]:
    """Return the first rows that are too many or missing, duplicates included: few enough to read."""
    these, those = Counter(found), Counter(expected)
    complaints = [f"unexpected: {row}" for row in sorted((these - those).elements())]
    return complaints[:5] + [f"missing: {row}" for row in sorted((those - these).elements())][:5]


def of_day(rows: Sequence[tuple[Any, ...]], day: str) -> Rows:
    """Return the rows of a day; it is the first column of both exports."""
    return [row for row in rows if row[0] == date.fromisoformat(day)]


# -- what must hold


def test_no_run_failed_and_each_day_ran_once_in_order(arrived: Arrived) -> None:
    assert failures(arrived.events) == ""
    assert runs(arrived.events) == [("", True), *((day, True) for day in [*SEPTEMBER, *OCTOBER])]
    # Each started and finished, and nothing else was said: nothing is held, nothing complained about.
    assert len(arrived.events) == 2 * (1 + len(SEPTEMBER) + len(OCTOBER))


def test_the_app_holds_what_the_published_files_say(arrived: Arrived, published: Expected) -> None:
    assert arrived.app_columns == published.app_columns
    assert len(arrived.app) == len(published.app) > 2_000 * len(OCTOBER)
    assert differences(arrived.app, published.app) == []


def test_the_partner_finds_what_the_published_files_say(arrived: Arrived, published: Expected) -> None:
    assert arrived.partner_columns == published.partner_columns
    assert len(arrived.partner) == len(published.partner) > 250 * len(OCTOBER)
    assert differences(arrived.partner, published.partner) == []


@pytest.mark.parametrize(
    "rule",
    [
        {"returns": False}, {"active_only": False}, {"ties_by_item": False}, {"season_days": 50},
        {"items_a_store": 9},
        # What only a window shows that has all its days.
        *([{"closed_stores": False}, {"window_days": 27}, {"window_days": 29}] if every_case() else []),
    ],
    ids=lambda rule: " ".join(f"{name}={value}" for name, value in rule.items()),
)  # fmt: skip
@pytest.mark.sampled(4)
def test_the_feeds_would_tell_were_a_rule_another(
    arrived: Arrived, feeds: Path, rule: dict[str, object]
) -> None:
    """Equality proves a rule only where breaking it shows: on the real returns, ties and closed stores."""
    other = work_out(feeds, OCTOBER[0], OCTOBER[-1], **rule)
    assert differences(arrived.app, other.app) != []


def test_every_drop_is_validated_and_days_without_sales_are_empty(arrived: Arrived, feeds: Path) -> None:
    with duckdb.connect() as engine:
        published = {
            (source, Path(file).name.removesuffix(".csv.gz")): rows
            for source in ("sales", "inventory")
            for file, rows in engine.execute(
                "select filename, count(*) from read_csv($1, all_varchar = true, filename = true) group by 1",
                [f"{feeds}/{source}/*.csv.gz"],
            ).fetchall()
        }
    empty = {("sales", day): 0 for day in [*SEPTEMBER, *OCTOBER] if ("sales", day) not in published}
    assert len(empty) == len(SEPTEMBER) + len(OCTOBER) - len(list((feeds / "sales").iterdir()))
    snapshots = {("stores", "snapshot"): 2296, ("products", "snapshot"): 6482}
    found = {key: row for key, row in arrived.standing.items() if row.kind == "source"}
    assert {key: row.rows for key, row in found.items()} == published | empty | snapshots
    assert {row.standing for row in found.values()} == {Standing.VALIDATED}


def test_october_is_delivered_and_september_waits_for_inventory(
    arrived: Arrived, published: Expected
) -> None:
    for export, rows in ((APP, published.app), (PARTNER, published.partner)):
        by_day = Counter(str(row[0]) for row in rows)
        found = {day: row for (name, day), row in arrived.standing.items() if name == export}
        assert {day: (row.standing, row.rows) for day, row in found.items()} == {
            **dict.fromkeys(SEPTEMBER, (Standing.WAITING, None)),
            **{day: (Standing.DELIVERED, by_day[day]) for day in OCTOBER},
        }
        assert {found[day].why for day in SEPTEMBER} == {"for raw.inventory"}


def test_a_corrected_day_runs_alone_and_replaces_its_slice_alone(
    arrived: Arrived, feeds: Path, tmp_path: Path
) -> None:
    company = arrived.company
    corrected = tmp_path / "inventory" / f"{CORRECTED}.csv.gz"
    corrected.parent.mkdir()
    original = feeds / "inventory" / corrected.name
    header, *lines = gzip.decompress(original.read_bytes()).splitlines(keepends=True)
    kept = [line for number, line in enumerate(lines) if number % 8]
    corrected.write_bytes(gzip.compress(header + b"".join(kept)))
    for name in ("sales", "stores.csv.gz", "products.csv.gz"):
        (tmp_path / name).symlink_to(feeds / name)
    before = bytes_by_day(company)
    assert sorted(before) == OCTOBER

    assert land_files(company, "inventory", corrected) == [CORRECTED]
    events = arrived.run()

    assert failures(events) == ""
    assert runs(events) == [(CORRECTED, True)]
    after = bytes_by_day(company)
    assert [day for day in OCTOBER if after[day] != before[day]] == [CORRECTED]
    expected = work_out(tmp_path, CORRECTED, CORRECTED)
    app, _ = in_postgres(company)
    partner, _ = in_container(company)
    assert differences(of_day(app, CORRECTED), expected.app) == []
    assert differences(of_day(partner, CORRECTED), expected.partner) == []
    # The stores have less, so the lists are others than those of the whole count.
    assert differences(of_day(arrived.app, CORRECTED), expected.app) != []
    assert company.status()[("inventory", CORRECTED)].rows == len(kept)
    assert arrived.run() == []
