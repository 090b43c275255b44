"""Great Expectations on DuckDB: the rules that are not compiled (`pushdown/`), judged in the warehouse.

GX has no DuckDB engine of its own: it reads DuckDB through SQLAlchemy, closes the connection before it
fetches, and knows neither DuckDB's regular expressions nor its types. All that bridges this stands here,
below `_bridge_duckdb`; tests notice when GX no longer needs it.
"""

import itertools
import logging
import os
import re
import warnings
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from enum import Enum
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from sluicegate.core.settings import quiet_environment
from sluicegate.quality.pushdown.wording import share_of_rows
from sluicegate.quality.reading import Reading
from sluicegate.quality.rule_reads import wrong_reads
from sluicegate.quality.rule_results import Outcome, RuleResult
from sluicegate.quality.suites import Rule

if TYPE_CHECKING:
    import duckdb

# What a suite calls the warehouse where a rule names a data source.
WAREHOUSE = "warehouse"
_DATA_SOURCE_KWARG = "comparison_data_source_name"
_COUNTER = itertools.count()
_OF_ENGINE = re.compile(r"\(_?duckdb\.\w+\) (?P<said>.*)")


def judge_with_gx(
    connection: "duckdb.DuckDBPyConnection",
    relation: str,
    condition: str | None,
    rules: Sequence[Rule],
    *,
    key_columns: Sequence[str] = (),
    sample_rows: int = 20,
    reading: Reading | None = None,
) -> list[RuleResult]:
    """Judge the rows of `relation` for which `condition` (SQL) holds; one result a rule, in order.

    GX reads through `connection`, so it sees what the caller's transaction sees. It reads a temporary view,
    which is gone afterwards. GX asks for many rules at once, so that one that errs takes others along: those
    are judged again, each alone. If a rule's SQL fails on the data while the caller has a transaction open,
    that ends the transaction; `reading` knows how another begins.
    """
    reading = reading or Reading(connection)

    def judged(some: Sequence[Rule]) -> list[RuleResult]:
        return _judge_together(connection, relation, condition, some, key_columns, sample_rows)

    results = judged(rules)
    in_doubt = [place for place, item in enumerate(results) if item.outcome is Outcome.ERROR]
    if not reading.go_on() or len(rules) == 1:
        return results
    for place in in_doubt:
        [results[place]] = judged([rules[place]])
        reading.go_on()
    return results


def condition_sql(rule: Rule) -> str:
    """Return a rule's `row_condition` as the SQL that Great Expectations makes of it.

    Raises:
        Exception: of many kinds, where it makes none.
    """
    _great_expectations()
    from duckdb_engine import Dialect
    from great_expectations.execution_engine.sqlalchemy_execution_engine import SqlAlchemyExecutionEngine
    from great_expectations.expectations.row_conditions import deserialize_row_condition

    condition: Any = _expectation(rule, 0, "").configuration.kwargs["row_condition"]
    if isinstance(condition, Mapping):
        condition = deserialize_row_condition(dict(condition))
    engine: Any = SqlAlchemyExecutionEngine.__new__(SqlAlchemyExecutionEngine)  # it reads nothing
    clause: Any = engine.condition_to_filter_clause(condition)
    return str(clause.compile(dialect=Dialect(), compile_kwargs={"literal_binds": True}))


def _judge_together(
    connection: "duckdb.DuckDBPyConnection",
    relation: str,
    condition: str | None,
    rules: Sequence[Rule],
    key_columns: Sequence[str],
    sample_rows: int,
) -> list[RuleResult]:
    number = next(_COUNTER)
    source_name, view = f"{WAREHOUSE}_{number}", f"judged_rows_{number}"
    judged: dict[int, RuleResult] = {}
    expectations: dict[int, Any] = {}
    for index, rule in enumerate(rules):
        try:
            expectations[index] = _expectation(rule, index, source_name)
        except Exception as error:  # GX's own validation raises many kinds
            judged[index] = RuleResult(rule, Outcome.ERROR, error=_one_line(error))
    if expectations:
        gx, _ = _great_expectations()
        try:
            with _batch(connection, relation, condition, source_name, view) as batch:
                for index in list(expectations):
                    if problem := _reads_too_much(connection, rules[index], view):
                        judged[index] = RuleResult(rules[index], Outcome.ERROR, error=problem)
                        del expectations[index]
                suite = gx.ExpectationSuite(name="suite", expectations=list(expectations.values()))
                answer: Any = batch.validate(suite, result_format=_result_format(key_columns, sample_rows))
            for result in answer.results:
                index = result.expectation_config.meta["sluice_rule"]
                judged[index] = _result(rules[index], result, sample_rows)
        except Exception as error:  # what a rule raises past GX's own catching is of as many kinds
            problem = _one_line(error)
            return [
                judged.get(i) or RuleResult(rule, Outcome.ERROR, error=problem)
                for i, rule in enumerate(rules)
            ]
    unanswered = "Great Expectations gave no answer"
    return [
        judged.get(i) or RuleResult(rule, Outcome.ERROR, error=unanswered) for i, rule in enumerate(rules)
    ]


