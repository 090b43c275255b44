"""Try a rule on made-up tables: whether it can fail, and whether by rows that are missing or by values.

Belongs here: what follows from where a rule fails. Does not belong here: the tables (`made_up`), keeping what
was found (`found`).
"""

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from orchestration.quality.expectation_types import columns_read, reads_by_sql
from orchestration.quality.judging import judge
from orchestration.quality.parameters import (
    ParameterProblem,
    Value,
    evaluate,
    names_in,
    parameters_in,
    resolved,
)
from orchestration.quality.pushdown.compiling import COMPILED_TYPES, compile_rule
from orchestration.quality.pushdown.steps import NotCompiled
from orchestration.quality.pushdown.table import read_table
from orchestration.quality.rule_results import Outcome
from orchestration.quality.suites import Rule
from orchestration.quality.trials.made_up import (
    COUNTED,
    LINE,
    MIXED,
    ONCE,
    TWICE,
    TYPES,
    Trial,
    constants_of,
    counted,
    text_lengths,
    trials,
)
from orchestration.warehouse.select_only import NotASelect, scans

if TYPE_CHECKING:
    import duckdb

_QUERY = "unexpected_rows_expectation"
_ROW_COUNTS = ("expect_table_row_count_to_be_between", "expect_table_row_count_to_equal")
# More rows than these are not made up; a bound beyond them counts as one that can be passed.
_MOST_ROWS = 20_000_001
# What a table looks like, contracts and dbt say; no day's rows break it.
_OF_THE_SHAPE = ("expect_column_to_exist", "expect_table_column", "_of_type", "_in_type_list", "_type_to_be")
# What is worked out of many rows, or in a language of its own: made-up rows need not come to where it fails.
_HARD_TO_HIT = ("not_match_regex", "z_scores", "outliers")
# A rule that errs so often says nothing of columns of these types.
_MOST_ERRORS = 5
# What earlier partitions may have been.
_HISTORIES: tuple[tuple[float, str, str], ...] = (
    (1000, "2024-06-03", "2024-06-04"),
    (7, "2024-02-29", "2024-03-01"),
)


class About(StrEnum):
    """What a check that can fail looks at."""

    ROWS = "rows"
    VALUES = "values"


NOTHING: frozenset[About] = frozenset()


@contextmanager
def laboratory() -> Generator["duckdb.DuckDBPyConnection"]:
    """Open a database in memory that reaches nothing, to try rules in."""
    import duckdb

    with duckdb.connect() as connection:
        connection.execute(
            "set autoinstall_known_extensions = false; set autoload_known_extensions = false;"
            " set enable_external_access = false; set python_enable_replacements = false; set threads = 1;"
            " set TimeZone = 'UTC'"
        )
        yield connection


def tried(
    connection: "duckdb.DuckDBPyConnection", rule: Rule, columns: Mapping[str, str]
) -> frozenset[About]:
    """Return what a rule can fail by; nothing, where it cannot fail, or leaves rows out.

    `connection` is a `laboratory`'s, `columns` {name: type} of the rule's table, "" for a type that nobody
    has written down. Parameters are worked out of two made-up histories, with both of which the rule must be
    able to fail. What cannot be tried counts by its kind.
    """
    if rule.kwargs.get("row_condition") is not None or any(part in rule.type for part in _OF_THE_SHAPE):
        return NOTHING
    found = [_tried(connection, one, columns) for one in _with_histories(rule)]
    return frozenset.intersection(*found) if found else _by_kind(rule)


def _by_kind(rule: Rule) -> frozenset[About]:
    return frozenset({About.ROWS if "row_count" in rule.type else About.VALUES})


def _with_histories(rule: Rule) -> Iterator[Rule]:
    """Yield the rule with its parameters worked out; nothing where they cannot be."""
    if not any(parameters_in(rule.kwargs)):
        yield rule
        return
    for number, start, end in _HISTORIES:
        past: dict[str, Value] = {
            "partition.start": date.fromisoformat(start), "partition.end": date.fromisoformat(end)
        }  # fmt: skip

        def work_out(expression: str, number: float = number, past: dict[str, Value] = past) -> Value:
            return evaluate(expression, dict.fromkeys(names_in(expression), number) | past)

        try:
            yield rule.model_copy(update={"kwargs": resolved(rule.kwargs, work_out)})
        except ParameterProblem:
            return


def _tried(
    connection: "duckdb.DuckDBPyConnection", rule: Rule, columns: Mapping[str, str]
) -> frozenset[About]:
    if rule.type in _ROW_COUNTS:
        return _tried_by_count(connection, rule)
    if rule.type not in COMPILED_TYPES and rule.type != _QUERY:
        return _by_kind(rule)
    return _tried_on_tables(connection, rule, looked_at(rule, columns))


def looked_at(rule: Rule, columns: Mapping[str, str]) -> dict[str, str]:
    """Return the columns that a rule may look at, with their types: all, where it is written in SQL."""
    if reads_by_sql(rule.kwargs):
        return dict(columns)
    return {name: columns.get(name, "") for _, name in columns_read(rule.type, rule.kwargs)}


