"""Rules on the table itself: how many rows, which columns, of which types."""

import re
from collections.abc import Callable

from sluicegate.quality.pushdown.aggregates import within
from sluicegate.quality.pushdown.arguments import Arguments, Bounds
from sluicegate.quality.pushdown.steps import Compiled, NotCompiled, RuleProblem, Scan, Verdict
from sluicegate.quality.pushdown.table import Table
from sluicegate.quality.pushdown.wording import number

TYPE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_ ]*(\([0-9, ]*\))?(\[\])*")


def row_count_between(_: Table, arguments: Arguments) -> Compiled:
    """`expect_table_row_count_to_be_between`."""
    bounds = _whole_bounds(arguments)
    return Compiled(f"{bounds} rows", Scan(("count(*)",), lambda found: within(bounds, found[0])))


def row_count_equal(_: Table, arguments: Arguments) -> Compiled:
    """`expect_table_row_count_to_equal`."""
    value = arguments.whole("value")
    return Compiled(
        f"{number(value)} rows", Scan(("count(*)",), lambda found: within(Bounds(value, value), found[0]))
    )


def column_count_between(table: Table, arguments: Arguments) -> Compiled:
    """`expect_table_column_count_to_be_between`."""
    bounds = _whole_bounds(arguments)
    return Compiled(f"{bounds} columns", within(bounds, len(table.columns)))


def column_count_equal(table: Table, arguments: Arguments) -> Compiled:
    """`expect_table_column_count_to_equal`."""
    value = arguments.whole("value")
    return Compiled(f"{number(value)} columns", within(Bounds(value, value), len(table.columns)))


def column_exists(table: Table, arguments: Arguments) -> Compiled:
    """`expect_column_to_exist`; `column_index` counts from 0, which Great Expectations takes for no index."""
    name, place = arguments.text("column"), arguments.kwargs.get("column_index")
    names = list(table.columns)
    if place is None:
        verdict = Verdict(name in names, "there" if name in names else f"columns: {', '.join(names)}")
        return Compiled(f"column {name}", verdict)
    place = arguments.whole("column_index")
    there = names[place] if -len(names) <= place < len(names) else "nothing"
    return Compiled(f"column {name} at {place}", Verdict(there == name, f"{there} at {place}"))


def columns_set(table: Table, arguments: Arguments) -> Compiled:
    """`expect_table_columns_to_match_set`; letters' case counts, as in pandas (not in GX's SQL)."""
    expected = arguments.texts("column_set")
    exact = arguments.flag("exact_match", default=True)
    missing = [name for name in expected if name not in table.columns]
    others = [name for name in table.columns if name not in expected] if exact else []
    said = [
        f"{words}: {', '.join(names)}"
        for words, names in (("missing", missing), ("unexpected", others))
        if names
    ]
    words = "exactly the columns" if exact else "at least the columns"
    return Compiled(f"{words} {', '.join(expected)}", Verdict(not said, "; ".join(said) or "as expected"))


def columns_ordered(table: Table, arguments: Arguments) -> Compiled:
    """`expect_table_columns_to_match_ordered_list`."""
    expected, names = arguments.texts("column_list"), list(table.columns)
    return Compiled(f"the columns {', '.join(expected)}", Verdict(expected == names, ", ".join(names)))


def type_is(keyword: str) -> Callable[[Table, Arguments], Compiled]:
    """Return the compiler of the rules on a column's type, which name types as the warehouse does.

    Aliases are the warehouse's (`INT4`, `TEXT`, `NUMERIC`), case does not count, and `DECIMAL` without digits
    is any of them. A name that the warehouse does not know is an error rather than a failure.
    """

    def compile_rule(table: Table, arguments: Arguments) -> Compiled:
        names = [arguments.text(keyword)] if keyword == "type_" else arguments.texts(keyword)
        column = table.column(arguments.text("column"))
        matched = [_names_the_type(table, name, column.type) for name in names]
        return Compiled(f"of type {' or '.join(names)}", Verdict(any(matched), column.type))

    return compile_rule


def _names_the_type(table: Table, name: str, actual: str) -> bool:
    if not TYPE_NAME.fullmatch(name):
        raise NotCompiled(name)
    try:
        resolved: str = table.constant(f"typeof(cast(null as {name}))")
    except RuleProblem as problem:
        raise RuleProblem(f"`{name}` is no type of the warehouse: {problem}") from None
    if resolved.startswith("DECIMAL(") and "(" not in name:
        return actual.startswith("DECIMAL(") and actual.endswith(")")
    return resolved == actual


def _whole_bounds(arguments: Arguments) -> Bounds:
    bounds = arguments.bounds()
    for bound in (bounds.low, bounds.high):
        if isinstance(bound, bool) or not isinstance(bound, (int, float, type(None))):
            raise NotCompiled("bounds")
    return bounds
