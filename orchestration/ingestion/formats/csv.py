"""CSV and its relatives: every value as text, read by the engine, dialect as the contract says.

Nothing is sniffed. The engine reads all files of a drop at once, in parallel. Where a row stands in its file
is looked up afterwards, in the rare drop with bad rows: Python's reader walks through it record by record.
"""

import csv
import itertools
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property

from orchestration.compute.sql import literal
from orchestration.contracts.reading import ReadOptions
from orchestration.ingestion.formats.base import (
    BrokenRow,
    FoundColumn,
    PlainFile,
    Reader,
    ReaderContext,
    Unreadable,
)

# A line longer than this is no line; a file that has one has lost a quote. Bytes.
MAX_LINE_BYTES = 8 * 1024 * 1024
# Python is asked only where a row stands that the engine has judged, however long it is.
_ANY_LENGTH = 2**31 - 1
# The engine's own default, which it would raise with the longest line; each thread holds some of them.
_BUFFER_BYTES = 32 * 1024 * 1024
_RULES = {
    "MISSING COLUMNS": "too few columns",
    "TOO MANY COLUMNS": "too many columns",
    "UNQUOTED VALUE": "a quote that does not close, or stands in the middle of a value",
    "LINE SIZE OVER MAXIMUM": f"a line longer than {MAX_LINE_BYTES >> 20} MB",
    "INVALID ENCODING": "not UTF-8",
    "INVALID STATE": "a quote, or a line end, where none can be",
}


def open_csv(context: ReaderContext, files: Sequence[PlainFile]) -> "CsvReader":
    """Return a reader after looking at the header of each file.

    Raises:
        Unreadable: a file has no header although the contract says so.
    """
    return CsvReader(context, files)


