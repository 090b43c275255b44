"""The check `reconciled` of an export's asset: what the destination holds, beside what it acknowledged.

It reads all that a scope holds over there, so no run of a delivery has it: the button, the command and a
sensor of its own start it.
"""

from collections.abc import Callable, Collection
from typing import Any

import dagster as dg

from orchestration.core.partitions import UNPARTITIONED
from orchestration.core.shown_text import showing_errors
from orchestration.delivery.deliver import NotConfigured, Target, engine_for, order_of, source_of
from orchestration.delivery.reconcile import Reconciled, reconcile
from orchestration.destinations.base import DeliveryError
from orchestration.destinations.registry import destination_types
from orchestration.graph.partitions import PartitionsOf
from orchestration.graph.results_shown import text_table
from orchestration.operations.site import Site
from orchestration.project.names import RECONCILED_CHECK
from orchestration.state.deployment import Deployment


def readable(target: Target) -> bool:
    """Whether the destination of an export can be read back."""
    return destination_types[target.export.spec.destination.type].capabilities.read_back


def check_key(target: Target) -> dg.AssetCheckKey:
    """Return the key of an export's check."""
    return dg.AssetCheckKey(dg.AssetKey(target.export.asset_key), RECONCILED_CHECK)


def reconcile_partition(
    deployment: Deployment,
    target: Target,
    partition_key: str,
    run_id: str,
    log: Callable[[str], None],
) -> Reconciled | None:
    """Compare what the destination holds of a partition with what it acknowledged; None if it has nothing.

    Where it holds the newest partition alone, all of it is compared.

    Raises:
        NotConfigured: the deployment has no connection of that name.
        DeliveryError: the destination cannot be read.
    """
    engine = engine_for(deployment, target, run_id, log)
    hidden = {target.export.field(column) for column in target.classified}

    def fields() -> Collection[str]:
        with deployment.warehouse.session() as session:
            if not session.has_table(target.table.relation):
                raise DeliveryError(
                    f"`{target.export.name}`: its model {target.table.relation} is not built yet",
                    "a model that tells which fields are sent",
                    "`sluice run`, then the same again",
                )
            return session.describe(source_of(session, target, partition_key))

    with showing_errors(target.near):
        return reconcile(engine, order_of(target, partition_key), hidden, fields)


def reconciled_checks(site: Site, partitions_of: PartitionsOf) -> list[dg.AssetChecksDefinition]:
    """Return one check an export whose destination can be read."""
    return [
        _check(site.deployment, target, partitions_of)
        for target in map(site.target, site.project.exports)
        if readable(target)
    ]


def _check(deployment: Deployment, target: Target, partitions_of: PartitionsOf) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=dg.AssetKey(target.export.asset_key),
        name=RECONCILED_CHECK,
        description="The destination, read back, holds what it acknowledged. Run once a day, by"
        f" `sluice delivery reconcile {target.export.name}`, or here; no delivery waits for it, but after a"
        " restore.",
        blocking=False,
        partitions_def=partitions_of(target.table.partitioning),
    )
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        key = context.partition_key if target.table.partitioning.partitioned else UNPARTITIONED
        try:
            found = reconcile_partition(deployment, target, key, context.run.run_id, context.log.info)
        except (NotConfigured, DeliveryError, NotImplementedError) as problem:
            said = str(problem) or "this destination cannot be read, as its options say"
            return dg.AssetCheckResult(
                passed=False, severity=dg.AssetCheckSeverity.WARN, description=f"not compared: {said}"
            )
        if found is None:
            return dg.AssetCheckResult(
                passed=True, description="nothing of this partition was ever delivered: nothing to compare"
            )
        return dg.AssetCheckResult(
            passed=found.equal and found.under_way is None,
            severity=dg.AssetCheckSeverity.WARN if found.under_way else dg.AssetCheckSeverity.ERROR,
            description=found.said,
            metadata=_metadata(found),
        )

    return check


def _metadata(found: Reconciled) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "rows acknowledged": found.ours,
        "rows there": found.theirs,
        "digest of what was acknowledged": found.our_digest,
        "digest of what is there": found.their_digest,
        "missing there": found.missing,
        "changed there": found.differing,
        "foreign there": found.foreign,
        "there twice": found.twice,
    }
    if found.changed:
        shown["changed rows"] = text_table(("key", "field", "acknowledged", "there"), list(found.changed))
    for name, keys in (("missing keys", found.missing_keys), ("foreign keys", found.foreign_keys)):
        if keys:
            shown[name] = text_table(("key",), [(key,) for key in keys])
    return shown
