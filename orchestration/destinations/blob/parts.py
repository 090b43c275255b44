"""Parts of a blob delivery: files of rows, written from a shard and read back, through an engine of its own.

Belongs here: formats, types, order and cutting of rows. Does not: where parts lie (`blob`), what lists them
(`manifests`).

| Format | As |
| --- | --- |
| `parquet` | the shard's own types |
| `csv` | RFC 4180 with a header; an empty field is null, `""` an empty text |
| `json_lines` | an object a line; a decimal of more than 15 digits is text, as readers make it a double |

In text a time is ISO 8601, with `Z` where it is UTC, and bytes are Base64.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.compute.engine import open_engine
from orchestration.compute.sql import literal, quoted
from orchestration.compute.sql_types import SqlType

from ..base import CHANGE, TECHNICAL_COLUMNS, Change, Mode, Shard
from ..errors import DeliveryError
from ..exact_values import Unfit, days_outside, no_numbers, zero_signs

if TYPE_CHECKING:
    import duckdb

Fields = Sequence[tuple[str, str]]

EXTENSIONS: Mapping[str, str] = {"parquet": "parquet", "csv": "csv", "json_lines": "jsonl"}
_WRITTEN: Mapping[str, str] = {
    "parquet": "format parquet",
    "csv": "format csv, header true, new_line '\\r\\n'",
    "json_lines": "format json",
}
_MEMORY_LIMIT = "256MB"
_BATCH_ROWS = 20_000
_NESTED = re.compile(r"\]$|^(?:STRUCT|MAP|UNION)\b")
_DECIMAL = re.compile(r"DECIMAL\((\d+),\d+\)")
_EXACT_DIGITS = 15  # of a decimal number in a double, IEEE 754
_WITH_ZONE = "TIMESTAMP WITH TIME ZONE"


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
            f"the shard of {shard.export}, partition {shard.partition_key} {problem or f'has {rows} rows'}",
            f"an immutable Parquet file of {shard.rows} rows, written before the delivery",
            "rerun the export's partition; its plan writes the shard anew",
        )
    spelt = [name.lower() for name in names]
    twice = [name for name in names if spelt.count(name.lower()) > 1]
    if twice:
        raise DeliveryError(
            f"fields of {shard.export} differ in upper and lower case alone: {', '.join(twice)}",
            "names that differ, however they are spelt",
            "rename one of them in the export file",
        )


def check_rows(connection: "duckdb.DuckDBPyConnection", shard: Shard, file_format: str) -> None:
    """Raise DeliveryError for what this mode or format cannot say."""
    check_file(shard)
    fields = fields_of(connection, shard)
    if shard.mode is Mode.APPEND:
        _check_none(
            connection, shard, f"{quoted(CHANGE)} <> {literal(Change.ADDED)}", "rows are changed or removed",
            "rows that are new: files of mode append are never taken back",
            "use `mode: snapshot`, or mend the model so that rows of a partition stay as they were sent",
        )  # fmt: skip
    nested = [name for name, kind in fields if _NESTED.search(kind)]
    if file_format == "csv" and nested:
        raise DeliveryError(
            f"fields of {shard.export} are lists or structs: {', '.join(nested)}",
            "plain values, as CSV knows no others",
            "use `format: parquet` or `json_lines`, or take the fields apart in the model",
        )


def unfit(file_format: str, value: str, kind: SqlType) -> Iterator[Unfit]:
    """Yield what a format cannot say of a value; Parquet says all."""
    if file_format == "parquet":
        return
    yield from days_outside(value, kind, 1, 9999, "ISO 8601")
    if file_format == "csv":
        yield from zero_signs(value, kind, "CSV")
    else:
        yield from no_numbers(value, kind, "JSON")


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
    connection: "duckdb.DuckDBPyConnection", path: Path, file_format: str, held: Fields, wanted: Sequence[str]
) -> Iterator[Any]:
    """Yield a part's rows as Arrow record batches; a field that it does not have is null."""
    types = dict(held)
    columns = (f"{quoted(name)}" if name in types else f"null as {quoted(name)}" for name in wanted)
    yield from connection.execute(
        f"select {', '.join(columns)} from {_part(path, file_format, held)}"
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
    """Write a part anew without some keys; None if it has none of them."""
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
    part = f"{_part(path, file_format, held)} part"
    connection.execute(
        f"select distinct {', '.join(f'k{n}' for n in _n(key))} from {part} join unwanted on {joined}"
    )
    found = frozenset(tuple(str(text) for text in row) for row in connection.fetchall())
    if not found:
        return None
    rest = f"from {part} where not exists (select 1 from unwanted where {joined})"
    order = ", ".join(quoted(name) for name in key)
    _copy(connection, held, file_format, f"{rest} order by {order}", to)
    left = connection.execute(f"select count(*) {rest}").fetchone()
    assert left is not None
    return Forgotten(Part(to, int(left[0])), found)


def text_of(value: object) -> str:
    """Return a key's value as text that the engine reads again."""
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
    mend: str,
) -> None:
    counted = connection.execute(f"select count(*) from {_shard(shard)} where {condition}").fetchone()
    if counted and counted[0]:
        raise DeliveryError(
            f"{counted[0]} {what} in {shard.export}, partition {shard.partition_key}", expected, mend
        )


