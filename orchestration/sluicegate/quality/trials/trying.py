"""Try a rule on made-up tables: whether it can fail, and whether by rows that are missing or by values.

Belongs here: what follows from where a rule fails. Does not belong here: the tables (`made_up`), keeping what
was found (`found`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sluicegate.compute.engine import open_engine
from sluicegate.core.relations import Relation
from sluicegate.quality.expectation_types import columns_read, reads_by_sql
from sluicegate.quality.judging import judge
from sluicegate.quality.parameters import (
    ParameterProblem,
    Value,
    evaluate,
    names_in,
    parameters_in,
    resolved,
)
from sluicegate.quality.pushdown.compiling import COMPILED_TYPES, compile_rule
from sluicegate.quality.pushdown.steps import NotCompiled
from sluicegate.quality.pushdown.table import read_table
from sluicegate.quality.rule_results import Outcome
from sluicegate.quality.suites import Rule
from sluicegate.quality.trials.made_up import (
    COUNTED,
    LINE,
    MIXED,
    ONCE,
    TWICE,
    TYPES,
    Trial,
    counted,
    trials,
)
from sluicegate.quality.trials.shapes import Shape
from sluicegate.quality.trials.statements import Statement

if TYPE_CHECKING:
    import duckdb

_QUERY = "unexpected_rows_expectation"
# The table of a query of a suite, as its SQL has it.
_BATCH = Relation("main", "tried")
_ROW_COUNTS = ("expect_table_row_count_to_be_between", "expect_table_row_count_to_equal")
# More rows than these are not made up; a bound beyond them counts as one that can be passed.
_MOST_ROWS = 20_000_001
# No table has more; a bound beyond is none.
MOST_ROWS_EVER = 10**12
# What a table looks like, contracts and dbt say; no day's rows break it.
_OF_THE_SHAPE = ("expect_column_to_exist", "expect_table_column", "_of_type", "_in_type_list", "_type_to_be")
# What is worked out of many rows, or in a language of its own: made-up rows need not come to where it fails.
_HARD_TO_HIT = ("not_match_regex", "z_scores", "outliers")
# A rule that errs so often says nothing of columns of these types.
_MOST_ERRORS = 5
# What earlier partitions may have been.
_HISTORIES = ((1000.0, datetime(2024, 6, 3, tzinfo=UTC)), (7.0, datetime(2024, 2, 29, tzinfo=UTC)))
# Whose word depends on how far values are apart, and on how many there are.
_OF_SPREADS, _OF_MANY = ("stdev",), ("unique_value_count",)


class About(StrEnum):
    """What a check that can fail looks at."""

    ROWS = "rows"
    VALUES = "values"


NOTHING: frozenset[About] = frozenset()


def laboratory(name: str = "") -> "duckdb.DuckDBPyConnection":
    """Open a database in memory that reaches nothing, to try rules in; it has the warehouse's `name`.

    Else SQL could find out where it is, and find rows there alone.
    """
    return open_engine(name=name, threads=1, reaches_files=False)


def tried(
    connection: "duckdb.DuckDBPyConnection",
    rule: Rule,
    shape: Shape,
    others: Mapping[Relation, Shape] | None = None,
) -> frozenset[About]:
    """Return what a rule can fail by; nothing, where it cannot fail, or leaves rows out.

    `connection` is a `laboratory`'s, `shape` that of the rule's table, `others` {relation: shape} of what
    else its SQL may name. Parameters are worked out of two made-up histories, with both of which the
    rule must be able to fail. What cannot be tried counts by its kind.
    """
    if rule.kwargs.get("row_condition") is not None or any(part in rule.type for part in _OF_THE_SHAPE):
        return NOTHING
    looked = looked_at(rule, shape)
    found = [_tried(connection, one, at, others or {}) for one, at in _with_histories(rule, looked)]
    return frozenset.intersection(*found) if found else _by_kind(rule, looked)


def tried_statement(
    connection: "duckdb.DuckDBPyConnection",
    sql: str,
    shapes: Mapping[Relation, Shape],
    kind: frozenset[About],
) -> frozenset[About]:
    """Return what a query that finds rows too many can fail by, as dbt's tests are.

    `shapes` are {relation: shape} of all that it may name. Made-up rows are in one table; SQL that reads
    several, or none of them without an error, counts as its `kind`.
    """
    statement = Statement(connection, sql, shapes)
    read = statement.reads()
    if read is None:
        return kind
    if not read:
        return NOTHING if statement.holds() else kind
    if len(read) > 1:
        return NOTHING if statement.is_of_nothing() else kind
    [own] = read
    found = _tried_on(connection, _Query(statement, own), shapes[own])
    return kind if found is None else found


def _by_kind(rule: Rule, shape: Shape | None = None) -> frozenset[About]:
    if "row_count" in rule.type:
        return frozenset({About.ROWS})
    return NOTHING if shape is not None and shape.only_cut else frozenset({About.VALUES})


def _with_histories(rule: Rule, shape: Shape) -> Iterator[tuple[Rule, Shape]]:
    """Yield the rule with its parameters worked out, and its table then; nothing where they cannot be."""
    if not any(parameters_in(rule.kwargs)):
        yield rule, shape
        return
    for number, moment in _HISTORIES:
        then = replace(shape, moment=moment)
        start, end = then.partitioning.bounds(then.partitioning.key_at(moment))
        past: dict[str, Value] = {"partition.start": start, "partition.end": end}

        def work_out(expression: str, number: float = number, past: dict[str, Value] = past) -> Value:
            return evaluate(expression, dict.fromkeys(names_in(expression), number) | past)

        try:
            yield rule.model_copy(update={"kwargs": resolved(rule.kwargs, work_out)}), then
        except ParameterProblem:
            return


def _tried(
    connection: "duckdb.DuckDBPyConnection", rule: Rule, shape: Shape, others: Mapping[Relation, Shape]
) -> frozenset[About]:
    if rule.type in _ROW_COUNTS:
        return _tried_by_count(connection, rule)
    if rule.type == _QUERY:
        return _tried_query(connection, rule, shape, others)
    if rule.type not in COMPILED_TYPES:
        return _by_kind(rule, shape)
    return _tried_on_tables(connection, rule, shape)


def looked_at(rule: Rule, shape: Shape) -> Shape:
    """Return the columns that a rule may look at, with their types: all, where it is written in SQL."""
    if reads_by_sql(rule.kwargs):
        return shape.of(shape.columns)
    return shape.of({name: shape.columns.get(name, "") for _, name in columns_read(rule.type, rule.kwargs)})


def _tried_by_count(connection: "duckdb.DuckDBPyConnection", rule: Rule) -> frozenset[About]:
    """Only the number of rows counts: none, and around each bound."""
    bounds = [rule.kwargs.get(name) for name in ("min_value", "max_value", "value")]
    named = {
        int(bound) for bound in bounds if isinstance(bound, (int, float)) and abs(bound) <= MOST_ROWS_EVER
    }
    numbers = {0, 1} | {number + step for number in named for step in (-1, 0, 1) if number + step > 0}
    for number in sorted(numbers):
        # Beyond, each row more is one too many: only an upper bound lies there that no lower one reaches.
        if number > _MOST_ROWS:
            return frozenset({About.ROWS})
        counted(connection, number)
        if _Judged(connection, rule).holds(COUNTED, None) is False:
            return frozenset({About.ROWS})
    return NOTHING


def _tried_query(
    connection: "duckdb.DuckDBPyConnection", rule: Rule, shape: Shape, others: Mapping[Relation, Shape]
) -> frozenset[About]:
    """As Great Expectations has it: a row is a row too many. Without importing it, which takes seconds."""
    try:
        sql = str(rule.kwargs["unexpected_rows_query"]).format(batch=_BATCH)
    except (ValueError, KeyError, IndexError):
        return _by_kind(rule)
    about: frozenset[About] = NOTHING
    for kind in TYPES if not all(shape.columns.values()) else TYPES[:1]:
        known = shape.of({name: stated or kind for name, stated in shape.columns.items()})
        about = tried_statement(connection, sql, {_BATCH: known, **others}, _by_kind(rule))
        if about:
            break
    return about


def _tried_on_tables(connection: "duckdb.DuckDBPyConnection", rule: Rule, shape: Shape) -> frozenset[About]:
    """Try a rule with every type that its columns may have."""
    known = shape.columns or {"nothing": "integer"}
    words: list[frozenset[About] | None] = []
    for kind in TYPES if not all(known.values()) else TYPES[:1]:
        stated = shape.of({name: stated or kind for name, stated in known.items()})
        about = _tried_on(connection, _Judged(connection, rule), stated)
        if about:
            return about
        words.append(about)
    unsure = None in words or any(part in rule.type for part in _HARD_TO_HIT)
    return _by_kind(rule, shape) if unsure else NOTHING


class _Judged:
    """A rule that is judged as the rules of a partition are."""

    by_sql = False

    def __init__(self, connection: "duckdb.DuckDBPyConnection", rule: Rule) -> None:
        self._connection = connection
        self._rule = rule
        self.kwargs = rule.kwargs
        self.spread = any(part in rule.type for part in _OF_SPREADS)
        self.many = any(part in rule.type for part in _OF_MANY)

    def can_be_asked(self) -> bool:
        """Whether the warehouse judges it of such columns by itself; Great Expectations takes seconds."""
        try:
            compile_rule(self._rule, read_table(self._connection, ONCE, None))
        except NotCompiled:
            return False
        except Exception:  # it cannot be judged there at all, and `judge` says so
            return True
        return True

    def holds(self, table: str, condition: str | None) -> bool | None:
        """Return whether it holds of rows of a table; None if it cannot say."""
        [result] = judge(self._connection, table, condition, [self._rule], sample_rows=0)
        return {Outcome.PASSED: True, Outcome.FAILED: False}.get(result.outcome)


class _Query:
    """A query of one table, in the place of which the made-up rows are put."""

    by_sql = spread = many = True

    def __init__(self, statement: Statement, table: Relation) -> None:
        self._statement = statement
        self._table = table
        self.kwargs: Mapping[str, Any] = {"sql": statement.sql}

    def can_be_asked(self) -> bool:
        """Whether it can be tried at all: it could be bound."""
        return True

    def holds(self, table: str, condition: str) -> bool | None:
        """Return whether it finds no row; None if it cannot say."""
        self._statement.put(self._table, f"select * exclude ({LINE}) from {table} where {condition}")
        return self._statement.holds()


def _tried_on(
    connection: "duckdb.DuckDBPyConnection", asked: "_Judged | _Query", shape: Shape
) -> frozenset[About] | None:
    """Return what a rule fails by on tables of such a shape; None if it could say nothing of some."""
    import duckdb

    about: set[About] = set()
    holds_of: dict[tuple[str, str, int], set[bool]] = {}
    errs = 0
    made = trials(connection, shape, asked.kwargs, spread=asked.spread, large=asked.many, mixed=asked.by_sql)
    try:
        for trial in made:
            if About.VALUES in about and not trial.of_rows:
                continue
            if not trial.rows and not asked.can_be_asked():
                return None
            holds = asked.holds(trial.table, trial.condition)
            if holds is None:
                errs += 1
                if errs > _MOST_ERRORS:
                    break
                continue
            holds_of.setdefault(trial.alike, set()).add(holds)
            about |= _by_rows(asked, trial, holds)
            if _by_values(holds_of):
                about.add(About.VALUES)
            if len(about) == len(About):
                break
    except duckdb.Error:  # a type that this engine has not
        return None
    # Of what lies in its partition, all or nothing passes: that says nothing of a day's rows.
    mixed_fails = asked.by_sql and False in holds_of.get((ONCE, "", MIXED), ())
    if not about and not shape.only_cut and (mixed_fails or _never_but_empty(holds_of)):
        about.add(About.VALUES)
    if about or not errs:
        return frozenset(about)
    return None


def _by_rows(asked: "_Judged | _Query", trial: Trial, holds: bool) -> frozenset[About]:
    """Whether it notices that there is no row, one more or less of the same, or too many good ones."""
    if not trial.rows:
        return NOTHING if holds else frozenset({About.ROWS})
    if trial.parts and not holds and all(asked.holds(trial.table, part) for part in trial.parts):
        return frozenset({About.ROWS})
    if not trial.twice or asked.holds(TWICE, trial.condition) in (holds, None):
        return NOTHING
    return frozenset({About.ROWS})


def _by_values(holds_of: Mapping[tuple[str, str, int], set[bool]]) -> bool:
    """Whether of tables of as many rows one passes and one fails."""
    return any(len(said) > 1 for said in holds_of.values())


def _never_but_empty(holds_of: Mapping[tuple[str, str, int], set[bool]]) -> bool:
    """Whether no table passes but the empty one: made-up values are never what it wants."""
    some = [said for (*_, rows), said in holds_of.items() if rows]
    return holds_of.get((ONCE, "", 0)) == {True} and bool(some) and all(said == {False} for said in some)
