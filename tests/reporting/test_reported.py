"""What a look collects: each run once, whoever was killed where, within its time; what files say of promises.

Belongs here: collecting, beside a real instance of Dagster. Does not: what the views make of it
(`test_promises`).
"""

import uuid
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import dagster as dg
import pytest
from dagster._core.storage.dagster_run import FINISHED_STATUSES
from dagster._core.storage.runs.schema import RunsTable
from pydantic import SecretStr
from sluicegate.graph.incidents import look_at
from sluicegate.graph.instance import open_instance
from sluicegate.graph.reported import report
from sluicegate.incidents.alerts_file import load_alerts
from sluicegate.incidents.looking import look
from sluicegate.operations.site import Site
from sluicegate.project.loading import Project
from sluicegate.reporting.collect import excuse, excused
from sluicegate.state.deployment import Deployment
from sluicegate.state.ops import Operations
from sluicegate.state.ops_views import DEFINITIONS, VIEWS

from tests.canaries import found_in
from tests.company import MON, SHOP_ORDERS, TUE, Company
from tests.typed import sluice

if TYPE_CHECKING:
    from dagster._core.storage.runs.sql_run_storage import SqlRunStorage

pytestmark = [pytest.mark.stories(1)]
WINDOWS = """
routes: [{to: log}]
maintenance:
  - {name: month end, export: "exp_shop*", cron: "0 5 * * *", for: 2 h}
  - {name: tills move, source: orders, from: 2024-01-03T00:00, until: 2024-01-03T12:00}
"""


NOWHERE = "postgresql://u:p4ssw0rd@127.0.0.1:1/nowhere"


class Killed(BaseException):
    """The process ends here."""


def rows(company: Company, view: str) -> list[dict[str, Any]]:
    return list(company.deployment.store.operations.rows(VIEWS[view]))


def finished(instance: dg.DagsterInstance) -> set[str]:
    return set(instance.get_run_ids(dg.RunsFilter(statuses=list(FINISHED_STATUSES))))


@pytest.mark.long
def test_a_run_is_told_whole_by_command_and_by_look(open_bakery: Company) -> None:
    """Monday was sent; Tuesday's vendor is down, so its step says with what it failed."""
    down = {**open_bakery.settings.connections, "shop_screens": SecretStr(NOWHERE)}
    open_bakery.land_day(TUE, a=4)
    company = replace(open_bakery, settings=open_bakery.settings.model_copy(update={"connections": down}))
    code, _ = sluice(company, "run")
    assert code == 1
    runs = {row["partition_key"]: row for row in rows(company, "runs")}
    assert {key: row["status"] for key, row in runs.items()} == {
        "": "success",
        MON: "success",
        TUE: "failure",
    }
    assert runs[TUE]["failed_step"] == f"deliver__{SHOP_ORDERS}"
    assert all(row["started_by"] == "command" for row in runs.values())
    steps = {row["step"]: row for row in rows(company, "steps") if row["partition_key"] == TUE}
    failed = steps[f"deliver__{SHOP_ORDERS}"]
    assert (failed["kind"], failed["name"], failed["status"]) == ("export", SHOP_ORDERS, "failure")
    assert failed["error_class"]
    loaded = steps["load__orders"]
    assert (loaded["kind"], loaded["name"], loaded["attempts"]) == ("source", "raw.orders", 1)
    with open_instance(company.settings) as instance:
        desk = company.desk(instance)
        stats = {one.step_key: one for one in instance.get_run_step_stats(runs[TUE]["run_id"])}
        assert {key: row["ended_at"].timestamp() for key, row in steps.items()} == pytest.approx(
            {key: one.end_time for key, one in stats.items()}
        )
        before = rows(company, "runs"), rows(company, "steps")
        look_at(desk)
        report(desk)
        assert {row["run_id"] for row in before[0]} == finished(instance)
    assert (rows(company, "runs"), rows(company, "steps")) == before
    assert {name: len(rows(company, name)) > 0 for name in DEFINITIONS} == dict.fromkeys(DEFINITIONS, True)
    code, said = sluice(company, "ops", "show", "steps", "--json")
    assert (code, failed["error_class"] in said) == (0, True)
    # Neither what the vendor said, nor what a drop holds.
    told = "".join(str(rows(company, name)) for name in VIEWS).encode()
    assert [value for value in ("nowhere", "127.0.0.1", "p4ssw0rd", "Ulm") if found_in(told, value)] == []


def _many(instance: dg.DagsterInstance, number: int) -> None:
    for _ in range(number):
        status = dg.DagsterRunStatus.SUCCESS
        instance.add_run(dg.DagsterRun(job_name="judge", run_id=str(uuid.uuid4()), status=status))


