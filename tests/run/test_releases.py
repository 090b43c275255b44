"""Break-glass: a person lets one partition of one export pass on failed checks, once, on the record."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from sluicegate.graph.deliveries_shown import gate_result
from sluicegate.graph.instance import open_instance
from sluicegate.graph.releasing import NotReleasable, Request, release
from sluicegate.operations.status import Standing
from sluicegate.state.records import FailedCheck, Release

from tests.company import MON, SHOP_ORDERS, TUE, WEATHER_REPORT, WED, Company, failures, held, runs
from tests.gate.edits import append
from tests.prepared import copy_of
from tests.run.breaking import be_broken, be_there, breaks_until_there, without_waits
from tests.typed import sluice

pytestmark = pytest.mark.long
TOMORROW = (datetime.now(UTC) + timedelta(days=1)).isoformat()
WEATHER_CHECK = "staging.stg_weather:expectations"


@pytest.fixture(scope="module")
def rained(
    tmp_path_factory: pytest.TempPathFactory, postgres_url: str, monday_done: Company
) -> Iterator[Company]:
    """Monday is delivered, and Tuesday's weather has failed; not for tests, which get a copy."""
    with copy_of(monday_done, tmp_path_factory.mktemp("rain"), postgres_url) as company:
        company.land_orders(TUE, a=1)
        company.land_weather(TUE, rain=-1)
        assert held(company.run()) == [(SHOP_ORDERS, TUE), (WEATHER_REPORT, TUE)]
        company.deployment.store.close()
        yield company


@pytest.fixture
def rainy_bakery(tmp_path: Path, postgres_url: str, rained: Company) -> Iterator[Company]:
    """Monday is delivered; Tuesday's weather has failed its critical rule, so nothing of Tuesday went out."""
    with copy_of(rained, tmp_path, postgres_url) as company:
        yield company


def let_pass(company: Company, export: str, day: str, *options: str) -> tuple[int, str]:
    """Release as an operator does."""
    return sluice(
        company, "export", "release", export, "--partition", day, "--reason", "the gauge was calibrated",
        "--by", "ada", "--until", TOMORROW, *options,
    )  # fmt: skip


def test_a_closed_gate_names_the_broken_link_and_what_repairs_it(rainy_bakery: Company) -> None:
    code, said = sluice(rainy_bakery, "why", WEATHER_REPORT, "--partition", TUE)
    assert code == 1
    heading, broken, step, let_pass, more, passed = said.splitlines()
    assert heading == f"closed: {WEATHER_REPORT} [{TUE}] is not sent"
    assert broken.startswith(f"- staging.stg_weather [{TUE}] check `expectations`: failed: 1 of 3 rules fail")
    assert "rain_mm" in broken
    assert step == (
        f"  → fix the model or its input, then `sluice table rerun staging.stg_weather --partition {TUE}`"
    )
    assert f"`sluice export release {WEATHER_REPORT} --partition {TUE} --reason WHY --until WHEN`" in let_pass
    assert more == "1 more links are broken, which this repairs as well"
    closed_by = f"closed by staging.stg_weather [{TUE}] expectations; "
    assert passed.startswith(closed_by)
    assert passed.endswith("blocking checks passed; --all shows them")
    code, said = sluice(rainy_bakery, "why", WEATHER_REPORT, "--partition", TUE, "--all")
    assert code == 1
    assert said.splitlines()[-1].startswith(closed_by)
    assert f"raw.weather [{TUE}] check `contract`: passed" in said
    assert f"exports.exp_weather_report [{TUE}]: table never built" in said
    code, said = sluice(rainy_bakery, "why", WEATHER_REPORT, "--partition", MON)
    assert (code, said.startswith(f"open: {WEATHER_REPORT} [{MON}]")) == (0, True)


def test_a_release_lets_that_partition_of_that_export_pass_once(rainy_bakery: Company) -> None:
    company = rainy_bakery
    before = company.untouched(TUE)
    code, said = let_pass(company, WEATHER_REPORT, TUE)
    assert code == 0
    assert "staging.stg_weather [2024-01-02] check `expectations` lets pass" in said

    events = company.run()
    assert runs(events) == [(TUE, True)]
    assert company.in_container() == {MON: 1, TUE: 1}
    assert company.in_postgres(TUE) == []
    assert company.untouched(TUE) == before
    passed, description = company.check_results("delivered/exp_weather_report", "gate")[TUE]
    assert not passed  # it warns, so that nobody takes it for a day like others
    assert "released by ada" in description
    assert "the gauge was calibrated" in description
    row = company.status()[(WEATHER_REPORT, TUE)]
    assert (row.standing, "released by ada" in row.why) == (Standing.DELIVERED, True)
    assert company.status()[(SHOP_ORDERS, TUE)].standing is Standing.HELD
    assert runs(company.run()) == []

    # Used: other rows of the model are not what was vouched for.
    ok, said = company.materialize(TUE, "exports/exp_weather_report", "delivered/exp_weather_report")
    assert not ok
    assert "staging.stg_weather" in said
    [used] = company.deployment.store.releases.of_partition(TUE)
    assert not company.deployment.store.releases.use(used, "another version")


