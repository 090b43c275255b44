"""What is loaded has the digest of the drop, whoever changes staging or the originals, and whenever."""

import gzip
import itertools
import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sluicegate.ingestion.judging import judge_by_contract
from sluicegate.ingestion.refusal import DropRefused
from sluicegate.operations.mending import export_quarantined, restore
from sluicegate.state.records import Build

from tests.ingestion.door import DAY, HEADER, Door, contract

Change = Callable[[Path, bytes], object]


def text(loaves: int, day: str = DAY) -> bytes:
    return f"{HEADER}\n1,{day},a,{loaves}\n".encode()


def in_place(file: Path, content: bytes) -> None:
    """As a writer who keeps the size and sets the time back."""
    before = file.stat()
    with file.open("r+b") as stream:
        stream.write(content)
        stream.truncate()
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def appended(file: Path, content: bytes) -> None:
    with file.open("ab") as stream:
        stream.write(content.splitlines(keepends=True)[-1].replace(b"1,", b"2,", 1))


def renamed(file: Path, content: bytes) -> None:
    before = file.stat()
    other = file.with_name(".other")
    other.write_bytes(content)
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(file)


def by_another_name(file: Path, content: bytes) -> None:
    other = file.with_name(".link")
    other.unlink(missing_ok=True)
    other.hardlink_to(file)
    in_place(other, content)


def linked_elsewhere(file: Path, content: bytes) -> None:
    other = file.with_name(".target")
    other.write_bytes(content)
    file.unlink()
    file.symlink_to(other.name)


def folder_swapped(file: Path, content: bytes) -> None:
    folder = file.parent
    folder.rename(folder.with_name("aside"))
    folder.mkdir()
    file.write_bytes(content)


CHANGES: list[Change] = [in_place, appended, renamed, by_another_name, linked_elsewhere, folder_swapped]


def door(folder: Path, **more: Any) -> Door:
    return Door(folder, contract(**more))


def staged(at: Door, key: str = DAY) -> Path:
    return Path(at.deployment.staging.path(at.contract.template.of(key).replace("*", "a")))


def kept(at: Door, key: str = DAY) -> Path:
    [entry] = at.deployment.originals.listing(f"orders/{key}/*/*")
    return Path(at.deployment.originals.path(entry.path))


def held(at: Door, key: str = DAY) -> list[tuple[Any, ...]]:
    return at.query(
        f"select order_number, loaves from raw.orders where _partition_key = '{key}' order by all"
    )


KINDS: dict[str, dict[str, Any]] = {
    "marker": {},
    "packed": {"path": "orders/{date}.csv.gz"},
    "several": {"path": "orders/{date}/*.csv"},
    "manifest": {
        "path": "orders/{date}/*.csv", "completion": {"on": "manifest", "path": "orders/{date}.json"},
    },
    "stable": {"completion": {"on": "stable", "seconds": 1}},
}  # fmt: skip


def land(at: Door, kind: str, content: bytes) -> None:
    file = staged(at)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    if kind == "stable":
        long_ago = file.stat().st_mtime - 10
        os.utime(file, (long_ago, long_ago))
    announce(at, kind)
    at.scan()


def announce(at: Door, kind: str) -> None:
    template = at.contract.completion.template
    if template is None:
        return
    file = staged(at)
    said = (
        f'{{"files": [{{"path": "{DAY}/a.csv", "size": {file.stat().st_size}}}]}}'
        if kind == "manifest"
        else ""
    )
    at.deployment.staging.write(template.of(DAY), [said.encode()])


# Every change for the commonest kind, one for each other; a longer run is of all pairs. A second member of a
# packed file would be a file with a header of its own.
LONG = int(os.environ.get("SLUICE_TEST_KILLS", "1")) > 1
PAIRS = [
    (change, kind)
    for kind in KINDS
    for change in CHANGES
    if (LONG or kind == "marker" or change is in_place) and (change, kind) != (appended, "packed")
]


@pytest.mark.sampled(15)
@pytest.mark.parametrize(("change", "kind"), PAIRS)
def test_what_changes_in_staging_is_refused_or_was_kept(change: Change, kind: str, tmp_path: Path) -> None:
    at = door(tmp_path, **KINDS[kind])
    packed = (lambda content: gzip.compress(content, mtime=0)) if kind == "packed" else bytes
    land(at, kind, packed(text(3)))
    change(staged(at), packed(text(4)))
    with pytest.raises(DropRefused, match="content changed: digest .*") as refused:
        at.load()
    fix = {"stable": "`touch` it; it is taken once it has rested", "manifest": "write the manifest again"}
    assert fix.get(kind, "write the marker again once the file is whole") in str(refused.value)
    # What the message says, done: it is another drop.
    if kind == "stable":
        past = staged(at).stat().st_mtime - 20
        os.utime(staged(at), (past, past))
    announce(at, kind)
    at.scan()
    assert at.drop().ordinal == 2
    at.load()
    corrected = held(at)
    assert corrected in ([("1", 4)], [("1", 3), ("2", 4)])
    # From now on staging says nothing any more.
    for content in (text(7), b"no table at all\n"):
        in_place(staged(at), packed(content))
        assert at.load().version.startswith(f"2.{at.drop().digest[:16]}")
        assert held(at) == corrected
    # Nor does it for whoever judges the day, or goes back to the drop before, whose content nobody kept.
    build = Build("raw.orders", DAY, "x", "", 2, 1, inputs={}, project="")  # pyright: ignore[reportArgumentType]
    assert judge_by_contract(at.deployment, at.contract, DAY, build).passed
    restore(at.deployment, at.contract, DAY, 1)
    with pytest.raises(DropRefused, match="content changed: digest"):
        at.load()
    assert held(at) == corrected


