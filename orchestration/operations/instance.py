"""Dagster's instance of a deployment: its home directory, and the configuration in it."""

import shutil
from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg

from orchestration.operations.event_log import ease_event_log
from orchestration.settings import REPOSITORY, Settings


def prepare_home(settings: Settings) -> None:
    """Make DAGSTER_HOME and put `dagster.yaml` there: the project's own, or else the repository's."""
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    own = settings.project_dir / "dagster.yaml"
    source = own if own.exists() else REPOSITORY / "dagster.yaml"
    shutil.copyfile(source, settings.dagster_home / "dagster.yaml")


@contextmanager
def open_instance(settings: Settings) -> Generator[dg.DagsterInstance]:
    """Open the instance for work in this process."""
    prepare_home(settings)
    ease_event_log(settings.dagster_home)
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        yield instance
