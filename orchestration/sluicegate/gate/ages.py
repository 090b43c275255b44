"""How old what is sent may be: the newest of each source, against what its contract allows (`maxAge`).

Belongs here: when something is too old, and the words for it. Does not belong here: links of the chain of
evidence (`walk`), reading records (`on_record`).

What is known of a source is known as of a moment that is on record: when its newest drop landed, or the end
of its newest day. That moment and the contract's `maxAge` make a due moment; the clock is compared with it,
and with nothing else. A day of its own is never too old: the newest of the source counts, whatever is sent.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta

from sluicegate.core.freshness import in_words
from sluicegate.core.lineage import Lineage, Table
from sluicegate.core.partitions import UNPARTITIONED
from sluicegate.gate.findings import Finding, Verdict
from sluicegate.gate.on_record import OnRecord, Place
from sluicegate.state.moments import utc
from sluicegate.state.records import Build


def too_old(lineage: Lineage, on_record: OnRecord, relation: str, now: datetime) -> list[Finding]:
    """Return a finding for each source of a table of which something newer must land before it is sent."""
    found: list[Finding] = []
    for table in _aged(lineage, lineage.sources(relation)):
        newest = on_record.newest_loaded(table)
        assert table.max_age is not None
        if newest is None or now <= newest.as_of + table.max_age:
            continue  # what was never loaded is found as that
        found.append(
            Finding(
                table.relation,
                newest.build.partition_key,
                "",
                Verdict.TOO_OLD,
                f"the newest that is loaded is of {_at(newest.as_of)}, and may be sent until"
                f" {_at(newest.as_of + table.max_age)} (`maxAge` is {in_words(table.max_age)})",
                newest.build.version,
                None,
                newest.build.run_id,
                repair=_fix(table, now - table.max_age),
            )
        )
    return found


def built_too_late(
    lineage: Lineage, on_record: OnRecord, held: Mapping[Place, str], but: Collection[str] = ()
) -> list[Finding]:
    """Return a finding for each partition that was built from a snapshot that was too old even then.

    A newer one that has landed since does not make its rows newer: it has to be built anew. Snapshots in
    `but` are not looked at.
    """
    return [
        finding
        for place, version in held.items()
        if any(table.relation not in but for table in _aged(lineage, lineage.sources(place[0])))
        for finding in _built_too_late(lineage, on_record, place, version, but)
    ]


def due_moments(lineage: Lineage, on_record: OnRecord, relation: str) -> dict[str, datetime]:
    """Return {raw table: until when what is newest of it may be sent} of the sources that must not be old."""
    return {
        table.relation: newest.as_of + (table.max_age or timedelta())
        for table in _aged(lineage, lineage.sources(relation))
        if (newest := on_record.newest_loaded(table)) is not None
    }


def _aged(lineage: Lineage, relations: Collection[str]) -> list[Table]:
    return [lineage.tables[name] for name in sorted(relations) if lineage.tables[name].max_age is not None]


def _built_too_late(
    lineage: Lineage, on_record: OnRecord, place: Place, version: str, but: Collection[str]
) -> Iterator[Finding]:
    if not lineage.tables[place[0]].partitioning.partitioned:
        return  # it is built anew with each drop
    build = on_record.build(place, version)
    if build is None or build.built_at is None:
        return
    waiting, seen = _snapshots_of(lineage, build), set[tuple[str, str]]()
    while waiting:
        relation, read = waiting.pop()
        if (relation, read) in seen:
            continue
        seen.add((relation, read))
        table, made = lineage.tables[relation], on_record.build((relation, UNPARTITIONED), read)
        if made is None:
            continue
        waiting += _snapshots_of(lineage, made)
        if table.max_age is None or relation in but:
            continue
        due = on_record.as_of(table, made) + table.max_age
        if utc(build.built_at) > due:
            said = f"it was built at {_at(utc(build.built_at))}, from what might be sent until {_at(due)}"
            yield Finding(
                *place, "", Verdict.BUILT_FROM_TOO_OLD, f"of {relation}, {said}", version, None, build.run_id
            )


def _snapshots_of(lineage: Lineage, build: Build) -> list[tuple[str, str]]:
    """Return (relation, version) of the tables without partitions that a build read."""
    return [
        (relation, version)
        for relation, versions in (build.inputs or {}).items()
        if relation in lineage.tables and not lineage.tables[relation].partitioning.partitioned
        for version in versions.values()
    ]


def _fix(table: Table, oldest: datetime) -> str:
    source = table.relation.name
    which = f"a new drop of `{source}`"
    if table.partitioning.grain.timed:
        which = f"`{source}` of {table.partitioning.key_at(oldest)} or later"
    return (
        f"have the provider land {which} (`sluice land {source} FILE`, if you have it): what waits for it"
        " goes out by itself; or let `maxAge` of its contract be longer"
    )


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
