"""What a delivery makes where it is missing: schema, ledger, table.

Belongs here: their statements. Does not: whether they are there (`catalogue`), rows (`apply`).
"""

from collections.abc import Mapping

from sluicegate.compute.sql import quoted

from ..base import Shard
from .catalogue import Catalogue


def create_missing(
    catalogue: Catalogue, shard: Shard, types: Mapping[str, str], *, table_exists: bool
) -> None:
    """Make schema, ledger and, unless it is there, the table with columns of these types."""
    cursor = catalogue.cursor
    if not catalogue.ledger_exists():
        # `if not exists` does not keep two transactions from creating the same thing; the
        # lock does. It is taken only the first time, as it is held until the commit.
        catalogue.lock(f"sluice schema {catalogue.schema}")
        if not catalogue.schema_exists():
            cursor.execute(f"create schema {quoted(catalogue.schema)}")
        cursor.execute(
            f"create table if not exists {catalogue.ledger} ("
            " object text not null, delivery_id text not null, export text not null,"
            " partition_key text not null, rows bigint not null, digest text not null,"
            " delivered_at timestamptz not null default now(),"
            " primary key (object, delivery_id))"
        )
    if table_exists:
        return
    body = ", ".join(f"{quoted(name)} {kind}" for name, kind in types.items())
    key = ", ".join(quoted(name) for name in shard.key)
    cursor.execute(f"create table {catalogue.target} ({body}, primary key ({key}))")
    if shard.partition_column not in (None, shard.key[0]):
        # A slice is deleted and read back by this column: without an index that would read all days.
        cursor.execute(f"create index on {catalogue.target} ({quoted(shard.partition_column)})")
