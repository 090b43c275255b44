"""What ended a trouble, in words for its record: asked once it is not there any more."""

from sluicegate.core.partitions import UNPARTITIONED
from sluicegate.incidents.trouble import Root, RootKind
from sluicegate.operations.records import Records
from sluicegate.operations.site import Site


class WhatEnded:
    """What `settle` asks, by the records at the end of a look."""

    def __init__(self, site: Site) -> None:
        self._site, self._records = site, Records(site)

    def __call__(self, root: Root) -> str:
        """Return what ended a trouble with a root; "" where nothing on record says more."""
        project, key = self._site.project, root.partition_key
        if root.kind is RootKind.TABLE:
            table = project.lineage.tables.get(root.name)
            if table is None or not table.partitioning.holds(key or UNPARTITIONED):
                return "the project has no such table or partition any more"
            released = [item for item in self._records.releases(key) if item.used_for_version]
            build = self._records.builds(root.name).get(key)
            if build is not None and self._records.report(root.name, key).open:
                return f"it was built by run {build.run_id}, and its checks pass"
            return f"it may pass as it is: {released[-1].export} was released" if released else ""
        if root.kind is RootKind.SOURCE:
            if root.name not in project.contracts:
                return "the project has no such source any more"
            drop = self._records.drops[project.contracts[root.name].relation].get(key)
            return f"drop {drop.ordinal} of it has landed" if drop is not None else ""
        if root.kind is RootKind.DELIVERY:
            if root.name not in project.exports:
                return "the project has no such export any more"
            delivery = self._records.deliveries(root.name).get(key)
            return f"it was {delivery.status} by run {delivery.run_id}" if delivery is not None else ""
        return ""
