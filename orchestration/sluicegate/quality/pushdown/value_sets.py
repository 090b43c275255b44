"""Rules on which values a column has: all of a set, none but a set, the most common of them."""

from collections.abc import Sequence
from typing import Any

from sluicegate.quality.pushdown.arguments import Arguments
from sluicegate.quality.pushdown.column_values import Compiler
from sluicegate.quality.pushdown.literals import in_set, of_the_kind
from sluicegate.quality.pushdown.steps import Compiled, NotCompiled, Query, Sample, Scan, Step, Verdict
from sluicegate.quality.pushdown.table import Column, Table
from sluicegate.quality.pushdown.wording import number, some_of

_SHOWN_VALUES = 10


def distinct_values(*, may_be_others: bool, all_present: bool, words: str) -> Compiler:
    """Return the compiler of `expect_column_distinct_values_to_(be_in|contain|equal)_set`.

    `observed_value` is the number of values that are wrong: those not in the set, and those of it that are
    missing. Null in the set is a value that never is there.
    """

    def compile_rule(table: Table, arguments: Arguments) -> Compiled:
        column = table.column(arguments.text("column"))
        least = 0 if all_present else 1
        values = _different(arguments.values("value_set", least=least))
        literals = of_the_kind(column, values)
        size = len(literals) + sum(1 for value in values if not of_the_kind(column, [value]))
        is_one = in_set(column, literals)
        other = column.unless_missing(f"not ({is_one})")

        def verdict(found: Sequence[Any]) -> Step:
            others = 0 if may_be_others else found[0]
            missing = size - found[1] if all_present else 0
            said = [f"{missing:,} of the set's {size:,} missing"] if missing else []
            if not others:
                return Verdict(not missing, "; ".join(said) or "as expected", float(missing))
            shown = f"select distinct {column.value} from {table.rows} where {other}"
            return Query(
                f"{shown} order by 1 limit {_SHOWN_VALUES}",
                lambda rows: Verdict(
                    passed=False,
                    observed="; ".join(
                        [*said, f"{others:,} not in the set: {some_of(row[0] for row in rows)}"]
                    ),
                    observed_value=float(others + missing),
                    sample=Sample((column.name,), other),
                ),
            )

        aggregates = (
            f"count(distinct {column.value}) filter (where {other})",
            f"count(distinct {column.value}) filter (where {is_one})",
        )
        return Compiled(f"{words} {some_of(values)}", Scan(aggregates, verdict))

    return compile_rule


def most_common(table: Table, arguments: Arguments) -> Compiled:
    """`expect_column_most_common_value_to_be_in_set`; of several, one must be in the set if `ties_okay`."""
    column, values = table.column(arguments.text("column")), _different(arguments.values("value_set"))
    ties_okay = arguments.flag("ties_okay")
    is_one = in_set(Column("v", column.type), of_the_kind(column, values))
    query = f"""
        with counts as (
            select {column.value} as v, count(*) as n from {table.rows}
            where not ({column.missing}) group by {column.value}
        ), common as (select v from counts where n = (select max(n) from counts))
        select count(*), count(*) filter (where {is_one}), min(v, {_SHOWN_VALUES}) from common
    """

    def verdict(rows: Sequence[Sequence[Any]]) -> Verdict:
        common, in_the_set, shown = rows[0]
        passed = in_the_set > 0 if ties_okay else common == in_the_set == 1
        more = f" and {common - _SHOWN_VALUES:,} more" if common > _SHOWN_VALUES else ""
        return Verdict(passed, (", ".join(number(value) for value in shown or ()) or "no value") + more)

    return Compiled(f"most common value in {some_of(values)}", Query(query, verdict))


def _different(values: Sequence[Any]) -> list[Any]:
    try:
        return list(dict.fromkeys(values))
    except TypeError:
        raise NotCompiled("value_set") from None
