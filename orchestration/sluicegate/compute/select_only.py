"""Prove of SQL that a person wrote that it selects, and which tables it reads, before it is run.

The engine says so itself: its parser shows what is written, its binder what that comes to once views, macros
and `query('…')` are expanded. Only what is known to be harmless passes; whatever else the engine can do, now
or in a later version, is refused. Nothing is run here.

Does not belong here: which of the tables somebody may read; who asks knows.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sluicegate.compute.known_functions import KNOWN_FUNCTIONS
from sluicegate.compute.sql import literal
from sluicegate.core.relations import Relation

if TYPE_CHECKING:
    import duckdb

# Table functions that make rows out of their arguments alone.
ROWS_OF_ARGUMENTS = frozenset({"range", "generate_series", "unnest", "json_each", "json_tree"})
# What the binder puts other SQL in the place of, and so sees through.
_EXPANDED = frozenset({"query", "query_table"})
# How the parser writes that a function is called, and the binder.
_CALLED = frozenset({"FUNCTION", "WINDOW"})
_BOUND_CALLED = frozenset({"BOUND_FUNCTION", "BOUND_AGGREGATE", "BOUND_WINDOW"})
# Which of all rows of a table one is, those of other partitions counted: a column that each table has unseen.
_EMPTY: Any = ("", [], {})
_ROW_ID = "rowid"
_VIRTUAL = 2**63  # the first number of a column that the engine has itself
_OPERATORS = frozenset(
    f"LOGICAL_{name}"
    for name in (
        "PROJECTION", "FILTER", "AGGREGATE_AND_GROUP_BY", "WINDOW", "UNNEST", "LIMIT", "ORDER_BY", "TOP_N",
        "DISTINCT", "SAMPLE", "PIVOT", "GET", "DELIM_GET", "EXPRESSION_GET", "DUMMY_SCAN", "EMPTY_RESULT",
        "CTE_REF", "JOIN", "DELIM_JOIN", "COMPARISON_JOIN", "ANY_JOIN", "CROSS_PRODUCT", "POSITIONAL_JOIN",
        "ASOF_JOIN", "DEPENDENT_JOIN", "UNION", "EXCEPT", "INTERSECT", "RECURSIVE_CTE", "MATERIALIZED_CTE",
    )
)  # fmt: skip


_TEXT = re.compile(r"--[^\n]*|/\*.*?\*/|(?P<quoted>'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\")", re.DOTALL)
_PIVOT = re.compile(r"\bpivot(_wider)?\b", re.IGNORECASE)
# Of a bound expression what tells where it stood, and not what it means.
_OF_A_TEXT = frozenset({"query_location", "alias"})


class NotASelect(ValueError):
    """SQL that is no single query of tables: what it does instead, in words.

    `position` is where in the SQL, in characters from its start, if the engine says so.
    """

    def __init__(self, problem: str, position: int | None = None) -> None:
        super().__init__(problem)
        self.position = position


@dataclass(frozen=True, order=True)
class Scan:
    """A table that a query reads, as the binder found it.

    `conditions` are those of which every row that is read is true, as the engine has bound them: of a filter
    that stands on this table alone. Two are equal where the engine understands the same.
    """

    catalog: str
    schema: str
    name: str
    conditions: tuple[str, ...] = ()

    @property
    def relation(self) -> Relation:
        """The table, without its database."""
        return Relation(self.schema, self.name)


class Statement:
    """A text that may be a query, and what the engine says of it on a connection: each is asked once.

    What is said is of the moment at which it was first asked: make another where tables are others since.
    Each of these raises `NotASelect` where the engine cannot read or bind it. Nothing is run.
    """

    def __init__(self, connection: "duckdb.DuckDBPyConnection", sql: str) -> None:
        self.connection = connection
        self.sql = sql

    @cached_property
    def written(self) -> Any:
        """What is written, as the parser has it."""
        return _asked(self.connection, "json_serialize_sql", self.sql)["statements"]

    @cached_property
    def plans(self) -> Any:
        """The plan as it is bound, before anything in it is worked out."""
        return plan_of(self.connection, self.sql)

    @cached_property
    def columns(self) -> list[tuple[str, str]]:
        """Name and type of each column, as the engine writes them; several may have one name."""
        import duckdb

        try:
            described = self.connection.execute(f"describe {self.sql.strip().rstrip(';')}").fetchall()
        except duckdb.Error as error:
            raise NotASelect(_first_line(error)) from None
        return [(str(row[0]), str(row[1])) for row in described]

    @cached_property
    def names_row_id(self) -> bool:
        """Whether it names the number of a row, if only in what it calls `query` with.

        A plan keeps a column's place alone, which is that of no column as well: `select count(*)`.
        """
        for item in objects_in(self.written):
            lists = [value for value in item.values() if isinstance(value, list)]
            if any(isinstance(name, str) and name.lower() == _ROW_ID for names in lists for name in names):
                return True
            if item.get("class") == "CONSTANT":
                text = item.get("value", {}).get("value")
                if isinstance(text, str) and _ROW_ID in text.lower():
                    return True
        return False


def scans(connection: "duckdb.DuckDBPyConnection", sql: str) -> list[Scan]:
    """Return what `scans_of` does of a text of which nothing else is asked."""
    return scans_of(Statement(connection, sql))


def scans_of(statement: Statement) -> list[Scan]:
    """Return the tables that a query reads, each once and in order; [] if it reads none.

    It is bound on its connection, in whose database the tables must be. It is not run, and leaves the
    caller's transaction as it was, if it is refused, too.

    Raises:
        NotASelect: it is no SQL, no single query, names what is not there, writes, or reads anything else
            than columns of tables of this database: files, other databases, sequences, settings, secrets,
            SQL in a text, statistics, numbers of rows.
    """
    for problem in _written_problems(statement, elsewhere=False):
        raise NotASelect(problem)
    catalog = _one(statement.connection, "select current_database()")
    found: set[Scan] = set()
    conditions: dict[int, tuple[str, ...]] = {}
    for item in objects_in(statement.plans):
        kind, name = str(item.get("type", "")), str(item.get("name", ""))
        if kind.startswith("LOGICAL_") and kind not in _OPERATORS:
            raise NotASelect(f"it is no query: it does {kind.removeprefix('LOGICAL_').lower()}")
        if kind == "LOGICAL_FILTER":  # comes before what it stands on
            [below] = item["children"]
            conditions[id(below)] = _conditions(item, below)
        if kind == "LOGICAL_GET" and name == "seq_scan":
            where = item["function_data"]
            scan = Scan(where["catalog"], where["schema"], where["table"], conditions.get(id(item), ()))
            if scan.catalog not in (catalog, "temp"):
                raise NotASelect(f"it reads another database, `{scan.catalog}`")
            unseen = any(column["index"] >= _VIRTUAL for column in item.get("column_indexes", []))
            if unseen and statement.names_row_id:
                raise NotASelect(
                    f"it reads `{_ROW_ID}`, which counts rows of other partitions, too;"
                    " number the rows with `row_number() over (order by …)`"
                )
            found.add(scan)
        elif kind == "LOGICAL_GET" and name not in ROWS_OF_ARGUMENTS:
            raise NotASelect(_reaches(name))
        elif item.get("expression_class") in _BOUND_CALLED and name and name not in KNOWN_FUNCTIONS:
            raise NotASelect(_calls(name))
    return sorted(found)


def _conditions(above: Mapping[str, Any], scan: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the conditions of a filter on a scan, with the columns' names in the place of numbers."""
    if scan.get("type") != "LOGICAL_GET":
        return ()
    names, indexes = scan.get("names", []), [item["index"] for item in scan.get("column_indexes", [])]

    def named(item: Any) -> Any:
        if isinstance(item, list):
            return [named(one) for one in item]
        if not isinstance(item, dict):
            return item
        if item.get("expression_class") == "BOUND_REF":
            at = indexes[item.get("index", 0)]
            return names[at] if at < len(names) else at  # else one that the engine has itself
        return {key: named(one) for key, one in item.items() if key not in _OF_A_TEXT}

    return tuple(sorted({json.dumps(named(one), sort_keys=True) for one in above.get("expressions", [])}))


