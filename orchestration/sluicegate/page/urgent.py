"""What is wrong now, most urgent first: of incidents as the last look has left them.

Belongs here: incidents as pages tell them. Does not belong here: what is wrong (`incidents`).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sluicegate.columns.graph import DELIVERED
from sluicegate.core.partitions import place
from sluicegate.core.relations import RAW
from sluicegate.incidents.trouble import RootKind, TroubleKind, Urgency
from sluicegate.page.look import Look, at, in_words
from sluicegate.page.places import Place
from sluicegate.page.steps import step_of
from sluicegate.state.incidents import Incident
from sluicegate.state.shown import EXPORT, SOURCE, TABLE, Ruled

# What people ask for first, and which findings are that.
LATE, HELD, FAILED, REFUSED, OTHER = "late", "held", "failed", "refused", "other"
_SORTS = {
    TroubleKind.LATE_SOURCE: LATE, TroubleKind.LATE_EXPORT: LATE,
    TroubleKind.DELIVERY_HELD: HELD,
    TroubleKind.RUN_FAILED: FAILED, TroubleKind.DELIVERY_FAILED: FAILED, TroubleKind.OUTAGE: FAILED,
    TroubleKind.CHECK_NOT_RUN: FAILED, TroubleKind.PLATFORM: FAILED,
    TroubleKind.REFUSED_DROP: REFUSED, TroubleKind.CHECK_FAILED: REFUSED, TroubleKind.ROWS_REFUSED: REFUSED,
}  # fmt: skip
_FEW = 8


@dataclass(frozen=True)
class Found:
    """One thing that is wrong: in words, what to type or have done, and where it came up."""

    what: str
    fix: str
    run_url: str
    log: Place | None
    step: str
    rules: Sequence[str] = ()


@dataclass(frozen=True)
class Waits:
    """A partition of an export that waits for it; `late`: its deadline has passed."""

    name: str
    way: Place | None
    due: str
    late: bool


@dataclass(frozen=True)
class Row:
    """An incident as pages show it."""

    id: int
    urgency: str
    status: str
    what: str
    kinds: str
    sorts: frozenset[str]
    owner: str
    channel: str
    since: str
    lasted: str
    due: str
    left: str
    overdue: bool
    found: Sequence[Found]
    waits: Sequence[Waits]
    way: Place | None
    by: str
    until: str
    resolved: str
    resolution: str
    open: bool

    @property
    def here(self) -> Place:
        """Its page."""
        return Place("incidents", (str(self.id),))

    @property
    def fixes(self) -> Sequence[str]:
        """What to type, or to have done, each once."""
        return list(dict.fromkeys(one.fix for one in self.found if one.fix))

    @property
    def logs(self) -> Sequence[Found]:
        """Where it came up, each step once."""
        return list({one.log: one for one in self.found if one.log}.values())

    @property
    def few(self) -> Sequence[Waits]:
        """The first of what waits."""
        return self.waits[:_FEW]

    @property
    def more(self) -> int:
        """How many more wait."""
        return len(self.waits) - len(self.few)


@dataclass(frozen=True)
class Now:
    """What is wrong, with how much of each sort, and whose it is; `owner` alone where one is asked for."""

    rows: Sequence[Row]
    counts: Mapping[str, int]
    owners: Mapping[str, int]
    owner: str = ""


def now(look: Look, owner: str = "") -> Now:
    """Return what is wrong now; `owner`'s alone, if one is given."""
    incidents = look.store.incidents.open()
    owners = Counter(name for item in incidents for name in _owners(item))
    own = (_part_of(item, owner) for item in incidents if owner in _owners(item)) if owner else incidents
    rows = in_order(own, look)
    counts = Counter(sort for row in rows for sort in row.sorts)
    counts[HELD] = len({waits.name for row in rows for waits in row.waits} | _held(rows))
    counts[LATE] = len({waits.name for row in rows for waits in row.waits if waits.late} | _late(rows))
    return Now(rows, counts, dict(sorted(owners.items())), owner)


def in_order(incidents: Iterable[Incident], look: Look) -> list[Row]:
    """Return incidents as rows: open ones first, then by urgency, what is nobody's yet, and deadline."""

    def order(item: Incident) -> tuple[Any, ...]:
        seen_to = item.status(look.now) != "open"
        never = datetime.max.replace(tzinfo=UTC)
        return (
            item.resolved_at is not None,
            seen_to,
            -Urgency(item.urgency).rank,
            item.due_at or never,
            item.id,
        )

    found = sorted(incidents, key=order)
    tables = {(item.root_name, item.partition_key) for item in found if item.root_kind == RootKind.TABLE}
    ruled: dict[tuple[str, str], list[Ruled]] = {}
    for one in look.store.shown.ruled(tables) if tables else ():
        ruled.setdefault((one.relation, one.partition_key), []).append(one)
    return [_row(item, look, ruled.get((item.root_name, item.partition_key), ())) for item in found]


