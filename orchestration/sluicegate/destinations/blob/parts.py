"""Parts of a blob delivery: files of rows, written from a shard and read back, through an engine of its own.

Belongs here: formats, order and cutting of rows. Does not: values as text (`texts`), where parts lie
(`blob`), what lists them (`manifests`).

Parquet has the shard's own types; CSV is RFC 4180 with a header, where an empty field is null and `""` an
empty text; JSON lines have an object a line.
"""

import tempfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluicegate.compute.engine import open_engine
from sluicegate.compute.sql import literal, quoted
from sluicegate.compute.sql_types import SqlType

from ..base import CHANGE, ROW, TECHNICAL_COLUMNS, Change, Mode, Shard
from ..errors import DeliveryError
from ..exact_values import IN_MODEL, check_kinds
from .texts import Fields, csv_rows, csv_value, has_text, json_line, read

if TYPE_CHECKING:
    import duckdb

EXTENSIONS: Mapping[str, str] = {"parquet": "parquet", "csv": "csv", "json_lines": "jsonl"}
_WRITTEN: Mapping[str, str] = {
    "parquet": "format parquet",
    "csv": "format csv, header true, new_line '\\r\\n'",
    # A line is one text. None has the sign that stands for what is between fields.
    "json_lines": "format csv, header false, quote '', escape '', delimiter '\x01', new_line '\\n'",
}
# What they are called, what they take, and what else to do.
_FORMS: Mapping[str, tuple[str, str, str]] = {
    "parquet": ("Parquet", "structs whose fields have names, and no UNION", IN_MODEL),
    "csv": (
        "CSV",
        "plain values, as CSV knows no others",
        "use `format: parquet` or `json_lines`, or take the fields apart in the model",
    ),
    "json_lines": ("JSON", "plain values, lists, structs with names, and maps from plain values", IN_MODEL),
}
_MEMORY_LIMIT = "256MB"
_BATCH_ROWS = 20_000
_PLACE = f"row_number() over () - 1 as {ROW}"


@dataclass(frozen=True)
class Part:
    """A part, in a scratch folder."""

    path: Path
    rows: int


@dataclass(frozen=True)
class Forgotten:
    """A part, in a scratch folder, without some keys, and the keys' texts that were in it."""

    part: Part
    keys: frozenset[tuple[str, ...]]


@contextmanager
def scratch_engine() -> Generator[tuple["duckdb.DuckDBPyConnection", Path]]:
    """Open an engine of its own and a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="sluice-blob-") as folder, engine(Path(folder)) as opened:
        yield opened, Path(folder)


def engine(scratch: Path) -> "duckdb.DuckDBPyConnection":
    """Open an engine of its own, which spills into a scratch folder."""
    return open_engine(memory_limit=_MEMORY_LIMIT, spill_into=scratch / "spilled", threads=1)


def fields_of(connection: "duckdb.DuckDBPyConnection", shard: Shard) -> Fields:
    """Return the names and types of a shard's fields, in order."""
    columns = connection.execute(f"describe select * from {_shard(shard)}").fetchall()
    return [(str(column[0]), str(column[1])) for column in columns if column[0] not in TECHNICAL_COLUMNS]


def check_file(shard: Shard) -> None:
    """Raise DeliveryError unless a shard's file has its rows, and fields that an engine can tell apart."""
    problem, names, rows = "", list[str](), 0
    try:
        with import_module("pyarrow.parquet").ParquetFile(shard.path) as file:
            names, rows = [str(name) for name in file.schema_arrow.names], int(file.metadata.num_rows)
    except (OSError, import_module("pyarrow").ArrowInvalid) as error:
        problem = f"cannot be read: {error}"
    if problem or rows != shard.rows:
        raise DeliveryError(
            "SLU-E021",
            f"the shard of {shard.export}, partition {shard.partition_key} {problem or f'has {rows} rows'}",
            f"an immutable Parquet file of {shard.rows} rows, written before the delivery",
            "rerun the export's partition; its plan writes the shard anew",
        )
    spelt = [name.lower() for name in names]
    twice = [name for name in names if spelt.count(name.lower()) > 1]
    if twice:
        raise DeliveryError(
            "SLU-V201",
            f"fields of {shard.export} differ in upper and lower case alone: {', '.join(twice)}",
            "names that differ, however they are spelt",
            "rename one of them in the export file",
        )


