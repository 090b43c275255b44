"""What waits since a restore: every scope to which nothing is sent before somebody has looked at it.

Belongs here: which those are, and a person's word on one. Does not belong here: who may send
(`delivery.restored`), the look itself (`delivery.reconcile`).
"""

from sluicegate.delivery.deliver import Target
from sluicegate.delivery.restored import Waiting, note
from sluicegate.operations.records import Records
from sluicegate.operations.site import Site
from sluicegate.state.restores import EVERY_SCOPE


def waiting_since_restore(site: Site, export: str = "") -> list[tuple[Target, str, Waiting]]:
    """Return (export, partition, why it waits) of one export or all, in the order of their names and days.

    They are the partitions of which a delivery is on record, and those that have landed. Of an export whose
    destination holds the newest alone, that one.
    """
    records = Records(site)
    found: list[tuple[Target, str, Waiting]] = []
    for name in [export] if export else site.project.exports:
        target = site.target(name)
        for key in sorted(_keys(site, records, target)):
            kept_back = records.kept_back(target, key)
            if kept_back is not None:
                found.append((target, key, kept_back))
    return found


def _keys(site: Site, records: Records, target: Target) -> set[str]:
    store, table = site.deployment.store, target.table
    built = {key for key in store.latest_builds(table.relation) if table.partitioning.holds(key)}
    if target.export.spec.latest_only:
        standing = records.at_destination(target.export.name)
        known = {standing} if standing else built
        return {max(known)} if known else set()
    on_record = {item.scope for item in store.deliveries.of_export(target.export.name)}
    return {key for key in on_record | built if table.partitioning.holds(key)}


def looked_at(site: Site, target: Target, partition: str | None, reason: str, by: str) -> str:
    """Put a person's word on record that an export's destination may be sent to again; return what of it.

    Without a partition, all of the export, and what is to come.

    Raises:
        ValueError: nothing of it waits, or there is no reason.
    """
    if not reason.strip():
        raise ValueError("a person's word needs a reason: --reason says what was found and done there")
    name, latest = target.export.name, target.export.spec.latest_only
    waits = [key for _, key, _ in waiting_since_restore(site, name)]
    scope = EVERY_SCOPE if partition is None or latest else partition
    if site.deployment.store.restores.newest() is None or (scope != EVERY_SCOPE and partition not in waits):
        raise ValueError(f"nothing of `{name}` waits for a look; `sluice status` shows what does")
    note(site.deployment.store, name, "" if latest else scope, reason.strip(), by, settled=True)
    return name if scope == EVERY_SCOPE else f"{name} [{scope}]"
