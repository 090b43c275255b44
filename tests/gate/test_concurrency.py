"""Two days on their way while a third is rebuilt, in processes of their own: nothing half-built is sent.

Each process has a Dagster instance of its own, as if on other machines: Dagster's pool, which lets one at a
time into the warehouse, holds none of them up, and only the gate is left. Where they stop is reached from
outside, by locks in Postgres; nothing in the code under test knows of them.
"""

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr
from sluicegate.core.settings import Settings
from sluicegate.state.store import StateStore

from tests.company import MON, TUE, WED, Company, runs
from tests.gate.conditions import DELIVERED, TABLES
from tests.gate.triggers import start_command

pytestmark = pytest.mark.long


class OtherInstance(Settings):
    """The settings of a deployment, whose Dagster instance is in another directory."""

    home: Path

    @property
    def dagster_home(self) -> Path:
        """The other directory."""
        return self.home


def elsewhere(company: Company, name: str) -> Company:
    """The same deployment with another Dagster instance, whose pools keep nobody of ours waiting."""
    home = company.settings.data_dir.parent / name / "dagster"
    return replace(company, settings=OtherInstance(**dict(company.settings), home=home))


@pytest.fixture
def three_days(bakery: Company) -> Iterator[Company]:
    """Three delivered days; the records are in Postgres, where a trigger can wait."""
    StateStore(bakery.postgres_url).close()
    state = SecretStr(bakery.postgres_url)
    company = replace(bakery, settings=bakery.settings.model_copy(update={"state_url": state}))
    company.land_shops("a")
    for day in (MON, TUE, WED):
        company.land_day(day, a=1)
    assert runs(company.run()) == [("", True), (MON, True), (TUE, True), (WED, True)]
    yield company
    company.deployment.store.close()


# Everything of a day is judged anew: what comes next is its delivery.
_JUDGED = f"""
    select count(distinct version) - 1 from evidence
    where relation = 'exports.exp_shop_orders' and partition_key = '{TUE}' and check_name = 'expectations'
"""
_HELD_UP = "select count(*) from pg_locks where not granted"


def wait_for(
    ours: "psycopg.Connection[Any]", counted: str, wanted: int, processes: list["subprocess.Popen[str]"]
) -> None:
    """Wait until a query counts so many."""
    deadline, pause = time.monotonic() + 120, threading.Event()
    while ours.execute(counted.encode()).fetchone() != (wanted,):
        assert time.monotonic() < deadline
        for process in processes:
            assert process.poll() is None, process.communicate()
        pause.wait(0.05)


def test_two_days_in_flight_while_a_third_is_rebuilt(three_days: Company) -> None:
    company = three_days
    for day, loaves in ((MON, 10), (TUE, 20), (WED, 30)):
        company.land_orders(day, a=loaves)
    delivered = [(MON, "a", 1), (TUE, "a", 2), (WED, "a", 3)]
    assert company.in_postgres() == delivered
    with ExitStack() as stack:
        ours = stack.enter_context(psycopg.connect(company.postgres_url, autocommit=True))
        theirs = stack.enter_context(psycopg.connect(company.postgres_url))
        # Readers pass, writers wait: Monday is planned, and stops at sending; Tuesday waits for its turn.
        theirs.execute("lock table bakery.shop_orders in exclusive mode")
        processes: list[subprocess.Popen[str]] = []
        for day, counted, wanted in ((MON, _HELD_UP, 1), (TUE, _JUDGED, 1)):
            process = start_command(elsewhere(company, day), day, *TABLES, *DELIVERED)
            processes.append(stack.enter_context(process))
            stack.callback(process.kill)
            wait_for(ours, counted, wanted, processes)

        # Wednesday is half done, its mart built and not judged: whoever sends it now is refused.
        here = elsewhere(company, "here")
        assert here.materialize(WED, "raw/orders", "staging/stg_orders") == (True, "")
        assert here.materialize(WED, "marts/shop_orders", checks=False) == (True, "")
        ok, said = here.materialize(WED, "delivered/exp_shop_orders")
        assert not ok
        assert f"marts.shop_orders [{WED}] check `expectations`: passed on an older version" in said
        # Monday is rebuilt once more under the one that is being sent, and its last table is not judged.
        company.land_orders(MON, a=70)
        assert here.materialize(MON, "raw/orders", "staging/stg_orders", "marts/shop_orders") == (True, "")
        assert here.materialize(MON, "exports/exp_shop_orders", checks=False) == (True, "")
        ok, said = here.materialize(MON, "delivered/exp_shop_orders")
        assert not ok
        assert f"exports.exp_shop_orders [{MON}] check `expectations`: passed on an older version" in said
        assert company.in_postgres() == delivered

        theirs.rollback()
        for process in processes:
            _, complained = process.communicate(timeout=120)
            assert process.returncode == 0, complained
    # Each day is what was validated when it was planned: no loaf of Monday's newer, unjudged rows.
    assert company.in_postgres() == [(MON, "a", 10), (TUE, "a", 30), (WED, "a", 3)]
