"""Which columns a query compares with one another, and so makes tell of each other.

A number that is made up, and kept where it is equal to a value, is that value. Belongs here: comparisons of
columns, and what they add to columns that are made of no table's. Does not belong here: what it means for
classes (`columns.classes`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

from sluicegate.compute.column_plan_rows import Column, Part, Parts
from sluicegate.core.column_origins import Compared, Kind, Place

# Comparisons that only two equal values meet, or only two that are not; either tells which they are.
EQUAL = frozenset(
    {
        "COMPARE_EQUAL", "COMPARE_NOTEQUAL", "COMPARE_DISTINCT_FROM", "COMPARE_NOT_DISTINCT_FROM",
        "COMPARE_IN", "COMPARE_NOT_IN",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Side:
    """One side of a comparison: what has a part in its value, and whether a column of no table has."""

    parts: Parts
    made_up: bool = False

    @property
    def places(self) -> frozenset[Place]:
        """The columns that it tells of."""
        return frozenset(part.place for part in self.parts if part.kind.of_value)


Comparison = tuple[bool, tuple[Side, ...]]
SideOf = Callable[[Any], Side]


def side(parts: Parts, named: Iterable[Column]) -> Side:
    """Return a side with these parts that names these columns."""
    return Side(parts, any(map(is_made_up, named)))


def is_made_up(column: Column) -> bool:
    """Whether a column is of no table, as a generated number or one of VALUES; a number of rows is not."""
    return column.counted is None and not any(part.kind.of_value for part in column.parts)


def comparisons(condition: Any, side_of: SideOf) -> Iterator[Comparison]:
    """Yield what a condition compares: columns wherever two are equal in it, and all with all as they are."""
    for one in expressions_of_rows(condition):
        if str(one.get("type")) in EQUAL and "left" in one:
            yield True, (side_of(one["left"]), side_of(one["right"]))
        elif str(one.get("type")) in EQUAL:
            yield True, tuple(side_of(child) for child in one["children"])
    whole = side_of(condition)
    yield False, (whole, whole)


def expressions_of_rows(item: Any) -> Iterator[Mapping[str, Any]]:
    """Yield every bound expression within that names columns: not those of functions of a list's elements."""
    if isinstance(item, dict):
        if "expression_class" in item:
            yield item
        for name, one in item.items():
            if name != "lambda_expr":
                yield from expressions_of_rows(one)
    elif isinstance(item, list):
        for one in item:
            yield from expressions_of_rows(one)


def compared(found: Iterable[Comparison]) -> Iterator[Compared]:
    """Yield each column with each that it is compared with."""
    for equal, sides in found:
        for one, other in permutations(sides, 2):
            for mine in one.places:
                yield from (Compared(mine, theirs, equal) for theirs in other.places if theirs != mine)


def beside_made_up(found: Iterable[Comparison]) -> frozenset[Place]:
    """Return the columns with which one of no table is compared: how many rows there are tells of them."""
    return frozenset[Place]().union(
        *(other.places for _, sides in found for one, other in permutations(sides, 2) if one.made_up)
    )


def told(columns: Sequence[Column], found: Iterable[Comparison]) -> tuple[Column, ...]:
    """Return columns of which comparisons chose rows: what is made up tells of what it is compared with."""
    parts = frozenset(Part(place, Kind.CONDITIONAL) for place in beside_made_up(found))
    if not parts:
        return tuple(columns)
    return tuple(replace(one, parts=one.parts | parts) if is_made_up(one) else one for one in columns)
