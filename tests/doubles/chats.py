"""Slack's incoming webhooks and Teams' workflows, as far as a message that is posted meets them.

https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks/: `ok`, or an error as a word;
https://learn.microsoft.com/en-us/connectors/teams/: an Adaptive Card in a message, about 28 KB, 202.
"""

import json
import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from .faults import Faults

SLACK_PATH = "/services/T1AB2CD3E/B4FG5HI6J/Z7slackSecretSlackSecret8"
TEAMS_SIGNATURE = "tEaMsSiGnAtUrE-signature_0123456789"
TEAMS_PATH = "/workflows/0123456789abcdef0123456789abcdef/triggers/manual/paths/invoke"
SLACK_URL = f"https://hooks.slack.com{SLACK_PATH}"
TEAMS_URL = (
    f"https://prod-1.westeurope.logic.azure.com:443{TEAMS_PATH}"
    f"?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig={TEAMS_SIGNATURE}"
)
# What Slack makes of a text that somebody did not escape.
_SLACK_CONTROL = re.compile(r"<([!@#][^>]*)>")
_TEAMS_BYTES = 28_000


@dataclass
class ChatDouble:
    """What is posted: `messages` as people read them, title first; `called`: whom it called."""

    read: Callable[["ChatDouble", Request, bytes], Response]
    faults: Faults = field(default_factory=Faults)
    messages: list[str] = field(default_factory=list[str])
    called: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.app = Starlette(routes=[Route("/{path:path}", self._receive, methods=["POST"])])

    async def _receive(self, request: Request) -> Response:
        content = await request.body()
        if (fault := self.faults.next()) is not None:
            body = str(fault.body.get("text", ""))
            return PlainTextResponse(body, fault.status, dict(fault.headers))
        return self.read(self, request, content)


def _slack(double: ChatDouble, request: Request, content: bytes) -> Response:
    if request.url.path != SLACK_PATH:
        return PlainTextResponse("no_service", 404)
    try:
        body = json.loads(content)
        texts = [part for one in body["attachments"] for part in (one.get("title", ""), one["text"])]
    except (ValueError, KeyError):
        return PlainTextResponse("invalid_payload", 400)
    double.called += [call for text in texts for call in _SLACK_CONTROL.findall(text)]
    shown = "\n".join(texts)
    for sign, entity in (("<", "&lt;"), (">", "&gt;"), ("&", "&amp;")):
        shown = shown.replace(entity, sign)
    double.messages.append(shown)
    return PlainTextResponse("ok")


def _teams(double: ChatDouble, request: Request, content: bytes) -> Response:
    if request.url.path != TEAMS_PATH or request.query_params.get("sig") != TEAMS_SIGNATURE:
        return PlainTextResponse("the signature is not valid", 401)
    body: Any = json.loads(content)
    if len(content) > _TEAMS_BYTES:
        return PlainTextResponse("RequestEntityTooLarge", 413)
    try:
        cards = [one["content"] for one in body["attachments"]]
        sound = body["type"] == "message" and all(card["type"] == "AdaptiveCard" for card in cards)
        texts = [part["text"] for card in cards for part in card["body"] if part["type"] == "TextBlock"]
    except KeyError:
        sound, cards, texts = False, [], []
    if not sound:
        return PlainTextResponse("an Adaptive Card in a message is expected", 400)
    for card in cards:
        double.called += [one["text"] for one in card.get("msteams", {}).get("entities", ())]
    double.messages.append(re.sub(r"\\([*\[\]\\])", r"\1", "\n".join(texts)))
    return Response(status_code=202)


def _json(double: ChatDouble, request: Request, content: bytes) -> Response:
    if "authorization" not in request.headers:
        return PlainTextResponse("who are you?", 401)
    body = json.loads(content)
    double.messages.append(f"{body['title']}\n{body['message']}")
    return Response(status_code=200)


def slack_double() -> ChatDouble:
    """An incoming webhook of Slack, at SLACK_URL."""
    return ChatDouble(_slack)


def teams_double() -> ChatDouble:
    """A workflow of Teams, at TEAMS_URL."""
    return ChatDouble(_teams)


def json_double() -> ChatDouble:
    """What Apprise calls JSON: one of its services that have nothing of their own."""
    return ChatDouble(_json)


@contextmanager
def diverted(address: str) -> Generator[None]:
    """Have every request that Apprise makes over HTTPS arrive at a double, as a name server would."""
    adapter: Any = import_module("requests.adapters").HTTPAdapter
    sent = getattr(adapter.send, "sent", adapter.send)

    def divert(self: Any, request: Any, **kwargs: Any) -> Any:
        parts = urlsplit(request.url)
        request.url = parts._replace(scheme="http", netloc=address).geturl()
        return sent(self, request, **kwargs)

    setattr(divert, "sent", sent)  # noqa: B010 - the innermost block's address is asked alone
    with patch.object(adapter, "send", divert):
        yield
