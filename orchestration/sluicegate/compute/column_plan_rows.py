"""What is known of the columns and rows that one operator of a plan gives, while the plan is walked.

Belongs here: the values that the walk hands from operator to operator, and how they come together. Does not
belong here: what an expression (`column_plan_expressions`) or an operator (`column_plan_operators`) means.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from sluicegate.core.column_origins import Kind, Origin, Place

_JSON = json.JSONEncoder(sort_keys=True, default=str)
_THEN = {(first, second): first.then(second) for first in Kind for second in Kind}


class UnknownOperatorError(Exception):
    """An operator, or something in one, that is not known; of which its text is the name."""


class Part(NamedTuple):
    """A column of a table that has a part in a value.

    `at_least` is proven. What may still be: `group` is the aggregate in the plan that made a measure of it,
    `scan` the reading of the table, `only` the digest of the aggregate's FILTER, if it has one, `chosen` the
    columns by whose values the aggregate's rows were chosen. Of what decides rows `only` is `PRESENT` where
    nothing is asked but whether there is a value.
    """

    place: Place
    kind: Kind
    at_least: int = 0
    group: int = 0
    scan: int = 0
    only: str = ""
    chosen: frozenset[Place] = frozenset()


class Cell(NamedTuple):
    """A column of one reading of a table."""

    scan: int
    column: str


PRESENT = "present"
Parts = frozenset[Part]
NONE: Parts = frozenset()


class Counted(NamedTuple):
    """A number of rows: an aggregate in the plan has counted, of each of `scans` at least so many rows.

    Each of `present` has a value in all of these. `apart`: it is of the values how many rows are counted.
    """

    group: int
    scans: frozenset[int]
    only: str = ""
    present: frozenset[Cell] = frozenset()
    apart: bool = False


class Group(NamedTuple):
    """What an aggregate is made of: its number in the plan, and what is so of the rows below (`Rows`)."""

    number: int
    once: frozenset[int]
    present: frozenset[Cell]
    chosen: frozenset[Place]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of what an operator gives.

    `cell` is a single column of a table that is this one, if only cast or calculated with constants, so that
    either has a value where the other has one. `counted` says that this is a number of rows, `numbered` that
    it is the number of a row among those alike in columns of these digests.
    """

    parts: Parts
    digest: str
    cell: Cell | None = None
    counted: Counted | None = None
    numbered: frozenset[str] | None = None

    def settled(self, *around: Any) -> "Column":
        """Return it where nothing more can be proven of it; `around` is what its value depends on, too."""
        parts = frozenset(part._replace(group=0, scan=0, only="") for part in self.parts)
        return Column(parts, digest_of(*around, self.digest) if around else self.digest)


@dataclass(frozen=True, slots=True)
class Rows:
    """What an operator gives.

    `deciding` are what decides which rows there are, and in which order. `digest` is that of which rows there
    are. `reads` says how often each table is read. `once` are readings of tables, of each of which every row
    here is one row and none is here twice. `present` have a value in each row. `key` are digests of columns
    or expressions, no two rows alike in all of them; None where none are known. `single`: there is exactly
    one row.
    """

    columns: tuple[Column, ...]
    deciding: Parts
    digest: str
    reads: Mapping[str, int]
    once: frozenset[int] = frozenset()
    present: frozenset[Cell] = frozenset()
    key: frozenset[str] | None = None
    single: bool = False

    @property
    def chosen(self) -> frozenset[Place]:
        """The columns by whose values rows were chosen."""
        return frozenset(part.place for part in self.deciding if part.only != PRESENT)

    def decided(self, parts: Parts, kind: Kind, *digested: Any) -> "Rows":
        """Return other rows of these, which `parts` decide; `digested` is all that does."""
        return replace(
            self,
            deciding=self.deciding | as_kind(parts, kind),
            digest=digest_of(*digested, self.digest),
            single=False,
        )

    def multiplied(self, columns: Iterable[Column]) -> "Rows":
        """Return what has several rows for one of these, or none."""
        return replace(self, columns=not_numbered(columns), once=frozenset(), key=None, single=False)

    def beside(self, left: "Rows") -> "Rows":
        """Return what joins `left`: columns of a table that is read there too are told apart."""
        times = max((left.reads[name] for name in self.reads if name in left.reads), default=0)
        if not times:
            return self

        def moved(digest: str) -> str:
            return digest_of("beside", times, digest)

        return replace(
            self,
            columns=tuple(replace(column, digest=moved(column.digest)) for column in self.columns),
            digest=moved(self.digest),
            key=None if self.key is None else frozenset(moved(one) for one in self.key),
        )


