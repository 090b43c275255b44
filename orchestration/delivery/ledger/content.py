"""What a destination's scope holds, by what was acknowledged: a base and the layers put over it since.

Each layer is the shard of a delivery, less the rows that were refused or never settled. The newest layer
that knows a key decides. Nothing here is told by the destination itself; `reconcile` compares the two.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.compute.row_hash import fields_of, hashed_by, row_hash
from orchestration.compute.sql import literal, quoted
from orchestration.delivery.ledger.keys import Alikes, KeyForm, read_alike
from orchestration.destinations.base import (
    CHANGE,
    ROW,
    ROW_HASH,
    TECHNICAL_COLUMNS,
    Change,
    DeliveryError,
)
from orchestration.state.deliveries import Deliveries
from orchestration.state.records import Delivery

if TYPE_CHECKING:
    import duckdb

_OVERLAY = "_overlay"
# The rows of a shard that leave their key in the scope.
_THERE = f"{CHANGE} not in ('{Change.REMOVED}', '{Change.MOVED}')"


class ShardGone(DeliveryError):
    """A shard that tells what the destination holds is not there."""

    def __init__(self, export: str, scope: str, shard: str) -> None:
        partition = f" --partition {scope}" if scope else ""
        super().__init__(
            f"the shard {shard}, which tells what the destination holds of `{export}`, is gone",
            "the files of deliveries/ as they were written",
            f"put it back from a backup, or `sluice resync {export}{partition}`, which sends everything anew",
        )


@dataclass(frozen=True)
class Layer:
    """One shard, and the SQL condition for those of its rows that the destination took.

    `alike` is what made two keys one when it was written: it has each key once by that. `after` is the number
    of the delivery that wrote its rows; of a base, whose rows are of several, nobody knows it: 0.
    """

    shard: str
    condition: str
    shape: str
    hashed_by: str
    alike: str = ""
    after: int = 0


def layers_of(deliveries: Deliveries, found: Sequence[Delivery], *, past: bool = False) -> list[Layer]:
    """Return the layers of `found`, the deliveries that a scope's content is made of, oldest first.

    `past`: they are those of a moment ago, for which a base is too new.

    Raises:
        ShardGone: a file that belongs to it is not there.
    """
    if not found:
        return []
    export, scope = found[0].export, found[0].scope
    base = None if past else deliveries.base(export, scope)
    layers: list[Layer] = []
    if base is not None and base.after_id >= found[0].id:
        alike = next((item.alike for item in found if item.id == base.after_id), "")
        layers.append(Layer(base.shard, "true", base.shape, base.hashed_by, alike))
        found = [item for item in found if item.id > base.after_id]
    layers += [layer_of(deliveries, item) for item in found if item.shard_rows]
    for layer in layers:
        if not Path(layer.shard).exists():
            raise ShardGone(export, scope, layer.shard)
    return layers


def layer_of(deliveries: Deliveries, delivery: Delivery) -> Layer:
    """Return the layer that a delivery has put over what was there, as far as it is settled."""
    settled = deliveries.acknowledged(delivery.delivery_id)
    condition = "true"
    if settled != [(0, delivery.shard_rows)]:
        ranges = [f"({ROW} >= {first} and {ROW} < {end})" for first, end in settled]
        condition = " or ".join(ranges) or "false"
    if delivery.refused:
        refused = ", ".join(str(row) for row, _, _ in deliveries.refusals(delivery.delivery_id))
        condition = f"({condition}) and {ROW} not in ({refused})" if refused else condition
    shape, by = delivery.shape, delivery.hashed_by
    return Layer(delivery.shard, condition, shape, by, delivery.alike, delivery.id)


class Content:
    """The content of a scope as SQL, within one connection; it makes a temporary table there, `overlay`.

    `fields` are those to compare, with the types that they are to have; `shape` is the digest of them and of
    the types that they had where they came from. A layer of another shape counts as different in every row.
    """

    def __init__(
        self,
        connection: "duckdb.DuckDBPyConnection",
        layers: Sequence[Layer],
        key: KeyForm,
        fields: Mapping[str, str],
        shape: str,
        overlay: str = _OVERLAY,
    ) -> None:
        self._connection = connection
        self._layers = list(layers)
        self._key = key
        self._fields = fields
        self._overlay = overlay
        self.shape = shape
        if len(self._layers) > 1:
            self._make_overlay()

    @property
    def empty(self) -> bool:
        """Whether nothing was ever acknowledged."""
        return not self._layers

    def count(self) -> int:
        """Return how many keys the scope holds."""
        found = self._connection.execute(f"select count(*) from ({self.hashes()})").fetchone()
        return int(found[0]) if found else 0

    def hashes(self) -> str:
        """Return SQL of the canonical key and `_row_hash` of every row; 0 where it must count as changed."""
        keys = self._key.listed
        if self.empty:
            nothing = ", ".join(f"null as {name}" for name in self._key.columns)
            return f"select {nothing}, 0::ubigint as {ROW_HASH} where false"
        base = self._layers[0]
        kept = self._read(base, f"{self._keys(base)}, {self._hash(base)} as {ROW_HASH}", there=True)
        if len(self._layers) == 1:
            return kept
        return (
            f"select * from ({kept}) base anti join {self._overlay} using ({keys})"
            f" union all select {keys}, {ROW_HASH} from {self._overlay} where {_THERE}"
        )

    def written(self) -> str:
        """Return SQL of the canonical key of every row, and the number of the delivery that wrote it."""
        keys, base = self._key.listed, self._layers[0]
        kept = self._read(base, f"{self._keys(base)}, {base.after} as _after", there=True)
        if len(self._layers) == 1:
            return kept
        after = f"{[layer.after for layer in self._layers]}[_layer + 1]"
        return (
            f"select * from ({kept}) base anti join {self._overlay} using ({keys})"
            f" union all select {keys}, {after} from {self._overlay} where {_THERE}"
        )

    def touched(self) -> str:
        """Return SQL of the canonical key of each row that did something, and its delivery's number."""
        return " union all ".join(
            f"select {self._key.listed}, {layer.after} as _after from"
            f" ({self._read(layer, f'{self._keys(layer)}, {CHANGE}')}) where {CHANGE} <> '{Change.MOVED}'"
            for layer in self._layers
        )

    def values(self, keys: str = "", *, hashed: bool = False) -> str:
        """Return SQL of the canonical key and all fields of every row, or of the keys of the relation `keys`.

        `hashed`: and of `_row_hash`, null where the layer is of another shape.
        """
        key = self._key.listed
        wanted = f" semi join {keys} using ({key})" if keys else ""
        parts: list[str] = []
        for number, layer in enumerate(self._layers):
            columns = f"{self._keys(layer)}, {self._columns(layer)}"
            if hashed:
                known = self._hash(layer) if layer.shape == self.shape else "null::ubigint"
                columns = f"{known} as {ROW_HASH}, {columns}"
            rows = f"select * from ({self._read(layer, columns, there=True)}) layer{wanted}"
            if len(self._layers) > 1:
                newest = f"(select {key} from {self._overlay} where _layer = {number} and {_THERE})"
                rows = (
                    f"select * from ({rows}) rows anti join {self._overlay} using ({key})"
                    if number == 0
                    else f"select * from ({rows}) rows semi join {newest} newest using ({key})"
                )
            parts.append(rows)
        if not parts:
            nothing = ", ".join(
                f"null as {name}" for name in (*self._key.columns, *map(quoted, self._fields))
            )
            return f"select {nothing} where false"
        return " union all ".join(parts)

    def typed(
        self, keys: str = "", *, hashed: bool = False, strict: bool = False, keyed: bool = False
    ) -> str:
        """Return the same as `values`, as the types of the fields: they may have had others when sent.

        `strict`: what is none of its type's is an error, and not null. `keyed`: with the canonical key.
        """
        rows, cast = self.values(keys, hashed=hashed), "cast" if strict else "try_cast"
        held = fields_of(self._connection, rows)
        columns = [
            f"{as_type(quoted(name), held[name], kind, cast)} as {quoted(name)}"
            for name, kind in self._fields.items()
        ]
        if hashed:
            columns = [ROW_HASH, *columns]
        if keyed:
            columns = [*self._key.columns, *columns]
        return f"select {', '.join(columns)} from ({rows})"

    def _make_overlay(self) -> None:
        rows = " union all ".join(
            self._read(
                layer, f"{self._keys(layer)}, {self._hash(layer)} as {ROW_HASH}, {CHANGE}, {number} as _layer"
            )
            for number, layer in enumerate(self._layers)
            if number
        )
        self._connection.execute(
            f"create or replace temp table {self._overlay} as select {self._key.listed},"
            f" arg_max({ROW_HASH}, _layer) as {ROW_HASH}, arg_max({CHANGE}, _layer) as {CHANGE},"
            f" max(_layer) as _layer from ({rows}) group by all"
        )

    def _keys(self, layer: Layer) -> str:
        """The canonical key of a layer's rows; their types are asked for only where they count."""
        kinds = {} if self._key.exact else shard_fields(self._connection, layer.shard)
        return self._key.selected(kinds)

    def _hash(self, layer: Layer) -> str:
        if layer.shape != self.shape:
            return "0::ubigint"
        return hash_in(self._connection, layer.shard, layer.hashed_by)

    def _read(self, layer: Layer, selected: str, *, there: bool = False) -> str:
        """Rows that the destination took; `there`: those that it holds by them."""
        rows, less = f"read_parquet({literal(layer.shard)})", f" and {_THERE}" if there else ""
        if self._key.exact or KeyForm.of(self._key.names, read_alike(layer.alike) or {}) == self._key:
            return f"select {selected} from {rows} where ({layer.condition}){less}"
        # Written when two spellings were two keys: what was removed was so after all else, as vendors did it.
        forms = ", ".join(self._key.forms(shard_fields(self._connection, layer.shard)))
        once = (
            f"select * from {rows} where ({layer.condition}) qualify row_number()"
            f" over (partition by {forms} order by {CHANGE} = '{Change.REMOVED}' desc, {ROW} desc) = 1"
        )
        return f"select {selected} from ({once}) where true{less}"

    def _columns(self, layer: Layer) -> str:
        """The fields of a layer: where its shape was another, those it lacks are null."""
        if layer.shape == self.shape:
            return ", ".join(quoted(name) for name in self._fields)
        held = fields_of(self._connection, f"select * from read_parquet({literal(layer.shard)})")
        return ", ".join(quoted(name) if name in held else f"null as {quoted(name)}" for name in self._fields)


