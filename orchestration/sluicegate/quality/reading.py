"""Reading what is judged, with an error of the engine as the matter of the rule that asked."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sluicegate.quality.pushdown.steps import RuleProblem
from sluicegate.quality.pushdown.table import first_line

if TYPE_CHECKING:
    import duckdb

_ROWS_AT_ONCE = 10_000


class Reading:
    """The caller's transaction; `begin_again` begins another that sees the same, where one has ended."""

    def __init__(
        self, connection: "duckdb.DuckDBPyConnection", begin_again: Callable[[], None] | None = None
    ) -> None:
        self.connection = connection
        self._begin_again = begin_again

    def rows(self, sql: str) -> list[Sequence[Any]]:
        """Return the rows of a query.

        Raises:
            RuleProblem: the engine cannot say; the next question has a transaction all the same.
        """
        try:
            return list(self.connection.execute(sql).fetchall())
        except Exception as error:  # the engine's, or of a value that Python does not take
            problem = RuleProblem(first_line(error))
        self.go_on()
        raise problem

    def stream(self, sql: str) -> Iterator[Sequence[Any]]:
        """Yield the rows of a query; where that raises, `go_on` is called before the next question."""
        result = self.connection.execute(sql)
        while rows := result.fetchmany(_ROWS_AT_ONCE):
            yield from rows

    def go_on(self) -> bool:
        """Begin again if an error has ended the transaction; return whether there is one to read in."""
        if not self._has_ended():
            return True
        if self._begin_again is None:
            return False
        self._begin_again()
        return True

    def _has_ended(self) -> bool:
        import duckdb

        try:
            self.connection.execute("select 1").fetchall()
        except duckdb.TransactionException:
            return True
        return False
