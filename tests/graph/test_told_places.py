"""What is wrong with dbt's files is told where it stands, all of it at once, with a fix that is right.

Belongs here: places and fixes. Does not: what SQL may read (test_bound_sql.py), and rules of their own.
"""

from pathlib import Path

import pytest

from tests.gate.edits import Edit, replace, write
from tests.graph.test_rules_at_load import problems
from tests.graph.test_suite_sql import load

pytestmark = pytest.mark.long
DBT, MARTS = "dbt_project/dbt_project.yml", "dbt_project/models/marts"
MACROS = replace(DBT, "macro-paths:\n", "macro-paths:\n  - macros\n")
ORDERS = "{{ ref('stg_orders') }}"
SQL, YAML, MACRO = f"{MARTS}/broken.sql", f"{MARTS}/_broken.yml", "dbt_project/macros/mine.sql"
SLICED = f"select business_date, shop, loaves\nfrom {ORDERS}\n"
LISTED = "{%- for name in ['shop', 'loaves'] %}\n  {{ name }},\n{%- endfor %}\n"
FLOW = """models:
  - name: broken
    description: x
    columns:
      - {name: business_date, data_type: date, description: x}
      - {name: shop, data_type: integer, description: x}
"""
BLOCK = """models:
  - name: other
  - name: broken
    columns:
      - description: x
        name: business_date
        data_type: date
      - description: x
        name: shop
        data_type: integer
"""
TESTED = """models:
  - name: broken
    description: nope, an odd one
    data_tests:
      - odd
    columns:
      - name: shop
        data_tests:
          - not_null
          - odd:
              config: {where: "loaves > 3"}
"""
ODD = "{% test odd(model) %}\nselect *\nfrom {{ model }}\nwhere nope > 1\n{% endtest %}\n"
ODD_OF_A_COLUMN = ODD.replace("odd(model)", "odd(model, column_name=none)").replace("nope", "noop")
# {kind: (the model's SQL, other files, the place that is told)}.
PLACED: dict[str, tuple[str, dict[str, str], tuple[str, int]]] = {
    "Jinja that does not end": ("select\n 1 as a\nfrom {{ ref('stg_orders')\n", {}, (SQL, 3)),
    "Jinja that does not end, below empty lines": (
        "\n\nselect\n 1 as a\nfrom {{ ref('stg_orders')\n", {}, (SQL, 5),
    ),
    "an if without its end": (f"select 1\n{{% if true %}}\nfrom {ORDERS}\n", {}, (SQL, 3)),
    "no such model": ("select 1 as a\nfrom {{ ref('stg_orderz') }}\n", {}, (SQL, 2)),
    "no such source": ("select 1 as a\nfrom {{ source('raw', 'orderz') }}\n", {}, (SQL, 2)),
    "a text that does not end": (f"select\n business_date,\n 'abc as x\nfrom {ORDERS}\n", {}, (SQL, 3)),
    "a name that does not end": (f'select\n business_date,\n "abc as x\nfrom {ORDERS}\n', {}, (SQL, 3)),
    "a comma too much": (f"select\n business_date,,\n shop\nfrom {ORDERS}\n", {}, (SQL, 2)),
    "a column within a macro": (
        f"select\n business_date,\n {{{{ worse('loaves') }}}} as x\nfrom {ORDERS}\n",
        {MACRO: "{% macro worse(c) %}\n  {{ c }} + nope\n{% endmacro %}\n"}, (SQL, 3),
    ),
    "a column after a loop": (f"select\n{LISTED}  nope, business_date\nfrom {ORDERS}\n", {}, (SQL, 5)),
    "a column beside Jinja": (
        f"-- é\nselect business_date\nfrom {ORDERS} as o\nwhere nope > 1 and {{{{ 'true' }}}}\n", {},
        (SQL, 4),
    ),
    "a text that is no number": (
        f"select business_date\nfrom {ORDERS}\nwhere loaves > 'many'\n", {}, (SQL, 3),
    ),
    "a text that is no date, beside Jinja": (
        f"select shop, business_date\nfrom {ORDERS}\nwhere {{{{ 'true' }}}} and business_date > 'May'\n", {},
        (SQL, 3),
    ),
    "a described column in one line": (SLICED, {YAML: FLOW}, (YAML, 6)),
    "a described column whose name comes later": (SLICED, {YAML: BLOCK}, (YAML, 8)),
    "a generic test by its bare name": (
        SLICED, {YAML: TESTED.partition("    columns")[0], MACRO: ODD}, (YAML, 5),
    ),
    "a generic test of a column": (
        SLICED, {YAML: TESTED.replace("    data_tests:\n      - odd\n", "", 1), MACRO: ODD_OF_A_COLUMN},
        (YAML, 8),
    ),
    "comments alone": ("-- later\n{# and more #}\n", {}, (SQL, 1)),
    "settings alone": ("{{ config(tags=['x']) }}\n-- later\n", {}, (SQL, 1)),
}  # fmt: skip


