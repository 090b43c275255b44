"""A shard as files for ingestion: where it is cut, what its parts are called, what is in their files.

Belongs here: parts, tags, Parquet. Does not: what is queued, and what became of it (`ingestion`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from ..base import TECHNICAL_COLUMNS, Shard
from ..errors import DeliveryError

# A file for ingestion should have 100 MB to 1 GB uncompressed ("Best practices for the Kusto Ingest library",
# https://learn.microsoft.com/kusto/api/netfx/kusto-ingest-best-practices), and may have 6 GB. Parquet counts
# its columns after encoding, which makes repeating values small: a quarter leaves room for that.
PART_BYTES = 250_000_000
_ROWS_AT_ONCE = 65_536


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of a shard that become one file: from `first` to before `end`, about `size` bytes uncompressed."""

    number: int
    first: int
    end: int
    size: int

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self.end - self.first


@dataclass(frozen=True, slots=True)
class Tags:
    """The tags of a delivery's extents.

    `scope` is that of the partition: extents of different partitions are never merged, so that a partition
    can be replaced. `delivery` keeps deliveries apart where one is replaced by the next.
    """

    export: str
    partition_key: str
    delivery_id: str

    @classmethod
    def of(cls, shard: Shard) -> "Tags":
        """The tags of a shard."""
        return cls(shard.export, shard.partition_key, shard.delivery_id)

    @property
    def scope(self) -> str:
        """The `drop-by:` value of the partition."""
        return f"{self.export}/{self.partition_key}"

    @property
    def delivery(self) -> str:
        """The `drop-by:` value of the delivery."""
        return f"{self.scope}/{self.delivery_id}"

    def part(self, part: Part) -> str:
        """The `ingest-by:` value of a part."""
        return f"{self.delivery}/{part.number}"


def parts_of(shard: Shard) -> list[Part]:
    """Cut a shard into parts; the same ones for the same file, whoever asks.

    Raises:
        DeliveryError: the file cannot be read, or has other rows than planned.
    """
    metadata = _metadata(shard)
    parts: list[Part] = []
    first = end = size = 0
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        pieces = max(1, -(-group.total_byte_size // PART_BYTES))
        for piece in range(pieces):
            rows = group.num_rows * (piece + 1) // pieces - group.num_rows * piece // pieces
            more = group.total_byte_size // pieces
            if size and size + more > PART_BYTES:
                parts.append(Part(len(parts), first, end, size))
                first, size = end, 0
            end += rows
            size += more
    return [*parts, Part(len(parts), first, end, size)] if end > first else parts


def _metadata(shard: Shard) -> Any:
    of = f"the shard of {shard.export}, partition {shard.partition_key},"
    again = "run the export's partition again; its plan writes the shard anew"
    try:
        metadata: Any = import_module("pyarrow.parquet").read_metadata(shard.path)
    except (OSError, import_module("pyarrow").ArrowInvalid) as error:
        raise DeliveryError(
            "SLU-E021", f"{of} cannot be read: {error}", "a Parquet file that a plan wrote", again
        ) from None
    if metadata.num_rows != shard.rows:
        raise DeliveryError(
            "SLU-E021", f"{of} has {metadata.num_rows} rows", f"{shard.rows} rows, as planned", again
        )
    return metadata


def files_of(path: Path, parts: Sequence[Part], folder: Path) -> Iterator[tuple[Part, Path]]:
    """Write parts of a shard as Parquet files without the technical columns, one after the other."""
    parquet: Any = import_module("pyarrow.parquet")
    with parquet.ParquetFile(path) as shard:
        schema = shard.schema_arrow
        fields = [field for field in schema if field.name not in TECHNICAL_COLUMNS]
        kept = import_module("pyarrow").schema(fields)
        for part in parts:
            target = folder / f"{part.number}.parquet"
            with parquet.ParquetWriter(target, kept, compression="zstd") as writer:
                for batch in _batches(shard, kept.names, part):
                    writer.write_batch(batch)
            yield part, target


def _batches(shard: Any, names: Sequence[str], part: Part) -> Iterator[Any]:
    """Yield a part's rows; only the row groups that it lies in are read."""
    start = 0
    for group in range(shard.num_row_groups):
        rows: int = shard.metadata.row_group(group).num_rows
        if start < part.end and start + rows > part.first:
            place = start
            for batch in shard.iter_batches(_ROWS_AT_ONCE, [group], list(names)):
                first, end = max(part.first - place, 0), min(part.end - place, batch.num_rows)
                if first < end:
                    yield batch.slice(first, end - first)
                place += batch.num_rows
        start += rows
