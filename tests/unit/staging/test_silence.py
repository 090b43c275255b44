"""Partitions without a drop: closed by a later one, where the contract allows it."""

from datetime import timedelta

import pytest
from sluicegate.areas import Area
from sluicegate.core.partitions import Grain
from sluicegate.ingestion.gaps import NO_DROP_DIGEST
from sluicegate.ingestion.staging import Scan, register_landed
from sluicegate.state.store import StateStore

from tests.company import MON, THU, TUE, WED
from tests.unit.staging.support import ORDERS, WEATHER, announce, cut_by


def test_a_later_day_closes_those_before_it_where_the_contract_allows(
    staging: Area, records: StateStore
) -> None:
    for contract in (ORDERS, WEATHER):
        for day in (MON, THU):
            announce(staging, contract, day)
    drops = register_landed(WEATHER, staging, records).drops
    assert {drop.partition_key: drop.file is None for drop in drops} == {
        MON: False,
        TUE: True,
        WED: True,
        THU: False,
    }
    assert {drop.digest for drop in drops if drop.file is None} == {NO_DROP_DIGEST}
    assert {drop.files for drop in drops if drop.file is None} == {()}
    assert set(records.drops.latest("weather")) == {MON, TUE, WED, THU}
    register_landed(ORDERS, staging, records)
    assert set(records.drops.latest("orders")) == {MON, THU}


def test_a_late_drop_of_a_closed_day_is_a_correction_of_it(staging: Area, records: StateStore) -> None:
    for day in (MON, WED, TUE):
        announce(staging, WEATHER, day)
        found = register_landed(WEATHER, staging, records).drops
        assert found
    late = records.drops.latest("weather")[TUE]
    assert (late.ordinal, late.file) == (2, f"weather/{TUE}.csv")


@pytest.mark.parametrize(
    ("grain", "path", "first", "longest", "units"),
    [
        (Grain.HOURLY, "weather/{date}T{hour}.csv", "2024-01-01-00:00", 168, "hours"),
        (Grain.DAILY, "weather/{date}.csv", "2024-01-01", 14, "days"),
        (Grain.WEEKLY, "weather/{week}.csv", "2024-W01-1", 14, "weeks"),
        (Grain.MONTHLY, "weather/{year}-{month}.csv", "2024-01", 14, "months"),
    ],
)
def test_a_long_silence_is_not_closed(
    staging: Area, records: StateStore, grain: Grain, path: str, first: str, longest: int, units: str
) -> None:
    contract = cut_by(grain, path, WEATHER)
    begin = contract.partitioning.interval(first)[0]
    keys = list(contract.partitioning.overlapping(begin, begin + timedelta(days=31 * (longest + 3))))
    last = keys[longest + 2]
    for key in (first, last):
        announce(staging, contract, key)
    scan = register_landed(contract, staging, records)
    assert [drop.partition_key for drop in scan.drops] == [first, last]
    assert scan.complaints == (
        f"weather: {longest + 1} {units} without a drop before {last}; expected at most {longest} in a row;"
        f" land the missing {units}",
    )
    # A drop in the middle closes what is left on both sides, once.
    middle = keys[2]
    announce(staging, contract, middle)
    scan = register_landed(contract, staging, records)
    assert (len(scan.drops), scan.complaints) == (longest + 1, ())
    assert len(records.drops.latest("weather")) == longest + 3
    assert register_landed(contract, staging, records) == Scan((), ())