@pytest.mark.parametrize("export", [SHOP_ORDERS, WEATHER_REPORT])
@pytest.mark.parametrize("sent", [True, False], ids=["sent", "not sent yet"])
@pytest.mark.sampled(4)
def test_a_released_day_is_corrected_together_with_the_day_before(
    rainy_bakery: Company, export: str, sent: bool
) -> None:
    """Both go out in one look, and nothing is left that waits for `--retry`."""
    company = rainy_bakery
    assert let_pass(company, export, TUE, "--through")[0] == 0
    if sent:
        assert runs(company.run())[0] == (TUE, True)
    company.land_day(WED, a=2)
    company.land_day(MON, a=30, b=5)
    company.land_day(TUE, a=10)
    assert {done for _, done in runs(company.run())} == {True}
    rows = {name: row for name, row in company.status().items() if row.kind == "export"}
    assert {row.standing for row in rows.values()} == {Standing.DELIVERED}, rows
    assert set(rows) == {(name, day) for name in (SHOP_ORDERS, WEATHER_REPORT) for day in (MON, TUE, WED)}
    assert runs(company.run()) == []


def test_a_release_of_what_failed_on_the_exports_own_table_sends_it_as_it_is(open_bakery: Company) -> None:
    """Nothing is built anew: the release is for these very rows."""
    company = open_bakery
    company.land_day(TUE, a=501)  # more than the oven holds: what the screens are sent fails its own rule
    assert (SHOP_ORDERS, TUE) in held(company.run())
    failed = {item.split(" ")[0] for item in company.deployment.store.holds(SHOP_ORDERS)[TUE].reasons}
    assert failed
    assert let_pass(company, SHOP_ORDERS, TUE)[0] == 0
    events = company.run()
    assert runs(events)[-1] == (TUE, True)
    assert [row[2] for row in company.in_postgres(TUE) if row[1] == "a"] != []


def test_an_expired_release_does_nothing(rainy_bakery: Company) -> None:
    company = rainy_bakery
    version = company.deployment.store.latest_builds("staging.stg_weather")[TUE].version
    company.deployment.store.releases.record(
        Release(
            export=WEATHER_REPORT,
            relation="exports.exp_weather_report",
            partition_key=TUE,
            checks=frozenset([FailedCheck("staging.stg_weather", TUE, "expectations", version)]),
            reason="last night",
            released_by="ada",
            until=datetime.now(UTC) - timedelta(seconds=1),
        )
    )
    assert runs(company.run()) == []
    ok, _ = company.materialize(TUE, "exports/exp_weather_report", "delivered/exp_weather_report")
    assert not ok
    assert company.in_container() == {MON: 1}


def test_a_release_is_for_the_data_that_failed_and_no_other(rainy_bakery: Company) -> None:
    company = rainy_bakery
    assert let_pass(company, WEATHER_REPORT, TUE)[0] == 0
    company.land_weather(TUE, rain=-2)
    events = company.run()
    assert (WEATHER_REPORT, TUE) in held(events)
    assert company.in_container() == {MON: 1}


def test_what_cannot_be_released(rainy_bakery: Company) -> None:
    cases: list[tuple[str, tuple[str, ...], str]] = [
        (MON, (), "is open already"),
        (TUE, ("--check", "staging.stg_orders:expectations"), f"failed are: {WEATHER_CHECK}"),
        (WED, (), "only a check that has failed can be released"),
        ("tuesday", (), "is no day"),
        (TUE, ("--until", "2024-01-01"), "is past"),
        (TUE, ("--until", "soon"), "is no time"),
        (TUE, ("--reason", " "), "needs a reason"),
    ]
    for day, options, said in cases:
        code, complained = let_pass(rainy_bakery, WEATHER_REPORT, day, *options)
        assert (code, said in complained) == (2, True), complained
        assert rainy_bakery.deployment.store.releases.of_partition(day) == []


def test_what_the_contract_refused_cannot_be_released(open_bakery: Company) -> None:
    company = open_bakery
    company.land("weather", TUE, f"date,town,rain\n{TUE},Ulm,1\n")
    company.land_orders(TUE, a=1)
    company.run()
    request = Request(WEATHER_REPORT, TUE, "we know", "ada", datetime.now(UTC) + timedelta(hours=1))
    with open_instance(company.settings) as instance, pytest.raises(NotReleasable, match="corrected drop"):
        release(company.desk(instance), request)


