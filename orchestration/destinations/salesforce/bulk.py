"""Rows of a shard through ingest jobs: cut into jobs, taken up after a crash, answered row by row.

Belongs here: which rows a job has, and what its results say of each. Does not: a job's life
(`jobs`), rows that are removed or left over (they go as collections, see `salesforce`).

Rows of a job are a *window* of the shard: some ranges of it, of which those that add or change go into the
job. Before a job is filled, its id and its window are kept in the journal. So a process that comes after a
crash finds the job: one that was never closed is aborted, one that runs is waited for, and the results of one
that ended are read.
"""

import io
import json
from bisect import bisect_left
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from ..base import CHANGE, ROW, Change, Journal, Refused, Shard
from ..batches import SAID_CHARACTERS
from ..errors import DeliveryError
from ..noted import carry
from .fields import Field, to_texts
from .jobs import ABORTED, FAILED, OPEN, IngestJobs, Job
from .records import may_come_again
from .relationships import texts_of

Ranges = Sequence[tuple[int, int]]

KEPT = "salesforce_bulk"
# "Prepare CSV Files": data is not to exceed 100 MB, as it grows in base64, of which 150 MB are taken.
MOST_BYTES = 100_000_000
_JOBS_A_WINDOW = 3
# "Errors" of the guide: others held records for so long that Salesforce gave the job up.
_LOCKED_TOO_OFTEN = "TooManyLockFailure"
_ROWS_A_STEP = 2000


@dataclass(frozen=True, slots=True)
class Kept:
    """What the journal knows of a window: its ranges, and the jobs that its rows went into, in order."""

    ranges: Ranges
    jobs: Sequence[str]

    def as_text(self) -> str:
        """The form in the journal."""
        return json.dumps({"ranges": [list(one) for one in self.ranges], "jobs": list(self.jobs)})


def kept_in(journal: Journal) -> Kept | None:
    """The window that a journal knows; None if it knows none."""
    text = journal.kept().get(KEPT)
    if not text:
        return None
    found = json.loads(text)
    return Kept([(first, end) for first, end in found["ranges"]], list(found["jobs"]))