def written_problems(
    connection: "duckdb.DuckDBPyConnection", sql: str, *, elsewhere: bool = False
) -> Iterator[str]:
    """Yield what can be seen to be wrong before names are looked up.

    The binder opens a file that a query reads, over the network, too, and works out the arguments of a table
    function, a sequence's next number included. `elsewhere`: the query is for another database, whose macros
    are not known here; a function that is none of the engine's may be one of them.

    Raises:
        NotASelect: it is no SQL, or none that a query is made of.
    """
    return _written_problems(Statement(connection, sql), elsewhere=elsewhere)


def _written_problems(statement: Statement, *, elsewhere: bool) -> Iterator[str]:
    import duckdb

    connection, sql = statement.connection, statement.sql
    try:
        kinds = [one.type for one in duckdb.extract_statements(sql)]
    except duckdb.Error as error:
        raise NotASelect(_first_line(error), _position_of_syntax_error(connection, sql)) from None
    if len(kinds) > 1 and _PIVOT.search(sql):
        yield "it is a PIVOT whose columns depend on the data; list them: `on name in ('a', 'b')`"
        return
    if len(kinds) != 1:
        yield f"it is {len(kinds) or 'no'} statements, not one query"
        return
    if kinds != [duckdb.StatementType.SELECT]:
        yield f"it is no query but {kinds[0].name}"
        return
    of_tables = set[int]()  # calls that rows are read from
    for item in objects_in(statement.written):
        kind = item.get("type")
        if kind == "BASE_TABLE" and "schema_name" not in item and _is_file(item["table_name"]):
            yield f"it reads the file `{item['table_name']}`"
        elif kind == "SHOW_REF":
            yield "it describes instead of selecting rows"
        elif item.get("class") == "PARAMETER":
            yield "it has a parameter, for which there is no value"
        elif item.get("class") in _CALLED:
            name = str(item["function_name"]).lower()
            if id(item) not in of_tables and not _is_known(connection, name):
                yield _calls(name)
        elif kind == "TABLE_FUNCTION":
            of_tables.add(id(item["function"]))
            yield from _table_function(connection, item["function"], elsewhere=elsewhere)


