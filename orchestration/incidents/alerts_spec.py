"""What `alerts.yaml` may say: its fields, their defaults and what a value must be.

Belongs here: rules that one field, or two beside each other, can break. Does not belong here: what needs
another part of the file or of the project (`alerts_file`).
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from importlib import import_module
from itertools import islice, pairwise
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema, field_validator

from orchestration.core.freshness import UNITS, DurationError, duration
from orchestration.delivery.export_files.strict import Strict
from orchestration.incidents.trouble import TroubleKind, Urgency

OWNER = "owner"
LOG = "log"
ADDRESS = re.compile(r"[^@\s,;<>:\"/]+@[^@\s,;<>:\"/]+\.[^@\s,;<>:\"/]+")
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)")
_CRON_FIELDS = 5
# Of a cron so many beginnings are looked at, from a leap year's first day on.
_BEGINNINGS = 400
_FROM = datetime(2024, 1, 1, tzinfo=UTC)


def _one_or_more(value: Any) -> Any:
    return value if isinstance(value, (list, tuple)) else [value]


def _span(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value
    written = _SPAN.fullmatch(str(value).strip())
    try:
        if written:
            return duration(float(written[1]), written[2])
    except DurationError:
        pass
    raise ValueError(f"a number and a unit ({', '.join(UNITS)}), at least a minute, as `30 min`")


def _moment(value: Any) -> Any:
    try:
        found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        raise ValueError("a moment in UTC, as 2026-05-01T22:00") from None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def cron_after(cron: str, moment: datetime, *, back: bool = False) -> Any:
    """Return the moments (UTC) of a cron after another one, or, `back`, those before it, nearest first."""
    return import_module("cronsim").CronSim(cron, moment, reverse=back)


def _cron(value: Any) -> Any:
    text = str(value)
    try:
        # With six fields the first would be seconds.
        sound = len(text.split()) == _CRON_FIELDS and next(cron_after(text, _FROM), None) is not None
        why = "" if sound else "; this one never begins" if len(text.split()) == _CRON_FIELDS else ""
    except import_module("cronsim").CronSimError as error:
        sound, why = False, f"; here: {error}"
    if not sound:
        raise ValueError(f"minute, hour, day of month, month and day of week, as `0 18 L * *`, in UTC{why}")
    return text


def _listed(values: Mapping[str, Any]) -> WithJsonSchema:
    """One value, or a list of them."""
    return WithJsonSchema({"anyOf": [values, {"type": "array", "items": values, "minItems": 1}]})


Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Address = Annotated[str, Field(pattern=f"^({OWNER}|{ADDRESS.pattern})$")]
_Text = Annotated[str, Field(min_length=1)]
Patterns = Annotated[tuple[_Text, ...], BeforeValidator(_one_or_more), _listed({"type": "string"})]
Kinds = Annotated[
    tuple[TroubleKind, ...],
    BeforeValidator(_one_or_more),
    _listed({"enum": [kind.value for kind in TroubleKind]}),
]
Span = Annotated[
    timedelta, BeforeValidator(_span), WithJsonSchema({"type": "string", "pattern": _SPAN.pattern})
]
Moment = Annotated[
    datetime, BeforeValidator(_moment), WithJsonSchema({"type": "string", "pattern": r"^\d{4}-\d\d-\d\d"})
]
Cron = Annotated[str, BeforeValidator(_cron)]
To = Annotated[
    tuple[_Text, ...], BeforeValidator(_one_or_more), Field(min_length=1), _listed({"type": "string"})
]


class LogChannel(Strict):
    """One line of JSON in the log of whatever runs here; there is one named `log` without being written."""

    type: Literal["log"]
    room: str = ""
    """What files call it: a route to `owner` comes here if the `channel` of the owner's file says the same."""


class Connected(Strict):
    """A channel whose address is a secret of the deployment."""

    connection: Name
    """A name; its URL comes from the environment, SLUICE_CONNECTION_<NAME>."""
    room: str = ""
    """What files call it: a route to `owner` comes here if the `channel` of the owner's file says the same."""


class PagerDutyChannel(Connected):
    """A service of PagerDuty, by Events API v2: one incident there for each one here."""

    type: Literal["pagerduty"]


class WebhookChannel(Connected):
    """Any address that takes signed JSON, as "Standard Webhooks" says."""

    type: Literal["webhook"]


class SlackChannel(Connected):
    """A channel of Slack, by an incoming webhook."""

    type: Literal["slack"]


class TeamsChannel(Connected):
    """A channel of Microsoft Teams, by a workflow's URL; connectors are retired."""

    type: Literal["teams"]


class EmailChannel(Connected):
    """E-mail, by a server that takes it (SMTP)."""

    type: Literal["email"]
    to: Annotated[
        tuple[Address, ...], BeforeValidator(_one_or_more), Field(min_length=1), _listed({"type": "string"})
    ]
    """Addresses; `owner` is that of who answers for what is wrong."""


class AppriseChannel(Connected):
    """Anything else that Apprise has a URL for: https://appriseit.com/services/."""

    type: Literal["apprise"]


