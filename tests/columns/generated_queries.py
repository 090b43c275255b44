"""Random SELECTs over three small tables: what people write, and what they can write.

Every construct is a function of its own in `SHAPES`, and what one selects from is another: so they stand in
each other. A result is as good as certain: orders end in a key, where there is one.
Belongs here: queries. Does not: expressions (`generated_expressions`), data, and what is asserted.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from tests.columns.generated_expressions import Column, expression

# {table: its columns}; `id` is a table's key.
TABLES: Mapping[str, Sequence[Column]] = {
    "a": [
        Column("id", "int"), Column("k", "int"), Column("x", "int"), Column("s", "text"), Column("d", "date"),
        Column("n", "num"), Column("b", "bool"),
    ],
    "b": [
        Column("id", "int"), Column("k", "int"), Column("x", "int"), Column("s", "text"), Column("d", "date"),
        Column("l", "list"),
    ],
    "c": [
        Column("id", "int"), Column("k", "int"), Column("s", "text"), Column("st", "struct"), Column("n", "num"),
    ],
}  # fmt: skip
# What they are made as; the types by kind.
SQL_TYPES = {
    "int": "integer", "text": "varchar", "date": "date", "num": "decimal(12, 2)", "bool": "boolean",
    "list": "integer[]", "struct": "struct(p integer, q varchar)",
}  # fmt: skip


@dataclass(frozen=True)
class Query:
    """A SELECT, its columns, which of them tells a row from another, if one does, and by which it is ordered."""

    sql: str
    columns: tuple[Column, ...]
    key: str = ""
    ordered: bool = False
    shapes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _From:
    """What stands in FROM, and its columns as they are named there."""

    text: str
    alias: str
    columns: tuple[Column, ...]
    key: str
    shapes: tuple[str, ...]

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == f"{self.alias}.{name}")


class QueryMaker:
    """Makes queries out of a random generator; the same seed, the same queries."""

    def __init__(self, seed: str) -> None:
        self.random = Random(seed)
        self._names = 0

    def query(self, depth: int = 3) -> Query:
        """Return a query of so many levels at most."""
        shape = self.random.choice(SHAPES)
        made = shape(self, depth - 1)
        return Query(
            made.sql, made.columns, made.key, made.ordered, (*made.shapes, shape.__name__.lstrip("_"))
        )

    def source(self, depth: int) -> _From:
        """Return what a query reads: a table, or a query below it."""
        alias = self.fresh("r")
        if depth <= 0 or self.random.random() < 0.45:
            name = self.random.choice(list(TABLES))
            columns = tuple(Column(f"{alias}.{one.name}", one.type) for one in TABLES[name])
            return _From(f"{name} as {alias}", alias, columns, f"{alias}.id", ())
        made = self.query(depth)
        columns = tuple(Column(f"{alias}.{one.name}", one.type) for one in made.columns)
        key = f"{alias}.{made.key}" if made.key else ""
        return _From(f"({made.sql}) as {alias}", alias, columns, key, made.shapes)

    def fresh(self, prefix: str = "o") -> str:
        """Return a name that is nowhere else."""
        self._names += 1
        return f"{prefix}{self._names}"

    def expr(self, columns: Sequence[Column], type_: str = "", depth: int = 2) -> Column:
        """Return an expression, of any type unless one is named."""
        kind = type_ or self.random.choice(
            ("int", "int", "text", "text", "date", "num", "bool", "list", "struct")
        )
        return Column(expression(self.random, columns, kind, depth), kind)

    def condition(self, columns: Sequence[Column]) -> str:
        """Return a condition that some rows fulfil and some do not, more often than not."""
        ints = [one.name for one in columns if one.type == "int"]
        if not ints or self.random.random() < 0.4:
            return expression(self.random, columns, "bool", 2)
        return f"{self.random.choice(ints)} {self.random.choice(['% 4 <> 1', '> 2'])}"

    def select(self, source: Sequence[_From], *, count: int = 0) -> tuple[str, tuple[Column, ...], str]:
        """Return a select list of random expressions, with the key of the first source, if it has one."""
        columns = [column for one in source for column in one.columns]
        items: list[tuple[str, Column]] = []
        key = ""
        if source[0].key and self.random.random() < 0.8:
            key = self.fresh("id")
            items.append((source[0].key, Column(key, "int")))
        for _ in range(count or self.random.randint(2, 4)):
            if self.random.random() < 0.4:
                made = self.random.choice(columns)
            else:
                made = self.expr(columns)
            items.append((made.name, Column(self.fresh(), made.type)))
        return ", ".join(f"{text} as {one.name}" for text, one in items), tuple(one for _, one in items), key

    def order(self, source: _From) -> str:
        """Return an order that leaves no two rows of a source equal, or as few as can be."""
        columns = [one.name for one in source.columns if one.type not in ("list", "struct")]
        chosen = self.random.sample(columns, k=min(len(columns), 1)) if columns else ["1"]
        last = [source.key] if source.key else [one.name for one in source.columns]
        way = self.random.choice(["", " desc", " desc nulls last"])
        return ", ".join([chosen[0] + way, *last])


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


def _comparable(make: QueryMaker, left: _From, right: _From) -> str:
    """Return a condition that joins two sources, on columns of one type."""
    pairs = [
        (one.name, other.name)
        for one in left.columns for other in right.columns
        if one.type == other.type and one.type in ("int", "text", "date") and one.name != left.key
    ]  # fmt: skip
    keys = [pair for pair in pairs if pair[0].endswith(".k") and pair[1].endswith(".k")]
    if not pairs:
        return "true"
    one, other = make.random.choice(keys or pairs)
    operator = make.random.choice(["=", "=", "=", "is not distinct from", "<"])
    more = f" and {make.condition(right.columns)}" if make.random.random() < 0.3 else ""
    return f"{one} {operator} {other}{more}"


def _joined(make: QueryMaker, depth: int) -> Query:
    left, right = make.source(depth), make.source(depth - 1)
    kind = make.random.choice(["inner join", "left join", "right join", "full join"])
    listed, columns, _ = make.select([left, right])
    on = _comparable(make, left, right)
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
        f"select {listed} from {left.text} {kind} {right.text} on {_comparable(make, left, right)}",
        columns, key, shapes=left.shapes + right.shapes,
    )  # fmt: skip


def _asof(make: QueryMaker, depth: int) -> Query:
    one, other = make.random.sample(["a", "b"], k=2)
    kind = make.random.choice(["asof join", "asof left join"])
    by = make.random.choice(["d", "id"])
    left = _From(f"{one} as l", "l", tuple(Column(f"l.{c.name}", c.type) for c in TABLES[one]), "l.id", ())
    right = _From(
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
    right = _From("", alias, (Column(f"{alias}.{name}", made.type),), "", ())
    listed, columns, _ = make.select([left, right])
    return Query(
        f"select {listed}, {alias}.{name} as {name} from {left.text} {kind} (select {made.name} as {name} from"
        f" {inner.text} where {_comparable(make, left, inner)}{order}) as {alias}{on}",
        (*columns, Column(name, made.type)), shapes=left.shapes + inner.shapes,
    )  # fmt: skip


def _scalar_subquery(make: QueryMaker, depth: int) -> Query:
    source, inner = make.source(depth), make.source(depth - 1)
    name, (call, type_) = make.fresh(), _aggregate(make, inner)
    correlated = make.random.choice([_comparable(make, source, inner), make.condition(inner.columns)])
    listed, columns, key = make.select([source])
    return Query(
        f"select {listed}, (select {call} from {inner.text} where {correlated}) as {name} from {source.text}",
        (*columns, Column(name, type_)), key, shapes=source.shapes + inner.shapes,
    )  # fmt: skip


def _exists(make: QueryMaker, depth: int) -> Query:
    source, inner = make.source(depth), make.source(depth - 1)
    test = f"exists (select 1 from {inner.text} where {_comparable(make, source, inner)})"
    return _tested(make, source, inner, test)


def _in_subquery(make: QueryMaker, depth: int) -> Query:
    source, inner = make.source(depth), make.source(depth - 1)
    mine = make.expr(source.columns, make.random.choice(["int", "text"]), 1)
    theirs = make.expr(inner.columns, mine.type, 1)
    word = make.random.choice(["in", "in", "not in", "> any", "<= all"])
    where = f" where {make.condition(inner.columns)}" if make.random.random() < 0.5 else ""
    return _tested(make, source, inner, f"{mine.name} {word} (select {theirs.name} from {inner.text}{where})")


def _tested(make: QueryMaker, source: _From, inner: _From, test: str) -> Query:
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
    mine = _From("", left, tuple(Column(f"{left}.{c.name}", c.type) for c in made.columns), "", ())
    other = _From("", right, tuple(Column(f"{right}.{c.name}", c.type) for c in made.columns), "", ())
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
        f" left join {name} as {right} on {_comparable(make, mine, other)}",
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


def _window(make: QueryMaker, depth: int) -> Query:
    source = make.source(depth)
    listed, columns, key = make.select([source], count=1)
    items: list[str] = []
    more: list[Column] = []
    plain = [one for one in source.columns if one.type not in ("list", "struct")]
    for _ in range(make.random.randint(1, 3)):
        value = make.expr(source.columns, make.random.choice(["int", "text", "date"]), 1)
        partition = make.random.choice(plain).name if plain else "1"
        call, type_ = make.random.choice(
            [
                ("row_number()", "int"), ("rank()", "int"), ("dense_rank()", "int"), ("ntile(3)", "int"),
                (f"lag({value.name})", value.type), (f"lead({value.name}, 2)", value.type),
                (f"first_value({value.name})", value.type), (f"count({value.name})", "int"),
                (f"max({value.name})", value.type), (f"nth_value({value.name}, 2)", value.type),
                (f"min({value.name}) filter (where {make.condition(source.columns)})", value.type),
            ]
        )  # fmt: skip
        frame = make.random.choice(["", "", " rows between 1 preceding and current row"])
        if call.startswith(("row", "rank", "dense", "ntile", "lag", "lead")):
            frame = ""
        by = make.random.choice([f"partition by {partition} ", ""])
        name = make.fresh()
        items.append(f"{call} over ({by}order by {make.order(source)}{frame}) as {name}")
        more.append(Column(name, type_))
    return Query(
        f"select {listed}, {', '.join(items)} from {source.text}",
        (*columns, *more),
        key,
        shapes=source.shapes,
    )


def _named_window(make: QueryMaker, depth: int) -> Query:
    source = make.source(depth)
    listed, columns, key = make.select([source], count=1)
    value, name, other = make.expr(source.columns, "int", 1), make.fresh(), make.fresh()
    partition = make.random.choice([one for one in source.columns if one.type != "struct"]).name
    return Query(
        f"select {listed}, max({value.name}) over w as {name}, row_number() over w as {other} from {source.text}"
        f" window w as (partition by {partition} order by {make.order(source)})",
        (*columns, Column(name, "int"), Column(other, "int")), key, shapes=source.shapes,
    )  # fmt: skip


def _qualify(make: QueryMaker, depth: int) -> Query:
    source = make.source(depth)
    listed, columns, key = make.select([source])
    partition = make.random.choice(source.columns).name
    return Query(
        f"select {listed} from {source.text}"
        f" qualify row_number() over (partition by {partition} order by {make.order(source)}) <= 1",
        columns, key, shapes=source.shapes,
    )  # fmt: skip


def _aggregate(make: QueryMaker, source: _From) -> tuple[str, str]:
    """Return a call of an aggregate, and its type."""
    kind = make.random.choice(["int", "int", "text", "date"])
    value = make.expr(source.columns, kind, 1).name
    order = make.order(source)
    call, type_ = make.random.choice(
        [
            (f"count({value})", "int"), (f"count(distinct {value})", "int"), ("count(*)", "int"),
            (f"min({value})", kind), (f"max({value})", kind), (f"any_value({value} order by {order})", kind),
            (f"first({value} order by {order})", kind), (f"arg_max({value}, {source.columns[0].name})", kind),
            (f"string_agg(cast({value} as varchar), ',' order by {order})", "text"),
            (f"bool_or({value} is null)", "bool"), (f"mode({value} order by {order})", kind),
            (f"array_to_string(list_sort(list(distinct cast({value} as varchar))), '|')", "text"),
        ]
        + [(f"cast(sum({value}) as integer)", "int"), (f"cast(avg({value}) as decimal(12, 2))", "num"),
           (f"cast(sum(distinct {value}) as integer)", "int"),
           (f"list({value} order by {order})", "list")] * (kind == "int")
    )  # fmt: skip
    if call.startswith(("count", "min(", "max(", "any", "string")) and make.random.random() < 0.35:
        call += f" filter (where {make.condition(source.columns)})"
    return call, type_


def _aggregates(make: QueryMaker, source: _From) -> tuple[str, tuple[Column, ...]]:
    made = [(*_aggregate(make, source), make.fresh()) for _ in range(make.random.randint(1, 3))]
    listed = ", ".join(f"{call} as {name}" for call, _, name in made)
    return listed, tuple(Column(name, type_) for _, type_, name in made)


def _grouped(make: QueryMaker, depth: int) -> Query:
    source = make.source(depth)
    listed, columns = _aggregates(make, source)
    group, name = make.expr(source.columns, depth=1), make.fresh()
    by = make.random.choice(["1", "all", group.name])
    having = make.random.choice(
        ["", "", " having count(*) > 1", f" having max({source.columns[0].name}) is not null"]
    )
    where = f" where {make.condition(source.columns)}" if make.random.random() < 0.2 else ""
    return Query(
        f"select {group.name} as {name}, {listed} from {source.text}{where} group by {by}{having}",
        (Column(name, group.type), *columns), shapes=source.shapes,
    )  # fmt: skip


def _whole(make: QueryMaker, depth: int) -> Query:
    source = make.source(depth)
    listed, columns = _aggregates(make, source)
    return Query(f"select {listed} from {source.text}", columns, shapes=source.shapes)


def _rollup(make: QueryMaker, depth: int) -> Query:
    source = make.source(depth)
    listed, columns = _aggregates(make, source)
    one, other = (make.random.choice([c for c in source.columns if c.type != "struct"]) for _ in range(2))
    names = [make.fresh() for _ in range(3)]
    sets = make.random.choice(["rollup ({}, {})", "cube ({}, {})", "grouping sets (({}), ({}), ())"])
    return Query(
        f"select {one.name} as {names[0]}, {other.name} as {names[1]},"
        f" grouping({one.name}) as {names[2]}, {listed} from {source.text}"
        f" group by {sets.format(one.name, other.name)}",
        (Column(names[0], one.type), Column(names[1], other.type), Column(names[2], "int"), *columns),
        shapes=source.shapes,
    )  # fmt: skip


def _set_operation(make: QueryMaker, depth: int) -> Query:
    left, right = make.source(depth), make.source(depth - 1)
    types = [make.random.choice(["int", "text", "date"]) for _ in range(make.random.randint(2, 3))]
    names = [make.fresh() for _ in types]
    halves = [
        [
            f"{make.expr(side.columns, type_, 1).name} as {name}"
            for type_, name in zip(types, names, strict=True)
        ]
        for side in (left, right)
    ]
    word = make.random.choice(["union all", "union all", "union", "union by name", "intersect", "except"])
    if word == "union by name":
        halves[1].reverse()
    sides = [
        f"select {', '.join(half)} from {side.text}" for half, side in zip(halves, (left, right), strict=True)
    ]
    columns = tuple(Column(name, type_) for name, type_ in zip(names, types, strict=True))
    return Query(f" {word} ".join(sides), columns, shapes=left.shapes + right.shapes)


def _distinct(make: QueryMaker, depth: int) -> Query:
    source = make.source(depth)
    listed, columns, key = make.select([source])
    return Query(f"select distinct {listed} from {source.text}", columns, key, shapes=source.shapes)


def _distinct_on(make: QueryMaker, depth: int) -> Query:
    source = make.source(depth)
    listed, columns, key = make.select([source])
    on = make.random.choice(source.columns).name
    return Query(
        f"select distinct on ({on}) {listed} from {source.text} order by {on}, {make.order(source)}",
        columns, key, shapes=source.shapes,
    )  # fmt: skip


def _limited(make: QueryMaker, depth: int) -> Query:
    source = make.source(depth)
    listed, columns, key = make.select([source])
    cut = make.random.choice(["", " limit 4", " limit 5 offset 2", " limit 50%"])
    return Query(
        f"select {listed} from {source.text} order by {make.order(source)}{cut}",
        columns, key, ordered=bool(source.key), shapes=source.shapes,
    )  # fmt: skip


def _pivot(make: QueryMaker, depth: int) -> Query:
    source = make.source(depth)
    value, by = make.expr(source.columns, "int", 1), make.expr(source.columns, "int", 1)
    group = make.expr(source.columns, make.random.choice(["int", "text"]), 1)
    call = make.random.choice(["sum", "max", "count"])
    alias = make.fresh("r")
    return Query(
        f"select {alias}.g as g, {alias}.\"1\" as p1, {alias}.\"2\" as p2, {alias}.\"3\" as p3 from (pivot"
        f" (select {group.name} as g, {by.name} as n, {value.name} as v from {source.text})"
        f" on n in (1, 2, 3) using {call}(v) group by g) as {alias}",
        (Column("g", group.type), *(Column(f"p{n}", "int") for n in (1, 2, 3))), shapes=source.shapes,
    )  # fmt: skip


def _unpivot(make: QueryMaker, depth: int) -> Query:
    source = make.source(depth)
    ones = [make.expr(source.columns, "int", 1).name for _ in range(3)]
    word = make.random.choice(["", "include nulls "])
    return Query(
        f"select u0, name, value from (select {ones[0]} as u0, {ones[1]} as u1, {ones[2]} as u2 from"
        f" {source.text}) unpivot {word}(value for name in (u1, u2))",
        (Column("u0", "int"), Column("name", "text"), Column("value", "int")), shapes=source.shapes,
    )  # fmt: skip


def _unnest(make: QueryMaker, depth: int) -> Query:
    source = make.source(depth)
    listed, columns, _ = make.select([source])
    many, name = make.expr(source.columns, "list", 1), make.fresh()
    if make.random.random() < 0.5:
        sql = f"select {listed}, unnest({many.name}) as {name} from {source.text}"
    else:
        alias = make.fresh("r")
        sql = f"select {listed}, {alias}.e as {name} from {source.text}, unnest({many.name}) as {alias}(e)"
    return Query(sql, (*columns, Column(name, "int")), shapes=source.shapes)


def _struct_unnest(make: QueryMaker, depth: int) -> Query:
    source = make.source(depth)
    made = make.expr(source.columns, "struct", 1)
    return Query(
        f"select unnest({made.name}) from {source.text}", (Column("p", "int"), Column("q", "text")),
        shapes=source.shapes,
    )  # fmt: skip


def _columns_star(make: QueryMaker, depth: int) -> Query:
    table = make.random.choice(["a", "b"])
    pattern, columns = make.random.choice(
        [
            ("max(columns('^[kxs]$'))", (Column("k", "int"), Column("x", "int"), Column("s", "text"))),
            ("columns('^[kxs]$')", (Column("k", "int"), Column("x", "int"), Column("s", "text"))),
            ("columns(* exclude (d)) ", tuple(one for one in TABLES[table] if one.name != "d")),
            ("* replace (upper(s) as s) ", tuple(TABLES[table])),
            ("* exclude (k, x)", tuple(one for one in TABLES[table] if one.name not in ("k", "x"))),
            ("count(columns(lambda c: c in ('k', 's')))", (Column("k", "int"), Column("s", "int"))),
        ]
    )
    where = make.random.choice(["", " where columns('^[kx]$') is not null", " where k > 1"])
    key = "id" if any(one.name == "id" for one in columns) else ""
    return Query(f"select {pattern} from {table}{where}", columns, key)


def _whole_row(make: QueryMaker, depth: int) -> Query:
    source = make.source(depth)
    name, alias = make.fresh(), source.alias
    call = make.random.choice(["{}", "to_json({})", "cast({} as varchar)", "{} is null", "hash({})"])
    listed, columns, key = make.select([source], count=1)
    return Query(
        f"select {listed}, cast({call.format(alias)} as varchar) as {name} from {source.text}",
        (*columns, Column(name, "text")), key, shapes=source.shapes,
    )  # fmt: skip


def _values(make: QueryMaker, depth: int) -> Query:
    source = make.source(depth)
    alias = make.fresh("r")
    right = _From("", alias, (Column(f"{alias}.v", "int"), Column(f"{alias}.w", "text")), "", ())
    listed, columns, _ = make.select([source, right])
    return Query(
        f"select {listed} from {source.text} join (values (1, 'one'), (2, 'two'), (3, 'b')) as {alias}(v, w)"
        f" on {_comparable(make, source, right)}",
        columns, shapes=source.shapes,
    )  # fmt: skip


def _positional(make: QueryMaker, depth: int) -> Query:
    one, other = make.random.sample(list(TABLES), k=2)
    left = _From(f"{one} as l", "l", tuple(Column(f"l.{c.name}", c.type) for c in TABLES[one]), "l.id", ())
    right = _From(
        f"{other} as r", "r", tuple(Column(f"r.{c.name}", c.type) for c in TABLES[other]), "r.id", ()
    )
    listed, columns, key = make.select([left, right])
    return Query(f"select {listed} from {left.text} positional join {right.text}", columns, key)


def _series(make: QueryMaker, depth: int) -> Query:
    source = make.source(depth)
    until, name = make.expr(source.columns, "int", 1), make.fresh()
    listed, columns, _ = make.select([source])
    return Query(
        f"select {listed}, g.i as {name} from {source.text}, lateral (select unnest(range(0, abs({until.name}) % 4))"
        " as i) as g",
        (*columns, Column(name, "int")), shapes=source.shapes,
    )  # fmt: skip


SHAPES: Sequence[Callable[[QueryMaker, int], Query]] = (
    _project, _project, _filtered, _joined, _joined, _using, _semi, _asof, _lateral, _scalar_subquery,
    _scalar_subquery, _exists, _in_subquery, _cte, _recursive, _window, _window, _named_window, _qualify,
    _grouped, _grouped, _whole, _rollup, _set_operation, _set_operation, _distinct, _distinct_on, _limited, _pivot, _unpivot,
    _unnest, _struct_unnest, _columns_star, _whole_row, _values, _positional, _series,
)  # fmt: skip
