"""Texts in a query that the engine has to read as another type and cannot, as in `loaves > 'many'`.

The binder puts a cast there, and no row passes it: the query runs on a table without rows, and errs on every
other. Belongs here: constants. Does not belong here: what a query reads (`select_only`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sluicegate.compute.select_only import Statement, in_characters
from sluicegate.compute.sql import literal

if TYPE_CHECKING:
    import duckdb

# What may keep a cast from being worked out, or an error of it from ending the query.
_GUARDS = frozenset({"CASE_EXPR", "OPERATOR_TRY", "OPERATOR_COALESCE"})
# Types that say all in their name.
_TYPES = frozenset(
    {
        "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
        "FLOAT", "DOUBLE", "BOOLEAN", "DATE", "TIME", "TIMESTAMP",
    }
)  # fmt: skip


@dataclass(frozen=True)
class WrongConstant:
    """A text that is none of a type; `position` is where in the SQL, in characters, if known."""

    text: str
    type: str
    position: int | None


def wrong_constants(statement: Statement) -> list[WrongConstant]:
    """Return the texts of a query that can be planned which err as soon as there is a row; nothing is run."""
    found = list(dict.fromkeys(_casts(statement.plans, statement.sql)))
    return [item for item in found if not _reads(statement.connection, item)]


def _casts(plan: Any, sql: str) -> Iterator[WrongConstant]:
    waiting = [plan]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting.extend(item)
        if not isinstance(item, dict) or str(item.get("type")) in _GUARDS:
            continue
        waiting.extend(item.values())
        if item.get("type") != "OPERATOR_CAST" or item.get("try_cast"):
            continue
        child, type_ = item.get("child") or {}, str((item.get("return_type") or {}).get("id"))
        value = child.get("value") or {}
        is_text = (value.get("type") or {}).get("id") == "VARCHAR" and isinstance(value.get("value"), str)
        if child.get("type") == "VALUE_CONSTANT" and is_text and type_ in _TYPES:
            at = int(child.get("query_location", -1))
            known = 0 <= at < len(sql.encode())
            yield WrongConstant(value["value"], type_, in_characters(sql, at) if known else None)


def _reads(connection: "duckdb.DuckDBPyConnection", item: WrongConstant) -> bool:
    tried = f"select try_cast({literal(item.text)} as {item.type}) is not null"
    [(reads,)] = connection.execute(tried).fetchall()
    return bool(reads)
