"""What SQL asks of dbt's Jinja: refused at load where it runs SQL beside its select, and else let be.

Many texts stand in one copy of the bakery, as dbt takes seconds to parse one.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from sluicegate.core.problems import Problem, ProjectError
from sluicegate.core.settings import Settings
from sluicegate.project.loading import load_project
from sluicegate.transformation.jinja_reading import JinjaTexts
from sluicegate.transformation.jinja_rules import DBTS_NAMES
from sluicegate.transformation.manifest import load_manifest
from sluicegate.transformation.runner import DbtProcess

from tests.company import BAKERY

pytestmark = pytest.mark.long

MARTS, MACROS, TESTS = "dbt_project/models/marts", "dbt_project/macros", "dbt_project/tests"
PACKAGE = "dbt_project/dbt_packages/handy"
DBT = "dbt_project/dbt_project.yml"
UPDATE = "'update staging.stg_orders set loaves = 0'"

ONLY_WHEN_RUN = "{% if execute %}TEXT{% endif %}"

# What stands in a model, a data test, a snapshot and a macro: {kind: (text, what is said)}.
TEXTS = {
    "run_query": ("{% do run_query(UPDATE) %}", "calls `run_query`, which comes to `statement`"),
    "run_query of dbt's": ("{{ dbt.run_query(UPDATE) }}", "calls `dbt.run_query`"),
    "run_query in brackets": ("{{ dbt['run_query'](UPDATE) }}", "calls `dbt.run_query`"),
    "run_query of the context": ("{{ context['run_query'](UPDATE) }}", "calls `run_query`"),
    "run_query got of the context": ("{{ context.get('run_query')(UPDATE) }}", "calls `run_query`"),
    "a computed name": ("{% set n = 'run_' ~ 'query' %}{{ context[n](UPDATE) }}", "uses `context`"),
    "another name for it": ("{% set f = run_query %}{{ f(UPDATE) }}", "hands the macro `run_query` on"),
    "another name for all of dbt": ("{% set d = dbt %}{{ d.run_query(UPDATE) }}", "uses `dbt`, which is no"),
    "set in a loop that is empty": (
        "{% for x in [] %}{% set run_query = x %}{% endfor %}{{ run_query(UPDATE) }}", "calls `run_query`",
    ),
    "set where nothing holds": (
        "{% if false %}{% set run_query = 1 %}{% endif %}{{ run_query(UPDATE) }}", "calls `run_query`",
    ),
    "a statement": (
        "{% call statement('x') %}update staging.stg_orders set loaves = 0{% endcall %}", "calls `statement`",
    ),
    "execute": ("{% do adapter.execute(UPDATE) %}", "uses `adapter.execute`"),
    "add_query": ("{% do adapter.add_query(UPDATE) %}", "uses `adapter.add_query`"),
    "drop_relation": ("{% do adapter.drop_relation(this) %}", "uses `adapter.drop_relation`"),
    "a method of the adapter in brackets": ("{% do adapter['execute'](UPDATE) %}", "uses `adapter.execute`"),
    "a computed method": ("{% set n = 'execute' %}{% do adapter[n](UPDATE) %}", "hands `adapter` on"),
    "another name for the adapter": ("{% set a = adapter %}{% do a.execute(UPDATE) %}", "hands `adapter` on"),
    "a filter on the adapter": ("{{ (adapter | attr('execute'))(UPDATE) }}", "hands `adapter` on"),
    "a method handed on": ("{% set f = adapter.execute %}{{ f(UPDATE) }}", "uses `adapter.execute`"),
    "columns of a query": ("{{ get_columns_in_query(UPDATE) }}", "calls `get_columns_in_query`"),
    "the adapter of ref": ("{{ ref.db_wrapper.execute(UPDATE) }}", "uses `ref.db_wrapper` without"),
    "ref handed on": ("{% set r = ref %}{{ r.db_wrapper.execute(UPDATE) }}", "uses `ref` without"),
    "the context of a macro": ("{{ to_type.context['run_query'](UPDATE) }}", "a part of a macro"),
    "the context of what is dispatched": (
        "{{ adapter.dispatch('to_type').context['run_query'](UPDATE) }}", "hands on what it dispatches",
    ),
    "a computed dispatch": ("{% set n = 'list_schemas' %}{{ adapter['dispatch'](n)('x') }}", "computed"),
    "a dispatch that runs SQL": ("{{ adapter.dispatch('list_schemas', 'dbt')('x') }}", "calls `list_sch"),
    "dbt's own ref": ("{{ builtins.ref('stg_orders') }}", "uses `builtins.ref`"),
    "a text that is rendered": ("{{ render('{{ run_query(1) }}') }}", "uses `render`"),
    "a file that is written": ("{{ write('x') }}", "uses `write`"),
    "what was run": ("{{ load_result('main') }}", "uses `load_result`"),
    "a header": ("{% call set_sql_header(config) %}update x{% endcall %}", "calls `set_sql_header`"),
    "a header set": ("{% do config.set('sql_header', 'update x') %}", "uses `config.set`"),
    "the record of versions": ("{{ record_table_version() }}", "calls `record_table_version`"),
    "the target changed": ("{% do target.update({'schema': 'x'}) %}", "changes what dbt hands to all"),
    "the graph changed by another name": (
        "{% set nodes = graph.nodes %}{% do nodes.pop('x') %}", "changes what dbt hands to all",
    ),
    "what nobody knows": ("{{ something_new.run(UPDATE) }}", "uses `something_new`, which is neither"),
    "another module": ("{{ modules.os }}", "uses `modules.os`"),
    "a package's macro": ("{{ handy.values_of('raw.orders') }}", "calls `handy.values_of`, which comes to"),
    "a package's macro that calls one": ("{{ handy.spine(1, 2) }}", "calls `handy.spine`, which comes to"),
    "a package's macro by dispatch": ("{{ adapter.dispatch('spine', 'handy')(1, 2) }}", "calls `spine`"),
    "macros of a package that call each other": ("{{ handy.round(1) }}", "calls `handy.round`, which"),
    "the other of them": ("{{ handy.about(1) }}", "calls `handy.about`, which comes to `values_of`"),
    "a package's macro with another name for all of dbt": ("{{ handy.all_of_dbt() }}", "comes to `dbt`"),
    "a package's macro by the context of one": ("{{ handy.by_its_context() }}", "comes to `to_type`"),
    "a package's macro that computes": ("{{ handy.computed('x') }}", "calls `handy.computed`"),
}  # fmt: skip
# Where a text can stand, as the file that has it.
PLACES: Mapping[str, tuple[str, str]] = {
    "model": (f"{MARTS}/NAME.sql", "{{ config(materialized='table') }}\nselect 1 as x\nTEXT"),
    "test": (f"{TESTS}/NAME.sql", "select 1 as x from {{ ref('stg_orders') }}\n\nTEXT"),
    "macro": (f"{MACROS}/NAME.sql", "\n{% macro NAME() %}\nTEXT{% endmacro %}"),
    "generic test": (
        f"{MACROS}/NAME.sql", "\n{% test NAME(model) %}\nselect 1\nTEXT{% endtest %}"
    ),
    "snapshot": (
        "dbt_project/snapshots/NAME.sql",
        "{% snapshot NAME %}{{ config(unique_key='x', strategy='check', check_cols='all',"
        " target_schema='history') }}\nselect 1 as x\nTEXT{% endsnapshot %}",
    ),
}  # fmt: skip
ELSEWHERE = {
    "an argument of a test": (
        "{accepted_values: {arguments: {values: [\"{{ run_query('update x') }}\"]}}}", "calls `run_query`",
    ),
    "a package's generic test": ("handy.asks", "calls `handy.asks`, which comes to"),
}  # fmt: skip

HANDY = """
{% macro values_of(table) %}{{ return(run_query('select distinct x from ' ~ table)) }}{% endmacro %}
{% macro date_spine(a, b) %}{{ return(adapter.dispatch('date_spine', 'handy')(a, b)) }}{% endmacro %}
{% macro default__date_spine(a, b) %}{{ a }} {{ handy.steps(a, b) }}{% endmacro %}
{% macro spine(a, b) %}{{ return(adapter.dispatch('spine', 'handy')(a, b)) }}{% endmacro %}
{% macro default__spine(a, b) %}{{ handy.values_of(a) }}{% endmacro %}
{% macro computed(name) %}{{ context[name]() }}{% endmacro %}
{% macro steps(a, b) %}{{ (a ~ b) | trim }}{% endmacro %}
{% macro star(of) %}
{% for column in ['a'] %}{{ column }}{% endfor %}*
{% endmacro %}
{% macro round(a) %}{{ handy.about(a) if a }}{% endmacro %}
{% macro about(a) %}{{ handy.round(a) if a }}{{ handy.values_of(a) }}{% endmacro %}
{% macro all_of_dbt() %}{% set d = dbt %}{{ d.run_query(1) }}{% endmacro %}
{% macro by_its_context() %}{{ to_type.context['run_query'](1) }}{% endmacro %}
{% macro snowflake__dateadd(a, b, c) %}never here{% endmacro %}
{% test positive(model, column_name) %}select * from {{ model }} where {{ column_name }} < 0{% endtest %}
{% test unique_combination_of_columns(model, combination_of_columns) %}select 1 where false{% endtest %}
{% test asks(model, column_name) %}{{ handy.values_of(model) }}{% endtest %}
"""
TAKEN = {
    "dbt's own": "{{ dbt.dateadd('day', 1, 'x') }} {{ dbt['date_trunc']('day', 'x') }} {{ type_string() }}",
    "ours": "{{ to_type('x', 'date') }} {{ tidy_text('x') }} {{ in_partition('x') }} {{ partition_date() }}",
    "values": "{{ this }} {{ target.schema }} {{ model.name }} {{ flags.WHICH }} {{ execute }} {{ schema }}"
    " {{ invocation_id }} {{ run_started_at.strftime('%Y') }} {{ project_name }} {{ dbt_version }}",
    "functions": "{{ var('x', 1) }} {{ env_var('HOME') }} {{ tojson({}) }} {{ log('x') }}"
    " {{ local_md5('x') }} {% do zip([1], [2]) %}{{ exceptions.warn('x') if false }} {{ var.has_var('x') }}",
    "names of its own": "{% set columns = ['a'] %}{% do columns.append('b') %}{% set o = {} %}"
    "{% do o.update({'a': 1}) %}{% for column in columns %}{{ column }}{{ loop.index }}{% endfor %}"
    "{% set ns = namespace(a=1) %}"
    "{% set ns.a = 2 %}{% set sql %}x{% endset %}{{ sql }}{% set length = 1 %}{{ length }}",
    "the adapter": "{{ adapter.quote('x') }}"
    " {% set r = adapter.get_relation(this.database, this.schema, 'x') %}"
    "{{ is_incremental() }}"
    " {{ adapter.dispatch('to_type')('x', 'date') }} {{ api.Relation.create(identifier='x') }}",
    "names that it gives by turns": "{% if is_incremental() %}{% set a = 1 %}{% else %}{% set a = 2 %}"
    "{% endif %}{{ a }}{% if var('x', 1) %}{% set b = 'b' %}{% endif %}{{ b if var('x', 1) }}",
    "modules": "{{ modules.datetime.datetime(2024, 1, 1) }} {{ modules.re.sub('a', 'b', 'c') }}",
    "the graph": "{{ graph.nodes | length }} {{ graph['sources'].values() | list | length }}",
    "a package": "{{ handy.date_spine(1, 2) }} {% set shops = source('raw', 'shops') %}"
    "{{ handy.star(shops) if execute }} {{ handy.steps(1, 2) }}",
    "a macro and its caller": "{{ mine('x') }} {% call mine('y') %}z{% endcall %} {{ bakery.mine('x') }}",
    "comments and raw text": "{# run_query() #}{% raw %}{{ run_query() }}{% endraw %}",
}  # fmt: skip


def _bakery(folder: Path) -> Path:
    shutil.copytree(BAKERY, folder)
    for name in (MACROS, TESTS, f"{PACKAGE}/macros", "dbt_project/snapshots"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / PACKAGE / "dbt_project.yml").write_text('name: handy\nversion: "1.0.0"\nconfig-version: 2\n')
    (folder / PACKAGE / "macros/handy.sql").write_text(HANDY)
    (folder / "dbt_project/packages.yml").write_text("packages: [{local: dbt_packages/handy}]\n")
    project = (folder / DBT).read_text().replace("macro-paths:\n", "macro-paths:\n  - macros\n")
    hook = "\nsnapshots:\n  bakery:\n    +post-hook: '{{ record_table_version() }}'\n"
    (folder / DBT).write_text(project + hook)
    return folder


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> list[Problem]:
    """All problems of a bakery with every refused text in every place."""
    folder = _bakery(tmp_path_factory.mktemp("refused") / "bakery")
    for place, (file, around) in PLACES.items():
        for number, (text, _) in enumerate(TEXTS.values()):
            name = f"{place.replace(' ', '_')}_{number}"
            written = around.replace(
                "TEXT", ONLY_WHEN_RUN.replace("TEXT", text.replace("UPDATE", UPDATE))
            ).replace("NAME", name)
            (folder / file.replace("NAME", name)).write_text(written)
    for number, (test, _) in enumerate(ELSEWHERE.values()):
        (folder / f"{MARTS}/elsewhere_{number}.sql").write_text(
            "{{ config(materialized='table') }}select 1 as x"
        )
        described = f"models: [{{name: elsewhere_{number}, columns: [{{name: x, data_tests: [{test}]}}]}}]\n"
        (folder / f"{MARTS}/elsewhere_{number}.yml").write_text(described)
    with pytest.raises(ProjectError) as caught:
        load_project(Settings.load({}, project_dir=folder, data_dir=folder.parent / "data"))
    for problem in caught.value.problems:
        assert 1 <= problem.line <= len((folder / problem.file).read_text().splitlines()), problem
    # Of one cause one is told.
    assert len(caught.value.told) <= len(TEXTS) * len(PLACES)
    return list(caught.value.problems)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", TEXTS)
def test_what_runs_sql_beside_the_select_is_refused(refused: list[Problem], kind: str, place: str) -> None:
    number, what = list(TEXTS).index(kind), TEXTS[kind][1]
    file, around = PLACES[place]
    name = f"{place.replace(' ', '_')}_{number}"
    found = [problem for problem in refused if problem.file == file.replace("NAME", name)]
    assert any(what in problem.what for problem in found), found
    said = next(problem for problem in found if what in problem.what)
    assert said.line == around.partition("TEXT")[0].count("\n") + 1
    assert said.expected
    assert said.fix
    assert name in said.what


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_what_runs_sql_by_a_test_of_a_table_is_refused(refused: list[Problem], kind: str) -> None:
    number, what = list(ELSEWHERE).index(kind), ELSEWHERE[kind][1]
    found = [problem for problem in refused if problem.file == f"{MARTS}/elsewhere_{number}.yml"]
    assert any(what in problem.what for problem in found), found


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A bakery with all that may be asked, and a package."""
    folder = _bakery(tmp_path_factory.mktemp("taken") / "bakery")
    (folder / MACROS / "mine.sql").write_text(
        "{% macro mine(model, sql=none) %}{% set write = sql %}{{ model ~ varargs ~ kwargs }}"
        "{{ caller() if caller }}{% endmacro %}"
    )
    for number, text in enumerate(TAKEN.values()):
        (folder / f"{MARTS}/taken_{number}.sql").write_text(
            f"{{{{ config(materialized='table') }}}}\nselect 1 as x /* {text} */"
        )
    (folder / f"{MARTS}/taken.yml").write_text(
        "models: [{name: taken_0, columns: [{name: x, data_tests: [handy.positive, unique, not_null]}]}]\n"
    )
    return Settings.load({}, project_dir=folder, data_dir=folder.parent / "data")