def broken(sql: str, more: dict[str, str]) -> list[Edit]:
    """A model, and what goes with it."""
    return [MACROS, write(MACRO, ""), write(SQL, sql), *(write(*one) for one in more.items())]


@pytest.mark.parametrize("kind", PLACED)
@pytest.mark.sampled(10)
def test_what_is_wrong_is_told_where_it_stands(tmp_path: Path, kind: str) -> None:
    sql, more, place = PLACED[kind]
    found = problems(tmp_path, *broken(sql, more))
    assert {(problem.file, problem.line) for problem in found} == {place}, found


def test_all_that_does_not_compile_and_does_not_bind_is_told_at_once(tmp_path: Path) -> None:
    unset = f"select 1 as a,\n '{{{{ var('%s') }}}}' as b from {ORDERS}\n"
    found = problems(
        tmp_path,
        MACROS,
        write(MACRO, "{% macro bad() %}\n{{ exceptions.raise_compiler_error('no') }}\n{% endmacro %}\n"),
        write(f"{MARTS}/first.sql", unset % "nope"),
        write(f"{MARTS}/second.sql", unset % "noop"),
        write(f"{MARTS}/third.sql", f"select {{{{ bad() if execute }}}} from {ORDERS}\n"),
        write(f"{MARTS}/other.sql", f"-- {ORDERS}\nselect business_date from staging.stg_weather\n"),
    )
    assert {problem.file for problem in found} >= {
        f"{MARTS}/{name}.sql" for name in ("first", "second", "other")
    }, found
    assert any("third" in problem.what for problem in found), found


@pytest.mark.parametrize("column", ["shop", "loaves"])
@pytest.mark.sampled(2)
def test_the_fix_of_a_relationship_loads_when_typed(tmp_path: Path, column: str) -> None:
    described = (
        "models:\n  - name: broken\n    description: x\n    data_tests:\n      - relationships:\n"
        f"          arguments: {{column_name: {column}, to: staging.stg_orders, field: {column}}}\n"
    )
    (tmp_path / "before").mkdir()
    [problem] = problems(tmp_path / "before", *broken(SLICED, {YAML: described}))
    assert (problem.file, problem.line) == (YAML, 6)
    typed = problem.fix.partition("`")[2].rstrip("`")
    fixed = described.replace("to: staging.stg_orders", typed)
    assert fixed != described
    assert load(tmp_path, *broken(SLICED, {YAML: fixed})) == ()


def test_the_fix_of_a_table_that_reads_partitions_loads_when_typed(tmp_path: Path) -> None:
    config = "{{ config(materialized='table') }}\n"
    (tmp_path / "before").mkdir()
    [problem] = problems(tmp_path / "before", write(SQL, f"{config}select * from staging.stg_orders\n"))
    call, _, settings = problem.fix.partition(", and cut the model as what it reads: ")
    typed = f"{{{{ config({settings}) }}}}\nselect * {call.removeprefix('write `').rstrip('`')}\n"
    assert load(tmp_path, write(SQL, typed)) == ()
