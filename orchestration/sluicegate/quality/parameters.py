"""Suite parameters: `{"$PARAMETER": "0.5 * row_count.median_28"}` in a rule's kwargs.

The key is Great Expectations' own. A parameter is arithmetic over numbers and names; a name is a metric of
the table's earlier partitions and a window of them, or a date of the partition itself. Belongs here: what
may be written, and working it out. Does not belong here: where the numbers come from (`history`).
"""

import ast
import math
import operator
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sluicegate.quality.expectation_types import PARAMETER

ROW_COUNT = "row_count"
# {metric: its SQL aggregate}; p0 to p100 and row_count come besides.
COLUMN_METRICS: Mapping[str, str] = {
    "mean": "avg({column})",
    "sum": "sum({column})",
    "min": "min({column})",
    "max": "max({column})",
    "median": "median({column})",
    "stdev": "stddev_samp({column})",
    "null_ratio": "1 - count({column}) / nullif(count(*), 0)",
    "distinct_count": "count(distinct {column})",
}
# They count rows; each other one is worked out of the column's values, and may be one of them.
_COUNTS_AND_SHARES = (ROW_COUNT, "null_ratio", "distinct_count")
_PERCENTILE = re.compile(r"p(\d{1,2}|100)")
_WINDOW = re.compile(
    r"(?P<of>mean|median|min|max|p(?:\d{1,2}|100))_(?P<size>[1-9]\d{0,2})(?P<day>_same_weekday)?"
)
_PARTITION = ("partition.start", "partition.end")
WINDOWS = "previous, same_weekday, or mean, median, min, max, p0 to p100 of the last N as median_28, " \
    "or of the last N of the same weekday as median_4_same_weekday"  # fmt: skip
Value = int | float | date


@dataclass(frozen=True)
class Metric:
    """A number that describes a partition; `column` is None for the row count."""

    name: str
    column: str | None

    def tells_of(self, columns: Collection[str]) -> bool:
        """Whether it is worked out of the values of one of these columns, and no count or share of rows."""
        return self.column in columns and self.name not in _COUNTS_AND_SHARES

    def __str__(self) -> str:
        return f"{self.column}.{self.name}" if self.column else self.name


@dataclass(frozen=True)
class Window:
    """Which earlier partitions: the last `size`, of the same weekday or all, made one number by `of`."""

    of: str
    size: int
    same_weekday: bool


@dataclass(frozen=True)
class Reference:
    """A name in a parameter: a metric over a window."""

    text: str
    metric: Metric
    window: Window


class ParameterProblem(ValueError):
    """A parameter that cannot be read; says what was expected."""


