"""What is due: landed drops and new evidence -> the runs that they call for.

One run a partition, for everything affected. A table is due for a partition when every feed that it is
made of has landed, what it reads outside the run is built and validated, and nobody has asked for it yet
with these very drops. The sensor and `sluice run` ask the same question; nothing here looks at a clock.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, astuple, dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property

from orchestration.contracts.model import SNAPSHOT_PARTITION
from orchestration.deployment import Deployment
from orchestration.ingestion.staging import register_landed
from orchestration.lineage import UNPARTITIONED, TablePartition
from orchestration.operations.records import Records
from orchestration.project import Project
from orchestration.quality.gate import GateReport
from orchestration.state.records import Release

RUN_KEY_TAG = "sluice/run_key"


@dataclass(frozen=True)
class Cursor:
    """How far the records were read. Four numbers, however many files have landed."""

    drops: int = 0
    builds: int = 0
    evidence: int = 0
    releases: int = 0

    @classmethod
    def parse(cls, text: str | None) -> "Cursor":
        """Return the cursor that `str()` wrote; without one, the start."""
        return cls(**json.loads(text)) if text else cls()

    def __str__(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class DueRun:
    """One run to start: the tables to build for a partition, and the exports to send after them."""

    partition_key: str
    relations: tuple[str, ...]
    exports: tuple[str, ...]
    run_key: str
    requests: Mapping[str, frozenset[str]]

    @property
    def tags(self) -> dict[str, str]:
        """The tags by which the run is found again."""
        return {RUN_KEY_TAG: self.run_key}


@dataclass(frozen=True)
class Held:
    """An export that would be due, were its gate not closed; `run_id` is the run that knows the reason."""

    export: str
    partition_key: str
    report: GateReport
    run_id: str


@dataclass(frozen=True)
class Due:
    """The answer: runs in the order of their partitions, held exports, complaints about staging."""

    runs: tuple[DueRun, ...]
    held: tuple[Held, ...]
    complaints: tuple[str, ...]
    cursor: Cursor
    not_looked_at: frozenset[str] = frozenset()


def find_due(
    deployment: Deployment,
    project: Project,
    cursor: Cursor,
    run_exists: Callable[[str], bool],
    look_again_at: Iterable[str] = (),
    at_most: int | None = None,
    busy: Callable[[str], bool] = lambda _: False,
) -> Due:
    """Look into staging and the records for what has come since `cursor`.

    Args:
        deployment: the deployment to look at.
        project: its project directory.
        cursor: how far the records were read before.
        run_exists: whether Dagster has a run of that run key: a request counts once its run exists.
        look_again_at: partitions to look at whether or not anything of theirs was recorded.
        at_most: the number of runs after which to stop looking; the answer tells what was left.
        busy: whether a run of that partition is under way: what is not judged yet may still be.
    """
    complaints: list[str] = []
    for contract in project.contracts.values():
        complaints += register_landed(contract, deployment.staging, deployment.store).complaints
    newest = Cursor(*deployment.store.newest())
    touched = deployment.store.touched_after(*astuple(cursor))
    view = _View(deployment, project, run_exists)
    days = sorted(view.days_touched(touched) | (set(look_again_at) - {UNPARTITIONED}))
    runs: list[DueRun] = []
    held: list[Held] = []
    settled = True
    waiting = [UNPARTITIONED, *days]
    while waiting and (at_most is None or len(runs) < at_most):
        key = waiting.pop(0)
        run = view.due_run(key)
        if run is not None:
            runs.append(run)
        started = run.exports if run is not None else ()
        for name in project.exports if key != UNPARTITIONED else ():
            item = view.held(name, key) if name not in started else None
            if item is not None and item.report.unjudged and not item.report.refusals and busy(key):
                settled = False  # look at it again once that run has ended, which records nothing
            elif item is not None:
                held.append(item)
    left = frozenset(waiting) - {UNPARTITIONED}
    return Due(tuple(runs), tuple(held), tuple(complaints), newest if settled else cursor, left)


class _View:
    """The records as they are at one look, read once each."""

    def __init__(self, deployment: Deployment, project: Project, run_exists: Callable[[str], bool]) -> None:
        self._store = deployment.store
        self._project = project
        self._tables = project.lineage.tables
        self._records = Records(deployment, project)
        self._run_exists = run_exists

    @cached_property
    def _seeds(self) -> dict[str, str]:
        """{relation: checksum} of the tables that come with the project: a change of file is the event."""
        return {
            node.relation: node.checksum
            for node in self._project.manifest.nodes.values()
            if not self._tables[node.relation].parents
        }

    def days_touched(self, touched: Iterable[tuple[str, str]]) -> set[str]:
        """Return the days that events may have made due."""
        days: set[str] = set()
        for relation, key in touched:
            table = self._tables.get(relation)
            if table is None:
                continue
            if table.daily:
                days.add(key)
                # A day inside a later day's trailing window may have held that one up.
                reach = date.fromisoformat(key) + timedelta(days=self._longest_reach - 1)
                days |= {day for day in self._incomplete_days if key < day <= reach.isoformat()}
            else:
                days |= self._incomplete_days  # a snapshot serves all days
        return days

    @cached_property
    def _longest_reach(self) -> int:
        """The number of days of the longest trailing window of any table, over all its ancestors."""
        reach: dict[str, int] = {}
        for table in self._tables.values():  # parents stand before children
            spans = [reach[parent] + days - 1 for parent, days in table.parents.items()]
            reach[table.relation] = max(spans, default=1)
        return max(reach.values(), default=1)

    @cached_property
    def _incomplete_days(self) -> set[str]:
        """The days on which something has landed and some table is still missing."""
        daily = [table.relation for table in self._tables.values() if table.daily]
        return {
            day
            for day in self._records.landed_days
            if any(day not in self._records.builds(name) for name in daily)
        }

    def due_run(self, key: str) -> DueRun | None:
        """Return the run that a partition calls for now, if it calls for one."""
        asked = self._store.requests_of(key)
        building: dict[str, frozenset[str]] = {}
        for table in self._tables.values():
            if table.daily != (key != UNPARTITIONED):
                continue
            made_of = self._made_of(table.relation, key)
            if made_of is None:
                continue
            run_keys = [asked.get((table.relation, digest)) for digest in made_of]
            if all(run_key is not None and self._run_exists(run_key) for run_key in run_keys):
                continue
            if self._ready(table.relation, key, building):
                building[table.relation] = made_of
        requests = dict(building)
        for release, tables, digest in self._released(key, asked, building):
            for relation in (*tables, release.relation):
                requests[relation] = requests.get(relation, frozenset()) | {digest}
            building |= {relation: requests[relation] for relation in tables}
        if not requests:
            return None
        exports = tuple(
            name
            for name, export in self._project.exports.items()
            if self._project.node_of(export).relation in requests
        )
        run_key = _digest(
            [key, *(digest for made in requests.values() for digest in sorted(made)), *building]
        )
        return DueRun(
            partition_key=key,
            relations=tuple(building),
            exports=exports,
            run_key=run_key,
            requests=requests,
        )

    def _released(
        self, key: str, asked: Mapping[tuple[str, str], str], building: Iterable[str]
    ) -> Iterator[tuple[Release, list[str], str]]:
        """Yield fresh releases of a partition that nobody has asked a run for, with the tables to build.

        Those are the tables between a failed check and the export: never built, or on older data. Tables
        with a released check stay as they are, since the release is for that very data.
        """
        for release in self._store.releases.of_partition(key):
            digest = _digest([f"release {release.id}"])
            run_key = asked.get((release.relation, digest))
            if not release.active(datetime.now(UTC)) or (run_key is not None and self._run_exists(run_key)):
                continue
            failed = {check.relation for check in release.checks}
            tables: list[str] = []
            for relation in self._project.lineage.between(failed, release.relation):
                if relation in building or self._ready(relation, key, [*building, *tables]):
                    tables.append(relation)
            arrived = release.relation in tables or self._records.report(release.relation, key).open
            if arrived:
                yield release, [relation for relation in tables if relation not in building], digest

    def held(self, export: str, key: str) -> Held | None:
        """Return why an export of a day whose feeds have landed is held: something said no, or nothing."""
        relation = self._project.node_of(self._project.exports[export]).relation
        if self._made_of(relation, key) is None:
            return None
        report = self._records.report(relation, key)
        if not report.refusals and (not report.unjudged or self._delivered(export, relation, key)):
            return None
        reason = report.reasons[0]
        build = self._records.builds(reason.relation).get(reason.partition_key)
        return Held(export, key, report, reason.run_id or (build.run_id if build else ""))

    def _delivered(self, export: str, relation: str, key: str) -> bool:
        """Whether the destination has the very version that the model holds: there is nothing to hold."""
        delivery = self._records.deliveries(export).get(key)
        build = self._records.builds(relation).get(key)
        return delivery is not None and build is not None and delivery.version == build.version

    def _made_of(self, relation: str, key: str) -> frozenset[str] | None:
        """Return digests of the drops that a partition of a table is made of; None while one lacks.

        A day is asked for once for its own drops; while it has no table, once more for each newer
        snapshot, since the old one may be what it failed on. A day that has its table stays as it is.
        """
        own: list[str] = []
        shared: list[str] = []
        for source in sorted(self._project.lineage.sources(relation)):
            daily = self._tables[source].daily
            names = own if daily or not self._tables[relation].daily else shared
            if source in self._seeds:
                names.append(f"{source}:{self._seeds[source]}")
            elif drop := self._records.drops[source].get(key if daily else SNAPSHOT_PARTITION):
                names.append(drop.key)
            else:
                return None
        if not shared or key in self._records.builds(relation):
            return frozenset([_digest(own)])
        return frozenset([_digest(own), _digest(own + shared)])

    def _ready(self, relation: str, key: str, building: Iterable[str]) -> bool:
        """Whether all that a table reads is in this run, or built and validated before it."""
        in_run = frozenset(TablePartition(name, key, required=True) for name in [*building, relation])
        for item in self._project.lineage.chain(relation, key):
            if item not in in_run and self._landed_but_not_built(item):
                return False
        report = self._records.report(relation, key, leave_out=in_run)
        return report.open

    def _landed_but_not_built(self, item: TablePartition) -> bool:
        """Whether a partition is on its way: its drops are there, it is not, and none was refused."""
        if item.required or item.partition_key in self._records.builds(item.relation):
            return False
        if self._made_of(item.relation, item.partition_key) is None:
            return False
        report = self._records.report(item.relation, item.partition_key)
        return not report.refusals


def _digest(names: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(names).encode()).hexdigest()
