"""Which way things may point: every kind of definition, by every kind of edge, both ways."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.core.problems import Problem, ProjectError
from orchestration.core.settings import SHARED_DBT_MACROS, Settings
from orchestration.core.stages import Stage
from orchestration.project.directions import direction_problems
from orchestration.project.loading import Project, load_project
from orchestration.transformation.manifest import DbtManifest, load_manifest
from tests.company import BAKERY
from tests.parses import loaded, own_copy, places_given_back
from tests.stages.workshop import DBT, change, meta, one_model, open_workshop, sent, write

pytestmark = pytest.mark.long

SNAPSHOT = (
    "{%% snapshot %s %%}\n{{ config(unique_key='shop', strategy='check', check_cols='all') }}\n"
    "select shop, town from {{ %s }}\n{%% endsnapshot %%}\n"
)
SUITE = (
    "expectations:\n  - type: expect_table_row_count_to_be_between\n    kwargs: {min_value: 1}\n"
    "    severity: warning\n"
)


def of_work(project: Path) -> None:
    """Write every kind of definition that is work, each reading production and work."""
    open_workshop(project)
    one_model(project)
    sent(project)
    write(project, {
        f"{DBT}/macros/shared.sql": "{% macro twice(column) %}{{ column }} * 2{% endmacro %}\n",
        f"{DBT}/macros/work/tried.sql": "{% macro tried(column) %}{{ twice(column) }}{% endmacro %}\n",
        f"{DBT}/seeds/prices.csv": "shop,price\nNord,3\n",
        f"{DBT}/seeds/work/wrk_prices.csv": "shop,price\nNord,4\n",
        f"{DBT}/snapshots/towns.sql": SNAPSHOT % ("towns", "source('raw', 'shops')"),
        f"{DBT}/snapshots/work/wrk_towns.sql": SNAPSHOT % ("wrk_towns", "source('raw', 'shops')"),
        f"{DBT}/models/work/deep/wrk_score.sql":
            "-- depends_on: {{ ref('wrk_prices') }}\n"
            "select o.business_date, o.shop, {{ tried('o.loaves') }} as loaves,\n"
            "o.loaves + w.loaves as both_\nfrom {{ ref('shop_orders') }} as o\n"
            "join {{ ref('wrk_orders') }} as w using (business_date, shop)\n"
            "where {{ in_partition('o.business_date') }}\n",
        f"{DBT}/models/work/deep/_all.yml": "\n".join([
            "models:", "  - name: wrk_score",
            f"    config: {meta()[:-2]}, trailing_days: {{wrk_orders: 3}}}}}}",
            "    columns:", "      - name: shop", "        data_tests:",
            "          - relationships: {arguments: {to: ref('wrk_orders'), field: shop}}",
            "          - relationships: {name: also_there, arguments: {to: ref('shop_orders'), field: shop}}",
            "seeds:", f"  - {{name: wrk_prices, config: {meta()}}}",
            "snapshots:", f"  - {{name: wrk_towns, config: {meta()}}}",
            "exposures:", "  - name: tried_board", "    type: dashboard",
            "    owner: {email: ada@bakery.example}",
            "    depends_on: [ref('wrk_score'), ref('shop_orders')]",
            "unit_tests:", "  - name: score_is_twice", "    model: exp_trial", "    given:",
            "      - {input: ref('wrk_orders'), rows: [{shop: Nord, loaves: 1}]}",
            "    expect: {rows: [{shop: Nord, loaves: 1}]}", "",
        ]),
        f"{DBT}/tests/work/score_is_there.sql":
            "select s.shop from {{ ref('wrk_score') }} as s\n"
            "anti join {{ ref('shop_orders') }} as o using (shop)\n",
        "expectations/work/deeper/wrk_score.yml": SUITE,
    })  # fmt: skip
    (project / f"{DBT}/models/work/README.md").write_text("What is tried.\n")
    (project / "exports/work/README.md").write_text("What is tried.\n")


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A project in which all points the right way."""
    with places_given_back():
        project = own_copy(BAKERY)
        of_work(project)
        settings = Settings.load({}, project_dir=project, data_dir=tmp_path_factory.mktemp("right") / "data")
        loaded(settings)
        yield settings


