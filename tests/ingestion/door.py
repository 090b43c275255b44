"""One source with a contract of its own making: land files as a provider would, load them, look at them.

Belongs here: driving ingestion as its asset does. Does not: any expectation.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import yaml
from sluicegate.contracts.load import load_contracts
from sluicegate.contracts.model import SourceContract
from sluicegate.core.settings import Settings
from sluicegate.ingestion.load import Loaded, load_drop
from sluicegate.ingestion.refusal import DropRefused
from sluicegate.ingestion.staging import Scan, register_landed
from sluicegate.state.deployment import Deployment
from sluicegate.state.records import Drop

from tests.warehouse.bare import bare

DAY, NEXT = "2024-01-01", "2024-01-02"
HEADER = "Order No.,Date,Shop,Loaves (pcs)"
Contract = dict[str, Any]


def column(name: str, type_: str, header: str = "", **more: Any) -> Contract:
    """Return a property of a contract."""
    return {"name": name, "physicalType": type_, **({"physicalName": header} if header else {}), **more}


ORDERS = (
    column("order_number", "VARCHAR", "Order No.", required=True, primaryKey=True, primaryKeyPosition=1),
    column("order_date", "DATE", "Date", required=True, partitioned=True, partitionKeyPosition=1),
    column("shop", "VARCHAR", "Shop", required=True),
    column("loaves", "INTEGER", "Loaves (pcs)"),
)


def contract(
    *columns: Contract,
    path: str = "orders/{date}.csv",
    server: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    table: Mapping[str, Any] | None = None,
    **custom: Any,
) -> Contract:
    """Return a contract of ODCS; `options` are the server's custom properties, `custom` the contract's."""
    said = {"partitionGrain": "daily", "partitionStart": "2024-01-01", "provider": "ovens@bakery.example"}
    return {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": "orders",
        "name": "orders",
        "version": "1.0.0",
        "status": "active",
        "servers": [
            {"server": "staging", "type": "local", "path": path, "format": "csv", **(server or {}),
             "customProperties": _listed(options or {})}
        ],
        "schema": [{"name": "orders", "properties": list(columns or ORDERS), **(table or {})}],
        "customProperties": _listed({**said, **custom}),
    }  # fmt: skip


def _listed(properties: Mapping[str, Any]) -> list[Contract]:
    return [{"property": name, "value": value} for name, value in properties.items() if value is not None]


@dataclass
class Door:
    """A deployment with one contract in `folder`."""

    folder: Path
    said: Contract
    variables: Mapping[str, str] = field(default_factory=dict[str, str])

    @cached_property
    def deployment(self) -> Deployment:
        project = self.folder / "project"
        (project / "contracts").mkdir(parents=True, exist_ok=True)
        settings = Settings.load(self.variables, project_dir=project, data_dir=self.folder / "data")
        return Deployment(settings)

    @property
    def contract(self) -> SourceContract:
        file = self.deployment.settings.project_dir / "contracts" / "orders.odcs.yaml"
        file.write_text(yaml.safe_dump(self.said, allow_unicode=True, sort_keys=False))
        contracts, problems = load_contracts(self.deployment.settings.project_dir)
        assert not problems, "\n".join(map(str, problems))
        return contracts["orders"]

    def land(self, content: str | bytes | Mapping[str, str | bytes], key: str = DAY) -> Scan:
        """Land one file, or several by name in the place of the path's `*`, then what announces them."""
        contract, staging = self.contract, self.deployment.staging
        place = contract.template.of(key)
        files = content if isinstance(content, Mapping) else {"": content}
        announced = contract.completion.template
        if announced is not None:
            staging.remove(announced.of(key))
        for name, text in files.items():
            raw = text.encode() if isinstance(text, str) else text
            staging.write(place.replace("*", name), [raw])
        if announced is not None:
            # S3 tells a file's time in whole seconds: an empty one, written again at once, looks the same.
            staging.write(announced.of(key), [uuid.uuid4().bytes])
        return self.scan()

    def scan(self) -> Scan:
        return register_landed(self.contract, self.deployment.staging, self.deployment.store)

    def drop(self, key: str = DAY) -> Drop:
        return self.deployment.store.drops.latest("orders", [key])[key]

    def load(self, content: str | bytes | Mapping[str, str | bytes] | None = None, key: str = DAY) -> Loaded:
        """Land and load; without content load again what has landed."""
        if content is not None:
            self.land(content, key)
        return load_drop(self.deployment, self.contract, self.drop(key))

    def refused(self, content: str | bytes | Mapping[str, str | bytes], key: str = DAY) -> list[str]:
        """Land and load what is refused; return what is said."""
        with pytest.raises(DropRefused) as caught:
            self.load(content, key)
        return list(caught.value.rules)

    def query(self, text: str) -> list[tuple[Any, ...]]:
        with bare(self.deployment.warehouse) as connection:
            return connection.execute(text).fetchall()

    def rows(self, columns: str = "order_number, shop, loaves") -> list[tuple[Any, ...]]:
        return self.query(f"select {columns} from raw.orders order by all")

    def quarantine(self, columns: str = "line, column_name, rule") -> list[tuple[Any, ...]]:
        return self.query(f"select {columns} from quarantine.orders order by file, line")
