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
from importlib.metadata import version
from typing import Any

from sluicegate.compute.constant_casts import wrong_constants
from sluicegate.compute.select_only import Statement
from sluicegate.core.column_origins import TableOrigins
from sluicegate.core.partitions import STAND_IN_DROP, Grain, Partitioning
from sluicegate.core.problems import Problem
from sluicegate.core.settings import Settings
from sluicegate.transformation.code_lines import PROJECT_FILE, CodeLines, file_of, said_by_dbt
from sluicegate.transformation.declared_reads import DeclaredReads, Undeclared
from sluicegate.transformation.empty_tables import Columns, EmptyTables
from sluicegate.transformation.node_origins import KeptOrigins, written_origins, written_seed
from sluicegate.transformation.runner import DbtError, DbtProcess
from sluicegate.transformation.slices import partition_variables, relation_of

# Raised when what is kept is of another form, or when something else is looked at.
_FORM = 8
_FILE = "bound.json"
_UNPARTITIONED = Partitioning(Grain.SNAPSHOT)
# A day that stands for all: what SQL reads of a partition does not depend on which it is. In a run it is
# looked at again.
STAND_IN = datetime(2024, 1, 31, 13, tzinfo=UTC)


# The types of the column that cuts a table, by its grain: a row's partition is told by it.
_MOMENTS = ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE")
_CUTS = {
    "timestamp": ("a timestamp", _MOMENTS),
    "date": ("a date or a timestamp", ("DATE", *_MOMENTS)),
    "varchar": ("the drop's id, as text", ("VARCHAR",)),
}


@dataclass(frozen=True)
class _Bound:
    """What is kept of a node in which nothing was wrong: of which code and parents it was bound."""

    code: str
    parents: str
    compiled: str
    columns: Columns
    origins: str

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> "_Bound":
        columns = [(name, type_) for name, type_ in kept["columns"]]
        return cls(kept["code"], kept["parents"], kept["compiled"], columns, kept["origins"])


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
    """What is known of a project's SQL, by dbt's unique id: compiled, with dbt's `execute`, columns, origins.

    Of models, seeds and snapshots there is, column by column, what they are made of.
    """

    compiled: Mapping[str, str]
    columns: Mapping[str, Columns]
    origins: Mapping[str, TableOrigins]


def bound_sql(settings: Settings, digests: Mapping[str, str]) -> BoundSql:
    """Return what is kept of SQL that was bound and is the code of these digests (`bind_project`)."""
    kept = {
        name: item
        for name, item in _kept(settings).items()
        if item.code.partition(" ")[0] == digests.get(name, "")
    }
    return BoundSql(
        {name: item.compiled for name, item in kept.items()},
        {name: item.columns for name, item in kept.items() if item.columns},
        KeptOrigins({name: item.origins for name, item in kept.items() if item.origins}),
    )


def is_bound(settings: Settings) -> bool:
    """Whether what was parsed last was bound, by this very code: another version asks for other things."""
    return _stored(settings) is not None


