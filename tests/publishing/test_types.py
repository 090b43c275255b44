"""Each of the engine's types, published and read back: by the engine, by delta-rs, by pandas.

Belongs here: values. Does not: which rows are published (`test_publish`).
"""

import json
from pathlib import Path

import duckdb
import pytest
from deltalake import DeltaTable
from sluicegate.areas import Area
from sluicegate.compute.exact_parquet import cast_to
from sluicegate.publishing.delta_log import DataFile, DeltaLog
from sluicegate.publishing.delta_types import TEXT, WIDE_DECIMAL, delta_schema, has_wide, written_as
from sluicegate.warehouse.duckdb_file import DuckDBFile

from tests.publishing.shelves import delta_engine

# {type: (Delta's type, values as SQL)}; null is among each.
TYPES: dict[str, tuple[object, tuple[str, ...]]] = {
    "BOOLEAN": ("boolean", ("true", "false")),
    "TINYINT": ("byte", ("-128", "127")),
    "SMALLINT": ("short", ("-32768", "32767")),
    "INTEGER": ("integer", ("-2147483648", "2147483647")),
    "BIGINT": ("long", ("-9223372036854775808", "9223372036854775807")),
    "UTINYINT": ("short", ("0", "255")),
    "USMALLINT": ("integer", ("0", "65535")),
    "UINTEGER": ("long", ("0", "4294967295")),
    "UBIGINT": ("decimal(20,0)", ("0", "18446744073709551615")),
    "HUGEINT": ("decimal(38,0)", ("-99999999999999999999999999999999999999", "1")),
    "UHUGEINT": ("decimal(38,0)", ("99999999999999999999999999999999999999", "0")),
    "FLOAT": ("float", ("1.5", "'nan'", "'inf'", "'-inf'", "-0.0")),
    "DOUBLE": ("double", ("0.1", "'nan'", "'inf'", "'-inf'", "-0.0", "1e-308")),
    "DECIMAL(4,1)": ("decimal(4,1)", ("999.9", "-0.1")),
    "DECIMAL(38,10)": ("decimal(38,10)", ("1234567890123456789012345678.0123456789",)),
    "VARCHAR": ("string", ("''", "'ü\U0001f600'", "'a\nb'", "'null'", "'it''s'", "'a' || chr(0) || 'b'")),
    "BLOB": ("binary", (r"'\x00\xFF'", "''")),
    "BIT": ("string", ("'0101'", "'1'")),
    "UUID": ("string", ("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'",)),
    "JSON": ("string", ("""'{"a": [1, null]}'""", "'null'")),
    "ENUM('a', 'it''s', '')": ("string", ("'a'", "'it''s'", "''")),
    "DATE": ("date", ("'0001-01-01'", "'1969-12-31'", "'9999-12-31'")),
    "TIME": ("string", ("'00:00:00'", "'23:59:59.999999'")),
    "TIME_NS": ("string", ("'23:59:59.999999999'",)),
    "TIME WITH TIME ZONE": ("string", ("'12:00:00+05:30'", "'12:00:00-08'")),
    "TIMESTAMP": ("timestamp_ntz", ("'0001-01-01'", "'2022-10-30 02:30:00.123456'", "'9999-12-31'")),
    "TIMESTAMP_S": ("timestamp_ntz", ("'2022-10-30 02:30:01'",)),
    "TIMESTAMP_MS": ("timestamp_ntz", ("'2022-10-30 02:30:01.123'",)),
    "TIMESTAMP_NS": ("string", ("'2022-10-30 02:30:01.123456789'",)),
    "TIMESTAMP WITH TIME ZONE": ("timestamp", ("'2022-10-30 02:30:00.123456+05:30'",)),
    "INTERVAL": ("string", ("'1 year 2 months 3 days 04:05:06.007'", "'-1 month'", "'0 days'")),
    "BIGNUM": ("string", ("123456789012345678901234567890123456789012345",)),
    "INTEGER[]": ({"type": "array", "elementType": "integer", "containsNull": True}, ("[1, null]", "[]")),
    "INTEGER[2]": ({"type": "array", "elementType": "integer", "containsNull": True}, ("[1, null]",)),
    "INTERVAL[]": ({"type": "array", "elementType": "string", "containsNull": True}, ("['1 day', null]",)),
    "MAP(VARCHAR, UBIGINT)": (
        {"type": "map", "keyType": "string", "valueType": "decimal(20,0)", "valueContainsNull": True},
        ("map {'a': 1, 'b': null}", "map {}"),
    ),
    'STRUCT("a b" HUGEINT, c STRUCT(d TIME)[])': (
        {
            "type": "struct",
            "fields": [
                {"name": "a b", "type": "decimal(38,0)", "nullable": True, "metadata": {}},
                {
                    "name": "c",
                    "type": {
                        "type": "array",
                        "elementType": {
                            "type": "struct",
                            "fields": [{"name": "d", "type": "string", "nullable": True, "metadata": {}}],
                        },
                        "containsNull": True,
                    },
                    "nullable": True,
                    "metadata": {},
                },
            ],
        },
        ("{'a b': 1, 'c': [{'d': '01:02:03'}, null]}", "{'a b': null, 'c': []}"),
    ),
}


