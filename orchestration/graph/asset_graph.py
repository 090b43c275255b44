"""Every table, check and delivery of a site, with what starts their runs: all but the jobs of people.

Belongs here: putting them together. Does not belong here: what any of them does, and what is built on this
graph in its turn (`building`).
"""

import warnings
from collections.abc import Sequence

import dagster as dg

from orchestration.core.collecting import without_collecting
from orchestration.graph.data_tests import DataTests
from orchestration.graph.exports import export_assets
from orchestration.graph.incidents import incidents_sensor
from orchestration.graph.judging import judge_job
from orchestration.graph.kusto import kusto_assets, kusto_checks
from orchestration.graph.kusto_asking import kusto_sensor
from orchestration.graph.models import dbt_assets
from orchestration.graph.partitions import partitions_definitions
from orchestration.graph.publishing import publish_after, publishing_schedules
from orchestration.graph.raw_tables import ingestion_assets
from orchestration.graph.reconciled import reconciled_checks
from orchestration.graph.run_leases import run_executor
from orchestration.graph.sensors import drops_sensor
from orchestration.graph.table_checks import TableChecks
from orchestration.graph.upkeep import deliveries_sensor, reconcile_sensor, upkeep_schedules
from orchestration.operations.fills import starts_with
from orchestration.operations.site import Site
from orchestration.transformation.runner import DbtProcess


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
