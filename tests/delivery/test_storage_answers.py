"""Answers of Azure Data Explorer and of object storage, spoilt at every request.

Belongs here: what goes through libraries of others, which stumble in ways of their own. Does not: vendors
that we speak to ourselves (`test_answers`).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from sluicegate.destinations.base import DeliveryError, Destination, Mode
from sluicegate.destinations.errors import UnexpectedAnswer

from tests.doubles.forwarding import forwarding
from tests.doubles.mangling import AGAIN, NONSENSE, NOTHING_DONE, Mangle, Mangling
from tests.doubles.serving import serve
from tests.sampled import part_of

from .cases import Case, case_class
from .journals import MemoryJournal
from .support import DAY, rows_of, write_shard
from .test_conformance import as_meant, held

ROWS = rows_of(DAY, 3, "x")
# What the libraries take for an answer, and is none: how each fares is theirs, and the end is ours.
STRANGE = ("a login page", "JSON that is cut", "null", "a number", "refused: true", "a redirect", "too deep")


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """No library waits long before another try."""
    monkeypatch.setattr("sluicegate.destinations.pace._FIRST_BACK_OFF_SECONDS", 0.001)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")


class Place:
    """A destination behind a server that spoils answers."""

    def __init__(self, case: Case, front: Mangling, inner: Any, url: str, folder: Path) -> None:
        self.case, self.front, self._inner, self._url, self._folder = case, front, inner, url, folder

    def destination(self) -> Destination:
        made = self.case.destination(self._url)
        made.budget_seconds = 60.0
        return made

    def tried(self, at: int | None, how: Mangle | None) -> tuple[DeliveryError | None, list[Any]]:
        """A delivery of a day of its own, of which one answer is spoilt, and then the next run."""
        shard = write_shard(
            self._folder,
            ROWS,
            mode=Mode.SNAPSHOT,
            full=True,
            key=self.case.key,
            delivery_id=f"d-{at}-{id(how)}",
        )
        journal, error = MemoryJournal(shard.rows), None
        self.front.spoil(self._inner, at, how)
        try:
            destination = self.destination()
            destination.check(shard)
            destination.send(shard, journal)
        except DeliveryError as caught:
            error = caught
        seen = list(self.front.seen)
        if journal.pending() == []:
            assert held(self.case) == as_meant(ROWS), "what was acknowledged is not there"
        self.front.spoil(self._inner)
        rest = journal.taken_up()
        self.destination().send(shard, rest)
        assert rest.pending() == []
        assert held(self.case) == as_meant(ROWS)
        assert self.case.twice() == 0
        return error, seen


Opened = Callable[[str], Place]


@pytest.fixture
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opened]:
    with ExitStack() as running:

        def open_place(name: str) -> Place:
            case: Any = case_class(name)(request, tmp_path)
            running.callback(case.close)
            front = Mangling()
            host = running.enter_context(serve(front))
            if name == "adx":
                real = case.url.rpartition("@")[2].partition("/")[0]
                return Place(case, front, case.kusto.app, case.url.replace(real, host), tmp_path)
            real = _endpoint(case)
            inner = forwarding(real, lambda _: None, lambda _: None)
            url = case.url.replace(quote(real, safe=""), quote(f"http://{host}", safe=""))
            assert url != case.url
            return Place(case, front, inner, url, tmp_path)

        yield open_place


def _endpoint(case: Any) -> str:
    environ: Mapping[str, str] = case.storage().environ
    if "SLUICE_S3_ENDPOINT_URL" in environ:
        return environ["SLUICE_S3_ENDPOINT_URL"]
    said = environ["SLUICE_AZURE_CONNECTION_STRING"].partition("BlobEndpoint=")[2].partition(";")[0]
    return "{0.scheme}://{0.netloc}".format(urlsplit(said))


@pytest.mark.parametrize("how", STRANGE)
@pytest.mark.sampled(6)
def test_what_is_none_of_kustos_is_said_to_be_none(opened: Opened, how: str) -> None:
    place = opened("adx")
    _, seen = place.tried(None, None)
    errors = [place.tried(at, NONSENSE[how])[0] for at in range(len(seen))]
    assert [error for error in errors if error and not isinstance(error, UnexpectedAnswer)] == []
    # Some are asked again, or are asked for a reason that is not needed.
    assert sum(error is not None for error in errors) >= len(seen) // 2


@pytest.mark.parametrize("how", ["502 with a page", "429 with a page", "cut off"])
@pytest.mark.sampled(2)
def test_kusto_is_asked_again(opened: Opened, how: str) -> None:
    place = opened("adx")
    _, seen = place.tried(None, None)
    assert {place.tried(at, AGAIN[how])[0] for at in part_of(how, range(len(seen)), one_in=3)} == {None}


@pytest.mark.parametrize("how", ["403 with a page", "405"])
@pytest.mark.sampled(2)
def test_what_kusto_says_no_to_was_not_done(opened: Opened, how: str) -> None:
    place = opened("adx")
    _, seen = place.tried(None, None)
    errors = [place.tried(at, NOTHING_DONE[how])[0] for at in part_of(how, range(len(seen)), one_in=3)]
    assert [error for error in errors if isinstance(error, UnexpectedAnswer)] == []


@pytest.mark.parametrize("name", ["blob_azure", "blob_s3"])
@pytest.mark.sampled(2)
def test_what_is_none_of_storages_shows_nothing_that_was_not_written(opened: Opened, name: str) -> None:
    place = opened(name)
    _, seen = place.tried(None, None)
    for at in part_of(name, range(len(seen)), one_in=3):
        place.tried(at, NONSENSE["a login page"])
