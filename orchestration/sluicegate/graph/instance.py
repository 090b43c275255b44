"""Dagster's instance of a deployment: its home directory, and the configuration in it."""

import shutil
from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._core.storage.noop_compute_log_manager import NoOpComputeLogManager
from dagster._serdes import ConfigurableClassData

from sluicegate.core.settings import REPOSITORY, Settings
from sluicegate.graph.event_log import ease_event_log


def prepare_home(settings: Settings) -> None:
    """Make DAGSTER_HOME and put `dagster.yaml` there: the project's own, or else the repository's."""
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    own = settings.project_dir / "dagster.yaml"
    source = own if own.exists() else REPOSITORY / "dagster.yaml"
    shutil.copyfile(source, settings.dagster_home / "dagster.yaml")


@contextmanager
def open_instance(settings: Settings) -> Generator[dg.DagsterInstance]:
    """Open the instance for work in this process.

    What the process prints stays on its terminal: to keep it in files of its own, Dagster starts four
    processes a run, and no step prints anything.
    """
    prepare_home(settings)
    ease_event_log(settings.dagster_home)
    stated = InstanceRef.from_dir(str(settings.dagster_home))
    if stated.compute_logs_data.class_name == LocalComputeLogManager.__name__:
        nothing = ConfigurableClassData(
            NoOpComputeLogManager.__module__, NoOpComputeLogManager.__name__, "{}\n"
        )
        stated = stated._replace(compute_logs_data=nothing)
    with dg.DagsterInstance.from_ref(stated) as instance:
        yield instance
