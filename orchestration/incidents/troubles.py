"""What is wrong now, by the records alone: one trouble for each root, and what hangs below it folded in.

A pure function of the records, of what Dagster knows (handed in) and of the moment: whoever looks twice finds
the same. `known` are the roots of incidents that are open: they are looked at whatever their age, so that
nothing but facts ends them, neither a clock that was set back nor the look-back.

Belongs here: the kinds, and which findings go with which root. Does not belong here: words for findings
(`found`), putting them together (`folding`), what was told of them (`settling`).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from orchestration.contracts.model import SourceContract
from orchestration.core.partitions import as_option, place
from orchestration.gate.findings import Finding as GateFinding
from orchestration.gate.findings import Verdict
from orchestration.incidents.deadlines import Deadlines
from orchestration.incidents.folding import NOTHING_KNOWN, Drafts, Known
from orchestration.incidents.trouble import Finding, Root, RootKind, Trouble, TroubleKind, Urgency
from orchestration.operations.causes import LAND_AGAIN
from orchestration.operations.fills import fills_of
from orchestration.operations.records import Records
from orchestration.operations.site import Site
from orchestration.state.moments import utc
from orchestration.state.records import Delivery, DeliveryStatus
from orchestration.state.restores import EVERY_SCOPE

LOOKBACK = timedelta(days=31)
# How many days before its end a promise is told of, and how much hurry there is then.
_ENDS = ((1, Urgency.ERROR), (7, Urgency.WARNING), (14, Urgency.INFO))


@dataclass(frozen=True)
class FailedRun:
    """A run that failed, as Dagster knows it: what it was to build and to send, and where it stopped.

    `cause` is what its step failed with, in words. `retries_left`: it is run again by itself.
    `later` are the runs of its partition that Dagster has made since, in whatever order clocks tell; where
    they are not known, moments are compared.
    """

    run_id: str
    partition_key: str
    relations: tuple[str, ...]
    exports: tuple[str, ...]
    step: str
    failed_at: datetime
    cause: str = ""
    retries_left: int = 0
    later: frozenset[str] | None = None
    fills: tuple[str, ...] = ()

    def before(self, run_id: str, moment: datetime | None) -> bool:
        """Whether what a run did, at a moment, was done after this one had failed."""
        if self.later is not None:
            return run_id in self.later
        return moment is not None and utc(moment) > self.failed_at


@dataclass(frozen=True)
class Promise:
    """Something that holds until a day and no longer: `fix` is what to do before it ends.

    `exports` are held from then on.
    """

    name: str
    ends_on: date
    owner: str
    fix: str
    exports: tuple[str, ...] = ()


@dataclass(frozen=True)
class Differing:
    """A destination that does not hold what it acknowledged, as it was last read back in a run."""

    export: str
    partition_key: str
    run_id: str = ""


def find_troubles(
    site: Site,
    now: datetime,
    *,
    failed_runs: Iterable[FailedRun] = (),
    differing: Iterable[Differing] = (),
    complaints: Iterable[str] = (),
    promises: Iterable[Promise] = (),
    others: Iterable[Trouble] = (),
    known: Known = NOTHING_KNOWN,
    lookback: timedelta = LOOKBACK,
) -> list[Trouble]:
    """Return all that is wrong, by root.

    Args:
        site: the deployment and its project.
        now: the moment that deadlines are compared with.
        failed_runs: the runs that failed within the look-back.
        differing: destinations that were read back, and differ still.
        complaints: what a look into staging complains of.
        promises: what ends on a day, besides last-mile rules and releases.
        others: troubles that the records do not tell of, such as the platform's own.
        known: what the open incidents are with, and what was found of each (`settling.known_of`).
        lookback: nothing that went wrong earlier is found, but what is known.
    """
    look = _Look(site, now, known, lookback)
    look.tables()
    look.late_sources()
    look.runs(sorted(failed_runs, key=lambda run: run.failed_at, reverse=True))
    look.deliveries(differing)
    look.late_exports()
    look.staging(complaints)
    look.promises([*promises, *_last_mile(site), *_exceptions(site), *_work(site), *_releases(site, now)])
    return [*look.drafts.troubles(), *others]


class _Look:
    def __init__(self, site: Site, now: datetime, known: Known, lookback: timedelta) -> None:
        self._site, self._store, self._project = site, site.deployment.store, site.project
        self._lineage, self._now, self._known = site.project.lineage, now, known
        self._records = Records(site)
        seen = {root: was.seen_at for root, was in known.items()}
        self._deadlines = Deadlines(site, self._records, now, lookback, seen)
        self._lookback = lookback
        self.drafts = Drafts(site, self._records, self._deadlines, now, known)

    def tables(self) -> None:
        """Find what checks, and whoever takes drops in, said no of; and checks that were given up."""
        failed = self._store.failed_since(self._deadlines.since)
        whole = {
            r.name: was for r, was in self._known.items() if r.kind is RootKind.TABLE and not r.partition_key
        }
        if whole:
            earlier = min(was.opened_at for was in whole.values()) - self._lookback
            failed |= {place for place in self._store.failed_since(earlier) if place[0] in whole}
        given_up = [error for error in self._store.check_errors.all() if error.next_try_at is None]
        places = failed | {(error.relation, error.partition_key) for error in given_up}
        places |= {(root.name, root.partition_key) for root in self._known if root.kind is RootKind.TABLE}
        for relation, key in sorted(places):
            table = self._lineage.tables.get(relation)
            if table is None or not table.partitioning.holds(key):
                continue
            root = Root(RootKind.TABLE, relation, key)
            if self._refused(relation, key):
                where = place(relation, key)
                what = f"{where}: the newest drop is refused by its contract"
                self.drafts.add(root, Finding(TroubleKind.REFUSED_DROP, what, LAND_AGAIN))
                continue
            errors = {
                item.check for item in given_up if (item.relation, item.partition_key) == (relation, key)
            }
            for item in self.drafts.report(relation, key).findings:
                could_not = item.verdict is Verdict.COULD_NOT_RUN and item.check in errors
                if (item.relation, item.partition_key) == (relation, key) and (item.says_no or could_not):
                    self.drafts.add(root, _in_words(item))

    def late_sources(self) -> None:
        """Find partitions of sources that should have landed by now, and sources that fell silent."""
        for root, due in self._late(RootKind.SOURCE):
            contract = self._project.contracts[root.name]
            twice = due + (contract.latency or contract.frequency or timedelta()) <= self._now
            self._late_source(root, contract, f"{root} has not landed", due, very=twice)
        for contract, newest, due in self._deadlines.silent():
            root = Root(RootKind.SOURCE, contract.name)
            what = f"{contract.name}: nothing has landed since {newest:%Y-%m-%d %H:%M} UTC"
            if self._deadlines.passed(root, due):
                self._late_source(root, contract, what, due, very=False)

    def _late_source(
        self, root: Root, contract: SourceContract, what: str, due: datetime, *, very: bool
    ) -> None:
        urgency = Urgency.ERROR if very else Urgency.WARNING
        finding = Finding(TroubleKind.LATE_SOURCE, what, f"ask {contract.asked} for it")
        self.drafts.add(root, finding, urgency, due_at=due, connection=contract.connector)

    def _late(self, kind: RootKind) -> list[tuple[Root, datetime]]:
        """Return what is late, with its due moment."""
        return sorted((root, due) for root, due in self._deadlines.late.items() if root.kind is kind)

    def runs(self, failed: Sequence[FailedRun]) -> None:
        """Find what failed runs left undone, though nothing said no: newest first."""
        for run in failed:
            key = run.partition_key
            lacking = [name for name in run.relations if self._unbuilt(name, run)]
            for relation in lacking:
                if self._lineage.ancestors(relation) & set(lacking):
                    continue
                root = Root(RootKind.TABLE, relation, self._lineage.tables[relation].partition(key))
                if root in self.drafts or self._said_no(relation, root.partition_key):
                    continue
                self._failed(root, TroubleKind.RUN_FAILED, run, cause=run.cause)
            for export in run.exports:
                if export not in self._project.exports or not self._unsent(export, run):
                    continue
                connection = self._connection(export)
                root = Root(RootKind.DELIVERY, export, key)
                if root not in self.drafts:
                    # What is told of by itself stays so, or its end would be told before it is there.
                    shared = "" if root in self._known else connection
                    down = bool(shared) and not self._answers(connection, run)
                    self._failed(root, TroubleKind.DELIVERY_FAILED, run, connection=shared, down=down)
            for name in run.fills:
                self._unfilled(name, run)

    def _unfilled(self, name: str, run: FailedRun) -> None:
        """Find a table of Kusto that nothing but a run's failure keeps from being filled."""
        fills, root = fills_of(self._site), Root(RootKind.FILL, name, run.partition_key)
        table = fills.tables.get(name) if fills is not None else None
        if fills is None or table is None or not table.partitioning.holds(root.partition_key):
            return
        report = fills.report(table, root.partition_key)
        if report.open and fills.is_due(report) and root not in self.drafts:
            self._failed(root, TroubleKind.DELIVERY_FAILED, run, owner=table.owner)

    def _connection(self, export: str) -> str:
        return self._project.exports[export].spec.destination.connection

    def _answers(self, connection: str, run: FailedRun) -> bool:
        """Whether anything has gone by a connection in a run that failed, or since."""
        return any(
            item.acknowledged_at is not None
            and (item.run_id == run.run_id or run.before(item.run_id, item.acknowledged_at))
            for export in self._project.exports
            if self._connection(export) == connection
            for item in self._records.deliveries(export).values()
        )

    def deliveries(self, differing: Iterable[Differing]) -> None:
        """Find deliveries that wait for a person, exports that a gate holds, and what destinations refuse."""
        for plan in filter(self._is_todays, self._store.deliveries.held()):
            short, where = plan.delivery_id[:12], place(plan.export, plan.partition_key)
            what = f"delivery {short} of {where} is past a limit of its file"
            fix = (
                f"`sluice delivery plan {plan.export}`, then `sluice delivery approve {short} --reason …` or"
                f" `sluice delivery reject {short} --reason …`"
            )
            self._delivery(plan.export, plan.partition_key, TroubleKind.DELIVERY_HELD, what, fix, plan.run_id)
        known = [root for root in self._known if root.kind is RootKind.DELIVERY]
        held = {(hold.export, hold.partition_key) for hold in self._store.held_since(self._deadlines.since)}
        for export, key in sorted(held | {(root.name, root.partition_key) for root in known}):
            self._held(export, key)
        for (export, scope), first in self._store.refused_keys.given_up().items():
            root = Root(RootKind.DELIVERY, export, scope)
            if export in self._project.exports and (first > self._deadlines.since or root in self._known):
                what = f"the destination of {place(export, scope)} refuses rows for good"
                self._delivery(
                    export, scope, TroubleKind.ROWS_REFUSED, what, f"`sluice delivery refusals {export}`"
                )
        for item in [*differing, *self._restored()]:
            if item.export in self._project.exports:
                where = place(item.export, item.partition_key)
                fix = f"`sluice delivery reconcile {item.export}{as_option(item.partition_key)}`"
                what = f"the destination of {where} does not hold what it acknowledged"
                self._delivery(
                    item.export, item.partition_key, TroubleKind.NOT_RECONCILED, what, fix, item.run_id
                )

    def late_exports(self) -> None:
        """Find partitions of exports that should be at their destination by now."""
        for root, due in self._late(RootKind.DELIVERY):
            finding = Finding(TroubleKind.LATE_EXPORT, f"{root} is not delivered in time", "`sluice status`")
            self.drafts.add(root, finding, Urgency.CRITICAL, due_at=due)

    def staging(self, complaints: Iterable[str]) -> None:
        """Find what is wrong where drops land; a complaint begins with its source, if it is of one."""
        for said in complaints:
            name = said.partition(":")[0]
            contract = self._project.contracts.get(name)
            root = Root(RootKind.SOURCE, name) if contract else Root(RootKind.PLATFORM, "staging")
            finding = Finding(TroubleKind.STAGING, said, "`sluice status` says the same once more")
            self.drafts.add(root, finding, connection=contract.connector if contract else "")

    def promises(self, promises: Iterable[Promise]) -> None:
        """Find what ends within days, and what holds exports since it has ended."""
        today = self._now.astimezone(UTC).date()
        for promise in promises:
            left = (promise.ends_on - today).days
            urgency = next((urgency for days, urgency in _ENDS if left <= days), None)
            root = Root(RootKind.PROMISE, f"{promise.name} until {promise.ends_on}")
            if urgency is None and root in self._known:  # the clock was set back
                urgency = Urgency.INFO
            if urgency is not None:
                held = promise.exports if left < 0 else ()
                what = f"{promise.name} {'ended' if left < 0 else 'ends'} on {promise.ends_on}"
                what += f": {', '.join(held)} is held" if held else ""
                finding = Finding(TroubleKind.EXPIRES, what, promise.fix)
                waiting = {(name, key) for name in held for key in self._newest_unsent(name)}
                self.drafts.add(root, finding, urgency, owner=promise.owner, affected=waiting)

    def _newest_unsent(self, export: str) -> list[str]:
        builds = self._records.builds(self._site.target(export).table.relation)
        return sorted(key for key in builds if not self._deadlines.met(export, key))[-1:]

    # -- facts

    def _refused(self, relation: str, key: str) -> bool:
        """Whether the newest drop of a source's partition was refused, whatever its table holds."""
        if relation not in self._records.drops:
            return False
        drop, build = self._records.drop(relation, key), self._records.builds(relation).get(key)
        if drop is None or (build is not None and build.drop_ordinal == drop.ordinal):
            return False
        said = [item for item in self._store.evidence_of([(relation, key)]) if item.version == drop.key]
        return bool(said) and not said[-1].passed

    def _unbuilt(self, relation: str, run: FailedRun) -> bool:
        """Whether a table that a run was to build was built neither by it nor since."""
        table = self._lineage.tables.get(relation)
        if table is None:
            return False
        build = self._records.builds(relation).get(table.partition(run.partition_key))
        return build is None or not (build.run_id == run.run_id or run.before(build.run_id, build.built_at))

    def _unsent(self, export: str, run: FailedRun) -> bool:
        """Whether nothing but the run's failure keeps a partition of an export from being sent."""
        key, relation = run.partition_key, self._site.target(export).table.relation
        delivery = self._records.deliveries(export).get(key)
        if delivery is not None and run.before(delivery.run_id, delivery.acknowledged_at):
            return False
        plan, build = self._records.plans(export).get(key), self._records.builds(relation).get(key)
        by_people = plan is not None and plan.status in (DeliveryStatus.HELD, DeliveryStatus.REJECTED)
        there = delivery is not None and build is not None and delivery.version == build.version
        if by_people or there or build is None or self._deadlines.rightly_unsent(export, key):
            return False
        return self.drafts.report(relation, key).open

    def _said_no(self, relation: str, key: str) -> bool:
        """Whether the data are why a table is not built: something that it is made of was refused."""
        if relation in self._records.drops:
            return False
        return bool(self._records.parents_report(relation, key, ()).refusals)

    def _failed(self, root: Root, kind: TroubleKind, run: FailedRun, **shared: Any) -> None:
        said = f" with {run.cause}" if run.cause else ""
        what = f"{root}: its run failed{said}"
        again = "`sluice run --retry`"
        if run.retries_left:
            again = "nothing yet: it is run once more by itself"
        elif kind is TroubleKind.RUN_FAILED:
            again = f"read the failed step, mend what it says; then {again}"
        finding = Finding(kind, what, again, run.run_id, run.step)
        urgency = Urgency.WARNING if run.retries_left else Urgency.ERROR
        quiet = run.retries_left > 0
        self.drafts.add(root, finding, urgency, quiet=quiet, **shared)

    def _held(self, export: str, key: str) -> None:
        """Find an export that a gate holds for what it is made of, and for nothing that is a root itself."""
        if export not in self._project.exports or self._deadlines.rightly_unsent(export, key):
            return
        table = self._site.target(export).table
        if not table.partitioning.holds(key):
            return
        report = self.drafts.report(table.relation, key)
        if report.refusals or report.waits_for:
            step = report.story[0]
            what = f"{place(export, key)} is held: {replace(step.findings[0], summary='').in_words()}"
            self._delivery(export, key, TroubleKind.DELIVERY_HELD, what, step.fix, step.findings[0].run_id)

    def _delivery(
        self, export: str, key: str, kind: TroubleKind, what: str, fix: str, run_id: str = ""
    ) -> None:
        waits = kind in (TroubleKind.ROWS_REFUSED, TroubleKind.NOT_RECONCILED)
        urgency = Urgency.WARNING if waits else Urgency.ERROR
        self.drafts.add(Root(RootKind.DELIVERY, export, key), Finding(kind, what, fix, run_id), urgency)

    def _is_todays(self, plan: Delivery) -> bool:
        """Whether a plan that waits for a person is the newest of its partition, and of today's data."""
        if plan.export not in self._project.exports or not self._site.is_todays(plan):
            return False
        newest = self._records.plans(plan.export).get(plan.partition_key)
        build = self._records.builds(self._site.target(plan.export).table.relation).get(plan.partition_key)
        return (
            newest is not None
            and newest.id == plan.id
            and build is not None
            and build.version == plan.version
        )

    def _restored(self) -> Iterator[Differing]:
        """Yield the scopes that differ since a restore, as somebody has looked at them."""
        restore = self._store.restores.newest()
        if restore is None:
            return
        for export in self._project.exports:
            for scope, found in self._store.restores.findings(restore, export).items():
                if not found.settled:
                    yield Differing(export, "" if scope == EVERY_SCOPE else scope)


