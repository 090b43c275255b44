"""`alerts.yaml`: each field, and what can be wrong with it; what it says of one trouble."""

import os
import re
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from sluicegate.cli.main import app
from sluicegate.contracts.load import load_contracts
from sluicegate.core.problems import Problem, ProjectError
from sluicegate.core.settings import REPOSITORY, Settings
from sluicegate.delivery.export_files.exports import load_exports
from sluicegate.graph.building import build_definitions
from sluicegate.incidents.alerts_file import FILE, Alerts, Answerable, Names, load_alerts, read_alerts
from sluicegate.incidents.alerts_schema import SCHEMA_FILE, alerts_schema, schema_text
from sluicegate.incidents.alerts_spec import Selecting
from sluicegate.incidents.trouble import (
    Affected,
    Finding,
    Root,
    RootKind,
    Trouble,
    TroubleKind,
    Urgency,
)
from typer.testing import CliRunner

from tests.company import BAKERY
from tests.documents.reading import Document
from tests.parses import loaded, own_copy

SOUND = """\
channels:
  oncall: {type: pagerduty, connection: pagerduty}
  feeds: {type: slack, connection: slack_feeds, room: "#feeds"}
  mail: {type: email, connection: smtp, to: [owner]}
  desk: {type: webhook, connection: servicenow}
routes:
  - {kind: late export, urgency: critical, to: [oncall, owner]}
  - {source: "*", urgency: error, to: owner}
  - {export: exp_crm, to: desk}
  - {to: [log]}
escalation:
  - {after: 2 h, urgency: warning, to: desk}
  - {after: 30 min, to: oncall}
maintenance:
  - {name: month end, export: "exp_*", cron: "0 18 L * *", for: 4 h}
  - {name: the move, from: 2026-05-01T22:00, until: 2026-05-02T06:00}
heartbeat: {connection: healthchecks}
"""
NAMES = Names(
    source={"inventory": Answerable("data@m.example", "#feeds", "contracts/inventory.odcs.yaml")},
    table={
        "raw.inventory": Answerable("data@m.example", "#feeds", "contracts/inventory.odcs.yaml"),
        "staging.stg_inventory": Answerable("models@m.example", "", "dbt_project/models/_groups.yml"),
    },
    export={
        "exp_crm": Answerable("crm@m.example", "#crm", "exports/exp_crm.yml"),
        "exp_app": Answerable("", "", "exports/exp_app.yml"),
    },
)


def read(folder: Path, text: str, names: Names = NAMES) -> Alerts:
    (folder / FILE).write_text(text)
    return read_alerts(folder, names)


def problems(folder: Path, text: str, names: Names = NAMES) -> tuple[Problem, ...]:
    with pytest.raises(ProjectError) as caught:
        read(folder, text, names)
    return caught.value.problems


