"""Which runs of Dagster's keep a partition from being asked for once more."""

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    GrpcServerCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.storage.tags import PARTITION_NAME_TAG
from dagster._core.test_utils import create_run_for_test
from sluicegate.graph.sensors import run_queued, run_under_way
from sluicegate.operations.due_run import RUN_KEY_TAG

from tests.company import MON, TUE

_WAITED_FOR = {"QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING", "SUSPENDED"}

# Where a queued run would be started.
_ORIGIN = RemoteJobOrigin(
    RemoteRepositoryOrigin(GrpcServerCodeLocationOrigin("localhost", 1), "sluice"), "all"
)


@pytest.mark.parametrize("key", [MON, ""])
@pytest.mark.parametrize("status", [item for item in dg.DagsterRunStatus if item.value != "MANAGED"])
def test_a_run_is_waited_for_until_it_has_ended(status: dg.DagsterRunStatus, key: str) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        tags = {RUN_KEY_TAG: "of what has landed"} | ({PARTITION_NAME_TAG: key} if key else {})
        create_run_for_test(instance, "all", status=status, tags=tags, remote_job_origin=_ORIGIN)
        assert [item.status for item in instance.get_runs()] == [status]
        assert run_under_way(instance, key) is (status.value in _WAITED_FOR)
        assert run_queued(instance, key) is (status.value in ("QUEUED", "NOT_STARTED"))
        assert not run_under_way(instance, TUE)
        assert not run_under_way(instance, "" if key else MON)