def test_what_is_work_reads_both(right: Settings) -> None:
    project = load_project(right)
    work = {name for name, stage in project.stages.items() if stage is Stage.WORK}
    assert work == {
        "work.wrk_orders", "work.wrk_score", "work.exp_trial", "work.wrk_prices", "work.wrk_towns"
    }  # fmt: skip
    assert project.exports["exp_trial"].stage is Stage.WORK
    table = project.lineage.tables["work.wrk_score"]
    assert table.parents == {"marts.shop_orders": 1, "work.wrk_orders": 3, "work.wrk_prices": 1}
    # A test of both stages is a check of what is work, and nothing of production waits for it.
    assert "score_is_there" in table.rules
    assert all(
        table.comes_after.keys() & work == set()
        for name, table in project.lineage.tables.items()
        if name not in work
    )


def test_production_has_nothing_of_it(right: Settings, tmp_path: Path) -> None:
    """Tables, checks, exports, suites, receivers; what is left is as if the folders were not there."""
    of_production = right.model_copy(update={"declared": "production"})
    project = load_project(of_production)
    assert _without_work(project) == []
    assert (
        project.lineage.tables["marts.shop_orders"] == load_project(right).lineage.tables["marts.shop_orders"]
    )


def _without_work(project: Project) -> list[str]:
    content = project.manifest.content
    named = [*project.lineage.tables, *project.exports, *project.suites]
    named += [
        str(item["name"]) for kind in ("nodes", "exposures", "unit_tests") for item in content[kind].values()
    ]
    return [name for name in named if "wrk_" in name or "trial" in name or "tried" in name or "score" in name]


# file, line, what is said, and what is to be done.
WRONG: tuple[tuple[str, int, str, str], ...] = (
    (f"{DBT}/models/marts/shop_orders.sql", 1, "production model `shop_orders` reads `work.wrk_towns`",
     "promote `wrk_towns` first (`sluice env promote wrk_towns`), or move `shop_orders` to models/work"),
    (f"{DBT}/models/marts/late.sql", 1, "production model `late` reads `work.wrk_prices`",
     "move `late` to models/work"),
    (f"{DBT}/models/marts/late.sql", 2, "production model `late` calls the macro `tried`, which is work",
     "`git mv dbt_project/macros/work/tried.sql dbt_project/macros/tried.sql`"),
    (f"{DBT}/models/marts/in_a_run.sql", 2, "production model `in_a_run` calls the macro `tried`", "git mv"),
    (f"{DBT}/tests/in_a_run_too.sql", 1, "production test `in_a_run_too` calls the macro `default__shown`",
     "git mv"),
    (f"{DBT}/snapshots/of_work.sql", 3, "production snapshot `of_work` reads `work.wrk_towns`",
     "move `of_work` to snapshots/work"),
    (f"{DBT}/tests/late_is_there.sql", 1, "production test `late_is_there` reads `work.wrk_score`",
     "move the test to tests/work"),
    (f"{DBT}/models/marts/_late.yml", 7, "reads `work.wrk_orders`", "a YAML file in dbt_project/models/work"),
    (f"{DBT}/models/marts/_late.yml", 12, "production exposure `board` reads `work.wrk_score`",
     "promote `wrk_score` first"),
    (f"{DBT}/models/marts/_late.yml", 17, "production unit test `late_is_right` reads `work.wrk_prices`",
     "promote `wrk_prices` first"),
    (f"{DBT}/macros/untried.sql", 1, "production macro `untried` calls the macro `tried`", "git mv"),
    (f"{DBT}/macros/work/naming.sql", 1, "`generate_alias_name` says what all tables are called",
     "move it to dbt_project/macros/naming.sql"),
    (f"{DBT}/models/work/_too_much.yml", 2,
     "model `stg_weather` is production's, and described in a file of work",
     "move its entry to a YAML file beside dbt_project/models/staging/stg_weather.sql"),
    (f"{DBT}/models/marts/grouped.sql", 1, "its group is defined in dbt_project/models/work/_too_much.yml",
     "move the group"),
    (f"{DBT}/tests/work/judges_production.sql", 1, "a test of work judges `marts.shop_orders`",
     "dbt_project/tests"),
    (f"{DBT}/models/work/_too_much.yml", 4, "a test of work judges `staging.stg_weather`",
     "dbt_project/tests"),
    (f"{DBT}/models/staging/linked.sql", 1, "is a link to dbt_project/models/work/wrk_orders.sql", "`rm "),
    ("expectations/linked.yml", 1, "is a link to expectations/work/deeper/wrk_score.yml", "`rm "),
    ("expectations/wrk_orders.yml", 1, "a suite of production judges `work.wrk_orders`, which is work",
     "`git mv expectations/wrk_orders.yml expectations/work/wrk_orders.yml`"),
    ("expectations/work/stg_weather_2.yml", 1, "a suite of work judges `staging.stg_weather_2`",
     "`git mv expectations/work/stg_weather_2.yml expectations/stg_weather_2.yml`"),
    ("expectations/work/orders.yml", 1, "a suite of work judges `raw.orders`", "expectations/orders.yml`"),
    ("exports/exp_second.yml", 1, "an export of production sends `work.exp_second`",
     "`sluice env promote exp_second`"),
    ("exports/work/exp_weather_report.yml", 1, "an export of work sends `exports.exp_weather_report`",
     "`git mv exports/work/exp_weather_report.yml exports/exp_weather_report.yml`"),
)  # fmt: skip


