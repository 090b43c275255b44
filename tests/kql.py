"""Microsoft's parser of this test process, and what it has answered: its start takes longer than most tests.

Belongs here: that, and small projects of KQL. Does not: any expectation.
"""

import atexit
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from sluicegate.core.problems import Problem
from sluicegate.core.stages import Stage
from sluicegate.kusto.language.engine import KustoLanguage
from sluicegate.kusto.objects import Fed, KustoProject
from sluicegate.kusto.parsed import Parses
from sluicegate.kusto.reading import load_kusto

SALES = Fed(
    "sales", "exp_sales", "telemetry", Stage.PRODUCTION,
    [("day", "datetime"), ("city", "string"), ("item", "string"), ("bottles", "long"), ("rank", "int")],
    "exports/exp_sales.yml", [("day", "sluice: date32[day]")],
)  # fmt: skip
STORES = Fed(
    "stores", "exp_stores", "telemetry", Stage.PRODUCTION, [("store", "string"), ("city", "string")],
    "exports/exp_stores.yml",
)  # fmt: skip
# A table whose partitions are replaced, and one that is work.
DAYS = Fed(
    "days", "exp_days", "telemetry", Stage.PRODUCTION, [("city", "string"), ("n", "long")],
    "exports/exp_days.yml", replaces=True,
)  # fmt: skip
TRIES = Fed("tries", "exp_tries", "telemetry", Stage.WORK, [("city", "string")], "exports/work/exp_tries.yml")
FEEDS = (SALES, STORES, DAYS, TRIES)
DATABASE = "connection: telemetry\n"


class _Shared(KustoLanguage):
    """One for all, which those who use it do not end."""

    def __exit__(self, *_: object) -> None:
        pass


@cache
def shared_language() -> KustoLanguage:
    """Return this process's parser; it ends with the process."""
    language = _Shared()
    atexit.register(KustoLanguage.__exit__, language)
    return language


# What the parser has answered in this process, as a deployment keeps it.
_answered: dict[str, Any] = {}
_lends = [True]


def lend_what_was_parsed() -> None:
    """Have all reading of KQL in this process ask one parser, and begin with what others were answered."""
    begin, leave = Parses.__init__, Parses.__exit__

    def begin_lent(self: Parses, kept: Path | None, start: Callable[[], KustoLanguage] | None = None) -> None:
        begin(self, kept, start or (shared_language if _lends[-1] else None))
        if _lends[-1]:
            known: dict[str, Any] = getattr(self, "_kept")  # noqa: B009
            setattr(self, "_kept", _answered | known)  # noqa: B010

    def leave_lent(self: Parses, error: object, *more: object) -> None:
        leave(self, error, *more)
        if _lends[-1]:
            _answered.update(getattr(self, "_asked"))  # noqa: B009

    Parses.__init__ = begin_lent
    Parses.__exit__ = leave_lent


@contextmanager
def nothing_lent() -> Generator[None]:
    """Read KQL as a user's process does."""
    _lends.append(False)
    try:
        yield
    finally:
        _lends.pop()


def write(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files of `kusto/`, with a database.yml unless there is one among them; return the project."""
    for name, text in {"database.yml": DATABASE, **files}.items():
        file = folder / "kusto" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def read(
    folder: Path, files: Mapping[str, str | bytes], feeds: Sequence[Fed] = FEEDS, **more: Any
) -> tuple[KustoProject | None, list[Problem]]:
    """Read these files."""
    return load_kusto(write(folder, files), None, feeds, **more)
