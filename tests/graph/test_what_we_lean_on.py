"""Private and young APIs of others that the platform leans on; each test notices when one changes.

Where one fails after an upgrade, the code that works around may go, or must find another way.
"""

import json
import os
import pkgutil
import shutil
import subprocess
import sys
import warnings
from collections import Counter
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
from dagster._core.storage.event_log.schema import SqlEventLogStorageMetadata
from dagster._core.storage.tags import PARTITION_NAME_TAG
from dbt.adapters.duckdb.environments.local import DuckDBCursorWrapper
from dbt.adapters.events.types import ConnectionUsed
from dbt.compilation import Linker
from dbt.config import project as dbt_project
from dbt.context.docs import DocsRuntimeContext
from dbt.context.macros import MacroNamespace
from dbt.context.manifest import ManifestContext
from dbt.contracts.project import Project as DbtProject
from dbt_common.behavior_flags import BehaviorFlag, BehaviorFlagRendered
from dbt_common.clients import agate_helper
from dbt_common.clients.jinja import MacroFuzzEnvironment
from dbt_common.dataclass_schema import ValidationError
from dbt_common.events.base_types import EventLevel
from dbt_common.events.event_manager_client import get_event_manager
from dbt_common.events.functions import fire_event
from dbt_common.events.types import Note
from sluicegate.core.partitions import Grain, Partitioning
from sluicegate.core.settings import Settings
from sluicegate.graph.event_log import ease_event_log, kept_engine, kept_migrations
from sluicegate.quality.gx_engine import judge_with_gx
from sluicegate.quality.rule_results import Outcome
from sluicegate.quality.suites import Rule
from sluicegate.transformation.dbt_eased import ease_dbt
from sluicegate.transformation.runner import DbtProcess
from sluicegate.transformation.slices import partition_variables
from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import Engine

from tests.company import MON, TUE, Company
from tests.gate.edits import replace, write

pytestmark = pytest.mark.long
DAILY = Partitioning(Grain.DAILY)
WITHOUT_THE_BRIDGE = """
import great_expectations as gx
from great_expectations.execution_engine import sqlalchemy_execution_engine as engine
assert "duckdb" not in engine._PERSISTED_CONNECTION_DIALECTS
context = gx.get_context(mode="ephemeral")
source = context.data_sources.add_sql(
    name="w", connection_string="duckdb:///" + {path!r}, create_temp_table=False
)
asset = source.add_query_asset(name="t", query="select * from numbers")
batch = asset.add_batch_definition_whole_table("p").get_batch()
suite = gx.ExpectationSuite(name="s", expectations=[
    {{"type": "expect_column_values_to_be_between", "kwargs": {{"column": "n", "min_value": 0}}}}
])
result = batch.validate(suite)
print("JUDGED" if result.success else "NOT JUDGED")
"""
WITHOUT_EACH_BRIDGE = """
from great_expectations.execution_engine import SqlAlchemyExecutionEngine
from great_expectations.expectations import type_comparison
from great_expectations.expectations.metrics.column_aggregate_metrics import column_outlier_statistics
from great_expectations.expectations.metrics.table_metrics import table_column_types
from great_expectations.expectations.registry import get_metric_provider
engine = SqlAlchemyExecutionEngine(connection_string="duckdb://")
assert engine.dialect_module is None, "GX knows a dialect module"
assert "duckdb" not in type_comparison.CASE_INSENSITIVE_DIALECTS, "GX compares types"
assert table_column_types._get_sqlalchemy_column_metadata, "GX finds columns elsewhere"
assert "duckdb" not in str(vars(column_outlier_statistics.GXSqlDialect)), "GX knows percentiles, perhaps"
assert column_outlier_statistics._get_sql_percentiles, "GX works percentiles out elsewhere"
try:
    get_metric_provider("column_values.match_strftime_format.condition", engine)
except Exception:
    print("NEEDED")
"""
OPEN = "import duckdb, sys; duckdb.connect(sys.argv[1]).execute('create table if not exists t as select 1')"


