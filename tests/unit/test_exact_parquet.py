"""What is written to a file is read again: of every type, in every nesting; and what others see of it."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import duckdb
import pytest
from sluicegate.compute.exact_parquet import exact_rows, reads_back, types_before, write_exact
from sluicegate.compute.row_hash import content_digest, fields_of

from .sql_values import VALUES, in_every_nesting

# As text the engine makes an offset of a second one of a minute; no zone has ever had such.
UNWRITABLE = "+00:00:01"
# What the engine cannot write of these it refuses itself; a GEOMETRY gets a coordinate system in a file.
LEFT_TO_THE_ENGINE = ("TIMESTAMP_S", "VARIANT", "GEOMETRY")


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        opened.execute("set TimeZone = 'UTC'")
        yield opened


@pytest.mark.sampled(3)
@pytest.mark.parametrize("kind", [kind for kind in VALUES if kind not in LEFT_TO_THE_ENGINE])
def test_every_value_is_read_as_it_was(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, kind: str
) -> None:
    file = tmp_path / "rows.parquet"
    for nested, values in in_every_nesting(kind).items():
        connection.execute(f"create or replace table held (place integer, x {nested})")
        values = [value for value in values if UNWRITABLE not in value]
        rows = " union all ".join(f"select {n}, ({value})::{nested}" for n, value in enumerate(values))
        connection.execute(f"insert into held {rows} union all select {len(values)}, null")
        if not reads_back(fields_of(connection, "select * from held")["x"]):
            continue
        write_exact(connection, "select * from held", file)
        again = f"select * from {exact_rows(connection, file)}"
        assert fields_of(connection, again) == fields_of(connection, "select * from held")
        assert content_digest(connection, again) == content_digest(connection, "select * from held"), nested


def test_others_see_numbers_and_text(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    write_exact(
        connection,
        "select 9007199254740993::hugeint as a, '3 microseconds'::interval as b, '12:00:00+01'::timetz as c",
        file,
    )
    table = import_module("pyarrow.parquet").read_table(file)
    assert [str(field.type) for field in table.schema] == ["decimal128(38, 0)", "string", "string"]
    assert list(map(str, table.to_pylist()[0].values())) == [
        "9007199254740993",
        "00:00:00.000003",
        "12:00:00+01",
    ]
    assert types_before(table.schema.metadata) == {
        "a": "HUGEINT", "b": "INTERVAL", "c": "TIME WITH TIME ZONE",
    }  # fmt: skip


def test_a_number_of_39_digits_is_text(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    file, rows = tmp_path / "rows.parquet", f"select {2**127 - 1}::hugeint as a"
    write_exact(connection, rows, file)
    assert import_module("pyarrow.parquet").read_table(file).to_pylist() == [{"a": str(2**127 - 1)}]
    assert connection.execute(f"select * from {exact_rows(connection, file)}").fetchall() == [(2**127 - 1,)]


def test_arrow_reads_a_list_of_a_fixed_length_beside_a_null(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    file = tmp_path / "rows.parquet"
    write_exact(connection, "select [1, null]::integer[2] as a union all select null", file)
    assert import_module("pyarrow.parquet").read_table(file).to_pylist() == [{"a": [1, None]}, {"a": None}]


@pytest.mark.parametrize("within", ["INTEGER[]", "MAP(VARCHAR, INTEGER)", "STRUCT(b INTEGER[])", "INTEGER"])
def test_what_the_engine_cannot_read_again_is_known(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, within: str
) -> None:
    kind = f"UNION(a {within}, c VARCHAR)"
    file = tmp_path / "rows.parquet"
    write_exact(connection, f"select union_value(c := 'x')::{kind} as u", file)
    read = f"select u::varchar from {exact_rows(connection, file)}"
    if reads_back(kind):
        assert connection.execute(read).fetchall() == [("x",)]
    else:
        with pytest.raises(duckdb.BinderException):
            connection.execute(read)
    assert reads_back(kind) is (within == "INTEGER")


def test_what_the_engine_cannot_write_is_known(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    for value, kind in (
        ("5::variant", "VARIANT"),
        ("[5::variant]", "VARIANT[]"),
        ("{'a': 5::variant}", "STRUCT(a VARIANT)"),
    ):
        try:
            write_exact(connection, f"select {value} as v", tmp_path / "rows.parquet")
            written = True
        except duckdb.NotImplementedException:
            written = False
        assert (reads_back(kind), written) == (kind == "VARIANT",) * 2
