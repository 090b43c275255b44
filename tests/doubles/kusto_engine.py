"""The engine of the Kusto double: tables, extents with tags, and the commands and queries on them.

Belongs here: what `https://<cluster>.kusto.windows.net` answers to the requests that we send; every other
command is refused. Does not: HTTP (`kusto`), the queues (`kusto_ingestion`), words (`kusto_language`), what
policies say (`kusto_policies`).

Sources, all under https://learn.microsoft.com/kusto/: "Extent tags" (management/extent-tags), ".show extents"
(management/show-extents: `has` is equality of a tag, `contains` a part
of one), ".replace extents" (management/replace-extents: all of
it in a single transaction), ".drop extents", ".create-merge table", ".create-or-alter ingestion mapping",
".delete table records" (management/soft-delete-command: tags stay), "Ingestion failures", "Query limits"
(concepts/query-limits: 500,000 records and 64 MB, unless `notruncation` is set).
"""

import json
import math
import re
import threading
import uuid
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from .kusto_language import Predicate, Refused, Words, semantic_error, syntax_error
from .kusto_policies import Answer, Security, policy_shown, tag_policy, timespan

_CSL_TYPES = {
    "bool": "System.SByte", "int": "System.Int32", "long": "System.Int64", "real": "System.Double",
    "decimal": "System.Data.SqlTypes.SqlDecimal", "datetime": "System.DateTime", "string": "System.String",
    "guid": "System.Guid", "timespan": "System.TimeSpan", "dynamic": "System.Object",
}  # fmt: skip
MOST_RECORDS = 500_000
_OF_EXTENTS = re.compile(
    r"\.(?:replace|drop) extents |\.show ingestion failures|\.show table \['[^']*'\] extents"
)
_T = TypeVar("_T")


@dataclass
class Extent:
    """Rows that came together; never changed, but for the rows that a soft delete marks."""

    tags: frozenset[str]
    rows: list[dict[str, Any]]
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    deleted: set[int] = field(default_factory=set[int])

    def living(self) -> list[dict[str, Any]]:
        """The rows that are not deleted."""
        return [row for place, row in enumerate(self.rows) if place not in self.deleted]


@dataclass
class Table:
    """One table; `columns` are types by name, `mappings` are JSON by name."""

    name: str
    columns: dict[str, str] = field(default_factory=dict[str, str])
    docstrings: dict[str, str] = field(default_factory=dict[str, str])
    mappings: dict[str, list[dict[str, Any]]] = field(default_factory=dict[str, list[dict[str, Any]]])
    extents: list[Extent] = field(default_factory=list[Extent])
    others_mappings: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    folder: str = ""
    docstring: str = ""
    policies: dict[str, Any] = field(default_factory=dict[str, Any])
    retention: str = "365000d"
    tag_policy: list[dict[str, str]] | None = None
    security: Security | None = None
    security_said: dict[str, Any] | None = None

    def secure(self, enabled: bool, query: str) -> None:
        """Set row-level security; a query that the double cannot execute hides whatever is asked for."""
        self.security_said = {"IsEnabled": enabled, "Query": query}
        self.security = Security(enabled, query, self.columns)

    def rows(self) -> list[dict[str, Any]]:
        """Every row, the columns that it has not as null."""
        return [{name: row.get(name) for name in self.columns} for e in self.extents for row in e.living()]


