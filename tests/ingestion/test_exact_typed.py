"""Values from files with types of their own: the same type, a wider one, a narrower one, another.

Parquet is written by pyarrow and Avro by fastavro. What a contract's type holds of a value comes through;
what it would round, cut or wrap is quarantined, and no value makes a load fail. Belongs here: typed files.
Does not belong here: text (`test_exact_texts`), and how a file's types are the engine's (`test_formats_…`).
"""

import datetime as dt
import io
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.ingestion.door import DAY, Door, column, contract
from tests.warehouse.bare import bare

ANY = {"rows": 100_000}
NO = object()
D, T, UTC = Decimal, dt.datetime, dt.UTC
F01 = 0.10000000149011612  # the FLOAT that is printed as 0.1

# (a type of Arrow's, values, {type of the contract: what comes of each value, NO where it does not fit})
TYPED: list[tuple[pa.DataType, list[Any], dict[str, list[Any]]]] = [
    (pa.int64(), [2**53 + 1, 2**24 + 1, -1, 2**63 - 1], {
        "BIGINT": [2**53 + 1, 2**24 + 1, -1, 2**63 - 1],
        "HUGEINT": [2**53 + 1, 2**24 + 1, -1, 2**63 - 1],
        "INTEGER": [NO, 2**24 + 1, -1, NO], "TINYINT": [NO, NO, -1, NO],
        "UBIGINT": [2**53 + 1, 2**24 + 1, NO, 2**63 - 1],
        "DOUBLE": [NO, 2.0**24 + 1, -1.0, NO], "FLOAT": [NO, NO, -1.0, NO],
        "DECIMAL(18,0)": [D(2**53 + 1), D(2**24 + 1), D(-1), NO],
        "DECIMAL(38,19)": [D(2**53 + 1), D(2**24 + 1), D(-1), D(2**63 - 1)],
        "VARCHAR": [str(2**53 + 1), str(2**24 + 1), "-1", str(2**63 - 1)],
    }),
    (pa.uint64(), [2**64 - 1, 1], {
        "UBIGINT": [2**64 - 1, 1], "BIGINT": [NO, 1], "UHUGEINT": [2**64 - 1, 1], "DOUBLE": [NO, 1.0],
    }),
    (pa.float64(), [0.1, 0.7, 2.0**24 + 1, 1e300, 1.5, math.inf, math.nan, 0.1 + 0.2, -0.0], {
        "DOUBLE": [0.1, 0.7, 2.0**24 + 1, 1e300, 1.5, math.inf, math.nan, 0.1 + 0.2, -0.0],
        "FLOAT": [NO, NO, NO, NO, 1.5, math.inf, math.nan, NO, -0.0],
        "DECIMAL(12,2)": [D("0.10"), D("0.70"), D("16777217.00"), NO, D("1.50"), NO, NO, NO, D("0.00")],
        "DECIMAL(38,20)": [D("0.1"), D("0.7"), D(2**24 + 1), NO, D("1.5"), NO, NO, D("0.30000000000000004"),
        D(0)],
        "INTEGER": [NO, NO, 2**24 + 1, NO, NO, NO, NO, NO, 0],
        "HUGEINT": [NO, NO, 2**24 + 1, NO, NO, NO, NO, NO, 0],
    }),
    (pa.float32(), [F01, 2.0**24], {
        "FLOAT": [F01, 2.0**24], "DOUBLE": [F01, 2.0**24], "DECIMAL(12,2)": [D("0.10"), D(2**24)],
    }),
    (pa.decimal128(38, 20), [D("0.7"), D("12345678901234567.5"), D("0.1234567890123456789"), D("1")], {
        "DECIMAL(38,20)": [D("0.7"), D("12345678901234567.5"), D("0.1234567890123456789"), D("1")],
        "DECIMAL(9,2)": [D("0.7"), NO, NO, D("1")], "DOUBLE": [0.7, NO, NO, 1.0],
        "FLOAT": [0.699999988079071, NO, NO, 1.0], "INTEGER": [NO, NO, NO, 1], "HUGEINT": [NO, NO, NO, 1],
    }),
    (pa.timestamp("us"), [T(2024, 1, 1), T(2024, 1, 1, 10, 0, 0, 500000), T(2300, 1, 1), T(1500, 1, 1),
                          T(9999, 12, 31, 23, 59, 59, 999999)], {
        "TIMESTAMP": [T(2024, 1, 1), T(2024, 1, 1, 10, 0, 0, 500000), T(2300, 1, 1), T(1500, 1, 1),
                      T(9999, 12, 31, 23, 59, 59, 999999)],
        "TIMESTAMP_S": [T(2024, 1, 1), NO, T(2300, 1, 1), T(1500, 1, 1), NO],
        "TIMESTAMP_MS": [T(2024, 1, 1), T(2024, 1, 1, 10, 0, 0, 500000), T(2300, 1, 1), T(1500, 1, 1), NO],
        "TIMESTAMP_NS": [T(2024, 1, 1), T(2024, 1, 1, 10, 0, 0, 500000), NO, NO, NO],
        "TIMESTAMPTZ": [T(2024, 1, 1, tzinfo=UTC), T(2024, 1, 1, 10, 0, 0, 500000, UTC), T(2300, 1, 1,
        tzinfo=UTC),
                        T(1500, 1, 1, tzinfo=UTC), T(9999, 12, 31, 23, 59, 59, 999999, UTC)],
        "DATE": [dt.date(2024, 1, 1), NO, dt.date(2300, 1, 1), dt.date(1500, 1, 1), NO],
        "INTEGER": [NO] * 5,
    }),
    (pa.timestamp("ns"), [1_704_067_200_123_456_789, 1_704_067_200_000_000_000], {
        "TIMESTAMP": [NO, T(2024, 1, 1)], "TIMESTAMP_S": [NO, T(2024, 1, 1)],
        "TIMESTAMPTZ": [NO, T(2024, 1, 1, tzinfo=UTC)],
    }),
    (pa.timestamp("us", "Europe/Berlin"), [T(2024, 1, 1, 10, tzinfo=UTC)], {
        "TIMESTAMPTZ": [T(2024, 1, 1, 10, tzinfo=UTC)], "TIMESTAMP": [T(2024, 1, 1, 10)],
        "TIMESTAMP_NS": [T(2024, 1, 1, 10)],
    }),
    (pa.timestamp("ns", "UTC"), [1_704_067_200_123_456_789, 1_704_067_200_000_001_000], {
        "TIMESTAMP": [NO, T(2024, 1, 1, 0, 0, 0, 1)], "TIMESTAMPTZ": [NO, T(2024, 1, 1, 0, 0, 0, 1, UTC)],
    }),
    (pa.decimal256(50, 2), [D("1.10"), D("1234567890123456789012345678901234567890.12")], {
        "DECIMAL(9,2)": [D("1.10"), NO], "VARCHAR": ["1.10", "1234567890123456789012345678901234567890.12"],
        "DOUBLE": [1.1, NO],
    }),
    (pa.date32(), [dt.date(2024, 1, 1), dt.date(1, 1, 1)], {
        "DATE": [dt.date(2024, 1, 1), dt.date(1, 1, 1)], "TIMESTAMP": [T(2024, 1, 1), T(1, 1, 1)],
        "TIMESTAMP_NS": [T(2024, 1, 1), NO],
    }),
    (pa.time64("us"), [dt.time(10, 0, 0, 1)], {"TIME": [dt.time(10, 0, 0, 1)], "INTEGER": [NO]}),
    (pa.time64("ns"), [36_000_000_000_001, 36_000_000_001_000], {"TIME": [NO, dt.time(10, 0, 0, 1)]}),
    (pa.string(), ["7.0", "7.5", "x"], {
        "VARCHAR": ["7.0", "7.5", "x"], "INTEGER": [7, NO, NO], "DOUBLE": [7.0, 7.5, NO],
            "ENUM('x', '7.0')": ["7.0", NO, "x"],
    }),
    (pa.bool_(), [True, False], {"BOOLEAN": [True, False], "BOOL": [True, False]}),
    (pa.binary(), [b"a", b"\xff"], {"BLOB": [b"a", b"\xff"], "INTEGER": [NO, NO]}),
    (pa.list_(pa.int64()), [[1, 2], [2**53 + 1, None]], {
        "BIGINT[]": [[1, 2], [2**53 + 1, None]], "INTEGER[]": [[1, 2], NO], "INT[2]": [(1, 2), NO],
        "DOUBLE[]": [[1.0, 2.0], NO], "HUGEINT[]": [[1, 2], [2**53 + 1, None]],
    }),
    (pa.list_(pa.float64()), [[0.7], [1.5]], {"DOUBLE[]": [[0.7], [1.5]], "DECIMAL(38,20)[]": [[D("0.7")],
    [D("1.5")]]}),
    (pa.struct([("b_c", pa.int64())]), [{"b_c": 1}, {"b_c": 2**53 + 1}], {
        "struct(b_c bigint)": [{"b_c": 1}, {"b_c": 2**53 + 1}], "STRUCT(b_c INTEGER)": [{"b_c": 1}, NO],
        "STRUCT(B_C HUGEINT)": [{"B_C": 1}, {"B_C": 2**53 + 1}],
    }),
]  # fmt: skip
AVRO: list[tuple[Any, list[Any], dict[str, list[Any]]]] = [
    ("long", [2**53 + 1, 5], {"BIGINT": [2**53 + 1, 5], "DOUBLE": [NO, 5.0], "INTEGER": [NO, 5],
        "HUGEINT": [2**53 + 1, 5]}),
    ("double", [0.7, math.nan, math.inf, 1e300], {
        "DOUBLE": [0.7, math.nan, math.inf, 1e300], "FLOAT": [NO, math.nan, math.inf, NO],
        "DECIMAL(38,20)": [D("0.7"), NO, NO, NO],
    }),
    ("float", [F01], {"FLOAT": [F01], "DOUBLE": [F01], "DECIMAL(9,1)": [D("0.1")]}),
    ({"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 2}, [D("0.10"),
    D("123456789012345678.91")], {
        "DECIMAL(20,2)": [D("0.10"), D("123456789012345678.91")], "DOUBLE": [0.1, NO],
            "DECIMAL(9,2)": [D("0.10"), NO],
    }),
    ({"type": "long", "logicalType": "timestamp-micros"}, [T(2024, 1, 1, 10, 0, 0, 500000, UTC), T(2300, 1,
    1, tzinfo=UTC)], {
        "TIMESTAMP": [T(2024, 1, 1, 10, 0, 0, 500000), T(2300, 1, 1)], "TIMESTAMP_S": [NO, T(2300, 1, 1)],
        "TIMESTAMP_NS": [T(2024, 1, 1, 10, 0, 0, 500000), NO],
    }),
    ({"type": "enum", "name": "e", "symbols": ["a", "B"]}, ["B"], {"ENUM('a', 'B')": ["B"],
    "VARCHAR": ["B"], "ENUM('b')": [NO]}),
]  # fmt: skip


