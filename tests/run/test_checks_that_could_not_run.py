"""An error is not a failure: a check that could not run has no verdict, and is tried again, not for ever."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from orchestration.operations.instance import open_instance
from orchestration.operations.releasing import gate_report
from orchestration.operations.status import Standing
from orchestration.quality.gate import Verdict
from orchestration.state.check_errors import TRIED_AGAIN_AFTER
from tests.company import MON, SHOP_ORDERS, WEATHER_REPORT, Company, failures, held, runs
from tests.run.test_repairs import sluice

pytestmark = pytest.mark.long
ORDERS = "staging.stg_orders"


# Selects nothing, and breaks until somebody has made the table.
WAITS = "select 1 from main.there where false"


def _make_it(company: Company) -> None:
    with company.deployment.warehouse.connect() as connection:
        connection.execute("create table main.there as select 1 as number")


def _of_dbt(folder: Path, severity: str = "error") -> None:
    file = folder / "dbt_project/dbt_project.yml"
    file.write_text(
        file.read_text().replace('model-paths: ["models"]', 'model-paths: ["models"]\ntest-paths: ["tests"]')
    )
    (folder / "dbt_project/tests").mkdir()
    (folder / "dbt_project/tests/breaks.sql").write_text(
        f"{{{{ config(severity='{severity}') }}}}\n-- depends_on: {{{{ ref('stg_orders') }}}}\n{WAITS}\n"
    )


def _of_a_suite(folder: Path, severity: str = "critical") -> None:
    with (folder / "expectations/stg_orders.yml").open("a") as file:
        file.write(
            "  - type: unexpected_rows_expectation\n    kwargs:\n      unexpected_rows_query: >-\n"
            f"        {WAITS} and exists (select 1 from {{batch}})\n    severity: {severity}\n"
        )


KINDS: dict[str, Callable[..., None]] = {"breaks": _of_dbt, "expectations": _of_a_suite}


def _company(bakery: Company, check: str, *severity: str) -> Company:
    company = bakery.with_own_project()
    KINDS[check](company.settings.project_dir, *severity)
    company = replace(company, settings=company.settings.model_copy(update={"check_retry_seconds": 0}))
    company.land_shops("a")
    company.land_day(MON, a=3)
    return company


@pytest.mark.parametrize("check", KINDS)
def test_an_error_holds_without_a_verdict_and_runs_once_its_cause_is_gone(
    bakery: Company, check: str
) -> None:
    company = _company(bakery, check)
    events = company.run()
    assert "could not run" in failures(events)
    assert (SHOP_ORDERS, MON) in held(events)
    assert company.in_postgres() == []
    # No other check is taken along, and nothing else is held.
    said = {item.check: item.passed for item in company.deployment.store.evidence_of([(ORDERS, MON)])}
    assert said == dict.fromkeys({"expectations", "breaks", "unique_stg_orders_order_number"} & {*said}, True)
    assert check not in said
    assert company.status()[(WEATHER_REPORT, MON)].standing is Standing.DELIVERED
    row = company.status()[(SHOP_ORDERS, MON)]
    assert row.standing is Standing.HELD
    assert f"`{check}`: could not run" in row.why
    assert company.check_results("staging/stg_orders", check) == {}
    with open_instance(company.settings) as instance:
        tries = _retries(instance)
    assert tries == 2
    # Its time has not come, so nothing is tried.
    assert company.run() != []
    _make_it(company)
    later = replace(company, clock=lambda: datetime.now(UTC) + TRIED_AGAIN_AFTER[0] + timedelta(minutes=1))
    built = company.deployment.store.latest_builds(ORDERS)[MON].version
    assert failures(later.run()) == ""
    assert company.in_postgres() == [(MON, "a", 3)]
    assert company.deployment.store.latest_builds(ORDERS)[MON].version == built
    assert company.deployment.store.check_errors.all() == []


def _retries(instance: dg.DagsterInstance) -> int:
    return sum(
        record.dagster_event is not None
        and record.dagster_event.event_type is dg.DagsterEventType.STEP_UP_FOR_RETRY
        for run in instance.get_runs()
        for record in instance.all_logs(run.run_id)
    )


@pytest.mark.parametrize("check", KINDS)
def test_it_is_given_up_in_the_end_and_a_person_can_judge(bakery: Company, check: str) -> None:
    company = _company(bakery, check)
    company.run()
    moment = datetime.now(UTC)
    for wait in TRIED_AGAIN_AFTER:
        moment += wait + timedelta(minutes=1)
        later = replace(company, clock=lambda moment=moment: moment)
        assert runs(later.run()) == [(MON, False)]
    assert runs(replace(company, clock=lambda: moment + timedelta(days=30)).run()) == []
    (finding,) = [
        item
        for item in gate_report(company.deployment, company.project, SHOP_ORDERS, MON).closed_by
        if item.verdict is Verdict.COULD_NOT_RUN
    ]
    assert "(5 tries, given up)" in finding.summary
    code, _ = sluice(company, *finding.fix.strip("`").split()[1:])
    assert code == 1
    _make_it(company)
    code, said = sluice(company, *finding.fix.strip("`").split()[1:])
    assert code == 0, said
    assert failures(company.run()) == ""
    assert company.in_postgres() == [(MON, "a", 3)]


@pytest.mark.parametrize(("check", "severity"), [("breaks", "warn"), ("expectations", "warning")])
def test_what_only_warns_holds_nothing_by_an_error(bakery: Company, check: str, severity: str) -> None:
    company = _company(bakery, check, severity)
    assert failures(company.run()) == ""
    assert company.in_postgres() == [(MON, "a", 3)]
    passed, said = company.check_results("staging/stg_orders", check)[MON]
    assert not passed
    assert "could not run" in said
    assert company.check_severity("staging/stg_orders", check, MON) == "WARN"
