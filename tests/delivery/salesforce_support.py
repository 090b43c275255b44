"""What the tests of Salesforce share: a double with items, shards of them, senders, what is held.

Does not belong here: expectations.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from sluicegate.destinations.base import Shard
from sluicegate.destinations.salesforce import SalesforceDestination, SalesforceOptions

from tests.doubles.salesforce_records import Field

from .cases.salesforce import SalesforceCase
from .support import write_shard

KEY = "Item__c"
Make = Callable[..., Shard]
Send = Callable[..., SalesforceDestination]


def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SalesforceCase]:
    """A case whose field of moments keeps whole seconds."""
    case = SalesforceCase(request, tmp_path)
    case.double.table.fields["Moment__c"] = Field("datetime")
    yield case
    case.close()


def items_shard(folder: Path, rows: int | Sequence[int], note: str = "a", **stated: Any) -> Shard:
    """A shard of Salesforce's fields: so many items, or those that are given."""
    arrow = import_module("pyarrow")
    items = list(range(rows)) if isinstance(rows, int) else list(rows)
    table = arrow.table(
        {
            KEY: arrow.array(items, arrow.int64()),
            "Business_Date__c": arrow.array([date(2022, 10, 3)] * len(items)),
            "Note__c": arrow.array([f"{note}{item}" for item in items]),
        }
    )
    usual: dict[str, Any] = {"key": (KEY,), "partition_column": "Business_Date__c"}
    return write_shard(folder, table, **(usual | stated))


def destination(case: SalesforceCase, **options: Any) -> SalesforceDestination:
    made = SalesforceDestination(case.url, case.object_name, SalesforceOptions(**options))
    made.budget_seconds = 20.0
    return made


def bulk(case: SalesforceCase, **options: Any) -> SalesforceDestination:
    return destination(case, **({"bulk_from": 1, "poll_seconds": 0.001} | options))


def notes(case: SalesforceCase) -> dict[int, str | None]:
    return {int(row[KEY]): row.get("Note__c") for row in case.contents()}


def wanted(rows: int | Sequence[int], note: str = "a") -> dict[int, str]:
    return {item: f"{note}{item}" for item in (range(rows) if isinstance(rows, int) else rows)}
