"""One op a dbt model: it builds a partition and judges it by all checks of its table.

An op a model, not one for all: a failed check then holds just what is made of the bad table, and a rerun
from failure starts where it failed. Each op asks the gate before it builds, so that nothing is ever built
on a layer that is not validated, in whichever run that was.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

import dagster as dg

from sluicegate.core.lineage import Table
from sluicegate.core.partitions import UNPARTITIONED
from sluicegate.core.shown_text import Near, showing_errors
from sluicegate.gate.gate import GateClosed
from sluicegate.graph.data_tests import Tested
from sluicegate.graph.model_specs import asset_specs
from sluicegate.graph.partitions import PartitionsOf
from sluicegate.graph.reasons import WHY, what_lasts
from sluicegate.graph.steps import POOL, SaysNothing, of_one_project
from sluicegate.graph.table_checks import Said, TableChecks
from sluicegate.operations.site import Site
from sluicegate.state.records import Build
from sluicegate.transformation.manifest import DbtNode
from sluicegate.transformation.runner import DbtError
from sluicegate.transformation.slices import partition_variables
from sluicegate.warehouse.base import Session
from sluicegate.warehouse.slices import partition_rows


def dbt_assets(site: Site, checks: TableChecks, partitions_of: PartitionsOf) -> list[dg.AssetsDefinition]:
    """Return an asset for each model, seed and snapshot, with the checks of its table."""
    manifest, lineage = site.project.manifest, site.project.lineage
    specs = asset_specs(manifest, lineage, partitions_of, site.project.catalogue)
    builder = _Builder(site, checks)
    return [
        _model_asset(
            builder,
            node,
            lineage.tables[node.relation],
            specs[node.relation],
            checks.specs(node.relation, partitions_of),
        )
        for node in manifest.nodes.values()
    ]


@dataclass(frozen=True)
class _Built:
    """What became of a build: its record, and how long dbt took; None where an earlier try has built."""

    build: Build
    seconds: float | None


class _Builder:
    """Builds partitions of models, on what is validated, by the SQL of one parse."""

    def __init__(self, site: Site, checks: TableChecks) -> None:
        self.deployment = site.deployment
        self.project = site.project.identity
        self._checks = checks
        self._gate = site.gate
        self._work = site.project.work

    def build(
        self, node: DbtNode, table: Table, key: str, names: Sequence[str], run_id: str, *, again: bool
    ) -> tuple[_Built, Said]:
        """Build a partition, judge it by these checks, and record both.

        A step that is tried `again`, as a check could not run, finds what it built there.

        Raises:
            dagster.Failure: what it is made of is not validated, or dbt failed.
            ProjectChanged: a file is another than in the parse that the graph was made of.
        """
        # Open all the while: dbt shares the open file, and opening it costs more than many a model. And no
        # other process changes what is read between the gate's look at it and dbt's.
        with self.deployment.warehouse.session() as session:
            there = self._built_by(session, table, key, run_id) if again else None
            if there is not None:
                return _Built(there, None), self._checks.judge(session, table, key, names, run_id)
            built, tested = self._build(session, node, table, key, names, run_id)
            return built, self._checks.judge(session, table, key, names, run_id, tested)

    def near(self, table: Table) -> Near:
        """Return what is near a table, and what any of its tests reads."""
        return self._checks.tests.near_tests(table)

    def judge(self, table: Table, key: str, names: Sequence[str], run_id: str) -> Said:
        """Judge a partition as it stands."""
        with self.deployment.warehouse.session() as session:
            return self._checks.judge(session, table, key, names, run_id)

    def _build(
        self,
        session: Session,
        node: DbtNode,
        table: Table,
        key: str,
        names: Sequence[str],
        run_id: str,
    ) -> tuple[_Built, Tested | None]:
        work = self._work.get(node.relation)
        if work is not None and work.ended(self.deployment.clock().astimezone(UTC).date()):
            raise dg.Failure(f"{node.relation} is not built: {work.what}; {work.fix}", allow_retries=False)
        try:
            self._gate.require_parents(session, node.relation, key)
        except GateClosed as closed:
            raise dg.Failure(
                description=f"{node.relation} is not built on what is not validated: {closed}",
                allow_retries=False,
            ) from None
        inputs = self._gate.inputs(session, node.relation, key)
        tests = self._checks.tests
        known = tests.of(table.relation)
        # Of a table that is sent the rows are counted before a test runs, as a test might change them.
        at_once = [] if table.sent else sorted(name for name in names if name in known)
        session.keep(node.relation)  # dbt would drop a view, with all partitions that are not built now
        try:
            result, judged = tests.dbt.build(
                node.selector,
                tests.selectors(table, at_once),
                partition_variables(table.partitioning, key),
                tests.near_tests(table, at_once),
                tests.refusing(session, table, key),
            )
        except DbtError as error:
            lasts, said = what_lasts(str(error)), f"dbt could not build {node.name}: {error}"
            if lasts:
                raise dg.Failure(said, metadata={WHY: lasts}, allow_retries=False) from None
            raise SaysNothing(description=said) from None
        version = session.versions([node.relation])[(node.relation, key)]
        rows = partition_rows(node.relation, table.cut_by, table.partitioning, key)
        [(counted,)] = session.query(f"select count(*) from ({rows})")
        build = Build(
            node.relation,
            key,
            version,
            run_id,
            rows=int(counted),
            inputs=inputs,
            code=table.code,
            project=self.project.digest,
        )
        self.deployment.store.record_build(build)
        built = _Built(build, result.seconds)
        if table.sent:
            return built, None
        return built, tests.record(session, table, key, at_once, judged, version, "", run_id)

    def _built_by(self, session: Session, table: Table, key: str, run_id: str) -> Build | None:
        """Return the build of this run, if the warehouse holds it still."""
        place = (table.relation, key)
        version = session.versions([table.relation]).get(place)
        builds = self.deployment.store.builds_of([place])
        return next((item for item in builds if (item.version, item.run_id) == (version, run_id)), None)


def _model_asset(
    builder: _Builder,
    node: DbtNode,
    table: Table,
    spec: dg.AssetSpec,
    checks: Sequence[dg.AssetCheckSpec],
) -> dg.AssetsDefinition:
    patience = builder.deployment.settings.check_retry_seconds

    @dg.multi_asset(
        name="__".join(node.relation.parts), specs=[spec], check_specs=checks, can_subset=True, pool=POOL
    )
    def build(
        context: dg.AssetExecutionContext,
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        with showing_errors(builder.near(table)):
            yield from steps(context)

    def steps(
        context: dg.AssetExecutionContext,
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        key = context.partition_key if table.partitioning.partitioned else UNPARTITIONED
        names = sorted(check.name for check in context.selected_asset_check_keys)
        with of_one_project(builder.project):
            if spec.key not in context.selected_asset_keys:  # the checks alone, from the UI
                built, said = None, builder.judge(table, key, names, context.run_id)
            else:
                again = context.retry_number > 0
                built, said = builder.build(node, table, key, names, context.run_id, again=again)
        said.or_try_again(context.op_execution_context, patience)
        if built is not None:
            yield dg.MaterializeResult(
                asset_key=spec.key,
                metadata={
                    "dagster/row_count": built.build.rows,
                    "version of the table": built.build.version,
                    **({} if built.seconds is None else {"seconds in dbt": round(built.seconds, 3)}),
                },
            )
        yield from said.told()

    return build
