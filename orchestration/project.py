"""The project directory, read whole: the four folders that users edit, and the map made of them.

Belongs here: reading the folders together and the rules that look across them (`sluice check` and every
start run the same). Does not belong here: what one file may say; its stage knows that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from orchestration.contracts.load import load_contracts
from orchestration.contracts.model import CONTRACT_CHECK, SourceContract
from orchestration.delivery.exports import Export, load_exports
from orchestration.lineage import Lineage, Table
from orchestration.problems import Problem, ProjectError, did_you_mean
from orchestration.quality.suites import CHECK_NAME, Suite, load_suites
from orchestration.settings import Settings
from orchestration.transformation.manifest import (
    DbtManifest,
    DbtNode,
    blocks,
    load_manifest,
    tested_relation,
)

EXPORT_PREFIX = "exp_"


@dataclass(frozen=True)
class Project:
    """Everything the project directory says, checked."""

    contracts: Mapping[str, SourceContract]
    manifest: DbtManifest
    suites: Mapping[str, Suite]
    exports: Mapping[str, Export]
    lineage: Lineage

    @property
    def partition_start(self) -> date:
        """The first day of the graph: the earliest that a contract names."""
        starts = [contract.partition_start for contract in self.contracts.values()]
        return min((start for start in starts if start is not None), default=date(2020, 1, 1))

    def node_of(self, export: Export) -> DbtNode:
        """Return the dbt model of an export."""
        return next(node for node in self.manifest.nodes.values() if node.name == export.spec.model)

    def suite_targets(self) -> dict[str, tuple[Suite, Table, str | None]]:
        """Return {suite's table name: (suite, its table, the column that cuts the table by day)}."""
        columns: dict[str, tuple[str, str | None]] = {
            contract.name: (contract.relation, "_partition_key" if contract.daily else None)
            for contract in self.contracts.values()
        }
        for node in self.manifest.nodes.values():
            columns[node.name] = (node.relation, node.partition_column)
        return {
            name: (suite, self.lineage.tables[columns[name][0]], columns[name][1])
            for name, suite in self.suites.items()
        }


def load_project(settings: Settings) -> Project:
    """Read the four folders.

    Raises:
        ProjectError: with every problem found, each with file, line and mend.
    """
    contracts, problems = load_contracts(settings.project_dir)
    suites, found = load_suites(settings.project_dir)
    problems += found
    exports, found = load_exports(settings.project_dir)
    problems += found
    try:
        manifest = load_manifest(settings)
    except ProjectError as error:
        raise ProjectError([*problems, *error.problems]) from error
    if problems:  # a file that does not load would be missed elsewhere, which is no second problem
        raise ProjectError(problems)
    problems += _dbt_problems(manifest, contracts)
    problems += _suite_problems(manifest, contracts, suites)
    if problems:
        raise ProjectError(problems)
    lineage = _lineage(manifest, contracts, suites)
    project = Project(contracts, manifest, suites, exports, lineage)
    problems += _partition_problems(project)
    problems += _export_problems(project)
    if problems:
        raise ProjectError(problems)
    return project


def _dbt_problems(manifest: DbtManifest, contracts: Mapping[str, SourceContract]) -> list[Problem]:
    problems: list[Problem] = []
    raw = {contract.relation for contract in contracts.values()}
    for unique_id, relation in manifest.source_names.items():
        if relation not in raw:
            source = manifest.content["sources"][unique_id]
            problems.append(
                Problem(
                    f"dbt_project/{source['original_file_path']}", 1,
                    f"source `{relation}` has no contract", "a contract for every source",
                    did_you_mean(relation.split(".")[-1], contracts),
                )
            )  # fmt: skip
    names: dict[str, DbtNode] = {}
    for node in manifest.nodes.values():
        other = names.setdefault(node.name, node)
        if other is not node or node.name in contracts:
            problems.append(
                Problem(
                    node.file, 1, f"`{node.name}` is the name of two tables",
                    "a name of its own for every source, model and seed", "rename one of them",
                )
            )  # fmt: skip
        config = manifest.content["nodes"][node.unique_id]["config"]
        if not any("record_table_version" in hook["sql"] for hook in config.get("post-hook", [])):
            problems.append(
                Problem(
                    node.file, 1, f"`{node.name}` does not record the version of its data",
                    'the post-hook "{{ record_table_version() }}"',
                    "set +post-hook in dbt_project.yml and leave it in place",
                )
            )  # fmt: skip
        if config.get("materialized") in ("view", "ephemeral"):
            problems.append(
                Problem(
                    node.file, 1, f"`{node.name}` is {config['materialized']}",
                    "a table or an incremental model: only what is stored can be judged once and sent",
                    "set materialized to table, or to incremental with the strategy `partition`",
                )
            )  # fmt: skip
    return problems


def _suite_problems(
    manifest: DbtManifest, contracts: Mapping[str, SourceContract], suites: Mapping[str, Suite]
) -> list[Problem]:
    known = {*contracts, *(node.name for node in manifest.nodes.values())}
    return [
        suite.file.problem(
            f"no table is named `{suite.table}`",
            expected="a suite named after a source or a dbt model",
            mend=did_you_mean(suite.table, known),
        )
        for suite in suites.values()
        if suite.table not in known
    ]


def _lineage(
    manifest: DbtManifest, contracts: Mapping[str, SourceContract], suites: Mapping[str, Suite]
) -> Lineage:
    tests: dict[str, list[str]] = {}
    for test in manifest.tests():
        relation = tested_relation(manifest, test)
        if relation and blocks(test):
            tests.setdefault(relation, []).append(test["name"])

    def checks(name: str, relation: str) -> list[str]:
        suite = suites.get(name)
        of_suite = [CHECK_NAME] if suite is not None and suite.blocking else []
        return [*of_suite, *tests.get(relation, [])]

    tables = [
        Table(
            relation=contract.relation,
            asset_key=("raw", contract.name),
            daily=contract.daily,
            parents={},
            blocking_checks=(CONTRACT_CHECK, *checks(contract.name, contract.relation)),
        )
        for contract in contracts.values()
    ]
    for node in manifest.nodes.values():
        parents: dict[str, int] = {}
        for unique_id in node.parents:
            relation = manifest.relation(unique_id)
            if relation is not None:
                name = relation.rpartition(".")[2]
                parents[relation] = node.trailing_days.get(name, 1)
        tables.append(
            Table(
                relation=node.relation,
                asset_key=node.asset_key,
                daily=node.partition_column is not None,
                parents=parents,
                blocking_checks=tuple(checks(node.name, node.relation)),
            )
        )
    return Lineage(tables)


def _partition_problems(project: Project) -> list[Problem]:
    """Facts stay cut by day through the whole chain: a table over all days has no day to hold back."""
    problems: list[Problem] = []
    tables = project.lineage.tables
    for node in project.manifest.nodes.values():
        table = tables[node.relation]
        daily_parents = [parent for parent in table.parents if tables[parent].daily]
        if daily_parents and not table.daily:
            problems.append(
                Problem(
                    node.file, 1,
                    f"`{node.name}` is not partitioned, but reads `{daily_parents[0]}`, which is",
                    "incremental_strategy='partition' and partition_by", "partition the model by its day",
                )
            )  # fmt: skip
        if table.daily and not daily_parents:
            problems.append(
                Problem(
                    node.file, 1, f"`{node.name}` is partitioned, but nothing that it reads is",
                    "a partitioned source or model among what it reads", "make it a table",
                )
            )  # fmt: skip
        names = {parent.rpartition(".")[2] for parent in table.parents}
        for name in node.trailing_days:
            if name not in names:
                problems.append(
                    Problem(
                        node.file, 1, f"meta trailing_days names `{name}`, which it does not read",
                        f"one of: {', '.join(sorted(names))}", did_you_mean(name, names),
                    )
                )  # fmt: skip
    return problems


def _export_problems(project: Project) -> list[Problem]:
    problems: list[Problem] = []
    models = {
        node.name: node for node in project.manifest.nodes.values() if node.name.startswith(EXPORT_PREFIX)
    }
    for export in project.exports.values():
        node = models.get(export.spec.model)
        if node is None:
            problems.append(
                export.file.problem(
                    f"model `{export.spec.model}` is not an export model",
                    expected=f"a dbt model named {EXPORT_PREFIX}…, which is this export's alone",
                    mend=did_you_mean(export.spec.model, models),
                    at=("model",),
                )
            )
            continue
        problems += _model_problems(project, export, node)
    exported = {export.spec.model for export in project.exports.values()}
    problems += [
        Problem(
            node.file, 1, f"no export sends `{node.name}`", f"a file exports/{node.name}.yml",
            "write it, or take the model away",
        )
        for node in models.values()
        if node.name not in exported
    ]  # fmt: skip
    return problems


def _model_problems(project: Project, export: Export, node: DbtNode) -> list[Problem]:
    problems: list[Problem] = []
    table = project.lineage.tables[node.relation]
    if not table.daily:
        problems.append(
            export.file.problem(
                f"model `{node.name}` is not partitioned",
                expected="a model cut by day: partitions: each delivers a day at a time",
                mend="give it incremental_strategy='partition' and partition_by",
                at=("partitions",),
            )
        )
    # The chain's suites and tests, the contract's own check aside: that one guards the door only.
    upstream = {table.relation, *_ancestors(project.lineage, table.relation)}
    judged = [
        relation
        for relation in upstream
        if set(project.lineage.tables[relation].blocking_checks) - {CONTRACT_CHECK}
    ]
    if not judged:
        problems.append(
            export.file.problem(
                f"nothing that `{node.name}` is made of has a blocking check",
                expected="at least one critical rule or dbt test of severity error upstream",
                mend=f"write expectations/{node.name}.yml",
                at=("model",),
            )
        )
    if node.columns:
        missing = [column for column in export.spec.key if column not in node.columns]
        problems += [
            export.file.problem(
                f"key column `{column}` is not in `{node.name}`",
                expected=f"columns of the model: {', '.join(node.columns)}",
                mend=did_you_mean(column, node.columns),
                at=("key",),
            )
            for column in missing
        ]
    if not node.contract_enforced:
        problems.append(
            export.file.problem(
                f"model `{node.name}` has no enforced contract",
                expected="contract: {enforced: true} and a data_type on every column",
                mend="add both to the model's YAML",
                at=("model",),
            )
        )
    return problems


def _ancestors(lineage: Lineage, relation: str) -> set[str]:
    found: set[str] = set()
    waiting = list(lineage.tables[relation].parents)
    while waiting:
        parent = waiting.pop()
        if parent not in found:
            found.add(parent)
            waiting += lineage.tables[parent].parents
    return found
