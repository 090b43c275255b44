"""What the columns of a query are made of, and what decides which rows it has: one step of column lineage.

Read from the engine's bound plan, before anything in it is worked out: `*`, views, macros and names are
resolved there as they are when the query runs. What is not understood counts as all columns of all tables
that are read, and is named. Belongs here: one query as a whole. Does not belong here: its operators and
expressions (`column_plan_operators`, `column_plan_expressions`), what came of others.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sluicegate.compute.column_plan_operators import Operators
from sluicegate.compute.column_plan_rows import (
    Part,
    Parts,
    Rows,
    UnknownOperatorError,
    as_kind,
    digest_of,
    only_present,
    origins,
)
from sluicegate.compute.select_only import NotASelect, Statement, in_characters, objects_in, tables_written
from sluicegate.core.column_origins import Kind, NotUnderstood, Place, TableOrigins
from sluicegate.core.relations import Relation

if TYPE_CHECKING:
    import duckdb

# What a plan of another shape than was thought makes of the walk.
_OF_ANOTHER_SHAPE = (LookupError, TypeError, ValueError, AttributeError)


def table_origins(
    connection: "duckdb.DuckDBPyConnection", relation: Relation, sql: str, columns: Sequence[str] = ()
) -> TableOrigins:
    """Return what the table of a query is made of. Nothing is run.

    Args:
        connection: with the tables that the query reads; they need no rows.
        relation: the table that is made.
        sql: one query.
        columns: the table's columns, in order; those of the query, if they are not known.
    """
    return origins_of(Statement(connection, sql), relation, columns)


def origins_of(statement: Statement, relation: Relation, columns: Sequence[str] = ()) -> TableOrigins:
    """Return what `table_origins` does, of a statement that was asked something else, too."""
    return _Query(statement, relation, columns).origins()


class _Query:
    def __init__(self, statement: Statement, relation: Relation, columns: Sequence[str]) -> None:
        self._statement = statement
        self._connection = statement.connection
        self._relation = relation
        self._sql = statement.sql
        self._columns = columns
        self._noted: dict[NotUnderstood, None] = {}
        self._plans: Any = []

    def origins(self) -> TableOrigins:
        operators = Operators(lambda: self._everything, self._note)
        try:
            plans = self._statement.plans
            if len(plans) != 1:
                raise NotASelect(f"it is {len(plans)} statements, not one query")
            self._plans = plans
            rows = operators.rows(*plans)
            names = self._names
            if len(names) != len(rows.columns):
                raise UnknownOperatorError(f"{len(rows.columns)} columns, where the query has {len(names)}")
        except NotASelect as error:
            self._noted[NotUnderstood(str(error), error.position)] = None
            return self._all_of_all()
        except UnknownOperatorError as error:
            self._note(str(error), None)
            return self._all_of_all()
        except RecursionError:
            self._note("a query that is nested so deeply", None)
            return self._all_of_all()
        except _OF_ANOTHER_SHAPE:
            self._note("the form of its plan", None)
            return self._all_of_all()
        return self._understood(operators, names, rows)

    def _understood(self, operators: Operators, names: Sequence[str], rows: Rows) -> TableOrigins:
        of_each = [operators.table_of(scan) for scan in sorted(rows.once)]
        return TableOrigins(
            self._relation,
            {name: origins(column.parts) for name, column in zip(names, rows.columns, strict=True)},
            reads=operators.tables(),
            rows=origins(rows.deciding),
            only_present=only_present(rows.deciding),
            compared=operators.compared(),
            multiplied_by=operators.multiplied_by(),
            row_of=of_each[0] if of_each else None,
            digests={name: column.digest for name, column in zip(names, rows.columns, strict=True)},
            rows_digest=rows.digest,
            not_understood=tuple(self._noted),
        )

    def _all_of_all(self) -> TableOrigins:
        """Return the answer where the query as a whole is not understood; two of one digest are one text."""
        names: Sequence[str] = self._columns
        if not names:
            try:
                names = self._names
            except NotASelect:
                names = ()
        told = digest_of("not understood", self._sql)
        return TableOrigins(
            self._relation,
            dict.fromkeys(names, origins(self._everything)),
            reads=frozenset(self._tables),
            rows=origins(as_kind(self._everything, Kind.FILTER)),
            digests={name: digest_of(told, name) for name in names},
            rows_digest=told,
            not_understood=tuple(self._noted),
        )

    def _note(self, what: str, position: int | None) -> None:
        at = in_characters(self._sql, position)
        self._noted[NotUnderstood(f"{what} is not understood", at)] = None

    @cached_property
    def _names(self) -> Sequence[str]:
        """The columns' names; of several alike the later ones have a number, as in a table."""
        import duckdb

        if self._columns:
            return self._columns
        try:
            kinds = [one.type for one in duckdb.extract_statements(self._sql)]
            if kinds != [duckdb.StatementType.SELECT]:
                raise NotASelect("it is not one query")
        except duckdb.Error as error:
            raise NotASelect(str(error).split("\n")[0]) from None
        taken: dict[str, str] = {}
        for name, _ in self._statement.columns:
            number, free = 0, name
            while free.lower() in taken:
                number += 1
                free = f"{name}_{number}"
            taken[free.lower()] = free
        return list(taken.values())

    @cached_property
    def _everything(self) -> Parts:
        return frozenset(
            Part(Place(relation, column), Kind.IDENTITY)
            for relation, columns in self._tables.items()
            for column in columns
        )

    @cached_property
    def _tables(self) -> dict[Relation, Sequence[str]]:
        """The tables that are read, with all their columns; by what is written, if there is no plan."""
        found = dict(self._scanned())
        return found if self._plans else dict(self._written())

    def _scanned(self) -> Iterator[tuple[Relation, Sequence[str]]]:
        for item in objects_in(self._plans):
            if item.get("type") == "LOGICAL_GET" and item.get("name") == "seq_scan":
                where = item["function_data"]
                yield Relation(where["schema"], where["table"]), item.get("names", [])

    def _written(self) -> Iterator[tuple[Relation, Sequence[str]]]:
        """Yield the tables that the SQL names; where that cannot be told, all there are, but this one."""
        of_tables = (
            "select schema_name, table_name, list(column_name order by column_index) from duckdb_columns()"
            " where table_oid in (select table_oid from duckdb_tables()) and not internal"
            " and database_name = current_database() group by all order by all"
        )
        views = self._connection.execute("select lower(view_name) from duckdb_views() where not internal")
        named = tables_written(self._connection, self._sql)
        all_there_are = named is None or any(name in named for (name,) in views.fetchall())
        for schema, table, columns in self._connection.execute(of_tables).fetchall():
            relation = Relation(schema, table)
            if relation != self._relation if all_there_are else table.lower() in (named or ()):
                yield relation, columns
