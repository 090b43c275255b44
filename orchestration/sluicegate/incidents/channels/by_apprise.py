"""Slack, Teams, e-mail, and whatever else Apprise has a URL for.

Belongs here: what Apprise is asked, and what it heard when it says no more than that it failed. Does not
belong here: channels of our own.
"""

import logging
import re
import time
from collections.abc import Sequence
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from sluicegate.destinations.answers import Meaning, meaning_of
from sluicegate.destinations.bounded import bounded
from sluicegate.destinations.errors import secrets_in
from sluicegate.destinations.http import wait_asked_for
from sluicegate.incidents.channels.base import (
    LONGEST_SECONDS,
    SILENCE_SECONDS,
    Channel,
    ChannelBusy,
    ChannelRefused,
)
from sluicegate.incidents.channels.text import as_card, as_plain, cut, for_card, title
from sluicegate.incidents.trouble import Notice, Urgency

_COLOURS = {
    Urgency.INFO: "info", Urgency.WARNING: "warning", Urgency.ERROR: "failure", Urgency.CRITICAL: "failure",
}  # fmt: skip
_SAID_CHARACTERS, _MOST_CHARACTERS = 100, 10_000
_SECRET_CHARACTERS = 8
# Of an answer; some never end.
_MOST_BYTES, _PART_BYTES = 1_000_000, 65_536
# Replies of SMTP in what `smtplib` raises and Apprise logs: "(535, b'…')", "was refused: 550 b'…'".
_REPLY = re.compile(r"(?:\(|refused: )([45]\d\d),? b")
_NEVER = re.compile(r"CERTIFICATE_VERIFY_FAILED|not supported by server")
# Which services there are, as Apprise calls them, where one alone is meant.
_SERVICES = {"slack": "Slack", "teams": "Workflows"}
HOW = {
    "slack": "https://hooks.slack.com/services/…; in Slack: Apps → Incoming WebHooks → Add to Slack",
    "teams": "the URL of a workflow; in Teams: the channel's ⋯ → Workflows → Send webhook alerts to a channel"
    " (connectors of Office 365 are retired)",
    "email": "smtp://USER:PASSWORD@HOST:587?from=sluice@your.example (STARTTLS), smtps://… (TLS, 465), or"
    " smtp://HOST:25?from=…&tls=no",
    "apprise": "a URL of https://appriseit.com/services/",
}


