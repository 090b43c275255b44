"""What a destination may answer, and what that means: one table a destination, and answers read strictly.

Belongs here: the five meanings, the lines that all HTTP vendors share, reading JSON of a documented form.
Does not: sending (`http`), what one vendor answers (its client has its lines and forms).

Every answer ends as one of five: all taken, rows refused, nothing done for certain, try again (it may have
been taken), or what the destination should not answer. The last is an `UnexpectedAnswer`: nothing of it
counts as taken, and nothing as refused.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Any

from .errors import UnexpectedAnswer

# The first characters of an answer, as it is shown to a person.
_BEGINNING = 200


class Meaning(StrEnum):
    """What an answer says of what a request held."""

    TAKEN = "taken"
    REFUSED = "refused"
    NOTHING_DONE = "nothing done"
    TRY_AGAIN = "try again"
    UNEXPECTED = "should not be answered"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a decision table.

    Attributes:
        answer: what comes, in words.
        meaning: what that says.
        then: what follows.
        statuses: of HTTP, where they tell.
        states: beginnings of SQLSTATEs, where they tell.
    """

    answer: str
    meaning: Meaning
    then: str
    statuses: frozenset[int] = frozenset()
    states: tuple[str, ...] = ()


# RFC 9110, section 15.5: the server says no before it does anything.
_SAID_NO = frozenset(
    {
        400,
        401,
        402,
        403,
        404,
        405,
        406,
        407,
        410,
        411,
        412,
        413,
        414,
        415,
        416,
        417,
        421,
        422,
        426,
        428,
        431,
        451,
    }
)
_FAILS = "the delivery fails with the words that came; what the request held counts as not sent"
_AGAIN = "the same request again, ever later, until the budget is spent"

UNREACHED = Line(
    "no connection: no such name, refused, no TLS, no answer to the call",
    Meaning.TRY_AGAIN,
    f"nothing was done for certain; {_AGAIN}",
)
LOST = Line(
    "a connection that breaks, before the answer or within it; no answer in time",
    Meaning.TRY_AGAIN,
    f"it may have been taken; {_AGAIN}",
)
LATER = Line(
    "408, 5xx, whatever the body", Meaning.TRY_AGAIN, f"it may have been taken; {_AGAIN}",
    frozenset({408, *range(500, 600)}),
)  # fmt: skip
TOO_MANY = Line(
    "429, whatever the body",
    Meaning.TRY_AGAIN,
    "nothing was done for certain; again after what the answer asks for, and nobody sends meanwhile",
    frozenset({429}),
)
SAID_NO = Line(
    "400 to 407, 410 to 417, 421, 422, 426, 428, 431, 451: a server says so before it does anything",
    Meaning.NOTHING_DONE,
    _FAILS,
    _SAID_NO,
)
ELSEWHERE = Line(
    "a redirect, or another 1xx or 3xx",
    Meaning.UNEXPECTED,
    "none is followed; the delivery fails, and what the request held may have arrived",
    frozenset({*range(100, 200), *range(300, 400)}),
)
UNKNOWN = Line(
    "any other status",
    Meaning.UNEXPECTED,
    "the delivery fails, and what the request held may have arrived",
    frozenset(range(100, 1000)),
)
STRANGE = Line(
    "2xx with anything else: HTML, JSON that is cut or of another form, a body that is not of its encoding or"
    " does not end",
    Meaning.UNEXPECTED,
    "the delivery fails, and what the request held may have arrived",
)
# After a vendor's own lines, in this order: the first that fits counts.
COMMON: Sequence[Line] = (TOO_MANY, LATER, SAID_NO, ELSEWHERE, UNREACHED, LOST, STRANGE, UNKNOWN)


def meaning_of(status: int, table: Sequence[Line] = COMMON) -> Meaning:
    """What a table says of a status of HTTP."""
    return next((line.meaning for line in table if status in line.statuses), Meaning.UNEXPECTED)


def is_nothing_done(status: int) -> bool:
    """Whether a status says for certain that nothing was done."""
    return status == 429 or status in _SAID_NO


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of HTTP, read whole or up to what is bearable.

    Attributes:
        status_code: of HTTP.
        headers: by name, whatever the case.
        content: the body, without its encoding.
        host: who answered, to be shown.
        shown: makes a text one that may be shown.
        wrong: what is wrong with the body itself, "" if nothing is.
    """

    status_code: int
    headers: Mapping[str, str]
    content: bytes
    host: str
    shown: Callable[[str], str]
    wrong: str = ""

    @property
    def text(self) -> str:
        """The body as text, to be shown; JSON is in UTF-8 (RFC 8259, section 8.1)."""
        return self.content.decode("utf-8", "replace")

    def read(self, form: Any, expected: str, *, exact: bool = False) -> Any:
        """The body's JSON, of a form that the vendor documents.

        Args:
            form: a type that pydantic knows; fields that it does not name are left out.
            expected: the form in words, for the error.
            exact: fractions are Decimal, so that none is rounded.

        Raises:
            UnexpectedAnswer: it is none.
        """
        found = self.json(expected, exact=exact)
        adapter, invalid = _adapter(form)
        try:
            return adapter.validate_python(found, strict=True)
        except invalid as error:
            invalid_at: Any = error
            first = invalid_at.errors(include_url=False, include_input=False, include_context=False)[0]
            place = ".".join(str(part) for part in first["loc"]) or "it"
            raise self.unexpected(f"{place}: {first['msg']}", expected) from None

    def json(self, expected: str, *, exact: bool = False) -> Any:
        """The body's JSON, whatever it is.

        Raises:
            UnexpectedAnswer: it is none.
        """
        if self.wrong:
            raise self.unexpected(self.wrong, expected)
        try:
            # A mark of the byte order is none of JSON, and some servers write it.
            text = self.content.decode("utf-8-sig")
            return json.loads(text, parse_float=Decimal if exact else None, parse_constant=_no_constant)
        except UnicodeDecodeError:
            why = "it is not in UTF-8"
        except RecursionError:
            why = "it is nested too deeply"
        except ValueError as error:
            why = f"it is no JSON: {str(error).partition(': line')[0]}" if self.content else "it has no body"
        raise self.unexpected(why, expected)

    def mapping(self) -> Mapping[str, Any]:
        """The JSON object of a body that explains a refusal; of anything else its text, as `message`."""
        try:
            found = json.loads(self.content)
        except (ValueError, RecursionError):
            found = None
        return found if isinstance(found, dict) else {"message": self.text}

    def unexpected(self, why: str, expected: str) -> UnexpectedAnswer:
        """The error that says that this should not be answered: what came, and what was expected."""
        return unexpected(
            f"{self.host}",
            f"HTTP {self.status_code} {self.headers.get('content-type', 'without a content type')}; {why}",
            self.shown(self.text[:_BEGINNING]),
            expected,
        )


def unexpected(host: str, what: str, beginning: str, expected: str) -> UnexpectedAnswer:
    """The error that says that something should not be answered; `beginning` may be shown."""
    begins = f"; it begins: {beginning}" if beginning else ""
    return UnexpectedAnswer(
        "SLU-V005",
        f"{host} answers what it should not: {what}{begins}",
        expected,
        "what this request held may have arrived: once the right service answers, run the"
        " export again, and it takes up where this one ended",
    )


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


@cache
def _adapter(form: Any) -> tuple[Any, type[ValueError]]:
    from pydantic import TypeAdapter, ValidationError

    return TypeAdapter(form), ValidationError
