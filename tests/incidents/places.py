"""A double for each kind of channel, its connection, and what arrived there, in the same words for all.

Belongs here: what tests of channels share. Does not: expectations.
"""

import json
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from orchestration.core.settings import Settings
from orchestration.incidents.alerts_file import Alerts
from orchestration.incidents.alerts_spec import AlertsSpec
from orchestration.incidents.channels.base import Channel
from orchestration.incidents.channels.opening import open_channel
from orchestration.incidents.trouble import Action, Notice, Urgency
from tests.doubles.chats import SLACK_URL, TEAMS_URL, diverted, json_double, slack_double, teams_double
from tests.doubles.faults import Faults
from tests.doubles.pagerduty import PagerDutyDouble
from tests.doubles.receiver import AlertReceiver
from tests.doubles.serving import serve

KEY = "0123456789abcdefghijABCDEFGHIJ42"
SECRET = "s3cr3t/of the hook"
OLD_SECRET = "0ld-s3cr3t"
VARIABLE = "SLUICE_CONNECTION_THERE"
# Whatever a connection's URL has that opens a door.
SECRETS = (
    KEY, SECRET, "s3cr3t%2Fof%20the%20hook", OLD_SECRET, "Z7slackSecretSlackSecret8",
    "tEaMsSiGnAtUrE-signature_0123456789", "p@ss:w0rd/smtp", "p%40ss%3Aw0rd%2Fsmtp",
)  # fmt: skip
HTTP_KINDS = ("pagerduty", "webhook", "slack", "teams", "apprise")
FIX = "sluice why exp_top_items_retailer_app --partition 2022-10-05\nopen the run, and click Re-execute"


def notice(action: Action = Action.OPEN, **changes: Any) -> Notice:
    """Return what is said of a broken day."""
    told: dict[str, Any] = {
        "id": "n-1",
        "action": action,
        "dedup_key": "sluice:demo:table:raw.inventory:2022-10-05",
        "title": "raw.inventory [2022-10-05]: check failed",
        "urgency": Urgency.ERROR,
        "what": "2 of 9 rules of raw_inventory failed; 7 exports wait",
        "fix": FIX,
        "source": "demo",
        "at": datetime(2022, 10, 6, 4, 5, tzinfo=UTC),
        "facts": {
            "owner": "data-platform@marketplace.example",
            "holds up": "exp_store_gaps_crm by 06:00 UTC",
        },
        "links": {"run": "https://dagster.example/runs/1f2e?selection=raw_inventory&x=(1)"},
    }
    return Notice(**(told | changes))


@dataclass
class Place:
    """A channel's double: its connection's URL, its faults, and what arrived, as people read it."""

    kind: str
    url: str
    faults: Faults
    arrived: Callable[[], Sequence[str]]
    double: Any
    more: dict[str, Any] = field(default_factory=dict[str, Any])

    def channel(self, url: str | None = None) -> Channel:
        """Open the channel as a deployment does, by the file and the environment."""
        return channel(self.kind, url or self.url, **self.more)


def channel(kind: str, url: str | None, recipient: str = "there", **more: Any) -> Channel:
    """Open a channel of a kind whose connection is this URL."""
    written = {"type": kind} if kind == "log" else {"type": kind, "connection": "there", **more}
    spec = AlertsSpec.model_validate({"channels": {"there": written}, "routes": [{"to": "there"}]})
    # Slack and Teams are only where they are: a double answers in their place, on this machine.
    settings = Settings.load({"SLUICE_ENVIRONMENT": "production"} | ({VARIABLE: url} if url else {}))
    return open_channel(Alerts(spec), recipient, settings)


class Switchboard:
    """One server, for one double after the other: to start one each takes longer than most tests."""

    def __init__(self) -> None:
        self.app: Any = None
        self.address = ""

    @contextmanager
    def serving(self) -> Generator["Switchboard"]:
        """Serve for the length of the block."""

        async def answer(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                await self.app(scope, receive, send)

        with serve(answer) as self.address:
            yield self

    def connect(self, app: Any) -> str:
        """Have a double answer from now on; return the address."""
        self.app = app
        return self.address


@contextmanager
def place(kind: str, served: Switchboard) -> Generator[Place]:
    """Have a channel's double answer for the length of the block."""
    double: Any
    if kind == "pagerduty":
        double = PagerDutyDouble(KEY)
        url = f"pagerduty://:{KEY}@{served.connect(double.app)}"
        yield Place(kind, url, double.faults, lambda: [json.dumps(one) for one in double.events], double)
    elif kind == "webhook":
        double = AlertReceiver([SECRET.encode()])
        yield Place(
            kind, webhook_url(served.connect(double.app)), double.faults,
            lambda: [json.dumps(one, ensure_ascii=False) for one in double.messages.values()], double,
        )  # fmt: skip
    elif kind == "apprise":
        double = json_double()
        url = f"json://sluice:p%40ss%3Aw0rd%2Fsmtp@{served.connect(double.app)}/hook"
        yield Place(kind, url, double.faults, lambda: double.messages, double)
    else:
        double, url = (slack_double(), SLACK_URL) if kind == "slack" else (teams_double(), TEAMS_URL)
        with diverted(served.connect(double.app)):
            yield Place(kind, url, double.faults, lambda: double.messages, double)


def webhook_url(address: str) -> str:
    """Return a webhook's connection while its secret is rotated."""
    return f"webhook://:s3cr3t%2Fof%20the%20hook@{address}/alerts/in?team=a&previous_secret={OLD_SECRET}"
