"""Breaches of what is promised of rows that move to another day; each fails until it is mended."""

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import duckdb
import pytest

from orchestration.delivery.engine import DeliveryEngine
from orchestration.delivery.ledger import DeliveryHeld, Ledger, Limits, Opened, Order
from orchestration.destinations.base import DeliveryError, Mode
from orchestration.state.records import DeliveryStatus
from orchestration.state.store import StateStore

from .cases import case_class
from .keys_kit import DAY, NEXT_DAY, Rows, opened
from .shelf import Crash, FoldingShelf

Make = Callable[..., Rows]


@pytest.fixture
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """What delivers to a case, by its name."""
    with ExitStack() as stack:
        opening = contextmanager(opened)
        yield lambda name, **stated: stack.enter_context(
            opening(case_class(name), request, tmp_path, **stated)
        )


@pytest.mark.parametrize("name", ["hubspot", "salesforce", "webhook"])
def test_a_row_that_moved_is_not_removed_by_a_plan_that_a_person_approves_later(
    make: Make, name: str
) -> None:
    """The old day's plan is held past `removed_share`; meanwhile the new day brings the row; then it is approved."""
    rows = make(name)
    rows.deliver({"'k'": "old", "'z'": "z"})
    without = rows.sql({"'z'": "z"}, DAY)
    rows.limits = Limits(removed_share=0.1, empty=True)
    with pytest.raises(DeliveryHeld) as held:
        rows.send(without, version="moved")
    rows.deliver({"'k'": "new"}, NEXT_DAY)
    assert rows.notes() == ["new", "z"]
    plan = held.value.delivery.delivery_id
    assert rows.store.deliveries.move(
        plan, DeliveryStatus.APPROVED, out_of=[DeliveryStatus.HELD], decided_by="ada", decision="right"
    )
    rows.send(without, version="moved")
    assert rows.notes() == ["new", "z"], rows.there()


@pytest.mark.parametrize("again", ["the same", "newer"])
@pytest.mark.parametrize("name", ["hubspot", "webhook"])
def test_a_row_that_moved_is_not_removed_by_a_delivery_that_is_taken_up(
    make: Make, name: str, again: str
) -> None:
    """The old day's delivery broke off; the new day brings the row; the old day is run again, as printed."""
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
    assert rows.notes() == ["old", "z"]
    rows.deliver({"'k'": "new"}, NEXT_DAY)
    assert rows.notes() == ["new", "z"]
    rows.send(without, version="moved" if again == "the same" else "moved and rebuilt")
    rows.deliver({"'k'": "new"}, NEXT_DAY)
    assert rows.notes() == ["new", "z"], rows.there()


@pytest.mark.parametrize("mode", [Mode.MIRROR, Mode.UPSERT])
def test_a_newer_row_is_not_overwritten_by_what_another_days_delivery_still_had_to_send(
    tmp_path: Path, mode: Mode
) -> None:
    """A day's delivery died with the row on its way; the row came back to its own day, changed, and was delivered."""
    store = StateStore(f"sqlite:///{tmp_path / 'state.db'}", shards=tmp_path / "shards")
    shelf = FoldingShelf(str(tmp_path), "shelf")

    def deliver(day: str, version: str, *notes: str) -> None:
        values = ", ".join(f"('k', '{day}', '{note}')" for note in notes) or "('', '', '')"
        sql = f"select * from (values {values}) v (item, business_date, note) where item <> ''"
        order = Order("exp_items", day, ("item",), mode, "business_date", wait_seconds=0.0)

        @contextmanager
        def opening() -> Generator[Opened]:
            with duckdb.connect() as connection:
                yield Opened(connection, sql, version)

        DeliveryEngine(Ledger(store, tmp_path / "shards", "run"), shelf).deliver(order, opening)

    deliver(DAY, "1", "first")
    shelf.faults.crash_after_rows = 0
    with pytest.raises(Crash):
        deliver(NEXT_DAY, "1", "moved")
    shelf.faults.crash_after_rows = None
    deliver(DAY, "2", "back, and changed")
    deliver(NEXT_DAY, "2")
    deliver(DAY, "2", "back, and changed")
    store.close()
    assert [row["note"] for row in shelf.rows().values()] == ["back, and changed"]
