"""The rows of a partition, held still while they are judged: snapshots that no rule can change rows in.

An error of the engine ends the snapshot that it comes in. The next begins where it was: on the same
version of the same rows, or not at all. Belongs here: beginning and ending. Does not belong here: what is
read.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from sluicegate.core.lineage import Table
from sluicegate.gate.sent_rows import sent_content
from sluicegate.warehouse.base import Session

_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")


class NotJudged(Exception):
    """The rows could not be judged as they are; `again`: another try may do it."""

    def __init__(self, what: str, *, again: bool) -> None:
        super().__init__(what)
        self.again = again


class HeldRows:
    """A version of a partition of a table; `content` is a digest of its rows if they are sent.

    The session has no snapshot open, before and after.
    """

    def __init__(self, session: Session, table: Table, key: str) -> None:
        """Look up which version the table holds.

        Raises:
            NotJudged: it holds nothing for the partition.
        """
        self._session = session
        self._table = table
        self._key = key
        self.content = ""
        version = self._held()
        if version is None:
            raise NotJudged(
                f"{table.relation} [{key}] holds nothing to judge; materialize it first", again=False
            )
        self.version = version

    @contextmanager
    def still(self) -> Generator[Callable[[], None]]:
        """A snapshot of this version, in which nothing can be changed; yield what begins another.

        Raises:
            NotJudged: the table was rebuilt meanwhile.
        """
        with self._session.snapshot() as begin:
            self._require_unchanged()
            yield begin

    @contextmanager
    def reading(self) -> Generator[Callable[[], None]]:
        """The same for rows that are sent, unchanged; yield what begins it again after an error ended it.

        Raises:
            NotJudged: the table was rebuilt meanwhile, or its rows changed.
        """
        with self.still() as begin:
            self.content = sent_content(self._session, self._table, self._key)

            def begin_again() -> None:
                begin()
                self._require_unchanged()
                if sent_content(self._session, self._table, self._key) != self.content:
                    raise self._changed()

            yield begin_again

    def each(
        self,
        items: Sequence[_Item],
        work: Callable[[_Item], _Answer],
        otherwise: Callable[[_Item, Exception], _Answer],
    ) -> list[_Answer]:
        """Work each item off in a snapshot: all in one; where the engine errs, one in each."""
        try:
            with self.still():
                return [work(item) for item in items]
        except self._session.errors:
            answers: list[_Answer] = []
            for item in items:
                try:
                    with self.still():
                        answers.append(work(item))
                except self._session.errors as error:
                    answers.append(otherwise(item, error))
            return answers

    def _require_unchanged(self) -> None:
        if self._held() != self.version:
            raise self._changed()

    def _changed(self) -> NotJudged:
        return NotJudged(
            f"{self._table.relation} [{self._key}] was rebuilt, or its rows changed, while its suite"
            " judged it; rerun the check of this partition",
            again=True,
        )

    def _held(self) -> str | None:
        relation = self._table.relation
        return self._session.versions([relation]).get((relation, self._key))