def _tried_by_count(connection: "duckdb.DuckDBPyConnection", rule: Rule) -> frozenset[About]:
    """Only the number of rows counts: none, and around each bound."""
    bounds = [rule.kwargs.get(name) for name in ("min_value", "max_value", "value")]
    named = {int(bound) for bound in bounds if isinstance(bound, (int, float)) and abs(bound) < 1e15}
    numbers = {0, 1} | {number + step for number in named for step in (-1, 0, 1) if number + step > 0}
    for number in sorted(numbers):
        # Beyond, each row more is one too many: only an upper bound lies there that no lower one reaches.
        if number > _MOST_ROWS:
            return frozenset({About.ROWS})
        counted(connection, number)
        if _said(connection, rule, COUNTED, None) is False:
            return frozenset({About.ROWS})
    return NOTHING


def _tried_on_tables(
    connection: "duckdb.DuckDBPyConnection", rule: Rule, columns: Mapping[str, str]
) -> frozenset[About]:
    """Try a rule with every type that its columns may have."""
    known = columns or {"nothing": "integer"}
    words: list[frozenset[About] | None] = []
    for kind in TYPES if not all(known.values()) else TYPES[:1]:
        about = _tried_on(connection, rule, {name: stated or kind for name, stated in known.items()})
        if about:
            return about
        words.append(about)
    unsure = None in words or any(part in rule.type for part in _HARD_TO_HIT)
    return _by_kind(rule) if unsure else NOTHING


def _tried_on(
    connection: "duckdb.DuckDBPyConnection", rule: Rule, columns: Mapping[str, str]
) -> frozenset[About] | None:
    """Return what a rule fails by on tables of these columns; None if it could say nothing of some."""
    import duckdb

    about: set[About] = set()
    holds_of: dict[int, set[bool]] = {}
    errs, by_sql = 0, rule.type == _QUERY
    constants, lengths = constants_of(rule.kwargs), text_lengths(rule.kwargs)
    try:
        for trial in trials(connection, columns, constants, lengths, mixed=by_sql):
            if About.VALUES in about and not trial.twice and trial.rows:
                break
            if not trial.rows and not by_sql and not _is_compiled(connection, rule):
                return None
            holds = _said(connection, rule, ONCE, trial.condition)
            if holds is None:
                errs += 1
                if errs > _MOST_ERRORS:
                    break
                continue
            holds_of.setdefault(trial.rows, set()).add(holds)
            about |= _by_rows(connection, rule, trial, holds)
            if _by_values(holds_of):
                about.add(About.VALUES)
            if len(about) == len(About):
                break
    except duckdb.Error:  # a type that this engine has not
        return None
    mixed_fails = by_sql and False in holds_of.get(MIXED, ())
    if not about and (mixed_fails or _never_but_empty(holds_of)):
        about.add(About.VALUES)
    if about or not errs:
        return frozenset(about)
    return None


def _is_compiled(connection: "duckdb.DuckDBPyConnection", rule: Rule) -> bool:
    """Whether the warehouse judges a rule of such columns by itself; Great Expectations takes seconds."""
    try:
        compile_rule(rule, read_table(connection, ONCE, None))
    except NotCompiled:
        return False
    except Exception:  # it cannot be judged there at all, and `judge` says so
        return True
    return True


def _by_rows(
    connection: "duckdb.DuckDBPyConnection", rule: Rule, trial: Trial, holds: bool
) -> frozenset[About]:
    """Whether it notices that there is no row, or one more or less of the same."""
    if not trial.rows:
        return NOTHING if holds else frozenset({About.ROWS})
    if not trial.twice or _said(connection, rule, TWICE, trial.condition) in (holds, None):
        return NOTHING
    return frozenset({About.ROWS})


def _by_values(holds_of: Mapping[int, set[bool]]) -> bool:
    """Whether of tables of as many rows one passes and one fails."""
    return any(len(said) > 1 for said in holds_of.values())


def _never_but_empty(holds_of: Mapping[int, set[bool]]) -> bool:
    """Whether no table passes but the empty one: made-up values are never what it wants."""
    some = [said for rows, said in holds_of.items() if rows]
    return holds_of.get(0) == {True} and bool(some) and all(said == {False} for said in some)


def _said(
    connection: "duckdb.DuckDBPyConnection", rule: Rule, table: str, condition: str | None
) -> bool | None:
    """Return whether a rule holds of rows of a table; None if it cannot say."""
    if rule.type == _QUERY:
        where = f" where {condition}" if condition else ""
        connection.execute(
            f"create or replace temp view tried as select * exclude ({LINE}) from {table}{where}"
        )
        return _query_holds(connection, rule.kwargs, "tried")
    [result] = judge(connection, table, condition, [rule], sample_rows=0)
    return {Outcome.PASSED: True, Outcome.FAILED: False}.get(result.outcome)


def _query_holds(
    connection: "duckdb.DuckDBPyConnection", kwargs: Mapping[str, Any], relation: str
) -> bool | None:
    """As Great Expectations has it: a row is a row too many. Without importing it, which takes seconds."""
    import duckdb

    try:
        sql = str(kwargs["unexpected_rows_query"]).format(batch=relation)
        scans(connection, sql)
        return connection.execute(f"select 1 from ({sql.rstrip().rstrip(';')}\n) limit 1").fetchone() is None
    except (NotASelect, duckdb.Error, ValueError, KeyError, IndexError):
        return None
