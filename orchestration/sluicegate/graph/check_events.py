"""What a check said, as an event that the UI shows on the asset: for those who judge outside of a check.

Belongs here: the shape of the event. Does not belong here: what is said.
"""

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)


def check_evaluation(
    instance: dg.DagsterInstance,
    result: dg.AssetCheckResult,
    key: dg.AssetKey,
    partition_key: str,
    *,
    blocking: bool,
) -> dg.AssetCheckEvaluation:
    """Return the event of a check's result, on the newest materialization of the partition."""
    return dg.AssetCheckEvaluation(
        asset_key=key,
        check_name=str(result.check_name),
        passed=result.passed,
        metadata=result.metadata,
        severity=result.severity,
        description=result.description,
        blocking=blocking,
        partition=partition_key or None,
        target_materialization_data=_newest_materialization(instance, key, partition_key),
    )


def _newest_materialization(
    instance: dg.DagsterInstance, key: dg.AssetKey, partition_key: str
) -> AssetCheckEvaluationTargetMaterializationData | None:
    """Return the partition's newest materialization: Dagster takes a check on an older one for missing."""
    partitions = [partition_key] if partition_key else None
    found = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=key, asset_partitions=partitions), limit=1
    )
    for record in found.records:
        return AssetCheckEvaluationTargetMaterializationData(
            run_id=record.run_id, storage_id=record.storage_id, timestamp=record.timestamp
        )
    return None
