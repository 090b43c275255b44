"""Shapes of queries by what becomes of rows: groups, windows, sets, orders, pivots, lists, patterns of names.

Belongs here: what stands in SELECT and after WHERE. Does not: what is read (`shapes_of_sources`).
"""

from tests.columns.generated_expressions import Column
from tests.columns.query_maker import TABLES, From, Query, QueryMaker, Shape, aggregate


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
        f"select {listed}, max({value.name}) over w as {name}, row_number() over w as {other} from"
        f" {source.text}"
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


def _aggregates(make: QueryMaker, source: From) -> tuple[str, tuple[Column, ...]]:
    made = [(*aggregate(make, source), make.fresh()) for _ in range(make.random.randint(1, 3))]
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


def _series(make: QueryMaker, depth: int) -> Query:
    source = make.source(depth)
    until, name = make.expr(source.columns, "int", 1), make.fresh()
    listed, columns, _ = make.select([source])
    return Query(
        f"select {listed}, g.i as {name} from {source.text}, lateral (select unnest(range(0,"
        f" abs({until.name}) % 4))"
        " as i) as g",
        (*columns, Column(name, "int")), shapes=source.shapes,
    )  # fmt: skip


RESULTS: tuple[Shape, ...] = (
    _window, _window, _named_window, _qualify, _grouped, _grouped, _whole, _rollup, _set_operation,
    _set_operation, _distinct, _distinct_on, _limited, _pivot, _unpivot, _unnest, _struct_unnest,
    _columns_star,
    _whole_row, _series,
)  # fmt: skip
