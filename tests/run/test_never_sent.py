"""What unlucky machines and clever hands have got past the gate once, and must not again."""

import shutil
from collections.abc import Iterator
from dataclasses import replace as replaced
from pathlib import Path

import duckdb
import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from orchestration.cli.main import app
from orchestration.core.problems import ProjectError
from orchestration.project.loading import load_project
from orchestration.state.upgrade import FORM, RecordsTooNew
from tests.company import MON, SHOP_ORDERS, TUE, WED, Company, runs
from tests.gate.edits import Edit, append, replace, write
from tests.typed import sluice

pytestmark = pytest.mark.long
SUITE = f"expectations/{SHOP_ORDERS}.yml"
WEATHER = "dbt_project/models/staging/stg_weather.sql"
YAML = "dbt_project/models/staging/_staging.yml"


@pytest.fixture
def company(open_bakery: Company) -> Iterator[Company]:
    """A bakery whose Monday is delivered, on a project directory of its own."""
    own = open_bakery.with_own_project()
    yield own
    own.deployment.store.close()


def unsent(company: Company, day: str, **loaves: int) -> None:
    """Build and validate a day while no connection is set."""
    company.land_day(day, **loaves)
    nobody = replaced(company, settings=company.settings.model_copy(update={"connections": {}}))
    assert runs(nobody.run()) == [(day, True)]
    nobody.deployment.store.close()


def change_rows(company: Company, day: str, loaves: int) -> None:
    """Change what is to be sent, as somebody with a database client does."""
    with duckdb.connect(str(company.settings.warehouse_path)) as connection:
        connection.execute(
            f"update exports.exp_shop_orders set loaves = {loaves} where business_date = '{day}'"
        )


def test_a_day_that_a_backup_lacks_is_not_left_out_of_a_window(company: Company) -> None:
    backup = company.settings.data_dir.parent / "backup.duckdb"
    shutil.copyfile(company.settings.warehouse_path, backup)
    company.land_day(TUE, a=4)
    assert runs(company.run()) == [(TUE, True)]
    shutil.copyfile(backup, company.settings.warehouse_path)
    company.land_day(WED, a=5)
    company.run()
    assert company.in_postgres(WED) == []
    ok, said = company.materialize(WED, "raw/orders", "staging/stg_orders", "marts/shop_orders")
    assert not ok
    assert f"staging.stg_orders [{TUE}]: older than the newest build on record" in said
    assert (
        sluice(company, "table", "rerun", "raw.orders", "--partition", TUE)[0] == 1
    )  # its weather is lost, too
    assert sluice(company, "table", "rerun", "raw.weather", "--partition", TUE)[0] == 0
    assert sluice(company, "table", "rerun", "raw.weather", "--partition", WED)[0] == 0
    assert company.in_postgres(WED) == [(WED, "a", 12), (WED, "b", 4)]


def test_rows_that_were_changed_under_another_rule_are_not_sent(company: Company) -> None:
    unsent(company, TUE, a=1)
    folder = company.settings.project_dir
    replace(SUITE, "max_value: 1000", "max_value: 900")(folder)
    assert sluice(company, "table", "judge", "exports.exp_shop_orders", "--from", TUE)[0] == 0
    replace(SUITE, "max_value: 900", "max_value: 1000")(folder)
    change_rows(company, TUE, 77)
    ok, said = company.read_anew().materialize(TUE, f"delivered/{SHOP_ORDERS}")
    assert (ok, "not the rows that were judged" in said) == (False, True)
    assert company.in_postgres(TUE) == []


def test_an_approval_is_for_the_rows_that_were_looked_at(company: Company) -> None:
    folder = company.settings.project_dir
    append(f"exports/{SHOP_ORDERS}.yml", "limits: {sums: {loaves: {max: 50}}}\n")(folder)
    unsent(company, TUE, a=1)
    change_rows(company, TUE, 77)
    assert sluice(company, "table", "judge", "exports.exp_shop_orders", "--from", TUE)[0] == 0
    held = company.read_anew()
    assert not held.materialize(TUE, f"delivered/{SHOP_ORDERS}")[0]
    (plan,) = held.deployment.store.deliveries.held()
    change_rows(company, TUE, 5)
    assert sluice(company, "table", "judge", "exports.exp_shop_orders", "--from", TUE)[0] == 0
    sluice(company, "delivery", "approve", plan.delivery_id, "--reason", "looked at")
    sluice(company, "run")
    assert 77 not in {loaves for *_, loaves in company.in_postgres(TUE)}
    held.deployment.store.close()


