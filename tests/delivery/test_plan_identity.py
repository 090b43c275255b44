"""A plan waits, or is under way, and its export file changes: what today's file says is sent, and no more.

Every state that a plan can be in before it is settled, and everything that can change what a plan is.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from sluicegate.delivery.deliver import stated
from sluicegate.delivery.engine import place_of
from sluicegate.delivery.ledger import DeliveryHeld, DeliveryRejected, Limits, MadeBy, Order
from sluicegate.destinations.base import DeliveryError, Mode
from sluicegate.state.records import Delivery, DeliveryKind, DeliveryStatus

from .deliveries import DAY
from .filed import EXPORT, FOR_A_TIME, File, Filed, export_file, rule
from .shelf import Crash, ShelfDestination

ROWS = {1: "a", 2: "b", 3: "c", 4: "a", 5: "d"}
STATES = ("planned", "held", "approved", "sending", "rejected")
# The states that a person has to do with: their plans are past a limit.
OF_PEOPLE = ("held", "approved", "rejected")
DROPS_A = rule(filter={"column": "note", "drop": ["a"]})


@pytest.fixture
def filed(tmp_path: Path) -> Iterator[Filed]:
    made = Filed(tmp_path, ShelfDestination(str(tmp_path), "shelf"), export_file(), ROWS)
    yield made
    made.store.close()


def limited(rows: int) -> File:
    return {"limits": {"rows": {"max": rows}}}


def bring(filed: Filed, state: str) -> Delivery:
    """Make a plan by the file as it is, bring it to a state, and return it."""
    if state in OF_PEOPLE:
        with pytest.raises(DeliveryHeld):
            filed.deliver()
    elif state == "sending":
        filed.shelf.faults.crash_after_rows = 2
        with pytest.raises(Crash):
            filed.deliver()
        filed.shelf.faults.crash_after_rows = None
    else:
        filed.shelf.faults.down = True
        with pytest.raises(DeliveryError, match="nobody answers"):
            filed.deliver()
        filed.shelf.faults.down = False
    plan = filed.store.deliveries.of_export(EXPORT)[-1]
    if state in ("approved", "rejected"):
        filed.decide(plan, DeliveryStatus(state))
    assert filed.now(plan).status == state
    return filed.now(plan)


def last_mile(*rules: object) -> Callable[[Filed], None]:
    return lambda filed: filed.file.update(last_mile=[*filed.file["last_mile"], *rules])


def says(**fields: object) -> Callable[[Filed], None]:
    return lambda filed: filed.file.update(fields)


def mapped(values: dict[str, str]) -> Callable[[Filed], None]:
    return says(last_mile=[rule(map={"column": "note", "values": values})])


CHANGES: dict[str, Callable[[Filed], None]] = {
    "a last-mile filter added": last_mile(DROPS_A),
    "the last-mile rule removed": says(last_mile=[]),
    "a mapping changed": mapped({"b": "other"}),
    "a mapping of more values": mapped({"b": "B", "c": "C"}),
    "names changed": says(names={"note": "remark"}),
    "the key changed": says(key=["item"]),
    "the mode changed": says(mode="upsert"),
    "options changed": says(
        destination={
            "type": "webhook", "connection": "hook", "object": "items", "options": {"batch_rows": 7},
        }
    ),
    "the object changed": says(destination={"type": "webhook", "connection": "hook", "object": "others"}),
    "classes changed": says(classes=["public"]),
    "the SQL of the source changed": lambda filed: setattr(filed, "columns", {"extra": "varchar"}),
    "another limit added": lambda filed: filed.file["limits"].update(empty="hold"),
    "limits loosened": lambda filed: filed.file["limits"]["rows"].update(max=1000),
    "limits tightened": lambda filed: filed.file["limits"]["rows"].update(max=2),
}  # fmt: skip


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.sampled(8)
def test_what_todays_file_says_is_sent_and_no_more(filed: Filed, state: str, change: str) -> None:
    filed.file |= limited(3 if state in OF_PEOPLE else 100)
    old = bring(filed, state)
    arrived = filed.held_there()
    CHANGES[change](filed)
    if len(filed.expected()) > filed.file["limits"]["rows"]["max"]:
        # Past today's limit, whatever a person said of the old plan.
        with pytest.raises(DeliveryHeld) as caught:
            filed.deliver()
        new = caught.value.delivery
        assert f"expected at most {filed.file['limits']['rows']['max']}" in new.reasons[0]
        settled = filed.held_there()
        assert settled[: len(arrived)] == arrived
        assert len(settled) <= len(arrived) + (state == "sending")
        filed.decide(new, DeliveryStatus.APPROVED)
        sent = filed.deliver()
        assert sent.delivery.delivery_id == new.delivery_id
    else:
        sent = filed.deliver()
    assert sent.delivery.delivery_id != old.delivery_id
    assert sent.delivery.status is DeliveryStatus.ACKNOWLEDGED
    assert filed.held_there() == filed.expected()
    assert filed.now(old).status == ("rejected" if state == "rejected" else "superseded")
    # And it is settled: the same again sends nothing.
    before = filed.shelf.sent
    filed.deliver()
    assert filed.shelf.sent == before


NO_MATTER: dict[str, Callable[[Filed], None]] = {
    "nothing": lambda _: None,
    "the owner": says(owner="team:others"),
    "the purpose": says(purpose="Shows other items."),
    "the channel": says(channel="#items"),
    "the deadline": says(deadline={"latency": 3, "unit": "h"}),
    "the budget": says(budget={"latency": 3, "unit": "h"}),
    "what becomes of refused rows": says(refusals={"attempts": 2, "tolerated_share": 0.5}),
    "the connection's name": says(destination={"type": "webhook", "connection": "other", "object": "items"}),
    "an option that is the default": says(
        destination={
            "type": "webhook", "connection": "hook", "object": "/items", "options": {"batch_rows": 500},
        }
    ),
    "who answers for a rule, and until when": says(
        last_mile=[
            {
                "map": {"column": "note", "values": {"b": "B"}},
                **FOR_A_TIME, "owner": "you", "reason": "else", "expires": "2024-03-02",
            }
        ]
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", NO_MATTER)
@pytest.mark.sampled(4)
def test_what_decides_nothing_leaves_a_plan_and_a_persons_word(filed: Filed, change: str) -> None:
    filed.file |= limited(3)
    old = bring(filed, "approved")
    NO_MATTER[change](filed)
    assert filed.deliver().delivery.delivery_id == old.delivery_id
    assert filed.held_there() == filed.expected()


@pytest.mark.parametrize("state", STATES)
def test_a_plan_of_the_same_file_is_taken_up(filed: Filed, state: str) -> None:
    filed.file |= limited(3 if state in OF_PEOPLE else 100)
    plan = bring(filed, state)
    if state in ("held", "rejected"):
        with pytest.raises((DeliveryHeld, DeliveryRejected)) as caught:
            filed.deliver()
        assert plan.delivery_id in str(caught.value)
        assert filed.held_there() == []
    else:
        assert filed.deliver().delivery.delivery_id == plan.delivery_id
        assert filed.held_there() == filed.expected()
        assert filed.shelf.twice == 0


def test_a_file_that_is_back_finds_its_rejection_again(filed: Filed) -> None:
    filed.file |= limited(3)
    old = bring(filed, "rejected")
    filed.file["limits"]["rows"]["max"] = 2
    bring(filed, "held")
    filed.file |= limited(3)
    with pytest.raises(DeliveryRejected) as caught:
        filed.deliver()
    assert caught.value.delivery.delivery_id == old.delivery_id
    assert filed.held_there() == []


@pytest.mark.parametrize("state", ["planned", "held", "approved", "sending"])
def test_a_plan_of_another_cutting_ends(filed: Filed, state: str) -> None:
    """Nobody would ever ask for its scope again: it would wait, or be under way, for good."""
    filed.file |= limited(3 if state in OF_PEOPLE else 100)
    old = bring(filed, state)
    assert old.scope == DAY
    filed.file |= {"partitions": "latest", "key": ["item"], **limited(100)}
    sent = filed.deliver()
    assert (sent.delivery.scope, filed.now(old).status) == ("", DeliveryStatus.SUPERSEDED)
    without_day = [{k: v for k, v in row.items() if k != "business_date"} for row in filed.expected()]
    assert filed.held_there() == without_day


def test_a_plan_under_way_is_not_sent_under_another_key(filed: Filed) -> None:
    """What may have arrived of it stays in doubt: its own key may not even be in today's rows."""
    filed.file |= {"mode": "upsert"}  # the double knows no scope of rows under other names
    old = bring(filed, "sending")
    filed.file |= {"names": {"business_date": "day", "item": "number"}}
    filed.shelf.shards.clear()
    filed.deliver()
    (sent,) = filed.shelf.shards
    assert (sent.key, sent.partition_column) == (("day", "number"), "day")
    assert filed.now(old).status is DeliveryStatus.SUPERSEDED


