"""dbt asks before it commits what it has built.

Whoever builds may have to stop while dbt is at work: another process may have taken the run over. dbt has no
hook between a model's SQL and its commit, so its connections get one: private to dbt, and a test notices a
change. Belongs here: the hook. Does not: what is asked.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache
from typing import Any

# Raises where nothing may be committed.
BeforeCommit = Callable[[], None]
_ASKED: list[BeforeCommit] = []


@contextmanager
def asked_before_commit(require: BeforeCommit | None) -> Generator[None]:
    """Have dbt commit nothing once `require` raises; what it built is rolled back, and its result an error.

    One call of dbt at a time, as dbt holds global state.
    """
    if require is None:
        yield
        return
    _hook()
    _ASKED.append(require)
    try:
        yield
    finally:
        _ASKED.remove(require)


@cache
def _hook() -> None:
    """Let dbt's connections ask, for the life of the process."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    commit = DuckDBConnectionManager.commit

    def asking(self: Any) -> Any:
        for require in _ASKED:
            require()
        return commit(self)

    DuckDBConnectionManager.commit = asking
