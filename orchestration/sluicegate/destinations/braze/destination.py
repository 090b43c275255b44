"""Braze: attributes of user profiles, by external id.

Belongs here: which objects a shard's rows become, whose row an error is, what a delivery costs.
Does not: events (`events`), requests (`client`), pace and repetition (`batches`).
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from itertools import islice
from threading import Lock
from typing import Any, ClassVar, cast

from pydantic import BaseModel, ConfigDict, Field

from sluicegate.compute.sql_types import SqlType

from ..base import (
    ANYWHERE,
    TECHNICAL_COLUMNS,
    Alike,
    Capabilities,
    DeliveryError,
    Journal,
    KeyIdentity,
    Mode,
    Receipt,
    Refused,
    Scope,
    Shard,
)
from ..batches import Batch, BatchDestination, Rate
from ..cutting import Row
from ..exact_values import Unfit, check_kinds, nested, unfit_rows
from ..http import base_url
from .attributes import unfit_attribute
from .client import (
    DELETED,
    OBJECTS,
    TEXT_CHARACTERS,
    BrazeClient,
    Unwritable,
    takes,
    unfit,
)
from .sizes import ARRAY_ITEMS, attribute, check_object

USER = "external_id"
# Not attributes but other identifiers, and switches of the request:
# https://www.braze.com/docs/api/objects_filters/user_attributes_object
_NO_ATTRIBUTES = frozenset(
    {"braze_id", "user_alias", "_update_existing_only", "_merge_objects", "push_token_import"}
)
_POINTS = "data_points"


class BrazeOptions(BaseModel):
    """What a workspace of Braze allows.

    `rate_requests` in any `rate_seconds`, to /users/track: Braze allows a workspace 3,000 in 3 seconds, if
    its contract (by monthly active users, say, with limits by the hour) does not say otherwise.
    https://www.braze.com/docs/api/api_limits
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rate_requests: int = Field(default=3_000, ge=1)
    rate_seconds: float = Field(default=3.0, gt=0)


class BrazeUserOptions(BrazeOptions):
    """What a workspace of Braze allows, and keeps of an attribute.

    `array_items`: elements of an array attribute, as its maximum in Braze is set; of more the first are lost.
    """

    array_items: int = Field(default=ARRAY_ITEMS, ge=1, le=ARRAY_ITEMS)


class BrazeTracking(BatchDestination):
    """What users and events have in common: both are sent to /users/track, and cost data points.

    The connection is `braze://[WORKSPACE]:API_KEY@rest.iad-01.braze.com`, the host that of the workspace's
    instance; a name for the workspace, of your own, tells it from another one there.
    """

    kinds: ClassVar[frozenset[str]] = frozenset({"braze"})
    batch_rows: ClassVar[int] = OBJECTS
    options_model: ClassVar[type[BaseModel]] = BrazeOptions
    parallel: ClassVar[int] = 12
    array: ClassVar[str]

    def __init__(self, url: str, object_name: str, options: BaseModel | None = None) -> None:
        super().__init__(url, object_name, options)
        self._name = self.canonical_name(object_name)
        self._braze = BrazeClient(url, self.seconds_left)
        self._points = 0
        self._lock = Lock()

    @abstractmethod
    def _made_of(self, row: Row) -> dict[str, Any]:
        """The object that a row becomes; raises Unwritable if Braze cannot hold it."""

    def canonical_object(self) -> str:
        """One spelling for what is sent, and for the instance of Braze.

        The workspace is the key's; where the URL names it, that tells two of one instance apart.
        """
        workspace = self._url.partition("://")[2].rpartition("@")[0].partition(":")[0]
        named = f"{workspace}@" if workspace else ""
        return f"braze://{named}{base_url(self._url).partition('://')[2]}/{self._name}"

    def account(self) -> str:
        """Users and events of one workspace have one limit, that of /users/track."""
        return "\n".join(("braze", base_url(self._url), self._url.partition("://")[2].rpartition("@")[0]))

    def rate_allowed(self) -> Rate | None:
        """As the options say."""
        options = cast("BrazeOptions", self._options)
        return Rate(options.rate_requests, options.rate_seconds)

    def send(self, shard: Shard, journal: Journal) -> Receipt:
        """Send the pending rows; `data_points` of the receipt's details is what they have cost.

        As far as Braze has answered: what arrived before a crash or a lost answer is not counted.
        """
        self._points = int(journal.kept().get(_POINTS, "0"))
        try:
            receipt = super().send(shard, journal)
        finally:
            if self._points:
                journal.keep(_POINTS, str(self._points))
        return replace(receipt, details={**receipt.details, _POINTS: self._points})

    def offline(self) -> bool:
        """Its values are judged by rules that stand here."""
        return True

    def inexact(self, shard: Shard) -> Sequence[Refused]:
        """Return the rows with values that no attribute or property can hold."""
        return unfit_rows(shard, lambda name, value, kind: self._unfit(name, value, kind, shard))

    def _unfit(self, name: str, value: str, kind: SqlType, shard: Shard) -> Iterator[Unfit]:  # noqa: ARG002
        """Yield what no attribute or property can hold of a field."""
        yield from nested(value, kind, unfit)

    def send_batch(self, shard: Shard, batch: Batch) -> Sequence[Refused]:  # noqa: ARG002 - the interface
        """Send up to 75 objects, and say which of them Braze refused."""
        sent, refused = self._objects(batch.rows)
        if not sent:
            return refused
        wrong = self._braze.track(self.array, [made for _, made in sent])
        taken = [made for place, (_, made) in enumerate(sent) if place not in wrong]
        with self._lock:
            self._points += _data_points(self.array, taken)
        return refused + [Refused(sent[place][0], "", said) for place, said in wrong.items()]

    def unwritable(self, shard: Shard, rows: Sequence[Row]) -> Sequence[Refused]:  # noqa: ARG002
        """Return the rows that no object can be made of."""
        return self._objects(rows)[1]

    def _objects(self, rows: Sequence[Row]) -> tuple[list[tuple[int, dict[str, Any]]], list[Refused]]:
        sent: list[tuple[int, dict[str, Any]]] = []
        refused: list[Refused] = []
        for row in rows:
            try:
                made = self._made_of(row)
                check_object(made)
                sent.append((row.number, made))
            except Unwritable as problem:
                refused.append(Refused(row.number, "UNWRITABLE", str(problem)))
        return sent, refused


