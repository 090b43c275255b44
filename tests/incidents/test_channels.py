"""Channels: every kind, every action, every kind of answer; what arrives, and that nothing else does."""

import io
import json
import logging
import re
import socket
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

import pytest

from orchestration.incidents.channels import by_apprise, posting
from orchestration.incidents.channels.base import ChannelBusy, ChannelRefused
from orchestration.incidents.channels.log import LogChannel
from orchestration.incidents.trouble import Action, Notice, Urgency
from tests.doubles.chats import diverted
from tests.doubles.receiver import AlertReceiver
from tests.doubles.stalling import stalling
from tests.incidents.places import (
    HTTP_KINDS,
    KEY,
    OLD_SECRET,
    SECRET,
    SECRETS,
    VARIABLE,
    Place,
    Switchboard,
    channel,
    notice,
    place,
    webhook_url,
)

COMMAND = "sluice why exp_top_items_retailer_app --partition 2022-10-05"
NO_BREAK = "\N{ZERO WIDTH SPACE}"
# What a message says that is in no notice.
FIXED = set(re.findall(r"\w+", """
    update acknowledged resolved summary test what to do sluice incident show open acknowledge resolve trigger
    routing_key event_action dedup_key payload source severity timestamp custom_details links href text client
    client_url type data id action title urgency fix at facts more lines error info warning critical
"""))  # fmt: skip


@pytest.fixture(scope="module")
def served() -> Iterator[Switchboard]:
    with Switchboard().serving() as made:
        yield made


@pytest.fixture(params=HTTP_KINDS)
def there(request: pytest.FixtureRequest, served: Switchboard) -> Iterator[Place]:
    with place(request.param, served) as made:
        yield made


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """What a process writes that logs everything."""
    root, lines = logging.getLogger(), io.StringIO()
    handler, level = logging.StreamHandler(lines), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield lines
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.mark.parametrize("action", Action)
def test_every_action_arrives_with_what_to_do(there: Place, action: Action) -> None:
    there.channel().send(notice(action))
    (arrived,) = there.arrived()
    if there.kind == "pagerduty" and action in (Action.ACKNOWLEDGE, Action.RESOLVE):
        assert notice().dedup_key in arrived
        return
    assert COMMAND in arrived
    for text in (
        "raw.inventory [2022-10-05]: check failed",
        "2 of 9 rules",
        "exp_store_gaps_crm by 06:00 UTC",
    ):
        assert text in arrived
    assert "dagster.example/runs/1f2e" in arrived


def test_lines_stay_lines(there: Place) -> None:
    there.channel().send(notice(what="\n".join(f"line {number}" for number in range(3))))
    breaks = {"pagerduty": r"\n", "webhook": r"\n", "teams": "\n\n"}.get(there.kind, "\n")
    assert breaks.join(f"line {number}" for number in range(3)) in there.arrived()[0]


ANSWERS: list[tuple[str, int, Mapping[str, str], float | None]] = [
    ("asked to wait", 429, {"retry-after": "7"}, 7.0),
    ("asked to wait for years", 429, {"retry-after": "999999999"}, 86_400.0),
    ("asked to wait till the past", 429, {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
    ("asked to wait, nobody knows how long", 429, {"retry-after": "soon"}, None),
    ("too many", 429, {}, None),
    ("in trouble", 500, {}, None),
    ("a gateway without its server", 502, {}, None),
    ("down, and says until when", 503, {"retry-after": "30"}, 30.0),
    ("slow behind a gateway", 504, {}, None),
    ("slow to read", 408, {}, None),
]


@pytest.mark.parametrize(
    ("status", "headers", "after"), [one[1:] for one in ANSWERS], ids=[one[0] for one in ANSWERS]
)
def test_who_cannot_take_it_now_is_told_later(
    there: Place,
    status: int,
    headers: Mapping[str, str],
    after: float | None,
    logged: io.StringIO,
) -> None:
    there.faults.fail(status, body={"text": " ".join(SECRETS[:2])}, headers=headers)
    with pytest.raises(ChannelBusy) as caught:
        there.channel().send(notice())
    assert caught.value.retry_after == after
    assert str(status) in str(caught.value)
    assert not [secret for secret in SECRETS if secret in logged.getvalue()]
    there.channel().send(notice())
    assert len(there.arrived()) == 1


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 410, 413])
def test_who_never_takes_it_says_why_and_what_to_correct(
    there: Place, status: int, logged: io.StringIO
) -> None:
    there.faults.fail(
        status, body={"text": "not like this"}, headers={"location": "/"} if status == 302 else {}
    )
    opened = there.channel()
    with pytest.raises(ChannelRefused) as caught:
        opened.send(notice())
    assert VARIABLE in caught.value.fix
    said = f"{caught.value} {caught.value!r} {opened!r} {logged.getvalue()}"
    assert not [secret for secret in SECRETS if secret in said]
    assert there.arrived() == []


