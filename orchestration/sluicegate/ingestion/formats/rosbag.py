"""ROS 1 bags: the messages of one topic as rows, through `rosbags` into intermediate Parquet.

Belongs here: a message's fields as columns. Does not belong here: what the contract says of a type
(`ingestion`). A ROS 2 bag is a directory, which no drop is; its messages land as another format.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluicegate.ingestion.formats.base import PlainFile, Reader, ReaderContext, Unreadable
from sluicegate.ingestion.formats.parquet import ParquetReader
from sluicegate.ingestion.formats.scratch import json_text, write_parquet
from sluicegate.ingestion.formats.unpack import damaged

if TYPE_CHECKING:
    from rosbags.highlevel import AnyReader
    from rosbags.interfaces import Connection

_NANOSECONDS = 1000  # in a microsecond
# ROS's bytes: images, point clouds and the like.
_BYTES = ("uint8", "byte", "octet", "char")


def open_rosbag(context: ReaderContext, files: Sequence[PlainFile]) -> Reader:
    """Return the reader of one topic of each bag.

    Columns: `log_time` (TIMESTAMP in UTC, cut to microseconds) and `log_time_ns` (BIGINT, since 1970), when
    the message was recorded; then its fields, those of inner messages with dots (`pose.position.x`); bytes as
    BLOB, other arrays as JSON text.

    Raises:
        Unreadable: a file is damaged, no bag, or has no such topic.
    """
    paths: dict[PlainFile, str] = {}
    names: dict[PlainFile, list[str]] = {}
    for number, file in enumerate(files):
        # The library tells the version by the suffix, which a packed file's copy has not.
        bag = context.scratch / f"rosbag-{number:06d}.bag"
        os.symlink(os.path.abspath(file.path), bag)
        path = context.scratch / f"rosbag-{number:06d}.parquet"
        with ExitStack() as stack:
            reader = _opened(file, bag, stack)
            connections = _connections(file, reader, context.options.topic)
            columns = list(_columns(reader, connections[0].msgtype))
            types = [*_log_types(), *(column.type for column in columns)]
            write_parquet(path, types, _rows(file, reader, connections, columns))
        paths[file] = str(path)
        names[file] = ["log_time", "log_time_ns", *(column.name for column in columns)]
    return ParquetReader(context.connection, paths, names)


@dataclass(frozen=True)
class _Column:
    name: str
    type: Any
    """Of pyarrow."""
    path: tuple[str, ...]
    convert: Callable[[Any], object] | None


def _log_types() -> list[Any]:
    import pyarrow as pa

    return [pa.timestamp("us"), pa.int64()]


def _opened(file: PlainFile, bag: Path, stack: ExitStack) -> "AnyReader":
    from rosbags.highlevel import AnyReader

    try:
        return stack.enter_context(AnyReader([bag]))
    except Exception as error:
        # Whatever the bytes led it to: not all its errors are of its own kind.
        said = str(error).replace(str(bag), file.name)
        raise damaged(file.name, f"no ROS bag, or not closed ({said or type(error).__name__})") from None


def _connections(file: PlainFile, reader: "AnyReader", topic: str) -> "list[Connection]":
    found = [connection for connection in reader.connections if connection.topic == topic]
    if not found:
        there = ", ".join(f"`{name}`" for name in sorted({c.topic for c in reader.connections})) or "none"
        raise Unreadable(
            file.name,
            f"it has no topic `{topic}`; expected one of those that are there: {there}; name it in"
            " `topic` of the contract",
        )
    kinds = sorted({connection.msgtype for connection in found})
    if len(kinds) > 1:
        told = ", ".join(kinds)
        rule = f"topic `{topic}` has messages of several types: {told}; expected one; record them apart"
        raise Unreadable(file.name, rule)
    return found


def _columns(reader: "AnyReader", message_type: str, before: tuple[str, ...] = ()) -> Iterator[_Column]:
    """Yield a column for each field of a message that is no message itself."""
    import pyarrow as pa
    from rosbags.interfaces import Nodetype

    scalars = {
        "bool": pa.bool_(), "string": pa.string(), "wstring": pa.string(),
        "float32": pa.float32(), "float64": pa.float64(),
        "int8": pa.int8(), "int16": pa.int16(), "int32": pa.int32(), "int64": pa.int64(),
        "uint8": pa.uint8(), "uint16": pa.uint16(), "uint32": pa.uint32(), "uint64": pa.uint64(),
        "byte": pa.uint8(), "char": pa.uint8(), "octet": pa.uint8(),
    }  # fmt: skip
    for name, description in reader.typestore.fielddefs[message_type][1]:
        kind, told = description
        path = (*before, name)
        if kind == Nodetype.NAME:
            yield from _columns(reader, str(told), path)
        elif kind == Nodetype.BASE:
            yield _Column(".".join(path), scalars[str(told[0])], path, None)
        else:
            # An array's or a sequence's: what it is of, and its length.
            item_kind, item = told[0]
            of_bytes = item_kind == Nodetype.BASE and str(item[0]) in _BYTES
            made = (pa.binary(), bytes) if of_bytes else (pa.string(), _array_text)
            yield _Column(".".join(path), made[0], path, made[1])


def _rows(
    file: PlainFile, reader: "AnyReader", connections: "Sequence[Connection]", columns: Sequence[_Column]
) -> Iterator[Sequence[object]]:
    messages = reader.messages(connections=connections)
    number = 0
    while True:
        number += 1
        try:
            connection, nanoseconds, raw = next(messages)
            message = reader.deserialize(raw, connection.msgtype)
        except StopIteration:
            break
        except Exception as error:
            # As above. Its words may hold values of the message.
            raise damaged(file.name, f"message {number} cannot be read ({type(error).__name__})") from None
        yield [nanoseconds // _NANOSECONDS, nanoseconds, *(_value(message, column) for column in columns)]
    expected = sum(connection.msgcount for connection in connections)
    if number - 1 != expected:
        raise damaged(file.name, f"{number - 1} messages of the topic; its index says {expected}")


def _value(message: Any, column: _Column) -> object:
    value = message
    for name in column.path:
        value = getattr(value, name)
    return value if column.convert is None else column.convert(value)


def _array_text(value: Any) -> str:
    return json_text(_plain(value))


def _plain(value: Any) -> object:
    """Return arrays and messages as lists and mappings."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        return {
            name: _plain(getattr(value, name)) for name in value.__dataclass_fields__ if name != "__msgtype__"
        }
    return value
