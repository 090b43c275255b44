"""Rules on duplicates: cheap while they hold, exact counts once they do not.

A whole-number column whose values lie close together is proved unique by a bitmap: one bit a value, a
fraction of a hash table's time and memory. Others are proved by as many different hashes as rows. Only where
neither proves it are the values grouped, to count the rows that share theirs.
"""

from collections.abc import Sequence
from typing import Any

from sluicegate.compute.bitmaps import bitmap_pays, different_numbers
from sluicegate.quality.pushdown.arguments import Arguments
from sluicegate.quality.pushdown.mapped import map_verdict
from sluicegate.quality.pushdown.records import LIST_RULES, ignored
from sluicegate.quality.pushdown.steps import Compiled, Query, Sample, Scan, Step
from sluicegate.quality.pushdown.table import Column, Kind, Table
from sluicegate.quality.pushdown.wording import at_least

_WIDER_THAN_BIGINT = ("UBIGINT", "HUGEINT", "UHUGEINT")


def unique(table: Table, arguments: Arguments) -> Compiled:
    """`expect_column_values_to_be_unique`: each row whose value another row has fails."""
    column, mostly = table.column(arguments.text("column")), arguments.mostly()
    duplicates = _Duplicates(table, [column], column.missing, mostly)
    if column.kind is Kind.INTEGER and column.type not in _WIDER_THAN_BIGINT:
        step = Scan((column.count, f"min({column.bare})", f"max({column.bare})"), duplicates.by_range)
    else:
        step = Scan((column.count,), lambda found: duplicates.by_hash(found[0]))
    return Compiled(f"unique{at_least(mostly)}", step)


def compound_unique(table: Table, arguments: Arguments) -> Compiled:
    """`expect_compound_columns_to_be_unique`; missing values are equal to one another."""
    columns, mostly = table.all(arguments.column_list()), arguments.mostly()
    left_out = ignored(columns, arguments.choice("ignore_row_if", LIST_RULES))
    duplicates = _Duplicates(table, columns, left_out, mostly)
    step = Scan((f"count(*) filter (where not ({left_out}))",), lambda found: duplicates.by_hash(found[0]))
    names = ", ".join(column.name for column in columns)
    return Compiled(f"({names}) unique{at_least(mostly)}", step)


class _Duplicates:
    """The steps of a rule on `columns`, which leaves out the rows for which `left_out` holds."""

    def __init__(self, table: Table, columns: Sequence[Column], left_out: str, mostly: float) -> None:
        self._columns = columns
        self._values = ", ".join(column.value for column in columns)
        self._from = f"from {table.rows} where not ({left_out})"
        self._left_out = left_out
        self._mostly = mostly

    def by_range(self, found: Sequence[Any]) -> Step:
        """Choose a proof by the values' count, minimum and maximum."""
        rows, low, high = found
        if rows < 2:
            return self._verdict(rows, 0)
        if high - low + 1 < rows:
            return self._count(rows)
        if not bitmap_pays(rows, low, high):
            return self.by_hash(rows)
        bitmap = different_numbers(self._values, low, high)
        return Scan((bitmap,), lambda bits_set: self._unless_all_differ(rows, bits_set[0]))

    def by_hash(self, rows: int) -> Step:
        """Prove uniqueness by as many different hashes as rows; in a scan of its own, to save memory."""
        if rows < 2:
            return self._verdict(rows, 0)
        return Query(
            f"select count(distinct hash({self._values})) {self._from}",
            lambda found: self._unless_all_differ(rows, found[0][0]),
        )

    def _unless_all_differ(self, rows: int, different: int) -> Step:
        return self._verdict(rows, 0) if different == rows else self._count(rows)

    def _count(self, rows: int) -> Step:
        groups = f"select count(*) as n {self._from} group by {self._values} having count(*) > 1"
        return Query(
            f"select coalesce(sum(n), 0)::bigint from ({groups})",
            lambda found: self._verdict(rows, found[0][0]),
        )

    def _verdict(self, rows: int, failing: int) -> Step:
        # Within a struct nulls equal one another, as within a group.
        value = (
            f"struct_pack({', '.join(f'v{n} := {column.value}' for n, column in enumerate(self._columns))})"
        )
        shared = f"select {value} {self._from} group by {self._values} having count(*) > 1"
        names = tuple(column.name for column in self._columns)
        where = f"not ({self._left_out}) and {value} in ({shared})"
        return map_verdict(rows, failing, self._mostly, Sample(names, where))
