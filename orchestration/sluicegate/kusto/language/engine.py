"""Microsoft's own parser of the Kusto Query Language, in this process.

Belongs here: its start and end, questions and answers. Does not belong here: what a project may write
(`kusto.commands`), nor what is asked of a cluster (`destinations.adx`).

The parser is the npm package `@kusto/language-service-next`, which is Microsoft's C# made JavaScript; V8
runs it (`mini-racer`, the extra `sluicegate[kusto]`). Starting costs some 0.3 s of processor, the first
command 1.5 s, each next one 0.1 s, a query 1 to 30 ms. So it is not started for what is
known (`kusto.parsed`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from typing import Any, Self

from sluicegate.codes import Coded
from sluicegate.kusto.language.v8 import HERE, RACER, SCRIPTS, V8, Apart


class ParserMissing(Coded):
    """The extra `kusto` is not installed."""


class ParserFailed(Coded):
    """The parser cannot say anything of a text: its own error, or it took too long or too much memory."""


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a text, half-open, in characters of Python (not in UTF-16 units, which the parser counts)."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """What the parser says is wrong: its code (`KS142`), severity (`Error`, `Warning`), words and place."""

    span: Span
    code: str
    severity: str
    message: str


@dataclass(frozen=True, slots=True)
class Part:
    """A named part of a command, as Microsoft's grammar calls it: `FunctionName`, `PropertyName`, `Body`."""

    name: str
    span: Span
    value: str


@dataclass(frozen=True, slots=True)
class Command:
    """A parsed management command.

    `kind` is Microsoft's name of it (`CreateOrAlterFunction`), "" where it is none that the parser knows.
    `extent` is where it stands: neither a second command after it is a diagnostic, nor a `;` with a query,
    nor a pipe. `skipped` is the last part of the text that belongs to nothing. `words` are the extent's.
    """

    kind: str
    extent: Span | None
    parts: Sequence[Part]
    skipped: Span | None
    diagnostics: Sequence[Diagnostic]
    words: Sequence[str]


@dataclass(frozen=True, slots=True)
class Read:
    """What a query reads of the database: `kind` is `table`, `view` or `function`."""

    kind: str
    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class Use:
    """What a query uses of the language that may reach beyond what it names.

    `what` is `syntax` (`name` is that of the operator or statement, as Microsoft's parser calls it), `plugin`
    (with the number of arguments `given`, and the names of those that are `named`), `call` (a function of
    Kusto's own that gives an entity by a name), `now` (one that gives another value each moment), or `all`
    (tables that are not named: a wildcard, a search in everything).
    """

    what: str
    name: str
    span: Span
    given: int = 0  # of a plugin its arguments; of a call 1 where the name is a literal
    named: Sequence[str] = ()


# What is said to be blind of a query that is not understood at all: as `origins.js` has it.
UNKNOWN = "query"
# A column of what a query names itself: its kind (`table`, `view`, `function`), its name, and the column's.
Column = tuple[str, str, str]
# The same, and how it has a part, as its place in `core.column_origins.Kind`.
Sourced = tuple[str, str, str, int]


@dataclass(frozen=True, slots=True)
class Origins:
    """What the columns of a query's table are made of.

    What a scalar function gives is its column `value`.

    Args:
        columns: each column of the table with what it is made of.
        rows: what decides which rows there are, or in which order.
        named: the columns without which the query is no query.
        blind: operators of which the parser does not tell what their columns are made of: all that come in
            count. `UNKNOWN`: so does every column of everything that the query reads.
    """

    columns: Sequence[tuple[str, Sequence[Sourced]]] = ()
    rows: Sequence[Sourced] = ()
    named: Sequence[Column] = ()
    blind: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Query:
    """An analysed query; `columns` are (name, Kusto type), None if it gives no table.

    `ends` is the operator that it ends with, as Microsoft's parser calls it; "" for none.
    """

    diagnostics: Sequence[Diagnostic]
    reads: Sequence[Read]
    uses: Sequence[Use]
    columns: Sequence[tuple[str, str]] | None
    origins: Origins = field(default_factory=Origins)
    ends: str = ""


@dataclass(frozen=True, slots=True)
class Database:
    """What the binder knows of a database.

    Tables are (name, columns as `(a: int, b: string)`), views (name, columns, query), functions (name,
    parameters with parentheses, body with braces).
    """

    name: str
    tables: Sequence[tuple[str, str]] = ()
    views: Sequence[tuple[str, str, str]] = ()
    functions: Sequence[tuple[str, str, str]] = ()


