"""Random SELECTs over three small tables: what each is made with, whatever its construct.

Every construct is a function of its own, a shape, and what one selects from is another: so they stand in each
other. A result is as good as certain: orders end in a key, where there is one.
Belongs here: what shapes share. Does not: shapes (`shapes_of_sources`, `shapes_of_results`),
expressions, data.
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
        Column("id", "int"), Column("k", "int"), Column("s", "text"), Column("st", "struct"), Column("n",
        "num"),
    ],
}  # fmt: skip
# What they are made as; the types by kind.
SQL_TYPES = {
    "int": "integer", "text": "varchar", "date": "date", "num": "decimal(12, 2)", "bool": "boolean",
    "list": "integer[]", "struct": "struct(p integer, q varchar)",
}  # fmt: skip


@dataclass(frozen=True)
class Query:
    """A SELECT, its columns, which of them tells a row from another, and whether it has an order."""

    sql: str
    columns: tuple[Column, ...]
    key: str = ""
    ordered: bool = False
    shapes: tuple[str, ...] = ()


@dataclass(frozen=True)
class From:
    """What stands in FROM, and its columns as they are named there."""

    text: str
    alias: str
    columns: tuple[Column, ...]
    key: str
    shapes: tuple[str, ...]

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == f"{self.alias}.{name}")


class QueryMaker:
    """Makes queries of some shapes out of a random generator; the same seed, the same queries."""

    def __init__(self, seed: str, shapes: Sequence["Shape"]) -> None:
        self.random = Random(seed)
        self._shapes = shapes
        self._names = 0

    def query(self, depth: int = 3) -> Query:
        """Return a query of so many levels at most."""
        shape = self.random.choice(self._shapes)
        made = shape(self, depth - 1)
        return Query(
            made.sql, made.columns, made.key, made.ordered, (*made.shapes, shape.__name__.lstrip("_"))
        )

    def source(self, depth: int) -> From:
        """Return what a query reads: a table, or a query below it."""
        alias = self.fresh("r")
        if depth <= 0 or self.random.random() < 0.45:
            name = self.random.choice(list(TABLES))
            columns = tuple(Column(f"{alias}.{one.name}", one.type) for one in TABLES[name])
            return From(f"{name} as {alias}", alias, columns, f"{alias}.id", ())
        made = self.query(depth)
        columns = tuple(Column(f"{alias}.{one.name}", one.type) for one in made.columns)
        key = f"{alias}.{made.key}" if made.key else ""
        return From(f"({made.sql}) as {alias}", alias, columns, key, made.shapes)

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

    def select(self, source: Sequence[From], *, count: int = 0) -> tuple[str, tuple[Column, ...], str]:
        """Return a select list of random expressions, with the key of the first source, if it has one."""
        columns = [column for one in source for column in one.columns]
        items: list[tuple[str, Column]] = []
        key = ""
        if source[0].key and self.random.random() < 0.8:
            key = self.fresh("id")
            items.append((source[0].key, Column(key, "int")))
        for _ in range(count or self.random.randint(2, 4)):
            made = self.random.choice(columns) if self.random.random() < 0.4 else self.expr(columns)
            items.append((made.name, Column(self.fresh(), made.type)))
        return ", ".join(f"{text} as {one.name}" for text, one in items), tuple(one for _, one in items), key

    def order(self, source: From) -> str:
        """Return an order that leaves no two rows of a source equal, or as few as can be."""
        columns = [one.name for one in source.columns if one.type not in ("list", "struct")]
        chosen = self.random.sample(columns, k=min(len(columns), 1)) if columns else ["1"]
        last = [source.key] if source.key else [one.name for one in source.columns]
        way = self.random.choice(["", " desc", " desc nulls last"])
        return ", ".join([chosen[0] + way, *last])


def comparable(make: QueryMaker, left: From, right: From) -> str:
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


def aggregate(make: QueryMaker, source: From) -> tuple[str, str]:
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


Shape = Callable[[QueryMaker, int], Query]
