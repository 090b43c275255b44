"""Layers become one base, once reading them all costs more than writing what they make together."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.compute.row_hash import hashed_by, row_hash
from orchestration.compute.sql import literal
from orchestration.delivery.planning.content import Content, Layer, columns_as
from orchestration.destinations.base import CHANGE, CHANGED_FIELDS, ROW, ROW_HASH, Change
from orchestration.state.records import Base, Delivery

if TYPE_CHECKING:
    import duckdb

# Rows of the layers as a share of the base: a base is written anew after so much has changed, so that in the
# long run writing bases costs a few times what was changed.
_LARGEST_SHARE = 0.5
# Every plan opens every layer, for some 3 ms each; a million rows of a base are written in a second. So n
# layers have cost as much as writing so many rows times n squared, and few layers are never worth it. A small
# scope gets its base early, and one of ten million rows after eighty small deliveries.
_ROWS_A_LAYER_SQUARED = 1_500
_FEW_LAYERS = 12


def worth_compacting(layer_rows: list[int]) -> bool:
    """Return whether a base should be written; the rows of each layer, oldest first."""
    base, *others = layer_rows or [0]
    if not others:
        return False
    if sum(others) > max(base * _LARGEST_SHARE, 10_000):
        return True
    return len(layer_rows) > _FEW_LAYERS and len(layer_rows) ** 2 * _ROWS_A_LAYER_SQUARED > base


def write_base(
    connection: "duckdb.DuckDBPyConnection",
    layers: list[Layer],
    key: tuple[str, ...],
    fields: dict[str, str],
    newest: Delivery,
    folder: Path,
) -> Base:
    """Write what the layers make together as one shard.

    `fields` are those of the newest delivery with their SQL types, as its shard has them.
    """
    content = Content(connection, layers, key, list(fields), newest.shape)
    shard = folder / f"base-{newest.delivery_id}.parquet"
    partial = shard.with_suffix(f".{os.getpid()}.partial")
    held = content.values(hashed=True)
    columns = columns_as(connection, held, fields, "cast")
    # What is known is kept: a HUGEINT may have had digits that its shard has not.
    connection.execute(
        f"copy (select row_number() over () - 1 as {ROW}, '{Change.ADDED}' as {CHANGE},"
        f" null::varchar[] as {CHANGED_FIELDS}, coalesce({ROW_HASH}, {row_hash(fields)}) as {ROW_HASH},"
        f" * exclude ({ROW_HASH})"
        f" from (select {ROW_HASH}, {columns} from ({held}) held))"
        f" to {literal(str(partial))} (format parquet)"
    )
    (rows,) = connection.execute(
        f"select count(*) from read_parquet({literal(str(partial))})"
    ).fetchone() or (0,)
    partial.replace(shard)
    return Base(
        newest.export, newest.scope, newest.id, str(shard), int(rows), newest.shape, hashed_by(connection)
    )