def parameters_in(
    value: Any, place: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield (place, expression) for every parameter in a rule's kwargs."""
    if isinstance(value, Mapping):
        if PARAMETER in value:
            yield place, str(value[PARAMETER])
        else:
            for name, item in value.items():
                yield from parameters_in(item, (*place, name))
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            yield from parameters_in(item, (*place, number))


def references(expression: str) -> tuple[Reference, ...]:
    """Return the metrics that an expression names.

    Raises:
        ParameterProblem: it is no arithmetic, or a name in it means nothing.
    """
    return tuple(_reference(name) for name in _names(_parsed(expression)) if name not in _PARTITION)


def names_in(expression: str) -> tuple[str, ...]:
    """Return every name in an expression, whatever it means.

    Raises:
        ParameterProblem: it is no arithmetic.
    """
    return tuple(_names(_parsed(expression)))


def evaluate(expression: str, values: Mapping[str, Value]) -> Value:
    """Work an expression out; `values` has every name in it.

    Raises:
        ParameterProblem: a division by zero, a number that is not finite, or arithmetic that dates do not
            take.
    """
    try:
        found = _evaluate(_parsed(expression).body, values)
    except (ArithmeticError, TypeError, ValueError) as error:
        raise ParameterProblem(f"`{expression}`: {error}") from None
    if isinstance(found, float) and not math.isfinite(found):
        raise ParameterProblem(f"`{expression}` comes to {found}; expected a finite number")
    return found


def resolved(value: Any, work_out: Callable[[str], Value]) -> Any:
    """Return kwargs with every parameter replaced by what it comes to; dates as ISO text."""
    if isinstance(value, Mapping):
        if PARAMETER in value:
            found = work_out(str(value[PARAMETER]))
            return found.isoformat() if isinstance(found, date) else found
        return {name: resolved(item, work_out) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [resolved(item, work_out) for item in value]
    return value


def as_shown(written: Any, found: Any, hidden: Callable[[str], bool]) -> Any:
    """Return kwargs as they were resolved, save parameters that are `hidden`: those as they are written."""
    if isinstance(written, Mapping):
        if PARAMETER in written:
            return written if hidden(str(written[PARAMETER])) else found
        return {name: as_shown(item, found[name], hidden) for name, item in written.items()}
    if isinstance(written, (list, tuple)):
        return [as_shown(item, other, hidden) for item, other in zip(written, found, strict=True)]
    return found


def _reference(name: str) -> Reference:
    *metric, window = name.split(".")
    return Reference(name, _metric(name, metric), _window(name, window))


def _metric(name: str, parts: list[str]) -> Metric:
    if parts == [ROW_COUNT]:
        return Metric(ROW_COUNT, None)
    if len(parts) == 2 and (parts[1] in COLUMN_METRICS or _PERCENTILE.fullmatch(parts[1])):
        return Metric(parts[1], parts[0])
    raise ParameterProblem(
        f"`{name}` is no metric over a window: expected row_count.<window>, or <column>.<metric>.<window>"
        f" with one of: {', '.join(COLUMN_METRICS)}, p0 to p100"
    )


def _window(name: str, text: str) -> Window:
    if text in ("previous", "same_weekday"):
        return Window("mean", 1, text == "same_weekday")
    found = _WINDOW.fullmatch(text)
    if found is None:
        raise ParameterProblem(f"`{name}`: `{text}` is no window: expected {WINDOWS}")
    return Window(found["of"], int(found["size"]), found["day"] is not None)


def _parsed(expression: str) -> ast.Expression:
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except SyntaxError:
        raise ParameterProblem(f"`{expression}` is no arithmetic") from None
    for node in ast.walk(tree):
        if not isinstance(node, _ALLOWED) or (
            isinstance(node, ast.Constant) and type(node.value) not in (int, float)
        ):
            raise ParameterProblem(
                f"`{expression}`: expected numbers, names, + - * / and brackets, min, max, abs and round"
            )
        if isinstance(node, ast.Call) and ast.unparse(node.func) not in _FUNCTIONS:
            raise ParameterProblem(
                f"`{expression}`: `{ast.unparse(node.func)}` is none of: {', '.join(_FUNCTIONS)}"
            )
    return tree


def _names(tree: ast.Expression) -> list[str]:
    functions = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Name, ast.Attribute)) and id(node) not in functions | inner
    ]


def _evaluate(node: ast.expr, values: Mapping[str, Value]) -> Any:
    match node:
        case ast.Constant():
            return node.value
        case ast.Name() | ast.Attribute():
            return values[ast.unparse(node)]
        case ast.UnaryOp():
            return -_evaluate(node.operand, values)
        case ast.BinOp():
            left, right = _evaluate(node.left, values), _evaluate(node.right, values)
            if isinstance(left, date) and isinstance(right, (int, float)):
                right = timedelta(days=right)
            return _OPERATORS[type(node.op)](left, right)
        case ast.Call():
            function = _FUNCTIONS[ast.unparse(node.func)]
            return function(*(_evaluate(argument, values) for argument in node.args))
        case _:  # _parsed lets nothing else through
            raise ParameterProblem(f"`{ast.unparse(node)}` is no arithmetic")


_OPERATORS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {"min": min, "max": max, "abs": abs, "round": round}
_ALLOWED = (
    ast.Expression, ast.Constant, ast.Name, ast.Attribute, ast.Load, ast.UnaryOp, ast.USub, ast.BinOp,
    ast.Call, *_OPERATORS,
)  # fmt: skip
