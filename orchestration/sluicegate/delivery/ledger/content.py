"""What a destination's scope holds, by what was acknowledged: a base and the layers put over it since.

Each layer is the shard of a delivery, less the rows that were refused or never settled. The newest layer
that knows a key decides. A row that may have arrived, and was not settled, leaves its key in doubt until a
newer layer settles it: it may be there, with whatever content. Nothing here is told by the destination
itself; `reconcile` compares the two.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from sluicegate.compute.exact_parquet import exact_rows, loses
from sluicegate.compute.row_hash import fields_of, hashed_by, row_hash
from sluicegate.compute.sql import literal, quoted
from sluicegate.delivery.ledger.keys import PREFIX, KeyForm, read_alike
from sluicegate.delivery.ledger.layers import Layer
from sluicegate.delivery.ledger.lost import ShardLost
from sluicegate.delivery.ledger.readable import unreadable
from sluicegate.destinations.base import (
    CHANGE,
    ROW,
    ROW_HASH,
    TECHNICAL_COLUMNS,
    Change,
)
from sluicegate.state.records import Delivery

if TYPE_CHECKING:
    import duckdb

_OVERLAY = "_overlay"
# The rows of a shard that leave their key in the scope.
_THERE = f"{CHANGE} not in ('{Change.REMOVED}', '{Change.MOVED}')"
# Whether a row is in doubt, where some are.
_DOUBT = f"{PREFIX}doubt"
# The fields of a row whose values are none of the types that they are to have; nulls among them.
LOST = "_lost"


class Content:
    """The content of a scope as SQL, within one connection; it makes a temporary table there, `overlay`.

    `fields` are those to compare, with the types that they are to have; `shape` is the digest of them and of
    the types that they had where they came from. A layer of another shape counts as different in every row.
    What is in doubt counts as there, and different; with `certain` as not there.
    """

    def __init__(
        self,
        connection: "duckdb.DuckDBPyConnection",
        layers: Sequence[Layer],
        key: KeyForm,
        fields: Mapping[str, str],
        shape: str,
        overlay: str = _OVERLAY,
        *,
        certain: bool = False,
    ) -> None:
        self._connection = connection
        self._layers = list(layers)
        self._key = key
        self._fields = fields
        self._overlay = overlay
        self._others = [name for name in fields if name not in key.names]
        self._in_doubt = Change.REMOVED if certain else Change.CHANGED
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
        """Return SQL of the canonical key of every row, and the number of the sending that wrote it."""
        keys = self._key.listed
        parts: list[str] = []
        for number, layer in enumerate(self._layers):
            rows = self._read(layer, f"{self._keys(layer)}, {layer.written} as _written", there=True)
            newer = f"(select {keys} from {self._overlay} where _layer > {number}) newer"
            if len(self._layers) > 1:
                rows = f"select * from ({rows}) anti join {newer} using ({keys})"
            parts.append(rows)
        return " union all ".join(parts)

    def touched(self) -> str:
        """Return SQL of the canonical key of each row that did something, and its sending's number."""
        return " union all ".join(
            f"select {self._key.listed}, _written from"
            f" ({self._read(layer, f'{self._keys(layer)}, {CHANGE}, {layer.written} as _written')})"
            f" where {CHANGE} <> '{Change.MOVED}'"
            for layer in self._layers
        )

    def doubtful(self) -> str:
        """Return SQL of the canonical key of every row that is in doubt; "" where none is."""
        keys = self._key.listed
        parts: list[str] = []
        for number, layer in enumerate(self._layers):
            if not layer.doubt:
                continue
            rows = (
                f"select {keys} from ({self._read(layer, f'{self._keys(layer)}, {_DOUBT}')}) where {_DOUBT}"
            )
            newer = f"(select {keys} from {self._overlay} where _layer > {number}) newer"
            if len(self._layers) > 1:
                rows = f"select * from ({rows}) anti join {newer} using ({keys})"
            parts.append(rows)
        return " union all ".join(parts)

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
                known = self._hash_of(layer) if layer.shape == self.shape else "null::ubigint"
                known = f"case when {_DOUBT} then 0::ubigint else {known} end" if layer.doubt else known
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
        self,
        keys: str = "",
        *,
        hashed: bool = False,
        strict: bool = False,
        keyed: bool = False,
        lost: bool = False,
    ) -> str:
        """Return the same as `values`, as the types of the fields: they may have had others when sent.

        `strict`: what is none of its type's is an error, and not null. `keyed`: with the canonical key.
        `lost`: with a column `LOST`, the list of fields whose values are none of their types.
        """
        rows, cast = self.values(keys, hashed=hashed), "cast" if strict else "try_cast"
        held = self._held
        columns = [
            f"{as_type(quoted(name), held[name], kind, cast)} as {quoted(name)}"
            for name, kind in self._fields.items()
        ]
        if hashed:
            columns = [ROW_HASH, *columns]
        if keyed:
            columns = [*self._key.columns, *columns]
        if lost:
            none = [
                f"case when {_is_none(name, self._fields[name])} then {literal(name)} end"
                for name in self.of_other_types()
            ]
            columns.append(f"[{', '.join(none)}]::varchar[] as {LOST}")
        return f"select {', '.join(columns)} from ({rows})"

    def of_other_types(self) -> list[str]:
        """Return the fields whose values are held as another type than the fields are to have."""
        return [name for name, kind in self._fields.items() if self._held[name] != kind]

    def lost(self) -> list[str]:
        """Return the fields of which some values are none of the types that the fields are to have."""
        others, rows = self.of_other_types(), self.values()
        if not others:
            return []
        counted = ", ".join(f"bool_or({_is_none(name, self._fields[name])})" for name in others)
        found = self._connection.execute(f"select {counted} from ({rows})").fetchone() or ()
        return [name for name, none in zip(others, found, strict=False) if none]

    @cached_property
    def _held(self) -> dict[str, str]:
        """{field: SQL type} of the values as the layers have them."""
        return fields_of(self._connection, self.values())

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
        known = self._hash_of(layer)
        return f"case when {_DOUBT} then 0::ubigint else {known} end" if layer.doubt else known

    def _hash_of(self, layer: Layer) -> str:
        if layer.shape != self.shape:
            return "0::ubigint"
        if any(map(loses, self._fields.values())) and shard_fields(self._connection, layer.shard) != {
            **self._fields
        }:
            # An older version wrote the file, whose values are less than those that the hash was of.
            return row_hash(shard_fields(self._connection, layer.shard))
        return hash_in(self._connection, layer.shard, layer.hashed_by)

    def _read(self, layer: Layer, selected: str, *, there: bool = False) -> str:
        """Rows that the destination took; `there`: those that it holds by them."""
        rows, less = exact_rows(self._connection, layer.shard), f" and {_THERE}" if there else ""
        taken = layer.condition
        if layer.doubt:
            told = f"case when {layer.doubt} then '{self._in_doubt}' else {CHANGE} end as {CHANGE}"
            rows = f"(select *, ({layer.doubt}) as {_DOUBT} from {rows} where ({taken}) or ({layer.doubt}))"
            rows, taken = f"(select * replace ({told}) from {rows})", "true"
        if self._key.exact or KeyForm.of(self._key.names, read_alike(layer.alike) or {}) == self._key:
            return f"select {selected} from {rows} where ({taken}){less}"
        # Written when two spellings were two keys: what was removed was so after all else, as vendors did it.
        forms = ", ".join(self._key.forms(shard_fields(self._connection, layer.shard)))
        once = (
            f"select * from {rows} where ({taken}) qualify row_number()"
            f" over (partition by {forms} order by {CHANGE} = '{Change.REMOVED}' desc, {ROW} desc) = 1"
        )
        return f"select {selected} from ({once}) where true{less}"

    def _columns(self, layer: Layer) -> str:
        """The fields of a layer: where its shape was another, those it lacks are null."""
        same = layer.shape == self.shape
        if same and not self._mixed and not any(map(loses, self._fields.values())):
            return ", ".join(quoted(name) for name in self._fields)
        held = shard_fields(self._connection, layer.shard)

        def read(name: str, kind: str) -> str:
            if name not in held:
                return "null"
            if name in self._mixed:
                return f"{quoted(name)}::varchar"
            # Beside a DOUBLE, which an older version made of a HUGEINT, all others would become one, too.
            older = same and loses(kind) and held[name] != kind
            return f"cast({quoted(name)} as {kind})" if older else quoted(name)

        return ", ".join(f"{read(name, kind)} as {quoted(name)}" for name, kind in self._fields.items())

    @cached_property
    def _mixed(self) -> frozenset[str]:
        """Fields that are of another type in each layer: they are read as texts, which all of them can be."""
        if all(layer.shape == self.shape for layer in self._layers):
            return frozenset()
        kinds: dict[str, set[str]] = {}
        for layer in self._layers:
            for name, kind in shard_fields(self._connection, layer.shard).items():
                kinds.setdefault(name, set()).add(kind)
        return frozenset(name for name in self._others if len(kinds.get(name, ())) > 1)


@contextmanager
def read_whole(newest: Delivery, layers: Sequence[Layer]) -> Generator[None]:
    """Tell an error of the engine as that of a shard which cannot be read, if one of the layers cannot.

    Raises:
        ShardLost: that is so.
    """
    import duckdb

    try:
        yield
    except duckdb.Error:
        for layer in layers:
            if problem := unreadable(layer.shard, every_byte=True):
                raise ShardLost.of(newest, layer.shard, problem) from None
        raise


def shard_fields(connection: "duckdb.DuckDBPyConnection", shard: str) -> dict[str, str]:
    """Return {field: SQL type} of a shard, as they were planned; of an older one, as the file keeps them."""
    found = fields_of(connection, f"select * from {exact_rows(connection, shard)}")
    return {name: kind for name, kind in found.items() if name not in TECHNICAL_COLUMNS}


def _is_none(name: str, kind: str) -> str:
    """Return the SQL condition that a value is none of a type."""
    return f"({quoted(name)} is not null and try_cast({quoted(name)} as {kind}) is null)"


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
