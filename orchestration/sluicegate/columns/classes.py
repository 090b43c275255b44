"""The class of every column: that of what it is made of, which only a rule or an exception lowers.

Belongs here: how a class travels, and by what it is raised or lowered. Does not belong here: what the words
are (`contracts.classes`), what dbt's files say (`said`), which destination may have what (`door`).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from sluicegate.columns.graph import DELIVERED, KUSTO, KUSTO_TABLE, ColumnGraph, Influence
from sluicegate.columns.namesakes import Namesakes
from sluicegate.columns.said import Said
from sluicegate.contracts.classes import ClassRules, Indirect
from sluicegate.contracts.columns import OPEN_CLASSIFICATIONS, Column, Masking
from sluicegate.contracts.model import SourceContract
from sluicegate.core.column_origins import Kind, Origin, Place, TableOrigins
from sluicegate.core.relations import Relation

# Travel as classes do, and only keep values from being shown: masked ones without a class, and those of
# which an exception says that a destination may have them. What is shown stays in records after its end.
_MASKED, _EXCEPTED = "", " "
_NO_CLASSES = (_MASKED, _EXCEPTED)
_OF_VALUE = frozenset(kind for kind in Kind if kind.of_value)
_ORDER = {kind: place for place, kind in enumerate(Kind)}


class _Carried(NamedTuple):
    """A class in a column: by which column it came, as what, and how; `by` is None where it begins.

    `row_by_row`: each value is that of one row of the table where the class begins, as it is there, and no
    two are of one. Where something is worked out of it in between, one value may be all that is left.
    """

    by: Place | None
    class_: str
    kind: Kind = Kind.IDENTITY
    row_by_row: bool = True
    by_name: bool = False

    def joined(self, other: "_Carried") -> "_Carried":
        """Return this one, where the same class comes in by another way, too."""
        return self if other.row_by_row or not self.row_by_row else self._replace(row_by_row=False)


_Classes = dict[str, _Carried]
_NOTHING: Mapping[str, _Carried] = {}
_NO_COLUMNS: Mapping[str, _Classes] = {}


@dataclass(frozen=True)
class Misfit:
    """A word or an exception in dbt that does not fit what comes in: {class: its way, in words}."""

    said: Said
    classes: Mapping[str, str]


@dataclass(frozen=True)
class Deciding:
    """A class that decides which rows a table has, or their order: the way to the column that does so.

    The way's kind is how it decides, in `table`.
    """

    class_: str
    way: Influence
    table: Relation


class ClassFlow:
    """The classes of all columns of a graph.

    Args:
        graph: the columns.
        rules: the classes, and what lowers one.
        contracts: where classes begin.
        said: {table: {column, in small letters: what dbt's files say of it}}.
        without: columns whose exceptions do not count.
    """

    def __init__(
        self,
        graph: ColumnGraph,
        rules: ClassRules,
        contracts: Mapping[str, SourceContract],
        said: Mapping[Relation, Mapping[str, Said]],
        without: Collection[Said] = (),
    ) -> None:
        self._graph = graph
        self._rules = rules
        self._said = said
        self._without = without
        self._carried: dict[Relation, dict[str, _Classes]] = {}
        self._made_up: set[Place] = set()
        self._lists: set[Relation] = set()
        self._multiplied: dict[Relation, dict[str, Place]] = {}
        self._chosen_by: dict[Relation, frozenset[str]] = {}
        self._names = Namesakes()
        self.misfits: list[Misfit] = []
        self._sources = frozenset(contract.relation for contract in contracts.values())
        for contract in contracts.values():
            for column in contract.loaded_columns:
                self._put(Place(contract.relation, column.name), self._of_contract(column))
        for table in graph.tables.values():
            self._follow(table)

    def of(self, place: Place) -> frozenset[str]:
        """Return the classes of a column."""
        return frozenset(self._at(place)).difference(_NO_CLASSES)

    def way(self, place: Place, class_: str) -> Influence:
        """Return the way by which a class came to a column that has it, from where the class begins.

        Of a destination's field it ends at the model's column.
        """
        way, kind = [] if place.relation.schema == DELIVERED else [place], Kind.IDENTITY
        step = self._at(place)[class_]
        while step.by is not None:
            way.append(step.by)
            kind = kind.then(step.kind)
            step = self._at(step.by)[step.class_]
        return Influence(kind, tuple(reversed(way)))

    def shown(self, place: Place, class_: str) -> str:
        """Return the way of a class as people read it: `raw.products.age → … (identity)`; see `way`."""
        way = self.way(place, class_)
        by_name, step = False, self._at(place)[class_]
        while step.by is not None:
            by_name |= step.by_name
            step = self._at(step.by)[step.class_]
        text = shown(way)
        if not by_name:
            return text
        return f"{text.rpartition(' (')[0]} (by its name alone: another name, if it is something else)"

    def hidden(self, relation: Relation) -> frozenset[str]:
        """Return the columns of a table whose values are never shown."""
        return self._hidden.get(relation, frozenset())

    @cached_property
    def _hidden(self) -> dict[Relation, frozenset[str]]:
        shown = OPEN_CLASSIFICATIONS - {_MASKED}
        return {
            relation: frozenset(column for column, classes in columns.items() if not classes.keys() <= shown)
            for relation, columns in self._carried.items()
        }

    def deciding(self, relation: Relation) -> list[Deciding]:
        """Return the classes that decide a table's rows or their order, of those that are watched."""
        of_columns = [
            one
            for name in self._graph.tables[relation].columns
            for one in self._ordering.get(Place(relation, name), {}).values()
        ]
        found: dict[str, Deciding] = {}
        for one in [*self._rows.get(relation, {}).values(), *of_columns]:
            found.setdefault(one.class_, one)
        return list(found.values())

    @cached_property
    def _watched(self) -> frozenset[str]:
        """The classes of which a rule says that they may not decide, or not unseen."""
        every = (classes for columns in self._carried.values() for classes in columns.values())
        present = frozenset[str]().union(*every).difference(_NO_CLASSES)
        return frozenset(name for name in present if self._rules.deciding(name) is not Indirect.ALLOW)

    @cached_property
    def _deciders(
        self,
    ) -> tuple[dict[Relation, dict[str, Deciding]], dict[Place, dict[str, Deciding]]]:
        rows: dict[Relation, dict[str, Deciding]] = {}
        ordering: dict[Place, dict[str, Deciding]] = {}
        for table in self._graph.tables.values() if self._watched else ():
            here: dict[str, Deciding] = {}
            for origin in sorted(table.rows):
                self._decides(here, origin, table.relation, ordering)
            for parent in sorted(table.reads):
                here = {**rows.get(parent, {}), **here}
            if here:
                rows[table.relation] = here
            for name, origins in table.columns.items():
                of_column: dict[str, Deciding] = {}
                for origin in sorted(origins) if origins else ():
                    if origin.kind.of_value:
                        of_column.update(ordering.get(origin.place, {}))
                    else:
                        self._decides(of_column, origin, table.relation, ordering)
                if of_column:
                    ordering[Place(table.relation, name)] = of_column
        return rows, ordering

    @property
    def _rows(self) -> dict[Relation, dict[str, Deciding]]:
        return self._deciders[0]

    @property
    def _ordering(self) -> dict[Place, dict[str, Deciding]]:
        return self._deciders[1]

    def _decides(
        self,
        found: dict[str, Deciding],
        origin: Origin,
        table: Relation,
        ordering: Mapping[Place, Mapping[str, Deciding]],
    ) -> None:
        for class_ in self.of(origin.place) & self._watched:
            way = self.way(origin.place, class_).way
            found.setdefault(class_, Deciding(class_, Influence(origin.kind, way), table))
        for class_, one in ordering.get(origin.place, {}).items():
            found.setdefault(class_, one)

    # -- how a class travels

    def _of_contract(self, column: Column) -> _Classes:
        word = column.classification
        if column.masking is Masking.KEEP:
            return {word: _Carried(None, word)} if word else {}
        # Of what is redacted, nothing is left but its place.
        if column.masking is not Masking.HASH or not word:
            return {_MASKED: _Carried(None, _MASKED)}
        lowered = self._rules.masked.get(word)
        classes = {lowered or word: _Carried(None, lowered or word)}
        return classes if lowered else classes | {_MASKED: _Carried(None, _MASKED)}

    def _put(self, place: Place, classes: _Classes) -> None:
        if classes:
            self._carried.setdefault(place.relation, {})[place.column] = classes

    def _at(self, place: Place) -> Mapping[str, _Carried]:
        return self._carried.get(place.relation, _NO_COLUMNS).get(place.column, _NOTHING)

    def _follow(self, table: TableOrigins) -> None:
        """Find the classes of a table's columns, whose parents' are known."""
        relation = table.relation
        said = self._said.get(relation, {})
        self._names.enter(table)
        begun = self._carried.get(relation, _NO_COLUMNS)
        if relation not in self._sources and self._lists.issuperset(table.reads):
            self._lists.add(relation)
        self._multiplied[relation] = self._multiplying(table)
        self._chosen_by[relation] = self._choosing(table)
        # What a destination calls a field says nothing of what the project calls a column.
        asked = relation.schema not in (DELIVERED, KUSTO, KUSTO_TABLE)
        for name, origins in table.columns.items():
            found = self._come_in(table, origins) if origins else begun.get(name, {})
            self._equal_to(table, Place(relation, name), found)
            if asked and self._names.say_more(relation, name, found):
                self._second_opinion(Place(relation, name), found)
            if said and (word := said.get(name.lower())):
                found = self._as_said(Place(relation, name), found, word)
            if found:
                self._put(Place(relation, name), found)
                self._names.note(relation, name, found)

    def _choosing(self, table: TableOrigins) -> frozenset[str]:
        """Return the classes by whose values rows of a table, or of one that it reads, were chosen."""
        asked = {one.place for one in table.rows}.difference(table.only_present)
        return frozenset[str]().union(
            *(self._chosen_by.get(parent, ()) for parent in table.reads), *(self._at(one) for one in asked)
        )

    def _come_in(self, table: TableOrigins, origins: frozenset[Origin]) -> _Classes:
        found: _Classes = {}
        carrying = [one for one in origins if one.kind in _OF_VALUE]
        if len(carrying) > 1:
            carrying.sort(key=lambda one: (_ORDER[one.kind], one.place))
        alone = len({one.place for one in carrying}) == 1
        for origin in carrying:
            as_it_is = alone and origin.kind is Kind.IDENTITY
            here = as_it_is and origin.place.relation == table.row_of
            for class_, above in self._at(origin.place).items():
                becomes = self._through_measure(table, origin, class_, above)
                if becomes is None:
                    continue
                row_by_row = here and above.row_by_row and becomes == class_
                step = _Carried(origin.place, class_, origin.kind, row_by_row)
                found[becomes] = found[becomes].joined(step) if becomes in found else step
        return found

    def _multiplying(self, table: TableOrigins) -> dict[str, Place]:
        """Return the classes that say how often a row is in a table, and a column that has each."""
        found: dict[str, Place] = {}
        for parent in sorted(table.reads):
            found |= self._multiplied.get(parent, {})
        by = {one.other for one in table.compared if one.place.relation in self._lists} | table.multiplied_by
        for place in sorted(by):
            found |= dict.fromkeys(self._at(place), place)
        return found

    def _equal_to(self, table: TableOrigins, place: Place, found: _Classes) -> None:
        """Add the classes of what a column is compared with, where that makes it tell of their values.

        That does one that is equal to another, one that is made of no table's, and each of a list, as a seed
        is: which of its rows are there says what they were compared with. How many are says a measure.
        """
        origins = table.columns[place.column]
        made_of = {one.place for one in origins if one.kind in _OF_VALUE}
        if made_of <= self._made_up and table.relation not in self._sources:
            self._made_up.add(place)
        lists = {one.relation for one in made_of} & self._lists
        measured = not made_of or any(one.kind is Kind.MEASURE for one in origins)
        for class_, other in self._multiplied[table.relation].items() if measured else ():
            found.setdefault(class_, _Carried(other, class_, Kind.JOIN, row_by_row=False))
        for one in sorted(table.compared) if made_of else ():
            tells = one.place in made_of and (one.equal or one.place in self._made_up)
            if tells or one.place.relation in lists:
                for class_ in self._at(one.other):
                    if class_ not in found:
                        found[class_] = _Carried(one.other, class_, Kind.JOIN, row_by_row=False)

    def _through_measure(
        self, table: TableOrigins, origin: Origin, class_: str, above: _Carried
    ) -> str | None:
        """Return what a class is after a step: lower, if that is a measure of enough rows of its source.

        Of rows that were chosen by values of the class, all but one may have a value that is known.
        """
        if origin.kind is not Kind.MEASURE:
            return class_
        if class_ == _MASKED:
            return None
        lowered, at_least = self._rules.measured.get(class_, (class_, 0))
        if not above.row_by_row or origin.at_least < at_least:
            return class_
        chosen = any(class_ in self._chosen_by.get(parent, ()) for parent in table.reads)
        return class_ if chosen or any(class_ in self._at(one) for one in origin.chosen_by) else lowered

    def _second_opinion(self, place: Place, found: _Classes) -> None:
        """Add what a column upstream of the same name has, where lineage does not say that it knows of it."""
        known = self._graph.above(place)
        for other in self._names.nearest(place):
            for class_ in self._at(other).keys() - found.keys() if other not in known else ():
                found[class_] = _Carried(other, class_, row_by_row=False, by_name=True)

    def _as_said(self, place: Place, found: _Classes, said: Said) -> _Classes:
        exception = said.exception if said not in self._without else None
        if exception:
            if exception.from_ not in found:
                self.misfits.append(Misfit(said, self._ways(place, found)))
            else:
                lowered = found.pop(exception.from_)
                for name in (exception.to, _EXCEPTED):
                    found[name] = found[name].joined(lowered) if name in found else lowered
        word = said.classification
        if word:
            closed = {name: one for name, one in found.items() if name not in _NO_CLASSES}
            above = {name: one for name, one in closed.items() if not self._rules.within(name, word)}
            # Without the exception it is no word too low: what comes of its end is told of the exports.
            if above and said not in self._without:
                self.misfits.append(Misfit(said, self._ways(place, above)))
            found.setdefault(word, _Carried(None, word))
        return found

    def _ways(self, place: Place, found: _Classes) -> dict[str, str]:
        self._put(place, found)
        return {class_: self.shown(place, class_) for class_ in found if class_ not in _NO_CLASSES}


def shown(way: Influence) -> str:
    """Return a way as people read it: `raw.products.age → exports.exp_x.how_old (identity)`."""
    return f"{' → '.join(map(str, way.way))} ({way.kind})"
