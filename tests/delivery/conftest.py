"""The shards that the delivery tests send.

Belongs here: what several delivery tests need. Does not: any expectation.
"""

import uuid
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from orchestration.delivery.destinations import Shard

from .support import DAY, MakeShard, Row


@pytest.fixture
def make_shard(tmp_path: Path) -> MakeShard:
    """Write rows (item, day, note), or any Arrow table, as a shard."""
    arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")

    def make(
        rows: Sequence[Row] | Any,
        *,
        partition: str = DAY,
        delivery_id: str | None = None,
        **changes: Any,
    ) -> Shard:
        table: Any = rows
        if not isinstance(rows, arrow.Table):
            schema = arrow.schema(
                {"item": arrow.int32(), "business_date": arrow.date32(), "note": arrow.string()}
            )
            days = arrow.array([row[1] for row in rows], arrow.string()).cast(arrow.date32())
            items = arrow.array([row[0] for row in rows], arrow.int32())
            notes = arrow.array([row[2] for row in rows], arrow.string())
            table = arrow.table([items, days, notes], schema=schema)
        path = tmp_path / f"{uuid.uuid4().hex}.parquet"
        parquet.write_table(table, path)
        stated: dict[str, Any] = {
            "export": "exp_items",
            "partition_key": partition,
            "delivery_id": delivery_id or f"d-{uuid.uuid4().hex[:8]}",
            "path": path,
            "rows": table.num_rows,
            "key": ("business_date", "item"),
            "partition_column": "business_date",
            "digest": uuid.uuid4().hex,
        }
        return Shard(**(stated | changes))

    return make
