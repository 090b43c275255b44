"""One partition's way, from file to destination: a box a stage, with what was found there and what to type.

By the records alone: what the warehouse holds is what they say that it holds. Of checks their verdicts and
counts are told, never what they observed. Belongs here: from what is on record to boxes. Does not belong
here: whether a partition may go on (`gate`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from orchestration.columns.graph import DELIVERED
from orchestration.core.partitions import SNAPSHOT_PARTITION, UNPARTITIONED, as_option, place
from orchestration.core.relations import RAW
from orchestration.gate.findings import Finding, GateReport, Verdict
from orchestration.incidents.trouble import RootKind
from orchestration.operations.records import Records
from orchestration.page.look import Look, at, number
from orchestration.page.places import Place
from orchestration.page.steps import step_of
from orchestration.page.urgent import Row, in_order, touched
from orchestration.state.records import Build, Delivery, DeliveryStatus, Drop
from orchestration.state.shown import EXPORT, SOURCE, TABLE, Ruled

# Earlier days of windows, and what else serves many, are one box for each table beyond so many.
_BOXES_OF_A_TABLE, _DELIVERIES = 2, 5
_GOOD = (Verdict.PASSED, Verdict.RELEASED)
# How a box stands, in one word: the sign that is beside it.
GOOD, BAD, WAITS = "good", "bad", "waits"


@dataclass(frozen=True)
class Check:
    """What one check said: `told` is its verdict in words, with the counts of its rules."""

    name: str
    told: str
    standing: str
    log: Place | None


@dataclass(frozen=True)
class Box:
    """One stage of the way: `facts` are what is known of it, by their heading."""

    stage: str
    title: str
    standing: str
    word: str
    facts: Mapping[str, str]
    checks: Sequence[Check] = ()
    fixes: Sequence[str] = ()
    way: Place | None = None
    log: Place | None = None
    run_url: str = ""


@dataclass(frozen=True)
class Way:
    """The whole of it; `verdict` in one sentence. `releasable`: a command lets it pass as it is."""

    kind: str
    name: str
    key: str
    verdict: str
    standing: str
    boxes: Sequence[Box]
    fixes: Sequence[str]
    release: str
    incidents: Sequence[Row]
    others: Sequence[Place]


def way(look: Look, kind: str, name: str, key: str) -> Way:
    """Return the way of a partition of a table, or of an export to its destination."""
    relation = look.relation_of(name) if kind == EXPORT else name
    report = _report(look, relation, key) if relation else None
    places = _places(look, relation, key) if relation else []
    boxes = _tables(look, places, report, (relation or "", key))
    here = {*places, (name, key)}
    wrong = [
        item
        for item in look.store.incidents.open()
        if (kind, name, key) in touched(item) or (item.root_name, item.partition_key) in here
    ]
    fixes = list(report.steps) if report is not None and not report.open else []
    verdict, standing = "Only what is on record is shown: the project has it not.", WAITS
    if report is not None:
        verdict, standing = _verdict(report)
    if kind == EXPORT:
        if report is not None:
            boxes.append(_gate(report))
        deliveries = look.store.shown.deliveries_of(name, _DELIVERIES, key)
        boxes.append(_delivery(look, name, key, deliveries))
        fixes += [fix for fix in boxes[-1].fixes if standing == GOOD]
    release = ""
    if kind == EXPORT and report is not None and report.releasable:
        release = f"sluice export release {name}{as_option(key)} --reason WHY --until WHEN"
    return Way(
        kind, name, key, verdict, standing, boxes, fixes, release, in_order(wrong, look),
        _sent_from(look, relation, key) if kind == TABLE else [],
    )  # fmt: skip


def _sent_from(look: Look, relation: str | None, key: str) -> list[Place]:
    """Return the pages of the exports that are made of a table: of that partition, where they are cut so."""
    project = look.read.project
    if project is None or relation not in project.lineage.tables:
        return []
    below = project.lineage.descendants(relation) | {relation}
    found = sorted(name for name, one in project.exports.items() if project.node_of(one).relation in below)
    cut = {name: look.cut_of(EXPORT, name) for name in found}
    same = {name for name, one in cut.items() if one is not None and one.holds(key)}
    return [Place("ways", (EXPORT, one, key)) if one in same else Place("exports", (one,)) for one in found]


def _report(look: Look, relation: str, key: str) -> GateReport | None:
    """Return the gate's answer by the records; None where the project has no such partition."""
    project = look.read.project
    if look.site is None or project is None or relation not in project.lineage.tables:
        return None
    if not project.lineage.tables[relation].partitioning.holds(key):
        return None
    return Records(look.site).report(relation, key)


def _verdict(report: GateReport) -> tuple[str, str]:
    if report.open:
        return "All of it is validated, by today's rules.", GOOD
    first = replace(report.reasons[0], summary="").in_words(len(report.reasons) - 1)
    return first, BAD if report.refusals else WAITS


