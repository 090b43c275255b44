"""Findings put together: those of one root are one trouble, and what hangs below another root is part of it.

Belongs here: what is below what, what waits for it and how urgent that makes it, many of one cause as one.
Does not belong here: what is wrong (`troubles`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from types import MappingProxyType

from sluicegate.core.relations import RAW, Relation
from sluicegate.gate.findings import GateReport
from sluicegate.incidents.alerts_file import Names
from sluicegate.incidents.deadlines import Deadlines
from sluicegate.incidents.trouble import Affected, Finding, Root, RootKind, Trouble, TroubleKind, Urgency
from sluicegate.operations.records import Records
from sluicegate.operations.site import Site


@dataclass(frozen=True)
class Was:
    """When an open incident was opened, and at which moment it was last seen to be as it is."""

    opened_at: datetime
    seen_at: datetime


Known = Mapping[Root, Was]
"""The open incidents, by what they are with."""
NOTHING_KNOWN: Known = MappingProxyType({})
# More troubles of one cause than this are one.
MANY = 5
# Of so much of the time that an export has, the rest is little.
_LITTLE = 4
# What goes with whatever else is wrong.
_LATE = (TroubleKind.LATE_SOURCE, TroubleKind.LATE_EXPORT)
_Cause = tuple[Root, str, str]
"""What many have in common: its root, what it is, what fixes it."""


@dataclass
class _Draft:
    """What was found of one root; `connection` and `cause` are what it may have in common with others.

    `down`: as far as is known nothing has gone by the connection since.
    """

    root: Root
    urgency: Urgency = Urgency.INFO
    findings: list[Finding] = field(default_factory=list[Finding])
    owner: str = ""
    due_at: datetime | None = None
    connection: str = ""
    cause: str = ""
    down: bool = False
    quiet: bool = True
    holds: list[Root] = field(default_factory=list[Root])
    affected: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])

    @property
    def kinds(self) -> set[TroubleKind]:
        """What is wrong with it."""
        return {finding.kind for finding in self.findings}

    def take_in(self, other: "_Draft") -> None:
        """Let another be part of this one."""
        self.holds += [other.root, *other.holds]
        self.affected |= other.affected


class Drafts:
    """What a look has found so far, by root."""

    def __init__(
        self, site: Site, records: Records, deadlines: Deadlines, now: datetime, known: Known
    ) -> None:
        self._project, self._lineage, self._site = site.project, site.project.lineage, site
        self._records, self._deadlines, self._now, self._known = records, deadlines, now, known
        self._drafts: dict[Root, _Draft] = {}
        self._reports: dict[tuple[str, str], GateReport] = {}

    def __contains__(self, root: Root) -> bool:
        return root in self._drafts

    def add(
        self,
        root: Root,
        finding: Finding,
        urgency: Urgency = Urgency.ERROR,
        *,
        owner: str = "",
        due_at: datetime | None = None,
        connection: str = "",
        cause: str = "",
        down: bool = False,
        quiet: bool = False,
        affected: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Note a finding of a root: the more urgent one counts, and one that is to be told."""
        draft = self._drafts.setdefault(root, _Draft(root))
        draft.findings.append(finding)
        draft.urgency = max(draft.urgency, urgency, key=lambda one: one.rank)
        draft.owner, draft.due_at = owner or draft.owner, due_at or draft.due_at
        draft.connection, draft.cause = connection or draft.connection, cause or draft.cause
        draft.quiet, draft.down = draft.quiet and quiet, draft.down or down
        draft.affected.update(affected)

    def report(self, relation: str, key: str) -> GateReport:
        """Return the gate's answer for a partition, by what is on record; asked once a look."""
        if (relation, key) not in self._reports:
            self._reports[(relation, key)] = self._records.report(relation, key)
        return self._reports[(relation, key)]

    def troubles(self) -> list[Trouble]:
        """Return the troubles, each root once, in the order of their roots."""
        parents = {root: parent for root in self._drafts if (parent := self._parent(root)) is not None}
        for root, draft in self._drafts.items():
            if root not in parents:
                draft.affected |= self._affected(root)
        for root in parents:
            top = root
            while top in parents:
                top = parents[top]
            self._drafts[top].take_in(self._drafts[root])
            if root.kind is RootKind.DELIVERY:
                self._drafts[top].affected.add((root.name, root.partition_key))
        tops = {root: draft for root, draft in self._drafts.items() if root not in parents}
        for kind, cause_of in _CAUSES:
            tops = self._together(tops, kind, cause_of)
        return [self._trouble(draft) for _, draft in sorted(tops.items())]

    # -- what is below what

    def _parent(self, root: Root) -> Root | None:
        """Return the root that another hangs below, the first of those that it is made of."""
        relation = root.name
        if root.kind is RootKind.DELIVERY:
            relation = self._model(root.name)
        elif root.kind is not RootKind.TABLE:
            return None
        above = self._relations_of_roots & {relation, *self._lineage.looked_at(relation)}
        if root.kind is RootKind.TABLE:
            above = above - {relation}
        table, key = self._lineage.tables[relation], root.partition_key
        if not above or not table.partitioning.holds(key):
            return None
        named = self._named(relation, key)
        there = key in self._records.builds(relation)
        for item in self._lineage.chain(relation, key):
            if item.relation not in above:
                continue
            place = (item.relation, item.partition_key)
            found = Root(RootKind.TABLE, *place)
            if found in self._drafts and found != root:
                # A gate names what said no; of what was not built, what needs it is not there either.
                undone = (
                    item.required
                    and not there
                    and item.partition_key not in self._records.builds(item.relation)
                )
                if place in named or (undone and self._is_undone(found)):
                    return found
            if Relation.parse(item.relation).schema == RAW:
                source = Root(RootKind.SOURCE, Relation.parse(item.relation).name, item.partition_key)
                if source in self._drafts and item.required and not there:
                    return source
                silent = Root(RootKind.SOURCE, source.name)
                if silent in self._drafts and item.relation in self._too_old(relation, key):
                    return silent
        return None

    def _is_undone(self, root: Root) -> bool:
        return TroubleKind.RUN_FAILED in self._drafts[root].kinds

    def _named(self, relation: str, key: str) -> set[tuple[str, str]]:
        """Return what the gate of a partition names as bad: what said no, and what could not be asked."""
        report = self.report(relation, key)
        return {(item.relation, item.partition_key) for item in (*report.refusals, *report.could_not_run)}

    def _too_old(self, relation: str, key: str) -> tuple[str, ...]:
        return self.report(relation, key).waits_for

    @cached_property
    def _relations_of_roots(self) -> set[str]:
        found = {root.name for root in self._drafts if root.kind is RootKind.TABLE}
        return found | {f"{RAW}.{root.name}" for root in self._drafts if root.kind is RootKind.SOURCE}

    def _model(self, export: str) -> str:
        return self._project.node_of(self._project.exports[export]).relation

    # -- what waits for it

    def _affected(self, root: Root) -> set[tuple[str, str]]:
        """Return the (export, partition key) that wait for a root."""
        if root.kind is RootKind.DELIVERY:
            return {(root.name, root.partition_key)}
        if root.kind not in (RootKind.TABLE, RootKind.SOURCE):
            return set()
        relation = root.name if root.kind is RootKind.TABLE else f"{RAW}.{root.name}"
        if not self._lineage.tables[relation].partitioning.holds(root.partition_key):
            return set()  # a source as a whole
        below = {relation, *self._lineage.descendants(relation)} & self._exports.keys()
        return {
            (export, key)
            for model in below
            for export in self._exports[model]
            for key, required in self._keys_below(relation, root.partition_key, model)
            if self._waits(root, relation, export, model, key, required=required)
        }

    def _waits(self, root: Root, relation: str, export: str, model: str, key: str, *, required: bool) -> bool:
        if self._deadlines.rightly_unsent(export, key):
            return False
        if root.kind is RootKind.SOURCE or self._is_undone(root):
            return required and not self._deadlines.met(export, key)
        return (relation, root.partition_key) in self._named(model, key)

    def _keys_below(self, relation: str, key: str, model: str) -> Iterator[tuple[str, bool]]:
        """Yield the partitions of a model that are made of one of a table, and whether they require it."""
        above, cut = self._lineage.tables[relation].partitioning, self._lineage.tables[model].partitioning
        if not above.partitioned:
            last = self._records.landed(cut)
            sent = self._records.deliveries(self._exports[model][0])
            yield from ((other, False) for other in sorted(last) if other not in sent)
        elif above.grain.timed and cut.grain.timed:
            reach = self._lineage.affected([relation], key).get(model)
            landed = self._records.landed(cut)
            for other, required in reach.keys(cut) if reach is not None else ():
                if required or other in landed:
                    yield other, required
        elif above == cut:
            yield key, True

    @cached_property
    def _exports(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name in self._project.exports:
            found.setdefault(self._model(name), []).append(name)
        return found

    # -- many of one cause

    def _together(
        self,
        tops: Mapping[Root, _Draft],
        kind: TroubleKind,
        cause_of: Callable[[_Draft], _Cause | None],
    ) -> dict[Root, _Draft]:
        """Put troubles of one kind and cause together where they are many, or were before.

        Of what is down one is enough: others that fail after it are no news, and their end is not its end.
        """
        alike: dict[tuple[Root, str], list[tuple[_Draft, str]]] = {}
        for draft in tops.values():
            others = draft.kinds - {kind, *_LATE}
            cause = None if others or kind not in draft.kinds else cause_of(draft)
            if cause is not None and cause[0] != draft.root:
                alike.setdefault(cause[:2], []).append((draft, cause[2]))
        found = dict(tops)
        for (root, what), drafts in alike.items():
            down = any(draft.down for draft, _ in drafts)
            if len(drafts) <= MANY and root not in self._known and not down:
                continue
            whole, first = found.setdefault(root, _Draft(root)), drafts[0][0].findings[0]
            whole.findings.append(Finding(TroubleKind.OUTAGE, what, drafts[0][1], first.run_id, first.step))
            for draft, _ in drafts:
                whole.urgency = max(whole.urgency, draft.urgency, key=lambda one: one.rank)
                whole.quiet &= draft.quiet
                whole.take_in(draft)
                del found[draft.root]
        return found

    # -- the trouble

    def _trouble(self, draft: _Draft) -> Trouble:
        affected = tuple(sorted(self._line(*place) for place in draft.affected))
        waiting = [item.due_at for item in affected if item.due_at is not None]
        hurries = draft.urgency is not Urgency.INFO and not draft.quiet
        close = hurries and any(self._is_close(item) for item in affected)
        urgency = Urgency.CRITICAL if close else draft.urgency
        # Of many whoever answers for all of them.
        owners = {self._owner(root) for root in (draft.holds if draft.kinds == {TroubleKind.OUTAGE} else ())}
        owner, channel = owners.pop() if len(owners) == 1 else self._owner(draft.root)
        return Trouble(
            draft.root,
            urgency,
            tuple(dict.fromkeys(draft.findings)),
            draft.owner or owner,
            channel,
            affected,
            min([*waiting, *([draft.due_at] if draft.due_at else [])], default=None),
            holds=tuple(sorted(draft.holds)),
            quiet=draft.quiet,
        )

    def _line(self, export: str, key: str) -> Affected:
        due = None if self._deadlines.met(export, key) else self._deadlines.due_at(export, key)
        return Affected(export, key, self._project.exports[export].spec.owner, due)

    def _is_close(self, item: Affected) -> bool:
        """Whether a deadline has passed, or little is left of its time."""
        deadline = self._project.exports[item.export].spec.deadline
        little = deadline.span / _LITTLE if deadline is not None else timedelta()
        return item.due_at is not None and item.due_at - self._now <= little

    def _owner(self, root: Root) -> tuple[str, str]:
        """Return who answers for a root, and where their people talk, as its file says."""
        of_kind = {
            RootKind.TABLE: self._names.table, RootKind.SOURCE: self._names.source,
            RootKind.DELIVERY: self._names.export,
        }.get(root.kind, {})  # fmt: skip
        known = of_kind.get(root.name)
        return (known.owner, known.room) if known is not None else ("", "")

    @cached_property
    def _names(self) -> Names:
        return Names.of(self._project)


def _of_one_name(draft: _Draft) -> _Cause | None:
    """Many partitions of one table, source or export: something lasts."""
    root, finding = draft.root, draft.findings[0]
    what = finding.what.replace(f" [{root.partition_key}]", "")
    return Root(root.kind, root.name), f"many partitions: {what}", finding.fix


def _by_connection(draft: _Draft) -> _Cause | None:
    if not draft.connection:
        return None
    fix = f"see whether what is behind `{draft.connection}` answers; then `sluice run --retry`"
    return Root(RootKind.CONNECTION, draft.connection), f"deliveries by `{draft.connection}` fail", fix


def _by_storage(draft: _Draft) -> _Cause | None:
    """Complaints that say the same of many sources are of what these share."""
    said = draft.findings[0].what.partition(":")[2].strip().replace(draft.root.name, "…")
    return Root(RootKind.CONNECTION, draft.connection), said, draft.findings[0].fix


def _by_error(draft: _Draft) -> _Cause | None:
    fix, said = "look at the log of one of the runs; then `sluice run --retry`", f" with {draft.cause}"
    return Root(RootKind.PLATFORM, draft.cause or "runs"), f"many runs fail{said if draft.cause else ''}", fix


_CAUSES: tuple[tuple[TroubleKind, Callable[[_Draft], _Cause | None]], ...] = (
    (TroubleKind.DELIVERY_FAILED, _by_connection),
    (TroubleKind.STAGING, _by_storage),
    (TroubleKind.RUN_FAILED, _by_error),
    (TroubleKind.LATE_SOURCE, _of_one_name),
    (TroubleKind.LATE_EXPORT, _of_one_name),
    (TroubleKind.CHECK_FAILED, _of_one_name),
)
