"""What pages say is what the records say; whatever stands in those, it is text, and nothing is changed by it.

Belongs here: pages as they are served. Does not: doors and health (`test_serving`), files (`test_written`).
"""

import json
import re
import sqlite3
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from benchmarks.incidents_look import NOW, fill, project_of
from orchestration.core.settings import Settings
from orchestration.page.pages import Pages
from orchestration.page.places import Place, escaped, meant, parsed
from orchestration.page.reading import Read as ReadProject
from orchestration.page.reading import Reading
from orchestration.state import schema
from orchestration.state.deployment import Deployment
from orchestration.state.incidents import Incident
from tests.company import BAKERY, MON, SHOP_ORDERS, TUE
from tests.documents.test_commands import _wrong  # pyright: ignore[reportPrivateUsage]
from tests.incidents.desk import NOON
from tests.page.conftest import PASSWORD, PERSON, Shown
from tests.page.crawling import Read, crawled, of_pages, of_server

HOSTILE = (
    """<script>alert(1)</script>'"><img src=x onerror=alert(2)>&amp;{{ 7*7 }}%2F..%00/../`sluice demo`"""
)


@pytest.fixture(scope="module")
def pages(shop: Shown) -> dict[str, Read]:
    """Every page that a link leads to."""
    return crawled(of_server(shop.html))


def rows_of(shop: Shown, query: str) -> list[tuple[Any, ...]]:
    """Ask the records past the platform."""
    with closing(sqlite3.connect(shop.company.settings.data_dir / "state.db")) as connection:
        return connection.execute(query).fetchall()


def test_every_link_leads_somewhere_and_every_page_is_whole(pages: dict[str, Read]) -> None:
    kinds = {path.partition("/")[0].removesuffix(".html") for path in pages}
    assert {"index", "owners", "sources", "exports", "ways", "incidents", "logs"} <= kinds
    assert [path for path, page in pages.items() if page.unclosed] == []


def test_figures_are_those_of_an_independent_query(shop: Shown, pages: dict[str, Read]) -> None:
    [(found,)] = rows_of(shop, "select count(*) from incidents where resolved_at is null")
    affected = {
        (one["export"], one["partition_key"])
        for (text,) in rows_of(shop, "select affected from incidents where resolved_at is null")
        for one in json.loads(text)
    }
    counts = {
        sort: int(number) for number, sort in re.findall(r"<b>(\d+)</b> (\w+)", pages["index.html"].html)
    }
    assert (found, affected) == (1, {(SHOP_ORDERS, TUE)})
    assert counts == {"late": 0, "held": len(affected), "failed": 0, "refused": found}
    metrics = shop.client.get("/metrics").text
    assert f'sluice_partitions_wrong{{how="held"}} {len(affected)}.0' in metrics
    assert f'sluice_incidents_open{{urgency="critical"}} {found}.0' in metrics

    way = pages[f"ways/export/{SHOP_ORDERS}/{MON}.html"]
    for relation, version, rows in rows_of(
        shop, f"select relation, version, row_count from builds where partition_key = '{MON}'"
    ):
        if relation.startswith(("exports.exp_weather", "marts.shop_w")):
            continue
        assert re.search(rf"{relation} \[{MON}\]\s+in order\s+{rows} rows", way.text), relation
        assert version[:12] in way.text
    day = re.findall(r'<i class="(\w+)" title="(2024-01-0[12])', pages["exports.html"].html)[:2]
    assert {key: word for word, key in day}[TUE] == "held"


def test_an_owners_figures_are_of_what_is_theirs(own_shop: Shown) -> None:
    counter, ovens, due = "counter@bakery.example", "ovens@bakery.example", "2024-01-03T11:00:00+00:00"
    waiting = [
        {"export": SHOP_ORDERS, "partition_key": TUE, "owner": counter, "due_at": due},
        {"export": SHOP_ORDERS, "partition_key": MON, "owner": counter, "due_at": ""},
        {"export": "exp_weather_report", "partition_key": TUE, "owner": ovens, "due_at": due},
    ]
    store = own_shop.company.deployment.store
    with store._engine.begin() as connection:  # pyright: ignore[reportPrivateUsage]
        values = {"affected": waiting, "owner": "data@bakery.example"}
        connection.execute(schema.incidents.update().values(values))
    listed = {"": waiting, "data@bakery.example": waiting} | {
        owner: [one for one in waiting if one["owner"] == owner] for owner in (counter, ovens)
    }
    for owner, theirs in listed.items():
        path = Place("owners", (owner,)).path if owner else "index.html"
        html = own_shop.html(quote(path))
        counts = {sort: int(number) for number, sort in re.findall(r"<b>(\d+)</b> (\w+)", html)}
        late = [one for one in theirs if one["due_at"]]
        assert (counts["held"], counts["late"], counts["refused"]) == (len(theirs), len(late), 1), owner
        for one in waiting:
            assert (f"{one['export']} [{one['partition_key']}]" in html) == (one in theirs), (owner, one)