class CsvReader(Reader):
    """Rows of text; files with the same header are read in one go."""

    def __init__(self, context: ReaderContext, files: Sequence[PlainFile]) -> None:
        self._connection = context.connection
        self._options = context.options
        self._files = {file.name: file for file in files}
        self.columns = {file: self._header(context, file) for file in files}

    def _header(self, context: ReaderContext, file: PlainFile) -> list[FoundColumn]:
        """Return the columns that a file's header names; without one, the contract's, by their number."""
        with _records(self._options, file) as records:
            first = next((record for _, record in records), None)
        if self._options.header:
            if first is None:
                raise Unreadable(file.name, "the file is empty; expected a header line; land it again whole")
            return [FoundColumn(name) for name in first]
        width = len(first) if first is not None else len(context.names)
        names = list(context.names[:width])
        return [FoundColumn(name) for name in names] + [
            FoundColumn(f"column {number}") for number in range(len(names) + 1, width + 1)
        ]

    @cached_property
    def _alike(self) -> Mapping[tuple[str, ...], list[PlainFile]]:
        groups: dict[tuple[str, ...], list[PlainFile]] = {}
        for file, columns in self.columns.items():
            groups.setdefault(tuple(column.name for column in columns), []).append(file)
        return groups

    def rows(self, wanted: Sequence[str | None]) -> str:
        """Return all rows; see `Reader.rows`."""
        self._forget_rejects()
        return " union all by name ".join(
            self._select(names, files, wanted, "") for names, files in self._alike.items()
        )

    def placed_rows(self, wanted: Sequence[str | None]) -> str:
        """Return all rows with their places; see `Reader.placed_rows`."""
        self._forget_rejects()
        return " union all by name ".join(
            self._select(
                [column.name for column in columns], [file], wanted,
                f", row_number() over () as _place, {literal(file.name)} as _file",
            )
            for file, columns in self.columns.items()
        )  # fmt: skip

    def _select(
        self, names: Sequence[str], files: Sequence[PlainFile], wanted: Sequence[str | None], more: str
    ) -> str:
        # Names may repeat in a file; places do not.
        columns = ", ".join(f"{literal(f'f{place}')}: 'VARCHAR'" for place in range(len(names)))
        place_of = {name: place for place, name in reversed(list(enumerate(names)))}
        selected = ", ".join(
            f"f{place_of[name]} as c{index}" if name in place_of else f"cast(null as varchar) as c{index}"
            for index, name in enumerate(wanted)
        )
        paths = ", ".join(literal(file.path) for file in files)
        return (
            f"select {selected or 'null as nothing'}{more} from read_csv([{paths}], columns = {{{columns}}},"
            f" auto_detect = false, compression = 'none', {self._dialect()}, store_rejects = true)"
        )

    def _dialect(self) -> str:
        options = self._options
        return (
            f"header = {str(options.header).lower()}, skip = {options.skip_lines},"
            f" delim = {literal(options.delimiter)}, quote = {literal(options.quote)},"
            f" escape = {literal(options.escape)}, max_line_size = {MAX_LINE_BYTES},"
            f" buffer_size = {_BUFFER_BYTES}"
        )

    def _forget_rejects(self) -> None:
        for name in ("reject_errors", "reject_scans"):
            self._connection.execute(f"drop table if exists temp.{name}")

    def lines(self, file: str, places: Sequence[int]) -> Mapping[int, int]:
        """Return the lines on which readable rows begin; see `Reader.lines`."""
        wanted, last = set(places), max(places, default=0)
        rejected = {number for number, *_ in self._rejects(file)}
        plain = self._files[file]
        found: dict[int, int] = {}
        place = 0
        with _records(self._options, plain) as records:
            for number, (line, record) in enumerate(records, self._options.skip_lines + 1):
                header = self._options.header and number == self._options.skip_lines + 1
                blank = not record and len(self.columns[plain]) > 1
                if header or blank or number in rejected:
                    continue
                place += 1
                if place in wanted:
                    found[place] = line
                if place >= last:
                    break
        return found

    def check(self) -> None:
        """Refuse files in which a quote that does not close swallows lines; see `Reader.check`.

        The engine, which reads parts of a file at once, cannot be asked: a part that begins inside of such a
        value takes what it finds for rows. Python's reader is, for files with any such complaint.
        """
        if not self._has_rejects():
            return
        suspects = self._connection.execute(
            "select distinct file_path from temp.reject_errors"
            " join temp.reject_scans using (scan_id, file_id)"
            " where error_type::varchar in ('LINE SIZE OVER MAXIMUM', 'UNQUOTED VALUE') order by all"
        ).fetchall()
        for file in [file for file in self._files.values() if (file.path,) in suspects]:
            rejected = {number for number, *_ in self._rejects(file.name)}
            seen = 0
            with _records(self._options, file) as records:
                numbered = enumerate(self._countable(file, records), self._options.skip_lines + 1)
                for number, (line, lines, counts) in numbered:
                    seen += counts
                    if number in rejected and lines > 1:
                        raise _swallowed(file, line)
            if seen != self._rows_of(file) + len(rejected):
                first = min(rejected)
                raise _swallowed(file, self._lines_of_records(file, [first]).get(first, first))

    def _countable(
        self, file: PlainFile, records: Iterator[tuple[int, list[str]]]
    ) -> Iterator[tuple[int, int, bool]]:
        """Yield (line, how many lines, whether it is a row) of each record."""
        header, narrow = self._options.header, len(self.columns[file]) == 1
        previous: tuple[int, bool] | None = None
        for index, (line, record) in enumerate(records):
            if previous is not None:
                yield previous[0], line - previous[0], previous[1]
            previous = line, (bool(record) or narrow) and not (header and index == 0)
        if previous is not None:
            with open(file.path, encoding="utf-8-sig", errors="replace") as stream:
                last = sum(1 for _ in stream)
            yield previous[0], last + 1 - previous[0], previous[1]

    def _rows_of(self, file: PlainFile) -> int:
        """Return how many rows the engine finds in a file; its rejects stay as they are."""
        names = [column.name for column in self.columns[file]]
        query = self._select(names, [file], [None], "").replace("store_rejects", "ignore_errors")
        found = self._connection.execute(f"select count(*) from ({query})").fetchone()
        assert found is not None
        return int(found[0])

    def broken_count(self) -> int:
        """Return how many rows could not be split; see `Reader.broken_count`."""
        if not self._has_rejects():
            return 0
        row = self._connection.execute(
            "select count(*) from (select distinct scan_id, file_id, line from temp.reject_errors)"
        ).fetchone()
        return int(row[0]) if row else 0

    def broken_rows(self, at_most: int) -> list[BrokenRow]:
        """Return the first rows that could not be split; see `Reader.broken_rows`."""
        found: list[BrokenRow] = []
        for name, plain in self._files.items():
            rejects = self._rejects(name)[: at_most - len(found)]
            if not rejects:
                continue
            lines = self._lines_of_records(plain, [number for number, *_ in rejects])
            found += [
                BrokenRow(name, lines.get(number, number), _RULES.get(kind, kind.lower()), raw or "")
                for number, kind, raw in rejects
            ]
        return found

    def _lines_of_records(self, file: PlainFile, numbers: Sequence[int]) -> dict[int, int]:
        """Return {record number: its line}; what is skipped, and blank lines, are records to the engine."""
        wanted, last = set(numbers), max(numbers)
        with _records(self._options, file) as records:
            numbered = enumerate(records, self._options.skip_lines + 1)
            until = itertools.takewhile(lambda item: item[0] <= last, numbered)
            return {number: line for number, (line, _) in until if number in wanted}

    def _has_rejects(self) -> bool:
        found = self._connection.execute(
            "select 1 from duckdb_tables() where temporary and table_name = 'reject_errors'"
        ).fetchone()
        return found is not None

    def _rejects(self, file: str) -> list[tuple[int, str, str]]:
        """Return (record number from 1, kind, text) of a file's rejected rows, in order."""
        if not self._has_rejects():
            return []
        return self._connection.execute(
            "select line, arg_min(error_type::varchar, column_idx), any_value(csv_line)"
            " from temp.reject_errors join temp.reject_scans using (scan_id, file_id)"
            f" where file_path = {literal(self._files[file].path)} group by line order by line"
        ).fetchall()


def _swallowed(file: PlainFile, line: int) -> Unreadable:
    return Unreadable(
        file.name,
        f"line {line}: {_RULES['UNQUOTED VALUE']}; lines after it are swallowed, so that nobody can tell its"
        " rows; expected every quote that opens to close",
    )


@contextmanager
def _records(options: ReadOptions, file: PlainFile) -> Generator[Iterator[tuple[int, list[str]]]]:
    """Yield an iterator over (line on which it begins, values) of each record after the skipped lines."""
    csv.field_size_limit(_ANY_LENGTH)
    doubled = options.escape == options.quote
    # Python takes these as they are; what the engine finds wrong in them, it has said already.
    with open(file.path, encoding="utf-8-sig", errors="replace", newline="") as stream:
        for _ in range(options.skip_lines):
            stream.readline()
        reader = csv.reader(
            stream,
            delimiter=options.delimiter,
            quotechar=options.quote or None,
            quoting=csv.QUOTE_MINIMAL if options.quote else csv.QUOTE_NONE,
            doublequote=doubled,
            escapechar=None if doubled else options.escape or None,
        )

        def numbered() -> Iterator[tuple[int, list[str]]]:
            before = 0
            for record in reader:
                yield options.skip_lines + before + 1, record
                before = reader.line_num

        yield numbered()
