"""An error is not a failure: a check that could not run has no verdict, and is tried again, not for ever."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from orchestration.gate.gate import Verdict
from orchestration.graph.instance import open_instance
from orchestration.operations.status import Standing
from orchestration.state.check_errors import TRIED_AGAIN_AFTER
from tests.company import MON, SHOP_ORDERS, TUE, WEATHER_REPORT, Company, failures, held, runs
from tests.gate.edits import append
from tests.run.breaking import (
    BREAKING,
    be_broken,
    be_there,
    breaks_by_shops,
    breaks_until_there,
    dbt_test,
    without_waits,
)
from tests.typed import sluice

pytestmark = [pytest.mark.long, pytest.mark.stories(2)]
ORDERS = "staging.stg_orders"


@dataclass(frozen=True)
class Kind:
    """A kind of check that could not run: how it comes into a project, and what ends its error."""

    add: Callable[[Path, Path, bool], None]
    end: Callable[[Company, Path], None]


def _of_dbt(folder: Path, _: Path, blocking: bool) -> None:
    dbt_test(breaks_by_shops("stg_orders", severity="error" if blocking else "warn"))(folder)


def _of_a_suite(folder: Path, path: Path, blocking: bool) -> None:
    append("expectations/stg_orders.yml", breaks_until_there("critical" if blocking else "warning"))(folder)


KINDS = {
    "breaks": Kind(_of_dbt, lambda company, _: company.land_shops("a")),
    "expectations": Kind(_of_a_suite, lambda company, _: be_there(company)),
}


def _company(bakery: Company, check: str, path: Path, *, blocking: bool = True) -> Company:
    company = bakery.with_own_project()
    KINDS[check].add(company.settings.project_dir, path, blocking)
    company = be_broken(without_waits(company))
    company.land_shops("a", BREAKING)
    company.land_day(MON, a=3)
    return company


def _later(company: Company, **passed: float) -> Company:
    return company.at(datetime.now(UTC) + timedelta(**passed))


@pytest.mark.parametrize("check", KINDS)
@pytest.mark.sampled(3)
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
    KINDS[check].end(company, tmp_path / "there")
    later = _later(company, minutes=6)
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
@pytest.mark.sampled(3)
def test_it_is_given_up_in_the_end_and_a_person_can_judge(
    bakery: Company, check: str, tmp_path: Path
) -> None:
    company = _company(bakery, check, tmp_path / "there")
    company.run()
    moment = datetime.now(UTC)
    for wait in TRIED_AGAIN_AFTER:
        moment += wait + timedelta(minutes=1)
        assert runs(company.at(moment).run()) == [(MON, False)]
    assert runs(company.at(moment + timedelta(days=30)).run()) == []
    (finding,) = [
        item
        for item in company.site.gate_report(SHOP_ORDERS, MON).closed_by
        if item.verdict is Verdict.COULD_NOT_RUN
    ]
    assert "(5 tries, given up)" in finding.summary
    code, _ = sluice(company, *finding.fix.strip("`").split()[1:])
    assert code == 1
    KINDS[check].end(company, tmp_path / "there")
    company.run()
    code, said = sluice(company, *finding.fix.strip("`").split()[1:])
    assert code == 0, said
    assert failures(company.run()) == ""
    assert company.in_postgres() == [(MON, "a", 3)]


@pytest.mark.parametrize("check", KINDS)
@pytest.mark.sampled(2)
def test_what_only_warns_holds_nothing_by_an_error(bakery: Company, check: str, tmp_path: Path) -> None:
    company = _company(bakery, check, tmp_path / "there", blocking=False)
    assert failures(company.run()) == ""
    assert company.in_postgres() == [(MON, "a", 3)]
    passed, said = company.check_results("staging/stg_orders", check)[MON]
    assert not passed
    assert "could not run" in said
    assert company.check_severity("staging/stg_orders", check, MON) == "WARN"


# Where the test runs that breaks: with the last of the tables that it reads.
READS = {
    "two tables": ("stg_orders", "stg_weather"),
    "a mart": ("shop_orders",),
    "what is sent": ("exp_shop_orders",),
}


def _with_test(bakery: Company, *tables: str) -> Company:
    company = bakery.with_own_project()
    dbt_test(breaks_by_shops(*tables))(company.settings.project_dir)
    return without_waits(company.read_anew())


def _corrected_while_a_test_breaks(bakery: Company, tables: tuple[str, ...]) -> Company:
    company = _with_test(bakery, *tables)
    company.land_day(TUE, a=5)
    assert failures(company.run()) == ""
    assert company.in_postgres(TUE)[0] == (TUE, "a", 8)
    company.land_shops("a", "b", BREAKING)
    company.land_orders(TUE, a=9)
    company.land_weather(TUE, rain=3)
    assert "could not run" in failures(company.run())
    return company


@pytest.mark.parametrize("tables", READS.values(), ids=READS)
@pytest.mark.sampled(4)
def test_a_correction_is_told_while_a_test_breaks_and_goes_out_once_it_ran(
    open_bakery: Company, tables: tuple[str, ...]
) -> None:
    company = _corrected_while_a_test_breaks(open_bakery, tables)
    assert sluice(company, "why", SHOP_ORDERS, "--partition", TUE)[0] == 1
    code, said = sluice(company, "run")
    assert (code, "could not run" in said) == (1, True), said
    assert company.status()[(SHOP_ORDERS, TUE)].standing is Standing.HELD
    assert company.in_postgres(TUE)[0] == (TUE, "a", 8)
    company.land_shops("a", "b")
    assert failures(_later(company, minutes=6).run()) == ""
    assert company.deployment.store.check_errors.all() == []
    assert company.in_postgres(TUE)[0] == (TUE, "a", 12)
    assert company.status()[(SHOP_ORDERS, TUE)].standing is Standing.DELIVERED
    assert runs(company.run()) == []


def _behind_a_test_that_breaks(bakery: Company, *tables: str) -> Company:
    """Land a Tuesday for which a test of these tables could not run."""
    company = _with_test(bakery, *tables)
    company.land_shops("a", "b", BREAKING)
    company.land_day(TUE, a=5)
    assert "could not run" in failures(company.run())
    return company


@pytest.mark.parametrize("tables", READS.values(), ids=READS)
@pytest.mark.sampled(4)
def test_a_first_day_goes_out_by_itself_once_the_test_ran(
    open_bakery: Company, tables: tuple[str, ...]
) -> None:
    company = _behind_a_test_that_breaks(open_bakery, *tables)
    company.land_shops("a", "b")
    assert failures(_later(company, minutes=6).run()) == ""
    assert company.in_postgres(TUE)[0] == (TUE, "a", 8)
    assert runs(company.run()) == []


@pytest.mark.parametrize("tables", READS.values(), ids=READS)
@pytest.mark.sampled(4)
def test_a_test_that_is_repaired_in_its_file_runs_by_itself_even_if_it_was_given_up(
    open_bakery: Company, tables: tuple[str, ...]
) -> None:
    company = _behind_a_test_that_breaks(open_bakery, *tables)
    for minutes in (6, 40, 200, 900):
        assert (TUE, False) in runs(_later(company, minutes=minutes).run())
    assert runs(_later(company, days=30).run()) == []
    dbt_test(f"select 1 from {{{{ ref('{tables[0]}') }}}} where 1 = 0\n")(company.settings.project_dir)
    company = company.read_anew()
    assert failures(company.run()) == ""
    assert company.in_postgres(TUE)[0] == (TUE, "a", 8)
    assert runs(company.run()) == []


def test_a_test_that_breaks_in_another_way_once_it_is_edited_begins_anew(open_bakery: Company) -> None:
    company = _with_test(open_bakery, "stg_orders")
    company.land_shops("a", "b", BREAKING)
    company.land_day(TUE, a=5)
    company.run()
    _later(company, minutes=6).run()
    assert company.deployment.store.check_errors.all()[0].attempts == 2
    dbt_test(breaks_by_shops("stg_orders") + "-- another way\n")(company.settings.project_dir)
    company = company.read_anew()
    assert runs(company.run()) == [(TUE, False)]
    assert company.deployment.store.check_errors.all()[0].attempts == 1
    assert runs(company.run()) == []


def test_a_check_that_was_given_up_on_a_delivered_day_is_told_everywhere(open_bakery: Company) -> None:
    company = open_bakery
    company.land_shops("a", "b", BREAKING)
    company.run()
    company = _with_test(company, "stg_orders")
    assert sluice(company, "table", "judge", ORDERS, "--from", MON, "--to", MON)[0] == 1
    for minutes in (6, 40, 200, 900):
        assert runs(_later(company, minutes=minutes).run()) == [(MON, False)]
    assert "given up" in sluice(company, "why", SHOP_ORDERS, "--partition", MON)[1]
    assert "could not run" in sluice(company, "status")[1]
    code, said = sluice(company, "run")
    assert (code, "could not run" in said) == (1, True), said
    passed, said = company.check_results("delivered/exp_shop_orders", "gate")[MON]
    assert (passed, "could not run" in said) == (False, True)


def test_judging_does_not_say_that_nothing_is_there_where_a_test_broke(open_bakery: Company) -> None:
    """All other checks were judged and are on record; there is nothing to build."""
    company = open_bakery
    company.land_shops("a", "b", BREAKING)
    company.run()
    company = _with_test(company, "stg_orders")
    code, said = sluice(
        company, "table", "judge", "exports.exp_shop_orders", "--from", MON, "--to", MON, "--with-parents"
    )
    assert code == 1
    assert "could not run" in said
    assert "0 checks of 0 partitions" not in said
    assert "nothing of it is there to be judged" not in said
