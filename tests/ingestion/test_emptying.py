"""Staging that is to be emptied and cannot be: the load stands, it is told, and tried again."""

import gzip
from pathlib import Path

import pytest
from sluicegate.areas import Area
from sluicegate.ingestion.emptying import empty_of_loaded
from sluicegate.ingestion.load import Loaded, load_drop
from sluicegate.state.records import Build
from sluicegate.warehouse.base import Session

from tests.ingestion.door import DAY, HEADER, NEXT, Door, contract
from tests.unit.staging.test_whole import NAMES

ROW = f"{HEADER}\n1,{DAY},a,3\n"


@pytest.fixture
def at(tmp_path: Path) -> Door:
    return Door(tmp_path, contract(staging="remove", path="orders/{date}/*.csv"))


def record(at: Door, loaded: Loaded, key: str = DAY) -> None:
    drop = at.drop(key)
    at.deployment.store.record_build(
        Build("raw.orders", key, loaded.version, "", drop.ordinal, loaded.rows, inputs={}, project="")
    )


def lying(at: Door) -> list[str]:
    return sorted(entry.path for entry in Area(at.deployment.staging.url).listing())


def test_what_cannot_be_removed_is_loaded_told_and_removed_at_a_later_look(at: Door) -> None:
    at.land({"a": ROW})
    marker = Path(at.deployment.staging.path(f"orders/{DAY}/.done"))

    def then(_: Session, loaded: Loaded) -> None:
        record(at, loaded)
        marker.unlink()
        marker.mkdir()  # which no process can remove as a file, root neither

    loaded = load_drop(at.deployment, at.contract, at.drop(), then)
    told = loaded.left_in_staging
    staging = at.deployment.staging.url
    assert told.startswith(
        f"orders/{DAY}/a.csv: loaded, and cannot be removed from {staging} (IsADirectoryError: Is a"
    )
    assert "say `staging: keep` in contracts/orders.odcs.yaml" in told
    assert at.rows() == [("1", "a", 3)]
    for _ in range(2):
        at.scan()
        assert empty_of_loaded(at.deployment, at.contract) == told
    marker.rmdir()
    at.scan()
    assert empty_of_loaded(at.deployment, at.contract) == ""
    assert lying(at) == []
    at.scan()
    assert empty_of_loaded(at.deployment, at.contract) == ""
    assert at.load().rows == 1


def test_what_a_killed_load_left_in_staging_is_removed_and_nothing_else(at: Door) -> None:
    for key in (DAY, NEXT):
        at.land({"a": ROW.replace(DAY, key), "b": f"{HEADER}\n2,{key},a,3\n"}, key)
    staging = at.deployment.staging
    # One is loaded, its build on record, and the process is killed before staging is emptied.
    kept = Door(at.folder, contract(path="orders/{date}/*.csv"))
    record(at, load_drop(kept.deployment, kept.contract, kept.drop()))
    at.scan()
    assert empty_of_loaded(at.deployment, at.contract) == ""
    assert lying(at) == [f"orders/{NEXT}/.done", f"orders/{NEXT}/a.csv", f"orders/{NEXT}/b.csv"]
    # The other one is loaded as well, and the provider is about to correct it.
    kept = Door(at.folder, contract(path="orders/{date}/*.csv"))
    record(at, load_drop(kept.deployment, kept.contract, kept.drop(NEXT)), NEXT)
    staging.write(f"orders/{NEXT}/b.csv", [f"{HEADER}\n2,{NEXT},a,4\n".encode()])
    before = lying(at)
    at.scan()
    assert empty_of_loaded(at.deployment, at.contract) == ""
    assert lying(at) == before


def test_nothing_is_removed_whose_original_is_nowhere(at: Door) -> None:
    at.land({"a": ROW})
    record(at, Loaded("1.x", 1, 1, 0))
    at.scan()
    assert empty_of_loaded(at.deployment, at.contract) == ""
    assert len(lying(at)) == 2


@pytest.mark.parametrize("suffix", ["csv", "csv.gz"])
def test_any_name_is_landed_loaded_quarantined_and_removed(suffix: str, tmp_path: Path) -> None:
    at = Door(
        tmp_path,
        contract(path=f"orders/{{date}}/part-*.{suffix}", staging="remove", quarantineLimit={"rows": 99}),
    )
    rows = {
        name: f"{HEADER}\n{number},{DAY},a,1\nb{number},{DAY},a,many\n".encode()
        for number, name in enumerate(NAMES)
    }
    packed = {name: gzip.compress(text) if suffix == "csv.gz" else text for name, text in rows.items()}
    loaded = at.load(packed)
    assert (loaded.rows, loaded.quarantined, loaded.left_in_staging) == (len(NAMES), len(NAMES), "")
    places = sorted(file for (file,) in at.quarantine("file"))
    assert places == sorted(f"orders/{DAY}/part-{name}.{suffix}" for name in NAMES)
    assert lying(at) == []
    assert at.load() == loaded