def _places(look: Look, relation: str, key: str) -> list[tuple[str, str]]:
    """Return what a partition is made of, itself last: as today's project says, or as it was built."""
    project = look.read.project
    table = project.lineage.tables.get(relation) if project is not None else None
    if project is not None and table is not None and table.partitioning.holds(key):
        return [(one.relation, one.partition_key) for one in project.lineage.chain(relation, key)]
    found: dict[tuple[str, str], None] = {}
    wanted = {(relation, key)}
    while wanted:
        found = dict.fromkeys(wanted) | found
        builds = look.store.shown.builds(wanted)
        inputs = (build.inputs or {} for build in builds.values())
        wanted = {
            (one, each) for read in inputs for one, keys in read.items() for each in keys
        } - found.keys()
    return list(found)


def _tables(
    look: Look, places: Sequence[tuple[str, str]], report: GateReport | None, own: tuple[str, str]
) -> list[Box]:
    """Return the boxes of tables; of one of which many partitions are read, the newest and how many more."""
    builds = look.store.shown.builds(places)
    drops = look.store.shown.drops(
        (relation.removeprefix(f"{RAW}."), key or SNAPSHOT_PARTITION)
        for relation, key in places
        if relation.startswith(f"{RAW}.")
    )
    findings: dict[tuple[str, str], list[Finding]] = {}
    for item in report.findings if report else ():
        findings.setdefault((item.relation, item.partition_key), []).append(item)
    ruled: dict[tuple[str, str], list[Ruled]] = {}
    for one in look.store.shown.ruled(set(places)):
        ruled.setdefault((one.relation, one.partition_key), []).append(one)
    boxes: list[Box] = []
    for relation, group in groupby(places, key=lambda one: one[0]):
        keys = [key for _, key in group]
        # What is not in order is never among those that are only counted.
        wrong = [key for key in keys if any(not _good(item) for item in findings.get((relation, key), ()))]
        shown = list(dict.fromkeys([*keys[-_BOXES_OF_A_TABLE:], *wrong[-_BOXES_OF_A_TABLE:]]))
        if relation == own[0]:
            shown = [own[1]]
        for key in sorted(shown):
            source = relation.removeprefix(f"{RAW}.") if relation.startswith(f"{RAW}.") else ""
            drop = drops.get((source, key or SNAPSHOT_PARTITION))
            if source:
                boxes.append(_drop(look, source, key, drop))
            spot = (relation, key)
            boxes.append(_table(look, spot, builds.get(spot), findings.get(spot, []), ruled.get(spot, [])))
        if left := len(keys) - len(shown):
            facts = {"partitions": f"{left} more, {keys[0]} to {keys[-1]}"}
            boxes.append(Box("window", relation, GOOD, "in order" if not wrong else "see the others", facts))
    return boxes


def _good(item: Finding) -> bool:
    return item.verdict in _GOOD or not item.fix


def _drop(look: Look, source: str, key: str, drop: Drop | None) -> Box:
    about = look.about(SOURCE, source)
    if drop is None:
        facts = {"owner": about.owner, "contract": about.file}
        return Box("file", place(source, key), WAITS, "not landed", _known(facts))
    facts = {
        "file": drop.file or "none: a day without a drop", "landed": at(drop.landed_at),
        "drop": f"{drop.ordinal}", "bytes": number(drop.size_bytes), "owner": about.owner,
        "contract": about.file,
    }  # fmt: skip
    return Box("file", place(source, key), GOOD, "landed", _known(facts), way=Place("sources", (source,)))


def _table(
    look: Look,
    spot: tuple[str, str],
    build: Build | None,
    findings: Sequence[Finding],
    ruled: Sequence[Ruled],
) -> Box:
    relation, key = spot
    counts = {(one.check, one.version): one for one in ruled}
    checks = [_check(item, counts.get((item.check, item.version))) for item in findings if item.check]
    told = {check.name for check in checks}
    checks += [
        Check(one.check, _counted(one), GOOD if set(one.outcomes) <= {"passed"} else WAITS, None)
        for one in ruled
        if one.check not in told
    ]
    broken = [item for item in findings if not _good(item)]
    if any(item.says_no for item in broken):
        standing, word = BAD, "refused" if build is None else "failed"
    elif broken or build is None:
        standing, word = WAITS, "not built" if build is None else broken[0].verdict.value
    else:
        standing, word = GOOD, "in order" if findings else "built"
    if build is None:
        run = next((item.run_id for item in broken if item.run_id), "")
        facts = {}
    else:
        run = build.run_id
        facts = {"version": build.version[:12], "rows": number(build.rows), "built": at(build.built_at)}
    about = look.about(TABLE, relation)
    facts |= {"owner": about.owner, "model": "" if relation.startswith(f"{RAW}.") else about.file}
    step = step_of(relation)
    return Box(
        "table", place(relation, key), standing, word, _known(facts), checks,
        list(dict.fromkeys(item.fix for item in broken if item.fix)),
        # What was never built has nothing more to show, and days before the first have no end.
        Place("ways", (TABLE, *spot)) if build is not None else None,
        Place("logs", (run, step)) if run else None, look.run_url(run, step),
    )  # fmt: skip


