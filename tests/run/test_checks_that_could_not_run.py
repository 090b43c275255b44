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


def _waits_for(path: Path) -> str:
    """Return SQL that selects nothing, and breaks until a file is there."""
    return (
        f"select 1 from (select count(*) as n from glob('{path}'))"
        " where case when n = 0 then error('the file is not there')::boolean else false end"
    )


def _of_dbt(folder: Path, path: Path, severity: str = "error") -> None:
    file = folder / "dbt_project/dbt_project.yml"
    file.write_text(
        file.read_text().replace('model-paths: ["models"]', 'model-paths: ["models"]\ntest-paths: ["tests"]')
    )
    (folder / "dbt_project/tests").mkdir()
    (folder / "dbt_project/tests/breaks.sql").write_text(
        f"{{{{ config(severity='{severity}') }}}}\n-- depends_on: {{{{ ref('stg_orders') }}}}\n"
        f"{_waits_for(path)}\n"
    )


def _of_a_suite(folder: Path, path: Path, severity: str = "critical") -> None:
    with (folder / "expectations/stg_orders.yml").open("a") as file:
        file.write(
            "  - type: unexpected_rows_expectation\n    kwargs:\n      unexpected_rows_query: >-\n"
            f"        {_waits_for(path)} and exists (select 1 from {{batch}})\n    severity: {severity}\n"
        )


KINDS: dict[str, Callable[..., None]] = {"breaks": _of_dbt, "expectations": _of_a_suite}


def _company(bakery: Company, check: str, path: Path, *severity: str) -> Company:
    company = bakery.with_own_project()
    KINDS[check](company.settings.project_dir, path, *severity)
    company = replace(company, settings=company.settings.model_copy(update={"check_retry_seconds": 0}))
    company.land_shops("a")
    company.land_day(MON, a=3)
    return company


@pytest.mark.parametrize("check", KINDS)
def test_an_error_holds_without_a_verdict_and_runs_once_its_cause_is_gone(
    bakery: Company, check: str, tmp_path: Path
) -> None:
    company = _company(bakery, check, tmp_path / "there")
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
    (tmp_path / "there").touch()
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
def test_it_is_given_up_in_the_end_and_a_person_can_judge(
    bakery: Company, check: str, tmp_path: Path
) -> None:
    company = _company(bakery, check, tmp_path / "there")
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
    (tmp_path / "there").touch()
    code, said = sluice(company, *finding.fix.strip("`").split()[1:])
    assert code == 0, said
    assert failures(company.run()) == ""
    assert company.in_postgres() == [(MON, "a", 3)]


@pytest.mark.parametrize(("check", "severity"), [("breaks", "warn"), ("expectations", "warning")])
def test_what_only_warns_holds_nothing_by_an_error(
    bakery: Company, check: str, severity: str, tmp_path: Path
) -> None:
    company = _company(bakery, check, tmp_path / "there", severity)
    assert failures(company.run()) == ""
    assert company.in_postgres() == [(MON, "a", 3)]
    passed, said = company.check_results("staging/stg_orders", check)[MON]
    assert not passed
    assert "could not run" in said
    assert company.check_severity("staging/stg_orders", check, MON) == "WARN"