@pytest.mark.parametrize("state", STATES)
def test_a_plan_for_another_place_is_judged_anew(filed: Filed, state: str) -> None:
    """The connection leads elsewhere now: a person's word was for what goes there."""
    filed.file |= limited(3 if state in OF_PEOPLE else 100)
    old = bring(filed, state)
    before, filed.shelf = filed.shelf, ShelfDestination(str(filed.folder), "elsewhere")
    there = before.rows()
    if state in OF_PEOPLE:
        with pytest.raises(DeliveryHeld) as caught:
            filed.deliver()
        new = caught.value.delivery
        assert filed.held_there() == []
    else:
        new = filed.deliver().delivery
    assert (new.place, old.place) == (place_of(filed.shelf), place_of(before))
    assert new.delivery_id != old.delivery_id
    assert filed.now(old).status == ("rejected" if state == "rejected" else "superseded")
    assert before.rows() == there


# -- redeliveries


def held_redelivery(filed: Filed) -> tuple[datetime, Delivery]:
    """Return when the destination held all rows, and a redelivery of that which is held."""
    filed.deliver()
    then = datetime.now(UTC)
    filed.version, filed.rows = "2", {1: "a"}
    filed.deliver()
    filed.file |= limited(3)
    with pytest.raises(DeliveryHeld) as caught:
        filed.redeliver(then)
    return then, caught.value.delivery