def bound_tables(settings: Settings, content: Mapping[str, Any]) -> EmptyTables:
    """Return the tables of a bound project without rows; those are not there whose SQL is wrong."""
    tables, kept = EmptyTables(settings, content), _kept(settings)
    for unique_id, node in content["nodes"].items():
        if node["resource_type"] == "seed":
            with suppress(ValueError):
                tables.make(relation_of(node), tables.seed_columns(node))
        elif node["resource_type"] != "test" and unique_id in kept:
            tables.make(relation_of(node), kept[unique_id].columns)
    return tables


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
        kept, bound = _kept(self._settings), dict[str, _Bound]()
        tables = EmptyTables(self._settings, self._content)
        nodes = list(self._in_order())
        found: list[Problem] = []
        compiled = self._compiled([name for name in nodes if self._is_new(name, kept.get(name))], found)
        for unique_id in nodes:
            node = self._content["nodes"][unique_id]
            if node["resource_type"] == "seed":
                try:
                    self._columns[unique_id] = tables.seed_columns(node)
                except ValueError as error:
                    found.append(self._not_read(node, error))
                    self._broken.add(unique_id)
                    continue
                tables.make(relation_of(node), self._columns[unique_id])
                origins = written_seed(node, self._columns[unique_id], tables.seed_digests(node))
                bound[unique_id] = _Bound(self._code(unique_id), "", "", self._columns[unique_id], origins)
                found += self._ill_typed(tables, node)
                continue
            parents = self._parents(node)
            if not self._broken.isdisjoint([unique_id, *parents]):  # what is wrong with those is told
                self._broken.add(unique_id)
                continue
            before, inputs = kept.get(unique_id), self._inputs(parents)
            if before and unique_id not in compiled and before.parents == inputs:
                item, problems = before, list[Problem]()
                if node["resource_type"] != "test":
                    tables.make(relation_of(node), item.columns)
            else:
                sql = compiled.get(unique_id) or (before.compiled if before else "")
                statement = Statement(tables.connection, sql)
                columns, problems = self._bind(tables, unique_id, node, statement)
                origins = written_origins(statement, node, columns) if columns else ""
                item = _Bound(self._code(unique_id), inputs, sql, columns, origins)
            self._columns[unique_id] = item.columns
            found += problems
            if not problems:
                bound[unique_id] = item
            if node["resource_type"] != "test" and not item.columns:
                self._broken.add(unique_id)
        self._keep(bound)
        return found

    def _bind(
        self, tables: EmptyTables, unique_id: str, node: Mapping[str, Any], statement: Statement
    ) -> tuple[Columns, list[Problem]]:
        partitioning, key = self._partition(unique_id)
        whole = statement
        if node["resource_type"] == "test" and (calculated := node["config"].get("fail_calc")):
            # Its lines stay lines of their own, for a place in them to be found again.
            sql = statement.sql.strip().rstrip(";")
            whole = Statement(tables.connection, f"select {calculated} from (\n{sql}\n) as failing_rows")
        undeclared = self._reads.undeclared(whole, unique_id, partitioning, key)
        problems = [self._problem(node, whole.sql, item) for item in undeclared]
        if not problems:
            problems += self._wrong_constants(node, whole)
        columns: Columns = []
        if not problems and node["resource_type"] != "test":
            columns = tables.make_of(relation_of(node), statement)
            problems += self._declared_types(tables, node, columns)
            problems += self._cut_problems(unique_id, node, columns)
            if node["resource_type"] == "snapshot":
                tables.drop(relation_of(node))
                columns = tables.snapshot_columns(node, columns)
                tables.make(relation_of(node), columns)
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

    def _wrong_constants(self, node: Mapping[str, Any], statement: Statement) -> Iterator[Problem]:
        for wrong in wrong_constants(statement):
            what = f"'{wrong.text}' is no {wrong.type}, and errs at the first row"
            file, line = self._lines.of_position(node, statement.sql, wrong.position, f"`{wrong.text}`")
            yield Problem(
                file, line, f"`{node['name']}`: {what}", f"a text that can be read as {wrong.type}",
                "write one, or cast what it is compared with to varchar",
            )  # fmt: skip

    def _cut_problems(self, unique_id: str, node: Mapping[str, Any], columns: Columns) -> Iterator[Problem]:
        """Yield what keeps the column that cuts a table from telling its partitions."""
        cut = self._reads.cuts.of(unique_id)
        if cut is None or not columns:
            return
        usual = cut.grain.column_type
        words, kinds = _CUTS[usual]
        type_ = next((type_ for name, type_ in columns if name.lower() == cut.column.lower()), None)
        if type_ in kinds:
            return
        file, line = self._lines.of_config(node, "partition_by")
        if type_ is None:
            fitting = [name for name, type_ in columns if type_ in kinds and cut.grain is not Grain.DROP]
            instead = f", or set partition_by to `{fitting[0]}`" if fitting else ""
            yield Problem(
                file, line, f"`{node['name']}` is partitioned by `{cut.column}`, which it does not select",
                f"a column `{cut.column}` among what it selects: {words}", f"select it{instead}",
            )  # fmt: skip
        else:
            yield Problem(
                file, line, f"`{node['name']}` is partitioned by `{cut.column}`, which is {type_}",
                f"{words}, for a table that is cut {_cut(cut.grain)}",
                f"select it as {usual}: `cast(… as {usual}) as {cut.column}`",
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

    def _not_compiled(self, node: Mapping[str, Any], said: str) -> Problem:
        file, line = self._lines.of_message(said)
        if file == PROJECT_FILE:  # dbt does not say where
            file = file_of(self._content, node)
        return Problem(
            file, line, f"dbt cannot compile `{node['name']}`: {said_by_dbt(said)}",
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

    def _compiled(self, names: Sequence[str], problems: list[Problem]) -> dict[str, str]:
        """Compile nodes, those of one grain at once; what does not compile comes to the problems."""
        by_grain: dict[Partitioning, list[str]] = {}
        for unique_id in names:
            by_grain.setdefault(self._partition(unique_id)[0], []).append(unique_id)
        # What is not cut compiles alike in a run of any grain: so it goes with the others.
        if len(by_grain) > 1 and (whole := by_grain.pop(_UNPARTITIONED, None)):
            next(iter(by_grain.values())).extend(whole)
        found: dict[str, str] = {}
        for partitioning, members in by_grain.items():
            selectors = [f"fqn:{'.'.join(self._content['nodes'][name]['fqn'])}" for name in members]
            variables = partition_variables(partitioning, stand_in(partitioning))
            try:
                compiled, wrong = self._dbt.compiled_without_data(selectors, variables)
            except DbtError as error:  # dbt came to none of them
                compiled, wrong = {}, dict.fromkeys(members[:1], str(error))
                self._broken.update(members)
            problems += [self._not_compiled(self._content["nodes"][name], wrong[name]) for name in wrong]
            self._broken.update(wrong)
            found |= compiled
        return {name: found[name] for name in names if name in found}

    def _partition(self, unique_id: str) -> tuple[Partitioning, str]:
        """Return how a node is cut, or a test's table, and a partition that stands for all."""
        node = self._content["nodes"][unique_id]
        judged = [node["attached_node"]] if node.get("attached_node") else self._parents(node)
        names = judged if node["resource_type"] == "test" else [unique_id]
        cut = next((cut for name in names if (cut := self._reads.cuts.of(name))), None)
        partitioning = Partitioning(cut.grain) if cut else _UNPARTITIONED
        return partitioning, stand_in(partitioning)

    def _keep(self, bound: Mapping[str, _Bound]) -> None:
        nodes = {name: asdict(item) for name, item in bound.items()}
        kept = {"by": _by(self._settings), "nodes": nodes}
        (self._settings.dbt_target_dir / _FILE).write_text(json.dumps(kept))


def _kept(settings: Settings) -> dict[str, _Bound]:
    return {name: _Bound.of(item) for name, item in (_stored(settings) or {}).items()}


def _stored(settings: Settings) -> Mapping[str, Any] | None:
    """Return what is kept; None where nothing is, or by other code or another engine."""
    stored: Any = {}
    with suppress(OSError, ValueError):  # not there, or a process died while it wrote
        stored = json.loads((settings.dbt_target_dir / _FILE).read_bytes())
    return stored["nodes"] if stored.get("by") == _by(settings) else None


def _by(settings: Settings) -> list[Any]:
    return [_FORM, version("duckdb"), settings.warehouse_path.stem]


def _cut(grain: Grain) -> str:
    return "by drop" if grain is Grain.DROP else grain.value


def stand_in(partitioning: Partitioning) -> str:
    """Return a partition's key that stands for all of them; "" of what is not cut."""
    if not partitioning.partitioned:
        return ""
    return partitioning.key_at(STAND_IN) if partitioning.grain.timed else STAND_IN_DROP
