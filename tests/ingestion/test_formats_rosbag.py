"""ROS bags: one topic as a table, typed, in the order of the bag."""

import json
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rosbags.rosbag1 import Writer
from rosbags.typesys import Stores, get_typestore
from sluicegate.contracts.reading import Format, ReadOptions
from sluicegate.ingestion.formats.base import Unreadable

from tests.ingestion.readers import GENERATED, Opened, opened

STORE = get_typestore(Stores.ROS1_NOETIC)
COMPRESSIONS = [None, Writer.CompressionFormat.BZ2, Writer.CompressionFormat.LZ4]


def message(kind: str, **fields: Any) -> Any:
    return STORE.types[kind](**fields)


def header(number: int = 0) -> Any:
    stamp = message("builtin_interfaces/msg/Time", sec=1, nanosec=5)
    return message("std_msgs/msg/Header", seq=number, stamp=stamp, frame_id="map")


def point(x: float, y: float = 0.0, z: float = 0.0) -> Any:
    return message("geometry_msgs/msg/Point", x=x, y=y, z=z)


def bag(path: Path, messages: list[tuple[str, int, Any]], compression: Any = None) -> Path:
    """Write (topic, nanoseconds, message) in their order."""
    writer = Writer(path)
    if compression is not None:
        writer.set_compression(compression)
    with writer:
        connections: dict[tuple[str, str], Any] = {}
        for topic, nanoseconds, sent in messages:
            kind = sent.__msgtype__
            if (topic, kind) not in connections:
                connections[topic, kind] = writer.add_connection(topic, kind, typestore=STORE)
            writer.write(connections[topic, kind], nanoseconds, STORE.serialize_ros1(sent, kind))
    return path


def read(tmp_path: Path, topic: str, messages: list[tuple[str, int, Any]], compression: Any = None) -> Opened:
    path = bag(tmp_path / "0.bag", messages, compression)
    return opened(ReadOptions(Format.ROSBAG, topic=topic), tmp_path, [path])


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_topic_is_a_table_of_flat_typed_columns(tmp_path: Path, compression: Any) -> None:
    kind = "geometry_msgs/msg/PointStamped"
    sent = [("/p", 1_700_000_000_123_456_789 + n, message(kind, header=header(n), point=point(n / 2)))
            for n in range(3)]  # fmt: skip
    other = ("/other", 5, message("std_msgs/msg/String", data="x"))
    found = read(tmp_path, "/p", [other, *sent], compression)
    assert found.columns() == {
        "log_time": "TIMESTAMP",
        "log_time_ns": "BIGINT",
        "header.seq": "UINTEGER",
        "header.stamp.sec": "INTEGER",
        "header.stamp.nanosec": "UINTEGER",
        "header.frame_id": "VARCHAR",
        "point.x": "DOUBLE",
        "point.y": "DOUBLE",
        "point.z": "DOUBLE",
    }
    assert found.placed("log_time", "log_time_ns", "header.seq", "point.x", "header.frame_id", None)[1] == (
        datetime(2023, 11, 14, 22, 13, 20, 123456),
        1_700_000_000_123_456_790,
        1,
        0.5,
        "map",
        None,
        "in/0.bag",
        2,
    )


