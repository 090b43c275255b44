"""Old originals go to the cold tier; a drop is whole in one of the two areas at any moment."""

import dataclasses
import hashlib
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from sluicegate.areas import Area, digest_of
from sluicegate.contracts.model import SourceContract
from sluicegate.core.settings import REPOSITORY
from sluicegate.ingestion.originals import drop_folder, keep_originals, original_paths
from sluicegate.operations.retention import OriginalChanged, move_to_cold
from sluicegate.state.deployment import Deployment
from sluicegate.state.records import Drop, DropFile

from tests.storage import killed_moves
from tests.storage.fixtures import Storage
from tests.storage.killed_moves import AFTER_DAYS, LATER, deployment_in, sales
from tests.storage.test_deployment import deployment_on

DAY = "2022-10-03"


@pytest.fixture(scope="module")
def contract() -> SourceContract:
    return sales()


@pytest.fixture
def deployment(storage: Storage, tmp_path: Path) -> Deployment:
    return deployment_on(storage, tmp_path)


def taken_in(deployment: Deployment, key: str = DAY, *contents: bytes, several: int = 1) -> list[Drop]:
    """Land contents for a partition one after the other, and keep their originals."""
    drops: list[Drop] = []
    for content in contents or (b"a,b\n1,2\n",):
        files: list[DropFile] = []
        for part in range(several):
            path = f"sales/{key}/part-{part}.csv" if several > 1 else f"sales/{key}.csv.gz"
            written = content + str(part).encode()
            deployment.staging.write(path, [written])
            files.append(DropFile(path, hashlib.sha256(written).hexdigest(), len(written)))
        digest = hashlib.sha256("".join(file.digest for file in files).encode()).hexdigest()
        drop = deployment.store.drops.register(
            "sales", key, digest=files[0].digest if several == 1 else digest, file=files[0].path,
            size_bytes=sum(file.size for file in files), marker_stamp="", files=files if several > 1 else (),
        )  # fmt: skip
        keep_originals(drop, deployment.staging, deployment.originals)
        drops.append(drop)
    return drops


def cold_of(deployment: Deployment) -> Area:
    assert deployment.cold is not None
    return deployment.cold


def where(deployment: Deployment, drop: Drop) -> Area:
    """Return the area in which a drop is whole, as it was taken in: the originals or else the cold tier."""
    for area in (deployment.originals, cold_of(deployment)):
        kept = {path: file.digest for file, path in original_paths(drop).items()}
        if all(area.exists(path) and digest_of(area, path)[0] == digest for path, digest in kept.items()):
            return area
    raise AssertionError(f"{drop.key} is whole in no area")


def test_what_is_old_moves_and_is_still_found(deployment: Deployment, contract: SourceContract) -> None:
    drops = [*taken_in(deployment, DAY, b"first", b"second"), *taken_in(deployment, "2022-10-04", several=3)]
    assert {where(deployment, drop) for drop in drops} == {deployment.originals}
    assert move_to_cold(deployment, [contract], LATER) == [drop_folder(drop) for drop in drops]
    assert list(deployment.originals.listing()) == []
    assert {where(deployment, drop) for drop in drops} == {cold_of(deployment)}
    assert move_to_cold(deployment, [contract], LATER) == []


def test_what_was_fetched_back_for_a_rebuild_goes_again(
    deployment: Deployment, contract: SourceContract
) -> None:
    (drop,) = taken_in(deployment)
    move_to_cold(deployment, [contract], LATER)
    path = original_paths(drop)[drop.files[0]]
    deployment.originals.create(path, cold_of(deployment).chunks(path))
    assert where(deployment, drop) == deployment.originals
    assert move_to_cold(deployment, [contract], LATER) == [drop_folder(drop)]
    assert where(deployment, drop) == cold_of(deployment)


def test_what_is_not_old_yet_stays(deployment: Deployment, contract: SourceContract) -> None:
    (drop,) = taken_in(deployment)
    landed = deployment.store.drops.of("sales", DAY)[0].landed_at
    assert landed is not None
    age = timedelta(days=AFTER_DAYS)
    assert move_to_cold(deployment, [contract], landed + age - timedelta(seconds=1)) == []
    assert where(deployment, drop) == deployment.originals
    assert move_to_cold(deployment, [contract], landed + age) == [drop_folder(drop)]


