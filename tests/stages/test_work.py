"""What is asked of work, what production makes of broken work, and what becomes of it at its end."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from orchestration.core.problems import ProjectError
from orchestration.core.settings import Settings
from orchestration.core.stages import Stage, stage_of
from orchestration.graph.building import build_definitions
from orchestration.graph.deliveries_shown import DELIVERY_CHECK, GATE_CHECK
from orchestration.incidents.alerts_file import Names
from orchestration.incidents.trouble import RootKind
from orchestration.incidents.troubles import find_troubles
from orchestration.operations.status import Standing
from orchestration.project.loading import expired_in, load_project, warnings_in
from orchestration.transformation.identity import ProjectIdentity
from tests.company import BAKERY, MON, NO_WAIT, SHOP_ORDERS, TUE, WED, Company, failures
from tests.gate.triggers import launch, look
from tests.parses import loaded, own_copy, places_given_back
from tests.publishing.shelves import newest, publishing
from tests.stages.workshop import DBT, NEXT_MONTH, TODAY, change, meta, one_model, open_workshop, sent, write
from tests.typed import sluice

pytestmark = pytest.mark.long
Break = Callable[[Path], None]
EXPORT, SUITE = "exports/work/exp_trial.yml", "expectations/work/exp_trial.yml"
MODEL, DESCRIBED = f"{DBT}/models/work/wrk_orders.sql", f"{DBT}/models/work/_wrk_orders.yml"


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """A bakery whose work is in order, in a deployment for work that has one connection."""
    with places_given_back():
        project = own_copy(BAKERY)
        open_workshop(project)
        one_model(project)
        sent(project)
        folder = tmp_path_factory.mktemp("workshop")
        sandbox = folder / "sandbox"
        sandbox.mkdir()
        environ = {"SLUICE_ENVIRONMENT": "work", "SLUICE_WORK_CONNECTION_SANDBOX": str(sandbox), **NO_WAIT}
        company = Company(Settings.load(environ, project_dir=project, data_dir=folder / "data"), "", folder)
        loaded(company.settings)
        yield company


def edited(name: str, before: str, after: str) -> Break:
    return lambda project: change(project, name, before, after)


def written(name: str, text: str) -> Break:
    return lambda project: write(project, {name: text})


# What of work is broken, where it is told everywhere but in production, and in which words.
OF_YAML: dict[str, tuple[Break, str, str]] = {
    "an export that is no YAML": (written(EXPORT, "model: [\n"), EXPORT, "not YAML"),
    "an export without a destination": (written(EXPORT, "model: exp_trial\n"), EXPORT, "destination"),
    "a key that is no column": (edited(EXPORT, "date, shop]", "date, shops]"), EXPORT, "key column `shops`"),
    "a second export of one name": (
        written("exports/work/deep/exp_trial.yml", "model: exp_trial\n"), EXPORT,
        "a second file named `exp_trial`",
    ),
    "an export by production's connection": (
        edited(EXPORT, "connection: sandbox", "connection: miller"), EXPORT,
        "an export of work sends by `miller`",
    ),
    "a place of production's": (
        lambda project: (
            change(project, EXPORT, "connection: sandbox", "connection: miller"),
            change(project, EXPORT, "object: trial", "object: weather/deeper"),
        )[0], EXPORT, "is written by two exports",
    ),
    "two fields of one name": (
        edited(EXPORT, "owner:", "names: {shop: it, loaves: It}\nowner:"), EXPORT, "names` calls both"
    ),
    "a file that nothing reads": (
        written("exports/work/notes.txt", "x"), "exports/work/notes.txt", "nothing reads"
    ),
    "a link to itself": (
        lambda project: (project / "exports/work/loop.yml").symlink_to("loop.yml"), "exports/work/loop.yml",
        "nothing reads",
    ),
    "a suite of no table": (
        written("expectations/work/wrk_none.yml", (BAKERY / "expectations/stg_orders.yml").read_text()),
        "expectations/work/wrk_none.yml", "no table is named `wrk_none`",
    ),
    "a suite of a production table that has one": (
        written("expectations/work/orders.yml", (BAKERY / "expectations/orders.yml").read_text()),
        "expectations/work/orders.yml", "a second file named `orders`",
    ),
    "a suite of an unknown column": (edited(SUITE, "column: shop", "column: shops"), SUITE, "shops"),
    "a suite whose SQL does not bind": (
        written(SUITE, "expectations:\n  - type: expect_table_row_count_to_be_between\n"
            "    kwargs: {min_value: 1}\n"
            "  - type: unexpected_rows_expectation\n    kwargs:\n"
                "      unexpected_rows_query: select nothing from {batch}\n"),
        SUITE, "nothing",
    ),
    "an export without a check": (
        lambda project: (project / SUITE).unlink(), EXPORT, "has no blocking check"
    ),
}  # fmt: skip


@pytest.mark.sampled(3)
@pytest.mark.parametrize("case", OF_YAML)
def test_broken_work_keeps_production_from_nothing(workshop: Company, tmp_path: Path, case: str) -> None:
    change_, file, what = OF_YAML[case]
    kept = {path: path.read_text() for path in workshop.settings.project_dir.glob("e*/work/*.yml")}
    project = workshop.settings.project_dir
    production = workshop.settings.model_copy(update={"declared": "production"})
    runs = ProjectIdentity.of(production)
    try:
        change_(project)
        runs.require_unchanged()  # nor does it stop one that runs
        with pytest.raises(ProjectError) as caught:
            load_project(workshop.settings)
        assert file in (files := {problem.file for problem in caught.value.problems})
        assert {stage_of(name) for name in files} == {Stage.WORK}
        assert what in str(caught.value), caught.value
        assert "exp_trial" not in load_project(production).exports
        with pytest.raises(ProjectError):  # as `sluice check` does, in production, too
            load_project(production, tuple(Stage))
    finally:
        for folder in ("exports/work", "expectations/work"):
            for path in sorted((project / folder).rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
        for path, text in kept.items():
            path.write_text(text)


FROM_SHOPS = " select shop from {{ source('raw', 'shops') }}"
# All of one parse: what of dbt's files is broken.
OF_DBT: dict[str, tuple[str, str, str]] = {
    "an unknown column": ("wrk_binds_not", "select nothing from {{ ref('shop_orders') }}", "nothing"),
    "a hook": (
        "wrk_hook",
        "{{ config(materialized='table', pre_hook='select 1') }}" + FROM_SHOPS,
        "has a hook of its own",
    ),
    "a view": (
        "wrk_view", "{{ config(materialized='view') }}" + FROM_SHOPS, "is view"
    ),
    "a table beside ref": (
        "wrk_beside", "{{ config(materialized='table') }} select shop from raw.shops", "raw.shops"
    ),
    "another schema": (
        "wrk_schema", "{{ config(materialized='table', schema='marts') }}" + FROM_SHOPS,
        "is work, and lies in the schema `marts`",
    ),
    "a name that is taken": (
        "Shop_Orders", "{{ config(materialized='table') }} select shop from {{ source('raw', 'shops') }}",
        "is the name of two tables",
    ),
    "a window that is no number": (
        "wrk_window",
        "{{ config(meta={'trailing_days': {'shop_orders': 'x'}}) }}"
        "select business_date from {{ ref('shop_orders') }} where {{ in_partition('business_date') }}",
        "says x for 'shop_orders'",
    ),
    "a config that its folder hands down": (
        "wrk_whole", "select shop from {{ ref('shop_orders') }} where {{ in_partition('business_date') }}",
        "which it does not select",
    ),
    "no word of its end": (
        "wrk_silent", "{{ config(materialized='table') }} select shop from {{ source('raw', 'shops') }}",
        "is work, and its meta says no `expires`",
    ),
}  # fmt: skip
ASKING = "{% macro asking() %}{{ run_query('select 1') }}{% endmacro %}\n"
ENDLESS = "{{ config(materialized='table', meta={'owner': 'Ada', 'expires': 'soon', 'purpose': ''}) }}"


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A bakery with every fault of dbt's in its work."""
    with places_given_back():
        project = own_copy(BAKERY)
        open_workshop(project)
        write(
            project,
            {f"{DBT}/models/work/{name}.sql": sql + "\n" for name, sql, _ in OF_DBT.values()}
            | {
                f"{DBT}/models/work/wrk_endless.sql": f"{ENDLESS}{FROM_SHOPS}\n",
                f"{DBT}/macros/work/asking.sql": ASKING,
                f"{DBT}/models/work/_all.yml": "models:\n"
                + "".join(
                    f"  - {{name: {name}, config: {meta()}}}\n"
                    for name, _, _ in OF_DBT.values()
                    if name != "wrk_silent"
                ),
            },
        )
        yield Settings.load({}, project_dir=project, data_dir=tmp_path_factory.mktemp("broken") / "data")


