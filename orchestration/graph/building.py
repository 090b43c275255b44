"""The graph of one deployment: every table, check, delivery, sensor, schedule and job.

Belongs here: putting them together. Does not belong here: what any of them does.
"""

import gc
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import datetime

import dagster as dg

from orchestration.core.settings import Settings
from orchestration.gate.gate import Gate
from orchestration.graph.data_tests import DataTests
from orchestration.graph.exports import export_assets, targets
from orchestration.graph.hands_on_jobs import hands_on_jobs
from orchestration.graph.judging import judge_job
from orchestration.graph.models import dbt_assets
from orchestration.graph.partitions import partitions_definitions
from orchestration.graph.raw_tables import ingestion_assets
from orchestration.graph.reconciled import reconciled_checks
from orchestration.graph.sensors import drops_sensor
from orchestration.graph.table_checks import TableChecks
from orchestration.graph.upkeep import deliveries_sensor, reconcile_sensor, upkeep_schedules
from orchestration.project.loading import Project, load_project
from orchestration.state.deployment import Deployment
from orchestration.state.moments import now as utc_now
from orchestration.transformation.runner import DbtProcess


def build_definitions(
    settings: Settings, project: Project | None = None, clock: Callable[[], datetime] = utc_now
) -> dg.Definitions:
    """Return the graph of one deployment; `clock` tells the time that due moments meet.

    Raises:
        ProjectError: the project directory does not hold together; every problem is named.
    """
    with warnings.catch_warnings(), _without_collecting():
        # Partitioned checks and windows with missing days are young in Dagster 1.13; tests pin them.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        warnings.simplefilter("ignore", dg.BetaWarning)
        return _build(Deployment(settings, clock), project or load_project(settings))


@contextmanager
def _without_collecting() -> Generator[None]:
    """A graph only grows while it is made: to look for garbage in it takes a tenth of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _build(deployment: Deployment, project: Project) -> dg.Definitions:
    gate = Gate(project.lineage, deployment.store, deployment.clock)
    partitions_of = partitions_definitions(project.partition_starts)
    models = {
        name: (project.node_of(export).relation, project.node_of(export).partition_column or "")
        for name, export in project.exports.items()
    }
    identity = project.identity
    lineage = project.lineage
    tests = DataTests(
        deployment,
        DbtProcess(deployment.settings, identity.dbt_stamp),
        project.manifest,
        lineage,
        project.test_places,
        project.near,
    )
    checks = TableChecks(deployment, tests, project.suite_targets())
    loaded = ingestion_assets(deployment, checks, identity, project.contracts, lineage, partitions_of)
    built = dbt_assets(deployment, gate, checks, identity, project.manifest, lineage, partitions_of)
    sent = export_assets(
        deployment, gate, identity, project.lineage, project.exports, models, partitions_of,
        project.near, project.classified_columns,
    )  # fmt: skip
    compared = reconciled_checks(
        deployment,
        targets(project.lineage, project.exports, models, project.near, project.classified_columns),
        project.classified_columns,
        partitions_of,
    )
    return dg.Definitions(
        assets=[*loaded, *built, *sent],
        asset_checks=compared,
        sensors=[
            drops_sensor(deployment, project),
            deliveries_sensor(deployment, project),
            *reconcile_sensor(deployment, project),
        ],
        schedules=upkeep_schedules(deployment, project),
        jobs=[judge_job(deployment, project, checks), *hands_on_jobs(deployment, project)],
        # One process a run: a spawned process a step costs seconds each, and DuckDB has one writer.
        executor=dg.in_process_executor,
    )  # fmt: skip
