"""What every destination promises: the shard it is given, the journal it writes, the interface.

Belongs here: the vocabulary that the delivery engine and the destinations share.
Does not: anything of one destination, any heavy import (this module is read whenever the graph
is loaded), any knowledge of export files, plans or settings.
"""

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from time import monotonic
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict

from sluicegate.compute.alike import EXACT as EXACT  # what capabilities say of keys
from sluicegate.compute.alike import Alike as Alike
from sluicegate.core.loopback import hosts_in
from sluicegate.core.ranges import Ranges as Ranges

from .errors import DeliveryError as DeliveryError  # what a destination raises is part of the interface

# The columns of a shard that are the engine's; everything after them is a field as the destination calls it.
ROW, CHANGE, CHANGED_FIELDS, ROW_HASH = "_row", "_change", "_changed_fields", "_row_hash"
TECHNICAL_COLUMNS = (ROW, CHANGE, CHANGED_FIELDS, ROW_HASH)

_NO_DETAILS: Mapping[str, str | int | float] = {}


class Mode(StrEnum):
    """What a delivery makes of the destination.

    `append` adds rows and touches none; `upsert` adds and changes; `mirror` removes as well, so that the
    scope is equal to the model; `snapshot` replaces the scope whole, each time.
    """

    APPEND = "append"
    UPSERT = "upsert"
    MIRROR = "mirror"
    SNAPSHOT = "snapshot"


class Change(StrEnum):
    """What a row of a shard does to its key, as `_change` says.

    `moved`: the key is in another scope of the object now, and nothing is to be done. Such rows are settled
    before a destination is given the shard: they are never pending.
    """

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"
    MOVED = "moved"


# As request-by-request vendors find a record.
ANYWHERE: frozenset[Mode] = frozenset({Mode.UPSERT, Mode.MIRROR})


