"""A contract's format -> its reader.

Belongs here: which module reads which format. Does not belong here: how. A format's libraries are imported
when it is first read.
"""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import cast

from sluicegate.contracts.reading import Format
from sluicegate.ingestion.formats.base import PlainFile, Reader, ReaderContext
from sluicegate.ingestion.formats.engine_said import told_of_files

_PACKAGE = __name__.rpartition(".")[0]
_READERS = {
    Format.CSV: ("csv", "open_csv"),
    Format.JSON: ("json_lines", "open_json_array"),
    Format.JSONL: ("json_lines", "open_json_lines"),
    Format.PARQUET: ("parquet", "open_parquet"),
    Format.AVRO: ("avro", "open_avro"),
    Format.EXCEL: ("excel", "open_excel"),
    Format.ROSBAG: ("rosbag", "open_rosbag"),
}


def open_reader(context: ReaderContext, files: Sequence[PlainFile]) -> Reader:
    """Return the reader of the contract's format, its columns read.

    Raises:
        Unreadable: a file is not of the format.
        MachineLimit: memory or the disk ended first.
    """
    module, function = _READERS[context.options.format]
    opened = cast(
        "Callable[[ReaderContext, Sequence[PlainFile]], Reader]",
        getattr(import_module(f"{_PACKAGE}.{module}"), function),
    )
    with told_of_files(context.connection, files, context.options.format):
        return opened(context, files)
