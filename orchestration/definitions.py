"""The code location: `workspace.yaml` names this module.

Belongs here: the graph of the deployment that the environment describes. Does not: its parts (`graph/`).
"""

import dagster as dg

from orchestration.core.collecting import collect_seldom
from orchestration.core.settings import Settings
from orchestration.delivery.deliver import record_connections
from orchestration.environments.record import require_usable
from orchestration.graph.building import build_definitions
from orchestration.graph.event_log import ease_event_log
from orchestration.graph.run_processes import fork_runs
from orchestration.project.loading import load_project
from orchestration.state.deployment import Deployment


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
