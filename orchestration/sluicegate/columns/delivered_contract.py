"""An export -> the ODCS contract of what its destination gets, for whoever receives it.

It is made of the files alone, the same each time, and has no value, secret or URL in it. Belongs here: the
document. Does not belong here: which rules are promised (`promised_rules`), what a change of it means
(`delivered_changes`).
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any, cast

from sluicegate.columns.classes import ClassFlow
from sluicegate.columns.graph import DELIVERED, ColumnGraph
from sluicegate.columns.promised_rules import Promises, promises
from sluicegate.columns.ways import (
    WORDS,
    comes_from,
    fields_of,
    listed,
    not_understood,
    rows_come_from,
)
from sluicegate.compute.sql_types import LIST, MAP, STRUCT, SqlType, UnknownType, parse_type
from sluicegate.compute.type_text import ALIASES, type_text
from sluicegate.contracts.types import RANGES, base_of, kind_of
from sluicegate.contracts.types import Kind as ValueKind
from sluicegate.core.column_origins import Kind, Place
from sluicegate.core.freshness import UNITS
from sluicegate.core.partitions import Partitioning
from sluicegate.core.relations import RAW, Relation
from sluicegate.delivery.export_files.exports import Export
from sluicegate.destinations.base import Mode
from sluicegate.quality.suites import Suite
from sluicegate.transformation.manifest import DbtManifest, DbtNode

FIRST_VERSION = "1.0.0"
API_VERSION = "v3.1.0"
# The names of `customProperties` that a comparison reads again.
MODEL_COLUMN, ROWS_FROM, LAST_MILE = "modelColumn", "rowsDecidedBy", "lastMile"
_TOLD = 3
_LOGICAL = {
    ValueKind.TEXT: "string", ValueKind.DATE: "date", ValueKind.MOMENT: "timestamp", ValueKind.TIME: "time",
    ValueKind.BOOLEAN: "boolean", ValueKind.NUMBER: "number",
}  # fmt: skip
_MODES = {
    Mode.APPEND: "adds rows, and touches none that are there",
    Mode.UPSERT: "adds rows and changes those with the same key; takes none away",
    Mode.MIRROR: "adds, changes and removes rows",
    Mode.SNAPSHOT: "replaces everything, each time",
}


@dataclass(frozen=True)
class Delivered:
    """An export with all that the project's files say of what it sends."""

    export: Export
    node: DbtNode
    manifest: DbtManifest
    partitioning: Partitioning
    suite: Suite | None
    graph: ColumnGraph
    flow: ClassFlow

    @property
    def relation(self) -> Relation:
        """What the export is among the graph's tables."""
        return Relation(DELIVERED, self.export.name)

    @cached_property
    def described(self) -> Mapping[str, Mapping[str, Any]]:
        """{model column: what dbt's files say of it}, in the model's order."""
        raw = self.manifest.content["nodes"][self.node.unique_id]
        return cast("Mapping[str, Mapping[str, Any]]", raw.get("columns") or {})

    @cached_property
    def sent(self) -> dict[str, str]:
        """{model column: field} of what the destination gets, in the graph's order."""
        columns = {self.export.field(name): name for name in self.described}
        return {
            columns.get(place.column, place.column): place.column
            for place in fields_of(self.graph, self.relation)
        }

    @cached_property
    def types(self) -> dict[str, str]:
        """{field: SQL type of the model's column, "" where dbt's files say none}."""
        return {
            field: str(self.described.get(column, {}).get("data_type") or "")
            for column, field in self.sent.items()
        }

    def shows(self, field: str) -> bool:
        """Whether values of a field may be told."""
        return field not in self.flow.hidden(self.relation)

    @cached_property
    def promises(self) -> Promises:
        """What checks promise of it."""
        own = self.node.unique_id
        tests = [test for test in self.manifest.tests() if test.get("attached_node") == own]
        hidden = frozenset(column for column, field in self.sent.items() if not self.shows(field))
        return promises(self.export, self.sent, self.suite, tests, hidden)