OTHER_SQL: dict[str, tuple[Edit, Edit]] = {
    "a column more": (lambda _: None, replace(WEATHER, "as rain_mm\n", "as rain_mm,\n    5 as wind\n")),
    "a finer value": (
        replace(WEATHER, "coalesce(rain_mm, 0)", "round(coalesce(rain_mm, 0))"), lambda _: None,
    ),
    "a moment instead of a day": (
        replace(WEATHER, "    town,\n", "    {{ to_type('current_date', 'date') }} as seen,\n    town,\n"),
        replace(
            WEATHER, "{{ to_type('current_date', 'date') }}", "{{ to_type('now()', 'timestamp') }}"
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHER_SQL)
@pytest.mark.sampled(2)
def test_an_old_build_is_todays_only_if_todays_sql_makes_the_very_rows(company: Company, name: str) -> None:
    before, after = OTHER_SQL[name]
    folder = company.settings.project_dir
    original = (folder / WEATHER).read_text()
    before(folder)
    company.land_weather(TUE, rain=1.5)
    company.read_anew().materialize(TUE, "raw/weather", "staging/stg_weather")
    if name == "a finer value":
        (folder / WEATHER).write_text(original)
    after(folder)
    fresh = company.read_anew()
    store = fresh.deployment.store
    with sa.create_engine(company.settings.state_url.get_secret_value()).begin() as connection:
        connection.execute(
            sa.text("update builds set inputs = null, code = '' where relation = 'staging.stg_weather'")
        )
    sluice(fresh, "table", "judge", "staging.stg_weather", "--from", TUE)
    (build,) = store.builds_of([("staging.stg_weather", TUE)])
    assert build.inputs is not None
    assert build.code != fresh.project.lineage.tables["staging.stg_weather"].code
    store.close()


def test_what_a_changed_contract_takes_in_otherwise_is_loaded_anew(company: Company) -> None:
    unsent(company, TUE, a=1)
    folder = company.settings.project_dir
    dry = "empty where the gauge was dry or broken.\n"
    replace(
        "contracts/weather.odcs.yaml", dry,
        f"{dry}        customProperties:\n          - {{property: nullWords, value: ['1.5']}}\n",
    )(folder)  # fmt: skip
    code, said = sluice(company, "table", "judge", "raw.weather", "--from", TUE)
    assert (code, "other rows are taken in than it holds" in said) == (1, True)
    code, said = sluice(company, "why", "exp_weather_report", "--partition", TUE)
    assert f"`sluice table rerun raw.weather --partition {TUE}` takes the drop in by today's contract" in said


NOT_LOADED: dict[str, tuple[Edit, str]] = {
    "a test that reads no table": (write("dbt_project/tests/one.sql", "select 1 as a\n"), "reads no table"),
    "two tests of one name": (
        replace(
            YAML, "          - unique\n      - {name: shop,",
            "          - unique: {name: good}\n"
            "      - {name: shop, data_tests: [{unique: {name: good}}],",
        ),
        "two tests of `staging.stg_orders` are called `good`",
    ),
    "a test with a dot in its name": (
        replace(YAML, "          - unique\n", "          - unique: {name: good.rows}\n"),
        "has a dot in its name",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NOT_LOADED)
def test_a_test_that_would_say_nothing_does_not_load(company: Company, name: str) -> None:
    edit, said = NOT_LOADED[name]
    (company.settings.project_dir / "dbt_project/tests").mkdir(exist_ok=True)
    edit(company.settings.project_dir)
    with pytest.raises(ProjectError, match=said):
        load_project(company.settings)


def test_what_editors_leave_about_stops_nobody(company: Company) -> None:
    identity, folder = company.project.identity, company.settings.project_dir
    staging = folder / "dbt_project/models/staging"
    for name in (".stg_weather.sql.swp", "stg_weather.sql~", "#stg_weather.sql#", "4913", ".DS_Store"):
        (staging / name).write_text("x")
    (staging / ".#stg_weather.sql").symlink_to("somebody@somewhere.1")
    (folder / "contracts/README.md").write_text("Ours.\n")
    for made in (".vscode", "target", "logs"):
        (folder / "dbt_project" / made).mkdir()
        (folder / "dbt_project" / made / "x.json").write_text("{}")
    (folder / "dbt_project" / "loop").symlink_to(folder / "dbt_project")
    identity.require_unchanged()


def test_a_process_that_is_older_than_the_records_writes_nothing(company: Company, tmp_path: Path) -> None:
    store = company.deployment.store
    build = store.builds_of([("staging.stg_orders", MON)])[-1]
    engine = sa.create_engine(company.settings.state_url.get_secret_value())
    with engine.begin() as connection:
        connection.execute(sa.text(f"update records_form set version = {FORM + 1}"))
    with pytest.raises(RecordsTooNew):
        store.record_build(build)
    with engine.begin() as connection:
        connection.execute(sa.text(f"update records_form set version = {FORM}"))
    nowhere = company.settings.model_copy(update={"data_dir": tmp_path / "none"})
    lost = company.environment() | {"SLUICE_STATE_URL": "postgresql://ada:secret@127.0.0.1:9/none"}
    result = CliRunner().invoke(app, ["status", "--data", str(nowhere.data_dir)], env=lost)
    assert (result.exit_code, "secret" in result.output) == (2, False)
    assert "postgresql 127.0.0.1:9/none, cannot be used" in " ".join(result.output.split())
