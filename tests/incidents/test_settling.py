"""What is new is told once, in order, to each channel: on SQLite and on Postgres, by synthetic troubles."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier

import pytest
from sluicegate.codes import coded, place
from sluicegate.codes.reading import entries
from sluicegate.incidents.settling import (
    Settled,
    acknowledge,
    body_of,
    dedup_key,
    escalate,
    held_back,
    notice_of,
    settle,
    snooze,
)
from sluicegate.incidents.trouble import (
    Action,
    Affected,
    Finding,
    Root,
    RootKind,
    Trouble,
    TroubleKind,
    Urgency,
)
from sluicegate.state.incidents import Incident, Mute
from sluicegate.state.outbox import Message, MessageStatus
from sluicegate.state.restores import Restore
from sluicegate.state.store import StateStore

START = datetime(2024, 1, 3, 12, tzinfo=UTC)
LOUD = Urgency.ERROR


def trouble(name: str = "a", *checks: str, urgency: Urgency = LOUD, holds: str = "") -> Trouble:
    """Return a table's trouble: a finding a check, an export that waits a letter of `holds`."""
    findings = [
        Finding(TroubleKind.CHECK_FAILED, f"check {check} failed", "fix it") for check in checks or "x"
    ]
    affected = tuple(Affected(f"exp_{letter}", "2024-01-01", "o@b.example") for letter in holds)
    root = Root(RootKind.TABLE, f"raw.{name}", "2024-01-01")
    return Trouble(root, urgency, tuple(findings), "o@b.example", affected=affected)


@dataclass
class Records:
    """A store, a clock, and who is told of what."""

    store: StateStore
    now: datetime = START
    channels: tuple[str, ...] = ("pager",)
    holding: tuple[str, ...] = ()
    asked: list[tuple[str, Action]] = field(default_factory=list[tuple[str, Action]])

    def routes(self, trouble: Trouble, action: Action) -> Iterable[str]:
        self.asked.append((str(trouble.root), action))
        return self.channels

    def look(self, *troubles: Trouble, after: timedelta = timedelta(minutes=1)) -> Settled:
        self.now += after
        look = self.store.incidents.look()
        settled = settle(
            self.store, look, troubles, self.now, self.routes, deployment="d", holding=self.holding
        )
        assert settled is not None
        return settled

    def begun(self) -> "Records":
        """Look for the first time, when nothing is wrong."""
        self.look()
        return self

    def take(self, channel: str = "pager") -> Message | None:
        return self.store.incidents.outbox.take(channel, self.now, held_back("d", self.now))

    def send(self, channel: str = "pager") -> list[str]:
        """Send all that is due; return the action of each message."""
        told: list[str] = []
        while message := self.take(channel):
            self.store.incidents.outbox.sent(message, self.now, "v1")
            told.append(message.action)
        return told

    def down(self, channel: str = "pager", minutes: int = 1) -> None:
        """Try to send, to a channel that does not answer."""
        message = self.take(channel)
        assert message is not None
        again = self.now + timedelta(minutes=minutes)
        self.store.incidents.outbox.failed(message, "503", again)

    @property
    def one(self) -> Incident:
        [incident] = self.store.incidents.open()
        return incident

    def timeline(self, incident_id: int) -> list[str]:
        return [event.what for event in self.store.incidents.events(incident_id)]


@pytest.fixture
def records(store: StateStore) -> Records:
    return Records(store).begun()


def test_an_incident_is_told_open_and_resolved_once_each(records: Records) -> None:
    assert records.look(trouble()).opened == (trouble().root,)
    first = records.one
    assert [records.look(trouble()).told for _ in range(3)] == [0, 0, 0]
    assert records.send() == ["open"]
    assert records.look().resolved == (trouble().root,)
    assert records.send() == ["resolve"]
    assert records.look().told == 0
    assert records.timeline(first.id) == ["opened", "resolved"]
    assert records.asked == [(str(trouble().root), Action.OPEN)]


NEWS = [
    (trouble("a", "x"), trouble("a", "x", "y"), True),
    (trouble("a", "x", "y"), trouble("a", "y"), False),
    (trouble("a"), trouble("a", urgency=Urgency.CRITICAL), True),
    (trouble("a"), trouble("a", urgency=Urgency.INFO), False),
    (trouble("a", holds="a"), trouble("a", holds="ab"), True),
    (trouble("a", holds="ab"), trouble("a", holds="b"), False),
    (trouble("a"), replace(trouble("a"), due_at=START), False),
    (trouble("a"), replace(trouble("a"), findings=(replace(trouble("a").findings[0], run_id="2"),)), False),
]


