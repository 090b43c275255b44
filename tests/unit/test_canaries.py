"""The search for a value finds it in every format and form, or its silence would prove nothing."""

import base64
import gzip
import json
import sqlite3
import zipfile
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import duckdb
import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.canaries import found_below, found_in, told_by

VALUE = "Zq07Vkxw.Käthe+kanarie@example.org"


def _parquet(path: Path, text: str) -> None:
    parquet.write_table(pa.table({"column": ["other", text]}), path, compression="zstd")


def _sqlite(path: Path, cell: str | bytes) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("create table events (id integer, body)")
        # Longer than a page, so that it lies in several.
        filled = "x" * 5000 + cell if isinstance(cell, str) else cell
        connection.execute("insert into events values (1, ?)", [filled])


def _zip(path: Path, text: str) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/strings.xml", text)


WRITERS: dict[str, Callable[[Path, str], object]] = {
    "text": lambda path, text: path.write_text(text),
    "gzip": lambda path, text: path.write_bytes(gzip.compress(text.encode())),
    "gzip in gzip": lambda path, text: path.write_bytes(gzip.compress(gzip.compress(text.encode()))),
    "zlib": lambda path, text: path.write_bytes(zlib.compress(text.encode())),
    "zip": _zip,
    "Parquet": _parquet,
    "SQLite": _sqlite,
    "SQLite with packed cells": lambda path, text: _sqlite(path, zlib.compress(text.encode())),
    "a file's name": lambda path, text: (path.parent / quote(text, safe="")).touch(),
}
FORMS: dict[str, Callable[[str], str]] = {
    "as it is": lambda value: f"column is {value}; rest",
    "in small letters": lambda value: f"column is {value.lower()}; rest",
    "its first characters": lambda value: f"column is {value[:8]}…",
    "URL-encoded": lambda value: f"/objects/{quote(value, safe='')}?x",
    "JSON": lambda value: json.dumps({"email": value}),
    "repr": lambda value: repr([value]),
    **{
        f"base64, {before} further": lambda value, before=before: base64.b64encode(
            b"?" * before + value.encode() + b"and more"
        ).decode()
        for before in range(4)
    },
}


@pytest.mark.parametrize("written", WRITERS)
@pytest.mark.parametrize("form", FORMS)
def test_a_planted_value_is_found(tmp_path: Path, written: str, form: str) -> None:
    WRITERS[written](tmp_path / "below", FORMS[form](VALUE))
    assert found_below(tmp_path, [VALUE])
    assert found_below(tmp_path, ["Another0.one@example.org"]) == []


def test_what_is_left_out_is_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / "originals").mkdir()
    (tmp_path / "originals" / "rows.csv").write_text(VALUE)
    assert found_below(tmp_path, [VALUE], leave_out=["originals"]) == []


def test_tables_of_the_warehouse_are_looked_through(tmp_path: Path) -> None:
    file = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute("create schema quarantine; create table quarantine.guests (raw varchar)")
        connection.execute("insert into quarantine.guests values (?)", [VALUE])
    assert found_in(told_by({file: ["quarantine"]}), VALUE)
    assert not found_in(told_by({file: ["raw"]}), VALUE)
