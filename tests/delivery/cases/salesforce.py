"""Salesforce: items of a double, few of them as collections or all of them through bulk jobs."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

import pytest
from sluicegate.destinations.base import Destination
from sluicegate.destinations.salesforce import SalesforceDestination

from tests.doubles.salesforce import CLIENT_ID, CLIENT_SECRET, SalesforceDouble
from tests.doubles.salesforce_records import Field
from tests.doubles.serving import serve

from .base import Case

FIELDS = {
    "Item__c": Field("double", external_id=True),
    "Code__c": Field(external_id=True),
    "Business_Date__c": Field("date"),
    "Note__c": Field(),
    "Amount__c": Field("double", scale=2),
    # A dateTime keeps whole seconds, and the tests send fractions, for which a text is the place.
    "Moment__c": Field(),
    "Flag__c": Field("boolean"),
    "Weight__c": Field("double", scale=6),
    "Formula__c": Field("double", read_only=True),
}
NAMES = {
    "item": "Item__c",
    "code": "Code__c",
    "business_date": "Business_Date__c",
    "note": "Note__c",
    "amount": "Amount__c",
    "moment": "Moment__c",
    "flag": "Flag__c",
    "weight": "Weight__c",
}


class SalesforceCase(Case):
    """Records of a custom object, told apart by the number in `Item__c`."""

    destination_class: ClassVar[type[Destination]] = SalesforceDestination
    object_name = "store_item__c"
    names = NAMES
    trims = True

    def __init__(self, request: pytest.FixtureRequest, tmp_path: Path) -> None:
        super().__init__(request, tmp_path)
        self.double = SalesforceDouble("Store_Item__c", FIELDS)
        self._open = ExitStack()
        address = self._open.enter_context(serve(self.double.app))
        self.url = f"salesforce://{CLIENT_ID}:{quote(CLIENT_SECRET, safe='')}@{address}"

    def contents(self) -> list[dict[str, Any]]:
        return [
            {name: value for name, value in held.items() if value is not None}
            for held in self.double.table.records.values()
            if held.get("Item__c") is not None or held.get("Code__c") is not None
        ]

    def twice(self) -> int:
        return self.double.table.twice

    def close(self) -> None:
        self._open.close()


class SalesforceBulkCase(SalesforceCase):
    """The same, every row through a bulk job."""

    options = {"bulk_from": 1, "job_rows": 4, "poll_seconds": 0.01}  # noqa: RUF012 - read only, as the base class says
