"""What is to be built anew: a range of partitions with all that is made of them, or what older SQL has built.

Belongs here: which runs that takes, in which order, and saying so beforehand. Does not belong here: running
them (`headless`).
"""

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from orchestration.core.lineage import Partition
from orchestration.operations.asking import key_expected, keys_between, table_of
from orchestration.operations.due_run import DueRun
from orchestration.operations.site import Site
from orchestration.project.loading import Project

NOTHING_OUTDATED = "nothing is built by older SQL, or without a day that has come since"


@dataclass(frozen=True)
class Rebuild:
    """One run of a rebuild; runs of a higher `level` are made of what those of lower ones build."""

    level: int
    run: DueRun


@dataclass(frozen=True, order=True)
class Outdated:
    """Partitions of a table that were built by older SQL than today's, in their order."""

    relation: str
    partition_keys: tuple[str, ...]


@dataclass(frozen=True)
class Wanted:
    """What a person wants built anew: one partition of a table, or a range, or all that older SQL has built.

    Partitions are left empty for a table that is not cut; `outdated` is of the table, or of all tables
    without one, and of the range if one is named.
    """

    table: str = ""
    partition: str = ""
    first: str = ""
    last: str = ""
    outdated: bool = False


def rebuild_wanted(site: Site, wanted: Wanted) -> list[Rebuild]:
    """Return the runs that build what a person names; none where `outdated` finds nothing.

    Raises:
        ValueError: there is no such table, it has no such partitions, or nothing of a range is built.
    """
    found = table_of(site.project, wanted.table) if wanted.table else None
    if wanted.outdated:
        keys = (
            keys_between(site.deployment, found, wanted.first, wanted.last)
            if found and wanted.first
            else None
        )
        return rebuild_of(
            site,
            [
                (item.relation, key)
                for item in (*outdated(site), *built_without(site))
                if found is None or item.relation == found.relation
                for key in item.partition_keys
                if keys is None or key in keys
            ],
        )
    if found is None:
        raise ValueError("no table is named; expected one, as staging.stg_sales")
    if wanted.first:
        keys = keys_between(site.deployment, found, wanted.first, wanted.last)
        if not keys:
            last = wanted.last or wanted.first
            raise ValueError(f"nothing of `{wanted.table}` is built from {wanted.first} to {last}")
    else:
        if not found.partitioning.holds(wanted.partition):
            raise ValueError(
                f"{wanted.partition!r} is no partition of `{wanted.table}`; expected"
                f" {key_expected(found.partitioning)}"
            )
        keys = [wanted.partition]
    return rebuild_of(site, [(wanted.table, key) for key in keys])


def rebuild_of(site: Site, places: Iterable[tuple[str, str]]) -> list[Rebuild]:
    """Return the runs that build (relation, partition key) anew, and all that is made of them.

    One run a partition, earlier ones first, so that a trailing window reads days that are built anew already.
    What is cut otherwise and requires a partition, as a day its hours, is built anew where it was built
    before, in a run of its own. What reads it as an earlier day of a window stays as it is, and so does what
    is cut at all below a table that is not.
    """
    found: dict[tuple[int, Partition], set[str]] = {}
    for relation, key in places:
        for level, partition, tables in _made_of(site, relation, key):
            found.setdefault((level, partition), set()).update(tables)
    order = {relation: number for number, relation in enumerate(site.project.lineage.tables)}
    return [
        Rebuild(level, _run(site.project, partition, sorted(tables, key=order.__getitem__)))
        for (level, partition), tables in sorted(
            found.items(), key=lambda item: (item[0][0], item[0][1].order)
        )
    ]


def runs_of(
    project: Project,
    built: Mapping[str, Collection[str]],
    judged: Mapping[tuple[str, str], Collection[str]] | None = None,
) -> list[Rebuild]:
    """Return the runs that build these partitions, {relation: keys}, and no other: parents before children.

    `judged` is {(relation, check): keys} of tables that stay as they are, which is asked before anything.
    """
    tables = project.lineage.tables
    behind = dict.fromkeys(built, 0)
    for relation in (name for name in tables if name in built):
        above = [name for name in tables[relation].comes_after if name in built]
        cut = tables[relation].partitioning
        behind[relation] = max(
            (behind[name] + (tables[name].partitioning != cut) for name in above), default=0
        )
    found: dict[tuple[int, Partition], list[str]] = {}
    for relation in (name for name in tables if name in built):
        for key in built[relation]:
            place = (behind[relation], Partition(tables[relation].partitioning, key))
            found.setdefault(place, []).append(relation)
    asked: dict[Partition, list[tuple[str, str]]] = {}
    for (relation, check), keys in (judged or {}).items():
        for key in keys:
            asked.setdefault(Partition(tables[relation].partitioning, key), []).append((relation, check))
    first = [
        Rebuild(-1, replace(_run(project, partition, ()), checks=tuple(checks)))
        for partition, checks in sorted(asked.items(), key=lambda item: item[0].order)
    ]
    ordered = sorted(found.items(), key=lambda item: (item[0][0], item[0][1].order))
    return first + [Rebuild(level, _run(project, partition, names)) for (level, partition), names in ordered]


