"""The SQL of a project, bound by the engine against its declared types when it is loaded, without data.

Raw tables are made as their contracts say, each model's as what its own SQL comes to. So SQL that cannot run,
a wrong declared type, and what is read besides `ref()` and `source()` are told before a day lands. What was
bound is kept by the code's digest: after a change, only what changed is compiled and bound again.
Belongs here: the order of it, and what is kept. Does not belong here: one statement (`declared_reads`).
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestration.partitions import STAND_IN_DROP, Grain, Partitioning
from orchestration.problems import Problem
from orchestration.settings import Settings
from orchestration.transformation.code_lines import CodeLines, file_of
from orchestration.transformation.declared_reads import DeclaredReads, Undeclared
from orchestration.transformation.empty_tables import Columns, EmptyTables
from orchestration.transformation.runner import DbtError, DbtProcess
from orchestration.transformation.slices import partition_variables

# Raised when what is kept is of another form, or when something else is looked at.
_FORM = 4
BOUND_FILE = "bound.json"
_UNPARTITIONED = Partitioning(Grain.SNAPSHOT)
# A day that stands for all: what SQL reads of a partition does not depend on which it is. In a run it is
# looked at again.
STAND_IN = datetime(2024, 1, 31, 13, tzinfo=UTC)


@dataclass(frozen=True)
class _Bound:
    """What is kept of a node in which nothing was wrong: of which code and parents it was bound."""

    code: str
    parents: str
    compiled: str
    columns: Columns

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> "_Bound":
        columns = [(name, type_) for name, type_ in kept["columns"]]
        return cls(kept["code"], kept["parents"], kept["compiled"], columns)


def bind_project(
    settings: Settings, dbt: DbtProcess, content: Mapping[str, Any], digests: Mapping[str, str]
) -> list[Problem]:
    """Bind all SQL of a parsed project, and return what is wrong with it.

    Args:
        settings: the deployment; what is kept lies in its dbt target directory.
        dbt: the process that has parsed it.
        content: that of `manifest.json`.
        digests: {dbt's unique id: digest of the code}.
    """
    return _Binding(settings, dbt, content, digests).problems()


@dataclass(frozen=True)
class BoundSql:
    """What is known of a project's SQL: {dbt's unique id: compiled, with dbt's `execute`}, and columns."""

    compiled: Mapping[str, str]
    columns: Mapping[str, Columns]


def bound_sql(settings: Settings, digests: Mapping[str, str]) -> BoundSql:
    """Return what is kept of SQL that was bound and is the code of these digests (`bind_project`)."""
    stored: Any = {}
    with suppress(OSError, ValueError):
        stored = json.loads((settings.dbt_target_dir / BOUND_FILE).read_bytes())
    kept = {
        name: _Bound.of(item)
        for name, item in stored.get("nodes", {}).items()
        if item["code"].partition(" ")[0] == digests.get(name, "")
    }
    return BoundSql(
        {name: item.compiled for name, item in kept.items()},
        {name: item.columns for name, item in kept.items() if item.columns},
    )


class _Binding:
    def __init__(
        self, settings: Settings, dbt: DbtProcess, content: Mapping[str, Any], digests: Mapping[str, str]
    ) -> None:
        self._settings = settings
        self._dbt = dbt
        self._content = content
        self._digests = digests
        self._reads = DeclaredReads(content)
        self._lines = CodeLines(settings.project_dir, content)
        self._columns: dict[str, Columns] = {}
        self._broken: set[str] = set()

    def problems(self) -> list[Problem]:
        kept, bound = self._kept(), dict[str, _Bound]()
        tables = EmptyTables(self._settings, self._content)
        nodes = list(self._in_order())
        try:
            compiled = self._compiled([name for name in nodes if self._is_new(name, kept.get(name))])
        except DbtError as error:
            return [self._not_compiled(error)]
        found: list[Problem] = []
        for unique_id in nodes:
            node = self._content["nodes"][unique_id]
            if node["resource_type"] == "seed":
                try:
                    self._columns[unique_id] = tables.seed_columns(node)
                except ValueError as error:
                    found.append(self._not_read(node, error))
                    self._broken.add(unique_id)
                    continue
                tables.make(node["schema"], _name(node), self._columns[unique_id])
                bound[unique_id] = _Bound(self._code(unique_id), "", "", self._columns[unique_id])
                found += self._ill_typed(tables, node)
                continue
            parents = self._parents(node)
            if not self._broken.isdisjoint(parents):  # what is wrong with those is told
                self._broken.add(unique_id)
                continue
            before, inputs = kept.get(unique_id), self._inputs(parents)
            if before and unique_id not in compiled and before.parents == inputs:
                item, problems = before, list[Problem]()
                if node["resource_type"] != "test":
                    tables.make(node["schema"], _name(node), item.columns)
            else:
                sql = compiled.get(unique_id) or (before.compiled if before else "")
                columns, problems = self._bind(tables, unique_id, node, sql)
                item = _Bound(self._code(unique_id), inputs, sql, columns)
            self._columns[unique_id] = item.columns
            found += problems
            if not problems:
                bound[unique_id] = item
            if node["resource_type"] != "test" and not item.columns:
                self._broken.add(unique_id)
        self._keep(bound)
        return found

    def _bind(
        self, tables: EmptyTables, unique_id: str, node: Mapping[str, Any], sql: str
    ) -> tuple[Columns, list[Problem]]:
        partitioning, key = self._partition(unique_id)
        whole = sql
        if node["resource_type"] == "test" and (calculated := node["config"].get("fail_calc")):
            # Its lines stay lines of their own, for a place in them to be found again.
            whole = f"select {calculated} from (\n{sql.strip().rstrip(';')}\n) as failing_rows"
        undeclared = self._reads.undeclared(tables.connection, unique_id, whole, partitioning, key)
        problems = [self._problem(node, whole, item) for item in undeclared]
        columns: Columns = []
        if not problems and node["resource_type"] != "test":
            columns = tables.make_of(node["schema"], _name(node), sql)
            problems += self._declared_types(tables, node, columns)
            if node["resource_type"] == "snapshot":
                tables.drop(node["schema"], _name(node))
                columns = tables.snapshot_columns(node, columns)
                tables.make(node["schema"], _name(node), columns)
        return columns, problems

    def _ill_typed(self, tables: EmptyTables, node: Mapping[str, Any]) -> Iterator[Problem]:
        """Yield types that a seed's config states and the engine does not have."""
        for name, stated in (node["config"].get("column_types") or {}).items():
            if tables.type_of(str(stated)) is None:
                yield Problem(
                    file_of(self._content, node), 1,
                    f"column_types of seed `{node['name']}` says `{str(stated)[:60]}` of `{name}`",
                    "a type of DuckDB, as `decimal(18, 3)`", "correct column_types",
                )  # fmt: skip

    def _declared_types(
        self, tables: EmptyTables, node: Mapping[str, Any], columns: Columns
    ) -> Iterator[Problem]:
        types = {name.lower(): type_ for name, type_ in columns}
        for name, column in (node.get("columns") or {}).items():
            stated, selected = column.get("data_type"), types.get(name.lower())
            written = tables.type_of(str(stated)) if stated else selected
            if selected is not None and written == selected:
                continue
            file, line = self._lines.of_column(node, name)
            if selected is None:
                yield Problem(
                    file, line, f"`{node['name']}` has no column `{name}`",
                    f"one of what it selects: {', '.join(name for name, _ in columns)}",
                    "select it, or take it from the description",
                )  # fmt: skip
            else:
                what = f"is a {stated}, by its description" if written else f"is said to be a `{stated}`"
                yield Problem(
                    file, line, f"column `{name}` of `{node['name']}` {what}",
                    f"{selected}, which its SQL comes to", "cast it in the SQL, or correct data_type",
                )  # fmt: skip

    def _problem(self, node: Mapping[str, Any], sql: str, found: Undeclared) -> Problem:
        file, line = self._lines.of_position(node, sql, found.position, found.what)
        return Problem(file, line, f"`{node['name']}`: {found.what}", found.expected, found.fix)

    def _not_read(self, node: Mapping[str, Any], error: ValueError) -> Problem:
        return Problem(
            file_of(self._content, node), 1, f"seed `{node['name']}` cannot be read: {error}",
            "a CSV file with a header, and its delimiter in its config", "correct the file or its config",
        )  # fmt: skip

    def _not_compiled(self, error: DbtError) -> Problem:
        file, line = self._lines.of_message(str(error))
        return Problem(
            file, line, f"dbt cannot compile it: {' '.join(str(error).split())}",
            "SQL that dbt compiles without data", "correct what dbt names",
        )  # fmt: skip

    def _in_order(self) -> Iterator[str]:
        """Yield what is bound, parents before children."""
        nodes, seen = self._content["nodes"], set[str]()

        def visit(unique_id: str) -> Iterator[str]:
            node = nodes.get(unique_id)
            if node is None or unique_id in seen:
                return
            seen.add(unique_id)
            for parent in node.get("depends_on", {}).get("nodes", []):
                yield from visit(parent)
            if node["resource_type"] in ("model", "seed", "snapshot", "test"):
                yield unique_id

        for unique_id in sorted(nodes):
            yield from visit(unique_id)

    def _parents(self, node: Mapping[str, Any]) -> list[str]:
        return list(node.get("depends_on", {}).get("nodes", []))

    def _inputs(self, parents: Sequence[str]) -> str:
        """Return a digest of the columns of what a node reads."""
        sources = self._content["sources"]
        told = [
            [
                name,
                [[column, item.get("data_type")] for column, item in sources[name]["columns"].items()]
                if name in sources
                else self._columns.get(name),
            ]
            for name in sorted(parents)
        ]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()

    def _is_new(self, unique_id: str, kept: _Bound | None) -> bool:
        if self._content["nodes"][unique_id]["resource_type"] == "seed":
            return False
        return kept is None or kept.code != self._code(unique_id)

    def _code(self, unique_id: str) -> str:
        """Return what a kept result is of: the code, and the columns that are described."""
        columns = self._content["nodes"][unique_id].get("columns") or {}
        described = [[name, column.get("data_type")] for name, column in columns.items()]
        return f"{self._digests.get(unique_id, '')} {json.dumps(described)}"

    def _compiled(self, names: Sequence[str]) -> dict[str, str]:
        """Compile nodes, those of one grain at once."""
        by_grain: dict[Partitioning, list[str]] = {}
        for unique_id in names:
            by_grain.setdefault(self._partition(unique_id)[0], []).append(unique_id)
        # What is not cut compiles alike in a run of any grain: so it goes with the others.
        if len(by_grain) > 1 and (whole := by_grain.pop(_UNPARTITIONED, None)):
            next(iter(by_grain.values())).extend(whole)
        wanted, found = set(names), dict[str, str]()
        for partitioning, members in by_grain.items():
            selectors = [f"fqn:{'.'.join(self._content['nodes'][name]['fqn'])}" for name in members]
            found |= self._dbt.compiled_without_data(
                selectors, partition_variables(partitioning, _stand_in(partitioning))
            )
        return {name: sql for name, sql in found.items() if name in wanted}

    def _partition(self, unique_id: str) -> tuple[Partitioning, str]:
        """Return how a node is cut, or a test's table, and a partition that stands for all."""
        node = self._content["nodes"][unique_id]
        judged = [node["attached_node"]] if node.get("attached_node") else self._parents(node)
        names = judged if node["resource_type"] == "test" else [unique_id]
        cut = next((cut for name in names if (cut := self._reads.cuts.of(name))), None)
        partitioning = Partitioning(cut.grain) if cut else _UNPARTITIONED
        return partitioning, _stand_in(partitioning)

    def _kept(self) -> dict[str, _Bound]:
        stored: Any = {}
        with suppress(OSError, ValueError):  # not there, or a process died while it wrote
            stored = json.loads(self._file.read_bytes())
        if stored.get("by") != self._by:
            return {}
        return {name: _Bound.of(item) for name, item in stored["nodes"].items()}

    def _keep(self, bound: Mapping[str, _Bound]) -> None:
        nodes = {name: asdict(item) for name, item in bound.items()}
        self._file.write_text(json.dumps({"by": self._by, "nodes": nodes}))

    @property
    def _by(self) -> list[Any]:
        import duckdb

        return [_FORM, duckdb.__version__, self._settings.warehouse_path.stem]

    @property
    def _file(self) -> Path:
        return self._settings.dbt_target_dir / BOUND_FILE


def _name(node: Mapping[str, Any]) -> str:
    return str(node.get("alias") or node["name"])


def _stand_in(partitioning: Partitioning) -> str:
    if not partitioning.partitioned:
        return ""
    return partitioning.key_at(STAND_IN) if partitioning.grain.timed else STAND_IN_DROP
