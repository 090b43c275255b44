"""What only a local directory has: partial files, folders, links."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, cast

import pytest
from sluicegate.areas import Area, StorageUrlError
from sluicegate.core.settings import REPOSITORY

# Writes half a file, says so, and waits for its end.
HALF_WRITTEN = """
import sys
from sluicegate.areas import Area

def chunks():
    yield b"half" * 1000
    print("half", flush=True)
    sys.stdin.read()

Area(sys.argv[1]).write("sales/a.csv", chunks())
"""

pytestmark = pytest.mark.long  # it starts processes


@pytest.fixture
def area(tmp_path: Path) -> Area:
    return Area(str(tmp_path / "area"))


def files(area: Area) -> list[str]:
    """All that the disk holds, of the area or not."""
    root = Path(area.url)
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def half_written(area: Area) -> "subprocess.Popen[str]":
    """A process that is in the middle of a file."""
    process = subprocess.Popen(
        [sys.executable, "-c", HALF_WRITTEN, area.url],
        cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert cast("IO[str]", process.stdout).readline() == "half\n"
    return process


def test_what_a_killed_writer_left_is_cleared_by_the_next_and_seen_by_none(area: Area) -> None:
    process = half_written(area)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert len(files(area)) == 1
    assert list(area.listing()) == list(area.listing("*/*")) == []
    area.write("sales/b.csv", [b"b"])
    assert files(area) == ["sales/b.csv"]


def test_what_another_process_is_writing_is_left_alone(area: Area) -> None:
    process = half_written(area)
    area.write("sales/b.csv", [b"b"])
    assert [entry.path for entry in area.listing()] == ["sales/b.csv"]
    process.communicate("go on")
    assert process.returncode == 0
    assert files(area) == ["sales/a.csv", "sales/b.csv"]
    assert area.size("sales/a.csv") == 4000


def test_a_url_may_say_file_or_be_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Area(f"file://localhost{tmp_path}/a") == Area(f"FILE://{tmp_path}/a") == Area("a")
    assert Area("file://" + str(tmp_path / "a")) == Area("a") == Area(str(tmp_path / "a/"))
    assert Area("a").engine_path("b.csv") == str(tmp_path / "a" / "b.csv")


def test_an_area_that_was_never_written_is_empty(area: Area) -> None:
    assert list(area.listing()) == []
    assert not os.path.exists(area.url)


def test_files_behind_a_link_are_listed_and_a_dangling_link_is_not(area: Area, tmp_path: Path) -> None:
    area.write("sales/a.csv", [b"a"])
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "b.csv").write_bytes(b"b")
    root = Path(area.url)
    (root / "linked").symlink_to(elsewhere)
    (root / "sales" / "gone.csv").symlink_to(elsewhere / "gone.csv")
    assert sorted(entry.path for entry in area.listing("*/*.csv")) == ["linked/b.csv", "sales/a.csv"]


def test_a_file_that_is_put_back_as_it_was_is_stamped_anew(area: Area) -> None:
    area.write("a.done", [])
    before = next(iter(area.listing()))
    path = Path(area.path("a.done"))
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    area.write("a.done", [])
    os.utime(path, ns=times)
    assert next(iter(area.listing())).stamp != before.stamp


@pytest.mark.parametrize(
    "url", ["file://8.8.8.8/share", "file://a/b", "file://localhost", "file://localhostile/a"]
)
def test_a_file_url_names_no_other_host(url: str) -> None:
    with pytest.raises(StorageUrlError, match="names another host; .*write file:///path"):
        Area(url)
