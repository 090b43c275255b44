"""Each state that the records of a delivery can be in has a way out: what is printed is typed, and helps.

Every mode, and every state that is not the usual one: files that tell what was sent and cannot be read, keys,
types, partitions, modes and places that are others than they were. Belongs here: the engine on a shelf, with
rows that a test states as SQL. Does not: commands as such (`tests/run/test_ways_out.py`).
"""

import re
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pytest

from orchestration.delivery.engine import DeliveryEngine
from orchestration.delivery.ledger import Ledger, Opened, Order, Outcome
from orchestration.delivery.reconcile import reconcile
from orchestration.destinations.base import DeliveryError, Mode
from orchestration.state.records import Delivery, DeliveryKind, DeliveryStatus
from orchestration.state.store import StateStore

from .deliveries import DAY
from .shelf import Crash, ShelfDestination

EXPORT = "exp_items"
NEXT_DAY = "2024-01-02"
BOUNDS = (DAY, NEXT_DAY)
Values = list[tuple[str, ...]]
MODES = list(Mode)
TAKE_BACK = [Mode.MIRROR, Mode.SNAPSHOT]
# Rows as SQL: an item, its day, a note.
FIRST = {1: "a", 2: "b", 3: "c"}
THEN = {1: "x", 3: "c", 4: "d"}


def rows_sql(rows: dict[int, str], item: str = "integer", note: str = "varchar", more: str = "") -> str:
    """Return SQL of the rows of a day, as these types."""
    values = ", ".join(f"({number}, '{text}')" for number, text in rows.items())
    return (
        f"select cast(i as {item}) as item, date '{DAY}' as business_date, cast(n as {note}) as note{more}"
        f" from (values {values}) v (i, n)"
    )


@dataclass
class Bench:
    """A ledger, a shelf, and an order that a test may change between two deliveries."""

    folder: Path
    mode: Mode
    key: tuple[str, ...] = ("item",)
    partition: str = DAY
    column: str | None = "business_date"
    bounds: tuple[str, str] | None = BOUNDS
    shelf: ShelfDestination = field(init=False)
    store: StateStore = field(init=False)
    said: list[str] = field(default_factory=list[str])
    versions: int = 0

    def __post_init__(self) -> None:
        self.store = StateStore(f"sqlite:///{self.folder / 'state.db'}", shards=self.folder / "shards")
        self.shelf = ShelfDestination(str(self.folder), "shelf")

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.store, self.folder / "shards", "run", self.said.append)

    @property
    def engine(self) -> DeliveryEngine:
        return DeliveryEngine(self.ledger, self.shelf)

    def order(self, kind: DeliveryKind = DeliveryKind.CHANGE) -> Order:
        return Order(
            EXPORT, self.partition, self.key, self.mode, self.column, self.bounds, kind=kind, wait_seconds=0
        )

    def deliver(self, sql: str, kind: DeliveryKind = DeliveryKind.CHANGE, version: str = "") -> Outcome:
        """Deliver rows as the validated ones, of a version of their own."""
        self.versions += 1

        @contextmanager
        def opening() -> Generator[Opened]:
            with duckdb.connect() as connection:
                yield Opened(connection, sql, version or str(self.versions))

        return self.engine.deliver(self.order(kind), opening)

    def newest(self) -> Delivery:
        return self.store.deliveries.of_export(EXPORT)[-1]

    def there(self) -> dict[str, str | None]:
        """What the shelf has, {item: note}."""
        found = [(row["item"], row["note"]) for row in self.shelf.rows().values()]
        assert len(dict(found)) == len(found), f"a row stands there twice: {found}"
        return dict(found)

    def type_what_is_printed(self, said: str, sql: str) -> Outcome:
        """Type what an error prints, as the person who reads it would."""
        printed = re.findall(r"`sluice (resync|rerun) exp_items(?: --partition (\S+))?`", said)
        assert printed, said
        ((command, partition),) = set(printed)
        assert partition == (self.partition if self.column else ""), said
        if "destination.object" in said:
            self.shelf = ShelfDestination(str(self.folder), "elsewhere")
        kind = DeliveryKind.RESYNC if command == "resync" else DeliveryKind.CHANGE
        return self.deliver(sql, kind)

    def calm(self, sql: str, *, alone: bool = True) -> None:
        """Nothing is open, the same again sends nothing, and where ours are alone the records tell them."""
        assert self.store.deliveries.open_of(EXPORT) == []
        assert not self.deliver(sql).sent
        assert self.store.deliveries.open_of(EXPORT) == []
        if not alone:
            return
        compared = reconcile(self.engine, self.order())
        assert compared is not None
        assert (compared.missing, compared.differing) == (0, 0), compared


