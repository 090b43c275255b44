"""Ingest jobs of the double of Salesforce: Bulk API 2.0.

Belongs here: a job's states, its data, its results. Does not: what a record may be (`salesforce_records`).

Sources, on developer.salesforce.com, "Bulk API 2.0 and Bulk API Developer Guide", as published in 2026:
  - Create a Job, Upload Job Data, Upload Complete, Abort a Job, Get Information About an Ingest Job
    (api_asynch/bulk_api_2_0_ingest.htm). Data is put into a job once: a second time Salesforce answers
    "Found multiple contents for job".
  - Get Job Successful, Failed and Unprocessed Record Results (api_asynch/get_job_failed_results.htm): the
    order is not that of the data, and rows beyond the daily allocation of batches are in none of them.
  - Prepare CSV Files (api_asynch/datafiles_prepare_csv.htm): UTF-8, at most 150 MB in base64, `#N/A` for
    null, an empty value is left as it is.
  - Bulk API and Bulk API 2.0 Limits and Allocations: a batch has 10,000 rows; 15,000 batches in 24 hours.
"""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from .salesforce_records import Malformed, Reference, Refusal, Table
from .salesforce_relations import Relations, Unrelated

BATCH_ROWS = 10_000
_CHUNK_ROWS = 200
_BASE64_BYTES = 150_000_000
_SETTABLE = {"object", "operation", "externalIdFieldName", "contentType", "lineEnding", "columnDelimiter"}
ENDED = frozenset({"JobComplete", "Failed", "Aborted"})


