"""Contract file -> `SourceContract`, or problems with file and line."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from sluicegate.contracts.columns import Column, Masking
from sluicegate.contracts.connectors import load_connectors
from sluicegate.contracts.custom import CustomProperties
from sluicegate.contracts.drops import DropTemplate, fields_of
from sluicegate.contracts.model import QuarantineLimit, SourceContract
from sluicegate.contracts.properties import columns_of
from sluicegate.contracts.quality import row_count
from sluicegate.contracts.servers import completion, read_options, server_properties
from sluicegate.contracts.shape import ALLOWED, Policy, ShapePolicies
from sluicegate.contracts.shared_files import check_shared_files
from sluicegate.contracts.sla import MAX_AGE, promised_durations
from sluicegate.contracts.standard import against_standard
from sluicegate.contracts.types import kind_of, partition_kinds
from sluicegate.core.owners import OWNER_EXPECTED, is_owner
from sluicegate.core.partitions import Grain, Partitioning
from sluicegate.core.problems import Problem, did_you_mean
from sluicegate.core.yaml_files import YamlFile, yaml_folder

SUFFIXES = (".odcs.yaml", ".odcs.yml")
CONNECTORS_FILE = "connectors.yml"
# What `classes` reads.
CLASSES_FILE = "classes.yml"
_TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Our own properties on a contract; ODCS keeps `customProperties` for what the standard does not name.
CUSTOM_PROPERTIES = (
    "partitionGrain", "partitionStart", "daysWithoutDrop", "owner", "provider", "masking",
    "quarantineLimit", "shapeChanges", "completion", "staging", "coldAfterDays",
)  # fmt: skip


def load_contracts(project_dir: Path) -> tuple[dict[str, SourceContract], list[Problem]]:
    """Read `contracts/`; return the contracts by source name, and every problem found."""
    folder = project_dir / "contracts"
    files, problems = yaml_folder(folder, project_dir, SUFFIXES, beside=(CONNECTORS_FILE, CLASSES_FILE))
    connectors = load_connectors(folder / CONNECTORS_FILE, project_dir, problems)
    contracts: dict[str, SourceContract] = {}
    names: dict[str, SourceContract] = {}  # as DuckDB tells them apart, without their case
    for file in files:
        contract = read_contract(file, connectors)
        if contract is None:
            continue
        other = names.setdefault(contract.name.casefold(), contract)
        if other is not contract:
            file.complain(
                f"a second contract for `{contract.name}`",
                expected=f"one contract a source ({other.file.name} is the other), whatever the case",
                fix="rename or merge them",
                at=("schema", 0, "name"),
                code="SLU-P009",
            )
        contracts[contract.name] = contract
    check_shared_files(contracts.values())
    return contracts, [*problems, *(problem for file in files for problem in file.problems)]


def read_contract(file: YamlFile, connectors: Mapping[str, frozenset[str]]) -> SourceContract | None:
    """Return the contract in a file, or None after complaining of what is wrong with it."""
    against_standard(file)
    if file.problems:
        return None
    tables = cast("list[dict[str, Any]]", file.data.get("schema") or [])
    servers = cast("list[dict[str, Any]]", file.data.get("servers") or [])
    if len(tables) != 1 or len(servers) != 1:
        file.complain(
            f"{len(tables)} schema objects and {len(servers)} servers",
            expected="one of each: a contract is for one source",
            fix="split the contract",
            at=("schema",) if len(tables) != 1 else ("servers",),
            code="SLU-P020",
        )
        return None
    custom = CustomProperties(file, (), CUSTOM_PROPERTIES)
    _check_connector(file, servers[0], connectors)
    source = str(tables[0]["name"])
    if _TABLE.fullmatch(source) is None:
        file.complain(
            f"the source is called `{source}`",
            expected="letters, digits and underscores, not a digit first: it is a table's name",
            fix="rename it",
            at=("schema", 0, "name"),
            code="SLU-P010",
        )
        return None
    grain = Grain(custom.choice("partitionGrain", [grain.value for grain in Grain]) or Grain.SNAPSHOT)
    partitioning = Partitioning(grain, source if grain is Grain.DROP else "")
    template = DropTemplate(str(servers[0].get("path") or ""), partitioning)
    if wrong := template.problem():
        fields = " or ".join("".join(f"{{{name}}}" for name in sorted(names)) for names in fields_of(grain))
        file.complain(
            f"path is `{template.text}`: {wrong}",
            expected=f"a path with {fields}" if fields else "a path without fields in braces",
            fix=f"write it as in `{template.example(source)}`",
            at=("servers", 0, "path"),
            code="SLU-P021",
        )
        return None
    masking = custom.mapping("masking", keys=None, values=[str(item) for item in Masking])
    usual = server_properties(file)
    columns = columns_of(file, tables[0], masking, usual)
    options = read_options(file, servers[0], usual)
    promised = promised_durations(file, grain)
    properties = cast("list[dict[str, Any]]", tables[0].get("properties") or [])
    partitions = [item["name"] for item in properties if item.get("partitioned")]
    if len(partitions) > 1:
        file.complain(
            f"{len(partitions)} partitioned properties", expected="at most one",
            fix="leave `partitioned: true` on the date alone", at=("schema", 0, "properties"),
            code="SLU-P021",
        )  # fmt: skip
    _check_partition_column(file, grain, partitions, columns, properties)
    start = custom.moment("partitionStart", partitioning) if grain.timed else None
    complete = completion(custom, template)
    gaps = custom.choice("daysWithoutDrop", ["allowed", "refused"], "refused")
    if not custom.text("provider"):
        custom.problem(
            "provider", "SLU-P020", "the contract does not say who upstream promises it",
            "custom property `provider`: who it is, and how to reach them", "add it under customProperties",
        )  # fmt: skip
    owner = custom.text("owner")
    if owner and not is_owner(owner):
        custom.problem("owner", "SLU-P020", f"the owner is `{owner}`", OWNER_EXPECTED, "name one of them")
    staging = custom.choice("staging", ["keep", "remove"], "keep")
    shape = _shape(custom)
    limit = _limit(custom)
    counts = row_count(file, tables[0])
    if file.problems or options is None or complete is None:
        return None
    keys = [item for item in properties if item.get("primaryKey")]
    keys.sort(key=lambda item: cast("int", item.get("primaryKeyPosition") or 0))
    return SourceContract(
        name=source,
        version=str(file.data["version"]),
        description=_description(file),
        owner=owner,
        provider=custom.text("provider"),
        partitioning=partitioning,
        partition_start=start,
        gaps_allowed=gaps == "allowed",
        connector=str(servers[0].get("server")),
        template=template,
        completion=complete,
        reading=options,
        columns=columns,
        key=tuple(str(item["name"]) for item in keys),
        partition_column=str(partitions[0]) if partitions else None,
        row_count=counts,
        limit=limit,
        shape=shape,
        latency=promised.get("latency"),
        frequency=promised.get("frequency"),
        file=file,
        empties_staging=staging == "remove",
        cold_after_days=custom.whole_number("coldAfterDays"),
        channel=_channel(file),
        max_age=promised.get(MAX_AGE),
    )


def _check_connector(
    file: YamlFile,
    server: Mapping[str, Any],
    connectors: Mapping[str, frozenset[str]],
) -> None:
    """Connectors are a list that platform engineers keep; a contract cannot make one up."""
    name, type_ = str(server.get("server")), str(server.get("type"))
    if name not in connectors:
        file.complain(
            f"no connector is named `{name}`",
            expected=f"one of contracts/{CONNECTORS_FILE}: {', '.join(sorted(connectors))}",
            fix=did_you_mean(name, connectors),
            at=("servers", 0, "server"),
            code="SLU-P006",
        )
    elif type_ not in connectors[name]:
        file.complain(
            f"connector `{name}` is not of type `{type_}`",
            expected=f"one of: {', '.join(sorted(connectors[name]))}",
            fix="correct `type`, or ask the platform engineers for a connector",
            at=("servers", 0, "type"),
            code="SLU-P008",
        )


def _check_partition_column(
    file: YamlFile,
    grain: Grain,
    partitions: Sequence[Any],
    columns: Sequence[Column],
    properties: Sequence[Mapping[str, Any]],
) -> None:
    """A value must lie in the partition that its row landed in."""
    kinds = partition_kinds(grain)
    for column in columns:
        if grain.timed and [column.name] == partitions and kind_of(column.type) not in kinds:
            index = next(at for at, item in enumerate(properties) if item.get("name") == column.name)
            file.complain(
                f"partitioned column `{column.name}` is {column.type}",
                expected=f"{' or '.join(kind.value for kind in kinds)} in a source cut by `{grain}`",
                fix="correct `physicalType`, or `partitioned`",
                at=("schema", 0, "properties", index, "physicalType"),
                code="SLU-P021",
            )


def _shape(custom: CustomProperties) -> ShapePolicies:
    names = {"".join([part.capitalize() if i else part for i, part in enumerate(key.split("_"))]): key
             for key in ALLOWED}  # fmt: skip
    said = custom.mapping("shapeChanges", keys=list(names), values=[str(policy) for policy in Policy])
    chosen: dict[str, Policy] = {}
    for name, value in said.items():
        policy = Policy(value)
        if policy not in ALLOWED[names[name]]:
            custom.problem(
                "shapeChanges", "SLU-P008", f"`{name}` is `{value}`",
                f"one of: {', '.join(ALLOWED[names[name]])}", "choose one of them",
            )  # fmt: skip
        chosen[names[name]] = policy
    return ShapePolicies(**chosen)


def _limit(custom: CustomProperties) -> QuarantineLimit:
    said = custom.mapping("quarantineLimit", keys=["rows", "percent"], values=None)
    try:
        rows = int(said["rows"]) if "rows" in said else None
        percent = float(said["percent"]) if "percent" in said else None
        if (rows is not None and rows < 0) or (percent is not None and not 0 <= percent <= 100):
            raise ValueError
    except ValueError:
        custom.problem(
            "quarantineLimit", "SLU-P008", f"`quarantineLimit` is {dict(said)}",
            "rows of 0 or more, percent from 0 to 100", "write `{rows: 10}` or `{percent: 0.1}`",
        )  # fmt: skip
        return QuarantineLimit()
    return QuarantineLimit(rows, percent)


def _channel(file: YamlFile) -> str:
    listed = cast("list[dict[str, Any]]", file.data.get("support") or [])
    return str(listed[0].get("channel") or "") if listed else ""


def _description(file: YamlFile) -> str:
    description = file.data.get("description") or {}
    if isinstance(description, str):
        return description
    parts = cast("dict[str, Any]", description)
    return "\n\n".join(
        str(parts[name]).strip() for name in ("purpose", "usage", "limitations") if parts.get(name)
    )