def not_numbered(columns: Iterable[Column]) -> tuple[Column, ...]:
    """Return columns whose rows may be there several times: a number of a row tells none of them apart."""
    return tuple(column if column.numbered is None else replace(column, numbered=None) for column in columns)


def read_again(rows: Rows, new_scan: Callable[[int], int], new_group: Callable[[], int]) -> Rows:
    """Return the same rows, read once more: what is proven of one reading says nothing of another.

    `new_scan` gives a reading of the same table another number, `new_group` an aggregate.
    """
    scans, groups = {0: 0}, {0: 0}

    def scan(old: int) -> int:
        if old not in scans:
            scans[old] = new_scan(old)
        return scans[old]

    def group(old: int) -> int:
        if old not in groups:
            groups[old] = new_group()
        return groups[old]

    def part(old: Part) -> Part:
        return old._replace(group=group(old.group), scan=scan(old.scan)) if old.group else old

    def cell(old: Cell) -> Cell:
        return old._replace(scan=scan(old.scan))

    def counted(old: Counted | None) -> Counted | None:
        return old and old._replace(
            group=group(old.group),
            scans=frozenset(map(scan, old.scans)),
            present=frozenset(map(cell, old.present)),
        )

    columns = [
        replace(
            column,
            parts=frozenset(map(part, column.parts)),
            cell=column.cell and cell(column.cell),
            counted=counted(column.counted),
        )
        for column in rows.columns
    ]
    return replace(
        rows,
        columns=tuple(columns),
        once=frozenset(map(scan, rows.once)),
        present=frozenset(map(cell, rows.present)),
    )


def then(parts: Parts, kind: Kind) -> Parts:
    """Return what parts come to after one more step."""
    if kind is Kind.IDENTITY:
        return parts
    return frozenset(part._replace(kind=_THEN[part.kind, kind]) for part in parts)


def as_kind(parts: Parts, kind: Kind) -> Parts:
    """Return parts that are of this kind, whatever they were, and of which nothing is to be proven."""
    return frozenset(Part(part.place, kind) for part in parts)


def origins(parts: Parts) -> frozenset[Origin]:
    """Return parts as a table's origins: of those of one kind only what is proven of all."""
    found: dict[tuple[Place, Kind], int] = {}
    chosen: dict[tuple[Place, Kind], frozenset[Place]] = {}
    for part in parts:
        at_least = part.at_least if part.kind is Kind.MEASURE else 0
        where = (part.place, part.kind)
        found[where] = min(found.get(where, at_least), at_least)
        if at_least and part.chosen:
            chosen[where] = chosen.get(where, part.chosen) | part.chosen
    return frozenset(
        Origin(*where, at_least, tuple(sorted(chosen.get(where, ()))) if at_least else ())
        for where, at_least in found.items()
    )


def only_present(deciding: Parts) -> frozenset[Place]:
    """Return the columns of which it is only asked whether there is a value, of what decides rows."""
    present = {part.place for part in deciding if part.only == PRESENT}
    return frozenset(present.difference(part.place for part in deciding if part.only != PRESENT))


def digest_of(*told: Any) -> str:
    """Return a digest of what JSON can hold."""
    return hashlib.sha256(_JSON.encode(told).encode()).hexdigest()[:20]
