"""Azurite, the emulator of Azure Blob: installed from the npm registry by its lock file, started on loopback.

Belongs here: getting it, starting it, stopping it. Does not: any expectation.
"""

import base64
import os
import re
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import pytest

from tests.npm import NotHere, installed_by_npm

_HERE = Path(__file__).resolve().parent
_LISTENING = re.compile(r"successfully listen(?:s|ing) (?:at|on) (http://\S+)")
_PROGRAM = "node_modules/azurite/dist/src/blob/main.js"
_ACCOUNT = "sluicetest"


def skip_aloud(reason: str) -> None:
    """Skip a test that cannot run here; under CI that is a failure."""
    if os.environ.get("CI", "").lower() in ("true", "1"):
        pytest.fail(f"{reason}; under CI=true nothing is skipped", pytrace=False)
    pytest.skip(reason)


def installed() -> Path:
    """Return the folder of Azurite, installed on first use into the user's cache."""
    try:
        return installed_by_npm("azurite", _HERE)
    except NotHere as error:
        skip_aloud(f"{error}: nothing is tested on Azure Blob")
        raise


@contextmanager
def running_azurite() -> Generator[str]:
    """Start Azurite on a free port with nothing on disk; yield its connection string; stop it."""
    folder = installed()
    key = base64.b64encode(os.urandom(64)).decode()
    process = subprocess.Popen(
        [
            "node", "--require", str(_HERE / "die_with_parent.cjs"), _PROGRAM,
            "--blobHost", "127.0.0.1", "--blobPort", "0", "--silent", "--inMemoryPersistence",
            "--skipApiVersionCheck", "--disableTelemetry", "--extentMemoryLimit", "2048",
        ],
        cwd=folder, env=os.environ | {"AZURITE_ACCOUNTS": f"{_ACCOUNT}:{key}"},
         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        endpoint = _endpoint(cast("IO[str]", process.stdout))
        yield (
            f"DefaultEndpointsProtocol=http;AccountName={_ACCOUNT};AccountKey={key};"
            f"BlobEndpoint={endpoint}/{_ACCOUNT};"
        )
    finally:
        process.kill()  # it has nothing to keep
        process.communicate()


def _endpoint(told: IO[str]) -> str:
    """Return where it listens, once it says so; its output ends if it cannot."""
    lines: list[str] = []
    for line in told:
        lines.append(line)
        if found := _LISTENING.search(line):
            return found[1].rstrip("/")
    raise RuntimeError(f"Azurite did not start: {''.join(lines)}")
