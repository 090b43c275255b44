"""What HTTP vendors' answers mean, spoilt in every way at every request: generated, over all doubles.

Belongs here: that each answer ends as one of the five meanings, that no answer is taken for more than it
says, and that nothing is lost or sent twice afterwards. Does not: what a vendor says when all is well.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from sluicegate.destinations.answers import Line, Meaning, meaning_of
from sluicegate.destinations.base import DeliveryError, Mode, Shard
from sluicegate.destinations.braze.client import DECISIONS as BRAZE
from sluicegate.destinations.errors import UnexpectedAnswer
from sluicegate.destinations.hubspot.forms import DECISIONS as HUBSPOT
from sluicegate.destinations.salesforce.forms import DECISIONS as SALESFORCE
from sluicegate.destinations.webhook import DECISIONS as WEBHOOK

from tests.doubles import braze, hubspot, salesforce
from tests.doubles.mangling import AGAIN, NONSENSE, NOTHING_DONE, PAGE, Mangle, Mangling, Sent, mistyped
from tests.doubles.serving import serve
from tests.doubles.webhook import WebhookDouble
from tests.sampled import some_of

from .cases import Case, case_class
from .cases.hubspot import PROPERTIES
from .cases.salesforce import FIELDS
from .journals import MemoryJournal
from .support import DAY, items_table, rows_of, write_shard
from .test_conformance import as_meant, held

_SALESFORCE = f"salesforce://{salesforce.CLIENT_ID}:{quote(salesforce.CLIENT_SECRET, safe='')}@"


@dataclass(frozen=True)
class Vendor:
    """A vendor's double, the modes that are tried, and its decision table."""

    make: Callable[[], Any]
    url: str
    modes: Sequence[Mode]
    table: Sequence[Line]
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])


VENDORS: Mapping[str, Vendor] = {
    "hubspot": Vendor(
        lambda: hubspot.HubSpotDouble(PROPERTIES), f"hubspot://:{hubspot.TOKEN}@", [Mode.MIRROR], HUBSPOT
    ),
    "braze": Vendor(braze.BrazeDouble, f"braze://:{braze.API_KEY}@", [Mode.UPSERT], BRAZE),
    "braze_events": Vendor(braze.BrazeDouble, f"braze://:{braze.API_KEY}@", [Mode.APPEND], BRAZE),
    "salesforce": Vendor(
        lambda: salesforce.SalesforceDouble("Store_Item__c", FIELDS), _SALESFORCE, [Mode.MIRROR], SALESFORCE
    ),
    "salesforce_bulk": Vendor(
        lambda: salesforce.SalesforceDouble("Store_Item__c", FIELDS),
        _SALESFORCE,
        [Mode.MIRROR],
        SALESFORCE,
        {"bulk_from": 1, "job_rows": 4, "poll_seconds": 0.01},
    ),
    "webhook": Vendor(
        lambda: WebhookDouble(secret=b"s3cret"),
        "webhook://:s3cret@",
        [Mode.MIRROR, Mode.APPEND],
        WEBHOOK,
        {"batch_rows": 4},
    ),
}
EACH = pytest.mark.parametrize(
    ("name", "mode"), [(name, mode) for name, vendor in VENDORS.items() for mode in vendor.modes]
)
BEFORE = rows_of(DAY, 3, "before")
# Of the mode: two more rows, and one that was there and is another now; a mirror's are all there is.
AFTER = [(1, DAY, "after"), (7, DAY, "after"), (8, DAY, "after")]