def test_gx_cannot_read_duckdb_without_our_bridge(tmp_path: Path) -> None:
    path = tmp_path / "numbers.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table numbers as select range as n from range(5)")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_THE_BRIDGE.format(path=str(path))],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.stdout.strip().endswith("NOT JUDGED"), "GX reads DuckDB by itself now: take the bridge away"


def test_each_part_of_the_bridge_is_needed_and_fits() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_EACH_BRIDGE],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.stdout.strip().endswith("NEEDED"), done.stderr


def test_gx_judges_the_named_rows_over_the_bridge() -> None:
    with duckdb.connect() as connection:
        connection.execute("create table numbers as select range as n, range % 2 as odd from range(6)")
        connection.execute("insert into numbers values (null, 1), (99, 1)")
        results = judge_with_gx(
            connection,
            "numbers",
            "odd = 1",
            [
                Rule(type="expect_table_row_count_to_equal", kwargs={"value": 5}),
                Rule(type="expect_column_values_to_not_be_null", kwargs={"column": "n"}),
                Rule(type="expect_column_values_to_be_between", kwargs={"column": "n", "max_value": 9}),
                Rule(type="expect_column_values_to_be_unique", kwargs={"column": "n"}),
                Rule(type="expect_column_values_to_be_unique", kwargs={"column": "no such"}),
            ],
        )
        assert connection.execute("select count(*) from numbers").fetchone() == (8,)
    passed, failed, error = Outcome.PASSED, Outcome.FAILED, Outcome.ERROR
    assert [item.outcome for item in results] == [passed, failed, failed, passed, error]
    assert [(item.failing_rows, item.rows) for item in results[1:3]] == [(1, 5), (1, 4)]
    assert results[0].observed == "5"
    assert results[4].error is not None
    assert [item.rule.type for item in results[:2]] == [
        "expect_table_row_count_to_equal",
        "expect_column_values_to_not_be_null",
    ]


