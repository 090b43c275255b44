"""What a person types -> columns of the graph, and what hangs on them.

Belongs here: names, and what is said of those that are not there. Does not belong here: the walk (`impact`).
"""

from collections.abc import Mapping, Sequence

from orchestration.columns.graph import DELIVERED, ColumnGraph
from orchestration.columns.impact import Change, Effect, How, effect
from orchestration.columns.receivers import RECEIVING
from orchestration.contracts.columns import Masking
from orchestration.contracts.model import SourceContract
from orchestration.core.column_origins import Place
from orchestration.core.problems import did_you_mean
from orchestration.core.relations import RAW, Relation


def hanging_on(graph: ColumnGraph, contracts: Mapping[str, SourceContract], name: str) -> list[Effect]:
    """Return what hangs on a table, or on a column of it: on its values, and of a table on its rows.

    Args:
        graph: with exposures.
        contracts: those of the project.
        name: SOURCE, MODEL, or one of their columns after a dot; `staging.stg_sales` where a model and a
            source have one name.

    Raises:
        ValueError: there is no such table or column.
    """
    relation, column = _table(graph, name)
    table = graph.tables[relation]
    contract = contracts.get(relation.name) if relation.schema == RAW else None
    own = [one.name for one in contract.loaded_columns] if contract else list(table.columns)
    if not column:
        return [
            effect(graph, Change(relation, How.VALUES, "what hangs on its columns", tuple(own))),
            effect(graph, Change(relation, How.ROWS, "what hangs on its rows")),
        ]
    spelled = {one.lower(): one for one in table.columns}
    if column.lower() not in spelled:
        dropped = contract is not None and any(
            one.name.lower() == column.lower() and one.masking is Masking.DROP for one in contract.columns
        )
        if dropped:
            raise ValueError(
                f"`{name}` is not loaded: its masking is {Masking.DROP}, so nothing hangs on it; expected a"
                f" column that is; {did_you_mean(column, own)}"
            )
        raise ValueError(f"`{relation.name}` has no column `{column}`; {did_you_mean(column, own)}")
    change = Change(relation, How.VALUES, "what hangs on it", (spelled[column.lower()],))
    return [effect(graph, change)]


def field_of(graph: ColumnGraph, name: str) -> Place:
    """Return the field that `EXPORT.FIELD` names.

    Raises:
        ValueError: there is no such export or field.
    """
    export, dot, field = name.partition(".")
    exports = {one.name: one for one in graph.tables if one.schema == DELIVERED}
    if export not in exports:
        raise ValueError(f"no export `{export}`; {did_you_mean(export, exports)}")
    fields = {one.lower(): one for one in graph.tables[exports[export]].columns}
    if not dot or field.lower() not in fields:
        what = f"`{export}` has no field `{field}`" if field else f"`{name}` names no field of it"
        raise ValueError(f"{what}; expected EXPORT.FIELD; {did_you_mean(field, fields.values())}")
    return Place(exports[export], fields[field.lower()])


def _table(graph: ColumnGraph, name: str) -> tuple[Relation, str]:
    """Return the table that a name begins with, and what follows; a column may have a dot in it."""
    tables = [relation for relation in graph.tables if relation.schema not in RECEIVING]
    for spelled in (_by_relation(tables), _by_name(tables)):
        for known in sorted(spelled, key=len, reverse=True):
            if name.lower() == known or name.lower().startswith(f"{known}."):
                found = spelled[known]
                if len(found) > 1:
                    raise ValueError(
                        f"`{name}` may be {' or '.join(map(str, found))}; expected one; type it with its"
                        " schema"
                    )
                return found[0], name[len(known) + 1 :]
    first = name.split(".")[0]
    raise ValueError(f"no source or model `{first}`; {did_you_mean(first, [one.name for one in tables])}")


def _by_relation(tables: Sequence[Relation]) -> dict[str, list[Relation]]:
    return {str(one).lower(): [one] for one in tables}


def _by_name(tables: Sequence[Relation]) -> dict[str, list[Relation]]:
    found: dict[str, list[Relation]] = {}
    for one in tables:
        found.setdefault(one.name.lower(), []).append(one)
    return found