@pytest.mark.parametrize("status", [307, 308])
def test_no_other_address_is_asked_in_the_place_of_the_one_that_is_meant(there: Place, status: int) -> None:
    there.faults.fail(status, headers={"location": "/login"})
    there.faults.fail(200, body={"text": "ok"})  # what the page there would answer
    with pytest.raises(ChannelRefused) as caught:
        there.channel().send(notice())
    assert (VARIABLE in caught.value.fix, "export" in str(caught.value)) == (True, False)


def test_a_page_in_the_place_of_pagerduty_has_taken_nothing(served: Switchboard) -> None:
    with place("pagerduty", served) as there:
        there.faults.fail(200, body={"ok": False})
        with pytest.raises(ChannelRefused, match=VARIABLE):
            there.channel().send(notice())


def test_of_a_long_answer_no_more_is_read_than_is_told(there: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_apprise, "_PART_BYTES", 10)
    monkeypatch.setattr(by_apprise, "_MOST_BYTES", 10)
    there.faults.fail(400, body={"text": "x" * 30_000})
    with pytest.raises(ChannelRefused) as caught:
        there.channel().send(notice())
    most = 10 if there.kind in ("slack", "teams", "apprise") else 600
    assert 1 < str(caught.value).count("x") <= most + caught.value.fix.count("x") + 5


def test_nothing_that_is_told_moves_a_cursor_or_turns_a_text_round(there: Place) -> None:
    odd = "a\x1b[31m\x07\u202eb"
    there.faults.fail(400, body={"text": odd})
    with pytest.raises(ChannelRefused) as caught:
        there.channel().send(notice())
    there.channel().send(notice(title=odd, what=odd, facts={"x": odd}))
    for text in (str(caught.value), *there.arrived()):
        assert not {"\x1b", "\x07", "\u202e"} & {*text}
        assert "u202e" not in text or text == str(caught.value)


@pytest.mark.parametrize("action", [Action.ACKNOWLEDGE, Action.RESOLVE])
def test_what_became_of_it_is_said_once(there: Place, action: Action) -> None:
    there.channel().send(notice(action, title=f"{action}d: raw.inventory"))
    (arrived,) = there.arrived()
    assert arrived.lower().count(f"{action}d: ") <= 1


def test_what_a_vendor_repeats_of_a_secret_is_not_told(there: Place) -> None:
    own = [secret for secret in SECRETS if secret in f"{there.url} {unquote(there.url)}"]
    assert own
    there.faults.fail(400, body={"text": f"what is {' and '.join(own)}", "errors": own})
    with pytest.raises(ChannelRefused) as caught:
        there.channel().send(notice())
    assert "***" in str(caught.value)
    assert not [secret for secret in own if secret in repr(caught.value)]


