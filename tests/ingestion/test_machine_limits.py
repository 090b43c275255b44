"""Memory or room that ends during a load: this machine's, the table as it was, and a rerun goes through.

A file's size is limited in this very process in the place of a full disk: who writes is told no in the same
way.
"""

import gzip
import io
import random
import re
import resource
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sluicegate.core.settings import Settings
from sluicegate.ingestion.formats.base import MachineLimit

from tests.company import BAKERY, MON, Company, recorded
from tests.ingestion.door import Door, column, contract

MEMORY = (
    r"^a load needs more memory than the .* that it is given \(.* allocate .*\); nothing is wrong with"
    r" the drop; set SLUICE_LOAD_MEMORY to more, as 2GB, and rerun$"
)
ROOM = r"^a disk has no room left \(.*File too large\); nothing is wrong with the drop; make room, and rerun$"


def door(folder: Path, format_: str, suffix: str = "", **variables: str) -> Door:
    said = contract(
        column("id", "INTEGER", required=True),
        column("name", "VARCHAR"),
        path="orders/{date}." + (suffix or format_),
        server={"format": format_},
    )
    return Door(folder, said, variables)


def parquet(names: list[str]) -> bytes:
    stream = io.BytesIO()
    table = pa.table({"id": pa.array(range(len(names)), pa.int32()), "name": names})
    pq.write_table(table, stream, row_group_size=len(names))
    return stream.getvalue()


def csv(names: list[str]) -> bytes:
    return "".join(["id,name\n", *(f"{number},{name}\n" for number, name in enumerate(names))]).encode()


@contextmanager
def no_file_larger_than(size: int) -> Generator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_memory_that_ends_is_told_with_what_to_set(tmp_path: Path) -> None:
    content = parquet(["x" * 5_000_000 + str(number) for number in range(4)])
    small = door(tmp_path, "parquet", SLUICE_LOAD_MEMORY="16MB")
    with pytest.raises(MachineLimit, match=MEMORY):
        small.load(content)
    # What the message says to set.
    assert door(tmp_path, "parquet", SLUICE_LOAD_MEMORY="2GB").load().rows == 4


CHANCE = random.Random(7)
NOISE = [CHANCE.randbytes(40).hex() for _ in range(30_000)]


@pytest.mark.parametrize(
    ("format_", "suffix", "content"),
    [
        ("csv", "csv", csv(NOISE)),
        ("csv", "csv.gz", gzip.compress(csv(["the same"] * 200_000))),
        ("parquet", "parquet", parquet(["the very same text, again and again"] * 100_000)),
    ],
    ids=["its original", "its text, unpacked", "its rows, at commit"],
)
def test_room_that_ends_is_told_and_nothing_is_lost(
    tmp_path: Path, format_: str, suffix: str, content: bytes
) -> None:
    at = door(tmp_path, format_, suffix)
    first = parquet(["before"]) if format_ == "parquet" else csv(["before"])
    at.load(gzip.compress(first) if suffix.endswith("gz") else first)
    at.land(content)
    with no_file_larger_than(1 << 20), pytest.raises(MachineLimit, match=ROOM):
        at.load()
    assert at.rows("name") == [("before",)]
    assert at.load().rows >= len(NOISE)
    assert at.query("select count(distinct _drop) from raw.orders") == [(1,)]


def test_room_that_ends_at_commit_is_what_is_told(tmp_path: Path) -> None:
    at = door(tmp_path, "parquet")
    at.load(parquet(["before"]))
    at.land(parquet(["the very same text, again and again"] * 100_000))
    with no_file_larger_than(1 << 20), pytest.raises(MachineLimit, match="Failed to commit: Could not write"):
        at.load()


def test_a_step_fails_with_that_sentence_and_refuses_nothing(tmp_path: Path) -> None:
    def bakery(memory: str) -> Company:
        settings = Settings.load(
            {"SLUICE_LOAD_MEMORY": memory}, project_dir=BAKERY, data_dir=tmp_path / "data"
        )
        return Company(settings, "", tmp_path)

    small = bakery("1MB")
    small.land_orders(MON, a=3)
    done, said = small.materialize(MON, "raw/orders")
    assert (done, re.match(MEMORY, said) is not None) == (False, True), said
    assert recorded(small.settings, "select count(*) from evidence") == [(0,)]
    assert bakery("512MB").materialize(MON, "raw/orders") == (True, "")
