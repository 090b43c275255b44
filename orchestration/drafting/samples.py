"""Samples -> one table of all their rows, and the columns that any of them has.

Belongs here: reading with the drops' own readers, and samples whose columns differ. Does not belong here:
what the values are (`values`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.contracts.columns import Column
from orchestration.contracts.reading import Format, ReadOptions
from orchestration.drafting.files import looks_like_names
from orchestration.drafting.paths import Placed, portable

if TYPE_CHECKING:
    import duckdb

    from orchestration.ingestion.formats.base import PlainFile, Reader

TABLE = "samples"


@dataclass(frozen=True)
class Samples:
    """What is in `TABLE`: columns `c0`, `c1`, … of `columns`, `_key` (partition), `_file` and `_line`.

    `shape` are the changes of shape between the samples, as a contract allows them; `empty` the samples
    without rows; `nameless` how many columns have no name in the header; `broken` how many rows could not be
    split.
    """

    options: ReadOptions
    columns: tuple[Column, ...]
    shape: Mapping[str, str]
    empty: tuple[Path, ...]
    nameless: int
    rows: int
    broken: int


def read_samples(
    connection: "duckdb.DuckDBPyConnection", where: Placed, options: ReadOptions, scratch: Path
) -> Samples:
    """Read all samples into one table.

    Raises:
        ValueError: a header that no contract can have.
        Unreadable: a sample is damaged.
    """
    from orchestration.ingestion.formats.engine_said import told_of_files

    options, reader, sample_of = _opened(connection, where, options, scratch)
    headers: dict[PlainFile, list[str]] = {}
    for file, columns in reader.columns.items():
        headers[file] = [column.name for column in columns]
        _check_header(headers[file], sample_of[file.name])
    merged = _Merged(
        options, {file: (where.keys[sample_of[file.name]], names) for file, names in headers.items()}
    )
    if not merged.names:
        raise ValueError(f"{next(iter(where.keys))}: no column in it; name another sample")
    with told_of_files(connection, [*reader.columns], options.format):
        _make_table(connection, reader, merged, where, sample_of, scratch)
    columns = _columns(connection, merged)
    counted = dict(connection.execute(f"select _file, count(*) from {TABLE} group by 1").fetchall())
    empty = [sample for sample in where.keys if str(sample) not in counted]
    return Samples(
        options=options,
        columns=tuple(columns),
        shape=merged.shape,
        empty=tuple(empty) if not reader.broken_count() else (),
        nameless=sum("" in names for names in headers.values()),
        rows=sum(counted.values()),
        broken=reader.broken_count(),
    )


def _opened(
    connection: "duckdb.DuckDBPyConnection", where: Placed, options: ReadOptions, scratch: Path
) -> tuple[ReadOptions, "Reader", dict[str, Path]]:
    """Return a reader of all samples, and {file as it names it: sample}: an archive has several."""
    from orchestration.areas import Area
    from orchestration.ingestion.formats.base import ReaderContext
    from orchestration.ingestion.formats.plain import LandedFile, plain_files
    from orchestration.ingestion.formats.registry import open_reader

    sample_of: dict[str, Path] = {}
    plain: list[PlainFile] = []
    for number, file in enumerate(where.keys):
        area = Area(str(file.absolute().parent))
        made = plain_files(area, [LandedFile(file.name, str(file))], options, scratch / f"plain{number}")
        plain += made
        sample_of |= {one.name: file for one in made}

    def opened(said: ReadOptions, folder: str) -> "Reader":
        (scratch / folder).mkdir()
        return open_reader(ReaderContext(connection, scratch / folder, said, []), plain)

    reader = opened(options, "reader")
    if options.format is Format.EXCEL and not all(
        looks_like_names([column.name for column in columns]) for columns in reader.columns.values()
    ):
        # A sheet of which a number stands in the first row has no line of names.
        options = replace(options, header=False)
        reader = opened(options, "reader_without_header")
    return options, reader, sample_of


def _check_header(names: Sequence[str], sample: Path) -> None:
    for name in names:
        if names.count(name) > 1:
            at = " and ".join(str(place) for place, other in enumerate(names, 1) if other == name)
            called = f"column `{name}`" if name else "a column without a name"
            raise ValueError(
                f"{sample}: the header: {called} stands at places {at}; expected each name once, since a"
                " column is told by it; name them apart in the sample, and have the provider do the same"
            )


class _Merged:
    """The columns of samples that may differ: `names` in order, and what each sample calls them."""

    def __init__(
        self, options: ReadOptions, headers: "Mapping[PlainFile, tuple[str, Sequence[str]]]"
    ) -> None:
        self._of_key: dict[str, set[str]] = {}
        for key, names in headers.values():
            self._of_key.setdefault(key, set()).update(names)
        self.names: list[str] = []
        self.aliases: dict[str, list[str]] = {}
        for _, names in headers.values():
            self._take(names)
        self.shape: dict[str, str] = {}
        lists = [[self.name_of(name) for name in names if name] for _, names in headers.values()]
        keyed = options.format in (Format.JSON, Format.JSONL)
        if not keyed and any(len(set(names)) < len(self.names) for names in lists):
            self.shape["lostColumn"] = "add"
        if not keyed and any(names != [name for name in self.names if name in names] for names in lists):
            self.shape["changedOrder"] = "ignore"

    def name_of(self, name: str) -> str:
        """Return the name of the column that a sample calls so."""
        return next((known for known, others in self.aliases.items() if name in others), name)

    def _take(self, names: Sequence[str]) -> None:
        """Add what is new of a sample's header where it stands there."""
        at = 0
        for name in names:
            if not name:
                continue
            known = self.name_of(name)
            if known not in self.names:
                known = self._same(name) or name
                if known != name:
                    self.aliases.setdefault(known, []).append(name)
                else:
                    self.names.insert(at, name)
            at = self.names.index(known) + 1

    def _same(self, name: str) -> str | None:
        """Return a column that differs in case and signs alone, and of which no drop has both."""
        for known in self.names:
            called = {known, *self.aliases.get(known, [])}
            together = any(name in names and called & names for names in self._of_key.values())
            if portable(known) == portable(name) != "" and not together:
                return known
        return None


