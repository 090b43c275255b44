"""Excel workbooks (.xlsx): a sheet's cells as text, through openpyxl into intermediate Parquet.

Belongs here: what a cell says, and which row it stands in. Does not belong here: types (`ingestion`).
Of the quicker readers, calamine gives an error cell (#N/A) as an empty one and holds a sheet in memory as a
whole, and the engine's own extension gives dates as numbers when asked for text.
"""

import itertools
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sluicegate.ingestion.formats.base import (
    BrokenRow,
    PlainFile,
    Reader,
    ReaderContext,
    Step,
    Unreadable,
)
from sluicegate.ingestion.formats.parquet import ParquetReader
from sluicegate.ingestion.formats.scratch import json_text, write_parquet
from sluicegate.ingestion.formats.unpack import damaged, raw_chunks

if TYPE_CHECKING:
    import duckdb
    from openpyxl.workbook import Workbook

# Workbooks before 2007, and encrypted ones.
_OLE = b"\xd0\xcf\x11\xe0"
# Elements may have a prefix, as `x:c`.
_P = rb"(?:[a-zA-Z]+:)?"
_CELL = rb"""<%bc\b(?![^>]*\bt="str")[^>]*\br="([A-Z]+[0-9]+)"[^>]*>\s*""" % _P
_FORMULA = rb"<%bf\b[^>]*(?:/>|>[^<]*</%bf>)\s*" % (_P, _P)
# A formula without a result: openpyxl gives it as an empty cell. A text may be empty.
_UNCALCULATED = re.compile(_CELL + _FORMULA + rb"(?:<%bv\s*/>|<%bv>\s*</%bv>)?\s*</%bc>" % (_P, _P, _P, _P))
# A fraction of more digits than Excel writes, which openpyxl rounds. Whole numbers it keeps.
_TOO_LONG = re.compile(
    _CELL + rb"(?:%b)?<%bv>(?=[^<]*[.eE])[+-]?0*\.?0*[1-9]\.?(?:[0-9]\.?){16,}[1-9]" % (_FORMULA, _P),
    re.DOTALL,
)
_LONG = re.compile(rb">[+-]?0*\.?0*[1-9]\.?(?:[0-9]\.?){16,}[1-9]")
_MERGED = re.compile(rb"""<%bmergeCell\b[^>]*\bref="([A-Z]+)([0-9]+):([A-Z]+)([0-9]+)\"""" % _P)
_LONGEST_CELL_BYTES = 1 << 16
# What is not a sheet openpyxl holds in memory as a whole, some times as large: texts above all.
_MOST_HELD_BYTES = 512 << 20
# Of the columns that a sheet has beside those with a header, as many are looked into.
_MOST_UNNAMED = 64


def open_excel(context: ReaderContext, files: Sequence[PlainFile]) -> Reader:
    """Return the reader of one sheet of each workbook.

    Raises:
        Unreadable: a file is damaged, no workbook, or has no such sheet.
    """
    sheets: dict[PlainFile, _Sheet] = {}
    for number, file in enumerate(files):
        sheets[file] = _Sheet(file, context.scratch / f"excel-{number:06d}.parquet", context)
    return _ExcelReader(context.connection, sheets)


class _ExcelReader(ParquetReader):
    """Rows of sheets; rows without a cell are none, but count to those who look for a row."""

    def __init__(self, connection: "duckdb.DuckDBPyConnection", sheets: "Mapping[PlainFile, _Sheet]") -> None:
        paths = {file: sheet.path for file, sheet in sheets.items()}
        super().__init__(connection, paths, {file: sheet.names for file, sheet in sheets.items()})
        self._sheets = {file.name: sheet for file, sheet in sheets.items()}

    def steps(self) -> Iterator[Step]:
        for file, before in self._rows_before():
            for place, number in self._sheets[file.name].leaps:
                yield Step(before + place, file.name, number)

    def broken_count(self) -> int:
        return sum(len(sheet.broken) for sheet in self._sheets.values())

    def broken_rows(self, at_most: int) -> list[BrokenRow]:
        rows = (row for sheet in self._sheets.values() for row in sheet.broken)
        return list(itertools.islice(rows, at_most))


