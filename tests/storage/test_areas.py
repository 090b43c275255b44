"""An area does the same on every storage."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sluicegate.areas import Area, digest_of
from sluicegate.areas.azure import azure_files
from sluicegate.areas.s3 import s3_files

from tests.storage.fixtures import KINDS, Storage

SMALL = 2 << 20
# What is uploaded in several requests, on every storage.
LARGE = 40 << 20


@pytest.fixture(params=[*KINDS, "memory"])
def storage(request: pytest.FixtureRequest) -> Storage:
    """Each kind of storage in turn, and memory, which tests of other folders use."""
    return request.getfixturevalue(request.param)


def paths(area: Area, pattern: str = "**") -> list[str]:
    return sorted(entry.path for entry in area.listing(pattern))


def pieces(size: int, letter: bytes = b"x") -> Iterator[bytes]:
    for _ in range(size >> 20):
        yield letter * (1 << 20)


def test_what_was_written_is_read(area: Area) -> None:
    area.write("sales/2022-10-03.csv", [b"a,b\n", b"1,2\n"])
    assert area.exists("sales/2022-10-03.csv")
    assert area.size("sales/2022-10-03.csv") == 8
    assert b"".join(area.chunks("sales/2022-10-03.csv")) == b"a,b\n1,2\n"
    assert area.read("sales/2022-10-03.csv") == b"a,b\n1,2\n"
    with area.open("sales/2022-10-03.csv") as stream:
        stream.seek(4)
        assert stream.read() == b"1,2\n"
    assert digest_of(area, "sales/2022-10-03.csv")[1] == 8


def test_an_empty_file_is_a_file(area: Area) -> None:
    area.write("sales/2022-10-03.done", [])
    area.create("sales/2022-10-04.done", [])
    assert area.size("sales/2022-10-03.done") == 0
    assert list(area.chunks("sales/2022-10-04.done")) == []
    assert paths(area) == ["sales/2022-10-03.done", "sales/2022-10-04.done"]


def test_a_later_write_takes_the_place_of_an_earlier(area: Area) -> None:
    area.write("a.csv", [b"old and longer"])
    area.write("a.csv", [b"new"])
    assert b"".join(area.chunks("a.csv")) == b"new"
    assert paths(area) == ["a.csv"]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("size", [3, LARGE])
def test_what_is_created_stays(area: Area, size: int, tmp_path: Path) -> None:
    content = [b"one"] if size == 3 else pieces(LARGE)
    area.create("a.bin", content)
    other = tmp_path / "other"
    other.write_bytes(b"z" * size)
    with pytest.raises(FileExistsError, match=r"a\.bin exists already"):
        area.create("a.bin", pieces(LARGE, b"y"))
    with pytest.raises(FileExistsError, match=r"a\.bin exists already"):
        area.upload("a.bin", other, create=True)
    assert area.size("a.bin") == size
    assert next(area.chunks("a.bin"))[:1] in (b"o", b"x")
    area.upload("a.bin", other)
    assert next(area.chunks("a.bin"))[:1] == b"z"


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("size", "rounds"), [(SMALL, 10), (LARGE, 2)])
def test_of_two_that_create_at_once_one_wins(area: Area, size: int, rounds: int) -> None:
    for number in range(rounds):
        together = threading.Barrier(2)

        def create(
            letter: bytes, number: int = number, together: threading.Barrier = together
        ) -> bytes | None:
            together.wait()
            try:
                area.create(f"{number}.bin", pieces(size, letter))
            except FileExistsError:
                return None
            return letter

        with ThreadPoolExecutor(2) as pool:
            won = [letter for letter in pool.map(create, [b"a", b"b"]) if letter]
        assert len(won) == 1
        assert all(chunk.count(won[0]) == len(chunk) for chunk in area.chunks(f"{number}.bin"))
        assert area.size(f"{number}.bin") == size
    assert len(paths(area)) == rounds


def test_a_swap_is_of_what_was_seen_or_not_at_all(area: Area) -> None:
    assert area.version("m.json") is None
    assert area.swap("m.json", b"first", None)
    first = area.version("m.json")
    assert not area.swap("m.json", b"other", None)
    assert area.version("m.json") == first
    assert area.swap("m.json", b"second", first)
    assert not area.swap("m.json", b"third", first)
    assert b"".join(area.chunks("m.json")) == b"second"
    second = area.version("m.json")
    area.remove("m.json")
    assert not area.swap("m.json", b"third", second)
    assert paths(area) == []


def test_of_many_that_swap_at_once_none_is_lost(area: Area) -> None:
    together = threading.Barrier(4)

    def add(letter: bytes) -> None:
        together.wait()
        while True:
            version = area.version("m")
            held = area.read("m") or b""
            if area.swap("m", held + letter, version):
                return

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, [b"a", b"b", b"c", b"d"]))
    assert sorted(b"".join(area.chunks("m"))) == sorted(b"abcd")
    assert paths(area) == ["m"]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("write", [Area.write, Area.create])
def test_a_half_written_file_is_never_seen(
    area: Area, size: int, write: Callable[[Area, str, Iterator[bytes]], None]
) -> None:
    seen: list[list[str]] = []

    def cut() -> Iterator[bytes]:
        yield from pieces(size)
        seen.append(paths(area))
        raise ConnectionResetError("the provider hung up")

    with pytest.raises(ConnectionResetError):
        write(area, "a.bin", cut())
    assert seen == [[]]
    assert paths(area) == []
    write(area, "a.bin", pieces(size))
    assert area.size("a.bin") == size


def test_readers_see_the_old_file_until_the_new_one_is_whole(area: Area) -> None:
    area.write("a.bin", [b"old"])

    def look() -> Iterator[bytes]:
        yield from pieces(LARGE)
        assert b"".join(area.chunks("a.bin")) == b"old"
        yield b"end"

    area.write("a.bin", look())
    assert area.size("a.bin") == LARGE + 3


def test_what_is_not_there(area: Area) -> None:
    assert not area.exists("no.csv")
    with pytest.raises(FileNotFoundError):
        area.size("no.csv")
    with pytest.raises(FileNotFoundError):
        area.open("no.csv")
    with pytest.raises(FileNotFoundError):
        list(area.chunks("no.csv"))
    assert area.read("no.csv") is None
    area.remove("no.csv")
    area.remove_tree("nothing")
    assert paths(area) == []


def test_a_folder_is_no_file(area: Area) -> None:
    area.write("sales/2022-10-03/part-1.csv", [b"x"])
    assert not area.exists("sales")
    assert not area.exists("sales/2022-10-03")
    assert paths(area, "sales/2022-10-03") == []


def test_removal(area: Area) -> None:
    names = [f"sales/{day}/part-{part}.csv" for day in ("a", "b", "bb") for part in range(3)]
    for name in names:
        area.write(name, [b"x"])
    area.remove("sales/a/part-0.csv")
    area.remove_all(["sales/a/part-1.csv", "sales/a/part-1.csv", "sales/a/none.csv"])
    area.remove_tree("sales/b")
    assert paths(area) == ["sales/a/part-2.csv", *names[6:]]


def test_patterns(area: Area) -> None:
    names = [
        "sales/2022-10-03.csv.gz", "sales/2022-10-03.done", "sales/2022-10-04.done",
        "sales/deep/2022-10-05.done", "salesforce/2022-10-03.done",
        "2022/10/03/part-1.json", "2022/10/03/part-22.json",
        "2022/10/03/.done",
        "2022/11/01/part-1.json", "odd/[a].csv", "odd/a.csv", "stores.csv",
    ]  # fmt: skip
    for name in names:
        area.write(name, [b"x"])

    expected = {
        "**": names,
        "sales/**": names[:4],
        "sales/*.done": names[1:3],
        "*/*.done": [*names[1:3], names[4]],
        "sales/2022-10-03.done": names[1:2],
        "2022/*/*/part-*.json": [*names[5:7], names[8]],
        "2022/10/??/part-?.json": names[5:6],
        "*/*/*/.done": names[7:8],
        "odd/[a].csv": names[9:10],
        "*": names[11:],
        "*.csv": names[11:],
        "nothing/*": [],
        "stores.csv/*": [],
    }
    assert {pattern: paths(area, pattern) for pattern in expected} == {
        pattern: sorted(found) for pattern, found in expected.items()
    }


def test_an_entry_tells_size_and_time_and_is_stamped_anew(area: Area) -> None:
    area.write("a.csv", [b"123"])
    before = next(iter(area.listing("a.csv")))
    assert (before.path, before.size) == ("a.csv", 3)
    assert before.modified is not None
    assert abs(before.modified - datetime.now(UTC)) < timedelta(minutes=5)
    assert next(iter(area.listing("a.csv"))) == before
    area.write("a.csv", [b"456"])
    assert next(iter(area.listing("a.csv"))).stamp != before.stamp


def test_names_as_providers_choose_them(area: Area) -> None:
    names = ["a b/ü-ß.csv", "50%/x+y=z.csv", "it's/#1.csv", "0001-abc/part,1;2.csv"]
    for name in names:
        area.write(name, [name.encode()])
    assert paths(area) == sorted(names)
    assert [b"".join(area.chunks(name)) for name in names] == [name.encode() for name in names]


@pytest.mark.parametrize("path", ["../other/a.csv", "/etc/passwd", "a/../../b"])
def test_no_path_leads_out_of_an_area(area: Area, path: str) -> None:
    for act in (area.exists, area.open, area.remove, area.remove_tree, area.engine_path, area.listing):
        with pytest.raises(ValueError, match="no path below an area"):
            act(path)
    with pytest.raises(ValueError, match="no path below an area"):
        area.write(path, [b"x"])


def test_another_process_or_area_sees_what_is_there_now(storage: Storage, area_url: str) -> None:
    ours, theirs = storage.area(area_url), storage.area(area_url)
    assert paths(theirs) == []
    assert not theirs.exists("a.csv")
    ours.write("a.csv", [b"1"])
    assert paths(theirs) == ["a.csv"]
    assert theirs.size("a.csv") == 1
    ours.write("a.csv", [b"22"])
    assert theirs.size("a.csv") == 2
    ours.remove("a.csv")
    assert not theirs.exists("a.csv")
    assert ours == theirs


def test_a_listing_of_more_than_a_page(azurite: Storage, s3: Storage) -> None:
    for storage, opened in ((azurite, azure_files), (s3, s3_files)):
        area = storage.fresh_area()
        names = [f"{number}.done" for number in range(7)]
        for name in names:
            area.write(name, [])
        files = opened(area.place, storage.access)
        files.page_size = 3
        assert sorted(entry.path for entry in files.listing("*.done")) == names


@pytest.mark.parametrize("kind", ["azurite", "s3"])
def test_a_container_that_is_not_there_is_said_to_be(kind: str, request: pytest.FixtureRequest) -> None:
    storage: Storage = request.getfixturevalue(kind)
    elsewhere = storage.area(storage.base_url.replace("sluice", "misspelt") + "/sales")
    with pytest.raises(FileNotFoundError, match="no (container|bucket) `misspelt`; expected one that exists"):
        list(elsewhere.listing())