class KustoLanguage:
    """The parser; a context, which must be left: V8 otherwise keeps the process from its end.

    Args:
        apart: whether V8 runs in a process of its own, which may fail and take nobody with it.

    Raises:
        ParserMissing: the extra `kusto` is not installed.
    """

    def __init__(self, apart: bool = False) -> None:
        if find_spec(RACER) is None:
            raise ParserMissing("SLU-K018", "`kusto/` is read by Microsoft's parser, which is not installed")
        self._v8 = Apart() if apart else V8()
        self._used: Database | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._v8.close()

    def command(self, text: str, kinds: Sequence[str] = ()) -> Command:
        """Parse one management command, and nothing after it; nothing of a database is known.

        `kinds` are looked for first: that takes a tenth of the time, and all others only where it is none of
        them.
        """
        answer, at = self._ask("command", {"text": text, "kinds": list(kinds)}), _Offsets(text)
        is_command = answer["isCommand"]
        return Command(
            answer["kind"] if is_command else "",
            at.span(answer["extent"]) if is_command and answer["extent"] else None,
            [Part(one["part"], at.span(one["span"]), one["value"]) for one in answer["parts"]],
            at.span(answer["skipped"]) if answer["skipped"] else None,
            at.diagnostics(answer),
            answer["words"],
        )

    def tokens(self, text: str) -> tuple[str, ...]:
        """Return the words of a text without blanks and comments."""
        return tuple(self._ask("tokens", {"text": text}))

    def use(self, database: Database) -> None:
        """Let the next queries be asked in this database."""
        self._used = database
        self._ask("database", {
            "cluster": "cluster", "database": database.name,
            "tables": [{"name": name, "columns": columns} for name, columns in database.tables],
            "views": [{"name": n, "columns": c, "query": q} for n, c, q in database.views],
            "functions": [{"name": n, "parameters": p, "body": b} for n, p, b in database.functions],
        })  # fmt: skip

    def use_once(self, database: Database) -> None:
        """As `use`, where it is not used already: what was analysed of it is known then."""
        if self._used != database:
            self.use(database)

    def query(self, text: str) -> Query:
        """Parse and analyse a query in the database that is used."""
        answer, at = self._ask("query", {"text": text}), _Offsets(text)
        columns = answer["columns"]
        return Query(
            at.diagnostics(answer),
            [Read(one["kind"], one["name"], at.span(one["span"])) for one in answer["reads"]],
            [
                Use(one["what"], one["name"], at.span(one["span"]), one["given"], one["named"])
                for one in answer["uses"]
            ],
            None if columns is None else [(one["name"], one["type"]) for one in columns],
            Origins(
                [(name, [tuple(one) for one in found]) for name, found in answer["origins"]["columns"]],
                [tuple(one) for one in answer["origins"]["rows"]],
                [tuple(one) for one in answer["origins"]["named"]],
                answer["origins"]["blind"],
            ),
            answer["ends"],
        )

    def call(self, text: str) -> str:
        """Return the function that a text calls with literals alone, "" if it is not one such call."""
        return str(self._ask("call", {"text": text}))

    def builtins(self) -> frozenset[str]:
        """Return the names of Kusto's own functions."""
        return frozenset(self._ask("builtins", {}))

    def kinds(self) -> Mapping[str, str]:
        """Return {kind: its grammar} of every command that the parser knows."""
        return {one["name"]: one["grammar"] for one in self._ask("kinds", {})}

    def _ask(self, name: str, given: Mapping[str, Any]) -> Any:
        answer = json.loads(self._v8.ask(name, json.dumps(given)))
        if "error" in answer:
            raise ParserFailed("SLU-K018", f"Microsoft's parser failed at {name}: {answer['error']}")
        return answer["answer"]


@cache
def language_digest() -> str:
    """Return a digest of the parser and of what is asked of it."""
    return sha256(b"".join((HERE / script).read_bytes() for script in SCRIPTS)).hexdigest()


class _Offsets:
    """Places in a text from UTF-16 units: most texts have none that is longer than one."""

    def __init__(self, text: str) -> None:
        self._units: list[int] | None = None
        if any(character > "\uffff" for character in text):
            self._units = [
                place for place, character in enumerate(text) for _ in range(1 + (character > "\uffff"))
            ]
            self._units.append(len(text))

    def span(self, units: Sequence[int]) -> Span:
        start, end = units
        if self._units is None:
            return Span(start, end)
        last = len(self._units) - 1
        return Span(self._units[min(start, last)], self._units[min(end, last)])

    def diagnostics(self, answer: Mapping[str, Any]) -> list[Diagnostic]:
        return [
            Diagnostic(self.span((one["start"], one["end"])), one["code"], one["severity"], one["message"])
            for one in answer["diagnostics"]
        ]
