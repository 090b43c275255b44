"""Every table, check and delivery of a site, with what starts their runs: all but the jobs of people.

Belongs here: putting them together. Does not belong here: what any of them does, and what is built on this
graph in its turn (`building`).
"""

import warnings
from collections.abc import Sequence

import dagster as dg

from sluicegate.core.collecting import without_collecting
from sluicegate.graph.data_tests import DataTests
from sluicegate.graph.exports import export_assets
from sluicegate.graph.incidents import incidents_sensor
from sluicegate.graph.judging import judge_job
from sluicegate.graph.kusto import kusto_assets, kusto_checks
from sluicegate.graph.kusto_asking import kusto_sensor
from sluicegate.graph.models import dbt_assets
from sluicegate.graph.partitions import partitions_definitions
from sluicegate.graph.publishing import publish_after, publishing_schedules
from sluicegate.graph.raw_tables import ingestion_assets
from sluicegate.graph.reconciled import reconciled_checks
from sluicegate.graph.run_leases import run_executor
from sluicegate.graph.sensors import drops_sensor
from sluicegate.graph.table_checks import TableChecks
from sluicegate.graph.upkeep import deliveries_sensor, reconcile_sensor, upkeep_schedules
from sluicegate.operations.fills import starts_with
from sluicegate.operations.site import Site
from sluicegate.transformation.runner import DbtProcess


def asset_graph(site: Site, jobs: Sequence[dg.JobDefinition] = ()) -> dg.Definitions:
    """Return the graph of a site; `jobs` are more than its own."""
    with warnings.catch_warnings(), without_collecting():
        # Partitioned checks and windows with missing days are young in Dagster 1.13; tests pin them.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        warnings.simplefilter("ignore", dg.BetaWarning)
        project = site.project
        filled = project.kusto.filled if project.kusto is not None else ()
        partitions_of = partitions_definitions(starts_with(project.partition_starts, filled))
        dbt = DbtProcess(
            site.deployment.settings,
            project.identity.dbt_stamp,
            lambda: site.deployment.store.leases.require_runs_now(),
        )
        checks = TableChecks(site.deployment, DataTests(site, dbt), project.suite_targets())
        return dg.Definitions(
            assets=[
                *ingestion_assets(site, checks, partitions_of),
                *dbt_assets(site, checks, partitions_of),
                *export_assets(site, partitions_of),
                *kusto_assets(site, partitions_of),
            ],
            asset_checks=[*reconciled_checks(site, partitions_of), *kusto_checks(site)],
            sensors=[
                drops_sensor(site),
                deliveries_sensor(site),
                incidents_sensor(site),
                *reconcile_sensor(site),
                *kusto_sensor(site),
            ],
            schedules=[*upkeep_schedules(site), *publishing_schedules(site)],
            jobs=[judge_job(site, checks), *jobs],
            # One process a run: a spawned process a step costs seconds each, and DuckDB has one writer.
            executor=run_executor(site.deployment, publish_after(site)),
        )
