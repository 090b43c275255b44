"""Azurite, the emulator of Azure Blob: installed from the npm registry by its lock file, started on loopback.

Belongs here: getting it, starting it, stopping it. Does not: any expectation.
"""

import base64
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import pytest
from filelock import FileLock

_HERE = Path(__file__).resolve().parent
_INSTALLED_BY = ("package.json", "package-lock.json", ".npmrc")
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
    if shutil.which("node") is None or shutil.which("npm") is None:
        skip_aloud("Azurite needs node and npm, which are not on the PATH: nothing is tested on Azure Blob")
    wanted = hashlib.sha256(b"".join((_HERE / name).read_bytes() for name in _INSTALLED_BY)).hexdigest()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sluice"
    folder = cache / f"azurite-{wanted[:16]}"
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / "azurite.lock"):
        if (folder / "installed").exists():
            return folder
        folder.mkdir(exist_ok=True)
        for name in _INSTALLED_BY:
            shutil.copy(_HERE / name, folder / name)
        told = subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if told.returncode:
            skip_aloud(f"npm ci of Azurite failed: {told.stderr.strip()[-500:]}")
        (folder / "installed").touch()
    return folder


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
