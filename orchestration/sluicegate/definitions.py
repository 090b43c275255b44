"""The code location: `workspace.yaml` names this module.

Belongs here: the graph of the deployment that the environment describes. Does not: its parts (`graph/`).
"""

import dagster as dg

from sluicegate.core.collecting import collect_seldom
from sluicegate.core.settings import Settings
from sluicegate.delivery.deliver import record_connections
from sluicegate.environments.record import require_usable
from sluicegate.graph.building import build_definitions
from sluicegate.graph.event_log import ease_event_log
from sluicegate.graph.run_processes import fork_runs
from sluicegate.project.loading import load_project
from sluicegate.state.deployment import Deployment


@dg.definitions
def defs() -> dg.Definitions:
    """Return the graph of the deployment that the environment describes; `workspace.yaml` names this."""
    collect_seldom()
    settings = Settings.load()
    require_usable(settings)
    ease_event_log(settings.dagster_home)
    fork_runs()
    project = load_project(settings)
    record_connections(Deployment(settings), project.exports.values(), served=True)
    return build_definitions(settings, project)
