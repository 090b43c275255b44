"""What `sluice check` asks of a project directory, as one answer.

Belongs here: all that must hold before a merge, whoever asks. Does not belong here: the rules themselves.
"""

from dataclasses import dataclass
from datetime import date

from sluicegate.columns.receivers import exposure_problems
from sluicegate.core.problems import Problem, ProjectError
from sluicegate.core.settings import Settings
from sluicegate.core.stages import Stage
from sluicegate.graph.building import build_definitions
from sluicegate.incidents.alerts_file import load_alerts
from sluicegate.project.loading import Project, expired_in, load_project, warnings_in
from sluicegate.project.ownership import ownership_warnings
from sluicegate.project.repository import Repository
from sluicegate.project.unfinished import unfinished_in


@dataclass(frozen=True)
class Checked:
    """A project, None where it does not load, with what is wrong and what a person should look at.

    `expired` is wrong from a day on, whoever changed what.
    """

    project: Project | None
    problems: tuple[Problem, ...] = ()
    expired: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()


def checked(settings: Settings, today: date) -> Checked:
    """Check a project directory on a day (UTC)."""
    # Neither keeps a graph from loading, but no pull request should go through with it.
    problems = unfinished_in(settings.project_dir)
    project: Project | None = None
    try:
        # Production's graph has no work, but what is wrong with that is told everywhere.
        project = load_project(settings, tuple(Stage))
        build_definitions(settings, project).get_repository_def()
        alerts = load_alerts(settings.project_dir, project)
    except ProjectError as error:
        return Checked(project, (*error.problems, *problems))
    problems += exposure_problems(project.columns, project.manifest)
    said = [*warnings_in(project, today), *ownership_warnings(Repository.of(settings.project_dir))]
    warnings = [f"warning: {one}" for one in said]
    expired = tuple(expired_in(project, settings, today))
    return Checked(project, tuple(problems), expired, (*warnings, *alerts.warnings(settings)))
