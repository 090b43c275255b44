"""Every function of the engine is known to be harmless, or known not to be: an upgrade is noticed."""

import duckdb
import pytest
from sluicegate.compute.known_functions import KNOWN_FUNCTIONS
from sluicegate.compute.select_only import ROWS_OF_ARGUMENTS, NotASelect, scans

# In groups, by why.
_REFUSED = """
    stats vector_type
    json_serialize_plan json_serialize_sql json_deserialize_sql parse_duckdb_log_message
    nextval currval setseed sleep_ms pg_sleep write_log
    getvariable current_setting in_search_path version
    current_catalog current_connection_id current_database current_query current_query_id current_role
    current_schema current_schemas current_transaction_id current_user session_user txid_current user
    col_description obj_description shobj_description format_pg_type format_type map_to_pg_oid
    get_block_size inet_client_addr inet_client_port inet_server_addr inet_server_port
"""
REFUSED = frozenset(_REFUSED.split())
REFUSED_BEGIN = ("__internal_", "has_", "pg_")


def catalogue() -> set[str]:
    with duckdb.connect() as connection:
        rows = connection.execute(
            "select distinct function_name from duckdb_functions()"
            " where internal and function_type in ('scalar', 'aggregate', 'macro')"
        ).fetchall()
    return {name for (name,) in rows}


def is_refused(name: str) -> bool:
    return name in REFUSED or (name.startswith(REFUSED_BEGIN) and name not in KNOWN_FUNCTIONS)


def test_every_function_of_the_engine_is_on_one_of_the_two_lists() -> None:
    there = catalogue()
    # What is new says here what it is: look it up, and put it on one of the lists.
    assert there - KNOWN_FUNCTIONS == {name for name in there if is_refused(name)}
    assert there >= KNOWN_FUNCTIONS | REFUSED
    assert not KNOWN_FUNCTIONS & REFUSED


def test_what_the_engine_calls_unstable_is_the_clock_or_chance() -> None:
    with duckdb.connect() as connection:
        rows = connection.execute(
            "select distinct function_name from duckdb_functions() where internal"
            " and (stability not in ('CONSISTENT') or has_side_effects) and function_type = 'scalar'"
        ).fetchall()
    assert {name for (name,) in rows} & KNOWN_FUNCTIONS == {
        "current_date", "error", "gen_random_uuid", "get_current_time", "get_current_timestamp", "now",
        "random", "today", "transaction_timestamp", "uuid", "uuidv4", "uuidv7",
    }  # fmt: skip


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", sorted(catalogue() - KNOWN_FUNCTIONS))
def test_a_function_that_is_not_known_is_refused(name: str) -> None:
    with duckdb.connect() as connection, pytest.raises(NotASelect, match=f"`{name}`"):
        scans(connection, f'select main."{name}"()')


def test_no_function_that_rows_are_read_from_takes_a_query_or_a_file() -> None:
    assert {"range", "generate_series", "unnest", "json_each", "json_tree"} == ROWS_OF_ARGUMENTS