@dataclass(frozen=True, slots=True)
class KeyIdentity:
    """When a destination takes two keys for one.

    `alike` is what makes two values of a key's field one; where that depends on the object's own fields see
    `Destination.key_alike`. `single`: rows are told apart by one field, not several. `anywhere`: the
    modes in which a row is written, and removed, by its key wherever that is in the object, and not only in
    the scope that it is meant for.
    """

    alike: frozenset[Alike] = EXACT
    single: bool = False
    anywhere: frozenset[Mode] = frozenset()


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a kind of destination can do.

    `read_back`: what it holds can be read, so that it can be reconciled. `delete`: single keys can be taken
    out, for `mirror` and for erasure requests. `keys`: when two keys are one there. `folds_text`: a text
    loses the white space at its ends there, and an empty one is null: what is read back differs by that, and
    nobody has changed it.
    """

    modes: frozenset[Mode]
    read_back: bool
    delete: bool
    keys: KeyIdentity = KeyIdentity()
    folds_text: bool = False


@dataclass(frozen=True, slots=True)
class Shard:
    """One plan, frozen in a Parquet file: what is to be done at the destination, row by row.

    The file has the columns `_row` (int64, 0 to `rows` - 1, ascending), `_change` (text, a `Change`),
    `_changed_fields` (list of text: the fields that differ from what the destination acknowledged, null
    for added and removed rows), `_row_hash` (uint64), and then the fields under the names that the
    destination knows them by. A removed row has the values that the destination holds.

    `key` are fields. `partition_column` is the field that tells the partition; None where the destination
    holds the newest partition alone (`partitions: latest`): then the scope is the whole object, otherwise the
    slice of the partition. `bounds` are those of a partition that is a span of time, half-open, ISO 8601
    in UTC; without them every value of `partition_column` is the partition key.

    `full`: the shard has every row that the scope is to hold, all of them `added`; with mode `mirror` or
    `snapshot` what else the scope holds has to go. `version` is that of the model's data, `supersedes` the
    delivery that the scope held before, "" for the first.
    """

    export: str
    partition_key: str
    delivery_id: str
    path: Path
    rows: int
    key: tuple[str, ...]
    partition_column: str | None
    digest: str
    mode: Mode
    full: bool
    version: str = ""
    supersedes: str = ""
    bounds: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """One row that the destination did not take, with the vendor's own words.

    `row` is its `_row`; `code` the vendor's error code, "" if it gives none; `said` its message. `in_part`:
    something of it may be there all the same, as a row takes several requests.
    """

    row: int
    code: str
    said: str
    in_part: bool = False


class Journal(Protocol):
    """Where a delivery stands, durably; every call may come from any thread.

    A destination calls `leaving` before each request that changes something, with the rows that it has, and
    then `acknowledge` once it knows what became of them, or `stayed` where nothing was done for certain. What
    is neither acknowledged nor taken back may have arrived. After a crash the engine calls `send` again with
    the same shard, and `pending` is what is left.
    """

    def pending(self) -> Sequence[tuple[int, int]]:
        """Return the half-open ranges of `_row` that are not settled, ascending; adjacent ones joined."""
        ...

    def leaving(self, rows: Ranges) -> str:
        """Note that a request with these rows may reach the destination from now on; return the note's name.

        Durable when it returns. Without rows it is one that changes the scope as a whole: what a full shard
        does not have goes. The note is made in the transaction that asks whether this process may still send.

        Raises:
            DeliveryError: another process sends now; nothing may leave.
        """
        ...

    def stayed(self, note: str) -> None:
        """Take a note back: its request has not left, or has changed nothing for certain."""
        ...

    def acknowledge(self, first: int, end: int, refused: Sequence[Refused] = (), note: str = "") -> None:
        """Note that the destination has settled the rows from `first` to before `end`; durable as well.

        All of them are taken but the refused ones. `note` is that of the request that was answered with this.
        """
        ...

    def finishes(self) -> bool:
        """Return whether what a full shard does not have is to go.

        Not so where a newer plan ends this one, and that work has not begun: it is not begun any more.
        """
        ...

    def keep(self, name: str, value: str) -> None:
        """Remember a text under a name of this delivery (a vendor's job id), over any earlier; durable."""
        ...

    def kept(self) -> Mapping[str, str]:
        """Return everything that was kept for this delivery."""
        ...

    def tell(self, text: str) -> None:
        """Show progress to people; never a secret or a row."""
        ...


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the destination holds once `send` has returned.

    `already_delivered`: the destination knew this delivery id and nothing was sent.
    """

    rows: int
    location: str
    already_delivered: bool = False
    details: Mapping[str, str | int | float] = field(default_factory=lambda: _NO_DETAILS)


@dataclass(frozen=True, slots=True)
class Scope:
    """What part of the destination's object is meant when it is read back or keys are taken out.

    `fields` are all that the export sends, `key` some of them; for `partition_key`, `partition_column` and
    `bounds` see `Shard`.
    """

    export: str
    partition_key: str
    key: tuple[str, ...]
    fields: tuple[str, ...]
    partition_column: str | None
    bounds: tuple[str, str] | None = None


class NoOptions(BaseModel):
    """A destination that takes no options of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Destination(ABC):
    """One object (a table, a folder, a CRM's object type) in one place, which shards are delivered to.

    `options_model` are the fields that `destination.options` of an export file may have; an instance gets
    them validated as `self._options`. `budget_seconds` is how long a delivery may wait for the destination in
    all, see `counting`; each method ends within `seconds_left`, and a few seconds more. `sends_pending`:
    `send` takes rows one by one, as the journal has them pending; otherwise it gets a shard without the rows
    that were refused beforehand. `takes_hugeint`: whole numbers of 39 digits as well, for which their field
    is text in the shard's file; for others it is always a decimal of 38 digits, and rows with more are
    refused beforehand.
    """

    type_name: ClassVar[str]
    guarantee: ClassVar[str]
    capabilities: ClassVar[Capabilities]
    kinds: ClassVar[frozenset[str]]
    options_model: ClassVar[type[BaseModel]] = NoOptions
    budget_seconds: float = 1800.0
    sends_pending: ClassVar[bool] = False
    takes_hugeint: ClassVar[bool] = False
    _spent: float = 0.0
    _since: float | None = None

    def __init__(self, url: str, object_name: str, options: BaseModel | None = None) -> None:
        self._url = url
        self._object_name = object_name
        self._options = options if options is not None else self.options_model()

    @property
    def options(self) -> BaseModel:
        """What `destination.options` of the export file says."""
        return self._options

    def begin(self, budget_seconds: float) -> None:
        """Give the destination so many seconds for all that is asked of it from now on, while it counts."""
        self.budget_seconds, self._spent = budget_seconds, 0.0

    @contextmanager
    def counting(self) -> Generator[None]:
        """Count the time of the block against the budget; what is done between two blocks costs nothing."""
        self._since = monotonic()
        try:
            yield
        finally:
            self._spent += monotonic() - self._since
            self._since = None

    def seconds_left(self) -> float:
        """How long what is asked now may take; 0 if the budget is spent.

        Where nobody counts, each call has the whole budget.
        """
        if self._since is None:
            return self.budget_seconds
        return max(0.0, self.budget_seconds - self._spent - (monotonic() - self._since))

    def too_late(self, doing: str, waited_for: str) -> DeliveryError:
        """The error that says that the budget ended while something was waited for."""
        return DeliveryError(
            "SLU-E006",
            f"{doing}: the time for one delivery, {self.budget_seconds:g} s, is spent in waiting for"
            f" {waited_for}",
            "a destination that answers within the export's `budget`",
            "look why it does not answer, then run the export again: it takes up where this one ended; if it"
            " only needs longer, raise `budget` in the export file",
        )

    @classmethod
    @abstractmethod
    def canonical_name(cls, object_name: str) -> str:
        """One spelling for one object of a given connection; needs no URL.

        Raises:
            DeliveryError: the text names no object.
        """

    @abstractmethod
    def canonical_object(self) -> str:
        """One spelling for one object in one place; holds no secret.

        Raises:
            DeliveryError: the connection's URL is none of this kind.
        """

    def hosts(self) -> Sequence[str]:
        """Return the hosts that are spoken to, a vendor's default ones too; none where it is a directory.

        By default those of the connection's URL.
        """
        return hosts_in(self._url)

    def key_alike(self, key: Mapping[str, str]) -> Mapping[str, frozenset[Alike]]:
        """Return what makes two values one, for each field of a key; `key` is {field: SQL type}.

        By default what the capabilities say. Asked before each plan, under the lease: no two plans of one
        scope should be told otherwise without reason.

        Raises:
            DeliveryError: the destination has to be asked, and does not answer.
        """
        return dict.fromkeys(key, self.capabilities.keys.alike)

    @classmethod
    def key_written(cls, kind: str, options: BaseModel) -> str:  # noqa: ARG003
        """Return in words how a key's value of a SQL type is written in what is sent; by default "".

        Two that differ are two keys to whoever reads them, although the values are equal. "" where a value
        of that type, and any other of its family (whole numbers, say), is always written in one way.
        """
        return ""

    def check(self, shard: Shard) -> None:  # noqa: B027 - not every destination has something to check
        """Raise DeliveryError for what the destination could not take: types, schema, privileges, sizes.

        Called before anything of a shard is sent. By default nothing is checked.
        """

    def offline(self) -> bool:
        """Make ready to be asked `inexact` where there is no destination; False where it has to be asked."""
        return False

    def inexact(self, shard: Shard) -> Sequence[Refused]:  # noqa: ARG002
        """Return the rows with a value that would not arrive as it is, ascending; by default none.

        Asked after `check`, before anything is sent. Such a row is refused by its key, with field, reason and
        fix, and is not in what `send` gets; the others are sent. `exact_values` has what this takes.
        """
        return ()

    @abstractmethod
    def send(self, shard: Shard, journal: Journal) -> Receipt:
        """Bring the pending rows of a shard to the destination, as `guarantee` says.

        The same delivery id again changes nothing more. When it returns, nothing is pending.

        Raises:
            DeliveryError: the destination cannot be reached or refuses all; what was acknowledged stays so.
        """

    def arrived(self, shard: Shard) -> bool | None:  # noqa: ARG002
        """Return whether a delivery id has arrived whole; None where the destination cannot tell.

        Asked after a crash, when a newer plan is at hand and this one should not be sent any more.
        """
        return None

    def find_out(self, shard: Shard, journal: Journal) -> None:  # noqa: B027 - few destinations can tell
        """Acknowledge those pending rows of which the destination can tell what became, and send nothing.

        Asked as `arrived` is, where that cannot tell: the rows that are pending then may have arrived.
        """

    def read_back(self, scope: Scope) -> Iterator[Any]:
        """Yield what the scope holds as Arrow record batches with the scope's fields, in any order.

        Values compare equal to those sent, or to their text form (ISO 8601) where a vendor knows only text.

        Raises:
            NotImplementedError: the destination cannot be read; see `capabilities.read_back`.
        """
        raise NotImplementedError

    def forget(self, scope: Scope, keys: Sequence[Mapping[str, Any]]) -> int:
        """Take keys out of the scope, by values of the key's fields; return how many were there.

        Raises:
            NotImplementedError: keys cannot be taken out; see `capabilities.delete`.
            DeliveryError: the destination cannot be reached or refuses.
        """
        raise NotImplementedError

    def __repr__(self) -> str:
        # The default of a subclass would tempt somebody to show the URL, password and all.
        return f"{type(self).__name__}({self._object_name!r})"
