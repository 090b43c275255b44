"""The shared macros in a project of another company: slices, versions, windows, scoped tests."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from shutil import copytree

import pytest

from tests.dbt.warehouse import Warehouse

FIRST, SECOND, THIRD = date(2022, 10, 1), date(2022, 10, 2), date(2022, 10, 3)

PROJECT = {
    "dbt_project.yml": """
name: bakery
version: "1.0.0"
profile: sluice
macro-paths: ["{{ env_var('SLUICE_DBT_MACROS') }}"]
on-run-start: "{{ prepare_table_versions() }}"
models:
  bakery:
    +materialized: table
    +schema: shop
    +post-hook: "{{ record_table_version() }}"
""",
    "profiles.yml": """
sluice:
  target: duckdb
  outputs:
    duckdb: {type: duckdb, path: "{{ env_var('SLUICE_WAREHOUSE') }}", schema: main, threads: 2}
""",
    "models/loaves.sql": """
{{ config(materialized='incremental', incremental_strategy='partition', partition_by='baked_on',
          on_schema_change='append_new_columns', full_refresh=false) }}
select baked_on, kind, loaves from raw.loaves
where {{ in_partition('baked_on') }}
""",
    "models/recent_loaves.sql": """
{{ config(materialized='incremental', incremental_strategy='partition', partition_by='baked_on',
          on_schema_change='append_new_columns', full_refresh=false,
          meta={'trailing_days': {'loaves': 2}}) }}
select {{ partition_date() }} as baked_on, {{ to_type('sum(loaves)', 'integer') }} as loaves
from {{ ref('loaves') }} where {{ in_trailing_days('loaves', 'baked_on') }}
having count(*) > 0
""",
    "models/kinds.sql": "select distinct kind from raw.loaves",
    "models/_models.yml": """
models:
  - name: loaves
    data_tests:
      - unique_combination_of_columns:
          arguments: {combination_of_columns: [baked_on, kind]}
    columns:
      - name: loaves
        data_tests:
          - within: {arguments: {at_least: 0, at_most: 50}}
          - not_null: {config: {where: "kind <> 'secret'"}}