def test_each_incident_of_a_day_is_named_and_an_outage_marks_no_day_of_its_own(own_shop: Shown) -> None:
    store = own_shop.company.deployment.store
    with store._engine.begin() as connection:  # pyright: ignore[reportPrivateUsage]
        first = dict(connection.execute(sa.select(schema.incidents)).mappings().one()) | {
            "root_kind": "source"
        }
        others = {2: ("orders", ""), 3: ("orders", TUE), 4: ("shops", "")}
        for number, (name, key) in others.items():
            one = first | {"root_name": name, "partition_key": key, "dedup_key": f"{number}", "id": number}
            connection.execute(schema.incidents.insert().values(one))
    assert re.findall(r">incident (\d)</a>", own_shop.html("exports.html")) == ["1", "2", "3"], (
        "as many as fit"
    )
    for name, days, numbers in (("orders", [TUE], {2, 3}), ("shops", [f"{NOON:%Y-%m-%d}"], {4})):
        page = own_shop.html(f"sources/{name}.html")
        strip = page.partition('<span class="strip"')[2].partition("</span>")[0]
        assert re.findall(r'class="held" title="([\d-]+):', strip) == days
        assert set(map(int, re.findall(r"incidents/(\d)\.html\">incident", page))) == numbers
    of_export = own_shop.html(f"exports/{SHOP_ORDERS}.html")
    assert set(map(int, re.findall(r"incidents/(\d)\.html\">incident", of_export))) == {1, 2, 3, 4}


def test_an_incident_leads_to_its_steps_log_and_to_what_repeats_it(pages: dict[str, Read]) -> None:
    log = next(link for link in pages["index.html"].links if link.startswith("logs/"))
    page = pages[log]
    assert f"sluice table rerun staging.stg_orders --partition {TUE}" in pages["index.html"].typed
    assert "Dagster has no run" in page.text, "the records alone are played here"
    assert "sluice table rerun staging.stg_orders" in page.typed
    assert "SLUICE_DATA_DIR" in page.text


def test_what_is_to_be_typed_can_be_typed(pages: dict[str, Read]) -> None:
    typed = {command for page in pages.values() for command in page.typed}
    assert any(command.startswith("sluice export release") for command in typed)
    wrong = [one for one in typed if _wrong(one.removeprefix("sluice "))]
    assert (wrong, [one for one in typed if not one.startswith("sluice ")]) == ([], [])


def test_no_page_has_a_secret_or_opens_the_warehouse_or_changes_a_record(shop: Shown) -> None:
    before = shop.company.deployment.store.rows()
    found = crawled(of_server(shop.html))
    assert PASSWORD not in "".join(page.html for page in found.values())
    assert shop.company.deployment.store.rows() == before
    assert "warehouse" not in vars(shop.company.deployment)
    assert not shop.company.settings.warehouse_path.exists()


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("orders", SHOP_ORDERS), ("STG_ord", "staging.stg_orders"),
        (f"orders {TUE}", f"ways/table/raw.orders/{TUE}"),
        (MON, f"ways/export/{SHOP_ORDERS}/{MON}"), ("no such thing", "Nothing has that"),
        (HOSTILE, "Nothing has that"),
    ],
)  # fmt: skip
def test_the_search_finds_names_and_partitions(shop: Shown, asked: str, found: str) -> None:
    page = Read(shop.client.get("/search.html", params={"q": asked}).text)
    assert found in page.html
    assert ("script" in page.tags, page.unclosed) == (False, [])


def test_a_page_is_kept_until_something_that_it_shows_has_changed(own_shop: Shown) -> None:
    first = own_shop.client.get("/index.html")
    same = own_shop.client.get("/index.html", headers={"If-None-Match": first.headers["ETag"]})
    assert (same.status_code, same.content) == (304, b"")
    person = {PERSON: "ada@bakery.example", "If-None-Match": first.headers["ETag"]}
    assert own_shop.client.get("/index.html", headers=person).status_code == 200, "it is another's"
    own_shop.ledger.judge("staging.stg_orders", TUE)
    anew = own_shop.client.get("/index.html", headers={"If-None-Match": first.headers["ETag"]})
    assert anew.status_code == 200
    assert anew.headers["ETag"] != first.headers["ETag"]


