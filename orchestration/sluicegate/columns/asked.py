"""What a person types -> columns of the graph, and what hangs on them.

Belongs here: names, and what is said of those that are not there. Does not belong here: the walk (`impact`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from sluicegate.columns.graph import DELIVERED, KUSTO, KUSTO_TABLE, ColumnGraph
from sluicegate.columns.impact import Change, Effect, How, effect
from sluicegate.columns.receivers import RECEIVING
from sluicegate.contracts.columns import Masking
from sluicegate.contracts.model import SourceContract
from sluicegate.core.column_origins import Place
from sluicegate.core.problems import Mistyped, did_you_mean
from sluicegate.core.relations import RAW, Relation


def hanging_on(graph: ColumnGraph, contracts: Mapping[str, SourceContract], name: str) -> list[Effect]:
    """Return what hangs on a table, or on a column of it: on its values, and of a table on its rows.

    Args:
        graph: with exposures.
        contracts: those of the project.
        name: SOURCE, MODEL, a function, view or table of `kusto/`, or one of their columns after a dot;
            `staging.stg_sales` where a model and a source have one name.

    Raises:
        ValueError: there is no such table or column.
    """
    relation, column = _table(graph, name)
    table = graph.tables[relation]
    contract = contracts.get(relation.name) if relation.schema == RAW else None
    own = [one.name for one in contract.loaded_columns] if contract else list(table.columns)
    if not column:
        changes = [
            Change(relation, How.VALUES, "what hangs on its columns", tuple(own)),
            Change(relation, How.ROWS, "what hangs on its rows"),
        ]
        return [_others(effect(graph, one)) for one in changes]
    spelled = _spelled(column, table.columns)
    if spelled is None:
        dropped = contract is not None and any(
            one.name.lower() == column.lower() and one.masking is Masking.DROP for one in contract.columns
        )
        if dropped:
            raise Mistyped(
                "SLU-C007",
                f"`{name}` is not loaded: its masking is {Masking.DROP}, so nothing hangs on it; expected a"
                f" column that is; {did_you_mean(column, own)}",
            )
        raise Mistyped("SLU-C007", f"`{relation.name}` has no column `{column}`; {did_you_mean(column, own)}")
    return [_others(effect(graph, Change(relation, How.VALUES, "what hangs on it", (spelled,))))]


def _others(found: Effect) -> Effect:
    """Return what hangs on a table without the table itself, which a function is."""
    own = found.change.relation
    return replace(
        found,
        fields=tuple(one for one in found.fields if one.field.relation != own),
        rows=tuple(one for one in found.rows if one.receiver != own),
        readers=tuple(one for one in found.readers if one.receiver != own),
    )


def _spelled(name: str, columns: Iterable[str]) -> str | None:
    """Return a column as it is spelled; in Kusto capital letters tell one from another."""
    known = {**{one.lower(): one for one in columns}, **{one: one for one in columns}}
    return known.get(name, known.get(name.lower()))


def field_of(graph: ColumnGraph, name: str) -> Place:
    """Return the field that `EXPORT.FIELD` names, or the column of a function as `FUNCTION.COLUMN`.

    Raises:
        ValueError: there is no such export or field.
    """
    export, dot, field = name.partition(".")
    exports = {one.name: one for one in graph.tables if one.schema == KUSTO}
    exports |= {one.name: one for one in graph.tables if one.schema == DELIVERED}
    if export not in exports:
        raise Mistyped("SLU-C007", f"no export `{export}`; {did_you_mean(export, exports)}")
    fields = list(graph.tables[exports[export]].columns)
    spelled = _spelled(field, fields)
    if not dot or spelled is None:
        what = f"`{export}` has no field `{field}`" if field else f"`{name}` names no field of it"
        raise Mistyped("SLU-C007", f"{what}; expected EXPORT.FIELD; {did_you_mean(field, fields)}")
    return Place(exports[export], spelled)


def _table(graph: ColumnGraph, name: str) -> tuple[Relation, str]:
    """Return the table that a name begins with, and what follows; a column may have a dot in it."""
    tables = [one for one in graph.tables if one.schema == KUSTO or one.schema not in RECEIVING]
    for spelled in (_by_relation(tables), _by_name(tables)):
        for known in sorted(spelled, key=len, reverse=True):
            if name.lower() == known or name.lower().startswith(f"{known}."):
                found = spelled[known]
                if len(found) > 1:
                    raise Mistyped(
                        "SLU-C007",
                        f"`{name}` may be {' or '.join(map(str, found))}; expected one; type it with its"
                        " schema",
                    )
                return found[0], name[len(known) + 1 :]
    first = name.split(".")[0]
    raise Mistyped(
        "SLU-C007", f"no source or model `{first}`; {did_you_mean(first, [one.name for one in tables])}"
    )


def _by_relation(tables: Sequence[Relation]) -> dict[str, list[Relation]]:
    return {str(one).lower(): [one] for one in tables}


def _by_name(tables: Sequence[Relation]) -> dict[str, list[Relation]]:
    """Return {name: tables}; what of Kusto is called as a source or model is, is named with its schema."""
    found: dict[str, list[Relation]] = {}
    for one in tables:
        found.setdefault(one.name.lower(), []).append(one)
    return {
        name: [one for one in those if one.schema not in (KUSTO, KUSTO_TABLE)] or those
        for name, those in found.items()
    }
