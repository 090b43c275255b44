"""The raw table and the quarantine table of a source, replaced partition by partition in one transaction.

Belongs here: what is written to the warehouse, and that readers see the old partition or the new one. Does
not belong here: how rows were made.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.compute.sql import literal, quoted
from orchestration.contracts.model import SourceContract
from orchestration.core.partitions import UNPARTITIONED
from orchestration.ingestion.convert import MEMORY_LIMIT, QuarantinedRow
from orchestration.ingestion.refusal import DropRefused
from orchestration.state.records import Drop
from orchestration.warehouse.engine import record_version

if TYPE_CHECKING:
    import duckdb

# What each row of a raw table carries besides the contract's columns. `_drop` says which drop of the
# partition, from 1; text that is the same in every row would take the engine a third of a load's time.
TECHNICAL_COLUMNS = {"_partition_key": "VARCHAR", "_drop": "INTEGER"}
_QUARANTINE_COLUMNS = """
    _partition_key varchar, _drop_id varchar, file varchar, line bigint, column_name varchar, rule varchar,
    rules varchar[], raw varchar, drop_refused boolean, quarantined_at timestamp
"""


def replace_partition(
    connection: "duckdb.DuckDBPyConnection",
    contract: SourceContract,
    drop: Drop,
    version: str,
    rows: Sequence[Path],
    added: Sequence[str] = (),
    quarantined: Sequence[QuarantinedRow] = (),
) -> None:
    """Put a drop's rows in the place of the partition's, and its quarantined rows beside them.

    Args:
        connection: the warehouse.
        contract: the source's contract.
        drop: the drop.
        version: the version of the partition from now on.
        rows: Parquet files of the converted rows; none for a partition without any.
        added: columns beyond the contract's, text.
        quarantined: the drop's rows that are not taken.

    Raises:
        DropRefused: the table holds another type than the contract says.
    """
    schema = _schema(contract, added)
    with _transaction(connection):
        columns = ", ".join(f"{quoted(name)} {type_}" for name, type_ in schema.items())
        connection.execute(f"create table if not exists {contract.relation} ({columns})")
        _follow_contract(connection, contract, schema)
        connection.execute(
            f"delete from {contract.relation} where _partition_key = {literal(drop.partition_key)}"
        )
        if rows:
            paths = ", ".join(literal(str(path)) for path in rows)
            own = [name for name in schema if name not in TECHNICAL_COLUMNS]
            names = ", ".join(quoted(name) for name in [*own, *TECHNICAL_COLUMNS])
            selected = ", ".join(quoted(name) for name in own)
            connection.execute(
                f"insert into {contract.relation} ({names}) select {selected},"
                f" {literal(drop.partition_key)}, {drop.ordinal} from read_parquet([{paths}])"
            )
        _create_quarantine(connection, contract)
        connection.execute(
            f"delete from {contract.quarantine} where _partition_key = {literal(drop.partition_key)}"
        )
        _insert_quarantined(connection, contract, drop, quarantined, refused=False)
        key = drop.partition_key if contract.partitioning.partitioned else UNPARTITIONED
        record_version(connection, contract.relation, key, version)


def show_refused(
    connection: "duckdb.DuckDBPyConnection",
    contract: SourceContract,
    drop: Drop,
    quarantined: Sequence[QuarantinedRow],
) -> None:
    """Put bad rows of a drop that is refused into the quarantine table, to be looked at."""
    with _transaction(connection):
        _create_quarantine(connection, contract)
        connection.execute(f"delete from {contract.quarantine} where _drop_id = {literal(drop.key)}")
        _insert_quarantined(connection, contract, drop, quarantined, refused=True)


@contextmanager
def _transaction(connection: "duckdb.DuckDBPyConnection") -> Generator[None]:
    # Nobody reads a table in the order of its file: without it the engine uses every core, and less memory.
    connection.execute("set preserve_insertion_order = false")
    connection.execute(f"set memory_limit = '{MEMORY_LIMIT}'")
    connection.execute("begin")
    try:
        yield
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise
    finally:
        connection.execute("reset preserve_insertion_order")
        connection.execute("reset memory_limit")


def _schema(contract: SourceContract, added: Sequence[str]) -> dict[str, str]:
    columns = {column.name: column.loaded_type for column in contract.loaded_columns}
    return columns | dict.fromkeys(added, "VARCHAR") | TECHNICAL_COLUMNS


def _follow_contract(
    connection: "duckdb.DuckDBPyConnection", contract: SourceContract, schema: Mapping[str, str]
) -> None:
    """Add columns that the contract has gained; refuse what would alter rows already loaded."""
    wanted = connection.execute(
        "select " + ", ".join(f"cast(null as {type_}) as {quoted(name)}" for name, type_ in schema.items())
    ).description
    found = connection.execute(f"select * from {contract.relation} limit 0").description
    held = {column[0]: str(column[1]) for column in found or []}
    for (name, type_), column in zip(schema.items(), wanted or [], strict=True):
        if name not in held:
            connection.execute(f"alter table {contract.relation} add column {quoted(name)} {type_}")
        elif held[name] != str(column[1]):
            rule = (
                f"column `{name}` of {contract.relation} is {held[name]}, the contract says {type_};"
                f" expected the same; alter the table by hand, or restore {contract.file.name}"
            )
            raise DropRefused(contract.template.text, [rule])


def _create_quarantine(connection: "duckdb.DuckDBPyConnection", contract: SourceContract) -> None:
    connection.execute(f"create schema if not exists {contract.quarantine.schema}")
    connection.execute(f"create table if not exists {contract.quarantine} ({_QUARANTINE_COLUMNS})")


def _insert_quarantined(
    connection: "duckdb.DuckDBPyConnection",
    contract: SourceContract,
    drop: Drop,
    rows: Sequence[QuarantinedRow],
    *,
    refused: bool,
) -> None:
    if not rows:
        return
    import pyarrow as pa

    table = pa.table(
        {
            "file": [row.file for row in rows],
            "line": pa.array([row.line for row in rows], pa.int64()),
            "column_name": [row.column for row in rows],
            "rule": [row.rule for row in rows],
            "rules": pa.array([list(row.rules) for row in rows], pa.list_(pa.string())),
            "raw": [row.raw for row in rows],
        }
    )
    connection.register("quarantined_rows", table)
    connection.execute(
        f"insert into {contract.quarantine} select ?, ?, file, line, column_name, rule, rules, raw, ?,"
        " cast(now() as timestamp) from quarantined_rows",
        [drop.partition_key, drop.key, refused],
    )
    connection.unregister("quarantined_rows")
