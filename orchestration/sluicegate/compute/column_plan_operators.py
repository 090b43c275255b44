"""What each logical operator of a bound plan makes of the rows below it.

Belongs here: operators. One that is not known ends the walk. Does not belong here: expressions
(`column_plan_expressions`), joins of rows (`column_plan_joins`), what becomes of a walk that ends so
(`column_plan`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sluicegate.compute.column_plan_compared import EQUAL, Comparison, beside_made_up, compared, side, told
from sluicegate.compute.column_plan_expressions import Expressions
from sluicegate.compute.column_plan_joins import (
    Condition,
    crossed,
    joined,
    pivoted,
    read_by,
    side_by_side,
    together,
)
from sluicegate.compute.column_plan_names import known_operator
from sluicegate.compute.column_plan_proofs import at_least
from sluicegate.compute.column_plan_rows import (
    NONE,
    Column,
    Group,
    Part,
    Parts,
    Rows,
    UnknownOperatorError,
    as_kind,
    digest_of,
    read_again,
)
from sluicegate.compute.column_plan_sources import rows_of_function, rows_of_table, table_of_scan
from sluicegate.core.column_origins import Compared, Kind, Place
from sluicegate.core.relations import Relation

Operator = Mapping[str, Any]


class Operators:
    """Walks the operators of one plan.

    Args:
        everything: all columns of all tables that the plan reads.
        note: is told of expressions that are not understood.
    """

    def __init__(self, everything: Callable[[], Parts], note: Callable[[str, int | None], None]) -> None:
        self._bound: dict[int, Sequence[Column]] = {}
        self._read = Expressions(everything, self._bound, note)
        self._tables: list[Relation | None] = [None]  # of each reading; the first is none
        self._groups = 0
        self._compared: set[Compared] = set()
        self._multiplied: set[Place] = set()
        self._named: dict[int, Rows] = {}
        self._outer: list[Sequence[Column]] = []

    def table_of(self, scan: int) -> Relation | None:
        """Return the table of a reading (`Rows.once`)."""
        return self._tables[scan]

    def tables(self) -> frozenset[Relation]:
        """Return the tables that were read."""
        return frozenset(relation for relation in self._tables if relation)

    def compared(self) -> frozenset[Compared]:
        """Return which columns of tables are compared."""
        return frozenset(self._compared)

    def multiplied_by(self) -> frozenset[Place]:
        """Return the columns of tables of whose values it is how many rows there are of one."""
        return frozenset(self._multiplied)

    def _note_compared(self, found: Sequence[Comparison]) -> None:
        self._compared.update(compared(found))
        self._multiplied.update(beside_made_up(found))

    def rows(self, operator: Operator) -> Rows:
        """Return what an operator gives.

        Raises:
            UnknownOperatorError: it, or one below, is not known.
        """
        return getattr(self, f"_{known_operator(operator)}")(operator)

    def _below(self, operator: Operator) -> Rows:
        [child] = operator["children"]
        return self.rows(child)

    def _bind(self, operator: Operator, name: str, columns: Sequence[Column]) -> None:
        self._bound[int(operator.get(name, 0))] = columns

    def _group(self) -> int:
        self._groups += 1
        return self._groups

    def _numbered_again(self, scan: int) -> int:
        self._tables.append(self._tables[scan])
        return len(self._tables) - 1

    def _parts(self, expressions: Iterable[Any], below: Rows) -> Parts:
        return NONE.union(*[self._read.parts(item, below.columns) for item in expressions])

    def _digests(self, expressions: Iterable[Any], below: Rows) -> list[str]:
        return sorted({self._read.digest(item, below.columns) for item in expressions})

    def _ordering(self, orders: Sequence[Any], below: Rows) -> tuple[Parts, list[Any]]:
        parts = self._parts([order["expression"] for order in orders], below)
        told = [
            [order["type"], order.get("null_order"), self._read.digest(order["expression"], below.columns)]
            for order in orders
        ]
        return parts, told

    # --- Rows of tables and of arguments

    def _get(self, operator: Operator) -> Rows:
        if operator.get("name") == "seq_scan":
            self._tables.append(table_of_scan(operator))
            rows = rows_of_table(operator, len(self._tables) - 1)
        else:
            below = self._below(operator) if operator.get("children") else None
            rows = rows_of_function(operator, below)
            self._multiplied.update(
                part.place for part in rows.deciding - (below.deciding if below else NONE)
            )
        self._bind(operator, "table_index", rows.columns)
        return rows

    def _expression_get(self, operator: Operator) -> Rows:
        below, lines = self._below(operator), operator.get("expressions", [])
        told = digest_of(
            "values", [[self._read.digest(item, below.columns) for item in line] for line in lines]
        )
        columns = [
            Column(self._parts(items, below), digest_of(told, at)).settled()
            for at, items in enumerate(zip(*lines, strict=True))
        ]
        self._bind(operator, "table_index", columns)
        rows = below.decided(NONE, Kind.FILTER, told).multiplied(columns)
        return replace(rows, reads={**below.reads, told: 1})

    def _dummy_scan(self, operator: Operator) -> Rows:
        columns = (Column(NONE, digest_of("one row")),)
        self._bind(operator, "table_index", columns)
        return Rows(columns, NONE, digest_of("one row"), {}, key=frozenset(), single=True)

    def _delim_get(self, operator: Operator) -> Rows:
        """The columns of an outer query that a query within it names, each combination once."""
        columns = self._outer[-1] if self._outer else ()
        if len(columns) != len(operator.get("chunk_types", [])):
            raise UnknownOperatorError("the columns of an outer query")
        self._bind(operator, "table_index", columns)
        digests = frozenset(column.digest for column in columns)
        return Rows(tuple(columns), NONE, digest_of("outer", sorted(digests)), {}, key=digests)

    # --- One operator below

    def _projection(self, operator: Operator) -> Rows:
        below = self._below(operator)
        columns = [self._read.column(item, below.columns) for item in operator.get("expressions", [])]
        self._bind(operator, "table_index", columns)
        return replace(below, columns=tuple(columns))

    def _filter(self, operator: Operator) -> Rows:
        below, conditions = self._below(operator), operator.get("expressions", [])
        proven = self._read.proven(conditions, below.columns)
        alike = self._read.numbered(conditions, below.columns)
        rows = below.decided(NONE, Kind.FILTER, "where", self._digests(conditions, below))
        found = [one for item in conditions for one in self._read.comparisons(item, below.columns)]
        self._note_compared(found)
        columns = told(below.columns, found)
        if proven:
            columns = tuple(replace(one, parts=at_least(one.parts, proven)) for one in columns)
        kept = operator.get("projection_map")
        return replace(
            rows,
            deciding=rows.deciding | self._read.choosing(conditions, below.columns),
            present=rows.present | self._read.present(conditions, below.columns),
            columns=columns if kept is None else tuple(columns[at] for at in kept),
            key=below.key if alike is None else alike,
        )

    def _aggregate_and_group_by(self, operator: Operator) -> Rows:
        below = self._below(operator)
        keys = [self._read.column(item, below.columns) for item in operator.get("groups", [])]
        sets = sorted(sorted(keys[at].digest for at in one) for one in operator.get("grouping_sets", []))
        alone = len(sets) <= 1
        told = digest_of(
            "group by", below.digest, sorted({key.digest for key in keys}), [] if alone else sets
        )
        named = [
            replace(
                key, cell=None, numbered=None, digest=key.digest if alone else digest_of(told, key.digest)
            )
            for key in keys
        ]
        grouped = as_kind(NONE.union(*[key.parts for key in keys]), Kind.GROUP_BY)
        chosen = below.chosen | {part.place for part in grouped}
        group = Group(self._group(), below.once, below.present, chosen)
        made = [self._read.aggregate(item, below.columns, group) for item in operator.get("expressions", [])]
        made = [replace(column, digest=digest_of(told, column.digest)) for column in made]
        grouping = [
            Column(NONE, digest_of(told, "grouping", [keys[at].digest for at in chosen]))
            for chosen in operator.get("grouping_functions", [])
        ]
        for name, columns in (
            ("group_index", named),
            ("aggregate_index", made),
            ("groupings_index", grouping),
        ):
            self._bind(operator, name, columns)
        return Rows(
            (*named, *made, *grouping),
            below.deciding | grouped,
            told,
            below.reads,
            key=frozenset(key.digest for key in keys) if alone else None,
            single=not keys and alone,
        )

    def _window(self, operator: Operator) -> Rows:
        below = self._below(operator)
        made = [self._read.window(item, below.columns) for item in operator.get("expressions", [])]
        made = [replace(column, digest=digest_of(column.digest, below.digest)) for column in made]
        self._bind(operator, "window_index", made)
        return replace(below, columns=(*below.columns, *made))

    def _unnest(self, operator: Operator) -> Rows:
        below, lists = self._below(operator), operator.get("expressions", [])
        made = [self._read.column(item, below.columns).settled("unnest") for item in lists]
        self._bind(operator, "unnest_index", made)
        self._multiplied.update(part.place for part in self._parts(lists, below))
        rows = below.decided(self._parts(lists, below), Kind.JOIN, "unnest", self._digests(lists, below))
        return rows.multiplied([*below.columns, *made])

    def _order_by(self, operator: Operator) -> Rows:
        below = self._below(operator)
        parts, told = self._ordering(operator.get("orders", []), below)
        rows = replace(below.decided(parts, Kind.SORT, "order by", told), single=below.single)
        kept = operator.get("projection_map")
        return rows if kept is None else replace(rows, columns=tuple(rows.columns[at] for at in kept))

    def _limit(self, operator: Operator) -> Rows:
        below = self._below(operator)
        bounds = [operator.get(name) or {} for name in ("limit_val", "offset_val")]
        inner = [bound["expression"] for bound in bounds if "expression" in bound]
        told = [
            {
                name: self._read.digest(value, below.columns) if name == "expression" else value
                for name, value in bound.items()
            }
            for bound in bounds
        ]
        return below.decided(self._parts(inner, below), Kind.FILTER, "limit", told)

    def _sample(self, operator: Operator) -> Rows:
        return self._below(operator).decided(NONE, Kind.FILTER, "sample", operator.get("sample_options"))

    def _distinct(self, operator: Operator) -> Rows:
        below, targets = self._below(operator), operator.get("distinct_targets", [])
        parts, told = self._ordering((operator.get("order_by") or {}).get("orders", []), below)
        digests = self._digests(targets, below)
        rows = below.decided(
            self._parts(targets, below), Kind.GROUP_BY, operator.get("distinct_type"), digests, told
        )
        return replace(
            rows,
            deciding=rows.deciding | as_kind(parts, Kind.SORT),
            key=frozenset(digests),
            single=below.single,
        )

    def _pivot(self, operator: Operator) -> Rows:
        rows = pivoted(self._below(operator), operator["bound_pivot"])
        self._bind(operator, "pivot_index", rows.columns)
        return rows

    # --- Joins

    def _sides(self, operator: Operator) -> tuple[Rows, Rows]:
        left, right = map(self.rows, operator["children"])
        return left, right.beside(left)

    def _cross_product(self, operator: Operator) -> Rows:
        return crossed(*self._sides(operator))

    def _positional_join(self, operator: Operator) -> Rows:
        return side_by_side(*self._sides(operator))

    def _any_join(self, operator: Operator) -> Rows:
        left, right = self._sides(operator)
        both, condition = (*left.columns, *right.columns), operator["condition"]
        on = Condition(
            self._read.parts(condition, both),
            self._read.digest(condition, both),
            comparisons=self._read.comparisons(condition, both),
        )
        return self._joined(operator, left, right, on)

    def _comparison_join(self, operator: Operator) -> Rows:
        left, right = self._sides(operator)
        return self._joined(operator, left, right, self._condition(operator, left, right))

    def _asof_join(self, operator: Operator) -> Rows:
        left, right = self._sides(operator)
        on = self._condition(operator, left, right)
        return self._joined(operator, left, right, replace(on, told=["asof", on.told], equal=frozenset()))

    def _delim_join(self, operator: Operator) -> Rows:
        left_side, right_side = operator["children"]
        if operator.get("delim_flipped"):
            raise UnknownOperatorError("a turned join with an outer query")
        left = self.rows(left_side)
        named = operator.get("duplicate_eliminated_columns", [])
        self._outer.append([self._read.column(item, left.columns).settled("outer") for item in named])
        right = self.rows(right_side).beside(left)
        self._outer.pop()
        return self._joined(operator, left, right, self._condition(operator, left, right))

    def _condition(self, operator: Operator, left: Rows, right: Rows) -> Condition:
        parts: set[Part] = set()
        told: list[list[str]] = []
        found: list[Comparison] = []
        for item in operator.get("conditions", []):
            if not {"left", "right", "comparison"} <= item.keys():
                raise UnknownOperatorError("the condition of a join")
            of_left, of_right = (item["left"], left.columns), (item["right"], right.columns)
            parts |= self._read.parts(*of_left) | self._read.parts(*of_right)
            found.append(
                (item["comparison"] in EQUAL, (self._read.side(*of_left), self._read.side(*of_right)))
            )
            told.append([item["comparison"], self._read.digest(*of_left), self._read.digest(*of_right)])
        equal = ("COMPARE_EQUAL", "COMPARE_NOT_DISTINCT_FROM")
        return Condition(
            frozenset(parts), sorted(told), frozenset(side for how, _, side in told if how in equal), found
        )

    def _joined(self, operator: Operator, left: Rows, right: Rows, on: Condition) -> Rows:
        self._note_compared(on.comparisons)
        rows = joined(str(operator.get("join_type")), left, right, on)
        if operator.get("join_type") == "MARK":
            self._bind(operator, "mark_index", rows.columns[-1:])
        return rows

    # --- Several queries in one

    def _together(self, operator: Operator) -> Rows:
        name, sides = known_operator(operator), [self.rows(child) for child in operator["children"]]
        rows = together(name, sides, every=bool(operator.get("setop_all")))
        if name != "union":
            found: list[Comparison] = [
                (True, tuple(side(one.parts, [one]) for one in of_each))
                for of_each in zip(*(rows_of.columns for rows_of in sides), strict=True)
            ]
            self._note_compared(found)
            rows = replace(rows, columns=told(rows.columns, found))
        self._bind(operator, "table_index", rows.columns)
        return rows

    _union = _intersect = _except = _together

    def _materialized_cte(self, operator: Operator) -> Rows:
        named, query = operator["children"]
        self._named[int(operator.get("table_index", 0))] = self.rows(named)
        return self.rows(query)

    def _cte_ref(self, operator: Operator) -> Rows:
        rows = self._named.get(int(operator.get("cte_index", 0)))
        as_many = rows is not None and len(rows.columns) == len(operator.get("chunk_types", []))
        if rows is None or not as_many or operator.get("is_recurring"):
            raise UnknownOperatorError("a query that is read by its name")
        rows = read_again(rows, self._numbered_again, self._group)
        self._bind(operator, "table_index", rows.columns)
        return rows

    def _recursive_cte(self, operator: Operator) -> Rows:
        """What a query begins with, and what it makes of itself, until that brings nothing more."""
        first, again = operator["children"]
        start, keys = self.rows(first), operator.get("key_targets", [])
        told = digest_of("recursive", start.digest, [column.digest for column in start.columns])
        before = Rows(
            tuple(
                Column(column.settled().parts, digest_of(told, at)) for at, column in enumerate(start.columns)
            ),
            start.deciding,
            told,
            start.reads,
        )
        while True:
            self._named[int(operator.get("table_index", 0))] = before
            step = self.rows(again)
            if len(step.columns) != len(before.columns):
                raise UnknownOperatorError("the columns of a recursive query")
            columns = tuple(
                replace(one, parts=one.parts | other.settled().parts)
                for one, other in zip(before.columns, step.columns, strict=True)
            )
            after = replace(before, columns=columns, deciding=before.deciding | step.deciding)
            if after == before:
                break
            before = after
        every = bool(operator.get("union_all"))
        told = digest_of(
            told, step.digest, [column.digest for column in step.columns], every, self._digests(keys, before)
        )
        alike = self._parts(keys, before) if keys else NONE.union(*[one.parts for one in before.columns])
        rows = replace(
            before,
            columns=tuple(replace(one, digest=digest_of(told, at)) for at, one in enumerate(before.columns)),
            deciding=before.deciding if every else before.deciding | as_kind(alike, Kind.GROUP_BY),
            digest=told,
            reads=read_by(start, step),
        )
        self._bind(operator, "table_index", rows.columns)
        return rows
