"""By when a partition has to be there: of a source by its contract's latency, of an export by its deadline.

A moment is compared with the clock at each look, and nothing waits for it: what passed while all was down is
found at the next look. It is put on record when its partition has ended, as the files say it then, and holds
from there on: who changes a file later changes what is to come, and not what was late.

Belongs here: which partitions are expected, and by when. Does not belong here: what is wrong with those that
are not there (`troubles`).
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import cached_property

from sluicegate.contracts.model import SourceContract
from sluicegate.core.lineage import Table
from sluicegate.core.partitions import Partitioning
from sluicegate.core.relations import RAW
from sluicegate.incidents.trouble import Root, RootKind
from sluicegate.operations.records import Records
from sluicegate.operations.site import Site
from sluicegate.state.records import DeliveryStatus

# (key, start, end) of a partition.
_Ended = tuple[str, datetime, datetime]


class Deadlines:
    """The due moments of the partitions that ended within `lookback` before `now`.

    What was late at an earlier look is late still, until it is there, though the clock was set back: `known`
    is {what was wrong: at which moment it was}; one without a partition stands for all of its name.
    """

    def __init__(
        self,
        site: Site,
        records: Records,
        now: datetime,
        lookback: timedelta,
        known: Mapping[Root, datetime],
    ) -> None:
        self._store, self._project = site.deployment.store.incidents, site.project
        self._deliveries = site.deployment.store.deliveries
        self._landings = site.deployment.store.drops.landings
        self._records = records
        self._now, self.since = now, now - lookback
        self._known, self._until = known, max([now, *known.values()])
        self._ended: dict[Partitioning, list[_Ended]] = {}

    @cached_property
    def moments(self) -> dict[Root, datetime]:
        """{what is expected: its due moment}, of partitions that have ended; new ones are put on record."""
        known = self._store.due_moments(self.since)
        found: dict[Root, datetime] = {}
        new: dict[tuple[str, str, str], tuple[datetime, datetime]] = {}
        for kind, name, partitioning, allowed, begin in self._promises():
            for key, start, end in self._ended_of(partitioning):
                place = (kind.value, name, key)
                due = known.get(place)
                if due is None:
                    if allowed is None or begin is None or start < begin or not self._comes(kind, name, key):
                        continue
                    due = end + allowed
                    new[place] = (due, end)
                found[Root(kind, name, key)] = due
        if new:
            self._store.note_due(new, self._now)
        return found

    @cached_property
    def late(self) -> dict[Root, datetime]:
        """{what should be there by now, and is not: since when}."""
        return {
            root: due for root, due in self.moments.items() if self.passed(root, due) and self.lacks(root)
        }

    def passed(self, root: Root, due: datetime) -> bool:
        """Whether a due moment has passed, by this clock or at an earlier look."""
        whole = Root(root.kind, root.name)
        return any(due <= at for at in (self._now, self._known.get(root), self._known.get(whole)) if at)

    def silent(self) -> Iterator[tuple[SourceContract, datetime, datetime]]:
        """Yield sources that come by no partitions: when the newest landed, by when the next one had to.

        A contract that says that a drop comes more seldom than a partition begins is judged so as well.
        """
        for contract in self._project.contracts.values():
            wait = contract.overdue_after
            if wait is None or (contract.grain.timed and not _comes_seldom(contract)):
                continue
            if self._records.drops[contract.relation]:
                newest = max(self._landings(contract.name).values())
                yield contract, newest, newest + wait

    def lacks(self, root: Root) -> bool:
        """Whether a partition of a source has not landed, or of an export was not settled."""
        if root.kind is RootKind.SOURCE:
            return root.partition_key not in self._records.drops[self._project.contracts[root.name].relation]
        return not self.met(root.name, root.partition_key)

    def met(self, export: str, key: str) -> bool:
        """Whether a partition of an export was acknowledged, or something newer stands in its place."""
        settled = self._settled.get(export, set[str]())
        if key in settled or self.rightly_unsent(export, key):
            return True
        return self._project.exports[export].spec.latest_only and any(other > key for other in settled)

    def rightly_unsent(self, export: str, key: str) -> bool:
        """Whether it is nobody's fault: there is no connection to send by, or a person has rejected it."""
        connection = self._project.exports[export].spec.destination.connection
        return not self._records.connected(connection) or (export, key) in self._rejected

    def due_at(self, export: str, key: str) -> datetime | None:
        """Return the deadline of a partition of an export, to come or passed; None without one that counts.

        Of one that ended before the look-back nobody waits by the clock: somebody fills in history.
        """
        due = self.moments.get(Root(RootKind.DELIVERY, export, key))
        deadline = self._project.exports[export].spec.deadline
        partitioning = self._table(export).partitioning
        if due is None and deadline is not None and partitioning.grain.timed:
            end = partitioning.interval(key)[1]
            due = end + deadline.span if end > self.since else None
        return due

    def _promises(
        self,
    ) -> Iterator[tuple[RootKind, str, Partitioning, timedelta | None, datetime | None]]:
        """Yield what comes by partitions: kind, name, cut, how long after the end, from when on."""
        for contract in self._project.contracts.values():
            if contract.grain.timed and not _comes_seldom(contract):
                begin = self._begin(self._project.lineage.tables[contract.relation])
                # One that says nothing but how often it comes has so long for each.
                allowed = contract.frequency if contract.latency is None else contract.latency
                yield RootKind.SOURCE, contract.name, contract.partitioning, allowed, begin
        for export in self._project.exports.values():
            table = self._table(export.name)
            if table.partitioning.grain.timed:
                deadline = export.spec.deadline
                allowed = deadline.span if deadline is not None else None
                yield RootKind.DELIVERY, export.name, table.partitioning, allowed, self._begin(table)

    def _comes(self, kind: RootKind, name: str, key: str) -> bool:
        """Whether a partition comes for sure: a source of it comes each time, or has landed."""
        lineage = self._project.lineage
        relation = f"{RAW}.{name}" if kind is RootKind.SOURCE else self._table(name).relation
        sources = [
            lineage.tables[source] for source in lineage.sources(relation) & self._records.drops.keys()
        ]
        timed = [source for source in sources if source.partitioning.grain.timed]
        if any(not source.gaps_allowed for source in timed):
            return True
        made_of = lineage.made_of(relation, key)
        return any(self._records.drop(one.relation, day) for one in timed for day in made_of[one.relation])

    def _begin(self, table: Table) -> datetime | None:
        """Return from when on a table's partitions are expected: once all that it is made of has begun.

        A partition in which a source began is whole where the source says that it starts there.
        """
        lineage, span = self._project.lineage, table.partitioning.grain.span
        begin = datetime.min.replace(tzinfo=self._now.tzinfo)
        for name in lineage.sources(table.relation) & self._records.drops.keys():
            source = lineage.tables[name]
            if not source.partitioning.grain.timed:
                if not self._records.drops[name]:
                    return None
                continue
            first = self._first(name)
            if first is None:
                return None
            starts_here = source.start is not None and source.start >= span.floor(first)
            begin = max(begin, span.floor(first) if starts_here else span.ceiling(first))
        return begin

    def _first(self, source: str) -> datetime | None:
        cut = self._project.lineage.tables[source].partitioning
        keys = sorted(self._records.drops[source])  # keys of one grain sort as time does
        return next((cut.interval(key)[0] for key in keys if cut.holds(key)), None)

    def _ended_of(self, partitioning: Partitioning) -> list[_Ended]:
        """Return the partitions that ended within the look-back, earliest first."""
        if partitioning not in self._ended:
            keys = partitioning.overlapping(self.since, self._until)
            all_ = [(key, *partitioning.interval(key)) for key in keys]
            self._ended[partitioning] = [item for item in all_ if self.since < item[2] <= self._until]
        return self._ended[partitioning]

    def _table(self, export: str) -> Table:
        return self._tables[export]

    @cached_property
    def _tables(self) -> Mapping[str, Table]:
        tables = self._project.lineage.tables
        return {
            name: tables[self._project.node_of(export).relation]
            for name, export in self._project.exports.items()
        }

    @cached_property
    def _settled(self) -> dict[str, set[str]]:
        return self._deliveries.partitions_at(DeliveryStatus.ACKNOWLEDGED, DeliveryStatus.OVERTAKEN)

    @cached_property
    def _rejected(self) -> set[tuple[str, str]]:
        found = self._deliveries.partitions_at(DeliveryStatus.REJECTED)
        return {(export, key) for export, keys in found.items() for key in keys}


def _comes_seldom(contract: SourceContract) -> bool:
    return contract.frequency is not None and contract.frequency > contract.grain.span.longest
