"""Constraints of a model's contract: what lasts through every rebuild is taken, a foreign key refused."""

from pathlib import Path

import pytest

from tests.company import TUE, Company
from tests.gate.edits import Edit, both, write
from tests.graph.test_rules_at_load import problems
from tests.graph.test_suite_sql import load
from tests.typed import sluice
from tests.warehouse.bare import bare

pytestmark = pytest.mark.long

MARTS = "dbt_project/models/marts"
YAML = f"{MARTS}/_keyed.yml"
SUITE = """description: x
expectations:
  - type: expect_table_row_count_to_be_between
    kwargs: {min_value: 1}
"""
DESCRIBED = """models:
  - name: keyed
    description: x
    config: {contract: {enforced: true}}
    constraints: [{type: check, expression: loaves >= 0}]
    columns:
      - {name: business_date, data_type: date, description: x}
      - name: shop
        data_type: varchar
        constraints: [{type: not_null}]
        data_tests: [not_null]
      - {name: loaves, data_type: integer, description: x}
"""
KEY = "{{type: foreign_key, columns: [shop], to: {}, to_columns: [shop]}}"


def keyed(described: str) -> Edit:
    sql = "select business_date, shop, loaves from {{ ref('stg_orders') }}\n"
    return both(
        write(f"{MARTS}/keyed.sql", sql), write(YAML, described), write("expectations/keyed.yml", SUITE)
    )


def of_the_model(constraint: str) -> str:
    return DESCRIBED.replace("[{type: check, expression: loaves >= 0}]", f"[{constraint}]")


def of_the_column(constraint: str) -> str:
    return DESCRIBED.replace("[{type: not_null}]", f"[{constraint}]")


# {kind: (the description, its line, what the fix says of the other table; None where it says none)}.
FOREIGN: dict[str, tuple[str, int, str | None]] = {
    "a source": (of_the_model(KEY.format("\"source('raw', 'shops')\"")), 5, "source('raw', 'shops')"),
    "a model": (of_the_model(KEY.format("ref('stg_orders')")), 5, "ref('stg_orders')"),
    "in words": (
        of_the_model("{type: foreign_key, columns: [shop], expression: raw.shops (shop)}"), 5, None,
    ),
    "of a column": (
        of_the_column("{type: foreign_key, to: ref('stg_orders'), to_columns: [shop]}"), 10,
        "ref('stg_orders')",
    ),
}  # fmt: skip


@pytest.mark.sampled(2)
@pytest.mark.parametrize("kind", FOREIGN)
def test_a_foreign_key_does_not_load_and_its_fix_does(tmp_path: Path, kind: str) -> None:
    described, line, to = FOREIGN[kind]
    (tmp_path / "before").mkdir()
    [problem] = problems(tmp_path / "before", keyed(described))
    assert (problem.file, problem.line) == (YAML, line)
    if to is None:
        return
    assert f'to: "{to}", field: shop' in problem.fix
    test = problem.fix.partition("write `")[2].partition("`")[0]
    fixed = DESCRIBED.replace("data_tests: [not_null]", f"data_tests: [not_null, {{{test}}}]")
    assert fixed != DESCRIBED
    assert load(tmp_path, keyed(fixed)) == ()


@pytest.mark.parametrize(
    "constraint",
    ["{type: primary_key, columns: [business_date, shop]}", "{type: check, expression: loaves >= 0}"],
)
@pytest.mark.sampled(2)
def test_other_constraints_are_kept_through_a_correction(open_bakery: Company, constraint: str) -> None:
    company = open_bakery.with_own_project()
    keyed(of_the_model(constraint))(company.settings.project_dir)
    company = company.read_anew()
    for loaves in (1, 2):
        company.land_day(TUE, a=loaves)
        code, said = sluice(company, "run")
        assert code == 0, said
    with bare(company.deployment.warehouse) as connection:
        rows = connection.execute(f"select shop from marts.keyed where business_date = '{TUE}'").fetchall()
    assert rows
