"""What counts as other SQL, and what does not: each change of a project, and whose digests it changes."""

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sluicegate.core.settings import Settings
from sluicegate.transformation.manifest import load_manifest
from sluicegate.transformation.project_files import stamp_of

from tests.company import BAKERY
from tests.gate.edits import Edit, append, both, replace, write

DBT = "dbt_project/dbt_project.yml"
STAGING = "dbt_project/models/staging"
ORDERS, WEATHER = f"{STAGING}/stg_orders.sql", f"{STAGING}/stg_weather.sql"
MART = "dbt_project/models/marts/shop_orders.sql"
YAML = f"{STAGING}/_staging.yml"
MACROS = "dbt_project/macros/own.sql"
PACKAGE = "dbt_project/dbt_packages/rounding"
UNIQUE = "unique_stg_orders_order_number"
UNIQUE_SENT = "unique_combination_of_columns_exp_shop_orders_business_date__shop"
EVERYTHING = (
    "stg_orders", "stg_weather", "shop_orders", "exp_shop_orders", "exp_weather_report", "towns", "streets",
    UNIQUE, UNIQUE_SENT, "no_rain",
)  # fmt: skip
_MACROS = """
{% macro cents(x) %}{{ adapter.dispatch('cents', 'bakery')(x) }}{% endmacro %}
{% macro default__cents(x) %}round({{ x }}, 2){% endmacro %}
{% macro only_when_run() %}{{ '1 = 1' }}{% endmacro %}
{% macro deep() %}{{ var('deepest') }}{% endmacro %}
{% macro nobody_calls_me() %}1{% endmacro %}
"""


def _clever(folder: Path) -> None:
    """Make a project that uses all there is: macros, variables, the environment, a seed and a package."""
    for edit in (
        write(MACROS, _MACROS),
        replace(DBT, "macro-paths:\n", "macro-paths:\n  - macros\n"),
        replace(DBT, "flags:\n", "vars:\n  deepest: 1\n  unused: 1\n  bakery:\n    scoped: 1\n\nflags:\n"),
        append(
            DBT,
            "seeds:\n  bakery:\n    +schema: reference\n    +post-hook: '{{ record_table_version() }}'\n"
            "data_tests:\n  +severity: \"{{ env_var('BAKERY_SEVERITY', 'error') }}\"\n",
        ),
        append(ORDERS, "    and {{ deep() }} = {{ deep() }} and {{ cents('loaves') }} >= 0\n"),
        append(
            WEATHER,
            "    and {% if execute %}{{ only_when_run() }}{% else %}1 = 1{% endif %}\n"
            "    and '{{ env_var('BAKERY_TOWN', '') }}' = '{{ env_var('BAKERY_TOWN', '') }}'\n"
            "    and {{ var('scoped') }} = 1 and {{ rounding.floor_of('rain_mm') }} >= 0\n",
        ),
        write("dbt_project/seeds/towns.csv", "town,people\nUlm,1\n"),
        write("dbt_project/seeds/streets.csv", "street,people\nBach,1\n" + "x,0\n" * 300_000),
        write(
            "dbt_project/tests/no_rain.sql",
            "select * from {{ ref('stg_weather') }} where rain_mm < {{ var('deepest') }}\n",
        ),
    ):
        edit(folder)
    (folder / PACKAGE / "macros").mkdir(parents=True)
    (folder / PACKAGE / "dbt_project.yml").write_text(
        "name: rounding\nversion: 1.0.0\nconfig-version: 2\nmacro-paths: [macros]\n"
    )
    (folder / PACKAGE / "macros/floor.sql").write_text(
        "{% macro floor_of(x) %}floor({{ x }}){% endmacro %}\n"
    )
    # dbt asks that what is installed is also asked for.
    (folder / "dbt_project/packages.yml").write_text("packages:\n  - local: dbt_packages/rounding\n")


@dataclass(frozen=True)
class Change:
    """A change of the project or of the environment, and the names of the nodes whose digests change."""

    edit: Edit = field(default=lambda _: None)
    changes: frozenset[str] = frozenset()
    environ: Mapping[str, str] = field(default_factory=dict[str, str])
    same_time: bool = False


def _changes(edit: Edit, *names: str, same_time: bool = False) -> Change:
    return Change(edit, frozenset(names), same_time=same_time)


