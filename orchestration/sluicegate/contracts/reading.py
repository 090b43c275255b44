"""How a source's files are read: format, dialect, compression.

Belongs here: the options and which of them a format knows. Does not belong here: the readers
(`ingestion.formats`).
"""

from dataclasses import dataclass
from enum import StrEnum


class Format(StrEnum):
    """What a file is: the ODCS server's `format`."""

    CSV = "csv"
    JSON = "json"  # an array of objects
    JSONL = "jsonl"  # an object a line
    PARQUET = "parquet"
    AVRO = "avro"
    EXCEL = "xlsx"
    ROSBAG = "rosbag"


class Compression(StrEnum):
    """How a file is packed; a zip archive may hold several files."""

    NONE = "none"
    GZIP = "gzip"
    ZSTD = "zstd"
    ZIP = "zip"


_SUFFIXES = {".gz": Compression.GZIP, ".zst": Compression.ZSTD, ".zip": Compression.ZIP}


def compression_of(path: str) -> Compression:
    """Return the compression that a path's last suffix tells."""
    return next((found for suffix, found in _SUFFIXES.items() if path.endswith(suffix)), Compression.NONE)


@dataclass(frozen=True)
class ReadOptions:
    """The dialect of a source's files; what the contract leaves out has the format's usual value.

    `header` is whether a CSV file begins with a line of names (`skip_lines` before it are passed over);
    without one, columns are told by their place. `encoding` is a Python codec name. `sheet` is Excel's
    (the first, if empty), `topic` a ROS bag's.
    """

    format: Format
    compression: Compression = Compression.NONE
    delimiter: str = ","
    quote: str = '"'
    escape: str = '"'
    encoding: str = "utf-8"
    header: bool = True
    skip_lines: int = 0
    sheet: str = ""
    topic: str = ""
