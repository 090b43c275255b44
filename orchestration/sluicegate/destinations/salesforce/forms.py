"""What Salesforce answers: the decision table, and the forms of its JSON.

Belongs here: fields that are read, as Salesforce documents them, and what each status means. Does not:
requests (`client`, `records`, `jobs`).

Sources, on developer.salesforce.com: "Status Codes and Error Responses" (api_rest/errorcodes.htm), "Upsert
Records Using sObject Collections", "Delete Records Using sObject Collections", "Query", "sObject Describe",
"Versions" (all api_rest), "Get Job Info" and "Get All Jobs" (api_asynch).
"""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field

from ..answers import COMMON, Line, Meaning

DECISIONS: Sequence[Line] = (
    Line(
        "200 with a result for each record of a collection, in order, all with `success`",
        Meaning.TAKEN,
        "all rows are acknowledged",
    ),
    Line(
        "200 with a result for each record, some without `success`",
        Meaning.REFUSED,
        "those rows are refused with Salesforce's words; locked ones are tried again first",
    ),
    Line(
        "200 with fewer or more results than records, or with the id of another record",
        Meaning.UNEXPECTED,
        "the delivery fails, and what the request held may have arrived",
    ),
    Line(
        "200 with a bulk job's results: rows in `successfulResults` or `failedResults`",
        Meaning.REFUSED,
        "the former are acknowledged, the latter refused; rows in neither go again as few rows do",
    ),
    Line(
        "400, 413, 414 to a collection, without a code that is of the object",
        Meaning.REFUSED,
        "the request is halved until the records at fault stand alone; those are refused",
        frozenset({400, 413, 414}),
    ),
    Line(
        "401 with a session that has ended",
        Meaning.NOTHING_DONE,
        "signed in once more, and the same request again; refused once more, the delivery fails",
        frozenset({401}),
    ),
    Line(
        "REQUEST_LIMIT_EXCEEDED, under any status",
        Meaning.TRY_AGAIN,
        "nothing was done for certain; again later, after five minutes where the day's requests are used up",
    ),
    Line(
        "UNABLE_TO_LOCK_ROW, SERVER_UNAVAILABLE and other codes of a moment, under any status",
        Meaning.TRY_AGAIN,
        "it may have been taken; the same request again, ever later",
    ),
    Line(
        "300, 404, 405, 409, 410, 412, 415 with a reason",
        Meaning.NOTHING_DONE,
        "the delivery fails with Salesforce's words; what the request held counts as not sent",
        frozenset({300, 404, 405, 409, 410, 412, 415}),
    ),
    *COMMON,
)

SAVED = '[{"id": …, "success": true, "errors": []}, …]'
FOUND = '{"totalSize": 1, "done": true, "records": [{…}]}'
JOB = '{"id": …, "state": …}'
JOBS = '{"done": true, "records": [{"id": …, "object": …, "state": …}, …]}'
State = Literal["Open", "UploadComplete", "InProgress", "JobComplete", "Failed", "Aborted"]
_BELOW = r"^/services/data/"


class _Problem(BaseModel):
    statusCode: str | None = None  # noqa: N815 - Salesforce's names
    message: str | None = None
    fields: list[str] | None = None


class Saved(BaseModel):
    """What became of one record of a collection."""

    success: bool
    id: str | None = None
    errors: list[_Problem] | None = None


class Found(BaseModel):
    """A page of a query."""

    done: bool
    records: list[dict[str, Any]]
    totalSize: int | None = None  # noqa: N815
    nextRecordsUrl: str | None = Field(default=None, pattern=_BELOW)  # noqa: N815


class Made(BaseModel):
    """A job."""

    id: str = Field(pattern=r"^\w+$")
    state: State | None = None


class JobInfo(BaseModel):
    """Where a job stands."""

    state: State
    numberRecordsProcessed: int | None = None  # noqa: N815
    errorMessage: str | None = None  # noqa: N815


class _OneJob(BaseModel):
    id: str
    state: str
    object: str | None = None
    createdById: str | None = None  # noqa: N815


class AllJobs(BaseModel):
    """A page of the list of jobs."""

    done: bool
    records: list[_OneJob]
    nextRecordsUrl: str | None = Field(default=None, pattern=_BELOW)  # noqa: N815


class _FieldOf(BaseModel):
    name: str
    type: str
    createable: bool
    updateable: bool
    nillable: bool
    defaultedOnCreate: bool  # noqa: N815
    scale: int | None = None
    precision: int | None = None
    filterable: bool = True
    externalId: bool | None = None  # noqa: N815
    idLookup: bool | None = None  # noqa: N815
    unique: bool | None = None
    caseSensitive: bool | None = None  # noqa: N815
    relationshipName: str | None = None  # noqa: N815
    referenceTo: list[str] | None = None  # noqa: N815


class Described(BaseModel):
    """An object, and what the user may do with its records."""

    name: str
    fields: list[_FieldOf]
    createable: bool | None = None
    updateable: bool | None = None
    deletable: bool | None = None
    queryable: bool | None = None


class Version(BaseModel):
    """A version of the interface."""

    version: str


class Granted(BaseModel):
    """A session."""

    access_token: str = Field(min_length=1)
    id: str | None = None