def parquet(names: Sequence[str], types: Sequence[Any], rows: Sequence[Mapping[str, Any]]) -> bytes:
    arrays = [
        pa.array([row.get(name) for row in rows], type_) for name, type_ in zip(names, types, strict=True)
    ]
    held = io.BytesIO()
    pq.write_table(pa.table(arrays, names=list(names)), held)
    return held.getvalue()


def avro(names: Sequence[str], types: Sequence[Any], rows: Sequence[Mapping[str, Any]]) -> bytes:
    fields = [{"name": name, "type": ["null", type_]} for name, type_ in zip(names, types, strict=True)]
    held = io.BytesIO()
    schema = fastavro.parse_schema({"type": "record", "name": "row", "fields": fields})
    fastavro.writer(held, schema, [{name: row.get(name) for name in names} for row in rows])
    return held.getvalue()


@pytest.mark.parametrize(
    ("way", "written", "cases"), [("parquet", parquet, TYPED), ("avro", avro, AVRO)], ids=["parquet", "avro"]
)
def test_what_the_contracts_type_holds_comes_through_and_nothing_else(
    tmp_path: Path, way: str, written: Any, cases: list[tuple[Any, list[Any], dict[str, list[Any]]]]
) -> None:
    names, types, columns = ["id"], [pa.int32() if way == "parquet" else "int"], [column("id", "INTEGER")]
    rows: list[dict[str, Any]] = []
    wanted: dict[int, tuple[str, str, Any]] = {}
    for found, values, targets in cases:
        for target, outcomes in targets.items():
            name = f"c{len(names)}"
            names.append(name)
            types.append(_named_anew(found, name))
            columns.append(column(name, target))
            for value, outcome in zip(values, outcomes, strict=True):
                wanted[len(rows)] = (name, target, outcome)
                rows.append({"id": len(rows), name: value})
    said = contract(*columns, path=f"orders/{{date}}.{way}", server={"format": way}, quarantineLimit=ANY,
                    shapeChanges={"changedType": "ignore"})  # fmt: skip
    door = Door(tmp_path, said)
    result = door.load(written(names, types, rows))
    assert result.read == len(rows)
    fits = {number for number, (_, _, outcome) in wanted.items() if outcome is not NO}
    kept = {number for (number,) in door.query("select id from raw.orders")}
    assert [(rows[number], wanted[number][1]) for number in sorted(kept ^ fits)] == []
    with bare(door.deployment.warehouse) as connection:
        for number in kept:
            name, target, outcome = wanted[number]
            found = connection.execute(f"select {name} from raw.orders where id = {number}").fetchall()
            assert _same(found[0][0], outcome), (number, target, found, outcome)


