"""The demo's broken day: one page for all that it holds, and one word that it is over."""

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sluicegate.core.settings import REPOSITORY, Settings
from sluicegate.demo.faults import Fault
from sluicegate.demo.generate import generate_feed
from sluicegate.operations.status import Standing

from tests.company import NO_WAIT, Company
from tests.doubles.pagerduty import PagerDutyDouble
from tests.doubles.serving import serve
from tests.incidents.places import KEY
from tests.run.test_incidents import ALERTS, Called
from tests.typed import sluice

pytestmark = pytest.mark.long
_SUNDAY = 6
# The newest two days that are over and have sales, which Sundays have not: nobody sets Dagster's clock.
START = next(
    day
    for back in range(2, 6)
    if _SUNDAY
    not in ((day := datetime.now(UTC).date() - timedelta(days=back)).weekday(), (day.weekday() + 1) % 7)
)
BROKEN = START + timedelta(days=1)


@pytest.fixture
def demo(tmp_path: Path, database_url: str) -> Company:
    """The demo's company on a copy of its folders, with a pager."""
    project = tmp_path / "project"
    for name in ("contracts", "dbt_project", "expectations", "exports"):
        shutil.copytree(REPOSITORY / name, project / name)
    (project / "alerts.yaml").write_text(ALERTS)
    environ = {
        "SLUICE_CONNECTION_RETAILER_APP": database_url,
        "SLUICE_CONNECTION_PARTNER_DROP": str(tmp_path / "container"),
        **NO_WAIT,
    }
    settings = Settings.load(environ, project_dir=project, data_dir=tmp_path / "data")
    return Company(settings, database_url, tmp_path / "container")


def test_the_broken_day_is_one_page_for_all_that_it_holds(demo: Company, tmp_path: Path) -> None:
    pager = PagerDutyDouble(KEY)
    faults = [Fault.parse(f"inventory:{BROKEN}:missing-stores")]
    for name, wrong in (("broken", faults), ("sound", [])):
        generate_feed(tmp_path / name, start=START, days=2, stores=20, products=60, seed=1, faults=wrong)
    with serve(pager.app) as address:
        connections = {**demo.settings.connections, "pagerduty": SecretStr(f"pagerduty://:{KEY}@{address}")}
        settings = demo.settings.model_copy(update={"connections": connections})
        company = replace(demo, settings=settings)
        called = Called(company, pager)
        called.look()
        _land(company, tmp_path / "broken", "stores", "products")
        _land(company, tmp_path / "broken", *(f"{name}/{START}" for name in ("sales", "inventory")))
        company.run()
        # A day that is held contacts no vendor, so none has to be there.
        names = {export.spec.destination.connection for export in company.project.exports.values()}
        whole = dict.fromkeys(names, SecretStr("https://u:p@127.0.0.1:1")) | connections
        called = Called(replace(demo, settings=settings.model_copy(update={"connections": whole})), pager)
        _land(company, tmp_path / "broken", *(f"{name}/{BROKEN}" for name in ("sales", "inventory")))
        pager.faults.fail(503)  # down in between
        called.company.run()
        called.look()
        assert called.told == []
        called.later(minutes=1).look()
        held = [item for item in company.status().values() if item.standing is Standing.HELD]
        [incident] = [
            item for item in company.deployment.store.incidents.open() if item.partition_key == str(BROKEN)
        ]
        assert {item["export"] for item in incident.affected} == {*company.project.exports}
        assert len(company.project.exports) == 7
        assert {row.name for row in held} <= {item["export"] for item in incident.affected}
        assert [action for action, name in called.told if str(BROKEN) in name] == ["trigger"]
        _land(company, tmp_path / "sound", f"inventory/{BROKEN}")
        company.run()
        Called(company, pager).later(minutes=20).look()
        assert [action for action, name in called.told if str(BROKEN) in name] == ["trigger", "resolve"]


def _land(company: Company, feed: Path, *names: str) -> None:
    for name in names:
        file = str(feed / f"{name}.csv.gz")
        assert sluice(company, "land", name.partition("/")[0], file)[0] == 0
