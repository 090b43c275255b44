"""The engines that a warehouse may be, each with what the suite needs of it besides what stages ask.

A second engine is a line in `ENGINES`. Belongs here: making one in a folder, in this process and in another.
"""

import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sluicegate.core.settings import REPOSITORY
from sluicegate.warehouse.base import Warehouse
from sluicegate.warehouse.duckdb_file import DuckDBFile


@dataclass(frozen=True)
class Engine:
    """Makes a warehouse in a folder; `patience` is how long it waits for another process, in seconds."""

    make: Callable[[Path, float], Warehouse]


ENGINES = {
    "duckdb file": Engine(
        lambda folder, patience: DuckDBFile(folder / "w.duckdb", lock_timeout_seconds=patience)
    )
}

_CHILD = """
import sys
from pathlib import Path
from tests.warehouse.engines import ENGINES
from tests.warehouse.rows import *
warehouse = ENGINES[sys.argv[1]].make(Path(sys.argv[2]), 60)
folder = Path(sys.argv[2])
def say(text):
    print(text, flush=True)
"""


@contextmanager
def another_process(engine: str, folder: Path, script: str) -> Generator["subprocess.Popen[str]"]:
    """Run a script in another process, which has the `warehouse`; it is killed at the end."""
    with subprocess.Popen(
        [sys.executable, "-c", _CHILD + script, engine, str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY,
    ) as child:  # fmt: skip
        try:
            yield child
        finally:
            child.kill()
