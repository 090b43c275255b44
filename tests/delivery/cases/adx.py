"""Azure Data Explorer: the Kusto double, whose queues and containers are in Azurite.

Belongs here: the double as a case. Does not: the double itself (`tests.doubles.kusto`).
"""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

import pytest
from sluicegate.destinations.adx import AdxDestination
from sluicegate.destinations.base import Destination

from tests.doubles.kusto import Kusto
from tests.doubles.kusto_storage import StorageAccount, running_storage

from .base import Case

_STORAGE = pytest.StashKey[StorageAccount]()


class AdxCase(Case):
    """One table of one cluster; the double is `kusto`."""

    destination_class: ClassVar[type[Destination]] = AdxDestination
    options: Mapping[str, Any] = {"wait_minutes": 0.5}
    # A part has some hundred megabytes: what the tests send is one.
    in_parts = False

    def __init__(self, request: pytest.FixtureRequest, tmp_path: Path) -> None:
        super().__init__(request, tmp_path)
        self.kusto = Kusto(kusto_storage(request.config), token="s3cret-of-the-app")
        self._open = ExitStack()
        self.url = self._open.enter_context(self.kusto.running())

    def contents(self) -> list[dict[str, Any]]:
        table = self.kusto.engine.tables.get(self.object_name)
        # Text knows no null there.
        return [{k: None if v == "" else v for k, v in row.items()} for row in table.rows()] if table else []

    def twice(self) -> int:
        return self.kusto.ingestion.twice

    def close(self) -> None:
        self._open.close()


def kusto_storage(config: pytest.Config) -> StorageAccount:
    """Azurite for the double, started once a test process and stopped at its end."""
    if _STORAGE not in config.stash:
        running = ExitStack()
        config.stash[_STORAGE] = running.enter_context(running_storage())
        config.add_cleanup(running.close)
    return config.stash[_STORAGE]
