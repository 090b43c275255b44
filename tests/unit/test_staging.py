"""The staging area: what counts as landed, and what is complained about."""

import uuid
from pathlib import Path

import pytest

from orchestration.areas import Area
from orchestration.contracts.load import load_contracts
from orchestration.ingestion.staging import NO_DROP_DIGEST, land, register_landed
from orchestration.state.store import StateStore
from tests.company import BAKERY, MON, THU, TUE, WED

CONTRACTS = load_contracts(BAKERY)[0]
ORDERS, SHOPS, WEATHER = (CONTRACTS[name] for name in ("orders", "shops", "weather"))


@pytest.fixture(params=["directory", "memory"])
def staging(request: pytest.FixtureRequest, tmp_path: Path) -> Area:
    """A local directory, and a store that is none."""
    if request.param == "memory":
        return Area(f"memory://{uuid.uuid4().hex}/staging")
    return Area(str(tmp_path / "staging"))


@pytest.fixture
def records(tmp_path: Path) -> StateStore:
    return StateStore(f"sqlite:///{tmp_path / 'state.db'}")


def write(area: Area, path: str, text: str = "") -> None:
    area.write(path, iter([text.encode()]))


def test_a_drop_counts_from_its_marker_on(staging: Area, records: StateStore) -> None:
    write(staging, f"orders/{MON}.csv.gz", "one")
    assert register_landed(ORDERS, staging, records).drops == ()
    write(staging, f"orders/{MON}.done")
    scan = register_landed(ORDERS, staging, records)
    assert [(drop.partition_key, drop.ordinal, drop.file, drop.size_bytes) for drop in scan.drops] == [
        (MON, 1, f"orders/{MON}.csv.gz", 3)
    ]
    assert register_landed(ORDERS, staging, records).drops == ()


def test_a_marker_without_its_file_is_complained_about_until_it_comes(
    staging: Area, records: StateStore
) -> None:
    write(staging, f"orders/{MON}.done")
    for _ in range(2):
        scan = register_landed(ORDERS, staging, records)
        assert scan.drops == ()
        assert [text.partition(";")[0] for text in scan.complaints] == [
            f"orders/{MON}.done: marker without its file"
        ]
    write(staging, f"orders/{MON}.csv.gz", "one")
    assert len(register_landed(ORDERS, staging, records).drops) == 1


@pytest.mark.parametrize("name", ["2023-12-31", "2024-1-1", "monday", "2024-02-30"])
def test_a_marker_that_is_no_day_of_the_source_is_complained_about(
    staging: Area, records: StateStore, name: str
) -> None:
    write(staging, f"orders/{name}.csv.gz", "one")
    write(staging, f"orders/{name}.done")
    scan = register_landed(ORDERS, staging, records)
    assert scan.drops == ()
    assert len(scan.complaints) == 1
    assert f"orders/{name}.done: not a marker of `orders`" in scan.complaints[0]
    assert "from 2024-01-01 on" in scan.complaints[0]


def test_new_content_is_a_new_drop_and_the_same_content_is_none(staging: Area, records: StateStore) -> None:
    ordinals: list[list[int]] = []
    for content in ("one", "one", "two", "one"):
        write(staging, f"orders/{MON}.csv.gz", content)
        staging.remove(f"orders/{MON}.done")
        write(staging, f"orders/{MON}.done")
        ordinals.append([drop.ordinal for drop in register_landed(ORDERS, staging, records).drops])
    assert ordinals == [[1], [], [2], [3]]


def test_a_later_day_closes_those_before_it_where_the_contract_allows(
    staging: Area, records: StateStore
) -> None:
    for contract in (ORDERS, WEATHER):
        for day in (MON, THU):
            write(staging, contract.path_of(day), day)
            write(staging, contract.marker_of(day))
    drops = register_landed(WEATHER, staging, records).drops
    assert {drop.partition_key: drop.file is None for drop in drops} == {
        MON: False,
        TUE: True,
        WED: True,
        THU: False,
    }
    assert {drop.digest for drop in drops if drop.file is None} == {NO_DROP_DIGEST}
    assert set(records.latest_drops("weather")) == {MON, TUE, WED, THU}
    register_landed(ORDERS, staging, records)
    assert set(records.latest_drops("orders")) == {MON, THU}


def test_a_late_drop_of_a_closed_day_is_a_correction_of_it(staging: Area, records: StateStore) -> None:
    for day in (MON, WED, TUE):
        write(staging, WEATHER.path_of(day), day)
        write(staging, WEATHER.marker_of(day))
        found = register_landed(WEATHER, staging, records).drops
        assert found
    late = records.latest_drops("weather")[TUE]
    assert (late.ordinal, late.file) == (2, f"weather/{TUE}.csv")


def test_a_snapshot_has_one_partition(staging: Area, records: StateStore) -> None:
    write(staging, "shops/shops.csv", "a")
    write(staging, "shops/shops.done")
    assert [drop.partition_key for drop in register_landed(SHOPS, staging, records).drops] == ["snapshot"]


def test_landing_writes_the_marker_last_and_takes_an_old_one_away_first(
    staging: Area, records: StateStore, tmp_path: Path
) -> None:
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text("first")
    second.write_text("second")
    assert list(land(WEATHER, staging, {TUE: first, MON: first})) == [MON, TUE]
    assert len(register_landed(WEATHER, staging, records).drops) == 2
    landing = land(WEATHER, staging, {MON: second, TUE: tmp_path / "not there"})
    assert next(landing) == MON
    with pytest.raises(FileNotFoundError):
        next(landing)
    # Tuesday's file is the old one, and nothing announces it until it has been landed whole.
    assert not staging.exists(f"weather/{TUE}.done")
    assert [drop.partition_key for drop in register_landed(WEATHER, staging, records).drops] == [MON]
