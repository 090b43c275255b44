"""What each logical operator of a bound plan makes of the rows below it.

Belongs here: operators. One that is not known ends the walk. Does not belong here: expressions
(`column_plan_expressions`), what becomes of a walk that ends so (`column_plan`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from orchestration.compute.column_plan_expressions import (
    Expressions,
    at_least,
    holds_expressions,
)
from orchestration.compute.column_plan_rows import (
    NONE,
    Column,
    Counted,
    Part,
    Parts,
    Rows,
    as_kind,
    digest_of,
    read_by_both,
    then,
)
from orchestration.core.column_origins import Kind, Place
from orchestration.core.relations import Relation

Operator = Mapping[str, Any]

_JOINED = {"INNER": "", "LEFT": "r", "RIGHT": "l", "FULL": "lr", "OUTER": "lr"}
# Functions that rows are read from, of their arguments alone; of `unnest` an element comes out as it is.
_ROWS_OF_ARGUMENTS = {
    "range": Kind.TRANSFORMATION,
    "generate_series": Kind.TRANSFORMATION,
    "json_each": Kind.TRANSFORMATION,
    "json_tree": Kind.TRANSFORMATION,
    "unnest": Kind.IDENTITY,
}


class UnknownOperatorError(Exception):
    """An operator, or something in one, that is not known."""


class Operators:
    """Walks the operators of one plan.

    Args:
        everything: all columns of all tables that the plan reads.
        note: is told of expressions that are not understood.
    """

    def __init__(self, everything: Callable[[], Parts], note: Callable[[str, int | None], None]) -> None:
        self._bound: dict[int, Sequence[Column]] = {}
        self._read = Expressions(everything, self._bound, note)
        self._everything = everything
        self._tables: list[Relation | None] = [None]  # of each reading; the first is none
        self._groups = 0
        self._ctes: dict[int, Rows] = {}
        self._outer: list[tuple[Column, ...]] = []

    def table_of(self, scan: int) -> Relation | None:
        """Return the table of a reading (`Rows.once`)."""
        return self._tables[scan]

    def rows(self, operator: Operator) -> Rows:
        """Return what an operator gives.

        Raises:
            UnknownOperatorError: it, or one below, is not known.
        """
        name = str(operator.get("type", "")).removeprefix("LOGICAL_")
        known = OPERATORS.get(name)
        if known is None:
            raise UnknownOperatorError(f"the operator {name}")
        walk, holding = known
        for key, value in operator.items():
            if key not in holding and key != "children" and holds_expressions(value):
                raise UnknownOperatorError(f"`{key}` of the operator {name}")
        return walk(self, operator)

    def _child(self, operator: Operator) -> Rows:
        [child] = operator["children"]
        return self.rows(child)

    def _bind(self, operator: Operator, name: str, columns: Sequence[Column]) -> None:
        self._bound[int(operator.get(name, 0))] = columns

    def _parts(self, expressions: Iterable[Any], below: Sequence[Column]) -> Parts:
        return NONE.union(*(self._read.parts(item, below) for item in expressions))

    def _digests(self, expressions: Iterable[Any], below: Sequence[Column]) -> list[str]:
        return sorted({self._read.digest(item, below) for item in expressions})

    # --- Rows of tables and of arguments

    def _get(self, operator: Operator) -> Rows:
        name = operator.get("name")
        if name == "seq_scan":
            return self._scan(operator)
        if name not in _ROWS_OF_ARGUMENTS:
            raise UnknownOperatorError(f"rows of `{name}`")
        return self._rows_of_arguments(operator, str(name))

    def _scan(self, operator: Operator) -> Rows:
        where = operator["function_data"]
        relation, names = Relation(where["schema"], where["table"]), operator.get("names", [])
        self._tables.append(relation)
        scan = len(self._tables) - 1
        columns: list[Column] = []
        for item in operator.get("column_indexes", []):
            if item["index"] < len(names):
                column = names[item["index"]]
                part = Part(Place(relation, column), Kind.IDENTITY)
                columns.append(Column(frozenset({part}), digest_of(relation.parts, column), scan))
            else:  # the number of a row, which is made of where the rows are
                parts = frozenset(Part(Place(relation, column), Kind.TRANSFORMATION) for column in names)
                columns.append(Column(parts, digest_of(relation.parts, None), scan))
        self._bind(operator, "table_index", columns)
        return Rows(
            tuple(columns), NONE, digest_of("table", relation.parts), {str(relation): 1}, frozenset({scan})
        )

    def _rows_of_arguments(self, operator: Operator, name: str) -> Rows:
        told = digest_of(name, operator.get("parameters"), operator.get("named_parameters"))
        indexes = [int(item["index"]) for item in operator.get("column_indexes", [])]
        if not operator.get("children"):
            columns = tuple(Column(NONE, digest_of(told, index)) for index in indexes)
            self._bind(operator, "table_index", columns)
            return Rows(columns, NONE, told, {told: 1})
        below = self._child(operator)
        taken = below.columns[: len(operator.get("input_table_types", []))]
        parts = NONE.union(*(column.parts for column in taken))
        digests = [column.digest for column in taken]
        made = [
            Column(then(parts, _ROWS_OF_ARGUMENTS[name]), digest_of(told, index, digests)).settled()
            for index in indexes
        ]
        self._bind(operator, "table_index", made)
        kept = [below.columns[at].settled() for at in operator.get("projected_input", [])]
        rows = below.decided(parts, Kind.JOIN, told, digests)
        return replace(rows, columns=(*made, *kept), once=frozenset(), key=None)

    def _values(self, operator: Operator) -> Rows:
        below = self._child(operator)
        lines: list[list[Any]] = operator.get("expressions", [])
        told = digest_of(
            "values", [[self._read.digest(item, below.columns) for item in line] for line in lines]
        )
        columns = tuple(
            Column(self._parts(items, below.columns), digest_of(told, at)).settled()
            for at, items in enumerate(zip(*lines, strict=True))
        )
        self._bind(operator, "table_index", columns)
        return Rows(columns, below.deciding, digest_of(told, below.digest), {**below.reads, told: 1})

    def _one_row(self, operator: Operator) -> Rows:
        self._bind(operator, "table_index", ())
        return Rows((), NONE, digest_of("one row"), {}, key=frozenset(), single=True)

    def _no_rows(self, operator: Operator) -> Rows:
        columns = tuple(
            Column(NONE, digest_of("none", at)) for at, _ in enumerate(operator.get("return_types", []))
        )
        return Rows(columns, NONE, digest_of("no rows"), {})

    def _delim_get(self, operator: Operator) -> Rows:
        columns = self._outer[-1] if self._outer else ()
        if len(columns) != len(operator.get("chunk_types", [])):
            raise UnknownOperatorError("columns of an outer query")
        self._bind(operator, "table_index", columns)
        return Rows(columns, NONE, digest_of("outer", sorted(column.digest for column in columns)), {})

    # --- One operator below

    def _projection(self, operator: Operator) -> Rows:
        below = self._child(operator)
        columns = [self._read.column(item, below.columns) for item in operator.get("expressions", [])]
        self._bind(operator, "table_index", columns)
        return below.with_columns(columns)

    def _filter(self, operator: Operator) -> Rows:
        below = self._child(operator)
        conditions = operator.get("expressions", [])
        proven = self._read.proven(conditions, below.columns)
        alike = self._read.numbered(conditions, below.columns)
        parts = self._parts(conditions, below.columns)
        rows = below.decided(parts, Kind.FILTER, "where", self._digests(conditions, below.columns))
        columns = [replace(column, parts=at_least(column.parts, proven)) for column in below.columns]
        kept = operator.get("projection_map")
        return replace(
            rows,
            columns=tuple(columns if kept is None else [columns[at] for at in kept]),
            key=below.key if alike is None else alike,
        )

    def _aggregate(self, operator: Operator) -> Rows:
        below = self._child(operator)
        self._groups += 1
        groups = operator.get("groups", [])
        keys = [self._read.column(item, below.columns) for item in groups]
        # Of columns that are constants of each row there is one group, and always one.
        sets = sorted(
            sorted(keys[at].digest for at in chosen) for chosen in operator.get("grouping_sets", [])
        )
        whole = len(sets) <= 1
        grouped = digest_of(
            "group by", below.digest, sorted({key.digest for key in keys}), [] if whole else sets
        )
        named = [
            replace(key, scan=0, digest=key.digest if whole else digest_of(grouped, key.digest))
            for key in keys
        ]
        made = [
            self._read.aggregate(item, below.columns, self._groups, below.once)
            for item in operator.get("expressions", [])
        ]
        made = [replace(column, digest=digest_of(grouped, column.digest)) for column in made]
        grouping = [
            Column(NONE, digest_of(grouped, "grouping", [keys[at].digest for at in chosen]))
            for chosen in operator.get("grouping_functions", [])
        ]
        self._bind(operator, "group_index", named)
        self._bind(operator, "aggregate_index", made)
        self._bind(operator, "groupings_index", grouping)
        return Rows(
            (*named, *made, *grouping),
            below.deciding | as_kind(NONE.union(*(key.parts for key in keys)), Kind.GROUP_BY),
            grouped,
            below.reads,
            key=frozenset(key.digest for key in keys) if whole else None,
            single=not groups and whole,
        )

    def _window(self, operator: Operator) -> Rows:
        below = self._child(operator)
        made = [self._read.window(item, below.columns) for item in operator.get("expressions", [])]
        made = [replace(column, digest=digest_of(column.digest, below.digest)) for column in made]
        self._bind(operator, "window_index", made)
        return below.with_columns([*below.columns, *made])

    def _unnest(self, operator: Operator) -> Rows:
        below = self._child(operator)
        lists = operator.get("expressions", [])
        parts = self._parts(lists, below.columns)
        made = [self._read.column(item, below.columns) for item in lists]
        made = [
            replace(column.settled("unnest"), parts=then(column.settled().parts, Kind.IDENTITY))
            for column in made
        ]
        self._bind(operator, "unnest_index", made)
        rows = below.decided(parts, Kind.JOIN, "unnest", self._digests(lists, below.columns))
        return replace(rows, columns=(*below.columns, *made), once=frozenset(), key=None)

    def _ordered(self, operator: Operator) -> Rows:
        below = self._child(operator)
        orders = [
            [order["type"], order.get("null_order"), self._read.digest(order["expression"], below.columns)]
            for order in operator.get("orders", [])
        ]
        parts = self._parts([order["expression"] for order in operator.get("orders", [])], below.columns)
        limits = [operator.get(name) for name in ("limit", "offset")]
        rows = replace(below.decided(parts, Kind.SORT, "order by", orders, limits), single=below.single)
        kept = operator.get("projection_map")
        return rows if kept is None else rows.with_columns([rows.columns[at] for at in kept])

    def _limit(self, operator: Operator) -> Rows:
        below = self._child(operator)
        bounds = [operator.get(name) or {} for name in ("limit_val", "offset_val")]
        inner = [bound["expression"] for bound in bounds if "expression" in bound]
        told = [
            {
                name: self._read.digest(value, below.columns) if name == "expression" else value
                for name, value in bound.items()
            }
            for bound in bounds
        ]
        return below.decided(self._parts(inner, below.columns), Kind.FILTER, "limit", told)

    def _sample(self, operator: Operator) -> Rows:
        return self._child(operator).decided(NONE, Kind.FILTER, "sample", operator.get("sample_options"))

    def _distinct(self, operator: Operator) -> Rows:
        below = self._child(operator)
        targets = operator.get("distinct_targets", [])
        orders = (operator.get("order_by") or {}).get("orders", [])
        told = [
            [order["type"], order.get("null_order"), self._read.digest(order["expression"], below.columns)]
            for order in orders
        ]
        digests = self._digests(targets, below.columns)
        rows = below.decided(
            self._parts(targets, below.columns), Kind.GROUP_BY, operator.get("distinct_type"), digests, told
        )
        parts = self._parts([order["expression"] for order in orders], below.columns)
        return replace(
            rows,
            deciding=rows.deciding | as_kind(parts, Kind.SORT),
            key=frozenset(digests),
            single=below.single,
        )

    def _pivot(self, operator: Operator) -> Rows:
        """A PIVOT of many values: lists of what each comes to, beside the list of names that say of which."""
        below, pivot = self._child(operator), operator["bound_pivot"]
        groups, values = int(pivot.get("group_count", 0)), pivot["pivot_values"]
        count = len(pivot.get("aggregates", []))
        if len(below.columns) != groups + count + 1:
            raise UnknownOperatorError("columns of a PIVOT")
        names = below.columns[-1]
        made = [
            Column(
                column.settled().parts | then(names.settled().parts, Kind.CONDITIONAL),
                digest_of("pivot", value, column.digest, names.digest),
            )
            for value in values
            for column in below.columns[groups : groups + count]
        ]
        columns = (*below.columns[:groups], *made)
        self._bind(operator, "pivot_index", columns)
        return below.with_columns(columns)

    # --- Joins

    def _cross_product(self, operator: Operator) -> Rows:
        left, right = map(self.rows, operator["children"])
        right = right.beside(left)
        if right.single or left.single:
            decide = right if right.single else left
            parts = as_kind(decide.deciding, Kind.CONDITIONAL)

            def decided(rows: Rows) -> Rows:
                if rows is not decide or not parts:
                    return rows
                return rows.mapped(lambda column: replace(column, parts=column.parts | parts))

            other = left if right.single else right
            return replace(
                other,
                columns=(*decided(left).columns, *decided(right).columns),
                reads=read_by_both(left, right),
            )
        return self._joined(left, right, [*left.columns, *right.columns], NONE, "cross product")

    def _positional(self, operator: Operator) -> Rows:
        left, right = map(self.rows, operator["children"])
        right = right.beside(left)
        columns = [column.settled(side.digest) for side in (left, right) for column in side.columns]
        return self._joined(left, right, columns, NONE, "positional join")

    def _any_join(self, operator: Operator) -> Rows:
        left, right = map(self.rows, operator["children"])
        right = right.beside(left)
        both, condition = (*left.columns, *right.columns), operator["condition"]
        parts, told = self._read.parts(condition, both), self._read.digest(condition, both)
        return self._join(operator, left, right, parts, [told], frozenset())

    def _comparison_join(self, operator: Operator) -> Rows:
        left = self.rows(operator["children"][0])
        delim = operator.get("type") == "LOGICAL_DELIM_JOIN"
        if delim:
            if operator.get("delim_flipped"):
                raise UnknownOperatorError("a turned join with an outer query")
            outer = [
                self._read.column(item, left.columns).settled("outer")
                for item in operator.get("duplicate_eliminated_columns", [])
            ]
            self._outer.append(tuple(outer))
        right = self.rows(operator["children"][1])
        if delim:
            self._outer.pop()
        right = right.beside(left)
        parts: set[Part] = set()
        told: list[Any] = []
        equal: set[str] = set()
        for condition in operator.get("conditions", []):
            if not {"left", "right", "comparison"} <= condition.keys():
                raise UnknownOperatorError("a join's condition")
            parts |= self._read.parts(condition["left"], left.columns)
            parts |= self._read.parts(condition["right"], right.columns)
            sides = [
                self._read.digest(condition["left"], left.columns),
                self._read.digest(condition["right"], right.columns),
            ]
            told.append([condition["comparison"], *sides])
            if condition["comparison"] in ("COMPARE_EQUAL", "COMPARE_NOT_DISTINCT_FROM"):
                equal.add(sides[1])
        asof = operator.get("type") == "LOGICAL_ASOF_JOIN"
        return self._join(operator, left, right, frozenset(parts), [asof, *sorted(told, key=str)], equal)

    def _join(
        self,
        operator: Operator,
        left: Rows,
        right: Rows,
        parts: Parts,
        told: Sequence[Any],
        equal: Iterable[str],
    ) -> Rows:
        """Join, on conditions of `parts` and digests `told`; `equal` are those of the right in equalities."""
        how = str(operator.get("join_type"))
        told = [how, told, right.digest]
        if "left_projection_map" in operator or "right_projection_map" in operator:
            raise UnknownOperatorError("a join that leaves columns out")
        if how in ("SEMI", "ANTI"):
            rows = left.decided(parts, Kind.JOIN, told)
            return replace(rows, deciding=rows.deciding | right.deciding, reads=read_by_both(left, right))
        if how in ("SINGLE", "MARK"):
            decided = as_kind(right.deciding | parts, Kind.CONDITIONAL)
            if how == "SINGLE":
                made = [
                    replace(column, parts=column.parts | decided, digest=digest_of(told, column.digest))
                    for column in right.columns
                ]
            else:
                among = as_kind(right.deciding, Kind.CONDITIONAL) | then(parts, Kind.TRANSFORMATION)
                made = [Column(among, digest_of(told)).settled()]
                self._bind(operator, "mark_index", made)
            return replace(left, columns=(*left.columns, *made), reads=read_by_both(left, right))
        if how not in _JOINED:
            raise UnknownOperatorError(f"the join {how}")
        columns = [
            replace(column, digest=digest_of(told, left.digest, column.digest))
            if name in _JOINED[how]
            else column
            for name, side in (("l", left), ("r", right))
            for column in side.columns
        ]
        rows = self._joined(left, right, columns, parts, *told)
        matched = right.key is not None and right.key <= set(equal)
        if matched and how in ("INNER", "LEFT"):
            rows = replace(rows, once=left.once, key=left.key)
        return rows

    def _joined(self, left: Rows, right: Rows, columns: Sequence[Column], parts: Parts, *told: Any) -> Rows:
        return Rows(
            tuple(columns),
            left.deciding | right.deciding | as_kind(parts, Kind.JOIN),
            digest_of("join", told, left.digest, right.digest),
            read_by_both(left, right),
        )

    # --- Several queries in one

    def _union(self, operator: Operator) -> Rows:
        return self._set_operation(operator, "union", NONE)

    def _intersect(self, operator: Operator) -> Rows:
        return self._set_operation(operator, "intersect", None)

    def _except(self, operator: Operator) -> Rows:
        return self._set_operation(operator, "except", None)

    def _set_operation(self, operator: Operator, name: str, deciding: Parts | None) -> Rows:
        sides = [self.rows(child) for child in operator["children"]]
        if len({len(side.columns) for side in sides}) != 1:
            raise UnknownOperatorError(f"columns of {name}")
        taken = sides[:1] if name == "except" else sides
        columns = [
            Column(
                NONE.union(*(side.columns[at].settled().parts for side in taken)),
                digest_of(name, [side.columns[at].digest for side in taken]),
            )
            for at in range(len(sides[0].columns))
        ]
        if deciding is None:
            deciding = NONE.union(*(column.parts for side in sides for column in side.columns))
        told = [name, operator.get("setop_all"), [side.digest for side in sides]]
        if name != "union":
            told.append([[column.digest for column in side.columns] for side in sides])
        reads = sides[0].reads
        for side in sides[1:]:
            reads = read_by_both(replace(sides[0], reads=reads), side)
        self._bind(operator, "table_index", columns)
        return Rows(
            tuple(columns),
            NONE.union(*(side.deciding for side in sides)) | as_kind(deciding, Kind.FILTER),
            digest_of(told),
            reads,
        )

    def _materialized(self, operator: Operator) -> Rows:
        named, query = operator["children"]
        self._ctes[int(operator.get("table_index", 0))] = self.rows(named)
        return self.rows(query)

    def _cte_ref(self, operator: Operator) -> Rows:
        rows = self._ctes.get(int(operator.get("cte_index", 0)))
        if (
            rows is None
            or len(rows.columns) != len(operator.get("chunk_types", []))
            or operator.get("is_recurring")
        ):
            raise UnknownOperatorError("a query by name that is not there")
        rows = self._again(rows)
        self._bind(operator, "table_index", rows.columns)
        return rows

    def _again(self, rows: Rows) -> Rows:
        """Return the same rows, read once more: what is proven of one reading says nothing of another."""
        scans: dict[int, int] = {0: 0}
        groups: dict[int, int] = {0: 0}

        def scan(old: int) -> int:
            if old not in scans:
                self._tables.append(self._tables[old])
                scans[old] = len(self._tables) - 1
            return scans[old]

        def group(old: int) -> int:
            if old not in groups:
                self._groups += 1
                groups[old] = self._groups
            return groups[old]

        def counted(old: Counted | None) -> Counted | None:
            return old and Counted(group(old.group), frozenset(map(scan, old.scans)), old.only)

        columns = [
            replace(
                column,
                parts=frozenset(
                    part._replace(group=group(part.group), scan=scan(part.scan)) if part.group else part
                    for part in column.parts
                ),
                scan=scan(column.scan),
                counted=counted(column.counted),
            )
            for column in rows.columns
        ]
        return replace(rows, columns=tuple(columns), once=frozenset(map(scan, rows.once)))

    def _recursive(self, operator: Operator) -> Rows:
        first, again = operator["children"]
        number = int(operator.get("table_index", 0))
        start = self.rows(first)
        told = digest_of("recursive", start.digest, [column.digest for column in start.columns])
        keys = operator.get("key_targets", [])
        parts = [column.settled().parts for column in start.columns]
        deciding = start.deciding
        while True:
            columns = tuple(Column(one, digest_of(told, at)) for at, one in enumerate(parts))
            self._ctes[number] = Rows(columns, deciding, told, start.reads)
            step = self.rows(again)
            if len(step.columns) != len(columns):
                raise UnknownOperatorError("columns of a recursive query")
            after = [one | column.settled().parts for one, column in zip(parts, step.columns, strict=True)]
            decided = deciding | step.deciding
            if after == parts and decided == deciding:
                break
            parts, deciding = after, decided
        digest = digest_of(
            told, step.digest, [column.digest for column in step.columns], operator.get("union_all"),
            self._digests(keys, columns),
        )  # fmt: skip
        columns = tuple(Column(one, digest_of(digest, at)) for at, one in enumerate(parts))
        if not operator.get("union_all"):
            alike = self._parts(keys, columns) if keys else NONE.union(*parts)
            deciding |= as_kind(alike, Kind.GROUP_BY)
        self._bind(operator, "table_index", columns)
        return Rows(columns, deciding, digest, read_by_both(start, step))


_Walk = Callable[[Operators, Operator], Rows]


def _known(walk: _Walk, *holding: str) -> tuple[_Walk, frozenset[str]]:
    return walk, frozenset(holding)


# By name, how each is walked, and where in it expressions stand.
# pyright: reportPrivateUsage=false
OPERATORS: Mapping[str, tuple[_Walk, frozenset[str]]] = {
    "GET": _known(Operators._get),
    "DELIM_GET": _known(Operators._delim_get),
    "EXPRESSION_GET": _known(Operators._values, "expressions"),
    "DUMMY_SCAN": _known(Operators._one_row),
    "EMPTY_RESULT": _known(Operators._no_rows),
    "CTE_REF": _known(Operators._cte_ref),
    "PROJECTION": _known(Operators._projection, "expressions"),
    "FILTER": _known(Operators._filter, "expressions"),
    "AGGREGATE_AND_GROUP_BY": _known(Operators._aggregate, "expressions", "groups"),
    "WINDOW": _known(Operators._window, "expressions"),
    "UNNEST": _known(Operators._unnest, "expressions"),
    "ORDER_BY": _known(Operators._ordered, "orders"),
    "TOP_N": _known(Operators._ordered, "orders"),
    "LIMIT": _known(Operators._limit, "limit_val", "offset_val"),
    "SAMPLE": _known(Operators._sample),
    "DISTINCT": _known(Operators._distinct, "distinct_targets", "order_by"),
    "PIVOT": _known(Operators._pivot, "bound_pivot"),
    "CROSS_PRODUCT": _known(Operators._cross_product),
    "POSITIONAL_JOIN": _known(Operators._positional),
    "ANY_JOIN": _known(Operators._any_join, "condition"),
    "COMPARISON_JOIN": _known(Operators._comparison_join, "conditions"),
    "ASOF_JOIN": _known(Operators._comparison_join, "conditions"),
    "DELIM_JOIN": _known(Operators._comparison_join, "conditions", "duplicate_eliminated_columns"),
    "UNION": _known(Operators._union),
    "INTERSECT": _known(Operators._intersect),
    "EXCEPT": _known(Operators._except),
    "MATERIALIZED_CTE": _known(Operators._materialized),
    "RECURSIVE_CTE": _known(Operators._recursive, "key_targets"),
}
