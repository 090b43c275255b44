"""What rows come to that are put beside one another, or below one another.

Belongs here: joins, set operations and pivots, of rows and conditions that are known. Does not belong here:
how an operator says them (`column_plan_operators`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sluicegate.compute.column_plan_compared import Comparison
from sluicegate.compute.column_plan_compared import told as told_by
from sluicegate.compute.column_plan_rows import (
    NONE,
    Cell,
    Column,
    Parts,
    Rows,
    UnknownOperatorError,
    as_kind,
    digest_of,
    not_numbered,
    then,
)
from sluicegate.core.column_origins import Kind

# By join: of which side columns are null where nothing matches.
_JOINED = {"INNER": "", "LEFT": "right", "RIGHT": "left", "FULL": "both", "OUTER": "both"}


@dataclass(frozen=True)
class Condition:
    """What is asked of two rows that are joined: what has a part in it, and what it means.

    `equal` are digests of the right side that are equal to something of the left, `comparisons` which columns
    are compared.
    """

    parts: Parts
    told: Any
    equal: frozenset[str] = frozenset()
    comparisons: Sequence[Comparison] = ()


def joined(how: str, left: Rows, right: Rows, on: Condition) -> Rows:
    """Return what a join of two gives; `right` is told apart from `left` (`Rows.beside`).

    Raises:
        UnknownOperatorError: there is no such join.
    """
    left, right = (replace(side, columns=told_by(side.columns, on.comparisons)) for side in (left, right))
    told = [how, on.told, right.digest]
    reads = read_by(left, right)
    if how in ("SEMI", "ANTI"):
        rows = left.decided(on.parts, Kind.JOIN, told)
        return replace(rows, deciding=rows.deciding | right.deciding, reads=reads)
    if how == "MARK":  # whether anything matches
        among = as_kind(right.deciding, Kind.CONDITIONAL) | then(on.parts, Kind.TRANSFORMATION)
        mark = Column(among, digest_of(told)).settled()
        return replace(left, columns=(*left.columns, mark), reads=reads)
    if how == "SINGLE":  # the one row that matches
        decide = as_kind(right.deciding | on.parts, Kind.CONDITIONAL)
        made = [
            replace(column, parts=column.parts | decide, digest=digest_of(told, column.digest))
            for column in right.columns
        ]
        return replace(left, columns=(*left.columns, *made), reads=reads)
    if how not in _JOINED:
        raise UnknownOperatorError(f"the join {how}")
    columns: list[Column] = []
    for name, side in (("left", left), ("right", right)):
        optional = _JOINED[how] in (name, "both")
        columns += [
            replace(column, digest=digest_of(told, column.digest)) if optional else column
            for column in side.columns
        ]
    rows = _multiplied(left, right, columns, on.parts, *told)
    if how in ("INNER", "LEFT") and right.key is not None and right.key <= on.equal:
        # To each of the left there is one at the most.
        rows = replace(rows, once=left.once, key=left.key)
    sides = {"INNER": (left, right), "LEFT": (left,), "RIGHT": (right,)}.get(how, ())
    return replace(rows, present=frozenset[Cell]().union(*(side.present for side in sides)))


def crossed(left: Rows, right: Rows) -> Rows:
    """Return each row of one with each of the other; one row alone decides values only."""
    if not (left.single or right.single):
        return _multiplied(left, right, [*left.columns, *right.columns], NONE, "cross product")
    one, many = (right, left) if right.single else (left, right)
    decide = as_kind(one.deciding, Kind.CONDITIONAL)
    told = [replace(column, parts=column.parts | decide) for column in one.columns]
    columns = (*many.columns, *told) if one is right else (*told, *many.columns)
    return replace(many, columns=columns, reads=read_by(left, right))


def side_by_side(left: Rows, right: Rows) -> Rows:
    """Return the first row of one with the first of the other, and so on."""
    columns = [column.settled(side.digest) for side in (left, right) for column in side.columns]
    return _multiplied(left, right, columns, NONE, "positional join")


def _multiplied(left: Rows, right: Rows, columns: Sequence[Column], on: Parts, *told: Any) -> Rows:
    return Rows(
        not_numbered(columns),
        left.deciding | right.deciding | as_kind(on, Kind.JOIN),
        digest_of("join", told, left.digest, right.digest),
        read_by(left, right),
    )


def pivoted(below: Rows, pivot: Mapping[str, Any]) -> Rows:
    """Return a PIVOT of many values: of lists of what each comes to, beside a list that says of which.

    Raises:
        UnknownOperatorError: there are other columns.
    """
    groups, count = int(pivot.get("group_count", 0)), len(pivot.get("aggregates", []))
    if len(below.columns) != groups + count + 1:
        raise UnknownOperatorError("the columns of a PIVOT")
    names = below.columns[-1]
    made = [
        Column(
            column.settled().parts | then(names.settled().parts, Kind.CONDITIONAL),
            digest_of("pivot", value, column.digest, names.digest),
        )
        for value in pivot["pivot_values"]
        for column in below.columns[groups : groups + count]
    ]
    return replace(below, columns=(*below.columns[:groups], *made))


def together(name: str, sides: Sequence[Rows], *, every: bool) -> Rows:
    """Return a UNION, INTERSECT or EXCEPT; `every`: of rows that are alike, all stay.

    Raises:
        UnknownOperatorError: they have not as many columns.
    """
    if len({len(side.columns) for side in sides}) != 1:
        raise UnknownOperatorError(f"columns of {name}")
    columns = list(zip(*(side.columns for side in sides), strict=True))
    # What is on both sides tells of both; what is left after an EXCEPT is of the first.
    taken = 1 if name == "except" else len(sides)
    made = [
        Column(
            NONE.union(*(column.settled().parts for column in of_each[:taken])),
            digest_of(name, [column.digest for column in of_each[:taken]]),
        )
        for of_each in columns
    ]
    deciding, told = NONE, []
    if name != "union":
        deciding = as_kind(NONE.union(*(one.parts for side in sides for one in side.columns)), Kind.FILTER)
        told = sorted([one.digest for one in of_each] for of_each in columns)
    return Rows(
        tuple(made),
        NONE.union(deciding, *(side.deciding for side in sides)),
        digest_of(name, every, told, [side.digest for side in sides]),
        read_by(*sides),
    )


def read_by(*sides: Rows) -> Mapping[str, int]:
    """Return how often several together read each table."""
    found: dict[str, int] = {}
    for side in sides:
        for name, times in side.reads.items():
            found[name] = found.get(name, 0) + times
    return found
