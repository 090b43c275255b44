"""A drop's originals -> converted rows, in an engine of its own: the warehouse stays open meanwhile.

Belongs here: the engine, and putting a drop's own rows and mended ones together. Does not belong here: which
row is mended (`mended`), and where the result goes (`load`).
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sluicegate.areas import Area
from sluicegate.compute.lent_engine import lent_engine
from sluicegate.compute.object_storage import extensions_for, object_storage
from sluicegate.contracts.model import SourceContract
from sluicegate.core.shown_text import showing_errors, shown
from sluicegate.ingestion.bad_rows import Place, Quarantined
from sluicegate.ingestion.convert import check_limit, convert
from sluicegate.ingestion.formats.base import PlainFile, ReaderContext, Unreadable
from sluicegate.ingestion.formats.engine_said import told_of_files
from sluicegate.ingestion.formats.plain import LandedFile, plain_files
from sluicegate.ingestion.formats.registry import open_reader
from sluicegate.ingestion.judgement import Judgement
from sluicegate.ingestion.masking import prepare_masking
from sluicegate.ingestion.mended import MendedRows
from sluicegate.ingestion.originals import MENDED
from sluicegate.ingestion.shape import shape_of
from sluicegate.state.deployment import Deployment
from sluicegate.state.records import Drop

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Conversion:
    """Converted rows: `rows` are Parquet files, `read` = `loaded` + quarantined. `added` are new columns."""

    rows: tuple[Path, ...]
    read: int
    loaded: int
    quarantined: Quarantined
    added: tuple[str, ...]
    warnings: tuple[str, ...]


def convert_drop(
    deployment: Deployment,
    contract: SourceContract,
    drop: Drop,
    area: Area,
    landed: Sequence[LandedFile],
    scratch: Path,
    *,
    for_mending: bool = False,
) -> Conversion:
    """Convert a drop from its files in an area, the originals as a rule; see `convert`.

    Raises:
        TooManyBadRows: more rows than the contract allows break it.
        DropRefused: the drop as a whole does.
        Unreadable: a file cannot be read at all.
        MachineLimit: memory or the disk ended before the drop did.
        MaskingKeyMissing: the contract hashes values, and this deployment has no key.
    """
    with _showing_errors(contract):
        fixes = [file for file in landed if file.name.startswith(f"{MENDED}/")]
        own = [file for file in landed if file not in fixes]
        files: list[PlainFile] = []
        with (
            _engine(deployment, area, scratch) as connection,
            told_of_files(connection, files, contract.reading.format),
        ):
            files += plain_files(area, own, contract.reading, scratch / "plain")
            names = [column.header for column in contract.columns]
            reader = open_reader(ReaderContext(connection, scratch, contract.reading, names), files)
            shape = shape_of(contract, reader.columns)
            there = tuple(column for column in contract.columns if shape.found[column.name] is not None)
            prepare_masking(connection, there, deployment.settings.masking_key)
            judgement = Judgement(contract, shape, drop.partition_key, for_mending=for_mending)
            key = drop.partition_key
            mended = (
                MendedRows(connection, contract, key, shape, area, fixes, scratch, for_mending=for_mending)
                if fixes
                else None
            )
            label = str(drop.file)
            places = mended.places if mended else frozenset[Place]()
            converted = convert(connection, judgement, reader, label, scratch / "rows", places)
            parts = [converted]
            if mended:
                parts.append(mended.converted(converted))
            quarantined = sum((part.quarantined for part in parts), Quarantined())
            loaded = sum(part.loaded for part in parts)
            # A mended row that stands for none is one more.
            read = loaded + len(quarantined)
            if mended:
                check_limit(contract, label, read, quarantined)
        return Conversion(
            rows=tuple(part.rows for part in parts),
            read=read,
            loaded=loaded,
            quarantined=quarantined,
            added=tuple(shape.added),
            warnings=shape.warnings,
        )


@contextmanager
def _showing_errors(contract: SourceContract) -> Generator[None]:
    """Let no error out that quotes a value, where the source has any that is classified."""
    with showing_errors(contract.near):
        try:
            yield
        except Unreadable as error:
            rule = shown(error.rule, contract.near.knowing([error.file]))
            raise Unreadable(error.file, rule) from None


@contextmanager
def _engine(deployment: Deployment, area: Area, scratch: Path) -> Generator["duckdb.DuckDBPyConnection"]:
    spilled = scratch / "engine"
    spilled.mkdir(parents=True)
    # Beyond it the engine spills; with Python and the originals' chunks a load stays below twice that.
    memory, extensions = deployment.settings.load_memory, extensions_for([area])
    with lent_engine(memory_limit=memory, spill_into=spilled, extensions=extensions) as connection:
        # Converted rows stand in the order of their files: by its number there a bad row is found again.
        connection.execute("set preserve_insertion_order = true")
        with object_storage(connection, [area], deployment.settings.storage_access):
            yield connection
