"""Builds and evidence on record, of many partitions at once: what the gate asks, read as few times as can be.

Belongs here: reading, and which of several records counts. Does not belong here: conclusions (`gate`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sluicegate.core.lineage import Table
from sluicegate.core.partitions import SNAPSHOT_PARTITION
from sluicegate.state.moments import utc
from sluicegate.state.records import Build, CheckError, Evidence
from sluicegate.state.store import StateStore

Place = tuple[str, str]
"""(relation, partition key)."""


@dataclass(frozen=True)
class NewestLoaded:
    """The newest that is loaded of a source, and the moment as of which it tells."""

    build: Build
    as_of: datetime


class OnRecord:
    """The records as they were when each place was first asked for; make a new one for another look."""

    def __init__(self, store: StateStore) -> None:
        self._store = store
        self._builds: dict[Place, dict[str, Build]] = {}
        self._newest: dict[Place, Build] = {}
        self._said: dict[Place, list[Evidence]] = {}
        self._errors: dict[tuple[Place, str], CheckError] | None = None
        self._landings: dict[str, dict[tuple[str, int], datetime]] = {}
        self._newest_loaded: dict[str, NewestLoaded | None] = {}

    def read(self, places: Iterable[Place]) -> None:
        """Read all that is on record of places, in two queries."""
        wanted = {place for place in places if place not in self._said}
        if not wanted:
            return
        for place in wanted:
            self._builds[place], self._said[place] = {}, []
        for build in self._store.builds_of(wanted):
            place = (build.relation, build.partition_key)
            self._builds[place][build.version] = build
            self._newest[place] = build
        for item in self._store.evidence_of(wanted):
            self._said[(item.relation, item.partition_key)].append(item)

    def newest(self, place: Place) -> Build | None:
        """Return the newest build of a place."""
        self.read([place])
        return self._newest.get(place)

    def build(self, place: Place, version: str) -> Build | None:
        """Return the newest record of the build of a version."""
        self.read([place])
        return self._builds[place].get(version)

    def newest_loaded(self, table: Table) -> NewestLoaded | None:
        """Return the newest that is loaded of a source: by its days, or by when its drops have landed."""
        if table.relation not in self._newest_loaded:
            builds = self._store.latest_builds(table.relation)
            # A source may have been cut in another way before.
            loaded = [build for key, build in builds.items() if table.partitioning.holds(key)]
            dated = [NewestLoaded(build, self.as_of(table, build)) for build in loaded]
            newest = max(dated, key=lambda item: (item.as_of, item.build.id), default=None)
            self._newest_loaded[table.relation] = newest
        return self._newest_loaded[table.relation]

    def as_of(self, table: Table, build: Build) -> datetime:
        """Return the moment as of which a build of a source tells: its day's end, or when its drop landed."""
        if table.partitioning.grain.timed:
            return table.partitioning.interval(build.partition_key)[1]
        if table.relation not in self._landings:
            self._landings[table.relation] = self._store.drops.landings(table.relation.name)
        key = build.partition_key if table.partitioning.partitioned else SNAPSHOT_PARTITION
        landed = self._landings[table.relation].get((key, build.drop_ordinal or 0))
        loaded = utc(build.built_at) if build.built_at is not None else datetime.min
        return landed or utc(loaded)

    def said(self, place: Place, check: str, version: str) -> list[Evidence]:
        """Return what a check said of a version, by whatever rules, oldest first."""
        return [item for item in self.of_any_version(place, check) if item.version == version]

    def error(self, place: Place, check: str, version: str, rules: str) -> CheckError | None:
        """Return that a check could not run on a version by these rules, and has not since."""
        if self._errors is None:
            errors = self._store.check_errors.all()
            self._errors = {((item.relation, item.partition_key), item.check): item for item in errors}
        found = self._errors.get((place, check))
        return found if found is not None and (found.version, found.rules) == (version, rules) else None

    def last_words(self, place: Place, version: str) -> list[Evidence]:
        """Return the newest word of each check on a version, by whatever rules."""
        said = [item for item in self.of_any_version(place) if item.version == version]
        return list({item.check: item for item in said}.values())

    def of_any_version(self, place: Place, check: str = "") -> list[Evidence]:
        """Return what was said of any version of a place, by one check or by all; oldest first."""
        self.read([place])
        return [item for item in self._said[place] if check in ("", item.check)]