SECRET_URL = "https://hooks.slack.com/services/T0/B0/4s3cr3t-X"
# What is written in the place of what, at which line it is told, and in which words.
WRONG: dict[str, tuple[str, str, int, str]] = {
    "no YAML": ("channels:\n", "channels: [\n", 3, "not YAML"),
    "a field of the file": ("heartbeat:", "heartbeats:", 17, "did you mean `heartbeat`?"),
    "no routes": (SOUND[SOUND.index("routes:") : SOUND.index("escalation:")], "", 1, "add `routes:`"),
    "routes without one": (
        SOUND[SOUND.index("routes:") : SOUND.index("escalation:")], "routes: []\n", 6, "at least 1 item",
    ),
    "channels that are a list": (
        SOUND[: SOUND.index("routes:")], "channels: [oncall]\n", 1, "channels by their names",
    ),
    "a channel that is a word": (
        "desk: {type: webhook, connection: servicenow}", "desk: webhook", 5, "one of: log, email, pagerduty",
    ),
    "a channel's name": ("  oncall: {", "  On-Call: {", 2, "small letters"),
    "a channel named owner": ("  oncall: {", "  owner: {", 2, "mean something"),
    "a channel named log": ("  oncall: {", "  log: {", 2, "mean something"),
    "a channel's type": ("type: pagerduty", "type: pager_duty", 2, "did you mean `pagerduty`?"),
    "a channel without a type": ("{type: webhook, c", "{c", 5, "is of type `None`"),
    "a channel's field": ("connection: slack_", "conection: slack_", 3, "did you mean `connection`?"),
    "no connection": ("{type: webhook, connection: servicenow}", "{type: webhook}", 5, "add `connection:`"),
    "a URL in the file": (
        "connection: slack_feeds", f"connection: {SECRET_URL}", 3, "set SLUICE_CONNECTION_<NAME> to the URL",
    ),
    "a room": ('room: "#feeds"', "room: [a]", 3, "write it in quotes"),
    "an address": ("to: [owner]}\n  desk", "to: [ownr]}\n  desk", 4, "should match pattern"),
    "no addresses": (", to: [owner]}\n  desk", "}\n  desk", 4, "add `to:`"),
    "an empty list of addresses": ("to: [owner]}\n  desk", "to: []}\n  desk", 4, "at least 1 item"),
    "addresses of what is no e-mail": (
        "servicenow}", "servicenow, to: [owner]}", 5, "unknown field `channels.desk.to`",
    ),
    "a route's channel": ("to: [oncall, owner]", "to: [oncal, owner]", 7, "did you mean `oncall`?"),
    "a route to nobody": ("to: [oncall, owner]", "to: []", 7, "at least 1 item"),
    "a route without `to`": (", to: [oncall, owner]", "", 7, "add `to:`"),
    "a route's field": ("{kind: late export", "{kinds: late export", 7, "did you mean `kind`?"),
    "a kind": ("kind: late export", "kind: late_export", 7, "'late export'"),
    "an urgency": ("urgency: critical", "urgency: fatal", 7, "'critical'"),
    "a source": ('source: "*"', "source: inventary", 8, "did you mean `inventory`?"),
    "a table": ('source: "*"', "table: stg_inventory", 8, "did you mean `staging.stg_inventory`?"),
    "an export": ("export: exp_crm", "export: exp_crn", 9, "did you mean `exp_crm`?"),
    "a pattern of exports": ("export: exp_crm", 'export: "out_*"', 9, "use one of: exp_app, exp_crm"),
    "an owner": ('source: "*"', "owner: data@n.example", 8, "did you mean `data@m.example`?"),
    "a route that is never asked": ("kind: late export, urgency: critical, ", "", 7, "move it down"),
    "the last route": ("- {to: [log]}", "- {urgency: error, to: log}", 10, "does not fit every incident"),
    "no last route": ("  - {to: [log]}\n", "", 9, "add `- {to: [log]}` at the end"),
    "a last route to owners alone": ("  - {to: [log]}", "  - {to: [owner]}", 10, "write `to: [owner, log]`"),
    "a last route to owners' mail alone": ("- {to: [log]}", "- {to: mail}", 10, "write `to: [mail, log]`"),
    "a step's span": ("after: 30 min", "after: 30m", 13, "as `30 min`"),
    "a span without a unit": ("after: 30 min", "after: 30", 13, "as `30 min`"),
    "a span that is too short": ("after: 30 min", "after: 0.5 min", 13, "at least a minute"),
    "a step without a span": ("after: 30 min, ", "", 13, "add `after:`"),
    "a step's channel": ("to: oncall", "to: oncalls", 13, "did you mean `oncall`?"),
    "a cron of six fields": ('"0 18 L * *"', '"0 0 18 L * *"', 15, "as `0 18 L * *`"),
    "a cron's hour": ('"0 18 L * *"', '"0 24 L * *"', 15, "Bad hour"),
    "a cron that never begins": ('"0 18 L * *"', '"0 18 30 2 *"', 15, "day-of-month"),
    "a cron that is a word": ('cron: "0 18 L * *"', "cron: monthly", 15, "as `0 18 L * *`"),
    "a cron without a length": (", for: 4 h", "", 15, "`maintenance.0.for` is None"),
    "a length without a cron": ('cron: "0 18 L * *", ', "", 15, "`cron` and `for` together"),
    "a window that never ends": ('"0 18 L * *", for: 4 h', '"0 18 * * *", for: 1 d', 15, "less than 1 d"),
    "a window that ends where another begins": (
        "  - {name: month end", '  - {name: early, cron: "0 0 * * *", for: 12 h}\n'
        '  - {name: late, export: exp_crm, cron: "0 12 * * *", for: 13 h}\n  - {name: month end', 17,
        "`early` and `late` and `month end` together never",
    ),
    "a window's export": ('export: "exp_*"', 'export: "ex_*"', 15, "`export: ex_*` means nothing here"),
    "a window without a name": ("name: month end, ", "", 15, "add `name:`"),
    "a window that ends before it begins": ("2026-05-02T06:00", "2026-05-01", 16, "after `from`"),
    "a window that does not end": (", until: 2026-05-02T06:00", "", 16, "`from` and `until`"),
    "a window that does not begin": ("from: 2026-05-01T22:00, ", "", 16, "`from` and `until`"),
    "a moment": ("2026-05-01T22:00", "1 May", 16, "as 2026-05-01T22:00"),
    "a moment that the calendar lacks": ("2026-05-01T22:00", "2026-02-30T22:00", 16, "as 2026-05-01T22:00"),
    "a window twice": ("for: 4 h}", "for: 4 h, from: 2026-05-01}", 15, "either `cron` and `for`"),
    "a heartbeat's URL": ("{connection: healthchecks", f'{{connection: "{SECRET_URL}"', 17, "is no name"),
    "a key in the file": ("connection: pagerduty", f"connection: {SECRET_URL[-9:]}", 2, "may be a secret"),
    "a URL of a field that is none": ("servicenow}", f'servicenow, url: "{SECRET_URL}"}}', 5, "no name"),
    "a route that goes to a URL": ("{export: exp_crm, to: desk}", f'{{to: "{SECRET_URL}"}}', 9, "is no name"),
    "a route that is there twice": (
        "{export: exp_crm, to: desk}", '{source: "*", urgency: error, to: desk}', 9, "above route 2",
    ),
    "a route that another one covers": (
        "{export: exp_crm, to: desk}", "{source: inv*, urgency: critical, to: desk}", 9, "above route 2",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "line", "words"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_told_at_its_line(tmp_path: Path, old: str, new: str, line: int, words: str) -> None:
    assert SOUND.count(old) == 1
    found = [one for one in problems(tmp_path, SOUND.replace(old, new)) if words in str(one)]
    assert [(one.file, one.line) for one in found] == [(FILE, line)]
    assert "4s3cr3t" not in "".join(map(str, problems(tmp_path, SOUND.replace(old, new))))


@pytest.mark.parametrize(
    "asked",
    ["urgency: warning", 'source: "*"', "source: inventory, kind: outage", "export: exp_crm, urgency: error"],
)
def test_a_route_that_is_asked_of_anything_is_taken(tmp_path: Path, asked: str) -> None:
    assert read(tmp_path, SOUND.replace("{export: exp_crm, to: desk}", f"{{{asked}, to: desk}}")).spec.routes


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ('cron: "0 0 * * *", for: 12 h', 'cron: "0 12 * * *", for: 11 h'),
        ('cron: "*/2 * * * 1-6", for: 1 min', 'cron: "1-59/2 * * * *", for: 1 min'),
        ('cron: "0 0 * * *", for: 12 h', 'export: exp_crm, cron: "0 0 L * *", for: 2 d'),
        ('export: exp_app, cron: "0 0 * * *", for: 12 h', 'export: exp_crm, cron: "0 12 * * *", for: 12 h'),
        ('cron: "0 0 * * *", for: 12 h', "from: 2020-01-01, until: 2030-01-01"),
    ],
)
def test_windows_that_leave_a_moment_are_taken(tmp_path: Path, first: str, second: str) -> None:
    windows = f"  - {{name: a, {first}}}\n  - {{name: b, {second}}}\nheartbeat"
    assert len(read(tmp_path, SOUND.replace("heartbeat", windows)).spec.maintenance) == 4


