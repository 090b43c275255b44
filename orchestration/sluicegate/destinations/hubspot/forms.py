"""What HubSpot answers: the decision table, and the forms of its JSON.

Belongs here: fields that are read, as HubSpot documents them, and what each status means. Does not: requests
(`client`), whose row an error is (`destination`).

Sources: "CRM objects", "Associations v4" and "Error handling" of developers.hubspot.com/docs/api-reference.
"Every field of an error is optional" there; of a record `id` and `properties` are always there.
"""

from collections.abc import Sequence

from pydantic import BaseModel

from ..answers import COMMON, Line, Meaning

LOCKED, MOVING, LIMIT = 423, 477, 429
REFUSED_WHOLE = frozenset({400, 409, 413, 422})

DECISIONS: Sequence[Line] = (
    Line(
        "200 or 201 with a result for each record of the request",
        Meaning.TAKEN,
        "all rows are acknowledged",
    ),
    Line("204 to an archiving or a deletion", Meaning.TAKEN, "all rows are acknowledged"),
    Line(
        "207 with a result or an error for each record, an error with the record's trace or key",
        Meaning.REFUSED,
        "the rows with errors are refused with HubSpot's words, all others are acknowledged",
    ),
    Line(
        "200, 201 or 207 with fewer results than records, or an error without its record",
        Meaning.REFUSED,
        "the request is halved: writing a record again changes nothing. Of a record alone it should not be"
        " answered",
    ),
    Line(
        "200, 201 or 207 with more results than records, or a result of another record",
        Meaning.UNEXPECTED,
        "the delivery fails, and what the request held may have arrived",
    ),
    Line(
        "400, 409, 413, 422, whatever the body; but for an object type that there is none of",
        Meaning.REFUSED,
        "the request is halved until the records at fault stand alone; those are refused",
        REFUSED_WHOLE,
    ),
    Line(
        "423, 477: locked, or an account that is being moved",
        Meaning.TRY_AGAIN,
        "nothing was done for certain; again after what the answer asks for",
        frozenset({LOCKED, MOVING}),
    ),
    Line(
        "429 of the daily limit",
        Meaning.NOTHING_DONE,
        "the delivery fails: the limit starts anew at midnight",
    ),
    *COMMON,
)


class Detail(BaseModel):
    """One of several reasons of an error."""

    code: str | None = None


class Error(BaseModel):
    """An error about some records; `context` names them."""

    category: str | None = None
    message: str | None = None
    context: dict[str, list[str | int] | None] | None = None
    errors: list[Detail] | None = None


class Record(BaseModel):
    """A record, with the properties that were asked for as text."""

    id: str | int
    properties: dict[str, str | None] = {}
    objectWriteTraceId: str | None = None  # noqa: N815 - HubSpot's names


class Records(BaseModel):
    """What became of records that were written, or those that were asked for."""

    results: list[Record]
    errors: list[Error] | None = None


class _Next(BaseModel):
    after: str


class _Paging(BaseModel):
    next: _Next | None = None


class Page(BaseModel):
    """A page of the list of records."""

    results: list[Record]
    paging: _Paging | None = None


class _Rights(BaseModel):
    readOnlyValue: bool | None = None  # noqa: N815


class _Choice(BaseModel):
    value: str
    label: str | None = None


class Described(BaseModel):
    """A property of an object type."""

    name: str
    type: str = "string"
    hasUniqueValue: bool | None = None  # noqa: N815
    hubspotDefined: bool | None = None  # noqa: N815
    calculated: bool | None = None
    modificationMetadata: _Rights | None = None  # noqa: N815
    options: list[_Choice] | None = None


class Properties(BaseModel):
    """The properties of an object type."""

    results: list[Described]


class Label(BaseModel):
    """A kind of association."""

    category: str
    typeId: int  # noqa: N815
    label: str | None = None


class Labels(BaseModel):
    """The kinds of association between two object types."""

    results: list[Label]


class _Pair(BaseModel):
    fromObjectId: str | int | None = None  # noqa: N815
    toObjectId: str | int | None = None  # noqa: N815


class Associated(BaseModel):
    """What became of associations."""

    results: list[_Pair]
    errors: list[Error] | None = None
