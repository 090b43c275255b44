"""What Dagster's own code writes of events on SQLite, and what ours writes of them, are the same rows."""

import importlib.util
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.tags import PARTITION_NAME_TAG
from sluicegate.graph.check_events import check_evaluation
from sluicegate.graph.event_log import ease_event_log

from tests.company import MON, TUE

DAYS = dg.DailyPartitionsDefinition(MON, end_offset=1)
TABLES = ("event_logs", "asset_keys", "asset_event_tags", "asset_check_executions")


@dg.asset(partitions_def=DAYS, check_specs=[dg.AssetCheckSpec("risen", asset="bread", partitions_def=DAYS)])
def bread(context: dg.AssetExecutionContext) -> Iterator[Any]:
    yield dg.MaterializeResult(metadata={"loaves": 3})
    yield dg.AssetCheckResult(passed=context.partition_key == MON, check_name="risen")


@dg.asset
def whole() -> None: ...


@dg.asset_check(asset=whole)
def holds() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


@dg.asset(deps=[whole])
def burnt() -> None:
    raise dg.Failure("said")


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """All events of a few runs: built, built again, failed, by partition and not, judged and observed."""
    home = tmp_path_factory.mktemp("home")
    (home / "dagster.yaml").write_text(
        "telemetry: {enabled: false}\ncompute_logs: {module: dagster._core.storage.noop_compute_log_manager,"
        " class: NoOpComputeLogManager}\n"
    )
    ease_event_log(home)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        stored: list[Any] = []
        storage: Any = instance.event_log_storage
        stores = storage.store_event

        def hear(event: Any) -> None:
            stored.append(event)
            stores(event)

        storage.store_event = hear
        for day in (MON, MON, TUE):
            dg.materialize([bread], instance=instance, tags={PARTITION_NAME_TAG: day}, partition_key=day)
        dg.materialize([whole, holds, burnt], instance=instance, raise_on_error=False)
        instance.report_runless_asset_event(dg.AssetObservation("whole", description="seen"))
        said = dg.AssetCheckResult(passed=False, check_name="risen", asset_key=bread.key)
        instance.report_runless_asset_event(check_evaluation(instance, said, bread.key, MON, blocking=True))
    return stored


def test_they_are_the_same_rows(events: list[Any], tmp_path: Path) -> None:
    kinds = {event.dagster_event_type.value for event in events if event.is_dagster_event}
    assert kinds >= {
        "ASSET_MATERIALIZATION_PLANNED", "ASSET_MATERIALIZATION", "ASSET_OBSERVATION", "PIPELINE_FAILURE",
        "ASSET_CHECK_EVALUATION_PLANNED", "ASSET_CHECK_EVALUATION", "STEP_FAILURE",
    }, kinds  # fmt: skip
    spec = importlib.util.spec_from_file_location("dagsters_own", str(sqlite_event_log.__file__))
    assert spec is not None
    assert spec.loader is not None
    own = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(own)
    written = [
        _written(tmp_path / name, class_(str(tmp_path / name)), events)
        for name, class_ in (
            ("own", own.SqliteEventLogStorage),
            ("eased", sqlite_event_log.SqliteEventLogStorage),
        )
    ]
    assert written[0].keys() == written[1].keys()
    for place, rows in written[0].items():
        assert rows == written[1][place], place
    assert {table for _, table in written[0]} == set(TABLES)


def _written(folder: Path, storage: Any, events: list[Any]) -> dict[tuple[str, str], list[Any]]:
    """Return the rows of each table of each file that has any, but for when the file noted them."""
    for event in events:
        storage.store_event(event)
    found: dict[tuple[str, str], list[Any]] = {}
    for file in folder.glob("*.db"):
        with sqlite3.connect(file) as connection:
            for table in TABLES:
                told = connection.execute(f"select * from {table} order by id")
                names = [column[0] for column in told.description]
                rows = [
                    {
                        name: value
                        for name, value in zip(names, row, strict=True)
                        if name != "create_timestamp"
                    }
                    for row in told
                ]
                if rows:
                    found[file.name, table] = rows
        connection.close()
    return found
