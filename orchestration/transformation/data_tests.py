"""dbt's data tests: run on a table as it stands, and what they said recorded as evidence.

Belongs here: from a partition and names of tests to evidence. Does not belong here: who asks, and how Dagster
shows it (`assets`, `operations.judging`).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagster as dg

from orchestration.dagster_partitions import PartitionsOf
from orchestration.deployment import Deployment
from orchestration.lineage import Lineage, Table
from orchestration.partitions import Partitioning
from orchestration.quality.sent_rows import sent_content
from orchestration.state.records import Evidence
from orchestration.transformation.manifest import DbtManifest, blocks, full_name, tested_relation
from orchestration.transformation.runner import DbtProcess, DbtResult
from orchestration.warehouse.engine import table_versions
from orchestration.warehouse.slices import partition_bounds

if TYPE_CHECKING:
    import duckdb


def partition_variables(partitioning: Partitioning, partition_key: str) -> dict[str, str]:
    """Return the dbt variables of a partition; none for a table that is not partitioned.

    They are its key and grain, and of a span of time its half-open interval in UTC, in ISO 8601.
    """
    if not partitioning.partitioned:
        return {}
    variables = {"partition_key": partition_key, "partition_grain": partitioning.grain.value}
    bounds = partition_bounds(partitioning, partition_key)
    return variables | (
        dict(zip(("partition_start", "partition_end"), bounds, strict=True)) if bounds else {}
    )


@dataclass(frozen=True)
class DataTest:
    """One data test on the table that it is attached to; `rules` is a digest of its SQL and arguments."""

    name: str
    relation: str
    unique_id: str
    description: str
    reads: tuple[str, ...]
    blocking: bool
    rules: str
    selector: str


class DataTests:
    """The data tests of a project, and the dbt that runs them."""

    def __init__(
        self, deployment: Deployment, dbt: DbtProcess, manifest: DbtManifest, lineage: Lineage
    ) -> None:
        self.dbt = dbt
        self._deployment = deployment
        self._lineage = lineage
        self._tests: dict[str, dict[str, DataTest]] = {}
        for test in manifest.tests():
            relation = tested_relation(manifest, test)
            if relation is not None:
                found = DataTest(
                    name=test["name"],
                    relation=relation,
                    unique_id=test["unique_id"],
                    description=test.get("description") or f"dbt test, {test['original_file_path']}",
                    reads=tuple(
                        parent
                        for unique_id in test["depends_on"]["nodes"]
                        if (parent := manifest.relation(unique_id)) and parent != relation
                    ),
                    blocking=blocks(test),
                    rules=manifest.digests.get(test["unique_id"], ""),
                    selector=full_name(test),
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
        schema, _, name = relation.partition(".")
        return [
            dg.AssetCheckSpec(
                test.name,
                asset=dg.AssetKey([schema, name]),
                description=test.description,
                additional_deps=[dg.AssetKey(parent.split(".")) for parent in test.reads],
                blocking=test.blocking,
                partitions_def=partitions_of(self._lineage.tables[relation].partitioning),
                metadata={"dbt test": test.unique_id},
            )
            for test in self.of(relation).values()
        ]

    def run(
        self, table: Table, key: str, names: Sequence[str], run_id: str
    ) -> tuple[str, dict[str, DbtResult]]:
        """Run data tests on a partition of a table as it stands, and record what they said.

        Returns:
            The version that was tested, and {name: result}.

        Raises:
            dagster.Failure: there is nothing to test, it was rebuilt meanwhile, or a test did not run.
        """
        with self._deployment.warehouse.connect() as connection:
            return self.run_within(connection, table, key, names, run_id)

    def run_within(
        self,
        connection: "duckdb.DuckDBPyConnection",
        table: Table,
        key: str,
        names: Sequence[str],
        run_id: str,
    ) -> tuple[str, dict[str, DbtResult]]:
        """Do the same with the warehouse open."""
        # Read before and after: evidence must not speak for rows that came in between, or by a test.
        before = self._state(connection, table, key)
        if not names:
            return before[0], {}
        selected = self.selectors(table, names)
        judged = self.dbt.test(selected, partition_variables(table.partitioning, key))
        after = self._state(connection, table, key)
        if before != after:
            raise dg.Failure(
                f"{table.relation} was rebuilt, or its rows changed, while its tests ran; rerun the checks of"
                " this partition; if it happens again, a test changes rows: look into its SQL"
            )
        return after[0], self.record(table, key, names, judged, *after, run_id)

    def record(
        self,
        table: Table,
        key: str,
        names: Sequence[str],
        judged: Sequence[DbtResult],
        version: str,
        content: str,
        run_id: str,
    ) -> dict[str, DbtResult]:
        """Record what data tests said of a version as evidence; return it by name.

        Raises:
            dagster.Failure: one of them did not run.
        """
        # By dbt's own id: two tables may have tests of one name.
        said = {result.unique_id: result for result in judged}
        tests = self.of(table.relation)
        by_name = {name: said[tests[name].unique_id] for name in names if tests[name].unique_id in said}
        missing = [name for name in names if name not in by_name]
        if missing:
            raise dg.Failure(f"dbt did not run {', '.join(missing)}; a test that did not run never passes")
        self._deployment.store.record_evidence(
            [
                Evidence(
                    relation=table.relation,
                    partition_key=key,
                    check=name,
                    version=version,
                    passed=by_name[name].status in ("pass", "warn"),
                    summary=said_of(by_name[name]),
                    run_id=run_id,
                    rules=self._tests[table.relation][name].rules,
                    content=content,
                )
                for name in names
            ]
        )
        return by_name

    def selectors(self, table: Table, names: Sequence[str]) -> list[str]:
        """Return what dbt selects these tests of a table by, and no other."""
        tests = self.of(table.relation)
        return [tests[name].selector for name in names]

    def _state(self, connection: "duckdb.DuckDBPyConnection", table: Table, key: str) -> tuple[str, str]:
        """Return the version of a partition, and of a table that is sent a digest of its rows."""
        version = table_versions(connection, [table.relation]).get((table.relation, key), "")
        return version, sent_content(connection, table, key) if version else ""


def said_of(result: DbtResult) -> str:
    """Return what a data test said, in words."""
    if result.status == "pass":
        return "holds"
    return f"{result.failures} failing rows" if result.failures else f"{result.status}: {result.message}"
