"""The small part of the Kusto Query Language that the double understands; it refuses everything else.

Belongs here: words, literals, names and predicates. Does not: tables, commands (`kusto_engine`).

Names and literals are those of "Entity names" and "Scalar data types"
(https://learn.microsoft.com/kusto/query/schema-entities/entity-names,
https://learn.microsoft.com/kusto/query/scalar-data-types/).
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Self

Row = Mapping[str, Any]
Predicate = Callable[[Row], bool]

_WORDS = re.compile(
    r"""\s*(?:
      (?P<name>\['(?:[^'\\]|\\.)*'\])
    | (?P<text>"(?:[^"\\]|\\.)*")
    | (?P<typed>(?:datetime|decimal|guid|real|timespan)\([^()"]*\))
    | (?P<number>-?\d+(?:\.\d+)?)
    | (?P<word>\.?[A-Za-z_][A-Za-z0-9_-]*)
    | (?P<mark><\||==|>=|<=|!(?=has|contains)|[|<>(){},:=])
    )""",
    re.VERBOSE,
)


@dataclass
class Refused(Exception):
    """A request that the service does not take, in the shape of a OneApiError."""

    code: str
    type: str
    said: str
    status: int = 400


def syntax_error(said: str) -> Refused:
    """The refusal of a text that is no query or command."""
    return Refused("General_BadRequest", "Kusto.Data.Exceptions.SyntaxException", f"Syntax error: {said}")


def semantic_error(said: str) -> Refused:
    """The refusal of a query on what does not exist."""
    name = "Kusto.Data.Exceptions.SemanticException"
    return Refused("General_BadRequest", name, f"Semantic error: {said}")


class Words:
    """The words of one text, taken one by one."""

    def __init__(self, text: str) -> None:
        self._words: list[tuple[str, str]] = []
        place, text = 0, text.strip()
        while place < len(text):
            match = _WORDS.match(text, place)
            if match is None or match.lastgroup is None:
                raise syntax_error(f"unexpected {text[place : place + 40]!r}")
            self._words.append((match.lastgroup, match[match.lastgroup]))
            place = match.end()
        self._next = 0

    def at(self, *words: str) -> bool:
        """Whether these words come next."""
        return [text for _, text in self._words[self._next : self._next + len(words)]] == list(words)

    def take(self, *words: str) -> Self:
        """Go past these words, or refuse the text."""
        if not self.at(*words):
            raise syntax_error(f"expected {' '.join(words)!r} at {self._rest()!r}")
        self._next += len(words)
        return self

    def taken(self, *words: str) -> bool:
        """Go past these words if they are next; say whether they were."""
        found = self.at(*words)
        self._next += len(words) if found else 0
        return found

    def one(self, kind: str) -> str:
        """Take the next word, which is of a kind: name, text, typed, number, word or mark."""
        if self._next >= len(self._words) or self._words[self._next][0] != kind:
            raise syntax_error(f"expected a {kind} at {self._rest()!r}")
        self._next += 1
        return self._words[self._next - 1][1]

    def name(self) -> str:
        """Take a quoted name."""
        return re.sub(r"\\(.)", r"\1", self.one("name")[2:-2])

    def text(self) -> str:
        """Take a text literal."""
        return json.loads(self.one("text"))

    def literal(self) -> Any:
        """Take a value."""
        if self._next < len(self._words):
            kind, word = self._words[self._next]
            if kind == "text":
                return self.text()
            if kind == "number":
                self._next += 1
                return Decimal(word) if "." in word else int(word)
            if word in ("true", "false"):
                self._next += 1
                return word == "true"
            if kind == "typed":
                self._next += 1
                return _typed(*word[:-1].split("(", 1))
        raise syntax_error(f"expected a value at {self._rest()!r}")

    def end(self) -> None:
        """Refuse the text if anything is left."""
        if self._next < len(self._words):
            raise syntax_error(f"unexpected {self._rest()!r}")

    def predicate(self, columns: Mapping[str, str]) -> Predicate:
        """Take a condition on the columns of a table."""
        choices = [self._all(columns)]
        while self.taken("or"):
            choices.append(self._all(columns))
        return lambda row: any(choice(row) for choice in choices)

    def _all(self, columns: Mapping[str, str]) -> Predicate:
        conditions = [self._one_condition(columns)]
        while self.taken("and"):
            conditions.append(self._one_condition(columns))
        return lambda row: all(condition(row) for condition in conditions)

    def _one_condition(self, columns: Mapping[str, str]) -> Predicate:
        if self.taken("("):
            inner = self.predicate(columns)
            self.take(")")
            return inner
        column = self.name()
        if column not in columns:
            raise semantic_error(
                f"'where' operator: Failed to resolve column or scalar expression '{column}'"
            )
        if self.taken("in"):
            values = self.take("(")._listed(columns[column])
            return lambda row: row[column] in values
        sign = self.one("mark")
        value = _comparable(columns[column], self.literal())
        if sign == "==":
            return lambda row: row[column] == value
        if sign == ">=":
            return lambda row: row[column] is not None and row[column] >= value
        if sign == "<":
            return lambda row: row[column] is not None and row[column] < value
        raise syntax_error(f"operator {sign!r}")

    def _listed(self, kind: str) -> list[Any]:
        values = [_comparable(kind, self.literal())]
        while self.taken(","):
            values.append(_comparable(kind, self.literal()))
        self.take(")")
        return values

    def _rest(self) -> str:
        return " ".join(text for _, text in self._words[self._next : self._next + 6])


def _typed(kind: str, text: str) -> Any:
    try:
        if kind == "datetime":
            moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
            return moment.replace(tzinfo=moment.tzinfo or UTC)
        return {"decimal": Decimal, "real": float, "guid": str, "timespan": str}[kind](text)
    except (ValueError, ArithmeticError) as error:
        raise semantic_error(f"{kind}({text}) is no {kind}") from error


def _comparable(kind: str, value: Any) -> Any:
    """Refuse what Kusto refuses: comparing a column with a value of another type."""
    fits = {
        "string": (str,), "guid": (str,), "bool": (bool,), "datetime": (datetime,),
        "int": (int,), "long": (int,), "real": (int, float), "decimal": (int, Decimal),
    }[kind]  # fmt: skip
    if not isinstance(value, fits) or (isinstance(value, bool) and kind != "bool"):
        raise semantic_error(f"Cannot compare values of types {kind} and {type(value).__name__}")
    return value
