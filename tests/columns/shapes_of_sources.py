"""Shapes of queries by what they read: joins of all kinds, subqueries, CTEs, rows of their own.

Belongs here: what stands in FROM and WHERE. Does not: what becomes of it (`shapes_of_results`).
"""

from tests.columns.generated_expressions import Column
from tests.columns.query_maker import TABLES, From, Query, QueryMaker, Shape, aggregate, comparable


def _project(make: QueryMaker, depth: int) -> Query:
    source = make.source(depth)
    listed, columns, key = make.select([source])
    return Query(f"select {listed} from {source.text}", columns, key, shapes=source.shapes)


def _filtered(make: QueryMaker, depth: int) -> Query:
    source = make.source(depth)
    listed, columns, key = make.select([source])
    return Query(
        f"select {listed} from {source.text} where {make.condition(source.columns)}",
        columns, key, shapes=source.shapes,
    )  # fmt: skip


def _joined(make: QueryMaker, depth: int) -> Query:
    left, right = make.source(depth), make.source(depth - 1)
    kind = make.random.choice(["inner join", "left join", "right join", "full join"])
    listed, columns, _ = make.select([left, right])
    on = comparable(make, left, right)
    where = f" where {make.condition(left.columns)}" if make.random.random() < 0.2 else ""
    return Query(
        f"select {listed} from {left.text} {kind} {right.text} on {on}{where}",
        columns, shapes=left.shapes + right.shapes,
    )  # fmt: skip


def _using(make: QueryMaker, depth: int) -> Query:
    kind = make.random.choice(["join", "left join", "full join"])
    one, other = make.random.sample(list(TABLES), k=2)
    made = make.expr([Column("k", "int"), Column("x1", "int"), Column("x2", "text")])
    name = make.fresh()
    return Query(
        f"select k, {made.name} as {name}, x1, x2 from (select k, id as x1 from {one})"
        f" {kind} (select k, s as x2 from {other}) using (k)",
        (Column("k", "int"), Column(name, made.type), Column("x1", "int"), Column("x2", "text")),
    )  # fmt: skip


def _semi(make: QueryMaker, depth: int) -> Query:
    left, right = make.source(depth), make.source(depth - 1)
    kind = make.random.choice(["semi join", "anti join"])
    listed, columns, key = make.select([left])
    return Query(
        f"select {listed} from {left.text} {kind} {right.text} on {comparable(make, left, right)}",
        columns, key, shapes=left.shapes + right.shapes,
    )  # fmt: skip


def _asof(make: QueryMaker, depth: int) -> Query:
    one, other = make.random.sample(["a", "b"], k=2)
    kind = make.random.choice(["asof join", "asof left join"])
    by = make.random.choice(["d", "id"])
    left = From(f"{one} as l", "l", tuple(Column(f"l.{c.name}", c.type) for c in TABLES[one]), "l.id", ())
    right = From(
        f"{other} as r", "r", tuple(Column(f"r.{c.name}", c.type) for c in TABLES[other]), "r.id", ()
    )
    listed, columns, key = make.select([left, right])
    return Query(
        f"select {listed} from {left.text} {kind} {right.text} on l.k = r.k and l.{by} >= r.{by}",
        columns,
        key,
    )


def _lateral(make: QueryMaker, depth: int) -> Query:
    left, inner = make.source(depth), make.source(depth - 1)
    made = make.expr([*left.columns, *inner.columns])
    alias, name = make.fresh("r"), make.fresh()
    kind = make.random.choice(["cross join lateral", "left join lateral"])
    on = " on true" if kind.startswith("left") else ""
    order = make.random.choice(["", f" order by {make.order(inner)} limit 1"])
    right = From("", alias, (Column(f"{alias}.{name}", made.type),), "", ())
    listed, columns, _ = make.select([left, right])
    return Query(
        f"select {listed}, {alias}.{name} as {name} from {left.text} {kind} (select {made.name} as"
        f" {name} from"
        f" {inner.text} where {comparable(make, left, inner)}{order}) as {alias}{on}",
        (*columns, Column(name, made.type)), shapes=left.shapes + inner.shapes,
    )  # fmt: skip


def _scalar_subquery(make: QueryMaker, depth: int) -> Query:
    source, inner = make.source(depth), make.source(depth - 1)
    name, (call, type_) = make.fresh(), aggregate(make, inner)
    correlated = make.random.choice([comparable(make, source, inner), make.condition(inner.columns)])
    listed, columns, key = make.select([source])
    return Query(
        f"select {listed}, (select {call} from {inner.text} where {correlated}) as {name} from {source.text}",
        (*columns, Column(name, type_)), key, shapes=source.shapes + inner.shapes,
    )  # fmt: skip


