"""A rule in SQL of a suite is bound when the project loads, and reads the rows that it judges alone.

Belongs here: what loads, and what is said of the rest. Does not: what is refused of one rule without a
project (tests/quality/test_judging_only_reads.py).
"""

import shutil
from pathlib import Path

import pytest
from sluicegate.core.problems import Problem, ProjectError
from sluicegate.core.settings import Settings
from sluicegate.project.loading import load_project

from tests.company import BAKERY
from tests.gate.edits import Edit, append

DBT_TEST = "write what another table decides as a dbt test in dbt_project/tests/"
BATCH = "write `from {batch}` in its place"
SAME = "comparison_data_source_name: warehouse"
QUERY, RESULTS, OTHER = (
    "unexpected_rows_query",
    "expect_query_results_to_match_comparison",
    "other_table_name",
)


def rule(kind: str, *kwargs: str) -> str:
    """Return a rule of a suite in YAML; its keywords begin in its third line."""
    said = "".join(f"      {line}\n" for line in kwargs)
    return f"  - type: {kind}\n    kwargs:\n{said}    severity: critical\n"


def query(sql: str) -> str:
    return rule("unexpected_rows_expectation", f'{QUERY}: "{sql}"')


def compared(base: str, other: str) -> str:
    return rule(RESULTS, SAME, f'base_query: "{base}"', f'comparison_query: "{other}"')


def other_table(name: str) -> str:
    return rule("expect_table_row_count_to_equal_other_table", f"{OTHER}: {name}")


# name: (suite, rule, the keyword that is named, what is said of it, the fix)
BAD: dict[str, tuple[str, str, str, str, str]] = {
    "no such column": (
        "shop_orders", query("select loafes from {batch}"), QUERY, '"loafes" not found', "correct the SQL"
    ),
    "no such table": (
        "shop_orders", query("select * from marts.never"), QUERY, "Table with name never", BATCH
    ),
    "a table that its table is made of": (
        "shop_orders",
        query("select * from {batch} where loaves < (select min(loaves) from staging.stg_orders)"),
        QUERY, "it reads `staging.stg_orders`", DBT_TEST,
    ),
    "a raw table": (
        "shop_orders", query("select * from {batch} where loaves < (select min(rain_mm) from raw.weather)"),
        QUERY, "it reads `raw.weather`", DBT_TEST,
    ),
    "other days of its own table": (
        "shop_orders", query("select * from marts.shop_orders where loaves < 0"),
        QUERY, "it reads `marts.shop_orders` past the partition", BATCH,
    ),
    "other days beside its own": (
        "shop_orders",
        query("select * from {batch} where loaves > (select avg(loaves) from marts.shop_orders)"),
        QUERY, "it reads `marts.shop_orders` past the partition", BATCH,
    ),
    "other days of a source": (
        "weather", query("select * from {batch} where rain_mm > (select avg(rain_mm) from raw.weather)"),
        QUERY, "it reads `raw.weather` past the partition", BATCH,
    ),
    "a table of the platform": (
        "shop_orders", query("select * from {batch}, sluice.table_versions where false"),
        QUERY, 'schema "sluice" does not exist', BATCH,
    ),
    "a query in a text": (
        "shop_orders", query("select * from {batch}, query('select * from raw.weather')"),
        QUERY, "it reads `raw.weather`", DBT_TEST,
    ),
    "a base of another table": (
        "shop_orders", compared("select max(rain_mm) as n from raw.weather", "select 1 as n"),
        "base_query", "it reads `raw.weather`", DBT_TEST,
    ),
    "compared with another table": (
        "shop_orders", compared("select count(*) as n from {batch}", "select count(*) as n from raw.weather"),
        "comparison_query", "it reads `raw.weather`", DBT_TEST,
    ),
    "compared with all days": (
        "shop_orders",
        compared("select count(*) as n from {batch}", "select count(*) as n from marts.shop_orders"),
        "comparison_query", "past the partition", DBT_TEST,
    ),
    "counted like another table": ("shop_orders", other_table("weather"), OTHER, "weather", DBT_TEST),
}  # fmt: skip
GOOD: dict[str, tuple[str, str]] = {
    "rows of a mart": ("shop_orders", query("select shop from {batch} group by shop having count(*) > 9")),
    "rows of a source": ("weather", query("from {batch} where rain_mm < 0 or _partition_key is null")),
    "its rows twice": (
        "shop_orders",
        query("select * from {batch} where loaves > (select 99 * avg(loaves) from {batch} where loaves > 0)"),
    ),
    "no table": ("shop_orders", query("select 1 from range(3) where false")),
    "a constant": ("shop_orders", compared("select min(loaves) >= 0 as n from {batch}", "select true as n")),
}  # fmt: skip


def load(tmp_path: Path, *edits: Edit) -> tuple[Problem, ...]:
    """Return what is wrong with the bakery after these edits."""
    folder = tmp_path / "bakery"
    shutil.copytree(BAKERY, folder)
    for edit in edits:
        edit(folder)
    try:
        load_project(Settings.load({}, project_dir=folder, data_dir=tmp_path / "data"))
    except ProjectError as error:
        return error.problems
    return ()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Problem]:
    """What is said of each at once: {name: problem}, found again by its line."""
    before = {suite: (BAKERY / f"expectations/{suite}.yml").read_text() for suite, *_ in BAD.values()}
    texts, starts = dict(before), dict[str, tuple[str, int]]()
    for name, (suite, text, keyword, _, _) in BAD.items():
        line = next(at for at, line in enumerate(text.splitlines()) if f" {keyword}:" in line)
        starts[name] = (f"expectations/{suite}.yml", texts[suite].count("\n") + 1 + line)
        texts[suite] += text
    edits = [append(f"expectations/{suite}.yml", text[len(before[suite]) :]) for suite, text in texts.items()]
    found = load(tmp_path_factory.mktemp("bad"), *edits)
    assert len(found) == len(BAD), found
    places = {(problem.file, problem.line): problem for problem in found}
    return {name: places[place] for name, place in starts.items() if place in places}


@pytest.mark.parametrize("name", BAD)
def test_a_rule_that_reads_more_than_it_judges_does_not_load(told: dict[str, Problem], name: str) -> None:
    *_, keyword, said, fix = BAD[name]
    problem = told[name]
    assert problem.what.startswith(f"`{keyword}`: ")
    assert said in problem.what
    assert fix in problem.fix


def test_rules_of_the_batch_load(tmp_path: Path) -> None:
    assert load(tmp_path, *(append(f"expectations/{suite}.yml", text) for suite, text in GOOD.values())) == ()
