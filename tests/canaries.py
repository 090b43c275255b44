"""Looking for a value in everything that a deployment has written, in every form that it may have there.

Belongs here: forms of a value, and the formats that it may hide in. Does not: any expectation.
"""

import base64
import gzip
import io
import json
import sqlite3
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote, quote_plus

import duckdb

_HEAD_CHARACTERS = 8
_GZIP, _ZIP, _PARQUET, _SQLITE = b"\x1f\x8b", b"PK\x03\x04", b"PAR1", b"SQLite format 3\x00"


def forms(value: str) -> dict[str, bytes]:
    """Return {name: bytes} of what a value may look like, all in small letters."""
    raw = value.encode()
    found = {
        "as it is": raw,
        "its first characters": value[:_HEAD_CHARACTERS].encode(),
        "URL-encoded": quote(value, safe="").encode(),
        "URL-encoded, as of a form": quote_plus(value).encode(),
        "repr": repr(value)[1:-1].encode(),
        "JSON": json.dumps(value)[1:-1].encode(),
        "UTF-16": value.encode("utf-16-le"),
    }
    # Base64 of a longer text has the value's at one of three places; what its neighbours share is cut off.
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + raw)
        first = -(-before * 8 // 6)
        whole = encoded[first : (before + len(raw)) * 8 // 6]
        found[f"base64, {before} bytes further"] = whole
        found[f"base64 for URLs, {before} bytes further"] = whole.translate(bytes.maketrans(b"+/", b"-_"))
    return {name: text.lower() for name, text in found.items()}


def found_in(content: bytes, value: str) -> list[str]:
    """Return the forms in which bytes, decoded whatever their format, hold a value."""
    texts = [text.lower() for text in _decoded(content)]
    return [name for name, form in forms(value).items() if any(form in text for text in texts)]


def found_below(
    folder: Path, values: Collection[str], leave_out: Collection[str] = ()
) -> list[tuple[str, str, str]]:
    """Return (value, file, form) of all that the files of a folder hold; of all but what is left out.

    `leave_out` are paths relative to the folder, of files and of folders.
    """
    found: list[tuple[str, str, str]] = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file() or path.is_symlink()):
        name = str(path.relative_to(folder))
        if any(name == out or name.startswith(f"{out}/") for out in leave_out):
            continue
        content = path.read_bytes() if path.is_file() else b""
        for value in values:
            told = dict.fromkeys([*found_in(content, value), *found_in(name.encode(), value)])
            found += [(value, name, form) for form in told]
    return found


def told_by(relations: Mapping[Path, Collection[str]]) -> bytes:
    """Return all rows of schemas of DuckDB files, {file: schemas}, as text."""
    told: list[str] = []
    for file, schemas in relations.items():
        with duckdb.connect(str(file), read_only=True) as connection:
            tables = connection.execute(
                "select table_schema, table_name from information_schema.tables"
            ).fetchall()
            for schema, name in tables:
                if schema in schemas:
                    told.append(str(connection.sql(f'from "{schema}"."{name}"').fetchall()))
    return "\n".join(told).encode()


def _decoded(content: bytes) -> Iterator[bytes]:
    """Yield bytes as they are, and what they hold packed, as far as that goes."""
    yield content
    if content.startswith(_GZIP):
        with suppress(OSError, EOFError, zlib.error):
            yield from _decoded(gzip.decompress(content))
    elif content.startswith(_ZIP):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.namelist():
                yield member.encode()
                yield from _decoded(archive.read(member))
    elif content.startswith(_PARQUET):
        yield from _of_parquet(content)
    elif content.startswith(_SQLITE):
        yield from _of_sqlite(content)
    elif content[:1] == b"\x78":  # how zlib begins, as Dagster packs what it keeps of jobs
        with suppress(zlib.error):
            yield from _decoded(zlib.decompress(content))


def _of_parquet(content: bytes) -> Iterator[bytes]:
    import pyarrow as pa
    from pyarrow import parquet

    with suppress(pa.ArrowException):
        table = parquet.read_table(pa.BufferReader(content))
        yield str(table.schema).encode()
        for column in table.itercolumns():
            yield "\n".join(map(str, column.to_pylist())).encode()


def _of_sqlite(content: bytes) -> Iterator[bytes]:
    """Yield every cell: a text that is longer than a page lies in pieces."""
    with closing(sqlite3.connect(":memory:")) as connection:
        # Told to be without a write-ahead log: a copy in memory has none, and would not open.
        connection.deserialize(content[:18] + b"\1\1" + content[20:])
        connection.text_factory = bytes
        names = connection.execute("select name from sqlite_master where type = 'table'").fetchall()
        for (name,) in names:
            for row in connection.execute(f'select * from "{name.decode()}"'):
                for cell in row:
                    if isinstance(cell, bytes):
                        yield from _decoded(cell)
                    elif cell is not None:
                        yield str(cell).encode()