class BulkUpsert:
    """Sends what a shard adds and changes, one job after the other.

    Args:
        jobs: of the shard's object.
        shard: what is sent.
        fields: of the object, by name.
        journal: of this delivery.
        job_rows: at most in one job.
        few: fewer rows than these that a job leaves go in no further job.
        finish: is called before the last pending rows are acknowledged.

    Attributes:
        jobs_read: how many jobs have ended and were read.
        refused: how many rows they refused.
    """

    def __init__(
        self,
        jobs: IngestJobs,
        shard: Shard,
        fields: Mapping[str, Field],
        journal: Journal,
        job_rows: int,
        few: int,
        finish: Callable[[], object] | None = None,
    ) -> None:
        self._jobs = jobs
        self._shard = shard
        self._fields = fields
        self._journal = journal
        self._job_rows = job_rows
        self._few = few
        self._finish = finish
        self._key = shard.key[0]
        self.jobs_read = 0
        self.refused = 0

    def take_up(self) -> None:
        """Settle the window that an earlier process left behind, if there is one."""
        kept = kept_in(self._journal)
        ranges = _common(kept.ranges, self._journal.pending()) if kept else []
        if kept is None or not ranges:
            return
        left = self._rows_by_key(ranges)
        refused: list[Refused] = []
        for job_id in kept.jobs:
            job = self._jobs.find(job_id)
            if job is not None and job.state == OPEN:
                # Nobody knows how much of the data is in it, and it has changed nothing.
                self._jobs.abort(job_id)
            elif job is not None:
                self._journal.tell(f"Salesforce job {job_id} of an earlier run is taken up: {job.state}")
                if self._jobs.wait_for(job_id, self._journal) is not None:
                    refused += self._read_results(job_id, left)
        self._acknowledge(ranges, left, refused)

    def send(self) -> None:
        """Send pending rows through jobs, until all but some are settled.

        What is pending afterwards was removed, or is what jobs could not settle.

        Raises:
            DeliveryError: a job failed or was aborted, or Salesforce cannot be reached.
        """
        with _opened(self._shard) as file:
            todo = list(self._journal.pending())
            while todo:
                csv, ranges, rows = self._cut(file, todo)
                todo = _without(todo, ranges[-1][1])
                if rows:
                    self._settle(ranges, csv)

    def _settle(self, ranges: Ranges, csv: bytes) -> None:
        left = self._rows_by_key(ranges)
        refused: list[Refused] = []
        jobs, answered = list[str](), list[str]()
        try:
            while not jobs or (len(left) >= self._few and len(jobs) < _JOBS_A_WINDOW):
                csv = csv if not jobs else self._csv_of(ranges, left)
                note, job = self._run(csv, ranges, left.values(), jobs)
                if job is None:
                    continue
                before = len(left)
                refused += self._read_results(job.id, left)
                answered.append(note)
                if job.state == ABORTED or (job.state == FAILED and _LOCKED_TOO_OFTEN not in job.error):
                    raise _stopped(job, before - len(left), len(left))
        except DeliveryError:
            self._settled(ranges, left, refused, answered)
            raise
        self._settled(ranges, left, refused, answered)

    def _settled(
        self, ranges: Ranges, left: dict[str, int], refused: Iterable[Refused], notes: Iterable[str]
    ) -> None:
        """Acknowledge what jobs have settled; they said of each row what became of it, so notes go then."""
        self._acknowledge(ranges, left, refused)
        for note in notes:
            self._journal.stayed(note)

    def _run(
        self, csv: bytes, ranges: Ranges, rows: Iterable[int], jobs: list[str]
    ) -> tuple[str, Job | None]:
        """One job from its making to its end, and the note of it; None if its rows did not get into it."""
        job_id = self._jobs.create()
        jobs.append(job_id)
        self._journal.keep(KEPT, Kept(ranges, jobs).as_text())
        if not self._jobs.fill(job_id, csv):
            return "", None
        # What is in a job does nothing before it is closed.
        _, note = carry(self._journal, sorted(rows), lambda: self._jobs.close(job_id))
        return note, self._jobs.wait_for(job_id, self._journal)

    def _read_results(self, job_id: str, left: dict[str, int]) -> list[Refused]:
        """Take the rows that a job has settled out of `left`; return those that it refused."""
        for key in self._jobs.succeeded(job_id):
            left.pop(key, None)
        refused: list[Refused] = []
        for key, error in self._jobs.failed(job_id):
            code, _, said = error.partition(":")
            if key in left and not may_come_again(code, said, self._key):
                said = said.removesuffix("--").rstrip(": ")[:SAID_CHARACTERS]
                refused.append(Refused(left.pop(key), code, said))
        # Read although they stay in `left` as they are: a row in none of the three files would be, too, and
        # then the daily allocation of batches was used up.
        unprocessed = sum(1 for _ in self._jobs.unprocessed(job_id))
        if unprocessed:
            self._journal.tell(f"Salesforce job {job_id} did not come to {unprocessed} rows")
        self.jobs_read += 1
        self.refused += len(refused)
        return refused

    def _acknowledge(self, ranges: Ranges, left: dict[str, int], refused: Iterable[Refused]) -> None:
        """Acknowledge all rows of the ranges but those that are left, and those that are removed."""
        waiting = sorted([*left.values(), *self._removed_in(ranges)])
        settled = list(_between(ranges, waiting))
        if self._finish is not None and not left and _same_rows(settled, self._journal.pending()):
            self._finish()
        said = sorted(refused, key=lambda one: one.row)
        numbers = [one.row for one in said]
        for first, end in settled:
            within = said[bisect_left(numbers, first) : bisect_left(numbers, end)]
            self._journal.acknowledge(first, end, within)

    def _removed_in(self, ranges: Ranges) -> list[int]:
        compute = import_module("pyarrow.compute")
        rows: list[int] = []
        for batch in rows_between(self._shard, ranges, [ROW, CHANGE]):
            removed = compute.equal(batch.column(CHANGE), Change.REMOVED.value)
            rows += batch.filter(removed).column(ROW).to_pylist()
        return rows

    def _rows_by_key(self, ranges: Ranges) -> dict[str, int]:
        found: dict[str, int] = {}
        for batch in rows_between(self._shard, ranges, [ROW, CHANGE, self._key]):
            batch = _kept_rows(batch)
            found.update(
                zip(to_texts(batch.column(self._key)).to_pylist(), batch.column(ROW).to_pylist(), strict=True)
            )
        return found

    def _cut(self, file: Any, todo: Ranges) -> tuple[bytes, Ranges, int]:
        """The first pending rows as CSV, as many as fit into a job: the text, their ranges, how many."""
        text, rows = io.BytesIO(), 0
        taken: list[tuple[int, int]] = []
        for first, end in todo:
            at = first
            for whole in _batches(file, first, end, None):
                batch, part = self._fitting(whole.slice(0, self._job_rows - rows), text.tell())
                if not batch.num_rows:
                    return text.getvalue(), [*taken, (first, at)] if at > first else taken, rows
                text.write(part)
                rows += _kept_rows(batch).num_rows
                at += batch.num_rows
                if batch.num_rows < whole.num_rows or rows >= self._job_rows:
                    return text.getvalue(), [*taken, (first, at)], rows
            taken.append((first, end))
        return text.getvalue(), taken, rows

    def _fitting(self, batch: Any, size: int) -> tuple[Any, bytes]:
        """As many of the first rows of a batch as fit beside `size` bytes, and their text.

        One row fits into an empty job whatever its size.
        """
        while batch.num_rows:
            kept = _kept_rows(batch)
            text = _csv_lines(kept, self._fields, header=not size) if kept.num_rows else b""
            if size + len(text) <= MOST_BYTES or (batch.num_rows == 1 and not size):
                return batch, text
            batch = batch.slice(0, batch.num_rows // 2)
        return batch, b""

    def _csv_of(self, ranges: Ranges, left: dict[str, int]) -> bytes:
        """The rows of a window that are left, as CSV."""
        arrow, compute = import_module("pyarrow"), import_module("pyarrow.compute")
        wanted = arrow.array(left.values(), arrow.int64())
        text = io.BytesIO()
        for batch in rows_between(self._shard, ranges, None):
            rows = batch.filter(compute.is_in(batch.column(ROW), value_set=wanted))
            if rows.num_rows:
                text.write(_csv_lines(rows, self._fields, header=not text.tell()))
        return text.getvalue()


def rows_between(shard: Shard, ranges: Ranges, columns: Sequence[str] | None) -> Iterator[Any]:
    """Yield the rows of ranges of a shard as Arrow record batches."""
    with _opened(shard) as file:
        for first, end in ranges:
            yield from _batches(file, first, end, columns)


def schema_of(shard: Shard) -> Any:
    """The Arrow schema of a shard.

    Raises:
        DeliveryError: its file is not the plan's.
    """
    with _opened(shard) as file:
        return file.schema_arrow


@contextmanager
def _opened(shard: Shard) -> Generator[Any]:
    arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    try:
        file = parquet.ParquetFile(shard.path)
    except (OSError, arrow.ArrowException) as error:
        raise _not_the_plan(shard.path.name, f"cannot be read: {error}") from error
    with file:
        if file.metadata.num_rows != shard.rows:
            raise _not_the_plan(shard.path.name, f"has {file.metadata.num_rows} rows, and not {shard.rows}")
        yield file


def _not_the_plan(name: str, wrong: str) -> DeliveryError:
    return DeliveryError(
        f"the plan's file {name} {wrong}",
        "the file as it was written",
        "put the file back from a backup, or `sluice delivery resend` the export: it is planned anew",
    )


def _batches(file: Any, first: int, end: int, columns: Sequence[str] | None) -> Iterator[Any]:
    """The rows from `first` to before `end`, reading no row group without any; `_row` is a row's place."""
    group_start = 0
    for group in range(file.metadata.num_row_groups):
        group_end = group_start + file.metadata.row_group(group).num_rows
        if group_start < end and group_end > first:
            at = group_start
            for batch in file.iter_batches(_ROWS_A_STEP, row_groups=[group], columns=columns):
                start, stop = max(first - at, 0), min(end - at, batch.num_rows)
                if start < stop:
                    yield batch.slice(start, stop - start)
                at += batch.num_rows
        group_start = group_end


def _kept_rows(batch: Any) -> Any:
    compute = import_module("pyarrow.compute")
    return batch.filter(compute.not_equal(batch.column(CHANGE), Change.REMOVED.value))


def _csv_lines(batch: Any, fields: Mapping[str, Field], *, header: bool) -> bytes:
    arrow, csv = import_module("pyarrow"), import_module("pyarrow.csv")
    texts = arrow.table(texts_of(batch, fields))
    written = io.BytesIO()
    csv.write_csv(texts, written, csv.WriteOptions(include_header=header, quoting_style="needed"))
    return written.getvalue()


def _stopped(job: Job, settled: int, left: int) -> DeliveryError:
    if job.state == ABORTED:
        return DeliveryError(
            f"Salesforce job {job.id} was aborted by somebody, {left} rows before its end",
            "a job that ends",
            "ask the administrator of Salesforce why; run again, and the rows that are left are sent",
        )
    return DeliveryError(
        f"Salesforce job {job.id} failed after {settled} rows, with {left} left: "
        f"{job.error or 'no reason given'}",
        "a job that ends",
        "mend what Salesforce names (see Setup > Bulk Data Load Jobs); run again, and the rest is sent",
    )


def _common(some: Ranges, others: Ranges) -> list[tuple[int, int]]:
    """Where both lie; both are ascending."""
    found: list[tuple[int, int]] = []
    one = other = 0
    while one < len(some) and other < len(others):
        first, end = max(some[one][0], others[other][0]), min(some[one][1], others[other][1])
        if first < end:
            found.append((first, end))
        if some[one][1] < others[other][1]:
            one += 1
        else:
            other += 1
    return found


def _same_rows(some: Ranges, others: Ranges) -> bool:
    """Whether both have the same rows, however they are cut."""
    return _size(some) == _size(others) == _size(_common(some, others))


def _size(ranges: Ranges) -> int:
    return sum(end - first for first, end in ranges)


def _without(ranges: Ranges, below: int) -> list[tuple[int, int]]:
    """The ranges from `below` on."""
    return [(max(first, below), end) for first, end in ranges if end > below]


def _between(ranges: Ranges, gaps: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The ranges without some rows, which are ascending."""
    at = 0
    for first, end in ranges:
        while at < len(gaps) and gaps[at] < first:
            at += 1
        while at < len(gaps) and gaps[at] < end:
            if first < gaps[at]:
                yield first, gaps[at]
            first = gaps[at] + 1
            at += 1
        if first < end:
            yield first, end