@pytest.mark.parametrize(("before", "after", "told"), NEWS)
def test_only_what_is_new_is_told(records: Records, before: Trouble, after: Trouble, *, told: bool) -> None:
    records.look(before)
    records.send()
    records.look(after)
    assert records.send() == (["update"] if told else [])
    assert records.one.due_at == after.due_at  # the record has it all the same
    records.look(before)
    assert records.send() == []
    assert Urgency(records.one.urgency).rank == max(before.urgency.rank, after.urgency.rank)


@pytest.mark.parametrize(("hours", "again"), [(23, True), (25, False), (-100, True)])
def test_what_comes_back_within_a_day_is_the_same_incident(
    records: Records, hours: int, *, again: bool
) -> None:
    records.look(trouble())
    first = records.one
    acknowledge(records.store, first.id, "ann", "on it", records.now)
    records.look()
    settled = records.look(trouble(), after=timedelta(hours=hours))
    assert (settled.reopened if again else settled.opened) == (trouble().root,)
    assert (records.one.id == first.id, records.one.acknowledged_by) == (again, "")
    assert records.one.dedup_key == first.dedup_key + ("" if again else "#2")
    assert records.one.status(records.now) == "open"


def test_a_first_look_tells_nobody_history(store: StateStore) -> None:
    records = Records(store)
    many = [trouble(f"t{number:04}") for number in range(1_000)]
    assert records.look(*many).told == 1
    message = records.take()
    assert message is not None
    notice = notice_of(message)
    assert (notice.action, notice.title) == (Action.SUMMARY, "1000 incidents are open")
    assert notice.what.count("raw.t") == 10
    records.store.incidents.outbox.sent(message, records.now)
    assert len(store.incidents.open()) == 1_000
    assert records.look(*many).told == 0
    # What changes from here on is told: to who knows nothing of it, as something that is open.
    records.look(trouble("t0000", "x", "y"), *many[1:])
    records.look(*many[2:])
    assert records.send() == []  # the one that was told is over before it left
    records.look(trouble("t0000"), *many[2:])
    assert records.send() == ["open"]


def test_two_lookers_at_once(records: Records, another_process: StateStore) -> None:
    slow = another_process.incidents.look()
    records.look(trouble())
    fell_away = settle(another_process, slow, [], records.now, records.routes, deployment="d")
    assert (fell_away, len(records.store.incidents.open())) == (None, 1)
    barrier = Barrier(2)
    look = records.store.incidents.look()

    def race(store: StateStore) -> Settled | None:
        barrier.wait(30)
        return settle(store, look, [trouble("a"), trouble("b")], records.now, records.routes, deployment="d")

    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(race, [records.store, another_process]))
    assert sorted(settled.told for settled in both if settled is not None) == [1]
    assert len(records.store.incidents.open()) == 2


def test_one_root_has_one_open_incident_whatever_code_does(records: Records) -> None:
    from sqlalchemy.exc import IntegrityError

    records.look(trouble())
    with pytest.raises(IntegrityError), records.store.incidents.changing() as changes:
        changes.insert(replace(records.one, id=0))


# -- who is told nothing for a time


def test_what_is_muted_is_on_record_and_told_once_that_has_ended(records: Records) -> None:
    until = records.now + timedelta(hours=1)
    mute = Mute({"kind": "table", "name": "raw.*"}, records.now, until, "month end", "ann")
    records.store.incidents.mute(mute)
    records.look(trouble("a"), trouble("b"))
    assert (len(records.store.incidents.open()), records.send()) == (2, [])
    records.look(trouble("a"))
    assert records.send() == []
    records.look(trouble("a"), after=timedelta(hours=1))
    assert records.send() == ["open"]


def test_a_mute_covers_what_it_names(records: Records) -> None:
    place = ("table", "raw.a", "2024-01-01")
    for selector, covers in (
        ({}, True), ({"name": "raw.a"}, True), ({"name": "raw.b"}, False), ({"name": "*"}, True),
        ({"kind": "source"}, False), ({"name": "raw.a", "partition_key": "2024-01-02"}, False),
    ):  # fmt: skip
        mute = Mute(selector, START, START + timedelta(hours=1), "why", "ann")
        assert mute.covers(place, START) is covers
        assert not mute.covers(place, mute.ends_at)
    number = records.store.incidents.mute(Mute({}, START, START + timedelta(days=1), "why", "ann"))
    assert records.store.incidents.unmute(number, records.now)
    assert not records.store.incidents.unmute(number, records.now)
    records.look(trouble())
    assert records.send() == ["open"]