def delivered_contract(of: Delivered, version: str = FIRST_VERSION) -> dict[str, Any]:
    """Return the contract as ODCS v3.1 has it, ready to be written as YAML or JSON."""
    export, spec = of.export, of.export.spec
    raw = of.manifest.content["nodes"][of.node.unique_id]
    contract: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "DataContract",
        "id": export.name,
        "name": export.name,
        "version": version,
        "status": "active",
        "description": {
            "purpose": spec.purpose.strip(),
            "usage": _usage(of),
            **({"limitations": limits} if (limits := _limitations(of)) else {}),
        },
        "team": _team(spec.owner),
    }
    if spec.channel or "@" in spec.owner:
        contract["support"] = [
            {"channel": spec.channel} if spec.channel else {"channel": spec.owner, "tool": "email"}
        ]
    destination = spec.destination
    contract["servers"] = [
        {
            "server": destination.connection,
            "type": "custom",
            "description": f"`{destination.object}` of a destination of the type {destination.type}",
            "customProperties": _custom({"destinationType": destination.type, "object": destination.object}),
        }
    ]
    table: dict[str, Any] = {
        "name": spec.model,
        "physicalName": destination.object,
        "logicalType": "object",
        "description": str(raw.get("description") or "").strip() or spec.purpose.strip(),
        "dataGranularityDescription": f"One row for each {', '.join(export.key_fields)}.",
    }
    if deciding := rows_come_from(of.graph, of.relation):
        table["customProperties"] = _custom({ROWS_FROM: [_named(place) for place in deciding]})
    table["properties"] = [_property(of, column, field) for column, field in of.sent.items()]
    if of.promises.table:
        table["quality"] = of.promises.table
    contract["schema"] = [table]
    if promised := _sla(of):
        contract["slaProperties"] = promised
    contract["customProperties"] = _custom(_of_delivery(of))
    return _plain(contract)


def contract_yaml(contract: Mapping[str, Any]) -> str:
    """Return a contract as a YAML file."""
    import yaml

    name = contract["name"]
    begin = f"# What `{name}` delivers; written by `sluice export contract {name}`.\n"
    return begin + yaml.safe_dump(contract, sort_keys=False, allow_unicode=True, width=110)


def _usage(of: Delivered) -> str:
    spec, grain = of.export.spec, of.partitioning.grain
    said = f"A delivery {_MODES[spec.mode]}."
    if spec.latest_only:
        return f"{said} It holds the newest validated {grain.unit} alone."
    if not of.partitioning.partitioned:
        return said
    return (
        f"{said} Each {grain.unit} is delivered, and a corrected one again; quality rules hold for each"
        f" {grain.unit} by itself."
    )


def _limitations(of: Delivered) -> str:
    """Tell last-mile rules, and what is not known of where a field comes from."""
    said = [f"Until {end} {what}." for what, end in _last_mile(of)]
    if blind := not_understood(of.graph, of.relation):
        said.append(
            f"Part of the SQL of {', '.join(one.name for one in blind)} is not understood: there every"
            " column counts as an origin of every other."
        )
    return " ".join(said)


def _last_mile(of: Delivered) -> Iterator[tuple[str, str]]:
    """Yield what each last-mile rule does and until when; with its values where those may be told."""
    for rule in of.export.spec.last_mile:
        field = of.export.field(rule.column)
        what = f"rows are left out by `{field}`" if rule.filter else f"values of `{field}` are replaced"
        shown = rule.column in of.sent and of.shows(field)
        yield f"{what} ({rule})" if shown else what, str(rule.expires)


def _team(owner: str) -> dict[str, Any]:
    if "@" not in owner:
        return {"name": owner.removeprefix("team:")}
    return {"name": owner.partition("@")[0], "members": [{"username": owner, "role": "owner"}]}


def _property(of: Delivered, column: str, field: str) -> dict[str, Any]:
    place = Place(of.relation, field)
    said = of.described.get(column, {})
    key, type_ = of.export.key_fields, of.types[field]
    item: dict[str, Any] = {"name": field}
    if type_:
        shown = type_text(type_)
        item |= logical_type(shown)
        # The words of an ENUM are values.
        item["physicalType"] = shown if of.shows(field) or "'" not in shown else base_of(shown)
    if description := str(said.get("description") or "").strip():
        item["description"] = description
    if field in key:
        item |= {"primaryKey": True, "primaryKeyPosition": key.index(field) + 1}
        if len(key) == 1 and of.export.spec.mode is not Mode.APPEND:
            item["unique"] = True
    item["required"] = field in key or field in of.promises.required or _never_null(of, column)
    if column == of.node.partition_column and of.partitioning.partitioned:
        item |= {"partitioned": True, "partitionKeyPosition": 1}
    if classes := of.flow.of(place):
        item["classification"] = ", ".join(sorted(classes))
    item |= _transform(of, place)
    if column != field:
        item["customProperties"] = _custom({MODEL_COLUMN: column})
    if rules := of.promises.columns.get(field):
        item["quality"] = rules
    return item