def test_a_url_that_is_no_secret_is_a_room_and_a_reason(tmp_path: Path) -> None:
    text = SOUND.replace("the move", '"see https://wiki.example/1"').replace(
        "#feeds", "https://chat.example/2"
    )
    assert read(tmp_path, text).channels["feeds"].room == "https://chat.example/2"


def test_all_that_is_wrong_is_told_at_once_and_no_channel_twice(tmp_path: Path) -> None:
    text = (
        SOUND.replace("type: pagerduty", "type: pager").replace("30 min", "30").replace("exp_crm", "exp_cr")
    )
    assert [one.line for one in problems(tmp_path, text)] == [2, 13]
    text = SOUND.replace("type: pagerduty", "type: pager").replace("exp_crm", "exp_cr")
    assert [one.line for one in problems(tmp_path, text)] == [2, 9]


MAIL = "  mail: {type: email, connection: smtp, to: [owner]}\n"
NO_MAIL = SOUND.replace(MAIL, "")


@pytest.mark.parametrize(
    ("fix", "old", "new"),
    [
        ('`room: "#crm"`', "room: \"#feeds\"", 'room: "#crm"'),
        (f"`{MAIL.strip()}`", "  desk:", f"{MAIL}  desk:"),
    ],
)  # fmt: skip
def test_an_owner_whom_no_channel_reaches_is_told_with_what_to_add(
    tmp_path: Path, fix: str, old: str, new: str
) -> None:
    names = Names({}, {}, {"exp_crm": NAMES.export["exp_crm"]})
    text = NO_MAIL.replace('  - {source: "*", urgency: error, to: owner}\n', "")
    (found,) = problems(tmp_path, text, names)
    assert found.line == 6
    assert "`owner` reaches nobody for `crm@m.example` (exports/exp_crm.yml, `channel: #crm`)" in found.what
    assert fix in found.fix
    assert read(tmp_path, text.replace(old, new), names)


