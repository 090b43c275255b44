"""An export -> the asset that delivers it, with the gate and the delivery itself as its checks."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from orchestration.core.environments import Environment
from orchestration.core.partitions import UNPARTITIONED
from orchestration.core.shown_text import showing_errors
from orchestration.core.stages import Stage
from orchestration.delivery.deliver import NotConfigured, NotDelivered, Target, deliver_partition
from orchestration.delivery.export_files.exports import Export
from orchestration.destinations.base import DeliveryError
from orchestration.destinations.registry import destination_types
from orchestration.gate.gate import GateClosed
from orchestration.graph.columns_shown import column_lineage, delivered, fields_schema, where_from
from orchestration.graph.deliveries_shown import (
    DELIVERY_CHECK,
    GATE_CHECK,
    delivery_metadata,
    delivery_result,
    gate_result,
    problem_result,
)
from orchestration.graph.owners import asset_owners
from orchestration.graph.partitions import PartitionsOf
from orchestration.graph.steps import SaysNothing, told_of_changes
from orchestration.operations.due_run import KIND_TAG
from orchestration.operations.site import Site
from orchestration.state.records import DeliveryKind

GROUP = "deliveries"
# The observation of an export that has no connection says so under this name.
NOT_CONFIGURED = "not configured"


def export_assets(site: Site, partitions_of: PartitionsOf) -> list[dg.AssetsDefinition]:
    """Return one asset an export."""
    return [_export_asset(site, site.target(name), partitions_of) for name in site.project.exports]


def _export_asset(site: Site, target: Target, partitions_of: PartitionsOf) -> dg.AssetsDefinition:
    export, table = target.export, target.table
    key = dg.AssetKey(export.asset_key)
    partitions = partitions_of(table.partitioning)
    rests = _rests(site, export)
    overdue = None if rests else export.overdue_after(table.partitioning.grain)
    spec = dg.AssetSpec(
        key=key,
        deps=[dg.AssetKey(table.asset_key)],
        description=_description(target) + rests,
        group_name=GROUP,
        kinds=set(destination_types[export.spec.destination.type].kinds),
        owners=asset_owners(export.spec.owner),
        partitions_def=partitions,
        freshness_policy=dg.FreshnessPolicy.time_window(overdue) if overdue else None,
        metadata=_metadata(export) | _of_columns(site, export),
        # An export without a connection delivers nothing, and is not to look as if it had.
        skippable=True,
    )
    checks = [
        dg.AssetCheckSpec(
            GATE_CHECK,
            asset=key,
            description="Every blocking check of every ancestor passed on the data that would be sent. It is"
            " asked in the step that sends, before anything is sent: where it is closed, that step fails and"
            " nothing goes out. Dagster calls it non-blocking, as no step comes after it.",
            partitions_def=partitions,
        ),
        dg.AssetCheckSpec(
            DELIVERY_CHECK,
            asset=key,
            description="The destination took every row, within the limits of the export.",
            partitions_def=partitions,
        ),
    ]

    @dg.multi_asset(name=f"deliver__{export.name}", specs=[spec], check_specs=checks)
    def deliver(
        context: dg.AssetExecutionContext,
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult | dg.AssetObservation]:
        with showing_errors(target.near):
            yield from steps(context)

    def steps(
        context: dg.AssetExecutionContext,
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult | dg.AssetObservation]:
        partition_key = context.partition_key if table.partitioning.partitioned else UNPARTITIONED
        where = f"{export.name} [{partition_key}]" if partition_key else export.name
        kind = DeliveryKind(context.run.tags.get(KIND_TAG, DeliveryKind.CHANGE))
        today = datetime.now(UTC).date()
        for warning in export.last_mile_warnings(today):
            context.log.warning(f"last mile of {export.name}: {warning}")
        for warning in export.exception_warnings(today):
            context.log.warning(f"{export.name}: {warning}")
        try:
            with told_of_changes():
                delivered = deliver_partition(
                    site.deployment, site.gate, site.project.identity, target, partition_key,
                    context.run_id, context.log.info, kind,
                )  # fmt: skip
        except NotConfigured as missing:
            (context.log.info if rests else context.log.warning)(str(missing))
            yield dg.AssetObservation(
                key, partition=partition_key or None, description=str(missing),
                metadata={NOT_CONFIGURED: missing.connection, "set": missing.variable},
            )  # fmt: skip
            # Dagster takes a step without them for broken; and they keep the asset from looking green,
            # unless it rests: then nobody is to look.
            for name in (GATE_CHECK, DELIVERY_CHECK):
                yield dg.AssetCheckResult(
                    check_name=name, asset_key=key, passed=bool(rests),
                    severity=dg.AssetCheckSeverity.WARN, description=rests.strip() or str(missing),
                )  # fmt: skip
            return
        except GateClosed as closed:
            yield gate_result(key, closed.report)
            raise dg.Failure(
                description=f"{where} is held, nothing was sent: {closed}", allow_retries=False
            ) from None
        except NotDelivered as ended:
            if ended.report is not None:
                yield gate_result(key, ended.report)
            yield problem_result(key, ended.problem)
            failure = SaysNothing if isinstance(ended.problem, DeliveryError) else dg.Failure
            raise failure(description=str(ended.problem), allow_retries=False) from None
        outcome = delivered.outcome
        if not outcome.too_many_refused:
            yield dg.MaterializeResult(asset_key=key, metadata=delivery_metadata(outcome))
        yield gate_result(key, delivered.report)
        yield delivery_result(key, export, outcome)
        if outcome.too_many_refused:
            raise dg.Failure(
                description=(
                    f"{where}: the destination refused {len(outcome.refused):,} of"
                    f" {outcome.delivery.shard_rows:,} rows, more than the export tolerates; the others"
                    f" arrived. `sluice delivery refusals {export.name}` shows them with the vendor's words"
                ),
                allow_retries=False,
            )

    return deliver


def _description(target: Target) -> str:
    export, table = target.export, target.table
    destination = export.spec.destination
    kind = destination_types[destination.type]
    holds = "the newest validated partition alone" if export.spec.latest_only else "each partition"
    text = (
        f"{export.spec.purpose}\n\nSends `{table.relation}`, whole, to `{destination.object}` of connection"
        f" `{destination.connection}` ({destination.type}), mode `{export.spec.mode}`: {holds}.\n\n"
        f"Guarantee: {kind.guarantee}"
    )
    rules = "\n".join(
        f"- {rule} until {rule.expires}: {rule.reason} ({rule.owner}, {rule.issue})"
        for rule in export.spec.last_mile
    )
    return f"{text}\n\nLast mile, for a time:\n\n{rules}" if rules else text


def _rests(site: Site, export: Export) -> str:
    """Return why an export of production rests in a deployment for work, in words; "" if it does not."""
    settings, connection = site.deployment.settings, export.spec.destination.connection
    of_work = settings.said is not None and settings.said.kind is Environment.WORK
    if not of_work or export.stage is Stage.WORK or settings.delivers(connection):
        return ""
    return (
        f"\n\nRests in this deployment, which is for work and has no connection `{connection}`: nothing is"
        f" sent, and nothing is late. To try it, set {settings.variable_of(connection)} to a place that"
        " nobody relies on."
    )


def _of_columns(site: Site, export: Export) -> dict[str, Any]:
    """Return where each field comes from, for people and for catalogues."""
    catalogue, relation = site.project.catalogue, delivered(export.name)
    return {
        **where_from(catalogue, relation, site.deployment.settings.data_docs_url or ""),
        **fields_schema(catalogue, relation, site.project.delivered(export.name).types),
        **column_lineage(catalogue, relation),
    }


def _metadata(export: Export) -> dict[str, Any]:
    spec = export.spec
    shown = {
        "export file": export.file.name,
        "destination": f"{spec.destination.type} / {spec.destination.connection} / {spec.destination.object}",
        "mode": f"{spec.mode}, partitions: {spec.partitions}",
        "key": ", ".join(spec.key),
        "data classes": ", ".join(spec.classes),
    }
    if spec.channel:
        shown["channel"] = spec.channel
    if spec.last_mile:
        shown["last mile"] = "; ".join(f"{rule} until {rule.expires}" for rule in spec.last_mile)
    return shown
