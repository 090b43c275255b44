"""Rows in a Parquet file and back, each value as it was, whatever the engine makes of its type there.

The engine writes a HUGEINT as a DOUBLE, an INTERVAL in milliseconds and a TIMETZ without its zone, also
within other types, and a file has no ENUM, no BIT, no UNION. Here a value that such a type would change is
*carried* as another: a HUGEINT as a DECIMAL(38,0) where all its values fit, else as text, the other two as
text. What the columns were is written into the file's own metadata, and what reads it here has the same types
again. Others see the carried ones, which lose nothing either. A file without the note is read as it is.

A list of a fixed length is carried as any other: beside a null Arrow cannot read what the engine writes of
it.
A UNION with a list or a map within is written, and cannot be read again by the engine (DuckDB 1.5.5), which
does not write a VARIANT within another type at all.

Belongs here: which types are carried how, writing and reading. Does not belong here: what the files are for.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from sluicegate.compute.sql import literal, quoted
from sluicegate.compute.sql_types import LIST, MAP, UNION, SqlType, UnknownType, parse_type

if TYPE_CHECKING:
    import duckdb

_NOTE = "sluice_types"
# What is quoted, or has a type behind it, is the name of a field or a value of an ENUM.
_QUOTED = r"""'(?:[^']|'')*'|"(?:[^"]|"")*\""""
_LOST = re.compile(
    rf"{_QUOTED}|\b(?P<huge>U?HUGEINT)(?=[\[,)]|$)|\b(?P<text>INTERVAL|TIME WITH TIME ZONE)(?=[\[,)]|$)"
    r"|(?P<fixed>\[\d+\])|\b(?P<moment>TIMESTAMP_S|TIMESTAMP_MS)(?=[\[,)]|$)"
)
# Read from a file as another type, though nothing of the value is lost.
_OTHER = re.compile(rf"{_QUOTED}|\b(?P<type>TIME_NS|BIGNUM|BIT)(?=[\[,)]|$)|\b(?P<named>ENUM|UNION)\(")
TEXT, WIDE_DECIMAL = "VARCHAR", "DECIMAL(38,0)"


def carried(kind: str, huge: str = TEXT) -> str:
    """Return the type that a Parquet file is given for a type, as `describe` writes both.

    `huge` is what a HUGEINT becomes.
    """

    def other(found: re.Match[str]) -> str:
        if found["huge"]:
            return huge
        if found["fixed"]:
            return "[]"
        if found["moment"]:  # as the engine reads them, which matters within a UNION
            return "TIMESTAMP"
        return TEXT if found["text"] else found[0]

    return _LOST.sub(other, kind)


def loses(kind: str) -> bool:
    """Return whether the engine itself writes values of a type to Parquet as less than they are."""
    return carried(kind) != kind


def reads_back(kind: str) -> bool:
    """Return whether the engine can write a type, and read again what it writes of it."""
    if "UNION(" not in kind and "VARIANT" not in kind:
        return True
    try:
        return _reads_back(parse_type(kind))
    except UnknownType:
        return False


def _reads_back(kind: SqlType, within_union: bool = False) -> bool:
    if within_union and kind.name in (LIST, MAP):
        return False
    within = within_union or kind.name == UNION
    return all(member.name != "VARIANT" and _reads_back(member, within) for _, member in kind.members)


def cast_to(types: Mapping[str, str]) -> str:
    """Return the list of columns, each cast to its type."""
    return ", ".join(f"cast({quoted(name)} as {kind}) as {quoted(name)}" for name, kind in types.items())


def write_exact(connection: "duckdb.DuckDBPyConnection", query: str, file: Path) -> None:
    """Write the rows of a query, in their order, as one file that `exact_rows` reads.

    Raises:
        duckdb.Error: the query's, or that of a value that the file cannot have (an infinite TIMESTAMP_S).
    """
    import duckdb

    types = _types(connection, query)
    try:
        _write(connection, query, types, file, WIDE_DECIMAL)
    except duckdb.ConversionException:
        if not any("HUGEINT" in kind for kind in types.values()):
            raise
        _write(connection, query, types, file, TEXT)  # numbers of more than 38 digits


def write_exact_at_once(connection: "duckdb.DuckDBPyConnection", query: str, file: Path) -> None:
    """As `write_exact`, of a query that is costly or tells something while it runs: it is run once."""
    _write(connection, query, _types(connection, query), file, TEXT)


def _types(connection: "duckdb.DuckDBPyConnection", query: str) -> dict[str, str]:
    return {row[0]: row[1] for row in connection.execute(f"describe {query}").fetchall()}


def _write(
    connection: "duckdb.DuckDBPyConnection", query: str, types: Mapping[str, str], file: Path, huge: str
) -> None:
    noted = {name: (carried(kind, huge), kind) for name, kind in types.items() if _changes(kind)}
    lost = {name: other for name, (other, kind) in noted.items() if other != kind}
    replaced = f" replace ({cast_to(lost)})" if lost else ""
    note = f", kv_metadata {{{_NOTE}: {literal(json.dumps(noted))}}}" if noted else ""
    # The engine's own `dictionary_size_limit`: with any other it makes dictionaries of floats, too, in which
    # a negative zero is a zero.
    connection.execute(
        f"copy (select *{replaced} from ({query})) to {literal(str(file))} (format parquet{note})"
    )


def exact_rows(connection: "duckdb.DuckDBPyConnection", file: Path | str) -> str:
    """Return SQL, to stand behind `from`, of a file's rows with the types that they had before."""
    read = f"read_parquet({literal(str(file))})"
    noted = noted_types(connection, file)
    if not noted:
        return read
    # In two steps, as a UNION is read as a STRUCT, which is cast to one of the same types alone.
    first = cast_to({name: other for name, (other, _) in noted.items()})
    then = cast_to({name: kind for name, (_, kind) in noted.items()})
    return f"(select * replace ({then}) from (select * replace ({first}) from {read}))"


def exact_files(connection: "duckdb.DuckDBPyConnection", files: Sequence[Path | str]) -> str:
    """Return SQL, to stand behind `from`, of the rows of files with the same columns in the same order."""
    return f"({' union all '.join(f'from {exact_rows(connection, file)}' for file in files)})"


def noted_types(connection: "duckdb.DuckDBPyConnection", file: Path | str) -> dict[str, tuple[str, str]]:
    """Return {column: (carried type, type before)} of the columns that a file's note tells of."""
    found = connection.execute(
        f"select decode(value) from parquet_kv_metadata({literal(str(file))})"
        f" where decode(key) = {literal(_NOTE)}"
    ).fetchone()
    return _read_note(found[0]) if found else {}


def types_before(metadata: Mapping[bytes, bytes] | None) -> dict[str, str]:
    """Return {column: type before} by the metadata of a file, as Arrow gives it."""
    note = (metadata or {}).get(_NOTE.encode())
    return {name: kind for name, (_, kind) in _read_note(note.decode()).items()} if note else {}


def _read_note(text: str) -> dict[str, tuple[str, str]]:
    noted = cast("dict[str, list[str]]", json.loads(text))
    return {name: (other, kind) for name, (other, kind) in noted.items()}


def _changes(kind: str) -> bool:
    return loses(kind) or any(found["type"] or found["named"] for found in _OTHER.finditer(kind))