def _named_anew(type_: Any, name: str) -> Any:
    """A named type of Avro may be defined once."""
    return {**type_, "name": name} if isinstance(type_, dict) and "symbols" in type_ else type_


def _same(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, float):
        return isinstance(found, float) and repr(found) == repr(wanted)  # NaN, and the sign of zero
    return type(found) is type(wanted) and found == wanted


def test_another_type_is_a_change_of_shape_and_another_spelling_of_it_is_none(tmp_path: Path) -> None:
    spelled = {
        "BOOL": pa.bool_(), "INT": pa.int32(), "TIMESTAMPTZ": pa.timestamp("us", "UTC"), "TEXT": pa.string(),
        "NUMERIC(9, 2)": pa.decimal128(9, 2), "REAL": pa.float32(), "INT[]": pa.list_(pa.int32()),
        "struct(b_c int)": pa.struct([("b_c", pa.int32())]), "DATETIME": pa.timestamp("us"),
    }  # fmt: skip
    names = [f"c{number}" for number in range(len(spelled))]
    columns = [column(name, type_) for name, type_ in zip(names, spelled, strict=True)]
    door = Door(tmp_path, contract(*columns, path="orders/{date}.parquet", server={"format": "parquet"}))
    assert door.load(parquet(names, list(spelled.values()), [{}])).rows == 1
    texts = [pa.time64("us"), *list(spelled.values())[1:]]
    assert "column `c0` is TIME in the file; the contract says BOOL" in door.refused(
        parquet(names, texts, [{}])
    )