@dataclass(frozen=True)
class Held:
    """What one scope holds, or held at a moment; `newest` is the last delivery that it is made of.

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
        """{field: SQL type}, as the newest delivery has them."""
        return shard_fields(self.connection, self.newest.shard)

    @property
    def rows(self) -> str:
        """SQL of the rows; the columns are the fields."""
        if self.empty:
            listed = ", ".join(map(quoted, self.fields))
            return f"select {listed} from read_parquet({literal(self.newest.shard)}) where false"
        return self._content.typed(strict=True)

    def count(self) -> int:
        """Return how many rows there are."""
        return 0 if self.empty else self._content.count()

    @cached_property
    def _content(self) -> Content:
        form = KeyForm.of(self.key, self.alike)
        return Content(self.connection, self.layers, form, self.fields, self.newest.shape)


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

        Raises:
            ShardGone: a file that belongs to it is not there.
        """
        found = self.deliveries.layers(export, scope, until=until)
        if not found:
            return None
        layers = layers_of(self.deliveries, found, past=until is not None)
        return Held(found[-1], self.connection, key, layers)


def shard_fields(connection: "duckdb.DuckDBPyConnection", shard: str) -> dict[str, str]:
    """Return {field: SQL type} of a shard, as the file keeps them."""
    found = fields_of(connection, f"select * from read_parquet({literal(shard)})")
    return {name: kind for name, kind in found.items() if name not in TECHNICAL_COLUMNS}


def as_type(value: str, held: str, kind: str, cast: str = "try_cast") -> str:
    """Return SQL of a value of the type `held` as one of the type `kind`.

    What has its type already is not cast: a shard has a UNION as a struct without names, to which nothing can
    be cast.
    """
    return value if held == kind else f"{cast}({value} as {kind})"


def hash_in(connection: "duckdb.DuckDBPyConnection", shard: str, by: str) -> str:
    """Return SQL of the hash of a shard's rows: what stands there, if what hashes now was what hashed it.

    Otherwise it is worked out anew: another version of the engine may hash otherwise.
    """
    return ROW_HASH if by == hashed_by(connection) else row_hash(shard_fields(connection, shard))
