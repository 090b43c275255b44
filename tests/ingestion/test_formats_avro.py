"""Avro: logical types, unions, codecs, damaged files."""

import io
import json
import tempfile
import uuid
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sluicegate.contracts.reading import Format, ReadOptions
from sluicegate.ingestion.formats.base import Unreadable

from tests.ingestion.readers import GENERATED, Opened, opened


def logical(type_: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"type": type_, "logicalType": kind, **more}


CENTS = logical("bytes", "decimal", precision=9, scale=2)
AT = {"name": "at", "type": logical("long", "timestamp-micros")}


def container(
    types: dict[str, Any], records: list[dict[str, Any]], codec: str = "deflate", **more: Any
) -> bytes:
    fields = [{"name": name, "type": type_} for name, type_ in types.items()]
    stream = io.BytesIO()
    schema = fastavro.parse_schema({"type": "record", "name": "row", "fields": fields})
    fastavro.writer(stream, schema, records, codec=codec, **more)
    return stream.getvalue()


def read(tmp_path: Path, *contents: bytes) -> Opened:
    paths = [tmp_path / f"{index}.avro" for index in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return opened(ReadOptions(Format.AVRO), tmp_path, paths)


MOMENT = datetime(2022, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
UUID = uuid.UUID("12345678-1234-5678-1234-567812345678")


@pytest.mark.parametrize(
    ("type_", "value", "found_type", "found"),
    [
        ("int", 7, "INTEGER", 7),
        ("long", 2**62, "BIGINT", 2**62),
        ("float", 0.5, "FLOAT", 0.5),
        ("double", 0.1, "DOUBLE", 0.1),
        ("boolean", True, "BOOLEAN", True),
        ("string", "a\n€", "VARCHAR", "a\n€"),
        ("bytes", b"\0\xff", "BLOB", b"\0\xff"),
        ({"type": "fixed", "name": "f", "size": 2}, b"\0\xff", "BLOB", b"\0\xff"),
        ({"type": "enum", "name": "e", "symbols": ["A", "B"]}, "B", "VARCHAR", "B"),
        (logical("int", "date"), date(2022, 1, 2), "DATE", date(2022, 1, 2)),
        (logical("int", "time-millis"), time(1, 2, 3, 4000), "TIME", time(1, 2, 3, 4000)),
        (logical("long", "time-micros"), time(1, 2, 3, 4), "TIME", time(1, 2, 3, 4)),
        (logical("long", "timestamp-micros"), MOMENT, "TIMESTAMP", MOMENT.replace(tzinfo=None)),
        (logical("long", "timestamp-millis"), MOMENT, "TIMESTAMP", datetime(2022, 1, 2, 3, 4, 5, 678000)),
        (logical("long", "local-timestamp-micros"), datetime(1950, 1, 2), "TIMESTAMP", datetime(1950, 1, 2)),
        (logical("long", "timestamp-nanos"), 5, "BIGINT", 5),
        (logical("string", "uuid"), UUID, "VARCHAR", str(UUID)),
        (CENTS, Decimal("-1.10"), "DECIMAL(9,2)", Decimal("-1.10")),
        (
            logical("fixed", "decimal", precision=9, scale=2, name="f", size=8),
            Decimal("1.10"), "DECIMAL(9,2)", Decimal("1.10"),
        ),
        (logical("bytes", "decimal", precision=60, scale=2), Decimal("1.10"), "VARCHAR", "1.10"),
        (logical("string", "unheard-of"), "x", "VARCHAR", "x"),
        (["int", "string", "null"], "x", "VARCHAR", "x"),
        (["int", "string", "null"], 5, "VARCHAR", "5"),
        ([CENTS, "boolean"], Decimal("1.10"), "VARCHAR", "1.10"),
        ({"type": "array", "items": "int"}, [1, 2], "VARCHAR", "[1,2]"),
        ({"type": "map", "values": ["null", "int"]}, {"é": None, "b": 1}, "VARCHAR", '{"é":null,"b":1}'),
        (
            {"type": "record", "name": "r", "fields": [AT]},
            {"at": MOMENT}, "VARCHAR", '{"at":"2022-01-02 03:04:05.678901"}',
        ),
    ],
)  # fmt: skip
def test_a_type_of_avro_is_one_of_the_engines(
    tmp_path: Path, type_: Any, value: object, found_type: str, found: object
) -> None:
    nullable = (
        ["null", *(kind for kind in type_ if kind != "null")] if isinstance(type_, list) else ["null", type_]
    )
    content = container({"x": type_}, [{"x": value}]), container({"x": nullable}, [{"x": value}, {"x": None}])
    for index, rows in enumerate([[(found,)], [(found,), (None,)]]):
        folder = tmp_path / str(index)
        folder.mkdir()
        read_ = read(folder, content[index])
        assert read_.columns() == {"x": found_type}
        assert read_.rows("x") == rows


def test_a_named_type_is_found_where_it_is_used_again(tmp_path: Path) -> None:
    kind = {"type": "enum", "name": "kind", "namespace": "n", "symbols": ["A"]}
    found = read(tmp_path, container({"x": kind, "X": ["null", "n.kind"]}, [{"x": "A", "X": None}]))
    assert found.columns() == {"x": "VARCHAR", "X": "VARCHAR"}
    assert found.placed("X", "x") == [(None, "A", "in/0.avro", 1)]


@pytest.mark.parametrize("codec", ["null", "deflate", "bzip2", "xz", "snappy", "zstandard"])
def test_a_codec_is_unpacked(tmp_path: Path, codec: str) -> None:
    records = [{"x": f"row {number}"} for number in range(25_000)]
    found = read(tmp_path, container({"x": "string"}, records, codec))
    assert found.placed("x")[-1] == ("row 24999", "in/0.avro", 25_000)


def test_files_of_several_schemas_are_read_together(tmp_path: Path) -> None:
    found = read(
        tmp_path, container({"a": "int"}, [{"a": 1}]), container({"b": "int", "a": "int"}, [{"a": 2, "b": 3}])
    )
    assert found.placed("a", "b") == [(1, None, "in/0.avro", 1), (2, 3, "in/1.avro", 1)]


def test_every_cut_is_noticed(tmp_path: Path) -> None:
    whole = container({"x": "string"}, [{"x": "hello"}] * 50)
    # Between two blocks an Avro file may as well end: of one block, that is right behind the header.
    empty = len(container({"x": "string"}, [])), 0
    for length in (*range(0, len(whole), 7), len(whole) - 1):
        if length in empty[:1]:
            continue
        (tmp_path / str(length)).mkdir()
        with pytest.raises(Unreadable, match=r"^in/0.avro: damaged or cut short: .*; land it again whole$"):
            read(tmp_path / str(length), whole[:length])


def test_what_is_no_avro_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="not an Avro object container"):
        read(tmp_path, b"a,b\n1,2\n")


def test_a_file_of_no_records_is_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    fastavro.writer(stream, "int", [1])
    with pytest.raises(Unreadable, match="does not hold records with fields; expected an Avro record a row"):
        read(tmp_path, stream.getvalue())


NESTED = st.recursive(
    st.none()
    | st.integers(-(2**63), 2**63 - 1)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)
FIELDS: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "INTEGER": ("int", st.integers(-(2**31), 2**31 - 1)),
    "BIGINT": ("long", st.integers(-(2**63), 2**63 - 1)),
    "DOUBLE": ("double", st.floats(allow_nan=False)),
    "VARCHAR": ("string", st.text(st.characters(exclude_categories=["Cs"]), max_size=6)),
    "BLOB": ("bytes", st.binary(max_size=6)),
    "DECIMAL(38,9)": (
        logical("bytes", "decimal", precision=38, scale=9),
        st.decimals(-(10**20), 10**20, places=9, allow_nan=False),
    ),
    "DATE": (logical("int", "date"), st.dates()),
    "TIMESTAMP": (logical("long", "timestamp-micros"), st.datetimes(timezones=st.just(UTC))),
}


