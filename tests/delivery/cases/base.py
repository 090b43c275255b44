"""What the conformance test asks of a destination's surroundings: where it is, and what it really holds.

Belongs here: the interface of a case, and the fields that the tests send. Does not: any one destination.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import pytest
from sluicegate.destinations.base import Destination, Scope

# What the tests send: the first three always, the others where values of every kind are sent. A case whose
# destination has to know fields beforehand makes all of them, under the names it gives them in `names`.
# Beside them `code`, a text or a number that is the key of tests of keys alone.
FIELDS: Mapping[str, str] = {
    "item": "int32",
    "business_date": "date32",
    "note": "text",
    "amount": "decimal(12, 2)",
    "moment": "timestamp, UTC, milliseconds at most",
    "flag": "bool",
    "weight": "double",
}


class Case(ABC):
    """One destination with a place of its own, empty at first; made anew for each test.

    Attributes:
        destination_class: what is tested.
        url: the connection's URL, with a secret in it where the destination has one.
        object_name: what is delivered to.
        options: as `destination.options` of an export file.
        options_for_many: what of them is otherwise for hundreds of rows.
        names: the destination's name of a field of `FIELDS`, where it is another one.
        trims: a text loses the white space at its ends there.
        in_parts: a delivery is acknowledged in parts, so that one may be taken up in its middle.
    """

    destination_class: ClassVar[type[Destination]]
    url: str
    object_name: str = "items"
    options: Mapping[str, Any] = {}
    options_for_many: Mapping[str, Any] = {}
    names: Mapping[str, str] = {}
    trims: bool = False
    in_parts: bool = True

    def __init__(self, request: pytest.FixtureRequest, tmp_path: Path) -> None:
        """Start what is needed; `request` gets fixtures, `tmp_path` is an empty folder."""
        self.request = request
        self.tmp_path = tmp_path

    @property
    def type_name(self) -> str:
        """What export files call the destination."""
        return self.destination_class.type_name

    @abstractmethod
    def contents(self) -> list[dict[str, Any]]:
        """What the destination really holds, under its own names of the fields; not read by `read_back`.

        Values as sent, or as text where the vendor knows only text. A null may be left out.
        """

    @abstractmethod
    def twice(self) -> int:
        """How many rows have arrived more than once with equal content, as the other side counts them."""

    def close(self) -> None:  # noqa: B027 - most cases have nothing to close
        """Stop what was started."""

    def unreachable_url(self) -> str | None:
        """The same connection where nobody answers; None if there is no such thing."""
        host = self.url.rpartition("@")[2].partition("/")[0]
        return self.url.replace(host, "127.0.0.1:9") if host.startswith("127.0.0.1:") else None

    def destination(self, url: str | None = None) -> Destination:
        """A new instance, as another process would make it."""
        cls = self.destination_class
        return cls(url or self.url, self.object_name, cls.options_model(**self.options))

    def name(self, field: str) -> str:
        """The destination's name of a field."""
        return self.names.get(field, field)

    @property
    def key(self) -> tuple[str, ...]:
        """The fields that tell rows apart, as the destination calls them."""
        single = self.destination_class.capabilities.keys.single
        return tuple(map(self.name, ("item",) if single else ("business_date", "item")))

    def kept(self, value: Any) -> Any:
        """What the destination makes of a value."""
        return value.strip() if self.trims and isinstance(value, str) else value

    def scope(self, partition: str, fields: Sequence[str] = ("item", "business_date", "note")) -> Scope:
        """The slice of a day."""
        return Scope(
            export="exp_items",
            partition_key=partition,
            key=self.key,
            fields=tuple(map(self.name, fields)),
            partition_column=self.name("business_date"),
        )


def meant(value: Any, field: str) -> Any:
    """What a destination holds for a field of `FIELDS`, as it was meant, whatever form it has there."""
    if value is None:
        return None
    kind = FIELDS[field].partition("(")[0].partition(",")[0]
    if kind in ("int32", "double"):
        return float(value)
    if kind == "decimal":
        return Decimal(str(value)).normalize()
    if kind == "bool":
        return value.lower() == "true" if isinstance(value, str) else bool(value)
    if kind == "date32":
        return value if type(value) is date else date.fromisoformat(str(value)[:10])
    if kind == "timestamp":
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    return str(value)
