"""Corrections that are loaded, but not in what is built of them: something stood in between, or stands there.

Belongs here: finding them by what builds were made from, and what has been judged since. Does not belong
here: what is due because of it (`due`), how it is told (`status`).
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property

from sluicegate.core.lineage import Lineage
from sluicegate.gate.on_record import OnRecord, Place
from sluicegate.state.records import Build

_Builds = Callable[[str], Mapping[str, Build]]


class Corrections:
    """What is known of them at one look; `builds` gives the newest build of each partition of a table."""

    def __init__(self, lineage: Lineage, on_record: OnRecord, builds: _Builds) -> None:
        self._lineage = lineage
        self._on_record = on_record
        self._builds = builds
        self._missing: dict[Place, bool] = {}

    def missing(self, relation: str, key: str) -> bool:
        """Whether a partition is built of other drops of its own sources than those that are loaded by now.

        A source that was only loaded anew is no correction. Of what older code built nobody knows.
        """
        place = (relation, key)
        if place not in self._missing:
            self._missing[place] = self._is_missing(place)
        return self._missing[place]

    def below(self, relation: str, key: str) -> bool:
        """Whether something may be missing, by the order of builds alone: for looking at many partitions."""
        build = self._builds(relation).get(key)
        parents = self._same_cut.get(relation, ())
        return build is not None and any(
            above.id > build.id for parent in parents if (above := self._builds(parent).get(key)) is not None
        )

    def judged_since(self, relation: str, key: str) -> list[str]:
        """Return which runs have judged what a partition is made of, and had not built it, in words.

        They may have opened what held it; words of tests that it waits for are among them.
        """
        table = self._lineage.tables[relation]
        own = [(read.relation, read.partition_key) for read in self._lineage.reads(relation, key) if read.own]
        by_their_builds = {build.run_id for place in own if (build := self._newest(place)) is not None}
        found: list[str] = []
        for place in own:
            build = self._newest(place)
            found += self._judged(place, {build.run_id} if build is not None else set())
        for other, checks in sorted(table.awaits.items()):
            for alongside, _ in self._lineage.alongside(relation, key, other):
                found += self._judged((other, alongside), by_their_builds, checks)
        return list(dict.fromkeys(found))

    @cached_property
    def _same_cut(self) -> dict[str, list[str]]:
        tables = self._lineage.tables
        return {
            name: [parent for parent in table.parents if tables[parent].partitioning == table.partitioning]
            for name, table in tables.items()
        }

    def _newest(self, place: Place) -> Build | None:
        return self._builds(place[0]).get(place[1])

    def _judged(self, place: Place, but: set[str], checks: frozenset[str] | None = None) -> list[str]:
        build = self._newest(place)
        if build is None:
            return []
        words = self._on_record.last_words(place, build.version)
        runs = {item.run_id for item in words if checks is None or item.check in checks}
        return [f"{place[0]} judged by {run_id}" for run_id in sorted(runs - but)]

    def _is_missing(self, place: Place) -> bool:
        build = self._newest(place)
        if build is None:
            return False
        newer = {
            where: loaded
            for where in self._own_sources(*place)
            if (loaded := self._newest(where)) is not None and loaded.id > build.id
        }
        if not newer:
            return False
        return any(
            (made_of.drop_ordinal, made_of.code) != (newer[where].drop_ordinal, newer[where].code)
            for where, made_of in self._made_of(place, build.version, newer)
        )

    def _own_sources(self, relation: str, key: str) -> Iterator[Place]:
        tables = self._lineage.tables
        for source, keys in self._lineage.made_of(relation, key).items():
            shared = tables[relation].partitioning.partitioned and not tables[source].partitioning.partitioned
            if source != relation and not shared:
                yield from ((source, required) for required in keys)

    def _made_of(
        self, place: Place, version: str, sources: Mapping[Place, Build]
    ) -> Iterator[tuple[Place, Build]]:
        """Yield which builds of these sources a version is made of, through all that lies between."""
        waiting, seen = [(place, version)], set[tuple[Place, str]]()
        while waiting:
            at = waiting.pop()
            if at in seen or at[0][0] not in self._lineage.tables:
                continue
            seen.add(at)
            build = self._on_record.build(*at)
            if build is None:
                continue
            if at[0] in sources:
                yield at[0], build
                continue
            for relation, keys in (build.inputs or {}).items():
                waiting += [((relation, key), was) for key, was in keys.items()]
