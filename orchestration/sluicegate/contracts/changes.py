"""Two versions of a contract -> what has changed, and for whom it breaks.

Belongs here: what readers of the raw table see otherwise, and which drops that were taken yesterday would be
refused or quarantined today. Does not belong here: where the earlier version comes from (`diff`), and the
rules of one column (`rule_changes`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, cast

from sluicegate.contracts.columns import Column, Masking
from sluicegate.contracts.model import QuarantineLimit, SourceContract
from sluicegate.contracts.reading import Format
from sluicegate.contracts.rule_changes import Verdict, limit_verdict, rule_changes
from sluicegate.contracts.shape import Policy
from sluicegate.contracts.sla import MAX_AGE


class Weight(StrEnum):
    """How much a change asks of others, heaviest first: semver's major, minor and patch."""

    BREAKING = "breaking"
    COMPATIBLE = "compatible"
    NOTE = "note"


@dataclass(frozen=True)
class Change:
    """One change; `affects` is `readers` of the raw table or the `provider`, empty for a note."""

    source: str
    file: str
    line: int
    weight: Weight
    affects: str
    what: str


Found = tuple[Weight, str, str, tuple[str | int, ...]]
_READERS, _PROVIDER = "readers", "provider"
# Formats whose rows name their values: a drop may leave out what is not required.
_KEYED = (Format.JSON, Format.JSONL)
_VERDICTS = {Verdict.TIGHTER: (Weight.BREAKING, _PROVIDER), Verdict.LOOSER: (Weight.COMPATIBLE, _READERS)}
# What the comparison reads itself; everything else that the standard has is for people.
_READ = frozenset({"version", "servers", "schema", "customProperties", "apiVersion"})
_READ_OF_COLUMN = frozenset(
    {"name", "physicalName", "physicalType", "required", "primaryKey", "primaryKeyPosition", "unique",
     "partitioned", "partitionKeyPosition", "logicalTypeOptions", "customProperties", "quality"}
)  # fmt: skip
_SECTIONS = {
    "description": "description", "slaProperties": "SLA", "team": "team", "support": "support",
}  # fmt: skip


def changes_between(before: SourceContract, after: SourceContract) -> list[Change]:
    """Return what has changed, heaviest first."""
    found = [
        *_whole(before, after),
        *_reading(before, after),
        *_columns(before, after),
        *_notes(before, after),
    ]
    changes = [
        Change(after.name, after.file.name, after.file.line(*at), weight, affects, what)
        for weight, affects, what, at in found
    ]
    order = list(Weight)
    return sorted(changes, key=lambda change: (order.index(change.weight), change.line))


def _was(name: str, after: object, before: object) -> str:
    return f"{name} is {_shown(after)}, was {_shown(before)}"


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        value = ", ".join(map(str, cast("tuple[object, ...]", value)))
    return f"`{value}`" if value not in ("", None) else "nothing"


def _whole(before: SourceContract, after: SourceContract) -> Iterator[Found]:
    """How the table is cut and keyed, and what of a drop is refused."""
    custom, table = ("customProperties",), ("schema", 0)
    if before.grain is not after.grain:
        yield Weight.BREAKING, _READERS, _was("partition grain", after.grain, before.grain), custom
    if before.partition_column != after.partition_column:
        what = _was("partition column", after.partition_column, before.partition_column)
        yield Weight.BREAKING, _READERS, what, table
    if before.key != after.key:
        yield Weight.BREAKING, _READERS, _was("key", after.key, before.key), table
    if before.partition_start and after.partition_start and before.partition_start != after.partition_start:
        later = after.partition_start > before.partition_start
        what = _was("first partition", after.partition_start, before.partition_start)
        yield Weight.BREAKING if later else Weight.COMPATIBLE, _PROVIDER, what, custom
    if before.gaps_allowed != after.gaps_allowed:
        weight = Weight.COMPATIBLE if after.gaps_allowed else Weight.BREAKING
        said = {True: "allowed", False: "refused"}
        yield (
            weight,
            _PROVIDER,
            _was("daysWithoutDrop", said[after.gaps_allowed], said[before.gaps_allowed]),
            custom,
        )
    if (verdict := limit_verdict(before.max_age, after.max_age, 1)) is not None:
        yield *_VERDICTS[verdict], _was("maxAge", after.max_age, before.max_age), ("slaProperties",)
    yield from _limits(before, after)
    yield from _policies(before, after)