def _table_function(
    connection: "duckdb.DuckDBPyConnection", function: Mapping[str, Any], *, elsewhere: bool
) -> Iterator[str]:
    name, arguments = str(function["function_name"]), function.get("children", [])
    if name == "query":
        text = arguments[0].get("value", {}).get("value") if arguments else None
        if not isinstance(text, str):
            yield "it calls `query` with what is no plain text"
        else:
            yield from written_problems(connection, text, elsewhere=elsewhere)
        return
    called = {item["function_name"].lower() for item in objects_in(arguments) if item.get("class") in _CALLED}
    own = _functions(connection, "function_type like '%macro' and not internal")
    unknown = elsewhere and name not in _functions(connection, "function_type = 'table'")
    if not unknown and name not in (ROWS_OF_ARGUMENTS | _EXPANDED | own):
        yield _reaches(name)
    if called & own:
        yield f"it calls the macro `{min(called & own)}` in the arguments of `{name}`"
    elif not called <= KNOWN_FUNCTIONS:  # the binder works them out
        yield _calls(min(called - KNOWN_FUNCTIONS))


def _is_known(connection: "duckdb.DuckDBPyConnection", name: str) -> bool:
    """Return whether a function may be called, as far as its name tells.

    What a macro comes to is seen in the plan, and of what is nowhere the binder tells.
    """
    if name in KNOWN_FUNCTIONS or name in ROWS_OF_ARGUMENTS:
        return True
    there = _functions(connection, f"function_name = {literal(name)}")
    return not there or bool(
        _functions(
            connection, f"function_name = {literal(name)} and function_type = 'macro' and not internal"
        )
    )


