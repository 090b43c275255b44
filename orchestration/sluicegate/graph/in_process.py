"""A run in this process that says what it is about.

Dagster's own `execute_in_process` leaves a run's target empty, so its list of runs would not tell what was
built. Belongs here: that. Does not belong here: what is run, and why.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import dagster as dg
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import (
    ExecuteRunWithPlanIterable,
    create_execution_plan,
    job_execution_iterator,
)
from dagster._core.execution.context_creation_job import (
    PlanOrchestrationContextManager,
    orchestration_context_event_generator,
)
from dagster._core.snap import snapshot_from_execution_plan

from sluicegate.graph.run_leases import After, executing, place_tags, run_executor
from sluicegate.state.deployment import Deployment


@dataclass(frozen=True)
class Result:
    """What became of a run."""

    run_id: str
    success: bool
    events: Sequence[dg.DagsterEvent]


def execute_here(
    instance: dg.DagsterInstance,
    deployment: Deployment,
    job: dg.JobDefinition,
    assets: Collection[dg.AssetKey],
    checks: Collection[dg.AssetCheckKey],
    *,
    tags: Mapping[str, str],
    run_config: Mapping[str, Any],
    after: After = lambda _, __: None,
) -> Result:
    """Run assets and checks of a job, and `after` it that, and return when they have ended, well or not."""
    selected = job.get_subset(asset_selection=set(assets), asset_check_selection=set(checks))
    selected = selected.as_ephemeral_job(resource_defs={}, input_values={}).with_executor_def(
        run_executor(deployment, after)
    )
    in_memory = InMemoryJob(selected)
    plan = create_execution_plan(
        in_memory, run_config=run_config, instance_ref=instance.get_ref() if instance.is_persistent else None
    )
    run_id = str(uuid4())
    with executing(deployment.store.leases, run_id):
        run = instance.create_run(
            job_name=selected.name,
            run_id=run_id,
            run_config=run_config,
            status=None,
            tags={**selected.run_tags, **place_tags(), **tags},
            root_run_id=None,
            parent_run_id=None,
            step_keys_to_execute=plan.step_keys_to_execute,
            execution_plan_snapshot=snapshot_from_execution_plan(plan, selected.get_job_snapshot_id()),
            job_snapshot=selected.get_job_snapshot(),
            parent_job_snapshot=selected.get_parent_job_snapshot(),
            asset_selection=frozenset(assets),
            asset_check_selection=frozenset(checks),
            resolved_op_selection=None,
            op_selection=None,
            remote_job_origin=None,
            job_code_origin=None,
            asset_graph=selected.asset_layer.asset_graph,
        )
        events = list(
            ExecuteRunWithPlanIterable(
                execution_plan=plan,
                iterator=job_execution_iterator,
                execution_context_manager=PlanOrchestrationContextManager(
                    context_event_generator=orchestration_context_event_generator,
                    job=in_memory,
                    execution_plan=plan,
                    dagster_run=run,
                    instance=instance,
                    run_config=run_config,
                    executor_defs=None,
                    output_capture=None,
                    raise_on_error=False,
                ),
            )
        )
        ended = instance.get_run_by_id(run.run_id)
        return Result(run.run_id, ended is not None and ended.is_success, events)