def test_names_and_values_may_be_asked_for(taken: Settings) -> None:
    project = load_project(taken)
    assert {f"taken_{number}" for number in range(len(TAKEN))} <= {
        node.name for node in project.manifest.nodes.values()
    }


def test_nothing_is_read_twice_that_has_not_changed(taken: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    load_project(taken)
    nodes = load_manifest(taken).content["nodes"].values()
    texts = [node["raw_code"] for node in nodes if node["resource_type"] == "model"]
    record = taken.dbt_target_dir / "jinja.json"
    before = record.stat()

    def parse(*_: object) -> None:
        raise AssertionError("a text is parsed again")

    monkeypatch.setattr("jinja2.Environment.parse", parse)
    kept = JinjaTexts(record)
    assert sum(len(kept.uses(text)) for text in texts) > len(TAKEN)
    assert load_project(taken)
    assert record.stat().st_mtime_ns == before.st_mtime_ns
    with pytest.raises(AssertionError, match="parsed again"):
        kept.uses("{{ another(text) }}")


def test_every_name_that_dbt_has_is_thought_of(taken: Settings) -> None:
    """A name that dbt will have one day is refused; here it is noticed."""
    folder = taken.project_dir
    (folder / f"{MARTS}/names.sql").write_text("select 1 as x -- {{ context.keys() | list | join(' ') }}")
    dbt = DbtProcess(taken)
    dbt.parse()
    names = set(dbt.compiled("names", {}).partition("--")[2].split())
    (folder / f"{MARTS}/names.sql").unlink()
    macros = load_manifest(taken).content["macros"].values()
    known = {macro["name"] for macro in macros} | {macro["package_name"] for macro in macros}
    assert "run_query" in names
    assert names - known <= DBTS_NAMES