class World:
    """One vendor behind a server that spoils answers; anew for each try."""

    def __init__(self, name: str, mode: Mode, folder: Path, front: Mangling, address: str) -> None:
        self.name, self.mode, self.front, self.folder = name, mode, front, folder
        self._address = address
        self.case: Case = Case.__new__(case_class(name))
        self.case.options = VENDORS[name].options
        self.case.url = VENDORS[name].url + address
        if name == "webhook":
            self.case.url += "/hooks"

    def begin(self) -> None:
        """Another double, which holds what was before."""
        made: Any = self.case
        made.double = VENDORS[self.name].make()
        self.front.spoil(made.double.app)
        if self.mode is not Mode.APPEND:
            self.send(self.shard(BEFORE, full=True), MemoryJournal(len(BEFORE)))

    def shard(self, rows: Sequence[Any], **stated: Any) -> Shard:
        table = items_table(rows)
        table = table.rename_columns([self.case.name(name) for name in table.column_names])
        day = self.case.name("business_date")
        return write_shard(
            self.folder, table, key=self.case.key, partition_column=day, mode=self.mode, **stated
        )

    def send(self, shard: Shard, journal: MemoryJournal) -> None:
        destination = self.case.destination()
        destination.budget_seconds = 30.0
        destination.check(shard)
        destination.inexact(shard)
        destination.send(shard, journal)

    def spoil(self, at: int, how: Mangle, *, instead: bool = False) -> None:
        made: Any = self.case
        self.front.spoil(made.double.app, at, how, instead=instead)

    def clear(self) -> None:
        made: Any = self.case
        self.front.spoil(made.double.app)

    def twice(self) -> int:
        return self.case.twice()