""",
}


def _bakery(directory: Path, **models: str) -> Warehouse:
    project = directory / "bakery"
    own = {f"models/{name}.sql": text for name, text in models.items()}
    for name, text in {**PROJECT, **own}.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    warehouse = Warehouse(project, directory)
    warehouse.execute(
        "create schema raw; create table raw.loaves (baked_on date, kind varchar, loaves integer);"
        "insert into raw.loaves values ('2022-10-01', 'rye', 1), ('2022-10-02', 'rye', 2),"
        "('2022-10-02', 'oat', 4), ('2022-10-03', 'rye', 8)"
    )
    return warehouse


@pytest.fixture
def bakery(tmp_path: Path) -> Warehouse:
    """The raw table of a bakery, and nothing built on it."""
    return _bakery(tmp_path)


@pytest.fixture(scope="session")
def _built(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    warehouse = _bakery(tmp_path_factory.mktemp("bakery"))
    for day in (FIRST, SECOND, THIRD):
        assert warehouse.dbt("run", day=day).success
    return warehouse


@pytest.fixture
def built(_built: Warehouse, tmp_path: Path) -> Warehouse:
    """A copy of the bakery on whose three days the models have been built."""
    copytree(_built.directory, tmp_path, dirs_exist_ok=True)
    return Warehouse(tmp_path / "bakery", tmp_path)


def loaves(warehouse: Warehouse) -> list[tuple[object, ...]]:
    return warehouse.rows("select cast(baked_on as varchar), kind, loaves from shop.loaves order by all")


def versions(warehouse: Warehouse) -> dict[tuple[str, str], str]:
    found = warehouse.rows("select relation, partition_key, version from sluice.table_versions")
    assert len({row[:2] for row in found}) == len(found), "one row a relation and partition"
    return {(relation, key): version for relation, key, version in found}


def test_each_day_has_its_slice_and_its_window(built: Warehouse) -> None:
    assert loaves(built) == [
        ("2022-10-01", "rye", 1), ("2022-10-02", "oat", 4), ("2022-10-02", "rye", 2),
        ("2022-10-03", "rye", 8),
    ]  # fmt: skip
    # Two trailing days: the day itself and the one before it.
    assert built.rows("select loaves from shop.recent_loaves order by baked_on") == [
        (1,),
        (7,),
        (14,),
    ]


def test_a_corrected_day_replaces_its_slice_alone(built: Warehouse) -> None:
    before = versions(built)
    built.execute(
        "update raw.loaves set loaves = 3 where baked_on = '2022-10-02' and kind = 'rye';"
        "delete from raw.loaves where kind = 'oat';"
        "update raw.loaves set loaves = 1000 where baked_on <> '2022-10-02'"
    )
    assert built.dbt("run", day=SECOND).success
    assert loaves(built) == [
        ("2022-10-01", "rye", 1), ("2022-10-02", "rye", 3), ("2022-10-03", "rye", 8),
    ]  # fmt: skip
    changed = {key for key, version in versions(built).items() if before[key] != version}
    assert changed == {
        ("shop.loaves", "2022-10-02"), ("shop.recent_loaves", "2022-10-02"), ("shop.kinds", ""),
    }  # fmt: skip


def test_a_day_that_has_become_empty_is_cleared(built: Warehouse) -> None:
    built.execute("delete from raw.loaves where baked_on <= '2022-10-02'")
    assert built.dbt("run", day=SECOND).success
    assert [row[0] for row in loaves(built)] == ["2022-10-01", "2022-10-03"]


def test_data_and_version_are_written_together_or_not_at_all(built: Warehouse) -> None:
    before = loaves(built)
    built.execute("delete from raw.loaves; alter table sluice.table_versions rename column version to other")
    result = built.dbt("run", "--select", "loaves", day=SECOND)
    assert result.failed() == {"loaves"}
    assert loaves(built) == before


def test_a_full_refresh_does_not_drop_the_other_days(built: Warehouse) -> None:
    before = loaves(built)
    assert built.dbt("run", "--full-refresh", day=SECOND).success
    assert loaves(built) == before


def test_a_new_column_is_added_and_the_old_days_stay(built: Warehouse) -> None:
    model = built.project / "models" / "loaves.sql"
    model.write_text(model.read_text().replace("loaves from", "loaves, kind = 'rye' as dark from"))
    assert built.dbt("run", "--select", "loaves", day=THIRD).success
    found = built.rows("select dark, count(*) from shop.loaves group by dark order by all")
    assert found == [(True, 1), (None, 3)]


def test_tests_look_at_their_partition_and_keep_their_own_condition(bakery: Warehouse) -> None:
    bakery.execute("insert into raw.loaves values ('2022-10-02', 'rye', 999), ('2022-10-03', 'secret', null)")
    for day in (FIRST, SECOND, THIRD):
        assert bakery.dbt("run", day=day).success
    assert len(bakery.dbt("test", day=SECOND).failed()) == 2
    assert bakery.dbt("test", day=FIRST).success
    third = bakery.dbt("test", day=THIRD)
    assert third.success
    assert len(third.statuses) == 3
    # Without a partition, they look at all of the table.
    assert len(bakery.dbt("test").failed()) == 2


def test_building_without_a_partition_says_how_to_give_one(bakery: Warehouse) -> None:
    result = bakery.dbt("run", "--select", "loaves")
    assert not result.success
    assert "'loaves' is partitioned, and this run names no partition" in result.messages
    assert "--vars" in result.messages
    assert bakery.dbt("compile").success


BROKEN = {
    "rows outside the partition": (
        "baked_on - 1 as baked_on, kind, loaves from",
        "made 1 row(s) outside the partition 2022-10-03",
    ),
    "rows without a day": (
        "cast(null as date) as baked_on, kind, loaves from",
        "made 1 row(s) outside the partition 2022-10-03",
    ),
}


@pytest.mark.parametrize(("columns", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_rows_of_no_or_another_day_are_refused(built: Warehouse, columns: str, message: str) -> None:
    before = loaves(built)
    model = built.project / "models" / "loaves.sql"
    model.write_text(model.read_text().replace("baked_on, kind, loaves from", columns))
    result = built.dbt("run", "--select", "loaves", day=THIRD)
    assert message in result.messages
    assert loaves(built) == before


def test_stray_rows_are_refused_on_the_first_build_too(bakery: Warehouse) -> None:
    model = bakery.project / "models" / "loaves.sql"
    model.write_text(model.read_text().replace("where {{ in_partition('baked_on') }}", ""))
    result = bakery.dbt("run", "--select", "loaves", day=THIRD)
    assert "made 3 row(s) outside the partition 2022-10-03" in result.messages
    assert not bakery.rows("select * from information_schema.tables where table_schema = 'shop'")


def test_a_window_without_its_meta_is_an_error(bakery: Warehouse) -> None:
    model = bakery.project / "models" / "recent_loaves.sql"
    model.write_text(model.read_text().replace("{'loaves': 2}", "{'flour': 2}"))
    result = bakery.dbt("run", "--select", "loaves recent_loaves", day=THIRD)
    assert "reads trailing days of 'loaves', but its meta says" in result.messages


def test_a_partitioned_model_without_its_column_is_an_error(built: Warehouse) -> None:
    model = built.project / "models" / "loaves.sql"
    model.write_text(model.read_text().replace("partition_by='baked_on',", ""))
    result = built.dbt("run", "--select", "loaves", day=THIRD)
    assert "and no partition_by: expected" in result.messages


def test_a_name_with_quotes_stays_a_name_in_each_partition(tmp_path: Path) -> None:
    config = "incremental_strategy='partition', partition_by='baked_on', full_refresh=false"
    name = 'a") select baked_on, 8 from raw.loaves; delete from raw.loaves; select * from (select 1 as "b'
    doubled = name.replace('"', '""')
    warehouse = _bakery(
        tmp_path,
        odd=f"{{{{ config(materialized='incremental', {config}) }}}}\n"
        f"select baked_on, 1 as \"{doubled}\" from raw.loaves where {{{{ in_partition('baked_on') }}}}\n",
    )
    for day in (FIRST, SECOND, FIRST):
        assert warehouse.dbt("run", "--select", "odd", day=day).failed() == set()
    assert warehouse.rows(f'select baked_on, "{doubled}" from shop.odd order by all') == [
        (FIRST, 1), (SECOND, 1), (SECOND, 1)
    ]  # fmt: skip
    assert warehouse.rows("select count(*) from raw.loaves") == [(4,)]