def test_bytes_are_bytes_and_other_arrays_are_json(tmp_path: Path) -> None:
    image = message(
        "sensor_msgs/msg/Image",
        header=header(), height=1, width=2, encoding="mono8", is_bigendian=0, step=2,
        data=np.array([0, 255], np.uint8),
    )  # fmt: skip
    polygon = message(
        "geometry_msgs/msg/Polygon",
        points=[message("geometry_msgs/msg/Point32", x=0.5, y=1.0, z=2.0)],
    )
    joints = message(
        "sensor_msgs/msg/JointState",
        header=header(), name=["a", "ä"], position=np.array([0.1, 2.0]),
        velocity=np.array([], np.float64), effort=np.array([], np.float64),
    )  # fmt: skip
    sent = [("/image", 1, image), ("/polygon", 2, polygon), ("/joints", 3, joints)]
    path = bag(tmp_path / "0.bag", sent)

    def rows(topic: str, *names: str) -> list[tuple[Any, ...]]:
        folder = tmp_path / topic.strip("/")
        folder.mkdir()
        return opened(ReadOptions(Format.ROSBAG, topic=topic), folder, [path]).rows(*names)

    assert rows("/image", "data", "is_bigendian") == [(b"\0\xff", 0)]
    assert rows("/polygon", "points") == [('[{"x":0.5,"y":1.0,"z":2.0}]',)]
    assert rows("/joints", "name", "position", "velocity") == [('["a","ä"]', "[0.1,2.0]", "[]")]


def test_an_unknown_topic_is_refused_with_those_there_are(tmp_path: Path) -> None:
    sent = [
        ("/b", 1, message("std_msgs/msg/String", data="x")),
        ("/a", 2, message("std_msgs/msg/Bool", data=True)),
    ]
    with pytest.raises(Unreadable, match=r"^in/0.bag: it has no topic `/c`; expected one of .*: `/a`, `/b`;"):
        read(tmp_path, "/c", sent)


def test_a_topic_of_several_types_is_refused(tmp_path: Path) -> None:
    sent = [
        ("/a", 1, message("std_msgs/msg/String", data="x")),
        ("/a", 2, message("std_msgs/msg/Bool", data=True)),
    ]
    with pytest.raises(
        Unreadable, match=r"topic `/a` has messages of several types: std_msgs/msg/Bool, std_msgs/"
    ):
        read(tmp_path, "/a", sent)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_every_cut_is_noticed(tmp_path: Path, compression: Any) -> None:
    sent = [("/a", n, message("std_msgs/msg/String", data=f"text {n}")) for n in range(20)]
    whole = bag(tmp_path / "whole.bag", sent, compression).read_bytes()
    path = tmp_path / "0.bag"
    for number, length in enumerate([*range(0, len(whole), 331), len(whole) - 1]):
        path.write_bytes(whole[:length])
        (tmp_path / str(number)).mkdir()
        with pytest.raises(Unreadable, match=r"^in/0.bag: damaged or cut short: ") as caught:
            opened(ReadOptions(Format.ROSBAG, topic="/a"), tmp_path / str(number), [path])
        assert str(tmp_path) not in caught.value.rule


def test_what_is_no_bag_is_refused(tmp_path: Path) -> None:
    (tmp_path / "0.bag").write_bytes(b"a,b\n1,2\n")
    with pytest.raises(Unreadable, match="damaged or cut short: no ROS bag"):
        opened(ReadOptions(Format.ROSBAG, topic="/a"), tmp_path, [tmp_path / "0.bag"])


FLOATS = st.floats(allow_nan=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)


@GENERATED
@given(
    st.lists(
        st.tuples(st.integers(0, 2**32 * 10**9 - 1), TEXTS, st.lists(FLOATS, max_size=4)),
        min_size=1,
        max_size=6,
    )
)
def test_what_was_written_is_what_is_read(written: list[tuple[int, str, list[float]]]) -> None:
    written.sort(key=lambda item: item[0])
    sent = [
        (
            "/a",
            nanoseconds,
            message(
                "sensor_msgs/msg/JointState",
                header=header(number), name=[text], position=np.array(values, np.float64),
                velocity=np.array([]), effort=np.array([]),
            ),
        )
        for number, (nanoseconds, text, values) in enumerate(written)
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as directory:
        placed = read(Path(directory), "/a", sent).placed("log_time_ns", "name", "position", "header.seq")
    found = [(row[0], json.loads(row[1])[0], json.loads(row[2])) for row in placed]
    assert found == written
    assert [row[3] for row in placed] == list(range(len(written)))
