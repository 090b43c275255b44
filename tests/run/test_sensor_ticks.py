"""The sensor's ticks: how long each looks, and what it asks for.

Belongs here: one tick, without the daemon. Does not: what is due.
"""

from collections.abc import Callable
from dataclasses import replace

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData
from sluicegate.graph.instance import open_instance
from sluicegate.graph.sensors import drops_sensor
from sluicegate.operations.site import Site
from sluicegate.state.leases import run_name

from tests.company import MON, Company
from tests.unit.test_state_leases import HOLDERS, HOUR, held_by


def tick(
    company: Company, pause: Callable[[float], object], *, interval: int = 1, first: bool = False
) -> SensorExecutionData:
    """Evaluate the sensor as Dagster's daemon does."""
    settings = company.settings.model_copy(update={"sensor_interval_seconds": interval})
    sensor = drops_sensor(Site(replace(company.deployment, settings=settings), company.project), pause)
    with open_instance(company.settings) as instance:
        context = dg.SensorEvaluationContext(
            instance_ref=None,
            instance=instance,
            last_tick_completion_time=None if first else 1.0,
            definitions=company.definitions,
        )
        return sensor.evaluate_tick(context)


def test_what_lands_while_a_tick_waits_starts_its_run_in_that_tick(open_bakery: Company) -> None:
    company = open_bakery
    waited: list[float] = []

    def land(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 2:
            company.land_day(MON, a=1)

    asked = tick(company, land)
    assert [request.partition_key for request in asked.run_requests or ()] == [MON]
    assert waited == [1, 1], "it ends with the look that finds something"


@pytest.mark.parametrize(
    ("interval", "first", "waits"),
    [(1, False, [1, 1, 1, 1]), (2, False, [2, 2]), (5, False, []), (60, False, []), (1, True, [])],
)
def test_a_tick_that_finds_nothing_looks_until_the_next_one_would_come(
    open_bakery: Company, interval: int, first: bool, waits: list[float]
) -> None:
    waited: list[float] = []
    asked = tick(open_bakery, waited.append, interval=interval, first=first)
    assert not asked.run_requests
    assert asked.skip_message == "nothing has landed since the last look"
    assert waited == waits


def test_a_tick_marks_a_run_as_failed_whose_process_is_gone_and_leaves_the_others_alone(
    open_bakery: Company,
) -> None:
    @dg.job
    def day() -> None: ...

    started, url = dg.DagsterRunStatus.STARTED, open_bakery.settings.state_url.get_secret_value()
    with open_instance(open_bakery.settings) as instance:
        runs = {who: instance.create_run_for_job(day, status=started).run_id for who in HOLDERS}
    for who, run_id in runs.items():
        held_by(url, HOLDERS[who][0], HOUR, name=run_name(run_id))
    tick(open_bakery, lambda _: None, first=True)
    with open_instance(open_bakery.settings) as instance:
        left = {run.run_id for run in instance.get_runs(dg.RunsFilter(statuses=[started]))}
        failed = {
            run.run_id for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
        }
    assert failed == {runs[who] for who, (_, gone) in HOLDERS.items() if gone}
    assert left == {runs[who] for who, (_, gone) in HOLDERS.items() if not gone}