def test_faults_of_dbt_files_are_told_everywhere_and_keep_production_from_nothing(broken: Settings) -> None:
    with pytest.raises(ProjectError) as caught:
        load_project(broken)
    told = caught.value.problems
    assert {problem.file.split("/")[2] for problem in told} == {"work"}
    assert any(problem.file.endswith("asking.sql") for problem in told)
    for case, (name, _, what) in OF_DBT.items():
        of_file = [problem for problem in told if problem.file.endswith(f"/{name}.sql")]
        assert any(what in problem.what for problem in of_file), (case, told)
    endless = [problem.what for problem in told if problem.file.endswith("wrk_endless.sql")]
    assert [what for what in endless if "its meta" in what] == [
        f"`wrk_endless` is work, and its meta has a `{name}` that is none"
        for name in ("expires", "owner", "purpose")
    ]
    production = load_project(broken.model_copy(update={"declared": "production"}))
    assert set(production.stages.values()) == {Stage.PRODUCTION}
    # `sluice check` names all of it there, too.
    code, said = sluice(Company(broken, "", broken.data_dir), "check")
    there = Company(broken.model_copy(update={"declared": "production"}), "", broken.data_dir)
    assert (code, sluice(there, "check")) == (2, (2, said))
    # Macros have one namespace: what takes the place of dbt's own is production's matter.
    heard = {f"{DBT}/macros/work/heard.sql": "{% macro default__statement() %}{% endmacro %}\n"}
    write(broken.project_dir, heard)
    with pytest.raises(ProjectError, match="takes the place of dbt's own") as caught:
        load_project(broken.model_copy(update={"declared": "production"}))
    assert {problem.file for problem in caught.value.problems} == heard.keys()


