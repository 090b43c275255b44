"""The tables of a state store: made where it is new, brought up to date where an earlier version made it.

Columns are only ever added, with a default that says what was so before. What their records mean changes with
the version of their form, though: code refuses those that newer code wrote, as it would misread them.
"""

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateColumn

from sluicegate.codes import Coded
from sluicegate.core.version import own_version
from sluicegate.state import ops_tables as ops_tables  # its tables are among those of the schema
from sluicegate.state import schema
from sluicegate.state.ops_made import lacks_views, make_views

# The form of the records that this code writes. 1 had no version: builds did not tell what they were made
# from, nor evidence by which rules. 2 had no judgements: older code looks for them in the warehouse. 3 had
# neither rows of shards that are `moved` nor digests of an erased key's fields: older code takes such a row
# for one that is there. 4 had leases that told a holder by its number alone, did not note which rows each
# request has, knew an erased key by its fields alone, and no restores: older code takes a lease that is held,
# takes what may have arrived for what never left, sends who was erased, and what was restored unlooked-at.
# Raise it where older code would misread what newer code writes.
FORM = 5
_BEFORE_FORMS = 1
# Any number that nobody else locks in the state store's database.
_LOCK = 5_851_042_733


class RecordsTooNew(Coded):
    """The records were written by newer code, and mean what this code does not know."""

    def __init__(self, found: int, written_by: str) -> None:
        super().__init__(
            "SLU-M002",
            f"the state store has records of form {found}, written by Sluice {written_by}; expected form"
            f" {FORM} or older, as this code would misread newer ones; start the newer code again, or restore"
            " the backup of the whole data directory that was made before the upgrade",
        )


class StateStoreUnavailable(Coded):
    """The state store does not answer, or cannot be written to; what is told of it holds no secret."""

    def __init__(self, url: sa.URL, error: DBAPIError) -> None:
        where = (
            url.database
            if url.get_backend_name() == "sqlite"
            else f"{url.host}:{url.port or ''}/{url.database}"
        )
        said = str(error.orig).strip().splitlines()[:1]
        super().__init__(
            "SLU-M001",
            f"the state store, {url.get_backend_name()} {where}, cannot be used: {''.join(said)}; expected"
            " a database that answers and that this process may write to; check SLUICE_STATE_URL and its"
            " server",
        )


def require_form(connection: sa.Connection) -> None:
    """Raise where newer code has begun to write the records since this process opened them.

    Raises:
        RecordsTooNew: it has.
    """
    row = connection.execute(sa.select(schema.form.c.version, schema.form.c.written_by)).first()
    if row is not None and row.version > FORM:
        raise RecordsTooNew(row.version, row.written_by)


def bring_up_to_date(engine: Engine) -> None:
    """Make what the store lacks of tables, columns and indexes; does nothing where it lacks nothing.

    Processes that start at the same time do so one after the other.

    Raises:
        RecordsTooNew: newer code wrote the records.
    """
    with engine.connect() as connection:
        known = _form_of(connection)
        if known == FORM and not _lacks_something(connection) and not lacks_views(connection):
            return
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        else:
            connection.exec_driver_sql("begin immediate")
        _form_of(connection)  # newer code may have been here meanwhile
        schema.metadata.create_all(connection)
        held = _columns(connection)
        for table in schema.metadata.sorted_tables:
            for column in table.columns:
                if column.name not in held[table.name]:
                    definition = CreateColumn(column).compile(dialect=connection.dialect)
                    connection.execute(sa.text(f"alter table {table.name} add column {definition}"))
            for index in table.indexes:
                index.create(connection, checkfirst=True)
        make_views(connection)
        connection.execute(sa.delete(schema.form))
        connection.execute(sa.insert(schema.form).values(only=1, version=FORM, written_by=own_version()))


def _form_of(connection: sa.Connection) -> int:
    """Return the form of the records, refusing one that is newer than this code's."""
    if not sa.inspect(connection).has_table(schema.form.name):
        return _BEFORE_FORMS
    require_form(connection)
    return connection.execute(sa.select(schema.form.c.version)).scalar() or _BEFORE_FORMS


def _lacks_something(connection: sa.Connection) -> bool:
    columns = _columns(connection)
    indexes = {name for (name,) in connection.exec_driver_sql(_INDEXES[connection.dialect.name])}
    return any(
        not {column.name for column in table.columns} <= columns.get(table.name, set())
        or not {index.name for index in table.indexes} <= indexes
        for table in schema.metadata.sorted_tables
    )


def _columns(connection: sa.Connection) -> dict[str, set[str]]:
    """Return the columns of each table that the store has, as it is now."""
    found = dict[str, set[str]]()
    for table, column in connection.exec_driver_sql(_COLUMNS[connection.dialect.name]):
        found.setdefault(table, set()).add(column)
    return found


# One statement each: SQLAlchemy asks SQLite a hundred times, whenever a process opens the records.
_COLUMNS = {
    "sqlite": "select m.name, c.name from sqlite_master as m, pragma_table_info(m.name) as c"
    " where m.type = 'table'",
    "postgresql": "select table_name, column_name from information_schema.columns"
    " where table_schema = current_schema()",
}
_INDEXES = {
    "sqlite": "select name from sqlite_master where type = 'index'",
    "postgresql": "select indexname from pg_indexes where schemaname = current_schema()",
}