@pytest.mark.long
def test_killed_anywhere_nothing_is_lost_or_counted_twice(
    open_bakery: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What piled up comes a batch a look, when looks have no time at all."""
    with open_instance(open_bakery.settings) as instance:
        _many(instance, 43)
        desk = open_bakery.desk(instance)
        for name in ("define", "add_runs", "set_until"):
            for after in (False, True):
                with monkeypatch.context() as patched:
                    patched.setattr(Operations, name, _dying(getattr(Operations, name), after))
                    with pytest.raises(Killed):
                        report(desk, seconds=60)
                    monkeypatch.undo()
                if name == "define" and after:
                    break
        counts = len(rows(open_bakery, "runs"))
        assert counts >= 20
        while not report(desk, seconds=0):
            grown = len(rows(open_bakery, "runs"))
            assert counts < grown <= counts + 20
            counts = grown
        assert sorted(row["run_id"] for row in rows(open_bakery, "runs")) == sorted(finished(instance))
        assert len(rows(open_bakery, "steps")) == 10
        # One that a process of another clock put on record a while ago is not lost.
        _many(instance, 1)
        report(desk)
        assert {row["run_id"] for row in rows(open_bakery, "runs")} == finished(instance)
        # Nor is one that ended while nobody looked, since a look whose clock was ahead.
        _many(instance, 1)
        with cast("SqlRunStorage", instance.run_storage).connect() as connection:
            an_hour_ago = datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=1)
            connection.execute(RunsTable.update().values(update_timestamp=an_hour_ago))
        open_bakery.deployment.store.operations.set_until("runs", datetime.now(UTC) + timedelta(days=3))
        report(desk)
        assert {row["run_id"] for row in rows(open_bakery, "runs")} == finished(instance)
        open_bakery.deployment.store.operations.forget(datetime.now(UTC) + timedelta(days=1))
        assert (rows(open_bakery, "runs"), rows(open_bakery, "steps")) == ([], [])


def _dying(does: Callable[..., Any], after: bool) -> Callable[..., Any]:
    def dies(*arguments: Any) -> None:
        if after:
            does(*arguments)
        raise Killed

    return dies


DUE = [
    ("delivery", SHOP_ORDERS, MON, "2024-01-02T05:00", "month end"),
    ("delivery", SHOP_ORDERS, MON, "2024-01-02T06:59", "month end"),
    ("delivery", SHOP_ORDERS, MON, "2024-01-02T07:00", ""),
    ("delivery", "exp_weather_report", MON, "2024-01-02T05:00", ""),
    ("source", "orders", TUE, "2024-01-03T06:00", "tills move"),
    ("source", "orders", MON, "2024-01-02T06:00", ""),
    ("source", "weather", TUE, "2024-01-03T06:00", ""),
]


def test_a_window_excuses_what_is_due_in_it_and_what_it_selects(
    records_alone: Company,
    bakery_project: Project,
) -> None:
    company = records_alone.with_own_project()
    (company.settings.project_dir / "alerts.yaml").write_text(WINDOWS)
    alerts = load_alerts(company.settings.project_dir, bakery_project)
    for kind, name, key, at, window in DUE:
        moment = datetime.fromisoformat(f"{at}+00:00")
        found = excused(alerts, bakery_project, [(kind, name, key, moment)])
        assert found == {(kind, name, key): window}, (name, at)


def test_a_file_that_does_not_hold_decides_nothing(
    records_alone: Company,
    bakery_project: Project,
) -> None:
    company = records_alone.with_own_project()
    site, file = Site(company.deployment, bakery_project), company.settings.project_dir / "alerts.yaml"
    store, due = company.deployment.store, datetime(2024, 1, 2, 5, tzinfo=UTC)
    store.incidents.note_due({("delivery", SHOP_ORDERS, MON): (due, due)})
    file.write_text("routes: [{to: nowhere}]")
    excuse(site, due)
    assert store.operations.undecided(due)
    file.write_text(WINDOWS)
    excuse(site, due - timedelta(seconds=1))  # it is not due yet
    excuse(site, due)
    file.unlink()  # what is decided stays
    excuse(site, due)
    [row] = store.operations.rows(VIEWS["promises"])
    assert (row["verdict"], row["excused_by"]) == ("excused", "month end")


def test_a_look_of_another_day_forgets_what_is_old(records_alone: Company, bakery_project: Project) -> None:
    """As long as the setting says: what ended before goes, what ended since stays."""
    settings = records_alone.settings.model_copy(update={"operations_kept_days": 40})
    now = records_alone.clock()
    ages = {"old": 42, "kept": 38}
    with closing(Deployment(settings, lambda: now)) as deployment:
        for name, days in ages.items():
            ends = now - timedelta(days=days)
            deployment.store.incidents.note_due({("delivery", name, "k"): (ends, ends)})
            run = dict.fromkeys(("queued_at", "started_at", "ended_at", "collected_at"), ends)
            told = dict.fromkeys(
                ("job", "partition_key", "started_by", "status", "retry_of", "failed_step"), ""
            )
            deployment.store.operations.add_runs([{"run_id": name, **told, **run}], [])
        look(Site(deployment, bakery_project), write=lambda _: None)
    with closing(Deployment(settings, lambda: now + timedelta(days=1))) as deployment:
        look(Site(deployment, bakery_project), write=lambda _: None)
        operations = deployment.store.operations
        assert [row["run_id"] for row in operations.rows(VIEWS["runs"])] == ["kept"]
        assert {row["name"] for row in operations.rows(VIEWS["promises"])} & {*ages} == {"kept"}
