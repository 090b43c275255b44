"""A writer that is killed in the middle of a file leaves nothing that anybody sees."""

import os
import subprocess
import sys
from typing import IO, cast

import pytest
from sluicegate.areas import Area
from sluicegate.core.settings import REPOSITORY

from tests.storage.fixtures import Storage

# Writes 40 MiB of a file, says so, and waits for its end.
HALF_WRITTEN = """
import sys
from sluicegate.areas import Area
from sluicegate.core.settings import Settings

def chunks():
    for _ in range(40):
        yield b"x" * (1 << 20)
    print("half", flush=True)
    sys.stdin.read()

getattr(Area(sys.argv[1], Settings.load().storage_access), sys.argv[2])("sales/a.bin", chunks())
"""


@pytest.mark.sampled(2)
@pytest.mark.parametrize("how", ["write", "create"])
def test_a_killed_writer_leaves_nothing_in_the_way(storage: Storage, area_url: str, how: str) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SLUICE_")}
    process = subprocess.Popen(
        [sys.executable, "-c", HALF_WRITTEN, area_url, how], cwd=REPOSITORY, text=True,
        env=environ | dict(storage.environ), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert cast("IO[str]", process.stdout).readline() == "half\n"
    area: Area = storage.area(area_url)
    assert list(area.listing()) == []
    process.kill()
    process.communicate()
    assert list(area.listing()) == []
    area.create("sales/a.bin", [b"whole"])
    assert [(entry.path, entry.size) for entry in area.listing()] == [("sales/a.bin", 5)]
