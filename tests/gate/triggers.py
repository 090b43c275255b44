"""What may ask for a delivery: the rows of the matrix, each as Dagster itself does it.

Belongs here: starting runs. Does not: any expectation, and anything that knows of the gate.
"""

import logging
import os
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.asset_daemon_cursor import AssetDaemonCursor
from dagster._core.definitions.selector import JobSubsetSelector
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.execution.plan.resume_retry import ReexecutionStrategy
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._daemon.backfill import execute_backfill_iteration
from pydantic import SecretStr
from sluicegate.graph.building import build_definitions
from sluicegate.graph.instance import open_instance, prepare_home

from tests.company import Company
from tests.gate.conditions import DELIVERED

_LOCATION = "bakery"
# Where nobody answers, and where no folder can be.
_GONE = {
    "shop_screens": "postgresql://nobody@127.0.0.1:9/gone",
    "miller": "/dev/null/gone",
    "archive": "/dev/null/gone",
}


def asset_key(name: str) -> dg.AssetKey:
    """Return the key of `schema/name`."""
    return dg.AssetKey(name.split("/"))


def by_hand(company: Company, *days: str, exports: Sequence[str] = DELIVERED) -> None:
    """Select the exports alone and press the button, a day after the other."""
    for day in days:
        company.materialize(day, *exports)


def by_command(company: Company, day: str, exports: Sequence[str] = DELIVERED) -> tuple[int, str]:
    """`dagster asset materialize` of the exports alone; return its exit code and what it complained."""
    with start_command(company, day, *exports) as process:
        _, complained = process.communicate(timeout=120)
        return process.returncode, complained


def start_command(company: Company, day: str, *keys: str) -> "subprocess.Popen[str]":
    """Start `dagster asset materialize` of these assets, for a day, in a process of its own."""
    prepare_home(company.settings)
    selection = " or ".join(f'key:"{key}"' for key in keys)
    return subprocess.Popen(
        [
            Path(sys.executable).with_name("dagster"), "asset", "materialize",
            "-m", "sluicegate.definitions", "--select", selection, "--partition", day,
        ],
        env=company.environment(), text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip


def by_backfill(company: Company, *days: str, exports: Sequence[str] = DELIVERED) -> None:
    """A backfill of the exports over days, taken through by the backfill daemon's own iteration."""
    with _workspace(company) as context:
        instance = context.instance
        backfill = PartitionBackfill.from_asset_partitions(
            backfill_id="range",
            asset_graph=context.create_request_context().asset_graph,
            partition_names=list(days),
            asset_selection=[asset_key(key) for key in exports],
            backfill_timestamp=datetime.now(UTC).timestamp(),
            tags={},
            dynamic_partitions_store=instance,
            all_partitions=False,
            title=None,
            description=None,
            run_config=None,
        )
        instance.add_backfill(backfill)
        for _ in range(10):  # each submits runs, or looks at how those of the iteration before have ended
            errors = [error for error in execute_backfill_iteration(context, _quiet()) if error]
            assert errors == []
            _run_what_is_queued(instance, context)
            now = instance.get_backfill("range")
            assert now is not None
            if now.status is not BulkActionStatus.REQUESTED:
                return
        raise AssertionError("the backfill has not ended")


def by_reexecution(company: Company, *days: str, exports: Sequence[str] = DELIVERED) -> None:
    """Re-execution from failure, as the UI's button does it, of runs that reached no destination."""
    gone = {name: SecretStr(url) for name, url in _GONE.items()}
    nobody = replace(company, settings=company.settings.model_copy(update={"connections": gone}))
    by_hand(nobody, *days, exports=exports)
    reexecute_failed(company, len(days))


def reexecute_failed(company: Company, latest: int) -> None:
    """Re-execute the latest runs that have failed, from where they failed."""
    with _workspace(company) as context:
        instance, workspace = context.instance, context.create_request_context()
        location = workspace.get_code_location(_LOCATION)
        (repository,) = location.get_repositories().values()
        failed = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]), limit=latest)
        assert len(failed) == latest
        for run in failed:
            selector = JobSubsetSelector(
                location_name=_LOCATION,
                repository_name=repository.name,
                job_name=run.job_name,
                op_selection=None,
                asset_selection=list(run.asset_selection or ()),
                asset_check_selection=None,
            )
            again = instance.create_reexecuted_run(
                request_context=workspace,
                parent_run=run,
                code_location=location,
                remote_job=location.get_job(selector),
                strategy=ReexecutionStrategy.FROM_FAILURE,
                use_parent_run_tags=True,
            )
            instance.submit_run(again.run_id, workspace)
        _run_what_is_queued(instance, context)


