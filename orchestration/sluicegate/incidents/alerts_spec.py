"""What `alerts.yaml` may say: its fields, their defaults and what a value must be.

Belongs here: rules that one field, or two beside each other, can break. Does not belong here: what needs
another part of the file or of the project (`alerts_file`).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from importlib import import_module
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, get_args

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema, field_validator

from sluicegate.core.freshness import SPAN, UNITS, in_words, written_span
from sluicegate.delivery.export_files.strict import Strict
from sluicegate.incidents.trouble import TroubleKind, Urgency

OWNER = "owner"
LOG = "log"
ADDRESS = re.compile(r"[^@\s,;<>:\"/]+@[^@\s,;<>:\"/]+\.[^@\s,;<>:\"/]+")
_TO = re.compile(f"^({OWNER}|{ADDRESS.pattern})$")
_CRON_FIELDS = 5
# Of a cron so many beginnings are looked at, from a leap year's first day on.
_BEGINNINGS = 400
_YEAR, _STEPS = timedelta(days=366), 20_000
_FROM = datetime(2024, 1, 1, tzinfo=UTC)


def _one_or_more(value: Any) -> Any:
    return value if isinstance(value, (list, tuple)) else [value]


def _span(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value
    if (span := written_span(str(value))) is not None:
        return span
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


def _cron(value: Any) -> str:
    text, why = str(value), ""
    try:
        # With six fields the first would be seconds.
        if len(text.split()) == _CRON_FIELDS:
            if next(cron_after(text, _FROM), None) is not None:
                return text
            why = "; this one never begins"
    except import_module("cronsim").CronSimError as error:
        why = f"; here: {error}"
    raise ValueError(f"minute, hour, day of month, month and day of week, as `0 18 L * *`, in UTC{why}")


def _within(pattern: str, other: str) -> bool:
    """Whether all that a pattern fits another one fits; of sets and single characters only equal ones."""
    return pattern == other or (not set("?[") & {*pattern, *other} and fnmatchcase(pattern, other))


def _many(item: Any, schema: Mapping[str, Any] | None = None) -> Any:
    """The type of one value, or a list of them."""
    values = schema or {"type": "string", "minLength": 1}
    both = WithJsonSchema({"anyOf": [values, {"type": "array", "items": values, "minItems": 1}]})
    return Annotated[tuple[item, ...], BeforeValidator(_one_or_more), Field(min_length=1), both]


def _written(type_: Any, read: Callable[[Any], Any], pattern: str) -> Any:
    return Annotated[type_, BeforeValidator(read), WithJsonSchema({"type": "string", "pattern": pattern})]


NAME = re.compile(r"[a-z][a-z0-9_]*")
Name = Annotated[str, Field(pattern=f"^{NAME.pattern}$")]
if TYPE_CHECKING:
    Some: TypeAlias = tuple[str, ...]
    Addresses: TypeAlias = tuple[str, ...]
    Kinds: TypeAlias = tuple[TroubleKind, ...]
    Span: TypeAlias = timedelta
    Moment: TypeAlias = datetime
    Cron: TypeAlias = str
else:
    Some = _many(Annotated[str, Field(min_length=1)])
    Addresses = _many(Annotated[str, Field(pattern=_TO.pattern)], {"type": "string", "pattern": _TO.pattern})
    Kinds = _many(TroubleKind, {"enum": [kind.value for kind in TroubleKind]})
    Span = _written(timedelta, _span, SPAN.pattern)
    Moment = _written(datetime, _moment, r"^\d{4}-\d\d-\d\d")
    Cron = _written(str, _cron, r"^\S+( \S+){4}$")


class LogChannel(Strict):
    """One line of JSON in the log of whatever runs here; there is one named `log` without being written."""

    type: Literal["log"]
    room: str = ""
    """What files call it: `owner` is told here if the `channel` of the owner's file says the same."""


class ServiceChannel(LogChannel):
    """PagerDuty, a webhook (signed JSON), Slack, Teams, or what else https://appriseit.com/services/ has."""

    type: Literal["pagerduty", "webhook", "slack", "teams", "apprise"]  # pyright: ignore
    connection: Name
    """A name; its URL comes from the environment, SLUICE_CONNECTION_<NAME>."""


class EmailChannel(LogChannel):
    """E-mail, by a server that takes it (SMTP)."""

    type: Literal["email"]  # pyright: ignore
    connection: Name
    """A name; its URL comes from the environment, SLUICE_CONNECTION_<NAME>."""
    to: Addresses
    """Addresses; `owner` is that of who answers for what is wrong."""


ChannelSpec = LogChannel | ServiceChannel | EmailChannel
CHANNEL_TYPES: Mapping[str, type[LogChannel]] = {
    name: model
    for model in (LogChannel, EmailChannel, ServiceChannel)
    for name in get_args(model.model_fields["type"].annotation)
}


class Selecting(Strict):
    """Which incidents are meant: those of which every field that is written holds; * stands for any text."""

    source: Some = ()
    """Sources, by their contracts' names: what is wrong with a source or its raw table."""
    table: Some = ()
    """Tables, as `staging.stg_sales`: what is wrong with one."""
    export: Some = ()
    """Exports: what is wrong with one, or holds one up."""
    owner: Some = ()
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

    def covers(self, other: "Selecting") -> bool:
        """Whether every incident that another one means is meant here as well, by what is written."""
        named = ("source", "table", "export", "owner", "kind")
        pairs = [(getattr(self, field), getattr(other, field)) for field in named]
        return self.urgency.rank <= other.urgency.rank and all(
            not mine or (theirs and all(any(_within(one, pattern) for pattern in mine) for one in theirs))
            for mine, theirs in pairs
        )


class RouteSpec(Selecting):
    """Who is told of which incidents; the first route that fits is taken, and no other."""

    to: Some
    """Channels; `owner` is whoever answers for what is wrong, where the project's files say they are."""


class EscalationSpec(Selecting):
    """Who is told besides of an incident that nobody has acknowledged."""

    urgency: Urgency = Urgency.ERROR
    after: Span
    """How long after it was first told, as `30 min`."""
    to: Some
    """Channels, or `owner`."""


class WindowSpec(Selecting):
    """When nobody is told of which incidents; what is still wrong at its end is told then.

    A window of an export mutes an incident only where it has to do with no other export.
    """

    name: str = Field(min_length=1)
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
        cron: str | None = info.data.get("cron")
        if "cron" in info.data and (cron is None) != (lasts is None):
            raise ValueError("`cron` and `for` together, or neither of them")
        begins = pairwise(islice(cron_after(cron, _FROM), _BEGINNINGS)) if cron and lasts else ()
        shortest = min((later - first for first, later in begins), default=None)
        if lasts and shortest is not None and lasts >= shortest:
            raise ValueError(
                f"less than {in_words(shortest)}, after which it begins again: it would never end"
            )
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

    @classmethod
    def ends_together(cls, windows: "Sequence[WindowSpec]") -> bool:
        """Whether none of them is open at some moment of a year."""
        moment: datetime | None = _FROM
        for _ in range(_STEPS):
            moment = max(filter(None, (window.ends_at(moment) for window in windows)), default=None)
            if moment is None or moment > _FROM + _YEAR:
                return moment is None
        return False

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