@GENERATED
@given(st.data())
def test_what_was_written_is_what_is_read(data: st.DataObject) -> None:
    kinds = data.draw(st.lists(st.sampled_from(sorted(FIELDS)), min_size=1, max_size=4))
    names = [f"f{index}" for index in range(len(kinds))]
    records = data.draw(
        st.lists(
            st.fixed_dictionaries(
                {name: st.none() | FIELDS[kind][1] for name, kind in zip(names, kinds, strict=True)}
            ),
            max_size=5,
        )
    )
    types = {name: ["null", FIELDS[kind][0]] for name, kind in zip(names, kinds, strict=True)}
    with tempfile.TemporaryDirectory() as directory:
        found = read(Path(directory), container(types, records, sync_interval=1))
        assert list(found.columns().items()) == list(zip(names, kinds, strict=True))
        rows = [row[:-2] for row in found.placed(*names)]
    plain = [
        tuple(v.replace(tzinfo=None) if isinstance(v := record[name], datetime) else v for name in names)
        for record in records
    ]
    assert rows == plain


@GENERATED
@given(st.lists(NESTED, max_size=4))
def test_nested_values_are_json(values: list[object]) -> None:
    # An Avro type for any nesting: a list of a record that refers to itself.
    types = {
        "x": {
            "type": "record",
            "name": "node",
            "fields": [{"name": "v", "type": ["null", "long", "string", {"type": "array", "items": "node"}]}],
        }
    }

    def node(value: object) -> dict[str, object]:
        return {"v": [node(item) for item in value] if isinstance(value, list) else value}

    with tempfile.TemporaryDirectory() as directory:
        found = read(Path(directory), container(types, [{"x": node(value)} for value in values]))
        assert [json.loads(row[0]) for row in found.placed("x")] == [node(value) for value in values]
