"""A table's meaning stays while its rows cannot differ, and changes wherever they may.

Each case is one model or test, written in two ways, in two copies of the bakery. Belongs here: what Jinja,
config, seeds and tests have a part in. Does not belong here: what SQL means (`tests/columns/test_digests`).
"""

import shutil
from pathlib import Path

import pytest
from sluicegate.core.settings import Settings
from sluicegate.project.loading import load_project
from sluicegate.publishing.meaning import as_code, check_of, meanings

from tests.company import BAKERY

_SHOPS = "from {{ source('raw', 'shops') }}"
_DAYS = "from {{ ref('stg_orders') }} where {{ in_partition('business_date') }}"
_CUT = (
    "{{ config(materialized='incremental', incremental_strategy='partition', partition_by='business_date') }}"
)
_WINDOW = _CUT[:-4] + ", meta={'trailing_days': {'stg_orders': %d}}) }} "
_HEAD = _CUT[:-4] + ", meta={'partition_grain': 'daily', 'trailing_days': {'stg_orders': 3}}) }} "
SAME = {
    "a comment": (f"select shop {_SHOPS}", f"-- why\nselect shop {_SHOPS} /* more */"),
    "a comment of Jinja": (f"select shop {_SHOPS}", f"{{# why #}}select shop {_SHOPS}"),
    "layout": (f"select shop, town {_SHOPS}", f"SELECT\n  shop,\n  town\n{_SHOPS}"),
    "a renamed query": (
        f"with a as (select shop {_SHOPS}) select shop from a",
        f"with b as (select shop {_SHOPS}) select shop from b",
    ),
    "a macro of the user's in its place": (
        f"select upper(shop) as shop {_SHOPS}",
        f"select {{{{ loud('shop') }}}} as shop {_SHOPS}",
    ),
    "a loop in the place of what it writes": (
        f"select shop as a_1, shop as a_2 {_SHOPS}",
        "select {% for n in [1, 2] %}shop as a_{{ n }}{{ ',' if not loop.last }}{% endfor %} " + _SHOPS,
    ),
    "a variable in its place": (
        f"select shop {_SHOPS} where town = 'Ulm'",
        f"select shop {_SHOPS} where town = '{{{{ var(\"town\") }}}}'",
    ),
    "a day's comment": (
        f"{_CUT} select business_date, loaves {_DAYS}",
        f"{_CUT} select business_date, loaves -- sold\n {_DAYS}",
    ),
    "a window and a grain in the head, with a comment": (
        _HEAD + f"select business_date, loaves {_DAYS}",
        _HEAD + f"select business_date, loaves -- sold\n {_DAYS}",
    ),
    "a window in the head, elsewhere changes": (
        _HEAD + f"select business_date, loaves as n {_DAYS}",
        _HEAD + f"select business_date, loaves as n {_DAYS}",
    ),
    "tags": (f"select shop {_SHOPS}", f"{{{{ config(tags=['shop']) }}}} select shop {_SHOPS}"),
    "grouping sets, with a comment": (
        f"select town, count(*) as n {_SHOPS} group by rollup (town)",
        f"select town, count(*) as n {_SHOPS} group by rollup (town) -- all",
    ),
}
OTHER = {
    "a literal": (f"select 1 as n {_SHOPS}", f"select 2 as n {_SHOPS}"),
    "columns in another order": (f"select shop, town {_SHOPS}", f"select town, shop {_SHOPS}"),
    "a column's name": (f"select shop as a {_SHOPS}", f"select shop as b {_SHOPS}"),
    "a column's type": (f"select 1 as n {_SHOPS}", f"select 1::bigint as n {_SHOPS}"),
    "grouping sets": (
        f"select town, count(*) as n {_SHOPS} group by town",
        f"select town, count(*) as n {_SHOPS} group by rollup (town)",
    ),
    "grouping sets, two empty ones": (
        f"select count(*) as n {_SHOPS} group by grouping sets ((town), ())",
        f"select count(*) as n {_SHOPS} group by grouping sets ((town), (), ())",
    ),
    "what a macro writes": (
        f"select {{{{ loud('shop') }}}} as shop {_SHOPS}",
        f"select {{{{ quiet('shop') }}}} as shop {_SHOPS}",
    ),
    "what the same macro writes": (
        f"select {{{{ changed('shop') }}}} as shop {_SHOPS}",
        f"select {{{{ changed('shop') }}}} as shop {_SHOPS}",
    ),
    "a variable's value": (
        f"select shop {_SHOPS} where town = '{{{{ var(\"other_town\") }}}}'",
        f"select shop {_SHOPS} where town = '{{{{ var(\"other_town\") }}}}'",
    ),
    "a day of its own": (
        f"{_CUT} select business_date, loaves {_DAYS}",
        f"{_CUT} select business_date, loaves {_DAYS}"
        "{% if var('partition_key', '') == '2024-01-02' %} and loaves > 1{% endif %}",
    ),
    "a day that a macro decides by": (
        f"{_CUT} select business_date, loaves {_DAYS} {{{{ more_of(partition_key()) }}}}",
        f"{_CUT} select business_date, loaves {_DAYS} {{{{ more_of(partition_key()) }}}} -- other",
    ),
    "the clock": (
        f"select '{{{{ run_started_at.strftime(\"%Y\") }}}}' as year {_SHOPS}",
        f"select '{{{{ run_started_at.strftime('%Y') }}}}' as year {_SHOPS}",
    ),
    "the days that it reads": (
        _WINDOW % 2 + f"select business_date, loaves {_DAYS}",
        _WINDOW % 3 + f"select business_date, loaves {_DAYS}",
    ),
}
_MACROS = """
{% macro loud(column) %}upper({{ column }}){% endmacro %}
{% macro quiet(column) %}lower({{ column }}){% endmacro %}
{% macro more_of(day) %}{% if day == "'2024-01-02'" %}and loaves > 1{% endif %}{% endmacro %}
{% macro changed(column) %}WORD({{ column }}){% endmacro %}
"""


