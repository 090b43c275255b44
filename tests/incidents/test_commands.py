"""Commands of incidents: what they print, what they put on record, and what they answer to what is not there.

Belongs here: the bakery's records, without runs. Does not: what comes before (`tests/run/test_incidents`).
"""

import json
import re
import shlex
import socket
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from orchestration.core.problems import Problem, ProjectError
from orchestration.incidents.looking import PINGED, look
from orchestration.incidents.watching import watch
from tests.company import MON, TUE, Company
from tests.doubles.pagerduty import PagerDutyDouble
from tests.incidents.places import KEY, Switchboard
from tests.typed import sluice
from tests.unit.records import Ledger

ALERTS = """
channels:
  oncall: {type: pagerduty, connection: pagerduty}
routes:
  - {to: oncall}
heartbeat: {connection: healthchecks}
"""
_TYPED = re.compile(r"`(sluice [^`…]+)`")


@dataclass
class Shop:
    """A bakery of which a check failed on Tuesday, as the second look found."""

    company: Company
    pager: PagerDutyDouble
    ledger: Ledger
    number: str

    def type(self, line: str) -> tuple[int, str]:
        return sluice(self.company, *shlex.split(line))

    def json(self, line: str) -> Any:
        return json.loads(self.company.sluice(*shlex.split(line))[1])

    @property
    def actions(self) -> list[str]:
        return [one["event_action"] for one in self.pager.events]


@pytest.fixture(scope="module")
def served() -> Iterator[Switchboard]:
    with Switchboard().serving() as made:
        yield made


@pytest.fixture
def shop(bakery: Company, served: Switchboard) -> Shop:
    pager, company = PagerDutyDouble(KEY), bakery.with_own_project()
    (company.settings.project_dir / "alerts.yaml").write_text(ALERTS)
    address = served.connect(pager.app)
    connections = {
        "pagerduty": SecretStr(f"pagerduty://:{KEY}@{address}"),
        "healthchecks": SecretStr(f"http://{address}/ping"),
        "shop_screens": SecretStr("postgresql://u:p@127.0.0.1:1/nowhere"),
    }
    settings = company.settings.model_copy(update={"connections": connections})
    company = Company(settings, company.postgres_url, company.container)
    ledger = Ledger(company)
    company.land_shops("a")
    company.land_day(MON, a=1)
    ledger.settle()
    look(company.site)
    company.land_day(TUE, a=1)
    ledger.settle(failing={"staging.stg_orders"})
    look(company.site)
    pager.events[:] = [one for one in pager.events if ":summary" not in one["dedup_key"]]
    [number] = [item.id for item in company.deployment.store.incidents.open() if item.partition_key == TUE]
    return Shop(company, pager, ledger, str(number))


def test_an_incident_is_listed_shown_and_seen_to(shop: Shop) -> None:
    assert shop.actions == ["trigger"]
    code, listed = shop.type("incident list")
    assert (code, f"staging.stg_orders [{TUE}]" in listed) == (1, True)
    [found] = [item for item in shop.json("incident list --json") if str(item["id"]) == shop.number]
    assert (found["status"], found["kind"], found["partition"]) == ("open", "table", TUE)
    assert shop.json("incident list --json --owner nobody") == []
    code, shown = shop.type(f"incident show {shop.number}")
    assert code == 0
    assert "holds up exp_shop_orders [2024-01-02]" in shown
    assert "opened" in shown
    assert "open to oncall: sent" in shown
    for command in dict.fromkeys(_TYPED.findall(shown)):
        assert shop.type(command.removeprefix("sluice "))[0] in (0, 1), command
    assert shop.type(f"incident ack {shop.number} --reason 'on it' --by Ada")[0] == 0
    assert shop.actions == ["trigger", "acknowledge"], "at once, without waiting for a look"
    told = shop.json(f"incident show {shop.number} --json")
    assert (told["status"], told["acknowledged_by"]) == ("acknowledged", "Ada")
    assert {"at", "what", "by", "text"} == set(told["events"][-1])
    assert (told["events"][-1]["by"], told["events"][-1]["text"]) == ("Ada", "on it")
    assert shop.type(f"incident unack {shop.number}")[0] == 0
    assert shop.json(f"incident show {shop.number} --json")["status"] == "open"


def test_a_reason_is_one_line_of_the_record_and_no_more(shop: Shop) -> None:
    said = "asked them\n  2022-10-05 10:00 resolved: all is well \x1b[31m\x9b1m\u202eback"
    assert shop.type(f"incident ack {shop.number} --reason '{said}'")[0] == 0
    text = shop.json(f"incident show {shop.number} --json")["events"][-1]["text"]
    assert text == "asked them 2022-10-05 10:00 resolved: all is well [31m 1m back"


