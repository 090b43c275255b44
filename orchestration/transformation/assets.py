"""One op a dbt model, with its data tests as the checks of that op.

An op a model, not one for all: a failed check then holds just what is made of the bad table, and a rerun
from failure starts where it failed. Each op asks the gate before it builds, so that nothing is ever built
on a layer that is not validated, in whichever run that was.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from orchestration.dagster_partitions import PartitionsOf
from orchestration.deployment import Deployment
from orchestration.lineage import Lineage, Table
from orchestration.partitions import UNPARTITIONED
from orchestration.project_identity import ProjectIdentity
from orchestration.quality.gate import Gate, GateClosed
from orchestration.state.records import Build
from orchestration.steps import of_one_project
from orchestration.transformation.asset_specs import asset_specs
from orchestration.transformation.data_tests import DataTest, DataTests, partition_variables, said_of
from orchestration.transformation.manifest import DbtManifest, DbtNode
from orchestration.transformation.runner import DbtError, DbtResult
from orchestration.warehouse.engine import POOL, table_versions
from orchestration.warehouse.slices import partition_rows


def dbt_assets(
    deployment: Deployment,
    gate: Gate,
    tests: DataTests,
    project: ProjectIdentity,
    manifest: DbtManifest,
    lineage: Lineage,
    partitions_of: PartitionsOf,
) -> list[dg.AssetsDefinition | dg.AssetChecksDefinition]:
    """Return an asset for each model, seed and snapshot, and a check for each data test."""
    specs = asset_specs(manifest, lineage, partitions_of)
    builder = _Builder(deployment, gate, tests, project)
    models = [node.relation for node in manifest.nodes.values()]
    definitions: list[dg.AssetsDefinition | dg.AssetChecksDefinition] = [
        _model_asset(
            builder,
            node,
            lineage.tables[node.relation],
            specs[node.relation],
            tests.specs(node.relation, partitions_of),
        )
        for node in manifest.nodes.values()
    ]
    # What is left are tests on sources, whose tables another op loads.
    for relation in tests.relations:
        if relation not in models:
            found = tests.specs(relation, partitions_of)
            definitions.append(_source_checks(tests, project, lineage.tables[relation], found))
    return definitions


class _Builder:
    """Builds partitions of models, on what is validated, by the SQL of one parse."""

    def __init__(
        self, deployment: Deployment, gate: Gate, tests: DataTests, project: ProjectIdentity
    ) -> None:
        self.tests = tests
        self.project = project
        self._deployment = deployment
        self._gate = gate

    def build(
        self, node: DbtNode, table: Table, key: str, names: Sequence[str], run_id: str
    ) -> tuple[Build, DbtResult, dict[str, DbtResult]]:
        """Build a partition, run data tests on it, and record both.

        Raises:
            dagster.Failure: what it is made of is not validated, dbt failed, or the project has changed.
        """
        # Open all the while: dbt shares the open file, and opening it costs more than many a model. And no
        # other process changes what is read between the gate's look at it and dbt's.
        with self._deployment.warehouse.connect() as connection:
            try:
                self._gate.require_parents(connection, node.relation, key)
            except GateClosed as closed:
                raise dg.Failure(
                    description=f"{node.relation} is not built on what is not validated: {closed}",
                    allow_retries=False,
                ) from None
            inputs = self._gate.inputs(connection, node.relation, key)
            # Of a table that is sent the rows are counted before a test runs, as a test might change them.
            at_once = [] if table.sent else names
            try:
                result, judged = self.tests.dbt.build(
                    node.selector,
                    self.tests.selectors(table, at_once),
                    partition_variables(table.partitioning, key),
                )
            except DbtError as error:
                raise dg.Failure(description=f"dbt could not build {node.name}: {error}") from error
            version = table_versions(connection, [node.relation])[(node.relation, key)]
            rows = partition_rows(node.relation, table.cut_by, table.partitioning, key)
            counted = connection.execute(f"select count(*) from ({rows})").fetchone()
            build = Build(
                node.relation,
                key,
                version,
                run_id,
                rows=int(counted[0]) if counted else 0,
                inputs=inputs,
                code=table.code,
                project=self.project.digest,
            )
            self._deployment.store.record_build(build)
            if table.sent:
                _, judged = self.tests.run_within(connection, table, key, names, run_id)
                return build, result, judged
        return build, result, self.tests.record(table, key, names, judged, version, "", run_id)


def _model_asset(
    builder: _Builder,
    node: DbtNode,
    table: Table,
    spec: dg.AssetSpec,
    checks: Sequence[dg.AssetCheckSpec],
) -> dg.AssetsDefinition:
    tests = builder.tests.of(node.relation)

    @dg.multi_asset(
        name="__".join(node.asset_key), specs=[spec], check_specs=checks, can_subset=True, pool=POOL
    )
    def build(
        context: dg.AssetExecutionContext,
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        key = context.partition_key if table.partitioning.partitioned else UNPARTITIONED
        names = sorted(check.name for check in context.selected_asset_check_keys)
        with of_one_project(builder.project):
            if spec.key not in context.selected_asset_keys:  # the checks alone, from the UI
                version, judged = builder.tests.run(table, key, names, context.run_id)
                for name, item in judged.items():
                    yield check_result(table, tests[name], item, version)
                return
            built, result, judged = builder.build(node, table, key, names, context.run_id)
        yield dg.MaterializeResult(
            asset_key=spec.key,
            metadata={
                "dagster/row_count": built.rows,
                "seconds in dbt": round(result.seconds, 3),
                "version of the table": built.version,
            },
        )
        yield from (check_result(table, tests[name], item, built.version) for name, item in judged.items())

    return build


def _source_checks(
    tests: DataTests, project: ProjectIdentity, table: Table, specs: Sequence[dg.AssetCheckSpec]
) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(name="test__" + "__".join(table.asset_key), specs=specs, can_subset=True, pool=POOL)
    def test(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        key = context.partition_key if table.partitioning.partitioned else UNPARTITIONED
        names = sorted(check.name for check in context.selected_asset_check_keys)
        with of_one_project(project):
            version, judged = tests.run(table, key, names, context.run.run_id)
        known = tests.of(table.relation)
        yield from (check_result(table, known[name], item, version) for name, item in judged.items())

    return test


def check_result(table: Table, test: DataTest, result: DbtResult, version: str) -> dg.AssetCheckResult:
    """Return what a data test said, as Dagster shows it.

    How grave it is, dbt's result says: a test with `warn_if` and `error_if` may warn, whatever its severity.
    """
    grave = test.blocking and result.status != "warn"
    return dg.AssetCheckResult(
        check_name=test.name,
        asset_key=dg.AssetKey(table.asset_key),
        passed=result.status == "pass",
        severity=dg.AssetCheckSeverity.ERROR if grave else dg.AssetCheckSeverity.WARN,
        description=said_of(result),
        metadata={
            "failing rows": result.failures or 0,
            "compiled SQL": dg.MetadataValue.md(f"```sql\n{result.compiled_code}\n```"),
            "version of the table": version,
        },
    )
