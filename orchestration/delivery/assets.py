"""An export -> the asset that delivers it, with the gate as its check."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from orchestration.dagster_partitions import PartitionsOf
from orchestration.delivery.deliver import Delivered, deliver_partition
from orchestration.delivery.destinations.base import DeliveryError
from orchestration.delivery.destinations.registry import destination_types
from orchestration.delivery.exports import Export
from orchestration.deployment import Deployment
from orchestration.lineage import Lineage, Table
from orchestration.quality.gate import Gate, GateClosed, GateReport, Verdict
from orchestration.quality.reporting import findings_table, passed_table
from orchestration.warehouse.engine import POOL

GATE_CHECK = "gate"
GROUP = "deliveries"


def export_assets(
    deployment: Deployment,
    gate: Gate,
    lineage: Lineage,
    exports: Mapping[str, Export],
    tables: Mapping[str, tuple[str, str]],
    partitions_of: PartitionsOf,
) -> list[dg.AssetsDefinition]:
    """Return one asset an export; `tables` maps an export to its model's relation and partition column."""
    return [
        _export_asset(
            deployment, gate, export, lineage.tables[tables[name][0]], tables[name][1], partitions_of
        )
        for name, export in exports.items()
    ]


def _export_asset(
    deployment: Deployment,
    gate: Gate,
    export: Export,
    table: Table,
    partition_column: str,
    partitions_of: PartitionsOf,
) -> dg.AssetsDefinition:
    destination = export.spec.destination
    kind = destination_types[destination.type]
    key = dg.AssetKey(export.asset_key)
    partitions = partitions_of(table.partitioning)
    overdue = export.overdue_after(table.partitioning.grain)
    spec = dg.AssetSpec(
        key=key,
        deps=[dg.AssetKey(table.asset_key)],
        description=(
            f"{export.spec.purpose}\n\nSends `{table.relation}`, whole, to `{destination.object}` of"
            f" connection `{destination.connection}` ({destination.type}), a partition at a time:"
            f" the destination's slice of it is made equal to the model's.\n\n"
            f"Guarantee: {kind.guarantee}"
        ),
        group_name=GROUP,
        kinds=set(kind.kinds),
        owners=[export.spec.owner],
        partitions_def=partitions,
        freshness_policy=dg.FreshnessPolicy.time_window(overdue) if overdue else None,
        metadata={
            "export file": export.file.name,
            "destination": f"{destination.type} / {destination.connection} / {destination.object}",
            "mode": f"{export.spec.mode}, partitions: {export.spec.partitions}",
            "key": ", ".join(export.spec.key),
        },
    )
    check = dg.AssetCheckSpec(
        GATE_CHECK,
        asset=key,
        description="Every blocking check of every ancestor passed on the data that would be sent.",
        partitions_def=partitions,
    )

    @dg.multi_asset(name=f"deliver__{export.name}", specs=[spec], check_specs=[check], pool=POOL)
    def deliver(
        context: dg.AssetExecutionContext,
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        try:
            delivered = deliver_partition(
                deployment, gate, export, table, partition_column, context.partition_key,
                context.run_id, context.log.info,
            )  # fmt: skip
        except GateClosed as closed:
            yield gate_result(key, closed.report)
            raise dg.Failure(
                description=f"{export.name} [{context.partition_key}] is held, nothing was sent: {closed}",
                allow_retries=False,
            ) from None
        except DeliveryError as error:
            raise dg.Failure(description=str(error), allow_retries=False) from error
        yield dg.MaterializeResult(asset_key=key, metadata=_metadata(delivered))
        yield gate_result(key, delivered.report)

    return deliver


def gate_result(key: dg.AssetKey, report: GateReport) -> dg.AssetCheckResult:
    """Return what the gate said as the export's check.

    A closed gate shows what said no, not all that could not be built because of it. A gate that is open by a
    release warns.
    """
    passed, severity = report.open, dg.AssetCheckSeverity.ERROR
    if report.releases:
        released = [item for item in report.findings if item.verdict is Verdict.RELEASED]
        said = "; ".join(f"{item}" for item in released[:3])
        description = f"open by release, on {len(released)} failed checks: {said}"
        metadata = {"released": findings_table(released), "passed": passed_table(report.findings)}
        passed, severity = False, dg.AssetCheckSeverity.WARN
    elif report.open:
        description = f"open: {len(report.findings)} blocking checks passed on the version that was sent"
        metadata = {"passed": passed_table(report.findings)}
    else:
        shown = report.reasons
        more = f"; and {len(shown) - 3} more" if len(shown) > 3 else ""
        reasons = "; ".join(f"{item} → {item.mend}" for item in shown[:3])
        description = f"held, nothing was sent: {reasons}{more}"
        metadata = {"closed by": findings_table(shown), "passed": passed_table(report.findings)}
    return dg.AssetCheckResult(
        check_name=GATE_CHECK,
        asset_key=key,
        passed=passed,
        severity=severity,
        description=description,
        metadata=metadata,
    )


def _metadata(delivered: Delivered) -> dict[str, dg.MetadataValue]:
    delivery, receipt = delivered.delivery, delivered.receipt
    metadata: dict[str, dg.MetadataValue] = {
        "dagster/row_count": dg.MetadataValue.int(delivery.rows),
        "delivery": dg.MetadataValue.text(delivery.delivery_id),
        "sent": dg.MetadataValue.bool(delivered.sent),
        "location": dg.MetadataValue.text(receipt.location if receipt else delivery.location),
        "version of the model": dg.MetadataValue.text(delivery.version),
    }
    for name, value in (receipt.details if receipt else {}).items():
        if name != "delivery_id":
            metadata[name.replace("_", " ")] = dg.MetadataValue.text(str(value))
    return metadata