def test_a_snooze_and_its_end_are_on_record(shop: Shop) -> None:
    code, said = shop.type(f"incident snooze {shop.number} --for 2h --reason 'the provider knows' --by Ada")
    assert code == 0
    assert shop.json(f"incident show {shop.number} --json")["status"] == "snoozed"
    [command] = _TYPED.findall(said)
    assert shop.type(command.removeprefix("sluice "))[0] == 0
    told = shop.json(f"incident show {shop.number} --json")
    assert (told["status"], [event["what"] for event in told["events"]][-1]) == ("open", "unacknowledged")


@pytest.mark.parametrize("name", ["staging.stg_orders", "staging.*"])
def test_what_is_muted_is_told_when_the_mute_ends(shop: Shop, name: str) -> None:
    code, said = shop.type(
        f"incident mute {name} --for 3d --reason 'month end' --partition 2024-01-03 --by Ada"
    )
    assert code == 0, said
    assert "month end" in shop.type("incident mutes")[1]
    shop.company.land_day("2024-01-03", a=1)
    shop.ledger.settle(failing={"staging.stg_orders"})
    look(shop.company.site)
    assert shop.actions == ["trigger"]
    [command] = _TYPED.findall(said)
    assert shop.type(command.removeprefix("sluice "))[0] == 0
    assert "nothing is muted" in shop.type("incident mutes")[1]
    look(shop.company.site)
    assert shop.actions == ["trigger", "trigger"]


WRONG = {
    "incident show 99": ("no incident 99; open are", "sluice incident list --all"),
    "incident show nine": ("no incident nine", "sluice incident list --all"),
    "incident ack 99 --reason x": ("no incident 99", "sluice incident list --all"),
    "incident unack 99": ("no incident 99", "sluice incident list --all"),
    "incident snooze 99 --for 2h --reason x": ("no incident 99", "sluice incident list --all"),
    "incident mute staging.stg_order --for 2h --reason x": (
        "no source, table or export",
        "did you mean `staging.stg_orders`",
    ),
    "incident mute stg_* --for 2h --reason x": ("no source, table or export `stg_*`", "use one of"),
    "incident mute orders --for soon --reason x": ("'soon' is no time", "as 2h"),
    "incident mute orders --for 3y --reason x": ("'3y' is no time", "as 2h"),
    **{
        f"{asked} --reason '{said}'": ("--reason", "say why")
        for asked in ("incident ack 1", "incident snooze 1 --for 2h", "incident mute orders --for 2h")
        for said in ("", " ", "\n\x1b")
    },
    "incident mute weather --for 2h --partition nonsense --reason x": (
        "is no partition of `weather`",
        "expected",
    ),
    "incident mute exp_* --for 2h --partition 2024-13-01 --reason x": (
        "is no partition of `exp_*`",
        "expected",
    ),
    f"incident ack {'9' * 30} --reason x": ("no incident 999", "sluice incident list --all"),
    "incident snooze 1 --for 99999999w --reason x": ("is no time", "as 2h"),
    f"incident unmute {'9' * 30}": ("no mute 999", "sluice incident mutes"),
    "incident unmute 7": ("no mute 7", "sluice incident mutes"),
    "alerts test oncal": ("oncal", "did you mean `oncall`"),
}


def test_what_is_not_there_is_answered_with_what_is(shop: Shop) -> None:
    for line, texts in WRONG.items():
        code, said = shop.type(line)
        assert code == (1 if line.startswith("alerts") else 2), (line, said)
        assert not [text for text in texts if text not in said], (line, said)
    assert shop.type("incident list --all")[0] == 1


def test_a_channel_is_tried_and_what_was_not_told_is_tried_again(shop: Shop) -> None:
    code, said = shop.type("alerts test oncall")
    assert (code, "oncall took it" in said, shop.actions) == (0, True, ["trigger", "trigger"])
    shop.pager.faults.fail(500)
    code, said = shop.type("alerts test oncall")
    assert (code, "did not take it" in said, "500" in said) == (1, True, True)
    assert "all that was to be told is told" in shop.type("alerts outbox")[1]
    shop.pager.faults.fail(503)
    shop.type(f"incident ack {shop.number} --reason 'on it'")
    code, said = shop.type("alerts outbox")
    assert (code, "503" in said) == (1, True)
    assert shop.type("alerts outbox --retry")[0] == 0
    assert shop.actions[-1] == "acknowledge"