def check_rows(connection: "duckdb.DuckDBPyConnection", shard: Shard, file_format: str) -> None:
    """Raise DeliveryError for what this mode or format cannot say."""
    check_file(shard)
    if shard.mode is Mode.APPEND:
        _check_none(
            connection, shard, f"{quoted(CHANGE)} <> {literal(Change.ADDED)}", "rows are changed or removed",
            "rows that are new: files of mode append are never taken back",
            "use `mode: snapshot`, or fix the model so that rows of a partition stay as they were sent",
        )  # fmt: skip
    of, expected, fix = _FORMS[file_format]

    def takes(kind: SqlType) -> bool:
        return has_text(file_format, kind) and not (file_format == "csv" and kind.members)

    check_kinds(shard, takes, of, expected, fix)


def written_parts(
    connection: "duckdb.DuckDBPyConnection", shard: Shard, file_format: str, rows_per_part: int, scratch: Path
) -> Iterator[Part]:
    """Write a shard's rows, sorted by key, part by part; the file of one is gone when the next is asked for.

    There is always one part, so that the fields of an empty delivery are seen.
    """
    fields = fields_of(connection, shard)
    order = f"order by {', '.join(quoted(name) for name in shard.key)}"
    # A shard may be newer than its part: only what is sent is read, sorted once and then cut.
    source, ordered = _shard(shard), order
    if shard.rows > rows_per_part:
        everything = scratch / "sorted.parquet"
        selected = ", ".join(quoted(name) for name, _ in fields)
        connection.execute(
            f"copy (select {selected} from {source} {order}) to {literal(str(everything))} (format parquet)"
        )
        source, ordered = f"read_parquet({literal(str(everything))}, file_row_number = true)", ""
    for number, first in enumerate(range(0, max(shard.rows, 1), rows_per_part)):
        end = min(first + rows_per_part, shard.rows)
        cut = "" if ordered else f"where file_row_number >= {first} and file_row_number < {end}"
        path = scratch / f"part-{number:05}.{EXTENSIONS[file_format]}"
        _copy(connection, fields, file_format, f"from {source} {cut} {ordered}", path)
        yield Part(path, end - first)
        path.unlink()


def batches(
    connection: "duckdb.DuckDBPyConnection",
    path: Path,
    file_format: str,
    held: Fields,
    wanted: Sequence[str],
    scratch: Path,
) -> Iterator[Any]:
    """Yield a part's rows as Arrow record batches; a field that it does not have is null."""
    fields = [(name, kind) for name, kind in held if name in wanted] or held
    names = {name for name, _ in fields}
    columns = (f"{quoted(name)}" if name in names else f"null as {quoted(name)}" for name in wanted)
    yield from connection.execute(
        f"select {', '.join(columns)} from {_part(path, file_format, held, fields, scratch)}"
    ).to_arrow_reader(_BATCH_ROWS)


