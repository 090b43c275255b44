"""What hurried people and unlucky machines make of a bakery: each of these was seen to break."""

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from orchestration.operations.status import Standing
from tests.company import MON, SHOP_ORDERS, TUE, WEATHER_REPORT, Company, failures, held, runs
from tests.gate.edits import append, write
from tests.gate.edits import replace as edited
from tests.gate.test_several_tables import _export_of_the_tested
from tests.run.test_repairs import sluice

pytestmark = pytest.mark.long
TOMORROW = (datetime.now(UTC) + timedelta(days=1)).isoformat()
TESTS = edited(
    "dbt_project/dbt_project.yml",
    'model-paths: ["models"]',
    'model-paths: ["models"]\ntest-paths: ["tests"]',
)
MISSING_COLUMN = "select 1 from {{ ref('stg_orders') }} where no_such > 0\n"


def _test(text: str):  # noqa: ANN202
    return write("dbt_project/tests/bad.sql", text)


def _breaks_until(path: Path) -> str:
    return (
        f"select 1 from (select count(*) as n from glob('{path}'))"
        " where case when n = 0 then error('the file is not there')::boolean else false end\n"
    )


def _own(bakery: Company, *edits) -> Company:  # noqa: ANN002
    company = bakery.with_own_project()
    for edit in edits:
        edit(company.settings.project_dir)
    company.deployment.store.close()
    company = company.read_anew()
    return replace(company, settings=company.settings.model_copy(update={"check_retry_seconds": 0}))


def _later(company: Company, minutes: int) -> Company:
    return company.at(datetime.now(UTC) + timedelta(minutes=minutes))


TABLES = {
    "of two tables": "{{ ref('stg_orders') }} {{ ref('stg_weather') }}",
    "of a mart": "{{ ref('shop_orders') }}",
}


def _corrected_while_a_check_errs(bakery: Company, refs: str, there: Path) -> Company:
    company = _own(bakery, TESTS, _test(f"-- depends_on: {refs}\n{_breaks_until(there)}"))
    there.touch()
    company.land_day(TUE, a=5)
    assert failures(company.run()) == ""
    assert company.in_postgres(TUE)[0] == (TUE, "a", 8)
    there.unlink()
    company.land_orders(TUE, a=9)
    company.land_weather(TUE, rain=3)
    assert "could not run" in failures(company.run())
    return company


@pytest.mark.parametrize("refs", TABLES.values(), ids=TABLES)
def test_a_correction_is_not_lost_by_a_check_that_could_not_run_for_a_while(
    open_bakery: Company, refs: str, tmp_path: Path
) -> None:
    there = tmp_path / "there"
    company = _corrected_while_a_check_errs(open_bakery, refs, there)
    there.touch()
    assert failures(_later(company, 6).run()) == ""
    assert company.deployment.store.check_errors.all() == []
    company.run()
    assert company.in_postgres(TUE)[0] == (TUE, "a", 12)


@pytest.mark.parametrize("refs", TABLES.values(), ids=TABLES)
def test_a_correction_that_a_check_holds_that_could_not_run_is_told(
    open_bakery: Company, refs: str, tmp_path: Path
) -> None:
    company = _corrected_while_a_check_errs(open_bakery, refs, tmp_path / "there")
    assert sluice(company, "gate", SHOP_ORDERS, "--partition", TUE)[0] == 1
    code, said = sluice(company, "run")
    assert (code, "could not run" in said) == (1, True), said
    assert company.status()[(SHOP_ORDERS, TUE)].standing is Standing.HELD


def test_a_check_that_was_given_up_on_a_delivered_day_is_told(open_bakery: Company) -> None:
    company = _own(open_bakery, TESTS, _test(MISSING_COLUMN))
    assert sluice(company, "judge", "staging.stg_orders", "--from", MON, "--to", MON)[0] == 1
    for minutes in (6, 40, 200, 900):
        assert runs(_later(company, minutes).run()) == [(MON, False)]
    assert "given up" in sluice(company, "gate", SHOP_ORDERS, "--partition", MON)[1]
    assert "could not run" in sluice(company, "status")[1]
    assert sluice(company, "run")[0] == 1


