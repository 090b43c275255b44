"""Two states of a project, compared by meaning: what is another, at the place where it was changed.

A file that was reformatted, a CTE that was renamed, columns in another order are no change: SQL is compared
by what the engine understands of it. Belongs here: contracts, tables, exports, and what is judged. Does not
belong here: where the earlier state comes from, and what a change does further down (`impact`).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sluicegate.columns.contract_changes import contract_changes, judged_otherwise, renamed_loaded
from sluicegate.columns.export_changes import Notes, export_changes
from sluicegate.columns.graph import DELIVERED, ColumnGraph
from sluicegate.columns.impact import Change, How
from sluicegate.columns.kusto_changes import kusto_changes
from sluicegate.compute.column_plan_rows import digest_of
from sluicegate.contracts.model import SourceContract
from sluicegate.core.column_origins import Place, TableOrigins
from sluicegate.core.relations import Relation
from sluicegate.delivery.export_files.exports import Export
from sluicegate.kusto.objects import KustoProject
from sluicegate.quality.suites import Suite
from sluicegate.transformation.manifest import DbtManifest, DbtNode, blocks, tested_relation

Classes = Mapping[Place, frozenset[str]]
_Renamed = dict[Place, Place]
# Of a node's config what says nothing about its rows, or shows in what its SQL comes to.
_OF_NO_EFFECT = frozenset(
    {"docs", "group", "tags", "access", "persist_docs", "grants", "freshness", "enabled", "meta", "contract",
     "column_types", "alias", "schema", "database"}
)  # fmt: skip
# Of a test's config what decides whether it holds anything, besides its SQL.
_JUDGING = ("fail_calc", "error_if", "limit", "severity")


@dataclass(frozen=True)
class State:
    """A project as it is, or was.

    `types` is {table: {column: SQL type}} of what was bound, `classes` {column: its classes}, `session` the
    settings under which all SQL runs, as dbt's profile has them, `compiled` {dbt's unique id: SQL}.
    """

    contracts: Mapping[str, SourceContract] = field(default_factory=dict[str, SourceContract])
    suites: Mapping[str, Suite] = field(default_factory=dict[str, Suite])
    exports: Mapping[str, Export] = field(default_factory=dict[str, Export])
    manifest: DbtManifest = field(default_factory=lambda: DbtManifest({"nodes": {}, "sources": {}}))
    graph: ColumnGraph = field(default_factory=lambda: ColumnGraph([]))
    types: Mapping[Relation, Mapping[str, str]] = field(default_factory=dict[Relation, Mapping[str, str]])
    classes: Classes = field(default_factory=dict[Place, frozenset[str]])
    session: str = ""
    compiled: Mapping[str, str] = field(default_factory=dict[str, str])
    kusto: KustoProject | None = None

    @property
    def nodes(self) -> dict[Relation, DbtNode]:
        """The tables that dbt makes."""
        return {node.relation: node for node in self.manifest.nodes.values()}


@dataclass(frozen=True)
class Guard:
    """What judges a table otherwise than before; it holds what is made of it, or no longer does."""

    relation: Relation
    what: str


@dataclass(frozen=True)
class Differences:
    """What is another: in columns and rows, in what is judged, and in what is said of an export."""

    changes: tuple[Change, ...]
    guards: tuple[Guard, ...]
    notes: Notes


def differences(before: State, after: State) -> Differences:
    """Compare two states of a project."""
    found = list(_of_contracts(before.contracts, after.contracts))
    renamed = {
        Place(contract.relation, name): Place(contract.relation, now)
        for contract in after.contracts.values()
        if contract.name in before.contracts
        for name, now in renamed_loaded(before.contracts[contract.name], contract).items()
    }
    found += _of_tables(before, after, renamed)
    of_exports, guards, notes = export_changes(before.exports, after.exports, before.graph, after.graph)
    guards = [*_judged(before, after), *(Guard(relation, what) for relation, what in guards)]
    of_kusto, said = kusto_changes(before.kusto, after.kusto)
    return Differences((*found, *of_exports, *of_kusto), tuple(guards), (*notes, *said))


def contracts_alone(before: State, contracts: Mapping[str, SourceContract]) -> Differences:
    """Compare a state with contracts of which the project does not load."""
    changes = list(_of_contracts(before.contracts, contracts))
    return Differences(tuple(changes), (), ())


def _of_contracts(
    before: Mapping[str, SourceContract], after: Mapping[str, SourceContract]
) -> Iterator[Change]:
    for name, contract in after.items():
        if name in before:
            yield from contract_changes(before[name], contract)
        else:
            yield Change(contract.relation, How.NEW, "the contract is new", _loaded(contract))
    for name, contract in before.items():
        if name not in after:
            yield Change(contract.relation, How.GONE, "the contract is gone", _loaded(contract))


def _loaded(contract: SourceContract) -> tuple[str, ...]:
    return tuple(column.name for column in contract.loaded_columns)


def _of_tables(before: State, after: State, renamed: _Renamed) -> Iterator[Change]:
    """Yield what is another of what dbt makes, each in its own step; what comes from above is told above.

    `renamed` is {earlier column: later one} of what is above; those of each table are added to it.
    """
    these, those = before.nodes, after.nodes
    for relation, node in those.items():
        table = after.graph.tables.get(relation)
        old = before.graph.tables.get(relation)
        if table is None:
            continue
        if relation not in these or old is None:
            yield Change(relation, How.NEW, f"the {node.resource_type} is new", tuple(table.columns))
            continue
        yield from _of_table(before, after, relation, renamed)
        for what in _kept_otherwise(before, after, these[relation], node):
            yield Change(relation, How.ROWS, what)
    if these and before.session != after.session:
        yield from _run_otherwise(after)
    for relation, node in these.items():
        if relation not in those and relation in before.graph.tables:
            columns = tuple(before.graph.tables[relation].columns)
            yield Change(relation, How.GONE, f"the {node.resource_type} is gone", columns)


def _run_otherwise(after: State) -> Iterator[Change]:
    """Yield that all SQL runs under other settings, which no plan shows: a time zone, how `/` divides.

    Told where columns and rows come in; from there it travels to whatever is made of them.
    """
    what = "settings of dbt's profile changed, under which SQL runs"
    for relation, node in after.nodes.items():
        table = after.graph.tables.get(relation)
        first = [
            name
            for name, origins in (table.columns if table else {}).items()
            if not any(origin.place.relation in after.nodes for origin in origins)
        ]
        if first:
            yield Change(relation, How.VALUES, what, tuple(first))
        if all(parent not in after.manifest.nodes for parent in node.parents):
            yield Change(relation, How.ROWS, what)


def _of_table(before: State, after: State, relation: Relation, above: _Renamed) -> Iterator[Change]:
    old, new = before.graph.tables[relation], after.graph.tables[relation]
    these, those = before.nodes[relation], after.nodes[relation]
    compiled = before.compiled.get(these.unique_id), after.compiled.get(those.unique_id)
    same_code = before.manifest.digests.get(these.unique_id) == after.manifest.digests.get(
        those.unique_id
    ) or (bool(compiled[0]) and compiled[0] == compiled[1])
    understood = not (old.not_understood or new.not_understood)

    def same(digest: str | None, now: str | None) -> bool:
        """Whether two digests say the same; where they tell nothing, the whole code has to be the same."""
        return digest == now if digest and now and understood else same_code

    digests = {name: _digest_by_later_names(old, name, above) for name in old.columns}
    lost = [name for name in old.columns if name not in new.columns]
    gained = [name for name in new.columns if name not in old.columns]
    renamed = _renamed({name: digests[name] for name in lost}, new, gained)
    above.update({Place(relation, name): Place(relation, now) for name, now in renamed.items()})
    for name in lost:
        what = f"is called `{renamed[name]}` now" if name in renamed else "is not selected any more"
        yield Change(relation, How.GONE, what, (name,), renamed=name in renamed)
    was = {now: name for name, now in renamed.items()}
    for name in gained:
        what = f"was called `{was[name]}`" if name in was else "is selected now"
        yield Change(relation, How.NEW, what, (name,), renamed=name in was)
    types = (before.types.get(relation, {}), after.types.get(relation, {}))
    made_otherwise: list[str] = []
    for name in new.columns:
        if name not in old.columns or same(digests[name], new.digests.get(name)):
            continue
        if types[0].get(name) != types[1].get(name):
            what = f"type is {types[1].get(name)}, was {types[0].get(name)}"
            yield Change(relation, How.TYPE, what, (name,))
        else:
            made_otherwise.append(name)
    seed = those.resource_type == "seed"
    if made_otherwise:
        what = "the seed's content changed" if seed else "made otherwise"
        yield Change(relation, How.VALUES, what, tuple(made_otherwise))
    if not same(old.rows_digest, new.rows_digest):
        what = "the seed's content changed" if seed else "which rows there are, or in which order"
        yield Change(relation, How.ROWS, what)


def _digest_by_later_names(table: TableOrigins, name: str, renamed: _Renamed) -> str:
    """Return the digest of a column, as it would be if what it is had always been called as it is now.

    So a column that is renamed above, and taken by its new name, is the same. Of one that is worked out of
    others, or grouped by, the digest stays: it says more than a name.
    """
    digest, origins = table.digests.get(name, ""), list(table.columns[name])
    if len(origins) == 1 and (now := renamed.get(origins[0].place)) is not None:
        place = origins[0].place
        if digest == digest_of(place.relation.parts, place.column):
            return digest_of(now.relation.parts, now.column)
    return digest


def _renamed(lost: Mapping[str, str], new: TableOrigins, gained: Sequence[str]) -> dict[str, str]:
    """Return {earlier name: later name} of columns that are made as before, and are the only ones made so."""
    made: dict[str, list[str]] = {}
    for name in gained:
        made.setdefault(new.digests.get(name, ""), []).append(name)
    digests = list(lost.values())
    return {
        name: made[digest][0]
        for name, digest in lost.items()
        if digest and len(made.get(digest, ())) == 1 and digests.count(digest) == 1
    }


def _kept_otherwise(before: State, after: State, old: DbtNode, new: DbtNode) -> Iterator[str]:
    """Yield what of a node's config decides which rows a table keeps, and does not stand in its SQL."""
    if (old.partition_grain, old.trailing_days) != (new.partition_grain, new.trailing_days):
        yield "meta changed: partition_grain or trailing_days"
    configs = [
        {name: value for name, value in state.manifest.content["nodes"][node.unique_id]["config"].items()
         if name not in _OF_NO_EFFECT}
        for state, node in ((before, old), (after, new))
    ]  # fmt: skip
    names = sorted(
        name for name in configs[0].keys() | configs[1].keys()
        if _told(configs[0].get(name)) != _told(configs[1].get(name))
    )  # fmt: skip
    if names:
        yield f"config changed: {', '.join(names)}"


