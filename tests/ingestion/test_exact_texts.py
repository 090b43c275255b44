"""Values from text: each type, each way in, to the ends of its range and past them, read by other readers.

What was written is read from the raw table, and by pyarrow from the Parquet beside it; a second load leaves
the same. Belongs here: text. Does not belong here: files with types of their own (`test_exact_typed`).
"""

import csv
import datetime as dt
import io
import json
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet as pq
import pytest
from sluicegate.compute.exact_parquet import types_before
from sluicegate.contracts.equalities import EQUALITIES, Equality
from sluicegate.contracts.types import KNOWN, RANGES, base_of, nests
from sluicegate.ingestion.judging import judge_by_contract
from sluicegate.state.records import Build

from tests.ingestion.door import DAY, Contract, Door, column, contract
from tests.warehouse.bare import bare

ANY = {"rows": 100_000}
NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
Row = dict[str, str]


def as_csv(rows: Sequence[Row], names: Sequence[str]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_jsonl(rows: Sequence[Row], names: Sequence[str]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def as_json(rows: Sequence[Row], names: Sequence[str]) -> bytes:
    """An array, and what is a number is one to JSON."""
    pairs = ([f"{json.dumps(name)}:{text if NUMBER.fullmatch(text) else json.dumps(text)}"
              for name, text in row.items()] for row in rows)  # fmt: skip
    return ("[" + ",\n".join("{" + ",".join(row) + "}" for row in pairs) + "]").encode()


def as_xlsx(rows: Sequence[Row], names: Sequence[str]) -> bytes:
    book = openpyxl.Workbook()
    book.active.append(list(names))  # type: ignore[union-attr]
    for row in rows:
        book.active.append([row.get(name) for name in names])  # type: ignore[union-attr]
    held = io.BytesIO()
    book.save(held)
    return held.getvalue()


WAYS: dict[str, Callable[[Sequence[Row], Sequence[str]], bytes]] = {
    "csv": as_csv, "jsonl": as_jsonl, "json": as_json, "xlsx": as_xlsx,
}  # fmt: skip


def of(line: Equality, name: str) -> Contract:
    """Return a column whose values are written as a line of the list says."""
    options = dict(line.options)
    said: dict[str, Any] = {}
    if "format" in options:
        said["logicalTypeOptions"] = {"format": options.pop("format")}
    custom = [{"property": key, "value": list(value) if isinstance(value, tuple) else value}
              for key, value in options.items()]  # fmt: skip
    if custom:
        said["customProperties"] = custom
    return column(name, line.types[0], **said)


def loaded(folder: Path, way: str, columns: Sequence[Contract], rows: Sequence[Row]) -> Door:
    """Load rows with one filled column each; `id` tells them apart."""
    said = contract(column("id", "INTEGER"), *columns, path=f"orders/{{date}}.{way}", server={"format": way},
                    quarantineLimit=ANY)  # fmt: skip
    door = Door(folder, said)
    names = ["id", *(str(one["name"]) for one in columns)]
    full = [{"id": str(number), **row} for number, row in enumerate(rows)]
    result = door.load(WAYS[way](full, names))
    assert result.read == len(rows) == result.rows + result.quarantined
    return door


def test_every_type_of_a_contract_is_in_the_list() -> None:
    listed = {type_ for line in EQUALITIES for type_ in line.types}
    assert {base_of(type_) for type_ in listed} >= set(KNOWN)
    assert {base_of(type_) for type_ in listed if nests(type_)} == {"STRUCT", "LIST", "MAP"}


# A workbook's date is a moment at 00:00, whatever its cell shows.
ALSO_TAKEN = {("xlsx", "DATE", "2024-01-05 00:00:00")}


@pytest.mark.parametrize("way", WAYS)
def test_what_the_list_says_is_so(tmp_path: Path, way: str) -> None:
    rows: list[Row] = []
    wanted: list[str] = []
    for number, line in enumerate(EQUALITIES):
        refused = ((text, (way, *line.types, text) in ALSO_TAKEN) for text in line.refused)
        texts = [*((text, True) for text in line.taken), *refused]
        rows += [{f"c{number}": text} for text, _ in texts]
        wanted += [text for text, taken in texts if taken]
    door = loaded(tmp_path, way, [of(line, f"c{number}") for number, line in enumerate(EQUALITIES)], rows)
    kept = {number for (number,) in door.query("select id from raw.orders")}
    assert [next(iter(row.values())) for number, row in enumerate(rows) if number in kept] == wanted
    # Whatever is kept is a value, and no NULL that was made of a text.
    names = ", ".join(f"c{number}" for number in range(len(EQUALITIES)))
    [(fewest,)] = door.query(f"select min(len(list_filter([{_printed(names)}], lambda v: v is not null)))"
                             " from raw.orders")  # fmt: skip
    assert fewest == 1


def _printed(names: str) -> str:
    return ", ".join(f"cast({name} as varchar)" for name in names.split(", "))


def _whole(least: int, most: int) -> tuple[list[tuple[str, object]], list[str]]:
    return [(str(number), number) for number in (least, most, 0, least + 1, most - 1)], [
        str(least - 1), str(most + 1), f"{most}.5", f"{most}0",
    ]  # fmt: skip


def _decimal(precision: int, scale: int) -> tuple[list[tuple[str, object]], list[str]]:
    digits = "9" * (precision - scale) or "0"
    most = f"{digits}.{'9' * scale}" if scale else digits
    past = f"1{'0' * (precision - scale)}"
    return [(text, Decimal(text)) for text in (most, f"-{most}", "0")], [
        past,
        f"-{past}",
        f"{most}{'' if scale else '.'}1",
    ]


UTC = dt.UTC
# {type: (texts with the values that Python has for them, texts that the type does not hold)}
ENDS: dict[str, tuple[list[tuple[str, object]], list[str]]] = {
    **{type_: _whole(*ends) for type_, ends in RANGES.items()},
    **{f"DECIMAL({p},{s})": _decimal(p, s)
       for p, s in ((1, 0), (4, 4), (9, 2), (18, 18), (19, 0), (38, 0), (38, 19), (38, 38))},
    "FLOAT": ([("3.4028235e38", 3.4028234663852886e38), ("1e-45", 1.401298464324817e-45), ("16777216",
    2.0**24)],
              ["3.5e38", "1e-46", "16777217", "0.123456789"]),
    "DOUBLE": ([("1.7976931348623157e308", 1.7976931348623157e308), ("5e-324", 5e-324), ("0.1", 0.1),
                ("0.30000000000000004", 0.1 + 0.2)],
               ["1.8e308", "2e-324", "9007199254740993", "0.12345678901234567"]),
    "DATE": ([("0001-01-01", dt.date(1, 1, 1)), ("9999-12-31", dt.date(9999, 12, 31))], ["5881580-07-11",
    "0000-13-01"]),
    "TIME": ([("00:00:00", dt.time()), ("23:59:59.999999", dt.time(23, 59, 59, 999999))], ["24:00:01",
    "23:59:59.9999999"]),
    "TIMESTAMP": ([("9999-12-31 23:59:59.999999", dt.datetime(9999, 12, 31, 23, 59, 59, 999999)),
                   ("2024-01-01T00:30:00+02:00", dt.datetime(2023, 12, 31, 22, 30))],
                   ["294247-01-10 04:00:54.775807"]),
    "TIMESTAMP_S": ([("2300-01-01 10:00:00", dt.datetime(2300, 1, 1, 10))], ["2024-01-01 10:00:00.5",
    "infinity"]),
    "TIMESTAMP_MS": ([("2300-01-01 10:00:00.123", dt.datetime(2300, 1, 1, 10, 0, 0, 123000))],
                     ["2024-01-01 10:00:00.1234", "294247-01-10 04:00:54.775806"]),
    "TIMESTAMP_NS": ([("2262-04-11 23:47:16.854775", dt.datetime(2262, 4, 11, 23, 47, 16, 854775)),
                      ("2262-04-11T23:47:16.854775Z", dt.datetime(2262, 4, 11, 23, 47, 16, 854775))],
                     ["2300-01-01", "2300-01-01T00:00:00Z", "1600-01-01", "2024-01-01 00:00:00.1234567891"]),
    "TIMESTAMPTZ": ([("9999-12-31T23:59:59.999999Z", dt.datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)),
                     ("2024-01-01 10:00:00-0530", dt.datetime(2024, 1, 1, 15, 30, tzinfo=UTC))],
                    ["294247-01-10 04:00:54.775806+00", "2024-01-01 10:00:00"]),
}  # fmt: skip
# What neither Python nor pyarrow has: by their texts.
PRINTED = {
    "TIMETZ": "10:00:00.123456-11:30", "INTERVAL": "1 month 30 days 25:00:00.000001", "BIT": "0101",
    "ENUM('a', 'B')": "B", "TIMESTAMP_NS": "2024-01-01 00:00:00.123456789", "INTEGER[2]": "[1, 2]",
    "STRUCT(b_c INTEGER, d HUGEINT)": "{'b_c': 1, 'd': 9007199254740993}", "DATE": "5881580-07-10",
    "MAP(VARCHAR, INTERVAL)": "{k=1 day}", "HUGEINT[]": "[9007199254740993, NULL]", "TIME": "24:00:00",
    "TIMESTAMP": "290309-12-22 (BC) 00:00:00", "UUID": "550e8400-e29b-41d4-a716-446655440000",
}  # fmt: skip


@pytest.mark.sampled(2)
@pytest.mark.parametrize("way", WAYS)
def test_the_ends_of_a_range_come_through_and_what_is_past_them_does_not(tmp_path: Path, way: str) -> None:
    columns = [column(f"c{number}", type_) for number, type_ in enumerate([*ENDS, *PRINTED])]
    rows: list[Row] = []
    wanted: dict[int, tuple[str, str, object]] = {}
    for number, (type_, (held, past)) in enumerate(ENDS.items()):
        for text, value in held:
            wanted[len(rows)] = (f"c{number}", type_, value)
            rows.append({f"c{number}": text})
        rows += [{f"c{number}": text} for text in past]
    for number, (type_, text) in enumerate(PRINTED.items(), len(ENDS)):
        wanted[len(rows)] = (f"c{number}", type_, text)
        rows.append({f"c{number}": text})
    door = loaded(tmp_path, way, columns, rows)
    told = {number for (number,) in door.query("select id from raw.orders")}
    assert {rows[number].popitem()[1] for number in told ^ wanted.keys()} == set()
    _check_table(door, wanted)
    _check_parquet(door, wanted)

    held = f"select id, {_printed(', '.join(one['name'] for one in columns))} from raw.orders order by 1"
    before = door.query(held)
    again = door.load()
    assert (again.rows, door.query(held)) == (len(wanted), before)
    build = Build(door.contract.relation, DAY, again.version, "", drop_ordinal=1)
    assert judge_by_contract(door.deployment, door.contract, DAY, build).passed


def _check_table(door: Door, wanted: dict[int, tuple[str, str, object]]) -> None:
    with bare(door.deployment.warehouse) as connection:
        for number, (name, type_, value) in wanted.items():
            shown = name if not isinstance(value, str) else f"cast({name} as varchar)"
            found = connection.execute(f"select {shown} from raw.orders where id = {number}").fetchall()
            assert [(type(one), one) for (one,) in found] == [(type(value), value)], type_


def _check_parquet(door: Door, wanted: dict[int, tuple[str, str, object]]) -> None:
    """By pyarrow; what a file has no type for is there as its text, and a note says of which type it is."""
    [file] = door.folder.rglob("rows-*.parquet")
    table = pq.read_table(file)
    noted = types_before(table.schema.metadata)
    places = {number: place for place, number in enumerate(table["id"].to_pylist())}
    for number, (name, type_, value) in wanted.items():
        if isinstance(value, str) and name not in noted:
            continue
        if type_.endswith("HUGEINT"):
            assert noted[name] == type_
            value = str(value)
        if nests(type_) or type_ in ("TIME", "DATE"):
            continue
        found = table[name][places[number]]
        assert str(found) == str(value) if isinstance(value, str) else found.as_py() == value, type_
