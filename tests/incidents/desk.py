"""Looking for what is wrong, settling it, and sending the messages: what the daemon does, step by step.

Belongs here: driving it on a clock of the test's own. Does not: any expectation.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sluicegate.incidents.ended import WhatEnded
from sluicegate.incidents.settling import Settled, held_back, known_of, settle
from sluicegate.incidents.trouble import Action, Trouble
from sluicegate.incidents.troubles import find_troubles
from sluicegate.operations.site import Site
from sluicegate.state.incidents import Incident

# The bakery's Wednesday, at noon.
NOON = datetime(2024, 1, 3, 12, tzinfo=UTC)
PAGER = "pager"


@dataclass
class Watch:
    """Who looks at a bakery's records; `sent` is what the channels have got: (channel, action, dedup key)."""

    site: Site
    now: datetime = NOON
    channels: tuple[str, ...] = (PAGER,)
    sent: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    known: dict[str, Any] = field(default_factory=dict[str, Any])

    def later(self, **span: float) -> "Watch":
        """Let time pass."""
        self.now += timedelta(**span)
        return self

    def troubles(self, **dagster: Any) -> list[Trouble]:
        """Return what is wrong now."""
        store = self.site.deployment.store
        return find_troubles(self.site, self.now, known=known_of(store), **dagster)

    def look(self, **dagster: Any) -> Settled:
        """Look, and settle what was found; `dagster` is what Dagster knows."""
        store = self.site.deployment.store
        look = store.incidents.look()
        found = self.troubles(**dagster)
        settled = settle(
            store, look, found, self.now, self.routes, deployment="bakery", ended=WhatEnded(self.site)
        )
        assert settled is not None
        return settled

    def routes(self, trouble: Trouble, action: Action) -> Iterable[str]:
        """Tell all channels everything."""
        del trouble, action
        return self.channels

    def send(self) -> list[tuple[str, str]]:
        """Send what waits; return (action, source) of each message."""
        outbox, told = self.site.deployment.store.incidents.outbox, list[tuple[str, str]]()
        for channel in outbox.channels():
            while message := outbox.take(channel, self.now, held_back("bakery", self.now)):
                outbox.sent(message, self.now)
                self.sent.append((channel, message.action, str(message.body["dedup_key"])))
                told.append((message.action, str(message.body["source"])))
        return told

    @property
    def open(self) -> dict[str, Incident]:
        """The open incidents by what they are with."""
        return {
            f"{item.root_name} {item.partition_key}".strip(): item
            for item in self.site.deployment.store.incidents.open()
        }