def _written(folder: Path, side: int) -> dict[str, str]:
    """Return the meanings of a bakery with the models of one side of each case."""
    shutil.copytree(BAKERY, folder / "project")
    dbt = folder / "project" / "dbt_project"
    (dbt / "macros").mkdir()
    (dbt / "macros" / "words.sql").write_text(_MACROS.replace("WORD", ("upper", "lower")[side]))
    (dbt / "models" / "cases").mkdir()
    for name, sides in {**SAME, **OTHER}.items():
        sql = sides[side]
        own = (
            ""
            if "materialized" in sql
            else "{{ config(materialized='table', incremental_strategy=none, partition_by=none) }}\n"
        )
        (dbt / "models" / "cases" / f"{_model(name)}.sql").write_text(own + sql)
    config = (dbt / "dbt_project.yml").read_text()
    config = config.replace("macro-paths:\n", 'macro-paths:\n  - "macros"\n')
    config += (
        "    cases:\n      +schema: cases\n" + f"vars:\n  town: Ulm\n  other_town: {('Ulm', 'Bonn')[side]}\n"
    )
    (dbt / "dbt_project.yml").write_text(config)
    (dbt / "tests").mkdir()
    for name, text in _TESTS.items():
        (dbt / "tests" / f"{name}.sql").write_text(text[side])
    settings = Settings.load({}, project_dir=folder / "project", data_dir=folder / "data")
    return meanings(load_project(settings))


_TESTS = {
    "a_test_with_a_comment": (
        "select * from {{ ref('stg_orders') }} where loaves < 0",
        "-- none\nselect *\nfrom {{ ref('stg_orders') }} where loaves < 0",
    ),
    "a_test_of_another_limit": (
        "select * from {{ ref('stg_orders') }} where loaves < 0",
        "select * from {{ ref('stg_orders') }} where loaves < 1",
    ),
}


def _model(name: str) -> str:
    return "wrk_" + "".join(letter if letter.isalnum() else "_" for letter in name)


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], dict[str, str]]:
    """The meanings of the two copies."""
    return (_written(tmp_path_factory.mktemp("one"), 0), _written(tmp_path_factory.mktemp("other"), 1))


@pytest.mark.parametrize("name", [*SAME, *OTHER])
def test_a_model_means_the_same_or_not(sides: tuple[dict[str, str], dict[str, str]], name: str) -> None:
    """What is written otherwise is the same; what may have other rows is not."""
    one, other = (side[f"cases.{_model(name)}"] for side in sides)

    assert one
    assert other
    assert (one == other) == (name in SAME)
    if name in SAME and len(set(SAME[name])) == 1:  # its text is one
        assert sides[0][as_code(f"cases.{_model(name)}")] == sides[1][as_code(f"cases.{_model(name)}")]


def test_checks_and_what_is_not_touched(sides: tuple[dict[str, str], dict[str, str]]) -> None:
    """A comment in a test changes nothing, its condition does; suites and the bakery's own tables stay."""
    names = {name for name in sides[0] if "cases." not in name and "(code)" not in name}
    changed = {name for name in names if sides[0][name] != sides[1][name]}

    assert names == {name for name in sides[1] if "cases." not in name and "(code)" not in name}
    assert changed == {check_of("staging.stg_orders", "a_test_of_another_limit")}
    assert sides[0]["raw.orders"] == ""
    assert sides[0][check_of("raw.orders", "contract")] != ""