def test_what_is_snoozed_is_told_what_was_new_afterwards(records: Records) -> None:
    records.look(trouble())
    records.send()
    until = records.now + timedelta(hours=1)
    assert snooze(records.store, records.one.id, until, "ann", "known", records.now)
    records.look(trouble("a", "x", "y"))
    assert (records.send(), records.one.status(records.now)) == ([], "snoozed")
    records.look(trouble("a", "x", "y"), after=timedelta(hours=1))
    assert records.send() == ["update"]
    assert records.timeline(records.one.id) == ["opened", "snoozed", "updated"]


def test_an_acknowledgement_is_told_where_the_incident_was(records: Records) -> None:
    records.look(trouble())
    id_ = records.one.id
    assert acknowledge(records.store, id_, "ann", "on it", records.now)
    assert not escalate(records.store, id_, ["boss"], records.now)
    assert records.send() == ["open", "acknowledge"]
    records.look()
    assert not acknowledge(records.store, id_, "ann", "late", records.now)
    assert records.send() == ["resolve"]


def test_who_is_told_later_hears_that_it_is_open_and_its_end(records: Records) -> None:
    records.look(trouble())
    assert escalate(records.store, records.one.id, ["boss"], records.now)
    assert records.one.escalation == 1
    records.channels = ("pager", "feed")
    records.look(trouble("a", "x", "y"))
    records.look()
    assert {name: records.send(name) for name in ("pager", "boss", "feed")} == {
        # Nothing had left: nobody needs to know.
        "pager": [], "boss": [], "feed": [],
    }  # fmt: skip
    records.look(trouble())
    escalate(records.store, records.one.id, ["boss"], records.now)
    assert [records.send(name) for name in ("pager", "boss", "feed")] == [["open"]] * 3
    records.look(trouble("a", "x", "y", "z"))
    records.look()
    assert [records.send(name) for name in ("pager", "boss", "feed")] == [["resolve"]] * 3


def test_what_is_tried_once_more_is_told_to_nobody_yet(records: Records) -> None:
    records.look(replace(trouble(), quiet=True))
    assert (len(records.store.incidents.open()), records.send()) == (1, [])
    records.look()
    assert records.send() == []
    records.look(replace(trouble(), quiet=True))
    records.look(trouble())
    assert records.send() == ["open"]


# -- channels that are down


def test_a_channel_that_is_down_delays_and_keeps_the_order(records: Records) -> None:
    records.channels = ("pager", "feed")
    records.look(trouble("a"))
    assert records.send("pager") == ["open"]
    records.down("feed")
    assert records.send("feed") == []  # not yet
    records.look(trouble("a", "x", "y"), trouble("b"), after=timedelta())
    records.look(trouble("a", "x", "y", "z"), trouble("b"))
    assert records.send("pager") == ["open", "update"]  # the first update was replaced
    message = records.take("feed")
    assert message is not None
    assert "check z failed" in str(message.body["what"]), "what never left says the newest"
    records.store.incidents.outbox.sent(message, records.now)
    assert records.send("feed") == ["open"]


def test_what_may_have_arrived_is_resolved_too(records: Records) -> None:
    records.look(trouble())
    assert records.take() is not None  # and the sender dies
    records.look(after=timedelta(minutes=10))
    assert records.send() == ["open", "resolve"]


def test_a_sender_has_a_message_alone(records: Records, another_process: StateStore) -> None:
    records.look(trouble("a"), trouble("b"))
    assert records.take() is not None
    assert another_process.incidents.outbox.take("pager", records.now) is None
    again = another_process.incidents.outbox.take("pager", records.now + timedelta(minutes=5))
    assert again is not None
    assert again.attempts == 2


def test_nobody_waits_for_a_clock_that_was_set_back(records: Records) -> None:
    records.look(trouble())
    records.down(minutes=15)
    records.now -= timedelta(days=3)
    assert records.send() == ["open"]


def test_what_a_channel_refuses_is_given_up_with_what_follows(records: Records) -> None:
    records.look(trouble("a"))
    refused = records.take()
    assert refused is not None
    records.look(trouble("a", "x", "y"), trouble("b"))
    outbox = records.store.incidents.outbox
    outbox.given_up(refused, "400: no such key")
    assert records.send() == ["open"]  # of b alone
    assert [message.status for message in outbox.unsent()] == [MessageStatus.GIVEN_UP]
    assert outbox.try_again() == 0  # newer words were queued since
    records.look(trouble("a", "x", "y", "z"), trouble("b"))
    assert records.send() == ["open"]
    records.look()
    assert records.send() == ["resolve", "resolve"]


