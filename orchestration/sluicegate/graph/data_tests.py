"""dbt's data tests: run on a table as it stands, and what they said recorded as evidence.

Belongs here: from a partition and names of tests to evidence. Does not belong here: who asks, and how Dagster
shows it (`models`, `judging`).
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import dagster as dg

from sluicegate.columns.in_a_run import unforeseen
from sluicegate.compute.column_plan import origins_of
from sluicegate.compute.select_only import Statement
from sluicegate.core.environments import made_from
from sluicegate.core.lineage import Table
from sluicegate.core.shown_text import NOTHING_CLASSIFIED, Near
from sluicegate.gate.sent_rows import sent_content
from sluicegate.graph.partitions import PartitionsOf
from sluicegate.graph.steps import SaysNothing
from sluicegate.operations.site import Site
from sluicegate.state.records import Evidence, Inputs
from sluicegate.transformation.before_execution import Refuse
from sluicegate.transformation.binding import bound_tables
from sluicegate.transformation.declared_reads import DeclaredReads
from sluicegate.transformation.manifest import blocks, full_name
from sluicegate.transformation.runner import DbtError, DbtProcess, DbtResult, DbtStatus
from sluicegate.transformation.slices import partition_variables
from sluicegate.warehouse.base import Session

if TYPE_CHECKING:
    import duckdb

# dbt's words for what a test has come to; with any other it has come to nothing.
_PASSED = (DbtStatus.PASSED, DbtStatus.WARN)
_VERDICTS = (*_PASSED, DbtStatus.FAIL)
_COUNT = "count(*)"
# Said in the place of a number that may be a classified value.
NUMBER_HIDDEN = "its number is not shown: `fail_calc` may tell values of classified columns"
_QUOTED = re.compile(r"'[^']*'")


@dataclass(frozen=True)
class DataTest:
    """One data test of the table in whose step it runs; `rules` is a digest of its SQL and arguments.

    `reads` are the other tables that it reads, `near` is what its messages and its SQL may quote. `counts`:
    what it gives is how many rows fail, and no number that a `fail_calc` makes of their values.
    """

    name: str
    relation: str
    unique_id: str
    description: str
    reads: tuple[str, ...]
    blocking: bool
    rules: str
    selector: str
    near: Near = NOTHING_CLASSIFIED
    counts: bool = True

    @property
    def tells_number(self) -> bool:
        """Whether what it gives may be shown: a `fail_calc` may tell the very value."""
        return self.counts or not self.near.classified


@dataclass(frozen=True)
class Tested:
    """What data tests said of a version: {name: result}, and {name: why it could not run}."""

    version: str
    results: Mapping[str, DbtResult]
    errors: Mapping[str, str] = field(default_factory=dict[str, str])


class DataTests:
    """The data tests of a project, and the dbt that runs them."""

    def __init__(self, site: Site, dbt: DbtProcess) -> None:
        manifest, places, near = site.project.manifest, site.project.test_places, site.project.near
        self.dbt = dbt
        self.declared = DeclaredReads(manifest.content)
        self._content = manifest.content
        self.near = near
        self._deployment = site.deployment
        self._lineage = site.project.lineage
        self._nodes, self._columns = manifest.nodes, site.project.columns
        self._tests: dict[str, dict[str, DataTest]] = {}
        for test in manifest.tests():
            relation = places.tables.get(test["unique_id"])
            if relation is not None:
                found = DataTest(
                    name=test["name"],
                    relation=relation,
                    unique_id=test["unique_id"],
                    description=test.get("description") or f"dbt test, {test['original_file_path']}",
                    reads=places.others[test["unique_id"]],
                    blocking=blocks(test),
                    rules=manifest.digests.get(test["unique_id"], ""),
                    selector=full_name(test),
                    near=near(relation).beside(map(near, places.others[test["unique_id"]])),
                    counts=_counts(test),
                )
                self._tests.setdefault(relation, {})[found.name] = found

    def of(self, relation: str) -> dict[str, DataTest]:
        """Return {name: test} of a table."""
        return self._tests.get(relation, {})

    @property
    def relations(self) -> Collection[str]:
        """The tables that have data tests."""
        return self._tests.keys()

    def specs(self, relation: str, partitions_of: PartitionsOf) -> list[dg.AssetCheckSpec]:
        """Return Dagster's check of each data test of a table."""
        tables = self._lineage.tables
        return [
            dg.AssetCheckSpec(
                test.name,
                asset=dg.AssetKey(tables[relation].asset_key),
                description=test.description,
                additional_deps=[dg.AssetKey(tables[parent].asset_key) for parent in test.reads],
                blocking=test.blocking,
                partitions_def=partitions_of(tables[relation].partitioning),
                metadata={"dbt test": test.unique_id},
            )
            for test in self.of(relation).values()
        ]

    def run(
        self,
        session: Session,
        table: Table,
        key: str,
        names: Sequence[str],
        run_id: str,
    ) -> Tested:
        """Run data tests on a partition of a table as it stands, and record what they said.

        Raises:
            dagster.Failure: the table was rebuilt meanwhile.
            ProjectChanged: a file is another than in the parse that the graph was made of.
        """
        # Read before and after: evidence must not speak for rows that came in between, or by a test.
        before = self._state(session, table, key)
        if not names:
            return Tested(before[0], {})
        judged = self._judge(session, table, key, names)
        after = self._state(session, table, key)
        if before != after:
            raise SaysNothing(
                f"{table.relation} was rebuilt, or its rows changed, while its tests ran; rerun the checks of"
                " this partition; if it happens again, a test changes rows: look into its SQL"
            )
        return self.record(session, table, key, names, judged, *after, run_id)

    def record(
        self,
        session: Session,
        table: Table,
        key: str,
        names: Sequence[str],
        judged: Sequence[DbtResult],
        version: str,
        content: str,
        run_id: str,
    ) -> Tested:
        """Record what data tests said of a version as evidence; one that could not run has said nothing."""
        # By dbt's own id: two tables may have tests of one name.
        said = {result.unique_id: result for result in judged}
        tests = self.of(table.relation)
        results = {name: said[tests[name].unique_id] for name in names if tests[name].unique_id in said}
        errors = {
            name: _without_values(results[name].message) if name in results else "dbt did not run it"
            for name in names
            if name not in results or results[name].status not in _VERDICTS
        }
        self._deployment.store.record_evidence(
            [
                Evidence(
                    relation=table.relation,
                    partition_key=key,
                    check=name,
                    version=version,
                    passed=results[name].status in _PASSED,
                    summary=said_of(tests[name], results[name]),
                    run_id=run_id,
                    rules=tests[name].rules,
                    content=content,
                    reads=self._read_by(session, table, key, tests[name]),
                )
                for name in names
                if name not in errors
            ]
        )
        return Tested(version, {name: results[name] for name in names if name not in errors}, errors)

    def refusing(self, session: Session, table: Table, key: str) -> Refuse:
        """Return what keeps SQL for a partition from being executed that does more than its node declares."""
        slices: dict[str, frozenset[str]] = {}

        def refuse(unique_id: str, compiled: str) -> str:
            if unique_id in self._nodes:  # its table is another once it is built; a test changes none
                slices.clear()
            if unique_id.startswith("seed."):
                return ""
            statement = Statement(self._twin or session.native, compiled)
            found = self.declared.undeclared(statement, unique_id, table.partitioning, key, slices)
            if found or unique_id not in self._nodes:
                return "; ".join(map(str, found))
            known = self._columns.tables[self._nodes[unique_id].relation]
            return unforeseen(known, origins_of(statement, known.relation))

        return refuse

    @cached_property
    def _twin(self) -> "duckdb.DuckDBPyConnection | None":
        """The warehouse's tables without rows, where the warehouse has views in their place.

        What is read through a view is not what SQL names, and the engine does not tell its plan.
        """
        settings = self._deployment.settings
        return bound_tables(settings, self._content).connection if made_from(settings.data_dir) else None

    def selectors(self, table: Table, names: Sequence[str]) -> list[str]:
        """Return what dbt selects these tests of a table by, and no other."""
        tests = self.of(table.relation)
        return [tests[name].selector for name in names]

    def near_tests(self, table: Table, names: Iterable[str] | None = None) -> Near:
        """Return what is near a table and what these of its tests read; all of them, if none are named."""
        tests = self.of(table.relation)
        return self.near(table.relation).beside(
            tests[name].near for name in (tests if names is None else names)
        )

    def _judge(self, session: Session, table: Table, key: str, names: Sequence[str]) -> list[DbtResult]:
        """Run data tests; where dbt comes to none of them, each alone, so that none takes others along."""
        try:
            variables = partition_variables(table.partitioning, key)
            return self.dbt.test(
                self.selectors(table, names), variables, self.near_tests(table, names),
                self.refusing(session, table, key),
            )  # fmt: skip
        except DbtError as error:
            if len(names) > 1:
                return [result for name in names for result in self._judge(session, table, key, [name])]
            test = self.of(table.relation)[names[0]]
            return [DbtResult(test.unique_id, DbtStatus.ERROR, str(error), None, 0.0, "")]

    def _read_by(self, session: Session, table: Table, key: str, test: DataTest) -> Inputs:
        """Return the versions of other tables that a test reads, of the partitions that go with this one."""
        if not test.reads:
            return {}
        held = session.versions(test.reads)
        return {
            other: {
                alongside: held[(other, alongside)]
                for alongside, _ in self._lineage.alongside(table.relation, key, other)
                if (other, alongside) in held
            }
            for other in test.reads
        }

    def _state(self, session: Session, table: Table, key: str) -> tuple[str, str]:
        """Return the version of a partition, and of a table that is sent a digest of its rows."""
        version = session.versions([table.relation]).get((table.relation, key), "")
        return version, sent_content(session, table, key) if version else ""


def said_of(test: DataTest, result: DbtResult) -> str:
    """Return what a data test said, in words."""
    if result.status is DbtStatus.PASSED:
        return "holds"
    if not test.tells_number:
        return f"{result.status}: {NUMBER_HIDDEN}"
    return f"{result.failures} failing rows" if result.failures else f"{result.status}: {result.message}"


def _counts(test: Mapping[str, Any]) -> bool:
    """Whether a test gives the number of failing rows, as dbt does where nobody says otherwise."""
    return "".join(str(test["config"].get("fail_calc") or _COUNT).lower().split()) == _COUNT


def _without_values(message: str) -> str:
    """Return an engine's message in one line, without the values that it quotes."""
    return _QUOTED.sub("'…'", " ".join(message.split()))