class JobError(Exception):
    """A request that Salesforce refuses."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(code, message)
        self.code, self.message, self.status = code, message, status


@dataclass
class _Job:
    id: str
    key: str
    state: str = "Open"
    data: bytes | None = None
    error: str = ""
    polls_left: int = 0
    names: list[str] = field(default_factory=list[str])
    parents: list[Any] = field(default_factory=list[Any])
    succeeded: list[tuple[str, bool, list[str]]] = field(default_factory=list[tuple[str, bool, list[str]]])
    failed: list[tuple[str, list[str]]] = field(default_factory=list[tuple[str, list[str]]])
    unprocessed: list[list[str]] = field(default_factory=list[list[str]])


class Jobs:
    """The ingest jobs of an organisation.

    Attributes:
        jobs: all there are, by id.
        polls: how many times a closed job is asked about before it has ended: slow jobs.
        stop_after: a job fails once it has processed so many rows; None: it does not.
        stop_error: its error then.
        batches_allowed: of the daily allocation, how many are left.
        most_at_once: how many jobs of the object were closed and not ended at the same time.
    """

    def __init__(self, table: Table, user: str, relations: Relations) -> None:
        self._table = table
        self._relations = relations
        self._user = user
        self.jobs: dict[str, _Job] = {}
        self.polls = 0
        self.stop_after: int | None = None
        self.stop_error = "TooManyLockFailure:Too many lock failure 200"
        self.batches_allowed = 15_000
        self.most_at_once = 0

    def create(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Make a job."""
        unknown = set(asked) - _SETTABLE
        if unknown:
            raise JobError("JSON_PARSER_ERROR", f'Unrecognized field "{min(unknown)}"')
        if str(asked.get("object", "")).lower() != self._table.name.lower():
            raise JobError("INVALIDENTITY", f"Unable to find object: {asked.get('object')}")
        if asked.get("operation") != "upsert" or asked.get("contentType", "CSV") != "CSV":
            raise JobError("API_ERROR", "the double knows upserts of CSV alone")
        if asked.get("lineEnding", "LF") != "LF" or asked.get("columnDelimiter", "COMMA") != "COMMA":
            raise JobError("API_ERROR", "the double knows LF and COMMA alone")
        key = asked.get("externalIdFieldName", "")
        if key not in self._table.fields or not self._table.fields[key].external_id:
            raise JobError("INVALIDJOB", f"InvalidJob : External ID was blank or no such field: {key}")
        if not self.batches_allowed:
            raise JobError("EXCEEDEDQUOTA", "ExceededQuota : Max Batch Count reached for the day")
        job = _Job(f"750{len(self.jobs) + 1:012d}AAA", key)
        self.jobs[job.id] = job
        return self._info(job)

    def put(self, job_id: str, data: bytes) -> None:
        """Take a job's data."""
        job = self._job(job_id)
        if job.state != "Open":
            raise JobError("INVALIDJOBSTATE", f"Upload not allowed in state {job.state}")
        if job.data is not None:
            raise JobError("CLIENTINPUTERROR", f"Found multiple contents for job: <{job_id}>")
        if len(data) * 4 / 3 > _BASE64_BYTES:
            raise JobError("REQUEST_LIMIT_EXCEEDED", "the file is larger than 150 MB in base64", 413)
        job.data = data

    def set_state(self, job_id: str, state: str) -> dict[str, Any]:
        """Close or abort a job."""
        job = self._job(job_id)
        if state == "UploadComplete":
            if job.state != "Open":
                raise JobError("INVALIDJOBSTATE", f"Job is in state {job.state}, and can not be closed")
            if job.data is None:
                raise JobError("INVALIDJOBSTATE", "Job has no contents")
            job.state, job.polls_left = "UploadComplete", self.polls
            at_once = sum(one.state in ("UploadComplete", "InProgress") for one in self.jobs.values())
            self.most_at_once = max(self.most_at_once, at_once)
        elif state == "Aborted":
            if job.state in ENDED:
                raise JobError("INVALIDJOBSTATE", f"Aborting already {job.state} Job not allowed")
            job.state = "Aborted"
            self._read(job)
        else:
            raise JobError("INVALIDJOBSTATE", f"no such change: {state}")
        return self._info(job)

    def info(self, job_id: str) -> dict[str, Any]:
        """Where a job stands; being asked lets time pass for it."""
        job = self._job(job_id)
        self._let_time_pass(job)
        return self._info(job)

    def all(self) -> list[dict[str, Any]]:
        """Every job."""
        return [self._info(job) for job in self.jobs.values()]

    def results(self, job_id: str, which: str) -> str:
        """One of a job's three result files, in another order than the data."""
        job = self._job(job_id)
        if job.state not in ENDED:
            raise JobError("INVALIDJOBSTATE", f"Results are not ready in state {job.state}")
        written = io.StringIO()
        writer = csv.writer(written, quoting=csv.QUOTE_ALL, lineterminator="\n")
        if which == "successfulResults":
            writer.writerow(["sf__Id", "sf__Created", *job.names])
            writer.writerows([one, str(new).lower(), *row] for one, new, row in reversed(job.succeeded))
        elif which == "failedResults":
            writer.writerow(["sf__Id", "sf__Error", *job.names])
            writer.writerows(["", error, *row] for error, row in reversed(job.failed))
        else:
            writer.writerow(job.names)
            writer.writerows(reversed(job.unprocessed))
        return written.getvalue()

    def _job(self, job_id: str) -> _Job:
        if job_id not in self.jobs:
            raise JobError("NOT_FOUND", "The requested resource does not exist", 404)
        return self.jobs[job_id]

    def _info(self, job: _Job) -> dict[str, Any]:
        info = {
            "id": job.id,
            "operation": "upsert",
            "object": self._table.name,
            "createdById": self._user,
            "externalIdFieldName": job.key,
            "state": job.state,
            "jobType": "V2Ingest",
            "contentUrl": f"services/data/v64.0/jobs/ingest/{job.id}/batches",
            "numberRecordsProcessed": len(job.succeeded) + len(job.failed),
            "numberRecordsFailed": len(job.failed),
        }
        return info | ({"errorMessage": job.error} if job.error else {})

    def _let_time_pass(self, job: _Job) -> None:
        if job.state not in ("UploadComplete", "InProgress"):
            return
        if job.polls_left > 0:
            job.polls_left -= 1
            job.state = "InProgress"
            return
        self._process(job)

    def _read(self, job: _Job) -> None:
        """Read the data; all of it is unprocessed at first."""
        rows = list(csv.reader(io.StringIO((job.data or b"").decode(), newline="")))
        job.names, job.unprocessed = (rows[0], rows[1:]) if rows else ([], [])

    def _process(self, job: _Job) -> None:
        self._read(job)
        try:
            job.parents = self._relations.of_header(job.names)
            if job.key not in job.names:
                raise Unrelated(f"Field name not found : {job.key}")
        except Unrelated as error:
            job.state, job.error = "Failed", f"InvalidBatch : {error}"
            return
        waiting, job.unprocessed = job.unprocessed, []
        for first in range(0, len(waiting), BATCH_ROWS):
            if not self.batches_allowed:
                # In none of the results: see "Get Job Failed Record Results".
                break
            self.batches_allowed -= 1
            batch = waiting[first : first + BATCH_ROWS]
            for start in range(0, len(batch), _CHUNK_ROWS):
                done = len(job.succeeded) + len(job.failed)
                if self.stop_after is not None and done >= self.stop_after:
                    job.unprocessed = waiting[first + start :]
                    job.state, job.error = "Failed", self.stop_error
                    return
                self._process_chunk(job, batch[start : start + _CHUNK_ROWS])
        job.state = "JobComplete"

    def _process_chunk(self, job: _Job, chunk: list[list[str]]) -> None:
        parsed: list[tuple[list[str], dict[str, Any]]] = []
        for row in chunk:
            try:
                parsed.append((row, self._parse(job, row)))
            except (Malformed, Refusal) as error:
                code = error.code if isinstance(error, Refusal) else "INVALID_TYPE_ON_FIELD_IN_RECORD"
                job.failed.append((f"{code}:{error.args[-1]}:--", row))
        answers = self._table.upsert_all(job.key, [values for _, values in parsed])
        for (row, _), answer in zip(parsed, answers, strict=True):
            if isinstance(answer, Refusal):
                job.failed.append((answer.in_csv(), row))
            else:
                job.succeeded.append((*answer, row))

    def _parse(self, job: _Job, row: list[str]) -> dict[str, Any]:
        if len(row) != len(job.names):
            raise Refusal("INVALID_CSV", "The number of columns is not that of the header")
        values: dict[str, Any] = {}
        cells = [(name, parent, text) for name, parent, text in zip(job.names, job.parents, row, strict=True)]
        for name, parent, text in cells:
            if parent is None and text:
                values[name] = (
                    None if text == "#N/A" else self._table.parse(name, _typed(self._table, name, text))
                )
        for _, parent, text in cells:
            if parent is not None and text:
                # That #N/A empties a relationship is nowhere written, and is looked for as any other value.
                field, table, identifier, relationship = parent
                value = table.parse(identifier, _typed(table, identifier, text))
                both = values.get(field) is not None
                values[field] = Reference(table, identifier, value, relationship, both)
        return values


def _typed(table: Table, name: str, text: str) -> Any:
    kind = table.fields[name].type
    if kind == "double":
        try:
            number = Decimal(text)
        except InvalidOperation:
            return text
        return number if number.is_finite() else text
    return {"true": True, "false": False}.get(text, text) if kind == "boolean" else text
