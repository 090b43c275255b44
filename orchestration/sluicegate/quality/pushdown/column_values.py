"""Rules on the values of one column: nulls, ranges, sets, lengths, patterns."""

from collections.abc import Callable, Sequence

from sluicegate.compute.sql import literal
from sluicegate.quality.pushdown.arguments import Arguments, Bounds
from sluicegate.quality.pushdown.literals import compared, in_set, of_the_kind
from sluicegate.quality.pushdown.mapped import map_scan
from sluicegate.quality.pushdown.steps import Compiled, NotCompiled, RuleProblem
from sluicegate.quality.pushdown.table import DAYS, NUMBERS, Column, Kind, Table
from sluicegate.quality.pushdown.wording import at_least, number, some_of

Compiler = Callable[[Table, Arguments], Compiled]


def not_null(table: Table, arguments: Arguments) -> Compiled:
    """`expect_column_values_to_not_be_null`; NaN counts as null, as in pandas."""
    column, mostly = table.column(arguments.text("column")), arguments.mostly()
    return Compiled(
        f"not null{at_least(mostly)}", map_scan((column.name,), "count(*)", column.missing, mostly)
    )


def null(table: Table, arguments: Arguments) -> Compiled:
    """`expect_column_values_to_be_null`."""
    column, mostly = table.column(arguments.text("column")), arguments.mostly()
    failing = f"not {column.missing}" if column.kind is Kind.FLOAT else f"not ({column.missing})"
    return Compiled(f"null{at_least(mostly)}", map_scan((column.name,), "count(*)", failing, mostly))


def between(table: Table, arguments: Arguments) -> Compiled:
    """`expect_column_values_to_be_between`; Great Expectations takes no bounds for text, and says so."""
    column, bounds = table.column(arguments.text("column")), arguments.bounds()
    if column.kind is Kind.TEXT:
        raise NotCompiled(column.type)
    column.needs(*NUMBERS, *DAYS)
    _demand_bounds(bounds)
    low, high = (None if value is None else compared(column, value) for value in (bounds.low, bounds.high))
    return _rule(table, arguments, str(bounds), bounds.predicate(column.bare, low, high))


def is_in_set(table: Table, arguments: Arguments) -> Compiled:
    """`expect_column_values_to_be_in_set`."""
    column, values = table.column(arguments.text("column")), arguments.values("value_set")
    return _rule(table, arguments, f"in {some_of(values)}", in_set(column, of_the_kind(column, values)))


def is_not_in_set(table: Table, arguments: Arguments) -> Compiled:
    """`expect_column_values_to_not_be_in_set`."""
    column, values = table.column(arguments.text("column")), arguments.values("value_set")
    holds = f"not ({in_set(column, of_the_kind(column, values))})"
    return _rule(table, arguments, f"not in {some_of(values)}", holds)


def length_between(table: Table, arguments: Arguments) -> Compiled:
    """`expect_column_value_lengths_to_be_between`, in characters (Unicode code points)."""
    bounds = arguments.bounds()
    _demand_bounds(bounds)
    for bound in (bounds.low, bounds.high):
        if not isinstance(bound, (int, float, type(None))):
            raise NotCompiled("length")
    low, high = (None if value is None else str(value) for value in (bounds.low, bounds.high))
    holds = bounds.predicate(f"length({text_of(table, arguments)})", low, high)
    return _rule(table, arguments, f"length {bounds}", holds)


def length_equal(table: Table, arguments: Arguments) -> Compiled:
    """`expect_column_value_lengths_to_equal`."""
    value = arguments.real("value")
    return _rule(
        table, arguments, f"length {number(value)}", f"length({text_of(table, arguments)}) = {value}"
    )


def is_like(*, name: str, positive: bool) -> Compiler:
    """`expect_column_values_to_(not_)match_like_pattern(_list)`, with `escape`."""

    def compile_rule(table: Table, arguments: Arguments) -> Compiled:
        patterns, every = patterns_of(arguments, name, positive=positive)
        text = text_of(table, arguments)
        escape = ""
        if arguments.kwargs.get("escape") is not None:
            escape = f" escape {literal(arguments.text('escape'))}"
        for pattern in patterns:
            _demand_taken(table, "pattern", pattern, f"'' like {literal(pattern)}{escape}")
        found = [f"{text} like {literal(pattern)}{escape}" for pattern in patterns]
        holds = found_as_wanted(found, every=every, positive=positive)
        return _rule(table, arguments, like_words(patterns, every=every, positive=positive), holds)

    return compile_rule


def strftime_format(table: Table, arguments: Arguments) -> Compiled:
    """`expect_column_values_to_match_strftime_format`, of text, as DuckDB reads it."""
    column, pattern = table.column(arguments.text("column")), arguments.text("strftime_format")
    column.needs(Kind.TEXT)
    _demand_taken(table, "format", pattern, f"try_strptime('', {literal(pattern)})")
    holds = f"({column.missing} and null) or try_strptime({column.value}, {literal(pattern)}) is not null"
    return _rule(table, arguments, f"as {pattern}", holds)


def _rule(table: Table, arguments: Arguments, expected: str, holds: str) -> Compiled:
    """Compile a rule that leaves out missing values; `holds` is null for null, anything for NaN."""
    column, mostly = table.column(arguments.text("column")), arguments.mostly()
    failing = column.unless_missing(f"not ({holds})")
    return Compiled(f"{expected}{at_least(mostly)}", map_scan((column.name,), column.count, failing, mostly))


def patterns_of(arguments: Arguments, name: str, *, positive: bool) -> tuple[list[str], bool]:
    """Return the patterns of a rule, and whether every one of them must be found."""
    if not name.endswith("_list"):
        return [arguments.text(name)], False
    every = positive and arguments.choice("match_on", ("any", "all")) == "all"
    return arguments.texts(name), every


def like_words(patterns: Sequence[str], *, every: bool, positive: bool) -> str:
    """Return what a rule of patterns expects, in words."""
    words = ("all of " if every else "one of ") if len(patterns) > 1 else ""
    return f"{'' if positive else 'not '}like {words}{', '.join(patterns)}"


def found_as_wanted(found: Sequence[str], *, every: bool, positive: bool) -> str:
    """Return the predicate that any or every one of predicates holds, or that none does."""
    joined = (" and " if every else " or ").join(f"({item})" for item in found)
    return joined if positive else f"not ({joined})"


def text_of(table: Table, arguments: Arguments) -> str:
    """Return the value as text; other kinds as DuckDB writes them, not as pandas does (`5`, not `5.0`)."""
    column: Column = table.column(arguments.text("column"))
    return column.value if column.kind is Kind.TEXT else f"{column.value}::varchar"


def _demand_bounds(bounds: Bounds) -> None:
    if not bounds.given:
        raise RuleProblem("min_value and max_value cannot both be None")
    both = None not in (bounds.low, bounds.high)
    if both and not (isinstance(bounds.low, str) ^ isinstance(bounds.high, str)) and bounds.low > bounds.high:
        raise RuleProblem("min_value cannot be greater than max_value")


def _demand_taken(table: Table, what: str, pattern: str, expression: str) -> None:
    try:
        table.constant(expression)
    except RuleProblem as problem:
        raise RuleProblem(f"the engine does not take the {what} `{pattern}`: {problem}") from None