@pytest.fixture
def bench(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Bench]:
    made = Bench(tmp_path, getattr(request, "param", Mode.MIRROR))
    yield made
    made.store.close()


each_mode = pytest.mark.parametrize("bench", MODES, indirect=True)


def texts(rows: dict[int, str]) -> dict[str, str]:
    return {str(item): note for item, note in rows.items()}


def left_by(mode: Mode, old: Mapping[int, str | None], new: Mapping[int, str]) -> dict[str, str | None]:
    """Return what a scope holds after old rows, and then new ones by way of a resync."""
    return {str(item): note for item, note in ({**old, **new} if mode is Mode.UPSERT else new).items()}


# -- files


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def _other(path: Path) -> None:
    path.write_text("<html>moved</html>")


def _damaged(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:4] + bytes(len(content[4:200]) * [255]) + content[200:])


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


LOST: dict[str, Callable[[Path], None]] = {
    "gone": Path.unlink,
    "empty": _empty,
    "cut off": _cut_off,
    "no Parquet file": _other,
    "damaged between its ends": _damaged,
    "a folder": _folder,
}


@each_mode
@pytest.mark.parametrize("lost", LOST)
def test_a_file_of_what_was_sent_is_lost(bench: Bench, lost: str) -> None:
    bench.deliver(rows_sql(FIRST))
    LOST[lost](Path(bench.newest().shard))
    with pytest.raises(DeliveryError) as caught:
        bench.deliver(rows_sql(THEN))
    assert bench.newest().shard in str(caught.value)
    bench.type_what_is_printed(str(caught.value), rows_sql(THEN))
    assert bench.there() == left_by(bench.mode, FIRST, THEN)
    bench.calm(rows_sql(THEN))
    bench.deliver(rows_sql(THEN | {9: "new"}))
    assert bench.there() == left_by(bench.mode, FIRST, THEN | {9: "new"})


@each_mode
@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("same", [True, False], ids=["the same rows", "other rows"])
def test_a_file_that_is_under_way_is_lost(bench: Bench, lost: str, same: bool) -> None:
    bench.shelf.faults.crash_after_rows = 1
    with pytest.raises(Crash):
        bench.deliver(rows_sql(FIRST), version="1")
    bench.shelf.faults.crash_after_rows = None
    LOST[lost](Path(bench.newest().shard))
    rows, version = (FIRST, "1") if same else (THEN, "2")
    with pytest.raises(DeliveryError) as caught:
        bench.deliver(rows_sql(rows), version=version)
    arrived = {int(item): note for item, note in bench.there().items()}
    assert len(arrived) == 1
    bench.type_what_is_printed(str(caught.value), rows_sql(rows))
    assert bench.there() == left_by(bench.mode, arrived, rows)
    bench.calm(rows_sql(rows))


@each_mode
@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("status", [DeliveryStatus.PLANNED, DeliveryStatus.APPROVED])
def test_a_plan_whose_file_is_lost_is_planned_anew(bench: Bench, lost: str, status: DeliveryStatus) -> None:
    bench.shelf.faults.down = True
    with pytest.raises(DeliveryError, match="nobody answers"):
        bench.deliver(rows_sql(FIRST), version="1")
    bench.shelf.faults.down = False
    plan = bench.newest()
    bench.store.deliveries.move(plan.delivery_id, status, out_of=[DeliveryStatus.PLANNED])
    LOST[lost](Path(plan.shard))
    assert bench.deliver(rows_sql(FIRST), version="1").sent
    assert bench.there() == texts(FIRST)
    bench.calm(rows_sql(FIRST))


@pytest.mark.parametrize("lost", LOST)
def test_a_base_that_is_lost(bench: Bench, lost: str) -> None:
    rows = dict(FIRST)
    for number in range(14):
        rows[1] = f"round {number}"
        bench.deliver(rows_sql(rows))
    base = bench.store.deliveries.base(EXPORT, DAY)
    assert base is not None
    LOST[lost](Path(base.shard))
    with pytest.raises(DeliveryError) as caught:
        bench.deliver(rows_sql(THEN))
    assert base.shard in str(caught.value)
    bench.type_what_is_printed(str(caught.value), rows_sql(THEN))
    assert bench.there() == texts(THEN)
    bench.calm(rows_sql(THEN))


@pytest.mark.parametrize("lost", [name for name in LOST if name not in ("gone", "damaged between its ends")])
def test_whom_a_file_holds_that_is_lost_is_asked_before_anybody_is_forgotten(bench: Bench, lost: str) -> None:
    bench.deliver(rows_sql(FIRST))
    shard = Path(bench.newest().shard)
    LOST[lost](shard)
    with (
        pytest.raises(DeliveryError, match=r"to be forgotten(.|\n)*delete it; then `sluice resync"),
        bench.ledger.shards(EXPORT, bench.key),
    ):
        pass
    shard.rmdir() if shard.is_dir() else shard.unlink()
    with bench.ledger.shards(EXPORT, bench.key) as shards:
        assert shards.files == []


