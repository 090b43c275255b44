"""What is held for another reason than before, what has failed, and what is tried again."""

from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr
from sluicegate.graph.event_log import ease_event_log
from sluicegate.graph.finished import Finished
from sluicegate.graph.headless import Complaint
from sluicegate.operations.status import Standing
from sqlalchemy import create_engine, text

from tests.company import MON, SHOP_ORDERS, TUE, WEATHER_REPORT, WED, Company, finished, held

pytestmark = [pytest.mark.long, pytest.mark.stories(2)]
GATE = ("delivered/exp_weather_report", "gate")


def test_a_day_held_for_one_reason_and_then_another_tells_the_newer(open_bakery: Company) -> None:
    company = open_bakery
    company.land_orders(TUE, a=1)
    company.land_weather(TUE, rain=-1)
    assert (WEATHER_REPORT, TUE) in held(company.run())
    assert "stg_weather" in company.check_results(*GATE)[TUE][1]
    # A hand on the button in between, as the on-call engineer would try.
    ok, _ = company.materialize(TUE, "delivered/exp_weather_report")
    assert not ok
    assert (WEATHER_REPORT, TUE) in held(company.run())
    company.land("weather", TUE, f"date,town,rain_mm,wind\n{TUE},Ulm,1,2\n")
    company.run()
    company.land_weather(TUE, rain=-2)
    assert (WEATHER_REPORT, TUE) in held(company.run())
    passed, said = company.check_results(*GATE)[TUE]
    assert passed is False
    assert said.startswith("held, nothing was sent")
    company.land_weather(TUE, rain=2)
    assert held(company.run()) == []
    assert company.check_results(*GATE)[TUE][0] is True
    assert company.status()[(WEATHER_REPORT, TUE)].standing is Standing.DELIVERED


def test_what_failed_on_a_dead_destination_goes_through_on_retry(open_bakery: Company) -> None:
    whole = open_bakery
    dead = {**whole.settings.connections, "shop_screens": SecretStr("postgresql://u:p@127.0.0.1:1/nowhere")}
    without = replace(whole, settings=whole.settings.model_copy(update={"connections": dead}))
    without.land_day(TUE, a=4)
    runs = finished(without.run())
    assert [run.success for run in runs] == [False]
    assert any("127.0.0.1" in failure for failure in runs[0].failures)
    assert whole.status()[(SHOP_ORDERS, TUE)].standing is Standing.READY
    assert finished(whole.run()) == []
    assert [run.success for run in finished(whole.run(retry=True))] == [True]
    assert whole.in_postgres(TUE) == [(TUE, "a", 7), (TUE, "b", 4)]
    assert finished(whole.run(retry=True)) == []


def test_a_long_silence_is_told_and_a_day_to_come_is_not_taken(open_bakery: Company) -> None:
    company = open_bakery
    company.land_weather("2024-03-01")
    company.land_orders("2099-01-01", a=1)
    complaints = [event.text for event in company.run() if isinstance(event, Complaint)]
    assert any("59 days without a drop before 2024-03-01" in text for text in complaints)
    assert any("lies in the future" in text for text in complaints)
    assert TUE not in company.deployment.store.drops.latest("weather")
    company.land_weather(WED)
    company.run()
    assert TUE in company.deployment.store.drops.latest("weather")


def test_the_event_log_is_whole_and_eased_in_its_own_directory_alone(tmp_path: Path) -> None:
    home = tmp_path / "dagster"
    home.mkdir()
    ease_event_log(home)
    levels: dict[str, int] = {}
    for folder in (home, tmp_path):
        engine = create_engine(f"sqlite:///{folder / 'events.db'}")
        with engine.connect() as connection:
            connection.execute(text("pragma journal_mode = wal"))
            levels[folder.name] = int(connection.execute(text("pragma synchronous")).scalar_one())
        engine.dispose()
    assert levels == {"dagster": 1, tmp_path.name: 2}


def test_monday_stays_delivered(open_bakery: Company) -> None:
    events = [event for event in open_bakery.run() if isinstance(event, Finished)]
    assert events == []
    assert open_bakery.status()[(SHOP_ORDERS, MON)].standing is Standing.DELIVERED
