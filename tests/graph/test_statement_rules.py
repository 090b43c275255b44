"""A text with more than one statement is refused at load, wherever it stands; a `;` in a text is let be."""

import shutil

import pytest
from sluicegate.core.problems import Problem, ProjectError
from sluicegate.core.settings import Settings
from sluicegate.project.loading import load_project

from tests.company import BAKERY
from tests.gate.edits import replace

DBT = "dbt_project/dbt_project.yml"
PLACES = {
    "model": ("dbt_project/models/marts/NAME.sql", "{{ config(materialized='table') }}\nTEXT"),
    "test": ("dbt_project/tests/NAME.sql", "with j as (select 1 as x from {{ ref('stg_orders') }})\nTEXT"),
    "macro": ("dbt_project/macros/NAME.sql", "{% macro NAME() %}\nTEXT{% endmacro %}"),
    "snapshot": (
        "dbt_project/snapshots/NAME.sql",
        "{% snapshot NAME %}{{ config(unique_key='x', strategy='check', check_cols='all',"
        " target_schema='history') }}\nTEXT{% endsnapshot %}",
    ),
}
# {kind: (a text, whether a statement ends in it)}.
TEXTS = {
    "a second statement": ("select 1 as x); update staging.stg_orders set loaves = 0; select (1", True),
    "one that is over": ("select 1 as x;", True),
    "after a text": ("select ';' as x; drop table staging.stg_orders", True),
    "after a text with a quote": ("select 'it''s' as x ; select 2", True),
    "after a text with an escape": (r"select e'\'' as x; select '1'", True),
    "after a name": ('select 1 as ";" ; select 2', True),
    "after a comment": ("select 1 as x -- it's\n; select 2", True),
    "in a text": ("select 'a;b' as x, e'\\';' as y, $$;$$ as z, $t$ $$;$$ $t$ as w", False),
    "in a name": ('select 1 as "a;b", 2 as "a"";"', False),
    "in comments": ("select 1 as x /* ; */ -- ;\n", False),
    "in Jinja": ("select '{{ [';'] | join }}' as x {# ; #}", False),
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Problem, ...]:
    folder = tmp_path_factory.mktemp("statements") / "bakery"
    shutil.copytree(BAKERY, folder)
    replace(DBT, "macro-paths:\n", "macro-paths:\n  - macros\n")(folder)
    with (folder / DBT).open("a") as file:
        file.write("\nsnapshots:\n  bakery:\n    +post-hook: '{{ record_table_version() }}'\n")
    for place, (name, around) in PLACES.items():
        for number, (text, _) in enumerate(TEXTS.values()):
            path = folder / name.replace("NAME", f"{place}_{number}")
            path.parent.mkdir(exist_ok=True)
            path.write_text(around.replace("NAME", f"{place}_{number}").replace("TEXT", text))
    with pytest.raises(ProjectError) as caught:
        load_project(Settings.load({}, project_dir=folder, data_dir=folder.parent / "data"))
    # A name with a `;` ends no statement, and is none for a column: another rule tells.
    return tuple(problem for problem in caught.value.problems if "has a column called" not in problem.what)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", TEXTS)
def test_a_text_is_one_statement(found: tuple[Problem, ...], kind: str, place: str) -> None:
    text, ends = TEXTS[kind]
    file, around = PLACES[place]
    number = list(TEXTS).index(kind)
    said = [one for one in found if one.file == file.replace("NAME", f"{place}_{number}")]
    if not ends:
        assert not said
        return
    [problem] = said
    assert f"`{place}_{number}` ends a statement with `;`" in problem.what
    lines = around.partition("TEXT")[0].count("\n") + 1
    assert problem.line == lines + text.startswith("select 1 as x -- it's")
    assert len(ProjectError(found).told) == 2  # of macros, and of the rest