def _check(item: Finding, ruled: Ruled | None) -> Check:
    counted = f": {_counted(ruled)}" if ruled is not None else ""
    when = f", {at(item.judged_at)}" if item.judged_at else ""
    standing = GOOD if _good(item) else BAD if item.says_no else WAITS
    log = Place("logs", (item.run_id, step_of(item.relation))) if item.run_id and standing == BAD else None
    return Check(item.check, f"{item.verdict.value}{counted}{when}", standing, log)


def _counted(ruled: Ruled) -> str:
    """Return what rules said, in counts: no value that one observed."""
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in sorted(ruled.outcomes.items()))
    rows = (
        f"; {number(ruled.failing_rows)} of {number(ruled.rows)} rows at most" if ruled.failing_rows else ""
    )
    failed = f": {', '.join(ruled.failed)}" if ruled.failed else ""
    return f"{outcomes}{failed}{rows}"


def _gate(report: GateReport) -> Box:
    passed = sum(item.verdict is Verdict.PASSED for item in report.findings)
    facts = {"checks passed": str(passed)}
    if report.releases:
        facts["released"] = f"by {report.releases[-1].released_by} until {at(report.releases[-1].until)}"
    if report.open:
        return Box("gate", "the gate", GOOD, "open", facts)
    facts["links broken"] = str(len(report.closed_by))
    return Box("gate", "the gate", BAD if report.refusals else WAITS, "closed", facts, (), report.steps)


def _delivery(look: Look, export: str, key: str, deliveries: Sequence[Delivery]) -> Box:
    about = look.about(EXPORT, export)
    facts = {"to": about.to, "owner": about.owner, "file": about.file}
    if not deliveries:
        return Box("delivery", place(export, key), WAITS, "nothing planned", _known(facts))
    newest, short = deliveries[0], deliveries[0].delivery_id[:12]
    step = step_of(f"{DELIVERED}.{export}")
    facts = {
        "delivery": short, "version": newest.version[:12], "rows": number(newest.rows),
        "added, changed, removed": " / ".join(
            map(number, (newest.added, newest.changed, newest.removed))
        ), "refused by the destination": number(newest.refused) if newest.refused else "",
        "planned": at(newest.planned_at), "acknowledged": at(newest.acknowledged_at), **facts,
    }  # fmt: skip
    fixes: list[str] = []
    standing = GOOD if newest.status in (DeliveryStatus.ACKNOWLEDGED, DeliveryStatus.OVERTAKEN) else WAITS
    if newest.status is DeliveryStatus.HELD:
        standing = BAD
        fixes = [
            f"`sluice delivery plan {export}`, then `sluice delivery approve {short} --reason …` or"
            f" `sluice delivery reject {short} --reason …`"
        ]
    elif newest.status in (DeliveryStatus.SENDING, DeliveryStatus.APPROVED, DeliveryStatus.PLANNED):
        fixes = ["`sluice run --retry`"]
    if newest.refused:
        fixes.append(f"`sluice delivery refusals {export}`")
    return Box(
        "delivery", place(export, key), standing, str(newest.status), _known(facts), (), fixes,
        Place("exports", (export,)), Place("logs", (newest.run_id, step)), look.run_url(newest.run_id, step),
    )  # fmt: skip


def _known(facts: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in facts.items() if value}


def keys_known(look: Look, kind: str, name: str) -> Iterable[str]:
    """Return the partitions of a table or an export of which anything is on record, or waits."""
    found = look.store.shown.keys(kind, name)
    if kind == EXPORT and (relation := look.relation_of(name)):
        found |= look.store.shown.keys(TABLE, relation)
    if kind == TABLE and name.startswith(f"{RAW}."):
        drops = look.store.shown.keys(SOURCE, name.removeprefix(f"{RAW}."))
        found |= {UNPARTITIONED if key == SNAPSHOT_PARTITION else key for key in drops}
    for item in [*look.store.incidents.open(), *look.store.incidents.newest()]:
        if (item.root_name, kind) == (name, TABLE):
            found.add(item.partition_key)
        if item.root_kind == RootKind.SOURCE and (f"{RAW}.{item.root_name}", kind) == (name, TABLE):
            found.add(item.partition_key)
        found |= {key for of, one, key in touched(item) if (of, one) == (kind, name)}
    return found
