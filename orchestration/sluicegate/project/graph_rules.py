"""The rules that look across the four folders: what must hold before a graph loads.

Belongs here: what no single file can know of itself. Does not belong here: what one file may say; its stage
knows that.
"""

from collections.abc import Iterator, Mapping
from hashlib import sha256

from pydantic import SecretStr

from sluicegate.contracts.model import SourceContract
from sluicegate.core.lineage import Lineage
from sluicegate.core.partitions import Grain, Partitioning
from sluicegate.core.problems import Problem, did_you_mean
from sluicegate.core.secrets import ByReference
from sluicegate.core.settings import Settings
from sluicegate.core.stages import folder_of
from sluicegate.delivery.export_files.exported_model import column_problems
from sluicegate.delivery.export_files.exports import FOLDER, Export
from sluicegate.delivery.export_files.places import Places
from sluicegate.delivery.export_files.spec import DestinationSpec
from sluicegate.destinations.base import DeliveryError
from sluicegate.destinations.registry import build, destination_types
from sluicegate.project.export_models import EXPORT_PREFIX, ExportModels
from sluicegate.project.guards import Guards
from sluicegate.quality.suite_rules import JudgedTable, table_problems
from sluicegate.quality.suites import Suite
from sluicegate.transformation.grains import model_partitioning
from sluicegate.transformation.manifest import DbtManifest, DbtNode
from sluicegate.warehouse.slices import RAW_PARTITION_COLUMN


def suites_problems(
    manifest: DbtManifest,
    contracts: Mapping[str, SourceContract],
    suites: Mapping[str, Suite],
    cut: Mapping[str, Partitioning],
) -> Iterator[Problem]:
    """Yield what suites say that their tables do not know; `cut` is {relation: how it is cut}."""
    tables = _judged_tables(manifest, contracts, cut)
    for suite in suites.values():
        table = tables.get(suite.table)
        if table is None:
            yield suite.file.problem(
                f"no table is named `{suite.table}`",
                expected="a suite named after a source or a dbt model",
                fix=did_you_mean(suite.table, tables),
                code="SLU-P006",
            )
        else:
            yield from table_problems(suite, table)


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


def partition_problems(manifest: DbtManifest, lineage: Lineage) -> Iterator[Problem]:
    """Yield models that cannot be cut as they say, or as what they read is, and windows over nothing."""
    for node in manifest.nodes.values():
        parents = lineage.tables[node.relation].parents
        _, found = model_partitioning(node, {name: lineage.tables[name].partitioning for name in parents})
        yield from found
        names = {lineage.tables[parent].relation.name for parent in parents}
        for name in node.trailing_days:
            if name not in names:
                yield Problem(
                    node.file, 1, f"meta trailing_days names `{name}`, which it does not read",
                    f"one of: {', '.join(sorted(names))}", did_you_mean(name, names), code="SLU-P006",
                )  # fmt: skip


def place_problems(exports: Mapping[str, Export], settings: Settings) -> Iterator[Problem]:
    """Yield exports whose connections lead to one place, under whatever names, as far as URLs are set."""
    places = Places[Export]()
    for export in exports.values():
        destination = export.spec.destination
        secret = settings.connections.get(destination.connection)
        if secret is None:
            continue
        try:
            place = _place(destination, secret)
        except DeliveryError:  # a URL that does not hold is told when it is used, without its secrets
            continue
        other = places.claim((destination.type, place), export)
        if other is not None:
            yield export.file.problem(
                f"`{destination.object}` of connection `{destination.connection}` is written by two"
                " exports: the connections lead to one place",
                expected=f"an object outside that of {other.file.name}",
                fix="send to another object",
                at=("destination", "object"),
                code="SLU-P044",
            )


