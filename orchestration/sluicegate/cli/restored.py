"""`sluice delivery reconcile --restored` and `--looked-at`: what lets exports go again after a restore.

Belongs here: what is printed. Does not belong here: what waits (`operations.restored`).
"""

from sluicegate.cli.opened import Opened, out
from sluicegate.core.progress import each


def reconcile_restored(here: Opened, export: str) -> bool:
    """Compare all that waits, and print what was found; return whether nothing waits any more."""
    from sluicegate.cli.running import show_finished
    from sluicegate.graph.headless import reconcile_alone
    from sluicegate.operations.restored import waiting_since_restore

    found = waiting_since_restore(here.site, export)
    for target, key, item in each("reconciling", found, "partitions", lambda one: one[0].export.name):
        if not item.by_hand and item.finding is None:
            done = reconcile_alone(here.desk, target, key)
            show_finished(done, out)
            for said in done.said:
                out.print(f"    {said}", markup=False, soft_wrap=True)
    left = waiting_since_restore(here.site, export)
    for said in dict.fromkeys(item.brief for _, _, item in left):
        out.print(said, style="yellow", markup=False, soft_wrap=True)
    out.print(f"{len(found) - len(left):,} of {len(found):,} partitions may be sent to again")
    return not left


def take_persons_word(here: Opened, export: str, partition: str | None, reason: str, by: str) -> None:
    """Let an export, or one partition of it, go again, as a person has looked.

    Raises:
        ValueError: nothing of it waits, or there is no reason.
    """
    from sluicegate.operations.restored import looked_at

    target = here.site.target(export)
    key = here.partition(target, partition) if partition is not None else None
    where = looked_at(here.site, target, key, reason, by)
    said = f"after a restore, {by} has looked at the destination: {reason.strip()}"
    here.desk.show(export, key or "", said, {"looked at by": by, "reason": reason.strip()})
    out.print(f"{where} may be sent to again; `sluice run --retry` sends what is ready", markup=False)
