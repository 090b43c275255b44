"""What the kiosk is, told a second time in plain Python: its tables, checks and exports, and their rows.

Belongs here: what `tests/companies/kiosk` says in YAML and SQL, with the numbers in it that may change. Does
not: whether anything may be sent (`oracle`), and how the company is run (`company`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

MON, TUE, WED, THU, FRI = DAYS = tuple(f"2024-01-0{day}" for day in range(1, 6))
# The partition key of what is not cut into days.
WHOLE = ""
CONTRACT, SUITE, DBT_TEST = "contract", "expectations", "amount_is_possible"
# A bound that nothing breaks.
LOOSE = 9999

# (stall, amount), by stall.
Rows = tuple[tuple[str, int], ...]
# A table by its name, and one of its partitions.
Place = tuple[str, str]
# The rows of each parent, partition by partition.
Read = Mapping[str, Sequence[Rows]]


@dataclass(frozen=True)
class Table:
    """A table: `parents` are the days that are read of each, `rows` what its SQL makes of them."""

    name: str
    relation: str
    daily: bool
    checks: tuple[str, ...]
    parents: Mapping[str, int] = field(default_factory=dict[str, int])
    rows: Callable[[Read], Rows] | None = None

    @property
    def key(self) -> str:
        """Its asset, as `schema/name`."""
        return self.relation.replace(".", "/")

    @property
    def raw(self) -> bool:
        return self.rows is None

    def keys(self, days: Sequence[str]) -> Sequence[str]:
        """Return the keys under which it holds these days."""
        return days if self.daily else (WHOLE,)


def _same(read: Read) -> Rows:
    ((rows,),) = read.values()
    return rows


def _takings(read: Read) -> Rows:
    counts = dict(read["stg_stalls"][0])
    sold: dict[str, int] = {}
    for rows in read["stg_sales"]:
        for stall, amount in rows:
            sold[stall] = sold.get(stall, 0) + amount
    return tuple(sorted((stall, amount * counts[stall]) for stall, amount in sold.items() if stall in counts))


# Parents before children.
TABLES = {
    table.name: table
    for table in (
        Table("stalls", "raw.stalls", False, (CONTRACT, SUITE)),
        Table("sales", "raw.sales", True, (CONTRACT, SUITE)),
        Table("stg_stalls", "staging.stg_stalls", False, (SUITE,), {"stalls": 1}, _same),
        Table("stg_sales", "staging.stg_sales", True, (SUITE, DBT_TEST), {"sales": 1}, _same),
        Table("takings", "marts.takings", True, (SUITE,), {"stg_sales": 3, "stg_stalls": 1}, _takings),
        Table("exp_sales", "exports.exp_sales", True, (SUITE,), {"stg_sales": 1}, _same),
        Table("exp_takings", "exports.exp_takings", True, (SUITE,), {"takings": 1}, _same),
    )
}
BY_RELATION = {table.relation: table for table in TABLES.values()}
MODELS = tuple(table.name for table in TABLES.values() if not table.raw)
EXPORTS = ("exp_sales", "exp_takings")


@dataclass(frozen=True)
class ExportFile:
    """What an export file says that may change: a stall that is left out, and the most rows of a day."""

    without: str = ""
    most_rows: int | None = None

    def sent(self, rows: Rows) -> Rows:
        """Return what is sent of a model's rows."""
        return tuple(row for row in rows if row[0] != self.without)


@dataclass(frozen=True)
class Files:
    """The project directory, as far as it changes.

    `bounds` are the most that a check lets an amount be, `factors` the number in a model's SQL; where
    nothing is said it is `LOOSE`, and 1.
    """

    bounds: Mapping[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    factors: Mapping[str, int] = field(default_factory=dict[str, int])
    exports: Mapping[str, ExportFile] = field(default_factory=dict[str, ExportFile])

    def bound(self, table: str, check: str) -> int:
        return self.bounds.get((table, check), LOOSE)

    def factor(self, table: str) -> int:
        return self.factors.get(table, 1)

    def export(self, name: str) -> ExportFile:
        return self.exports.get(name, ExportFile())

    def with_bound(self, table: str, check: str, bound: int) -> "Files":
        return replace(self, bounds={**self.bounds, (table, check): bound})

    def with_factor(self, table: str, factor: int) -> "Files":
        return replace(self, factors={**self.factors, table: factor})

    def with_export(self, name: str, export: ExportFile) -> "Files":
        return replace(self, exports={**self.exports, name: export})


def trailing(day: str, days: int) -> list[str]:
    """Return a day and those before it, so many in all, the earliest first."""
    last = date.fromisoformat(day)
    return [(last - timedelta(days=back)).isoformat() for back in reversed(range(days))]


def named(place: Place) -> str:
    """Return a partition of a table as people call it."""
    name, key = place
    relation = TABLES[name].relation
    return f"{relation} [{key}]" if key else relation


def ancestors(name: str) -> set[str]:
    """Return all that a table is made of."""
    parents = TABLES[name].parents
    return set(parents).union(*(ancestors(parent) for parent in parents))
