"""Braze: user profiles, and events, in a double of its REST API."""

import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

import pytest
from sluicegate.destinations.base import Destination
from sluicegate.destinations.braze import BrazeDestination
from sluicegate.destinations.braze.events import BrazeEventsDestination

from tests.doubles.braze import API_KEY, BrazeDouble
from tests.doubles.serving import serve

from .base import Case


class _Workspace(Case):
    def __init__(self, request: pytest.FixtureRequest, tmp_path: Path) -> None:
        super().__init__(request, tmp_path)
        self.double = BrazeDouble()
        self._open = ExitStack()
        address = self._open.enter_context(serve(self.double.app))
        self.url = f"braze://:{API_KEY}@{address}"

    def twice(self) -> int:
        return self.double.twice

    def close(self) -> None:
        self._open.close()


class BrazeCase(_Workspace):
    """Users whose external id is the number in `item`."""

    destination_class: ClassVar[type[Destination]] = BrazeDestination
    object_name = "users"
    names: Mapping[str, str] = {"item": "external_id", "code": "external_id"}

    def contents(self) -> list[dict[str, Any]]:
        return [{"external_id": user, **held} for user, held in self.double.users.items()]


class BrazeEventsCase(_Workspace):
    """Events of users whose external id is the number in `item`."""

    destination_class: ClassVar[type[Destination]] = BrazeEventsDestination
    object_name = "seen"
    names: Mapping[str, str] = {"item": "external_id", "code": "external_id", "business_date": "time"}

    def contents(self) -> list[dict[str, Any]]:
        # Each once: the guarantee is "at least once", and `twice` counts those that arrived again.
        distinct = {json.dumps(event, sort_keys=True): event for event in self.double.events}
        return [
            {"external_id": event["external_id"], "time": event["time"], **event.get("properties", {})}
            for event in distinct.values()
        ]