def test_strips_and_months_are_those_of_plain_counting(own_shop: Shown) -> None:
    """Twenty days before, each promised: there in time, too late, or never."""
    chance, day, hour = Random(7), timedelta(days=1), timedelta(hours=1)
    store, words, ends = own_shop.company.deployment.store, dict[str, str](), dict[str, datetime]()
    rows: list[dict[str, Any]] = []
    for back in range(3, 23):
        begins = datetime(2024, 1, 3, tzinfo=UTC) - back * day
        key, due = f"{begins:%Y-%m-%d}", begins + day + 12 * hour
        ends[key] = begins + day
        word = words[key] = chance.choice(["met", "late", "never"])
        if word != "never":
            at = due + (hour if word == "late" else -hour)
            rows.append(
                {"delivery_id": key, "export": SHOP_ORDERS, "partition_key": key, "version": "v",
                 "digest": "d", "row_count": 5, "shard": "", "status": "acknowledged", "location": "",
                 "run_id": "r", "planned_at": at, "acknowledged_at": at, "scope": key}
            )  # fmt: skip
    store.incidents.note_due(
        {("delivery", SHOP_ORDERS, key): (end + 12 * hour, end) for key, end in ends.items()}
    )
    with store._engine.begin() as connection:  # pyright: ignore[reportPrivateUsage]
        connection.execute(sa.insert(schema.deliveries), rows)
    page = own_shop.html(f"exports/{SHOP_ORDERS}.html")
    strip = page.partition('class="strip"')[2].partition("</span>")[0]
    shown = {key: word for word, key in re.findall(r'<i class="(\w+)" title="([\d-]+):', strip)}
    assert {key: shown[key] for key in words} == {
        key: "met" if word == "met" else "missed" for key, word in words.items()
    }
    december = [word for key, word in words.items() if (ends[key] + 12 * hour).month == 12]
    met = december.count("met")
    assert f"Dec: {int(1000 * met / len(december)) / 10:g} % ({met} of {len(december)})" in page
    late = set(re.findall(r'title="([\d-]+): missed, there since"', strip))
    assert late & words.keys() == {key for key, word in words.items() if word == "late"}


# -- whatever stands in the records


def hostile_rows(store_url: str) -> None:
    """Put a row into each table, with a text in every field that a browser would run, if it could."""
    now = datetime(2024, 1, 2, tzinfo=UTC)
    told: Mapping[str, Any] = {
        "relation": f"raw.{HOSTILE}", "status": "held", "outcome": "failed", "root_kind": "table",
        "root_name": f"raw.{HOSTILE}", "urgency": "error", "severity": "critical",
        "kwargs": '{"column": "<b>"}',
        "findings": [
            {"kind": kind, "what": HOSTILE, "fix": HOSTILE, "run_id": HOSTILE[:90], "step": HOSTILE}
            for kind in ("check failed", "run failed")
        ],
        "affected": [{"export": HOSTILE, "partition_key": HOSTILE[:90], "owner": HOSTILE, "due_at": None}],
        "resolved_at": None, "told": None, "incident_id": 1, "judgement_id": 1, "component": HOSTILE,
        "body": {}, "checks": [], "reasons": [HOSTILE], "waits_for": None, "inputs": {}, "reads": {},
        "bounds": None, "drop_id": 1,
    }  # fmt: skip
    tables = (
        schema.drops, schema.builds, schema.evidence, schema.judgements, schema.rule_results,
        schema.deliveries, schema.holds, schema.incidents, schema.incident_events, schema.outbox,
        schema.heartbeats, schema.due_moments,
    )  # fmt: skip
    engine = sa.create_engine(store_url)
    with engine.begin() as connection:
        for table in tables:
            values: dict[str, Any] = {}
            for column in table.c:
                if column.name in told:
                    values[column.name] = told[column.name]
                elif isinstance(column.type, sa.DateTime):
                    values[column.name] = now
                elif isinstance(column.type, sa.String):
                    values[column.name] = HOSTILE[: column.type.length or 300]
                elif not (column.primary_key and column.name == "id"):
                    values[column.name] = 1
            connection.execute(sa.insert(table).values(values))
    engine.dispose()


