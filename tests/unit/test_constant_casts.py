"""A text that the engine cannot read as the type it is compared with is found without a row."""

import duckdb
import pytest
from sluicegate.compute.constant_casts import wrong_constants
from sluicegate.compute.select_only import Statement

# {query: the texts that are found}
QUERIES = {
    "select * from t where n > 'many'": ["many"],
    "select * from t where n > '3' and d >= '2024-01-31' and b = 'true' and s = 'many'": [],
    "select * from t where d in ('2024-01-01', 'nope')": ["nope"],
    "select 'é' as e, d < '2024-13-01' as x from t": ["2024-13-01"],
    "select date '2024-02-30' from t": ["2024-02-30"],
    "select timestamp '2024-02-28 25:00' from t": ["2024-02-28 25:00"],
    "select n::varchar = 'many' from t": [],
    "select try_cast('x' as int), try('y'::int), case when n = 2 then 'z'::int end from t": [],
    "with c as (select * from t where n = 'few') select * from c": ["few"],
}


@pytest.mark.parametrize("sql", QUERIES)
def test_texts_that_err_at_the_first_row_are_found(sql: str) -> None:
    with duckdb.connect() as connection:
        connection.execute("create table t (n integer, d date, b boolean, s varchar)")
        found = wrong_constants(Statement(connection, sql))
        assert [item.text for item in found] == QUERIES[sql]
        assert all(
            item.position is None or sql[item.position :].startswith(f"'{item.text}'") for item in found
        )
        connection.execute(sql).fetchall()  # no row, no error
        connection.execute("insert into t values (1, '2024-01-31', true, 'a')")
        if not found:
            connection.execute(sql).fetchall()
            return
        with pytest.raises(duckdb.ConversionException):
            connection.execute(sql).fetchall()