def test_nobody_there_is_later(there: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    url = re.sub(r"127\.0\.0\.1:\d+", address, there.url)
    with diverted(address), pytest.raises(ChannelBusy) as caught:
        there.channel(url).send(notice())
    assert not [secret for secret in SECRETS if secret in str(caught.value)]


@pytest.mark.parametrize("kind", ["silent", "a body that does not end", "a head that does not end"])
def test_a_server_that_lets_us_wait_is_left(there: Place, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (posting, by_apprise):
        monkeypatch.setattr(module, "LONGEST_SECONDS", 0.3)
        monkeypatch.setattr(module, "SILENCE_SECONDS", 0.1)
    with stalling(kind) as address, diverted(address):
        url = re.sub(r"127\.0\.0\.1:\d+", address, there.url)
        with pytest.raises(ChannelBusy):
            there.channel(url).send(notice())


def words_of(told: Notice) -> set[str]:
    parts = [
        told.id,
        told.dedup_key,
        told.title,
        told.urgency,
        told.what,
        told.fix,
        told.source,
        told.at.isoformat(),
    ]
    parts += [text for pair in (*told.facts.items(), *told.links.items()) for text in pair]
    return {word for part in parts for word in re.findall(r"\w+", part)}


@pytest.mark.parametrize("action", Action)
def test_nothing_is_said_that_is_not_in_the_notice(
    there: Place, action: Action, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY", "c4n4ry")
    told = notice(action)
    there.channel().send(told)
    said = {word for text in there.arrived() for word in re.findall(r"\w+", text.replace("\\n", " "))}
    beside = {word.casefold() for word in said - words_of(told)} - FIXED - {KEY.casefold()}
    assert beside <= ({"281", "29"} if there.kind == "teams" else set())


CALLS = "<!channel> <!here|x> <@U12345> <#C1> @everyone @here @channel <at>all</at> see a@b.example"


@pytest.mark.parametrize("field", ["title", "what", "fix", "facts"])
def test_nobody_is_called_by_what_a_text_says(there: Place, field: str) -> None:
    text: Any = {"file": CALLS, CALLS: "x"} if field == "facts" else CALLS
    there.channel().send(notice(**{field: text}))
    assert getattr(there.double, "called", []) == []
    if there.kind in ("slack", "teams") and field in ("what", "facts"):
        (arrived,) = there.arrived()
        assert f"@{NO_BREAK}everyone" in arrived
        assert not re.search(r"(?<!\w)@\w", arrived)
        assert "a@b.example" in arrived


def test_what_is_long_fits_a_phone_and_every_vendor(there: Place) -> None:
    long = "x" * 1_000_000
    told = notice(
        title=long, what=long, fix="\n".join([COMMAND, *[long] * 50]), source=long[:1000],
        facts={f"{index} {long[:100]}": long for index in range(50)}, urgency=Urgency.CRITICAL,
        dedup_key="k" * 255,
    )  # fmt: skip
    there.channel().send(told)
    (arrived,) = there.arrived()
    assert COMMAND in arrived
    assert len(arrived) < (60_000 if there.kind == "webhook" else 15_000)


@pytest.mark.parametrize("characters", [600, 3900, 5000])
def test_a_command_is_never_cut(there: Place, characters: int) -> None:
    command = f"sluice export release exp_a --check {'c' * characters}"
    there.channel().send(notice(fix=f"{COMMAND}\n{command}\nand click"))
    (arrived,) = there.arrived()
    assert COMMAND in arrived
    whole = there.kind == "webhook" or characters < 4000
    assert (command in arrived) == whole
    assert whole or "sluice export release" not in arrived


def test_what_apprise_raises_is_told_without_its_text(
    monkeypatch: pytest.MonkeyPatch, served: Switchboard
) -> None:
    with place("slack", served) as there:
        told = there.channel()

        def fail(*_: Any, **__: Any) -> None:
            raise ValueError(there.url)

        monkeypatch.setattr("apprise.Apprise.notify", fail)
        with pytest.raises(ChannelBusy) as caught:
            told.send(notice())
        assert str(caught.value) == "Apprise raises ValueError"


def test_an_incident_is_one_at_pagerduty_however_often_it_is_told(served: Switchboard) -> None:
    with place("pagerduty", served) as there:
        told = there.channel()
        assert [told.send(notice()) for _ in range(3)] == [notice().dedup_key] * 3
        told.send(notice(Action.UPDATE, urgency=Urgency.CRITICAL))
        (alert,) = there.double.alerts
        assert (alert.notified, alert.severity, alert.state) == (1, "critical", "triggered")
        told.send(notice(Action.ACKNOWLEDGE))
        assert alert.state == "acknowledged"
        told.send(notice(Action.RESOLVE))
        told.send(notice(Action.RESOLVE))
        assert (there.double.open, there.double.dropped) == ({}, 1)
        told.send(notice())
        assert len(there.double.alerts) == 2


@pytest.mark.parametrize("kind", ["pagerduty", "webhook"])
def test_an_answer_that_is_lost_is_asked_for_again_and_counts_once(kind: str, served: Switchboard) -> None:
    with place(kind, served) as there:
        there.faults.lose_answers()
        with pytest.raises(ChannelBusy):
            there.channel().send(notice())
        there.channel().send(notice())
        assert len(there.double.alerts if kind == "pagerduty" else there.double.messages) == 1


@pytest.mark.parametrize("severity", Urgency)
def test_urgencies_are_words_that_pagerduty_knows(severity: Urgency, served: Switchboard) -> None:
    with place("pagerduty", served) as there:
        there.channel().send(notice(urgency=severity))
        assert there.double.alerts[0].severity == severity.value


@pytest.mark.parametrize(
    "written", [f"pagerduty://:{KEY}@events.pagerduty.com", f"pagerduty://{KEY}@events.eu.pagerduty.com"]
)
def test_a_key_is_taken_with_and_without_its_colon(written: str) -> None:
    assert "PagerDuty" in repr(channel("pagerduty", written))


@pytest.mark.parametrize("knows", [SECRET, OLD_SECRET])
def test_a_receiver_verifies_while_a_secret_is_rotated(knows: str, served: Switchboard) -> None:
    receiver = AlertReceiver([knows.encode()])
    address = served.connect(receiver.app)
    channel("webhook", webhook_url(address)).send(notice())
    assert receiver.paths == ["/alerts/in?team=a"]
    (body,) = receiver.messages.values()
    assert (body["type"], body["data"]["fix"]) == ("sluice.incident.open", notice().fix)
    # Who knows neither secret is not believed.
    with pytest.raises(ChannelRefused, match="401"):
        channel("webhook", f"webhook://:another@{address}/in").send(notice(id="n-2"))


def test_the_log_has_one_line_of_json_a_notice(capsys: pytest.CaptureFixture[str]) -> None:
    for action in Action:
        channel("log", None).send(notice(action, what="two\nlines \u2028 of it"))
    lines = capsys.readouterr().out.split("\n")
    assert [json.loads(line)["alert"]["action"] for line in lines[:-1]] == [action.value for action in Action]
    kept: list[str] = []
    LogChannel(kept.append).send(notice())
    assert json.loads(kept[0])["alert"]["fix"] == notice().fix


WRONG_URLS = {
    "pagerduty": ["pagerduty://events.pagerduty.com", "pagerduty://:short@events.pagerduty.com", "x"],
    "webhook": ["webhook://hook.example/a", "webhook://:whsec_*@hook.example", "x"],
    "slack": ["https://hooks.slack.com/services/T1", "https://slack.example/x", "x", "ntfy://topic"],
    "teams": [
        "https://acme.webhook.office.com/webhookb2/8b799edf-6f98-4d3a-9be7-2862fb4e5752@8b799edf-6f98-4d3a-9be7"
        "-2862fb4e5752/IncomingWebhook/0123456789abcdef0123456789abcdef/8b799edf-6f98-4d3a-9be7-2862fb4e5752",
        "x",
    ],
    "email": ["smtp://mail.example", "https://mail.example?from=a@b.example", "smtp://h:no?from=a@b.example"],
    "apprise": ["https://x.example", "nothing://x", "x"],
}  # fmt: skip
RIGHT_URLS = {
    "pagerduty": f"pagerduty://:{KEY}@events.pagerduty.com",
    "webhook": "webhook://:SECRET@host/path",
    "slack": "https://hooks.slack.com/services/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8",
    "email": "smtp://USER:PASSWORD@HOST:587?from=sluice@your.example",
}


@pytest.mark.parametrize(("kind", "url"), [(kind, url) for kind, urls in WRONG_URLS.items() for url in urls])
def test_a_url_that_is_none_says_what_one_is(kind: str, url: str) -> None:
    more = {"to": "a@b.example"} if kind == "email" else {}
    with pytest.raises(ChannelRefused) as caught:
        channel(kind, url, **more)
    assert VARIABLE in caught.value.fix
    if kind in RIGHT_URLS:  # what the fix says, typed
        shape = RIGHT_URLS[kind].replace(KEY, "KEY").partition("/T1AB2CD3E")[0]
        assert shape in caught.value.fix
        assert channel(kind, RIGHT_URLS[kind], **more)


@pytest.mark.parametrize("kind", WRONG_URLS)
def test_without_a_connection_the_variable_is_named(kind: str) -> None:
    with pytest.raises(ChannelRefused, match=f"set {VARIABLE} to its URL"):
        channel(kind, None, **({"to": "a@b.example"} if kind == "email" else {}))


def test_a_channel_that_the_file_has_no_more_is_refused() -> None:
    with pytest.raises(ChannelRefused, match="did you mean `there`"):
        channel("log", None, recipient="theer")