def _row(item: Incident, look: Look, ruled: Sequence[Ruled]) -> Row:
    kinds = list(dict.fromkeys(finding["kind"] for finding in item.findings))
    until = item.resolved_at or look.now
    snoozed = item.snoozed_until if item.snoozed_until and item.snoozed_until > look.now else None
    return Row(
        item.id, item.urgency, item.status(look.now), place(item.root_name, item.partition_key),
        ", ".join(kinds), frozenset(_SORTS.get(TroubleKind(kind), OTHER) for kind in kinds),
        item.owner, item.channel, at(item.opened_at), in_words(until - item.opened_at), at(item.due_at),
        in_words(item.due_at - look.now) if item.due_at else "",
        item.due_at is not None and item.due_at < look.now,
        tuple(_found(item, finding, look, ruled) for finding in item.findings),
        tuple(_waits(one, look) for one in item.affected), way_of(item, look), item.acknowledged_by,
        at(snoozed),
        at(item.resolved_at), item.resolution, item.resolved_at is None,
    )  # fmt: skip


def way_of(item: Incident, look: Look) -> Place | None:
    """Return the page of the partition that an incident is with; None where it is with none."""
    name, key = item.root_name, item.partition_key
    match RootKind(item.root_kind):
        case RootKind.TABLE:
            return _way(look, TABLE, name, key)
        case RootKind.SOURCE if key:
            return _way(look, TABLE, f"{RAW}.{name}", key)
        case RootKind.SOURCE if name in look.names[SOURCE]:
            return Place("sources", (name,))
        case RootKind.DELIVERY:
            return _way(look, EXPORT, name, key)
        case _:
            return None


def _way(look: Look, kind: str, name: str, key: str) -> Place | None:
    """Return a partition's page; None of what is neither on record nor in the project any more."""
    return Place("ways", (kind, name, key)) if name in look.names[kind] else None


def touched(item: Incident) -> Iterable[tuple[str, str, str]]:
    """Yield (SOURCE or EXPORT, name, partition key) of what an incident is with, and of what waits for it."""
    kind, name, key = item.root_kind, item.root_name, item.partition_key
    if kind == RootKind.DELIVERY:
        yield EXPORT, name, key
    elif kind == RootKind.SOURCE:
        yield SOURCE, name, key
    elif kind == RootKind.TABLE and name.startswith(f"{RAW}."):
        yield SOURCE, name.removeprefix(f"{RAW}."), key
    yield from ((EXPORT, one["export"], one["partition_key"]) for one in item.affected)


def _owners(item: Incident) -> set[str]:
    """Whose it is: who answers for the root, and for what waits for it."""
    return {name for name in (item.owner, *(one["owner"] for one in item.affected)) if name}


def _part_of(item: Incident, owner: str) -> Incident:
    """Return an incident with what of it is an owner's: all, if it is theirs; else what they wait for."""
    if item.owner == owner:
        return item
    return replace(item, affected=[one for one in item.affected if one["owner"] == owner])


def _held(rows: Iterable[Row]) -> set[str]:
    return {row.what for row in rows if HELD in row.sorts}


def _late(rows: Iterable[Row]) -> set[str]:
    return {row.what for row in rows if LATE in row.sorts}


def _found(item: Incident, finding: Mapping[str, str], look: Look, ruled: Sequence[Ruled]) -> Found:
    run, step = finding["run_id"], finding["step"] or _step_of(item)
    log = Place("logs", (run, step)) if run else None
    of_check = [one for one in ruled if f"check `{one.check}`" in finding["what"]]
    rules = tuple(rule for one in of_check for rule in one.failed)
    return Found(finding["what"], finding["fix"], look.run_url(run, step), log, step, rules)


def _step_of(item: Incident) -> str:
    """Return the step that makes what an incident is with, where its finding names none."""
    match RootKind(item.root_kind):
        case RootKind.TABLE:
            return step_of(item.root_name)
        case RootKind.DELIVERY:
            return step_of(f"{DELIVERED}.{item.root_name}")
        case _:
            return ""


def _waits(one: Mapping[str, Any], look: Look) -> Waits:
    due = datetime.fromisoformat(one["due_at"]) if one["due_at"] else None
    export, key = one["export"], one["partition_key"]
    late = due is not None and due < look.now
    return Waits(place(export, key), _way(look, EXPORT, export, key), at(due), late)
