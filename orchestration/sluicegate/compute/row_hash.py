"""One number for a row, and one text for all rows of a query: another value, another number.

The engine's own `hash()` is equal for values that every reader tells apart: NULL, `[]` and `[NULL]`; 0.0 and
-0.0; a month and 30 days; 0 and -1 of a HUGEINT or a wide DECIMAL. It stays what hashes, and fast, but each
value is given to it in a form on which it is exact: two values of a type have the same form only if no reader
of text, JSON, Parquet or Arrow could tell them apart. All NaNs are one. The order of a map's entries counts,
as it does to readers.

What a Parquet file keeps under another type has the hash of what is kept (an ENUM that of its text), so that
the hash can be worked out anew from a file. Only what the file itself does not keep has another then: digits
of a HUGEINT past those of a DOUBLE, microseconds of an INTERVAL, the offset of a TIMETZ.

Belongs here: the hash of values, rows and queries, and what it is called. Does not belong here: what is
compared with what (`delivery.ledger`); reading types (`sql_types`).
"""

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sluicegate.compute.sql import literal, quoted
from sluicegate.compute.sql_types import LIST, MAP, STRUCT, UNION, SqlType, parse_type

if TYPE_CHECKING:
    import duckdb

# To be raised whenever a hash changes: what was hashed by another is then worked out anew.
FORMAT = "exact-1"
# What the engine hashes by less than a value has, and writes whole: UUIDs whose halves changed places, months
# and 30 days; and what a Parquet file keeps as text.
_BY_TEXT = ("BIT", "ENUM", "BIGNUM", "TIME_NS", "INTERVAL", "UUID")
# A Parquet file has neither.
_BY_MICROSECOND = ("TIMESTAMP_S", "TIMESTAMP_MS")
_NARROW_DECIMAL = 18  # digits: up to here the engine hashes 64 bits, and 128 by less than they hold
_EXACT_IN_DOUBLE = 2**53
# Not texts, whose equality may be that of a collation.
_EXACTLY_EQUAL = frozenset({
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "DECIMAL",
    "BOOLEAN", "DATE", "TIME", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE",
})  # fmt: skip
# Numbers as good as any: a NULL hashes otherwise than what is empty or holds nothing but NULL.
_NULL = "hash('no value')"
_MINUS_ZERO = "hash('-0.0')"


def hashed_by(connection: "duckdb.DuckDBPyConnection") -> str:
    """Return what hashes: the engine's version and our format; hashes of another are not to be compared."""
    (version,) = connection.execute("select version()").fetchone() or ("",)
    return f"{version}/{FORMAT}"


def fields_of(connection: "duckdb.DuckDBPyConnection", source: str) -> dict[str, str]:
    """Return {field: SQL type} of a query, as the functions here take them."""
    return {row[0]: row[1] for row in connection.execute(f"describe {source}").fetchall()}


def row_hash(fields: Mapping[str, str]) -> str:
    """Return SQL for the hash of a row, a UBIGINT: of its fields, whatever their order in the table.

    `fields` are {column: SQL type}, as `describe` writes types.

    Raises:
        UnknownType: a type is none that is known how to be hashed.
    """
    exact = (_exact(quoted(name), parse_type(kind)) for name, kind in sorted(fields.items()))
    return f"hash({', '.join(exact)})"


def value_hash(value: str, kind: str) -> str:
    """Return SQL for the hash of one value, a UBIGINT, never NULL.

    `value` is SQL of it, and stands in the result several times; `kind` is its type, as `describe` writes it.

    Raises:
        UnknownType: the type is none that is known how to be hashed.
    """
    return _hashed(f"({value})", parse_type(kind))


def differ(one: str, other: str, kind: str) -> str:
    """Return the SQL condition, never NULL, that two values of a type are different ones.

    `one` and `other` are SQL of them, `kind` is their type, as `describe` writes it. It is by `value_hash`,
    but for types whose own equality is as exact, and takes a fraction of the time.

    Raises:
        UnknownType: the type is none that is known how to be hashed.
    """
    if equal_as_they_are(kind):
        return f"{one} is distinct from {other}"
    return f"{value_hash(one, kind)} <> {value_hash(other, kind)}"


def equal_as_they_are(kind: str) -> bool:
    """Return whether two values of a type that the engine takes for equal are never different ones."""
    return parse_type(kind).name in _EXACTLY_EQUAL


def digest_of(hashed: str) -> str:
    """Return SQL, an aggregate, for a text that tells a multiset of rows: `hashed` is SQL of their hashes.

    Each hash is hashed again: in that of a row the last field is combined with the others by XOR alone, so
    that two rows that have exchanged its values would leave the XOR of both as it was.
    """
    return f"concat_ws(':', count(*), coalesce(sum(hash({hashed})), 0), coalesce(bit_xor(hash({hashed})), 0))"