def _told(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _judged(before: State, after: State) -> Iterator[Guard]:
    for name, contract in after.contracts.items():
        if name in before.contracts:
            for what in judged_otherwise(before.contracts[name], contract):
                yield Guard(contract.relation, f"contract: {what}")
    relations = {contract.name: contract.relation for contract in after.contracts.values()}
    relations |= {node.name: node.relation for node in after.manifest.nodes.values()}
    digests = [
        {name: frozenset([suite.rules_digest]) for name, suite in state.suites.items() if suite.blocking}
        for state in (before, after)
    ]
    for name, what in _others(*digests):
        if name in relations:
            yield Guard(relations[name], f"expectations: critical rules {what}")
    tests = [dict(_tests(state)) for state in (before, after)]
    for (relation, name), what in _others(*tests):
        if relation in relations.values():
            yield Guard(relation, f"dbt test `{name}` {what}")


def _tests(state: State) -> Iterator[tuple[tuple[Relation, str], frozenset[str]]]:
    """Yield each test that holds something, and what tells that it is the same: one of these is enough.

    A digest errs on the side of "another"; what it comes to in SQL is the same then.
    """
    for test in state.manifest.tests():
        relation, unique_id = tested_relation(state.manifest, test), test["unique_id"]
        if relation is not None and blocks(test):
            told = [state.manifest.digests.get(unique_id, "")]
            if compiled := state.compiled.get(unique_id, "").strip():
                told.append(_told([compiled, *(test["config"].get(name) for name in _JUDGING)]))
            yield (Relation.parse(relation), str(test["name"])), frozenset(told)


def _others(
    before: Mapping[Any, frozenset[str]], after: Mapping[Any, frozenset[str]]
) -> Iterator[tuple[Any, str]]:
    for name in sorted(before.keys() | after.keys()):
        if name not in before:
            yield name, "new"
        elif name not in after:
            yield name, "gone"
        elif before[name].isdisjoint(after[name]):
            yield name, "changed"


def class_changes(before: State, after: State) -> Iterator[Change]:
    """Yield the fields of exports that are of another class than before, as the flow of classes has it."""
    for place in after.graph.fields():
        if place.relation not in before.graph.tables or place.column not in (
            before.graph.tables[place.relation].columns
        ):
            continue
        old, new = before.classes.get(place, frozenset()), after.classes.get(place, frozenset())
        if old != new:
            what = f"class is {', '.join(sorted(new)) or 'none'}, was {', '.join(sorted(old)) or 'none'}"
            yield Change(Relation(DELIVERED, place.relation.name), How.CLASS, what, (place.column,))
