"""Operations data as a source like any other: a contract made of a view, and drops made of published days.

A fact is landed a day at a time, once the day is over, and again where it has changed since: then it is a
correction, as of any source. Belongs here: that. Does not belong here: what becomes of a drop (`ingestion`).
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from sluicegate.areas import Area
from sluicegate.contracts.model import SourceContract
from sluicegate.core.problems import did_you_mean
from sluicegate.ingestion.landing import land
from sluicegate.operations.site import Site
from sluicegate.reporting.publish import MANIFEST, Manifest, Published, publish, write_manifest
from sluicegate.state.deployment import Deployment
from sluicegate.state.ops_model import Column, Type, View
from sluicegate.state.ops_views import FACTS

PREFIX = "sluice_ops_"
_TYPES = {
    Type.TEXT: ("string", "VARCHAR"),
    Type.INTEGER: ("integer", "BIGINT"),
    Type.NUMBER: ("number", "DOUBLE"),
    Type.BOOLEAN: ("boolean", "BOOLEAN"),
    Type.DATE: ("date", "DATE"),
    Type.TIMESTAMP: ("timestamp", "TIMESTAMP"),
}


def fact_named(name: str) -> View:
    """Return a view of facts by its name.

    Raises:
        ValueError: there is none of this name.
    """
    if name not in FACTS:
        raise ValueError(f"no fact `{name}`; {did_you_mean(name, FACTS)}")
    return FACTS[name]


def contract_text(view: View, start: date, owner: str) -> str:
    """Return the contract of a fact as a source, an ODCS file; `start` is its first day."""
    name = f"{PREFIX}{view.name}"
    contract = {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": name.replace("_", "-"),
        "name": name,
        "version": "1.0.0",
        "status": "active",
        "description": {"purpose": view.about, "usage": "`sluice ops publish` lands a day once it is over."},
        "servers": [
            {"server": "staging", "type": "local", "path": f"{name}/{{date}}.parquet", "format": "parquet"}
        ],
        "schema": [
            {
                "name": name, "logicalType": "object", "physicalType": "table",
                "properties": [_property(view, column) for column in view.columns],
            }
        ],
        "customProperties": [
            {"property": "partitionGrain", "value": "daily"},
            {"property": "partitionStart", "value": start.isoformat()},
            {"property": "daysWithoutDrop", "value": "allowed"},
            {"property": "owner", "value": owner},
            {"property": "provider", "value": "`sluice ops publish`"},
        ],
    }  # fmt: skip
    head = "# Made by `sluice ops source`: operations data as a source. It is yours to change.\n"
    return head + yaml.safe_dump(contract, sort_keys=False, allow_unicode=True, width=100)


def _property(view: View, column: Column) -> dict[str, Any]:
    logical, physical = _TYPES[column.type]
    unit = f" In {column.unit}." if column.unit else ""
    found: dict[str, Any] = {
        "name": column.name, "logicalType": logical, "physicalType": physical,
        "description": column.description + unit,
    }  # fmt: skip
    if column.name in view.key:
        found |= {"required": True, "primaryKey": True, "primaryKeyPosition": view.key.index(column.name) + 1}
    if column.name == "day":
        found |= {"required": True, "partitioned": True, "partitionKeyPosition": 1}
    return found


def write_contract(deployment: Deployment, view: View, owner: str) -> Path:
    """Write the contract of a fact as a source into the project; return where.

    Raises:
        ValueError: the file is there already.
    """
    project = deployment.settings.project_dir
    path = project / "contracts" / f"{PREFIX}{view.name}.odcs.yaml"
    found = deployment.store.operations.days(view, "1 = 1")
    start = min([*found, deployment.clock().date()])
    path.parent.mkdir(exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(contract_text(view, start, owner))
    except FileExistsError:
        raise ValueError(
            f"contracts/{path.name} is there already; expected none, as it may have been changed by hand;"
            " move it away, then type the same again"
        ) from None
    return path


def publish_and_land(site: Site, area: Area, now: datetime) -> tuple[Published, list[str]]:
    """Publish what is new, and land the days that are over of facts that are sources; return both.

    What was landed is noted last: who was killed before lands the same again, which is the same drop.

    Raises:
        NotPublishable: as `publish`.
    """
    done, landed = publish(site.deployment, area, now), list[str]()
    contracts = {
        view: contract for view in FACTS.values()
        if (contract := site.project.contracts.get(f"{PREFIX}{view.name}")) is not None
    }  # fmt: skip
    files = dict(done.manifest.files)
    with TemporaryDirectory() as folder:
        for view, contract in contracts.items():
            for key, path in _to_land(view, contract, done.manifest, now.date()):
                local = Path(folder) / f"{key}.parquet"
                local.write_bytes(b"".join(area.chunks(path)))
                staging = site.deployment.staging_of(contract)
                landed += [f"{contract.name} {one}" for one in land(contract, staging, {key: local})]
                files[path] = replace(files[path], landed=files[path].digest)
    if landed:
        noted = replace(done.manifest, files=files)
        write_manifest(area, noted, area.version(MANIFEST))
        done = replace(done, manifest=noted)
    return done, landed


def _to_land(
    view: View, contract: SourceContract, manifest: Manifest, today: date
) -> Iterator[tuple[str, str]]:
    start = contract.partition_start
    for day, path, file in sorted(manifest.of(view)):
        if day < today and (start is None or day >= start.date()) and file.landed != file.digest:
            yield day.isoformat(), path
