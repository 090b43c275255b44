"""A process that takes a lease and answers for it: `python -m tests.lease_holder URL NAME LIFETIME`.

It prints `held`, or who has it; then `ask` on its input has it say whether it may send, and `write` whether
it may write. It ends with its input. Belongs here: that process, and who started it. Does not: any
expectation.
"""

import subprocess
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa
from sluicegate.state.held_lease import Lease, LeaseLost
from sluicegate.state.leases import Leases, LeaseTimeout

from tests.unit.test_state_leases import engine_of

_ROOT = Path(__file__).resolve().parent.parent


class Holder:
    """Such a process."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.said = self._next()

    def ask(self, what: str = "ask") -> str:
        """Return what it says to a question."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        return self._next()

    def _next(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


@contextmanager
def holder(
    url: str,
    name: str,
    seconds: float,
    *,
    place: Callable[[Sequence[str]], list[str]] = list,
    environ: Mapping[str, str] | None = None,
) -> Generator[Holder]:
    """Start one, in a place; it has answered once when the block begins, and is killed when it ends."""
    command = place([sys.executable, "-m", "tests.lease_holder", url, name, str(seconds)])
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=_ROOT, env=environ, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield Holder(process)
        finally:
            process.kill()


def _answers(lease: Lease, engine: sa.Engine, question: str) -> str:
    try:
        if question == "ask":
            lease.still_held()
        else:
            with engine.begin() as connection:
                lease.require(connection)
    except LeaseLost as lost:
        return f"lost: {lost}"
    return "held"


def _main(url: str, name: str, seconds: str) -> None:
    engine = engine_of(url)
    leases = Leases(engine, timedelta(seconds=float(seconds)))
    try:
        with leases.hold(name, wait_seconds=0) as lease:
            print("held", flush=True)
            for line in sys.stdin:
                print(_answers(lease, engine, line.strip()), flush=True)
    except LeaseTimeout as refused:
        print(refused, flush=True)


if __name__ == "__main__":
    _main(*sys.argv[1:])
