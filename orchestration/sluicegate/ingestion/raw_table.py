"""The raw table and the quarantine table of a source, replaced partition by partition, both at once.

Belongs here: what is written to the warehouse, and that readers see the old partition or the new one. Does
not belong here: how rows were made.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sluicegate.compute.sql import literal
from sluicegate.contracts.model import SourceContract
from sluicegate.core.partitions import UNPARTITIONED
from sluicegate.ingestion.bad_rows import Quarantined
from sluicegate.ingestion.refusal import DropRefused
from sluicegate.state.records import Drop
from sluicegate.warehouse.base import OtherType, Rows, Session, Version

# What each row of a raw table carries besides the contract's columns. `_drop` says which drop of the
# partition, from 1; text that is the same in every row would take the engine a third of a load's time.
TECHNICAL_COLUMNS = {"_partition_key": "VARCHAR", "_drop": "INTEGER"}
_QUARANTINE_COLUMNS = {
    "_partition_key": "VARCHAR", "_drop_id": "VARCHAR", "file": "VARCHAR", "line": "BIGINT",
    "column_name": "VARCHAR", "rule": "VARCHAR", "rules": "VARCHAR[]", "raw": "VARCHAR",
    "drop_refused": "BOOLEAN", "quarantined_at": "TIMESTAMP",
}  # fmt: skip


def replace_partition(
    session: Session,
    contract: SourceContract,
    drop: Drop,
    version: str,
    rows: Sequence[Path] = (),
    added: Sequence[str] = (),
    quarantined: Quarantined | None = None,
) -> None:
    """Put a drop's rows in the place of the partition's, and its quarantined rows beside them.

    Args:
        session: the warehouse.
        contract: the source's contract.
        drop: the drop.
        version: the version of the partition from now on.
        rows: Parquet files of the converted rows; none for a partition without any.
        added: columns beyond the contract's, text.
        quarantined: the drop's rows that are not taken.

    Raises:
        DropRefused: the table holds another type than the contract says.
    """
    columns = {column.name: column.loaded_type for column in contract.loaded_columns}
    own = Rows(
        contract.relation,
        columns | dict.fromkeys(added, "VARCHAR") | TECHNICAL_COLUMNS,
        ("_partition_key", drop.partition_key),
        rows,
        {"_partition_key": drop.partition_key, "_drop": drop.ordinal},
    )
    beside = _quarantine(contract, drop, quarantined, ("_partition_key", drop.partition_key), refused=False)
    key = drop.partition_key if contract.partitioning.partitioned else UNPARTITIONED
    try:
        session.replace([own, beside], Version(contract.relation, key, version))
    except OtherType as other:
        rule = (
            f"column `{other.column}` of {other.relation} is {other.held}, the contract says {other.wanted};"
            f" expected the same; alter the table by hand, or restore {contract.file.name}"
        )
        raise DropRefused(contract.template.text, [rule]) from None


def show_refused(session: Session, contract: SourceContract, drop: Drop, quarantined: Quarantined) -> None:
    """Put bad rows of a drop that is refused into the quarantine table, to be looked at."""
    session.replace([_quarantine(contract, drop, quarantined, ("_drop_id", drop.key), refused=True)])


def _quarantine(
    contract: SourceContract,
    drop: Drop,
    quarantined: Quarantined | None,
    where: tuple[str, str],
    *,
    refused: bool,
) -> Rows:
    fixed = {
        "_partition_key": drop.partition_key, "_drop_id": drop.key, "drop_refused": refused,
        "quarantined_at": datetime.now(UTC).replace(tzinfo=None),
    }  # fmt: skip
    files = quarantined.files if quarantined is not None else ()
    return Rows(contract.quarantine, _QUARANTINE_COLUMNS, where, files, fixed)


@dataclass(frozen=True)
class BadRow:
    """A row in quarantine; `raw` is masked, `rules` are in one text."""

    partition_key: str
    file: str
    line: int
    rules: str
    raw: str
    drop_refused: bool


def bad_rows(
    session: Session, contract: SourceContract, partition_key: str, at_most: int
) -> tuple[list[BadRow], int]:
    """Return the first rows of a partition in quarantine, of all if it is "", and how many there are."""
    if not session.has_table(contract.quarantine):
        return [], 0
    where = f" where _partition_key = {literal(partition_key)}" if partition_key else ""
    found = session.query(
        "select _partition_key, file, line, array_to_string(rules, '; '), raw, drop_refused, count(*) over ()"
        f" from {contract.quarantine}{where} order by _partition_key desc, file, line limit {at_most}"
    )
    return [BadRow(*row) for *row, _ in found], found[0][-1] if found else 0
