"""Files that tell what was sent, or is under way, are gone or cannot be read: in every mode a way out."""

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from orchestration.destinations.base import DeliveryError
from orchestration.state.records import DeliveryStatus

from .bench import EXPORT, FIRST, THEN, Bench, each_mode, left_by, rows_sql, texts
from .deliveries import DAY
from .shelf import Crash

# -- files


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def _other(path: Path) -> None:
    path.write_text("<html>moved</html>")


def _damaged(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:4] + bytes(len(content[4:200]) * [255]) + content[200:])


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _fewer_rows(path: Path) -> None:
    duckdb.sql(f"copy (from '{path}' limit 1) to '{path}.less' (format parquet)")
    Path(f"{path}.less").replace(path)


LOST: dict[str, Callable[[Path], None]] = {
    "gone": Path.unlink,
    "empty": _empty,
    "cut off": _cut_off,
    "no Parquet file": _other,
    "damaged between its ends": _damaged,
    "a folder": _folder,
}


# What was settled may have fewer rows: those of a person who was forgotten are taken out.
OPEN = LOST | {"fewer rows": _fewer_rows}


@each_mode
@pytest.mark.parametrize("lost", LOST)
@pytest.mark.sampled(8)
def test_a_file_of_what_was_sent_is_lost(bench: Bench, lost: str) -> None:
    bench.deliver(rows_sql(FIRST))
    LOST[lost](Path(bench.newest().shard))
    with pytest.raises(DeliveryError) as caught:
        bench.deliver(rows_sql(THEN))
    assert bench.newest().shard in str(caught.value)
    bench.type_what_is_printed(str(caught.value), rows_sql(THEN))
    assert bench.there() == left_by(bench.mode, FIRST, THEN)
    bench.calm(rows_sql(THEN))
    bench.deliver(rows_sql(THEN | {9: "new"}))
    assert bench.there() == left_by(bench.mode, FIRST, THEN | {9: "new"})


@each_mode
@pytest.mark.parametrize(
    ("lost", "same"), [*((lost, True) for lost in OPEN), ("gone", False), ("cut off", False)]
)
@pytest.mark.sampled(9)
def test_a_file_that_is_under_way_is_lost(bench: Bench, lost: str, same: bool) -> None:
    bench.shelf.faults.crash_after_rows = 1
    with pytest.raises(Crash):
        bench.deliver(rows_sql(FIRST), version="1")
    bench.shelf.faults.crash_after_rows = None
    OPEN[lost](Path(bench.newest().shard))
    rows, version = (FIRST, "1") if same else (THEN, "2")
    with pytest.raises(DeliveryError) as caught:
        bench.deliver(rows_sql(rows), version=version)
    arrived = {int(item): note for item, note in bench.there().items()}
    assert len(arrived) == 1
    bench.type_what_is_printed(str(caught.value), rows_sql(rows))
    assert bench.there() == left_by(bench.mode, arrived, rows)
    bench.calm(rows_sql(rows))


@each_mode
@pytest.mark.parametrize(
    ("lost", "status"),
    [*((lost, DeliveryStatus.PLANNED) for lost in OPEN), ("gone", DeliveryStatus.APPROVED)],
)
@pytest.mark.sampled(8)
def test_a_plan_whose_file_is_lost_is_planned_anew(bench: Bench, lost: str, status: DeliveryStatus) -> None:
    bench.shelf.faults.down = True
    with pytest.raises(DeliveryError, match="nobody answers"):
        bench.deliver(rows_sql(FIRST), version="1")
    bench.shelf.faults.down = False
    plan = bench.newest()
    bench.store.deliveries.move(plan.delivery_id, status, out_of=[DeliveryStatus.PLANNED])
    OPEN[lost](Path(plan.shard))
    assert bench.deliver(rows_sql(FIRST), version="1").sent
    assert bench.there() == texts(FIRST)
    bench.calm(rows_sql(FIRST))


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.sampled(4)
def test_a_base_that_is_lost(bench: Bench, lost: str) -> None:
    rows = dict(FIRST)
    for number in range(14):
        rows[1] = f"round {number}"
        bench.deliver(rows_sql(rows))
    base = bench.store.deliveries.base(EXPORT, DAY)
    assert base is not None
    LOST[lost](Path(base.shard))
    with pytest.raises(DeliveryError) as caught:
        bench.deliver(rows_sql(THEN))
    assert base.shard in str(caught.value)
    bench.type_what_is_printed(str(caught.value), rows_sql(THEN))
    assert bench.there() == texts(THEN)
    bench.calm(rows_sql(THEN))


@pytest.mark.parametrize("lost", [name for name in LOST if name not in ("gone", "damaged between its ends")])
def test_whom_a_file_holds_that_is_lost_is_asked_before_anybody_is_forgotten(bench: Bench, lost: str) -> None:
    bench.deliver(rows_sql(FIRST))
    shard = Path(bench.newest().shard)
    LOST[lost](shard)
    with (
        pytest.raises(DeliveryError, match=r"to be forgotten(.|\n)*delete it; then `sluice delivery resend"),
        bench.ledger.shards(EXPORT, bench.key, {}),
    ):
        pass
    shard.rmdir() if shard.is_dir() else shard.unlink()
    with bench.ledger.shards(EXPORT, bench.key, {}) as shards:
        assert shards.files == []
