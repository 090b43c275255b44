"""What the columns of a table are made of, and what decides which rows it has: one step of column lineage.

Belongs here: the kinds of influence, and how two on one way come to one. Does not belong here: how it is
found in SQL (`compute`), the whole way from a contract to a destination (`columns`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from sluicegate.core.relations import Relation


class Kind(StrEnum):
    """How a column has a part in another, in OpenLineage's words, two of which are finer here.

    Of the value: `IDENTITY` is the value itself, renamed or cast. `TRANSFORMATION` is worked out of it, row
    by row. `PICK` is the value itself out of several rows: min, max, any_value, list. `MEASURE` is worked out
    of several rows: count, sum, avg. `CONDITIONAL` decides which value comes out: a CASE's condition.
    Of rows: which there are (`FILTER`, `JOIN`, `GROUP_BY`), in which order (`SORT`, and `WINDOW`, which is of
    one column).
    """

    IDENTITY = "identity"
    PICK = "pick"
    TRANSFORMATION = "transformation"
    CONDITIONAL = "conditional"
    MEASURE = "measure"
    WINDOW = "window"
    SORT = "sort"
    GROUP_BY = "group_by"
    JOIN = "join"
    FILTER = "filter"

    @property
    def of_value(self) -> bool:
        """Whether who sees the result sees something of the value."""
        return self in _OF_VALUE

    def then(self, later: "Kind") -> "Kind":
        """Return what one step and the next come to: the one that tells less of the value."""
        return max(self, later, key=_ORDER.__getitem__)


_OF_VALUE = frozenset({Kind.IDENTITY, Kind.PICK, Kind.TRANSFORMATION, Kind.CONDITIONAL, Kind.MEASURE})
_ORDER = {kind: place for place, kind in enumerate(Kind)}


@dataclass(frozen=True, order=True)
class Place:
    """A column of a table, spelled as the table spells it."""

    relation: Relation
    column: str

    def __str__(self) -> str:
        return f"{self.relation}.{self.column}"


@dataclass(frozen=True, order=True)
class Origin:
    """A column that has a part in another, and how.

    `at_least`: of a measure, of how many rows of that table each of its values is proven to be made, in which
    the column has a value; 0 where nothing is proven. `chosen_by`: the columns by whose values these rows
    were chosen, in order.
    """

    place: Place
    kind: Kind
    at_least: int = 0
    chosen_by: tuple[Place, ...] = ()


@dataclass(frozen=True, order=True)
class Compared:
    """A column whose rows are chosen by how its value compares with another's; `equal`: by equality."""

    place: Place
    other: Place
    equal: bool


@dataclass(frozen=True, order=True)
class NotUnderstood:
    """Something in a table's SQL that is not known, so that all of its parents' columns count.

    `position` is where in the compiled SQL, in characters from its start, if the engine says so.
    """

    what: str
    position: int | None = None


@dataclass(frozen=True)
class TableOrigins:
    """Of one table: {column: what decides its values}, and what decides which rows there are.

    `reads` are the tables that it is made of, whether or not any column of theirs is in it. `rows` has no
    kinds of the value; what is in it decides about every column. `only_present` are columns of `rows` of
    which it is only asked whether there is a value; `compared` says of which any two are compared, in a join
    or elsewhere; `multiplied_by` are those by whose values a row of a parent is there more or less often.
    `row_of` is a parent of which each row here is one row, and none is there twice; None where that is not
    so. `digests` is {column: digest of how it is made}, `rows_digest` that of which rows there are: equal
    where the engine understands the same. A source has columns without origins. `named` are columns without
    which what makes the table does not run, where that is known.
    """

    relation: Relation
    columns: Mapping[str, frozenset[Origin]]
    reads: frozenset[Relation] = frozenset()
    rows: frozenset[Origin] = frozenset()
    row_of: Relation | None = None
    digests: Mapping[str, str] = field(default_factory=dict[str, str])
    rows_digest: str = ""
    not_understood: tuple[NotUnderstood, ...] = ()
    only_present: frozenset[Place] = frozenset()
    compared: frozenset[Compared] = frozenset()
    multiplied_by: frozenset[Place] = frozenset()
    named: frozenset[Place] = frozenset()

    def as_json(self) -> dict[str, Any]:
        """Return it as what JSON can hold; `of_json` reads it."""
        return {
            "relation": self.relation.parts,
            "columns": {name: _written(origins) for name, origins in self.columns.items()},
            "reads": [relation.parts for relation in sorted(self.reads)],
            "rows": _written(self.rows),
            "only_present": _places(sorted(self.only_present)),
            "multiplied_by": _places(sorted(self.multiplied_by)),
            "named": _places(sorted(self.named)),
            "compared": [[*_places((one.place, one.other)), one.equal] for one in sorted(self.compared)],
            "row_of": self.row_of.parts if self.row_of else None,
            "digests": dict(self.digests),
            "rows_digest": self.rows_digest,
            "not_understood": [[item.what, item.position] for item in self.not_understood],
        }

    @classmethod
    def of_json(cls, kept: Mapping[str, Any]) -> Self:
        """Return what `as_json` wrote."""
        return cls(
            relation=Relation(*kept["relation"]),
            columns=_Columns(kept["columns"]),
            reads=frozenset(Relation(*parts) for parts in kept["reads"]),
            rows=_read(kept["rows"]),
            only_present=frozenset(_places_of(kept["only_present"])),
            multiplied_by=frozenset(_places_of(kept["multiplied_by"])),
            named=frozenset(_places_of(kept.get("named", ()))),
            compared=frozenset(
                Compared(place, other, equal)
                for *places, equal in kept["compared"]
                for place, other in [_places_of(places)]
            ),
            row_of=Relation(*kept["row_of"]) if kept["row_of"] else None,
            digests=kept["digests"],
            rows_digest=kept["rows_digest"],
            not_understood=tuple(NotUnderstood(*item) for item in kept["not_understood"]),
        )


class _Columns(Mapping[str, frozenset[Origin]]):
    """Columns as `as_json` wrote them, each read when it is asked for: of most tables few ever are."""

    def __init__(self, written: Mapping[str, Sequence[Sequence[Any]]]) -> None:
        self._written = written
        self._known: dict[str, frozenset[Origin]] = {}

    def __getitem__(self, name: str) -> frozenset[Origin]:
        if name not in self._known:
            self._known[name] = _read(self._written[name])
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._written)

    def __len__(self) -> int:
        return len(self._written)


def _written(origins: frozenset[Origin]) -> list[list[Any]]:
    return [
        [
            *one.place.relation.parts,
            one.place.column,
            one.kind,
            one.at_least,
            *([_places(one.chosen_by)] * bool(one.chosen_by)),
        ]
        for one in sorted(origins)
    ]


def _places(places: Iterable[Place]) -> list[list[str]]:
    return [[*place.relation.parts, place.column] for place in places]


def _places_of(written: Iterable[Sequence[str]]) -> Iterator[Place]:
    return (Place(Relation(schema, name), column) for schema, name, column in written)


def _read(written: Sequence[Sequence[Any]]) -> frozenset[Origin]:
    return frozenset(
        Origin(
            Place(Relation(schema, name), column),
            Kind(kind),
            at_least,
            tuple(place for places in chosen_by for place in _places_of(places)),
        )
        for schema, name, column, kind, at_least, *chosen_by in written
    )
