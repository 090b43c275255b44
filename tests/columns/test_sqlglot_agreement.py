"""Another reader of SQL, sqlglot, finds the same columns; where it does not, the reason stands here.

Both are asked which columns have a part in a value, of whatever kind. Belongs here: the comparison. Does not
belong here: kinds, rows and proofs, which sqlglot knows nothing of.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest
from sluicegate.core.column_origins import Origin
from sluicegate.core.settings import Settings
from sluicegate.transformation.binding import bound_sql
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.lineage import lineage

from tests.columns.case import tables
from tests.columns.constructs_of_rows import ROWS
from tests.columns.constructs_of_values import VALUES
from tests.parses import loaded

CASES = {**VALUES, **ROWS}
_NAMED_WINDOW = "it does not follow a window's name to what the window is parted and ordered by"
_WHOLE_ROW = "it takes a table's name for no column at all"
_WITHIN = "it does not count what a query within asks of its rows, which decides the value"
_PIVOT = "it reads no pivot and no unpivot"
_FUNCTION = "it takes what a function gives for a table of its own"
_UNKNOWN_NAMES = "it does not know the columns that are named by a pattern, or by a struct's fields"
# {case: why the other differs}; it is then the other that is wrong, or that answers another question.
DIFFERENT: Mapping[str, str] = {
    "columns by pattern": _UNKNOWN_NAMES,
    "all fields of a struct": _UNKNOWN_NAMES,
    "unnest of structs": _UNKNOWN_NAMES,
    "a whole row": _WHOLE_ROW,
    "a whole row as json": _WHOLE_ROW,
    "a named window": _NAMED_WINDOW,
    "values of other rows": _NAMED_WINDOW,
    "the number of a row": "it has a column `rowid`, which we take for made of where all rows are",
    "rollup": "it counts the column of `grouping`, whose value says which group it is, and nothing of a row",
    "using": "it takes both sides, which are equal; we take the one that the engine gives",
    "a join with values": "it counts no column that a list of values is compared with, and so tells",
    "exists as a value": _WITHIN,
    "a scalar query": _WITHIN,
    "a correlated query": _WITHIN,
    "a lookup": _WITHIN,
    "a list from a query": _WITHIN,
    "one row beside all": _WITHIN,
    "a query in a query in a query": _WITHIN,
    "lateral": "it counts the outer column that is asked for alone; we count it among what decides rows",
    "lateral with a limit": "it counts the outer column as well; we count it among what decides rows",
    "union by name": "it goes by the order of columns, not by their names",
    "except": "it counts what is taken away; we count that among what decides rows",
    "a series": _FUNCTION,
    "a series of constants": _FUNCTION,
    "json of each row": _FUNCTION,
    "a table macro": _FUNCTION,
    "a view": "it does not know the view's SQL",
    "pivot": _PIVOT,
    "pivot of a pick": _PIVOT,
    "a wide pivot": _PIVOT,
    "unpivot": _PIVOT,
    "unpivot beside others": _PIVOT,
}


def by_sqlglot(column: str, sql: str, schema: Mapping[str, Any]) -> set[str]:
    nodes = lineage(column, sql, schema=dict(schema), dialect="duckdb").walk()
    read = (node for node in nodes if isinstance(node.source, exp.Table) and not node.downstream)
    return {f"{node.source.name}.{exp.to_column(node.name).name}" for node in read}


def ours(made_of: frozenset[Origin]) -> set[str]:
    return {f"{origin.place.relation.name}.{origin.place.column}" for origin in made_of}


@pytest.fixture(scope="module")
def schema() -> Iterator[Mapping[str, Any]]:
    with tables() as connection:
        yield {name: columns(connection, name) for name in ("t", "s")}


def columns(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    return {name: type_ for name, type_, *_ in connection.execute(f"describe {table}").fetchall()}


@pytest.mark.parametrize("name", CASES)
def test_both_find_the_same_columns_of_a_construct(name: str, schema: Mapping[str, Any]) -> None:
    agree = True
    for column, made_of in CASES[name].expected.items():
        try:
            agree = agree and by_sqlglot(column, CASES[name].sql, schema) == ours(made_of)
        except SqlglotError:
            agree = False
    assert agree == (name not in DIFFERENT), DIFFERENT.get(name, "it is not known why they differ")


def test_both_find_the_same_columns_of_the_demo(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    settings = Settings.load({}, project_dir=root, data_dir=tmp_path)
    manifest = loaded(settings).manifest
    bound = bound_sql(settings, manifest.digests)
    schema: dict[str, dict[str, dict[str, str]]] = {}
    for unique_id, listed in bound.columns.items():
        relation = manifest.nodes[unique_id].relation
        schema.setdefault(relation.schema, {})[relation.name] = dict(listed)
    for source in manifest.content["sources"].values():
        types = {name: column["data_type"] for name, column in source["columns"].items()}
        schema.setdefault(source["schema"], {})[source["name"]] = types
    compared = 0
    for unique_id, made in bound.origins.items():
        for column, made_of in made.columns.items() if bound.compiled[unique_id] else ():
            other = by_sqlglot(column, bound.compiled[unique_id], {settings.warehouse_path.stem: schema})
            assert ours(made_of) == other, (unique_id, column)
            compared += 1
    assert compared > 150
    assert not any(made.not_understood for made in bound.origins.values())