class _Sheet:
    """One sheet as intermediate Parquet: `names` of its columns by place, None for one that is empty."""

    def __init__(self, file: PlainFile, path: Path, context: ReaderContext) -> None:
        self.path = str(path)
        self.broken: list[BrokenRow] = []
        self._file = file
        # Where the numbers of rows leap: (place, number) from that place on.
        self.leaps: list[tuple[int, int]] = []
        self.names = self._write(path, context)

    def _write(self, path: Path, context: ReaderContext) -> list[str | None]:
        import pyarrow as pa

        with closing(_workbook(self._file)) as workbook:
            sheet, declared_width = _worksheet(self._file, workbook, context.options.sheet)
            self._merged = _look_through(self._file, sheet)
            rows = itertools.islice(_texts(self._file, sheet), context.options.skip_lines, None)
            header = next(rows, (0, []))[1] if context.options.header else list(context.names)
            width = max(len(header), min(declared_width, len(header) + _MOST_UNNAMED), 1)
            seen: set[int] = set()
            write_parquet(path, [pa.string()] * width, self._data(rows, width, len(header), seen))
        return [
            header[index] if index < len(header) and header[index] is not None
            else f"column {_letters(index)}" if index in seen
            else None
            for index in range(width)
        ]  # fmt: skip

    def _data(
        self, rows: Iterator[tuple[int, list[str | None]]], width: int, headed: int, seen: set[int]
    ) -> Iterator[Sequence[str | None]]:
        """Yield the rows that have cells, and note in `seen` which columns have; `headed` have a header."""
        place, last = 0, -1
        for number, texts in rows:
            filled = [index for index, text in enumerate(texts) if text is not None]
            if not filled:
                continue
            if filled[-1] >= width:
                self.broken.append(
                    BrokenRow(
                        self._file.name,
                        number,
                        f"has a cell in column {_letters(filled[-1])}; expected the last one in"
                        f" {_letters(width - 1)}, as in the header",
                        json_text(texts[: filled[-1] + 1]),
                    )
                )
                continue
            if (merged := self._merged_in(number, headed)) is not None:
                self.broken.append(
                    BrokenRow(
                        self._file.name,
                        number,
                        f"is part of the merged cells {merged}; expected a value in each cell; unmerge them",
                        json_text(texts[: filled[-1] + 1]),
                    )
                )
                continue
            seen.update(filled)
            place += 1
            if number != last + 1:
                self.leaps.append((place, number))
            last = number
            yield [*texts[:width], *[None] * (width - len(texts))]

    def _merged_in(self, number: int, headed: int) -> str | None:
        """Return the merged cells that a row has a part of: what they say is in one of them alone."""
        return next(
            (
                merged.name
                for merged in self._merged
                if merged.first_row <= number <= merged.last_row and merged.first_column < headed
            ),
            None,
        )


@dataclass(frozen=True)
class _Merged:
    """Merged cells: rows from 1, columns from 0."""

    name: str
    first_row: int
    last_row: int
    first_column: int


def _workbook(file: PlainFile) -> "Workbook":
    from openpyxl import load_workbook

    with open(file.path, "rb") as stream:
        begin = stream.read(len(_OLE))
    if begin == _OLE:
        raise Unreadable(
            file.name, "a workbook of before 2007, or with a password; expected .xlsx without; save it so"
        )
    _check_members(file)
    try:
        return load_workbook(file.path, read_only=True, data_only=True)
    except MemoryError:
        raise
    except Exception as error:
        # Whatever the bytes led it to: it has no error of its own.
        raise damaged(file.name, f"no Excel workbook ({type(error).__name__})") from None


def _worksheet(file: PlainFile, workbook: "Workbook", name: str) -> tuple[Any, int]:
    """Return a sheet, and how many columns it says it has."""
    sheets = {sheet.title: cast("Any", sheet) for sheet in workbook.worksheets}
    if not sheets or (name and name not in sheets):
        there = ", ".join(f"`{title}`" for title in sheets) or "none"
        raise Unreadable(
            file.name,
            f"it has no sheet `{name}`; expected one of those that are there: {there}; name it in"
            " `sheet` of the contract",
        )
    # What nobody sees is taken only if the contract names it.
    shown = [sheet for sheet in sheets.values() if sheet.sheet_state == "visible"]
    sheet = sheets[name] if name else next(iter(shown or sheets.values()))
    width = sheet.max_column or 0
    # Some writers tell a wrong size, and cells beyond it would be left out.
    sheet.reset_dimensions()
    return sheet, width