def test_a_redelivery_is_made_of_no_table_and_no_last_mile(filed: Filed) -> None:
    then, plan = held_redelivery(filed)
    last_mile(DROPS_A)(filed)
    filed.columns = {"extra": "varchar"}
    filed.decide(plan, DeliveryStatus.APPROVED)
    assert filed.redeliver(then).delivery.delivery_id == plan.delivery_id
    assert len(filed.held_there()) == len(ROWS)


@pytest.mark.parametrize(
    "change", ["limits tightened", "classes changed", "options changed", "the mode changed"]
)
@pytest.mark.sampled(2)
def test_a_redelivery_is_as_its_limits_and_its_destination_are(filed: Filed, change: str) -> None:
    then, plan = held_redelivery(filed)
    filed.decide(plan, DeliveryStatus.APPROVED)
    CHANGES[change](filed)
    with pytest.raises(DeliveryHeld) as caught:
        filed.redeliver(then)
    assert caught.value.delivery.delivery_id != plan.delivery_id
    assert filed.now(plan).status is DeliveryStatus.SUPERSEDED
    assert len(filed.held_there()) == 1


def test_a_resync_is_as_any_delivery(filed: Filed) -> None:
    filed.deliver()
    filed.file |= limited(3)
    with pytest.raises(DeliveryHeld) as caught:
        filed.deliver(DeliveryKind.RESYNC)
    filed.decide(caught.value.delivery, DeliveryStatus.APPROVED)
    last_mile(DROPS_A)(filed)
    assert filed.deliver(DeliveryKind.RESYNC).delivery.delivery_id != caught.value.delivery.delivery_id
    assert filed.held_there() == filed.expected()


# -- stores of before plans said what made them


def as_before(filed: Filed, plan: Delivery) -> Delivery:
    """Write a plan down as the version did that knew no identities; return it."""
    parts = (EXPORT, DAY, plan.version, plan.kind, plan.supersedes, "0")
    old_id = sha256("\n".join(parts).encode()).hexdigest()[:32]
    with closing(sqlite3.connect(filed.folder / "state.db")) as connection:
        connection.execute(
            "update deliveries set delivery_id = ?, made_by = '', place = '', source = '',"
            " partition_column = '', bounds = null where delivery_id = ?",
            (old_id, plan.delivery_id),
        )
        connection.execute(
            "update acknowledgements set delivery_id = ? where delivery_id = ?", (old_id, plan.delivery_id)
        )
        connection.commit()
    return filed.now(replace(plan, delivery_id=old_id))


