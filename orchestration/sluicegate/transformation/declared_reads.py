"""Whether the SQL of a model or data test reads what its `ref()` and `source()` declare, and no more.

And whether its columns are called so that their names are no SQL.

Asked of compiled SQL twice: without data, when the project is loaded, and in the warehouse, of the very SQL
that built a table, as SQL may be compiled in another way in a run. Belongs here: one statement. Does not
belong here: compiling it, and tables to bind it against.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sluicegate.compute.select_only import NotASelect, Scan, Statement, scans, scans_of
from sluicegate.core.partitions import Partitioning
from sluicegate.core.relations import Relation
from sluicegate.transformation.names_in_sql import NAME, is_plain, shown
from sluicegate.transformation.runner import TABLE_RESOURCES
from sluicegate.transformation.slices import Cuts, relation_of, slice_condition, windows_of

if TYPE_CHECKING:
    import duckdb

# What the engine says of a table that is built later than the SQL that reads it, or not at all.
_ABSENT = re.compile(r"Table with name (\S+) does not exist")
# A test of this one compares a partition with the one before it, and so reads past it on purpose.
_READS_PAST = "differs_from_previous_partition"


@dataclass(frozen=True)
class Undeclared:
    """What a statement reads or does besides what is declared; `position` is where in it, if known."""

    what: str
    expected: str
    fix: str
    position: int | None = None

    def __str__(self) -> str:
        return f"{self.what}; expected {self.expected}: {self.fix}"


class DeclaredReads:
    """What the nodes of a manifest declare that they read; `content` is that of `manifest.json`."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._content = content
        self.cuts = Cuts(content)

    def undeclared(
        self,
        statement: Statement,
        unique_id: str,
        partitioning: Partitioning,
        key: str,
        slices: dict[str, frozenset[str]] | None = None,
    ) -> list[Undeclared]:
        """Return what compiled SQL of a node does besides reading the slices that the node declares.

        Args:
            statement: the SQL as it was compiled for this partition, on a connection to a database that holds
                the tables of the project, with rows or without.
            unique_id: dbt's, of a model, snapshot or data test.
            partitioning: how the node's table is cut.
            key: the partition.
            slices: what the engine has said of declared slices, to ask it once; clear it where a table has
                become another.
        """
        slices = {} if slices is None else slices
        try:
            found = scans_of(statement)
        except NotASelect as refused:
            if (known := self._absent(str(refused))) is not None:
                found = self._not_declared(self._content["nodes"][unique_id], known)
                return [replace(found, position=refused.position)]
            return [
                Undeclared(
                    str(refused), "one query of what ref() and source() give, which the engine can plan",
                    "correct the SQL", refused.position,
                )
            ]  # fmt: skip
        return [
            *self._undeclared(statement.connection, unique_id, found, partitioning, key, slices),
            *self._ill_named(statement, unique_id),
        ]

    def _ill_named(self, statement: Statement, unique_id: str) -> Iterator[Undeclared]:
        """Yield columns of a table whose names would be SQL where dbt writes them into it."""
        if self._content["nodes"][unique_id]["resource_type"] == "test":
            return
        for name, _ in statement.columns:
            if not is_plain(name):
                at = statement.sql.find(name)
                yield Undeclared(
                    f"it has a column called {shown(name)}", NAME, "give it such a name: `… as total`",
                    at if at >= 0 else None,
                )  # fmt: skip

    def _undeclared(
        self,
        connection: "duckdb.DuckDBPyConnection",
        unique_id: str,
        found: list[Scan],
        partitioning: Partitioning,
        key: str,
        slices: dict[str, frozenset[str]],
    ) -> Iterator[Undeclared]:
        node = self._content["nodes"][unique_id]
        parents = {
            self._relation(parent).lower(): parent for parent in node.get("depends_on", {}).get("nodes", [])
        }
        for scan in found:
            parent = parents.get(scan.relation.lower())
            if parent is None:
                yield self._not_declared(node, scan)
            elif not self._within(connection, node, scan, parent, partitioning, key, slices):
                call = self._call(parent)
                yield Undeclared(
                    f"it reads `{scan.relation}` past its partition",
                    f"the rows that {call} gives", f"write `from {call}` wherever it is read",
                )  # fmt: skip

    def _absent(self, said: str) -> Scan | None:
        """Return the table of the project that the engine has not found, if one is called so."""
        absent = _ABSENT.match(said)
        for unique_id in self._relations.values() if absent else ():
            relation = self._relation(unique_id)
            if absent and relation.name.lower() == absent[1].lower():
                return Scan("", relation.schema.lower(), relation.name.lower())
        return None

    def _not_declared(self, node: Mapping[str, Any], scan: Scan) -> Undeclared:
        if scan.relation.lower() == self._relation(node["unique_id"]).lower():
            return Undeclared(
                f"it reads its own table, `{scan.relation}`",
                "what is made of its parents alone: no evidence tells of which of its own earlier rows",
                "take `{{ this }}` out of it, or declare a window of a parent: trailing_days",
            )
        named = self._relations.get(scan.relation.lower())
        what = f"it reads `{scan.relation}`, and nothing says so"
        if named is None:
            return Undeclared(
                what, "tables of the project alone, by ref() or source()",
                "land it as a source, and read that",
            )  # fmt: skip
        call = self._call(named)
        arguments = (node.get("test_metadata") or {}).get("kwargs") or {}
        for argument, text in arguments.items():
            if str(text).strip().lower() == scan.relation.lower():
                stated = f"{argument}: {call.strip('{ }')}"
                return Undeclared(what, f"`{stated}`", f"write `{stated}`")
        cut, own = self.cuts.of(named), self.cuts.of(node["unique_id"])
        fix = f"write `from {call}`"
        if node["resource_type"] == "snapshot" and cut:
            return Undeclared(
                what, "a table that is not partitioned, by ref() or source(): dbt keeps the history of a"
                " whole", f"take a snapshot of another, or make a partitioned model of {call}",
            )  # fmt: skip
        if node["resource_type"] == "model" and cut and own is None:
            by = " set to the column that tells its partition" if cut.of_source else f"='{cut.column}'"
            fix += (
                ", and cut the model as what it reads: materialized='incremental',"
                f" incremental_strategy='partition', partition_by{by}"
            )
        return Undeclared(what, f"`from {call}`", fix)

    def _within(
        self,
        connection: "duckdb.DuckDBPyConnection",
        node: Mapping[str, Any],
        scan: Scan,
        parent: str,
        partitioning: Partitioning,
        key: str,
        slices: dict[str, frozenset[str]],
    ) -> bool:
        """Whether only rows of the declared slice are read."""
        cut = self.cuts.of(parent)
        if cut is None or not partitioning.partitioned or _reads_past(node):
            return True
        days = windows_of(node["config"]).get(scan.name, 1)
        condition = slice_condition(cut, partitioning, key, days)
        declared = f"select * from {scan.relation.quoted} where {condition}"
        if declared not in slices:
            [expected] = scans(connection, declared)
            slices[declared] = frozenset(expected.conditions)
        return slices[declared] <= set(scan.conditions)

    @cached_property
    def _relations(self) -> dict[str, str]:
        """{relation, in small letters: dbt's unique id} of all tables of the project."""
        tables = [name for name in self._content["nodes"] if name.partition(".")[0] in TABLE_RESOURCES]
        return {self._relation(name).lower(): name for name in [*tables, *self._content["sources"]]}

    def _relation(self, unique_id: str) -> Relation:
        return relation_of(
            self._content["nodes"].get(unique_id) or self._content["sources"].get(unique_id) or {}
        )

    def _call(self, unique_id: str) -> str:
        source = self._content["sources"].get(unique_id)
        if source is not None:
            return f"{{{{ source('{source['source_name']}', '{source['name']}') }}}}"
        return f"{{{{ ref('{self._content['nodes'][unique_id]['name']}') }}}}"


def _reads_past(node: Mapping[str, Any]) -> bool:
    metadata = node.get("test_metadata") or {}
    return metadata.get("name") == _READS_PAST and not metadata.get("namespace")
