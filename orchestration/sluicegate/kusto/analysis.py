"""The queries of all definitions, analysed against the tables that the project makes.

Belongs here: in which order, against what, and what each reads and gives. Does not belong here: what may be
read (`query_rules`, `rules`).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from sluicegate.kusto.definitions import Asked, Definition
from sluicegate.kusto.language.engine import (
    Database,
    Diagnostic,
    Origins,
    ParserFailed,
    Query,
    Sourced,
    Span,
)
from sluicegate.kusto.objects import Kind
from sluicegate.kusto.parsed import Parses, digest_of

Columns = Sequence[tuple[str, str]]
Key = tuple[Kind, str]
KINDS = {"table": Kind.TABLE, "view": Kind.VIEW, "function": Kind.FUNCTION}
_WORD = re.compile(r"\w+")
# What may read what it does not name as it is: by a wildcard, in all tables, by an escape.
_ALL = re.compile(r"[\w\]]\*|\*\w|\\|\b(?:union|find|search)\b")


@dataclass(frozen=True)
class Analysed:
    """What was found of one definition."""

    queries: Sequence[tuple[Asked, Query]]
    sources: Mapping[Key, int]

    @cached_property
    def columns(self) -> Columns | None:
        """The table that it gives."""
        return next((found.columns for asked, found in self.queries if asked.whole and found.columns), None)

    @property
    def origins(self) -> Origins:
        """What its columns are made of; of a table, by its update policies."""
        made = [query.origins for asked, query in self.queries if asked.whole or asked.fills]
        every = [query.origins for asked, query in self.queries if not asked.sample]
        columns: dict[str, list[Sourced]] = {}
        for one in made:
            for name, found in one.columns:
                columns.setdefault(name, []).extend(found)
        return Origins(
            list(columns.items()),
            [found for one in made for found in one.rows],
            [found for one in every for found in one.named],
            [what for one in made for what in one.blind],
        )

    @cached_property
    def places(self) -> Mapping[Key, int]:
        """What it reads, each with a place in its file."""
        found = dict(self.sources)
        for asked, query in self.queries:
            for read in () if asked.sample else query.reads:
                found.setdefault((KINDS[read.kind], read.name), asked.place(read.span.start))
        return found


class Analysis:
    """The definitions of one database, analysed.

    Views come first, and tables that functions fill, as others need their columns.

    Args:
        definitions: of the whole database.
        tables: {table: its columns} of those that exports or the files themselves make.
        filled: {table: the function that fills it}; its columns are the function's.
        parses: what answers.
    """

    def __init__(
        self,
        definitions: Sequence[Definition],
        tables: Mapping[str, Columns],
        filled: Mapping[str, str],
        parses: Parses,
    ) -> None:
        self._parses = parses
        self._definitions = {one.made.name: one for one in definitions if one.made.kind is not Kind.TABLE}
        self.tables = dict(tables)
        self._views: dict[str, Columns] = {}
        self.found: dict[Key, Analysed] = {}
        views = {one.made.name: one for one in self._definitions.values() if one.made.kind is Kind.VIEW}
        filling = {
            table: self._definitions[name] for table, name in filled.items() if name in self._definitions
        }
        waiting: dict[str, Definition] = {**views, **filling}
        while waiting:
            ready = [
                name for name in waiting if not (self._named_by(waiting[name]) & waiting.keys()) - {name}
            ]
            for name in ready or waiting:  # what reads itself is told once all is analysed
                columns = self._analysed(waiting[name]).columns or ()
                (self._views if name in views else self.tables)[name] = columns
            waiting = {name: one for name, one in waiting.items() if ready and name not in ready}
            self.__dict__.pop("_database", None)
        for one in definitions:
            self.found[one.made.key] = self._analysed(one)
        self.known = {
            *((Kind.TABLE, name) for name in self.tables), *(one.made.key for one in definitions),
        }  # fmt: skip

    def _analysed(self, of: Definition) -> Analysed:
        queries = [(one, self._query(one.text)) for one in of.queries]
        return Analysed(queries, {(kind, name): place for kind, name, place in of.sources})

    def _query(self, text: str) -> Query:
        named = self._reachable(text)
        told = [*self._database.tables, *self._database.views, *self._database.functions]
        digest = digest_of(*(part for one in told if one[0] in named for part in one))
        try:
            return self._parses.query(text, digest, lambda: self._database)
        except ParserFailed as error:
            return Query([Diagnostic(Span(0, 0), "KS", "Error", error.words)], (), (), None)

    @cached_property
    def _database(self) -> Database:
        made = [one.made for one in self._definitions.values()]
        return Database(
            "database",
            [(name, written(columns)) for name, columns in self.tables.items()],
            [
                (one.name, written(self._views[one.name]), one.body)
                for one in made
                if one.kind is Kind.VIEW and one.name in self._views
            ],
            [(one.name, one.parameters, one.body) for one in made if one.kind is Kind.FUNCTION],
        )

    def _named_by(self, of: Definition) -> set[str]:
        return self._reachable(" ".join(one.text for one in of.queries))

    def _reachable(self, text: str) -> set[str]:
        """Return what a text may read, by its words, and by those of what they name."""
        names = {*self._definitions, *self.tables}
        found, waiting = set[str](), [text]
        while waiting:
            one = waiting.pop()
            if _ALL.search(one):
                return names
            words = set(_WORD.findall(one))
            new = {n for n in names if n in words or (not _WORD.fullmatch(n) and n in one)} - found
            found |= new
            waiting += [self._definitions[name].made.body for name in new if name in self._definitions]
        return found


def written(columns: Iterable[tuple[str, str]]) -> str:
    """Return columns as a table's schema is written."""
    listed = ", ".join(f"['{name}']: {kind}" for name, kind in columns)
    return f"({listed})"