@pytest.mark.parametrize("state", ["planned", "held", "approved", "sending"])
def test_what_waited_before_the_upgrade_is_planned_anew(filed: Filed, state: str) -> None:
    filed.file |= limited(3 if state in OF_PEOPLE else 100)
    old = as_before(filed, bring(filed, state))
    if state in OF_PEOPLE:
        with pytest.raises(DeliveryHeld) as caught:
            filed.deliver()
        assert caught.value.delivery.delivery_id != old.delivery_id
        assert filed.held_there() == []
    else:
        filed.deliver()
        assert filed.held_there() == filed.expected()
        # A first mirror is begun anew, as what else is there was not taken away yet: two rows were there.
        again = 2 if state == "sending" else 0
        assert (filed.shelf.sent, filed.shelf.twice) == (len(ROWS) + again, again)
    assert filed.now(old).status is DeliveryStatus.SUPERSEDED


def test_what_was_rejected_before_the_upgrade_stays_so_until_it_is_built_anew(filed: Filed) -> None:
    filed.file |= limited(3)
    old = as_before(filed, bring(filed, "rejected"))
    for limit in (3, 100):  # nobody knows what made it, so no change of the file makes another of it
        filed.file |= limited(limit)
        with pytest.raises(DeliveryRejected) as caught:
            filed.deliver()
        assert caught.value.delivery.delivery_id == old.delivery_id
    assert filed.held_there() == []
    filed.version = "2"
    assert filed.deliver().sent


def test_what_was_delivered_before_the_upgrade_is_not_sent_again(filed: Filed) -> None:
    as_before(filed, filed.deliver().delivery)
    assert not filed.deliver().sent
    filed.version, filed.rows = "2", {**ROWS, 6: "e"}
    assert filed.deliver().delivery.shard_rows == 1
    assert (filed.shelf.sent, filed.shelf.twice) == (len(ROWS) + 1, 0)


@pytest.mark.parametrize(
    ("empty", "rules"),
    [
        # Of when a file that said nothing sent empty days: what waits since then is the same plan today.
        (None, "5de592562084d57370e59d5bea67027b5b1be08cd06eaa6485b50375f2cd3ad9"),
        (False, "ced966446b92cbcdc6e112ea1b7d11a8de3533563539585ec0ef54c40bf63816"),
    ],
)
def test_a_plan_from_when_empty_days_were_sent_by_default_is_the_same_today(
    empty: bool | None, rules: str
) -> None:
    order = Order("e", "2024-01-01", ("id",), Mode.MIRROR, "day", limits=Limits(empty=empty))

    assert MadeBy.of(order).rules == rules
    assert MadeBy.of(replace(order, limits=Limits(empty=True))).rules not in ("", rules)


@pytest.mark.parametrize("said", [{}, {"limits": {"empty": "hold"}}])
def test_an_empty_plan_is_planned_anew_once_its_file_says_send(filed: Filed, said: File) -> None:
    filed.file, filed.rows = export_file(**said), {}
    with pytest.raises(DeliveryHeld):
        filed.deliver()
    filed.file = export_file(limits={"empty": "send"})

    assert filed.deliver().delivery.status is DeliveryStatus.ACKNOWLEDGED


def test_an_id_tells_what_made_the_plan_and_nothing_else(filed: Filed) -> None:
    filed.file |= limited(3)
    first = bring(filed, "held")
    other = filed.folder / "other"
    other.mkdir()
    again = Filed(other, filed.shelf, filed.file, ROWS)
    assert bring(again, "held").delivery_id == first.delivery_id
    again.store.close()


def test_what_is_stated_holds_every_value_of_a_rule(filed: Filed) -> None:
    """A rule's own text leaves out all values but five."""
    many = [str(number) for number in range(9)]
    texts: set[str] = set()
    for last in ("8", "nine"):
        filed.file["last_mile"] = [rule(filter={"column": "note", "drop": [*many[:-1], last]})]
        texts.add(stated(filed.target(), DeliveryKind.CHANGE))
    filed.file["last_mile"] = [rule(filter={"column": "note", "keep": many})]
    texts.add(stated(filed.target(), DeliveryKind.CHANGE))
    filed.file["last_mile"] = [rule(map={"column": "item", "values": {1: 2, None: 3}})]
    texts.add(stated(filed.target(), DeliveryKind.CHANGE))
    assert len(texts) == 4
