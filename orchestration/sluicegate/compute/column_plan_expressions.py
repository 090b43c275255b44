"""What a bound expression of a plan makes of the columns below it.

The classes are those that DuckDB's binder makes; one that is not known, or that holds an expression where
none is known to be, counts as all columns of all tables. Belongs here: one expression. Does not belong here:
operators (`column_plan_operators`), functions by name (`column_functions`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sluicegate.compute.column_functions import CALLING, kinds_of_aggregate, kinds_of_function
from sluicegate.compute.column_plan_compared import (
    Comparison,
    Side,
    comparisons,
    expressions_of_rows,
    side,
)
from sluicegate.compute.column_plan_proofs import (
    WHOLE_NUMBERS,
    Expression,
    Proven,
    all_of,
    at_least,
    is_plain,
    proven_by,
    whole_number,
)
from sluicegate.compute.column_plan_rows import (
    NONE,
    PRESENT,
    Cell,
    Column,
    Counted,
    Group,
    Part,
    Parts,
    as_kind,
    digest_of,
    then,
)
from sluicegate.compute.known_functions import KNOWN_FUNCTIONS
from sluicegate.core.column_origins import Kind

Columns = Sequence[Column]

# Where expressions stand in an expression of each class. What stands elsewhere is not understood.
CLASSES: Mapping[str, frozenset[str]] = {
    "BOUND_REF": frozenset(),
    "BOUND_COLUMN_REF": frozenset(),
    "BOUND_CONSTANT": frozenset(),
    "BOUND_CAST": frozenset({"child"}),
    "BOUND_UNNEST": frozenset({"child"}),
    "BOUND_COMPARISON": frozenset({"left", "right"}),
    "BOUND_BETWEEN": frozenset({"input", "lower", "upper"}),
    "BOUND_CONJUNCTION": frozenset({"children"}),
    "BOUND_OPERATOR": frozenset({"children"}),
    "BOUND_CASE": frozenset({"case_checks", "else_expr"}),
    "BOUND_FUNCTION": frozenset({"children", "function_data"}),
    "BOUND_AGGREGATE": frozenset({"children", "filter", "order_bys"}),
    "BOUND_WINDOW": frozenset(
        {
            "children", "partitions", "orders", "filters", "start_expr", "end_expr", "offset_expr",
            "default_expr", "arg_orders",
        }
    ),
}  # fmt: skip
# Operators that bring a value itself out, and those that do not.
PASSING = frozenset({"OPERATOR_COALESCE", "OPERATOR_TRY"})
OPERATORS = PASSING | frozenset(
    {"OPERATOR_NOT", "OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL", "COMPARE_IN", "COMPARE_NOT_IN"}
)
# What a window function returns that is none of the aggregates: of the rows' order alone, or of another row.
_NUMBERING = "ROW_NUMBER RANK RANK_DENSE PERCENT_RANK CUME_DIST NTILE"
_OTHER_ROW = "LAG LEAD FIRST_VALUE LAST_VALUE NTH_VALUE FILL"
NUMBERING = frozenset(f"WINDOW_{name}" for name in _NUMBERING.split())
OTHER_ROW = frozenset(f"WINDOW_{name}" for name in _OTHER_ROW.split())
# Calculations in which each row has its share, if all else in them is constant.
_EVEN = frozenset({"+", "-", "*", "/", "add", "subtract", "multiply", "divide"})
_DIVIDING = frozenset({"/", "divide"})
_CONSTANT = Cell(0, "")
_NAMING = frozenset({"BOUND_REF", "BOUND_COLUMN_REF"})
_THERE = "OPERATOR_IS_NOT_NULL"
_NOWHERE = 2**63  # a position from here on is none
_NO_EXPRESSIONS = frozenset({"return_type", "arguments", "original_arguments", "value", "type", "alias"})
# Of a bound expression what tells where it stood, and not what it means.
_OF_A_TEXT = frozenset(
    {"query_location", "alias", "catalog_name", "schema_name", "is_operator", "has_serialize"}
)


class Expressions:
    """Reads the expressions of one plan.

    Args:
        everything: all columns of all tables that the plan reads: what is not understood counts as these.
        bindings: {number of an operator: its columns}, of those that have been walked.
        note: is told what is not understood, and where, in bytes.
    """

    def __init__(
        self,
        everything: Callable[[], Parts],
        bindings: Mapping[int, Columns],
        note: Callable[[str, int | None], None],
    ) -> None:
        self._everything = everything
        self._bindings = bindings
        self._note = note

    def column(self, expression: Expression, below: Columns) -> Column:
        """Return what an expression comes to, `below` being the columns that it may name."""
        if expression.get("expression_class") in _NAMING:
            return self._named(expression, below)
        return Column(
            self.parts(expression, below),
            self.digest(expression, below),
            self._cell(expression, below),
            self._counted(expression, below),
        )

    def aggregate(self, expression: Expression, below: Columns, group: Group) -> Column:
        """Return what an aggregate comes to."""
        name, children = str(expression.get("name")), expression.get("children", [])
        condition = expression.get("filter")
        only = self.digest(condition, below) if condition else ""
        distinct, counts = expression.get("aggregate_type") == "DISTINCT", name in ("count", "count_star")
        parts: set[Part] = set()
        for child, kind in zip(children, kinds_of_aggregate(name, len(children)), strict=True):
            made = then(self.parts(child, below), kind)
            cell = self._cell(child, below)
            # Of several arguments, and of values that are there twice, a row may have no share.
            if kind is Kind.MEASURE and cell and len(children) == 1 and (counts or not distinct):
                made = frozenset(
                    part
                    if part.group
                    else part._replace(group=group.number, scan=cell.scan, only=only, chosen=group.chosen)
                    for part in made
                )
            parts |= made
        if condition:
            parts |= then(self.parts(condition, below), Kind.CONDITIONAL)
        for order in _orders(expression.get("order_bys")):
            parts |= then(self.parts(order, below), Kind.CONDITIONAL)
        known = name in KNOWN_FUNCTIONS or name == "count_star"
        if not known or self._is_other(expression, "BOUND_AGGREGATE"):
            parts |= self._unknown(f"the aggregate `{name}`", expression)
        counted = None
        if counts:
            cell = self._cell(children[0], below) if len(children) == 1 else None
            present = group.present | self.present([condition] if condition else [], below)
            if cell:
                present |= {cell}
            if not distinct:
                counted = Counted(group.number, group.once, only, present)
            elif cell:
                counted = Counted(group.number, frozenset({cell.scan}), only, present, apart=True)
        return Column(frozenset(parts), self.digest(expression, below), counted=counted)

    def window(self, expression: Expression, below: Columns) -> Column:
        """Return what a window function comes to."""
        type_, children = str(expression.get("type")), expression.get("children", [])
        parts: set[Part] = set()
        kinds: Sequence[Kind] = [Kind.PICK] * len(children)
        if type_ == "WINDOW_AGGREGATE":
            kinds = kinds_of_aggregate(str(expression.get("name")), len(children))
        elif type_ in OTHER_ROW:
            kinds = [Kind.PICK, *[Kind.CONDITIONAL] * (len(children) - 1)]
        elif type_ in NUMBERING:
            kinds = [Kind.TRANSFORMATION] * len(children)
        known = type_ in {"WINDOW_AGGREGATE", *OTHER_ROW, *NUMBERING}
        if not known or self._is_other(expression, "BOUND_WINDOW"):
            parts |= self._unknown(f"the window function {type_}", expression)
        for child, kind in zip(children, kinds, strict=True):
            parts |= then(self.parts(child, below), kind)
        if default := expression.get("default_expr"):
            parts |= self.parts(default, below)
        for name in ("filters", "offset_expr"):
            if name in expression:
                parts |= then(self.parts(expression[name], below), Kind.CONDITIONAL)
        partitions = expression.get("partitions", [])
        placed = [
            *partitions,
            *_orders(expression.get("orders")),
            *_orders(expression.get("arg_orders")),
            *(expression[name] for name in ("start_expr", "end_expr") if name in expression),
        ]
        parts |= as_kind(self._all(placed, below), Kind.WINDOW)
        made = Column(frozenset(parts), self.digest(expression, below)).settled()
        if type_ != "WINDOW_ROW_NUMBER":
            return made
        alike = frozenset(self.digest(item, below) for item in partitions)
        return Column(made.parts, made.digest, numbered=alike)

    def parts(self, expression: Expression, below: Columns) -> Parts:
        """Return which columns have a part in an expression's value."""
        kind = str(expression.get("expression_class"))
        if kind in _NAMING:
            return self._named(expression, below).parts
        if kind == "BOUND_CONSTANT":
            return NONE
        if kind not in CLASSES or kind in ("BOUND_AGGREGATE", "BOUND_WINDOW") or self._hides(expression):
            return self._unknown(f"an expression of the class {kind}", expression)
        if kind in ("BOUND_CAST", "BOUND_UNNEST"):
            return self.parts(expression["child"], below)
        if kind == "BOUND_CASE":
            return self._case(expression, below)
        if kind == "BOUND_FUNCTION":
            return self._function(expression, below)
        if kind == "BOUND_OPERATOR" and (type_ := str(expression.get("type"))) not in OPERATORS:
            return self._unknown(f"the operator {type_}", expression)
        passing = expression.get("type") in PASSING
        single = [
            expression[name] for name in ("left", "right", "input", "lower", "upper") if name in expression
        ]
        parts = self._all([*single, *expression.get("children", [])], below)
        return parts if passing else then(parts, Kind.TRANSFORMATION)

    def side(self, expression: Expression, below: Columns) -> Side:
        """Return what an expression is as one side of a comparison."""
        named = (one for one in expressions_of_rows(expression) if one["expression_class"] in _NAMING)
        return side(self.parts(expression, below), [self._named(one, below) for one in named])

    def comparisons(self, condition: Expression, below: Columns) -> list[Comparison]:
        """Return which columns a condition compares."""
        return list(comparisons(condition, lambda one: self.side(one, below)))

    def digest(self, expression: Expression, below: Columns) -> str:
        """Return a digest of what an expression means: equal where the engine understands the same."""
        if expression.get("expression_class") in _NAMING:
            return self._named(expression, below).digest
        return digest_of(self._meant(expression, below))

    def proven(self, conditions: Iterable[Expression], below: Columns) -> Proven:
        """Return the least numbers of rows that conditions prove which all hold."""
        return proven_by(conditions, lambda expression: self._counted(expression, below))

    def present(self, conditions: Iterable[Expression], below: Columns) -> frozenset[Cell]:
        """Return the columns of tables that have a value wherever conditions hold that ask for one."""
        asked = (one["children"][0] for one in all_of(conditions) if one.get("type") == _THERE)
        return frozenset(cell for one in asked if (cell := self._cell(one, below)))

    def choosing(self, conditions: Iterable[Expression], below: Columns) -> Parts:
        """Return what has a part in conditions which all hold, each part with what is asked of it.

        Whether a value is there, and of how many rows something is made, say nothing of the value.
        """
        found = NONE
        for one in all_of(conditions):
            parts = as_kind(self.parts(one, below), Kind.FILTER)
            there = one.get("type") == _THERE and self._cell(one["children"][0], below)
            numbers = self.proven([one], below)
            if there or (numbers and not any(counted.apart for counted, _ in numbers)):
                parts = frozenset(part._replace(only=PRESENT) for part in parts)
            found |= parts
        return found

    def numbered(self, conditions: Iterable[Expression], below: Columns) -> frozenset[str] | None:
        """Return in which digests no two rows are alike that meet conditions: of a `row_number() … = 1`."""
        for condition in all_of(conditions):
            left, right = condition.get("left"), condition.get("right")
            if condition.get("type") != "COMPARE_EQUAL" or left is None or right is None:
                continue
            for one, other in ((left, right), (right, left)):
                if one.get("expression_class") == "BOUND_REF" and whole_number(other) is not None:
                    alike = self._named(one, below).numbered
                    if alike is not None:
                        return alike
        return None

    def _named(self, expression: Expression, below: Columns) -> Column:
        if expression["expression_class"] == "BOUND_REF":
            at, columns = int(expression.get("index", 0)), below
        else:
            binding = expression.get("binding", {})
            at, columns = int(binding["column_index"]), self._bindings.get(int(binding["table_index"]), ())
        if at < len(columns):
            return columns[at]
        return Column(self._unknown("the name of a column", expression), digest_of("unknown", at))

    def _all(self, expressions: Iterable[Expression], below: Columns) -> Parts:
        return NONE.union(*[self.parts(item, below) for item in expressions])

    def _case(self, expression: Expression, below: Columns) -> Parts:
        found: set[Part] = set()
        for check in expression.get("case_checks", []):
            when = check["when_expr"]
            proven = self.proven([when], below)
            # Of fewer rows, what else is asked decides nothing.
            found |= at_least(then(self.parts(when, below), Kind.CONDITIONAL), proven)
            found |= at_least(self.parts(check["then_expr"], below), proven)
        if "else_expr" in expression:
            found |= self.parts(expression["else_expr"], below)
        return frozenset(found)

    def _function(self, expression: Expression, below: Columns) -> Parts:
        name, children = str(expression.get("name")), expression.get("children", [])
        if name not in KNOWN_FUNCTIONS:
            return self._unknown(f"the function `{name}`", expression)
        arguments = [self.parts(child, below) for child in children]
        called = (expression.get("function_data") or {}).get("lambda_expr")
        if called is None:
            kinds = kinds_of_function(name, len(children))
            return NONE.union(*[then(parts, kind) for parts, kind in zip(arguments, kinds, strict=True)])
        # A list, what else it is called with, and a function of its elements, which may name any of these.
        inner = self.parts(called, _Each(NONE.union(*arguments)))
        if name in CALLING:
            begun = NONE.union(*arguments) if "reduce" in name else then(arguments[0], Kind.TRANSFORMATION)
            return inner | begun
        return arguments[0] | then(inner, Kind.CONDITIONAL)

    def _counted(self, expression: Expression, below: Columns) -> Counted | None:
        """Return of which rows an expression is a number, if it is one."""
        kind = expression.get("expression_class")
        if kind in _NAMING:
            return self._named(expression, below).counted
        if kind == "BOUND_CAST" and (expression.get("return_type") or {}).get("id") in WHOLE_NUMBERS:
            return self._counted(expression["child"], below)
        return None

    def _cell(self, expression: Expression, below: Columns) -> Cell | None:
        """Return the column of a table that an expression is, if only cast or calculated with constants."""
        cell = self._even_cell(expression, below)
        return None if cell == _CONSTANT else cell

    def _even_cell(self, expression: Expression, below: Columns) -> Cell | None:
        """Return the column of a table of which an expression is worked out, each row with its share.

        Either has a value where the other has one. `_CONSTANT` is that of a constant, None is of what is no
        such expression.
        """
        kind = expression.get("expression_class")
        if kind in _NAMING:
            return self._named(expression, below).cell
        if kind == "BOUND_CONSTANT":
            return _CONSTANT
        if kind == "BOUND_CAST" and not expression.get("try_cast"):
            cell = self._even_cell(expression["child"], below)
            plain = all(is_plain(one.get("return_type")) for one in (expression, expression["child"]))
            return cell if plain or cell == _CONSTANT else None
        if kind == "BOUND_FUNCTION" and (name := expression.get("name")) in _EVEN:
            cells = [self._even_cell(child, below) for child in expression.get("children", [])]
            found = [cell for cell in cells if cell != _CONSTANT]
            # What is divided by 0 has no value.
            if len(found) == 1 and (name not in _DIVIDING or cells[0] != _CONSTANT):
                return found[0]
        return None

    def _is_other(self, expression: Expression, kind: str) -> bool:
        return expression.get("expression_class") != kind or self._hides(expression)

    def _hides(self, expression: Expression) -> bool:
        """Whether an expression holds others where none are known to be."""
        known = CLASSES.get(str(expression.get("expression_class")), frozenset())
        return any(
            isinstance(value, (dict, list)) and holds_expressions(value)
            for name, value in expression.items()
            if name not in known and name not in _NO_EXPRESSIONS
        )

    def _unknown(self, what: str, expression: Expression) -> Parts:
        places = [int(one.get("query_location", _NOWHERE)) for one in expressions_in(expression)]
        at = min(places, default=_NOWHERE)
        self._note(what, at if at < _NOWHERE else None)
        return self._everything()

    def _meant(self, item: Any, below: Columns | None) -> Any:
        if isinstance(item, list):
            return [self._meant(one, below) for one in item]
        if not isinstance(item, dict):
            return item
        kind = item.get("expression_class")
        if kind is None:
            return {
                name: self._meant(one, None if name == "lambda_expr" else below) for name, one in item.items()
            }
        if kind in _NAMING:
            return {"argument": item.get("index")} if below is None else self._named(item, below).digest
        return {name: self._meant(one, below) for name, one in item.items() if name not in _OF_A_TEXT}


class _Each(Sequence[Column]):
    """What a function of a list's elements may name: whichever it is, all that it was called with."""

    def __init__(self, parts: Parts) -> None:
        self._column = Column(parts, "")

    def __getitem__(self, at: Any) -> Any:
        return self._column

    def __len__(self) -> int:
        return _NOWHERE - 1


def _orders(orders: Any) -> Iterator[Expression]:
    """Yield the expressions of an ORDER BY, which is a list, or an object around one."""
    listed = orders.get("orders", []) if isinstance(orders, dict) else orders or []
    for order in listed:
        yield order["expression"]


def expressions_in(item: Any) -> Iterator[Expression]:
    """Yield every bound expression within."""
    waiting = [item]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if "expression_class" in one:
                yield one
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)


def holds_expressions(item: Any) -> bool:
    """Whether there is a bound expression within."""
    return any(True for _ in expressions_in(item))
