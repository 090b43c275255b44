"""What storage does not give, or is no file: its source's complaint, and no other partition waits for it."""

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sluicegate.areas import Area
from sluicegate.ingestion import changes
from sluicegate.ingestion.staging import Scan, complaints_about, register_landed
from sluicegate.state.store import StateStore

from tests.company import MON, TUE, WED
from tests.unit.staging.support import ORDERS, PARTS, RESTING, announce, said, write

Break = Callable[[Path], object]


@pytest.fixture
def staging(tmp_path: Path) -> Area:
    """A directory: what is meant here, object storage does not have."""
    return Area(str(tmp_path / "staging"))


@pytest.fixture(params=[changes._FEW_FILES, 0], ids=["few files", "many files"])  # pyright: ignore[reportPrivateUsage]
def looks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks at everything, and looks at what is new."""
    monkeypatch.setattr(changes, "_FEW_FILES", request.param)


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.open(path.parent, os.O_RDONLY)  # a socket's name must be short
        listener.bind(f"/proc/self/fd/{here}/{path.name}")
        os.close(here)


def device(path: Path) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))
    except PermissionError:
        path.symlink_to("/dev/zero")


NO_FILES: dict[str, tuple[Break, str]] = {
    "a pipe": (os.mkfifo, "a named pipe, and no file"),
    "a socket": (listening, "a socket, and no file"),
    "a device": (device, "a device, and no file"),
    "a link to nothing": (lambda path: path.symlink_to("nowhere"), "a link to what is not there"),
    "a link to a device": (lambda path: path.symlink_to("/dev/zero"), "a device, and no file"),
    "links in a circle": (lambda path: path.symlink_to(path.name), os.strerror(40)),
    "a folder": (Path.mkdir, "a folder where a file is expected"),
}


@pytest.mark.sampled(3)
@pytest.mark.usefixtures("looks")
@pytest.mark.parametrize(("make", "why"), NO_FILES.values(), ids=NO_FILES)
@pytest.mark.parametrize("which", ["file", "marker", "one of several", "at rest"])
def test_what_is_no_file_is_told_until_it_is_one(
    make: Break, why: str, which: str, staging: Area, records: StateStore
) -> None:
    several = which in ("one of several", "at rest")
    contract = {"one of several": PARTS, "at rest": RESTING}.get(which, ORDERS)
    announce(staging, ORDERS, TUE)
    path = (
        f"parts/{MON}/part-b.csv" if several else f"orders/{MON}.{'done' if which == 'marker' else 'csv.gz'}"
    )
    place = Path(staging.path(path))
    place.parent.mkdir(parents=True, exist_ok=True)
    make(place)
    whole = f"parts/{MON}/part-a.csv" if several else f"orders/{MON}.csv.gz"
    if whole != path:
        write(staging, whole, "a")
    if which in ("file", "one of several"):
        write(staging, f"parts/{MON}/.done" if several else f"orders/{MON}.done")
    drops: list[str] = []
    if several and why.startswith("a folder"):
        assert not [text for text in register_landed(contract, staging, records).complaints if path in text]
        return  # what a wildcard tells may lie beside folders
    for _ in range(2):
        scan = register_landed(contract, staging, records)
        drops += [drop.partition_key for drop in scan.drops]
        [complaint] = [text for text in scan.complaints if text.startswith(f"{path}: ")]
        assert complaint.startswith(f"{path}: cannot be read ({why}); expected what `orders` lands at")
        assert complaint in complaints_about(contract, staging, records)
    assert drops == ([] if several else [TUE])
    place.rmdir() if place.is_dir() and not place.is_symlink() else place.unlink()
    write(staging, path, "b")
    if contract is not RESTING:
        write(staging, f"parts/{MON}/.done" if several else f"orders/{MON}.done", "again")
        assert [drop.partition_key for drop in register_landed(contract, staging, records).drops] == [MON]
    assert register_landed(contract, staging, records).complaints == ()


def file_instead(path: Path) -> None:
    path.write_text("")


@pytest.mark.usefixtures("looks")
@pytest.mark.parametrize("folder", ["parts", f"parts/{MON}"])
@pytest.mark.parametrize(
    ("make", "why"),
    [
        (file_instead, "a file where a folder is expected"),
        (lambda path: path.symlink_to("nowhere"), "a link to what is not there"),
        (lambda path: path.symlink_to(path.name), os.strerror(40)),
    ],
    ids=["a file", "a link to nothing", "links in a circle"],
)
def test_what_is_no_folder_is_told_until_it_is_one(
    folder: str, make: Break, why: str, staging: Area, records: StateStore
) -> None:
    place = Path(staging.path(folder))
    place.parent.mkdir(parents=True)
    make(place)
    if folder != "parts":
        announce_part(staging, TUE)
    drops: list[str] = []
    for _ in range(2):
        scan = register_landed(PARTS, staging, records)
        drops += [drop.partition_key for drop in scan.drops]
        assert [text.partition(";")[0] for text in scan.complaints] == [f"{folder}: cannot be read ({why})"]
    assert drops == ([TUE] if folder != "parts" else [])
    place.unlink()
    announce_part(staging, MON)
    scan = register_landed(PARTS, staging, records)
    assert ([drop.partition_key for drop in scan.drops], scan.complaints) == ([MON], ())


def announce_part(staging: Area, key: str) -> None:
    write(staging, f"parts/{key}/part-a.csv", key)
    write(staging, f"parts/{key}/.done")


def test_a_part_that_cannot_be_seen_keeps_its_whole_drop_waiting(staging: Area, records: StateStore) -> None:
    contract = replace(
        PARTS, template=replace(PARTS.template, text="parts/{date}/*/part-*.csv"),
        completion=replace(PARTS.completion, template=replace(PARTS.template, text="parts/{date}.done")),
    )  # fmt: skip
    for day in (MON, TUE):
        write(staging, f"parts/{day}/north/part-1.csv", day)
    Path(staging.path(f"parts/{MON}/south")).symlink_to("nowhere")
    for day in (MON, TUE):
        write(staging, f"parts/{day}.done")
    scan = register_landed(contract, staging, records)
    assert [drop.partition_key for drop in scan.drops] == [TUE]
    assert [text.partition(";")[0] for text in scan.complaints] == [
        f"parts/{MON}/south: cannot be read (a link to what is not there)"
    ]
    Path(staging.path(f"parts/{MON}/south")).unlink()
    write(staging, f"parts/{MON}/south/part-1.csv", "south")
    write(staging, f"parts/{MON}.done", "again")
    assert [len(drop.files) for drop in register_landed(contract, staging, records).drops] == [2]


AS_NOBODY = """
import os, sys
from sluicegate.areas import Area
import sluicegate.areas.local
os.setgid(65534); os.setuid(65534)
why = {}
found = [entry.path for entry in Area(sys.argv[1]).listing(sys.argv[2], why.__setitem__)]
print(found, {path: error.strerror for path, error in why.items()})
"""


@pytest.mark.long
@pytest.mark.skipif(os.getuid() != 0, reason="becomes another user")
def test_a_folder_that_may_not_be_read_is_told_and_its_neighbours_are_listed(tmp_path: Path) -> None:
    staging = Area(str(tmp_path / "staging"))
    for day in (MON, TUE):
        announce_part(staging, day)
    Path(staging.path(f"parts/{MON}")).chmod(0)
    for above in (*tmp_path.parents, tmp_path):
        if above.stat().st_mode & 0o700 == 0o700 and str(above).startswith(("/tmp/", "/dev/shm/")):
            above.chmod(0o755)
    command = [sys.executable, "-c", AS_NOBODY, staging.url, "parts/*/part-*.csv"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=os.getcwd())
    assert (
        ran.stdout.split("\n")[0] == f"{[f'parts/{TUE}/part-a.csv']} {{'parts/{MON}': 'Permission denied'}}"
    )


def test_a_path_that_is_too_long_for_its_disk_is_told(staging: Area, records: StateStore) -> None:
    for name in ("a" * 300 + "/{date}.csv", "/".join(["a" * 200] * 30) + "/{date}.csv"):
        contract = replace(ORDERS, template=replace(ORDERS.template, text=name))
        write(staging, "orders/x", "")
        assert [
            os.strerror(36) in text for text in register_landed(contract, staging, records).complaints
        ] == [True]


def test_staging_that_is_a_file_is_told(tmp_path: Path, records: StateStore) -> None:
    (tmp_path / "staging").write_text("")
    staging = Area(str(tmp_path / "staging"))
    [complaint] = register_landed(ORDERS, staging, records).complaints
    assert complaint.startswith(f"{staging.url}: cannot be read (a file where a folder is expected)")


def test_hidden_and_foreign_folders_that_cannot_be_read_are_nobodys(
    staging: Area, records: StateStore
) -> None:
    announce_part(staging, MON)
    for name in (".snapshot", "lost+found", "2023"):
        Path(staging.path(f"parts/{name}")).symlink_to("nowhere")
    scan = register_landed(PARTS, staging, records)
    assert ([drop.partition_key for drop in scan.drops], scan.complaints) == ([MON], ())


def test_a_file_that_becomes_a_pipe_after_it_was_listed_holds_nothing_up(
    staging: Area, records: StateStore
) -> None:
    class Swapped(Area):
        def chunks(self, relative: str) -> Iterator[bytes]:
            place = Path(self.path(relative))
            if place.is_file() and relative.endswith(".gz"):
                place.unlink()
                os.mkfifo(place)
            return super().chunks(relative)

    announce(staging, ORDERS, WED)
    scan = register_landed(ORDERS, Swapped(staging.url), records)
    assert [text.partition(";")[0] for text in scan.complaints] == [
        f"orders/{WED}.csv.gz: cannot be read (a named pipe, and no file)"
    ]


def test_a_look_that_records_nothing_leaves_the_drop_to_the_next(staging: Area, records: StateStore) -> None:
    announce(staging, ORDERS, MON)
    write(staging, f"orders/{TUE}.done")
    told = complaints_about(ORDERS, staging, records)
    assert [text.partition(";")[0] for text in told] == [f"orders/{TUE}.done: marker without its file"]
    scan = register_landed(ORDERS, staging, records)
    assert [drop.partition_key for drop in scan.drops] == [MON]
    staging.remove(f"orders/{TUE}.done")
    assert complaints_about(ORDERS, staging, records) == ()
    assert register_landed(ORDERS, staging, records) == Scan((), ())
    assert said(register_landed(ORDERS, staging, records)) == []
