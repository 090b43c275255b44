"""What the differences of two states of a project do to the fields of destinations.

Belongs here: which of the two graphs a change travels on, and what is left of it in the later state. Does
not belong here: finding the differences (`changes`), how one travels (`impact`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sluicegate.columns.changes import Guard, Notes, State, class_changes, contracts_alone, differences
from sluicegate.columns.graph import ColumnGraph
from sluicegate.columns.impact import Change, Effect, How, Moved, effect
from sluicegate.columns.receivers import EXPOSED, with_exposures
from sluicegate.contracts.model import SourceContract
from sluicegate.core.column_origins import Kind, Place
from sluicegate.core.relations import Relation


@dataclass(frozen=True)
class Since:
    """What has changed, and what it does; each guard with who may be held by it, or no longer is."""

    effects: tuple[Effect, ...]
    guards: tuple[tuple[Guard, tuple[Relation, ...]], ...]
    notes: Notes = ()


def since(before: State, after: State) -> Since:
    """Compare two states that load."""
    found = differences(before, after)
    old, new = (with_exposures(state.graph, state.manifest) for state in (before, after))
    changes = _told_once(found.changes, old, new)
    effects = [
        _left(effect(old if one.how is How.GONE else new, one), before, after, old, new) for one in changes
    ]
    told = {moved.field for one in effects for moved in one.fields if moved.how is How.CLASS}
    effects += [
        effect(new, one) for one in class_changes(before, after)
        if Place(one.relation, one.columns[0]) not in told
    ]  # fmt: skip
    guards = [
        (guard, tuple(rows.receiver for rows in effect(new, Change(guard.relation, How.ROWS, "")).rows))
        for guard in found.guards
    ]
    return Since(tuple(effects), tuple(guards), (*found.notes, *_exposures(old, new)))


def _exposures(old: ColumnGraph, new: ColumnGraph) -> Iterator[str]:
    these, those = ({one for one in graph.tables if one.schema == EXPOSED} for graph in (old, new))
    yield from (f"exposure {one.name} is new" for one in sorted(those - these))
    yield from (f"exposure {one.name} is gone" for one in sorted(these - those))


def since_of_contracts(before: State, contracts: Mapping[str, SourceContract]) -> Since:
    """Compare a state with contracts of which the project does not load: all that hung on them is told."""
    graph = with_exposures(before.graph, before.manifest)
    changes = [one for one in contracts_alone(before, contracts).changes if one.how is not How.NEW]
    return Since(tuple(effect(graph, one) for one in changes), ())


def _told_once(changes: Sequence[Change], old: ColumnGraph, new: ColumnGraph) -> list[Change]:
    """Return the changes without columns that came, or went, with the column that they are themselves.

    A column that is taken out of a contract and of four models is one change, at the top.
    """
    along: dict[How, set[Place]] = {}
    for how, graph in ((How.GONE, old), (How.NEW, new)):
        places = {Place(one.relation, name) for one in changes if one.how is how for name in one.columns}
        along[how] = {
            place for place in places
            if any(origin.kind is Kind.IDENTITY and origin.place in places for origin in graph.origins(place))
        }  # fmt: skip
    found: list[Change] = []
    for one in changes:
        left = tuple(name for name in one.columns if Place(one.relation, name) not in along.get(one.how, ()))
        if left or not one.columns:
            found.append(replace(one, columns=left))
    return found


def _left(found: Effect, before: State, after: State, old: ColumnGraph, new: ColumnGraph) -> Effect:
    """Return what there is of an effect in the later state: what fields are there, and of which type."""
    change = found.change
    if change.elsewhere:
        return found
    fields = tuple(moved for one in found.fields if (moved := _field(one, change, before, after, old, new)))
    # Who read a column that came or went reads another now, and is told as changed itself.
    rows = () if change.renamed or change.how is How.NEW else found.rows
    # Of other values, fields and rows tell all.
    readers = () if change.how is How.VALUES else found.readers
    return replace(
        found, fields=fields, rows=tuple(one for one in rows if one.receiver in new.tables),
        readers=tuple(one for one in readers if one.receiver in new.tables),
    )  # fmt: skip


def _field(
    moved: Moved, change: Change, before: State, after: State, old: ColumnGraph, new: ColumnGraph
) -> Moved | None:
    was, stays = _has(old, moved.field), _has(new, moved.field)
    if not (was and stays):
        how = How.GONE if was else How.NEW
        # That an edit of a model reaches a field which is new is no change of it.
        return replace(moved, how=how) if change.how is how else None
    if change.how is How.NEW or (change.how is How.GONE and change.renamed):
        return None
    if moved.how is How.GONE or (
        moved.how is How.TYPE and _type(before, old, moved) == _type(after, new, moved)
    ):
        return replace(moved, how=How.VALUES)
    if moved.how is How.CLASS and before.classes.get(moved.field) == after.classes.get(moved.field):
        return None
    return moved


def _has(graph: ColumnGraph, field: Place) -> bool:
    table = graph.tables.get(field.relation)
    return table is not None and field.column in table.columns


def _type(state: State, graph: ColumnGraph, moved: Moved) -> str:
    """Return the SQL type of a field: that of the column which it is."""
    if own := state.types.get(moved.field.relation, {}).get(moved.field.column):
        return own
    places = sorted(origin.place for origin in graph.origins(moved.field))
    return next((state.types.get(one.relation, {}).get(one.column, "") for one in places), "")
