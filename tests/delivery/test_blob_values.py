"""Blobs: values in any nesting, as files have them, are read back, and stay when another row is erased.

Belongs here: rows as SQL selects them, nested and of rare types. Does not: plain values of every format
(`test_blob_formats`), extremes (`test_every_type`).
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sluicegate.compute.sql import literal
from sluicegate.delivery.reconcile import reconcile
from sluicegate.destinations.base import DeliveryError, Mode, Scope
from sluicegate.destinations.blob import BlobDestination, BlobOptions

from .probe import Probe

FORMATS = ("parquet", "csv", "json_lines")
DECIMAL = "12345678901234567890.1234567890"
ANY_JSON = '{"b": 12345678901234567890.10, "a": [0.1000000000000000055511151231257827, 1E400, "\\u00e9\\n"]}'
# SQL of a value that nests nothing, and the JSON of it in a line.
PLAIN = {
    f"{literal(ANY_JSON)}::json": ANY_JSON,
    """('{"a":' || chr(10) || '-0.00}')::json""": '{"a": -0.00}',
    "'\"null\"'::json": '"null"',
    f"{DECIMAL}::decimal(38, 10)": f'"{DECIMAL}"',
    "0.50::decimal(4, 2)": "0.5",
    "'-7'::hugeint": '"-7"',
    "timestamptz '2024-01-02 03:04:05.5+05'": '"2024-01-01T22:04:05.500000Z"',
    "timestamp '2024-01-02 03:04:05.123456'": '"2024-01-02T03:04:05.123456"',
    "'2024-01-02 03:04:05'::timestamp_s": '"2024-01-02T03:04:05.000000"',
    "'2024-01-02 03:04:05.123456789'::timestamp_ns": '"2024-01-02T03:04:05.123456789"',
    "date '2024-01-02'": '"2024-01-02"',
    "time '24:00:00'": '"24:00:00"',
    "'12:00:00+05:30'::timetz": '"12:00:00+05:30"',
    "interval '1 month'": '"1 month"',
    "'\\x00\\xFF'::blob": '"AP8="',
    "'00000000-0000-0000-0000-00000000000a'::uuid": '"00000000-0000-0000-0000-00000000000a"',
    "'-0.0'::double": "-0.0",
    "9007199254740993": "9007199254740993",
    "'a \"b\"' || chr(10)": '"a \\"b\\"\\n"',
    "true": "true",
}
NESTED = {
    "[{0}, null]": "[{0},null]",
    "{{'a \"b\"': {0}, 'c': [{0}]}}": '{{"a \\"b\\"":{0},"c":[{0}]}}',
    "map {{'k\"': {0}}}": '{{"k\\"":{0}}}',
    "[[{0}], [], null]": "[[{0}],[],null]",
}
# A type within another that has no key for it, or none for text.
WITHIN = {
    "map {1::smallint: [true]}": '{"1":[true]}',
    "map {timestamp '2024-01-02': 1}": '{"2024-01-02T00:00:00.000000":1}',
    "map {'\\xFF'::blob: 'a'::blob}": '{"/w==":"YQ=="}',
    "[1, null]::integer[2]": "[1,null]",
    "null::struct(a integer)": "null",
    # What is to be written instead of a type that there is no form for.
    "to_json(union_value(a := 1))": '{"a":1}',
    "(5::variant)::json": "5",
    "('5'::variant)::json": '"5"',
    "to_json(map {[1]: 2})": '{"[1]":2}',
    "struct_pack(x := 1)": '{"x":1}',
}


@pytest.fixture
def probe(tmp_path: Path) -> Probe:
    return Probe(tmp_path)


def values_of(file_format: str) -> dict[str, str]:
    """SQL of the values that a format has a form for, each with its JSON in a line."""
    nested = {
        sql.format(value): text.format(json)
        for sql, text in NESTED.items()
        for value, json in PLAIN.items()
    }  # fmt: skip
    return PLAIN if file_format == "csv" else {**PLAIN, **nested, **WITHIN}


def destination(folder: Path, file_format: str) -> BlobDestination:
    return BlobDestination(str(folder / "container"), "o", BlobOptions(format=file_format))  # type: ignore[arg-type]


def shown(folder: Path) -> list[Path]:
    """The files that the manifest names."""
    at = folder / "container/o/snapshot"
    manifest = json.loads((at / "manifest.json").read_text())
    return [at / manifest["folder"] / part["path"] for part in manifest["files"]]


def read(file: Path) -> Any:
    """All that a reader is told of a file's rows: lines with their bytes, a table with its types."""
    if file.suffix == ".parquet":
        import pyarrow.parquet as parquet

        return parquet.read_table(file)
    return file.read_bytes().split(b"\r\n" if file.suffix == ".csv" else b"\n")


