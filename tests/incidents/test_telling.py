"""Messages on their way: in order, at least once, late rather than lost; and who is told next.

Belongs here: the sender, beside a double of PagerDuty. Does not: what a look finds (`test_kinds`).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from unittest.mock import Mock

import pytest
from pydantic import SecretStr
from sluicegate.core.settings import Settings
from sluicegate.incidents import looking
from sluicegate.incidents.alerts_file import Alerts
from sluicegate.incidents.alerts_spec import AlertsSpec, HeartbeatSpec, RouteSpec
from sluicegate.incidents.settling import acknowledge, known_of, settle
from sluicegate.incidents.telling import channel_troubles, escalate_all, recipients, send
from sluicegate.incidents.trouble import Finding, Root, RootKind, Trouble, TroubleKind, Urgency
from sluicegate.incidents.troubles import find_troubles
from sluicegate.state.incidents import Incident
from sluicegate.state.outbox import HELD_BACK, Outbox

from tests.company import MON, TUE, WED, Company
from tests.doubles.pagerduty import PagerDutyDouble
from tests.doubles.stalling import stalling
from tests.incidents.desk import NOON, Watch
from tests.incidents.places import KEY, Place, Switchboard, place
from tests.unit.records import Ledger
from tests.unit.test_state_leases import HOLDERS, HOUR, held_by

SPEC: dict[str, Any] = {
    "channels": {
        "oncall": {"type": "pagerduty", "connection": "pagerduty"},
        "others": {"type": "pagerduty", "connection": "others"},
    },
    "routes": [{"to": "oncall"}],
    "escalation": [{"after": "30 min", "to": "log"}, {"after": "2 h", "to": "others"}],
}
REFUSED = Finding(TroubleKind.REFUSED_DROP, "refused")
NOBODY = "pagerduty://:0123456789abcdefghijABCDEFGHIJ42@127.0.0.1:1"


@dataclass
class Desk:
    """A bakery of which a check failed on Tuesday, whoever is told of it, and the clock."""

    watch: Watch
    ledger: Ledger
    pager: PagerDutyDouble
    settings: Settings
    alerts: Alerts = field(default_factory=lambda: Alerts(AlertsSpec.model_validate(SPEC)))
    lines: list[str] = field(default_factory=list[str])

    @property
    def store(self) -> Any:
        return self.watch.site.deployment.store

    def later(self, **span: float) -> "Desk":
        self.watch.now += timedelta(**span)
        return self

    def send(self, **options: Any) -> int:
        return send(
            self.store, self.alerts, self.settings, lambda: self.watch.now, deployment="bakery",
            write=self.lines.append, **options,
        )  # fmt: skip

    def escalate(self) -> None:
        escalate_all(self.store, self.alerts, self.watch.troubles(), self.watch.now)
        self.send()

    @property
    def actions(self) -> list[str]:
        """What the pager was told of Tuesday, in order."""
        events = self.pager.events
        return [one["event_action"] for one in events if "staging.stg_orders:2024-01-02" in one["dedup_key"]]

    @property
    def incident(self) -> Incident:
        """Tuesday's."""
        return self.watch.open[f"staging.stg_orders {TUE}"]


@pytest.fixture(scope="module")
def served() -> Iterator[Switchboard]:
    with Switchboard().serving() as made:
        yield made


@pytest.fixture
def desk(bakery: Company, served: Switchboard) -> Desk:
    company, pager = bakery.at(NOON), PagerDutyDouble(KEY)
    url = SecretStr(f"pagerduty://:{KEY}@{served.connect(pager.app)}")
    settings = company.settings.model_copy(
        update={
            "connections": {"pagerduty": url, "others": SecretStr(NOBODY)},
            "ui_url": "https://ui.example/",
        }
    )
    ledger = Ledger(company)
    company.land_shops("a")
    company.land_day(MON, a=1)
    ledger.settle()
    watch = Watch(company.site, channels=("oncall",))
    watch.look()  # the first one, which tells of nothing that was there before
    watch.send()
    watch.later(minutes=1)
    company.land_day(TUE, a=1)
    ledger.settle(failing={"staging.stg_orders"})
    watch.look()
    return Desk(watch, ledger, pager, settings)


