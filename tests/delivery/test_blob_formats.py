"""Blobs: values as Parquet, CSV and JSON Lines have them."""

import base64
import csv
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib import import_module
from typing import Any

import pytest
from sluicegate.destinations.errors import DeliveryError

from .blobs import Place, place, scope_of
from .support import DAY

__all__ = ["place"]

ODD = 'a "quoted", text\nof two\r\nlines'


@pytest.fixture
def every_type() -> Any:
    arrow = import_module("pyarrow")
    moment = datetime(2022, 10, 3, 1, 2, 3, 456789)
    columns: Mapping[str, tuple[Any, list[Any]]] = {
        "item": (arrow.int32(), [0, 1, 2]),
        "business_date": (arrow.date32(), [date(2022, 10, 3)] * 3),
        "note": (arrow.string(), [ODD, "", None]),
        "amount": (arrow.decimal128(30, 4), [Decimal("12345678901234567890.1234"), Decimal("-0.5"), None]),
        "price": (arrow.decimal128(12, 2), [Decimal("0.10"), Decimal("99.99"), None]),
        "moment": (arrow.timestamp("us", "UTC"), [moment.replace(tzinfo=UTC)] * 2 + [None]),
        "local": (arrow.timestamp("us"), [moment] * 2 + [None]),
        "weight": (arrow.float64(), [0.1, -1e300, None]),
        "big": (arrow.int64(), [2**63 - 1, -(2**63), None]),
        "flag": (arrow.bool_(), [True, False, None]),
        "bytes": (arrow.binary(), [b'\0\xff,"', b"", None]),
        'an "odd", name': (arrow.string(), ["x", "y", "z"]),
    }
    return arrow.table({name: arrow.array(values, kind) for name, (kind, values) in columns.items()})


@pytest.mark.parametrize("file_format", ["parquet", "csv", "json_lines"])
def test_what_is_read_back_is_what_was_sent(place: Place, every_type: Any, file_format: str) -> None:
    place.send(place.shard(every_type, "d1"), format=file_format, rows_per_part=2)
    scope = scope_of(DAY, "business_date", *every_type.column_names, "not sent yet")
    batches = place.destination(format=file_format).read_back(scope)
    rows = sorted((row for batch in batches for row in batch.to_pylist()), key=lambda row: row["item"])
    assert rows == [row | {"not sent yet": None} for row in every_type.to_pylist()]


def test_csv_is_that_of_rfc_4180(place: Place, every_type: Any) -> None:
    place.send(place.shard(every_type, "d1"), format="csv")
    content = place.read(f"{DAY}/d1/part-00000.csv").decode()
    header, first, empty, null = csv.reader(content.splitlines(keepends=True))
    assert header == every_type.column_names
    assert dict(zip(header, first, strict=True)) == {
        "item": "0", "business_date": "2022-10-03", "note": ODD, "amount": "12345678901234567890.1234",
        "price": "0.10", "moment": "2022-10-03T01:02:03.456789Z", "local": "2022-10-03T01:02:03.456789",
        "weight": "0.1", "big": str(2**63 - 1), "flag": "true",
        "bytes": base64.b64encode(b"\0\xff,\"").decode(), 'an "odd", name': "x",
    }  # fmt: skip
    assert (empty[2], null[2]) == ("", "")
    assert content.endswith("\r\n")
    assert '1,2022-10-03,"",' in content
    assert "2,2022-10-03,," in content


def test_json_lines_are_objects(place: Place, every_type: Any) -> None:
    place.send(place.shard(every_type, "d1"), format="json_lines")
    lines = place.read(f"{DAY}/d1/part-00000.jsonl").decode().split("\n")
    assert json.loads(lines[0]) == {
        "item": 0, "business_date": "2022-10-03", "note": ODD, "amount": "12345678901234567890.1234",
        "price": 0.1, "moment": "2022-10-03T01:02:03.456789Z", "local": "2022-10-03T01:02:03.456789",
        "weight": 0.1, "big": 2**63 - 1, "flag": True, "bytes": base64.b64encode(b"\0\xff,\"").decode(),
        'an "odd", name': "x",
    }  # fmt: skip
    assert json.loads(lines[2])["note"] is None
    assert lines[3:] == [""]


def with_column(table: Any, name: str, values: list[Any]) -> Any:
    return table.append_column(name, [values])


@pytest.mark.parametrize(
    ("file_format", "name", "values", "said"),
    [
        (
            "csv",
            "tags",
            [["a"], [], None],
            r"CSV has nothing like these fields of exp_items: tags \(VARCHAR\[\]\)",
        ),
        ("parquet", "Note", ["x", "y", "z"], "upper and lower case alone: note, Note"),
    ],
)
def test_what_a_format_cannot_say_is_refused_before_it_is_sent(
    place: Place, every_type: Any, file_format: str, name: str, values: list[Any], said: str
) -> None:
    shard = place.shard(with_column(every_type, name, values), "d1")
    with pytest.raises(DeliveryError, match=said):
        place.destination(format=file_format).check(shard)