class BrazeDestination(BrazeTracking):
    """The user profiles of one workspace; the object is `users`, the key `external_id`.

    Of a changed row only the changed fields are sent, as each costs a data point. A null removes the
    attribute: of an added row, too, as others may have made the profile. The API key needs the permissions
    `users.track` and, for erasure requests, `users.delete`.

    There is no mirror, and nothing is read back: Braze cannot list its users (it exports profiles by id, 50 a
    request, or segments to a bucket), so that what a scope holds cannot be told without knowing the keys.
    Besides, to delete a profile is to delete what all others have written to it.
    """

    type_name: ClassVar[str] = "braze"
    guarantee: ClassVar[str] = (
        "effectively once, by external id; what arrives again changes nothing more, but costs data points;"
        " a request that was on its way when its process was stopped may arrive after newer ones"
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        modes=frozenset({Mode.UPSERT}),
        read_back=False,
        delete=True,
        # Braze tells capital letters from small ones, and keeps an external id as text.
        keys=KeyIdentity(frozenset({Alike.TEXT}), single=True, anywhere=ANYWHERE),
    )
    array: ClassVar[str] = "attributes"
    options_model: ClassVar[type[BaseModel]] = BrazeUserOptions

    @classmethod
    def canonical_name(cls, object_name: str) -> str:
        """`users`, whatever the case."""
        if object_name.strip().lower() != "users":
            raise DeliveryError(
                "SLU-V004",
                f"destination.object {object_name!r} is nothing that Braze's profiles have",
                "users; events go to a destination of the type braze_events",
                "correct destination.object in the export file",
            )
        return "users"

    def check(self, shard: Shard) -> None:
        """Raise unless the key is `external_id` and every other field an attribute's name."""
        if shard.key != (USER,):
            raise DeliveryError(
                "SLU-V501",
                f"{shard.export} has the key {', '.join(shard.key)}",
                f"the key {USER}: Braze finds a profile by it",
                f"rename the key's column to {USER} in `names` of the export file",
            )
        names = fields_of(shard)
        wrong = [name for name in names if name in _NO_ATTRIBUTES or len(name) > TEXT_CHARACTERS]
        if wrong:
            raise DeliveryError(
                "SLU-V502",
                f"{', '.join(wrong)} cannot be an attribute of a profile in Braze",
                f"names of at most {TEXT_CHARACTERS} characters, and none that Braze gives another meaning",
                "rename the fields in the export file, or take them out",
            )
        if len(names) < 2:
            raise DeliveryError(
                "SLU-V503",
                f"{shard.export} has no field beside {USER}",
                "at least one attribute",
                "add columns to the export's model",
            )
        check_types(shard)

    def _unfit(self, name: str, value: str, kind: SqlType, shard: Shard) -> Iterator[Unfit]:
        yield from super()._unfit(name, value, kind, shard)
        if name not in shard.key:
            yield from unfit_attribute(name, value, kind)

    def forget(self, scope: Scope, keys: Sequence[Mapping[str, Any]]) -> int:
        """Delete user profiles with all that they have; return how many Braze says that it will delete.

        Braze deletes them later, within hours, and whatever source their attributes and events came from.
        """
        users = iter(dict.fromkeys(str(key[scope.key[0]]) for key in keys))
        count = 0
        while some := list(islice(users, DELETED)):
            count += self.insist(lambda some=some: self._braze.delete_users(some))
        return count

    def _made_of(self, row: Row) -> dict[str, Any]:
        fields = row.values if row.changed_fields is None else row.changed_fields
        items = cast("BrazeUserOptions", self._options).array_items
        sent = {name: attribute(name, row.values[name], items) for name in fields if name != USER}
        return {USER: str(row.values[USER])} | sent


def _data_points(array: str, taken: Sequence[Mapping[str, Any]]) -> int:
    """One for each event, and for "any attribute set".

    https://www.braze.com/docs/user_guide/data/infrastructure/data_points/
    """
    return len(taken) if array == "events" else sum(len(made) - 1 for made in taken)


def check_types(shard: Shard) -> None:
    """Raise for fields that Braze has no attributes or properties for."""
    expected = "text, numbers, booleans, dates, moments, and lists and structs of them"
    check_kinds(shard, takes, "Braze", expected)


def fields_of(shard: Shard) -> dict[str, Any]:
    """The Arrow types of a shard's fields by name, without the engine's own columns."""
    schema = import_module("pyarrow.parquet").read_schema(shard.path)
    return {field.name: field.type for field in schema if field.name not in TECHNICAL_COLUMNS}
