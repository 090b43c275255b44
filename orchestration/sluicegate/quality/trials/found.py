"""What trials have found, by the content of what was tried: a project that has not changed tries nothing.

Belongs here: remembering. Does not belong here: trying (`trying`).
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

from sluicegate.core.relations import Relation
from sluicegate.quality.suites import Rule
from sluicegate.quality.trials.shapes import Shape
from sluicegate.quality.trials.trying import About, laboratory, looked_at, tried, tried_statement

if TYPE_CHECKING:
    import duckdb

# To be raised when a trial comes to another word than it did.
_TRIALS = 2


class Trials:
    """Whether rules can fail: asked of a file first, and tried if it does not say.

    Use it as a context, at whose end the file has what was tried; it holds digests, and no rule.
    """

    def __init__(self, file: Path, warehouse: str = "") -> None:
        """Keep it in `file`; trials are in a database that is called as the `warehouse` is."""
        self._file = file
        self._warehouse = warehouse
        self._found: dict[str, str] = {}
        self._asked: dict[str, str] = {}
        self._open = ExitStack()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._engine = f"{_TRIALS} {version('duckdb')} {warehouse}"

    def __enter__(self) -> "Trials":
        """Read what was found before; a file that cannot be read says nothing."""
        try:
            self._found = cast("dict[str, str]", json.loads(self._file.read_bytes()))
        except (OSError, ValueError):
            self._found = {}
        return self

    def __exit__(self, *_: object) -> None:
        """Close what was opened, and keep what was asked for if any of it was tried."""
        self._open.close()
        self._connection = None
        if all(digest in self._found for digest in self._asked):
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        written = self._file.with_name(f"{self._file.name}.{uuid4().hex}")
        written.write_text(json.dumps(self._found | self._asked))
        written.replace(self._file)

    def about(
        self, rule: Rule, shape: Shape, others: Mapping[Relation, Shape] | None = None
    ) -> frozenset[About]:
        """Return what a rule can fail by; nothing, where it cannot fail; the rest is as in `tried`."""
        said = [rule.type, rule.kwargs, _told(looked_at(rule, shape)), _told_of(others or {})]
        return self._word(said, lambda connection: tried(connection, rule, shape, others))

    def about_statement(
        self, sql: str, shapes: Mapping[Relation, Shape], kind: frozenset[About]
    ) -> frozenset[About]:
        """Return what a query can fail by, as `tried_statement` has it."""
        return self._word(
            [sql, _told_of(shapes), sorted(kind)],
            lambda connection: tried_statement(connection, sql, shapes, kind),
        )

    def _word(
        self, said: Any, trial: "Callable[[duckdb.DuckDBPyConnection], frozenset[About]]"
    ) -> frozenset[About]:
        told = json.dumps(said, sort_keys=True, default=repr)
        digest = hashlib.sha256(f"{self._engine} {told}".encode()).hexdigest()
        word = self._asked.get(digest, self._found.get(digest))
        if word is None:
            if self._connection is None:
                self._connection = self._open.enter_context(laboratory(self._warehouse))
            word = " ".join(sorted(trial(self._connection)))
        self._asked[digest] = word
        return frozenset(About(item) for item in word.split())


def _told(shape: Shape) -> list[Any]:
    return [shape.columns, shape.cut_by, shape.grain, str(shape.moment), shape.with_earlier]


def _told_of(shapes: Mapping[Relation, Shape]) -> dict[str, list[Any]]:
    return {relation: _told(shape) for relation, shape in shapes.items()}
