"""What waits since a restore, shown on the exports' own pages: Dagster's storage came back green, as it was.

Where a destination can be read, its check `reconciled` fails until a look has passed; elsewhere the asset
has an observation. Once a restore: a look says the rest. Belongs here: showing it. Does not belong here: what
waits (`operations.restored`).
"""

import dagster as dg
from dagster._core.events import DagsterEvent

from sluicegate.graph.check_events import check_evaluation
from sluicegate.graph.desk import Desk
from sluicegate.graph.reconciled import check_key
from sluicegate.operations.restored import waiting_since_restore

_SHOWN = "sluice/restore_shown"
_JOB_NAME = "restore"


def show_restored(desk: Desk) -> None:
    """Show each partition that waits for a look, unless that was shown, or nothing was restored."""
    restore = desk.deployment.store.restores.newest()
    if restore is None:
        return
    # In Dagster's own storage: of another restore it knows nothing, or something else.
    shown, storage = restore.told_apart, desk.instance.run_storage
    if storage.get_cursor_values({_SHOWN}).get(_SHOWN) == shown:
        return
    for target, partition_key, item in waiting_since_restore(desk):
        said = f"{item.said}; {item.fix}"
        key = dg.AssetKey(target.export.asset_key)
        result = dg.AssetCheckResult(
            passed=False, asset_key=key, check_name=check_key(target).name, description=said
        )
        found = check_evaluation(desk.instance, result, key, partition_key, blocking=False)
        if item.by_hand or found.target_materialization_data is None:
            desk.show(target.export.name, partition_key, said, {"restored from": restore.backup})
            continue
        event = DagsterEvent(
            event_type_value=dg.DagsterEventType.ASSET_CHECK_EVALUATION.value,
            job_name=_JOB_NAME,
            event_specific_data=found,
            message=said,
        )
        # Dagster keeps one result of a check for a partition and run; this run has none of this check.
        desk.instance.report_dagster_event(event, run_id=found.target_materialization_data.run_id)
    storage.set_cursor_values({_SHOWN: shown})
