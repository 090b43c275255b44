"""A partition of a raw table, judged by today's contract without loading it anew.

Its drop is converted from the originals, as a load would, and compared with the rows that the table holds.
Belongs here: that comparison. Does not belong here: recording what it said.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sluicegate.compute.engine import open_engine
from sluicegate.compute.exact_parquet import exact_files
from sluicegate.compute.row_hash import content_digest, fields_of
from sluicegate.compute.sql import literal, quoted
from sluicegate.compute.type_text import same_spelling
from sluicegate.contracts.model import SourceContract
from sluicegate.core.partitions import SNAPSHOT_PARTITION
from sluicegate.core.scratch import scratch_directory
from sluicegate.ingestion.formats.base import Unreadable
from sluicegate.ingestion.load import convert_kept
from sluicegate.ingestion.raw_table import TECHNICAL_COLUMNS
from sluicegate.ingestion.refusal import DropRefused, NotTheDrop
from sluicegate.state.deployment import Deployment
from sluicegate.state.records import Build, Drop


@dataclass(frozen=True)
class ContractVerdict:
    """Whether today's contract takes in a drop as the very rows that the raw table holds."""

    passed: bool
    summary: str


def judge_by_contract(
    deployment: Deployment, contract: SourceContract, partition_key: str, build: Build
) -> ContractVerdict:
    """Judge what a build left in the raw table; `partition_key` is the table's, "" of a snapshot.

    Raises:
        NotTheDrop: the drop's originals are not what they were.
        MaskingKeyMissing: the contract hashes values, and this deployment has no key.
    """
    key = partition_key or SNAPSHOT_PARTITION
    drops = deployment.store.drops.of(contract.name, key)
    drop = next((item for item in drops if item.ordinal == build.drop_ordinal), None)
    if drop is None:
        return ContractVerdict(False, "the drop that it was loaded from is not on record")
    if drop.file is None:
        said = f"drop {drop.ordinal} of {key}: closed without a file, by a later drop"
        return ContractVerdict(contract.gaps_allowed, said)
    with scratch_directory(deployment.settings.data_dir / "scratch") as scratch:
        try:
            converted = convert_kept(deployment, contract, drop, scratch)
        except NotTheDrop:
            raise
        except DropRefused as refused:
            return ContractVerdict(False, str(refused))
        except Unreadable as error:
            return ContractVerdict(False, f"{error.file}: {error.rule}")
        columns = [column.name for column in contract.loaded_columns] + list(converted.added)
        if not _same_rows(deployment, contract, drop, columns, converted.rows):
            said = f"drop {drop.ordinal} of {key}: by today's contract other rows are taken in than it holds"
            return ContractVerdict(False, said)
    return ContractVerdict(
        True,
        "; ".join([f"drop {drop.ordinal} of {key}: {converted.loaded} rows as agreed", *converted.warnings]),
    )


def _same_rows(
    deployment: Deployment,
    contract: SourceContract,
    drop: Drop,
    columns: Sequence[str],
    converted: Sequence[Path],
) -> bool:
    listed = ", ".join(quoted(name) for name in columns)
    types = {column.name: column.loaded_type for column in contract.loaded_columns}
    nulls = ", ".join(f"null::{types.get(name, 'VARCHAR')} as {quoted(name)}" for name in columns)
    memory = deployment.settings.load_memory
    with open_engine(memory_limit=memory) as engine, deployment.warehouse.session() as session:
        held = session.describe(f"select * exclude ({', '.join(TECHNICAL_COLUMNS)}) from {contract.relation}")
        # As a load does: a column that the contract types otherwise today is another.
        if any(
            same_spelling(type_, folded=True) != same_spelling(held.get(name, ""), folded=True)
            for name, type_ in fields_of(engine, f"select {nulls}").items()
        ):
            return False
        # Columns that other drops have brought along are empty in this one.
        others = [name for name in held if name not in columns]
        empty = " and ".join(f"{quoted(name)} is null" for name in others) or "true"
        own = f"from {contract.relation} where _partition_key = {literal(drop.partition_key)}"
        cast = ", ".join(f"cast({quoted(name)} as {held[name]}) as {quoted(name)}" for name in columns)
        [(strays,)] = session.query(f"select count(*) {own} and not ({empty})")
        return not strays and session.digest(f"select {listed} {own}") == content_digest(
            engine, f"select {cast} from {exact_files(engine, converted)}"
        )
