"""Tables that functions fill: from what a partition would be filled now, and whether it may, and is due.

Belongs here: the questions, by what is on record. Does not belong here: the filling (`filling`), Dagster.

Gated as an export is: every export that feeds what the function reads is delivered, for all that the
partition's time touches, in the version that is validated now, to the database in which the function reads;
and nothing of it is on its way. A fill is due where one of these deliveries is another than that which it was
filled from. A changed function makes none due by itself, as a changed model builds no older day anew: what is
delivered from then on is filled by it. A table that is not cut has no older day: it is due.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from sluicegate.core.lineage import Partition
from sluicegate.core.partitions import UNPARTITIONED, Partitioning, place
from sluicegate.delivery.deliver import Target
from sluicegate.kusto.objects import FilledTable, KustoProject
from sluicegate.kusto.places import Place
from sluicegate.operations.due_run import DueRun, Try, digest_of
from sluicegate.operations.kusto_database import database_in, database_of, writes_to_an_outbox
from sluicegate.operations.records import Records
from sluicegate.operations.site import Site
from sluicegate.state.kusto_fills import Fill, FilledFrom
from sluicegate.state.kusto_objects import Deployed
from sluicegate.state.records import Delivery, DeliveryStatus


@dataclass(frozen=True)
class FillReport:
    """From what a partition of a table would be filled, and why it may not be: the gate of a fill.

    `place` is the database; "" where the deployment has none.
    """

    table: FilledTable
    partition_key: str
    place: str
    inputs: FilledFrom
    reasons: tuple[str, ...]

    @property
    def open(self) -> bool:
        """Whether it may be filled."""
        return not self.reasons

    @property
    def fill_id(self) -> str:
        """What tells a fill from all others: the same for the same function and the same deliveries."""
        made = [self.table.table, self.partition_key, self.place, self.table.code]
        return digest_of([*made, json.dumps(self.inputs, sort_keys=True)])[:32]


class FillHeld(Exception):
    """Something that a partition is filled from is not there as it was validated; nothing was filled."""

    def __init__(self, report: FillReport) -> None:
        self.report = report
        where = place(report.table.table, report.partition_key)
        super().__init__(f"{where} is held, nothing was filled: {'; '.join(report.reasons)}")


@dataclass(frozen=True)
class _Scope:
    """A partition of an export that feeds a table; `key` is "" where nothing was delivered of it yet.

    `own`: it is of the partition's own time, or the table is not cut: another delivery makes a fill due.
    """

    export: str
    key: str
    own: bool


class Fills:
    """The tables that functions fill, at one look at the records; make a new one for the next.

    `database` is that of the deployment; None where it has none: then `why` says so, or "" where what would
    be filled is written down.
    """

    def __init__(
        self, site: Site, database: Place | None, why: str = "", records: Records | None = None
    ) -> None:
        self._site, self._place, self._why = site, database.name if database is not None else "", why
        self._store = site.deployment.store
        self._records = records or Records(site)
        self._latest: dict[str, dict[str, Fill]] = {}
        self._erased: dict[str, int] = {}

    @property
    def tables(self) -> Mapping[str, FilledTable]:
        """All of them, each after those that it reads."""
        return {table.table: table for table in self._project.filled} if self._site.project.kusto else {}

    @property
    def _project(self) -> KustoProject:
        assert self._site.project.kusto is not None
        return self._site.project.kusto

    def latest(self, table: str) -> dict[str, Fill]:
        """Return the newest fill of each partition of a table in this database.

        What was filled before the table was last cut otherwise is there no more.
        """
        if table not in self._latest:
            cut = self.tables[table].partitioning
            found = self._store.kusto_fills.latest(table, self._place)
            otherwise = max((fill.id for key, fill in found.items() if not cut.holds(key)), default=0)
            self._latest[table] = {
                key: fill for key, fill in found.items() if cut.holds(key) and fill.id > otherwise
            }
        return self._latest[table]

    def report(
        self, table: FilledTable, key: str, *, judged: bool = True, sent: Collection[str] = ()
    ) -> FillReport:
        """Return from what a partition would be filled, and why it may not be.

        Without `judged` what is dear to find out is left out. `sent` are exports that are delivered before.
        """
        inputs: dict[str, dict[str, str]] = {}
        reasons = [self._why] if self._why else list(self.undeployed(table))
        for scope in self._scopes(table, key):
            if scope.own and scope.export in sent:
                continue
            target = self._site.target(scope.export)
            delivery, why = self._delivered(target, scope.key)
            if delivery is not None:
                inputs.setdefault(scope.export, {})[scope.key] = self._mark(delivery)
            if why:
                reasons.append(why)
        for name, its_key in self._above(table, key):
            fill, why = self._filled(self.tables[name], its_key)
            if fill is not None:
                inputs.setdefault(name, {})[its_key] = f"{fill.fill_id} {fill.id}"
            if why:
                reasons.append(why)
        if judged and not reasons:
            for scope in self._scopes(table, key):
                if not (scope.own and scope.export in sent):
                    reasons += self._judged(self._site.target(scope.export), scope.key)
        return FillReport(table, key, self._place, inputs, tuple(dict.fromkeys(reasons)))

    def keys(self, table: FilledTable) -> list[str]:
        """Return the partitions of which anything was delivered that feeds them."""
        if not table.partitioning.partitioned:
            return [UNPARTITIONED]
        found: set[str] = set()
        for name in table.exports:
            target = self._site.target(name)
            if _is_cut(target):
                cut = target.table.partitioning
                for key in filter(cut.holds, self._records.deliveries(name)):
                    found |= set(table.partitioning.overlapping(*cut.interval(key)))
        for name in table.after:
            cut = self.tables[name].partitioning
            if cut.partitioned:
                for key in filter(cut.holds, self.latest(name)):
                    found |= set(table.partitioning.overlapping(*cut.interval(key)))
        return sorted(found)

    def is_due(self, report: FillReport) -> bool:
        """Whether a partition was not filled from what is there now, by the rules of this module."""
        table, key = report.table, report.partition_key
        fill = self.latest(table.table).get(key)
        if not table.partitioning.partitioned:
            return fill is None or fill.fill_id != report.fill_id
        if fill is None:
            return self._since_deployed(table, key)
        own = {(scope.export, scope.key) for scope in self._scopes(table, key) if scope.own}
        own |= {place for place in self._above(table, key) if self.tables[place[0]].partitioning.partitioned}
        now, then = report.inputs, fill.inputs
        return any(now.get(name, {}).get(one) != then.get(name, {}).get(one) for name, one in own)

    def due(self, *, older: bool = False) -> Iterator[FillReport]:
        """Yield the partitions that are due and may be filled; `older`: those before the function, too."""
        for table in self.tables.values():
            for key in self.keys(table):
                report = self.report(table, key, judged=False)
                lacks = older and key not in self.latest(table.table)
                if report.open and (lacks or self.is_due(report)):
                    report = self.report(table, key)
                    if report.open:
                        yield report

    def after(self, partition: Partition, exports: Collection[str]) -> tuple[str, ...]:
        """Return the tables that are to be filled behind exports of a partition, in the same run.

        Those are cut as the run is, and all else that feeds them is there.
        """
        found: list[str] = []
        for name, table in self.tables.items():
            feeding = {
                one for one in exports if one in table.exports and _is_own(table, self._site.target(one))
            }
            through = set(table.after) & set(found)
            if table.partitioning != partition.partitioning or not (feeding or through):
                continue
            if not table.after and self.report(table, partition.key, sent=feeding).open:
                found.append(name)
        return tuple(found)

    # -- what feeds it

    def _scopes(self, table: FilledTable, key: str) -> Iterator[_Scope]:
        for name in table.exports:
            target = self._site.target(name)
            cut = target.table.partitioning
            if not _is_cut(target):
                held = self._records.at_destination(name) if cut.partitioned else UNPARTITIONED
                yield _Scope(name, held, not table.partitioning.partitioned)
            elif not table.partitioning.partitioned:
                # What was ever planned is to be there; what nobody has asked for yet is no part of the table.
                for one in sorted(filter(cut.holds, self._records.plans(name))) or [""]:
                    yield _Scope(name, one, own=True)
            else:
                begins = self._site.project.partition_starts.get(cut)
                for one in cut.overlapping(*table.partitioning.interval(key)):
                    if begins is None or cut.interval(one)[1] > begins:
                        yield _Scope(name, one, own=True)

    def _above(self, table: FilledTable, key: str) -> Iterator[tuple[str, str]]:
        for name in table.after:
            cut = self.tables[name].partitioning
            if not cut.partitioned:
                yield name, UNPARTITIONED
            elif table.partitioning.partitioned:
                yield from ((name, one) for one in cut.overlapping(*table.partitioning.interval(key)))
            else:
                yield from ((name, one) for one in self.keys(self.tables[name]))

    def _delivered(self, target: Target, key: str) -> tuple[Delivery | None, str]:
        """Return what of an export is at its destination, and why it is not what is to be there."""
        export = target.export
        where = place(export.name, key)
        delivery = self._records.deliveries(export.name).get(key)
        build = self._records.builds(target.table.relation).get(target.table.partition(key))
        if self._under_way(export.name, key if _is_cut(target) else ""):
            return delivery, f"a delivery of {where} is on its way, and not acknowledged"
        if delivery is None or (key == "" and target.table.partitioning.partitioned):
            return None, f"{where} is not delivered"
        if delivery.status is not DeliveryStatus.ACKNOWLEDGED:
            return delivery, f"{where} is {delivery.status}"
        if build is None or delivery.version != build.version:
            return delivery, f"{where} is delivered in another version than is there now"
        if self._place and not self._at_place(export.place[2], delivery):
            return delivery, f"{where} was delivered elsewhere than to {self._place}"
        return delivery, ""

    def _at_place(self, name: str, delivery: Delivery) -> bool:
        # What would be delivered may lie elsewhere: a scratch database holds what it holds.
        return writes_to_an_outbox(self._site) or database_in(delivery.place, name) == self._place

    def _under_way(self, export: str, key: str) -> bool:
        sending = self._sending.get(export, set())
        return key in sending if key else bool(sending)

    def _mark(self, delivery: Delivery) -> str:
        """Return what tells what a destination has of a delivery: who was taken out of it is not there."""
        export = delivery.export
        if export not in self._erased:
            erasures = self._store.forgotten_keys.of(export)
            self._erased[export] = sum(one.found > 0 for one in erasures)
        erased = f" without {self._erased[export]}" if self._erased[export] else ""
        return f"{delivery.version} {delivery.delivery_id} {delivery.sending}{erased}"

    @cached_property
    def _sending(self) -> dict[str, set[str]]:
        return self._store.deliveries.partitions_at(DeliveryStatus.SENDING)

    def _judged(self, target: Target, key: str) -> Iterator[str]:
        """Yield why what is delivered is not validated now, as the gate of its export says."""
        relation, export = target.table.relation, target.export.name
        key_of_table = target.table.partition(key)
        report = self._records.report(relation, key_of_table)
        if (waiting := self._records.kept_back(target, key)) is not None:
            yield f"{place(export, key)}: {waiting.brief}"
        settled = self._records.deliveries(export)[key].id
        layers = self._store.deliveries.layers(export, key if _is_cut(target) else "")
        if any(layer.id > settled for layer in layers):
            yield f"{place(export, key)} holds rows of a delivery that broke off since"
        if report.open:
            return
        release = next((one for one in reversed(self._records.releases(key)) if one.export == export), None)
        delivery = self._records.deliveries(export)[key]
        sent_so = release is not None and release.used_for_version == delivery.version
        if not (release and sent_so and self._records.let_pass(release, report)):
            yield f"the gate of {place(export, key)} is closed: {report.summary}"

    def _filled(self, table: FilledTable, key: str) -> tuple[Fill | None, str]:
        """Return the fill of a table that another one reads, and why it is not what it is to be."""
        fill = self.latest(table.table).get(key)
        report = self.report(table, key)
        if not report.open:
            return fill, f"{place(table.table, key)} is held: {report.reasons[0]}"
        if fill is None or self.is_due(report):
            return fill, f"{place(table.table, key)} is not filled from what is there now"
        return fill, ""

    # -- the function

    @cached_property
    def _ledger(self) -> Mapping[tuple[str, str], Deployed]:
        return self._store.kusto_objects.of(self._place) if self._place else {}

    def undeployed(self, table: FilledTable) -> Iterator[str]:
        """Yield why a table waits for `sluice kusto deploy`, and so for a person."""
        if not self._place:
            return  # a scratch deployment without a database: nothing is deployed, and nothing filled
        objects = {one.key: one for one in self._project.objects}
        for key in table.reads:
            record = self._ledger.get((key[0].value, key[1]))
            if record is None:
                yield f"{key[1]} is not deployed to {self._place}: `sluice kusto deploy`"
            elif record.digest != objects[key].digest:
                yield f"{key[1]} is deployed as another than git has it: `sluice kusto deploy`"

    def _since_deployed(self, table: FilledTable, key: str) -> bool:
        """Whether anything that feeds a partition was delivered since the function is there, in any form."""
        record = self._ledger.get(("functions", table.function))
        if record is None:
            return not self._place
        moments = [
            moment
            for scope in self._scopes(table, key)
            if scope.own and (moment := self._moment(scope.export, scope.key)) is not None
        ]
        moments += [
            fill.filled_at
            for name, one in self._above(table, key)
            if (fill := self.latest(name).get(one)) is not None and fill.filled_at is not None
        ]
        return any(moment >= record.since for moment in moments)

    def _moment(self, export: str, key: str) -> datetime | None:
        delivery = self._records.deliveries(export).get(key)
        return delivery.acknowledged_at if delivery is not None else None


def _is_cut(target: Target) -> bool:
    """Whether a destination holds every partition of an export, each by itself."""
    return target.table.partitioning.partitioned and not target.export.spec.latest_only


def _is_own(table: FilledTable, target: Target) -> bool:
    return _is_cut(target) or not table.partitioning.partitioned


def fills_of(site: Site, records: Records | None = None) -> Fills | None:
    """Return the tables that functions fill; None where there are none, which costs nothing."""
    if site.project.kusto is None or not site.project.kusto.filled:
        return None
    database, why = database_of(site)
    return Fills(site, database, "" if writes_to_an_outbox(site) else why, records)


def behind(site: Site, run: DueRun) -> DueRun:
    """Return a run with the tables that are filled behind its exports."""
    fills = fills_of(site) if run.exports else None
    return run if fills is None else replace(run, fills=fills.after(run.partition, run.exports))


def fills_due(
    site: Site, now: datetime, run_exists: Callable[[str], bool], *, older: bool = False
) -> list[DueRun]:
    """Return the runs that fill what is due, one a partition and table; one that failed is due the next day.

    `older`: what was delivered before the function was there is filled as well.
    """
    fills = fills_of(site)
    due = fills.due(older=older) if fills is not None else ()
    runs = [fill_run(report, f"{now:%Y-%m-%d}") for report in due]
    return sorted((run for run in runs if not run_exists(run.run_key)), key=lambda run: run.partition.order)


def fills_again(
    site: Site, run_exists: Callable[[str], bool], failed: Mapping[tuple[str, str], str]
) -> list[DueRun]:
    """Return the second tries of {(table, partition key): run id} that failed, of what may be filled now."""
    fills, runs = fills_of(site) if failed else None, list[DueRun]()
    if fills is None:
        return []
    for (name, key), run_id in failed.items():
        table = fills.tables.get(name)
        if table is not None and table.partitioning.holds(key):
            report = fills.report(table, key)
            if report.open and fills.is_due(report):
                runs.append(replace(fill_run(report, f"after {run_id}"), attempt=Try.SECOND))
    return [run for run in runs if not run_exists(run.run_key)]


def fill_run(report: FillReport, when: str) -> DueRun:
    """Return the run that fills a partition of one table; it is asked for once for `when`."""
    table, key = report.table, report.partition_key
    return DueRun(
        partition=Partition(table.partitioning, key),
        relations=(),
        exports=(),
        run_key=digest_of(["fill", table.table, key, report.fill_id, when]),
        requests={},
        attempt=Try.FIRST,
        fills=(table.table,),
    )


def filled_from(tables: Collection[FilledTable], exports: Collection[str]) -> list[str]:
    """Return the tables made of what exports deliver, however far; `tables` as a project has them."""
    found: list[str] = []
    for table in tables:
        if not set(exports).isdisjoint(table.exports) or not set(found).isdisjoint(table.after):
            found.append(table.table)
    return found


def starts_with(
    starts: Mapping[Partitioning, datetime], tables: Collection[FilledTable]
) -> dict[Partitioning, datetime]:
    """Return when the first partition of each grain begins, with those that only filled tables have."""
    found = dict(starts)
    earliest = min(starts.values(), default=None)
    for table in tables:
        if table.partitioning.partitioned and table.partitioning not in found and earliest is not None:
            found[table.partitioning] = table.partitioning.grain.span.floor(earliest)
    return found
