"""Compiled SQL is looked at before dbt executes it.

What a model or test reads is proved when the project is loaded; but SQL may be compiled in another way in a
run, of another partition. dbt has no hook between compiling a node and executing it, so its two runners get
one: private to dbt, and a test notices a change. Belongs here: the hook. Does not: what is looked for.
"""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache
from typing import Any

# Given dbt's unique id of a node and its compiled SQL, says why it must not be executed; "" if it may be.
Refuse = Callable[[str, str], str]


class _Asked:
    """Who is asked in the call of dbt that is under way, and what was refused; dbt runs nodes in threads."""

    def __init__(self, refuse: Refuse) -> None:
        self._refuse = refuse
        self._lock = threading.Lock()
        self.refused: dict[str, str] = {}

    def require(self, node: Any) -> None:
        from dbt_common.exceptions import DbtRuntimeError

        with self._lock:
            why = self._refuse(node.unique_id, str(getattr(node, "compiled_code", "") or ""))
            if why:
                self.refused[node.unique_id] = why
                raise DbtRuntimeError(why)


_ASKED: list[_Asked] = []


@contextmanager
def asked_before_execution(refuse: Refuse | None) -> Generator[dict[str, str]]:
    """Execute nothing that `refuse` finds something wrong with; yield {dbt's unique id: what was wrong}.

    One call of dbt at a time, as dbt holds global state.
    """
    if refuse is None:
        yield {}
        return
    _hook()
    asked = _Asked(refuse)
    _ASKED.append(asked)
    try:
        yield asked.refused
    finally:
        _ASKED.remove(asked)


@cache
def _hook() -> None:
    """Let dbt's runners ask, for the life of the process."""
    from dbt.task.run import ModelRunner
    from dbt.task.test import TestRunner

    _ask_before(ModelRunner, "execute")
    _ask_before(TestRunner, "execute_data_test")


def _ask_before(runner: type[Any], name: str) -> None:
    execute = getattr(runner, name)

    def asking(self: Any, node: Any, *arguments: Any, **named: Any) -> Any:
        for asked in _ASKED:
            asked.require(node)
        return execute(self, node, *arguments, **named)

    setattr(runner, name, asking)
