"""The records of the state store, as the stages know them."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Drop:
    """What a provider landed for one partition: the `ordinal`-th time, with content `digest`.

    `file` is relative to the staging area; None stands for a day that had no drop and is closed.
    """

    source: str
    partition_key: str
    ordinal: int
    digest: str
    file: str | None
    size_bytes: int
    marker_stamp: str
    id: int = 0

    @property
    def key(self) -> str:
        """A name for this drop that is made of its content and its place, never of the time."""
        return f"{self.source}:{self.partition_key}:{self.ordinal}:{self.digest[:16]}"


@dataclass(frozen=True)
class Build:
    """One write of one partition of one table."""

    relation: str
    partition_key: str
    version: str
    run_id: str
    drop_ordinal: int | None = None
    rows: int | None = None
    id: int = 0
    built_at: datetime | None = None


@dataclass(frozen=True)
class Evidence:
    """What one check said of one version of one partition of one table."""

    relation: str
    partition_key: str
    check: str
    version: str
    passed: bool
    summary: str
    run_id: str
    judged_at: datetime | None = None


@dataclass(frozen=True)
class Delivery:
    """One plan for one partition of one export, and whether its destination acknowledged it."""

    delivery_id: str
    export: str
    partition_key: str
    version: str
    digest: str
    rows: int
    shard: str
    run_id: str
    acknowledged: bool = False
    location: str = ""
    acknowledged_at: datetime | None = None


@dataclass(frozen=True)
class Hold:
    """Why a partition of an export was not sent when it was last asked for."""

    export: str
    partition_key: str
    reasons: tuple[str, ...]
    run_id: str
