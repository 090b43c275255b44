"""A state store that an earlier version made: it keeps what it knows, and gets what has come since."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
import sqlalchemy as sa
from sluicegate.state import schema
from sluicegate.state.records import Delivery, DeliveryKind, DeliveryStatus
from sluicegate.state.store import StateStore

from tests.unit.test_state_leases import engine_of

# Deliveries as version 0.1 kept them; what it had besides is as it was.
BEFORE = """
create table deliveries (
    id {row_number} primary key, delivery_id varchar(64) not null unique, export varchar(200) not null,
    partition_key varchar(100) not null, version varchar(100) not null, digest varchar(100) not null,
    row_count bigint not null, shard text not null, status varchar(20) not null, location text not null,
    run_id varchar(100) not null, planned_at {moment} not null, acknowledged_at {moment}
)
"""
ONE = """
insert into deliveries (delivery_id, export, partition_key, version, digest, row_count, shard, status,
    location, run_id, planned_at, acknowledged_at)
values ('one', 'exp_orders', '2024-01-01', 'v1', 'd', 3, 'shard', 'acknowledged', 'table t', 'run',
    '2024-01-02 03:04:05.000000', '2024-01-02 03:04:06.000000')
"""
PROCESSES = 4


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.long)])
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where no state store has been yet."""
    if request.param == "postgres":
        return str(request.getfixturevalue("database_url"))
    return f"sqlite:///{tmp_path / 'state.db'}"


@pytest.fixture
def old_url(state_url: str) -> str:
    """A state store of the earlier version, with one delivery."""
    postgres = state_url.startswith("postgresql")
    types = {
        "row_number": "bigserial" if postgres else "integer",
        "moment": "timestamptz" if postgres else "datetime",
    }
    engine = engine_of(state_url)
    with engine.begin() as connection:
        connection.execute(sa.text(BEFORE.format(**types)))
        connection.execute(sa.text(ONE))
    engine.dispose()
    return state_url


def open_at_once(url: str) -> list[StateStore]:
    barrier = Barrier(PROCESSES)

    def open_one(_: int) -> StateStore:
        barrier.wait(30)
        return StateStore(url)

    with ThreadPoolExecutor(PROCESSES) as pool:
        return list(pool.map(open_one, range(PROCESSES)))


def columns(url: str) -> dict[str, set[str]]:
    engine = engine_of(url)
    found = sa.inspect(engine)
    held = {name: {column["name"] for column in found.get_columns(name)} for name in found.get_table_names()}
    engine.dispose()
    return held


def expected_columns() -> dict[str, set[str]]:
    return {name: {column.name for column in table.columns} for name, table in schema.metadata.tables.items()}


def test_what_was_delivered_is_still_known(old_url: str) -> None:
    for _ in range(2):  # and the second time there is nothing to do
        store = StateStore(old_url)
        held = store.deliveries.latest("exp_orders", acknowledged=True)["2024-01-01"]
        assert (held.delivery_id, held.location, held.rows) == ("one", "table t", 3)
        assert (held.status, held.kind) == (DeliveryStatus.ACKNOWLEDGED, DeliveryKind.CHANGE)
        assert (held.mode, held.whole, held.refused, held.reasons) == ("", False, 0, ())
        # Nobody knows which keys it had, so the next delivery is a first one.
        assert store.deliveries.layers("exp_orders", "2024-01-01") == []
        store.close()
    assert columns(old_url) == expected_columns()
    engine = engine_of(old_url)
    indexes = {index["name"] for index in sa.inspect(engine).get_indexes("deliveries")}
    engine.dispose()
    assert {"deliveries_by_export", "deliveries_by_scope"} <= indexes


def test_the_earlier_version_can_still_write(old_url: str) -> None:
    StateStore(old_url).close()
    engine = engine_of(old_url)
    with engine.begin() as connection:
        connection.execute(sa.text(ONE.replace("'one'", "'two'")))
    engine.dispose()
    store = StateStore(old_url)
    found = store.deliveries.of("two")
    assert found is not None
    assert (found.scope, found.whole, found.shard_rows) == ("", False, 0)
    store.close()


@pytest.mark.parametrize("before", ["an old one", "none"])
def test_several_processes_can_start_at_once(
    before: str, state_url: str, request: pytest.FixtureRequest
) -> None:
    if before == "an old one":
        request.getfixturevalue("old_url")
    stores = open_at_once(state_url)
    assert columns(state_url) == expected_columns()
    for number, store in enumerate(stores):
        store.deliveries.plan(Delivery(f"new {number}", "exp_orders", "2024-01-02", "v1", "d", 3, "s", "run"))
    assert len(stores[0].deliveries.of_export("exp_orders")) == PROCESSES + (before == "an old one")
    for store in stores:
        store.close()
