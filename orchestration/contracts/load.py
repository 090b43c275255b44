"""Contract file -> `SourceContract`, or problems with file and line."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from orchestration.contracts.model import DATE_FIELD, Column, PartitionGrain, SourceContract
from orchestration.contracts.sla import promised_durations
from orchestration.problems import Problem, did_you_mean
from orchestration.yaml_files import YamlFile, yaml_folder

SUFFIXES = (".odcs.yaml", ".odcs.yml")
# Our own properties on a contract; ODCS keeps `customProperties` for what the standard does not name.
CUSTOM_PROPERTIES = frozenset({"partitionGrain", "partitionStart", "daysWithoutDrop", "owner"})


def load_contracts(project_dir: Path) -> tuple[dict[str, SourceContract], list[Problem]]:
    """Read `contracts/`; return the contracts by source name, and every problem found."""
    files, problems = yaml_folder(project_dir / "contracts", project_dir, SUFFIXES)
    contracts: dict[str, SourceContract] = {}
    for file in files:
        contract = _contract(file, problems)
        if contract is None:
            continue
        if contract.name in contracts:
            problems.append(
                file.problem(
                    f"a second contract for `{contract.name}`",
                    expected=f"one contract a source ({contracts[contract.name].file.name} is the other)",
                    mend="rename or merge them",
                    at=("schema", 0, "name"),
                )
            )
        contracts[contract.name] = contract
    return contracts, problems


def _contract(file: YamlFile, problems: list[Problem]) -> SourceContract | None:
    found = len(problems)
    _check_against_standard(file, problems)
    if len(problems) > found:
        return None
    custom = _custom_properties(file, problems)
    tables = cast("list[dict[str, Any]]", file.data.get("schema") or [])
    servers = cast("list[dict[str, Any]]", file.data.get("servers") or [])
    if len(tables) != 1 or len(servers) != 1:
        problems.append(
            file.problem(
                f"{len(tables)} schema objects and {len(servers)} servers",
                expected="one of each: a contract is for one source",
                mend="split the contract",
                at=("schema",) if len(tables) != 1 else ("servers",),
            )
        )
        return None
    grain = _choice(file, custom, "partitionGrain", [grain.value for grain in PartitionGrain], problems)
    gaps = _choice(file, custom, "daysWithoutDrop", ["allowed", "refused"], problems, "refused")
    start = _start(file, custom, grain, problems)
    columns = tuple(_columns(file, tables[0], problems))
    promised = promised_durations(file, grain == PartitionGrain.DAILY, problems)
    properties = cast("list[dict[str, Any]]", tables[0].get("properties") or [])
    path = str(servers[0].get("path") or "")
    if (DATE_FIELD in path) != (grain == PartitionGrain.DAILY) or not path:
        problems.append(
            file.problem(
                f"path is `{path}`",
                expected=f"a path with {DATE_FIELD} for a daily source, without it for a snapshot",
                mend="write it as in `sales/{date}.csv.gz`",
                at=("servers", 0, "path"),
            )
        )
    if str(servers[0].get("format")) != "csv":
        problems.append(
            file.problem(
                f"format is `{servers[0].get('format')}`", expected="`csv`",
                mend="convert the feed or add the format to the platform", at=("servers", 0, "format"),
            )
        )  # fmt: skip
    partitions = [item["name"] for item in properties if item.get("partitioned")]
    if len(partitions) > 1:
        problems.append(
            file.problem(
                f"{len(partitions)} partitioned properties", expected="at most one",
                mend="leave `partitioned: true` on the date alone", at=("schema", 0, "properties"),
            )
        )  # fmt: skip
    if len(problems) > found:
        return None
    keys = [item for item in properties if item.get("primaryKey")]
    keys.sort(key=lambda item: cast("int", item.get("primaryKeyPosition") or 0))
    return SourceContract(
        name=str(tables[0]["name"]),
        version=str(file.data["version"]),
        description=_description(file),
        owner=str(custom.get("owner") or ""),
        grain=PartitionGrain(grain),
        partition_start=start,
        gaps_allowed=gaps == "allowed",
        path=path,
        delimiter=str(servers[0].get("delimiter") or ","),
        columns=columns,
        key=tuple(str(item["name"]) for item in keys),
        partition_column=str(partitions[0]) if partitions else None,
        latency=promised.get("latency"),
        frequency=promised.get("frequency"),
        file=file,
    )


def _check_against_standard(file: YamlFile, problems: list[Problem]) -> None:
    """The standard's own model judges the file, so that every ODCS tool can read it."""
    from open_data_contract_standard.model import (
        OpenDataContractStandard,
        SchemaObject,
        SchemaProperty,
        Server,
        ServiceLevelAgreementProperty,
    )

    try:
        OpenDataContractStandard.model_validate(file.data)
    except ValidationError as error:
        problems += file.model_problems(error, lambda _: _fields(OpenDataContractStandard))
    problems += _unknown_fields(file, "servers", Server)
    problems += _unknown_fields(file, "schema", SchemaObject)
    problems += _unknown_fields(file, "slaProperties", ServiceLevelAgreementProperty)
    for index, table in enumerate(cast("list[dict[str, Any]]", file.data.get("schema") or [])):
        if isinstance(table.get("properties"), list):
            problems += _unknown_fields(file, "properties", SchemaProperty, ("schema", index))
    version = str(file.data.get("apiVersion"))
    if not version.startswith("v3.1"):
        problems.append(
            file.problem(
                f"apiVersion is {version}", expected="v3.1.0",
                mend="write the contract in ODCS v3.1", at=("apiVersion",),
            )
        )  # fmt: skip
    if not file.data.get("version"):
        problems.append(
            file.problem("`version` is missing", expected="the contract's version", mend="add `version:`")
        )


