"""E-mail: what arrives and to whom, and what each reply of a mail server means."""

import logging
import re
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from orchestration.incidents.channels import by_apprise
from orchestration.incidents.channels.base import ChannelBusy, ChannelRefused
from orchestration.incidents.trouble import Action
from tests.doubles.smtp import MailDouble, certificate
from tests.doubles.stalling import stalling
from tests.incidents.places import SECRETS, VARIABLE, channel, notice

FROM = "from=sluice@marketplace.example"
LOGIN = "sluice:p%40ss%3Aw0rd%2Fsmtp"
TO = ["owner", "ops@marketplace.example"]


@pytest.fixture
def mail() -> Iterator[tuple[MailDouble, str]]:
    double = MailDouble()
    with double.serving() as address:
        yield double, f"smtp://{LOGIN}@{address}?{FROM}&tls=no"


def send(url: str, recipient: str = "there", action: Action = Action.OPEN) -> None:
    channel("email", url, recipient, to=TO).send(notice(action))


@pytest.mark.parametrize("action", Action)
def test_a_message_arrives_as_plain_text(mail: tuple[MailDouble, str], action: Action) -> None:
    double, url = mail
    send(url, action=action)
    ((recipients, message),) = double.taken
    assert recipients == ["ops@marketplace.example"]
    assert message.get_content_type() == "text/plain"
    assert "raw.inventory [2022-10-05]: check failed" in message["subject"]
    assert message["from"].addresses[0].addr_spec == "sluice@marketplace.example"
    lines = read(message).splitlines()
    assert "  sluice why exp_top_items_retailer_app --partition 2022-10-05" in lines
    assert "owner: data-platform@marketplace.example" in lines
    assert any(line.startswith("run: https://dagster.example/runs/1f2e?selection=") for line in lines)


def test_an_owner_is_written_to_beside_the_others(mail: tuple[MailDouble, str]) -> None:
    double, url = mail
    send(url, "there:data-platform@marketplace.example")
    assert sorted(address for to, _ in double.taken for address in to) == [
        "data-platform@marketplace.example", "ops@marketplace.example",
    ]  # fmt: skip


def test_what_writes_to_owners_alone_wants_one(mail: tuple[MailDouble, str]) -> None:
    double, url = mail
    with pytest.raises(ChannelRefused) as caught:
        channel("email", url, to="owner").send(notice())
    (named,) = re.findall(r"`(there:\S+)`", caught.value.fix)
    channel("email", url, named, to="owner").send(notice())
    assert [to for to, _ in double.taken] == [["you@your.example"]]


@pytest.mark.parametrize(
    ("verb", "reply", "later"),
    [
        ("MAIL", "421 4.3.2 shutting down", True),
        ("MAIL", "452 4.3.1 full", True),
        ("RCPT", "450 4.2.1 busy", True),
        ("DATA", "451 4.3.0 an error here", True),
        ("AUTH", "454 4.7.0 no answer from the directory", True),
        ("AUTH", "535 5.7.8 bad credentials", False),
        ("MAIL", "550 5.7.1 not from this address", False),
        ("RCPT", "550 5.1.1 nobody of this name", False),
        ("DATA", "552 5.3.4 too big", False),
        ("DATA", "554 5.7.1 spam", False),
    ],
)
def test_a_reply_means_later_or_never(
    mail: tuple[MailDouble, str], verb: str, reply: str, later: bool
) -> None:
    double, url = mail
    double.replies[verb] = reply
    with pytest.raises(ChannelBusy if later else ChannelRefused) as caught:
        send(url)
    assert reply[:3] in str(caught.value)
    assert not [secret for secret in SECRETS if secret in repr(caught.value)]
    assert later or VARIABLE in str(caught.value)
    del double.replies[verb]
    send(url)
    assert len(double.taken) == 1


def test_the_password_is_what_the_url_says_and_is_logged_nowhere(
    mail: tuple[MailDouble, str], capfd: pytest.CaptureFixture[str]
) -> None:
    double, url = mail
    with pytest.raises(ChannelRefused, match="535"):
        send(url.replace(LOGIN, "sluice:another"))
    logging.getLogger("apprise").warning("heard by us alone")
    assert not [secret for secret in (*SECRETS, "heard") if secret in "".join(capfd.readouterr())]
    assert double.taken == []


def test_it_is_encrypted_for_whom_an_authority_vouches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, authority = certificate(tmp_path)
    double = MailDouble(tls=context)
    with double.serving() as address:
        url = f"smtp://{LOGIN}@{address}?{FROM}"
        with pytest.raises(ChannelRefused, match="CERTIFICATE_VERIFY_FAILED"):
            send(url)
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        send(url)
    assert double.encrypted == [True]


def test_a_password_is_not_said_in_the_clear(mail: tuple[MailDouble, str]) -> None:
    double, url = mail
    with pytest.raises(ChannelRefused, match="not supported by server"):
        send(url.replace("&tls=no", ""))
    assert double.taken == []


def test_a_server_that_is_silent_or_gone_is_tried_later(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LONGEST_SECONDS", "SILENCE_SECONDS"):
        monkeypatch.setattr(by_apprise, name, 0.2)
    with stalling("silent") as address:
        url = f"smtp://{address}?{FROM}&tls=no"
        with pytest.raises(ChannelBusy):
            send(url)
    with pytest.raises(ChannelBusy):
        send(url)


def read(message: EmailMessage) -> str:
    return str(message.get_content()).replace("\r\n", "\n")