class _Heard(logging.Handler):
    """What was answered on the way of one message: by HTTP, and as lines of Apprise's log."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[Any] = []
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if (heard := _heard.get()) is not None:
            heard.lines.append(record.getMessage())


_heard: ContextVar[_Heard | None] = ContextVar("heard", default=None)


@cache
def _apprise() -> Any:
    """Apprise, with an ear on what it does: it tells its callers true or false alone.

    Its log holds URLs with their secrets, and whole messages; no line of it goes anywhere else.
    """
    apprise, session = import_module("apprise"), import_module("requests").Session
    log, send = logging.getLogger("apprise"), session.send
    log.propagate = False
    log.setLevel(logging.DEBUG)
    log.addHandler(_Heard())
    # It logs paths, which are secrets of Slack and Teams.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.WARNING)

    def sent(*args: Any, **kwargs: Any) -> Any:
        if (heard := _heard.get()) is None:
            return send(*args, **kwargs)
        # After a redirect a page would be asked for, whose 200 says nothing of the message.
        answer = send(*args, **kwargs | {"allow_redirects": False, "stream": True})
        body = b""
        for part in answer.iter_content(_PART_BYTES):
            body += part
            if len(body) >= _MOST_BYTES:
                break
        answer._content = body
        answer.close()
        heard.answers.append(answer)
        return answer

    session.send = sent
    return apprise


class AppriseChannel(Channel):
    """One service of Apprise; `kind` is the channel's type, `to` are addresses of e-mail."""

    def __init__(self, kind: str, url: str, variable: str, to: Sequence[str] = ()) -> None:
        self._kind, self._variable = kind, variable
        # Of the URLs of Slack and Teams the path and the query are the secret.
        parts = [part for part in re.split(r"[/?&=:@]", url) if len(part) >= _SECRET_CHARACTERS]
        self._secrets = [*secrets_in(url), *parts]
        asset = _apprise().AppriseAsset(
            app_id="Sluice", app_url="", image_url_mask="", image_url_logo="", async_mode=False
        )
        said = _mail(url, to) if kind == "email" else url
        self._service: Any = _apprise().Apprise.instantiate(said, asset=asset) if said else None
        wanted = _SERVICES.get(kind, "")
        if self._service is None or wanted not in type(self._service).__name__:
            raise ChannelRefused(f"the URL is none of type {kind}", f"set {variable} to {HOW[kind]}")
        self._service.socket_connect_timeout = self._service.socket_read_timeout = SILENCE_SECONDS

    def send(self, notice: Notice) -> str:
        """Send one message; no vendor gives an id for it."""
        heard = _Heard()
        token = _heard.set(heard)
        try:
            told = bounded(LONGEST_SECONDS, lambda _: self._tell(notice), _late)
        except ChannelBusy:
            raise
        except Exception as error:  # its text may hold the URL
            raise ChannelBusy(f"Apprise raises {type(error).__name__}") from None
        finally:
            _heard.reset(token)
        if not told:
            raise self._why(heard)
        return ""

    def _tell(self, notice: Notice) -> bool:
        card = self._kind == "teams"
        telling = _apprise().Apprise(asset=self._service.asset)
        telling.add(self._service)
        return bool(
            telling.notify(
                title=for_card(title(notice)) if card else title(notice),
                body=as_card(notice) if card else as_plain(notice),
                body_format="markdown" if card else "text",
                notify_type=_COLOURS[notice.urgency],
            )
        )

    def _why(self, heard: _Heard) -> Exception:
        """What an unsuccessful try means, by the last that was answered."""
        if heard.answers:
            answer = heard.answers[-1]
            words = answer.text[:_MOST_CHARACTERS]
            for secret in self._secrets:
                words = words.replace(secret, "***")
            said = f"HTTP {answer.status_code} {cut(words, _SAID_CHARACTERS)}".rstrip()
            if meaning_of(answer.status_code) is Meaning.TRY_AGAIN:
                return ChannelBusy(f"the service answers {said}", wait_asked_for(answer.headers, time.time()))
            return ChannelRefused(f"the service answers {said}", self._correct())
        lines = "\n".join(heard.lines)
        if reply := _REPLY.search(lines):
            what = f"the mail server answers {reply[1]}"
            return ChannelBusy(what) if reply[1].startswith("4") else ChannelRefused(what, self._correct())
        if never := _NEVER.search(lines):
            trust = "behind a company's proxy set REQUESTS_CA_BUNDLE and SSL_CERT_FILE; otherwise "
            return ChannelRefused(f"no connection is made: {never[0]}", trust + self._correct())
        return ChannelBusy("the service does not answer")

    def _correct(self) -> str:
        return f"correct {self._variable}; it is {HOW[self._kind]}"


def _late() -> ChannelBusy:
    return ChannelBusy(f"the service has not answered within {LONGEST_SECONDS:g} s")


def _mail(url: str, to: Sequence[str]) -> dict[str, Any] | None:
    """A connection's URL as Apprise's e-mail has it; None if it is none."""
    try:
        parts = urlsplit(url)
        asked = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        sender, port = asked.get("from", ""), parts.port
    except ValueError:
        return None
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname or not sender:
        return None
    mode = "ssl" if parts.scheme == "smtps" else "insecure" if asked.get("tls") == "no" else "starttls"
    return {
        "schema": "mailto" if mode == "insecure" else "mailtos",
        "host": parts.hostname, "smtp_host": parts.hostname, "port": port, "secure_mode": mode,
        "user": unquote(parts.username or "") or None, "password": unquote(parts.password or "") or None,
        "from_addr": sender, "targets": list(to), "format": "text",
    }  # fmt: skip