def _exists(make: QueryMaker, depth: int) -> Query:
    source, inner = make.source(depth), make.source(depth - 1)
    test = f"exists (select 1 from {inner.text} where {comparable(make, source, inner)})"
    return _tested(make, source, inner, test)


def _in_subquery(make: QueryMaker, depth: int) -> Query:
    source, inner = make.source(depth), make.source(depth - 1)
    mine = make.expr(source.columns, make.random.choice(["int", "text"]), 1)
    theirs = make.expr(inner.columns, mine.type, 1)
    word = make.random.choice(["in", "in", "not in", "> any", "<= all"])
    where = f" where {make.condition(inner.columns)}" if make.random.random() < 0.5 else ""
    return _tested(make, source, inner, f"{mine.name} {word} (select {theirs.name} from {inner.text}{where})")


def _tested(make: QueryMaker, source: From, inner: From, test: str) -> Query:
    """Return a query with a test where rows are chosen, as a column, or in a CASE."""
    listed, columns, key = make.select([source])
    shapes, name = source.shapes + inner.shapes, make.fresh()
    where = make.random.choice(["where", "column", "case"])
    if where == "where":
        return Query(f"select {listed} from {source.text} where {test}", columns, key, shapes=shapes)
    if where == "column":
        more = Column(name, "bool")
        return Query(
            f"select {listed}, {test} as {name} from {source.text}", (*columns, more), key, shapes=shapes
        )
    value = make.expr(source.columns, depth=1)
    return Query(
        f"select {listed}, case when {test} then {value.name} end as {name} from {source.text}",
        (*columns, Column(name, value.type)), key, shapes=shapes,
    )  # fmt: skip


def _cte(make: QueryMaker, depth: int) -> Query:
    made = make.query(depth)
    name = make.fresh("w")
    word = make.random.choice(["", "", "materialized ", "not materialized "])
    left, right = make.fresh("r"), make.fresh("r")
    mine = From("", left, tuple(Column(f"{left}.{c.name}", c.type) for c in made.columns), "", ())
    other = From("", right, tuple(Column(f"{right}.{c.name}", c.type) for c in made.columns), "", ())
    if make.random.random() < 0.5:
        listed, columns, _ = make.select([mine])
        return Query(
            f"with {name} as {word}({made.sql}) select {listed} from {name} as {left}",
            columns,
            shapes=made.shapes,
        )
    listed, columns, _ = make.select([mine, other])
    return Query(
        f"with {name} as {word}({made.sql}) select {listed} from {name} as {left}"
        f" left join {name} as {right} on {comparable(make, mine, other)}",
        columns, shapes=made.shapes,
    )  # fmt: skip


def _recursive(make: QueryMaker, depth: int) -> Query:
    table = make.random.choice(["a", "b"])
    step = make.random.choice(["w.v + 1", "w.v + t.k", "t.x"])
    text = make.random.choice(["w.s", "w.s || t.s", "t.s"])
    return Query(
        "with recursive w as (select id as root, k as v, s, 1 as level from a where id < 6"
        f" union all select w.root, {step}, {text}, w.level + 1 from w join {table} as t on t.k = w.v"
        " where w.level < 3) select root, v, s, level from w",
        (Column("root", "int"), Column("v", "int"), Column("s", "text"), Column("level", "int")),
    )  # fmt: skip


def _values(make: QueryMaker, depth: int) -> Query:
    source = make.source(depth)
    alias = make.fresh("r")
    right = From("", alias, (Column(f"{alias}.v", "int"), Column(f"{alias}.w", "text")), "", ())
    listed, columns, _ = make.select([source, right])
    return Query(
        f"select {listed} from {source.text} join (values (1, 'one'), (2, 'two'), (3, 'b')) as {alias}(v, w)"
        f" on {comparable(make, source, right)}",
        columns, shapes=source.shapes,
    )  # fmt: skip


def _positional(make: QueryMaker, depth: int) -> Query:
    one, other = make.random.sample(list(TABLES), k=2)
    left = From(f"{one} as l", "l", tuple(Column(f"l.{c.name}", c.type) for c in TABLES[one]), "l.id", ())
    right = From(
        f"{other} as r", "r", tuple(Column(f"r.{c.name}", c.type) for c in TABLES[other]), "r.id", ()
    )
    listed, columns, key = make.select([left, right])
    return Query(f"select {listed} from {left.text} positional join {right.text}", columns, key)


SOURCES: tuple[Shape, ...] = (
    _project, _project, _filtered, _joined, _joined, _using, _semi, _asof, _lateral, _scalar_subquery,
    _scalar_subquery, _exists, _in_subquery, _cte, _recursive, _values, _positional,
)  # fmt: skip