def watched(
    company: Company, day: str, cursor: AssetDaemonCursor | None = None
) -> dg.EvaluateAutomationConditionsResult:
    """Evaluate `eager()` exports as the asset daemon would on the evening of a day."""
    eager = build_definitions(company.settings, company.project).map_resolved_asset_specs(
        func=lambda spec: spec.replace_attributes(automation_condition=dg.AutomationCondition.eager()),
        selection=list(DELIVERED),
    )
    with open_instance(company.settings) as instance:
        return dg.evaluate_automation_conditions(
            defs=eager,
            instance=instance,
            evaluation_time=datetime.fromisoformat(f"{day}T20:00:00+00:00"),
            cursor=cursor,
        )


def by_automation(company: Company, cursor: AssetDaemonCursor, *days: str) -> list[str]:
    """Run what `eager()` exports ask for on the evenings of these days, and return what they asked for."""
    asked: list[str] = []
    # The latest first: Dagster remembers what exists up to the evening that it looked at.
    for day in sorted(days, reverse=True):
        wanted = watched(company, day, cursor)
        keys = [key for key in DELIVERED if day in wanted.get_requested_partitions(asset_key(key))]
        if keys:
            company.materialize(day, *keys)
        asked += keys
    return asked


def look(company: Company) -> list[dg.RunRequest]:
    """Evaluate the sensor `drops`; return the runs that it asks for."""
    with open_instance(company.settings) as instance:
        context = dg.build_sensor_context(instance=instance, definitions=company.definitions)
        said = company.definitions.get_sensor_def("drops")(context)
    assert isinstance(said, dg.SensorResult)
    return list(said.run_requests or ())


def launch(company: Company, *requests: dg.RunRequest, checks: bool = True) -> None:
    """Run what the sensor asked for, with its checks or as if these had been left out."""
    for request in requests:
        keys = [key.to_user_string() for key in request.asset_selection or ()]
        company.materialize(str(request.partition_key), *keys, checks=checks, tags=request.tags)


def _run_what_is_queued(instance: dg.DagsterInstance, context: WorkspaceProcessContext) -> None:
    """Be the run queue's daemon: launch every queued run, which runs here (see `deployments`)."""
    for run in reversed(instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED]))):
        instance.launch_run(run.run_id, context.create_request_context())


@contextmanager
def _workspace(company: Company) -> Generator[WorkspaceProcessContext]:
    """The deployment's code location in this process, as UI and daemon hold it."""
    variables = {**company.settings.environment(), "SLUICE_PROJECT_DIR": str(company.settings.project_dir)}
    # A file of its own for each deployment: Dagster keeps what it has loaded, by its name.
    code = company.settings.data_dir / "code_location.py"
    code.write_text(
        "from sluicegate.graph.building import build_definitions\n"
        "from sluicegate.core.settings import Settings\n\n"
        "defs = build_definitions(Settings.load())\n"
    )
    origin = LoadableTargetOrigin(executable_path=sys.executable, python_file=str(code), attribute="defs")
    with pytest.MonkeyPatch.context() as patch, open_instance(company.settings) as instance:
        for name in [name for name in os.environ if name.startswith("SLUICE_")]:
            patch.delenv(name)
        for name, value in variables.items():
            patch.setenv(name, value)
        target = InProcessWorkspaceLoadTarget(InProcessCodeLocationOrigin(origin, location_name=_LOCATION))
        with WorkspaceProcessContext(instance, target) as context:
            yield context


def _quiet() -> logging.Logger:
    logger = logging.getLogger("backfill")
    logger.setLevel(logging.CRITICAL)
    return logger