def _limits(before: SourceContract, after: SourceContract) -> Iterator[Found]:
    old, new = before.limit, after.limit
    strict = QuarantineLimit()
    limits: list[tuple[str, object, object, Verdict | None]] = []
    if old != new and strict in (old, new):  # from nothing, or to nothing, that may be quarantined
        verdict = Verdict.LOOSER if old == strict else Verdict.TIGHTER
        limits.append(("what may be quarantined", old, new, verdict))
    else:
        rows, percent = limit_verdict(old.rows, new.rows, 1), limit_verdict(old.percent, new.percent, 1)
        limits.append(("rows that may be quarantined", old.rows, new.rows, rows))
        limits.append(("per cent that may be quarantined", old.percent, new.percent, percent))
    for name, place, side in (("least rowCount", 0, -1), ("greatest rowCount", 1, 1)):
        least, most = before.row_count[place], after.row_count[place]
        limits.append((name, least, most, limit_verdict(least, most, side)))
    for name, earlier, later, verdict in limits:
        if verdict is not None:
            yield *_VERDICTS[verdict], _was(name, later, earlier), ("customProperties",)


def _policies(before: SourceContract, after: SourceContract) -> Iterator[Found]:
    for item in fields(before.shape):
        old, new = getattr(before.shape, item.name), getattr(after.shape, item.name)
        if old is new:
            continue
        what = _was(f"policy for a {item.name.replace('_', ' ')}", new, old)
        if new is Policy.REFUSE:
            yield Weight.BREAKING, _PROVIDER, what, ("customProperties",)
        elif old is Policy.ADD:
            yield (
                Weight.BREAKING,
                _READERS,
                f"{what}: columns that were taken in are no more",
                ("customProperties",),
            )
        else:
            yield Weight.COMPATIBLE, _READERS, what, ("customProperties",)


def _reading(before: SourceContract, after: SourceContract) -> Iterator[Found]:
    """Where drops land, what completes them, how they are read: each asks something of the provider."""
    at = ("servers", 0)
    pairs: list[tuple[str, object, object]] = [
        ("connector", before.connector, after.connector),
        ("path", before.template.text, after.template.text),
        ("drop is complete on", _completion(before), _completion(after)),
    ]
    pairs += [
        (item.name.replace("_", " "), getattr(before.reading, item.name), getattr(after.reading, item.name))
        for item in fields(before.reading)
    ]
    for name, old, new in pairs:
        if old != new:
            yield Weight.BREAKING, _PROVIDER, _was(name, new, old), at


def _completion(contract: SourceContract) -> str:
    said = contract.completion
    where = said.template.text if said.template else f"{said.seconds:g} s"
    return f"{said.on} {where}"


def _columns(before: SourceContract, after: SourceContract) -> Iterator[Found]:
    properties = cast("list[dict[str, Any]]", after.file.data["schema"][0].get("properties") or [])
    places = {str(item["name"]): index for index, item in enumerate(properties)}
    these, those = ({column.name: column for column in contract.columns} for contract in (before, after))
    renamed = renamed_columns(these, those)
    for name, column in these.items():
        new = those.get(renamed.get(name, name))
        if new is None:
            yield Weight.BREAKING, _READERS, f"column `{name}` is gone", ("schema", 0, "properties")
            continue
        at = ("schema", 0, "properties", places[new.name])
        if new.name != name:
            yield Weight.BREAKING, _READERS, f"column `{name}` is now named `{new.name}`", at
        for weight, affects, what in _column(column, new):
            yield weight, affects, f"column `{new.name}`: {what}", at
    for name, column in those.items():
        if name not in these and name not in renamed.values():
            yield *_new_column(after, column), ("schema", 0, "properties", places[name])
    kept = [renamed.get(name, name) for name in these if renamed.get(name, name) in those]
    if kept != [name for name in those if name in kept]:
        strict = after.shape.changed_order is Policy.REFUSE and after.reading.format not in _KEYED
        weight, affects = (Weight.BREAKING, _PROVIDER) if strict else (Weight.NOTE, "")
        yield weight, affects, "the order of the columns", ("schema", 0, "properties")


def renamed_columns(these: Mapping[str, Column], those: Mapping[str, Column]) -> dict[str, str]:
    """Return {earlier name: later name} of columns that have kept their header, and nothing else."""
    gone = [column for name, column in these.items() if name not in those]
    new = {column.header: name for name, column in those.items() if name not in these}
    return {column.name: new[column.header] for column in gone if column.header in new}