def test_a_check_that_was_repaired_in_its_file_is_tried_again_by_itself(open_bakery: Company) -> None:
    company = _own(open_bakery, TESTS, _test(MISSING_COLUMN.replace("ref('stg_orders')", "ref('exp_shop_orders')")))
    company.land_day(TUE, a=5)
    assert "could not run" in failures(company.run())
    _test("select 1 from {{ ref('exp_shop_orders') }} where loaves < 0\n")(company.settings.project_dir)
    company = company.read_anew()
    for minutes in (1, 6, 40, 200, 900, 2000):
        assert failures(_later(company, minutes).run()) == ""
    assert held(company.run()) == []
    assert company.in_postgres(TUE)[0] == (TUE, "a", 8)


def test_a_release_does_not_take_a_rule_along_that_could_not_run(open_bakery: Company) -> None:
    rule = (
        "  - type: expect_column_values_to_be_between\n    kwargs: {column: nope, min_value: 0}\n"
        "    severity: critical\n    meta: {notes: A column that is not there.}\n"
    )
    company = _own(open_bakery, append("expectations/stg_weather.yml", rule))
    company.land_orders(TUE, a=1)
    company.land_weather(TUE, rain=-1)
    company.run()
    assert "1 of 4 rules could not run" in sluice(company, "gate", WEATHER_REPORT, "--partition", TUE)[1]
    code, said = sluice(
        company, "release", WEATHER_REPORT, "--partition", TUE, "--reason", "the gauge was calibrated",
        "--by", "ada", "--until", TOMORROW,
    )  # fmt: skip
    company.run()
    assert TUE not in company.in_container(), said
    assert code != 0


def test_the_release_that_a_gate_prints_is_not_refused(open_bakery: Company) -> None:
    company = _own(open_bakery, TESTS, _test(MISSING_COLUMN))
    company.land_orders(TUE, a=501)
    company.land_weather(TUE)
    company.run()
    _, said = sluice(company, "gate", SHOP_ORDERS, "--partition", TUE)
    assert "could not run" in said
    if "`sluice release" in said:
        command = said.partition("`sluice ")[2] and said[said.index("`sluice release") + 1 :].partition("`")[0]
        words = command.replace("WHY", "stocktaking").replace("WHEN", TOMORROW).split()[1:]
        assert sluice(company, *words)[0] == 0, sluice(company, *words)[1]


def test_judge_does_not_say_that_nothing_is_there_where_a_check_could_not_run(open_bakery: Company) -> None:
    """All other checks were judged and are on record; there is nothing to build."""
    company = _own(open_bakery, TESTS, _test(MISSING_COLUMN))
    code, said = sluice(company, "judge", "exports.exp_shop_orders", "--from", MON, "--to", MON, "--with-parents")
    assert code == 1
    assert "0 checks of 0 partitions" not in said
    assert "nothing of it is there to be judged" not in said


def test_a_refused_correction_holds_the_later_days_that_read_the_day(open_bakery: Company) -> None:
    company = open_bakery
    company.land_day(TUE, a=10)
    company.run()
    company.land("orders", TUE, f"Order No.,Date,Shop,Loaves (pcs)\n1,{TUE},a,lots\n")
    company.run()
    company.land_day("2024-01-03", a=1)
    company.run()
    sent = company.in_postgres("2024-01-03")
    company.land_orders(TUE, a=20)
    company.run()
    listed = "2024-01-03" in sluice(company, "outdated")[1]
    assert sent == [] or listed


