"""Judging what is there by today's rules, without building: a tightened rule over 60 days is no 60 rebuilds.

Belongs here: which partitions, all checks of them, and the Dagster job that does it. Does not belong here:
what a check says (`quality`, `graph.data_tests`, `ingestion.judging`).
"""

from collections.abc import Iterator
from typing import Any, cast

import dagster as dg
from pydantic import Field

from sluicegate.compute.sql import quoted
from sluicegate.compute.sql_types import UnknownType
from sluicegate.contracts.model import CONTRACT_CHECK
from sluicegate.core.lineage import Table
from sluicegate.core.partitions import place
from sluicegate.core.problems import ProjectChanged
from sluicegate.core.progress import each
from sluicegate.core.shown_text import showing_errors
from sluicegate.graph.check_events import check_evaluation
from sluicegate.graph.publishing import publish_after
from sluicegate.graph.raw_tables import held_build, judge_raw_table
from sluicegate.graph.run_leases import run_executor
from sluicegate.graph.steps import POOL
from sluicegate.graph.table_checks import Said, TableChecks
from sluicegate.operations.asking import keys_between, table_of
from sluicegate.operations.site import Site
from sluicegate.state.records import Build, Inputs
from sluicegate.transformation.runner import DbtError
from sluicegate.transformation.slices import partition_variables
from sluicegate.warehouse.base import Session
from sluicegate.warehouse.slices import partition_rows

JUDGE_JOB = "judge"
# Dagster wants the names of jobs and of ops to differ.
JUDGE_OP = "judge_partitions"
_Place = tuple[str, str]


class JudgeConfig(dg.Config):
    """What to judge: a table (`schema.name`) and its partitions from a key to a key, both included.

    Both are left empty for a table that is not partitioned. `with_parents`: also all that it is made of, days
    of trailing windows and snapshots among them.
    """

    table: str = Field(description="The table, as staging.stg_sales.")
    from_partition: str = Field(
        "", description="The first partition, as 2022-10-03; empty if there are none."
    )
    to_partition: str = Field("", description="The last partition; empty for the first one alone.")
    with_parents: bool = Field(
        False, description="Also all that the table is made of, days of windows and snapshots too."
    )


def judge_job(site: Site, checks: TableChecks) -> dg.JobDefinition:
    """Return the job that judges a range of partitions by today's rules."""

    @dg.op(name=JUDGE_OP, pool=POOL)
    def op(context: dg.OpExecutionContext, config: JudgeConfig) -> Iterator[Any]:
        judge_ = _Judge(site, checks, context.run_id)
        places = places_to_judge(site, config)
        if not places:
            context.log.warning(f"nothing of {config.table} is built there: there is nothing to judge")
        left: list[str] = []
        failure = ""
        shown = each("judging", places, "partitions", lambda one: place(*one))
        for number, (relation, key) in enumerate(shown, start=1):
            table = site.project.lineage.tables[relation]
            where = place(relation, key)
            context.log.info(f"{number} of {len(places)}: {where}")
            try:
                with showing_errors(checks.tests.near_tests(table)):
                    said = judge_.partition(table, key)
                for result in said.results:
                    evaluation = check_evaluation(
                        context.instance,
                        result,
                        dg.AssetKey(table.asset_key),
                        key,
                        blocking=str(result.check_name) in table.rules,
                    )
                    # Dagster takes it, though its types do not say so; a test notices a change.
                    context.log_event(cast("Any", evaluation))
                if said.errors:
                    raise dg.Failure(said.complaint)
            except ProjectChanged as changed:
                failure = str(changed)
                break
            except (DbtError, dg.Failure) as error:
                left.append(f"{where}: {getattr(error, 'description', None) or error}")
                context.log.error(left[-1])
                failure = "not judged:\n" + "\n".join(left)
        # What was logged is kept once something is yielded; it would go with a step that fails before.
        yield dg.Output(None)
        if failure:
            raise dg.Failure(description=failure, allow_retries=False)

    @dg.job(
        name=JUDGE_JOB,
        executor_def=run_executor(site.deployment, publish_after(site)),
        description="Judges what tables hold by today's rules, without building them: launch it with the"
        " table and its partitions, or type `sluice table judge TABLE --from KEY --to KEY`.",
    )
    def job() -> None:
        op()

    return job


