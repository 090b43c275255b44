"""The records of one moment as one SQLite file, from a store on either kind of database, and back into one.

The file is a state store itself: of SQLite it is what `vacuum into` writes, of a server what every table has
in one snapshot. Belongs here: that. Does not belong here: where the file goes (`operations.backup`).
"""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from sluicegate.state import schema

_ROWS_AT_ONCE = 5_000


def copy_out(engine: Engine, file: Path) -> None:
    """Write all records of this moment to an SQLite file, which is not there yet.

    Leases are left out: who is at work is nobody's work after a restore.
    """
    if engine.dialect.name == "sqlite":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("vacuum into :file"), {"file": str(file)})
    with _opened(file) as target:
        if engine.dialect.name != "sqlite":
            with engine.connect().execution_options(isolation_level="REPEATABLE READ") as source:
                _copy(source, target)
        with target.begin() as connection:
            connection.execute(sa.delete(schema.leases))


def copy_in(file: Path, engine: Engine) -> None:
    """Put the records of such a file in the place of all that a server's tables have, in one transaction."""
    with _opened(file) as source, source.connect() as reading, engine.begin() as connection:
        for table in reversed(schema.metadata.sorted_tables):
            connection.execute(sa.delete(table))
        for table in schema.metadata.sorted_tables:
            _copy_table(reading, connection, table)
            counted = next((column for column in table.columns if column.autoincrement is True), None)
            if connection.dialect.name == "postgresql" and counted is not None:
                highest = connection.execute(sa.select(sa.func.max(counted))).scalar()
                sequence = sa.func.pg_get_serial_sequence(table.name, counted.name)
                connection.execute(sa.select(sa.func.setval(sequence, highest or 1, highest is not None)))


def rows_in(engine: Engine) -> dict[str, int]:
    """Return {table: rows} of a store."""
    with engine.connect() as connection:
        return {
            table.name: int(
                connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            )
            for table in schema.metadata.sorted_tables
        }  # fmt: skip


def whole(file: Path) -> str:
    """Return what SQLite finds wrong with a file; "" where nothing is."""
    import sqlite3

    connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        said = [str(row[0]) for row in connection.execute("pragma integrity_check(1)")]
    except sqlite3.DatabaseError as error:
        return str(error)
    finally:
        connection.close()
    return "" if said == ["ok"] else said[0]


@contextmanager
def _opened(file: Path) -> Generator[Engine]:
    engine = sa.create_engine(f"sqlite:///{file}")
    try:
        schema.metadata.create_all(engine)
        yield engine
    finally:
        engine.dispose()


def _copy(source: sa.Connection, engine: Engine) -> None:
    with engine.begin() as connection:
        for table in schema.metadata.sorted_tables:
            _copy_table(source, connection, table)


def _copy_table(source: sa.Connection, target: sa.Connection, table: sa.Table) -> None:
    found = source.execution_options(stream_results=True).execute(sa.select(table))
    # Nothing is nothing: left to itself, a column of JSON would write the word `null`.
    values = {
        column.name: sa.bindparam(
            column.name, type_=sa.JSON(none_as_null=True) if isinstance(column.type, sa.JSON) else column.type
        )
        for column in table.columns
    }
    insert = sa.insert(table).values(values)
    for rows in found.mappings().partitions(_ROWS_AT_ONCE):
        target.execute(insert, [dict(row) for row in rows])