def test_dbt_lets_go_of_the_warehouse_after_each_call(open_bakery: Company) -> None:
    """Another process opens the file while ours, which has run dbt in itself, goes on."""
    settings = open_bakery.settings
    dbt = DbtProcess(settings)
    variables = partition_variables(DAILY, MON)
    calls: list[Any] = [
        lambda: dbt.build("stg_orders", [], variables),
        lambda: dbt.test(["unique_stg_orders_order_number"], variables),
    ]
    for call in calls:
        assert call()
        done = subprocess.run(
            [sys.executable, "-c", OPEN, str(settings.warehouse_path)],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


def test_deployments_of_one_project_share_what_dbt_parsed(open_bakery: Company, tmp_path: Path) -> None:
    """What is parsed is the project's; where it is built is told by each call."""
    ours = open_bakery.settings
    theirs = Settings.load({}, project_dir=ours.project_dir, data_dir=tmp_path / "theirs")
    changed = Settings.load(
        {}, project_dir=shutil.copytree(ours.project_dir, tmp_path / "changed"), data_dir=tmp_path / "other"
    )
    variables = partition_variables(DAILY, MON)
    DbtProcess(ours).build("stg_orders", [], variables)
    for settings, parsed in ((theirs, False), (changed, True)):
        settings.data_dir.mkdir()
        shutil.copy(ours.warehouse_path, settings.warehouse_path)
        with duckdb.connect(str(settings.warehouse_path)) as connection:
            connection.execute("delete from staging.stg_orders")
        DbtProcess(settings).build("stg_orders", [], variables)
        with duckdb.connect(str(settings.warehouse_path)) as connection:
            assert connection.execute("select count(*) from staging.stg_orders").fetchone() == (2,)
        assert (settings.dbt_target_dir / "partial_parse.msgpack").exists() is parsed


def test_dbt_looks_for_the_module_of_each_flag_even_where_it_is_stated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ease_dbt()
    stated = BehaviorFlag(name="flag", default=True, source="stated", docs_url="https://docs.example")
    flag = BehaviorFlag(name="flag", default=True, docs_url="https://docs.example")
    assert BehaviorFlagRendered(flag, {})._default_source() == "dbt"  # pyright: ignore[reportPrivateUsage]
    asked: list[str] = []
    monkeypatch.setattr(BehaviorFlagRendered, "_default_source", staticmethod(lambda: asked.append("for it")))
    BehaviorFlagRendered(stated, {})
    assert asked, "dbt has mended it: that part of `ease_dbt` can go"


def test_dbt_tells_what_is_info_or_worse_alone(open_bakery: Company) -> None:
    DbtProcess(open_bakery.settings).build("stg_orders", [], partition_variables(DAILY, MON))
    log = open_bakery.settings.data_dir / "dbt" / "logs" / "dbt.log"
    assert "OK created sql" in log.read_text()
    heard: list[Any] = []
    manager = get_event_manager()  # as the call has left it
    manager.callbacks = [heard.append]
    for level in (EventLevel.DEBUG, EventLevel.INFO, EventLevel.ERROR):
        fire_event(Note(msg="said"), level=level)
    assert [event.info.level for event in heard] == ["info", "error"]


def test_a_second_call_of_dbt_does_nothing_that_is_for_nobody(
    open_bakery: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    def created(said: str) -> bool:
        return said.strip().startswith("create schema") and "staging" in said

    process = DbtProcess(open_bakery.settings)
    process.build("stg_orders", [], partition_variables(DAILY, MON))
    done: list[str] = []
    execute = DuckDBCursorWrapper.execute
    opens = duckdb.connect
    walk = pkgutil.iter_modules

    def executing(self: Any, sql: str, bindings: Any = None) -> Any:
        done.append(sql)
        return execute(self, sql, bindings)

    monkeypatch.setattr(DuckDBCursorWrapper, "execute", executing)
    monkeypatch.setattr(duckdb, "connect", lambda *a, **k: done.append("an engine") or opens(*a, **k))
    monkeypatch.setattr(pkgutil, "iter_modules", lambda *path: done.append("a walk") or walk(*path))
    monkeypatch.setattr(Linker, "link_graph", lambda *_: done.append("a graph"))
    read = dbt_project.load_raw_project
    monkeypatch.setattr(
        dbt_project,
        "load_raw_project",
        lambda root, **more: done.append(f"a project: {root}") or read(root, **more),
    )
    process.build("stg_orders", [], partition_variables(DAILY, MON))
    assert any("stg_orders" in said for said in done)
    # It opens no engine, seeks no plug-in, works out no graph, comments no statement, and reads no package of
    # its own;
    # it neither lists schemas in threads nor creates one that is there.
    assert not [
        said
        for said in done
        if said.startswith(("an engine", "a walk", "a graph", "/*")) or "schemata" in said
    ]
    assert not [said for said in done if created(said)]
    assert not [said for said in done if said.startswith("a project") and "include" in said]
    with open_bakery.deployment.warehouse.session() as session:
        session.native.execute("drop schema staging cascade")
    process.build("stg_orders", [], partition_variables(DAILY, MON))
    assert [said for said in done if created(said)]


def test_a_parse_renders_what_is_described_by_a_template_and_prepares_nothing_for_the_rest(
    open_bakery: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = open_bakery.with_own_project().settings
    for edit in (
        replace("dbt_project.yml", "macro-paths:\n", "macro-paths:\n  - macros\n"),
        write("macros/total.sql", "{% macro total(column) %}sum({{ column }}){% endmacro %}\n"),
        write(
            "models/said.md",
            "{% docs adds %}Adds ü up.{% enddocs %}\n{% docs what %}A column.{% enddocs %}\n",
        ),
        write(
            "macros/_macros.yml",
            """macros: [{name: total, description: "{{ doc('adds') }}", arguments: [{name: column,"""
            """ type: string, description: "{{ doc('what') }}"}]}]\n""",
        ),
    ):
        edit(settings.dbt_dir)
    ease_dbt()
    made = Counter[str]()
    for kind in (DocsRuntimeContext, MacroFuzzEnvironment):
        begins = kind.__init__

        def begin(self: Any, *words: Any, _begins: Any = begins, **more: Any) -> None:
            made[type(self).__name__] += 1
            _begins(self, *words, **more)

        monkeypatch.setattr(kind, "__init__", begin)
    DbtProcess(settings).parse()
    macros = json.loads((settings.dbt_target_dir / "manifest.json").read_text())["macros"]
    [total] = [macro for macro in macros.values() if macro["name"] == "total"]
    assert (total["description"], total["arguments"][0]["description"]) == ("Adds ü up.", "A column.")
    assert len(macros) > 300
    assert made[DocsRuntimeContext.__name__] < 50
    assert made[MacroFuzzEnvironment.__name__] < 100


def test_dbt_checks_configuration_that_it_has_not_seen(open_bakery: Company) -> None:
    """A project that passed is not checked again; another one is, in the same process."""
    ease_dbt()
    sound: dict[str, Any] = {"name": "shop", "profile": "p", "config-version": 2}
    for _ in range(2):
        DbtProject.validate(dict(sound))
        with pytest.raises(ValidationError, match="is not"):
            DbtProject.validate(sound | {"model-paths": 7})
        with pytest.raises(ValidationError, match="reserved"):
            DbtProject.validate(sound | {"name": "adapter"})


def test_dbt_has_each_macro_where_it_would_find_it(
    open_bakery: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []
    puts = ManifestContext.to_dict

    def putting(self: Any) -> dict[str, Any]:
        context = puts(self)
        if isinstance(self.namespace, MacroNamespace):
            assert context is self._ctx, "macros are called with another context than they were made for"
            assert all(context[name] is macro for name, macro in dict(self.namespace).items())
            looked.append(len(self.namespace))
        return context

    DbtProcess(open_bakery.settings).build("stg_orders", [], partition_variables(DAILY, MON))
    monkeypatch.setattr(ManifestContext, "to_dict", putting)
    DbtProcess(open_bakery.settings).build("stg_orders", [], partition_variables(DAILY, MON))
    assert min(looked) > 300


def test_dbt_makes_the_record_of_versions_where_it_is_not_there(open_bakery: Company) -> None:
    settings = open_bakery.settings
    process = DbtProcess(settings)
    for _ in range(2):
        with duckdb.connect(str(settings.warehouse_path)) as warehouse:
            warehouse.execute("drop table if exists sluice.table_versions")
        process.build("stg_orders", [], partition_variables(DAILY, MON))
        with duckdb.connect(str(settings.warehouse_path)) as warehouse:
            told = warehouse.execute("select relation, partition_key from sluice.table_versions").fetchall()
        assert told == [("staging.stg_orders", MON)]


def test_an_answer_of_the_engine_has_the_types_that_dbt_gives_it() -> None:
    ease_dbt()
    rows = [
        {"name": "null", "many": 1, "day": date(2024, 1, 1), "at": datetime(2024, 1, 1, 2), "sure": True},
        {"name": "", "many": Decimal("2.5"), "day": None, "at": None, "sure": None},
    ]
    for _ in range(2):
        table = agate_helper.table_from_data_flat(rows, list(rows[0]))
        assert [dict(row) for row in table.rows] == rows
        assert [type(one).__name__ for one in table.column_types] == [
            "Text", "Number", "Date", "DateTime", "Boolean",
        ]  # fmt: skip
    empty = agate_helper.table_from_data_flat([], ["name"])
    assert (len(empty.rows), empty.column_names) == (0, ("name",))


def test_an_event_that_nobody_hears_is_not_made_and_has_its_fields_all_the_same() -> None:
    ease_dbt()
    unheard = ConnectionUsed(conn_type="duckdb", conn_name="master")
    assert "pb_msg" not in vars(unheard)
    assert (unheard.conn_name, unheard.conn_type) == ("master", "duckdb")
    assert unheard.message() == 'Using duckdb connection "master"'
    assert "pb_msg" in vars(Note(msg="said"))


def test_dagster_makes_no_engine_and_reads_no_migration_a_second_time(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    ease_event_log(tmp_path)
    nothing = dg.Definitions(jobs=[dg.GraphDefinition("nothing").to_job()]).resolve_job_def("nothing")
    made: list[int] = []
    read: list[int] = []
    for _ in range(2):
        # Each opening reads the state of three files and makes a fourth, of its run.
        with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
            assert nothing.execute_in_process(instance=instance).success
        made.append(kept_engine.cache_info().misses)
        read.append(kept_migrations().from_config.cache_info().misses)
    assert made[1] == made[0] + 1, "no engine but that of the run"
    assert read[1] == read[0]


def test_dagsters_connection_stays_open_and_a_forked_process_has_its_own(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    ease_event_log(tmp_path)
    engine = kept_engine(f"sqlite:///{tmp_path / 'own.db'}", None)

    def connection() -> object:
        with engine.connect() as asked:
            return asked.connection.driver_connection

    first = connection()
    engine.dispose()
    assert connection() is first
    with engine.connect(), engine.connect() as beside:
        assert beside.connection.driver_connection is not first, (
            "who asks while it is in use has one of its own"
        )
    held = connection()
    child = os.fork()
    if not child:
        os._exit(kept_engine.cache_info().currsize + (kept_engine(str(engine.url), None) is engine))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert connection() is held


def test_a_runs_file_is_a_copy_of_one_that_dagster_made(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    ease_event_log(tmp_path)
    own = create_engine(f"sqlite:///{tmp_path / 'own.db'}")
    SqlEventLogStorageMetadata.create_all(own)
    nothing = dg.Definitions(jobs=[dg.GraphDefinition("nothing").to_job()]).resolve_job_def("nothing")
    said: list[str] = []

    def hear(*told: Any) -> None:
        said.append(str(told[2]).strip().lower())

    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert nothing.execute_in_process(instance=instance).success
        event.listen(Engine, "before_cursor_execute", hear)
        run = nothing.execute_in_process(instance=instance)
        event.remove(Engine, "before_cursor_execute", hear)
        assert run.success
        assert len(instance.all_logs(run.run_id)) > 2
    assert not [statement for statement in said if statement.startswith("create")]
    assert any(statement.startswith("insert into event_logs") for statement in said)
    [file] = tmp_path.rglob(f"{run.run_id}.db")
    schemas: list[set[tuple[Any, ...]]] = []
    for engine in (own, create_engine(f"sqlite:///{file}")):
        with engine.connect() as connection:
            schemas.append(
                {tuple(row) for row in connection.execute(text("select name, sql from sqlite_master"))}
            )
    assert schemas[0] <= schemas[1]
    assert "alembic_version" in {name for name, _ in schemas[1] - schemas[0]}
    assert {path.suffix for path in file.parent.iterdir()} <= {".db", ".db-wal", ".db-shm"}


def test_dagster_reads_the_newest_event_of_an_asset_once(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    ease_event_log(tmp_path)
    said: list[str] = []

    def hear(*told: Any) -> None:
        said.append(str(told[2]).lower())

    @dg.asset
    def made() -> None:
        pass

    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:

        def newest() -> tuple[int | None, int | None]:
            [record] = instance.get_asset_records([made.key]) or [None]
            held = record.asset_entry.last_materialization_record if record else None
            [found] = instance.fetch_materializations(made.key, limit=1).records or [None]
            return held.storage_id if held else None, found.storage_id if found else None

        assert newest() == (None, None)
        for wiped in (False, True):
            assert dg.materialize([made], instance=instance).success
            event.listen(Engine, "before_cursor_execute", hear)
            held, found = newest()
            event.remove(Engine, "before_cursor_execute", hear)
            assert held == found is not None
            assert any("group by" in statement for statement in said) is wiped
            said.clear()
            instance.wipe_assets([made.key])
            assert newest() == (None, None)


def test_dagster_reads_once_which_materialization_a_steps_checks_are_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check that comes before the step's own materialization is of an earlier one, as Dagster has it."""
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    ease_event_log(tmp_path)
    days = dg.DailyPartitionsDefinition(MON, end_offset=1)
    names = ("before", "first", "second", "third")

    @dg.asset(
        partitions_def=days,
        check_specs=[dg.AssetCheckSpec(name, asset="made", partitions_def=days) for name in names],
    )
    def made() -> Any:
        yield dg.AssetCheckResult(passed=True, check_name="before")
        yield dg.MaterializeResult()
        for name in names[1:]:
            yield dg.AssetCheckResult(passed=True, check_name=name)

    asked: list[str] = []
    fetches = dg.DagsterInstance.fetch_materializations

    def fetch(*words: Any, **more: Any) -> Any:
        asked.append(sys._getframe(2).f_locals["self"].check_name)  # pyright: ignore[reportPrivateUsage]
        return fetches(*words, **more)

    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        earlier: str | None = None
        for _ in range(2):
            with monkeypatch.context() as patched:
                patched.setattr(dg.DagsterInstance, "fetch_materializations", fetch)
                run = dg.materialize([made], instance=instance, partition_key=MON)
            told = {
                item.check_name: item.target_materialization_data
                for item in run.get_asset_check_evaluations()
            }
            runs = {name: of.run_id if of else None for name, of in told.items()}
            assert runs == {"before": earlier} | dict.fromkeys(names[1:], run.run_id)
            assert asked == ["before", "before", "first"]  # Dagster makes each twice
            asked.clear()
            earlier = run.run_id


def test_dagster_keeps_the_partition_of_a_check(tmp_path: Path) -> None:
    days = dg.DailyPartitionsDefinition(MON, end_offset=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")

        @dg.asset(partitions_def=days)
        def bread() -> None: ...

        @dg.asset_check(asset=bread, partitions_def=days, blocking=True)
        def risen(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
            return dg.AssetCheckResult(passed=context.partition_key == MON)

        job = (
            dg.Definitions(assets=[bread], asset_checks=[risen])
            .get_repository_def()
            .get_implicit_global_asset_job_def()
        )
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        for day in (MON, TUE):
            job.execute_in_process(instance=instance, tags={PARTITION_NAME_TAG: day}, raise_on_error=False)
        key = dg.AssetCheckKey(dg.AssetKey("bread"), "risen")
        records = instance.event_log_storage.get_asset_check_execution_history(key, limit=10)
    assert {(record.partition, record.status.value) for record in records} == {
        (MON, "SUCCEEDED"),
        (TUE, "FAILED"),
    }


def test_gx_judges_within_the_callers_transaction() -> None:
    """What it sees is what the caller wrote; and the caller's transaction is still open afterwards."""
    with duckdb.connect() as connection:
        connection.execute("create table n as select range as n from range(6)")
        connection.execute("begin")
        connection.execute("insert into n values (99)")
        rule = Rule(type="expect_table_row_count_to_equal", kwargs={"value": 7})
        assert judge_with_gx(connection, "n", None, [rule])[0].passed
        assert connection.execute("select count(*) from n").fetchone() == (7,)
        connection.execute("rollback")
        assert connection.execute("select count(*) from n").fetchone() == (6,)
