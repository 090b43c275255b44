"""Characters that a database's own encoding lacks: rows that have one are refused before anything is sent.

Belongs here: finding those characters, by the server's own conversion. Does not: the encoding in which we
speak to the server, which is always UTF-8 (`destination`), other values (`values`).

Postgres: "Character Set Support", https://www.postgresql.org/docs/current/multibyte.html
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sluicegate.compute.engine import shared_engine
from sluicegate.compute.row_hash import fields_of
from sluicegate.compute.sql import literal, quoted
from sluicegate.compute.sql_types import SqlType, parse_type

from ..base import TECHNICAL_COLUMNS, Shard
from ..exact_values import TEXTS, Unfit
from .types import literal as postgres_literal

# UTF8 has all characters; in SQL_ASCII the server keeps the bytes that we send, which are UTF-8.
_HOLD_ALL = ("UTF8", "SQL_ASCII")
_OTHER = r"[^\x00-\x7F]"


def server_encoding(cursor: Any) -> str:
    """The name of the encoding in which the database keeps its texts."""
    cursor.execute("select current_setting('server_encoding')")
    return str(cursor.fetchone()[0])


def holds_all(encoding: str) -> bool:
    """Whether a database of this encoding has a place for any character."""
    return encoding in _HOLD_ALL


def characters(shard: Shard) -> frozenset[str]:
    """Return the characters beyond ASCII in a shard's texts, those within lists too."""
    with shared_engine() as connection:
        read = f"read_parquet({literal(str(shard.path))})"
        found: set[str] = set()
        for name, kind in fields_of(connection, f"select * from {read}").items():
            if name in TECHNICAL_COLUMNS or not _has_text(parse_type(kind)):
                continue
            each = f"unnest(regexp_extract_all({quoted(name)}::varchar, '{_OTHER}'))"
            found |= {
                text for (text,) in connection.execute(f"select distinct {each} from {read}").fetchall()
            }
    return frozenset(found)


def lacking(cursor: Any, encoding: str, texts: Iterable[str]) -> frozenset[str]:
    """Return those of some characters, or texts, that an encoding does not hold, or not as they are.

    It leaves a function in the connection's temporary schema.
    """
    asked = sorted(set(texts))
    if not asked or holds_all(encoding):
        return frozenset()
    # As bytes: a text with such a character would not get through to the server.
    name = postgres_literal(encoding)
    body = (
        f"begin return convert(convert(b, 'UTF8', {name}), {name}, 'UTF8') = b;"
        " exception when others then return false; end"
    )
    cursor.execute(
        "create or replace function pg_temp._sluice_has(b bytea) returns boolean language plpgsql as"
        f" {postgres_literal(body)}"
    )
    listed = ", ".join(f"({place}, '{text.encode().hex()}')" for place, text in enumerate(asked))
    cursor.execute(
        f"select n from (values {listed}) v (n, h) where not pg_temp._sluice_has(decode(h, 'hex'))"
    )
    return frozenset(asked[row[0]] for row in cursor.fetchall())


def holdable_keys(cursor: Any, keys: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the keys that can be in the database: a text with a character that it lacks was never sent."""
    encoding = server_encoding(cursor)
    if holds_all(encoding):
        return list(keys)
    texts = {
        value for key in keys for value in key.values() if isinstance(value, str) and not value.isascii()
    }
    missing = lacking(cursor, encoding, texts)
    return [key for key in keys if missing.isdisjoint(v for v in key.values() if isinstance(v, str))]


def foreign_characters(value: str, kind: SqlType, missing: Collection[str], encoding: str) -> Iterator[Unfit]:
    """Yield the condition that a text, or one within a list, has a character that the database lacks."""
    if missing and _has_text(kind):
        among = literal(f"[{''.join(sorted(missing))}]")
        yield Unfit(
            f"regexp_matches({value}::varchar, {among})",
            f"the database keeps its texts in {encoding}, which lacks a character of this one",
            "replace the character in the model, or deliver to a database of encoding UTF8",
        )


def _has_text(kind: SqlType) -> bool:
    return kind.name in TEXTS or any(_has_text(member) for _, member in kind.members)
