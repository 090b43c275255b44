"""A receiver of signed alerts: it verifies, it knows a message by its id, and reads nothing that is not ours.

"Standard Webhooks", by the receiver's own code:
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hmac
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from .faults import Faults
from .serving import LostAnswer

_TOLERANCE_SECONDS = 300
_FIELDS = {
    "id", "action", "dedup_key", "title", "urgency", "what", "fix", "source", "at", "facts", "links",
}  # fmt: skip


@dataclass
class AlertReceiver:
    """`messages` were taken, each once; `again` counts those that came once more, `paths` are as asked."""

    secrets: Sequence[bytes]
    faults: Faults = field(default_factory=Faults)
    messages: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    paths: list[str] = field(default_factory=list[str])
    again: int = 0

    def __post_init__(self) -> None:
        self.app = Starlette(routes=[Route("/{path:path}", self._receive, methods=["POST"])])

    async def _receive(self, request: Request) -> Response:
        content = await request.body()
        self.paths.append(str(request.url).partition(request.url.netloc)[2])
        fault = self.faults.next()
        if fault is not None and not fault.lost:
            return PlainTextResponse(str(fault.body.get("text", "")), fault.status, dict(fault.headers))
        name, moment = request.headers.get("webhook-id", ""), request.headers.get("webhook-timestamp", "")
        if not name or abs(time.time() - int(moment or 0)) > _TOLERANCE_SECONDS:
            return PlainTextResponse("no id, or a timestamp that is not of now", 400)
        signed = f"{name}.{moment}.".encode() + content
        good = {base64.b64encode(hmac.digest(secret, signed, "sha256")).decode() for secret in self.secrets}
        said = request.headers.get("webhook-signature", "").split(" ")
        if not good & {one.removeprefix("v1,") for one in said if one.startswith("v1,")}:
            return PlainTextResponse("the signature is not that of the content", 401)
        body = json.loads(content)
        if set(body) != {"type", "timestamp", "data"} or set(body["data"]) != _FIELDS:
            return PlainTextResponse("fields lack or are unknown", 400)
        self.again += name in self.messages
        self.messages.setdefault(name, body)
        return LostAnswer() if fault is not None else Response(status_code=204)
