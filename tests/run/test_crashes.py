"""Kill -9 of a running `sluice run`, then another: the destinations hold exactly one copy of the day.

The points are reached from outside, by locks in Postgres that the child has to wait for; nothing in the
code under test knows of them. The state store is in Postgres too, where a trigger can wait.
"""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pytest
from pydantic import SecretStr
from sluicegate.operations.status import Standing
from sluicegate.state.store import StateStore
from sluicegate.warehouse.duckdb_file import DuckDBFile

from tests.company import MON, SHOP_ORDERS, TUE, WEATHER_REPORT, Company
from tests.typed import sluice

_LOCK = 4711
# All that a day is made of, as an operator who reruns its partition selects it.
DAY = (
    "raw/orders", "raw/weather", "staging/stg_orders", "staging/stg_weather", "marts/shop_orders",
    "exports/exp_shop_orders", "exports/exp_weather_report",
    "delivered/exp_shop_orders", "delivered/exp_weather_report",
)  # fmt: skip
_STOP_AT = """
    create function wait_for_the_test() returns trigger language plpgsql as $$
    begin perform pg_advisory_xact_lock({lock}); return coalesce(new, old); end $$;
    create trigger wait_for_the_test before {event} on {table} for each {each}
    execute function wait_for_the_test()
"""
PLANNED = "planned, not sent"
POINTS = {
    "judged, nothing on record": ("insert", "judgements"),
    "results on record, no evidence": ("insert", "evidence", "row when (new.check_name = 'expectations')"),
    PLANNED: ("insert", "deliveries"),
    "sent, not acknowledged": ("update", "deliveries"),
    "acknowledged, not told to Dagster": ("delete", "holds"),
}


@pytest.fixture
def with_postgres_state(bakery: Company, postgres_url: str) -> Company:
    """The bakery, its records in the same Postgres."""
    StateStore(bakery.postgres_url).close()
    state = SecretStr(bakery.postgres_url)
    return replace(bakery, settings=bakery.settings.model_copy(update={"state_url": state}))


@contextmanager
def waiting_child(
    company: Company, lock: str, *trigger: str, meanwhile: Callable[[], None] = lambda: None
) -> Generator["None"]:
    """A `sluice run` that waits for a lock which we hold; killed before the lock is given up."""
    with psycopg.connect(company.postgres_url, autocommit=True) as ours:
        for statement in trigger:
            ours.execute(statement.encode())
        with ours.transaction():
            ours.execute(lock.encode())
            with company.start("run") as child:
                deadline, pause = time.monotonic() + 60, threading.Event()
                while ours.execute("select 1 from pg_locks where not granted").fetchone() is None:
                    assert child.poll() is None, child.communicate()
                    assert time.monotonic() < deadline
                    pause.wait(0.1)
                try:
                    meanwhile()
                finally:
                    child.kill()
            yield
        if trigger:
            ours.execute("drop function wait_for_the_test cascade")


@pytest.mark.long
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.sampled(3)
def test_a_killed_run_is_taken_up_and_sends_one_copy(with_postgres_state: Company, point: str) -> None:
    company = with_postgres_state
    company.land_shops("a", "b")
    company.land_day(TUE, a=5, b=6)
    previews = company.settings.deliveries_dir / "previews"

    def look() -> None:
        """A plan is made beside the warehouse, which others may open."""
        if point == PLANNED:
            with DuckDBFile(company.settings.warehouse_path, lock_timeout_seconds=20).session() as session:
                built = ["exports.exp_shop_orders", "exports.exp_weather_report"]
                assert session.versions(built)  # one of them is about to be sent

    event, table, *each = POINTS[point]
    trigger = _STOP_AT.format(lock=_LOCK, event=event, table=table, each=(each or ["statement"])[0])
    with waiting_child(company, f"select pg_advisory_xact_lock({_LOCK})", trigger, meanwhile=look):
        if point == PLANNED:
            assert list(previews.rglob("*.parquet")), "the rows of a plan that was killed"
    assert sluice(company, "run")[0] == 0
    assert company.in_postgres() == [(TUE, "a", 5), (TUE, "b", 6)]
    assert company.in_container() == {TUE: 1}
    assert not list(previews.rglob("*.parquet"))
    standing = company.status()
    assert standing[(SHOP_ORDERS, TUE)].standing is Standing.DELIVERED
    assert standing[(WEATHER_REPORT, TUE)].standing is Standing.DELIVERED


@pytest.mark.long
def test_a_run_killed_while_rows_are_written_leaves_the_old_slice_then_one_copy(open_bakery: Company) -> None:
    company = open_bakery
    company.land_orders(MON, a=7, c=8)
    company.land_shops("a", "c")
    before = company.in_postgres()
    with waiting_child(company, "lock table bakery.shop_orders in access exclusive mode"):
        pass
    assert company.in_postgres() == before
    assert sluice(company, "run")[0] == 0
    assert company.in_postgres() == [(MON, "a", 7), (MON, "c", 8)]
    assert company.status()[(SHOP_ORDERS, MON)].standing is Standing.DELIVERED
