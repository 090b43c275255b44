"""PagerDuty: one incident there for each one here, by Events API v2.

https://developer.pagerduty.com/docs/events-api-v2/trigger-events/. An incident is known by its `dedup_key`: a
notice that is sent again changes nothing, and what is sent of one that is resolved is dropped there.
"""

import json
import re
from typing import Any
from urllib.parse import unquote

from sluicegate.incidents.channels.base import Channel, ChannelRefused
from sluicegate.incidents.channels.posting import Poster
from sluicegate.incidents.channels.text import cut, facts, http_links, lines, steps, title
from sluicegate.incidents.trouble import Action, Notice

_PATH = "/v2/enqueue"
_TAKEN = 202
_KEY = re.compile(r"[A-Za-z0-9]{32}")
_SUMMARY_CHARACTERS = 1024
_DEDUP_CHARACTERS = 255
_WHAT_CHARACTERS = 2000
_ACTIONS = {Action.ACKNOWLEDGE: "acknowledge", Action.RESOLVE: "resolve"}


class PagerDutyChannel(Channel):
    """A service's integration of type "Events API v2"; the URL is `pagerduty://:KEY@events.pagerduty.com`."""

    def __init__(self, url: str, variable: str) -> None:
        credentials = url.partition("://")[2].rpartition("@")[0]
        # Whoever leaves the colon away means the key too.
        self._key = unquote(credentials.partition(":")[2] or credentials)
        if not _KEY.fullmatch(self._key):
            raise ChannelRefused(
                "the URL has no integration key of 32 letters and digits",
                f"set {variable} to pagerduty://:KEY@events.pagerduty.com (EU: events.eu.pagerduty.com); in"
                " PagerDuty: Services → your service → Integrations → Add integration → Events API v2",
            )
        self._variable, self._poster = variable, Poster(url, variable, [self._key])

    def send(self, notice: Notice) -> str:
        """Trigger, acknowledge or resolve; the id is the `dedup_key`."""
        event: dict[str, Any] = {
            "routing_key": self._key,
            "event_action": _ACTIONS.get(notice.action, "trigger"),
            "dedup_key": notice.dedup_key[:_DEDUP_CHARACTERS],
        }
        if event["event_action"] == "trigger":
            event |= self._described(notice)
        answer = self._poster.post(_PATH, json.dumps(event).encode())
        if answer.status_code != _TAKEN:  # a portal, or a proxy, in the place of PagerDuty
            what = f"{answer.host} answers HTTP {answer.status_code} where PagerDuty answers {_TAKEN}"
            raise ChannelRefused(what, f"correct the URL in {self._variable}, or let it through to there")
        return str(event["dedup_key"])

    def _described(self, notice: Notice) -> dict[str, Any]:
        links = http_links(notice)
        details = {"what": lines(notice.what, _WHAT_CHARACTERS), "what to do": "\n".join(steps(notice.fix))}
        return {
            "payload": {
                "summary": cut(title(notice), _SUMMARY_CHARACTERS),
                "source": cut(notice.source, _DEDUP_CHARACTERS) or "sluice",
                "severity": notice.urgency.value,
                "timestamp": notice.at.isoformat(),
                "custom_details": {name: text for name, text in (details | facts(notice)).items() if text},
            },
            "links": [{"href": url, "text": name} for name, url in links.items()],
            "client": "Sluice",
            **({"client_url": next(iter(links.values()))} if links else {}),
        }
