"""What is due where partitions are hours, weeks, months and drops: an hour may complete a day, and so on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sluicegate.operations.due import Cursor

from tests.observatory import (
    DAY,
    HOURS,
    JANUARY,
    land_hour,
    land_plan,
    land_recording,
    land_stations,
    land_week,
    open_observatory,
)
from tests.unit.records import Ledger

pytestmark = pytest.mark.long

OF_AN_HOUR = {"raw.readings", "staging.stg_readings", "exports.exp_hour_readings"}
OF_A_DAY = {"marts.day_sums", "exports.exp_day_sums"}
OF_A_MONTH = {"raw.plans", "staging.stg_plans", "exports.exp_month_plans"}
SECOND = [f"2024-01-02-{hour:02}:00" for hour in range(24)]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """Stations and January's plan have landed, and are loaded."""
    with open_observatory(tmp_path) as company:
        ledger = Ledger(company)
        assert [key for key, _ in ledger.settle()] == ["", JANUARY]
        yield ledger


def settled(ledger: Ledger, *failing: str) -> list[tuple[str, set[str]]]:
    return [(key, set(tables)) for key, tables in ledger.settle(failing=failing)]


def test_a_day_is_due_once_with_the_last_of_its_hours(ledger: Ledger) -> None:
    for hour in SECOND[:-1]:
        land_hour(ledger.company, hour, a=1)
    assert settled(ledger) == [(hour, OF_AN_HOUR) for hour in SECOND[:-1]]
    land_hour(ledger.company, SECOND[-1], a=1)
    assert settled(ledger) == [(SECOND[-1], OF_AN_HOUR), ("2024-01-02", OF_A_DAY)]
    ledger.cursor = Cursor()
    assert ledger.look().runs == ()


def test_the_hours_before_the_first_are_not_waited_for(ledger: Ledger) -> None:
    for hour in HOURS:
        land_hour(ledger.company, hour, a=1)
    assert settled(ledger)[-1] == (DAY, OF_A_DAY)


def test_runs_come_in_the_order_of_time_whatever_their_grain(ledger: Ledger) -> None:
    land_week(ledger.company, "2024-W01-1", "2024-01-02")
    land_plan(ledger.company, "2024-02")
    land_recording(ledger.company, "quake", 1)
    land_hour(ledger.company, SECOND[0], a=1)
    land_hour(ledger.company, HOURS[0], a=1)
    assert [run.partition_key for run in ledger.look().runs] == [
        HOURS[0], SECOND[0], "2024-W01-1", "2024-02", "quake",
    ]  # fmt: skip


def test_a_corrected_hour_reruns_itself_and_its_day_alone(ledger: Ledger) -> None:
    for hour in (*HOURS, *SECOND):
        land_hour(ledger.company, hour, a=1)
    ledger.settle()
    land_hour(ledger.company, HOURS[1], a=2)
    assert settled(ledger) == [(HOURS[1], OF_AN_HOUR), (DAY, OF_A_DAY)]


def test_a_corrected_month_reruns_the_days_that_were_made_of_it(ledger: Ledger) -> None:
    for hour in (*HOURS, *SECOND[:3]):
        land_hour(ledger.company, hour, a=1)
    ledger.settle()
    land_plan(ledger.company, JANUARY, readings=9)
    assert settled(ledger) == [(JANUARY, OF_A_MONTH), (DAY, OF_A_DAY)]


def test_an_hour_that_failed_holds_its_day(ledger: Ledger) -> None:
    for hour in HOURS:
        land_hour(ledger.company, hour, a=1)
    done = settled(ledger, "raw.readings")
    assert [key for key, _ in done] == HOURS
    ledger.cursor = Cursor()
    held = {(item.export, item.partition_key) for item in ledger.look().held}
    assert held == {("exp_day_sums", DAY), *(("exp_hour_readings", hour) for hour in HOURS)}


def test_a_new_snapshot_takes_up_a_day_that_failed_on_the_old_one(ledger: Ledger) -> None:
    land_stations(ledger.company, "a")
    ledger.settle(failing={"raw.stations"})
    for hour in HOURS:
        land_hour(ledger.company, hour, a=1)
    assert [key for key, _ in ledger.settle()] == HOURS
    land_stations(ledger.company, "a", "c")
    assert settled(ledger) == [("", {"raw.stations"}), (DAY, OF_A_DAY)]


def test_a_drop_is_due_by_itself(ledger: Ledger) -> None:
    for key in ("quake", "lorry"):
        land_recording(ledger.company, key, 1)
    assert [key for key, _ in ledger.settle()] == ["lorry", "quake"]
    land_recording(ledger.company, "quake", 2)
    [(key, tables)] = ledger.settle()
    assert (key, len(tables)) == ("quake", 3)


def test_records_of_a_source_that_was_cut_in_another_way_before_are_passed_over(ledger: Ledger) -> None:
    ledger.company.deployment.store.drops.register(
        "readings", "2023-12-31", digest="d", file="readings/2023-12-31.csv", size_bytes=1, marker_stamp="s"
    )
    due = ledger.look()
    assert (due.runs, due.held) == ((), ())
    assert ("readings", "2023-12-31") not in ledger.company.status()