@pytest.fixture
def world(name: str, mode: Mode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr("sluicegate.destinations.pace._FIRST_BACK_OFF_SECONDS", 0.001)
    monkeypatch.setattr("sluicegate.destinations.http._MOST_BYTES", 1_000_000)
    monkeypatch.setattr("sluicegate.destinations.salesforce.jobs._RESULT_BYTES", 1_000_000)
    front = Mangling()
    with serve(front) as address:
        yield World(name, mode, tmp_path, front, address)


@dataclass(frozen=True)
class Outcome:
    """How a try ended: the error, if any, and how many requests there were to each path."""

    error: DeliveryError | None
    paths: Counter[str]


def requests_of(world: World, shard: Shard) -> list[tuple[str, str, Sent]]:
    """What a delivery asks for when all is well."""
    world.begin()
    world.clear()
    world.send(shard, MemoryJournal(shard.rows))
    return list(world.front.seen)


def tried(
    world: World, shard: Shard, at: int, how: Mangle, *, instead: bool = False, hides: bool = False
) -> Outcome:
    """A delivery of which one answer is spoilt, and then the next run; nothing is lost, nothing twice.

    `instead`: the vendor never sees that request. `hides`: the answer may hide a record that is to go, in a
    form that the vendor documents; then that stays.
    """
    world.begin()
    world.spoil(at, how, instead=instead)
    journal, error = MemoryJournal(shard.rows), None
    try:
        world.send(shard, journal)
    except DeliveryError as caught:
        error = caught
    assert error is not None or journal.pending() == []
    assert journal.refused == [], (at, world.front.seen[at][:2])
    arrived, paths = held(world.case), Counter(path for _, path, _ in world.front.seen)
    rows = as_meant(AFTER)
    settled = [row for number, row in enumerate(AFTER) if is_settled(journal, number)]
    assert {*as_meant(settled)} <= {*arrived}, "what was acknowledged is not there"
    world.clear()
    rest = journal.taken_up()
    world.send(shard, rest)
    assert rest.pending() == []
    kept = [] if world.mode in (Mode.APPEND, Mode.MIRROR) else as_meant([r for r in BEFORE if r[0] != 1])
    there = sorted(held(world.case), key=repr)
    if hides and error is None:
        there = [row for row in there if row not in as_meant(BEFORE)]
        kept = []
    assert there == sorted(rows + kept, key=repr)
    if world.name == "webhook":
        assert world.twice() == 0
    return Outcome(error, paths)


def is_settled(journal: MemoryJournal, number: int) -> bool:
    return not any(first <= number < end for first, end in journal.pending())


def after(world: World) -> Shard:
    return world.shard(AFTER, full=world.mode is Mode.MIRROR)


@EACH
@pytest.mark.parametrize("how", NONSENSE)
@pytest.mark.sampled(12)
def test_what_is_no_answer_is_neither_taken_nor_refused(
    world: World, name: str, mode: Mode, how: str
) -> None:
    shard = after(world)
    seen = requests_of(world, shard)
    for at in range(len(seen)):
        outcome = tried(world, shard, at, NONSENSE[how])
        if seen[at][2].headers.get("content-type", "").startswith("text/csv") and outcome.error is None:
            # Results of a job that lack rows: those went again, as few rows do.
            continue
        assert isinstance(outcome.error, UnexpectedAnswer), (how, seen[at])
        assert not outcome.error.nothing_done
        assert "answers what it should not" in outcome.error.what
        assert outcome.error.code == "SLU-V005"


@EACH
@pytest.mark.parametrize("how", AGAIN)
@pytest.mark.sampled(9)
def test_what_may_have_been_taken_is_sent_again(world: World, name: str, mode: Mode, how: str) -> None:
    shard = after(world)
    for at in range(len(requests_of(world, shard))):
        assert tried(world, shard, at, AGAIN[how]).error is None, at


@EACH
@pytest.mark.parametrize("how", NOTHING_DONE)
@pytest.mark.sampled(7)
def test_what_was_not_done_for_certain_says_so(world: World, name: str, mode: Mode, how: str) -> None:
    shard = after(world)
    seen = requests_of(world, shard)
    for at in range(len(seen)):
        error = tried(world, shard, at, NOTHING_DONE[how], instead=True).error
        if "/jobs/ingest/" in seen[at][1] and how.startswith("404") and error is None:
            # A job that is gone, which Salesforce deletes in time: its rows went again.
            continue
        assert error is not None, seen[at]
        assert not isinstance(error, UnexpectedAnswer), seen[at]


# Of all values of all fields, each time other ones; all of them with `SLUICE_TEST_KILLS=100`.
MISTYPED = 8 * int(os.environ.get("SLUICE_TEST_KILLS", "1"))


@pytest.mark.sampled(4)
@EACH
def test_no_value_of_another_type_is_more_than_an_error(world: World, name: str, mode: Mode) -> None:
    shard = after(world)
    for at, (_, path, sent) in enumerate(requests_of(world, shard)):
        if not sent.headers.get("content-type", "").startswith("application/json"):
            continue
        spoilt = [*mistyped(sent.body)]
        for what, body in some_of(f"mistyped {name} {mode} {at}", spoilt, MISTYPED):
            hides = name.startswith(("hubspot", "salesforce"))
            try:
                tried(
                    world,
                    shard,
                    at,
                    lambda sent, body=body: Sent(sent.status, sent.headers, body),
                    hides=hides,
                )
            except Exception as error:
                error.add_note(f"{path}: {what}")
                raise


# One of each line of the tables, and some of no line.
STATUSES = (
    *(
        300,
        301,
        304,
        308,
        400,
        401,
        402,
        403,
        404,
        405,
        408,
        409,
        410,
        413,
        415,
        418,
        422,
        425,
        429,
        431,
        451,
    ),
    *(499, 500, 501, 502, 503, 504, 520, 599),
)
WRITES = {
    "hubspot": "/batch/upsert",
    "braze": "/users/track",
    "braze_events": "/users/track",
    "salesforce": "/composite/sobjects/",
    "webhook": "/hooks/",
}


@pytest.mark.sampled(4)
@EACH
def test_a_status_means_what_the_table_says(world: World, name: str, mode: Mode) -> None:
    if name not in WRITES:
        pytest.skip("jobs are asked for by requests of many kinds")
    shard = after(world)
    seen = requests_of(world, shard)
    at, path = next((at, path) for at, (_, path, _) in enumerate(seen) if WRITES[name] in path)
    usual = sum(one == path for _, one, _ in seen)
    for status in STATUSES:
        meaning = meaning_of(status, VENDORS[name].table)

        def answered(_: Sent, status: int = status) -> Sent:
            return Sent(status, {"content-type": "text/html", "retry-after": "0"}, PAGE)

        outcome = tried(world, shard, at, answered, instead=True)
        if (name, status) == ("salesforce", 401):
            # Signed in anew, and taken.
            meaning = Meaning.TRY_AGAIN
        if isinstance(outcome.error, UnexpectedAnswer):
            found = Meaning.UNEXPECTED
        elif outcome.error is not None:
            assert outcome.error.nothing_done, status
            found = Meaning.NOTHING_DONE
        else:
            # Refused whole it came again in halves, which were taken.
            found = Meaning.REFUSED if outcome.paths[path] > usual + 1 else Meaning.TRY_AGAIN
        assert found is meaning, status