class Engine:
    """One database.

    `failures` are those of ingestions, `commands` all texts that were executed, `tag_policy` the database's
    own extent tags retention policy; None: tags are kept. `others` and `others_queries` are asked before it,
    each answers what it knows and None to the rest.
    """

    def __init__(self, database: str) -> None:
        self.database = database
        self.lock = threading.RLock()
        self.tables: dict[str, Table] = {}
        self.failures: list[dict[str, Any]] = []
        self.commands: list[str] = []
        self.tag_policy: list[dict[str, str]] | None = None
        self.others: list[Callable[[str], Answer | None]] = []
        self.others_queries: list[Callable[[str], Answer | None]] = []

    def command(self, text: str) -> Answer:
        """Execute a management command."""
        known: dict[tuple[str, ...], Callable[[Words], Answer]] = {
            (".show", "table"): self._show_table,
            (".create-merge", "table"): self._create_merge,
            (".create-or-alter", "table"): self._create_or_alter_mapping,
            (".alter-merge", "table"): self._alter_merge,
            (".alter", "table"): self._alter_policy,
            (".show", "database"): self._show_database,
            (".replace", "extents", "in", "table"): self._replace_extents,
            (".drop", "extents", "<|"): self._drop_extents,
            (".delete", "table"): self._delete_records,
            (".show", "ingestion", "failures", "|", "where"): self._show_failures,
        }
        with self.lock:
            self.commands.append(text)
            # Of extents people type nothing that is worth the parser's time.
            for other in () if _OF_EXTENTS.match(text) else self.others:
                if (answer := other(text)) is not None:
                    return answer
            words = Words(text)
            for beginning, execute in known.items():
                if words.taken(*beginning):
                    answer = execute(words)
                    words.end()
                    return answer
        raise syntax_error(f"the double does not know the command {text[:60]!r}")

    def query(self, text: str, notruncation: bool) -> Answer:
        """Execute a query."""
        with self.lock:
            self.commands.append(text)
            for other in self.others_queries:
                if (answer := other(text)) is not None:
                    return answer
            words = Words(text)
            table = self.table(words.name())
            rows = [row for row in table.rows() if table.security is None or table.security.shows(row)]
            if words.taken("|", "where"):
                wanted = words.predicate(table.columns)
                rows = [row for row in rows if wanted(row)]
            if words.taken("|", "count"):
                words.end()
                return Answer([("Count", "long")], [[len(rows)]])
            words.take("|", "project")
            names = self._listed(words, words.name)
            words.end()
            if unknown := [name for name in names if name not in table.columns]:
                raise semantic_error(f"'project' operator: Failed to resolve expression '{unknown[0]}'")
        if len(rows) > MOST_RECORDS and not notruncation:
            said = f"Query result set has exceeded the internal record count limit {MOST_RECORDS}"
            raise Refused(
                "LimitsExceeded", "Kusto.Data.Exceptions.KustoServicePartialQueryFailureException", said
            )
        columns = [(name, table.columns[name]) for name in names]
        return Answer(columns, [[written(row[name], kind) for name, kind in columns] for row in rows])

    def ingest(
        self, table: str, rows: list[dict[str, Any]], tags: Iterable[str], unless: Iterable[str]
    ) -> bool:
        """Add an extent, unless one has such an `ingest-by:` tag; return whether it was added."""
        with self.lock:
            extents = self.table(table).extents
            if any(f"ingest-by:{tag}" in extent.tags for tag in unless for extent in extents):
                return False
            extents.append(Extent(frozenset(tags), rows))
            return True

    def merge_extents(self) -> None:
        """Merge as the background process does: extents of equal `drop-by:` tags become one with all tags."""
        with self.lock:
            for table in self.tables.values():
                merged: dict[frozenset[str], list[Extent]] = {}
                for extent in table.extents:
                    like = frozenset(tag for tag in extent.tags if tag.startswith("drop-by:"))
                    merged.setdefault(like, []).append(extent)
                table.extents = [
                    Extent(
                        frozenset().union(*(e.tags for e in same)), [row for e in same for row in e.living()]
                    )
                    for same in merged.values()
                ]

    def forget_tags(self, older: timedelta = timedelta(0)) -> None:
        """Drop tags as the background process does, of extents that are older than the policy says.

        Args:
            older: by so much every extent is taken for older than it is.
        """
        with self.lock:
            for table in self.tables.values():
                policy = self.tag_policy if table.tag_policy is None else table.tag_policy
                for extent in table.extents:
                    age = datetime.now(UTC) - extent.created + older
                    gone = tuple(
                        one["TagPrefix"] for one in policy or () if age > timespan(one["RetentionPeriod"])
                    )
                    extent.tags = frozenset(tag for tag in extent.tags if not tag.startswith(gone or "\0"))

    def table(self, name: str) -> Table:
        """A table by its name; refuses one that is not there."""
        if name not in self.tables:
            said = f"Entity ID '{name}' of kind 'Table' was not found."
            raise Refused("BadRequest_EntityNotFound", "Kusto.Data.Exceptions.EntityNotFoundException", said)
        return self.tables[name]

    def _listed(self, words: Words, one: Callable[[], _T]) -> list[_T]:
        found = [one()]
        while words.taken(","):
            found.append(one())
        return found

    def _show_table(self, words: Words) -> Answer:
        table = self.table(words.name())
        if words.taken("schema", "as", "json"):
            schema = json.dumps({"Name": table.name, "OrderedColumns": self.ordered_columns(table)})
            names = ("TableName", "Schema", "DatabaseName", "Folder", "DocString")
            row = [table.name, schema, self.database, table.folder, ""]
            return Answer([(name, "string") for name in names], [row])
        if words.taken("policy", "extent_tags_retention"):
            return policy_shown("ExtentTagsRetentionPolicy", table.name, table.tag_policy, "Table")
        if words.taken("policy", "row_level_security"):
            return policy_shown("RowLevelSecurityPolicy", table.name, table.security_said, "Table")
        found = self._extents(table, words.take("extents"))
        columns = [("ExtentId", "guid"), ("TableName", "string"), ("RowCount", "long"), ("Tags", "string")]
        rows = [[e.id, table.name, len(e.living()), "\r\n".join(sorted(e.tags))] for e in found]
        return Answer(columns, rows)

    def _extents(self, table: Table, words: Words) -> list[Extent]:
        """The extents that `where tags …` selects."""
        if not words.taken("where"):
            return list(table.extents)
        conditions = [self._tag_condition(words)]
        while words.taken("and"):
            conditions.append(self._tag_condition(words))
        return [e for e in table.extents if all(condition(e.tags) for condition in conditions)]

    def _tag_condition(self, words: Words) -> Callable[[Collection[str]], bool]:
        wanted = not words.take("tags").taken("!")
        if words.taken("contains"):
            part = words.text()
            return lambda tags: any(part in tag for tag in tags) == wanted
        whole = words.take("has").text()
        return lambda tags: (whole in tags) == wanted

    def _shown_extents(self, words: Words) -> tuple[Table, list[Extent]]:
        table = self.table(words.take(".show", "table").name())
        return table, self._extents(table, words.take("extents"))

    def _create_merge(self, words: Words) -> Answer:
        name = words.name()
        words.take("(")
        columns = self._listed(words, lambda: (words.name(), words.take(":").one("word")))
        words.take(")")
        table = self.merge_columns(name, columns)
        if words.taken("with", "(", "folder", "="):
            table.folder = words.text()
            words.take(")")
        return Answer([("TableName", "string")], [[name]])

    def merge_columns(self, name: str, columns: Iterable[tuple[str, str]]) -> Table:
        """Make a table, or add the columns that it has not; nothing is changed where a type is another."""
        before = self.tables.get(name)
        held = dict(before.columns) if before else {}
        for column, kind in columns:
            if kind not in _CSL_TYPES:
                raise syntax_error(f"unknown type {kind!r}")
            if held.get(column, kind) != kind:
                said = f"Column '{column}' exists with type {held[column]}, cannot become {kind}"
                raise Refused(
                    "BadRequest_EntitySchemaMismatch", "Kusto.Data.Exceptions.EntityException", said
                )
            held[column] = kind
        table = self.tables.setdefault(name, Table(name))
        table.columns = held
        return table

    def ordered_columns(self, table: Table) -> list[dict[str, str]]:
        """A table's columns as schemas in JSON have them."""
        return [
            {"Name": name, "Type": _CSL_TYPES[kind], "CslType": kind}
            | ({"DocString": table.docstrings[name]} if name in table.docstrings else {})
            for name, kind in table.columns.items()
        ]

    def _create_or_alter_mapping(self, words: Words) -> Answer:
        table = self.table(words.name())
        name = words.take("ingestion", "parquet", "mapping").text()
        mapping = json.loads(words.text())
        for element in mapping:
            if set(element) != {"Column", "DataType", "Properties"} or set(element["Properties"]) != {
                "Field"
            }:
                raise Refused(
                    "BadRequest_InvalidMapping", "Kusto.Data.Exceptions.MappingException", str(element)
                )
        table.mappings[name] = mapping
        return Answer([("Name", "string"), ("Kind", "string")], [[name, "Parquet"]])

    def _alter_merge(self, words: Words) -> Answer:
        table = self.table(words.name())
        if words.taken("policy", "retention", "softdelete", "="):
            table.retention = words.one("number") + words.one("word")
            return Answer([("PolicyName", "string")], [["RetentionPolicy"]])
        words.take("column-docstrings", "(")
        for column, said in self._listed(words, lambda: (words.name(), words.take(":").text())):
            if column not in table.columns:
                raise semantic_error(f"no column '{column}'")
            table.docstrings[column] = said
        words.take(")")
        return Answer([("TableName", "string")], [[table.name]])

    def _alter_policy(self, words: Words) -> Answer:
        table = self.table(words.name())
        if words.taken("policy", "row_level_security"):
            enabled = words.taken("enable") or not words.take("disable")
            table.secure(enabled, words.text())
            return policy_shown("RowLevelSecurityPolicy", table.name, table.security_said, "Table")
        table.tag_policy = tag_policy(words.take("policy", "extent_tags_retention").text())
        return policy_shown("ExtentTagsRetentionPolicy", table.name, table.tag_policy, "Table")

    def _show_database(self, words: Words) -> Answer:
        if words.name() != self.database:
            said = "Entity of kind 'Database' was not found."
            raise Refused("BadRequest_EntityNotFound", "Kusto.Data.Exceptions.EntityNotFoundException", said)
        words.take("policy", "extent_tags_retention")
        return policy_shown("ExtentTagsRetentionPolicy", self.database, self.tag_policy, "Database")

    def _replace_extents(self, words: Words) -> Answer:
        destination = self.table(words.name())
        words.take("with", "(", "extentCreatedOnFrom", "=")
        since = words.literal()
        until = words.take(",", "extentCreatedOnTo", "=").literal()
        owner, drop = self._shown_extents(words.take(")", "<|", "{"))
        source, move = self._shown_extents(words.take("}", ",", "{"))
        words.take("}").end()
        drop, move = ([e for e in some if since < e.created < until] for some in (drop, move))
        missing = [column for column in source.columns if column not in destination.columns]
        if owner is not destination or missing:
            raise Refused(
                "BadRequest_InvalidOperation", "Kusto.Data.Exceptions.ExtentsException", str(missing)
            )
        destination.extents = [e for e in destination.extents if e not in drop] + move
        source.extents = [e for e in source.extents if e not in move]
        rows = [[e.id, "", ""] for e in drop] + [[e.id, e.id, ""] for e in move]
        return Answer([(name, "string") for name in ("OriginalExtentId", "ResultExtentId", "Details")], rows)

    def _drop_extents(self, words: Words) -> Answer:
        table, drop = self._shown_extents(words)
        words.end()
        table.extents = [e for e in table.extents if e not in drop]
        return Answer([("ExtentId", "guid"), ("TableName", "string")], [[e.id, table.name] for e in drop])

    def _delete_records(self, words: Words) -> Answer:
        name = words.name()
        words.take("records", "<|")
        if words.name() != name:
            raise semantic_error("the predicate can't reference other tables")
        table = self.table(name)
        unwanted: Predicate = words.take("|", "where").predicate(table.columns)
        words.end()
        for extent in table.extents:
            of_all = ({column: row.get(column) for column in table.columns} for row in extent.rows)
            seen = table.security.shows if table.security else lambda _: True
            extent.deleted |= {place for place, row in enumerate(of_all) if unwanted(row) and seen(row)}
        return Answer([("OriginalExtentId", "guid")], [])

    def _show_failures(self, words: Words) -> Answer:
        part = words.take("IngestionSourcePath", "contains").text()
        names = ("ErrorCode", "FailureKind", "Details")
        if tuple(self._listed(words.take("|", "project"), lambda: words.one("word"))) != names:
            raise syntax_error("the double projects other columns")
        found = [f for f in self.failures if part in f["IngestionSourcePath"]]
        return Answer([(name, "string") for name in names], [[f[name] for name in names] for f in found])


def written(value: Any, kind: str) -> Any:
    """A value as the service writes it in JSON."""
    if value is None:
        return None
    if kind == "datetime":
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")  # ticks of 100 ns
    if kind == "decimal":
        return f"{value:f}" if isinstance(value, Decimal) else str(value)
    if kind == "real" and value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    if kind == "real" and math.isnan(value):
        return "NaN"
    return value