def test_a_page_says_what_to_do_and_where_to_look(desk: Desk) -> None:
    assert desk.send() == 1
    [event] = desk.pager.events
    assert "staging.stg_orders [2024-01-02]" in event["payload"]["summary"]
    assert [link["href"] for link in event["links"]] == ["https://ui.example/runs/run"]
    assert desk.send() == 0, "once"


def test_a_channel_that_is_down_delays_and_keeps_the_order(desk: Desk) -> None:
    desk.pager.faults.fail(503, times=3)
    assert [desk.later(minutes=1).send() for _ in range(2)] == [0, 0]
    desk.ledger.company.land_orders(TUE, a=2)
    desk.ledger.settle()
    desk.watch.look()
    assert desk.later(minutes=5).send() == 0
    assert desk.later(minutes=15).send() >= 2
    assert desk.actions == ["trigger", "resolve"]
    assert not [key for key in desk.pager.open if "staging.stg_orders" in key]


def test_an_answer_that_is_lost_pages_nobody_twice(desk: Desk) -> None:
    desk.pager.faults.lose_answers()
    assert desk.send() == 0
    assert desk.later(minutes=1).send() == 1
    assert [alert.notified for alert in desk.pager.alerts] == [1]


@pytest.mark.parametrize(
    ("headers", "minutes"),
    [({}, [0.5, 1, 2, 4, 8, 15, 15, 15]), ({"retry-after": "3600"}, [60, 60])],
    ids=["longer each time, to a quarter of an hour", "as long as it asks"],
)
def test_how_long_it_waits(desk: Desk, headers: dict[str, str], minutes: list[float]) -> None:
    desk.pager.faults.fail(503, times=len(minutes), headers=headers)
    waited: list[float] = []
    for _ in minutes:
        desk.send()
        [message] = desk.store.incidents.outbox.unsent()
        waited.append((message.next_try_at - desk.watch.now).total_seconds() / 60)
        desk.later(minutes=waited[-1] - 0.1).send()
        assert desk.store.incidents.outbox.unsent()[0].attempts == len(waited), "not before its time"
        desk.later(minutes=0.1)
    assert waited == minutes
    assert desk.send() == 1


def test_a_key_that_is_refused_is_told_by_another_channel_and_loses_nothing(desk: Desk) -> None:
    desk.pager.routing_key = "another"
    desk.send()
    desk.later(minutes=16).send()
    assert [json.loads(line)["alert"]["action"] for line in desk.lines] == ["open"], "the last resort, once"
    assert "staging.stg_orders" in desk.lines[0]
    store, now = desk.store, desk.watch.now
    [trouble] = channel_troubles(store, now)
    assert "Invalid routing key" in trouble.findings[0].what
    assert recipients(desk.alerts, trouble) == ("log",)
    known = known_of(store)
    assert trouble in find_troubles(desk.watch.site, now, known=known, others=channel_troubles(store, now))
    desk.pager.routing_key = KEY
    assert desk.send() == 0, "its time has not come"
    assert store.incidents.outbox.try_again() == 1
    assert desk.send() == 1
    assert list(channel_troubles(store, now)) == []


def test_who_is_silent_for_long_is_a_trouble_too(desk: Desk) -> None:
    desk.pager.faults.fail(503, times=2)
    desk.send()
    assert list(channel_troubles(desk.store, desk.watch.now)) == []
    desk.later(minutes=16).send()
    [trouble] = channel_troubles(desk.store, desk.watch.now)
    assert "503" in trouble.findings[0].what