def test_staging_that_moved_to_another_disk_makes_no_snapshot_new(open_bakery: Company) -> None:
    """As `cp -a` or a restored backup does: the same bytes, the same times, another inode; nobody landed anything."""
    age = append("contracts/shops.odcs.yaml", "  - property: maxAge\n    value: 3\n    unit: d\n")
    company = _own(open_bakery, age)
    company.run()
    staging = company.settings.data_dir / "staging"
    shutil.copytree(staging, staging.with_name("other"))
    shutil.rmtree(staging)
    staging.with_name("other").rename(staging)
    late = _later(company, 4 * 24 * 60)
    late.land_day(TUE, a=5)
    late.run()
    assert late.in_postgres(TUE) == []


def test_what_the_gate_prints_for_a_corrected_day_behind_a_refused_one_works_when_typed(
    open_bakery: Company,
) -> None:
    company, wed = open_bakery, "2024-01-03"
    company.land_day(wed, a=1)
    company.run()
    company.land("orders", TUE, f"Order No.,Date,Shop,Loaves (pcs)\n1,{TUE},a,lots\n")
    company.land_weather(TUE)
    company.run()
    company.land_orders(wed, a=2)
    company.run()
    code, said = sluice(company, "gate", SHOP_ORDERS, "--partition", wed)
    assert code == 1
    if TUE not in said:  # the gate does not name what stands in the way
        command = said[said.index("→ `sluice ") + 3 :].partition("`")[0].split()[1:]
        code, typed = sluice(company, *command)
        assert code == 0, f"{said}\n$ {' '.join(command)}\n{typed}"


BIG_AND_WET = (
    "select 1 from {{ ref('stg_orders') }} as o where loaves > 5 and exists"
    " (select 1 from {{ ref('stg_weather') }} as w where w.business_date = o.business_date and rain_mm > 10)\n"
)


def _order_list(company: Company, day: str) -> list[tuple[str, str]]:
    with psycopg.connect(company.postgres_url) as connection:
        rows = connection.execute(
            "select order_number, shop from bakery.order_list where business_date = %s order by 1", [day]
        ).fetchall()
    return [(row[0], row[1]) for row in rows]


def _list_held_by_weather(bakery: Company) -> Company:
    """Orders were corrected while the test of both tables failed on the weather; then the weather is corrected."""
    company = _own(bakery, TESTS, _test(BIG_AND_WET), _export_of_the_tested)
    company.land_orders(TUE, a=10)
    company.land_weather(TUE, rain=1)
    assert failures(company.run()) == ""
    assert _order_list(company, TUE) == [(f"{TUE}-0", "a")]
    company.land_orders(TUE, b=10)
    company.land_weather(TUE, rain=20)
    assert ("exp_order_list", TUE) in held(company.run())
    company.land_weather(TUE, rain=2)
    return company


def test_a_correction_goes_out_once_the_other_table_of_its_test_is_corrected(open_bakery: Company) -> None:
    company = _list_held_by_weather(open_bakery)
    company.run()
    company.run()
    assert _order_list(company, TUE) == [(f"{TUE}-0", "b")]


def test_a_run_that_ends_with_1_says_why_and_the_next_says_the_same(open_bakery: Company) -> None:
    company = _list_held_by_weather(open_bakery)
    code, said = sluice(company, "run")
    assert (code == 1) == ("needs attention" in said), (code, said)
    closed, _ = sluice(company, "gate", "exp_order_list", "--partition", TUE)
    again, said = sluice(company, "run")
    assert again == closed, said


def test_a_day_goes_out_once_the_check_of_its_export_could_run(open_bakery: Company, tmp_path: Path) -> None:
    there = tmp_path / "there"
    refs = "{{ ref('exp_shop_orders') }}"
    company = _own(open_bakery, TESTS, _test(f"-- depends_on: {refs}\n{_breaks_until(there)}"))
    company.land_day(TUE, a=5)
    assert "could not run" in failures(company.run())
    there.touch()
    _later(company, 6).run()
    assert company.deployment.store.check_errors.all() == []
    company.run()
    row = company.status()[(SHOP_ORDERS, TUE)]
    assert company.in_postgres(TUE) != [], f"{row.standing}: {row.why}"
