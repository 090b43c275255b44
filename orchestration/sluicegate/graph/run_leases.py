"""The process that executes a run holds the run's lease, from before the first step to the end.

Who has it is alive, whatever its number and on whichever machine (`crashes` asks). Who has lost it executes
no further step, and what it was about to commit is not committed (`Leases.require_runs`). Belongs here: when
a run's lease is held, in Dagster's terms. Does not belong here: what follows from one that has run out.
"""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, nullcontext
from typing import cast

import dagster as dg
from dagster._core.definitions.executor_definition import IN_PROC_CONFIG
from dagster._core.execution.context.system import PlanOrchestrationContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.in_process import InProcessExecutor

from sluicegate.core.processes import this_process
from sluicegate.core.progress import step
from sluicegate.state.deployment import Deployment
from sluicegate.state.held_lease import Lease
from sluicegate.state.leases import Leases, run_name

# Where numbers of processes mean the same as in that of the run. People are not shown it.
PLACE_TAG = ".dagster/sluice_process_place"


def place_tags() -> dict[str, str]:
    """Return the tags of a run that a process of this place is to execute."""
    place = this_process().place
    return {PLACE_TAG: place} if place else {}


@contextmanager
def executing(leases: Leases, run_id: str) -> Generator[Lease]:
    """Hold the lease of a run for as long as this process executes it.

    Raises:
        LeaseTimeout: another process executes it.
    """
    with leases.hold(run_name(run_id), wait_seconds=0) as lease:
        yield lease


After = Callable[[float, dg.DagsterLogManager], None]
"""What is done once the steps of a run have ended: it is told how many seconds they took, and logs."""


def run_executor(deployment: Deployment, after: After = lambda _, __: None) -> dg.ExecutorDefinition:
    """Return Dagster's executor that runs all steps in the process of their run, which holds the lease."""
    own = dg.in_process_executor

    @dg.executor(name=own.name, config_schema=IN_PROC_CONFIG)
    def in_process(context: dg.InitExecutorContext) -> _Executor:
        assert own.executor_creation_fn is not None
        configured = own.executor_creation_fn(context)
        return _Executor(deployment, configured.retries, after)

    return in_process


_ENDS = (
    dg.DagsterEventType.STEP_SUCCESS,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.STEP_SKIPPED,
)


class _Executor(InProcessExecutor):
    def __init__(self, deployment: Deployment, retries: RetryMode, after: After) -> None:
        super().__init__(retries)
        self._deployment, self._after = deployment, after

    def execute(
        self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan
    ) -> Iterator[dg.DagsterEvent]:
        leases, run_id = self._deployment.store.leases, plan_context.run_id
        began = time.monotonic()
        # A run of a command holds it already, as it does so before Dagster knows of the run.
        held = leases.held(run_name(run_id))
        with nullcontext(held) if held else executing(leases, run_id) as lease:
            if not held:
                plan_context.instance.add_run_tags(run_id, place_tags())
            steps = cast("Generator[dg.DagsterEvent]", super().execute(plan_context, execution_plan))
            count = len(execution_plan.step_keys_to_execute)
            with closing(steps) as events, step("run", count, "steps") as under_way:
                for event in events:
                    lease.still_held()
                    if event.event_type is dg.DagsterEventType.STEP_START:
                        under_way.now = event.step_key or ""
                    under_way.add(event.event_type in _ENDS)
                    yield event
            lease.still_held()
            self._after(time.monotonic() - began, plan_context.log)
