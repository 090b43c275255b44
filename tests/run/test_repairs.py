"""Judging without building, and building ranges anew: what is typed, and what is there afterwards."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from orchestration.graph.instance import open_instance
from orchestration.graph.judging import JUDGE_JOB, JUDGE_OP
from tests.company import MON, SHOP_ORDERS, TUE, WED, Company, runs
from tests.gate.edits import Edit, append, replace
from tests.prepared import copy_of
from tests.typed import sluice

pytestmark = [pytest.mark.long, pytest.mark.stories(2)]
ORDERS_SUITE = "expectations/stg_orders.yml"
STG_ORDERS = "dbt_project/models/staging/stg_orders.sql"
LARGE = """  - type: expect_column_values_to_be_between
    kwargs: {column: loaves, max_value: %d}
    severity: critical
    meta: {notes: The new oven is smaller.}
"""


@pytest.fixture(scope="module")
def week_done(
    tmp_path_factory: pytest.TempPathFactory, postgres_url: str, monday_done: Company
) -> Iterator[Company]:
    """A bakery delivered from Monday to Wednesday; not for tests, which get a copy."""
    with copy_of(monday_done, tmp_path_factory.mktemp("week"), postgres_url) as company:
        for day, loaves in ((TUE, 4), (WED, 5)):
            company.land_day(day, a=loaves, b=1)
        assert runs(company.run()) == [(TUE, True), (WED, True)]
        company.deployment.store.close()
        yield company


@pytest.fixture
def week(tmp_path: Path, postgres_url: str, week_done: Company) -> Iterator[Company]:
    """Monday to Wednesday delivered, on a project directory of the test's own; a: 3, 4, 5 loaves."""
    with copy_of(week_done, tmp_path, postgres_url) as company:
        fresh = company.with_own_project()
        yield fresh
        fresh.deployment.store.close()


def versions(company: Company) -> dict[tuple[str, str], str]:
    """Return {(relation, partition key): version} of what the warehouse holds."""
    with duckdb.connect(str(company.settings.warehouse_path)) as connection:
        rows = connection.execute("select relation, partition_key, version from sluice.table_versions")
        return {(relation, key): version for relation, key, version in rows.fetchall()}


@dataclass(frozen=True)
class Tightened:
    """A rule that is tightened, what to judge, the check that says no, and of which days."""

    edit: Edit
    table: str
    check: str
    fails: tuple[str, ...]
    days: tuple[str, str] | None = field(default=(MON, WED))


TIGHTENED = {
    "a suite": Tightened(append(ORDERS_SUITE, LARGE % 4), "staging.stg_orders", "expectations", (WED,)),
    "a suite of the raw table": Tightened(
        append("expectations/orders.yml", LARGE % 3), "raw.orders", "expectations", (MON, TUE, WED)
    ),
    "a suite of a snapshot": Tightened(
        replace("expectations/shops.yml", "max_value: 1000", "max_value: 1"),
        "raw.shops", "expectations", ("",), days=None,
    ),
    "a dbt test's arguments": Tightened(
        replace(
            "dbt_project/models/staging/_staging.yml", "          - unique\n",
            "          - unique\n      - name: loaves\n        data_tests:\n"
            "          - within: {arguments: {at_most: 3}}\n",
        ),
        "staging.stg_orders", "within_stg_orders_3__loaves", (MON, TUE, WED),
    ),
    "a contract's bound": Tightened(
        replace(
            "contracts/orders.odcs.yaml", "        description: Loaves ordered.\n",
            "        description: Loaves ordered.\n        logicalTypeOptions: {maximum: 4}\n",
        ),
        "raw.orders", "contract", (WED,),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in TIGHTENED.items()])
@pytest.mark.sampled(4)
def test_a_range_is_judged_by_todays_rules_and_nothing_is_built(week: Company, case: Tightened) -> None:
    before, sent = versions(week), week.untouched()
    case.edit(week.settings.project_dir)
    span = ("--from", case.days[0], "--to", case.days[1]) if case.days else ()
    code, said = sluice(week, "table", "judge", case.table, *span)
    assert code == 1, said
    failed = [line for line in said.splitlines() if f"check `{case.check}`" in line]
    named = [f"{case.table} [{day}] " if day else f"{case.table} " for day in case.fails]
    assert len(failed) == len(named), said
    assert all(line.startswith(name) for line, name in zip(failed, named, strict=True)), failed
    assert (versions(week), week.untouched()) == (before, sent)
    # The UI tells the same, and the day's own verdict is on record.
    asset = case.table.replace(".", "/")
    shown = week.read_anew().check_results(asset, case.check)
    assert {day for day, (passed, _) in shown.items() if not passed} == set(case.fails)


LIMITS = {
    "warns": ("{error_if: '>10', warn_if: '!=0'}", True),
    "fails": ("{error_if: '>0', warn_if: '!=0'}", False),
    "warns as severity says": ("{severity: warn, error_if: '>0'}", True),
}


