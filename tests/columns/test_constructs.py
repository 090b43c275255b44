"""Each construct of SQL has the origins that it has, and none of them is passed over in silence.

Belongs here: one query. Does not belong here: numbers of rows that are proven (test_at_least.py), digests
(test_digests.py), a project's nodes (test_kept_origins.py).
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import duckdb
import pytest
from sluicegate.compute.column_plan import table_origins
from sluicegate.compute.column_plan_expressions import CLASSES, OPERATORS
from sluicegate.compute.column_plan_names import OPERATORS as LOGICAL
from sluicegate.compute.select_only import plan_of
from sluicegate.core.relations import Relation

from tests.columns.case import MADE, Case, origins, tables
from tests.columns.constructs_of_rows import ROWS
from tests.columns.constructs_of_values import VALUES

CASES = {**VALUES, **ROWS}


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with tables() as connection:
        yield connection


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_construct_has_these_origins(connection: duckdb.DuckDBPyConnection, case: Case) -> None:
    found = table_origins(connection, MADE, case.sql)
    assert found.not_understood == ()
    assert found.columns == case.expected
    assert found.rows == origins(case.rows)
    assert found.row_of == (Relation("main", case.row_of) if case.row_of else None)
    assert set(found.digests) == set(found.columns)
    assert found == found.of_json(json.loads(json.dumps(found.as_json())))


def test_each_operator_and_class_that_is_known_is_in_a_construct(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """These are the names of this version of the engine: one that it calls otherwise is not understood."""
    logical, classes, operators = set[str](), set[str](), set[str]()
    for case in CASES.values():
        for item in objects(plan_of(connection, case.sql)):
            if str(item.get("type")).startswith("LOGICAL_"):
                logical.add(item["type"].removeprefix("LOGICAL_"))
            if "expression_class" in item:
                classes.add(item["expression_class"])
            if item.get("expression_class") == "BOUND_OPERATOR":
                operators.add(item["type"])
    assert logical == set(LOGICAL)
    assert classes == set(CLASSES)
    assert operators == set(OPERATORS)


def objects(item: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(item, dict):
        yield item
        for value in item.values():
            yield from objects(value)
    elif isinstance(item, list):
        for value in item:
            yield from objects(value)