def _in_words(item: GateFinding) -> Finding:
    """Return what the gate has found, without the summary of a check, which may quote the data."""
    refused = item.verdict is Verdict.NOT_BUILT
    could_not = item.verdict is Verdict.COULD_NOT_RUN
    kind = TroubleKind.CHECK_NOT_RUN if could_not else TroubleKind.CHECK_FAILED
    kind = TroubleKind.REFUSED_DROP if refused else kind
    return Finding(kind, replace(item, summary="").in_words(), item.fix, item.run_id)


def _last_mile(site: Site) -> Iterator[Promise]:
    for export in site.project.exports.values():
        for rule in export.spec.last_mile:
            yield Promise(
                f"the last-mile {rule.kind} on `{rule.column}` of {export.name}",
                rule.expires,
                rule.owner,
                f"move it into the dbt model and take it out of {export.file.name} ({rule.issue})",
                (export.name,),
            )


def _exceptions(site: Site) -> Iterator[Promise]:
    """Yield the exceptions in dbt files on which exports rest, each once, however many do."""
    exports = site.project.exports.values()
    found = {(one.file, one.line): one for export in exports for one in export.rests_on}
    for place_, one in found.items():
        yield Promise(
            f"the exception that lets `{one.column}` count as {one.to}",
            one.until,
            one.by,
            f"take the data out of what is sent, or decide anew until when it holds (`until` in"
            f" {one.file}:{one.line})",
            tuple(it.name for it in exports if place_ in {(on.file, on.line) for on in it.rests_on}),
        )


def _work(site: Site) -> Iterator[Promise]:
    for one in site.project.work.values():
        held = (name for name, export in site.project.exports.items() if one in export.work)
        yield Promise(
            f"the time of `{one.name}`, which is work,", one.expires, one.owner, one.mend, tuple(held)
        )


def _releases(site: Site, now: datetime) -> Iterator[Promise]:
    """Yield the releases that are about to end unused: within a day, and a quarter of their time."""
    for release in site.deployment.store.releases.unused_until(now, now + timedelta(days=1)):
        whole = release.until - utc(release.released_at) if release.released_at else timedelta()
        if release.export in site.project.exports and release.until - now <= whole / 4:
            option = as_option(release.partition_key)
            yield Promise(
                f"the release of {place(release.export, release.partition_key)}",
                release.until.astimezone(UTC).date(),
                site.project.exports[release.export].spec.owner,
                f"`sluice run`, or release it again: `sluice export release {release.export}{option}"
                " --reason … --until …`",
            )
