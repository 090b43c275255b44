"""Parquet: declared types, files that differ, damaged ones."""

import tempfile
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sluicegate.contracts.reading import Format, ReadOptions
from sluicegate.ingestion.formats.base import Unreadable
from sluicegate.ingestion.formats.engine_said import told_of_files

from tests.ingestion.readers import GENERATED, Opened, opened


def read(tmp_path: Path, *tables: Any) -> Opened:
    paths = [tmp_path / f"{index}.parquet" for index in range(len(tables))]
    for path, table in zip(paths, tables, strict=True):
        pq.write_table(table, path)
    return opened(ReadOptions(Format.PARQUET), tmp_path, paths)


def test_columns_have_their_declared_types_and_rows_their_places(tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": pa.array([1, None], pa.int32()),
            "price": pa.array([Decimal("1.10"), None], pa.decimal128(9, 2)),
            "day": pa.array([date(2022, 1, 2), None]),
            "at": pa.array([datetime(2022, 1, 2, 3, 4, 5, 6), None], pa.timestamp("us")),
            "tags": pa.array([["a"], None]),
        }
    )
    found = read(tmp_path, table)
    assert found.columns() == {
        "id": "INTEGER",
        "price": "DECIMAL(9,2)",
        "day": "DATE",
        "at": "TIMESTAMP",
        "tags": "VARCHAR[]",
    }
    assert found.placed("price", None, "id", "at") == [
        (Decimal("1.10"), None, 1, datetime(2022, 1, 2, 3, 4, 5, 6), "in/0.parquet", 1),
        (None, None, None, None, "in/0.parquet", 2),
    ]


def test_files_may_differ_in_order_columns_and_types(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        pa.table({"a": [1], "b": [date(2022, 1, 2)]}),
        pa.table({"b": [date(2022, 1, 3)], "a": ["x"]}),
        pa.table({"b": [date(2022, 1, 4)]}),
    )
    # A column of several types is text; one that a file lacks keeps the type of the others.
    assert found.placed("a", "b", "c") == [
        ("1", date(2022, 1, 2), None, "in/0.parquet", 1),
        ("x", date(2022, 1, 3), None, "in/1.parquet", 1),
        (None, date(2022, 1, 4), None, "in/2.parquet", 1),
    ]
    assert sorted(found.rows("b")) == [(date(2022, 1, day),) for day in (2, 3, 4)]


def test_names_that_the_engine_has_itself_are_columns_of_the_file(tmp_path: Path) -> None:
    found = read(tmp_path, pa.table({"file_row_number": [7, 8], "filename": ["x", "y"]}))
    assert found.placed("file_row_number", "filename") == [
        (7, "x", "in/0.parquet", 1),
        (8, "y", "in/0.parquet", 2),
    ]


NAMES = [
    ("ID", "id"), ("id", "ID", "iD"), ("id", "id_1", "ID"), ("id", "", "x"), ("x\0", "x", "id\0\0"),
    ("a'b", 'a"b', "\0"), ("p1", "p0", "t"), ("id", "s", "ID"),
]  # fmt: skip


@pytest.mark.parametrize("names", NAMES, ids=repr)
def test_each_column_is_found_by_the_name_that_it_has(tmp_path: Path, names: tuple[str, ...]) -> None:
    # Whatever stands within a column has names of its own.
    nested = pa.array([{"id": [1], "b": {"c": 2}}])
    table = pa.table([*(pa.array([at]) for at in range(len(names))), nested], names=[*names, "nested"])
    found = read(tmp_path, table, table)
    assert list(found.columns()) == [*names, "nested"]
    for at, name in enumerate(names):
        assert found.rows(name) == [(at,), (at,)]


def test_a_name_that_stands_twice_stands_twice(tmp_path: Path) -> None:
    found = read(tmp_path, pa.table([pa.array([1]), pa.array([2])], names=["id", "id"]))
    assert [column.name for columns in found.reader.columns.values() for column in columns] == ["id", "id"]


def test_a_directory_called_like_a_partition_adds_no_column(tmp_path: Path) -> None:
    folder = tmp_path / "day=2022-01-02"
    folder.mkdir()
    pq.write_table(pa.table({"a": [1]}), folder / "0.parquet")
    assert opened(ReadOptions(Format.PARQUET), tmp_path, [folder / "0.parquet"]).columns() == {"a": "BIGINT"}


def test_a_file_without_rows_has_columns(tmp_path: Path) -> None:
    found = read(tmp_path, pa.table({"a": pa.array([], pa.int64())}))
    assert found.columns() == {"a": "BIGINT"}
    assert found.placed("a") == []


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n" * 9, b"PAR1 and no more PAR1"])
def test_what_is_no_parquet_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "0.parquet").write_bytes(content)
    with pytest.raises(
        Unreadable, match=r"^in/0.parquet: damaged or cut short: not Parquet.*; land it again"
    ):
        opened(ReadOptions(Format.PARQUET), tmp_path, [tmp_path / "0.parquet"])


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "0.parquet"
    pq.write_table(pa.table({"a": list(range(1000))}), path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Unreadable, match=r"No magic bytes found at end of file 'in/0.parquet'"):
        opened(ReadOptions(Format.PARQUET), tmp_path, [path])


def test_a_damaged_page_is_told_in_the_users_words(tmp_path: Path) -> None:
    path = tmp_path / "0.parquet"
    pq.write_table(pa.table({"a": [f"text {number}" for number in range(10_000)]}), path)
    content = bytearray(path.read_bytes())
    content[2000:2100] = b"\xff" * 100
    path.write_bytes(content)
    found = opened(ReadOptions(Format.PARQUET), tmp_path, [path])
    with (
        pytest.raises(Unreadable, match="Snappy decompression failure") as caught,
        told_of_files(found.connection, found.files, Format.PARQUET),
    ):
        found.rows("a")
    assert (caught.value.file, str(tmp_path) in caught.value.rule) == ("in/0.parquet", False)


VALUES: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "BIGINT": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "VARCHAR": (pa.string(), st.text(st.characters(exclude_categories=["Cs"]), max_size=5)),
    "DECIMAL(38,9)": (
        pa.decimal128(38, 9),
        st.decimals(-(10**20), 10**20, places=9, allow_nan=False),
    ),
    "DATE": (pa.date32(), st.dates()),
    "TIMESTAMP": (pa.timestamp("us"), st.datetimes()),
    "DOUBLE": (pa.float64(), st.floats(allow_nan=False)),
    "BOOLEAN": (pa.bool_(), st.booleans()),
    "BLOB": (pa.binary(), st.binary(max_size=5)),
}


@GENERATED
@given(st.data())
def test_what_was_written_is_what_is_read(data: st.DataObject) -> None:
    kinds = data.draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=4))
    rows = data.draw(st.lists(st.tuples(*(st.none() | VALUES[kind][1] for kind in kinds)), max_size=5))
    names = [f"c {index}" for index in range(len(kinds))]
    arrays = [pa.array([row[index] for row in rows], VALUES[kind][0]) for index, kind in enumerate(kinds)]
    with tempfile.TemporaryDirectory() as directory:
        found = read(Path(directory), pa.table(arrays, names=names))
        assert list(found.columns().items()) == list(zip(names, kinds, strict=True))
        assert [row[:-2] for row in found.placed(*names)] == rows
