"""The gate with Dagster's own records in Postgres: a project's `dagster.yaml` says where they are."""

import shutil
from dataclasses import replace
from pathlib import Path

import dagster as dg
import psycopg
import pytest
from sluicegate.core.settings import REPOSITORY
from sluicegate.graph.instance import open_instance

from tests.company import BAKERY, MON, SHOP_ORDERS, TUE, WEATHER_REPORT, Company, held, runs

pytestmark = pytest.mark.long


@pytest.fixture
def bakery_on_postgres(bakery: Company, tmp_path: Path) -> Company:
    """The bakery; its project has a `dagster.yaml` that names the tests' Postgres."""
    project_dir = tmp_path / "bakery"
    shutil.copytree(BAKERY, project_dir)
    storage = f"\nstorage:\n  postgres:\n    postgres_url: {bakery.postgres_url!r}\n"
    (project_dir / "dagster.yaml").write_text((REPOSITORY / "dagster.yaml").read_text() + storage)
    return replace(bakery, settings=bakery.settings.model_copy(update={"project_dir": project_dir}))


def test_the_gate_holds_and_opens_with_dagsters_records_in_postgres(bakery_on_postgres: Company) -> None:
    company = bakery_on_postgres
    company.land_shops("a")
    company.land_day(MON, a=3)
    company.land_orders(TUE, a=1)
    company.land_weather(TUE, rain=-1)
    events = company.run()
    assert runs(events) == [("", True), (MON, True), (TUE, False)]
    assert held(events) == [(SHOP_ORDERS, TUE), (WEATHER_REPORT, TUE)]
    ok, said = company.materialize(TUE, "delivered/exp_weather_report")
    assert not ok
    assert "staging.stg_weather [2024-01-02]" in said
    assert company.in_container() == {MON: 1}
    assert company.check_results("delivered/exp_weather_report", "gate")[TUE][0] is False

    company.land_weather(TUE, rain=2)
    assert runs(company.run()) == [(TUE, True)]
    assert company.in_container() == {MON: 1, TUE: 1}
    assert company.check_results("delivered/exp_weather_report", "gate")[TUE][0] is True
    with open_instance(company.settings) as instance:
        assert "Postgres" in type(instance.run_storage).__name__
        assert len(instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS]))) >= 3
    with psycopg.connect(company.postgres_url) as connection:
        counted = connection.execute("select count(*) from asset_check_executions").fetchone()
        assert counted is not None
        assert counted[0] > 0
