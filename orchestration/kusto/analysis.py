"""The queries of all definitions, analysed against the tables that the project makes.

Belongs here: in which order, against what, and what each reads and gives. Does not belong here: what may be
read (`rules`).
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestration.core.problems import Problem
from orchestration.kusto.definitions import Asked, Definition
from orchestration.kusto.language.engine import Database, Query
from orchestration.kusto.objects import Kind
from orchestration.kusto.parsed import Parses, digest_of

Columns = Sequence[tuple[str, str]]
Key = tuple[Kind, str]
_WORD = re.compile(r"\w+")
# What may read tables that it does not name.
_ALL = re.compile(r"\w\*|\*\w|\b(?:union|find|search)\b")


@dataclass(frozen=True)
class Analysed:
    """What was found of one definition."""

    queries: Sequence[tuple[Asked, Query]]
    problems: Sequence[Problem]

    @property
    def columns(self) -> Columns | None:
        """The table that it gives."""
        return next((found.columns for asked, found in self.queries if asked.whole), None)

    @property
    def reads(self) -> list[Key]:
        """What it reads, once each."""
        kinds = {"table": Kind.TABLE, "view": Kind.VIEW, "function": Kind.FUNCTION}
        found = [(kinds[read.kind], read.name) for _, query in self.queries for read in query.reads]
        return list(dict.fromkeys(found))


class Analysis:
    """The definitions of one database, analysed; views first, as functions need their columns."""

    def __init__(
        self, definitions: Sequence[Definition], tables: Mapping[str, Columns], parses: Parses
    ) -> None:
        self._definitions = definitions
        self._tables = dict(tables)
        self._parses = parses
        self._views: dict[str, Columns] = {}
        self._functions = [one for one in definitions if one.made.kind is Kind.FUNCTION]
        self.found: dict[Key, Analysed] = {}
        waiting = [one for one in definitions if one.made.kind is Kind.VIEW]
        while waiting:
            names = {one.made.name for one in waiting}
            ready = [one for one in waiting if not (self._may_read(one) - {one.made.name}) & names]
            for one in ready or waiting:
                self._analyse(one)
            for one in ready or waiting:
                self._views[one.made.name] = self.found[one.made.key].columns or ()
            waiting = [one for one in waiting if one not in ready] if ready else []
        for one in definitions:
            if one.made.kind is not Kind.VIEW:
                self._analyse(one)

    def _analyse(self, of: Definition) -> None:
        queries = [(one, self._query(one.text)) for one in of.queries]
        problems = [problem for asked, query in queries for problem in _told(of, asked, query)]
        self.found[of.made.key] = Analysed(queries, problems)

    def _query(self, text: str) -> Query:
        return self._parses.query(text, self._digest(text), lambda: self._database)

    @property
    def _database(self) -> Database:
        return Database(
            "database",
            [(name, _written(columns)) for name, columns in self._tables.items()],
            [
                (one.made.name, _written(self._views[one.made.name]), one.made.body)
                for one in self._definitions
                if one.made.kind is Kind.VIEW and one.made.name in self._views
            ],
            [(one.made.name, one.made.parameters, one.made.body) for one in self._functions],
        )

    def _digest(self, text: str) -> str:
        """A digest of all in the database that a query may read: by its words, and those of what they name."""
        named = self._reachable(text)
        database = self._database
        told = [*database.tables, *database.views, *database.functions]
        return digest_of(*(part for one in told if one[0] in named for part in one))

    def _may_read(self, of: Definition) -> set[str]:
        return self._reachable(" ".join(one.text for one in of.queries))

    def _reachable(self, text: str) -> set[str]:
        texts = {one.made.name: one.made.body for one in self._definitions}
        names = {*texts, *self._tables}
        found, waiting = set[str](), [text]
        while waiting:
            one = waiting.pop()
            if _ALL.search(one):
                return names
            words = set(_WORD.findall(one))
            new = {n for n in names if n in words or (not _WORD.fullmatch(n) and n in one)} - found
            found |= new
            waiting += [texts[name] for name in new if name in texts]
        return found


def _written(columns: Iterable[tuple[str, str]]) -> str:
    listed = ", ".join(f"['{name}']: {kind}" for name, kind in columns)
    return f"({listed})"


def _told(of: Definition, asked: Asked, query: Query) -> Iterator[Problem]:
    for one in query.diagnostics:
        place = asked.place(one.span.start)
        if one.severity == "Error" and place is not None:
            yield of.file.problem(
                place, f"{one.code}: {one.message.rstrip('.')}",
                "what the tables have that the exports feed, and what kusto/ defines",
                "correct the name or the type, or the model of the export",
            )  # fmt: skip