def _never_null(of: Delivered, column: str) -> bool:
    """Whether the engine itself takes no null there, and no last-mile rule makes one."""
    constraints = cast("Iterable[Mapping[str, Any]]", of.described.get(column, {}).get("constraints") or ())
    mapped = [rule.map for rule in of.export.spec.last_mile if rule.map and rule.map.column == column]
    nulled = any(value is None for one in mapped for value in one.values.values())
    return not nulled and any(item.get("type") in ("not_null", "primary_key") for item in constraints)


def _transform(of: Delivered, place: Place) -> dict[str, Any]:
    """Say where a field comes from, in the standard's words."""
    found = comes_from(of.graph, place)
    if not found:
        return {"transformDescription": "Of no column's value: a number of rows, or a constant."}
    by_kind: dict[Kind, list[str]] = {}
    for one in found:
        by_kind.setdefault(one.kind, []).append(_named(one.place))
    return {
        "transformSourceObjects": [_named(one.place) for one in found],
        "transformLogic": "; ".join(f"{kind}: {', '.join(names)}" for kind, names in by_kind.items()),
        "transformDescription": "; ".join(
            f"{WORDS[kind]}: {listed(names, _TOLD)}" for kind, names in by_kind.items()
        ),
    }


def _named(place: Place) -> str:
    """Name a column as whoever writes contracts does: by its source."""
    relation = place.relation
    return f"{relation.name if relation.schema == RAW else relation}.{place.column}"


def logical_type(type_: str) -> dict[str, Any]:
    """Return `logicalType` of a type, and what is in it where it nests."""
    try:
        return _nested(parse_type(type_))
    except UnknownType:
        return {"logicalType": _plain_logical(type_)}


def _nested(type_: SqlType) -> dict[str, Any]:
    if type_.name == LIST:
        return {"logicalType": "array", "items": _nested(type_.members[0][1])}
    if type_.name == STRUCT and all(name for name, _ in type_.members):
        members = [{"name": name, **_nested(kind)} for name, kind in type_.members]
        return {"logicalType": "object", "properties": members}
    return {"logicalType": "object" if type_.name in (STRUCT, MAP) else _plain_logical(type_.name)}


def _plain_logical(type_: str) -> str:
    base = base_of(type_)
    base = ALIASES.get(base, base)
    if base in RANGES:
        return "integer"
    if base in ("UUID", "ENUM", "BLOB", "BIT", "INTERVAL"):
        return "string"
    return "time" if base.startswith("TIME ") else _LOGICAL.get(kind_of(base), "object")


def _sla(of: Delivered) -> list[dict[str, Any]]:
    deadline, grain = of.export.spec.deadline, of.partitioning.grain
    if deadline is None:
        return []
    latency = {
        "property": "latency",
        "value": _number(deadline.latency),
        "unit": deadline.unit,
        "description": f"From the end of a {grain.unit} until it is delivered.",
    }
    if not grain.timed:
        return [latency]
    value, unit = _in_unit(grain.span.longest)
    return [{"property": "frequency", "value": value, "unit": unit}, latency]


def _in_unit(span: timedelta) -> tuple[int, str]:
    unit = next(unit for unit in ("w", "d", "h", "min") if span % UNITS[unit] == timedelta())
    return span // UNITS[unit], unit


def _number(value: float) -> int | float:
    return int(value) if math.isfinite(value) and value == int(value) else value


def _of_delivery(of: Delivered) -> dict[str, Any]:
    spec = of.export.spec
    said: dict[str, Any] = {
        "mode": str(spec.mode),
        "partitions": spec.partitions,
        "partitionGrain": str(of.partitioning.grain),
        "classes": list(spec.classes),
        "limits": spec.limits.model_dump(mode="json", exclude_none=True, exclude_defaults=True),
        "refusals": spec.refusals.model_dump(mode="json"),
    }
    if spec.last_mile:
        said[LAST_MILE] = [{"rule": what, "until": end} for what, end in _last_mile(of)]
    return {name: value for name, value in said.items() if value not in ({}, [])}


def _custom(said: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"property": name, "value": value} for name, value in said.items()]


def _plain(value: Any) -> Any:
    """Return what JSON has, too: keys and dates as text, and lists that YAML shows as such."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in cast("Iterable[Any]", value)]
    return value if value is None or isinstance(value, bool | int | float) else str(value)
