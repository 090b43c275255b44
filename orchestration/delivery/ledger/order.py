"""What the ledger is asked for, and what it answers: free of Dagster, dbt and export files."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.compute.row_hash import fields_of
from orchestration.core.partitions import as_option, place
from orchestration.delivery.ledger.forgotten import BEFORE
from orchestration.delivery.ledger.keys import Alikes
from orchestration.delivery.ledger.limits import Difference, Limits
from orchestration.destinations.base import Mode, Receipt, Refused, Scope, Shard
from orchestration.state.records import Delivery, DeliveryKind, DeliveryStatus

if TYPE_CHECKING:
    import duckdb

# Exports ask for other numbers in their file.
_NO_LIMITS = Limits(empty=True)
_ATTEMPTS = 5
_WAIT_SECONDS = 900.0
_BUDGET_SECONDS = 1_800.0
_EXACT: Alikes = {}
# {field: ((the model's value as text, what is sent instead), …)}
Maps = Mapping[str, Sequence[tuple[str | None, str | None]]]
Names = Mapping[str, str]
NO_NAMES: Names = {}
NO_MAPS: Maps = {}


@dataclass(frozen=True)
class Order:
    """One partition of one export, to one destination.

    `key` and `partition_column` are fields, as the destination calls them. `partition_column` None: the
    destination holds the newest partition alone, so that all partitions share one scope. `attempts` is how
    often a refused row is tried before it is given up, `wait_seconds` how long after the first refusal; every
    further wait is twice the one before. `mend` says where the key is to be mended. `asked_by` and `reason`
    are on record with the plan, where a person asked for it. `stated` is what else the export says of which
    rows are sent, how, and whether they may, `place` the destination's object, in one spelling and without
    secrets: with them a plan is told from one that another export file made (see `identity`). `hidden` are
    fields of whose values nothing is shown. `replaces`: the destination can replace a scope whole. `alike` is
    what makes two values of a key's field one there, `whole_object`: rows are found by their keys
    wherever they are in the destination's object. `since` tells the ids of plans from those that were made of
    the same before: the restore that the records went through, "" without one. `model` is the table that is
    sent. `writes` tells how the destination is sent a key's value of a SQL type (see
    `Destination.key_written`). `columns` are the model's columns of fields that have other names there,
    `maps` what the last mile sends in the place of a field's values: an erasure asks for both.
    """

    export: str
    partition_key: str
    key: tuple[str, ...]
    mode: Mode
    partition_column: str | None
    bounds: tuple[str, str] | None = None
    limits: Limits = _NO_LIMITS
    tolerated_share: float = 0.0
    attempts: int = _ATTEMPTS
    wait_seconds: float = _WAIT_SECONDS
    budget_seconds: float = _BUDGET_SECONDS
    mend: str = "mend the model, or the export's key"
    kind: DeliveryKind = DeliveryKind.CHANGE
    asked_by: str = ""
    reason: str = ""
    stated: str = ""
    place: str = ""
    hidden: frozenset[str] = frozenset()
    replaces: bool = True
    alike: Alikes = field(default_factory=lambda: _EXACT)
    whole_object: bool = False
    since: str = ""
    model: str = ""
    writes: Callable[[str], str] = lambda _: ""
    columns: Names = field(default_factory=lambda: NO_NAMES)
    maps: Maps = field(default_factory=lambda: NO_MAPS)

    @property
    def key_text(self) -> str:
        """The key as the records write it."""
        return json.dumps(self.key)

    @property
    def latest_only(self) -> bool:
        """Whether the destination holds the newest partition alone."""
        return self.partition_column is None

    @property
    def scope(self) -> str:
        """The part of the destination's object that this partition is compared with."""
        return "" if self.latest_only else self.partition_key

    def again(self, partition_key: str) -> str:
        """Return the command that brings a partition of the export to the destination again."""
        if not self.model:
            return f"`sluice delivery resend {self.export}{as_option(partition_key)}`"
        return f"`sluice table rerun {self.model}{as_option(partition_key)}`"

    @property
    def resync(self) -> str:
        """The command that sends everything of the partition."""
        return f"`sluice delivery resend {self.export}{as_option(self.partition_key)}`"

    def scope_with(self, fields: Iterable[str]) -> Scope:
        """The same part as a destination is told it, with the fields that it has there."""
        return Scope(
            export=self.export,
            partition_key=self.partition_key,
            key=self.key,
            fields=tuple(fields),
            partition_column=self.partition_column,
            bounds=self.bounds,
        )