def outdated(site: Site) -> list[Outdated]:
    """Return what older SQL has built, as the newest builds on record say, parents first.

    Builds that older code recorded, without their SQL, are not among them: `sluice table judge` finds out.
    """
    found: list[Outdated] = []
    for table in site.project.lineage.tables.values():
        if not table.code:
            continue
        keys = [
            key
            for key, build in site.deployment.store.latest_builds(table.relation).items()
            if build.project and build.code != table.code and table.partitioning.holds(key)
        ]
        if keys:
            ordered = sorted(keys, key=lambda key: Partition(table.partitioning, key).order)
            found.append(Outdated(table.relation, tuple(ordered)))
    return found


@dataclass(frozen=True)
class BuiltWithout:
    """Partitions of a table, in their order, that were built without `missing`, which has come since.

    `missing` is the (relation, partition key) of a day of their trailing window.
    """

    relation: str
    partition_keys: tuple[str, ...]
    missing: tuple[str, str]

    def __str__(self) -> str:
        return (
            f"{self.relation} {span_of(self.partition_keys)}: built without"
            f" {self.missing[0]} [{self.missing[1]}], which has come since"
        )


def built_without(site: Site, since: Collection[tuple[str, str]] | None = None) -> list[BuiltWithout]:
    """Return what was built without days of trailing windows that are there now, parents first.

    `since` are the (relation, partition key) that may have come; every one, if it is not given.
    """
    lineage = site.project.lineage
    found: dict[tuple[str, tuple[str, str]], list[str]] = {}
    for table in lineage.tables.values():
        windows = {parent for parent, days in table.parents.items() if days > 1}
        if not windows or (since is not None and not windows & {relation for relation, _ in since}):
            continue
        there = {parent: site.deployment.store.latest_builds(parent) for parent in windows}
        keys = [
            key
            for key in site.deployment.store.latest_builds(table.relation)
            if table.partitioning.holds(key)
        ]
        # Oldest first: the newest of each partition stays.
        recorded = site.deployment.store.builds_of((table.relation, key) for key in keys)
        builds = {build.partition_key: build for build in recorded}
        for key in sorted(builds, key=lambda key: Partition(table.partitioning, key).order):
            inputs = builds[key].inputs
            for read in lineage.reads(table.relation, key) if inputs else ():
                place = (read.relation, read.partition_key)
                if read.own or read.relation not in windows or (since is not None and place not in since):
                    continue
                if read.partition_key in there[read.relation] and (
                    read.partition_key not in (inputs or {}).get(read.relation, {})
                ):
                    found.setdefault((table.relation, place), []).append(key)
    return [BuiltWithout(relation, tuple(keys), place) for (relation, place), keys in found.items()]


def said_beforehand(rebuilds: Sequence[Rebuild]) -> list[str]:
    """Return in words what a rebuild will do: a line for runs of one kind that follow each other."""
    lines: list[str] = []
    kind: tuple[tuple[str, ...], tuple[str, ...]] | None = None
    keys: list[str] = []
    for item in [*rebuilds, None]:
        this = (item.run.relations, item.run.exports) if item is not None else None
        if kind is not None and this != kind:
            lines.append(_line(*kind, keys))
            keys = []
        if item is not None:
            keys.append(item.run.partition_key)
        kind = this
    return lines


def left_out(runs: int) -> str:
    """Return in words that runs of a rebuild did not start."""
    return f"{runs} runs are left out, as they are made of what has failed: fix that, then ask again"


def span_of(keys: Sequence[str]) -> str:
    """Return a table's partitions in words: the first and the last of those in their order."""
    if len(keys) > 1:
        return f"{keys[0]} to {keys[-1]} ({len(keys)} partitions)"
    return "".join(keys) or "not partitioned"


def _line(relations: Sequence[str], exports: Sequence[str], keys: Sequence[str]) -> str:
    sent = f"; then sends what differs of {', '.join(exports)}" if exports else ""
    return f"{span_of(keys)}: builds {', '.join(relations)}{sent}"


def _run(project: Project, partition: Partition, tables: Sequence[str]) -> DueRun:
    return DueRun(
        partition=partition,
        relations=tuple(tables),
        exports=tuple(
            name for name, export in project.exports.items() if project.node_of(export).relation in tables
        ),
        run_key=f"rerun {uuid.uuid4()}",
        requests={},
    )


def _made_of(site: Site, relation: str, partition_key: str) -> list[tuple[int, Partition, list[str]]]:
    """Return the partitions to build anew with their tables, and how many runs behind the first they are."""
    lineage = site.project.lineage
    own = Partition(lineage.tables[relation].partitioning, partition_key)
    if not own.partitioning.grain.timed:
        wanted = {relation, *lineage.descendants(relation)}
        return [(0, own, [name for name in lineage.partitionings[own.partitioning] if name in wanted])]
    reaches = lineage.affected([relation], partition_key)
    # A table stands as many runs behind the first as its ancestors change their grain on the way to it.
    behind: dict[str, int] = {}
    found: dict[tuple[int, Partition], list[str]] = {}
    for name, table in lineage.tables.items():
        if name not in reaches:
            continue
        changes = [
            behind[parent] + (lineage.tables[parent].partitioning != table.partitioning)
            for parent in table.comes_after
            if parent in behind
        ]
        behind[name] = max(changes, default=0)
        built = site.deployment.store.latest_builds(name)
        for key in table.partitioning.overlapping(reaches[name].start, reaches[name].end):
            partition = Partition(table.partitioning, key)
            if partition == own or key in built:
                found.setdefault((behind[name], partition), []).append(name)
    return [(level, partition, tables) for (level, partition), tables in found.items()]
