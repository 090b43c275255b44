"""A shard's rows on their way to Postgres in two halves, the added ones and the others: each row in one."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from sluicegate.destinations.base import Change, Mode
from sluicegate.destinations.postgres.shard import read_contents, stream

from .support import DAY, rows_of, write_shard

A, C, R = Change.ADDED, Change.CHANGED, Change.REMOVED
# {how they lie in the file: what each row does}; row groups are of 100 rows.
LYING = {
    "by what they do": [*[A] * 250, *[C] * 250, *[R] * 100],
    "in whole groups": [*[A] * 200, *[C] * 200, *[R] * 200],
    "mixed": [A, C, R, C, A, A] * 100,
    "none added": [C] * 600,
    "nothing but added": [A] * 600,
}


@pytest.mark.parametrize("statistics", [True, False])
@pytest.mark.parametrize("lying", LYING)
def test_each_row_is_in_one_half_in_its_order(lying: str, statistics: bool, tmp_path: Path) -> None:
    changes = LYING[lying]
    shard = write_shard(tmp_path, rows_of(DAY, len(changes), "note"), changes=changes, mode=Mode.MIRROR)
    pq.write_table(pq.read_table(shard.path), shard.path, row_group_size=100, write_statistics=statistics)
    contents = read_contents(shard)

    def items(**half: Any) -> list[int]:
        return [item for batch in stream(shard, contents, **half) for item in batch.column(0).to_pylist()]

    assert items(added=True) == [item for item, change in enumerate(changes) if change is A]
    assert items(added=False) == [item for item, change in enumerate(changes) if change is not A]
    assert items() == list(range(len(changes)))
