"""Rules on several columns of a row: pairs, sums, sameness."""

from collections.abc import Sequence
from itertools import combinations

from sluicegate.compute.sql import quoted
from sluicegate.quality.pushdown.arguments import Arguments
from sluicegate.quality.pushdown.literals import of_the_kind, plain_number
from sluicegate.quality.pushdown.mapped import map_scan
from sluicegate.quality.pushdown.steps import Compiled, NotCompiled, RuleProblem
from sluicegate.quality.pushdown.table import DAYS, NUMBERS, Column, Kind, Table
from sluicegate.quality.pushdown.wording import at_least, number, some_of

PAIR_RULES = ("both_values_are_missing", "either_value_is_missing", "neither")
LIST_RULES = ("all_values_are_missing", "any_value_is_missing", "never")


def pair_equal(table: Table, arguments: Arguments) -> Compiled:
    """`expect_column_pair_values_to_be_equal`; a missing value equals nothing."""
    a, b = _pair(table, arguments)
    _demand_alike(a, b)
    return _pair_rule(arguments, a, b, f"{a.name} = {b.name}", f"{a.value} = {b.value}")


def pair_greater(table: Table, arguments: Arguments) -> Compiled:
    """`expect_column_pair_values_a_to_be_greater_than_b`; a missing value compares with nothing."""
    a, b = _pair(table, arguments)
    _demand_alike(a, b)
    sign = ">=" if arguments.flag("or_equal") else ">"
    return _pair_rule(arguments, a, b, f"{a.name} {sign} {b.name}", f"{a.value} {sign} {b.value}")


def pair_in_set(table: Table, arguments: Arguments) -> Compiled:
    """`expect_column_pair_values_to_be_in_set`; null in a pair stands for a missing value."""
    a, b = _pair(table, arguments)
    pairs = arguments.values("value_pairs_set")
    cases: list[str] = []
    for pair in pairs:
        if isinstance(pair, str) or len(pair) != 2:
            raise NotCompiled("value_pairs_set")
        left, right = _equals(a, pair[0]), _equals(b, pair[1])
        if left and right:
            cases.append(f"({left} and {right})")
    expected = f"pair in {some_of(tuple(pair) for pair in pairs)}"
    return _pair_rule(arguments, a, b, expected, " or ".join(cases) or "false")


def sum_equal(table: Table, arguments: Arguments) -> Compiled:
    """`expect_multicolumn_sum_to_equal`; the sum with a missing value equals nothing."""
    columns, total = table.all(arguments.column_list()), arguments.real("sum_total")
    kinds = {column.needs(*NUMBERS).kind for column in columns}
    if Kind.FLOAT in kinds:
        terms = [f"{column.value}::double" for column in columns]
        holds = f"{' + '.join(terms)} = {plain_number(total)}::double"
    else:
        # Wide enough not to overflow; `try` as an error would end the caller's transaction.
        wide = "decimal(38, 9)" if Kind.DECIMAL in kinds else "hugeint"
        terms = [f"{column.value}::{wide}" for column in columns]
        holds = f"try({' + '.join(terms)}) = {plain_number(total)}"
    names = " + ".join(column.name for column in columns)
    return _list_rule(arguments, columns, f"{names} = {number(total)}", holds)


def values_equal(table: Table, arguments: Arguments) -> Compiled:
    """`expect_multicolumn_values_to_be_equal`; missing values are equal to one another."""
    columns = table.all(arguments.column_list())
    first, *others = columns
    for other in others:
        _demand_alike(first, other)
    holds = " and ".join(f"{first.value} is not distinct from {other.value}" for other in others)
    return _list_rule(arguments, columns, " = ".join(column.name for column in columns), holds)


def unique_within_record(table: Table, arguments: Arguments) -> Compiled:
    """`expect_select_column_values_to_be_unique_within_record`; two missing values are alike."""
    columns = table.all(arguments.column_list())
    holds = " and ".join(_differ(a, b) for a, b in combinations(columns, 2))
    return _list_rule(arguments, columns, f"{_names(columns)} all different", holds)


def ignored(columns: Sequence[Column], rule: str) -> str:
    """Return the predicate that a row is left out, by an `ignore_row_if`."""
    match rule:
        case "both_values_are_missing" | "all_values_are_missing":
            return " and ".join(column.missing for column in columns)
        case "either_value_is_missing" | "any_value_is_missing":
            return " or ".join(column.missing for column in columns)
        case _:
            return "false"


def _pair(table: Table, arguments: Arguments) -> tuple[Column, Column]:
    return table.column(arguments.text("column_A")), table.column(arguments.text("column_B"))


def _pair_rule(arguments: Arguments, a: Column, b: Column, expected: str, holds: str) -> Compiled:
    return _rule(arguments, (a, b), arguments.choice("ignore_row_if", PAIR_RULES), expected, holds)


def _list_rule(arguments: Arguments, columns: Sequence[Column], expected: str, holds: str) -> Compiled:
    return _rule(arguments, columns, arguments.choice("ignore_row_if", LIST_RULES), expected, holds)


def _rule(
    arguments: Arguments, columns: Sequence[Column], ignore_row_if: str, expected: str, holds: str
) -> Compiled:
    mostly = arguments.mostly()
    left_out = ignored(columns, ignore_row_if)
    scan = map_scan(
        tuple(column.name for column in columns),
        "count(*)" if left_out == "false" else f"count(*) filter (where not ({left_out}))",
        f"({holds}) is not true and not ({left_out})",
        mostly,
    )
    return Compiled(f"{expected}{at_least(mostly)}", scan)


def _equals(column: Column, value: object) -> str | None:
    if value is None:
        return column.missing
    literals = of_the_kind(column, [value])
    return f"{column.value} is not distinct from {literals[0]}" if literals else None


def _differ(a: Column, b: Column) -> str:
    if _alike(a, b):
        return f"{a.value} is distinct from {b.value}"
    return f"not ({a.missing} and {b.missing})"


def _demand_alike(a: Column, b: Column) -> None:
    if not _alike(a, b):
        raise RuleProblem(
            f"`{a.name}`, which is {a.type}, does not compare with `{b.name}`, which is {b.type}"
        )


def _alike(a: Column, b: Column) -> bool:
    if a.kind is Kind.OTHER or b.kind is Kind.OTHER:
        return a.type == b.type
    return a.kind is b.kind or any(a.kind in kinds and b.kind in kinds for kinds in (NUMBERS, DAYS))


def _names(columns: Sequence[Column]) -> str:
    return ", ".join(quoted(column.name) if " " in column.name else column.name for column in columns)
