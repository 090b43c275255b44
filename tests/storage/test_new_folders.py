"""A folder of an area is seen with all its files or not at all, whoever dies or is as quick."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, cast

import pytest
from sluicegate.areas import Area
from sluicegate.core.settings import REPOSITORY

from tests.storage.fixtures import Storage

DROP = "sales/2022-10-03/000001-abc"
FILES = {"a.csv": b"a", "b/c.csv": b"bc", "b/empty.csv": b""}
HALF_WRITTEN = """
import sys
from sluicegate.areas import Area

def chunks():
    yield b"x"
    print("half", flush=True)
    sys.stdin.read()

Area(sys.argv[1]).create_folder("sales/1", [("a.csv", [b"whole"]), ("b.csv", chunks())])
"""


def held(area: Area) -> dict[str, bytes]:
    return {entry.path: b"".join(area.chunks(entry.path)) for entry in area.listing()}


def left_over(folder: Path) -> list[str]:
    return os.listdir(folder / ".partial")


def test_all_files_are_seen_at_once(tmp_path: Path) -> None:
    area, seen = Area(str(tmp_path)), list[dict[str, bytes]]()

    def chunks(content: bytes) -> Iterator[bytes]:
        seen.append(held(area))
        yield content

    assert area.create_folder(DROP, ((name, chunks(content)) for name, content in FILES.items()))
    assert seen == [{}] * len(FILES)
    expected = {f"{DROP}/{name}": content for name, content in FILES.items()}
    assert held(area) == expected
    area.settle(list(expected))
    area.settle([f"{DROP}/{number}" for number in range(100)])
    assert held(area) == expected
    assert left_over(tmp_path) == []


def test_an_error_within_leaves_nothing(tmp_path: Path) -> None:
    area = Area(str(tmp_path))

    def chunks() -> Iterator[bytes]:
        yield b"half"
        raise ValueError("not what was expected")

    with pytest.raises(ValueError, match="not what was expected"):
        area.create_folder(DROP, [("a.csv", [b"a"]), ("b.csv", chunks())])
    assert held(area) == {}
    assert left_over(tmp_path) == []


def test_what_is_there_stays(tmp_path: Path) -> None:
    area = Area(str(tmp_path))
    area.create(f"{DROP}/a.csv", [b"first"])
    assert not area.create_folder(DROP, [("a.csv", [b"second"]), ("b.csv", [b"third"])])
    assert held(area) == {f"{DROP}/a.csv": b"first"}


def test_of_two_at_once_one_wins(tmp_path: Path) -> None:
    area, together = Area(str(tmp_path)), threading.Barrier(2)

    def chunks(content: bytes) -> Iterator[bytes]:
        together.wait()  # both have seen that there is no such folder
        yield content

    def create(content: bytes) -> bool:
        return area.create_folder(DROP, [("a.csv", [content]), ("b.csv", chunks(content))])

    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(create, (b"0", b"1")))
    assert sorted(made) == [False, True]
    won = str(made.index(True)).encode()
    assert held(area) == {f"{DROP}/a.csv": won, f"{DROP}/b.csv": won}
    assert left_over(tmp_path) == []


@pytest.mark.long
def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HALF_WRITTEN, str(tmp_path)], cwd=REPOSITORY, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert cast("IO[str]", process.stdout).readline() == "half\n"
    area = Area(str(tmp_path))
    assert held(area) == {}
    # It is alive: another writer does not take its folder away.
    assert area.create_folder("sales/2", [("a.csv", [b"other"])])
    assert len(left_over(tmp_path)) == 2
    process.kill()
    process.communicate()
    assert area.create_folder("sales/1", [("a.csv", [b"whole"])])
    assert held(area) == {"sales/1/a.csv": b"whole", "sales/2/a.csv": b"other"}
    assert left_over(tmp_path) == []


def test_object_storage_has_no_such_step(s3: Storage) -> None:
    area = s3.area(s3.fresh_url())
    assert not area.create_folder(DROP, [("a.csv", [b"a"])])
    assert held(area) == {}
    area.settle([f"{DROP}/a.csv"])
