"""Ingest jobs of Salesforce's Bulk API 2.0: made, filled, closed, waited for, read.

Belongs here: the life of one job. Does not: which rows go into it and what becomes of them
(`bulk`).

Source: "Bulk API 2.0 and Bulk API Developer Guide", chapter "Bulk API 2.0 Ingest"
(developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/bulk_api_2_0_ingest.htm): a job is Open,
UploadComplete (queued), InProgress, and then JobComplete, Failed or Aborted; data is put into it once; the
order of rows in results is not that of the data.
"""

import io
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from ..base import Journal
from ..batches import TryAgain
from ..errors import DeliveryError
from .client import RequestRefused, SalesforceClient
from .forms import JOB, JOBS, AllJobs, JobInfo, Made

OPEN, COMPLETE, FAILED, ABORTED = "Open", "JobComplete", "Failed", "Aborted"
_RUNNING = frozenset({"UploadComplete", "InProgress"})
# A job's end is noticed later by so much of its time at most: some 30 requests for a job of a minute, 140 for
# one of two hours.
_LATER_SHARE = 0.05
_LONGEST_WAIT = 60.0
# Salesforce reads and stores a whole upload before it answers.
_UPLOAD_SECONDS = 600.0
# The rows of a job, which are 100 MB at most, with an id or an error beside each.
_RESULT_BYTES = 1_000_000_000
# "Errors" of the guide has ExceededQuota; the REST interface writes the same in its own manner.
_QUOTA_CODES = frozenset({"EXCEEDEDQUOTA", "EXCEEDED_QUOTA", "LIMIT_EXCEEDED", "API_LIMIT_EXCEEDED"})


@dataclass(frozen=True, slots=True)
class Job:
    """Where a job stands; `error` is why it failed, "" if it did not."""

    id: str
    state: str
    processed: int
    error: str

    @property
    def running(self) -> bool:
        """It will change records, or is doing so."""
        return self.state in _RUNNING


