"""Great Expectations on DuckDB: one suite judged inside the warehouse, partition by partition.

GX has no DuckDB engine of its own: it reads DuckDB through SQLAlchemy and closes the connection before
it fetches. The one bridge stands in `_bridge_duckdb`; a test notices when GX no longer needs it.
"""

import itertools
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any

from orchestration.quality.suites import Rule
from orchestration.settings import quiet_environment

if TYPE_CHECKING:
    import duckdb


_COUNTER = itertools.count()


@dataclass(frozen=True)
class RuleResult:
    """What GX says of one rule. A rule that did not run is `error`, and never passes."""

    rule: Rule
    passed: bool
    observed: str
    failing_rows: int | None
    failing_share: float | None
    error: str | None


def judge(
    connection: "duckdb.DuckDBPyConnection",
    relation: str,
    condition: str | None,
    rules: Sequence[Rule],
) -> list[RuleResult]:
    """Judge the rows of `relation` for which `condition` (SQL) holds; one result a rule, in order.

    GX reads through `connection`, so it sees what the caller's transaction sees.

    Raises:
        RuntimeError: GX answered for another number of rules than it was asked.
    """
    gx, context = _great_expectations()
    where = f" where {condition}" if condition else ""
    source = context.data_sources.add_sql(
        name=f"warehouse_{next(_COUNTER)}",
        connection_string="duckdb://",
        create_temp_table=False,
        kwargs={"creator": lambda: _lent(connection)},
    )
    try:
        asset = source.add_query_asset(name="table", query=f"select * from {relation}{where}")
        batch = asset.add_batch_definition_whole_table("partition").get_batch()
        suite = gx.ExpectationSuite(
            name="suite",
            expectations=[
                # The id ties an answer to its question: GX returns them in an order of its own.
                {"type": rule.type, "kwargs": dict(rule.kwargs), "meta": {"sluice_rule": index}}
                for index, rule in enumerate(rules)
            ],
        )
        answer: Any = batch.validate(suite, result_format="SUMMARY")
    finally:
        engine = source.get_execution_engine()
        engine.close()
        engine.engine.dispose()
        context.data_sources.delete(source.name)
    by_rule = {result.expectation_config.meta["sluice_rule"]: result for result in answer.results}
    if len(by_rule) != len(rules):
        raise RuntimeError(f"GX judged {len(by_rule)} of {len(rules)} rules on {relation}")
    return [_result(rule, by_rule[index]) for index, rule in enumerate(rules)]


def _lent(connection: "duckdb.DuckDBPyConnection") -> Any:
    """Wrap the caller's connection for SQLAlchemy, whose pool must not close what it did not open."""
    from duckdb_engine import ConnectionWrapper

    class LentConnection(ConnectionWrapper):
        def close(self) -> None:
            self.closed = True

        # The transaction is the caller's as well: GX must neither end it nor begin another.
        def begin(self) -> None: ...

        def commit(self) -> None: ...

        def rollback(self) -> None: ...

    return LentConnection(connection)


@cache
def _great_expectations() -> tuple[Any, Any]:
    """Import GX once, quietly (it takes seconds, and only judging needs it), and make one context.

    A context leaves a temporary directory behind; one a process is enough.
    """
    os.environ.update(quiet_environment())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import great_expectations as gx
    _bridge_duckdb()
    context: Any = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    return gx, context


def _bridge_duckdb() -> None:
    """Count DuckDB among the dialects whose connection GX keeps open until it has fetched."""
    from great_expectations.execution_engine import sqlalchemy_execution_engine as engine

    # As GX itself does it: a member that equals its text.
    class BridgedDialect(str, Enum):  # noqa: UP042
        DUCKDB = "duckdb"

    dialects = engine._PERSISTED_CONNECTION_DIALECTS  # pyright: ignore[reportPrivateUsage]
    if BridgedDialect.DUCKDB.value not in dialects:
        engine._PERSISTED_CONNECTION_DIALECTS = (  # pyright: ignore
            *dialects,
            BridgedDialect.DUCKDB,
        )


def _result(rule: Rule, answer: Any) -> RuleResult:
    details: dict[str, Any] = dict(answer.result or {})
    error = _error(answer.exception_info)
    failing = details.get("unexpected_count")
    total = details.get("element_count")
    observed = details.get("observed_value")
    if observed is None and failing is not None:
        observed = f"{failing} of {total} rows"
    return RuleResult(
        rule=rule,
        passed=bool(answer.success) and error is None,
        observed="" if observed is None else str(observed),
        failing_rows=failing,
        failing_share=failing / total if failing is not None and total else None,
        error=error,
    )


def _error(info: Any) -> str | None:
    """GX reports an exception either as one record or as one a metric."""
    records = [info] if "raised_exception" in info else list(info.values())
    messages = [str(item["exception_message"]) for item in records if item["raised_exception"]]
    return "; ".join(dict.fromkeys(messages)) or None
