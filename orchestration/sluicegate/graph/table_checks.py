"""All checks of a table in one step: its suite and its data tests, on a partition as it stands.

An error is not a failure: a check that could not run leaves no evidence, and a suite of which one rule could
not run is to be tried again whatever the others said. That is first in its own step, then in runs of their
own (`state.check_errors`), and then a person has to look. Belongs here: that, and
how Dagster shows what was said. Does not belong here: what a check says (`quality`, `transformation`).
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import dagster as dg

from sluicegate.core.lineage import Table
from sluicegate.graph.data_tests import NUMBER_HIDDEN, DataTest, DataTests, Tested, said_of
from sluicegate.graph.partitions import PartitionsOf
from sluicegate.graph.steps import SaysNothing
from sluicegate.graph.suite_checks import suite_result, suite_spec
from sluicegate.quality.held_rows import NotJudged
from sluicegate.quality.suite_verdict import judge_suite, record_verdict
from sluicegate.quality.suites import CHECK_NAME, SuiteTarget
from sluicegate.state.deployment import Deployment
from sluicegate.state.records import CheckError
from sluicegate.transformation.runner import DbtResult, DbtStatus
from sluicegate.warehouse.base import Session

# How often a step judges anew after checks that could not run, waiting longer each time.
_TRIES_AGAIN = 2
_WAITS_LONGER = 5


@dataclass(frozen=True)
class Said:
    """What checks of a partition said: results as Dagster shows them, and which could not run.

    `errors` is {check: why} of those that hold something.
    """

    version: str
    results: tuple[dg.AssetCheckResult, ...]
    errors: dict[str, str]

    def or_try_again(self, context: dg.OpExecutionContext, seconds: float) -> None:
        """Have the step tried again where a check could not run, waiting longer each time, but not for ever.

        Raises:
            dagster.RetryRequested: it is to be tried again; call it before the step has yielded anything.
        """
        if self.errors and context.retry_number < _TRIES_AGAIN:
            for check, why in self.errors.items():
                context.log.warning(f"check {check} could not run, and is tried again: {why}")
            raise dg.RetryRequested(_TRIES_AGAIN, seconds * _WAITS_LONGER**context.retry_number)

    def told(self) -> Iterator[dg.AssetCheckResult]:
        """Yield the results.

        Raises:
            dagster.Failure: a check could not run, after all others are told.
        """
        yield from self.results
        if self.errors:
            raise dg.Failure(description=self.complaint, allow_retries=False)

    @property
    def complaint(self) -> str:
        """Which checks could not run, and why; nobody knows by them whether the data are good."""
        return "\n".join(f"check `{check}` could not run: {why}" for check, why in self.errors.items())


class TableChecks:
    """The checks of all tables, but for those of contracts and exports."""

    def __init__(self, deployment: Deployment, tests: DataTests, targets: Sequence[SuiteTarget]) -> None:
        self.tests = tests
        self._deployment = deployment
        self._suites: dict[str, SuiteTarget] = {target.table.relation: target for target in targets}

    def specs(self, relation: str, partitions_of: PartitionsOf) -> list[dg.AssetCheckSpec]:
        """Return Dagster's checks of a table: one of its suite, and one of each data test."""
        suite = self._suites.get(relation)
        of_suite = [suite_spec(suite, partitions_of(suite.table.partitioning))] if suite else []
        return [*of_suite, *self.tests.specs(relation, partitions_of)]

    def names(self, relation: str) -> list[str]:
        """Return the names of all checks of a table."""
        return [*([CHECK_NAME] if relation in self._suites else []), *sorted(self.tests.of(relation))]

    def judge(
        self,
        session: Session,
        table: Table,
        key: str,
        names: Collection[str],
        run_id: str,
        tested: Tested | None = None,
    ) -> Said:
        """Judge a partition by these checks, all of them whatever the others say, and record what they said.

        `tested` is what its data tests said already.

        Raises:
            dagster.Failure: the table holds nothing for the partition, or was rebuilt meanwhile.
            ProjectChanged: a file is another than in the parse that the graph was made of.
        """
        known = self.tests.of(table.relation)
        if tested is None:
            chosen = sorted(name for name in names if name in known)
            tested = self.tests.run(session, table, key, chosen, run_id)
        results = [test_result(table, known[name], item, tested) for name, item in tested.results.items()]
        errors = {(name, known[name].rules): why for name, why in tested.errors.items()}
        suite = self._suites.get(table.relation)
        version = tested.version
        if suite is not None and CHECK_NAME in names:
            try:
                verdict = judge_suite(session, self._deployment, suite, key, run_id)
            except NotJudged as error:
                kind = SaysNothing if error.again else dg.Failure
                raise kind(description=str(error), allow_retries=error.again) from None
            version = verdict.version
            if verdict.errors:  # whatever other rules of it said
                errors[(CHECK_NAME, suite.suite.rules_digest)] = verdict.errors
            if verdict.passed is not None:
                record_verdict(self._deployment, verdict)
                results.append(suite_result(verdict))
        in_full = {str(result.check_name) for result in results} - {name for name, _ in errors}
        self._keep(table, key, version, errors, in_full, run_id)
        blocking = {name: why for (name, _), why in errors.items() if name in table.rules}
        results += [
            _could_not_run(table, name, why, version)
            for (name, _), why in errors.items()
            if name not in blocking
        ]
        return Said(version, tuple(results), blocking)

    def _keep(
        self,
        table: Table,
        key: str,
        version: str,
        errors: dict[tuple[str, str], str],
        ran: Collection[str],
        run_id: str,
    ) -> None:
        kept = self._deployment.store.check_errors
        kept.forget(table.relation, key, ran)
        kept.record(
            [
                CheckError(table.relation, key, name, version, rules, why, run_id)
                for (name, rules), why in errors.items()
            ]
        )


def test_result(table: Table, test: DataTest, result: DbtResult, tested: Tested) -> dg.AssetCheckResult:
    """Return what a data test said, as Dagster shows it.

    How grave it is, dbt's result says: a test with `warn_if` and `error_if` may warn, whatever its severity.
    """
    grave = test.blocking and result.status is not DbtStatus.WARN
    return dg.AssetCheckResult(
        check_name=test.name,
        asset_key=dg.AssetKey(table.asset_key),
        passed=result.status is DbtStatus.PASSED,
        severity=dg.AssetCheckSeverity.ERROR if grave else dg.AssetCheckSeverity.WARN,
        description=said_of(test, result),
        metadata={
            "failing rows": result.failures or 0 if test.tells_number else NUMBER_HIDDEN,
            "compiled SQL": dg.MetadataValue.md(
                "not shown: values of classified columns may stand in it"
                if test.near.classified
                else f"```sql\n{result.compiled_code}\n```"
            ),
            "version of the table": tested.version,
        },
    )


def _could_not_run(table: Table, name: str, why: str, version: str) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=name,
        asset_key=dg.AssetKey(table.asset_key),
        passed=False,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"could not run: {why}",
        metadata={"version of the table": version},
    )