@pytest.mark.parametrize(("count", "summary"), [(9, False), (11, True)])
def test_many_that_were_held_back_are_one_message(records: Records, count: int, *, summary: bool) -> None:
    records.look(trouble("told"))
    records.send()
    many = [trouble(f"t{number:02}") for number in range(count)]
    records.look(trouble("told"), *many)
    records.down()
    records.look(trouble("told"), *many, after=timedelta(hours=3))
    records.look(*many, after=timedelta(seconds=1))
    expected = ["resolve", "summary"] if summary else ["open"] * count + ["resolve"]
    told: list[Message] = []
    while message := records.take():
        told.append(message)
        records.store.incidents.outbox.sent(message, records.now)
    assert [message.action for message in told] == expected
    if summary:
        assert told[-1].body["title"] == "11 messages of 3.0 h were not sent; 11 incidents are still open"
    records.look()
    assert records.send() == ([] if summary else ["resolve"] * count)


def test_a_burst_on_a_channel_that_answers_is_told_one_by_one(records: Records) -> None:
    records.look(*(trouble(f"t{number}") for number in range(20)))
    assert records.send() == ["open"] * 20


# -- what outlives


def test_after_a_restore_nothing_is_told_twice(records: Records, tmp_path: Path) -> None:
    records.look(trouble("open"), trouble("over"))
    records.send()
    records.look(trouble("open", "x", "y"), trouble("over"))
    records.store.copy_out(tmp_path / "backup.db")
    records.send()
    records.look(trouble("open", "x", "y"), trouble("new"))
    records.send()
    restored = StateStore(f"sqlite:///{tmp_path / 'backup.db'}")
    restored.restores.record(Restore("b", START, records.now))
    again = Records(restored, records.now)
    assert again.look(trouble("open", "x", "y"), trouble("new")).told == 1
    message = again.take()
    assert message is not None
    assert message.action == Action.SUMMARY
    assert "resolved since the backup: raw.over" in str(message.body["what"])
    restored.incidents.outbox.sent(message, again.now)
    assert (again.look(trouble("open", "x", "y"), trouble("new")).told, again.send()) == (0, [])
    again.look(trouble("new"))
    assert again.send() == ["resolve"]
    restored.close()


@dataclass
class Vendor:
    """One that holds alerts open by their keys, as PagerDuty does; it outlives what a restore takes away."""

    open: set[str] = field(default_factory=set[str])

    def take(self, records: Records) -> None:
        while message := records.take():
            key = str(message.body["dedup_key"])
            (self.open.discard if message.action == Action.RESOLVE else self.open.add)(key)
            records.store.incidents.outbox.sent(message, records.now)


# What happens until the backup, and between it and the restore: what is wrong, and whether it is sent.
BEFORE = {
    "told": [("a", True)], "on its way": [("a", False)], "its end on its way": [("a", True), ("", False)],
    "quiet": [("a?", True)], "over": [("a", True), ("", True)],
}  # fmt: skip
SINCE = {
    "nothing": [], "told": [("a", True)], "told and over": [("a", True), ("", True)],
    "begun anew": [("", True), ("a", True)], "told more": [("a", True), ("a!", True)],
}  # fmt: skip


@pytest.mark.parametrize("since", SINCE.values(), ids=SINCE)
@pytest.mark.parametrize("before", BEFORE.values(), ids=BEFORE)
@pytest.mark.parametrize("still", [True, False], ids=["still wrong", "right by then"])
@pytest.mark.sampled(8)
def test_what_a_restore_took_away_is_closed_where_it_was_told(
    records: Records,
    tmp_path: Path,
    before: list[tuple[str, bool]],
    since: list[tuple[str, bool]],
    *,
    still: bool,
) -> None:
    vendor, records.holding = Vendor(), ("pager",)

    def live(steps: list[tuple[str, bool]]) -> None:
        for wrong, sent in steps:
            found = trouble("a", *"xy") if wrong == "a!" else replace(trouble("a"), quiet=wrong == "a?")
            records.look(*([found] if wrong else []))
            if sent:
                vendor.take(records)

    live(before)
    records.store.copy_out(tmp_path / "backup.db")
    live(since)
    restored = StateStore(f"sqlite:///{tmp_path / 'backup.db'}")
    restored.restores.record(Restore("b", START, records.now))
    again = Records(restored, records.now, holding=("pager",))
    for wrong in ([trouble("a")], []) if still else ([], []):
        again.look(*wrong)
        vendor.take(again)
    again.look()
    vendor.take(again)
    restored.close()
    assert vendor.open == set()


