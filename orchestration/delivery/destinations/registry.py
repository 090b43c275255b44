"""Which destinations there are. A new one is a module of its own and a line here.

Does not belong here: connections and secrets (settings know them), exports.
"""

from collections.abc import Mapping
from types import MappingProxyType

from .base import DeliveryError, Destination
from .blob import BlobDestination
from .postgres import PostgresDestination

destination_types: Mapping[str, type[Destination]] = MappingProxyType(
    {kind.type_name: kind for kind in (PostgresDestination, BlobDestination)}
)


def build(type: str, url: str, object_name: str) -> Destination:
    """The destination of an export; nothing is opened yet."""
    kind = destination_types.get(type)
    if kind is None:
        raise DeliveryError(
            f"there is no destination type {type!r}",
            f"one of: {', '.join(sorted(destination_types))}",
            "correct destination.type in the export file",
        )
    return kind(url, object_name)