@pytest.mark.parametrize("limits", [pytest.param(limits, id=name) for name, limits in LIMITS.items()])
@pytest.mark.sampled(4)
def test_a_dbt_test_blocks_by_what_its_limits_make_of_the_failing_rows(
    open_bakery: Company, limits: tuple[str, bool]
) -> None:
    config, goes_out = limits
    company = open_bakery.with_own_project()
    replace(
        "dbt_project/models/staging/_staging.yml", "          - unique\n",
        "          - unique\n      - name: loaves\n        data_tests:\n"
        f"          - within: {{arguments: {{at_most: 4}}, config: {config}}}\n",
    )(company.settings.project_dir)  # fmt: skip
    company.deployment.store.close()
    company = company.read_anew()
    # Tuesday's window reads Monday, which today's rules have to judge.
    assert sluice(company, "table", "judge", "staging.stg_orders", "--from", MON, "--to", MON)[0] == 0
    company.land_day(TUE, a=5, b=1)
    assert runs(company.run())[-1] == (TUE, goes_out)
    assert bool(company.in_postgres(TUE)) is goes_out
    check, asset = "within_stg_orders_4__loaves", "staging/stg_orders"
    assert company.check_results(asset, check)[TUE][0] is False
    assert company.check_severity(asset, check, TUE) == ("WARN" if goes_out else "ERROR")
    company.deployment.store.close()
    # Judged alone it says the same.
    code, said = sluice(company, "table", "judge", "staging.stg_orders", "--from", TUE, "--to", TUE)
    assert (code, f"check `{check}`" in said) == (0 if goes_out else 1, True), said
    assert company.check_severity(asset, check, TUE) == ("WARN" if goes_out else "ERROR")


def test_a_loosened_rule_is_judged_and_opens_what_was_never_sent(open_bakery: Company) -> None:
    company = open_bakery.with_own_project()
    company.land_day(TUE, a=501)
    company.run()
    assert company.in_postgres(TUE) == []
    company.deployment.store.close()
    replace(ORDERS_SUITE, "max_value: 500", "max_value: 900")(company.settings.project_dir)
    code, said = sluice(company, "table", "judge", "staging.stg_orders", "--from", TUE, "--to", TUE)
    assert code == 0, said
    assert "2 checks of 1 partitions judged by today's rules: 2 passed" in said
    code, said = sluice(company, "why", SHOP_ORDERS, "--partition", TUE)
    # Monday, which the mart reads in its window, has not been judged by the new rule.
    assert f"→ `sluice table judge staging.stg_orders --from {MON} --to {MON}`" in said
    assert sluice(company, "table", "judge", "staging.stg_orders", "--from", MON, "--to", MON)[0] == 0
    code, said = sluice(company, "why", SHOP_ORDERS, "--partition", TUE)
    assert (
        f"→ `sluice table rerun marts.shop_orders --partition {TUE}`, once what it reads is in order" in said
    )
    code, said = sluice(company, "table", "rerun", "marts.shop_orders", "--partition", TUE)
    assert code == 0, said
    assert company.in_postgres(TUE) == [(TUE, "a", 504), (TUE, "b", 4)]


def test_what_is_judged_is_sent_only_as_it_is(week: Company) -> None:
    """Rows that were changed by hand are not sent; what the gate prints builds them anew."""
    company = week
    company.land_day("2024-01-04", a=1)
    nobody = company.settings.model_copy(update={"connections": {}})
    Company(nobody, company.postgres_url, company.container).run()
    with duckdb.connect(str(company.settings.warehouse_path)) as connection:
        connection.execute(
            "update exports.exp_shop_orders set loaves = 77 where business_date = '2024-01-04'"
        )
    ok, said = company.materialize("2024-01-04", f"delivered/{SHOP_ORDERS}")
    assert (ok, "not the rows that were judged" in said) == (False, True)
    assert company.in_postgres("2024-01-04") == []
    code, said = sluice(company, "why", SHOP_ORDERS, "--partition", "2024-01-04")
    assert (code, "sluice table rerun exports.exp_shop_orders --partition 2024-01-04" in said) == (1, True)
    assert sluice(company, "table", "rerun", "exports.exp_shop_orders", "--partition", "2024-01-04")[0] == 0
    assert company.in_postgres("2024-01-04") == [("2024-01-04", "a", 10), ("2024-01-04", "b", 2)]


