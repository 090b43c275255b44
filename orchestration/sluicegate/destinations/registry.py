"""Which destinations there are. A new one is a module of its own and a line here.

Does not belong here: connections and secrets (settings know them), exports.
"""

from collections.abc import Mapping
from types import MappingProxyType

from pydantic import BaseModel

from .adx import AdxDestination
from .base import DeliveryError, Destination
from .blob import BlobDestination
from .braze import BrazeDestination
from .braze.events import BrazeEventsDestination
from .hubspot import HubSpotDestination
from .postgres import PostgresDestination
from .salesforce import SalesforceDestination
from .webhook import WebhookDestination

_KINDS: tuple[type[Destination], ...] = (
    PostgresDestination, BlobDestination, SalesforceDestination, HubSpotDestination, BrazeDestination,
    BrazeEventsDestination, AdxDestination, WebhookDestination,
)  # fmt: skip
destination_types: Mapping[str, type[Destination]] = MappingProxyType(
    {kind.type_name: kind for kind in _KINDS}
)


def build(type: str, url: str, object_name: str, options: BaseModel | None = None) -> Destination:
    """The destination of an export; nothing is opened yet."""
    kind = destination_types.get(type)
    if kind is None:
        raise DeliveryError(
            "SLU-V004",
            f"there is no destination type {type!r}",
            f"one of: {', '.join(sorted(destination_types))}",
            "correct destination.type in the export file",
        )
    return kind(url, object_name, options)
