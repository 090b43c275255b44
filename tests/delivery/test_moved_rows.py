"""Rows that move from one partition to another of one object, whatever plan is sent, taken up or ended when.

Belongs here: destinations that find a row by its key wherever it is, and what several partitions do to it.
Does not belong here: what makes two keys one (`test_keys`), random sequences (`test_key_model`).
"""

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pytest
from sluicegate.delivery.engine import DeliveryEngine
from sluicegate.delivery.ledger import DeliveryHeld, Ledger, Limits, Opened, Order
from sluicegate.destinations.base import DeliveryError, Mode
from sluicegate.state.records import DeliveryStatus
from sluicegate.state.store import StateStore

from .keys_kit import DAY, NEXT_DAY, Rows
from .shelf import Crash, FoldingShelf

Make = Callable[..., Rows]
BY_KEY = pytest.mark.parametrize("mode", [Mode.MIRROR, Mode.UPSERT])


@dataclass
class Days:
    """Delivers days of one export to a shelf that finds a key wherever it is."""

    folder: Path
    mode: Mode = Mode.MIRROR
    limits: Limits = field(default_factory=lambda: Limits(empty=True))

    def __post_init__(self) -> None:
        self.store = StateStore(f"sqlite:///{self.folder / 'state.db'}", shards=self.folder / "shards")
        self.shelf = FoldingShelf(str(self.folder), "shelf")

    def deliver(self, day: str, version: str, rows: Mapping[str, str]) -> None:
        values = ", ".join(f"('{key}', '{day}', '{note}')" for key, note in rows.items()) or "('', '', '')"
        sql = f"select * from (values {values}) v (item, business_date, note) where item <> ''"
        order = Order(
            "exp_items", day, ("item",), self.mode, "business_date", wait_seconds=0.0, limits=self.limits
        )

        @contextmanager
        def opening() -> Generator[Opened]:
            with duckdb.connect() as connection:
                yield Opened(connection, sql, version)

        DeliveryEngine(Ledger(self.store, self.folder / "shards", "run"), self.shelf).deliver(order, opening)

    def dies(self, day: str, version: str, rows: Mapping[str, str], *, after: int, told: bool) -> None:
        """The process is gone at a row: before it is written down, or (`told`) before it is acknowledged."""
        self.shelf.faults.crash_after_rows, self.shelf.faults.before_acknowledging = after, told
        with pytest.raises(Crash):
            self.deliver(day, version, rows)
        self.shelf.faults.crash_after_rows = None

    def held(self, day: str, version: str, rows: Mapping[str, str]) -> str:
        """Plan past a limit, and return the plan's id."""
        self.limits = Limits(removed_share=0.1, changed_share=0.1, empty=True)
        with pytest.raises(DeliveryHeld) as held:
            self.deliver(day, version, rows)
        return held.value.delivery.delivery_id

    def approve(self, plan: str) -> None:
        assert self.store.deliveries.move(
            plan, DeliveryStatus.APPROVED, out_of=[DeliveryStatus.HELD], decided_by="ada", decision="right"
        )

    def there(self) -> dict[str, str]:
        return {row["item"]: row["note"] for row in self.shelf.rows().values()}


@pytest.fixture
def days(tmp_path: Path) -> Iterator[Days]:
    found = Days(tmp_path)
    yield found
    found.store.close()


@pytest.mark.parametrize("name", ["hubspot", "salesforce", "webhook"])
def test_a_plan_that_waited_does_not_remove_what_another_day_has_brought(make: Make, name: str) -> None:
    """The old day's plan is held; meanwhile the new day brings the row; then a person approves the plan."""
    rows = make(name)
    rows.deliver({"'k'": "old", "'z'": "z"})
    without = rows.sql({"'z'": "z"}, DAY)
    rows.limits = Limits(removed_share=0.1, empty=True)
    with pytest.raises(DeliveryHeld) as held:
        rows.send(without, version="moved")
    rows.deliver({"'k'": "new"}, NEXT_DAY)
    plan = held.value.delivery.delivery_id
    assert rows.store.deliveries.move(
        plan, DeliveryStatus.APPROVED, out_of=[DeliveryStatus.HELD], decided_by="ada", decision="right"
    )
    rows.send(without, version="moved")
    assert rows.notes() == ["new", "z"], rows.there()
    assert not rows.deliver({"'k'": "new"}, NEXT_DAY).sent


@pytest.mark.sampled(2)
@pytest.mark.parametrize("again", ["the same", "newer"])
@pytest.mark.parametrize("name", ["hubspot", "webhook"])
def test_a_delivery_that_broke_off_does_not_remove_what_another_day_has_brought(
    make: Make, name: str, again: str
) -> None:
    """The old day's delivery broke off; the new day brings the row; the old day is taken up, or ended."""
    rows = make(name)
    rows.deliver({"'k'": "old", "'z'": "z"})
    without = rows.sql({"'z'": "z"}, DAY)
    faults = rows.case.double.faults  # type: ignore[attr-defined]
    if name == "webhook":
        faults.append("401")
    else:
        faults.pass_by(2)  # the properties, and the record's id
        faults.fail(401)
    with pytest.raises(DeliveryError):
        rows.send(without, version="moved")
    rows.deliver({"'k'": "new"}, NEXT_DAY)
    rows.send(without, version="moved" if again == "the same" else "moved and rebuilt")
    rows.deliver({"'k'": "new"}, NEXT_DAY)
    assert rows.notes() == ["new", "z"], rows.there()