def test_a_contract_that_says_nothing_keeps_its_originals(
    deployment: Deployment, contract: SourceContract
) -> None:
    (drop,) = taken_in(deployment)
    assert move_to_cold(deployment, [dataclasses.replace(contract, cold_after_days=None)], LATER) == []
    assert where(deployment, drop) == deployment.originals


def test_without_a_cold_tier_nothing_moves(tmp_path: Path, contract: SourceContract) -> None:
    deployment = deployment_in(tmp_path)
    without = Deployment(deployment.settings.model_copy(update={"cold_url": None}))
    (drop,) = taken_in(without)
    assert move_to_cold(without, [contract], LATER) == []
    assert where(deployment, drop) == deployment.originals


def test_an_original_that_was_changed_stays_and_is_told_after_the_others_moved(
    deployment: Deployment, contract: SourceContract
) -> None:
    (changed,), (other,) = taken_in(deployment), taken_in(deployment, "2022-10-04")
    deployment.originals.write(original_paths(changed)[changed.files[0]], [b"something else"])
    with pytest.raises(
        OriginalChanged, match=r"the original .*sales/2022-10-03/000001-.* was changed; expected"
    ):
        move_to_cold(deployment, [contract], LATER)
    assert where(deployment, other) == cold_of(deployment)
    assert deployment.originals.exists(original_paths(changed)[changed.files[0]])
    assert not cold_of(deployment).exists(original_paths(changed)[changed.files[0]])


def test_a_cold_copy_that_is_wrong_costs_no_original(
    deployment: Deployment, contract: SourceContract
) -> None:
    (drop,) = taken_in(deployment)
    cold_of(deployment).write(original_paths(drop)[drop.files[0]], [b"something else"])
    with pytest.raises(OriginalChanged, match=r"the cold copy .* is not its original"):
        move_to_cold(deployment, [contract], LATER)
    assert where(deployment, drop) == deployment.originals


def test_a_drop_that_is_half_taken_in_stays(deployment: Deployment, contract: SourceContract) -> None:
    (drop,) = taken_in(deployment, several=3)
    deployment.originals.remove(original_paths(drop)[drop.files[1]])
    assert move_to_cold(deployment, [contract], LATER) == []
    assert len(list(deployment.originals.listing())) == 2
    keep_originals(drop, deployment.staging, deployment.originals)
    assert move_to_cold(deployment, [contract], LATER) == [drop_folder(drop)]


def test_a_closed_day_and_another_source_are_left_alone(
    deployment: Deployment, contract: SourceContract
) -> None:
    deployment.store.drops.register("sales", DAY, digest="0" * 64, file=None, size_bytes=0, marker_stamp="")
    deployment.originals.write("stores/snapshot/000001-0/stores.csv", [b"x"])
    assert move_to_cold(deployment, [contract], LATER) == []
    assert deployment.originals.exists("stores/snapshot/000001-0/stores.csv")


@pytest.mark.long
def test_a_move_that_is_killed_at_any_step_loses_nothing_and_is_finished_by_the_next(
    tmp_path: Path, contract: SourceContract
) -> None:
    template = deployment_in(tmp_path / "template")
    drops = [*taken_in(template, DAY, b"first", b"second"), *taken_in(template, "2022-10-04", several=3)]
    template.store.close()
    command = [
        sys.executable,
        "-m",
        killed_moves.__name__,
        str(tmp_path / "template"),
        str(tmp_path / "killed"),
    ]
    subprocess.run(command, cwd=REPOSITORY, check=True, timeout=120)
    ends = sorted(int(path.name) for path in (tmp_path / "killed").iterdir())
    # Each file is shown in cold, and removed from originals.
    assert len(ends) > 2 * sum(len(drop.files) for drop in drops)
    for steps in ends:
        deployment = deployment_in(tmp_path / "killed" / str(steps))
        for drop in drops:
            where(deployment, drop)
        move_to_cold(deployment, [contract], LATER)
        assert {where(deployment, drop) for drop in drops} == {cold_of(deployment)}
        assert list(deployment.originals.listing()) == []
        deployment.store.close()