def test_work_is_asked_for_less_than_what_is_sent(workshop: Company) -> None:
    """No suite, contract or check of `wrk_orders`: it loads; `exp_trial` has them, as any export's model."""
    project = load_project(workshop.settings)
    assert "wrk_orders" not in project.suites
    assert project.lineage.tables["work.wrk_orders"].rules == {}
    assert project.node_of(project.exports["exp_trial"]).contract_enforced


# -- the end


@pytest.fixture
def over(workshop: Company) -> Iterator[Callable[[], Company]]:
    """Let the time of `wrk_orders` be over, until the test ends."""

    def until(day: object) -> Company:
        entry = f"models:\n  - name: wrk_orders\n    config: {meta(day)}\n"
        write(workshop.settings.project_dir, {DESCRIBED: entry})
        return workshop.read_anew()

    yield lambda: until(TODAY - timedelta(days=1))
    until(NEXT_MONTH)


@pytest.mark.parametrize(
    ("days", "warned", "refused"),
    [(-1, False, "ended on"), (0, True, ""), (14, True, ""), (15, False, ""), (180, False, ""),
     (181, False, "180d")],
)  # fmt: skip
def test_check_warns_before_the_end_and_refuses_after_it(
    workshop: Company, days: int, warned: bool, refused: str
) -> None:
    project = load_project(workshop.settings)
    today = NEXT_MONTH - timedelta(days=days)
    assert any("`wrk_orders` is work until" in said for said in warnings_in(project, today)) is warned
    found = [one for one in expired_in(project, workshop.settings, today) if "wrk_orders" in one.what]
    assert [one for one in found if refused in one.what + one.expected] == found
    assert bool(found) is bool(refused)
    assert all((one.file, one.line) == (DESCRIBED, 3) for one in found)


