"""What the tests of all formats do: put files down, open their reader, fetch what it gives."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from hypothesis import settings
from sluicegate.contracts.reading import ReadOptions
from sluicegate.ingestion.formats.base import PlainFile, Reader, ReaderContext
from sluicegate.ingestion.formats.registry import open_reader
from sluicegate.ingestion.formats.scratch import placed_rows

# Each example opens an engine: a few dozen take a second or two, and how long one takes says nothing.
GENERATED = settings(max_examples=50, deadline=None)


@dataclass
class Opened:
    """A reader and the engine that it was opened with."""

    reader: Reader
    connection: duckdb.DuckDBPyConnection
    files: list[PlainFile]
    scratch: Path

    def columns(self, file: int = 0) -> dict[str, str]:
        return {column.name: column.type for column in self.reader.columns[self.files[file]]}

    def names(self) -> list[str]:
        found = dict.fromkeys(column.name for columns in self.reader.columns.values() for column in columns)
        return list(found)

    def rows(self, *wanted: str | None) -> list[tuple[Any, ...]]:
        """Fetch rows, in an order that is no promise of the reader's."""
        return self.connection.execute(self.reader.rows(wanted)).fetchall()

    def placed(self, *wanted: str | None) -> list[tuple[Any, ...]]:
        """Fetch rows with their files and lines, in the order of those."""
        placed = placed_rows(self.connection, self.reader, wanted, self.scratch)
        return self.connection.execute(
            f"select * exclude (_n) from ({placed}) order by _file, _line"
        ).fetchall()


def engine() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(
        "set autoinstall_known_extensions = false; set autoload_known_extensions = false;"
        " set TimeZone = 'UTC'"
    )
    return connection


def opened(options: ReadOptions, directory: Path, paths: Sequence[Path], names: Sequence[str] = ()) -> Opened:
    """Open local files by the reader of their format; their landed names are `in/` and their own."""
    files = [PlainFile(str(path), f"in/{path.name}") for path in paths]
    scratch = directory / "scratch"
    scratch.mkdir(exist_ok=True)
    connection = engine()
    reader = open_reader(ReaderContext(connection, scratch, options, names), files)
    return Opened(reader, connection, files, scratch)
