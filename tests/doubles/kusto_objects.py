"""Functions, materialized views and what is said of tables, in the Kusto double; read by Microsoft's parser.

Belongs here: the commands that a person writes, with any names and literals, and `.show` of what they made.
Does not: rows, extents (`kusto_engine`), what policies say (`kusto_policies`).

Sources, under https://learn.microsoft.com/kusto/management/: "create-alter-function" (a body is validated
unless `skipvalidation`), "show-function" (Name, Parameters, Body, Folder, DocString), "drop-function",
"materialized-view-create-or-alter" and "materialized-view-alter" (an existing view keeps its source, its keys
and the types of its columns, and takes fewer properties), "materialized-view-show-command", "show-schema-
database", "show-table-details", "alter-table-docstring-command", "alter-merge-column-docstrings", "security-
roles". What Kusto lets pass passes here too: a function that breaks those which call it, and the drop of one
that others call.
"""

import json
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

import pytest
from sluicegate.destinations.adx import kql
from sluicegate.kusto.language.engine import Command, Database, KustoLanguage, Query

from .kusto_engine import Answer, Engine, Table
from .kusto_language import Refused, semantic_error, syntax_error
from .kusto_stated import Stated, caching, policy_named, retention, update

_PARSER = pytest.StashKey["Parser"]()
# What the principal needs beyond Database User, where it does not have every right ("Role-based access
# control"): to change what is there, and to make a view.
FUNCTION_ADMIN, TABLE_ADMIN, VIEW_ADMIN = "Function Admin", "Table Admin", "Materialized View Admin"
_SHOWN_FUNCTION = ("Name", "Parameters", "Body", "Folder", "DocString")
_SHOWN_VIEW = (
    "Name", "SourceTable", "Query", "MaterializedTo", "LastRun", "LastRunResult", "IsHealthy", "IsEnabled",
    "Folder", "DocString", "AutoUpdateSchema", "EffectiveDateTime", "Lookback",
)  # fmt: skip
# Kinds that are looked for first, which takes a tenth of the time.
_LIKELY = (
    "CreateOrAlterFunction", "CreateOrAlterMaterializedView", "CreateMergeTable", "ShowFunctions",
    "ShowMaterializedViews", "ShowDatabaseSchemaAsJson", "ShowTableIngestionMappings", "DropFunction",
    "ShowTablePolicyRetention", "ShowTablePolicyCaching", "ShowTablePolicyUpdate", "AlterTableDocString",
    "ShowTablePolicyRowLevelSecurity", "AlterMergeTableColumnDocStrings", "AlterTablePolicyRowLevelSecurity",
)  # fmt: skip
_OF_NEW_VIEWS = {"backfill", "effectivedatetime", "updateextentscreationtime"}


class Parser:
    """Microsoft's parser for a whole test process: one V8, asked by one thread at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._commands: dict[str, Command] = {}
        # The same, by the kinds that were asked for.
        self.known: dict[tuple[str, Sequence[str]], Command] = {}

    @cached_property
    def language(self) -> KustoLanguage:
        """V8, started where it is not yet."""
        return KustoLanguage()

    def close(self) -> None:
        """End V8, which otherwise keeps the process from its end."""
        if "language" in vars(self):
            self.language.__exit__()

    def command(self, text: str) -> Command:
        """A parsed command; a text that was parsed before costs nothing."""
        with self._lock:
            if text not in self._commands:
                self._commands[text] = self.language.command(text, _LIKELY)
            return self._commands[text]

    def query(self, text: str, database: Database) -> Query:
        """An analysed query."""
        with self._lock:
            self.language.use(database)
            return self.language.query(text)

    def tokens(self, text: str) -> tuple[str, ...]:
        """The words of a text."""
        with self._lock:
            return self.language.tokens(text)


def parser_of(config: pytest.Config) -> Parser:
    """The test process's parser, which ends with it."""
    if _PARSER not in config.stash:
        config.stash[_PARSER] = Parser()
        config.add_cleanup(config.stash[_PARSER].close)
    return config.stash[_PARSER]


@dataclass
class Function:
    """A stored function; parameters with their parentheses, the body with its braces."""

    name: str
    parameters: str
    body: str
    folder: str = ""
    docstring: str = ""


@dataclass
class View:
    """A materialized view."""

    name: str
    source: str
    query: str
    columns: Sequence[tuple[str, str]]
    keys: tuple[str, ...]
    properties: dict[str, str] = field(default_factory=dict[str, str])