def test_hostile_names_in_every_field_are_text(tmp_path: Path, state_url: str) -> None:
    environ = {"SLUICE_STATE_URL": state_url}
    settings = Settings.load(environ, project_dir=BAKERY, data_dir=tmp_path / "data")
    deployment = Deployment(settings, lambda: NOW)
    _ = deployment.store
    hostile_rows(deployment.settings.state_url.get_secret_value())

    class Broken:
        def now(self) -> ReadProject:
            return ReadProject(None, (HOSTILE,), "read")

    served = Pages(deployment, cast("Reading", Broken()), linked={"Dagster": "http://127.0.0.1:3000"})

    found = crawled(of_pages(served))
    kinds = {path.partition("/")[0] for path in found}
    assert {"sources", "exports", "ways", "incidents", "logs", "owners", "index.html"} <= kinds
    for path, page in found.items():
        assert {"script", "img", "b-"}.isdisjoint(page.tags), path
        assert [name for _, name, _ in page.attributes if name.startswith("on")] == [], path
        assert (page.unclosed, "49" in page.text and "{{ 7*7 }}" not in page.text) == ([], False), path
        assert all(re.match(r"[\w./%~=?:-]+$", link) for link in page.links), path
    assert "<script>alert(1)</script>" in found["index.html"].text
    deployment.close()


GONE = [
    ("table", "marts.gone", "2024-01-01"), ("table", "raw.orders", "2024-01-01-07:00"),
    ("source", "gone", "2024-01-01"), ("source", "gone", ""), ("source", "orders", "2024-W01-1"),
    ("delivery", "exp_gone", "2024-01-01"), ("delivery", SHOP_ORDERS, "an-id"),
    ("connection", "desk", ""), ("platform", "disk", ""), ("promise", "a rule until 2024-02-01", ""),
]  # fmt: skip


@pytest.mark.parametrize("ended", [None, NOW])
def test_an_incident_with_what_is_gone_or_was_cut_otherwise_leads_nowhere_wrong(
    own_shop: Shown, ended: datetime | None
) -> None:
    told = {"kind": "platform", "what": "w", "fix": "f", "run_id": "", "step": ""}
    held = {"export": "exp_none", "partition_key": "2024-01-01", "owner": "", "due_at": None}
    with own_shop.company.deployment.store.incidents.changing() as changes:
        for kind, name, key in GONE:
            dedup = f"{kind} {name} {key}"
            changes.insert(
                Incident(kind, name, key, dedup, "error", "", "", NOW, NOW, [told], [held], resolved_at=ended)
            )
    found = crawled(of_pages(own_shop.pages))
    assert all(name in found["incidents.html"].text for _, name, _ in GONE)


@pytest.mark.parametrize(
    "name",
    ["", "=", "a/b", "..", ".", "a%2Fb", "~" + "0" * 32, "ü" * 90, "x" * 400, "2024-01-31-13:00", HOSTILE],
)
def test_a_name_in_a_path_comes_back(name: str) -> None:
    place = Place("ways", ("table", "raw.orders", name))
    assert len(escaped(name)) <= 200
    assert "/" not in escaped(name)
    back = parsed(place.path)
    assert back is not None
    assert meant(back.of[-1], ["other", name]) == name


NOWHERE = [
    "../state.db", "ways/table/x.html", "exports-0.html", "exports-2.html", "a.css", "sources-x.html",
    "incidents/9.html", "index-2.html", "exports/nobody.html",
]  # fmt: skip


@pytest.mark.parametrize("path", NOWHERE)
def test_there_is_no_other_page(shop: Shown, path: str) -> None:
    assert shop.client.get(f"/{path}").status_code == 404


# -- no query for each name


@contextmanager
def counted(engine: sa.Engine) -> Generator[list[str]]:
    """Count the statements that an engine runs."""
    told: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        told.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield told
    event.remove(engine, "before_cursor_execute", note)


@pytest.mark.parametrize("path", ["index.html", "sources.html", "exports.html", "exports/e_1.html",
                                  "ways/export/e_1/2024-01-31.html", "names.html"])  # fmt: skip
def test_a_page_asks_as_often_however_large_the_company_is(tmp_path: Path, path: str) -> None:
    asked: list[int] = []
    for exports in (2, 12):
        project = project_of(exports)
        vars(project)["catalogue"] = SimpleNamespace(tables={})
        settings = Settings.load({}, project_dir=BAKERY, data_dir=tmp_path / str(exports))
        deployment = Deployment(settings, lambda: NOW)
        engine = deployment.store._engine  # pyright: ignore[reportPrivateUsage]
        fill(project, settings.state_url.get_secret_value())
        reading = cast("Reading", SimpleNamespace(now=lambda one=project: ReadProject(one, stamp="read")))
        with counted(engine) as told:
            assert Pages(deployment, reading).page(path) is not None
        asked.append(len(told))
        deployment.close()
    assert asked[0] == asked[1]
