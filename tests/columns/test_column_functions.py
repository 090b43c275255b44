"""What is known of functions by name is known of all that the engine has, and is so.

Belongs here: lists of names. Does not belong here: how functions stand in a query (test_constructs.py).
"""

import re
from collections.abc import Iterator

import duckdb
import pytest
from sluicegate.compute.column_functions import CALLING, MEASURES, OF_FUNCTIONS, PICKS
from sluicegate.compute.column_plan_expressions import NUMBERING, OTHER_ROW

WINDOWS = {name.removeprefix("WINDOW_").lower() for name in NUMBERING | OTHER_ROW} | {"dense_rank"}
# Five numbers that nothing comes to by chance.
NUMBERS = (1031, 4099, 2063, 8209, 517)
# What each may be called with; the first that the engine takes.
CALLS = ("v", "v, 0.5", "v, w", "v, 2", "v, [1031, 4099, 2063, 8209, 517]", "v > 600")
NOT_CALLED = {"sum_no_overflow"}
# It tells of each value whether it is there, or of one that is true or false itself; or it is near to one.
IN_OTHER_WORDS = {"bitstring_agg", "bool_and", "bool_or", "approx_quantile"}


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        values = ", ".join(f"({number}, {number % 7})" for number in NUMBERS)
        connection.execute(f"create table numbers as select * from (values {values}) n(v, w)")
        yield connection


def names(connection: duckdb.DuckDBPyConnection, condition: str) -> set[str]:
    rows = connection.execute(f"select distinct function_name from duckdb_functions() where {condition}")
    return {name for (name,) in rows.fetchall()}


def test_every_aggregate_is_one_of_those_that_are_known(connection: duckdb.DuckDBPyConnection) -> None:
    """One that the engine gets counts as bringing a value out, until somebody has read what it does."""
    assert names(connection, "function_type = 'aggregate'") == MEASURES | PICKS | WINDOWS
    assert not MEASURES & PICKS


def test_every_function_that_is_known_is_there(connection: duckdb.DuckDBPyConnection) -> None:
    assert OF_FUNCTIONS.keys() | CALLING <= names(connection, "true")
    assert not OF_FUNCTIONS.keys() & CALLING


@pytest.mark.parametrize("name", sorted(MEASURES | PICKS))
def test_an_aggregate_brings_a_value_itself_out_if_it_is_said_to(
    connection: duckdb.DuckDBPyConnection, name: str
) -> None:
    if name in NOT_CALLED:  # the engine puts it in the place of `sum` itself
        assert name in MEASURES
        return
    if name in IN_OTHER_WORDS:
        assert name in PICKS
        return
    numbers = set(map(int, re.findall(r"\d+", answer(connection, name))))
    assert bool(numbers & set(NUMBERS)) == (name in PICKS)


def answer(connection: duckdb.DuckDBPyConnection, name: str) -> str:
    for arguments in CALLS if name != "count_star" else ("",):
        try:
            [(found,)] = connection.execute(f"select {name}({arguments}) from numbers").fetchall()
        except duckdb.Error:
            continue
        return str(found)
    raise AssertionError(f"nobody knows how {name} is called")
