"""PagerDuty's Events API v2, as its documents have it: what it takes, and what becomes of its alerts.

https://developer.pagerduty.com/docs/events-api-v2/overview/ and …/trigger-events/: 202 and the `dedup_key`;
400 with `errors`; 429 beyond a rate; no more than 512 KB. An alert that is resolved is closed: a trigger of
the same key opens another, all else of it is dropped.
"""

import json
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .faults import Faults
from .serving import LostAnswer

_MOST_BYTES = 512 * 1024
_TOP = {"routing_key", "event_action", "dedup_key", "payload", "images", "links", "client", "client_url"}
_PAYLOAD = {"summary", "source", "severity", "timestamp", "component", "group", "class", "custom_details"}


@dataclass
class Alert:
    """One alert; its state is triggered, acknowledged or resolved, `notified` how often it woke somebody."""

    key: str
    state: str
    severity: str
    summary: str
    details: dict[str, Any]
    notified: int = 1
    triggers: int = 1


@dataclass
class PagerDutyDouble:
    """The service's state; `app` is served. `events` were taken, of which `dropped` had no effect."""

    routing_key: str
    faults: Faults = field(default_factory=Faults)
    alerts: list[Alert] = field(default_factory=list[Alert])
    events: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    dropped: int = 0

    def __post_init__(self) -> None:
        self.app = Starlette(routes=[Route("/v2/enqueue", self._enqueue, methods=["POST"])])

    @property
    def open(self) -> dict[str, Alert]:
        """Alerts that are not resolved, by their key."""
        return {alert.key: alert for alert in self.alerts if alert.state != "resolved"}

    async def _enqueue(self, request: Request) -> Response:
        content = await request.body()
        fault = self.faults.next()
        if fault is not None and not fault.lost:
            return JSONResponse(dict(fault.body), fault.status, dict(fault.headers))
        if len(content) > _MOST_BYTES:
            return Response(status_code=413)
        event: Any = None
        with suppress(ValueError):
            event = json.loads(content)
        errors = _errors(event)
        if not errors and event["routing_key"] != self.routing_key:
            errors = ["Invalid routing key"]
        if errors:
            told = {"status": "invalid event", "message": "Event object is invalid", "errors": errors}
            return JSONResponse(told, 400)
        self.events.append(event)
        self._apply(event)
        answer = {"status": "success", "message": "Event processed", "dedup_key": event["dedup_key"]}
        return LostAnswer() if fault is not None else JSONResponse(answer, 202)

    def _apply(self, event: dict[str, Any]) -> None:
        key, action, alert = event["dedup_key"], event["event_action"], self.open.get(event["dedup_key"])
        if action == "trigger":
            payload = event["payload"]
            if alert is None:
                told = (payload["severity"], payload["summary"], payload.get("custom_details", {}))
                self.alerts.append(Alert(key, "triggered", *told))
            else:
                alert.triggers += 1
                alert.severity, alert.details = payload["severity"], payload.get("custom_details", {})
        elif alert is None:
            self.dropped += 1
        else:
            alert.state = "resolved" if action == "resolve" else "acknowledged"


def _errors(event: Any) -> list[str]:
    if not isinstance(event, dict):
        return ["Event is not a JSON object"]
    found = [f"Unknown field '{name}'" for name in set(event) - _TOP]
    if len(str(event.get("routing_key", ""))) != 32:
        found.append("Length of 'routing_key' is incorrect (should be 32 characters)")
    if event.get("event_action") not in ("trigger", "acknowledge", "resolve"):
        found.append("'event_action' is missing or invalid")
    key = event.get("dedup_key")
    if not isinstance(key, str) or not 0 < len(key) <= 255:
        found.append("'dedup_key' is missing or longer than 255 characters")
    if event.get("event_action") != "trigger":
        return found + [f"'{name}' is for triggers" for name in ("payload", "links") if name in event]
    payload = event.get("payload") or {}
    found += [f"Unknown field 'payload.{name}'" for name in set(payload) - _PAYLOAD]
    if not 0 < len(payload.get("summary", "")) <= 1024:
        found.append("'payload.summary' is missing, blank or longer than 1024 characters")
    if not payload.get("source"):
        found.append("'payload.source' is missing or blank")
    if payload.get("severity") not in ("critical", "error", "warning", "info"):
        found.append(
            "'payload.severity' is invalid (must be one of the following: critical, warning, error, info)"
        )
    if "timestamp" in payload:
        datetime.fromisoformat(payload["timestamp"])
    found += ["'links' need 'href'" for link in event.get("links", ()) if not link.get("href")]
    return found