class Objects:
    """What the commands of people have made in one database.

    Attributes:
        functions: by name.
        views: by name.
        roles: what the principal may besides using the database; None: everything.
        respelled: how a function's parameters and body are shown, which Kusto does not promise.
        own_words: how each text of a view's query, a policy or a mapping is shown.
        journal: who did what to which entity, as (entity, event, principal).
    """

    def __init__(self, engine: Engine, parser: Parser) -> None:
        self.functions: dict[str, Function] = {}
        self.views: dict[str, View] = {}
        self.roles: frozenset[str] | None = None
        self.respelled: Callable[[str, str], tuple[str, str]] = lambda parameters, body: (parameters, body)
        self.own_words: Callable[[str], str] = lambda text: text
        self.journal: list[tuple[str, str, str]] = []
        self.principal = "aadapp=sluice"
        self._engine = engine
        self.parser = parser
        _ = parser.language  # V8 does not start within the loop that serves requests
        self._known: Mapping[str, Callable[[Stated], Answer]] = {
            "CreateOrAlterFunction": self._alter_function,
            "ShowFunctions": lambda _: self._shown(self.functions.values()),
            "ShowFunction": lambda said: self._shown([self._function(said)]),
            "DropFunction": self._drop_function,
            "CreateOrAlterMaterializedView": self._alter_view,
            "CreateOrAlterMaterializedViewOverMaterializedView": self._alter_view,
            "ShowMaterializedViews": lambda _: self._shown_views(),
            "DropMaterializedView": self._drop_view,
            "CreateMergeTable": self._create_merge,
            "CreateOrAlterTableIngestionMapping": self._mapping,
            "AlterMergeTableColumnDocStrings": self._describe_columns,
            "AlterTableDocString": self._describe,
            "AlterTableFolder": self._file,
            "AlterTablePolicyRowLevelSecurity": self._secure,
            "ShowDatabaseSchemaAsJson": lambda _: self._schema(),
            "ShowTableIngestionMappings": self._shown_mappings,
            "ShowDatabaseJournal": self._shown_journal,
            "ShowTableStarPolicyRowLevelSecurity": self._show_all_policies,
            "ShowTableStarPolicyUpdate": self._show_all_policies,
        }

    def command(self, text: str) -> Answer | None:
        """Execute a command of a kind that is known here; None for every other."""
        parsed = self.parser.command(text)
        wrong = [one for one in parsed.diagnostics if one.severity == "Error"]
        execute = self._known.get(parsed.kind)
        said = Stated(text, parsed)
        if execute is None:
            policy = policy_named(parsed.kind)
            if policy is None:
                return None
            execute = self._show_policy if parsed.kind.startswith("Show") else self._alter_policy
        if wrong or parsed.skipped:
            raise syntax_error(wrong[0].message if wrong else "the query is followed by another one")
        return execute(said)

    def database(self, without: str = "") -> Database:
        """What the binder knows, without one function."""
        return Database(
            self._engine.database,
            [(name, _columns(table.columns.items())) for name, table in self._engine.tables.items()],
            [(view.name, _columns(view.columns), view.query) for view in self.views.values()],
            [(one.name, one.parameters, one.body) for one in self.functions.values() if one.name != without],
        )

    def _may(self, role: str) -> None:
        if self.roles is not None and role not in self.roles:
            said = f"Principal '{self.principal}' is not authorized to perform operation: needs {role}"
            raise Refused("Forbidden", "Kusto.Data.Exceptions.SecurityException", said, 403)

    def _noted(self, name: str, event: str) -> None:
        self.journal.append((name, event, self.principal))

    def analysed(self, text: str, without: str = "") -> Query:
        found = self.parser.query(text, self.database(without))
        wrong = [one.message for one in found.diagnostics if one.severity == "Error"]
        if wrong:
            raise semantic_error(wrong[0])
        return found

    # -- functions

    def _alter_function(self, said: Stated) -> Answer:
        name = said.value("FunctionName")
        if name in self.functions:
            self._may(FUNCTION_ADMIN)
        properties = said.properties()
        parameters, body = said.text("Parameters"), said.text("Body")
        if name in self._engine.tables or name in self.views:
            raise _refused("BadRequest_EntityNameIsInUse", f"Entity '{name}' exists as another kind")
        if properties.get("skipvalidation", "false").lower() != "true":
            self.analysed(f"let {kql.name(name)} = {parameters} {body};", name)
        made = Function(name, parameters, body, properties.get("folder", ""), properties.get("docstring", ""))
        self._noted(name, "ALTER-FUNCTION" if name in self.functions else "ADD-FUNCTION")
        self.functions[name] = made
        return self._shown([made])

    def _function(self, said: Stated) -> Function:
        name = said.value("FunctionName")
        if name not in self.functions:
            raise _missing("Function", name)
        return self.functions[name]

    def _drop_function(self, said: Stated) -> Answer:
        name = said.value("FunctionName")
        if name not in self.functions and said.ends_in("ifexists"):
            return Answer([("Name", "string")], [])
        self._may(FUNCTION_ADMIN)
        self._function(said)
        del self.functions[name]
        self._noted(name, "DROP-FUNCTION")
        return Answer([("Name", "string")], [[name]])

    def _shown(self, functions: Any) -> Answer:
        rows = [
            [f.name, *self.respelled(f.parameters, f.body), f.folder, f.docstring]
            for f in sorted(functions, key=lambda one: one.name)
        ]
        return Answer([(name, "string") for name in _SHOWN_FUNCTION], rows)

    # -- views

    def _alter_view(self, said: Stated) -> Answer:
        self._may(VIEW_ADMIN)
        name, over = said.value("MaterializedViewName"), said.value("SourceMaterializedViewName")
        source = over or said.value("SourceTableName")
        properties = {key.lower(): value for key, value in said.properties().items()}
        if over and over not in self.views:
            raise _missing("MaterializedView", over)
        if not over:
            self._engine.table(source)
        if name in self._engine.tables or name in self.functions:
            raise _refused("BadRequest_EntityNameIsInUse", f"Entity '{name}' exists as another kind")
        query = said.text("SourceBody")[1:-1].strip()
        columns = self.analysed(query).columns or ()
        keys = _keys(self.parser.tokens(query))
        before = self.views.get(name)
        if before is not None:
            if wrong := sorted(_OF_NEW_VIEWS & properties.keys()):
                raise _refused("BadRequest_MaterializedView", f"properties {wrong} of an existing view")
            types = dict(before.columns)
            other = [column for column, kind in columns if types.get(column, kind) != kind]
            if source != before.source or keys != before.keys or other:
                said_so = f"Cannot alter '{name}': its source, its keys or types of columns {other} change"
                raise _refused("BadRequest_MaterializedViewNotAlterable", said_so)
            properties = before.properties | properties
        self._noted(name, "ALTER-MATERIALIZED-VIEW" if before else "CREATE-MATERIALIZED-VIEW")
        self.views[name] = View(name, source, query, columns, keys, properties)
        return self._shown_views(name)

    def _drop_view(self, said: Stated) -> Answer:
        self._may(VIEW_ADMIN)
        name = said.value("MaterializedViewName")
        if name not in self.views and said.ends_in("ifexists"):
            return self._shown_views()
        if name not in self.views:
            raise _missing("MaterializedView", name)
        del self.views[name]
        self._noted(name, "DROP-MATERIALIZED-VIEW")
        return self._shown_views()

    def _shown_views(self, name: str = "") -> Answer:
        rows = [
            [
                v.name, v.source, self.own_words(v.query), None, None, "Completed", 1, 1,
                v.properties.get("folder", ""), v.properties.get("docstring", ""),
                int(v.properties.get("autoupdateschema") == "True"), None, v.properties.get("lookback"),
            ]
            for v in self.views.values()
            if name in ("", v.name)
        ]  # fmt: skip
        kinds = {"IsHealthy": "bool", "IsEnabled": "bool", "AutoUpdateSchema": "bool", "Lookback": "timespan"}
        return Answer([(one, kinds.get(one, "string")) for one in _SHOWN_VIEW], rows)

    # -- tables

    def _table(self, said: Stated) -> Table:
        table = self._engine.table(said.value("TableName"))
        self._may(TABLE_ADMIN)
        return table

    def _create_merge(self, said: Stated) -> Answer:
        name = said.value("TableName")
        if name in self._engine.tables:
            self._may(TABLE_ADMIN)
        if name in self.functions or name in self.views:
            raise _refused("BadRequest_EntityNameIsInUse", f"Entity '{name}' exists as another kind")
        made = self._engine.merge_columns(name, said.pairs("ColumnName", "ColumnType"))
        properties = said.properties()
        made.folder = properties.get("folder", made.folder)
        made.docstring = properties.get("docstring", made.docstring)
        return Answer([("TableName", "string")], [[name]])

    def _mapping(self, said: Stated) -> Answer:
        name, kind = said.value("MappingName"), said.word_before("mapping")
        mapping, table = said.check_json("MappingFormat", list), self._table(said)
        if kind.lower() == "parquet":
            table.mappings[name] = mapping
        else:
            table.others_mappings[kind.lower(), name] = said.value("MappingFormat")
        return Answer([("Name", "string"), ("Kind", "string")], [[name, kind]])

    def _shown_mappings(self, said: Stated) -> Answer:
        table = self._engine.table(said.value("TableName"))
        rows = [[name, kind.capitalize(), text] for (kind, name), text in table.others_mappings.items()]
        rows += [[name, "Parquet", json.dumps(one)] for name, one in table.mappings.items()]
        for row in rows:
            row[2] = self._in_own_words(row[2])
        return Answer([(name, "string") for name in ("Name", "Kind", "Mapping")], rows)

    def _describe_columns(self, said: Stated) -> Answer:
        table = self._table(said)
        for column, text in said.pairs("ColumnName", "DocString"):
            if column not in table.columns:
                raise semantic_error(f"no column '{column}'")
            table.docstrings[column] = text
        self._noted(table.name, "ALTER-TABLE")
        return Answer([("TableName", "string")], [[table.name]])

    def _describe(self, said: Stated) -> Answer:
        table = self._table(said)
        table.docstring = said.value("Documentation")
        return Answer([("TableName", "string")], [[table.name]])

    def _file(self, said: Stated) -> Answer:
        table = self._table(said)
        table.folder = said.value("Folder")
        return Answer([("TableName", "string")], [[table.name]])

    def _secure(self, said: Stated) -> Answer:
        table, query = self._table(said), said.value("Query")
        given = self.analysed(query).columns
        if list(given or ()) != list(table.columns.items()):
            raise semantic_error("the row level security query does not give the table's columns")
        enabled = said.word_after("row_level_security") == "enable"
        table.secure(enabled, query)
        return self._show_policy(said)

    def _alter_policy(self, said: Stated) -> Answer:
        table, kind = self._table(said), said.kind
        merges = kind.startswith("AlterMerge")
        if kind.endswith("Retention"):
            table.policies["Retention"] = retention(said, table.policies.get("Retention"), merges)
        elif kind.endswith("Caching"):
            table.policies["Caching"] = caching(said)
        else:
            found = update(said)
            for one in found:
                self._engine.table(one["Source"])
                columns = self.analysed(one["Query"]).columns
                if list(columns or ()) != list(table.columns.items()):
                    raise semantic_error("the update policy's query does not give the table's columns")
            table.policies["Update"] = [*(table.policies.get("Update") or [] if merges else []), *found]
        self._noted(table.name, "ALTER-TABLE-POLICY")
        return self._show_policy(said)

    def _show_policy(self, said: Stated) -> Answer:
        table = self._engine.table(said.value("TableName"))
        shown = policy_named(said.kind, table.name, table.policies, table.security_said)
        assert shown is not None
        shown.rows[0][2] = self._in_own_words(shown.rows[0][2])
        return shown

    def _in_own_words(self, text: str) -> str:
        def spelled(said: Any) -> Any:
            if isinstance(said, dict):
                return {name: spelled(one) for name, one in cast("dict[str, Any]", said).items()}
            if isinstance(said, list):
                return [spelled(one) for one in cast("list[Any]", said)]
            return self.own_words(said) if isinstance(said, str) else said

        return json.dumps(spelled(json.loads(text)))

    def _schema(self) -> Answer:
        tables = {
            name: {
                "Name": name, "Folder": table.folder, "DocString": table.docstring,
                "OrderedColumns": self._engine.ordered_columns(table),
            }
            for name, table in self._engine.tables.items()
        }  # fmt: skip
        views = {v.name: {"Name": v.name} for v in self.views.values()}
        whole = {"Name": self._engine.database, "Tables": tables, "MaterializedViews": views}
        said = json.dumps({"Databases": {self._engine.database: whole}})
        return Answer([("DatabaseSchema", "string")], [[said]])

    def _show_all_policies(self, said: Stated) -> Answer:
        kind = said.kind.replace("Star", "")
        tables = self._engine.tables.values()
        each = [policy_named(kind, one.name, one.policies, one.security_said) for one in tables]
        columns = policy_named(kind)
        assert columns is not None
        return Answer(columns.columns, [row for one in each if one is not None for row in one.rows])

    def _shown_journal(self, said: Stated) -> Answer:
        """What was done to the entities that the command's own filter names."""
        asked = [json.loads(f'"{name}"') for name in re.findall(r'"((?:[^"\\]|\\.)*)"', said.whole)]
        names = ("EventTimestamp", "EntityName", "Event", "Principal")
        rows = [
            [f"2024-01-01T00:{number:02}:00Z", *one]
            for number, one in enumerate(self.journal)
            if one[0] in asked
        ]
        return Answer([(name, "datetime" if "Time" in name else "string") for name in names], rows)


def _columns(columns: Any) -> str:
    return "(" + ", ".join(f"['{name}']: {kind}" for name, kind in columns) + ")"


def _keys(words: Sequence[str]) -> tuple[str, ...]:
    """The words after the last `by` of a query, which are the keys of its summarize."""
    return tuple(words[len(words) - list(reversed(words)).index("by") :]) if "by" in words else ()


def _missing(kind: str, name: str) -> Refused:
    return _refused("BadRequest_EntityNotFound", f"Entity ID '{name}' of kind '{kind}' was not found.")


def _refused(code: str, said: str) -> Refused:
    return Refused(code, f"Kusto.Data.Exceptions.{re.sub('.*_', '', code)}Exception", said)