def test_a_team_without_an_address_or_a_channel_is_told_where_to_write_one(tmp_path: Path) -> None:
    names = Names({}, {}, {"exp_crm": Answerable("team:crm", "", "exports/exp_crm.yml")})
    text = SOUND.replace('  - {source: "*", urgency: error, to: owner}\n', "")
    (found,) = problems(tmp_path, text, names)
    assert found.fix == "write a `channel` or an e-mail address there (exports/exp_crm.yml)"
    named = Names({}, {}, {"exp_crm": Answerable("team:crm", "#feeds", "exports/exp_crm.yml")})
    assert read(tmp_path, text, named)


def trouble(
    root: Root,
    urgency: Urgency = Urgency.ERROR,
    kind: TroubleKind = TroubleKind.CHECK_FAILED,
    owner: str = "data@m.example",
    channel: str = "",
    exports: tuple[str, ...] = (),
) -> Trouble:
    affected = tuple(Affected(name, "2026-04-30", "") for name in exports)
    return Trouble(root, urgency, (Finding(kind, "x"),), owner, channel, affected)


TABLE = Root(RootKind.TABLE, "raw.inventory", "2026-04-30")
MODEL = Root(RootKind.TABLE, "staging.stg_inventory", "2026-04-30")
LATE = Root(RootKind.SOURCE, "inventory", "2026-04-30")
EXPORT = Root(RootKind.DELIVERY, "exp_crm", "2026-04-30")
DEAD = Root(RootKind.PLATFORM, "sensor")


@pytest.mark.parametrize(
    ("told", "recipients"),
    [
        # The first route that fits, and no later one.
        (trouble(EXPORT, Urgency.CRITICAL, TroubleKind.LATE_EXPORT), ("oncall", "mail:data@m.example")),
        (trouble(EXPORT, Urgency.ERROR, TroubleKind.LATE_EXPORT), ("desk",)),
        # A source is its raw table too; this urgent, or more.
        (trouble(TABLE), ("mail:data@m.example",)),
        (trouble(TABLE, Urgency.CRITICAL), ("mail:data@m.example",)),
        (trouble(TABLE, Urgency.WARNING), ("log",)),
        (trouble(LATE, kind=TroubleKind.LATE_SOURCE), ("mail:data@m.example",)),
        (trouble(MODEL), ("log",)),
        # Where they talk, before their mail.
        (trouble(TABLE, channel="#feeds"), ("feeds",)),
        (trouble(TABLE, channel="#elsewhere"), ("mail:data@m.example",)),
        # What holds an export up is that export's.
        (trouble(MODEL, exports=("exp_app", "exp_crm")), ("desk",)),
        (trouble(MODEL, exports=("exp_app",)), ("log",)),
        # Who has no address is not lost.
        (trouble(TABLE, owner="team:feeds"), ("log",)),
        (trouble(TABLE, owner=""), ("log",)),
        (trouble(DEAD, Urgency.CRITICAL, TroubleKind.PLATFORM, owner=""), ("log",)),
    ],
)
def test_who_is_told(tmp_path: Path, told: Trouble, recipients: tuple[str, ...]) -> None:
    assert read(tmp_path, SOUND).recipients(told) == recipients


