"""Where people act from: a site, and the instance of Dagster that runs what they ask for and shows it.

Belongs here: the two together, and showing on an export's asset what was done. Does not belong here: what
is done.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg

from sluicegate.operations.site import Site


@dataclass(frozen=True)
class Desk(Site):
    """A deployment, its project and Dagster's instance."""

    instance: dg.DagsterInstance

    @classmethod
    def of(cls, site: Site, instance: dg.DagsterInstance) -> "Desk":
        """Return the desk of a site on an instance."""
        return cls(site.deployment, site.project, instance)

    def show(
        self,
        export: str,
        partition_key: str,
        said: str,
        metadata: Mapping[str, Any],
        event: type[dg.AssetObservation] | type[dg.AssetMaterialization] = dg.AssetObservation,
    ) -> None:
        """Show on an export's asset what a person did."""
        self.instance.report_runless_asset_event(
            event(
                dg.AssetKey(self.project.exports[export].asset_key),
                partition=partition_key or None,
                description=said,
                metadata=dict(metadata),
            )
        )