def put(folder: Path, kind: str, values: tuple[str, ...], wide: str = WIDE_DECIMAL) -> tuple[str, str, Path]:
    """Publish a table of one column in the folder; return its type, as which it is written, and the table."""
    warehouse, table = DuckDBFile(folder / "w.duckdb"), folder / "table"
    table.mkdir()
    with warehouse.session() as session:
        session.query(f'create table t ("odd `name""" {kind})')
        for value in ("null", *values):
            session.query(f"insert into t values (cast({value} as {kind}))")
        [(name, described)] = session.describe("from t").items()
        stored = {name: written_as(described, wide)}
        rows = session.write_parquet(f"select {cast_to(stored)} from t", table / "f.parquet")
    file = DataFile("f.parquet", (table / "f.parquet").stat().st_size, rows, "2022-10-03")
    log = DeltaLog(Area(str(folder)), "table", {})
    assert log.commit(delta_schema(stored, "k"), "k", [file], {"put": {}}, None, upon=-1) == 0
    return described, stored[name], table


def read_back(kind: str, table: Path, engine: duckdb.DuckDBPyConnection) -> list[tuple[object, ...]]:
    """Return the column as the engine casts it back, as text."""
    return engine.execute(
        f'select cast(cast("odd `name""" as {kind}) as varchar) from delta_scan(\'{table}\') order by all'
    ).fetchall()


@pytest.fixture(scope="module")
def engine() -> duckdb.DuckDBPyConnection:
    """An engine that reads Delta tables."""
    return delta_engine()


@pytest.mark.parametrize("kind", TYPES)
def test_every_type_is_read_back_as_it_was(
    kind: str, tmp_path: Path, engine: duckdb.DuckDBPyConnection
) -> None:
    wanted, values = TYPES[kind]
    described, _, table = put(tmp_path, kind, values)
    with DuckDBFile(tmp_path / "w.duckdb").session() as session:
        held = session.query('select cast("odd `name""" as varchar) from t order by all')
    assert read_back(described, table, engine) == held
    delta = DeltaTable(table)
    [column] = [field for field in json.loads(delta.schema().to_json())["fields"] if field["name"] != "k"]
    assert column["type"] == wanted
    assert delta.to_pyarrow_table().num_rows == len(values) + 1


def test_a_number_of_more_digits_is_text(tmp_path: Path, engine: duckdb.DuckDBPyConnection) -> None:
    values = ("170141183460469231731687303715884105727", "-1")
    assert has_wide("STRUCT(a HUGEINT)[]")
    described, stored, table = put(tmp_path, "HUGEINT", values, TEXT)
    assert stored == "VARCHAR"
    assert {row[0] for row in read_back(described, table, engine)} == {None, *values}