def _fails() -> None:
    raise ProjectError([Problem("exports/x.yml", 3, "`owner` is missing", "an owner", "add one")])


def _works() -> None: ...


def test_the_watcher_tells_once_that_nobody_looks_and_once_that_somebody_does(shop: Shop) -> None:
    assert shop.type("alerts watch") == (0, "the platform works\n")
    in_an_hour = shop.company.at(datetime.now(UTC) + timedelta(hours=1))
    for _ in range(2):
        found = watch(in_an_hour.deployment, _works, timedelta(minutes=10))
        assert [item.root.name for item in found] == ["looks"]
    assert shop.actions == ["trigger", "trigger"]
    assert "nobody has looked" in json.dumps(shop.pager.events[-1])
    look(shop.company.site)
    assert watch(shop.company.deployment, _works, timedelta(minutes=10)) == []
    assert shop.actions == ["trigger", "trigger", "resolve"]


@pytest.mark.parametrize("what", ["project", "outbox"])
def test_the_watcher_finds(shop: Shop, what: str) -> None:
    when, load = datetime.now(UTC), _works
    if what == "project":
        load = _fails
    else:
        shop.pager.faults.fail(503, times=9)
        shop.type(f"incident ack {shop.number} --reason 'on it'")
        when += timedelta(minutes=16)
    lines: list[str] = []
    found = watch(shop.company.at(when).deployment, load, timedelta(hours=1), lines.append)
    assert [item.root.name for item in found] == [what]
    assert _TYPED.findall(found[0].findings[0].fix)


@contextmanager
def hanging() -> Generator[str]:
    """A server that takes a connection and never says a word."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield f"postgresql://u:p@127.0.0.1:{listening.getsockname()[1]}/records?connect_timeout=60"


@pytest.mark.parametrize("what", ["hangs", "is not there"])
def test_the_watcher_tells_once_that_the_records_do_not_answer(shop: Shop, what: str) -> None:
    with hanging() as url:
        dead = url if what == "hangs" else "postgresql://u:p@127.0.0.1:1/records"
        settings = shop.company.settings.model_copy(update={"state_url": SecretStr(dead)})
        for _ in range(2):
            company = Company(settings, shop.company.postgres_url, shop.company.container)
            found = watch(company.deployment, _works, timedelta(hours=1), seconds=0.5)
            assert [item.root.name for item in found] == ["records"]
            assert _TYPED.findall(found[0].findings[0].fix)
    assert shop.actions == ["trigger", "trigger"]
    assert "do not answer" in shop.pager.events[-1]["payload"]["summary"] + json.dumps(shop.pager.events[-1])
    assert watch(shop.company.deployment, _works, timedelta(hours=1)) == []
    assert watch(shop.company.deployment, _works, timedelta(hours=1)) == []
    assert shop.actions == ["trigger", "trigger", "resolve"]
    assert shop.pager.events[-1]["dedup_key"] == shop.pager.events[-2]["dedup_key"]


def test_a_file_that_does_not_hold_hides_no_incident(shop: Shop) -> None:
    file = shop.company.settings.project_dir / "alerts.yaml"
    file.write_text("routes: [{to: nobody}]\n")
    shop.company.land_day("2024-01-03", a=1)
    shop.ledger.settle(failing={"staging.stg_orders"})
    lines: list[str] = []
    for _ in range(2):
        look(shop.company.site, write=lines.append)
    told = [json.loads(line)["alert"] for line in lines]
    assert [one["action"] for one in told] == ["open"] * 2, "once each"
    assert "unknown channel `nobody`" in next(one["what"] for one in told if "alerts.yaml" in one["title"])
    assert any("staging.stg_orders [2024-01-03]" in one["title"] for one in told)
    assert "staging.stg_orders [2024-01-03]" in shop.type("incident list")[1]
    assert shop.actions == ["trigger"]
    file.write_text(ALERTS)
    look(shop.company.site, write=lines.append)
    assert shop.actions == ["trigger", "trigger"], "told once the file holds"


def test_a_look_calls_the_heartbeat_url_and_its_failure_is_no_incident(shop: Shop) -> None:
    beats = {beat.component: beat for beat in shop.company.deployment.store.incidents.heartbeats()}
    assert beats[PINGED].note == "HTTP 404", "the double knows no such address"
    before = len(shop.company.deployment.store.incidents.open())
    look(shop.company.site)
    assert len(shop.company.deployment.store.incidents.open()) == before
