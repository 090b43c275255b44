"""A run that failed and says nothing about the data is tried once more, a while after; no other is.

Belongs here: what is started again by itself, and how often. Does not: `--retry` (`test_retries`), and checks
that could not run.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from pydantic import SecretStr
from sluicegate.graph.finished import Finished
from sluicegate.graph.headless import Started, run_everything
from sluicegate.graph.in_process import execute_here
from sluicegate.graph.instance import open_instance
from sluicegate.operations.due_run import TRY_TAG
from sluicegate.operations.status import Standing

from tests.company import SHOP_ORDERS, TUE, WEATHER_REPORT, Company
from tests.gate.edits import append
from tests.run.breaking import be_broken, be_there
from tests.run.test_sensor_ticks import tick

pytestmark = [pytest.mark.long, pytest.mark.stories(2)]
Looks = Callable[[Company], object]


def _vendor_down(company: Company) -> Company:
    down = {**company.settings.connections, "shop_screens": SecretStr("postgresql://u:p@127.0.0.1:1/nowhere")}
    company.land_day(TUE, a=4)
    return replace(company, settings=company.settings.model_copy(update={"connections": down}))


def _table_breaks(company: Company) -> Company:
    company = company.with_own_project()
    model = "dbt_project/models/staging/stg_orders.sql"
    append(model, "and bit_length('') = 0\n")(company.settings.project_dir)
    company.land_day(TUE, a=4)
    # A storage that does not answer: what the engine says of a value is no passing reason.
    return be_broken(company, "(select size from read_blob('nowhere'))")


def _check_fails(company: Company) -> Company:
    company.land_orders(TUE, a=4)
    company.land_weather(TUE, rain=-1)
    return company


def _check_fails_beside(company: Company) -> Company:
    """One table breaks, and of another a check fails: that is a word about the data."""
    company = _table_breaks(company)
    company.land_weather(TUE, rain=-1)
    return company


def _drop_is_refused(company: Company) -> Company:
    company.land_orders(TUE, a=4)
    company.land("weather", TUE, f"date,town\n{TUE},Ulm\n")
    return company


def _delivery_is_held(company: Company) -> Company:
    company = company.with_own_project()
    append(f"exports/{SHOP_ORDERS}.yml", "limits:\n  rows: {min: 50}\n")(company.settings.project_dir)
    company.land_day(TUE, a=4)
    return company


def _project_changed(company: Company) -> Company:
    company = company.with_own_project()
    company.land_day(TUE, a=4)
    assert company.project is not None
    append("dbt_project/models/staging/stg_orders.sql", "and true\n")(company.settings.project_dir)
    return company


def by_command(company: Company) -> None:
    company.run()


def by_sensor(company: Company) -> None:
    """As the daemon does: a tick, then the runs that it asked for."""
    asked = tick(company, lambda _: None, first=True)
    job = company.definitions.get_repository_def().get_implicit_global_asset_job_def()
    with open_instance(company.settings) as instance:
        for request in asked.run_requests or ():
            known = instance.get_runs(dg.RunsFilter(tags={"dagster/run_key": request.run_key or ""}))
            if known:  # Dagster starts nothing twice by one key
                continue
            execute_here(
                instance, company.deployment, job, request.asset_selection or (),
                request.asset_check_keys or (), run_config={},
                tags={**request.tags, "dagster/run_key": request.run_key or ""}
                | ({"dagster/partition": request.partition_key} if request.partition_key else {}),
            )  # fmt: skip


def starts(company: Company) -> list[dg.DagsterRunStatus]:
    """Return what became of each run of Tuesday, oldest first."""
    with open_instance(company.settings) as instance:
        runs = instance.get_runs(dg.RunsFilter(tags={"dagster/partition": TUE}))
    return [run.status for run in reversed(runs) if TRY_TAG in run.tags]  # no mark of the gate's


def looks(company: Company, *minutes: float, by: Looks) -> None:
    """Look at moments from now on, each with records that are opened then."""
    for passed in minutes:
        then = datetime.now(UTC) + timedelta(minutes=passed)
        later = replace(company, clock=lambda then=then: then)
        vars(later)["project"] = company.project  # of a process that has loaded it before
        by(later)


FAILURE, SUCCESS = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS
BY: dict[str, Looks] = {"command": by_command, "sensor": by_sensor}
KINDS: dict[str, tuple[Callable[[Company], Company], int]] = {
    "a vendor is down": (_vendor_down, 2),
    "a table breaks": (_table_breaks, 2),
    "a check fails": (_check_fails, 1),
    "a check fails beside": (_check_fails_beside, 1),
    "a drop is refused": (_drop_is_refused, 1),
    "a delivery is held": (_delivery_is_held, 1),
    "the project changed": (_project_changed, 1),
}


@pytest.mark.parametrize("by", BY.values(), ids=BY)
@pytest.mark.parametrize(("fails", "often"), KINDS.values(), ids=KINDS)
@pytest.mark.sampled(7)
def test_what_fails_always_is_started_so_often(
    open_bakery: Company, fails: Callable[[Company], Company], often: int, by: Looks
) -> None:
    company = fails(open_bakery)
    looks(company, 0, 1, 4, by=by)
    assert starts(company) == [FAILURE]
    looks(company, 6, by=by)
    assert starts(company) == [FAILURE] * often
    looks(company, 6, 12, 60 * 24 * 3, by=by)
    assert starts(company) == [FAILURE] * often


def test_the_two_who_ask_count_together(open_bakery: Company) -> None:
    company = _table_breaks(open_bakery)
    looks(company, 0, by=by_sensor)
    looks(company, 6, by=by_command)
    looks(company, 12, 18, by=by_sensor)
    assert starts(company) == [FAILURE] * 2


@pytest.mark.parametrize("by", BY.values(), ids=BY)
@pytest.mark.sampled(2)
def test_what_was_down_is_sent_by_the_second_try_and_built_once(open_bakery: Company, by: Looks) -> None:
    looks(_vendor_down(open_bakery), 0, by=by)
    built = open_bakery.deployment.store.latest_builds("exports.exp_shop_orders")[TUE]
    looks(open_bakery, 6, 12, by=by)
    assert starts(open_bakery) == [FAILURE, SUCCESS]
    assert open_bakery.status()[(SHOP_ORDERS, TUE)].standing is Standing.DELIVERED
    assert open_bakery.deployment.store.latest_builds("exports.exp_shop_orders")[TUE] == built


@pytest.mark.parametrize("by", BY.values(), ids=BY)
@pytest.mark.sampled(2)
def test_what_broke_is_built_by_the_second_try(open_bakery: Company, by: Looks) -> None:
    company = _table_breaks(open_bakery)
    looks(company, 0, by=by)
    be_there(company)
    looks(company, 6, 12, by=by)
    assert starts(company) == [FAILURE, SUCCESS]
    standings = {name: company.status()[(name, TUE)].standing for name in (SHOP_ORDERS, WEATHER_REPORT)}
    assert set(standings.values()) == {Standing.DELIVERED}


def test_a_try_of_new_data_is_a_first_one_again(open_bakery: Company) -> None:
    company = _table_breaks(open_bakery)
    looks(company, 0, 6, by=by_command)
    company.land_orders(TUE, a=5)
    looks(company, 12, 18, 24, by=by_command)
    assert starts(company) == [FAILURE] * 4


def test_a_run_that_a_person_ended_stays_so(open_bakery: Company) -> None:
    company = _vendor_down(open_bakery)
    looks(company, 0, by=by_command)
    with open_instance(company.settings) as instance:
        [run] = instance.get_runs(dg.RunsFilter(tags={"dagster/partition": TUE}))
        instance.report_run_canceled(run)
    looks(company, 6, 12, by=by_command)
    assert len(starts(company)) == 1


def test_how_long_it_waits_is_a_setting(open_bakery: Company) -> None:
    company = _vendor_down(open_bakery)
    company = replace(company, settings=company.settings.model_copy(update={"run_retry_seconds": 60}))
    looks(company, 0, 0.5, by=by_command)
    assert starts(company) == [FAILURE]
    looks(company, 2, 3, by=by_command)
    assert starts(company) == [FAILURE] * 2


@pytest.mark.parametrize("fails", [_vendor_down, _table_breaks])
def test_of_two_who_look_at_the_same_instant_one_starts_the_second_try(
    open_bakery: Company, fails: Callable[[Company], Company]
) -> None:
    company = fails(open_bakery)
    looks(company, 0, by=by_command)
    then = datetime.now(UTC) + timedelta(minutes=6)
    later = replace(company, clock=lambda: then)
    vars(later)["project"] = company.project
    with open_instance(company.settings) as one, open_instance(company.settings) as other:
        first, second = (run_everything(later.desk(instance)) for instance in (one, other))
        assert any(isinstance(event, Started) for event in first)  # and has not run it yet
        assert [event for event in second if isinstance(event, Started)] == []
        # Nor does the daemon, and both leave it to whoever has it.
        assert not tick(later, lambda _: None, first=True).run_requests
        assert [event.success for event in first if isinstance(event, Finished)] == [False]
    assert starts(company) == [FAILURE] * 2
    looks(company, 12, by=by_command)
    assert starts(company) == [FAILURE] * 2
