"""The graph of one deployment, the jobs of people among it.

Belongs here: the two together. Does not belong here: either. The jobs make runs of the graph, as the commands
do (`headless`), so they come after it.
"""

from collections.abc import Callable
from datetime import datetime

import dagster as dg

from sluicegate.core.settings import Settings
from sluicegate.graph.asset_graph import asset_graph
from sluicegate.graph.hands_on_jobs import hands_on_jobs
from sluicegate.operations.site import Site
from sluicegate.project.loading import Project, load_project
from sluicegate.state.deployment import Deployment
from sluicegate.state.moments import now as utc_now


def build_definitions(
    settings: Settings, project: Project | None = None, clock: Callable[[], datetime] = utc_now
) -> dg.Definitions:
    """Return the graph of one deployment; `clock` tells the time that due moments meet.

    Raises:
        ProjectError: the project directory does not hold together; every problem is named.
    """
    site = Site(Deployment(settings, clock), project or load_project(settings))
    return asset_graph(site, hands_on_jobs(site))