CHANGES: dict[str, Change] = {
    "a model's SQL": _changes(append(ORDERS, "    and 1 = 1\n"), "stg_orders"),
    "a model's SQL, of the same length and time": _changes(
        replace(ORDERS, "shop,", "town,"), "stg_orders", same_time=True
    ),
    "a test's YAML, of the same length and time": _changes(
        replace(YAML, "          - unique\n", "          - not_null\n"),
        UNIQUE,
        "not_null_stg_orders_order_number",
        same_time=True,
    ),
    "what a dispatched macro does": _changes(
        replace(MACROS, "round({{ x }}, 2)", "round({{ x }}, 1)"), "stg_orders"
    ),
    "a macro that is called only when SQL is run": _changes(
        replace(MACROS, "'1 = 1'", "'2 = 2'"), "stg_weather"
    ),
    "a macro that nobody calls": _changes(replace(MACROS, "me() %}1{", "me() %}2{")),
    "a variable, read by a macro and by a test": _changes(
        replace(DBT, "  deepest: 1", "  deepest: 2"), "stg_orders", "no_rain"
    ),
    "a variable of the project's own scope": _changes(
        replace(DBT, "    scoped: 1", "    scoped: 2"), "stg_weather"
    ),
    "a variable that nobody reads": _changes(replace(DBT, "  unused: 1", "  unused: 2")),
    "a package's macro": _changes(
        replace(f"{PACKAGE}/macros/floor.sql", "floor({{ x }})", "round({{ x }})"), "stg_weather"
    ),
    "a variable of the environment, in SQL": Change(
        changes=frozenset({"stg_weather"}), environ={"BAKERY_TOWN": "Ulm"}
    ),
    "a variable of the environment, in a severity": Change(
        changes=frozenset({UNIQUE, UNIQUE_SENT, "no_rain"}), environ={"BAKERY_SEVERITY": "warn"}
    ),
    "a variable of dbt's own": Change(environ={"DBT_LOG_FORMAT": "text"}),
    "tags, and when a test warns": _changes(
        replace(YAML, "          - unique\n", "          - unique: {config: {tags: [x], warn_if: '>5'}}\n")
    ),
    "which rows a test leaves out": _changes(
        replace(YAML, "          - unique\n", "          - unique: {config: {where: loaves > 1}}\n"), UNIQUE
    ),
    "the time zone under which all SQL runs": _changes(
        replace("dbt_project/profiles.yml", "TimeZone: UTC", "TimeZone: Asia/Tokyo"), *EVERYTHING
    ),
    "a row of a seed": _changes(replace("dbt_project/seeds/towns.csv", "Ulm,1", "Ulm,2"), "towns"),
    "a row of a seed that dbt takes no checksum of": _changes(
        replace("dbt_project/seeds/streets.csv", "Bach,1", "Bach,2"), "streets", same_time=True
    ),
    "how seeds are read": _changes(
        append(
            "dbt_project/seeds/_seeds.yml",
            "seeds: [{name: streets, config: {column_types: {people: text}}}]\n",
        ),
        "streets",
    ),
    "the SQL of a singular test": _changes(
        append("dbt_project/tests/no_rain.sql", "    and town <> ''\n"), "no_rain"
    ),
    "how many days a window has": _changes(
        replace("dbt_project/models/marts/_marts.yml", "stg_orders: 3", "stg_orders: 4"), "shop_orders"
    ),
    "descriptions, tags and owners": _changes(
        both(
            replace(YAML, "Orders of the day.", "All orders."),
            replace(DBT, "    staging:\n", "    staging:\n      +tags: [fresh]\n"),
        )
    ),
    "a column's type in an enforced contract": _changes(
        replace("dbt_project/models/exports/_exports.yml", "data_type: bigint", "data_type: hugeint"),
        "exp_shop_orders",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Clever:
    """A project that uses all there is, and a deployment that has parsed it, to begin each test from.

    At one place for all tests: what dbt parsed is of a place.
    """

    kept: Path
    settings: Settings

    def begin(self) -> Settings:
        """Return the deployment as it was after the parse."""
        folder = self.settings.project_dir.parent
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.kept, folder)
        return self.settings


@pytest.fixture(scope="module")
def clever(tmp_path_factory: pytest.TempPathFactory) -> Clever:
    """The project, parsed once."""
    folder = tmp_path_factory.mktemp("clever")
    shutil.copytree(BAKERY, folder / "now/bakery")
    _clever(folder / "now/bakery")
    settings = Settings.load({}, project_dir=folder / "now/bakery", data_dir=folder / "now/data")
    with pytest.MonkeyPatch.context() as patch:
        _without_variables(patch)
        load_manifest(settings)
    shutil.copytree(folder / "now", folder / "kept")
    return Clever(folder / "kept", settings)


@pytest.fixture
def bakery(clever: Clever, monkeypatch: pytest.MonkeyPatch) -> Settings:
    _without_variables(monkeypatch)
    return clever.begin()


def _without_variables(patch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("BAKERY_")]:
        patch.delenv(name)


def _digests(settings: Settings) -> dict[str, str]:
    found = load_manifest(settings).digests
    return {unique_id.split(".")[2]: digest for unique_id, digest in found.items()}


def _with_times_kept(folder: Path, edit: Callable[[Path], None]) -> None:
    before = {path: path.stat() for path in folder.rglob("*") if path.is_file()}
    edit(folder)
    for path, status in before.items():
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("change", [pytest.param(change, id=name) for name, change in CHANGES.items()])
@pytest.mark.sampled(6)
def test_a_change_is_told_of_what_it_changes_and_of_nothing_else(
    bakery: Settings, monkeypatch: pytest.MonkeyPatch, change: Change
) -> None:
    before, stamp = _digests(bakery), stamp_of(bakery)
    if change.same_time:
        _with_times_kept(bakery.project_dir, change.edit)
    else:
        change.edit(bakery.project_dir)
    for name, value in change.environ.items():
        monkeypatch.setenv(name, value)
    assert stamp_of(bakery) != stamp
    after = _digests(bakery)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert changed == change.changes


def test_the_same_files_have_the_same_digests_wherever_and_whenever(bakery: Settings, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(bakery.project_dir, elsewhere)
    for path in elsewhere.rglob("*.sql"):
        os.utime(path, (1, 1))
    other = Settings.load({}, project_dir=elsewhere, data_dir=tmp_path / "other")
    assert _digests(other) == _digests(bakery)