def _copy(
    connection: "duckdb.DuckDBPyConnection", fields: Fields, file_format: str, rest: str, to: Path
) -> None:
    columns = ", ".join(_as_text(name, kind, file_format) for name, kind in fields)
    connection.execute(f"copy (select {columns} {rest}) to {literal(str(to))} ({_WRITTEN[file_format]})")


def _as_text(name: str, kind: str, file_format: str) -> str:
    """Return the expression that writes a field."""
    column = quoted(name)
    if file_format == "parquet":
        return column
    decimal = _DECIMAL.fullmatch(kind)
    if kind == "TIMESTAMP_NS":
        text = f"strftime({column}, '%Y-%m-%dT%H:%M:%S.%n')"
    elif kind == _WITH_ZONE:
        text = f"strftime({column}::timestamp, '%Y-%m-%dT%H:%M:%S.%fZ')"
    elif kind.startswith("TIMESTAMP"):
        text = f"strftime({column}, '%Y-%m-%dT%H:%M:%S.%f')"
    elif kind == "BLOB":
        text = f"to_base64({column})"
    elif decimal and file_format == "json_lines" and int(decimal[1]) > _EXACT_DIGITS:
        text = f"{column}::varchar"
    else:
        return column
    return f"{text} as {column}"


def _part(path: Path, file_format: str, held: Fields) -> str:
    """Return the relation of a part's fields, of the types that they were sent with."""
    if file_format == "parquet":
        return f"(from read_parquet({literal(str(path))}))"
    plain = {name: _read_as(kind, file_format) for name, kind in held}
    columns = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in plain.items())
    reader = (
        f"read_csv({literal(str(path))}, auto_detect = false, header = true, delim = ',', quote = '\"',"
        f" escape = '\"', new_line = '\\r\\n', allow_quoted_nulls = false, columns = {{{columns}}})"
        if file_format == "csv"
        else f"read_json({literal(str(path))}, format = 'newline_delimited', columns = {{{columns}}})"
    )
    selected = ", ".join(
        f"from_base64({quoted(name)}) as {quoted(name)}"
        if kind == "BLOB"
        else f"{quoted(name)}::{kind} as {quoted(name)}"
        for name, kind in held
    )
    return f"(select {selected} from {reader})"


def _read_as(kind: str, file_format: str) -> str:
    """Return the type that a reader gives a field before it is cast."""
    if kind == "BLOB" or (file_format == "json_lines" and (_DECIMAL.fullmatch(kind) or kind == _WITH_ZONE)):
        return "VARCHAR"
    return kind
