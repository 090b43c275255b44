"""The records of the state store, as the stages know them."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class DropFile:
    """One file of a drop: its path below the staging area, its SHA-256 and its size in bytes."""

    path: str
    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class Drop:
    """What a provider landed for one partition: the `ordinal`-th time, with content `digest`.

    `file` is what people call it: the path of its one file relative to the staging area, or the pattern that
    several match; None stands for a partition that had no drop and is closed. `digest` is the SHA-256 of the
    one file, or over the sorted lines `path sha256 size` of several. `marker_stamp` is what the marker (or
    the manifest, or the files at rest) looked like when the drop was last seen.
    """

    source: str
    partition_key: str
    ordinal: int
    digest: str
    file: str | None
    size_bytes: int
    marker_stamp: str
    id: int = 0
    files: tuple[DropFile, ...] = ()
    landed_at: datetime | None = None

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


@dataclass(frozen=True)
class FailedCheck:
    """A check that said no of one version of one partition of one table."""

    relation: str
    partition_key: str
    check: str
    version: str


@dataclass(frozen=True)
class Release:
    """A person's word that one partition of one export may pass on named failed checks, once.

    `relation` is the export's model; `used_for_version` the version of it that went out under this release.
    """

    export: str
    relation: str
    partition_key: str
    checks: frozenset[FailedCheck]
    reason: str
    released_by: str
    until: datetime
    id: int = 0
    released_at: datetime | None = None
    used_for_version: str | None = None

    def active(self, now: datetime) -> bool:
        """Whether it can still be used for the first time."""
        return self.used_for_version is None and now < self.until

    def holds_for(self, model_version: str | None, now: datetime) -> bool:
        """Whether it covers its checks while the model is at a version: unused, or used for that one."""
        return now < self.until and self.used_for_version in (None, model_version)

    def __str__(self) -> str:
        return f"released by {self.released_by} until {self.until:%Y-%m-%d %H:%M} UTC: {self.reason}"