def _place(stated: DestinationSpec, secret: SecretStr) -> str:
    """Return where an export leads, as far as that is told without reading a reference."""
    if isinstance(secret, ByReference) and secret.whole:
        return f"{_stand_in(secret.written)}/{destination_types[stated.type].canonical_name(stated.object)}"
    url = secret.put_in(_stand_in) if isinstance(secret, ByReference) else secret.get_secret_value()
    return build(stated.type, url, stated.object, stated.options).canonical_object()


def _stand_in(reference: str) -> str:
    """Return what may stand in a URL for a reference, the same for the same one alone."""
    return f"x{sha256(reference.encode()).hexdigest()[:12]}"


def export_problems(
    manifest: DbtManifest,
    lineage: Lineage,
    exports: Mapping[str, Export],
    guards: Guards,
) -> Iterator[Problem]:
    """Yield what is wrong between exports, their models and the checks above them."""
    models = {node.name: node for node in manifest.nodes.values() if node.name.startswith(EXPORT_PREFIX)}
    exported_models = ExportModels(manifest)
    for export in exports.values():
        node = models.get(export.spec.model)
        if node is None:
            yield export.file.problem(
                f"model `{export.spec.model}` is not an export model",
                expected=f"a dbt model named {EXPORT_PREFIX}…, which is this export's alone",
                fix=did_you_mean(export.spec.model, models),
                at=("model",),
                code="SLU-P041",
            )
            continue
        yield from _cut_problems(export, node, lineage.tables[node.relation].partitioning.grain)
        yield from guards.problems(lineage, export, node)
        yield from _model_problems(lineage, export, node)
        yield from column_problems(export, exported_models.model(node))
    exported = {export.spec.model for export in exports.values()}
    for node in models.values():
        if node.name not in exported:
            yield Problem(
                node.file, 1, f"no export sends `{node.name}`",
                f"a file {folder_of(FOLDER, node.stage)}/{node.name}.yml",
                "write it, or take the model away", code="SLU-P041",
            )  # fmt: skip


def _cut_problems(export: Export, node: DbtNode, grain: Grain) -> Iterator[Problem]:
    """Yield what an export asks of its partitions that the model's have not."""
    if not export.spec.latest_only and grain is Grain.SNAPSHOT:
        yield export.file.problem(
            f"model `{node.name}` is not partitioned",
            expected="a partitioned model: partitions: each delivers one at a time",
            fix="give it incremental_strategy='partition' and partition_by, or deliver with"
            " `partitions: latest`",
            at=("partitions",),
            code="SLU-P042",
        )
    if export.spec.latest_only and grain is Grain.DROP:
        yield export.file.problem(
            f"`partitions: latest`, but model `{node.name}` is cut by drop",
            expected="partitions: each: of drops none is the newest, as their keys tell no time",
            fix="deliver with `partitions: each`",
            at=("partitions",),
            code="SLU-P045",
        )
    if export.spec.deadline is not None and not grain.timed:
        cut = "cut by drop" if grain is Grain.DROP else "not cut by time"
        coming = "drop" if grain is Grain.DROP else "snapshot"
        yield export.file.problem(
            f"a deadline, but model `{node.name}` is {cut}",
            expected=f"no deadline: nobody knows when the next {coming} comes",
            fix="take it away",
            at=("deadline",),
            code="SLU-P045",
        )


def _model_problems(lineage: Lineage, export: Export, node: DbtNode) -> Iterator[Problem]:
    table = lineage.tables[node.relation]
    for parent in table.parents:
        if lineage.tables[parent].relation.name.startswith(EXPORT_PREFIX):
            yield export.file.problem(
                f"`{node.name}` reads `{parent}`, which is another export's model",
                expected="a model that reads marts: each export has a model of its own",
                fix="move what both need into a mart",
                at=("model",),
                code="SLU-P042",
            )
    if not node.contract_enforced:
        yield export.file.problem(
            f"model `{node.name}` has no enforced contract",
            expected="contract: {enforced: true} and a data_type on every column",
            fix="add both to the model's YAML",
            at=("model",),
            code="SLU-P042",
        )
