"""What a table looks like to a trial: its columns, and what is known of them before any rule is asked.

A rule judges one partition of a table that is cut, so that the column by which it is cut has values of that
partition alone. Belongs here: columns, and a partition's values as text. Does not belong here: which tables a
project has (`sluicegate.project.guard_tables`), what is made of it (`made_up`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sluicegate.core.partitions import STAND_IN_DROP, Grain, Partitioning
from sluicegate.warehouse.slices import RAW_PARTITION_COLUMN

_EARLIER_DAYS = (1, 7, 27)


@dataclass(frozen=True)
class Shape:
    """The columns of a table, {name: type}, "" for a type that nobody has written down.

    `cut_by` is the column that cuts it into partitions of a `grain`, empty for a table that is whole.
    `moment` (UTC) lies in the partition that is judged; `with_earlier`: whether what judges may see rows
    before it, too.
    """

    columns: Mapping[str, str]
    cut_by: str = ""
    grain: Grain = Grain.SNAPSHOT
    moment: datetime = datetime(2024, 6, 3, tzinfo=UTC)
    with_earlier: bool = False

    def of(self, columns: Mapping[str, str]) -> "Shape":
        """Return the same table with some of its columns, or other types."""
        stated = {self.cut_by: self.grain.column_type}  # where nobody has written its type down
        return replace(self, columns={name: kind or stated.get(name, "") for name, kind in columns.items()})

    @property
    def only_cut(self) -> bool:
        """Whether it has no column but the one that cuts it."""
        return bool(self.cut_by) and set(self.columns) == {self.cut_by}

    @property
    def partitioning(self) -> Partitioning:
        """How the partition that is judged is cut out of time; as a day, where it is no time."""
        return Partitioning(self.grain if self.grain.timed else Grain.DAILY)

    def interval(self) -> tuple[datetime, datetime]:
        """Return the partition's time, half-open."""
        return self.partitioning.interval(self.partitioning.key_at(self.moment))

    def held(self, column: str) -> tuple[str, ...]:
        """Return what a column may hold in the partition, as text; () for what cuts nothing."""
        if column != self.cut_by or not self.grain.timed:
            return (STAND_IN_DROP,) if column == self.cut_by and self.grain is Grain.DROP else ()
        start, end = self.interval()
        if column == RAW_PARTITION_COLUMN:
            return (Partitioning(self.grain).key_at(start),)
        moments = (start, start + (end - start) / 2, end - timedelta(microseconds=1))
        return tuple(moment.replace(tzinfo=None).isoformat(" ") for moment in moments)

    def earlier(self, column: str) -> tuple[str, ...]:
        """Return what a column holds in earlier partitions; () where nothing sees those."""
        if not self.with_earlier or column != self.cut_by or not self.grain.timed:
            return ()
        days = [self.interval()[0] - timedelta(days=days) for days in _EARLIER_DAYS]
        found = [replace(self, moment=day, with_earlier=False).held(column)[0] for day in days]
        return tuple(dict.fromkeys(found))
