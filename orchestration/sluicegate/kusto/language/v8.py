"""V8 with Microsoft's parser in it: in this process, or in one of its own.

Belongs here: its start, its end, one question and its answer as JSON. Does not belong here: which questions
(`engine`, `language.js`). A process of its own runs this file, and imports nothing of Sluice.
"""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import IO, Any

HERE = Path(__file__).resolve().parent
SCRIPTS = (
    "vendor/bridge.min.js",
    "vendor/Kusto.Language.Bridge.min.js",
    "frames.js",
    "origins.js",
    "language.js",
)
RACER = "py_mini_racer"
# A text for which the parser needs more is none that a person wrote.
_SECONDS, _BYTES = 60.0, 1_500_000_000


class V8:
    """In this process: its threads are here, and it must be closed."""

    def __init__(self) -> None:
        self._racer: Any = import_module(RACER).MiniRacer()
        for script in SCRIPTS:
            # The parser's files begin with a byte order mark.
            self._racer.eval((HERE / script).read_text(encoding="utf-8-sig") + ";0")
        self._racer.set_hard_memory_limit(_BYTES)

    def ask(self, name: str, given: str) -> str:
        """Return the answer to a question, both as JSON; what went wrong is an `error` in it."""
        try:
            question = f"sluice({json.dumps(name)}, {json.dumps(given)})"
            return str(self._racer.eval(question, timeout_sec=_SECONDS))
        except Exception as error:  # of V8: its memory, its time
            return json.dumps({"error": f"{type(error).__name__} of V8"})

    def close(self) -> None:
        """End it."""
        self._racer.close()


class Apart:
    """In a process of its own, which ends with this one."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(Path(__file__).resolve())],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def ask(self, name: str, given: str) -> str:
        """As `V8.ask`."""
        try:
            self._pipe(self._process.stdin).write(json.dumps([name, given]).encode() + b"\n")
            self._pipe(self._process.stdin).flush()
            answer = self._pipe(self._process.stdout).readline()
        except (OSError, ValueError):  # it has ended, and so have its pipes
            answer = b""
        return answer.decode() or json.dumps({"error": "its process has ended"})

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()

    @staticmethod
    def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
        assert pipe is not None
        return pipe


def _answer() -> None:
    v8 = V8()
    try:
        for line in sys.stdin.buffer:
            name, given = json.loads(line)
            sys.stdout.buffer.write(v8.ask(name, given).encode() + b"\n")
            sys.stdout.buffer.flush()
    finally:
        v8.close()


if __name__ == "__main__":
    _answer()
