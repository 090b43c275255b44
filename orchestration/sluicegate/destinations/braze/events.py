"""Braze: events of users, appended.

Belongs here: which event a row becomes. Does not: what users and events have in common (`braze`), requests
(`client`).
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, ClassVar

from sluicegate.compute.sql_types import SqlType

from ..base import Capabilities, DeliveryError, Mode, Shard
from ..cutting import Row
from ..exact_values import Unfit
from .client import TEXT_CHARACTERS, Unwritable
from .destination import USER, BrazeTracking, check_types, fields_of
from .sizes import check_properties, event_property, written

_TIME = "time"
_PREFIX = "events/"
# "The following keys are reserved"; the other one is `time`, which is the event's own. Of more than 256
# properties "only the first 256 will be captured". https://www.braze.com/docs/api/objects_filters/event_object
_RESERVED = "event_name"
_PROPERTIES = 256


class BrazeEventsDestination(BrazeTracking):
    """Events of one name, which is the object: `bought`, say.

    Each row has `external_id`, the user, and `time`, when it happened; its other fields become the event's
    properties, without nulls. Nothing can be read back or taken out: Braze deletes whole users only, through
    an export of users.

    The key should be among the fields: by it an event that arrived twice can be told in Braze's own exports.
    """

    type_name: ClassVar[str] = "braze_events"
    guarantee: ClassVar[str] = (
        "at least once: Braze does not know an event that it has already; after a crash or a lost answer"
        " those of the requests under way, up to 12 of 75 events, may arrive again, and late"
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        modes=frozenset({Mode.APPEND}), read_back=False, delete=False
    )
    array: ClassVar[str] = "events"

    @classmethod
    def canonical_name(cls, object_name: str) -> str:
        """The event's name below `events/`; Braze tells upper from lower case."""
        name = object_name.strip()
        if not name or len(name) > TEXT_CHARACTERS:
            raise DeliveryError(
                "SLU-V004",
                f"destination.object {object_name!r} is no name of an event",
                f"1 to {TEXT_CHARACTERS} characters",
                "correct destination.object in the export file",
            )
        return f"{_PREFIX}{name}"

    def check(self, shard: Shard) -> None:
        """Raise unless each row has a user and a time."""
        fields = fields_of(shard)
        missing = [name for name in (USER, _TIME) if name not in fields]
        if missing:
            raise DeliveryError(
                "SLU-V501",
                f"{shard.export} lacks {' and '.join(missing)}, which every event needs",
                f"the fields {USER} and {_TIME}",
                "rename the columns in `names` of the export file",
            )
        wrong = [
            name
            for name in fields
            if name == _RESERVED or name.startswith("$") or len(name) > TEXT_CHARACTERS
        ]
        if wrong:
            raise DeliveryError(
                "SLU-V502",
                f"{', '.join(wrong)} cannot be a property of an event in Braze",
                f"names of at most {TEXT_CHARACTERS} characters, none with $ at the front or {_RESERVED}",
                "rename the fields in `names` of the export file",
            )
        if len(fields) - 2 > _PROPERTIES:
            raise DeliveryError(
                "SLU-V503",
                f"{shard.export} has {len(fields) - 2} fields beside {USER} and {_TIME}",
                f"at most {_PROPERTIES}: Braze drops an event's other properties",
                "take fields out of the export's model",
            )
        types = import_module("pyarrow").types
        if not (types.is_timestamp(fields[_TIME]) or types.is_date(fields[_TIME])):
            raise DeliveryError(
                "SLU-V504",
                f"{_TIME!r}, the time of an event, is {fields[_TIME]}",
                "a timestamp or a date",
                "cast the column in the export's model",
            )
        check_types(shard)

    def _unfit(self, name: str, value: str, kind: SqlType, shard: Shard) -> Iterator[Unfit]:
        yield from super()._unfit(name, value, kind, shard)
        if name == _TIME:
            # "Events with timestamps in the future will default to the current time"; tried again later.
            now = datetime.now(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="seconds")
            zoned = kind.name == "TIMESTAMP WITH TIME ZONE"
            yield Unfit(
                f"{value} > '{now}+00'::timestamptz" if zoned else f"{value} > '{now}'::timestamp",
                "Braze takes an event of a time to come for one of now",
                "leave it out in the model until it has happened",
            )

    def _made_of(self, row: Row) -> dict[str, Any]:
        user, moment = row.values[USER], row.values[_TIME]
        if user is None or moment is None:
            raise Unwritable("an event needs a user and a time, and one of them is null")
        event = {USER: str(user), "name": self._name.removeprefix(_PREFIX), _TIME: written(_TIME, moment)}
        others = {name: value for name, value in row.values.items() if name not in (USER, _TIME)}
        properties = {
            name: event_property(name, value) for name, value in others.items() if value is not None
        }
        check_properties(properties)
        return event | ({"properties": properties} if properties else {})
