"""Ways around the look after a restore: another restore, runs that were under way, hands on other buttons.

Belongs here: what nobody thinks of. Does not: the usual triggers and the look itself (`test_restores`).
"""

import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.events import DagsterEvent, DagsterEventType
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.remote_origin import InProcessCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from orchestration.graph.instance import open_instance
from orchestration.graph.run_leases import PLACE_TAG
from tests.backup.places import backed_up, typed
from tests.company import MON, SHOP_ORDERS, Company

pytestmark = pytest.mark.long


def test_a_second_restore_of_one_backup_is_told_from_the_first(restored: Company, backups: Path) -> None:
    """What the first restore sent anew, the destination knows; it is another delivery now."""
    typed(restored, "delivery", "reconcile", "--restored", code=1)
    typed(restored, "delivery", "resend", SHOP_ORDERS, "--partition", MON)
    assert restored.in_postgres(MON) == [(MON, "a", 3), (MON, "b", 4)]
    restored.land_orders(MON, a=50, b=4)
    restored.run()
    assert restored.in_postgres(MON) == [(MON, "a", 50), (MON, "b", 4)]
    restored.deployment.store.close()
    shutil.rmtree(restored.settings.data_dir)
    typed(restored, "backup", "restore", str(backups))
    again = restored.read_anew()
    typed(again, "delivery", "reconcile", "--restored", code=1)
    typed(again, "delivery", "resend", SHOP_ORDERS, "--partition", MON)
    assert again.in_postgres(MON) == [(MON, "a", 3), (MON, "b", 4)]
    typed(again, "delivery", "reconcile", SHOP_ORDERS, "--partition", MON)


UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_run_that_was_under_way_at_the_backup_has_ended(
    open_bakery: Company, tmp_path: Path, elsewhere: bool
) -> None:
    dest = tmp_path / "backups"
    repository = open_bakery.definitions.get_repository_def()
    job = repository.get_implicit_global_asset_job_def()
    target = LoadableTargetOrigin(executable_path=sys.executable, module_name="orchestration.definitions")
    location = InProcessCodeLocationOrigin(target, location_name="sluice")
    repository_origin = RemoteRepositoryOrigin(location, repository.name)
    job_origin = JobPythonOrigin(
        job.name, RepositoryPythonOrigin(sys.executable, ModuleCodePointer("m", "f"))
    )
    begun: dict[str, dg.DagsterRunStatus] = {}
    with open_instance(open_bakery.settings) as instance:
        for status in UNDER_WAY:
            tags = {"dagster/partition": MON}
            if elsewhere:
                tags[PLACE_TAG] = "another machine"
            queued = status is dg.DagsterRunStatus.QUEUED
            run = instance.create_run_for_job(
                job,
                status=dg.DagsterRunStatus.NOT_STARTED if queued else status,
                tags=tags,
                remote_job_origin=repository_origin.get_job_origin(job.name),
                job_code_origin=job_origin,
            )
            if queued:
                enqueued = DagsterEvent(DagsterEventType.RUN_ENQUEUED.value, run.job_name)
                instance.report_dagster_event(enqueued, run.run_id)
            begun[run.run_id] = status
            if status is not dg.DagsterRunStatus.NOT_STARTED:
                instance.report_engine_event("at work", run)
    backed_up(open_bakery, dest)
    open_bakery.deployment.store.close()
    shutil.rmtree(open_bakery.settings.data_dir)
    typed(open_bakery, "backup", "restore", str(dest))
    again = open_bakery.read_anew()
    with open_instance(again.settings) as instance:
        assert set(begun) == {run.run_id for run in instance.get_runs() if not run.is_finished}
    again.run()
    with open_instance(again.settings) as instance:
        left = {run.run_id: run.status.value for run in instance.get_runs() if not run.is_finished}
    assert left == {}


def test_other_buttons_send_nothing_either(restored: Company, tmp_path: Path) -> None:
    there = restored.untouched()
    mended = tmp_path / "mended.csv"
    mended.write_text("x\n")
    for command in (
        ("delivery", "refusals", SHOP_ORDERS, "--retry"),
        ("run", "--retry"),
        ("export", "release", SHOP_ORDERS, "--partition", MON, "--reason", "r", "--until", "2050-01-01"),
        ("source", "restore", "orders", "--partition", MON, "--drop", "1"),
        ("table", "judge", "staging.stg_orders", "--from", MON, "--to", MON),
        (
            "delivery",
            "redeliver",
            SHOP_ORDERS,
            "--partition",
            MON,
            "--reason",
            "r",
            "--on",
            datetime.now(UTC).isoformat(),
        ),
        ("table", "rerun", "raw.orders", "--partition", MON),
    ):
        code, written, complained = restored.sluice(*command)
        assert code in (0, 1, 2), written + complained
        assert restored.untouched() == there, command
    deliveries = [
        row[0]
        for row in __import__("tests.company").company.recorded(
            restored.settings, "select delivery_id from deliveries"
        )
    ]
    for delivery in deliveries:
        code, written, complained = restored.sluice("delivery", "approve", delivery, "--reason", "r")
        assert restored.untouched() == there, delivery