def test_a_channel_that_the_file_has_no_more_is_given_up(desk: Desk) -> None:
    spec = {**SPEC, "channels": {}, "routes": [{"to": "log"}], "escalation": []}
    desk.alerts = Alerts(AlertsSpec.model_validate(spec))
    desk.send()
    [message] = desk.store.incidents.outbox.unsent()
    assert (message.status, "no channel `oncall`" in message.last_error) == ("given up", True)


def test_what_a_channel_that_is_gone_was_to_tell_is_told_by_the_routes_of_today(desk: Desk) -> None:
    desk.pager.faults.fail(503)
    desk.send()
    spec = {**SPEC, "channels": {"duty": SPEC["channels"]["oncall"]}, "routes": [{"to": "duty"}]}
    desk.alerts = Alerts(AlertsSpec.model_validate({**spec, "escalation": []}))
    desk.watch.channels = ("duty",)
    desk.later(hours=1).send()
    desk.watch.look()
    assert desk.send() == 1
    assert desk.actions == ["trigger"]
    desk.watch.look()
    assert desk.send() == 0
    desk.ledger.company.land_orders(TUE, a=2)
    desk.ledger.settle()
    desk.watch.look()
    desk.send()
    assert desk.actions == ["trigger", "resolve"]


def test_no_channel_waits_for_another(desk: Desk) -> None:
    desk.watch.channels = ("others", "log", "oncall")
    desk.ledger.company.land_day(WED, a=1)
    desk.watch.now = NOON + timedelta(days=1)
    desk.ledger.settle(failing={"staging.stg_orders"})
    desk.watch.look()
    desk.send()
    assert (len(desk.lines), len(desk.pager.events)) == (1, 2)
    assert {message.channel for message in desk.store.incidents.outbox.unsent()} == {"others"}


def test_who_was_asked_last_lets_others_go_first(desk: Desk) -> None:
    desk.pager.faults.fail(503)
    desk.send()
    desk.watch.channels = ("others",)
    desk.ledger.company.land_day(WED, a=1)
    desk.watch.now = NOON + timedelta(days=1)
    desk.ledger.settle(failing={"staging.stg_orders"})
    desk.watch.look()
    assert desk.store.incidents.outbox.channels() == ["others", "oncall"]


@pytest.mark.parametrize("kind", ["silent", "a body that does not end"])
def test_a_heartbeat_url_that_is_slow_keeps_no_look_waiting(
    desk: Desk, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "_PING_SECONDS", 0.1)
    alerts = Alerts(AlertsSpec(routes=(RouteSpec(to=("log",)),), heartbeat=HeartbeatSpec(connection="beats")))
    with stalling(kind) as address:
        connections = {"beats": SecretStr(f"http://{address}/secret")}
        settings = desk.settings.model_copy(update={"connections": connections})
        looking.ping(replace(desk.watch.site.deployment, settings=settings), alerts)
    beats = {beat.component: beat.note for beat in desk.store.incidents.heartbeats()}
    assert beats[looking.PINGED] in ("ReadTimeout", "TimeoutError")


def test_who_has_the_lease_sends_and_nobody_else(desk: Desk) -> None:
    url = desk.watch.site.deployment.settings.state_url.get_secret_value()
    alive = next(make for make, gone in HOLDERS.values() if not gone)
    held_by(url, alive, HOUR, name="outbox:oncall")
    assert desk.send() == 0
    assert desk.pager.events == []


def test_nothing_is_begun_when_the_time_is_over(desk: Desk) -> None:
    assert desk.send(seconds=0) == 0
    assert desk.send() == 1


def told_by(desk: Desk, there: Place) -> None:
    """Let a channel's double be the only one from now on; it is told of Tuesday anew."""
    spec = {"channels": {"there": {"type": there.kind, "connection": "there"}}, "routes": [{"to": "there"}]}
    desk.alerts = Alerts(AlertsSpec.model_validate(spec))
    # Slack's address is its own, whoever answers there.
    anywhere = {"connections": {"there": SecretStr(there.url)}, "declared": "production"}
    desk.settings = desk.settings.model_copy(update=anywhere)
    desk.watch.channels = ("there",)
    with desk.store.incidents.changing() as changes:
        changes.change(desk.incident.id, told=None)