def test_a_range_is_built_anew_after_saying_what_that_is(week: Company) -> None:
    before = versions(week)
    replace(STG_ORDERS, "    loaves\n", "    loaves * 2 as loaves\n")(week.settings.project_dir)
    span = ("staging.stg_orders", "--from", TUE, "--to", WED)
    plan = (
        f"{TUE} to {WED} (2 partitions): builds staging.stg_orders, marts.shop_orders,"
        " exports.exp_shop_orders; then sends what differs of exp_shop_orders"
    )
    assert sluice(week, "table", "rerun", *span, "--dry-run") == (0, f"{plan}\n")
    assert versions(week) == before
    code, said = sluice(week, "table", "rerun", *span)
    assert (code, said.splitlines()[0]) == (0, plan), said
    # Tuesday reads Monday as it was; Wednesday's window has two days anew.
    assert week.in_postgres() == [
        (MON, "a", 3), (MON, "b", 4), (TUE, "a", 11), (TUE, "b", 6), (WED, "a", 21), (WED, "b", 8),
    ]  # fmt: skip
    changed = {place for place, version in versions(week).items() if before[place] != version}
    assert {day for _, day in changed} == {TUE, WED}


def test_what_older_sql_has_built_is_listed_and_built_anew(week: Company) -> None:
    assert sluice(week, "table", "outdated") == (
        0,
        "nothing is built by older SQL, or without a day that has come since\n",
    )
    replace("dbt_project/models/staging/stg_weather.sql", "rain_mm, 0)", "rain_mm, 1)")(
        week.settings.project_dir
    )
    code, said = sluice(week, "table", "outdated")
    assert code == 1
    assert said.splitlines()[0] == f"staging.stg_weather {MON} to {WED} (3 partitions): built by older SQL"
    sent = week.untouched()
    code, said = sluice(week, "table", "rerun", "--outdated")
    assert code == 0, said
    assert said.startswith(f"{MON} to {WED} (3 partitions): builds staging.stg_weather, marts.shop_orders")
    assert sluice(week, "table", "outdated")[0] == 0
    assert week.untouched() == sent  # the same rows came of it
    assert sluice(week, "table", "rerun", "--outdated") == (
        0, "nothing is built by older SQL, or without a day that has come since\n"
    )  # fmt: skip


WRONG: dict[tuple[str, ...], str] = {
    ("table", "judge", "staging.stg_order"): "did you mean `staging.stg_orders`?",
    ("table", "judge", "staging.stg_orders"): "expected a key of its grain, daily, as 2022-10-05",
    ("table", "judge", "staging.stg_orders", "--from", WED, "--to", MON): "goes backwards",
    ("table", "judge", "raw.shops", "--from", MON): "expected none: it is not partitioned",
    (
        "table",
        "rerun",
    ): "expected a TABLE, as staging.stg_sales, or --outdated",
    ("table", "rerun", "staging.stg_orders", "--partition", MON, "--from", MON): "expected one of the two",
    ("table", "rerun", "staging.stg_orders", "--to", MON): "--to without --from",
    (
        "table",
        "rerun",
        "staging.stg_orders",
        "--from",
        "2023-01-01",
        "--to",
        "2023-01-31",
    ): "nothing of `staging.stg_orders` is",
}


@pytest.mark.parametrize("typed", [pytest.param(typed, id=" ".join(typed)) for typed in WRONG])
def test_what_cannot_be_meant_is_told(open_bakery: Company, typed: tuple[str, ...]) -> None:
    code, said = sluice(open_bakery, *typed)
    assert (code, WRONG[typed] in " ".join(said.split())) == (2, True), said


def test_the_job_is_there_for_the_ui_with_a_typed_config(open_bakery: Company) -> None:
    job = open_bakery.definitions.get_job_def(JUDGE_JOB)
    config = {"table": "staging.stg_orders", "from_partition": MON, "to_partition": MON}
    with open_instance(open_bakery.settings) as instance:
        result = job.execute_in_process(
            instance=instance, run_config={"ops": {JUDGE_OP: {"config": config}}}, raise_on_error=False
        )
        assert result.success
        key = dg.AssetCheckKey(dg.AssetKey(["staging", "stg_orders"]), "expectations")
        (newest, *_) = instance.event_log_storage.get_asset_check_execution_history(key, limit=10)
        assert (newest.run_id, newest.partition) == (result.run_id, MON)
    with pytest.raises(dg.DagsterInvalidConfigError):
        job.execute_in_process(run_config={"ops": {JUDGE_OP: {"config": {"table": 1}}}})


def test_a_process_that_knows_older_files_builds_and_sends_nothing(week: Company, tmp_path: Path) -> None:
    known = week.definitions  # loaded before
    assert known is week.definitions
    before, sent = versions(week), week.untouched()
    for name, added in (
        (STG_ORDERS, "-- pulled\n"),
        (ORDERS_SUITE, "# pulled\n"),
        (f"exports/{SHOP_ORDERS}.yml", "# pulled\n"),
    ):
        append(name, added)(week.settings.project_dir)
        for asset in ("raw/orders", "staging/stg_orders", f"delivered/{SHOP_ORDERS}"):
            ok, said = week.materialize(TUE, asset)
            assert not ok
            assert "reload" in said
    assert (versions(week), week.untouched()) == (before, sent)
    assert week.read_anew().materialize(TUE, "raw/orders") == (True, "")
