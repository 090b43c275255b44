"""The records of the state store, as the stages know them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


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


# {parent's relation: {partition key: version}}: what a build was made from.
Inputs = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Build:
    """One write of one partition of one table.

    `inputs` are the versions of all partitions of its parents that it read; None where it is not on record,
    as older code did not keep it, or was not read. `code` is a digest of the SQL, macros and variables that
    made it, `project` of the project directory whose graph it was built in; both empty where not on record.
    """

    relation: str
    partition_key: str
    version: str
    run_id: str
    drop_ordinal: int | None = None
    rows: int | None = None
    id: int = 0
    built_at: datetime | None = None
    inputs: Inputs | None = None
    code: str = ""
    project: str = ""


@dataclass(frozen=True)
class Evidence:
    """What one check said of one version of one partition of one table.

    `rules` is a digest of what it judged by. `content` is a digest of the rows that it judged, of a table
    that an export sends; both are empty where they are not on record. `reads` are the versions of other
    tables that it read; None where older code did not keep them.
    """

    relation: str
    partition_key: str
    check: str
    version: str
    passed: bool
    summary: str
    run_id: str
    judged_at: datetime | None = None
    rules: str = ""
    content: str = ""
    reads: Inputs | None = None


@dataclass(frozen=True)
class CheckError:
    """A check that could not run on a version, in `attempts` runs; given up where `next_try_at` is None."""

    relation: str
    partition_key: str
    check: str
    version: str
    rules: str
    said: str
    run_id: str
    attempts: int = 1
    failed_at: datetime | None = None
    next_try_at: datetime | None = None


class DeliveryStatus(StrEnum):
    """Where a plan stands.

    `planned`: nothing was sent. `held`: past a limit, waits for a person. `approved`, `rejected`: the
    person's word. `sending`: rows may have left. `acknowledged`: every row was settled. `superseded`: a newer
    plan took its place; what was acknowledged of it stays so. `overtaken`: the destination holds a newer
    partition, acknowledged, and nothing is sent.
    """

    PLANNED = "planned"
    HELD = "held"
    APPROVED = "approved"
    REJECTED = "rejected"
    SENDING = "sending"
    ACKNOWLEDGED = "acknowledged"
    SUPERSEDED = "superseded"
    OVERTAKEN = "overtaken"


# A plan that is not settled yet stands at one of these.
OPEN = (DeliveryStatus.PLANNED, DeliveryStatus.HELD, DeliveryStatus.APPROVED, DeliveryStatus.SENDING)


class DeliveryKind(StrEnum):
    """What asked for a plan: data that changed, or a person."""

    CHANGE = "change"
    RESYNC = "resync"
    REDELIVER = "redeliver"


@dataclass(frozen=True)
class Delivery:
    """One plan for one partition of one export, and what became of it.

    `scope` is the partition, or "" where the destination holds the newest partition alone. `rows` is what the
    scope holds once all is taken, `shard_rows` what is sent for it; `whole` tells that the shard has all of
    them. `sent_to`: rows below that number may have reached the destination, as older code noted it. `key` is
    the JSON list of the fields that tell rows apart. `made_by`, `place` and `source` are what made it besides
    the data, see `delivery.ledger`; "" where an older version made it. `partition_column` and `bounds` are
    those of its shard, see `Shard`. `alike` is a JSON object of what made two values of a key's field one; ""
    where an older version compared keys as they were. `key_types` is the JSON list of the types of the key's
    fields, as the model has them; `anew` tells that everything was sent anew, as what was known before was of
    no use. `sending` is the number of its last sending, see `Deliveries.new_sending`; 0 where older code
    sent it. `columns` is a JSON object of the model's columns by their fields, where those have other names;
    "" of an older version.
    """

    delivery_id: str
    export: str
    partition_key: str
    version: str
    digest: str
    rows: int
    shard: str
    run_id: str
    location: str = ""
    acknowledged_at: datetime | None = None
    status: DeliveryStatus = DeliveryStatus.PLANNED
    scope: str = ""
    kind: DeliveryKind = DeliveryKind.CHANGE
    mode: str = ""
    whole: bool = False
    supersedes: str = ""
    key: str = ""
    shape: str = ""
    hashed_by: str = ""
    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    shard_rows: int = 0
    sent_to: int = 0
    refused: int = 0
    reasons: tuple[str, ...] = ()
    decided_by: str = ""
    decision: str = ""
    made_by: str = ""
    place: str = ""
    source: str = ""
    partition_column: str = ""
    bounds: tuple[str, str] | None = None
    alike: str = ""
    key_types: str = ""
    columns: str = ""
    anew: bool = False
    sending: int = 0
    id: int = 0
    planned_at: datetime | None = None


@dataclass(frozen=True)
class RefusedKey:
    """A key that a destination refuses, with the vendor's words; `next_try_at` None: given up.

    `key` is the JSON list of the key's values as text, `row_hash` that of the row that was refused.
    """

    export: str
    scope: str
    key: str
    row_hash: str
    delivery_id: str
    code: str
    said: str
    attempts: int
    first_refused_at: datetime
    next_try_at: datetime | None


@dataclass(frozen=True)
class ForgottenKey:
    """A key that was taken out of a destination for good; `key_digest` is SHA-256 of salt and key.

    `fields` is a JSON object of digests of each field that was the key, or that a person named (see
    `delivery.ledger.forgotten`); "" where an older version kept the digest of the whole key alone.
    """

    export: str
    salt: str
    key_digest: str
    found: int
    outcome: str
    reason: str
    forgotten_by: str
    forgotten_at: datetime | None = None
    fields: str = ""


@dataclass(frozen=True)
class Base:
    """The whole of a scope after the delivery with the id `after_id`, in one shard."""

    export: str
    scope: str
    after_id: int
    shard: str
    rows: int
    shape: str
    hashed_by: str


@dataclass(frozen=True)
class Hold:
    """Why a partition of an export was not sent when it was last asked for.

    `waits_for` are the tables that are too old, or were built from what was: a newer drop lets it go by
    itself.
    """

    export: str
    partition_key: str
    reasons: tuple[str, ...]
    run_id: str
    waits_for: tuple[str, ...] = ()


@dataclass(frozen=True)
class FailedCheck:
    """A check that said no, by these rules, of one version of one partition of one table."""

    relation: str
    partition_key: str
    check: str
    version: str
    rules: str = ""


@dataclass(frozen=True)
class Release:
    """A person's word that one partition of one export may pass on named failed checks, once.

    `relation` is the export's model; `used_for_version` the version of it that went out under this release.
    `through`: also on checks that fail further down, on what is made of the data that these have failed on.
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
    through: bool = False

    def active(self, now: datetime) -> bool:
        """Whether it can still be used for the first time."""
        return self.used_for_version is None and now < self.until

    def holds_for(self, model_version: str | None, now: datetime) -> bool:
        """Whether it covers its checks while the model is at a version: unused, or used for that one."""
        return now < self.until and self.used_for_version in (None, model_version)

    def __str__(self) -> str:
        through = ", with what fails below for the same reason," if self.through else ""
        return f"released{through} by {self.released_by} until {self.until:%Y-%m-%d %H:%M} UTC: {self.reason}"
