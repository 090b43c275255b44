"""What scopes held at a moment, for those who look: rows as SQL, how many, and their fields.

Belongs here: that. Does not belong here: how the rows are made of layers (`content`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from sluicegate.compute.exact_parquet import exact_rows
from sluicegate.compute.sql import quoted
from sluicegate.delivery.ledger.content import Content, shard_fields
from sluicegate.delivery.ledger.keys import Alikes, KeyForm, read_alike
from sluicegate.delivery.ledger.layers import Layer, layers_of
from sluicegate.state.deliveries import Deliveries
from sluicegate.state.records import Delivery

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Held:
    """What one scope holds, or held at a moment; `newest` is the last delivery that it is made of.

    What is in doubt, as nobody knows whether it arrived, is not among the rows.
    It is read within the connection that it was opened in, and before another is opened there.
    """

    newest: Delivery
    connection: "duckdb.DuckDBPyConnection"
    key: tuple[str, ...]
    layers: Sequence[Layer]

    @property
    def alike(self) -> Alikes:
        """What makes two values of a key's field one, as the newest delivery was compared."""
        return read_alike(self.newest.alike) or {}

    @property
    def empty(self) -> bool:
        """Whether no row was left of what was sent."""
        return not self.layers

    @cached_property
    def fields(self) -> Mapping[str, str]:
        """{field: SQL type}, as the newest delivery has them; text where older rows have other values."""
        fields = shard_fields(self.connection, self.newest.shard)
        form = KeyForm.of(self.key, self.alike)
        content = Content(self.connection, self.layers, form, fields, self.newest.shape, certain=True)
        return fields | dict.fromkeys(content.lost(), "VARCHAR")

    @property
    def rows(self) -> str:
        """SQL of the rows; the columns are the fields."""
        if self.empty:
            listed = ", ".join(map(quoted, self.fields))
            return f"select {listed} from {exact_rows(self.connection, self.newest.shard)} where false"
        return self._content.typed(strict=True)

    def count(self) -> int:
        """Return how many rows there are."""
        return 0 if self.empty else self._content.count()

    @property
    def in_doubt(self) -> str:
        """SQL of the rows of which nobody knows whether they are there, as they may be; "" without any."""
        form = KeyForm.of(self.key, self.alike)
        content = Content(
            self.connection, self.layers, form, self.fields, self.newest.shape, overlay="_overlay_in_doubt"
        )
        keys = content.doubtful()
        if not keys:
            return ""
        self.connection.execute(f"create or replace temp table _in_doubt as {keys}")
        return content.typed("_in_doubt")

    @cached_property
    def _content(self) -> Content:
        form = KeyForm.of(self.key, self.alike)
        return Content(self.connection, self.layers, form, self.fields, self.newest.shape, certain=True)


@dataclass(frozen=True)
class Reading:
    """The local engine, opened to read what scopes hold; `folder` is for files, and goes with it."""

    deliveries: Deliveries
    connection: "duckdb.DuckDBPyConnection"
    folder: Path

    def content(
        self, export: str, scope: str, key: tuple[str, ...], *, until: datetime | None = None
    ) -> Held | None:
        """Return what a scope holds; with `until`, at that moment. None where nothing had been delivered.

        `key` is that of what an older version delivered, which did not record it.

        Raises:
            ShardLost: a file that belongs to it is gone or cannot be read.
        """
        found = self.deliveries.layers(export, scope, until=until)
        if not found:
            return None
        layers = layers_of(self.deliveries, found, past=until is not None, every_byte=True)
        # Today's export file may tell rows apart by fields that were not there then.
        key = tuple(json.loads(found[-1].key)) if found[-1].key else key
        return Held(found[-1], self.connection, key, layers)
