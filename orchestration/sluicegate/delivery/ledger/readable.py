"""Whether a shard's file is there and can be read.

Belongs here: that, of a file alone. Does not belong here: what is done about one that cannot be.
"""

from importlib import import_module
from pathlib import Path

from sluicegate.state.records import Delivery

_MAGIC = b"PAR1"
# Magic at both ends, and the length of what the file says of itself, before the last one.
_LEAST = 2 * len(_MAGIC) + 4


def unreadable(shard: str | Path, *, every_byte: bool = False, rows: int | None = None) -> str:
    """Return why a shard cannot be read, to stand after its name; "" where it can.

    Both ends of the file tell one that is empty, cut off or none of ours, in microseconds. `every_byte`: it
    is read to its end, which tells also one that was damaged in between, or has other than `rows`, and takes
    as long as to read it.
    """
    path = Path(shard)
    if not path.exists():
        return "is gone"
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            begin = file.read(len(_MAGIC))
            file.seek(max(size - _LEAST + len(_MAGIC), 0))
            end = file.read()
    except OSError as error:
        return f"cannot be read: {error.strerror or type(error).__name__}"
    if not size:
        return "is an empty file"
    length = int.from_bytes(end[:4], "little")
    if begin != _MAGIC or end[4:] != _MAGIC or length + _LEAST > size:
        return f"is no whole Parquet file ({size:,} bytes)"
    return _damage(path, rows) if every_byte else ""


def lost_file(plan: Delivery) -> str:
    """Return why the file of a plan cannot be read; "" where it can, or there is nothing to be read."""
    if not (plan.shard_rows or plan.whole):
        return ""
    return unreadable(plan.shard, every_byte=True, rows=plan.shard_rows)


def _damage(path: Path, rows: int | None) -> str:
    arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    try:
        with parquet.ParquetFile(path) as file:
            found = sum(batch.num_rows for batch in file.iter_batches())
    except (OSError, arrow.ArrowException) as error:
        # Its words may quote the file: what kind of error it is says as much.
        return f"is damaged ({type(error).__name__})"
    return "" if rows in (None, found) else f"has {found:,} rows, and {rows:,} were planned"
