"""`sluice contract new`: sample files -> the draft of a contract that loads them.

Belongs here: putting what the samples show together. Does not belong here: names (`paths`), dialects
(`files`), values (`values`), and the words of the file (`text`).
"""

import itertools
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from orchestration.compute.engine import open_engine
from orchestration.compute.type_text import type_text
from orchestration.contracts.columns import Column
from orchestration.contracts.reading import Format, ReadOptions
from orchestration.contracts.types import Kind, base_of, partition_kinds
from orchestration.drafting.files import all_alike
from orchestration.drafting.paths import Placed, placed, portable
from orchestration.drafting.values import Guess, guess

if TYPE_CHECKING:
    import duckdb

_SAMPLES = "samples"
_KEY_NAME = re.compile(r"(^|_)(id|key|no|nr|number|code|nummer|uuid)($|_)")
_FEWEST_FOR_KEY = 2
_MOST_TOGETHER = 4
_NO_KEYS = ("DOUBLE", "FLOAT", "REAL", "DECIMAL", "BOOLEAN")


@dataclass(frozen=True)
class Draft:
    """What the samples show of a source."""

    placed: Placed
    options: ReadOptions
    guesses: tuple[Guess, ...]
    key: tuple[str, ...]
    partition_column: str
    rows: int
    broken: int
    """Rows of the samples that could not be split into columns."""


def draft(files: Sequence[Path], source: str | None = None) -> Draft:
    """Look at samples; `source` is the name of the source, if their names are not to tell it.

    Raises:
        ValueError: no draft can be made of them, with file and reason.
    """
    from orchestration.ingestion.formats.base import MachineLimit, Unreadable

    if source is not None and portable(source) != source:
        raise ValueError(
            f"--source {source}: no name of a source; expected lower case letters, digits and underscores;"
            f" write {portable(source) or 'another'}"
        )
    where = placed(files, source)
    with TemporaryDirectory(prefix="sluice_draft_") as folder, open_engine() as connection:
        scratch = Path(folder)
        try:
            options = all_alike(files, scratch)
            columns, broken = _read(connection, where, options, scratch)
        except (Unreadable, MachineLimit) as error:
            raise ValueError(str(error)) from error
        (rows,) = connection.execute(f"select count(*) from {_SAMPLES}").fetchone() or (0,)
        comma_first = options.format is Format.CSV and options.delimiter == ";"
        guesses = [
            guess(connection, _SAMPLES, f"c{at}", column, comma_first=comma_first)
            for at, column in enumerate(columns)
        ]
        values = [
            _value(one.column, found, place)
            for place, (one, found) in enumerate(zip(guesses, columns, strict=True))
        ]
        partition = _partition_column(connection, where, guesses, values)
        key = _key(connection, guesses, values, rows)
    return Draft(where, options, tuple(guesses), key, partition, rows, broken)


def _read(
    connection: "duckdb.DuckDBPyConnection", where: Placed, options: ReadOptions, scratch: Path
) -> tuple[list[Column], int]:
    """Read all samples into one table with the drops' own reader; return its columns and the broken rows."""
    from orchestration.areas import Area
    from orchestration.compute.sql import literal
    from orchestration.ingestion.formats.base import PlainFile, ReaderContext
    from orchestration.ingestion.formats.engine_said import told_of_files
    from orchestration.ingestion.formats.plain import LandedFile, plain_files
    from orchestration.ingestion.formats.registry import open_reader

    keys: dict[str, str] = {}
    plain: list[PlainFile] = []
    for number, (file, key) in enumerate(where.keys.items()):
        area = Area(str(file.absolute().parent))
        made = plain_files(area, [LandedFile(file.name, str(file))], options, scratch / f"plain{number}")
        plain += made
        keys |= {one.name: key for one in made}
    (scratch / "reader").mkdir()
    reader = open_reader(ReaderContext(connection, scratch / "reader", options, []), plain)
    found = {column.name: column for columns in reader.columns.values() for column in columns}
    for file, columns in reader.columns.items():
        names = [column.name for column in columns]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(
                f"{file.name}: column `{twice}` stands twice; expected each name once; correct it"
            )
    if not found:
        raise ValueError(f"{next(iter(where.keys))}: no column in it; name another sample")
    listed = ", ".join(f"({literal(name)}, {literal(key)})" for name, key in keys.items())
    with told_of_files(connection, plain, options.format):
        connection.execute(
            f"create temp table {_SAMPLES} as select rows.*, keys.key as _key from"
            f" ({reader.placed_rows(list(found))}) as rows"
            f" join (values {listed}) as keys(file, key) on rows._file = keys.file"
        )
    reserved = {
        str(row[0])
        for row in connection.execute(
            "select keyword_name from duckdb_keywords()"
            " where keyword_category in ('reserved', 'type_function')"
        ).fetchall()
    }
    made_names = _names(list(found), reserved)
    columns = [
        Column(made_names[name], name, type_text(column.type), required=False, description="")
        for name, column in found.items()
    ]
    return columns, reader.broken_count()


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


def _value(column: Column, found: Column, place: int) -> str:
    """Return SQL of a column's typed value, as a drop's would be."""
    from orchestration.ingestion.values import typed_value

    return typed_value(column, f"c{place}", found.type).value


def _partition_column(
    connection: "duckdb.DuckDBPyConnection", where: Placed, guesses: Sequence[Guess], values: Sequence[str]
) -> str:
    """Return the date or moment that lies in its drop's partition in every row, if there is one."""
    partitioning = where.template.partitioning
    if not partitioning.grain.timed:
        return ""
    kinds = partition_kinds(partitioning.grain)
    spans = {key: partitioning.interval(key) for key in set(where.keys.values())}
    for place, one in enumerate(guesses):
        if one.kind not in kinds or not one.column.required:
            continue
        value = values[place]
        outside = " or ".join(
            f"(_key = '{key}' and ({value} < timestamp '{start:%Y-%m-%d %H:%M:%S}'"
            f" or {value} >= timestamp '{end:%Y-%m-%d %H:%M:%S}'))"
            for key, (start, end) in spans.items()
        )
        if connection.execute(f"select 1 from {_SAMPLES} where {outside} limit 1").fetchone() is None:
            return one.column.name
    return ""


def _key(
    connection: "duckdb.DuckDBPyConnection", guesses: Sequence[Guess], values: Sequence[str], rows: int
) -> tuple[str, ...]:
    """Return the columns that tell the rows of each drop apart: one, or the first few together."""
    if rows < _FEWEST_FOR_KEY:
        return ()
    places = {
        place: one
        for place, one in enumerate(guesses)
        if one.column.required and base_of(one.column.type) not in _NO_KEYS and one.kind is not Kind.OTHER
    }
    named = sorted(places, key=lambda place: _KEY_NAME.search(places[place].column.name) is None)
    first = list(places)
    several = (tuple(first[:size]) for size in range(2, min(_MOST_TOGETHER, len(first)) + 1))
    for some in itertools.chain(((place,) for place in named), several):
        together = ", ".join(values[place] for place in some)
        twice = f"select 1 from {_SAMPLES} group by _key, {together} having count(*) > 1 limit 1"
        if connection.execute(twice).fetchone() is None:
            return tuple(places[place].column.name for place in some)
    return ()
