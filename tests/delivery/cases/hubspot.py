"""HubSpot: contacts of a double of its CRM API."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

import pytest
from sluicegate.destinations.base import Destination
from sluicegate.destinations.hubspot import HubSpotDestination

from tests.doubles.hubspot import TOKEN, HubSpotDouble, Property
from tests.doubles.serving import serve

from .base import Case

PROPERTIES = {
    "email": Property(hubspot_defined=True),
    "item": Property("number", unique=True),
    "code": Property(unique=True),
    "business_date": Property("date"),
    "note": Property(),
    "amount": Property("number"),
    "moment": Property("datetime"),
    "flag": Property("bool"),
    "weight": Property("number"),
    "tier": Property("enumeration", options=("gold", "silver")),
    "hs_object_id": Property(read_only=True, hubspot_defined=True),
}


class HubSpotCase(Case):
    """Contacts that are told apart by the number in `item`."""

    destination_class: ClassVar[type[Destination]] = HubSpotDestination
    object_name = "contacts"
    trims = True

    def __init__(self, request: pytest.FixtureRequest, tmp_path: Path) -> None:
        super().__init__(request, tmp_path)
        self.double = HubSpotDouble(PROPERTIES)
        self._open = ExitStack()
        address = self._open.enter_context(serve(self.double.app))
        self.url = f"hubspot://:{TOKEN}@{address}"

    def contents(self) -> list[dict[str, Any]]:
        return [
            {name: text or None for name, text in held.items()}
            for held in self.double.records.values()
            if held.get("item") or held.get("code")
        ]

    def twice(self) -> int:
        return self.double.twice

    def close(self) -> None:
        self._open.close()
