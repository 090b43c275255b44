"""Rows whose values would not arrive as they are: refused by name beforehand, whatever happens on the way.

Whole numbers of more digits than a decimal has are such values wherever the text is not taken.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from sluicegate.delivery.ledger import Between, DeliveryHeld, Limits
from sluicegate.destinations.base import DeliveryError, Journal, Mode, Receipt, Refused, Shard
from sluicegate.destinations.exact_values import INEXACT, Unfit, unfit_rows

from .deliveries import DAY, Sender
from .probe import Probe
from .shelf import Crash, ShelfDestination

BAD = "bad"


class Picky(ShelfDestination):
    """A shelf for which a note is no value."""

    def inexact(self, shard: Shard) -> Sequence[Refused]:
        def unfit(name: str, value: str, _: Any) -> Iterator[Unfit]:
            if name == "note":
                yield Unfit(f"{value} = '{BAD}'", "the shelf has nothing like it", "write another note")

        return unfit_rows(shard, unfit)


class PickyRowByRow(Picky):
    """The same, which is given the plan's own shard."""

    sends_pending = True


@pytest.fixture(params=[Picky, PickyRowByRow])
def sender(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sender]:
    opened = Sender(tmp_path, request.param(str(tmp_path), "shelf"))
    yield opened
    opened.store.close()


def shelf(sender: Sender) -> ShelfDestination:
    assert isinstance(sender.destination, ShelfDestination)
    return sender.destination


def there(sender: Sender) -> dict[int, str]:
    return {int(row["item"]): row["note"] for row in shelf(sender).rows().values()}


def rows_of(*bad: int) -> dict[int, str]:
    return {item: BAD if item in bad else f"n{item}" for item in range(8)}


def good(rows: dict[int, str]) -> dict[int, str]:
    return {item: note for item, note in rows.items() if note != BAD}


@pytest.mark.parametrize("bad", [(0,), (7,), (2, 3, 6), (0, 1, 2, 3, 4, 5, 6)])
@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.sampled(8)
def test_the_others_are_sent_and_such_rows_are_refused(
    sender: Sender, mode: Mode, bad: tuple[int, ...]
) -> None:
    sender.mode = mode
    outcome = sender.deliver(rows_of(*bad), "1")
    assert there(sender) == sender.recorded() == good(rows_of(*bad))
    said = "note: the shelf has nothing like it; write another note"
    assert {(one.code, one.said) for one in outcome.refused} == {(INEXACT, said)}
    assert len(outcome.refused) == len(bad)
    assert outcome.too_many_refused
    known = sender.store.refused_keys.of("exp_items", DAY)
    assert [one.key for one in known] == sorted(f'["{DAY}","{item}"]' for item in bad)
    # What was put right goes, and the rest is left as it is.
    assert sender.deliver(rows_of(), "2").sent
    assert there(sender) == sender.recorded() == rows_of()
    assert sender.store.refused_keys.of("exp_items", DAY) == []


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("after", range(6))
@pytest.mark.parametrize("newer", [False, True])
@pytest.mark.sampled(8)
def test_a_crash_on_the_way_loses_nothing(sender: Sender, after: int, before: bool, newer: bool) -> None:
    shelf(sender).faults.crash_after_rows = after
    shelf(sender).faults.before_acknowledging = before
    with pytest.raises(Crash):
        sender.deliver(rows_of(1, 4), "1")
    shelf(sender).faults.crash_after_rows = None
    rows = {**rows_of(4), 9: BAD} if newer else rows_of(1, 4)
    sender.deliver(rows, "2" if newer else "1")
    assert there(sender) == sender.recorded() == good(rows)
    # A first mirror that a newer plan supersedes is begun anew: what else is there was not taken away yet.
    assert shelf(sender).twice <= (after + before if newer else before)