ALL = {"urgency": "info"}
_SELECTORS = st.fixed_dictionaries(
    {},
    optional={
        "source": st.sampled_from(["*", "inventory"]),
        "table": st.sampled_from(["raw.*", ["staging.stg_inventory", "raw.inventory"]]),
        "export": st.sampled_from(["exp_*", "exp_crm"]),
        "owner": st.sampled_from(["*@m.example", "crm@m.example"]),
        "kind": st.sampled_from([kind.value for kind in TroubleKind]),
        "urgency": st.sampled_from([urgency.value for urgency in Urgency]),
    },
)
_TO = st.lists(st.sampled_from(["oncall", "feeds", "mail", "desk", "owner", "log"]), min_size=1, max_size=3)
# A route that an earlier one covers is refused.
_ROUTES = st.lists(st.tuples(_SELECTORS.filter(bool), _TO), max_size=4).filter(
    lambda routes: (
        not any(
            Selecting.model_validate(one).covers(Selecting.model_validate(other))
            for (one, _), (other, _) in combinations([route for route in routes if route[0] != ALL], 2)
        )
    )
)
_TROUBLES = st.builds(
    trouble,
    st.builds(
        Root, st.sampled_from(RootKind), st.sampled_from(["inventory", "raw.inventory", "exp_crm", "x"])
    ),
    st.sampled_from(Urgency),
    st.sampled_from(TroubleKind),
    st.sampled_from(["", "data@m.example", "team:crm", "not an address"]),
    st.sampled_from(["", "#feeds", "#nowhere"]),
    st.lists(st.sampled_from(["exp_crm", "exp_app"]), max_size=2).map(tuple),
)


@settings(max_examples=25 * int(os.environ.get("SLUICE_TEST_KILLS", "1")), deadline=None)
@given(_ROUTES, st.sampled_from(["log", "oncall", "feeds"]), st.booleans(), st.lists(_TROUBLES, min_size=1))
def test_whatever_the_file_says_somebody_is_told_and_can_be_reached(
    routes: list[tuple[dict[str, Any], list[str]]], last: str, by_owner: bool, troubles: list[Trouble]
) -> None:
    written = [{**selector, "to": to} for selector, to in routes if selector != ALL]
    written.append({"to": ["owner", last] if by_owner else last})
    data = {**yaml.safe_load(SOUND), "routes": written}
    with TemporaryDirectory() as folder:
        alerts = read(Path(folder), yaml.safe_dump(data))
    assert complaints(yaml.load(yaml.safe_dump(data), yaml.BaseLoader)) == []
    for told in troubles:
        recipients = alerts.recipients(told)
        assert recipients
        assert len(set(recipients)) == len(recipients)
        for recipient in recipients:
            _, spec, address = alerts.channel_of(recipient)
            assert spec is not None
            # Mail to nobody would go nowhere.
            assert spec.type != "email" or address == told.owner != ""


def test_who_is_told_next(tmp_path: Path) -> None:
    alerts = read(tmp_path, SOUND)
    steps = [(step.after, step.recipients) for step in alerts.escalation(trouble(TABLE))]
    assert steps == [(timedelta(minutes=30), ("oncall",)), (timedelta(hours=2), ("desk",))]
    assert [step.recipients for step in alerts.escalation(trouble(TABLE, Urgency.WARNING))] == [("desk",)]
    assert alerts.escalation(trouble(TABLE, Urgency.INFO)) == ()


