"""A bakery of which only the records are written: what gate and `due` read, without dbt and GX.

Belongs here: playing the graph's part in the state store. Does not: judging what follows from it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from sluicegate.core.lineage import Lineage
from sluicegate.operations.due import Cursor, Due, find_due
from sluicegate.operations.due_run import DueRun
from sluicegate.state.records import Build, Evidence

from tests.company import Company


@dataclass
class Ledger:
    """Looks for what is due, and records runs as if the graph had executed them."""

    company: Company
    cursor: Cursor = field(default_factory=Cursor)
    run_keys: set[str] = field(default_factory=set)
    busy_days: set[str] = field(default_factory=set)
    builds: int = 0

    def look(self) -> Due:
        """Return what is due since the last look."""
        due = find_due(
            self.company.site,
            self.cursor,
            lambda key: key in self.run_keys,
            busy=lambda key: key in self.busy_days,
            queued=lambda key: key in self.busy_days,
        )
        self.cursor = Cursor.parse(str(due.cursor))
        return due

    def ask(self, due: Due) -> None:
        """Record the requests, and their runs as known to Dagster."""
        for run in due.runs:
            self.company.deployment.store.record_requests(run.run_key, run.partition_key, run.requests)
            self.run_keys.add(run.run_key)

    def carry_out(self, run: DueRun, *, failing: Collection[str] = ()) -> None:
        """Record a run's builds and evidence; after a table in `failing` nothing made of it is built."""
        lineage = self.company.project.lineage
        stopped: set[str] = set()
        for relation in run.relations:
            if relation in stopped:
                continue
            self.build(relation, run.partition_key)
            self.judge(relation, run.partition_key, passed=relation not in failing)
            if relation in failing:
                stopped |= lineage.descendants(relation)

    def settle(self, *, failing: Collection[str] = ()) -> list[tuple[str, tuple[str, ...]]]:
        """Carry out what is due until nothing is; return (partition key, tables) of each run."""
        done: list[tuple[str, tuple[str, ...]]] = []
        while (due := self.look()).runs:
            self.ask(due)
            for run in due.runs:
                self.carry_out(run, failing=failing)
                done.append((run.partition_key, run.relations))
        return done

    def build(self, relation: str, day: str) -> str:
        """Record that a partition of a table was written; return its new version."""
        self.builds += 1
        store, source = self.company.deployment.store, relation.removeprefix("raw.")
        drop = store.drops.latest(source).get(day or "snapshot") if relation.startswith("raw.") else None
        version = f"v{self.builds}"
        lineage = self.company.project.lineage
        held = {
            (name, key): build.version
            for name in lineage.tables
            for key, build in store.latest_builds(name).items()
        }
        build = whole_build(lineage, relation, day, version, held)
        store.record_build(replace(build, drop_ordinal=drop.ordinal if drop else None))
        return version

    def judge(self, relation: str, day: str, *, passed: bool = True, by: str = "run") -> None:
        """Record what every blocking check says of a table's newest version, in the run `by`."""
        store = self.company.deployment.store
        version = store.latest_builds(relation)[day].version
        rules = self.company.project.lineage.tables[relation].rules
        store.record_evidence(
            [
                Evidence(relation, day, check, version, passed, "as told", by, rules=digest)
                for check, digest in rules.items()
            ]
        )


def whole_build(
    lineage: Lineage, relation: str, key: str, version: str, held: Mapping[tuple[str, str], str]
) -> Build:
    """Return the build of a partition from what its parents hold, by today's SQL."""
    inputs: dict[str, dict[str, str]] = {}
    for read in lineage.reads(relation, key):
        if parent := held.get((read.relation, read.partition_key)):
            inputs.setdefault(read.relation, {})[read.partition_key] = parent
    code = lineage.tables[relation].code
    return Build(relation, key, version, "run", rows=1, inputs=inputs, code=code, project="project")
