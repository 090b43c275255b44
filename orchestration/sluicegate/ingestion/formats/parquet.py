"""Parquet, read by the engine: columns have the types that the files declare.

Belongs here: files that agree on names and differ in types or order. Does not belong here: what the contract
says of a type (`ingestion`). Formats that the engine cannot read come through here as well, once they are
written to intermediate Parquet.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from sluicegate.compute.sql import literal
from sluicegate.ingestion.formats.base import (
    TEXT,
    FoundColumn,
    PlainFile,
    Reader,
    ReaderContext,
    Step,
)
from sluicegate.ingestion.formats.parquet_sums import check_page_sums
from sluicegate.ingestion.formats.scratch import numbered_rows

if TYPE_CHECKING:
    import duckdb


def open_parquet(context: ReaderContext, files: Sequence[PlainFile]) -> Reader:
    """Return the reader of Parquet files.

    Raises:
        Unreadable: a page is not what its checksum says.
        duckdb.Error: a file is damaged, or none.
    """
    from sluicegate.ingestion.formats.parquet_losses import read_in_full

    for file in files:
        check_page_sums(context.connection, file, file.path)
    paths = {file: read_in_full(context, file) for file in files}
    return ParquetReader(context.connection, paths)


class ParquetReader(Reader):
    """Rows of Parquet files; `paths` says which one holds the rows of each file that was landed."""

    def __init__(
        self,
        connection: "duckdb.DuckDBPyConnection",
        paths: Mapping[PlainFile, str],
        names: Mapping[PlainFile, Sequence[str | None]] | None = None,
    ) -> None:
        """Read the files' columns.

        Args:
            connection: the engine.
            paths: {file: the Parquet file that the engine opens}.
            names: what the columns of each file are called where they were landed, by place, None for one
                that is none there; without it, what the files call them. The engine takes names that differ
                in case for the same, and gives those that stand twice, or are empty, names of its own.

        Raises:
            duckdb.Error: a file is damaged, or no Parquet.
        """
        self._connection = connection
        self._paths = paths
        self._stored: dict[PlainFile, tuple[tuple[str | None, FoundColumn], ...]] = {}
        for file, path in paths.items():
            columns = _columns(connection, path)
            called = names[file] if names is not None else _names(connection, path, columns)
            self._stored[file] = tuple(zip(called, columns, strict=True))
        self.columns = {
            file: [FoundColumn(name, column.type) for name, column in stored if name is not None]
            for file, stored in self._stored.items()
        }

    def rows(self, wanted: Sequence[str | None]) -> str:
        """See `Reader`."""
        types = self._types(wanted)
        return " union all ".join(self._selected(wanted, types, group) for group in self._alike)

    def steps(self) -> Iterator[Step]:
        """See `Reader`; the n-th row is found by its number."""
        for file, before in self._rows_before():
            yield Step(before + 1, file.name, 1)

    def numbered(self, wanted: Sequence[str | None], chosen: str) -> str:
        """See `Reader`."""
        types = self._types(wanted)
        parts = (
            (self._selected(wanted, types, group), sum(self._counted[file] for file in group))
            for group in self._alike
        )
        return numbered_rows(parts, chosen)

    def _rows_before(self) -> Iterator[tuple[PlainFile, int]]:
        """Yield the files that have rows, in the order of `rows`, and how many stand before each."""
        before = 0
        for file in itertools.chain.from_iterable(self._alike):
            if rows := self._counted[file]:
                yield file, before
            before += rows

    @cached_property
    def _counted(self) -> Mapping[PlainFile, int]:
        counted = {
            file: self._connection.execute(
                f"select count(*) from read_parquet({literal(path)}, hive_partitioning = false)"
            ).fetchall()
            for file, path in self._paths.items()
        }
        return {file: rows for file, [(rows,)] in counted.items()}

    @cached_property
    def _alike(self) -> list[list[PlainFile]]:
        """The engine reads files together only if they declare the same."""
        groups: dict[tuple[tuple[str | None, FoundColumn], ...], list[PlainFile]] = {}
        for file, stored in self._stored.items():
            groups.setdefault(stored, []).append(file)
        return list(groups.values())

    def _types(self, wanted: Sequence[str | None]) -> list[str]:
        """Return each column's type: the one all files have that have the column, else text."""
        kinds: dict[str, set[str]] = {}
        for columns in self.columns.values():
            for column in columns:
                kinds.setdefault(column.name, set()).add(column.type)
        return [
            next(iter(kinds[name])) if name in kinds and len(kinds[name]) == 1 else TEXT for name in wanted
        ]

    def _selected(
        self, wanted: Sequence[str | None], types: Sequence[str], group: Sequence[PlainFile]
    ) -> str:
        stored = self._stored[group[0]]
        # By place, as no SQL can have all names. Of a name that stands twice, the first.
        found = {name: (f"p{at}", column.type) for at, (name, column) in reversed([*enumerate(stored)])}
        values = ", ".join(
            f"{_value(found.get(name) if name is not None else None, type_)} as c{index}"
            for index, (name, type_) in enumerate(zip(wanted, types, strict=True))
        )
        paths = ", ".join(literal(self._paths[file]) for file in group)
        places = ", ".join(f"p{at}" for at in range(len(stored)))
        return f"select {values} from read_parquet([{paths}], hive_partitioning = false) as t({places})"


def _value(stored: tuple[str, str] | None, type_: str) -> str:
    if stored is None:
        return f"cast(null as {type_})"
    place, found = stored
    return place if found == type_ else f"cast({place} as {type_})"


def _names(connection: "duckdb.DuckDBPyConnection", path: str, columns: Sequence[FoundColumn]) -> list[str]:
    """Return the names of a file's columns as they are written, which the engine makes others of."""
    asked = f"select name, coalesce(num_children, 0) from parquet_schema({literal(path)})"
    names, within = list[str](), 0
    for name, children in connection.execute(asked).fetchall()[1:]:
        if not within:
            names.append(name)
        within = max(within - 1, 0) + children
    return names if len(names) == len(columns) else [column.name for column in columns]


def _columns(connection: "duckdb.DuckDBPyConnection", path: str) -> list[FoundColumn]:
    # Of what the engine cannot read it tells in many ways: see `engine_said`.
    found = connection.execute(
        f"describe select * from read_parquet({literal(path)}, hive_partitioning = false)"
    ).fetchall()
    return [FoundColumn(name, type_) for name, type_, *_ in found]