ChannelSpec = (
    LogChannel
    | PagerDutyChannel
    | WebhookChannel
    | SlackChannel
    | TeamsChannel
    | EmailChannel
    | AppriseChannel
)
CHANNEL_TYPES: Mapping[str, type[ChannelSpec]] = {
    "log": LogChannel,
    "pagerduty": PagerDutyChannel,
    "webhook": WebhookChannel,
    "slack": SlackChannel,
    "teams": TeamsChannel,
    "email": EmailChannel,
    "apprise": AppriseChannel,
}


class Selecting(Strict):
    """Which incidents are meant: those of which every field that is written holds; * stands for any text."""

    source: Patterns = ()
    """Sources, by their contracts' names: what is wrong with a source or its raw table."""
    table: Patterns = ()
    """Tables, as `staging.stg_sales`: what is wrong with one."""
    export: Patterns = ()
    """Exports: what is wrong with one, or holds one up."""
    owner: Patterns = ()
    """Who answers for what is wrong, as the project's files say it."""
    kind: Kinds = ()
    """What is wrong."""
    urgency: Urgency = Urgency.INFO
    """This urgent, or more."""

    @property
    def selects_all(self) -> bool:
        """Whether every incident is meant."""
        named = (self.source, self.table, self.export, self.owner, self.kind)
        return not any(named) and self.urgency is Urgency.INFO


class RouteSpec(Selecting):
    """Who is told of which incidents; the first route that fits is taken, and no other."""

    to: To
    """Channels; `owner` is whoever answers for what is wrong, where the project's files say they are."""


class EscalationSpec(Selecting):
    """Who is told besides of an incident that nobody has acknowledged."""

    urgency: Urgency = Urgency.ERROR
    after: Span
    """How long after it was first told, as `30 min`."""
    to: To
    """Channels, or `owner`."""


class WindowSpec(Selecting):
    """When nobody is told of which incidents; what is still wrong at its end is told then.

    A window of an export mutes an incident only where it has to do with no other export.
    """

    name: _Text
    """Why, in a few words; shown beside what is muted."""
    cron: Cron | None = None
    """When it begins, each time: minute, hour, day of month (L: the last), month, day of week; in UTC."""
    lasts: Span | None = Field(default=None, alias="for", validate_default=True)
    """How long it lasts each time, as `4 h`."""
    begins: Moment | None = Field(default=None, alias="from")
    """When it begins, if it comes once, as 2026-05-01T22:00, in UTC."""
    until: Moment | None = Field(default=None, validate_default=True)
    """When it ends, if it comes once."""

    @field_validator("lasts")
    @classmethod
    def _ends(cls, lasts: timedelta | None, info: ValidationInfo) -> timedelta | None:
        if "cron" not in info.data:
            return lasts
        cron: str | None = info.data["cron"]
        if (cron is None) != (lasts is None):
            raise ValueError("`cron` and `for` together, or neither of them")
        if cron and lasts:
            begins = islice(cron_after(cron, _FROM), _BEGINNINGS)
            shortest = min((later - first for first, later in pairwise(begins)), default=None)
            if shortest is not None and lasts >= shortest:
                raise ValueError(f"less than {shortest}, as it begins again then and would never end")
        return lasts

    @field_validator("until")
    @classmethod
    def _once(cls, until: datetime | None, info: ValidationInfo) -> datetime | None:
        if not {"cron", "begins"} <= info.data.keys():
            return until
        cron, begins = info.data["cron"], info.data["begins"]
        if (begins is None) != (until is None) or (begins is None) == (cron is None):
            raise ValueError("either `cron` and `for`, or `from` and `until`")
        if begins and until and begins >= until:
            raise ValueError(f"a moment after `from`, {begins:%Y-%m-%dT%H:%M}")
        return until

    def ends_at(self, now: datetime) -> datetime | None:
        """Return when it ends if it is open at a moment (UTC); None if it is not."""
        if self.begins and self.until:
            return self.until if self.begins <= now < self.until else None
        if not self.cron or not self.lasts:
            return None
        begun = next(cron_after(self.cron, now + timedelta(microseconds=1), back=True), None)
        return begun + self.lasts if begun and begun + self.lasts > now else None


class HeartbeatSpec(Strict):
    """What is called at each look, so that somebody else notices when none comes."""

    connection: Name
    """A name; its URL (https://…) comes from the environment, SLUICE_CONNECTION_<NAME>."""


class AlertsSpec(Strict):
    """Who is told what is wrong, by which channel, and when not."""

    channels: Mapping[Name, ChannelSpec] = {}
    """Where messages go, by names that routes use."""
    routes: tuple[RouteSpec, ...] = Field(min_length=1)
    """Who is told of what; the last one has to fit every incident."""
    escalation: tuple[EscalationSpec, ...] = ()
    """Who is told next, as long as nobody acknowledges."""
    maintenance: tuple[WindowSpec, ...] = ()
    """When nobody is told."""
    heartbeat: HeartbeatSpec | None = None
    """What is called at each look."""
