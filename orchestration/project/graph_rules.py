"""The rules that look across the four folders: what must hold before a graph loads.

Belongs here: what no single file can know of itself. Does not belong here: what one file may say; its stage
knows that.
"""

from collections.abc import Mapping

from orchestration.contracts.model import SourceContract
from orchestration.core.lineage import Lineage
from orchestration.core.partitions import Grain, Partitioning
from orchestration.core.problems import Problem, did_you_mean
from orchestration.core.settings import Settings
from orchestration.delivery.export_files.exported_model import column_problems
from orchestration.delivery.export_files.exports import Export
from orchestration.delivery.export_files.places import Places
from orchestration.destinations.base import DeliveryError
from orchestration.destinations.registry import build
from orchestration.project.export_models import ExportModels
from orchestration.project.guards import Guards
from orchestration.quality.suite_rules import JudgedTable, table_problems
from orchestration.quality.suites import Suite
from orchestration.transformation.grains import model_partitioning
from orchestration.transformation.manifest import DbtManifest, DbtNode
from orchestration.warehouse.slices import RAW_PARTITION_COLUMN

EXPORT_PREFIX = "exp_"


def suites_problems(
    manifest: DbtManifest,
    contracts: Mapping[str, SourceContract],
    suites: Mapping[str, Suite],
    cut: Mapping[str, Partitioning],
) -> list[Problem]:
    """Return what suites say that their tables do not know; `cut` is {relation: how it is cut}."""
    tables = _judged_tables(manifest, contracts, cut)
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


def _judged_tables(
    manifest: DbtManifest, contracts: Mapping[str, SourceContract], cut: Mapping[str, Partitioning]
) -> dict[str, JudgedTable]:
    tables = {
        contract.name: JudgedTable(
            columns=(*(column.name for column in contract.loaded_columns), RAW_PARTITION_COLUMN),
            grain=contract.grain,
            empty_allowed=contract.gaps_allowed,
            described_in=contract.file.name,
        )
        for contract in contracts.values()
    }
    for node in manifest.nodes.values():
        # A model has no contract with anybody upstream: a suite that says min_value: 0 has thought of it.
        tables[node.name] = JudgedTable(
            columns=node.columns,
            grain=cut[node.relation].grain,
            empty_allowed=True,
            described_in=node.described_in,
        )
    return tables


def partition_problems(manifest: DbtManifest, lineage: Lineage) -> list[Problem]:
    """Return models that cannot be cut as they say, or as what they read is, and windows over nothing."""
    problems: list[Problem] = []
    for node in manifest.nodes.values():
        parents = lineage.tables[node.relation].parents
        _, found = model_partitioning(node, {name: lineage.tables[name].partitioning for name in parents})
        problems += found
        names = {lineage.tables[parent].relation.name for parent in parents}
        for name in node.trailing_days:
            if name not in names:
                problems.append(
                    Problem(
                        node.file, 1, f"meta trailing_days names `{name}`, which it does not read",
                        f"one of: {', '.join(sorted(names))}", did_you_mean(name, names),
                    )
                )  # fmt: skip
    return problems


def place_problems(exports: Mapping[str, Export], settings: Settings) -> list[Problem]:
    """Return exports whose connections lead to one place, under whatever names, as far as URLs are set."""
    problems: list[Problem] = []
    places = Places[Export]()
    for export in exports.values():
        destination = export.spec.destination
        url = settings.connection(destination.connection)
        if url is None:
            continue
        try:
            place = build(destination.type, url, destination.object, destination.options).canonical_object()
        except DeliveryError:  # a URL that does not hold is told when it is used, without its secrets
            continue
        other = places.claim((destination.type, place), export)
        if other is not None:
            problems.append(
                export.file.problem(
                    f"`{destination.object}` of connection `{destination.connection}` is written by two"
                    " exports: the connections lead to one place",
                    expected=f"an object outside that of {other.file.name}",
                    mend="send to another object",
                    at=("destination", "object"),
                )
            )
    return problems


def export_problems(
    manifest: DbtManifest,
    lineage: Lineage,
    exports: Mapping[str, Export],
    guards: Guards,
) -> list[Problem]:
    """Return what is wrong between exports, their models and the checks above them."""
    problems: list[Problem] = []
    models = {node.name: node for node in manifest.nodes.values() if node.name.startswith(EXPORT_PREFIX)}
    exported_models = ExportModels(manifest)
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
        problems += _cut_problems(export, node, lineage.tables[node.relation].partitioning.grain)
        problems += guards.problems(lineage, export, node)
        problems += _model_problems(lineage, export, node)
        problems += column_problems(export, exported_models.model(node))
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


def _cut_problems(export: Export, node: DbtNode, grain: Grain) -> list[Problem]:
    """Return what an export asks of its partitions that the model's have not."""
    problems: list[Problem] = []
    if not export.spec.latest_only and grain is Grain.SNAPSHOT:
        problems.append(
            export.file.problem(
                f"model `{node.name}` is not partitioned",
                expected="a partitioned model: partitions: each delivers one at a time",
                mend="give it incremental_strategy='partition' and partition_by, or deliver with"
                " `partitions: latest`",
                at=("partitions",),
            )
        )
    if export.spec.latest_only and grain is Grain.DROP:
        problems.append(
            export.file.problem(
                f"`partitions: latest`, but model `{node.name}` is cut by drop",
                expected="partitions: each: of drops none is the newest, as their keys tell no time",
                mend="deliver with `partitions: each`",
                at=("partitions",),
            )
        )
    if export.spec.deadline is not None and not grain.timed:
        cut = "cut by drop" if grain is Grain.DROP else "not cut by time"
        coming = "drop" if grain is Grain.DROP else "snapshot"
        problems.append(
            export.file.problem(
                f"a deadline, but model `{node.name}` is {cut}",
                expected=f"no deadline: nobody knows when the next {coming} comes",
                mend="take it away",
                at=("deadline",),
            )
        )
    return problems


def _model_problems(lineage: Lineage, export: Export, node: DbtNode) -> list[Problem]:
    problems: list[Problem] = []
    table = lineage.tables[node.relation]
    for parent in table.parents:
        if lineage.tables[parent].relation.name.startswith(EXPORT_PREFIX):
            problems.append(
                export.file.problem(
                    f"`{node.name}` reads `{parent}`, which is another export's model",
                    expected="a model that reads marts: each export has a model of its own",
                    mend="move what both need into a mart",
                    at=("model",),
                )
            )
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
