"""A drop's originals -> converted rows, in an engine of its own: the warehouse stays open meanwhile.

Belongs here: the engine, and mended rows that stand in for quarantined ones. Does not
belong here: where the result goes (`load`).
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.areas import Area
from orchestration.compute.engine import open_engine
from orchestration.compute.object_storage import object_storage
from orchestration.contracts.model import SourceContract
from orchestration.contracts.reading import Format, ReadOptions
from orchestration.core.shown_text import showing_errors, shown
from orchestration.ingestion.convert import (
    Converted,
    Place,
    QuarantinedRow,
    any_twice,
    convert,
)
from orchestration.ingestion.formats.base import PlainFile, ReaderContext, Unreadable
from orchestration.ingestion.formats.csv import open_csv
from orchestration.ingestion.formats.engine_said import told_of_files
from orchestration.ingestion.formats.plain import LandedFile, plain_files
from orchestration.ingestion.formats.registry import open_reader
from orchestration.ingestion.judgement import Judgement
from orchestration.ingestion.masking import prepare_masking
from orchestration.ingestion.originals import MENDED
from orchestration.ingestion.refusal import DropRefused
from orchestration.ingestion.shape import Shape, shape_of
from orchestration.state.deployment import Deployment
from orchestration.state.records import Drop

if TYPE_CHECKING:
    import duckdb

# A mended row says which row it stands in for.
PLACE_HEADERS = ("_file", "_line")


@dataclass(frozen=True)
class Conversion:
    """Converted rows: `rows` are Parquet files, `read` = `loaded` + quarantined. `added` are new columns."""

    rows: tuple[Path, ...]
    read: int
    loaded: int
    quarantined: tuple[QuarantinedRow, ...]
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
        mends = [file for file in landed if file.name.startswith(f"{MENDED}/")]
        own = [file for file in landed if file not in mends]
        files: list[PlainFile] = []
        with (
            _engine(deployment, area, scratch) as connection,
            told_of_files(connection, files, contract.reading.format),
        ):
            files += plain_files(area, own, contract.reading, scratch / "plain")
            names = [column.header for column in contract.columns]
            reader = open_reader(ReaderContext(connection, scratch, contract.reading, names), files)
            shape = shape_of(contract, reader.columns)
            prepare_masking(connection, contract.columns, deployment.settings.masking_key)
            judgement = Judgement(contract, shape, drop.partition_key, for_mending=for_mending)
            mended = _mended_rows(connection, contract, drop, shape, area, mends, scratch)
            label = str(drop.file)
            places = frozenset(mended.places) if mended else frozenset[Place]()
            converted = convert(connection, judgement, reader, label, scratch / "rows", places)
            parts = [converted, *([mended.converted] if mended else [])]
            if mended:
                _check_keys(connection, judgement, label, [part.rows for part in parts])
        return Conversion(
            rows=tuple(part.rows for part in parts),
            read=converted.read,
            loaded=sum(part.loaded for part in parts),
            quarantined=tuple(row for part in parts for row in part.quarantined),
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


@dataclass(frozen=True)
class _Mended:
    places: Sequence[Place]
    converted: Converted


def _mended_rows(
    connection: "duckdb.DuckDBPyConnection",
    contract: SourceContract,
    drop: Drop,
    shape: Shape,
    area: Area,
    mends: Sequence[LandedFile],
    scratch: Path,
) -> _Mended | None:
    """Convert mended rows by the same contract; of rows mended more than once the last counts."""
    if not mends:
        return None
    options = ReadOptions(Format.CSV)
    files = plain_files(area, mends, options, scratch / "mends")
    reader = open_csv(ReaderContext(connection, scratch, options, []), files)
    headers = [*PLACE_HEADERS, *(name for name in shape.found.values() if name is not None)]
    for file, columns in reader.columns.items():
        lacking = [name for name in headers if name not in {column.name for column in columns}]
        if lacking:
            raise DropRefused(
                file.name,
                [f"line 1: column `{lacking[0]}` is missing; expected {', '.join(headers)}; export anew"],
            )
    connection.execute(
        f"create or replace temp table mended_places as"
        f" select c0 as file, try_cast(c1 as bigint) as line from ({reader.rows(PLACE_HEADERS)})"
    )
    places = connection.execute("from mended_places").fetchall()
    twice = connection.execute(
        "select file, line from mended_places group by all having count(*) > 1 or line is null"
    ).fetchone()
    if twice is not None:
        rule = f"`_file` and `_line` say {twice[0]} line {twice[1]}; expected one mended row for each place"
        raise DropRefused(mends[0].name, [rule])
    text = Shape(shape.found, {}, shape.added)
    judgement = Judgement(contract, text, drop.partition_key)
    return _Mended(places, convert(connection, judgement, reader, mends[0].name, scratch / "mended"))


def _check_keys(
    connection: "duckdb.DuckDBPyConnection", judgement: Judgement, label: str, rows: Sequence[Path]
) -> None:
    """A mended row must not bring a key that is there already."""
    for key in judgement.keys:
        if any_twice(connection, rows, key):
            rule = f"key ({', '.join(key)}) of a mended row stands in the drop already; mend it once more"
            raise DropRefused(label, [rule])


@contextmanager
def _engine(deployment: Deployment, area: Area, scratch: Path) -> Generator["duckdb.DuckDBPyConnection"]:
    spilled = scratch / "engine"
    spilled.mkdir(parents=True)
    # Beyond it the engine spills; with Python and the originals' chunks a load stays below twice that.
    with open_engine(memory_limit=deployment.settings.load_memory, spill_into=spilled) as connection:
        # Rows need no order until one of them is bad; with it the engine holds back more of them in memory.
        connection.execute("set preserve_insertion_order = false")
        with object_storage(connection, [area], deployment.settings.storage_access):
            yield connection