def content_digest(connection: "duckdb.DuckDBPyConnection", source: str) -> str:
    """Return a digest of all rows of `source`, SQL whose columns have names; reads them once.

    It is 64 characters of SHA-256. Neither the order of rows nor that of columns changes it; how often a row
    stands there does, and so do the names and types of columns, and what `hashed_by` says. No rows have a
    digest, too. It guards against accidents, not against somebody who seeks other rows of the same digest.

    Raises:
        UnknownType: the type of a column is none that is known how to be hashed.
    """
    fields = fields_of(connection, source)
    (rows,) = connection.execute(
        f"select {digest_of('hashed')} from (select {row_hash(fields)} as hashed from ({source}))"
    ).fetchone() or ("",)
    told = json.dumps([hashed_by(connection), sorted(fields.items()), rows])
    return hashlib.sha256(told.encode()).hexdigest()


def _hashed(value: str, kind: SqlType, depth: int = 0) -> str:
    return f"hash({_exact(value, kind, depth)})"


def _exact(value: str, kind: SqlType, depth: int = 0) -> str:
    """Return SQL on which `hash()` is exact, for a value of a type; `depth` is that of lists around it."""
    match kind.name:
        case name if name in _BY_TEXT:
            return f"{value}::varchar"
        case name if name in _BY_MICROSECOND:
            return f"{value}::timestamp"
        case "FLOAT" | "DOUBLE":
            return f"case when {value} = 0 and signbit({value}) then {_MINUS_ZERO} else hash({value}) end"
        case "HUGEINT" | "UHUGEINT":
            return _exact_integer(value, kind.name)
        case "DECIMAL" if kind.numbers[0] > _NARROW_DECIMAL:
            return _exact_decimal(value, kind.numbers[1])
        case "VARIANT":
            # By what it is made of, and by what it is read as: neither is documented to be exact.
            return f"hash({value}, variant_typeof({value}), {value}::json::varchar)"
        case _ if kind.members:
            return f"case when {value} is null then {_NULL} else {_exact_members(value, kind, depth)} end"
        case _:
            return value


def _exact_integer(value: str, name: str) -> str:
    """As a DOUBLE, which is what a Parquet file keeps, where that is the same number; else as two halves."""
    least, upper = (0, "ubigint") if name == "UHUGEINT" else (-_EXACT_IN_DOUBLE, "bigint")
    return (
        f"case when {value} is null or {value} between {least} and {_EXACT_IN_DOUBLE}"
        f" or try_cast({value}::double as {name}) = {value} then hash({value}::double)"
        f" else hash(({value} >> 64::{name})::{upper}, {value} & {2**64 - 1}::{name}) end"
    )


def _exact_decimal(value: str, scale: int) -> str:
    if scale > _NARROW_DECIMAL:
        return f"{value}::varchar"
    # To write the text takes twenty times as long, and sums are wide though their values are not.
    narrow = f"try_cast({value} as decimal({_NARROW_DECIMAL}, {scale}))"
    return f"case when {narrow} is not null then hash({narrow}) else hash({value}::varchar) end"


def _exact_members(value: str, kind: SqlType, depth: int) -> str:
    """Return SQL for a nested value that is not NULL."""
    if kind.name in (LIST, MAP):
        element = f"_element{depth}"
        if kind.name == LIST:
            inner = _hashed(element, kind.members[0][1], depth + 1)
        else:
            value = f"map_entries({value})"
            key, held = (
                _hashed(f"struct_extract_at({element}, {place})", member, depth + 1)
                for place, (_, member) in enumerate(kind.members, 1)
            )
            inner = f"hash({key}, {held})"
        return f"hash(len({value}), list_transform({value}, lambda {element}: {inner}))"
    if kind.name == UNION:
        # The very struct that a Parquet file makes of it: the member's number, and all members.
        names = [literal(name) for name, _ in kind.members]
        number = " ".join(f"when {name} then {place}::utinyint" for place, name in enumerate(names))
        parts = [
            f"hash(case union_tag({value})::varchar {number} end)",
            *(
                _hashed(f"union_extract({value}, {name})", member, depth)
                for name, (_, member) in zip(names, kind.members, strict=True)
            ),
        ]
    else:
        assert kind.name == STRUCT, kind
        parts = [
            _hashed(f"struct_extract_at({value}, {place})", member, depth)
            for place, (_, member) in enumerate(kind.members, 1)
        ]
    return f"hash({', '.join(parts)})"
