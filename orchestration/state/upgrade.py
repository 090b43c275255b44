"""The tables of a state store: made where it is new, brought up to date where an earlier version made it.

Columns are only ever added, with a default that says what was so before; so an older version still reads it.
"""

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.schema import CreateColumn

from orchestration.state import schema

# Any number that nobody else locks in the state store's database.
_LOCK = 5_851_042_733


def bring_up_to_date(engine: Engine) -> None:
    """Make what the store lacks of tables, columns and indexes; does nothing where it lacks nothing.

    Processes that start at the same time do so one after the other.
    """
    with engine.connect() as connection:
        if not _lacks_something(connection):
            return
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        else:
            connection.exec_driver_sql("begin immediate")
        schema.metadata.create_all(connection)
        held = _columns(connection)
        for table in schema.metadata.sorted_tables:
            for column in table.columns:
                if column.name not in held[table.name]:
                    definition = CreateColumn(column).compile(dialect=connection.dialect)
                    connection.execute(sa.text(f"alter table {table.name} add column {definition}"))
            for index in table.indexes:
                index.create(connection, checkfirst=True)


def _lacks_something(connection: sa.Connection) -> bool:
    columns = _columns(connection)
    indexes = {
        str(index["name"]) for found in sa.inspect(connection).get_multi_indexes().values() for index in found
    }
    return any(
        not {column.name for column in table.columns} <= columns.get(table.name, set())
        or not {index.name for index in table.indexes} <= indexes
        for table in schema.metadata.sorted_tables
    )


def _columns(connection: sa.Connection) -> dict[str, set[str]]:
    """Return the columns of each table that the store has, as it is now."""
    found = sa.inspect(connection).get_multi_columns()
    return {table: {column["name"] for column in columns} for (_, table), columns in found.items()}
