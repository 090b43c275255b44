"""Each of Dagster's events on SQLite in two transactions at most, by statements that are made once.

Dagster makes each statement anew, which takes longer than to execute it; asks before each event of an asset
which columns and tables its file has; has an insertion fail for each asset that it knows, to update instead;
and writes what a check says in three transactions, the event of it twice as text. Belongs here: the same
rows, written with less. Does not: what is read (`event_log`), anything for Postgres.
"""

from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite


def store_with_less(storage: Any) -> None:
    """Have Dagster's storage of events on SQLite, a class, write them so."""
    from dagster._core.events import (
        ASSET_CHECK_EVENTS,
        ASSET_EVENTS,
        EVENT_TYPE_TO_PIPELINE_RUN_STATUS,
        DagsterEventType,
    )
    from dagster._core.storage.event_log.schema import SqlEventLogStorageTable

    stores, looks_for_table, looks_for_columns = (
        storage.store_event, storage.has_table, storage._has_asset_key_index_cols_on_connection,
    )  # fmt: skip
    mirrored = ASSET_EVENTS | ASSET_CHECK_EVENTS | EVENT_TYPE_TO_PIPELINE_RUN_STATUS.keys()
    insert = sa.insert(SqlEventLogStorageTable)

    def store_event(self: Any, event: Any) -> None:
        kind = event.dagster_event_type if event.is_dagster_event else None
        if not event.run_id and kind in ASSET_CHECK_EVENTS:  # no run has planned it
            stores(self, event)
            return
        row = self._event_to_row(event)
        with self.run_connection(event.run_id) as connection:
            connection.execute(insert, row)
        if kind not in mirrored:
            return
        with self.index_connection() as connection:
            [number] = connection.execute(insert, row).inserted_primary_key
            if kind in ASSET_EVENTS:
                self._store_asset_event_tags(connection, [event], [number])
                self._store_asset_event(connection, event, number)
            elif kind is DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED:
                _note_planned(connection, event, number, row)
            elif kind is DagsterEventType.ASSET_CHECK_EVALUATION:
                _note_said(connection, event, number, row)

    def note_asset(self: Any, connection: Any, event: Any, number: int) -> None:
        told = event.dagster_event
        if told and told.asset_key:
            has_times = self._has_asset_key_index_cols_on_connection(connection)
            values = self._get_asset_entry_values(event, number, has_times)
            if values:
                connection.execute(
                    _asset(frozenset(values)), values | {"asset_key": told.asset_key.to_string()}
                )

    def has_table(self: Any, name: str) -> bool:
        return _once(self, "tables", name, lambda: looks_for_table(self, name))

    def has_columns(self: Any, connection: Any) -> bool:
        return _once(self, "columns", "", lambda: looks_for_columns(self, connection))

    storage.store_event, storage._store_asset_event = store_event, note_asset
    storage.has_table, storage._has_asset_key_index_cols_on_connection = has_table, has_columns


def _once(storage: Any, what: str, name: str, look: Any) -> bool:
    """Look something up until it is there: it does not go again."""
    there = vars(storage).setdefault(f"_sluice_{what}", set[str]())
    if name not in there and look():
        there.add(name)
    return name in there


@cache
def _asset(columns: frozenset[str]) -> Any:
    """Return the statement that notes these columns of an asset, which is there or not."""
    from dagster._core.storage.event_log.schema import AssetKeyTable

    insert = sqlite.insert(AssetKeyTable)
    return insert.on_conflict_do_update(
        index_elements=[AssetKeyTable.c.asset_key], set_={name: insert.excluded[name] for name in columns}
    )


@cache
def _check_statements() -> tuple[Any, Any]:
    """Return what inserts the row of a check, and what updates the one that a run has planned."""
    from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable as Table

    planned = (
        Table.c.asset_key == sa.bindparam("of_asset"),
        Table.c.check_name == sa.bindparam("of_check"),
        Table.c.run_id == sa.bindparam("of_run"),
        Table.c.partition.is_not_distinct_from(sa.bindparam("of_partition")),
    )
    return sa.insert(Table), sa.update(Table).where(*planned)


def _note_planned(connection: Any, event: Any, number: int, row: Any) -> None:
    from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

    planned = event.dagster_event.event_specific_data
    subset = planned.partitions_subset
    insert, _ = _check_statements()
    connection.execute(
        insert,
        [
            _row_of_check(planned, event, number, row)
            | {"partition": key, "execution_status": AssetCheckExecutionRecordStatus.PLANNED.value}
            for key in (subset.get_partition_keys() if subset else [None])
        ],
    )


def _note_said(connection: Any, event: Any, number: int, row: Any) -> None:
    from dagster._core.errors import DagsterInvariantViolationError
    from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus as Status

    said = event.dagster_event.event_specific_data
    target = said.target_materialization_data
    values = _row_of_check(said, event, number, row) | {
        "partition": said.partition,
        "execution_status": (Status.SUCCEEDED if said.passed else Status.FAILED).value,
        "materialization_event_storage_id": target.storage_id if target else None,
    }
    insert, update = _check_statements()
    place = {
        "of_asset": values["asset_key"], "of_check": said.check_name, "of_run": event.run_id,
        "of_partition": said.partition,
    }  # fmt: skip
    changed = connection.execute(update, values | place).rowcount
    if changed == 0:  # no run has planned it
        connection.execute(insert, values)
    if changed > 1:
        raise DagsterInvariantViolationError(f"{changed} rows are of {said.asset_check_key} in one run")


def _row_of_check(told: Any, event: Any, number: int, row: Any) -> dict[str, Any]:
    return {
        "asset_key": told.asset_key.to_string(), "check_name": told.check_name, "run_id": event.run_id,
        "evaluation_event": row["event"], "evaluation_event_timestamp": row["timestamp"],
        "evaluation_event_storage_id": number,
    }  # fmt: skip