class Killed(BaseException):
    """The process is no more."""


@pytest.mark.parametrize("kind", ["pagerduty", "webhook"])
def test_a_sender_that_dies_before_it_notes_the_answer_tells_nobody_twice(
    desk: Desk, kind: str, served: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    with place(kind, served) as there:
        told_by(desk, there)
        desk.watch.look()
        monkeypatch.setattr(Outbox, "sent", Mock(side_effect=Killed))
        with pytest.raises(Killed):
            desk.send()
        monkeypatch.undo()
        before = there.arrived()[-1]
        desk.ledger.judge("raw.orders", TUE, passed=False)
        desk.later(minutes=1).watch.look()
        assert desk.send() == 0, "another may still be at it"
        desk.later(minutes=5).send()
        if kind == "pagerduty":
            assert {alert.notified for alert in there.double.alerts} == {1}
        else:
            assert there.double.again == 1
            assert there.arrived()[0] == before


@pytest.mark.parametrize("kind", ["pagerduty", "webhook", "slack"])
def test_after_an_outage_of_the_channel(desk: Desk, kind: str, served: Switchboard) -> None:
    """By keys each that is open, as urgent as it is by now, none that has ended; else a summary."""
    with place(kind, served) as there:
        told_by(desk, there)
        made = [
            Trouble(Root(RootKind.TABLE, "raw.orders", f"{day:02}"), Urgency.ERROR, (REFUSED,))
            for day in range(HELD_BACK + 4)
        ]
        worse = replace(made[1], urgency=Urgency.CRITICAL)
        there.faults.fail(503)
        for found in (made, [made[0], worse, *made[2:]], [made[0], worse, *made[2:-1]]):
            look, routes = desk.store.incidents.look(), desk.watch.routes
            settle(desk.store, look, found, desk.watch.now, routes, deployment="bakery")
            desk.send()
        desk.later(hours=1).send()
        if kind == "slack":
            assert len(there.arrived()) == 2
            assert "12 messages" in there.arrived()[-1]
            return
        said = [json.loads(one) for one in there.arrived() if "raw.orders" in one]
        said = [one.get("data", one) for one in said]
        assert len({one["dedup_key"] for one in said}) == len(said) == len(made) - 1
        assert not [one for one in said if one["dedup_key"].endswith(f":{made[-1].root.partition_key}")]
        urgent = [one.get("urgency") or one["payload"]["severity"] for one in said]
        assert sorted(urgent) == ["critical", *["error"] * (len(made) - 2)]


def test_who_is_next_is_told_once_a_level_unless_somebody_sees_to_it(desk: Desk) -> None:
    desk.send()
    told: list[int] = []
    for minutes in (29, 2, 60, 60, 600):
        desk.later(minutes=minutes).escalate()
        told.append(len(desk.lines) + len(desk.store.incidents.outbox.unsent()))
    assert told == [0, 1, 1, 2, 2]
    assert "staging.stg_orders" in desk.lines[0]


def test_who_is_next_is_left_alone_once_it_is_acknowledged(desk: Desk) -> None:
    desk.send()
    assert acknowledge(desk.store, desk.incident.id, "Ada", "on it", desk.watch.now)
    for minutes in (31, 600):
        desk.later(minutes=minutes).escalate()
    assert desk.lines == []
    assert desk.actions == ["trigger", "acknowledge"]


def test_what_was_never_told_is_passed_on_to_nobody(desk: Desk) -> None:
    with desk.store.incidents.changing() as changes:
        changes.change(desk.incident.id, told=None)
    desk.later(hours=5).escalate()
    assert desk.lines == []