def test_without_a_file_all_goes_to_the_log() -> None:
    alerts = Alerts()
    assert {alerts.recipients(trouble(root, urgency)) for root in (TABLE, DEAD) for urgency in Urgency} == {
        ("log",)
    }
    assert (alerts.escalation(trouble(TABLE)), alerts.warnings(Settings.load({}))) == ((), [])


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "muted"),
    [
        ("2026-04-30T17:59:59.999999", None),
        ("2026-04-30T18:00", ("month end", at("2026-04-30T22:00"))),
        ("2026-04-30T21:59:59.999999", ("month end", at("2026-04-30T22:00"))),
        ("2026-04-30T22:00", None),
        ("2026-02-28T20:00", ("month end", at("2026-02-28T22:00"))),
        ("2028-02-28T20:00", None),
        ("2026-05-01T21:59:59", None),
        ("2026-05-01T22:00", ("the move", at("2026-05-02T06:00"))),
        ("2026-05-02T06:00", None),
    ],
)
def test_when_nobody_is_told(tmp_path: Path, now: str, muted: tuple[str, datetime] | None) -> None:
    assert read(tmp_path, SOUND).muted(trouble(EXPORT), at(now)) == muted


def test_a_window_of_an_export_mutes_nothing_that_others_wait_for(tmp_path: Path) -> None:
    alerts = read(tmp_path, SOUND.replace('export: "exp_*"', "export: exp_crm"))
    moment = at("2026-04-30T19:00")
    assert alerts.muted(trouble(TABLE, exports=("exp_crm",)), moment)
    assert alerts.muted(trouble(TABLE, exports=("exp_crm", "exp_app")), moment) is None
    assert alerts.muted(trouble(TABLE), moment) is None
    assert alerts.muted(trouble(DEAD), moment) is None


def test_of_two_windows_the_longer_one_counts(tmp_path: Path) -> None:
    more = "maintenance:\n  - {name: longer, from: 2026-04-30T18:30, until: 2026-04-30T23:00}\n"
    alerts = read(tmp_path, SOUND.replace("maintenance:\n", more))
    assert alerts.muted(trouble(EXPORT), at("2026-04-30T19:00")) == ("longer", at("2026-04-30T23:00"))


def test_what_lacks_a_connection_or_a_route_is_warned_of_and_the_fix_is_enough(tmp_path: Path) -> None:
    text = SOUND.replace("routes:", "  spare: {type: log}\nroutes:")
    warnings = read(tmp_path, text).warnings(Settings.load({}))
    assert [line.partition("; ")[2] for line in warnings] == [
        "set SLUICE_CONNECTION_PAGERDUTY to its URL",
        "set SLUICE_CONNECTION_SLACK_FEEDS to its URL",
        "set SLUICE_CONNECTION_SMTP to its URL",
        "set SLUICE_CONNECTION_SERVICENOW to its URL",
        "set SLUICE_CONNECTION_HEALTHCHECKS to its URL",
        "name it under `to` of a route",
    ]
    environ = {line.split()[-4]: "x://" for line in warnings[:-1]}
    named = text.replace("  - {to: [log]}", "  - {to: [log, spare]}")
    assert read(tmp_path, named).warnings(Settings.load(environ)) == []


