"""The webhook, before a receiver that verifies signatures and remembers keys."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from sluicegate.destinations.webhook import WebhookDestination

from tests.doubles.serving import serve
from tests.doubles.webhook import WebhookDouble

from .base import Case


class WebhookCase(Case):
    destination_class = WebhookDestination
    object_name = "crm/items"
    options: Mapping[str, Any] = {"batch_rows": 4}

    def __init__(self, request: pytest.FixtureRequest, tmp_path: Path) -> None:
        super().__init__(request, tmp_path)
        self.double = WebhookDouble(secret=b"a s3cret/of@ours")
        self._running = ExitStack()
        address = self._running.enter_context(serve(self.double.app))
        self.url = f"webhook://:a%20s3cret%2Fof%40ours@{address}/hooks"

    def contents(self) -> list[dict[str, Any]]:
        return [dict(row) for row in self.double.contents(f"hooks/{self.object_name}")]

    def twice(self) -> int:
        return self.double.twice

    def close(self) -> None:
        self._running.close()
