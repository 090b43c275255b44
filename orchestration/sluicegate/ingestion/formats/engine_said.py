"""What the engine says of a file that it cannot read -> whose fault that is, and what to do.

The file's, as a rule: it is refused by name, whatever kind of error the engine made of it. This machine's,
where memory or the disk ends: nothing is wrong with the file then. Ours, where the statement itself is wrong.
Belongs here: telling these apart. Does not belong here: what a reader finds by itself.
"""

import errno
import os
import re
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sluicegate.contracts.reading import Format
from sluicegate.ingestion.formats.base import MachineLimit, PlainFile, Unreadable
from sluicegate.ingestion.formats.unpack import damaged

if TYPE_CHECKING:
    import duckdb

MEMORY_VARIABLE = "SLUICE_LOAD_MEMORY"
_DISK_FULL = re.compile(r"no space left on device|disk quota exceeded|file too large", re.IGNORECASE)
_DISK_ENDS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SPILLED_TOO_MUCH = re.compile(r"max_temp_directory_size|failed to offload", re.IGNORECASE)
_ENCRYPTED = re.compile(r"\bis encrypted\b|decrypt|encryption", re.IGNORECASE)
_UNKNOWN_WAY = re.compile(
    r"unsupported|not (?:yet )?(?:supported|implemented)|no support|unrecognized|don't know what type",
    re.IGNORECASE,
)
# Of storage that is far away; not of what it holds.
_NETWORK = re.compile(
    r"connect|time-?out|timed out|curl|http|ssl|network|resolve|authenti|credential|throttl", re.IGNORECASE
)
# What the engine puts around what it has to say.
_PREAMBLE = re.compile(r"^[A-Za-z ]+ Error: ")


@contextmanager
def told_of_files(
    connection: "duckdb.DuckDBPyConnection", files: Sequence[PlainFile], format_: Format
) -> Generator[None]:
    """Turn what the engine raises while it works on files into an error with a sentence.

    Args:
        connection: the engine.
        files: what is read, once it is known; the one that the engine names is the culprit, else the first.
        format_: what they are.

    Raises:
        Unreadable: the engine cannot read a file.
        MachineLimit: memory or the disk is at its end.
    """
    import duckdb

    try:
        with told_of_the_machine(lambda: _memory_of(connection)):
            yield
    except duckdb.Error as error:
        if _is_ours(error) or (_NETWORK.search(str(error)) and any("://" in file.path for file in files)):
            raise
        raise unreadable(files, error, format_) from None


@contextmanager
def told_of_the_machine(memory: Callable[[], str]) -> Generator[None]:
    """Say in a sentence that there is no memory or no room left, whoever has found out.

    Args:
        memory: returns how much the engine may take, as `512MB`.

    Raises:
        MachineLimit: so it is; also where a quota is used up, or a file may not grow any more.
    """
    import duckdb

    try:
        yield
    except duckdb.OutOfMemoryException as error:
        said = first_line(error)
        if _SPILLED_TOO_MUCH.search(said) or _DISK_FULL.search(str(error)):
            raise _disk(said) from None
        raise _memory(said, memory()) from None
    except MemoryError:
        raise _memory("Python has none left", memory()) from None
    except duckdb.Error as error:
        # Where a commit fails it is a TransactionException that says so.
        if not _DISK_FULL.search(str(error)):
            raise
        raise _disk(first_line(error)) from None
    except OSError as error:
        if error.errno not in _DISK_ENDS:
            raise
        raise _disk(os.strerror(error.errno)) from None


def _memory_of(connection: "duckdb.DuckDBPyConnection") -> str:
    (memory,) = connection.execute("select current_setting('memory_limit')").fetchone() or ("memory",)
    return str(memory)


def _is_ours(error: "duckdb.Error") -> bool:
    """Whether the statement is wrong, or the way to the storage: no file is to blame for either."""
    import duckdb

    return isinstance(
        error,
        duckdb.BinderException
        | duckdb.CatalogException
        | duckdb.ParserException
        | duckdb.SyntaxException
        | duckdb.PermissionException
        | duckdb.TransactionException
        | duckdb.ConnectionException
        | duckdb.InterruptException
        | duckdb.HTTPException,
    )


def _memory(said: str, memory: str) -> MachineLimit:
    return MachineLimit(
        f"a load needs more memory than the {memory} that it is given ({said}); nothing is wrong with the"
        f" drop; set {MEMORY_VARIABLE} to more, as 2GB, and rerun"
    )


def _disk(said: str) -> MachineLimit:
    return MachineLimit(
        f"a disk has no room left ({said}); nothing is wrong with the drop; make room, and rerun"
    )


def first_line(error: Exception) -> str:
    """Return what an engine's error says, without the statement that it may repeat."""
    return _PREAMBLE.sub("", str(error).partition("\n")[0]).strip()


def unreadable(files: Sequence[PlainFile], error: Exception, format_: Format) -> Unreadable:
    """Return the engine's complaint of one of the files, without the path of an intermediate one."""
    whole, said = str(error), first_line(error)
    file = next((file for file in files if file.path in whole), files[0])
    for other in files:
        said = said.replace(other.path, other.name)
    name = _NAMES.get(format_, format_.value)
    if _ENCRYPTED.search(said) or (format_ is Format.PARQUET and _has_encrypted_columns(file)):
        return Unreadable(
            file.name,
            f"it is encrypted; expected {name} that can be read without a key; have it written without"
            " encryption",
        )
    if _UNKNOWN_WAY.search(said):
        return Unreadable(
            file.name,
            f"it is written in a way that the engine cannot read ({said}); expected {name} that it reads;"
            " have it written with another compression or encoding",
        )
    return damaged(file.name, f"not {name}, or not as it was written ({said})")


_NAMES = {Format.PARQUET: "Parquet", Format.CSV: "CSV", Format.JSON: "JSON", Format.JSONL: "JSON"}


def _has_encrypted_columns(file: PlainFile) -> bool:
    """Whether a file has a plain footer and columns that need a key: the engine takes them for damaged."""
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file.path) as parquet:
            next(parquet.iter_batches(1), None)
    except Exception as error:
        # Whatever else is wrong with it, the engine has said.
        return _ENCRYPTED.search(str(error)) is not None
    return False