@pytest.mark.sampled(2)
@pytest.mark.parametrize("back", ["v1", "v3"])
@pytest.mark.parametrize("first", [DAY, NEXT_DAY])
def test_a_row_that_was_on_its_way_and_came_back_is_as_its_day_has_it(
    make: Make, first: str, back: str
) -> None:
    """Whichever day is delivered first after the other one's delivery had died."""
    rows = make("webhook")
    rows.case.options = {"batch_rows": 1, "parallel": 1}
    rows.deliver({"'k'": "v1", "'z'": "z"})
    rows.case.double.faults.extend(["ok", "401"])  # type: ignore[attr-defined]
    with pytest.raises(DeliveryError):
        rows.deliver({"'k'": "v2", "'m'": "m", "'n'": "n"}, NEXT_DAY)
    assert "v2" in rows.notes()
    wanted: dict[str, dict[str, str | None]] = {
        DAY: {"'k'": back, "'z'": "z"},
        NEXT_DAY: {"'m'": "m", "'n'": "n"},
    }
    for day in sorted(wanted, key=lambda day: day != first):
        rows.deliver(wanted[day], day)
    assert rows.notes() == ["m", "n", back, "z"], rows.there()


@pytest.mark.sampled(4)
@BY_KEY
@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize("told", [False, True])
def test_a_newer_row_is_not_overwritten_by_a_dead_delivery_of_another_day(
    days: Days, mode: Mode, after: int, told: bool
) -> None:
    """A day died with the row on its way; the row came back to its own day, changed, and was delivered."""
    days.mode = mode
    days.deliver(DAY, "1", {"k": "first"})
    days.dies(NEXT_DAY, "1", {"j": "other", "k": "moved"}, after=after, told=told)
    days.deliver(DAY, "2", {"k": "back"})
    days.deliver(NEXT_DAY, "2", {"j": "other"})
    assert days.there() == {"k": "back", "j": "other"}
    sent = days.shelf.sent
    days.deliver(DAY, "2", {"k": "back"})
    days.deliver(NEXT_DAY, "2", {"j": "other"})
    assert days.there() == {"k": "back", "j": "other"}
    assert days.shelf.sent == sent, "nothing was left to send"


@BY_KEY
def test_a_delivery_that_is_taken_up_leaves_a_row_as_a_later_day_has_it(days: Days, mode: Mode) -> None:
    """It sends what else it has; once its day is planned anew, the row is as that day has it, if it does."""
    days.mode = mode
    rows = {"j": "other", "k": "old"}
    days.dies(NEXT_DAY, "1", rows, after=0, told=False)
    days.deliver(DAY, "1", {"k": "newer"})
    days.deliver(NEXT_DAY, "1", rows)
    assert days.there() == {"j": "other", "k": "newer"}
    days.deliver(NEXT_DAY, "2", {"j": "other"})
    assert days.there() == {"j": "other", "k": "newer"}
    days.deliver(NEXT_DAY, "3", {"j": "other", "k": "here after all"})
    assert days.there() == {"j": "other", "k": "here after all"}


def test_rows_of_one_delivery_are_as_old_as_the_sending_that_brought_them(days: Days) -> None:
    """A row was sent, its delivery broke off, another day wrote the row, and the delivery was taken up."""
    rows = {"j": "j", "k": "first"}
    days.dies(NEXT_DAY, "1", rows, after=1, told=False)
    [sent] = days.there()
    days.deliver(DAY, "1", {sent: "newer"})
    days.deliver(NEXT_DAY, "1", rows)
    assert days.there() == rows | {sent: "newer"}
    days.deliver(DAY, "2", {})
    days.deliver(NEXT_DAY, "2", rows)
    assert days.there() == rows


def test_a_plan_that_waited_leaves_a_row_that_it_changes_as_a_later_day_has_it(days: Days) -> None:
    days.deliver(DAY, "1", {"j": "j", "k": "first"})
    plan = days.held(DAY, "2", {"j": "j2", "k": "second"})
    days.limits = Limits(empty=True)
    days.deliver(NEXT_DAY, "1", {"k": "moved"})
    days.limits = Limits(removed_share=0.1, changed_share=0.1, empty=True)
    days.approve(plan)
    days.deliver(DAY, "2", {"j": "j2", "k": "second"})
    assert days.there() == {"j": "j2", "k": "moved"}


def test_what_another_day_removed_meanwhile_is_brought_by_the_plan_that_has_it(days: Days) -> None:
    """The row moves to the day whose plan waits; its old day, delivered first, takes it out."""
    days.deliver(DAY, "1", {"k": "first", "z": "z"})
    days.deliver(NEXT_DAY, "1", {"j": "j"})
    plan = days.held(NEXT_DAY, "2", {"j": "changed", "k": "moved"})
    days.limits = Limits(empty=True)
    days.deliver(DAY, "2", {"z": "z"})
    days.limits = Limits(removed_share=0.1, changed_share=0.1, empty=True)
    days.approve(plan)
    days.deliver(NEXT_DAY, "2", {"j": "changed", "k": "moved"})
    assert days.there() == {"j": "changed", "k": "moved", "z": "z"}


@pytest.mark.parametrize("waited", [False, True])
def test_rows_on_their_way_to_another_day_name_the_commands(days: Days, waited: bool) -> None:
    """Whether the plan is made while the other day's delivery is under way, or is older."""
    days.deliver(DAY, "1", {"k": "first", "z": "z"})
    plan = days.held(DAY, "2", {"z": "z"}) if waited else ""
    days.limits = Limits(empty=True)
    days.dies(NEXT_DAY, "1", {"k": "moved"}, after=0, told=True)
    if waited:
        days.limits = Limits(removed_share=0.1, changed_share=0.1, empty=True)
        days.approve(plan)
    with pytest.raises(DeliveryError, match=f"`sluice [^`]*{NEXT_DAY}`, then `sluice [^`]*{DAY}`"):
        days.deliver(DAY, "2", {"z": "z"})
    assert days.there() == {"k": "moved", "z": "z"}
