"""What is wrong at one moment, and with what: the answer of a look into the records.

Belongs here: the words for it. Does not belong here: how it is found, and what was told of it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sluicegate.codes import code_in


class Urgency(StrEnum):
    """How much hurry there is; `INFO` wakes nobody."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Where it stands: 0 is the least."""
        return list(Urgency).index(self)


class RootKind(StrEnum):
    """What a trouble is with: a partition of a table, of a source that did not land, of an export's delivery.

    `FILL` is a partition of a table of Kusto that a function fills, `CONNECTION` a vendor or storage,
    `PLATFORM` the deployment itself, `PROMISE` what ends on a day.
    """

    TABLE = "table"
    SOURCE = "source"
    DELIVERY = "delivery"
    FILL = "fill"
    CONNECTION = "connection"
    PLATFORM = "platform"
    PROMISE = "promise"


@dataclass(frozen=True, order=True)
class Root:
    """What a trouble is with; `partition_key` is "" where it is with no partition.

    Neither check nor version is in it: a day that is corrected, and wrong again, is the same trouble.
    """

    kind: RootKind
    name: str
    partition_key: str = ""

    def __str__(self) -> str:
        return f"{self.name} [{self.partition_key}]" if self.partition_key else self.name


class TroubleKind(StrEnum):
    """What is wrong with it."""

    REFUSED_DROP = "refused drop"
    CHECK_FAILED = "check failed"
    CHECK_NOT_RUN = "check could not run"
    RUN_FAILED = "run failed"
    DELIVERY_FAILED = "delivery failed"
    DELIVERY_HELD = "delivery held"
    ROWS_REFUSED = "rows refused"
    NOT_RECONCILED = "not reconciled"
    LATE_SOURCE = "late source"
    LATE_EXPORT = "late export"
    STAGING = "staging"
    OUTAGE = "outage"
    EXPIRES = "expires"
    PLATFORM = "platform"


_CODES: Mapping[TroubleKind, str] = {
    TroubleKind.REFUSED_DROP: "SLU-D002",
    TroubleKind.CHECK_FAILED: "SLU-Q001",
    TroubleKind.CHECK_NOT_RUN: "SLU-Q002",
    TroubleKind.RUN_FAILED: "SLU-I005",
    TroubleKind.DELIVERY_FAILED: "SLU-E005",
    TroubleKind.DELIVERY_HELD: "SLU-E002",
    TroubleKind.ROWS_REFUSED: "SLU-E004",
    TroubleKind.NOT_RECONCILED: "SLU-E018",
    TroubleKind.LATE_SOURCE: "SLU-D021",
    TroubleKind.LATE_EXPORT: "SLU-I006",
    TroubleKind.STAGING: "SLU-D009",
    TroubleKind.OUTAGE: "SLU-E005",
    TroubleKind.EXPIRES: "SLU-E015",
    TroubleKind.PLATFORM: "SLU-I003",
}


@dataclass(frozen=True, order=True)
class Affected:
    """A partition of an export that waits for a trouble's end; `due_at` is its deadline, None without one."""

    export: str
    partition_key: str
    owner: str
    due_at: datetime | None = None


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, in words without any value of the data, and what fixes it.

    `fix` is what to type, or what to click. `run_id` and `step` are where it came up. `code` is that of its
    cause: as it is told, or as the words carry it, or else that of the kind.
    """

    kind: TroubleKind
    what: str
    fix: str = ""
    run_id: str = ""
    step: str = ""
    code: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "code", self.code or code_in(self.what) or _CODES[self.kind])

    @property
    def token(self) -> str:
        """What tells it from others: numbers that change from look to look are no other finding."""
        what = re.sub(r"[0-9]+", "#", self.what) if self.kind is TroubleKind.STAGING else self.what
        return f"{self.kind}: {what}"


@dataclass(frozen=True)
class Trouble:
    """All that is wrong with one root, and what waits for it.

    `owner` and `channel` are of who answers for the root, as its file says; "" where it says nothing.
    `due_at` is the nearest deadline of what it holds up. `holds` are other roots with which something is
    wrong that goes with this one. `quiet`: nobody is told yet, as it is tried once more.
    """

    root: Root
    urgency: Urgency
    findings: tuple[Finding, ...]
    owner: str = ""
    channel: str = ""
    affected: tuple[Affected, ...] = ()
    due_at: datetime | None = None
    holds: tuple[Root, ...] = ()
    quiet: bool = False

    @property
    def news(self) -> frozenset[str]:
        """What there is to tell, as tokens: who was told some of them is told again for a new one."""
        return frozenset(
            [
                *(f"at least {lower}" for lower in Urgency if lower.rank <= self.urgency.rank),
                *(finding.token for finding in self.findings),
                *(f"holds {affected.export}" for affected in self.affected),
            ]
        )


@dataclass(frozen=True)
class Notice:
    """What is said to a channel of one incident: no value of the data is in it.

    `action` is what became of the incident. `dedup_key` is the incident's, the same in all of its notices, of
    255 characters at most (PagerDuty's limit); `id` is the notice's own, the same at each try. `facts` are
    names and numbers by their heading, `links` URLs by their text.
    """

    id: str
    action: "Action"
    dedup_key: str
    title: str
    urgency: Urgency
    what: str
    fix: str
    source: str
    at: datetime
    facts: Mapping[str, str]
    links: Mapping[str, str]


class Action(StrEnum):
    """What became of an incident; a `SUMMARY` is of many that could not be told when they came up."""

    OPEN = "open"
    UPDATE = "update"
    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"
    SUMMARY = "summary"
    TEST = "test"