# -- keys


# {what changed: (SQL of before, of after, key of before, of after, whether it is another key)}.
_DAYS = "select item, business_date, note, {} as day from ({})"
KEYS: dict[str, tuple[str, str, tuple[str, ...], tuple[str, ...], bool]] = {
    "another field": (
        rows_sql(FIRST, more=", i + 100 as number"), rows_sql(THEN, more=", i + 100 as number"),
        ("item",), ("number",), True,
    ),
    "integer to text": (rows_sql(FIRST), rows_sql(THEN, "varchar"), ("item",), ("item",), True),
    "text to integer": (rows_sql(FIRST, "varchar"), rows_sql(THEN), ("item",), ("item",), True),
    "another scale": (
        rows_sql(FIRST, "decimal(10, 2)"), rows_sql(THEN, "decimal(10, 3)"), ("item",), ("item",), True,
    ),
    "double to integer": (rows_sql(FIRST, "double"), rows_sql(THEN), ("item",), ("item",), True),
    "integer to a list": (
        rows_sql(FIRST), f"select * replace ([item] as item) from ({rows_sql(THEN)})", ("item",), ("item",),
        True,
    ),
    "date to timestamp": (
        _DAYS.format("date '2024-01-01' + item", rows_sql(FIRST)),
        _DAYS.format("(date '2024-01-01' + item)::timestamp", rows_sql(THEN)), ("day",), ("day",), True,
    ),
    "integer to bigint": (rows_sql(FIRST), rows_sql(THEN, "bigint"), ("item",), ("item",), False),
    "integer to hugeint": (rows_sql(FIRST), rows_sql(THEN, "hugeint"), ("item",), ("item",), False),
    "more digits": (
        rows_sql(FIRST, "decimal(10, 2)"), rows_sql(THEN, "decimal(18, 2)"), ("item",), ("item",), False,
    ),
    "text to enum": (
        rows_sql(FIRST, "varchar"), rows_sql(THEN, "enum('1', '2', '3', '4')"), ("item",), ("item",), False,
    ),
}  # fmt: skip


@each_mode
@pytest.mark.parametrize("change", KEYS)
def test_a_key_changes(bench: Bench, change: str) -> None:
    before, after, bench.key, key, other = KEYS[change]
    bench.deliver(before)
    bench.key = key
    if other and bench.mode is Mode.APPEND:
        with pytest.raises(DeliveryError, match="appends, and nobody can tell") as caught:
            bench.deliver(after)
        assert bench.key[-1] in str(caught.value)
        bench.type_what_is_printed(str(caught.value), after)
        assert len(bench.there()) == len(THEN)
    else:
        made = bench.deliver(after)
        assert made.delivery.anew is other
        if bench.mode in TAKE_BACK:
            assert sorted(bench.there().values(), key=str) == sorted(THEN.values())
    # An upsert takes nothing out, so that the same row stands there under either key.
    bench.calm(after, alone=not other or bench.mode is not Mode.UPSERT)


@each_mode
def test_a_key_changes_and_changes_back(bench: Bench) -> None:
    if bench.mode is Mode.APPEND:
        pytest.skip("it is refused")
    for item in ("integer", "varchar", "integer", "varchar"):
        bench.deliver(rows_sql(FIRST, item))
        assert bench.there() == texts(FIRST)
        bench.calm(rows_sql(FIRST, item))


@pytest.mark.parametrize("bench", [Mode.UPSERT, Mode.MIRROR, Mode.SNAPSHOT], indirect=True)
def test_what_is_sent_anew_breaks_off_and_changes_on_the_way(bench: Bench) -> None:
    bench.deliver(rows_sql(FIRST))
    bench.shelf.faults.crash_after_rows = 1
    with pytest.raises(Crash):
        bench.deliver(rows_sql(THEN, "varchar"))
    bench.shelf.faults.crash_after_rows = None
    last = rows_sql({7: "g", 8: "h"}, "varchar")
    bench.deliver(last)
    expected = {"7": "g", "8": "h"}
    there = bench.there()
    assert {item: there[item] for item in expected} == expected
    if bench.mode is not Mode.UPSERT:
        assert there == expected
    bench.calm(last)


