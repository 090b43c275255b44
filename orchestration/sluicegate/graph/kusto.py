"""Functions and views of Kusto as assets, their checks, and the tables that functions fill.

A function's asset is not run: it is deployed by `sluice kusto deploy`, which shows it here, so that nobody
deploys by a click on "Materialize all" what no pull request has released. A table that a function fills is
run as an export is: it is filled for a partition, behind the deliveries that feed it.

Belongs here: that in Dagster's terms. Does not: what a check asks (`operations.kusto_checks`), what may be
filled (`operations.fills`), the filling (`operations.filling`).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from sluicegate.columns.graph import KUSTO
from sluicegate.core.partitions import UNPARTITIONED, place
from sluicegate.core.relations import Relation
from sluicegate.delivery.deliver import Target
from sluicegate.destinations.base import DeliveryError
from sluicegate.graph.columns_shown import column_lineage, fields_schema
from sluicegate.graph.exports import NOT_CONFIGURED
from sluicegate.graph.partitions import PartitionsOf, partition_mapping
from sluicegate.graph.steps import SaysNothing, told_of_changes
from sluicegate.kusto.objects import FilledTable, Kind, KustoObject, KustoProject, filled_key
from sluicegate.operations.filling import Filled, NoDatabase, fill_partition
from sluicegate.operations.fills import FillHeld
from sluicegate.operations.kusto_checks import ANSWERS, DEPLOYED, CheckSaid, ask
from sluicegate.operations.site import Site
from sluicegate.project.names import GATE_CHECK
from sluicegate.state.kusto_objects import Deployed

GROUP = "kusto"
_KINDS = {"kql", "azuredataexplorer"}


def kusto_assets(site: Site, partitions_of: PartitionsOf) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """Return an asset for each function and view, and for each table that a function fills."""
    kusto = site.project.kusto
    if kusto is None:
        return []
    return [
        *(_spec(site, kusto, one) for one in _shown(kusto)),
        *(_filled_asset(site, table, partitions_of) for table in kusto.filled),
    ]


def kusto_checks(site: Site) -> list[dg.AssetChecksDefinition]:
    """Return the checks of all functions and views, which ask the database together; none without them."""
    kusto = site.project.kusto
    if kusto is None or not _shown(kusto):
        return []
    by_key = {key: (one, name) for one in _shown(kusto) for name, key in check_keys(one).items()}
    specs = [
        dg.AssetCheckSpec(name, asset=key.asset_key, description=_DESCRIBED[name], blocking=False)
        for key, (_, name) in by_key.items()
    ]

    @dg.multi_asset_check(name="ask_kusto", specs=specs, can_subset=True)
    def checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        asked = [by_key[key] for key in context.selected_asset_check_keys]
        with told_of_changes():
            said = ask(site, asked)
        for one, name in asked:
            yield _result(check_keys(one)[name], said[one.key, name])

    return [checks]


def check_keys(one: KustoObject) -> dict[str, dg.AssetCheckKey]:
    """Return {name: key} of the checks of a function or view."""
    return {name: dg.AssetCheckKey(dg.AssetKey(filled_key(one.name)), name) for name in (DEPLOYED, ANSWERS)}


def show_deployed(
    instance: dg.DagsterInstance, kusto: KustoProject, deployed: Mapping[tuple[str, str], Deployed]
) -> None:
    """Show on the assets of functions and views what is on record as deployed, and not shown yet.

    So a deploy that was killed is shown by the next one.
    """
    for one in _shown(kusto):
        key, record = dg.AssetKey(filled_key(one.name)), deployed.get((one.kind.value, one.name))
        if record is None:
            continue
        said = {"digest": record.digest, "environment": record.environment, "database": record.database}
        event = instance.get_latest_materialization_event(key)
        last = event.asset_materialization if event is not None else None
        if last is not None and {name: last.metadata[name].value for name in said} == said:
            continue
        told = {**said, "commit": record.commit or "none", "file": one.file}
        instance.report_runless_asset_event(
            dg.AssetMaterialization(key, description=f"deployed from {one.file}", metadata=told)
        )


def _shown(kusto: KustoProject) -> list[KustoObject]:
    return [one for one in kusto.objects if one.kind is not Kind.TABLE]


_DESCRIBED = {
    DEPLOYED: "The database holds what git says. Asked once a day, or here; nothing waits for it.",
    ANSWERS: "Called with its sample, it gives the columns that Microsoft's parser says. Asked once a day,"
    " and after a delivery that altered columns of a table that it reads; nothing waits for it.",
}


def _spec(site: Site, kusto: KustoProject, one: KustoObject) -> dg.AssetSpec:
    feeding = {fed.table: fed.export for fed in kusto.feeds}
    known = {other.key for other in _shown(kusto)}
    filled = {table.table for table in kusto.filled}
    deps: list[dg.AssetKey] = []
    for kind, name in one.reads:
        if kind is Kind.TABLE and name in feeding:
            deps.append(dg.AssetKey(site.project.exports[feeding[name]].asset_key))
        elif (kind, name) in known or (kind is Kind.TABLE and name in filled):
            deps.append(dg.AssetKey(filled_key(name)))
    what = "A function" if one.kind is Kind.FUNCTION else "A materialized view"
    return dg.AssetSpec(
        dg.AssetKey(filled_key(one.name)),
        deps=deps,
        description=f"{what} of the database of connection `{kusto.connection}`, deployed by"
        f" `sluice kusto deploy`.\n\n```\n{one.name}{one.parameters}\n{one.body}\n```",
        group_name=GROUP,
        kinds=_KINDS,
        metadata={
            "file": one.file,
            "stage": str(one.stage),
            **_code(site, one.file),
            **_columns(site, one.name, one.columns),
        },
    )


def _columns(site: Site, name: str, columns: Sequence[tuple[str, str]] | None) -> dict[str, Any]:
    """Return the columns of an asset with their types, and what each is made of in one step."""
    catalogue, relation = site.project.catalogue, Relation(KUSTO, name)
    if not columns:
        return {}
    return {**fields_schema(catalogue, relation, dict(columns)), **column_lineage(catalogue, relation)}


def _code(site: Site, file: str) -> dict[str, Any]:
    path = site.deployment.settings.project_dir / file
    return {
        "dagster/code_references": dg.CodeReferencesMetadataValue(
            code_references=[dg.LocalFileCodeReference(file_path=str(path), label=file)]
        )
    }


def _filled_asset(site: Site, table: FilledTable, partitions_of: PartitionsOf) -> dg.AssetsDefinition:
    key = dg.AssetKey(table.asset_key)
    deps = [dg.AssetDep(dg.AssetKey(filled_key(table.function)))]
    for name in table.exports:
        target = site.target(name)
        deps.append(
            dg.AssetDep(dg.AssetKey(target.export.asset_key), partition_mapping=_mapping(table, target))
        )
    deps += [dg.AssetDep(dg.AssetKey(filled_key(name))) for name in table.after]
    partitioned = table.partitioning.partitioned
    spec = dg.AssetSpec(
        key,
        deps=deps,
        description=f"{table.description}\n\nFilled by `{table.function}`, "
        + (f"{table.partitioning.grain}: " if partitioned else "whole: ")
        + "once every export that feeds it is delivered as it was validated, and again when one is delivered"
        " anew. A changed function fills what is delivered from then on; older partitions by a backfill.",
        group_name=GROUP,
        kinds=_KINDS,
        owners=[table.owner],
        partitions_def=partitions_of(table.partitioning),
        metadata={
            "file": table.file, "function": table.function, **_code(site, table.file),
            **_columns(site, table.table, table.columns),
        },
        skippable=True,
    )  # fmt: skip

    check = dg.AssetCheckSpec(
        GATE_CHECK,
        asset=key,
        description="Every export that feeds it is delivered as it was validated, for all that the"
        " partition's time touches, and the function is git's. Asked in the step that fills, before it does.",
        partitions_def=partitions_of(table.partitioning),
    )

    def said(passed: bool, words: str, severity: dg.AssetCheckSeverity) -> dg.AssetCheckResult:
        return dg.AssetCheckResult(
            check_name=GATE_CHECK, asset_key=key, passed=passed, severity=severity, description=words
        )

    @dg.multi_asset(name=f"fill__{table.asset_key[1]}", specs=[spec], check_specs=[check])
    def fill(
        context: dg.AssetExecutionContext,
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult | dg.AssetObservation]:
        partition = context.partition_key if partitioned else UNPARTITIONED
        try:
            with told_of_changes():
                filled = fill_partition(site, table, partition, context.run_id, context.log.info)
        except NoDatabase as missing:
            context.log.warning(str(missing))
            yield dg.AssetObservation(
                key, partition=partition or None, description=str(missing),
                metadata={NOT_CONFIGURED: str(missing)},
            )  # fmt: skip
            yield said(passed=False, words=str(missing), severity=dg.AssetCheckSeverity.WARN)
            return
        except FillHeld as held:
            yield said(passed=False, words=str(held), severity=dg.AssetCheckSeverity.ERROR)
            raise dg.Failure(description=str(held), allow_retries=False) from None
        except DeliveryError as problem:
            where = place(table.table, partition)
            raise SaysNothing(description=f"{where}: {problem}", allow_retries=False) from None
        yield dg.MaterializeResult(asset_key=key, metadata=_metadata(filled))
        fed = sum(map(len, filled.fill.inputs.values()))
        words = f"open: {fed} deliveries that feed it are there as they were validated"
        yield said(passed=True, words=words, severity=dg.AssetCheckSeverity.ERROR)

    return fill


def _mapping(table: FilledTable, target: Target) -> dg.PartitionMapping | None:
    """Return which partitions of an export feed one of a table."""
    cut = target.table.partitioning
    if target.export.spec.latest_only and table.partitioning.partitioned and cut.partitioned:
        return dg.LastPartitionMapping()
    return partition_mapping(table.partitioning, cut)


def _metadata(filled: Filled) -> dict[str, Any]:
    fill = filled.fill
    return {
        "dagster/row_count": fill.rows,
        "said": filled.said,
        "location": f"{fill.place}/{fill.name}" if fill.tag else fill.place,
        "tag": fill.tag,
        "function": fill.function,
        "digest of the function": fill.code,
        "filled from": dg.MetadataValue.json({name: dict(keys) for name, keys in fill.inputs.items()}),
    }


def _result(key: dg.AssetCheckKey, said: CheckSaid) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=key.name, asset_key=key.asset_key, passed=said.passed,
        severity=dg.AssetCheckSeverity.ERROR if said.verdict else dg.AssetCheckSeverity.WARN,
        description=said.words,
    )  # fmt: skip