def turned(project: Path) -> None:
    """Let each kind of definition that is production's lean on work, and work judge production."""
    of_work(project)
    change(
        project, f"{DBT}/models/marts/shop_orders.sql", "with ordered as (",
        "-- depends_on: {{ ref('wrk_towns') }}\nwith ordered as (",
    )  # fmt: skip
    write(project, {
        f"{DBT}/models/marts/late.sql":
            "{{ config(materialized='table') }} select shop from {{ ref('wrk_prices') }}\n"
            "where {{ tried('price') }} > 1\n",
        # dbt's parse takes neither branch.
        f"{DBT}/models/marts/in_a_run.sql":
            "{{ config(materialized='table') }} select shop from {{ source('raw', 'shops') }}\n"
            "{% if execute %}where {{ bakery.tried('1') }} > 1{% endif %}\n",
        f"{DBT}/tests/in_a_run_too.sql":
            "select {% if execute %}{{ adapter.dispatch('shown')() }}{% else %}1{% endif %} as one\n"
            "from {{ ref('in_a_run') }} where false\n",
        f"{DBT}/macros/work/shown.sql": "{% macro default__shown() %}1{% endmacro %}\n",
        f"{DBT}/models/marts/named_alike.sql":
            "{% set tried = 'shop' %}{{ config(materialized='table') }}\n"
            "select {{ tried }} from {{ source('raw', 'shops') }} -- tried\n",
        f"{DBT}/models/marts/grouped.sql":
            "{{ config(materialized='table', group='tinkers') }}\n"
            "select shop from {{ source('raw', 'shops') }}\n",
        f"{DBT}/models/marts/_late.yml": "\n".join([
            "models:", "  - name: late", "    columns:", "      - name: shop", "        data_tests:",
            "          - relationships:",
            "              {arguments: {to: ref('wrk_orders'), field: shop}}",
            "exposures:", "  - name: board", "    type: dashboard", "    owner: {email: ada@bakery.example}",
            "    depends_on: [ref('wrk_score')]",
            "unit_tests:", "  - name: late_is_right", "    model: late", "    given:",
            "      - {input: ref('wrk_prices'), rows: [{shop: Nord, price: 1}]}",
            "    expect: {rows: [{shop: Nord}]}", "",
        ]),
        f"{DBT}/snapshots/of_work.sql": SNAPSHOT % ("of_work", "ref('wrk_towns')"),
        f"{DBT}/tests/late_is_there.sql": "select shop from {{ ref('wrk_score') }} where shop is null\n",
        f"{DBT}/tests/work/judges_production.sql":
            "select shop from {{ ref('shop_orders') }} where shop is null\n",
        f"{DBT}/macros/untried.sql": "{% macro untried(column) %}{{ tried(column) }}{% endmacro %}\n",
        f"{DBT}/macros/work/naming.sql":
            "{% macro generate_alias_name(custom_alias_name=none, node=none) -%}"
            "{{ custom_alias_name or node.name }}{%- endmacro %}\n",
        f"{DBT}/models/work/_too_much.yml": "\n".join([
            "models:", "  - name: stg_weather", "    data_tests:", "      - unique_combination_of_columns:",
            "          {arguments: {combination_of_columns: [business_date, town]}}",
            "groups:", "  - {name: tinkers, owner: {email: ada@bakery.example}}", "",
        ]),
        f"{DBT}/models/staging/stg_weather_2.sql": "select * from {{ ref('stg_weather') }}\n",
        "expectations/wrk_orders.yml": SUITE,
        "expectations/work/stg_weather_2.yml": SUITE,
        f"{DBT}/models/work/exp_second.sql": (project / f"{DBT}/models/work/exp_trial.sql").read_text(),
        "exports/exp_second.yml": (project / "exports/work/exp_trial.yml").read_text()
            .replace("exp_trial", "exp_second").replace("sandbox", "miller").replace("trial", "second"),
    })  # fmt: skip
    change(
        project,
        f"{DBT}/models/staging/_staging.yml",
        "  - name: stg_weather\n    description: Weather of the day, by town.\n",
        "",
    )
    (project / "expectations/orders.yml").rename(project / "expectations/work/orders.yml")
    (project / "exports/exp_weather_report.yml").rename(project / "exports/work/exp_weather_report.yml")
    change(project, "exports/work/exp_weather_report.yml", "connection: miller", "connection: sandbox")
    (project / f"{DBT}/models/staging/linked.sql").symlink_to("../work/wrk_orders.sql")
    (project / "expectations/linked.yml").symlink_to("work/deeper/wrk_score.yml")


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Settings, tuple[Problem, ...]]]:
    """A project in which all points the wrong way, and what is said of it."""
    with places_given_back():
        project = own_copy(BAKERY)
        turned(project)
        settings = Settings.load({}, project_dir=project, data_dir=tmp_path_factory.mktemp("wrong") / "data")
        with pytest.raises(ProjectError) as caught:
            load_project(settings)
        yield settings, caught.value.problems


