"""The views of operations data, made in the records' database, and made anew where other code made them.

On Postgres they are in a schema of their own besides, `ops`, with the description of each column: that is
what reports read. A schema of this name that is somebody else's, or may not be made, is left alone.
Belongs here: that. Does not belong here: what the views say (`ops_views`).
"""

from collections.abc import Iterator

import sqlalchemy as sa

from sluicegate.state.ops_model import DIALECTS, PREFIX, SCHEMA
from sluicegate.state.ops_views import VIEWS

_MARK = "made as "
_OURS = "Operations data of Sluice, of the records in schema "
# In one question each, as it is asked whenever a process opens the records.
_MADE = {
    "sqlite": "select name, sql from sqlite_master where type = 'view' and name like 'ops_%'",
    "postgresql": "select case when n.nspname = current_schema() then '' else n.nspname || '.' end"
    " || c.relname, obj_description(c.oid, 'pg_class') from pg_class as c"
    " join pg_namespace as n on n.oid = c.relnamespace"
    f" where c.relkind = 'v' and n.nspname in (current_schema(), '{SCHEMA}')",
}
_OWN_SCHEMA = (
    "select current_schema(), has_database_privilege(current_database(), 'CREATE'),"
    " pg_get_userbyid(n.nspowner) = current_user, obj_description(n.oid, 'pg_namespace'),"
    " exists (select 1 from pg_class as c where c.relnamespace = n.oid)"
    f" from (select 1) as one left join pg_namespace as n on n.nspname = '{SCHEMA}'"
)


def lacks_views(connection: sa.Connection) -> bool:
    """Whether a view is missing, or was made by other code."""
    return next(_statements(connection), None) is not None


def make_views(connection: sa.Connection) -> None:
    """Make the views that are missing, or were made by other code."""
    bare = connection.execution_options(no_parameters=True)
    for statement in _statements(connection):
        bare.exec_driver_sql(statement)


def _statements(connection: sa.Connection) -> Iterator[str]:
    dialect = connection.dialect.name
    made = {name: told or "" for name, told in connection.exec_driver_sql(_MADE[dialect])}
    for name, view in VIEWS.items():
        mark, place = f"{_MARK}{view.digest(dialect)}", f"{PREFIX}{name}"
        if mark in made.get(place, ""):
            continue
        sql = view.statement(DIALECTS[dialect])
        if dialect == "sqlite":
            yield f"drop view if exists {place}"
            yield f"create view {place} as /* {mark} */ {sql}"
        else:
            yield f"create or replace view {place} as {sql}; comment on view {place} is '{mark}'"
    if dialect == "sqlite" or (schema := _schema_to_fill(connection)) is None:
        return
    if not any(place.startswith(f"{SCHEMA}.") for place in made):
        yield f"create schema if not exists {SCHEMA}; comment on schema {SCHEMA} is '{_OURS}{_text(schema)}'"
    for name, view in VIEWS.items():
        mark, place = f"{_MARK}{view.digest(dialect)}", f"{SCHEMA}.{name}"
        if mark in made.get(place, ""):
            continue
        own = '"' + schema.replace('"', '""') + '"'
        yield "; ".join(
            [
                f"create or replace view {place} as select * from {own}.{PREFIX}{name}",
                f"comment on view {place} is '{_text(view.about)} ({mark})'",
                *(
                    f"comment on column {place}.{column.name} is"
                    f" '{_text(column.description + (f' ({column.unit})' if column.unit else ''))}'"
                    for column in view.columns
                ),
            ]
        )


def _schema_to_fill(connection: sa.Connection) -> str | None:
    """Return the records' schema where the views may be in one of their own; None where they may not."""
    own, may_make, is_owner, said, is_used = connection.exec_driver_sql(_OWN_SCHEMA).one()
    if own == SCHEMA:
        return None
    if is_owner is None:
        return own if may_make else None
    ours = said == f"{_OURS}{own}" or (said is None and not is_used)
    return own if is_owner and ours else None


def _text(text: str) -> str:
    return text.replace("'", "''")
