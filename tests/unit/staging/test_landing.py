"""Landing files as a provider would."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sluicegate.areas import Area
from sluicegate.contracts.model import SourceContract
from sluicegate.ingestion.landing import land
from sluicegate.ingestion.staging import register_landed
from sluicegate.state.store import StateStore

from tests.company import MON, TUE
from tests.unit.staging.support import LISTED, ORDERS, PARTS, RESTING, WEATHER, clock


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


@pytest.mark.parametrize("contract", [PARTS, LISTED, RESTING], ids=lambda item: str(item.completion.on))
def test_what_is_landed_is_what_is_taken(
    staging: Area, records: StateStore, tmp_path: Path, contract: SourceContract
) -> None:
    look = clock(datetime.now(UTC) + timedelta(days=1))
    one, two = tmp_path / "part-1.csv", tmp_path / "part-2.csv"
    one.write_text("1")
    two.write_text("2")
    for files in ([one, two], [two]):  # of the earlier drop nothing stays
        assert list(land(contract, staging, {MON: files})) == [MON]
        scan = register_landed(contract, staging, records, now=look)
        assert [[file.path for file in drop.files] for drop in scan.drops] == [
            [f"parts/{MON}/{file.name}" for file in files]
        ]
        assert (scan.complaints, scan.notes) == ((), ())


def test_a_file_that_has_no_place_in_the_drop_is_not_landed(staging: Area, tmp_path: Path) -> None:
    wrong, right = tmp_path / "other.csv", tmp_path / "part-1.csv"
    for given, what in (([wrong], "its name does not fit"), ([right, right], "a second file for")):
        with pytest.raises(ValueError, match=what):
            list(land(PARTS, staging, {MON: given}))
    with pytest.raises(ValueError, match="a second file for"):
        list(land(ORDERS, staging, {MON: [wrong, right]}))
    assert list(staging.listing()) == []