def _new_column(after: SourceContract, column: Column) -> tuple[Weight, str, str]:
    said = f"column `{column.name}` is new"
    if column.required:
        return Weight.BREAKING, _PROVIDER, f"{said} and required: drops without it are refused"
    if after.shape.lost_column is Policy.REFUSE and after.reading.format not in _KEYED:
        fix = "unless `shapeChanges` says `{lostColumn: add}`"
        return Weight.BREAKING, _PROVIDER, f"{said}: drops without it are refused, {fix}"
    return Weight.COMPATIBLE, _READERS, f"{said}; NULL where a drop has none"


def _column(old: Column, new: Column) -> Iterator[tuple[Weight, str, str]]:
    if old.masking is not new.masking:
        yield Weight.BREAKING, _READERS, _was("masking", new.masking, old.masking)
    if old.type != new.type and Masking.DROP not in (old.masking, new.masking):
        yield Weight.BREAKING, _READERS, _was("type", new.type, old.type)
    elif old.type != new.type:
        yield Weight.BREAKING, _PROVIDER, _was("type", new.type, old.type)
    if old.required != new.required:
        if new.required:
            yield Weight.BREAKING, _PROVIDER, "is required now: rows without it are quarantined"
        else:
            yield Weight.BREAKING, _READERS, "may be NULL now"
    if old.unique != new.unique:
        affects = _PROVIDER if new.unique else _READERS
        yield Weight.BREAKING, affects, "is unique now" if new.unique else "may repeat now"
    yield from _headers(old, new)
    if old.type == new.type:
        for verdict, what in rule_changes(old, new):
            yield *_VERDICTS[verdict], what


def _headers(old: Column, new: Column) -> Iterator[tuple[Weight, str, str]]:
    before, after = {old.header, *old.aliases}, {new.header, *new.aliases}
    if lost := sorted(before - after):
        yield Weight.BREAKING, _PROVIDER, f"header {_shown(tuple(lost))} is not known any more"
    if gained := sorted(after - before):
        yield Weight.COMPATIBLE, _PROVIDER, f"header {_shown(tuple(gained))} is known, too"


def _notes(before: SourceContract, after: SourceContract) -> Iterator[Found]:
    """What is for people, or for the platform alone."""
    old, new = before.file.data, after.file.data
    for name in sorted((old.keys() | new.keys()) - _READ):
        if _for_people(name, old) != _for_people(name, new):
            yield Weight.NOTE, "", f"{_SECTIONS.get(name, name)} changed", (name,)
    for name, said in (
        ("owner", (before.owner, after.owner)), ("provider", (before.provider, after.provider)),
        ("staging is emptied", (before.empties_staging, after.empties_staging)),
        ("originals are cold after days", (before.cold_after_days, after.cold_after_days)),
        ("file", (before.file.name, after.file.name)),
    ):  # fmt: skip
        if said[0] != said[1]:
            yield Weight.NOTE, "", _was(name, said[1], said[0]), ("customProperties",)
    tables = [_first(data, "schema") for data in (old, new)]
    for name in _differing(tables[0], tables[1], {"name", "properties", "quality"}):
        yield Weight.NOTE, "", f"`{name}` of the table changed", ("schema", 0, name)
    servers = [_first(data, "servers") for data in (old, new)]
    read = {"server", "path", "format", "delimiter", "customProperties"}
    for name in _differing(servers[0], servers[1], read):
        yield Weight.NOTE, "", f"`{name}` of the server changed", ("servers", 0, name)
    items = [{str(item["name"]): item for item in table.get("properties") or []} for table in tables]
    for index, (name, item) in enumerate(items[1].items()):
        if name in items[0]:
            for field in _differing(items[0][name], item, _READ_OF_COLUMN):
                at = ("schema", 0, "properties", index, field)
                yield Weight.NOTE, "", f"column `{name}`: `{field}` changed", at


def _for_people(name: str, data: Mapping[str, Any]) -> Any:
    """Return a section without what is compared elsewhere."""
    said = data.get(name)
    if name != "slaProperties" or not isinstance(said, list):
        return said
    listed = cast("list[dict[str, Any]]", said)
    return [item for item in listed if str(item.get("property")).lower() != MAX_AGE.lower()] or None


def _first(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    items = cast("Sequence[Mapping[str, Any]]", data.get(name) or [{}])
    return items[0]


def _differing(old: Mapping[str, Any], new: Mapping[str, Any], but: set[str] | frozenset[str]) -> list[str]:
    return sorted(name for name in (old.keys() | new.keys()) - but if old.get(name) != new.get(name))
