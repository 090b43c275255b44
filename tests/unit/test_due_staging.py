"""Staging of one source that cannot be had: every other source is registered and due, and it is told."""

import json
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import SecretStr
from sluicegate.areas import Area, Entry, OnError, StorageAccess, storage_errors
from sluicegate.core.settings import Settings
from sluicegate.ingestion.background import NoAnswerYet
from sluicegate.ingestion.discovery import Discovery
from sluicegate.ingestion.staging import register_landed
from sluicegate.operations.due import Cursor, find_due
from sluicegate.operations.site import Site
from sluicegate.operations.status import staging_complaints
from sluicegate.state.deployment import Deployment

from tests.company import MON, TUE, Company
from tests.storage.memory import MemoryArea
from tests.unit.records import Ledger
from tests.unit.staging.support import ORDERS


def test_a_source_that_cannot_be_looked_into_stops_no_other(bakery: Company, tmp_path: Path) -> None:
    bakery.land_shops("a")
    bakery.land_orders(MON, a=1)
    weather = Path(bakery.deployment.staging.path("weather"))
    weather.write_text("a file where a folder should be")
    ledger = Ledger(bakery)
    first = ledger.look()
    assert {relation for run in first.runs for relation in run.relations} >= {"raw.shops", "raw.orders"}
    [complaint] = first.complaints
    assert complaint.startswith("weather: cannot be read (a file where a folder is expected); expected what")
    code, written, _ = bakery.sluice("status")
    assert (code, "weather: cannot be read" in written, "needs attention" in written) == (0, True, True)
    assert json.loads(bakery.sluice("status", "--json")[1])["staging"] == [complaint]
    file = tmp_path / f"{MON}.csv"
    file.write_text("")
    code, _, said = bakery.sluice("land", "weather", str(file))
    assert (code, "staging: cannot be written to (NotADirectoryError" in said) == (2, True)
    weather.unlink()
    bakery.land_weather(MON)
    again = ledger.look()
    assert (again.complaints, "raw.weather" in {name for run in again.runs for name in run.relations}) == (
        (), True,
    )  # fmt: skip
    assert json.loads(bakery.sluice("status", "--json")[1])["staging"] == []


def with_connector(company: Company, **variables: str) -> Site:
    """The bakery, whose weather lands at a wholesaler's."""
    project = company.project
    weather = replace(project.contracts["weather"], connector="wholesaler")
    settings = Settings.load(
        variables, project_dir=company.settings.project_dir, data_dir=company.settings.data_dir
    )
    return Site(Deployment(settings), replace(project, contracts={**project.contracts, "weather": weather}))


OUT_OF_REACH = {
    "no URL": ({}, "connector `wholesaler` of source `weather` is not configured"),
    "a URL of nothing": (
        {"SLUICE_CONNECTION_WHOLESALER": "gopher://a/b"},
        "SLUICE_CONNECTION_WHOLESALER is a URL",
    ),
    "no account": (
        {"SLUICE_CONNECTION_WHOLESALER": "abfs://a/b"},
        "SLUICE_CONNECTION_WHOLESALER leads to blob.core.windows.net, and this deployment is `local`",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("variables", "why"), OUT_OF_REACH.values(), ids=OUT_OF_REACH)
def test_a_connector_that_is_out_of_reach_stops_no_other(
    variables: dict[str, str], why: str, bakery: Company
) -> None:
    bakery.land_shops("a")
    bakery.land_orders(TUE, a=1)
    site = with_connector(bakery, **variables)
    due = find_due(site, Cursor(), lambda _: False)
    assert {relation for run in due.runs for relation in run.relations} >= {"raw.shops", "raw.orders"}
    assert [text[: len(why)] for text in due.complaints] == [why]
    assert staging_complaints(site) == list(due.complaints)


@pytest.fixture
def silent() -> Iterator[str]:
    """An endpoint that takes connections, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_storage_that_does_not_answer_is_not_waited_for(bakery: Company, silent: str) -> None:
    access = StorageAccess(s3_endpoint_url=silent, s3_key=SecretStr("a"), s3_secret=SecretStr("b"))
    area = Area("s3://bucket/silent", access)
    for _ in range(2):
        [complaint] = register_landed(ORDERS, area, bakery.deployment.store, patience=0.1).complaints
        assert complaint.startswith(
            "s3://bucket/silent: cannot be looked into (NoAnswerYet: no answer within 0.1 seconds)"
        )


def test_a_client_that_another_thread_is_loading_raises_nothing_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp", ModuleType("aiohttp"))
    assert OSError in storage_errors()


def test_what_storage_says_later_is_taken_at_a_later_look() -> None:
    let, ended = threading.Event(), threading.Event()

    class Slow(MemoryArea):
        def listing(self, pattern: str = "**", onerror: OnError | None = None) -> Iterator[Entry]:
            let.wait()
            yield from super().listing(pattern, onerror)
            ended.set()

    area = Slow("s3://bucket/slow")
    area.write(f"orders/{MON}.csv.gz", [b"a"])
    discovery = Discovery(ORDERS, area)
    for _ in range(2):
        with pytest.raises(NoAnswerYet):
            discovery.look(0)
    let.set()
    ended.wait()
    keys: list[str] = []
    while not keys:
        try:
            keys = discovery.look(0)
        except NoAnswerYet:
            continue
    assert keys == [MON]
