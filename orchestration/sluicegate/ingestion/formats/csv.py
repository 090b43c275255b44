"""CSV and its relatives: every value as text, read by the engine, dialect as the contract says.

Nothing is sniffed. The engine reads all files of a drop at once, in parallel, and is lenient where that is
quick: it passes over surplus delimiters, takes quotes in the middle of values, and may lose a line that is
long. So it only reads files that are written plainly (`csv_survey`), or what `csv_records` has written
anew, without the broken records; and it must find as many rows as there are.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from tempfile import mkdtemp

from sluicegate.compute.sql import literal
from sluicegate.ingestion.formats.base import (
    KEPT_TEXT,
    BrokenRow,
    FoundColumn,
    PlainFile,
    Reader,
    ReaderContext,
    Step,
    Unreadable,
)
from sluicegate.ingestion.formats.csv_records import Broken, CsvFile, Head
from sluicegate.ingestion.formats.csv_text import MAX_LINE_BYTES
from sluicegate.ingestion.formats.scratch import numbered_rows

# A file with longer lines is read by one thread: where several share it the engine loses such lines.
_LONG_BYTES = 256 * 1024
# The engine's own default, which it would raise with the longest line; each thread holds some of them. Of
# small files it makes one for each, and less of it takes a quarter off the time to read them.
_BUFFER_BYTES, _LEAST_BUFFER_BYTES = 32 * 1024 * 1024, 1024 * 1024


def open_csv(context: ReaderContext, files: Sequence[PlainFile]) -> "CsvReader":
    """Return a reader after looking at every line of each file.

    Raises:
        Unreadable: a file has no header although the contract says so, or nobody can tell its rows.
    """
    return CsvReader(context, files)


@dataclass(frozen=True)
class _Table:
    """What the engine reads for a file: the file itself, or a copy of its good records without header.

    `broken` has the others, an object a line; None where there are none. `steps` are the rows, by place, that
    do not begin on the line after the one before, and their lines; None where it takes a look to tell.
    """

    file: CsvFile
    head: Head
    path: str
    copied: bool
    rows: int
    long: bool
    steps: Sequence[tuple[int, int]] | None
    broken: Path | None = None
    broken_rows: int = 0


class CsvReader(Reader):
    """Rows of text; files that are written alike are read in one go."""

    def __init__(self, context: ReaderContext, files: Sequence[PlainFile]) -> None:
        self._connection = context.connection
        self._options = context.options
        self._tables = {file: _table(context, file) for file in files}
        self.columns = {
            file: _columns(context, table.head.names, table.head.width)
            for file, table in self._tables.items()
        }

    @cached_property
    def _alike(self) -> Mapping[tuple[object, ...], list[PlainFile]]:
        groups: dict[tuple[object, ...], list[PlainFile]] = {}
        for file, table in self._tables.items():
            names = tuple(column.name for column in self.columns[file])
            how = (names, table.head.unnamed, table.copied, table.head.line_end, table.long)
            groups.setdefault(how, []).append(file)
        return groups

    def rows(self, wanted: Sequence[str | None]) -> str:
        """Return all rows; see `Reader.rows`."""
        return " union all by name ".join(self._select(files, wanted) for files in self._alike.values())

    def numbered(self, wanted: Sequence[str | None], chosen: str) -> str:
        """Return chosen rows with their numbers; see `Reader.numbered`."""
        parts = (
            (self._select(files, wanted), sum(self._tables[file].rows for file in files))
            for files in self._alike.values()
        )
        return numbered_rows(parts, chosen)

    def _select(self, files: Sequence[PlainFile], wanted: Sequence[str | None]) -> str:
        table = self._tables[files[0]]
        # Names may repeat in a file; places do not.
        width = table.head.width + table.head.unnamed
        columns = ", ".join(f"{literal(f'f{place}')}: 'VARCHAR'" for place in range(width))
        place_of = {column.name: place for place, column in reversed([*enumerate(self.columns[files[0]])])}
        selected = ", ".join(
            f"f{place_of[name]} as c{index}" if name in place_of else f"cast(null as varchar) as c{index}"
            for index, name in enumerate(wanted)
        )
        held_in = [self._tables[file].path for file in files]
        paths = ", ".join(map(literal, held_in))
        largest = max(map(os.path.getsize, held_in))
        buffer = min(_BUFFER_BYTES, max(_LEAST_BUFFER_BYTES, 2 * largest))
        return (
            f"select {selected or 'null as nothing'} from read_csv([{paths}], columns = {{{columns}}},"
            f" auto_detect = false, compression = 'none', {self._dialect(table, buffer)})"
        )

    def _dialect(self, table: _Table, buffer: int) -> str:
        options = self._options
        header, skipped = options.header and not table.copied, 0 if table.copied else options.skip_lines
        # Which line ends a file has is told: the engine would take them from within the first value.
        end = "\n" if table.copied else table.head.line_end
        return (
            f"header = {str(header).lower()}, skip = {skipped}, new_line = {literal(_ENDS[end])},"
            f" delim = {literal(options.delimiter)}, quote = {literal(options.quote)},"
            f" escape = {literal(options.escape or options.quote)}, max_line_size = {buffer // 2},"
            f" buffer_size = {buffer}, parallel = {str(not table.long).lower()},"
            # What it passes over, the number of rows tells.
            " ignore_errors = true"
        )

    def steps(self) -> Iterator[Step]:
        """Yield where readable rows stand; see `Reader.steps`."""
        before = 0
        for file in chain.from_iterable(self._alike.values()):
            table = self._tables[file]
            for place, line in table.steps if table.steps is not None else _steps(table):
                yield Step(before + place, file.name, line)
            before += table.rows

    def check(self, rows: int) -> None:
        """Refuse a file of which the engine has read other rows than there are; see `Reader.check`."""
        if rows == sum(table.rows for table in self._tables.values()):
            return
        for file, table in self._tables.items():
            found = self._connection.execute(f"select count(*) from ({self._select([file], [])})")
            counted = found.fetchall()[0][0]
            if counted != table.rows:
                raise Unreadable(
                    file.name,
                    f"the engine reads {counted} rows, and there are {table.rows}; expected as many;"
                    " report it with the file, and land it in smaller parts",
                )
        raise Unreadable(next(iter(self._tables)).name, f"the engine reads {rows} rows; expected as many")

    def broken_count(self) -> int:
        """Return how many rows could not be split; see `Reader.broken_count`."""
        return sum(table.broken_rows for table in self._tables.values())

    def broken_rows(self, at_most: int) -> list[BrokenRow]:
        """Return the first rows that could not be split; see `Reader.broken_rows`."""
        return list(islice(self._broken(), max(at_most, 0)))

    def _broken(self) -> Iterator[BrokenRow]:
        for file, table in self._tables.items():
            if table.broken is not None:
                with table.broken.open(encoding="utf-8") as stream:
                    yield from (BrokenRow(file.name, *json.loads(line)) for line in stream)


_ENDS = {"\n": "\\n", "\r\n": "\\r\\n", "\r": "\\r"}


def _table(context: ReaderContext, plain: PlainFile) -> _Table:
    file = CsvFile(plain.path, plain.name, context.options)
    head, survey = file.look(len(context.names))
    if survey is not None and survey.longest <= MAX_LINE_BYTES:
        steps = ([(1, head.line)] if survey.rows else []) if survey.a_line_each else None
        return _Table(file, head, plain.path, False, survey.rows, survey.longest > _LONG_BYTES, steps)
    context.scratch.mkdir(parents=True, exist_ok=True)
    folder = Path(mkdtemp(prefix="csv-", dir=context.scratch))
    path, broken = folder / "good.csv", folder / "broken.jsonl"
    rows = bad = 0
    long = False
    steps: list[tuple[int, int]] | None = []
    following = 0
    with path.open("w", encoding="utf-8", newline="") as good, broken.open("w", encoding="utf-8") as others:
        for piece in file.pieces(head):
            if isinstance(piece, Broken):
                bad += 1
                text = piece.text[:KEPT_TEXT].encode(errors="surrogateescape").decode(errors="replace")
                others.write(json.dumps((piece.line, piece.rule, text)) + "\n")
            else:
                if piece.records > 1 and piece.lines > piece.records:
                    steps = None  # which of its records have several lines is looked for where it matters
                elif steps is not None and piece.line != following:
                    steps.append((rows + 1, piece.line))
                following = piece.line + piece.records
                rows += piece.records
                long = long or piece.longest * 4 > _LONG_BYTES  # a character has at most four bytes
                good.write(piece.text)
    return _Table(file, head, str(path), True, rows, long, steps, broken if bad else None, bad)


def _steps(table: _Table) -> Iterator[tuple[int, int]]:
    """Yield the places and lines of rows that do not begin on the line after the one before."""
    place, following = 1, 0
    for piece in table.file.pieces(table.head):
        if isinstance(piece, Broken):
            continue
        for line in table.file.lines_of(table.head, piece):
            if line != following:
                yield place, line
            place, following = place + 1, line + 1


def _columns(context: ReaderContext, header: Sequence[str] | None, width: int) -> list[FoundColumn]:
    """Return the columns that a file's header names; without one, the contract's, by their number."""
    if header is not None:
        return [FoundColumn(name) for name in header]
    names = list(context.names[:width])
    return [FoundColumn(name) for name in names] + [
        FoundColumn(f"column {number}") for number in range(len(names) + 1, width + 1)
    ]