def _check_members(file: PlainFile) -> None:
    """Ask all checksums of the archive that a workbook is: openpyxl passes over what it need not read."""
    try:
        with zipfile.ZipFile(file.path) as archive:
            held = sum(info.file_size for info in archive.infolist() if "/worksheets/" not in info.filename)
            if held > _MOST_HELD_BYTES:
                raise Unreadable(
                    file.name,
                    f"its texts take {held >> 20} MiB; expected at most {_MOST_HELD_BYTES >> 20};"
                    " have it split up, or land it as CSV or Parquet",
                )
            wrong = archive.testzip()
    except (Unreadable, MemoryError):
        raise
    except Exception as error:
        # The library raises what the bytes led it to.
        raise damaged(file.name, f"no Excel workbook ({type(error).__name__})") from None
    if wrong is not None:
        raise damaged(file.name, f"the sheet cannot be read: its part `{wrong}` has another checksum")


def _look_through(file: PlainFile, sheet: Any) -> list[_Merged]:
    """Return the merged cells; refuse a sheet of which openpyxl would give other values than it has.

    A formula that a program wrote, and no Excel has calculated since, would be NULL.
    """
    kept = b""
    merged: dict[bytes, _Merged] = {}
    with zipfile.ZipFile(file.path) as archive, archive.open(sheet._worksheet_path.lstrip("/")) as stream:
        for chunk in raw_chunks(stream):
            data = kept + chunk
            if b"<f" in data or b":f" in data:
                _refuse(file, _UNCALCULATED.search(data), _NOT_CALCULATED)
            if _LONG.search(data):
                _refuse(file, _TOO_LONG.search(data), _MORE_DIGITS)
            for found in _MERGED.finditer(data):
                left, top, right, bottom = (part.decode() for part in found.groups())
                name = f"{left}{top}:{right}{bottom}"
                merged[found[0]] = _Merged(name, int(top), int(bottom), _index(left))
            kept = data[-_LONGEST_CELL_BYTES:]
    return list(merged.values())


_NOT_CALCULATED = (
    "is a formula that was never calculated; expected a result; open the workbook in Excel and save it"
)
_MORE_DIGITS = "has a number of more digits than Excel keeps; expected at most 17; have it written as text"


def _refuse(file: PlainFile, found: re.Match[bytes] | None, why: str) -> None:
    if found:
        raise Unreadable(file.name, f"cell {found[1].decode()} {why}")


def _texts(file: PlainFile, sheet: Any) -> Iterator[tuple[int, list[str | None]]]:
    """Yield each row's number, from 1, and its cells."""
    kinds: dict[str, str | None] = {}
    rows = enumerate(sheet.iter_rows(), 1)
    while True:
        try:
            number, cells = next(rows)
        except StopIteration:
            return
        except Exception as error:
            # As above. Its words may hold values of a cell.
            raise damaged(file.name, f"the sheet cannot be read ({type(error).__name__})") from None
        yield number, [_text(cell, kinds) for cell in cells]


def _text(cell: Any, kinds: dict[str, str | None]) -> str | None:
    """Return what a cell says, or None where it is empty."""
    match cell.value:
        case None | "":
            return None
        case bool(value):
            return "true" if value else "false"
        case float(value):
            return str(int(value)) if value.is_integer() else repr(value)
        case datetime() as value:
            if value < _FIRST_DAY or value.date() == _TWO_DAYS:
                return _NO_DATE
            if cell.number_format not in kinds:
                kinds[cell.number_format] = _kind(cell.number_format)
            whole = kinds[cell.number_format] == "date" and value.time() == time()
            return value.date().isoformat() if whole else value.isoformat(" ")
        case timedelta() as value:
            return _duration(value)
        case value:
            return str(value)


# Excel has no day before 1900 and shows a 29 February 1900, which never was; openpyxl takes it for the 28th.
_FIRST_DAY, _TWO_DAYS, _NO_DATE = datetime(1900, 1, 1), date(1900, 2, 28), "#NUM!"


def _kind(number_format: str) -> str | None:
    from openpyxl.styles.numbers import is_datetime

    return is_datetime(number_format)


def _duration(value: timedelta) -> str:
    """Return hours, which may be many, minutes and seconds, as Excel shows them."""
    minutes, seconds = divmod(abs(value), timedelta(minutes=1))
    hours, minutes = divmod(minutes, 60)
    sign = "-" if value < timedelta() else ""
    return f"{sign}{hours:02d}:{minutes:02d}:{(datetime.min + seconds).strftime('%S.%f')}".removesuffix(
        ".000000"
    )


def _index(letters: str) -> int:
    """Return a column's place, from 0, by what Excel calls it."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def _letters(index: int) -> str:
    """Return what Excel calls a column, from 0."""
    letters = ""
    number = index + 1
    while number:
        number, letter = divmod(number - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return letters