def places_to_judge(site: Site, config: JudgeConfig) -> list[_Place]:
    """Return what is built of what is asked for, ancestors first.

    Raises:
        ValueError: there is no such table, or it has no such partitions.
    """
    lineage = site.project.lineage
    table = table_of(site.project, config.table)
    keys = keys_between(
        site.deployment, table, config.from_partition, config.to_partition, built=not config.with_parents
    )
    wanted = {(config.table, key): None for key in keys}
    if config.with_parents:
        wanted = {
            (item.relation, item.partition_key): None
            for key in keys
            for item in lineage.chain(config.table, key)
        }
    order = {relation: number for number, relation in enumerate(lineage.tables)}
    built = {relation: site.deployment.store.latest_builds(relation) for relation, _ in wanted}
    places = [(relation, key) for relation, key in wanted if key in built[relation]]
    return sorted(places, key=lambda place: (order[place[0]], place[1]))


class _Judge:
    """All checks of a partition of a table, as it stands."""

    def __init__(self, site: Site, checks: TableChecks, run_id: str) -> None:
        self._deployment, self._project, self._gate = site.deployment, site.project, site.gate
        self._checks = checks
        self._run_id = run_id
        self._contracts = {item.relation: item for item in site.project.contracts.values()}
        self._selectors = {node.relation: node.selector for node in site.project.manifest.nodes.values()}

    def partition(self, table: Table, key: str) -> Said:
        """Judge a partition, and record what its checks said as evidence; return it as Dagster shows it."""
        self._project.identity.require_unchanged()
        names = self._checks.names(table.relation)
        contract = self._contracts.get(table.relation)
        if contract is not None:
            return judge_raw_table(
                self._deployment, self._checks, contract, table, key, [CONTRACT_CHECK, *names], self._run_id
            )
        build = held_build(self._deployment, table, key)
        if build.inputs is None and table.code:
            self._complete(table, key, build)
        with self._deployment.warehouse.session() as session:
            return self._checks.judge(session, table, key, names, self._run_id)

    def _complete(self, table: Table, key: str, build: Build) -> None:
        """Find out what a build was made from, of which older code kept no record.

        Where today's SQL makes the very same rows of what its parents hold now, it is as if it had been built
        from them. Where it makes others, nobody knows what it was built from.
        """
        with self._deployment.warehouse.session() as session:
            inputs = self._gate.inputs(session, table.relation, key)
            same = self._makes_the_same(session, table, key)
        proven: tuple[Inputs, str] = (inputs, table.code) if same else ({}, "")
        self._deployment.store.complete_build(build, *proven, self._project.identity.digest)

    def _makes_the_same(self, session: Session, table: Table, key: str) -> bool:
        variables = partition_variables(table.partitioning, key)
        compiled = (
            self._checks.tests.dbt.compiled(
                self._selectors[table.relation], variables, self._checks.tests.near(table.relation)
            )
            .strip()
            .rstrip(";")
        )
        if not compiled:
            return False
        rows = partition_rows(table.relation, table.cut_by, table.partitioning, key)
        held = session.describe(rows)
        try:
            made = session.describe(compiled)
            if made.keys() != held.keys() or (made != held and not table.cut_by):
                return False  # dbt would make another table of it
            # It would insert into the table that is there: what that does not hold as it is, is another row.
            kept = " and ".join(
                f"{quoted(name)} is not distinct from"
                f" cast(cast({quoted(name)} as {held[name]}) as {made[name]})"
                for name in made
                if made[name] != held[name]
            )
            [(lost,)] = session.query(f"select count(*) from ({compiled}) where not ({kept or 'true'})")
            cast = ", ".join(f"cast({quoted(name)} as {held[name]}) as {quoted(name)}" for name in held)
            same = session.digest(f"select {cast} from ({compiled})")
        except (*session.errors, UnknownType):
            return False
        return not lost and same == session.digest(rows)
