"""A real `sluice dev` on a company: started, watched and ended as an operator's machine would do it.

Belongs here: processes, sockets, the UI's API. Does not: any expectation of a test.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from watchfiles import watch

from tests.company import Company

_PATIENCE_SECONDS = 180
_LISTEN = "0A"
_CHECK = """
query ($asset: AssetKeyInput!, $check: String!, $partition: String!) {
  assetCheckExecutions(assetKey: $asset, checkName: $check, partition: $partition, limit: 1) {
    status
    evaluation { success description }
  }
}
"""
_RUNS = """
query ($statuses: [RunStatus!]!) {
  runsOrError(filter: {statuses: $statuses}) { ... on Runs { results { id } } }
}
"""


def free_port() -> int:
    """Return a port of loopback that nobody has."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


_LAUNCH = """
mutation ($job: String!, $config: RunConfigData!) {
  launchRun(executionParams: {
    selector: {
      jobName: $job, repositoryName: "__repository__", repositoryLocationName: "sluice"
    },
    runConfigData: $config
  }) {
    __typename
    ... on LaunchRunSuccess { run { id } }
    ... on RunConfigValidationInvalid { errors { message } }
    ... on PythonError { message }
  }
}
"""
_ALL_RUNS = """
query { runsOrError { ... on Runs { results { status tags { key value } } } } }
"""
_RUN = """
query ($run: ID!) {
  runOrError(runId: $run) { ... on Run { status tags { key value } assetSelection { path } } }
}
"""


_PARTITIONS = """
query ($asset: AssetKeyInput!) {
  assetNodeOrError(assetKey: $asset) { ... on AssetNode { partitionStats { numFailed } } }
}
"""


@dataclass
class Server:
    """`sluice dev`, or `ui`, of a company: not running at first, and any number of times after that."""

    company: Company
    log: Path
    port: int = field(default_factory=free_port)
    command: str = "dev"
    process: "subprocess.Popen[bytes] | None" = None

    def up(self) -> "Server":
        """Start it, if it does not run, and return when the UI answers."""
        if self.process is None:
            with self.log.open("ab") as log:
                self.process = subprocess.Popen(
                    [Path(sys.executable).with_name("sluice"), self.command, "--port", str(self.port)],
                    env=self.company.environment(), stdout=log, stderr=log, start_new_session=True,
                )  # fmt: skip
            self.wait_until(self._answers, "the UI answers")
        return self

    def stop(self, seconds: float) -> int:
        """Ask it to stop; return its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=seconds)
        self.process = None
        return code

    def kill(self) -> None:
        """End all of it at once, as a machine does that goes down."""
        while processes := self.processes():
            for process in processes:
                os.kill(process, signal.SIGKILL)
            if self.process is not None:
                self.process.wait()
                self.process = None

    def processes(self) -> list[int]:
        """Return all processes of this deployment, wherever they hang in the process tree."""
        mark = f"DAGSTER_HOME={self.company.settings.dagster_home}".encode()
        return [
            int(folder.name)
            for folder in Path("/proc").iterdir()
            if folder.name.isdigit() and mark in _read(folder / "environ").split(b"\0")
        ]

    def listening(self) -> set[tuple[str, int]]:
        """Return (address, port) of each TCP socket on which a process of this deployment listens."""
        inodes = {
            _link(descriptor).removeprefix("socket:[").removesuffix("]")
            for process in self.processes()
            for descriptor in _descriptors(process)
        }
        found: set[tuple[str, int]] = set()
        for family, table in ((socket.AF_INET, "tcp"), (socket.AF_INET6, "tcp6")):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                (
                    _,
                    local,
                    _,
                    state,
                    *_,
                ) = fields = line.split()
                if state == _LISTEN and fields[9] in inodes:
                    address, _, port = local.partition(":")
                    found.add((_address(family, address), int(port, 16)))
        return found

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Return when it holds; looked at whenever a file of the deployment or its container changes."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        folder = self.company.settings.data_dir.parent
        # Its processes write all the time, and each look asks them something: a few a second are enough.
        for _ in watch(
            folder, watch_filter=None, debounce=400, step=200, rust_timeout=500, yield_on_timeout=True
        ):
            if condition():
                return
            assert self.process is None or self.process.poll() is None, f"it has ended:\n{self.said()}"
            assert time.monotonic() < deadline, f"not in {_PATIENCE_SECONDS} s: {what}\n{self.said()}"

    def said(self) -> str:
        """Return the end of what it wrote to its terminal."""
        return self.log.read_text(errors="replace")[-6000:]

    def ask(self, query: str, **variables: object) -> Any:
        """Ask the UI's GraphQL endpoint, as its pages do."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = Request(f"{self._url}/graphql", body, {"Content-Type": "application/json"})
        with urlopen(request, timeout=30) as response:
            answer = json.load(response)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def check(self, asset: str, name: str, partition: str) -> tuple[str, str] | None:
        """Return (status, description) that the UI shows of an asset's check for a partition."""
        found = self.ask(_CHECK, asset={"path": asset.split("/")}, check=name, partition=partition)
        for execution in found["assetCheckExecutions"]:
            evaluation = execution["evaluation"]
            return execution["status"], evaluation["description"] if evaluation else ""
        return None

    def launch(self, job: str, op: str, **config: object) -> str:
        """Launch a job as the Launchpad does; return the id of its run, or what is wrong with the fields."""
        answer = self.ask(_LAUNCH, job=job, config={"ops": {op: {"config": config}}})["launchRun"]
        if "run" in answer:
            return str(answer["run"]["id"])
        return "; ".join(
            error.get("message", answer["__typename"]) for error in answer.get("errors", [answer])
        )

    def run_status(self, run_id: str) -> str:
        """Return how a run stands, as the UI shows it."""
        return str(self.ask(_RUN, run=run_id)["runOrError"]["status"])

    def runs(self) -> Counter[tuple[str, str]]:
        """Return {(partition, status): number} of all runs that the UI lists."""
        found = self.ask(_ALL_RUNS)["runsOrError"]["results"]
        tags = [{tag["key"]: tag["value"] for tag in run["tags"]} for run in found]
        return Counter(
            (own.get("dagster/partition", ""), str(run["status"]))
            for run, own in zip(found, tags, strict=True)
        )

    def failed_partitions(self, asset: str) -> int:
        """Return how many partitions of an asset the UI shows as failed."""
        found = self.ask(_PARTITIONS, asset={"path": asset.split("/")})
        return int(found["assetNodeOrError"]["partitionStats"]["numFailed"])

    def idle(self) -> bool:
        """Whether no run is queued or under way."""
        found = self.ask(_RUNS, statuses=[status.value for status in NOT_FINISHED_STATUSES])
        return not found["runsOrError"]["results"]

    @property
    def _url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _answers(self) -> bool:
        try:
            with urlopen(f"{self._url}/server_info", timeout=30) as response:
                return response.status == 200
        except (URLError, ConnectionError):
            return False


def _address(family: socket.AddressFamily, text: str) -> str:
    """Return an address of /proc/net as people write it: it is in words of four bytes, host order."""
    words = (bytes.fromhex(text[at : at + 8]) for at in range(0, len(text), 8))
    return socket.inet_ntop(family, b"".join(int.from_bytes(w).to_bytes(4, sys.byteorder) for w in words))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has ended since
        return b""


def _descriptors(process: int) -> list[Path]:
    try:
        return [*Path(f"/proc/{process}/fd").iterdir()]
    except OSError:
        return []


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""