def test_the_end_of_a_summary_is_told_once_nothing_of_it_is_left(records: Records) -> None:
    records.holding, vendor, seen = ("pager",), Vendor(), set[str]()
    many = [trouble(f"t{number:02}") for number in range(11)]
    for _ in range(2):
        records.look(*many)
        records.down()
        records.look(*many, after=timedelta(hours=3))
        vendor.take(records)
        [summary] = vendor.open
        assert summary.endswith(":summary")
        assert summary not in seen, "one that nobody has closed is called for no other"
        seen.add(summary)
        records.look(*many[1:], trouble("other"))
        vendor.take(records)
        assert vendor.open > {summary}
        # The last one is told by itself; the others are over.
        records.look(trouble("t10", "x", "y"), trouble("other"))
        records.look(trouble("t10", "x", "y"), trouble("other"))
        vendor.take(records)
        assert not [key for key in vendor.open if key.endswith("summary")]
        assert len(vendor.open) == 2
        records.look(after=timedelta(days=2))
        vendor.take(records)
        assert vendor.open == set()


def test_the_end_of_what_is_told_of_many_is_held_back_by_nothing(records: Records) -> None:
    outbox = records.store.incidents.outbox
    outbox.put(Message("pager", Action.RESOLVE, {"title": "it answers", "dedup_key": "k"}, records.now))
    records.look(*(trouble(f"t{number:02}") for number in range(12)))
    records.down()
    for number in range(2):
        outbox.put(Message("pager", Action.OPEN, {"title": f"{number}", "dedup_key": "k"}, records.now))
    records.now += timedelta(hours=3)
    assert records.send() == ["resolve", "summary"]


def test_old_incidents_are_forgotten_with_all_of_them(records: Records) -> None:
    records.look(trouble("a"), trouble("b"))
    records.send()
    records.look(trouble("b"))
    over = next(item for item in records.store.incidents.newest() if item.resolved_at)
    assert records.store.incidents.forget(records.now) == 0
    assert records.store.incidents.forget(records.now + timedelta(seconds=1)) == 1
    assert records.store.incidents.of(over.id) is None
    assert records.store.incidents.events(over.id) == []
    assert records.one.root_name == "raw.b"
    records.look(after=timedelta(days=1))
    assert records.look(after=timedelta(days=399)).told == 0
    assert len(records.store.incidents.newest()) == 1
    records.look(after=timedelta(days=2))  # the first look of a day forgets what is old
    assert records.store.incidents.newest() == []


def test_what_is_of_no_incident_is_forgotten_too_unless_it_waits(records: Records) -> None:
    outbox, body = records.store.incidents.outbox, {"title": "it answers", "dedup_key": "k"}
    for name in ("given up", "waits", "new"):
        outbox.put(Message(name, Action.RESOLVE, body, records.now + timedelta(hours=name == "new")))
    for name in ("given up", "new"):
        outbox.given_up(next(item for item in outbox.unsent() if item.channel == name), "gone")
    records.store.incidents.forget(records.now + timedelta(seconds=1))
    assert [item.channel for item in outbox.unsent()] == ["waits", "new"]


def test_a_dedup_key_is_short_and_its_own() -> None:
    roots = [Root(RootKind.TABLE, "x" * length, "k" * 90) for length in range(140, 160)]
    keys = {dedup_key(name, root, number) for name in "ab" for root in roots for number in (1, 2)}
    assert len(keys) == 2 * 20 * 2
    assert max(map(len, keys)) <= 255


def test_heartbeats_tell_who_was_heard_of_last(records: Records) -> None:
    incidents = records.store.incidents
    for minute in range(2):
        incidents.beat("sender", "host", START + timedelta(minutes=minute), "note")
    found = {beat.component: beat for beat in incidents.heartbeats()}
    assert found["sender"].at == START + timedelta(minutes=1)
    assert found["looks at what is wrong"].number == 1


@pytest.mark.parametrize("kind", TroubleKind)
def test_each_kind_of_trouble_leads_to_an_entry_of_the_runbook(kind: TroubleKind) -> None:
    assert Finding(kind, "it broke").code in entries()
    carried = coded("it broke", "SLU-E006")
    assert Finding(kind, carried).code == "SLU-E006", "the cause that its own words carry"
    assert Finding(kind, carried, code="SLU-G003").code == "SLU-G003"


def test_an_incident_of_an_older_version_has_the_code_of_its_kind() -> None:
    recorded = {"kind": "check failed", "what": "it broke", "fix": "fix it", "run_id": "", "step": ""}
    now = datetime(2024, 1, 2, tzinfo=UTC)
    held = Incident("table", "raw.orders", "2024-01-01", "1", "error", "", "", now, now, (recorded,))
    assert body_of(held, Action.OPEN)["facts"]["runbook"] == f"SLU-Q001: {place('SLU-Q001')}"