def _fields(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _unknown_fields(
    file: YamlFile, name: str, model: type[BaseModel], at: tuple[str | int, ...] = ()
) -> list[Problem]:
    """The standard's model passes over a misspelt field below the top, and the rule with it."""
    holder: Any = file.data
    for step in at:
        holder = holder[step]
    known = _fields(model)
    return [
        file.problem(
            f"unknown field `{field}`",
            expected=f"a field of ODCS v3.1 `{name}`",
            mend=did_you_mean(str(field), known),
            at=(*at, name, index, str(field)),
        )
        for index, item in enumerate(cast("list[Any]", holder.get(name) or []))
        if isinstance(item, dict)
        for field in cast("dict[str, Any]", item)
        if field not in known
    ]


def _custom_properties(file: YamlFile, problems: list[Problem]) -> Mapping[str, Any]:
    custom: dict[str, Any] = {}
    for index, item in enumerate(file.data.get("customProperties") or []):
        name = str(item.get("property"))
        if name not in CUSTOM_PROPERTIES:
            problems.append(
                file.problem(
                    f"unknown custom property `{name}`",
                    expected=f"one of: {', '.join(sorted(CUSTOM_PROPERTIES))}",
                    mend=did_you_mean(name, CUSTOM_PROPERTIES),
                    at=("customProperties", index, "property"),
                )
            )
        custom[name] = item.get("value")
    return custom


def _choice(
    file: YamlFile,
    custom: Mapping[str, Any],
    name: str,
    allowed: list[str],
    problems: list[Problem],
    default: str | None = None,
) -> str:
    value = str(custom.get(name, default))
    if value not in allowed:
        problems.append(
            file.problem(
                f"custom property `{name}` is `{value}`",
                expected=f"one of: {', '.join(allowed)}",
                mend=f"add `- property: {name}` with one of them as its value",
                at=("customProperties",),
            )
        )
    return value


def _start(file: YamlFile, custom: Mapping[str, Any], grain: str, problems: list[Problem]) -> date | None:
    if grain != PartitionGrain.DAILY:
        return None
    try:
        return date.fromisoformat(str(custom.get("partitionStart")))
    except ValueError:
        problems.append(
            file.problem(
                f"custom property `partitionStart` is `{custom.get('partitionStart')}`",
                expected="the first day of the feed, as 2022-08-01",
                mend="add it under customProperties",
                at=("customProperties",),
            )
        )
        return None


def _columns(file: YamlFile, table: dict[str, Any], problems: list[Problem]) -> list[Column]:
    columns: list[Column] = []
    for index, item in enumerate(cast("list[dict[str, Any]]", table.get("properties") or [])):
        if not item.get("physicalType"):
            problems.append(
                file.problem(
                    f"column `{item.get('name')}` has no physicalType",
                    expected="the warehouse's type, as VARCHAR or DECIMAL(12,2)",
                    mend="add `physicalType:`",
                    at=("schema", 0, "properties", index),
                )
            )
            continue
        columns.append(
            Column(
                name=str(item["name"]),
                header=str(item.get("physicalName") or item["name"]),
                type=str(item["physicalType"]),
                required=bool(item.get("required")),
                description=str(item.get("description") or ""),
                classification=str(item.get("classification") or ""),
            )
        )
    return columns


def _description(file: YamlFile) -> str:
    description = file.data.get("description") or {}
    if isinstance(description, str):
        return description
    parts = cast("dict[str, Any]", description)
    return "\n\n".join(
        str(parts[name]).strip() for name in ("purpose", "usage", "limitations") if parts.get(name)
    )
