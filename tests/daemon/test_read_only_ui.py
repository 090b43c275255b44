"""`sluice ui`: people look at a deployment, and nothing can be started or changed through it.

Belongs here: what the UI's API answers. Does not belong here: signing in, which is a proxy's.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sluicegate.graph.instance import open_instance

from tests.company import Company
from tests.daemon.server import Server

_PERMISSIONS = """
query {
  permissions { permission value }
  workspaceOrError { ... on Workspace { locationEntries { permissions { permission value } } } }
}
"""
_WIPE = "mutation ($id: String!) { deletePipelineRun(runId: $id) { __typename } }"


@pytest.fixture
def looking(open_bakery: Company, tmp_path: Path) -> Iterator[Server]:
    """The read-only UI of a bakery in which a day was built."""
    server = Server(open_bakery, tmp_path / "ui.log", command="ui").up()
    yield server
    server.kill()


def test_all_can_be_seen_and_nothing_started_or_changed(looking: Server) -> None:
    found = looking.ask(_PERMISSIONS)
    [location] = found["workspaceOrError"]["locationEntries"]
    granted = {
        item["permission"] for item in [*found["permissions"], *location["permissions"]] if item["value"]
    }
    assert granted == set(), "each permission that Dagster knows is one to start or change something"

    shown = looking.runs()
    assert sum(shown.values()) > 0
    with open_instance(looking.company.settings) as instance:
        run = instance.get_runs(limit=1)[0].run_id
    assert looking.ask(_WIPE, id=run)["deletePipelineRun"]["__typename"] == "UnauthorizedError"
    assert "UnauthorizedError" in looking.launch("rerun", "rerun_partitions", table="staging.stg_orders")
    assert looking.runs() == shown
    assert {address for address, _ in looking.listening()} <= {"127.0.0.1"}
    assert looking.stop(60) == 0