def test_a_table_that_older_code_made_takes_rows_as_before(tmp_path: Path) -> None:
    """It put the names of fields into capitals."""
    said = contract(column("id", "INTEGER"), column("s", "STRUCT(b_c INTEGER)"), path="orders/{date}.parquet",
                    server={"format": "parquet"})  # fmt: skip
    door = Door(tmp_path, said)
    with bare(door.deployment.warehouse) as connection:
        connection.execute(
            "create schema if not exists raw; create table raw.orders"
            " (id integer, s struct(B_C integer), _partition_key varchar, _drop integer)"
        )
    door.load(
        parquet(["id", "s"], [pa.int32(), pa.struct([("b_c", pa.int32())])], [{"id": 1, "s": {"b_c": 7}}])
    )
    assert door.query(f"select s.b_c from raw.orders where _partition_key = '{DAY}'") == [(7,)]


@pytest.mark.parametrize(("nanoseconds", "taken"), [([1_704_067_200_123_456_000], True), ([5, 7], False)])
def test_an_int96_of_spark_is_taken_unless_the_engine_would_cut_it(
    tmp_path: Path, nanoseconds: list[int], taken: bool
) -> None:
    said = contract(column("at_", "TIMESTAMP"), path="orders/{date}.parquet", server={"format": "parquet"})
    door, held = Door(tmp_path, said), io.BytesIO()
    table = pa.table({"at_": pa.array(nanoseconds, pa.timestamp("ns"))})
    pq.write_table(table, held, use_deprecated_int96_timestamps=True)
    if taken:
        door.load(held.getvalue())
        assert door.query("select at_ from raw.orders") == [(T(2024, 1, 1, 0, 0, 0, 123456),)]
    else:
        assert "column `at_` is an INT96 with nanoseconds" in door.refused(held.getvalue())[0]


