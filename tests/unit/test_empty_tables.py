"""The table that is made of what a query comes to is the one that the query itself would make."""

from pathlib import Path

import pytest
from sluicegate.compute.select_only import Statement
from sluicegate.core.relations import Relation
from sluicegate.core.settings import Settings
from sluicegate.transformation.empty_tables import EmptyTables

MADE, RAW = Relation("marts", "made"), Relation("raw", "t")
QUERIES = [
    "select n, s, d from raw.t;",
    "select n as \"a \"\" b\", [] as e, {'a': null} as f, null as g from raw.t",
    "select 'x'::enum('x', 'y''z') as e, '1'::json as j, uuid() as u, map {'a': 1} as m",
    "select row(1, 'x')::struct(\"a b\" integer, \"c\"\"d\" varchar) as s, union_value(k := 1) as u",
    "select sum(n) as n, avg(n) as a, 1::uhugeint as h, now() as t, array_value(1, 2) as v from raw.t",
    "select one.n, other.n, other.N from raw.t as one, raw.t as other",
    "select s from raw.t where s collate nocase = 'A'",
    "select s collate nocase as s, n from raw.t -- the last",
]  # fmt: skip


@pytest.mark.parametrize("sql", QUERIES)
def test_a_table_is_made_as_its_query_would_make_it(tmp_path: Path, sql: str) -> None:
    content = {"nodes": {}, "sources": {}}
    tables = EmptyTables(Settings.load({}, project_dir=tmp_path, data_dir=tmp_path), content)
    tables.make(RAW, [("n", "INTEGER"), ("s", "VARCHAR"), ("d", "DATE")])

    columns = tables.make_of(MADE, Statement(tables.connection, sql))

    tables.connection.execute(f"create table raw.made as ({sql.rstrip(';')}\n) with no data")
    [(mine,), (theirs,)] = tables.connection.execute(
        "select replace(sql, 'marts.', 'raw.') from duckdb_tables() where table_name = 'made'"
    ).fetchall()
    assert mine == theirs
    assert columns == tables.columns(MADE)