def without_keys(
    connection: "duckdb.DuckDBPyConnection",
    path: Path,
    file_format: str,
    held: Fields,
    key: Sequence[str],
    keys: Sequence[Mapping[str, Any]],
    to: Path,
) -> Forgotten | None:
    """Write a part anew without some keys; None if it has none of them. What stays is as it was.

    The folder of `to` is a scratch one.
    """
    types = dict(held)
    if not types.keys() >= set(key):
        return None
    connection.execute(
        f"create or replace temp table unwanted ({', '.join(f'k{n} varchar' for n in _n(key))})"
    )
    for wanted in keys:
        texts = ", ".join(literal(text_of(wanted[name])) for name in key)
        connection.execute(f"insert into unwanted values ({texts})")
    # A value that is none of the field's type is nowhere in it.
    joined = " and ".join(
        f"part.{quoted(name)} = try_cast(k{number} as {types[name]})" for number, name in enumerate(key)
    )
    part = _part(path, file_format, held, [(name, types[name]) for name in key], to.parent)
    connection.execute(
        "create or replace temp table gone as"
        f" select part.{ROW}, {', '.join(f'k{n}' for n in _n(key))}"
        f" from (select *, {_PLACE} from {part}) part join unwanted on {joined}"
    )
    listed = ", ".join(f"k{n}" for n in _n(key))
    found = connection.execute(f"select distinct {listed} from gone").fetchall()
    if not found:
        return None
    if file_format == "json_lines":
        rows = _copy_lines(connection, path, to)
    else:
        source = f"read_parquet({literal(str(path))})" if file_format == "parquet" else csv_rows(path, held)
        (rows,) = connection.execute(
            f"copy (select * exclude ({ROW}) from (select *, {_PLACE} from {source})"
            f" where {ROW} not in (select {ROW} from gone) order by {ROW})"
            f" to {literal(str(to))} ({_WRITTEN[file_format]})"
        ).fetchone() or (0,)
    return Forgotten(Part(to, int(rows)), frozenset(tuple(str(text) for text in row) for row in found))


def text_of(value: object) -> str:
    """Return a key's value as text that the engine reads again."""
    if isinstance(value, bytes):
        return "".join(f"\\x{byte:02X}" for byte in value)
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)  # pyright: ignore


def _n(key: Sequence[str]) -> range:
    return range(len(key))


def _shard(shard: Shard) -> str:
    return f"read_parquet({literal(str(shard.path))})"


def _check_none(
    connection: "duckdb.DuckDBPyConnection",
    shard: Shard,
    condition: str,
    what: str,
    expected: str,
    fix: str,
) -> None:
    counted = connection.execute(f"select count(*) from {_shard(shard)} where {condition}").fetchone()
    if counted and counted[0]:
        raise DeliveryError(
            "SLU-V201",
            f"{counted[0]} {what} in {shard.export}, partition {shard.partition_key}",
            expected,
            fix,
        )


def _copy(
    connection: "duckdb.DuckDBPyConnection", fields: Fields, file_format: str, rest: str, to: Path
) -> None:
    if file_format == "json_lines":
        columns = json_line(fields)
    elif file_format == "csv":
        columns = ", ".join(csv_value(name, kind) for name, kind in fields)
    else:
        columns = ", ".join(quoted(name) for name, _ in fields)
    connection.execute(f"copy (select {columns} {rest}) to {literal(str(to))} ({_WRITTEN[file_format]})")


def _copy_lines(connection: "duckdb.DuckDBPyConnection", path: Path, to: Path) -> int:
    """Copy the lines of a file whose places are not in the table `gone`, byte by byte; return how many."""
    gone = {row[0] for row in connection.execute(f"select {ROW} from gone").fetchall()}
    rows = 0
    with path.open("rb") as lines, to.open("wb") as kept:
        for place, line in enumerate(lines):
            if place not in gone:
                kept.write(line)
                rows += 1
    return rows


def _part(path: Path, file_format: str, held: Fields, fields: Fields, scratch: Path) -> str:
    """Return the relation of some of a part's fields, of the types that they were sent with."""
    if file_format == "parquet":
        # Arrow has no VARIANT.
        columns = ", ".join(
            f"{quoted(name)}::varchar as {quoted(name)}" if kind == "VARIANT" else quoted(name)
            for name, kind in fields
        )
        return f"(select {columns} from read_parquet({literal(str(path))}))"
    return read(path, file_format, held, fields, scratch)
