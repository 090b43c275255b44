"""What a plan reads rows from: tables, and functions of their arguments alone.

Belongs here: operators that read what is no operator's. Does not belong here: all others
(`column_plan_operators`).
"""

from collections.abc import Mapping
from typing import Any

from sluicegate.compute.column_plan_rows import (
    NONE,
    Cell,
    Column,
    Part,
    Rows,
    UnknownOperatorError,
    digest_of,
    then,
)
from sluicegate.core.column_origins import Kind, Place
from sluicegate.core.relations import Relation

# Functions that rows are read from, of their arguments alone; of `unnest` an element comes out as it is.
FUNCTIONS = {
    "range": Kind.TRANSFORMATION,
    "generate_series": Kind.TRANSFORMATION,
    "json_each": Kind.TRANSFORMATION,
    "json_tree": Kind.TRANSFORMATION,
    "unnest": Kind.IDENTITY,
}


def table_of_scan(operator: Mapping[str, Any]) -> Relation:
    """Return the table that is read."""
    where = operator["function_data"]
    return Relation(where["schema"], where["table"])


def rows_of_table(operator: Mapping[str, Any], scan: int) -> Rows:
    """Return the rows of a table; `scan` is the number of this reading of it."""
    relation, names = table_of_scan(operator), operator.get("names", [])
    columns: list[Column] = []
    for item in operator.get("column_indexes", []):
        if item["index"] < len(names):
            column = names[item["index"]]
            part = Part(Place(relation, column), Kind.IDENTITY)
            columns.append(Column(frozenset({part}), digest_of(relation.parts, column), Cell(scan, column)))
        else:  # the number of a row, which is made of where all rows are
            parts = frozenset(Part(Place(relation, column), Kind.TRANSFORMATION) for column in names)
            columns.append(Column(parts, digest_of(relation.parts, None)))
    told = digest_of("table", relation.parts)
    return Rows(tuple(columns), NONE, told, {str(relation): 1}, frozenset({scan}))


def rows_of_function(operator: Mapping[str, Any], below: Rows | None) -> Rows:
    """Return the rows that a function makes of constants, or of each row below.

    Raises:
        UnknownOperatorError: it is none that is known to make them of its arguments alone.
    """
    name = str(operator.get("name"))
    if name not in FUNCTIONS:
        raise UnknownOperatorError(f"what is read from `{name}`")
    told = digest_of(name, operator.get("parameters"), operator.get("named_parameters"))
    taken = below.columns[: len(operator.get("input_table_types", []))] if below else ()
    parts = NONE.union(*[column.settled().parts for column in taken])
    digests = [column.digest for column in taken]
    made = [
        Column(then(parts, FUNCTIONS[name]), digest_of(told, item["index"], digests))
        for item in operator.get("column_indexes", [])
    ]
    if below is None:
        return Rows(tuple(made), NONE, told, {told: 1})
    kept = [below.columns[at].settled() for at in operator.get("projected_input", [])]
    return below.decided(parts, Kind.JOIN, told, digests).multiplied([*made, *kept])