@dataclass(frozen=True)
class Opened:
    """Validated rows in the local engine: `source` is SQL whose columns are the fields.

    Columns whose names begin with `BEFORE` are no fields, but what the model has in a field's place.

    `content` is a digest of the rows that were judged, "" where nobody judged them. `rightly_empty`: a
    partition without rows may be so (`empty_days`). `made_of` is the SQL of the rows where they
    were validated; "" where that is `source`.
    """

    connection: "duckdb.DuckDBPyConnection"
    source: str
    version: str
    content: str = ""
    rightly_empty: bool = False
    made_of: str = ""

    @cached_property
    def fields(self) -> dict[str, str]:
        """{field: SQL type} of the rows."""
        return {name: kind for name, kind in self._columns.items() if not name.startswith(BEFORE)}

    @cached_property
    def before(self) -> dict[str, str]:
        """{the model's column: SQL type} of what stands beside the fields as it was before the last mile."""
        found = self._columns.items()
        return {name.removeprefix(BEFORE): kind for name, kind in found if name.startswith(BEFORE)}

    @cached_property
    def _columns(self) -> dict[str, str]:
        return fields_of(self.connection, self.source)


@dataclass(frozen=True)
class Plan:
    """A plan on record; `difference` is None where it was planned before, or nothing is to be compared.

    `in_the_way`: it is another order's, and has to be brought to its end before this one is planned.
    """

    delivery: Delivery
    difference: Difference | None = None
    in_the_way: bool = False

    def to_be_sent(self) -> bool:
        """Return whether it goes to the destination; not if that holds a newer partition alone.

        Raises:
            DeliveryHeld: it went past a limit, and no person let it go yet.
            DeliveryRejected: a person rejected it.
        """
        if self.delivery.status is DeliveryStatus.HELD:
            raise DeliveryHeld(self.delivery)
        if self.delivery.status is DeliveryStatus.REJECTED:
            raise DeliveryRejected(self.delivery)
        return self.delivery.status is not DeliveryStatus.OVERTAKEN


@dataclass(frozen=True)
class Outcome:
    """What became of an order.

    `difference` is None where a delivery was taken up that had been planned before; `receipt` where nothing
    had to be sent. `refused` are the rows that the destination refused of this delivery.
    """

    delivery: Delivery
    difference: Difference | None
    receipt: Receipt | None
    refused: tuple[Refused, ...] = ()
    given_up: int = 0
    waiting: int = 0
    tolerated_share: float = 0.0

    @property
    def sent(self) -> bool:
        """Whether anything went to the destination."""
        return self.receipt is not None and not self.receipt.already_delivered

    @property
    def too_many_refused(self) -> bool:
        """Whether a larger share was refused than the export tolerates."""
        rows = max(self.delivery.shard_rows, 1)
        return bool(self.refused) and len(self.refused) / rows > self.tolerated_share


class DeliveryHeld(Exception):
    """A plan went past a limit, and waits for a person; nothing was sent."""

    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery
        reasons = "\n".join(f"- {reason}" for reason in delivery.reasons)
        super().__init__(
            f"delivery {delivery.delivery_id} of {place(delivery.export, delivery.partition_key)} is held,"
            f" nothing was sent:\n\n{reasons}\n\nlook at it: `sluice delivery plan {delivery.export}"
            f"{as_option(delivery.partition_key)}`; then `sluice delivery approve {delivery.delivery_id}"
            f" --reason …` or `sluice delivery reject {delivery.delivery_id} --reason …`"
        )


class DeliveryRejected(Exception):
    """A person rejected this very plan; nothing is sent until the data or the export file are others."""

    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery
        super().__init__(
            f"delivery {delivery.delivery_id} of {place(delivery.export, delivery.partition_key)} was"
            f" rejected by {delivery.decided_by}: {delivery.decision}; nothing is sent until the partition is"
            " built anew"
        )


def key_of(order: Order, delivery: Delivery) -> tuple[str, ...]:
    """Return the fields that tell the rows of a recorded plan apart, whatever the order says by now."""
    return tuple(json.loads(delivery.key)) if delivery.key else order.key


def planned_by(order: Order, delivery: Delivery) -> Order:
    """Return an order as a recorded plan was made by it, where a newer one ends it."""
    shard = shard_of(order, delivery)
    return replace(
        order,
        partition_key=delivery.partition_key,
        key=shard.key,
        mode=shard.mode,
        partition_column=shard.partition_column,
        bounds=shard.bounds,
    )


def shard_of(order: Order, delivery: Delivery) -> Shard:
    """Return what the destination is given of a recorded plan.

    All of it is the plan's own: the order may be another export file's, which ends it. An older version did
    not record the partition's column and bounds.
    """
    recorded = bool(delivery.made_by)
    # After a restore the destination may be past the end of the records: everything replaces whatever it is.
    replaces_all = order.since and delivery.whole and delivery.kind is DeliveryKind.RESYNC
    return Shard(
        export=delivery.export,
        partition_key=delivery.partition_key,
        delivery_id=delivery.delivery_id,
        path=Path(delivery.shard),
        rows=delivery.shard_rows,
        key=key_of(order, delivery),
        partition_column=(delivery.partition_column or None) if recorded else order.partition_column,
        digest=delivery.digest,
        mode=Mode(delivery.mode),
        full=delivery.whole,
        version=delivery.version,
        supersedes="" if replaces_all else delivery.supersedes,
        bounds=delivery.bounds if recorded else order.bounds,
    )