def test_a_drop_that_was_loaded_loads_alike_ever_after(tmp_path: Path) -> None:
    at = door(tmp_path)
    first = at.load(text(3))
    appended(staged(at), text(5))
    assert at.load() == first
    assert held(at) == [("1", 3)]


def test_bad_rows_are_exported_from_what_was_kept(tmp_path: Path) -> None:
    at = door(tmp_path, quarantineLimit={"rows": 9})
    at.load(text(3) + f"2,{DAY},a,many\n".encode())
    in_place(staged(at), text(3) + f"2,{DAY},a,lots\n".encode())
    export_quarantined(at.deployment, at.contract, DAY, tmp_path / "bad.csv")
    assert "many" in (tmp_path / "bad.csv").read_text()


_watching: list[Callable[[str], object]] = []


def _on_event(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and _watching and isinstance(arguments[0], str):
        watching, _watching[:] = _watching[:], []  # what it opens itself is not watched
        watching[0](arguments[0])
        _watching[:] = watching


sys.addaudithook(_on_event)


class At:
    """Does something once, when what is below some folders is opened for the n-th time."""

    def __init__(self, number: int, folders: tuple[str, ...], act: Callable[[], object]) -> None:
        self.left, self.folders, self.act = number, folders, act

    def __call__(self, path: str) -> None:
        if path.startswith(self.folders):
            if self.left == 0:
                self.act()
            self.left -= 1

    @property
    def done(self) -> bool:
        return self.left < 0


@contextmanager
def watching(at: At) -> Generator[None]:
    _watching[:] = [at]
    try:
        yield
    finally:
        _watching.clear()


@pytest.mark.sampled(2)
@pytest.mark.parametrize("area", ["staging", "originals"])
@pytest.mark.parametrize(
    ("change", "path"), [(in_place, "orders/{date}.csv"), (renamed, "orders/{date}.csv.gz")]
)
def test_a_file_that_is_changed_at_any_opening_is_not_what_is_loaded(
    change: Change, path: str, area: str, tmp_path: Path
) -> None:
    at = door(tmp_path, path=path)
    packed = (lambda content: gzip.compress(content, mtime=0)) if path.endswith(".gz") else bytes
    at.load(packed(text(3)))
    outcomes: list[str] = []
    for number in itertools.count():
        key = str(date(2024, 1, 2) + timedelta(days=number))
        at.land(packed(text(3, key)), key)

        def act(key: str = key) -> None:
            if area == "staging":
                change(staged(at, key), packed(text(4, key)))
            elif list(at.deployment.originals.listing(f"orders/{key}/*/*")):
                change(kept(at, key), packed(text(4, key)))

        # A file is opened to be copied, to be made plain, and to be checked.
        folders = (at.deployment.staging.url, at.deployment.originals.url)
        moment = At(number, folders, act)
        with watching(moment):
            try:
                at.load(key=key)
                outcomes.append("loaded")
            except DropRefused as refused:
                outcomes.append(str(refused))
        assert outcomes[-1] == "loaded" or "changed" in outcomes[-1]
        assert held(at, key) == ([("1", 3)] if outcomes[-1] == "loaded" else []), number
        if not moment.done:
            break
    assert len(outcomes) > 4
    assert outcomes[-1] == "loaded"


def test_originals_that_are_linked_meanwhile_are_read_once_more(tmp_path: Path) -> None:
    """As a backup by links does: the time of their state is another, they are not."""
    at = door(tmp_path)
    at.load(text(3))
    links = itertools.count()
    moment = At(
        1, (at.deployment.originals.url,), lambda: (tmp_path / f"{next(links)}").hardlink_to(kept(at))
    )
    with watching(moment):
        assert at.load().rows == 1
    assert moment.done


def test_originals_that_never_rest_are_told(tmp_path: Path) -> None:
    at = door(tmp_path)
    at.load(text(3))
    original = kept(at)

    class Ever(At):
        def __call__(self, path: str) -> None:
            if path == str(original):
                original.chmod(0o600)

    with watching(Ever(0, (), lambda: None)), pytest.raises(DropRefused, match="change while they are read"):
        at.load()
    assert at.load().rows == 1
