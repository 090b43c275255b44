"""One op a dbt model, with its data tests as the checks of that op.

An op a model, not one for all: a failed check then holds just what is made of the bad table, and a rerun
from failure starts where it failed. Each op asks the gate before it builds, so that nothing is ever built
on a layer that is not validated, in whichever run that was.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from orchestration.dagster_partitions import PartitionsOf
from orchestration.deployment import Deployment
from orchestration.lineage import Lineage, Table
from orchestration.partitions import UNPARTITIONED, Partitioning
from orchestration.quality.gate import Gate, GateClosed
from orchestration.state.records import Build, Evidence
from orchestration.transformation.asset_specs import asset_specs
from orchestration.transformation.manifest import DbtManifest, DbtNode, blocks, tested_relation
from orchestration.transformation.runner import DbtError, DbtProcess, DbtResult
from orchestration.warehouse.engine import POOL, table_versions
from orchestration.warehouse.slices import partition_bounds, partition_condition


def partition_variables(partitioning: Partitioning, partition_key: str) -> dict[str, str]:
    """Return the dbt variables of a partition; none for a table that is not partitioned.

    They are its key and grain, and of a span of time its half-open interval in UTC, in ISO 8601.
    """
    if not partitioning.partitioned:
        return {}
    variables = {"partition_key": partition_key, "partition_grain": partitioning.grain.value}
    bounds = partition_bounds(partitioning, partition_key)
    return variables | (
        dict(zip(("partition_start", "partition_end"), bounds, strict=True)) if bounds else {}
    )


def dbt_assets(
    deployment: Deployment,
    gate: Gate,
    dbt: DbtProcess,
    manifest: DbtManifest,
    lineage: Lineage,
    partitions_of: PartitionsOf,
) -> list[dg.AssetsDefinition | dg.AssetChecksDefinition]:
    """Return an asset for each model, seed and snapshot, and a check for each data test."""
    specs = asset_specs(manifest, lineage, partitions_of)
    tests = _tests_by_table(manifest, lineage, partitions_of)
    definitions: list[dg.AssetsDefinition | dg.AssetChecksDefinition] = [
        _model_asset(
            deployment,
            gate,
            dbt,
            node,
            lineage.tables[node.relation],
            specs[node.relation],
            tests.pop(node.relation, []),
        )
        for node in manifest.nodes.values()
    ]
    # What is left are tests on sources, whose tables another op loads.
    for relation, specs in tests.items():
        definitions.append(_source_checks(deployment, dbt, lineage.tables[relation], specs))
    return definitions


def _tests_by_table(
    manifest: DbtManifest, lineage: Lineage, partitions_of: PartitionsOf
) -> dict[str, list[dg.AssetCheckSpec]]:
    """Return {relation: check specs}, a spec a data test, on the table that the test is attached to."""
    found: dict[str, list[dg.AssetCheckSpec]] = {}
    for test in manifest.tests():
        relation = tested_relation(manifest, test)
        if relation is None:
            continue
        schema, _, name = relation.partition(".")
        found.setdefault(relation, []).append(
            dg.AssetCheckSpec(
                test["name"],
                asset=dg.AssetKey([schema, name]),
                description=test.get("description") or f"dbt test, {test['original_file_path']}",
                additional_deps=[
                    dg.AssetKey(parent.split("."))
                    for unique_id in test["depends_on"]["nodes"]
                    if (parent := manifest.relation(unique_id)) and parent != relation
                ],
                blocking=blocks(test),
                partitions_def=partitions_of(lineage.tables[relation].partitioning),
                metadata={"dbt test": test["unique_id"]},
            )
        )
    return found


def _model_asset(
    deployment: Deployment,
    gate: Gate,
    dbt: DbtProcess,
    node: DbtNode,
    table: Table,
    spec: dg.AssetSpec,
    tests: Sequence[dg.AssetCheckSpec],
) -> dg.AssetsDefinition:
    blocking = {test.name: test.blocking for test in tests}

    @dg.multi_asset(
        name="__".join(node.asset_key), specs=[spec], check_specs=tests, can_subset=True, pool=POOL
    )
    def build(
        context: dg.AssetExecutionContext,
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        key = context.partition_key if table.partitioning.partitioned else UNPARTITIONED
        names = sorted(check.name for check in context.selected_asset_check_keys)
        if spec.key not in context.selected_asset_keys:  # the checks alone, from the UI
            yield from _test(deployment, dbt, table, key, names, blocking, context.run_id)
            return
        # Open all the while: dbt shares the open file, and opening it costs more than many a model.
        with deployment.warehouse.connect() as connection:
            try:
                gate.require_parents(connection, node.relation, key)
            except GateClosed as closed:
                raise dg.Failure(
                    description=f"{node.relation} is not built on what is not validated: {closed}",
                    allow_retries=False,
                ) from None
            try:
                result, judged = dbt.build(node.name, names, partition_variables(table.partitioning, key))
            except DbtError as error:
                raise dg.Failure(description=f"dbt could not build {node.name}: {error}") from error
            version = table_versions(connection, [node.relation])[(node.relation, key)]
            where = "true"
            if node.partition_column:
                where = partition_condition(node.partition_column, table.partitioning, key)
            counted = connection.execute(f"select count(*) from {node.relation} where {where}").fetchone()
        rows = int(counted[0]) if counted else 0
        deployment.store.record_build(Build(node.relation, key, version, context.run_id, rows=rows))
        yield dg.MaterializeResult(
            asset_key=spec.key,
            metadata={
                "dagster/row_count": rows,
                "seconds in dbt": round(result.seconds, 3),
                "version of the table": version,
            },
        )
        yield from _judged(deployment, table, key, names, judged, blocking, version, context.run_id)

    return build


def _source_checks(
    deployment: Deployment,
    dbt: DbtProcess,
    table: Table,
    specs: Sequence[dg.AssetCheckSpec],
) -> dg.AssetChecksDefinition:
    blocking = {spec.name: spec.blocking for spec in specs}

    @dg.multi_asset_check(name="test__" + "__".join(table.asset_key), specs=specs, can_subset=True, pool=POOL)
    def test(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        key = context.partition_key if table.partitioning.partitioned else UNPARTITIONED
        names = sorted(check.name for check in context.selected_asset_check_keys)
        yield from _test(deployment, dbt, table, key, names, blocking, context.run.run_id)

    return test


def _test(
    deployment: Deployment,
    dbt: DbtProcess,
    table: Table,
    key: str,
    names: Sequence[str],
    blocking: Mapping[str, bool],
    run_id: str,
) -> Iterator[dg.AssetCheckResult]:
    """Run data tests on a table as it stands."""
    # The version is read before and after: evidence must not speak for rows that came in between.
    with deployment.warehouse.connect() as connection:
        before = table_versions(connection, [table.relation]).get((table.relation, key), "")
        judged = dbt.test(names, partition_variables(table.partitioning, key))
        after = table_versions(connection, [table.relation]).get((table.relation, key), "")
    if before != after:
        raise dg.Failure(
            f"{table.relation} was rebuilt while its tests ran; rerun the checks of this partition"
        )
    yield from _judged(deployment, table, key, names, judged, blocking, after, run_id)


def _judged(
    deployment: Deployment,
    table: Table,
    key: str,
    names: Sequence[str],
    judged: Sequence[DbtResult],
    blocking: Mapping[str, bool],
    version: str,
    run_id: str,
) -> Iterator[dg.AssetCheckResult]:
    """Record what data tests said as evidence, and yield it as check results."""
    by_name = {result.unique_id.split(".")[2]: result for result in judged}
    missing = [name for name in names if name not in by_name]
    if missing:
        raise dg.Failure(f"dbt did not run {', '.join(missing)}; a test that did not run never passes")
    deployment.store.record_evidence(
        [_evidence(table, key, name, version, by_name[name], run_id) for name in names]
    )
    for name in names:
        result = by_name[name]
        severity = dg.AssetCheckSeverity.ERROR if blocking[name] else dg.AssetCheckSeverity.WARN
        yield dg.AssetCheckResult(
            check_name=name,
            asset_key=dg.AssetKey(table.asset_key),
            passed=result.status == "pass",
            severity=severity,
            description=_said(result),
            metadata={
                "failing rows": result.failures or 0,
                "compiled SQL": dg.MetadataValue.md(f"```sql\n{result.compiled_code}\n```"),
                "version of the table": version,
            },
        )


def _evidence(table: Table, key: str, name: str, version: str, result: DbtResult, run_id: str) -> Evidence:
    return Evidence(
        relation=table.relation,
        partition_key=key,
        check=name,
        version=version,
        passed=result.status in ("pass", "warn"),
        summary=_said(result),
        run_id=run_id,
    )


def _said(result: DbtResult) -> str:
    if result.status == "pass":
        return "holds"
    return f"{result.failures} failing rows" if result.failures else f"{result.status}: {result.message}"