def test_a_rerun_builds_judges_and_sends_all_that_is_below(rainy_bakery: Company) -> None:
    company = rainy_bakery
    code, complained = sluice(company, "table", "rerun", "staging.stg_wether")
    assert (code, "did you mean `staging.stg_weather`?" in complained) == (2, True)
    code, said = sluice(company, "table", "rerun", "raw.weather", "--partition", TUE)
    assert code == 1
    assert "staging/stg_weather check `expectations`" in said
    assert company.materialize(MON, "exports/exp_weather_report", checks=False) == (True, "")
    assert company.status()[(WEATHER_REPORT, MON)].standing is not Standing.DELIVERED
    assert sluice(company, "table", "rerun", "exports.exp_weather_report", "--partition", MON)[0] == 0
    assert company.status()[(WEATHER_REPORT, MON)].standing is Standing.DELIVERED


def _strict_throughout(company: Company) -> Company:
    """The same rule on every table of the chain: what fails above fails below for the same reason."""
    own = company.with_own_project()
    rule = (
        "  - type: expect_column_values_to_be_between\n"
        "    kwargs: {column: loaves, max_value: 500}\n    severity: critical\n"
    )
    for name in ("shop_orders", "exp_shop_orders"):
        own = own.with_line(f"expectations/{name}.yml", rule.rstrip("\n"))
    return own


def test_a_release_goes_through_what_fails_below_for_the_same_reason(bakery: Company) -> None:
    company = _strict_throughout(bakery)
    company.land_shops("a")
    company.land_day(MON, a=501)
    assert (SHOP_ORDERS, MON) in held(company.run())
    code, said = let_pass(company, SHOP_ORDERS, MON, "--through")
    assert code == 0, said
    assert "with what fails below for the same reason" in said
    company.run()
    assert company.in_postgres() == [(MON, "a", 501)]
    # Those very data only: the next ones are judged as ever.
    company.land_orders(MON, a=502)
    company.run()
    assert company.in_postgres() == [(MON, "a", 501)]
    assert company.status()[(SHOP_ORDERS, MON)].standing is Standing.HELD


def test_without_through_each_table_below_is_released_by_itself(bakery: Company) -> None:
    """Every check of a table is judged although one fails, so each release names all there is to name."""
    company = _strict_throughout(bakery)
    company.land_shops("a")
    company.land_day(MON, a=501)
    company.run()
    for _ in ("stg_orders", "shop_orders", "exp_shop_orders"):
        assert company.in_postgres() == []
        code, said = let_pass(company, SHOP_ORDERS, MON)
        assert code == 0, said
        company.run()
    assert company.in_postgres() == [(MON, "a", 501)]


def _offered(company: Company) -> tuple[bool, bool]:
    """Return whether `sluice why`, and the gate's check in the UI, offer to release Tuesday's weather."""
    said = sluice(company, "why", WEATHER_REPORT, "--partition", TUE)[1]
    report = company.site.gate_report(WEATHER_REPORT, TUE)
    shown = gate_result(dg.AssetKey(["delivered", WEATHER_REPORT]), report)
    return "`sluice export release" in said, any(name.startswith("to let it pass") for name in shown.metadata)


def test_a_release_takes_no_rule_along_that_could_not_run(open_bakery: Company) -> None:
    """Nobody knows what that one would say; it is tried again, and once it ran the other can be released."""
    company = open_bakery.with_own_project()
    append("expectations/stg_weather.yml", breaks_until_there())(company.settings.project_dir)
    company = be_broken(without_waits(company.read_anew()))
    company.land_orders(TUE, a=1)
    company.land_weather(TUE, rain=-1)
    company.run()
    (error,) = company.deployment.store.check_errors.all()
    assert (error.relation, error.check, error.attempts) == ("staging.stg_weather", "expectations", 1)
    code, said = let_pass(company, WEATHER_REPORT, TUE)
    assert (code, "could not run" in said) == (2, True), said
    assert _offered(company) == (False, False)
    company.run()
    assert TUE not in company.in_container()
    # A rule that fails is no reason to count the tries of the other anew: it is given up in the end.
    later = company.at(datetime.now(UTC) + timedelta(minutes=6))
    assert "could not run" in failures(later.run())
    (error,) = company.deployment.store.check_errors.all()
    assert error.attempts == 2
    be_there(company)
    company.at(datetime.now(UTC) + timedelta(minutes=50)).run()
    assert company.deployment.store.check_errors.all() == []
    assert _offered(company) == (True, True)
    assert let_pass(company, WEATHER_REPORT, TUE)[0] == 0
    company.run()
    assert company.in_container() == {MON: 1, TUE: 1}