def _reads_too_much(connection: "duckdb.DuckDBPyConnection", rule: Rule, view: str) -> str:
    """Return why a rule's own SQL is not run: it reads more than the rows that are judged; else ""."""
    return "; ".join(str(wrong) for wrong in wrong_reads(connection, rule, view))


def _expectation(rule: Rule, index: int, source_name: str) -> Any:
    """Return GX's object; the index ties an answer to its question, as GX answers in an order of its own."""
    _great_expectations()
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    kwargs = dict(rule.kwargs)
    if kwargs.get(_DATA_SOURCE_KWARG) == WAREHOUSE:
        kwargs[_DATA_SOURCE_KWARG] = source_name
    configuration = ExpectationConfiguration(type=rule.type, kwargs=kwargs, meta={"sluice_rule": index})
    return configuration.to_domain_obj()


@contextmanager
def _batch(
    connection: "duckdb.DuckDBPyConnection", relation: str, condition: str | None, source_name: str, view: str
) -> Generator[Any]:
    import duckdb
    from great_expectations.data_context.data_context.context_factory import set_context

    _, context = _great_expectations()
    set_context(context)  # GX looks data sources up in the process's newest context, and Data Docs make one
    # A view, as GX finds the types of a table's columns, but not of a query's.
    where = f" where {condition}" if condition else ""
    connection.execute(f"create temporary view {view} as select * from {relation}{where}")
    source = context.data_sources.add_sql(
        name=source_name,
        connection_string="duckdb://",
        create_temp_table=False,
        kwargs={"creator": lambda: _lent(connection)},
    )
    try:
        # GX asks what it may write by the names that a dialect's module has. Dremio's regular expressions are
        # `regexp_matches`, as DuckDB's are, and its `like` is everybody's.
        source.get_execution_engine().dialect_module = SimpleNamespace(DremioDialect=None)
        yield (
            source.add_table_asset(view, table_name=view).add_batch_definition_whole_table("rows").get_batch()
        )
    finally:
        engine = source.get_execution_engine()
        engine.close()
        engine.engine.dispose()
        context.data_sources.delete(source.name)
        # Where the caller's transaction has ended in an error, the view is gone with it.
        with suppress(duckdb.Error):
            connection.execute(f"drop view {view}")


def _lent(connection: "duckdb.DuckDBPyConnection") -> Any:
    """Wrap the caller's connection for SQLAlchemy, whose pool must not close what it did not open."""
    import duckdb
    from duckdb_engine import ConnectionWrapper, CursorWrapper

    ended_by: list[duckdb.Error] = []

    class LentCursor(CursorWrapper):
        def execute(self, statement: str, parameters: Any = None, context: Any = None) -> None:
            try:
                super().execute(statement, parameters, context)
            except duckdb.Error as error:
                # GX asks three times, and tells of the last: that the first has ended the transaction.
                if ended_by and isinstance(error, duckdb.TransactionException):
                    raise ended_by[0] from None
                ended_by.append(error)
                raise

    class LentConnection(ConnectionWrapper):
        def cursor(self) -> LentCursor:
            return LentCursor(connection, self)

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
    # What it logs of an error has the SQL and the values in it; the results tell of the error.
    logging.getLogger("great_expectations").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import great_expectations as gx
    _bridge_duckdb()
    context: Any = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    return gx, context


def _bridge_duckdb() -> None:
    """Count DuckDB among the dialects whose connection GX keeps open until it has fetched; and so on."""
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
    _bridge_types()
    _bridge_percentiles()
    _bridge_time_formats()


def _bridge_types() -> None:
    """Types: SQLAlchemy does not find a temporary view's, and GX would look them up among Postgres's."""
    import sqlalchemy as sa
    from great_expectations.expectations import type_comparison
    from great_expectations.expectations.metrics.table_metrics import table_column_types

    def column_types(execution_engine: Any, batch_data: Any) -> list[dict[str, Any]]:
        described = execution_engine.execute_query(sa.text(f"describe {batch_data.source_table_name}"))
        return [{"name": row[0], "type": row[1]} for row in described.fetchall()]

    table_column_types._get_sqlalchemy_column_metadata = column_types  # pyright: ignore
    type_comparison.CASE_INSENSITIVE_DIALECTS |= {"duckdb"}  # pyright: ignore