def test_a_changed_row_that_is_refused_leaves_what_was_there(sender: Sender) -> None:
    sender.deliver(rows_of(), "1")
    outcome = sender.deliver(rows_of(3), "2")
    assert len(outcome.refused) == 1
    assert not outcome.sent
    assert there(sender) == sender.recorded() == rows_of()


def test_nothing_is_replaced_by_nothing(sender: Sender) -> None:
    with pytest.raises(
        DeliveryError, match=rf"8 of 8 rows .*: business_date={DAY}, item=\d: note: the shelf"
    ):
        sender.deliver(rows_of(*range(8)), "1")
    hidden = replace(sender.order(), hidden=frozenset({"item"}))
    with pytest.raises(DeliveryError) as told:
        sender.deliver(rows_of(*range(8)), "1", order=hidden)
    assert "item=(classified)" in str(told.value), told.value
    assert there(sender) == {}
    sender.deliver(rows_of(), "2")
    assert there(sender) == rows_of()


def test_a_sum_that_is_no_number_is_outside_its_limits(tmp_path: Path) -> None:
    class Weights(Sender):
        def source(self, connection: duckdb.DuckDBPyConnection, rows: Any, day: str) -> str:
            weights = ", ".join(f"({item}, date '{day}', '{note}'::double)" for item, note in rows.items())
            return f"select * from (values {weights}) items (item, business_date, weight)"

    sender = Weights(tmp_path, ShelfDestination(str(tmp_path), "shelf"))
    for bounds in (Between(minimum=0.0), Between(maximum=9.0)):
        order = replace(sender.order(), limits=Limits(sums={"weight": bounds}))
        with pytest.raises(DeliveryHeld, match="sum of weight is nan; expected a number"):
            sender.deliver({1: "0.5", 2: "nan"}, "1", order=order)
    sender.store.close()


WIDE = 10**38


class Decimals(ShelfDestination):
    """A shelf that holds decimals."""

    takes_hugeint = False

    def check(self, shard: Shard) -> None:
        super().check(shard)
        with duckdb.connect() as connection:
            read = connection.execute(f"describe from read_parquet('{shard.path}')").fetchall()
        kinds = {str(name): str(kind) for name, kind, *_ in read}
        assert {name: kinds[name] for name in KINDS} == KINDS


class DecimalsRowByRow(Decimals):
    """The same, which is given the plan's own shard."""

    sends_pending = True

    def send(self, shard: Shard, journal: Journal) -> Receipt:
        self.check(shard)
        return super().send(shard, journal)


KINDS = {"v": "DECIMAL(38,0)", "w": "STRUCT(a DECIMAL(38,0)[])", "u": "DECIMAL(38,0)"}


@pytest.mark.parametrize("kind", [Decimals, DecimalsRowByRow])
def test_a_whole_number_that_is_no_decimal_makes_no_text_of_the_others(
    tmp_path: Path, kind: type[ShelfDestination]
) -> None:
    probe, destination = Probe(tmp_path), kind(str(tmp_path), "shelf")

    def rows(**wide: tuple[int, ...]) -> str:
        return " union all ".join(
            f"select {k} as k, {-WIDE if k in wide.get('v', ()) else k}::hugeint as v,"
            f" {{'a': [null, {WIDE if k in wide.get('w', ()) else k}::hugeint]}} as w,"
            f" {WIDE if k in wide.get('u', ()) else k}::uhugeint as u"
            for k in range(5)
        )

    outcome = probe.deliver(destination, rows(v=(1,), w=(1, 2), u=(4,)))
    said = "whole numbers have 38 digits at most there; cast the field to text in the model"
    assert [(one.row, one.said) for one in outcome.refused] == [
        (1, f"v: {said}; w: {said}"),
        (2, f"w: {said}"),
        (4, f"u: {said}"),
    ]
    assert [row["k"] for row in destination.rows().values()] == ["0", "3"]
    assert not probe.deliver(destination, rows()).refused
    assert sorted(row["k"] for row in destination.rows().values()) == list("01234")
