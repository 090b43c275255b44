"""Where a shard is cut into batches, whatever of it is still pending."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sluicegate.destinations.base import Change, Shard
from sluicegate.destinations.cutting import Batch, PendingRows, halves, pieces, runs

from .journals import MemoryJournal
from .support import DAY, rows_of, write_shard

ALL = (Change.ADDED, Change.CHANGED, Change.REMOVED)
KINDS = st.lists(st.sampled_from(ALL), max_size=60)
few_writes = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def batches(shard: Shard, batch_rows: int, pending: Sequence[tuple[int, int]]) -> list[Batch]:
    found = pieces(shard, ALL, batch_rows, PendingRows(pending))
    return [piece.batch(shard.delivery_id) for piece in found]


def parts_of(batch: Batch, delivery_id: str) -> set[str]:
    """The ids of a batch and of everything that splitting it may make."""
    if len(batch.rows) < 2:
        return {batch.id}
    return {batch.id}.union(*(parts_of(half, delivery_id) for half in halves(batch, delivery_id)))


@few_writes
@given(data=st.data(), kinds=KINDS, batch_rows=st.integers(1, 17))
def test_all_that_is_pending_is_cut_where_it_was_cut_before(
    tmp_path: Path, data: st.DataObject, kinds: list[Change], batch_rows: int
) -> None:
    shard = write_shard(tmp_path, rows_of(DAY, len(kinds), "x"), changes=kinds)
    settled = data.draw(st.sets(st.sampled_from(range(len(kinds))))) if kinds else set[int]()
    first = batches(shard, batch_rows, [(0, shard.rows)])
    left = MemoryJournal(shard.rows, [(number, number + 1) for number in settled]).pending()
    again = batches(shard, batch_rows, left)
    for batch in first + again:
        numbers = [row.number for row in batch.rows]
        assert 0 < len(numbers) <= batch_rows
        assert numbers == sorted(numbers)
        assert {row.change for row in batch.rows} == {kinds[numbers[0]]}
    sent = Counter(row.number for batch in again for row in batch.rows)
    assert sent == Counter(set(range(shard.rows)) - settled)
    known = set[str]().union(*(parts_of(batch, shard.delivery_id) for batch in first))
    assert {batch.id for batch in again} <= known
    full = [batch for batch in first if len(batch.rows) == batch_rows]
    assert len(first) - len(full) <= len(set(kinds))


def test_rows_are_what_the_file_says(tmp_path: Path) -> None:
    rows = [(7, DAY, "a"), (8, DAY, "b")]
    shard = write_shard(
        tmp_path, rows, changes=[Change.CHANGED, Change.REMOVED], changed_fields=[["note"], None]
    )
    changed, removed = (batch.rows[0] for batch in batches(shard, 5, [(0, 2)]))
    assert (changed.number, changed.change, changed.changed_fields) == (0, Change.CHANGED, ("note",))
    assert dict(changed.values) | {"business_date": DAY} == {"item": 7, "business_date": DAY, "note": "a"}
    assert (removed.number, removed.change, removed.changed_fields) == (1, Change.REMOVED, None)


def test_ids_differ_between_deliveries_and_are_short(tmp_path: Path) -> None:
    shards = [write_shard(tmp_path, rows_of(DAY, 9, "x"), delivery_id=name) for name in ("d-1", "d-2")]
    one, other = (batches(shard, 5, [(0, 9)]) for shard in shards)
    assert len({batch.id for batch in one + other}) == 4
    assert max(len(batch.id) for batch in one) <= len("d-1") + 64


def test_ranges_are_joined() -> None:
    assert list(runs([0, 1, 2, 5, 7, 8])) == [(0, 3), (5, 6), (7, 9)]