@pytest.mark.parametrize(("file", "line", "what", "mend"), WRONG)
def test_what_points_the_wrong_way_is_told(
    wrong: tuple[Settings, tuple[Problem, ...]], file: str, line: int, what: str, mend: str
) -> None:
    found = [one for one in wrong[1] if one.file == file and what in one.what]
    assert [one.line for one in found] == [line], "\n".join(map(str, wrong[1]))
    assert mend in found[0].mend


def test_nothing_else_is_told(wrong: tuple[Settings, tuple[Problem, ...]]) -> None:
    for one in wrong[1]:
        assert any(one.file == file and what in one.what for file, _, what, _ in WRONG), str(one)


@pytest.mark.parametrize(
    "place", ["/srv/work/sluice", "/work/work", "/exports/work", "/dbt_project/models/work"]
)
def test_the_macros_that_all_share_are_no_work_wherever_the_code_is_installed(
    wrong: tuple[Settings, tuple[Problem, ...]], place: str
) -> None:
    settings, told = wrong
    manifest = load_manifest(settings)
    content = json.loads(json.dumps(manifest.content).replace(f"{SHARED_DBT_MACROS}", f"{place}/macros"))
    moved = DbtManifest(content, manifest.digests, manifest.stamp, manifest.problems)
    assert f"{place}/macros/slices.sql" in {one["original_file_path"] for one in content["macros"].values()}
    assert set(direction_problems(settings, moved, {}, {}, tuple(Stage))) <= set(told)


def test_production_sees_the_same_of_its_own_files(wrong: tuple[Settings, tuple[Problem, ...]]) -> None:
    settings, everywhere = wrong
    with pytest.raises(ProjectError) as caught:
        load_project(settings.model_copy(update={"declared": "production"}))
    of_work_alone = {
        one
        for one in everywhere
        if one.file.startswith(("exports/work", "expectations/work")) or "a test of work" in one.what
    }
    assert set(caught.value.problems) == set(everywhere) - of_work_alone


def test_each_printed_move_mends_what_it_is_printed_for(wrong: tuple[Settings, tuple[Problem, ...]]) -> None:
    """Typed as it stands, in a repository."""
    settings, told = wrong
    project = settings.project_dir
    for words in ("init --quiet", "add -A"):
        subprocess.run(["git", *words.split()], cwd=project, check=True, capture_output=True)
    moves = {found: one for one in told for found in re.findall(r"`(git mv [^`]+)`", one.mend)}
    assert len(moves) == 7
    for move in moves:
        subprocess.run(move.split(), cwd=project, check=True, capture_output=True)
    with pytest.raises(ProjectError) as caught:
        load_project(settings)
    left = {(one.file, one.what) for one in caught.value.problems}
    assert not left & {(one.file, one.what) for one in moves.values()}
