"""What a condition proves of the number of rows that a measure is made of.

Belongs here: numbers of rows that are compared with a constant, and which types keep a value. Does not belong
here: which column is such a number (`column_plan_expressions`), of which rows (`column_plan_rows`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sluicegate.compute.column_plan_rows import Cell, Counted, Part, Parts

Expression = Mapping[str, Any]

WHOLE_NUMBERS = frozenset(
    f"{sign}{name}" for sign in ("", "U") for name in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
)
# Types between which a cast gives a value of each, or fails: of `'null'` in JSON there is none.
_PLAIN = WHOLE_NUMBERS | {
    "FLOAT", "DOUBLE", "DECIMAL", "BOOLEAN", "VARCHAR", "DATE", "TIME", "TIMESTAMP", "TIMESTAMP_S",
    "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE", "TIME WITH TIME ZONE", "UUID",
}  # fmt: skip
# A comparison from the other side. What holds of a number that is at most so many proves nothing.
_TURNED = {
    "COMPARE_LESSTHAN": "COMPARE_GREATERTHAN",
    "COMPARE_LESSTHANOREQUALTO": "COMPARE_GREATERTHANOREQUALTO",
    "COMPARE_EQUAL": "COMPARE_EQUAL",
}
# {comparison of a number with a constant: by how much more the number is, at the least}
_MORE = {"COMPARE_GREATERTHAN": 1, "COMPARE_GREATERTHANOREQUALTO": 0, "COMPARE_EQUAL": 0}

# Numbers of rows, and how many there are at the least.
Proven = Sequence[tuple[Counted, int]]


def proven_by(
    conditions: Iterable[Expression], counted: Callable[[Expression], Counted | None]
) -> list[tuple[Counted, int]]:
    """Return what conditions prove which all hold; `counted` says of which rows something is a number."""
    found: list[tuple[Counted, int]] = []
    for condition in all_of(conditions):
        left, right = condition.get("left"), condition.get("right")
        if condition.get("expression_class") != "BOUND_COMPARISON" or left is None or right is None:
            continue
        compared = str(condition.get("type"))
        for number, constant, how in ((left, right, compared), (right, left, _TURNED.get(compared, ""))):
            least, of = whole_number(constant), counted(number)
            if of is not None and least is not None and how in _MORE:
                found.append((of, least + _MORE[how]))
    return found


def at_least(parts: Parts, proven: Proven) -> Parts:
    """Return parts with what is proven of them where numbers of rows are at least so many."""
    if not proven:
        return parts
    return frozenset(_proven_of(part, proven) if part.group else part for part in parts)


def _proven_of(part: Part, proven: Proven) -> Part:
    numbers = [
        number
        for counted, number in proven
        if counted.group == part.group
        and part.scan in counted.scans
        and part.only in ("", counted.only)
        # Else the rows may be there, and the values not.
        and Cell(part.scan, part.place.column) in counted.present
    ]
    return part._replace(at_least=max([part.at_least, *numbers]))


def whole_number(expression: Expression) -> int | None:
    """Return the whole number that an expression is, if it is a constant one."""
    while expression.get("expression_class") == "BOUND_CAST" and not expression.get("try_cast"):
        if (expression.get("return_type") or {}).get("id") not in WHOLE_NUMBERS:
            return None
        expression = expression["child"]
    value: Mapping[str, Any] = expression.get("value") or {}
    is_constant = expression.get("expression_class") == "BOUND_CONSTANT" and not value.get("is_null")
    if not is_constant or (value.get("type") or {}).get("id") not in WHOLE_NUMBERS:
        return None
    return value["value"] if isinstance(value.get("value"), int) else None


def all_of(conditions: Iterable[Expression]) -> Iterator[Expression]:
    """Yield the conditions that all have to hold, those of an AND one by one."""
    waiting = list(conditions)
    while waiting:
        condition = waiting.pop()
        if condition.get("type") == "CONJUNCTION_AND":
            waiting.extend(condition.get("children", []))
        else:
            yield condition


def is_plain(type_: Any) -> bool:
    """Whether every value of a type has one in any other such type, or fails to be cast."""
    told = type_ or {}
    return told.get("id") in _PLAIN and not (told.get("type_info") or {}).get("alias")
