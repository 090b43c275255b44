"""What a table holds of a scope, read back in a form that compares with what was sent.

Belongs here: which types the driver gives as they are, and what is asked for otherwise. Does not: the
comparison, anything that changes a table.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from sluicegate.compute.sql import quoted

from ..base import DeliveryError, Scope
from .apply import slice_of
from .catalogue import Catalogue
from .targets import TableColumn, as_text, as_texts

_DRIVER_KNOWS = (
    "smallint", "integer", "bigint", "numeric", "real", "double precision", "boolean", "bytea", "date",
    "time", "timestamp", "text", "character varying", "uuid", "jsonb",
)  # fmt: skip


def read_batches(
    cursor: Any, catalogue: Catalogue, scope: Scope, columns: Mapping[str, TableColumn]
) -> Iterator[Any]:
    """Yield the rows of a scope as Arrow record batches, as the server sends them."""
    where = f"from {catalogue.own} t where {slice_of(scope, {n: c.type for n, c in columns.items()})}"
    infinite = _with_infinity(catalogue, scope, columns, where)
    names = ", ".join(_selected(columns[name], infinite=name in infinite) for name in scope.fields)
    cursor.execute(f"select {names} {where}")
    arrow = import_module("pyarrow")
    for batch in cursor.fetch_record_batch():
        arrays = [
            _meant(values, field, columns[name], catalogue.target, infinite=name in infinite)
            for values, field, name in zip(batch.columns, batch.schema, scope.fields, strict=True)
        ]
        yield arrow.RecordBatch.from_arrays(arrays, names=list(scope.fields))


def _kind(column: TableColumn) -> str:
    return column.base.partition("(")[0].partition(" with")[0]


def _with_infinity(
    catalogue: Catalogue, scope: Scope, columns: Mapping[str, TableColumn], where: str
) -> set[str]:
    """The fields with an infinite date or moment: the driver cannot read one."""
    instants = [
        name
        for name in scope.fields
        if _kind(columns[name]) in ("date", "timestamp") and "[" not in columns[name].base
    ]
    if not instants:
        return set()
    asked = ", ".join(f"coalesce(bool_or(not isfinite(t.{quoted(name)})), false)" for name in instants)
    [found] = catalogue.rows(f"select {asked} {where}")
    return {name for name, infinite in zip(instants, found, strict=True) if infinite}


def _selected(column: TableColumn, *, infinite: bool) -> str:
    name = f"t.{quoted(column.name)}"
    if infinite:
        date = _kind(column) == "date"
        end = 2**31 - 1 if date else 2**63 - 1
        number = (
            f"{name}::date - date '1970-01-01'" if date else f"(extract(epoch from {name}) * 1000000)::bigint"
        )
        infinity = f"when {name} > '1970-01-01' then {end} when {name} < '1970-01-01' then {-end}"
        return f"case when isfinite({name}) then {number} {infinity} end"
    if column.base.endswith("[]"):
        element = column.base.removesuffix("[]").partition("(")[0].partition(" with")[0]
        known = element in _DRIVER_KNOWS and element not in ("numeric", "uuid", "jsonb")
        return f"{name}::{column.base}" if known else as_texts(name, column.base.removesuffix("[]"))
    # A cast to the type below it: of a domain the driver knows nothing.
    return f"{name}::{column.base}" if _kind(column) in _DRIVER_KNOWS else as_text(name, column.base)


def _meant(values: Any, field: Any, column: TableColumn, table: str, *, infinite: bool) -> Any:
    """The column as the local engine is to read it."""
    arrow = import_module("pyarrow")
    if infinite:
        if _kind(column) == "date":
            return values.cast(arrow.int32()).view(arrow.date32())
        zone = "UTC" if "with time zone" in column.base else None
        return values.cast(arrow.int64()).view(arrow.timestamp("us", zone))
    if column.base == "jsonb[]":  # compared as values, and not as texts
        return values.cast(arrow.list_(arrow.json_()))
    if _kind(column) == "numeric" and not column.base.endswith("[]"):
        return _as_number(values, field, column.name, table)
    return values


def _as_number(column: Any, field: Any, name: str, table: str) -> Any:
    """A `numeric` column, which the driver gives as text, as the decimals it holds."""
    metadata: Mapping[bytes, bytes] = field.metadata or {}
    texts = column.storage
    # As Postgres packs numeric(p, s) into a type modifier: (p << 16 | s) + 4, and -1 for no limits. Unlimited
    # ones stay text, which has the digits that were sent.
    packed = int(metadata.get(b"POSTGRESQL:typmod", b"-1")) - 4
    precision, scale = packed >> 16, packed & 0x7FF
    arrow = import_module("pyarrow")
    if packed < 0 or precision > 38:
        return texts
    try:
        return texts.cast(arrow.decimal128(precision, scale))
    except arrow.ArrowInvalid:
        raise DeliveryError(
            "SLU-V110",
            f"column {name!r} of {table} holds what is no number: NaN or an infinity",
            "numbers, as all were that have been sent",
            "see who has written it, put it right, or deliver the export in full",
        ) from None