def test_a_key_of_before_types_were_recorded(bench: Bench) -> None:
    bench.deliver(rows_sql(FIRST))
    import sqlite3

    with sqlite3.connect(bench.folder / "state.db") as connection:
        connection.execute("update deliveries set key_types = ''")
    bench.calm(rows_sql(FIRST, "bigint"))
    with sqlite3.connect(bench.folder / "state.db") as connection:
        connection.execute("update deliveries set key_types = ''")
    bench.deliver(rows_sql(THEN, "varchar"))
    assert bench.there() == texts(THEN)
    bench.calm(rows_sql(THEN, "varchar"))


# -- fields


@each_mode
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (rows_sql(FIRST), rows_sql(FIRST, more=", 'new' as more")),
        (rows_sql(FIRST, more=", 'old' as more"), rows_sql(FIRST)),
        (rows_sql(FIRST, more=", 'old' as more"), rows_sql(FIRST, more=", 7 as more")),
        (rows_sql(FIRST, more=", {'a': 1} as more"), rows_sql(FIRST, more=", 7 as more")),
        (rows_sql(FIRST, more=", 7 as more"), rows_sql(FIRST, more=", [date '2024-01-01'] as more")),
        (rows_sql(FIRST, more=", 'x' as more"), rows_sql(FIRST, more=", null::date as more")),
    ],
    ids=["came", "went", "text to integer", "struct to integer", "integer to list", "text to empty date"],
)
def test_a_field_changes(bench: Bench, before: str, after: str) -> None:
    bench.deliver(before)
    made = bench.deliver(after)
    assert bench.there() == texts(FIRST)
    if bench.mode is not Mode.APPEND:  # which changes no row that is there
        assert made.sent
        found = {row.get("more") for row in bench.shelf.rows().values()}
        expected = duckdb.sql(f"select * from ({after})").arrow().read_all().to_pylist()
        assert found == {None if (value := row.get("more")) is None else str(value) for row in expected}
        bench.calm(after)


# -- partitions, modes, places


@pytest.mark.parametrize("old", MODES)
@pytest.mark.parametrize("bench", MODES, indirect=True)
def test_the_mode_changes(bench: Bench, old: Mode) -> None:
    new, bench.mode = bench.mode, old
    bench.deliver(rows_sql(FIRST))
    bench.mode = new
    bench.deliver(rows_sql(THEN))
    expected = {
        Mode.APPEND: {**THEN, **FIRST}, Mode.UPSERT: {**FIRST, **THEN}, Mode.MIRROR: THEN,
        Mode.SNAPSHOT: THEN,
    }[new]  # fmt: skip
    assert bench.there() == texts(expected)
    if new is not Mode.APPEND:
        bench.calm(rows_sql(THEN))


@each_mode
def test_the_object_is_another(bench: Bench) -> None:
    bench.deliver(rows_sql(FIRST))
    bench.shelf = ShelfDestination(str(bench.folder), "other")
    assert not bench.deliver(rows_sql(FIRST)).sent
    compared = reconcile(bench.engine, bench.order())
    assert compared is not None
    assert compared.missing == len(FIRST)
    bench.type_what_is_printed(compared.said, rows_sql(FIRST))
    assert bench.there() == texts(FIRST)
    bench.calm(rows_sql(FIRST))
    bench.deliver(rows_sql(FIRST | {9: "new"}))
    assert bench.there() == texts(FIRST | {9: "new"})


# {how partitions were cut: partition, column, bounds}
CUT: dict[str, tuple[str, str | None, tuple[str, str] | None]] = {
    "each day": (DAY, "business_date", BOUNDS),
    "the latest": (DAY, None, None),
    "each month": ("2024-01", "business_date", ("2024-01-01", "2024-02-01")),
}


@each_mode
@pytest.mark.parametrize(
    ("one", "other"), [(one, other) for one in CUT for other in CUT if one != other], ids=" to ".join
)
def test_partitions_are_cut_otherwise_and_as_before(bench: Bench, one: str, other: str) -> None:
    """The records of the first cutting tell of rows that the second has written over."""
    bench.key = ("business_date", "item")
    bench.partition, bench.column, bench.bounds = CUT[one]
    bench.deliver(rows_sql(FIRST))
    bench.partition, bench.column, bench.bounds = CUT[other]
    if bench.mode is Mode.APPEND:
        with pytest.raises(DeliveryError, match="was sent in other partitions since") as caught:
            bench.deliver(rows_sql(THEN))
        bench.type_what_is_printed(str(caught.value), rows_sql(THEN))
        assert bench.there() == texts(THEN)
        return
    bench.deliver(rows_sql(THEN))
    bench.calm(rows_sql(THEN))
    bench.partition, bench.column, bench.bounds = CUT[one]
    bench.deliver(rows_sql(FIRST))
    expected = {**THEN, **FIRST} if bench.mode is Mode.UPSERT else FIRST
    assert bench.there() == texts(expected)
    bench.calm(rows_sql(FIRST))
