"""Configs of tables and data tests, and keys of dbt_project.yml: what is known is taken, all else refused."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from sluicegate.core.problems import Problem, ProjectError
from sluicegate.core.settings import Settings
from sluicegate.project.loading import load_project
from sluicegate.transformation.config_rules import KEYS

from tests.company import BAKERY
from tests.gate.edits import Edit, append, both, replace, write
from tests.graph.test_rules_at_load import problems

pytestmark = pytest.mark.long
MARTS, SEEDS, SNAPSHOTS = "dbt_project/models/marts", "dbt_project/seeds", "dbt_project/snapshots"
DBT = "dbt_project/dbt_project.yml"
HOOK = "+post-hook: '{{ record_table_version() }}'"
SCHEMAS = f"\nseeds:\n  bakery:\n    +schema: reference\n    {HOOK}\nsnapshots:\n  bakery:\n    {HOOK}\n"
UPDATE = "update staging.stg_orders set loaves = 0"
TEST = "dbt_project/tests/odd.sql"
OF_ORDERS = "select * from {{ ref('stg_orders') }} where loaves < 0\n"
SNAPSHOT: Mapping[str, object] = {"unique_key": "x", "strategy": "check", "check_cols": "all"}

# {kind: (resource, config, what is said; None where it is taken)}.
CONFIGS: dict[str, tuple[str, dict[str, object], str | None]] = {
    "sql_header": ("model", {"sql_header": UPDATE}, "is configured with `sql_header`: it runs before"),
    "indexes": ("model", {"indexes": [{"columns": ["x"]}]}, "is configured with `indexes`: DuckDB refuses"),
    "a key of dbt-duckdb's": ("model", {"location": "elsewhere.parquet"}, "configured with `location`"),
    "what nobody knows": ("model", {"of_tomorrow": 1}, "is configured with `of_tomorrow`"),
    "predicates": ("model", {"incremental_predicates": ["x = 1"]}, "is configured with `incremental_pred"),
    "a type that ends the statement": (
        "model", {"column_types": {"x": f"int); {UPDATE}; --"}}, "has `column_types: int); update",
    ),
    "meta": ("model", {"meta": {"sql_header": UPDATE, "of_tomorrow": [1]}}, None),
    "what says nothing about rows": (
        "model",
        {"tags": ["a"], "docs": {"show": False}, "grants": {"select": ["a"]}, "access": "protected",
         "persist_docs": {"relation": True}, "enabled": "{{ target.name == 'duckdb' }}", "event_time": "x"},
        None,
    ),
    "how a table is built": (
        "model", {"on_schema_change": "fail", "unique_key": ["x"], "full_refresh": False, "alias": "o"}, None
    ),
    "a header of a seed": ("seed", {"sql_header": UPDATE}, "is configured with `sql_header`"),
    "a delimiter that ends the text": ("seed", {"delimiter": f"'); {UPDATE}"}, "has `delimiter: '); update"),
    "a type of a seed that ends the statement": (
        "seed", {"column_types": {"x": f"int); {UPDATE}"}}, "has `column_types: int); update",
    ),
    "a seed": ("seed", {"delimiter": ";", "quote_columns": True, "column_types": {"x": "decimal(6)"}}, None),
    "a snapshot of tomorrow": ("snapshot", {**SNAPSHOT, "of_tomorrow": 1}, "configured with `of_tomorrow`"),
    "a snapshot elsewhere": (
        "snapshot", {**SNAPSHOT, "target_database": "elsewhere"}, "is built in the database `elsewhere`",
    ),
    "a snapshot by a column that is a select": (
        "snapshot", {"unique_key": "x", "strategy": "timestamp", "updated_at": "(select max(y) from z)"},
        "has `updated_at: (select",
    ),
    "a snapshot": (
        "snapshot", {**SNAPSHOT, "hard_deletes": "invalidate", "dbt_valid_to_current": "date '9999-12-31'"},
        None,
    ),
    "a test that counts another table": (
        "test", {"fail_calc": "(select count(*) from staging.stg_orders)"}, "has `fail_calc: (select count",
    ),
    "a test that counts another table in DuckDB's words": (
        "test", {"fail_calc": "count(*) - len((from staging.stg_orders))"}, "has `fail_calc: count",
    ),
    "a test that ends the statement": ("test", {"where": f"1 = 1); {UPDATE}"}, "has `where: 1 = 1); update"),
    "a test of rows that another table has": (
        "test", {"where": "x in (select x from marts.shop_orders)"}, "has `where: x in (select",
    ),
    "a test that fails by another table": ("test", {"error_if": "> (select 1)"}, "has `error_if: > (select"),
    "a test that fails by arithmetic": ("test", {"error_if": "> 1 or true"}, "has `error_if: > 1 or true"),
    "a test that warns by a table": (
        "test", {"warn_if": "> 0 from raw.weather"}, "has `warn_if: > 0 from raw.weather",
    ),
    "a test between two numbers": ("test", {"warn_if": "not between 1 and 10", "error_if": ">= 5"}, None),
    "a test that closes what it did not open": (
        "test", {"where": "x > 0) as y, (values (1)"}, "has `where: x > 0) as y",
    ),
    "a hook of a test": ("test", {"pre_hook": UPDATE}, "is configured with `pre-hook`: it may change"),
    "a hook after a test": ("test", {"post-hook": [UPDATE]}, "is configured with `post-hook`"),
    "a test of no row": ("test", {"limit": 0}, "has `limit: 0`"),
    "a test in its own way": ("test", {"sql_header": UPDATE}, "is configured with `sql_header`"),
    "a test that keeps its failures over a table": (
        "test", {"store_failures": True, "schema": "sluice", "alias": "table_versions"}, "keeps its failures",
    ),
    "a test": (
        "test",
        {"where": "x > 0 and x is distinct from 7", "limit": 10, "fail_calc": "coalesce(sum(n_records), 0)",
         "warn_if": ">0", "error_if": ">10", "severity": "error", "tags": ["a"], "meta": {"a": 1},
         },
        None,
    ),
}  # fmt: skip


def _written(folder: Path, number: int) -> tuple[str, ...]:
    """Write the node of a case; return the files in which a problem of it may be."""
    resource, config, _ = list(CONFIGS.values())[number]
    name = f"case_{number}"
    described: dict[str, object] = {"name": name, "config": config}
    plain = "{{ config(materialized='table') }}\nselect 1 as x"
    place, text, plural = {
        "model": (f"{MARTS}/{name}.sql", plain, "models"),
        "test": (f"{MARTS}/{name}.sql", plain, "models"),
        "seed": (f"{SEEDS}/{name}.csv", "x\n1\n", "seeds"),
        "snapshot": (
            f"{SNAPSHOTS}/{name}.sql", f"{{% snapshot {name} %}}select 1 as x{{% endsnapshot %}}", "snapshots"
        ),
    }[resource]  # fmt: skip
    if resource == "test":
        described = {
            "name": name, "columns": [{"name": "x", "data_tests": [{"unique": {"config": config}}]}]
        }  # fmt: skip
    if resource == "snapshot":
        config["schema"] = "history"
    (folder / place).parent.mkdir(exist_ok=True)
    (folder / place).write_text(text)
    yml = Path(place).with_suffix(".yml")
    (folder / yml).write_text(yaml.safe_dump({plural: [described]}))
    return place, str(yml)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Problem]]:
    """The problems by case, of a bakery with all of them."""
    folder = tmp_path_factory.mktemp("configs") / "bakery"
    shutil.copytree(BAKERY, folder)
    append(DBT, SCHEMAS)(folder)
    files = {kind: _written(folder, number) for number, kind in enumerate(CONFIGS)}
    with pytest.raises(ProjectError) as caught:
        load_project(Settings.load({}, project_dir=folder, data_dir=folder.parent / "data"))
    for problem in caught.value.problems:
        assert 1 <= problem.line <= len((folder / problem.file).read_text().splitlines()), problem
    every = {name for names in files.values() for name in names}
    assert {problem.file for problem in caught.value.problems} <= every
    return {
        kind: [one for one in caught.value.problems if one.file in names] for kind, names in files.items()
    }


@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.sampled(4)
def test_a_config_is_known_or_refused(found: Mapping[str, list[Problem]], kind: str) -> None:
    what = CONFIGS[kind][2]
    if what is None:
        assert not found[kind]
        return
    said = [problem for problem in found[kind] if what in problem.what]
    assert said, found[kind]
    assert all(problem.expected and problem.fix and problem.cause for problem in said)
    assert all(problem.file.endswith(".yml") for problem in said)  # where it stands


def test_a_cause_is_told_once_with_the_files_that_share_it(tmp_path: Path) -> None:
    header = replace(
        DBT, "    +full_refresh: false\n", f"    +full_refresh: false\n    +sql_header: {UPDATE}\n"
    )
    said = problems(tmp_path, header)
    assert len(said) > 1
    assert {(problem.file, problem.line) for problem in said} == {(DBT, 21)}
    assert len(ProjectError(said).told) == 1


def test_a_materialization_of_a_test_is_refused_by_dbt_or_here(tmp_path: Path) -> None:
    assert problems(tmp_path, append(DBT, "\ndata_tests:\n  +materialized: table\n"))


def test_all_that_dbt_has_in_its_configs_is_thought_of() -> None:
    from dbt.artifacts.resources.v1.config import TestConfig
    from dbt.artifacts.resources.v1.model import ModelConfig
    from dbt.artifacts.resources.v1.seed import SeedConfig
    from dbt.artifacts.resources.v1.snapshot import SnapshotConfig

    classes = {"model": ModelConfig, "seed": SeedConfig, "snapshot": SnapshotConfig, "test": TestConfig}
    for resource, config in classes.items():
        fields = {name.replace("_hook", "-hook") for name in config.__dataclass_fields__}
        assert fields - {"_extra"} <= KEYS[resource], resource


KEYS_OF_THE_PROJECT: dict[str, tuple[Edit, str]] = {
    "dispatch of dbt's macros": (
        append(DBT, "\ndispatch: [{macro_namespace: dbt, search_order: [handy, dbt]}]\n"),
        "lets ['handy', 'dbt'] answer for the macros of `dbt`",
    ),
    "dispatch past ours": (
        append(DBT, "\ndispatch: [{macro_namespace: dbt, search_order: [dbt]}]\n"), "lets ['dbt'] answer",
    ),
    "dispatch of the project's": (
        append(DBT, "\ndispatch: [{macro_namespace: bakery, search_order: [handy, bakery]}]\n"),
        "lets ['handy', 'bakery'] answer for the macros of `bakery`",
    ),
    "dispatch of a package's to dbt's": (
        append(DBT, "\ndispatch: [{macro_namespace: dbt_handy, search_order: [dbt, dbt_handy]}]\n"),
        "lets ['dbt', 'dbt_handy'] answer",
    ),
    "fail_fast": (replace(DBT, "flags:\n", "flags:\n  fail_fast: true\n"), "the flag `fail_fast`"),
    "a flag that nobody knows": (replace(DBT, "flags:\n", "flags:\n  later: true\n"), "the flag `later`"),
    "materializations of packages": (
        replace(DBT, "flags:\n",
                "flags:\n  require_explicit_package_overrides_for_builtin_materializations: false\n"),
        "lets a package build tables",
    ),
    "a comment of each statement": (
        append(DBT, "\nquery-comment: \"{{ target.name }}\"\n"), "`query-comment` has Jinja",
    ),
    "a comment of each statement in full": (
        append(DBT, "\nquery-comment: {comment: '{{ node.name }}', append: true}\n"), "`query-comment` has",
    ),
    "packages elsewhere": (append(DBT, "\npackages-install-path: vendor\n"), "are installed into `vendor`"),
    "the partition of a run": (append(DBT, "\nvars: {partition_key: a}\n"), "the variable `partition_key`"),
    "the partition of a package's run": (
        append(DBT, "\nvars: {bakery: {partition_start: 2024-01-01}}\n"), "the variable `partition_start`",
    ),
    "a variable that is rendered": (
        append(DBT, "\nvars: {rows: \"{{ run_query('x') }}\"}\n"), "the variable `rows` has Jinja",
    ),
    "a variable of a package that is rendered": (
        append(DBT, "\nvars: {bakery: {rows: \"{% do run_query('x') %}\"}}\n"), "the variable `rows` has",
    ),
    "a hook at the end": (append(DBT, f"\non-run-end: {UPDATE}\n"), "is an operation of its own"),
}  # fmt: skip


@pytest.mark.parametrize("kind", KEYS_OF_THE_PROJECT)
@pytest.mark.sampled(8)
def test_a_key_of_the_project_is_known_or_refused(tmp_path: Path, kind: str) -> None:
    edit, what = KEYS_OF_THE_PROJECT[kind]
    said = [problem for problem in problems(tmp_path, edit) if what in problem.what]
    assert {problem.file for problem in said} == {DBT}
    assert all(problem.expected and problem.fix for problem in said)


def test_what_a_project_usually_says_is_taken(tmp_path: Path) -> None:
    folder = tmp_path / "bakery"
    shutil.copytree(BAKERY, folder)
    both(
        replace(DBT, "flags:\n", "flags:\n  printer_width: 120\n"),
        append(DBT, "\nquery-comment: ''\nclean-targets: [target]\nquoting: {database: true}\n"
               "dispatch:\n  - {macro_namespace: dbt_handy, search_order: [bakery, dbt_handy]}\n"
               "  - {macro_namespace: dbt, search_order: [bakery, dbt]}\n"
               "vars: {days: 3, bakery: {towns: [Ulm]}}\nanalysis-paths: [analyses]\n"
               "data_tests: {+severity: error, bakery: {+store_failures: false}}\n"),
        replace(DBT, "    staging:\n", "    staging:\n      +enabled: \"{{ var('on', true) }}\"\n"),
    )(folder)  # fmt: skip
    assert load_project(Settings.load({}, project_dir=folder, data_dir=tmp_path / "data"))


def test_a_package_of_its_own_may_have_models_and_tests(tmp_path: Path) -> None:
    package = "dbt_project/dbt_packages/handy"
    folder = tmp_path / "bakery"
    shutil.copytree(BAKERY, folder)
    for name in ("macros", "models"):
        (folder / package / name).mkdir(parents=True)
    both(
        write(
            f"{package}/dbt_project.yml", 'name: handy\nversion: "1.0.0"\nconfig-version: 2\nvars: {n: 3}\n'
        ),
        write("dbt_project/packages.yml", "packages: [{local: dbt_packages/handy}]\n"),
        write(f"{package}/macros/numbers.sql", "{% macro up_to(n) %}range({{ n }}){% endmacro %}"),
        write(f"{package}/models/numbers.sql", "select unnest({{ up_to(var('n')) }}) as n -- {{ this }}"),
        append(DBT, f"  handy:\n    +materialized: table\n    +schema: handy\n    {HOOK}\n"),
    )(folder)
    project = load_project(Settings.load({}, project_dir=folder, data_dir=tmp_path / "data"))
    assert "handy.numbers" in {node.relation for node in project.manifest.nodes.values()}


@pytest.mark.parametrize(
    ("config", "file", "line"),
    [
        ("", DBT, 0),
        ("{{ config(severity='warn') }}\n{{ config(pre_hook='delete from raw.weather') }}\n", TEST, 2),
        ("{{ config(\n    post_hook=['delete from raw.weather'],\n) }}\n", TEST, 2),
    ],
)  # fmt: skip
def test_a_hook_of_a_data_test_is_told_where_it_stands(
    tmp_path: Path, config: str, file: str, line: int
) -> None:
    edits = [write(TEST, config + OF_ORDERS)]
    if not config:
        edits.append(append(DBT, f"\ndata_tests:\n  bakery:\n    +pre-hook: {UPDATE}\n"))
        line = len((BAKERY / DBT).read_text().splitlines()) + 4
    found = problems(tmp_path, *edits)
    assert {(one.file, one.line) for one in found if "-hook`: it may change" in one.what} == {(file, line)}


@pytest.mark.parametrize(
    ("edit", "file", "line"),
    [
        (write(TEST, f"{{{{ config(materialized='table') }}}}\n{OF_ORDERS}"), TEST, 1),
        (write(TEST, f"-- A note.\n{{{{ config(\n    materialized = 'view') }}}}\n{OF_ORDERS}"), TEST, 3),
        (
            both(write(TEST, OF_ORDERS), append(DBT, "data_tests:\n  bakery:\n    +materialized: table\n")),
            DBT, len((BAKERY / DBT).read_text().splitlines()) + 3,
        ),
    ],
)  # fmt: skip
def test_a_data_test_that_is_materialized_is_told_where_it_says_so(
    tmp_path: Path, edit: Edit, file: str, line: int
) -> None:
    [problem] = problems(tmp_path, edit)
    assert (problem.file, problem.line) == (file, line)
    assert "A test must have a materialized value" in problem.what


# {config: (value, what is said of a model `m` that has it)}.
STATED: dict[str, tuple[object, str]] = {
    "materialized": ("view", "`{m}` is view"),
    "incremental_strategy": ("merge", "`{m}` is incremental with the strategy `merge`"),
    "partition_by": ("a b", "partition_by of `{m}` is 'a b'"),
    "full_refresh": (True, "`{m}` may be refreshed in full"),
    "database": ("elsewhere", "`{m}` is built in the database"),
    "sql_header": (UPDATE, "`{m}` is configured with `sql_header`"),
    "pre-hook": (UPDATE, "`{m}` has a hook of its own"),
}
PLACES = ("its own file", "its description", "its folder", "the folder above")
DESCRIBED = f"{MARTS}/_stated.yml"


@pytest.fixture(scope="module")
def stated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Problem, ...]:
    """What is wrong with a model for each config and each place to state it in."""
    edits: list[Edit] = []
    described, folders = ["models:"], ""
    for key, (value, _) in STATED.items():
        written, name = json.dumps(value), key.replace("-", "_")
        own = f"{{{{ config(\n    {name}={value!r}\n) }}}}\n"
        for at in range(len(PLACES)):
            folder = f"{MARTS}/{name}/inner" if at >= 2 else MARTS
            edits.append(write(f"{folder}/{name}_{at}.sql", (own if at == 0 else "") + "select 1 as x\n"))
            described += [f"  - name: {name}_{at}", "    config:", "      tags: [a]"]
            described += [f"      {key}: {written}"] if at == 1 else []
        # The folder within says another thing, and the model in it is told there.
        folders += f"      {name}:\n        +{key}: {written}\n        inner:\n"
        folders += f"          {name}_2:\n            +{key}: {written}\n"
    edits += [
        write(DESCRIBED, "\n".join(described)),
        replace(DBT, "    marts:\n", f"    marts:\n{folders}"),
    ]
    return tuple(problems(tmp_path_factory.mktemp("stated"), *edits))


@pytest.mark.parametrize("at", range(len(PLACES)), ids=PLACES)
@pytest.mark.parametrize("key", STATED)
@pytest.mark.sampled(4)
def test_a_config_is_told_where_it_is_stated(stated: tuple[Problem, ...], key: str, at: int) -> None:
    name = key.replace("-", "_")
    what = STATED[key][1].format(m=f"{name}_{at}")
    [problem] = [problem for problem in stated if problem.what.startswith(what)]
    number = list(STATED).index(key)
    # Five lines for each config follow `marts:`, and thirteen for each follow `models:`.
    begin = (BAKERY / DBT).read_text().splitlines().index("    marts:") + 1 + 5 * number
    place = {
        "its own file": (f"{MARTS}/{name}_0.sql", 2),
        "its description": (DESCRIBED, 1 + 13 * number + 7),
        "its folder": (DBT, begin + 5),
        "the folder above": (DBT, begin + 2),
    }[PLACES[at]]
    assert (problem.file, problem.line) == place