def _make_table(
    connection: "duckdb.DuckDBPyConnection",
    reader: "Reader",
    merged: _Merged,
    where: Placed,
    sample_of: Mapping[str, Path],
    scratch: Path,
) -> None:
    from orchestration.compute.sql import literal
    from orchestration.ingestion.formats.scratch import placed_rows

    wanted = [[name, *merged.aliases.get(name, [])] for name in merged.names]
    asked = [name for names in wanted for name in names]
    selected = ", ".join(
        (f"rows.c{asked.index(names[0])}" if len(names) == 1
         else f"coalesce({', '.join(f'rows.c{asked.index(name)}' for name in names)})") + f" as c{at}"
        for at, names in enumerate(wanted)
    )  # fmt: skip
    listed = ", ".join(
        f"({literal(name)}, {literal(str(sample))}, {literal(where.keys[sample])})"
        for name, sample in sample_of.items()
    )
    connection.execute(
        f"create temp table {TABLE} as select {selected}, samples.key as _key, samples.sample as _file,"
        f" rows._line from ({placed_rows(connection, reader, asked, scratch)}) as rows"
        f" join (values {listed}) as samples(file, sample, key) on rows._file = samples.file"
    )


def _columns(connection: "duckdb.DuckDBPyConnection", merged: _Merged) -> list[Column]:
    reserved = {
        str(row[0])
        for row in connection.execute(
            "select keyword_name from duckdb_keywords()"
            " where keyword_category in ('reserved', 'type_function')"
        ).fetchall()
    }
    types = [str(row[1]) for row in connection.execute(f"describe {TABLE}").fetchall()]
    names = _names(merged.names, reserved)
    return [
        Column(
            names[name], name, type_, required=False, description="",
            aliases=tuple(merged.aliases.get(name, [])),
        )
        for name, type_ in zip(merged.names, types, strict=False)
    ]  # fmt: skip


def _names(headers: Sequence[str], reserved: Collection[str]) -> dict[str, str]:
    """Return {header: name in the table}, each name once, and none that SQL takes for a word of its own."""
    names: dict[str, str] = {}
    for number, header in enumerate(headers, 1):
        name = portable(header) or f"column_{number}"
        name += "_" if name in reserved else ""
        while name in names.values():
            name += "_2"
        names[header] = name
    return names