def _functions(connection: "duckdb.DuckDBPyConnection", condition: str) -> frozenset[str]:
    rows = connection.execute(f"select function_name from duckdb_functions() where {condition}").fetchall()
    return frozenset(name for (name,) in rows)


def _is_file(name: str) -> bool:
    """Return whether the engine might take a table's name for a file's: a path, or a name with a suffix."""
    return any(mark in name for mark in "./\\*?:")


def _reaches(function: str) -> str:
    allowed = ", ".join(sorted(ROWS_OF_ARGUMENTS))
    return f"it reads from `{function}`, which is no table; of functions it may read from {allowed}"


def _calls(function: str) -> str:
    return f"it calls `{function}`, which does or tells more than its arguments do"


def _asked(
    connection: "duckdb.DuckDBPyConnection", function: str, sql: str, more: str = ""
) -> Mapping[str, Any]:
    import duckdb

    asked = f"select {function}({literal(sql)}, skip_null := true, skip_empty := false{more})"
    try:
        answer = json.loads(_one(connection, asked), object_hook=_filled)
    except duckdb.Error as error:
        raise NotASelect(_first_line(error)) from None
    except RecursionError:
        raise NotASelect("it is nested too deeply; make several expressions of it, in CTEs") from None
    if answer.get("error"):
        said = str(answer.get("error_message", "it cannot be read")).split("\n")[0]
        raise NotASelect(said, in_characters(sql, answer.get("position")))
    return answer


def _filled(item: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is empty, as `skip_empty` does; but it stays in a list: a set of `rollup (x)`."""
    return {name: value for name, value in item.items() if value not in _EMPTY}


def plan_of(connection: "duckdb.DuckDBPyConnection", sql: str) -> Any:
    """Return the plan of a query as it is bound, before anything in it is worked out; nothing is run.

    Raises:
        NotASelect: the engine cannot bind it.
    """
    return _asked(connection, "json_serialize_plan", sql, ", optimize := false")["plans"]


def tables_written(connection: "duckdb.DuckDBPyConnection", sql: str) -> frozenset[str] | None:
    """Return the names, in small letters, of what a query is written to read from; None if it cannot be told.

    Common table expressions and views are among them, schemas are not told apart.
    """
    try:
        statements = _asked(connection, "json_serialize_sql", sql)["statements"]
    except NotASelect:
        return None
    tables = (item for item in objects_in(statements) if item.get("type") == "BASE_TABLE")
    return frozenset(str(item["table_name"]).lower() for item in tables)


def in_characters(sql: str, position: Any) -> int | None:
    """Return a position that the engine tells, in bytes, in characters."""
    return None if position is None else len(sql.encode()[: int(position)].decode(errors="ignore"))


def _position_of_syntax_error(connection: "duckdb.DuckDBPyConnection", sql: str) -> int | None:
    """Return where SQL does not parse; of a text that does not end on its line, where that begins.

    The parser finds nothing wrong before the next quote, which ends it, lines below.
    """
    try:
        _asked(connection, "json_serialize_sql", sql)
    except NotASelect as refused:
        position = refused.position
    else:
        position = None
    if position is None:
        return None
    for text in _TEXT.finditer(sql):
        if text.end() > position:
            break
        if text["quoted"] and "\n" in text[0] and "\n" not in sql[text.end() : position]:
            return text.start()
    return position


def _one(connection: "duckdb.DuckDBPyConnection", sql: str) -> str:
    [(value,)] = connection.execute(sql).fetchall()
    return str(value)


def objects_in(found: Any) -> Iterator[Mapping[str, Any]]:
    """Yield every object within, without recursion: a plan is as deep as its query is long."""
    waiting = [found]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            yield item
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)


def _first_line(error: Exception) -> str:
    return str(error).split("\n")[0]
