"""Which runs of Dagster's keep a partition from being asked for once more."""

import dagster as dg
import pytest
from dagster._core.events import DagsterEvent
from dagster._core.storage.tags import PARTITION_NAME_TAG
from dagster._core.test_utils import create_run_for_test

from orchestration.operations.due import RUN_KEY_TAG
from orchestration.operations.sensors import run_under_way
from tests.company import MON, TUE

_WAITED_FOR = {"QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING", "SUSPENDED"}


@pytest.mark.parametrize("key", [MON, ""])
@pytest.mark.parametrize("status", [item for item in dg.DagsterRunStatus if item.value != "MANAGED"])
def test_a_run_is_waited_for_until_it_has_ended(status: dg.DagsterRunStatus, key: str) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        tags = {RUN_KEY_TAG: "of what has landed"} | ({PARTITION_NAME_TAG: key} if key else {})
        queued = status is dg.DagsterRunStatus.QUEUED
        made = dg.DagsterRunStatus.NOT_STARTED if queued else status
        run = create_run_for_test(instance, job_name="all", status=made, tags=tags)
        if queued:
            instance.report_dagster_event(DagsterEvent("PIPELINE_ENQUEUED", "all"), run.run_id)
        assert [item.status for item in instance.get_runs()] == [status]
        assert run_under_way(instance, key) is (status.value in _WAITED_FOR)
        assert not run_under_way(instance, TUE)
        assert not run_under_way(instance, "" if key else MON)