def test_what_would_be_cut_within_a_list_is_refused(tmp_path: Path) -> None:
    said = contract(column("c", "TIME[]"), path="orders/{date}.parquet", server={"format": "parquet"})
    said_of = Door(tmp_path, said).refused(parquet(["c"], [pa.list_(pa.time64("ns"))], [{"c": [1]}]))
    assert "column `c` holds times in nanoseconds" in said_of[0]


RULES: list[tuple[str, pa.DataType, dict[str, Any], list[Any], list[Any]]] = [
    # type, Arrow's, rules, values that keep them, values that do not
    ("DOUBLE", pa.float64(), {"minimum": 0}, [0.0, 1e300], [-1.0, math.nan, math.inf, -math.inf]),
    ("DOUBLE", pa.float64(), {"maximum": 0}, [0.0, -1e300], [1.0, math.nan, math.inf, -math.inf]),
    ("FLOAT", pa.float32(), {"exclusiveMinimum": 0}, [1.0], [0.0, math.nan, math.inf]),
    ("FLOAT", pa.float32(), {"exclusiveMaximum": 0.5}, [0.25], [0.5, math.nan, -math.inf]),
    ("DOUBLE", pa.float64(), {}, [math.nan, math.inf], []),
    ("DOUBLE", pa.float64(), {"multipleOf": 0.01}, [0.07, 0.0, 1e300, -5.0], [0.075, 1e-300, math.nan,
    math.inf]),
    ("DOUBLE", pa.float64(), {"multipleOf": 3}, [9.0, 3e15], [10.0, 1e300]),
    ("FLOAT", pa.float32(), {"multipleOf": 0.1}, [F01, 0.5], [0.25]),
    ("BIGINT", pa.int64(), {"multipleOf": 10}, [2**63 - 8, 0], [2**63 - 1, 5]),
    ("BIGINT", pa.int64(), {"multipleOf": 0.25}, [2**63 - 1], []),
    ("BIGINT", pa.int64(), {"multipleOf": 1.5}, [3, -6], [4, 2**63 - 1]),
    ("TINYINT", pa.int8(), {"multipleOf": "1000"}, [0], [100]),
    ("DECIMAL(38,0)", pa.decimal128(38, 0), {"multipleOf": 7}, [D(7 * 10**36)], [D(10**38 - 1)]),
    ("DECIMAL(38,20)", pa.decimal128(38, 20), {"multipleOf": 0.5}, [D("999999999999999999.5")],
    [D("0.00000000000000000001")]),
    ("DECIMAL(4,2)", pa.decimal128(4, 2), {"multipleOf": "0.005"}, [D("99.99")], []),
    ("TIMESTAMP_NS", pa.timestamp("ns"), {"minimum": "2024-01-01"}, [1_704_067_200_000_000_001], [5]),
]  # fmt: skip


def test_rules_hold_for_every_value_and_none_makes_a_load_fail(tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(len(RULES))]
    rows: list[dict[str, Any]] = []
    good: set[int] = set()
    for name, (_, _, _, kept, broken) in zip(names, RULES, strict=True):
        good |= set(range(len(rows), len(rows) + len(kept)))
        rows += [{"id": len(rows) + place, name: value} for place, value in enumerate([*kept, *broken])]
    columns = [
        column(name, type_, logicalTypeOptions=rules)
        for name, (type_, _, rules, _, _) in zip(names, RULES, strict=True)
    ]
    said = contract(column("id", "INTEGER"), *columns, path="orders/{date}.parquet",
        server={"format": "parquet"},
                    quarantineLimit=ANY)  # fmt: skip
    door = Door(tmp_path, said)
    door.load(parquet(["id", *names], [pa.int32(), *(arrow for _, arrow, *_ in RULES)], rows))
    kept = {number for (number,) in door.query("select id from raw.orders")}
    assert [rows[number] for number in sorted(kept ^ good)] == []
