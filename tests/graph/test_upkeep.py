"""What runs by the clock: originals move to the cold tier, where a contract and a deployment say so."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from sluicegate.core.settings import Settings
from sluicegate.graph.building import build_definitions
from sluicegate.graph.instance import open_instance

from tests.company import BAKERY, MON, Company, orders
from tests.gate.edits import replace

pytestmark = pytest.mark.long


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A bakery whose orders are old after a day."""
    shutil.copytree(BAKERY, tmp_path / "bakery")
    aging = "customProperties:\n  - {property: coldAfterDays, value: 1}\n"
    replace("contracts/orders.odcs.yaml", "customProperties:\n", aging)(tmp_path / "bakery")
    return tmp_path / "bakery"


def test_old_originals_move_by_the_clock(project: Path, tmp_path: Path) -> None:
    settings = Settings.load(
        {"SLUICE_COLD_URL": str(tmp_path / "cold")}, project_dir=project, data_dir=tmp_path / "data"
    )
    company = Company(settings, "", tmp_path)
    company.land("orders", MON, orders(MON, a=3))
    company.materialize(MON, "raw/orders")
    with company.deployment.store._engine.begin() as connection:  # pyright: ignore[reportPrivateUsage]
        old = datetime.now(UTC) - timedelta(days=2)
        connection.exec_driver_sql("update drops set landed_at = ?", (old.strftime("%Y-%m-%d %H:%M:%S.%f"),))
    company.deployment.store.close()
    repository = build_definitions(settings).get_repository_def()
    schedule = repository.get_schedule_def("cold_tier")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    with open_instance(settings) as instance:
        assert repository.get_job(schedule.job.name).execute_in_process(instance=instance).success
    assert [path.name for path in (tmp_path / "cold").rglob("*.gz")] == [f"{MON}.csv.gz"]
    assert not list((tmp_path / "data" / "originals").rglob("*.gz"))
    # It is read where it is now.
    assert company.materialize(MON, "raw/orders")[0]


@pytest.mark.parametrize("cold", [True, False])
def test_nothing_runs_by_the_clock_without_need(project: Path, tmp_path: Path, cold: bool) -> None:
    environ = {"SLUICE_COLD_URL": str(tmp_path / "cold")} if cold else {}
    settings = Settings.load(environ, project_dir=BAKERY if cold else project, data_dir=tmp_path / "data")
    assert list(build_definitions(settings).get_repository_def().schedule_defs) == []