def _bridge_percentiles() -> None:
    """Outliers: GX lists the dialects that know percentiles, and DuckDB is not in the list."""
    import sqlalchemy as sa
    from great_expectations.expectations.metrics.column_aggregate_metrics import column_outlier_statistics

    def percentiles(*, column: Any, quantiles: Any, selectable: Any, execution_engine: Any) -> Any:
        wanted = [sa.func.quantile_cont(sa.cast(column, sa.Double), quantile) for quantile in quantiles]
        return execution_engine.execute_query(sa.select(*wanted).select_from(selectable)).fetchone()

    column_outlier_statistics._get_sql_percentiles = percentiles  # pyright: ignore[reportPrivateUsage]


def _bridge_time_formats() -> None:
    """Time formats: GX has no SQL at all for them; registering the class is defining it."""
    import sqlalchemy as sa
    from great_expectations.execution_engine.sqlalchemy_execution_engine import SqlAlchemyExecutionEngine
    from great_expectations.expectations.metrics.map_metric_provider.column_condition_partial import (
        column_condition_partial,
    )
    from great_expectations.expectations.metrics.map_metric_provider.column_map_metric_provider import (
        ColumnMapMetricProvider,
    )

    class MatchesTimeFormat(ColumnMapMetricProvider):
        condition_metric_name = "column_values.match_strftime_format"
        condition_value_keys = ("strftime_format",)

        @column_condition_partial(engine=SqlAlchemyExecutionEngine)
        def _sqlalchemy(cls, column: Any, strftime_format: str, **_: Any) -> Any:  # noqa: N805
            return sa.func.try_strptime(column, strftime_format).isnot(None)

    assert MatchesTimeFormat.condition_metric_name


def _result_format(key_columns: Sequence[str], sample_rows: int) -> dict[str, Any]:
    chosen: dict[str, Any] = {"result_format": "SUMMARY", "partial_unexpected_count": sample_rows}
    if key_columns:
        chosen["unexpected_index_column_names"] = list(key_columns)
    return chosen


def _result(rule: Rule, answer: Any, sample_rows: int) -> RuleResult:
    error = _error(answer.exception_info)
    expected = ", ".join(f"{name}: {value}" for name, value in rule.kwargs.items())
    if error is not None:
        return RuleResult(rule, Outcome.ERROR, expected, error=error)
    details: dict[str, Any] = dict(answer.result or {})
    failing, total = details.get("unexpected_count"), details.get("element_count")
    looked_at = None if total is None else total - (details.get("missing_count") or 0)
    observed = details.get("observed_value")
    said = "" if observed is None else str(observed)
    if observed is None and failing is not None and looked_at is not None:
        said = share_of_rows(failing, looked_at)
    return RuleResult(
        rule=rule,
        outcome=Outcome.PASSED if answer.success else Outcome.FAILED,
        expected=expected,
        observed=said,
        observed_value=float(observed) if isinstance(observed, (int, float)) else None,
        rows=looked_at,
        failing_rows=failing,
        failing_share=failing / looked_at if failing is not None and looked_at else None,
        sample=() if answer.success else _sample(rule, details, sample_rows),
    )


def _sample(rule: Rule, details: Mapping[str, Any], sample_rows: int) -> tuple[Mapping[str, Any], ...]:
    rows = details.get("partial_unexpected_index_list") or ()
    if not rows and (values := details.get("partial_unexpected_list")) and "column" in rule.kwargs:
        rows = [{rule.kwargs["column"]: value} for value in values]
    shown = [dict(row) for row in rows if isinstance(row, Mapping)]
    return tuple(sorted(shown, key=lambda row: [str(value) for value in row.values()])[:sample_rows])


def _error(info: Any) -> str | None:
    """GX reports an exception either as one record or as one a metric."""
    records = [info] if "raised_exception" in info else list(info.values())
    messages = [_one_line(item["exception_message"]) for item in records if item["raised_exception"]]
    return "; ".join(dict.fromkeys(messages)) or None


def _one_line(message: object) -> str:
    # Without the SQL that SQLAlchemy and the engine quote: it is GX's, and may hold values.
    of_engine = _OF_ENGINE.match(str(message))
    return of_engine["said"] if of_engine else " ".join(str(message).split())