class IngestJobs:
    """The upsert jobs of one object.

    Args:
        client: signs in and sends.
        object_name: the object's API name.
        external_id: the field that records are found by.
        poll_seconds: the first wait for a job; later ones are longer, up to a minute.
        wait_hours: after that a job is waited for no longer, and left to the next run.
    """

    def __init__(
        self,
        client: SalesforceClient,
        object_name: str,
        external_id: str,
        poll_seconds: float,
        wait_hours: float,
    ) -> None:
        self._client = client
        self._object = object_name
        self._external_id = external_id
        self._poll_seconds = poll_seconds
        self._wait_seconds = wait_hours * 3600

    def create(self) -> str:
        """Make a job and return its id; nothing happens before it is closed.

        Raises:
            DeliveryError: Salesforce makes no job.
        """
        asked = {
            "object": self._object,
            "operation": "upsert",
            "externalIdFieldName": self._external_id,
            "contentType": "CSV",
            "lineEnding": "LF",
            "columnDelimiter": "COMMA",
        }
        try:
            # Made twice, as an answer was lost: the other one stays open and empty, and changes nothing.
            answer = self._client.patiently(lambda: self._client.request("POST", "/jobs/ingest", body=asked))
        except RequestRefused as refused:
            raise self._explained(refused, "makes no job") from None
        made: Made = answer.read(Made, JOB)
        return made.id

    def fill(self, job_id: str, csv: bytes) -> bool:
        """Put the rows into a job; return whether they are in it.

        Data may be put into a job once: where the answer to it is lost, the job is aborted, and the rows need
        another one.
        """
        path = f"/jobs/ingest/{job_id}"
        try:
            answer = self._client.request(
                "PUT", f"{path}/batches", content=csv, content_type="text/csv", timeout=_UPLOAD_SECONDS
            )
        except TryAgain:
            self.abort(job_id)
            return False
        except RequestRefused as refused:
            self.abort(job_id)
            raise self._explained(refused, f"does not take the rows of job {job_id}") from None
        if answer.wrong or answer.content.strip():
            raise answer.unexpected(
                answer.wrong or "a job that takes data says nothing", "201 without a body"
            )
        return True

    def close(self, job_id: str) -> None:
        """Have a job that has its rows begin."""
        self._change_state(job_id, "UploadComplete")

    def abort(self, job_id: str) -> None:
        """Have an open job never begin."""
        self._change_state(job_id, ABORTED)

    def _change_state(self, job_id: str, state: str) -> None:
        path = f"/jobs/ingest/{job_id}"
        try:
            answer = self._client.patiently(
                lambda: self._client.request("PATCH", path, body={"state": state})
            )
        except RequestRefused as refused:
            # Said twice, as an answer was lost: then it is in that state, or further.
            if (job := self.find(job_id)) is not None and job.state != OPEN:
                return
            raise self._explained(refused, f"does not set job {job_id} to {state}") from None
        made: Made = answer.read(Made, JOB)
        if made.id[:15] != job_id[:15]:
            raise answer.unexpected("it is of another job", JOB)

    def find(self, job_id: str) -> Job | None:
        """Where a job stands; None once Salesforce has deleted it, 7 days after its end."""
        try:
            found: JobInfo = self._client.get(f"/jobs/ingest/{job_id}", JobInfo, JOB)
        except RequestRefused as refused:
            if refused.status == 404 or refused.code in ("NOT_FOUND", "INVALIDJOB"):
                return None
            raise self._explained(refused, f"does not show job {job_id}") from None
        return Job(
            id=job_id,
            state=found.state,
            processed=found.numberRecordsProcessed or 0,
            error=found.errorMessage or "",
        )

    def wait_for(self, job_id: str, journal: Journal) -> Job | None:
        """Wait until a job runs no more; None if there is no such job.

        Raises:
            DeliveryError: it takes longer than `wait_hours`.
        """
        started, told = time.monotonic(), ""
        wait = min(self._wait_seconds, self._client.left())
        until = started + wait
        while (job := self.find(job_id)) is not None and job.running:
            progress = f"Salesforce job {job.id}: {job.state}, {job.processed} rows processed"
            if progress != told:
                journal.tell(progress)
                told = progress
            if time.monotonic() > until:
                hours = wait == self._wait_seconds
                said = f"{wait / 3600:g} hours" if hours else f"{wait:.3g} s, all that were left"
                raise DeliveryError(
                    "SLU-V313",
                    f"{progress}, after {said}",
                    "an end of the job within `wait_hours` and the export's `budget`",
                    "look at it in Salesforce, Setup > Bulk Data Load Jobs; the next run waits for it again",
                )
            waited = time.monotonic() - started
            pause = min(max(self._poll_seconds, waited * _LATER_SHARE), _LONGEST_WAIT)
            self._client.wait(min(pause, max(0.0, until - time.monotonic())))
        return job

    def running_besides(self, known: Collection[str]) -> list[str]:
        """Jobs of our user on this object that are still to end, besides those that are known."""
        params: dict[str, str] | None = {"jobType": "V2Ingest"}
        path, running = "/jobs/ingest", list[str]()
        while True:
            try:
                page: AllJobs = self._client.get(path, AllJobs, JOBS, params)
            except RequestRefused as refused:
                raise self._explained(refused, "does not list its jobs") from None
            for job in page.records:
                ours = (job.object or "").lower() == self._object.lower() and _same_user(
                    job.createdById, self._client.user
                )
                if ours and job.state in _RUNNING and job.id not in known:
                    running.append(job.id)
            if page.done:
                return running
            if not page.nextRecordsUrl:
                raise self._client.strange("a page of jobs that is not the last, and no next one", JOBS)
            path, params = page.nextRecordsUrl, None

    def succeeded(self, job_id: str) -> Iterator[str]:
        """Yield the external ids of rows that were taken."""
        for keys, _ in self._results(job_id, "successfulResults", None):
            yield from keys

    def failed(self, job_id: str) -> Iterator[tuple[str, str]]:
        """Yield external id and error, "CODE:message:fields --", of rows that were refused."""
        for keys, errors in self._results(job_id, "failedResults", "sf__Error"):
            yield from zip(keys, errors, strict=True)

    def unprocessed(self, job_id: str) -> Iterator[str]:
        """Yield the external ids of rows that the job did not come to."""
        for keys, _ in self._results(job_id, "unprocessedrecords", None):
            yield from keys

    def _results(self, job_id: str, which: str, beside: str | None) -> Iterator[tuple[list[str], list[str]]]:
        """Yield the wanted columns of one result file, a block of it at a time."""
        arrow, csv = import_module("pyarrow"), import_module("pyarrow.csv")
        path = f"/jobs/ingest/{job_id}/{which}"
        try:
            answer = self._client.patiently(
                lambda: self._client.request(
                    "GET", path, accept="text/csv", timeout=_UPLOAD_SECONDS, most_bytes=_RESULT_BYTES
                )
            )
        except RequestRefused as refused:
            raise self._explained(refused, f"does not show {which} of job {job_id}") from None
        expected = f"CSV with the columns of the job, {self._external_id} among them"
        if answer.wrong:
            raise answer.unexpected(answer.wrong, expected)
        if not answer.content.strip():
            return
        # A line without its end may be cut off; a row in none of the results goes again.
        content = answer.content[: answer.content.rfind(b"\n") + 1]
        if not content:
            raise answer.unexpected("it has no whole line", expected)
        if content.count(b"\n") == 1 and content.lstrip(b'"').startswith(b"sf__"):
            # A job that never had data knows no columns but Salesforce's own.
            return
        wanted = [self._external_id, beside] if beside else [self._external_id]
        convert = csv.ConvertOptions(
            include_columns=wanted,
            column_types={name: arrow.string() for name in wanted},
            strings_can_be_null=False,
        )
        parse = csv.ParseOptions(newlines_in_values=True)
        wrong = ""
        try:
            with csv.open_csv(io.BytesIO(content), None, parse, convert) as reader:
                for block in reader:
                    keys: list[str] = block.column(0).to_pylist()
                    yield keys, block.column(1).to_pylist() if beside else []
        except (arrow.ArrowException, UnicodeDecodeError) as error:
            wrong = f"it is no such CSV: {type(error).__name__}"
        if wrong:
            raise answer.unexpected(wrong, expected)

    def _explained(self, refused: RequestRefused, what: str) -> DeliveryError:
        said = f"{self._client.host} {what}: {refused.code} {refused.said}".rstrip()
        if refused.code.upper() in _QUOTA_CODES:
            return DeliveryError(
                "SLU-V311",
                said,
                "15,000 batches and 150,000,000 rows in 24 hours, for all users of the organisation together",
                "see who uses them in Salesforce, Setup > Bulk Data Load Jobs; run again later: "
                "what was taken is not sent again",
                nothing_done=True,
            )
        return DeliveryError(
            "SLU-V314",
            said,
            f"a job that upserts {self._object} by {self._external_id}",
            "check that the object takes bulk jobs and that the user may create, edit and read its records",
            nothing_done=True,
        )


def _same_user(one: Any, other: str) -> bool:
    # An id has 15 characters that tell, and in its longer form 3 more that protect their case.
    return not other or str(one)[:15] == other[:15]