def blocks(language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```", Document("docs/alerts.md").text, re.DOTALL | re.MULTILINE
    )


def demo_names() -> Names:
    """Return the names of the demo's contracts and exports, which need no dbt."""
    contracts, _ = load_contracts(REPOSITORY)
    exports, _ = load_exports(REPOSITORY)
    return Names(
        {name: Answerable(one.owner, one.channel, "") for name, one in contracts.items()},
        {},
        {name: Answerable(one.spec.owner, one.spec.channel or "", "") for name, one in exports.items()},
    )


@cache
def validator() -> Draft202012Validator:
    return Draft202012Validator(alerts_schema())


def complaints(content: Any) -> list[str]:
    return [error.json_path for error in validator().iter_errors(content)]


def test_the_schema_in_the_repository_is_the_one_that_the_fields_make() -> None:
    assert (REPOSITORY / SCHEMA_FILE).read_text() == schema_text(), "python -m tests.documents.renew"
    Draft202012Validator.check_schema(alerts_schema())
    assert complaints(yaml.load(SOUND, yaml.BaseLoader)) == []  # as editors read it: no dates


# What only the project, or another part of the file, tells to be wrong.
NOT_FOR_EDITORS = (
    "no YAML", "a channel's name", "a channel named", "a route's channel", "a step's channel", "a source",
    "a table", "an export", "a pattern of exports", "an owner", "a route that", "the last route",
    "no last route", "a last route", "a span that is too short", "a cron's hour", "a cron that never",
    "a cron without", "a length", "a window that", "a window's export", "a moment that", "a window twice",
)  # fmt: skip


@pytest.mark.parametrize("case", [case for case in WRONG if not case.startswith(NOT_FOR_EDITORS)])
def test_editors_are_told_what_is_wrong(case: str) -> None:
    old, new, *_ = WRONG[case]
    assert complaints(yaml.load(SOUND.replace(old, new), yaml.BaseLoader))


@pytest.mark.parametrize("text", blocks("yaml"))
def test_what_the_document_shows_holds(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text, demo_names())
    assert complaints(yaml.load(text, yaml.BaseLoader)) == []


@pytest.fixture
def bakery_copy() -> Path:
    return own_copy(BAKERY)


def test_the_names_of_a_project_are_those_of_its_files(tmp_path: Path, bakery_copy: Path) -> None:
    names = Names.of(loaded(Settings.load({}, project_dir=bakery_copy, data_dir=tmp_path)))
    assert names.export["exp_shop_orders"].owner == "counter@bakery.example"
    assert names.export["exp_shop_orders"].room == "#counter"
    assert "orders" in names.source
    assert names.table["raw.orders"] == names.source["orders"]
    assert {name.partition(".")[0] for name in names.table} > {"raw", "staging"}


ROUTES = "channels:\n  counter: {type: slack, connection: slack}\nroutes:\n  - {to: [counter, log]}\n"


def test_a_project_is_checked_with_it(
    tmp_path: Path, bakery_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["--project", str(bakery_copy), "--data", str(tmp_path)]
    settings = Settings.load({}, project_dir=bakery_copy, data_dir=tmp_path)
    loaded(settings)

    def checked() -> Any:
        return CliRunner().invoke(app, ["check", *arguments])

    (bakery_copy / FILE).write_text(ROUTES.replace("counter, log", "conter, log"))
    refused = checked()
    assert refused.exit_code == 2
    line = "alerts.yaml:4: unknown channel `conter`; expected one that stands under `channels`; did you mean"
    assert line in refused.stderr
    with pytest.raises(ProjectError, match="unknown channel `conter`"):
        load_alerts(bakery_copy, loaded(settings))
    # Whom to tell is no part of what is built: nothing is held for it, and `sluice run` says what is wrong.
    build_definitions(settings)
    ran = CliRunner().invoke(app, ["run", *arguments])
    assert (ran.exit_code, "unknown channel `conter`" in ran.stdout) == (0, True)
    # A file that nobody would read.
    (bakery_copy / FILE).rename(bakery_copy / "alerts.yml")
    assert "alerts.yml:1: a file that nothing reads" in checked().stderr
    (bakery_copy / "alerts.yml").rename(bakery_copy / FILE)
    # What is missing here keeps nothing from running.
    (bakery_copy / FILE).write_text(ROUTES)
    warned = checked()
    assert (warned.exit_code, "no problem found" in warned.stdout) == (0, True)
    assert (
        "alerts.yaml: channel `counter` has no connection here; set SLUICE_CONNECTION_SLACK" in warned.stderr
    )
    monkeypatch.setenv("SLUICE_CONNECTION_SLACK", "https://hooks.slack.com/services/T1/B1/x")
    assert checked().stderr == ""
    (bakery_copy / FILE).unlink()
    assert load_alerts(bakery_copy, loaded(settings)).recipients(trouble(TABLE)) == ("log",)