def test_what_has_ended_is_not_built_and_not_sent_whoever_asks(
    workshop: Company, over: Callable[[], Company], tmp_path: Path
) -> None:
    """A run, a rerun, the sensor, a button, a redelivery, an approval; production's goes its way."""
    company = workshop
    company.land_shops("Nord")
    company.land_day(MON, Nord=3)
    code, said = sluice(company, "run")
    assert code == 0, said
    assert company.status()["exp_trial", MON].standing is Standing.DELIVERED
    assert list((workshop.container / "sandbox" / "trial").iterdir())
    # What has no connection there rests: it is not sent, nor late, nor failed.
    assert company.status()[SHOP_ORDERS, MON].standing is Standing.NOT_CONFIGURED
    found = find_troubles(company.site, company.clock())
    assert [trouble for trouble in found if trouble.root.kind is not RootKind.SOURCE] == []
    for check in (GATE_CHECK, DELIVERY_CHECK):
        passed, why = company.check_results(f"delivered/{SHOP_ORDERS}", check)[MON]
        assert (passed, why.startswith("Rests in this deployment")) == (True, True), why
    # A deployment that publishes (`local` has both stages) publishes what is production's.
    shelf = publishing(company, tmp_path / "shelf")
    shelf.publish()
    tables = newest(shelf.shelf).tables
    assert ("marts.shop_orders" in tables, [name for name in tables if name.startswith("work.")]) == (
        True,
        [],
    )
    company = over()
    company.land_day(TUE, Nord=4)
    # A run: the step says why and what to do.
    events = company.run()
    said = failures(events)
    assert "work.wrk_orders is not built: the time of `wrk_orders`, which is work, ended on" in said
    assert f"takes it away, or decides anew how long it is worked on (`expires` in {DESCRIBED}:3)" in said
    assert company.materialized("exports/exp_shop_orders") == {MON, TUE}
    assert company.status()["exp_trial", TUE].standing is not Standing.DELIVERED
    assert company.materialized("work/wrk_orders") == {MON}
    # The sensor.
    company.land_day(WED, Nord=5)
    launch(company, *look(company))
    assert company.materialized("exports/exp_shop_orders") == {MON, TUE, WED}
    assert company.materialized("work/wrk_orders") == {MON}
    # Whoever answers for it is told, once, and of what is held by it.
    [told_of] = [
        trouble for trouble in find_troubles(company.site, company.clock())
        if trouble.root.kind is RootKind.PROMISE
    ]  # fmt: skip
    assert told_of.owner == "ada@bakery.example"
    assert "which is work, ended on" in told_of.findings[0].what
    assert told_of.findings[0].what.endswith(": exp_trial is held")
    # A rerun, and a button.
    code, told = sluice(company, "table", "rerun", "work.wrk_orders", "--partition", MON)
    assert (code, "is not built: the time of" in told) == (1, True), told
    success, complaint = company.materialize(MON, "delivered/exp_trial")
    assert (success, "`exp_trial` is held, nothing was sent: the time of `wrk_orders`" in complaint) == (
        False,
        True,
    )
    # What it held once is not sent again either.
    code, told = sluice(
        company,
        "delivery",
        "redeliver",
        "exp_trial",
        "--partition",
        MON,
        "--on",
        str(TODAY),
        "--reason",
        "back",
    )
    assert (code, "the time of `wrk_orders`" in told) == (1, True), told
    code, told = sluice(company, "check")
    assert (code, f"{DESCRIBED}:3: the time of `wrk_orders`" in told) == (2, True), told


def test_an_export_of_production_that_rests_says_so(workshop: Company) -> None:
    specs = {spec.key.to_user_string(): spec for spec in workshop.definitions.resolve_all_asset_specs()}
    resting, own = specs["delivered/exp_shop_orders"], specs["delivered/exp_trial"]
    assert resting.freshness_policy is None
    assert "Rests in this deployment" in (resting.description or "")
    assert "set SLUICE_WORK_CONNECTION_SHOP_SCREENS" in (resting.description or "")
    assert "Rests" not in (own.description or "")
    made = specs["work/wrk_orders"]
    assert (made.group_name, list(made.owners)) == ("work", ["ada@bakery.example"])


def test_a_production_deployment_has_no_asset_of_work(workshop: Company, tmp_path: Path) -> None:
    settings = Settings.load(
        {"SLUICE_ENVIRONMENT": "production"}, project_dir=workshop.settings.project_dir, data_dir=tmp_path
    )
    definitions = build_definitions(settings, loaded(settings))
    keys = {spec.key.to_user_string() for spec in definitions.resolve_all_asset_specs()}
    assert "marts/shop_orders" in keys
    assert {key for key in keys if key.startswith("work/") or "trial" in key} == set()


def test_who_is_told_is_named_by_production_alone(workshop: Company) -> None:
    """The file is the same in production, where nobody knows the other names."""
    names = Names.of(load_project(workshop.settings))
    assert "exp_trial" not in names.export
    assert "work.wrk_orders" not in names.table