@pytest.mark.parametrize("file_format", FORMATS)
def test_values_of_every_type_are_read_back_and_stay_in_an_erasure(
    tmp_path: Path, probe: Probe, file_format: str
) -> None:
    place, values = destination(tmp_path, file_format), values_of(file_format)
    columns = ", ".join(f"{value} as v{number}" for number, value in enumerate(values))
    ignored = ", ".join(f"null as v{number}" for number in range(len(values)))
    rows = f"select 1 as k, {columns} union all select 2, {columns} union all select 3, {ignored}"
    outcome = probe.deliver(place, rows, mode=Mode.SNAPSHOT)
    assert not outcome.refused
    [file] = shown(tmp_path)
    before = read(file)
    if file_format == "json_lines":
        members = ",".join(f'"v{number}":{text}' for number, text in enumerate(values.values()))
        assert before[0].decode() == f'{{"k":1,{members}}}'
        assert set(json.loads(before[2]).values()) == {3, None}
    compared = reconcile(probe.engine(place), probe.order(mode=Mode.SNAPSHOT))
    assert compared is not None
    assert compared.equal, compared.changed
    assert place.forget(Scope("exp_items", "", ("k",), ("k",), None), [{"k": 2}]) == 1
    [file] = shown(tmp_path)
    # Nothing was left beside it by whoever read or rewrote it.
    assert sorted(path.name for path in (tmp_path / "container").rglob("*") if path.is_file()) == sorted(
        ["manifest.json", "manifest.json", "latest.json", file.name]
    )
    after = read(file)
    if file_format == "parquet":
        assert after.schema.equals(before.schema, check_metadata=False)
        assert after.equals(before.take([0, 2]))
    else:
        assert after == [row for row in before if not row.startswith((b"2,", b'{"k":2,'))]
        assert len(after) == len(before) - 1


KEYS = {
    "'a'": "a", "2::hugeint": 2, "'ab\\x00'::blob": b"ab\x00",
    "timestamp '2024-01-02 03:04:05.5'": datetime(2024, 1, 2, 3, 4, 5, 500_000),
    """'{"a":1.50}'::json""": '{"a":1.50}',
}  # fmt: skip


@pytest.mark.sampled(3)
@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("key", list(KEYS))
def test_a_key_of_any_type_is_erased(tmp_path: Path, probe: Probe, file_format: str, key: str) -> None:
    place = destination(tmp_path, file_format)
    probe.deliver(place, f"select {key} as k union all select null where false", mode=Mode.SNAPSHOT)
    assert place.forget(Scope("exp_items", "", ("k",), ("k",), None), [{"k": KEYS[key]}]) == 1
    [file] = shown(tmp_path)
    assert len(read(file)) == {"parquet": 0, "csv": 2, "json_lines": 1}[file_format]


REFUSED = {
    "'null'::json": "the JSON value null and no value are one",
    "' null '::json": "the JSON value null and no value are one",
    """'{"a": [NaN]}'::json""": "no NaN",
    "'[1,]'::json": "no comma behind the last value",
    """'{"nan,]": "-Infinity"}'::json""": "",
    "'[null]'::json": "",
}


@pytest.mark.parametrize("nested", ["{0}", "[{0}]", "{{'a': [{0}]}}"])
def test_json_that_a_line_cannot_say_is_refused(tmp_path: Path, probe: Probe, nested: str) -> None:
    selected = (f"select {k} as k, {nested.format(value)} as v" for k, value in enumerate(REFUSED))
    outcome = probe.deliver(
        destination(tmp_path, "json_lines"), " union all ".join(selected), mode=Mode.SNAPSHOT
    )
    wanted = {k: said for k, said in enumerate(REFUSED.values()) if said}
    assert [one.row for one in outcome.refused] == list(wanted)
    assert all(said in one.said for one, said in zip(outcome.refused, wanted.values(), strict=True))


# What nobody can read, or nobody else.
FOREIGN = {
    "union_value(a := 1)::union(a integer, b integer)": FORMATS,
    "[union_value(a := 1)::union(a integer, b integer)]": FORMATS,
    "row(1, 'a')": FORMATS,
    "{'a': [row(1)]}": FORMATS,
    "5::variant": ("csv", "json_lines"),
    "map {[1]: 2}": ("csv", "json_lines"),
    "[1]": ("csv",),
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("value", list(FOREIGN))
def test_a_type_that_a_format_has_nothing_like_is_refused_by_its_field(tmp_path: Path, value: str) -> None:
    for file_format in FORMATS:
        folder = tmp_path / file_format
        folder.mkdir()
        try:
            Probe(folder).deliver(
                destination(folder, file_format), f"select 1 as k, {value} as v", mode=Mode.SNAPSHOT
            )
            told = ""
        except DeliveryError as error:
            told = str(error)
        assert (" v (" in told) is (file_format in FOREIGN[value]), (file_format, told)
