"""Records as rows of the state store, and back: by the names of their fields, and times in UTC.

Belongs here: that. Does not belong here: what only one kind of record keeps otherwise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from sluicegate.state.moments import utc

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from sqlalchemy.dialects import postgresql, sqlite

# Names of fields that SQL has a use for, or that a table cannot have of two kinds.
_COLUMNS = {"rows": "row_count", "check": "check_name", "commit": "git_commit"}
Record = TypeVar("Record", bound="DataclassInstance")


def values_of(record: "DataclassInstance", table: sa.Table, /, **others: Any) -> dict[str, Any]:
    """Return {column: value} of a record for a table, which gives it an id; `others` go before its own."""
    found = {column: getattr(record, name) for name, column in _named(type(record)) if column in table.c}
    found.pop("id", None)
    return found | others


def record_of(type_: type[Record], row: Mapping[Any, Any], /, **others: Any) -> Record:
    """Return a record of what a row has of it; `others` go before the row's own."""
    values: dict[str, Any] = {}
    for name, column in _named(type_):
        if column in row and name not in others:
            value = row[column]
            values[name] = utc(value) if isinstance(value, datetime) else value
    return type_(**values, **others)


def found(
    connection: Connection, type_: type[Record], table: sa.Table, *where: sa.ColumnElement[bool]
) -> list[Record]:
    """Return the records of a table's rows, in the order of its primary key."""
    query = sa.select(table).where(*where).order_by(*table.primary_key)
    return [record_of(type_, row) for row in connection.execute(query).mappings()]


def inserted(connection: Connection, record: "DataclassInstance", table: sa.Table) -> int:
    """Insert a record; return its id, of which the table makes one."""
    key = connection.execute(sa.insert(table).values(values_of(record, table))).inserted_primary_key
    assert key is not None
    return int(key[0])


def insert_once(connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows but those that are there, which stay as they are."""
    if rows:
        connection.execute(_insert(connection, table).on_conflict_do_nothing(), rows)


def insert_instead(connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, each in the place of the one that has its primary key."""
    if rows:
        insert, key = _insert(connection, table), table.primary_key
        new = {column.name: insert.excluded[column.name] for column in table.c if column.name not in key.c}
        connection.execute(insert.on_conflict_do_update(index_elements=list(key.c), set_=new), rows)


def changed(connection: Connection, table: sa.Table, *where: sa.ColumnElement[bool], **values: Any) -> int:
    """Change rows; return how many."""
    return connection.execute(sa.update(table).where(*where).values(**values)).rowcount


def _insert(connection: Connection, table: sa.Table) -> "postgresql.Insert | sqlite.Insert":
    """Return SQL's `insert` as the database has it, with what happens to a row that is there."""
    from sqlalchemy.dialects import postgresql, sqlite

    on_server = connection.dialect.name == "postgresql"
    return postgresql.insert(table) if on_server else sqlite.insert(table)


@cache
def _named(type_: type[Any]) -> list[tuple[str, str]]:
    return [(field.name, _COLUMNS.get(field.name, field.name)) for field in fields(type_)]
