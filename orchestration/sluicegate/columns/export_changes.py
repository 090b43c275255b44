"""Two states of `exports/` -> which fields of destinations are gone, new, or filled otherwise.

Belongs here: what an export file decides; each of its fields is named here with what a change of it does
(a test asks for one that nobody has thought of). Does not belong here: what the model of an export says.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from sluicegate.columns.graph import DELIVERED, ColumnGraph
from sluicegate.columns.impact import Change, How
from sluicegate.core.relations import Relation
from sluicegate.delivery.export_files.exports import Export

Notes = tuple[str, ...]
# A destination is left with other rows of the same model.
_ROWS = frozenset({"key", "mode", "partitions"})
# What a delivery is judged by, and what may be sent at all.
_JUDGED = frozenset({"limits", "refusals", "classes"})
# For people, and when.
_SAID = frozenset({"owner", "channel", "purpose", "deadline", "budget"})
_COMPARED = frozenset({"model", "destination", "names", "last_mile"})
SPEC_FIELDS = _ROWS | _JUDGED | _SAID | _COMPARED
DESTINATION_FIELDS = frozenset({"type", "connection", "object", "options"})


def export_changes(
    before: Mapping[str, Export], after: Mapping[str, Export], old: ColumnGraph, new: ColumnGraph
) -> tuple[list[Change], list[tuple[Relation, str]], Notes]:
    """Return what changes in fields, what is judged otherwise, and what is said otherwise of an export."""
    changes: list[Change] = []
    judged: list[tuple[Relation, str]] = []
    notes: list[str] = []
    for name, export in after.items():
        relation = Relation(DELIVERED, name)
        if name not in before:
            changes.append(Change(relation, How.NEW, "the export is new", _fields(new, name)))
            continue
        earlier = before[name]
        changes += _of_export(earlier, export, old, new)
        judged += [
            (relation, f"{field} of the export changed") for field in _differing(earlier, export, _JUDGED)
        ]
        notes += [_note(earlier, export, field) for field in _differing(earlier, export, _SAID)]
    for name in before:
        if name not in after:
            changes.append(
                Change(Relation(DELIVERED, name), How.GONE, "the export is gone", _fields(old, name))
            )
    return changes, judged, tuple(notes)


def _of_export(before: Export, after: Export, old: ColumnGraph, new: ColumnGraph) -> Iterator[Change]:
    name, relation = after.name, Relation(DELIVERED, after.name)
    these, those = _fields(old, name), _fields(new, name)
    if before.place != after.place:
        here, there = _place(before), _place(after)
        what = f"goes to {there} now, no more to {here}"
        yield Change(relation, How.GONE, what, these, elsewhere=True)
        yield Change(relation, How.NEW, what, those, elsewhere=True)
    elif before.spec.destination.options != after.spec.destination.options:
        options = [export.spec.destination.options.model_dump() for export in (before, after)]
        names = sorted(one for one in options[0].keys() | options[1].keys()
                       if options[0].get(one) != options[1].get(one))  # fmt: skip
        yield Change(relation, How.VALUES, f"written otherwise: options {', '.join(names)}", those)
    yield from _names(before, after, old, new)
    yield from _maps(before, after)
    for field in _differing(before, after, _ROWS):
        was, now = getattr(before.spec, field), getattr(after.spec, field)
        yield Change(relation, How.ROWS, f"{field} is {_shown(now)}, was {_shown(was)}")
    filters = [_filters(export) for export in (before, after)]
    if filters[0] != filters[1]:
        yield Change(relation, How.ROWS, "last-mile filters changed")


def _names(before: Export, after: Export, old: ColumnGraph, new: ColumnGraph) -> Iterator[Change]:
    """Yield fields that `names` calls otherwise, or fills with another column.

    Columns that come and go, or are renamed, are the model's changes.
    """
    relation = Relation(DELIVERED, after.name)
    these, those = _fields(old, after.name), _fields(new, after.name)
    there, selected = _selected(old, relation), _selected(new, relation)
    for name in these:
        column = before.columns.get(name, name)
        if name not in those and (now := after.field(column)) in those:
            yield Change(relation, How.GONE, f"is called `{now}` now, by `names`", (name,))
            yield Change(relation, How.NEW, f"was called `{name}`, by `names`", (now,))
        elif name not in those and column in selected:
            yield Change(relation, How.GONE, "is not sent any more", (name,))
        elif name in those and (now := after.columns.get(name, name)) != column and column in selected:
            yield Change(relation, How.VALUES, f"is `{now}` of the model now, was `{column}`", (name,))
    for name in those:
        column = after.columns.get(name, name)
        if name not in these and before.field(column) not in these and column in there:
            yield Change(relation, How.NEW, "is sent now", (name,))


def _selected(graph: ColumnGraph, relation: Relation) -> set[str]:
    """Return the columns of an export's model."""
    return {name for parent in graph.tables[relation].reads for name in graph.tables[parent].columns}


def _maps(before: Export, after: Export) -> Iterator[Change]:
    old, new = ({one.map.column: one.map.values for one in export.spec.last_mile if one.map}
                for export in (before, after))  # fmt: skip
    for column in sorted(old.keys() | new.keys()):
        if _map(old.get(column)) != _map(new.get(column)):
            field = after.field(column)
            yield Change(Relation(DELIVERED, after.name), How.VALUES, "last-mile map changed", (field,))


def _map(values: Mapping[Any, Any] | None) -> list[str]:
    return sorted(f"{old!r}: {new!r}" for old, new in (values or {}).items())


def _filters(export: Export) -> list[str]:
    return sorted(repr(rule.filter) for rule in export.spec.last_mile if rule.filter)


def _fields(graph: ColumnGraph, export: str) -> tuple[str, ...]:
    table = graph.tables.get(Relation(DELIVERED, export))
    return tuple(table.columns) if table else ()


def _differing(before: Export, after: Export, names: frozenset[str]) -> list[str]:
    return [name for name in sorted(names) if getattr(before.spec, name) != getattr(after.spec, name)]


def _note(before: Export, after: Export, field: str) -> str:
    if field in ("owner", "channel"):
        was, now = getattr(before.spec, field), getattr(after.spec, field)
        return f"{after.name}: {field} is {_shown(now)}, was {_shown(was)}"
    return f"{after.name}: {field} changed"


def _place(export: Export) -> str:
    said = export.spec.destination
    return f"{said.type} `{said.connection}` `{said.object}`"


def _shown(value: Any) -> str:
    return "nothing" if value is None else ", ".join(value) if isinstance(value, tuple) else str(value)
