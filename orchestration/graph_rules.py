"""The rules that look across the four folders: what must hold before a graph loads.

Belongs here: what no single file can know of itself. Does not belong here: what one file may say; its stage
knows that.
"""

from collections.abc import Mapping

from orchestration.contracts.model import CONTRACT_CHECK, SourceContract
from orchestration.delivery.exports import Export
from orchestration.lineage import Lineage
from orchestration.problems import Problem, did_you_mean
from orchestration.quality.suite_rules import JudgedTable, table_problems
from orchestration.quality.suites import RAW_PARTITION_COLUMN, Suite
from orchestration.transformation.manifest import DbtManifest, DbtNode

EXPORT_PREFIX = "exp_"


def dbt_problems(manifest: DbtManifest, contracts: Mapping[str, SourceContract]) -> list[Problem]:
    """Return what is wrong between dbt's tables and the contracts, and with how they are stored."""
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


def suites_problems(
    manifest: DbtManifest, contracts: Mapping[str, SourceContract], suites: Mapping[str, Suite]
) -> list[Problem]:
    """Return what suites say that their tables do not know."""
    tables = _judged_tables(manifest, contracts)
    problems: list[Problem] = []
    for suite in suites.values():
        table = tables.get(suite.table)
        if table is None:
            problems.append(
                suite.file.problem(
                    f"no table is named `{suite.table}`",
                    expected="a suite named after a source or a dbt model",
                    mend=did_you_mean(suite.table, tables),
                )
            )
        else:
            problems += table_problems(suite, table)
    return problems


def _judged_tables(manifest: DbtManifest, contracts: Mapping[str, SourceContract]) -> dict[str, JudgedTable]:
    tables = {
        contract.name: JudgedTable(
            columns=(*(column.name for column in contract.columns), RAW_PARTITION_COLUMN),
            daily=contract.daily,
            empty_allowed=contract.gaps_allowed,
            described_in=contract.file.name,
        )
        for contract in contracts.values()
    }
    for node in manifest.nodes.values():
        # A model has no contract with anybody upstream: a suite that says min_value: 0 has thought of it.
        tables[node.name] = JudgedTable(
            columns=node.columns,
            daily=node.partition_column is not None,
            empty_allowed=True,
            described_in=node.described_in,
        )
    return tables


def partition_problems(manifest: DbtManifest, lineage: Lineage) -> list[Problem]:
    """Facts stay cut by day through the whole chain: a table over all days has no day to hold back."""
    problems: list[Problem] = []
    tables = lineage.tables
    for node in manifest.nodes.values():
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


def export_problems(manifest: DbtManifest, lineage: Lineage, exports: Mapping[str, Export]) -> list[Problem]:
    """Return what is wrong between exports, their models and the checks above them."""
    problems: list[Problem] = []
    models = {node.name: node for node in manifest.nodes.values() if node.name.startswith(EXPORT_PREFIX)}
    for export in exports.values():
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
        problems += _model_problems(lineage, export, node)
    exported = {export.spec.model for export in exports.values()}
    problems += [
        Problem(
            node.file, 1, f"no export sends `{node.name}`", f"a file exports/{node.name}.yml",
            "write it, or take the model away",
        )
        for node in models.values()
        if node.name not in exported
    ]  # fmt: skip
    return problems


def _model_problems(lineage: Lineage, export: Export, node: DbtNode) -> list[Problem]:
    problems: list[Problem] = []
    table = lineage.tables[node.relation]
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
    upstream = {table.relation, *lineage.ancestors(table.relation)}
    judged = [
        relation for relation in upstream if set(lineage.tables[relation].blocking_checks) - {CONTRACT_CHECK}
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
