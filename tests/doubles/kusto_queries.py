"""Rows of functions in the Kusto double, and tables that are filled by them.

Belongs here: `.set-or-append` with tags, `F(…) | getschema`, and the few operators that the tests' functions
use; every other one is refused, aloud. Does not: whether a text is right KQL, which Microsoft's parser says.

Sources: "Ingest from query" (https://learn.microsoft.com/kusto/management/data-ingestion/ingest-from-query:
columns are matched by their place and type, not by name; with `ingestIfNotExists` it fails where the table
has such an `ingest-by:` tag), "getschema operator".
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from .kusto_engine import Answer, Engine, Extent, written
from .kusto_language import Refused, semantic_error, syntax_error
from .kusto_objects import Objects

Row = dict[str, Any]
_WORDS = re.compile(
    r"""\s*(?:(?P<name>\['(?:[^'\\]|\\.)*'\]) | (?P<text>"(?:[^"\\]|\\.)*")
    | (?P<moment>datetime\([^()]*\)) | (?P<null>[a-z]+\(null\)) | (?P<number>\d+(?:\.\d+)?)
    | (?P<word>[A-Za-z_]\w*) | (?P<mark>>=|<=|==|!=|[|<>(){},=:;+*/-]))""",
    re.VERBOSE,
)
_FILL = re.compile(
    r"\.set-or-append\s+(?P<table>\['(?:[^'\\]|\\.)*'\])\s+with\s*\((?P<properties>.*?)\)\s*<\|(?P<query>.*)",
    re.DOTALL,
)
_PROPERTY = re.compile(r"\s*(\w+)\s*=\s*(\"(?:[^\"\\]|\\.)*\"|true|false)\s*(?:,|$)")
_COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {
    ">=": lambda a, b: a >= b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, "<": lambda a, b: a < b,
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b,
}  # fmt: skip


class Queries:
    """The functions' rows of one database.

    Attributes:
        calling: called with each query before it is answered: what happens beside it.
        beside: whether fills run at the same time, so that none finds what another brings.
    """

    def __init__(self, engine: Engine, objects: Objects) -> None:
        self.calling: Callable[[str], None] = lambda _: None
        self.beside = False
        self._engine, self._objects = engine, objects
        engine.others.insert(0, self.command)
        engine.others_queries.append(self.query)

    def command(self, text: str) -> Answer | None:
        """Fill a table; None for every other command."""
        if not text.startswith(".set-or-append"):
            return None
        found = _FILL.fullmatch(text)
        if found is None:
            raise syntax_error(f"the double does not know {text[:60]!r}")
        properties = {name: json.loads(value) for name, value in _PROPERTY.findall(found["properties"])}
        if unknown := properties.keys() - {"tags", "ingestIfNotExists", "distributed"}:
            raise syntax_error(f"the double does not know the properties {sorted(unknown)}")
        table = self._engine.table(json.loads('"' + found["table"][2:-2] + '"'))
        columns = self._columns(found["query"])
        kinds, wanted = [kind for _, kind in columns], list(table.columns.values())
        if kinds != wanted:
            said = f"Query schema does not match table schema. QuerySchema={kinds}, TableSchema={wanted}"
            raise Refused("BadRequest_QuerySchemaNotMatching", "Kusto.Data.Exceptions.EntityException", said)
        unless = {f"ingest-by:{one}" for one in json.loads(properties.get("ingestIfNotExists", "[]"))}
        if not self.beside and any(unless & extent.tags for extent in table.extents):
            said = "Skipped_IngestByTagAlreadyExists"
            raise Refused("BadRequest_IngestByTagAlreadyExists", "Kusto.Data.Exceptions.Ingestion", said)
        self.calling(found["query"])
        names = [name for name, _ in columns]
        rows = [dict(zip(table.columns, (row[name] for name in names), strict=True))
                for row in self._rows(found["query"], {})]  # fmt: skip
        tags = frozenset(json.loads(properties.get("tags", "[]")))
        made = [Extent(tags, rows)] if rows else []
        table.extents += made
        shown = [("ExtentId", "guid"), ("RowCount", "long")]
        return Answer(shown, [[extent.id, len(extent.rows)] for extent in made])

    def query(self, text: str) -> Answer | None:
        """Answer a query that begins with a call, or asks for a schema; None for every other one."""
        before, schema, after = text.partition("| getschema")
        if not schema and not re.match(r"\s*[A-Za-z_]\w*\s*\(", text):
            return None
        if schema:
            if after.strip() != "| project ['ColumnName'], ['ColumnType']":
                raise syntax_error(f"the double does not know {after.strip()!r} behind getschema")
            shown = [("ColumnName", "string"), ("ColumnType", "string")]
            return Answer(shown, [[name, kind] for name, kind in self._columns(before)])
        columns = self._columns(text)
        return Answer(columns, [[written(r[n], kind) for n, kind in columns] for r in self._rows(text, {})])

    def _columns(self, text: str) -> Sequence[tuple[str, str]]:
        columns = self._objects.analysed(text).columns
        if columns is None or any(kind == "unknown" for _, kind in columns):  # of a function that is wrong
            raise semantic_error("the query gives no table")
        return columns

    def _rows(self, text: str, given: Mapping[str, Any]) -> list[Row]:
        return _Pipe(text, given, self._source).rows()

    def _source(self, name: str, arguments: Sequence[Any] | None) -> list[Row]:
        if arguments is None:
            return self._engine.table(name).rows()
        function = self._objects.functions.get(name)
        if function is None:
            raise semantic_error(f"Unknown function: '{name}'")
        inside = function.parameters.strip()[1:-1]
        names = [one.partition(":")[0].strip() for one in inside.split(",") if one.strip()]
        body = function.body.strip().removeprefix("{").removesuffix("}")
        given = dict(zip(names, arguments, strict=True))
        *lets, last = body.split(";")
        for let in lets:  # a table of its own, which what follows may begin with
            name, _, query = let.strip().removeprefix("let ").partition("=")
            given[name.strip()] = self._rows(query, given)
        return self._rows(last, given)


class _Pipe:
    """One query: a source, and operators one after the other."""

    def __init__(
        self, text: str, given: Mapping[str, Any], source: Callable[[str, Sequence[Any] | None], list[Row]]
    ) -> None:
        self._words: list[tuple[str, str]] = []
        text, place = re.sub(r"//[^\n]*", "", text).strip(), 0
        while place < len(text):
            match = _WORDS.match(text, place)
            if match is None or match.lastgroup is None:
                raise syntax_error(f"the double does not know {text[place : place + 40]!r}")
            self._words.append((match.lastgroup, match[match.lastgroup]))
            place = match.end()
        self._given, self._source = given, source

    def rows(self) -> list[Row]:
        """What it gives."""
        name = self._name()
        arguments = self._arguments() if self._taken("(") else None
        rows = self._given[name] if name in self._given else self._source(name, arguments)
        while self._taken("|"):
            operator = self._word()
            if operator == "where":
                rows = self._where(rows)
            elif operator in ("project", "extend"):
                rows = self._made(rows, keeping=operator == "extend")
            elif operator == "summarize":
                rows = self._summarized(rows)
            else:
                raise syntax_error(f"the double does not know the operator {operator!r}")
        if self._words:
            raise syntax_error(f"the double does not know {self._words[0][1]!r}")
        return rows

    def _arguments(self) -> list[Any]:
        found: list[Any] = []
        while not self._taken(")"):
            found.append(self._value()({}))
            self._taken(",")
        return found

    def _where(self, rows: list[Row]) -> list[Row]:
        conditions = [self._condition()]
        while self._taken("and"):
            conditions.append(self._condition())
        return [row for row in rows if all(condition(row) for condition in conditions)]

    def _condition(self) -> Callable[[Row], bool]:
        left, sign, right = self._value(), self._next()[1], self._value()
        compare = _COMPARED.get(sign)
        if compare is None:
            raise syntax_error(f"the double does not know {sign!r}")
        return lambda row: left(row) is not None and compare(left(row), right(row))

    def _made(self, rows: list[Row], *, keeping: bool) -> list[Row]:
        made: dict[str, Callable[[Row], Any]] = {}
        while True:
            name = self._name()
            made[name] = self._value() if self._taken("=") else (lambda row, name=name: row[name])
            if not self._taken(","):
                break
        return [(row if keeping else {}) | {n: value(row) for n, value in made.items()} for row in rows]

    def _summarized(self, rows: list[Row]) -> list[Row]:
        made: dict[str, Callable[[list[Row]], Any]] = {}
        while True:
            name = self._name()
            self._take("=")
            of = self._word()
            self._take("(")
            if of == "count":
                made[name] = len
            elif of == "sum":
                column = self._name()
                made[name] = lambda some, column=column: sum(row[column] or 0 for row in some)
            else:
                raise syntax_error(f"the double does not know {of}()")
            self._take(")")
            if not self._taken(","):
                break
        by: list[str] = []
        if self._taken("by"):
            by.append(self._name())
            while self._taken(","):
                by.append(self._name())
        groups: dict[tuple[Any, ...], list[Row]] = {} if by else {(): []}
        for row in rows:
            groups.setdefault(tuple(row[name] for name in by), []).append(row)
        return [
            dict(zip(by, key, strict=True)) | {name: of(some) for name, of in made.items()}
            for key, some in groups.items()
        ]

    def _value(self) -> Callable[[Row], Any]:
        kind, word = self._next()
        if kind == "moment":
            moment = datetime.fromisoformat(word[9:-1].strip().replace("Z", "+00:00"))
            value: Any = moment.replace(tzinfo=moment.tzinfo or UTC)
        elif kind == "text":
            value = json.loads(word)
        elif kind == "number":
            value = float(word) if "." in word else int(word)
        elif kind == "null":
            value = None
        elif kind in ("name", "word"):
            name = _unquoted(kind, word)
            if name not in self._given:
                return lambda row: row[name]
            value = self._given[name]
        else:
            raise syntax_error(f"the double does not know the value {word!r}")
        return lambda _: value

    def _next(self) -> tuple[str, str]:
        if not self._words:
            raise syntax_error("the query ends too early")
        return self._words.pop(0)

    def _name(self) -> str:
        kind, word = self._next()
        if kind not in ("name", "word"):
            raise syntax_error(f"the double expects a name, and {word!r} is none")
        return _unquoted(kind, word)

    def _word(self) -> str:
        return self._next()[1]

    def _taken(self, word: str) -> bool:
        found = bool(self._words) and self._words[0][1] == word
        if found:
            self._words.pop(0)
        return found

    def _take(self, word: str) -> None:
        if not self._taken(word):
            raise syntax_error(f"the double expects {word!r}")


def _unquoted(kind: str, word: str) -> str:
    return re.sub(r"\\(.)", r"\1", word[2:-2]) if kind == "name" else word
