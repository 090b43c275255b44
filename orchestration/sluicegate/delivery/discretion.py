"""What a destination says, shown as far as it may be: vendors' answers repeat the rows that were sent.

At the one place where a destination's words come in, whatever its kind: its errors, the reasons of refused
rows, its progress. Belongs here: that. Does not belong here: what may be shown of a text (`shown_text`),
secrets of the connection (`destinations.errors`).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sluicegate.core.shown_text import Near, showing_errors, shown, shown_code
from sluicegate.destinations.base import (
    DeliveryError,
    Destination,
    Journal,
    Ranges,
    Receipt,
    Refused,
    Scope,
    Shard,
)

if TYPE_CHECKING:
    from collections.abc import Generator


def discreet(destination: Destination, near: Near) -> Destination:
    """Return a destination whose words are shown as far as they may be, where anything classified is near.

    Of an error `what` may quote rows; what was expected and how to fix it are our own words. The destination
    itself hears its vendor's words as they are.
    """
    if not near.classified:
        return destination
    near = near.knowing(_words_of(destination))
    check, send, arrived = destination.check, destination.send, destination.arrived
    inexact, read_back, forget = destination.inexact, destination.read_back, destination.forget
    find_out = destination.find_out

    def discreet_check(shard: Shard) -> None:
        with _showing(near):
            check(shard)

    def discreet_inexact(shard: Shard) -> Sequence[Refused]:
        with _showing(near):
            return inexact(shard)

    def discreet_send(shard: Shard, journal: Journal) -> Receipt:
        with _showing(near):
            return send(shard, _DiscreetJournal(journal, near))

    def discreet_arrived(shard: Shard) -> bool | None:
        with _showing(near):
            return arrived(shard)

    def discreet_find_out(shard: Shard, journal: Journal) -> None:
        with _showing(near):
            find_out(shard, _DiscreetJournal(journal, near))

    def discreet_read_back(scope: Scope) -> Iterator[Any]:
        with _showing(near):
            yield from read_back(scope)

    def discreet_forget(scope: Scope, keys: Sequence[Mapping[str, Any]]) -> int:
        with _showing(near):
            return forget(scope, keys)

    # On the instance, so that it stays of its kind in all else.
    vars(destination).update(
        check=discreet_check,
        inexact=discreet_inexact,
        send=discreet_send,
        arrived=discreet_arrived,
        find_out=discreet_find_out,
        read_back=discreet_read_back,
        forget=discreet_forget,
    )
    return destination


class _DiscreetJournal:
    """A journal that is told what may be shown."""

    def __init__(self, journal: Journal, near: Near) -> None:
        self._journal = journal
        self._near = near

    def pending(self) -> Sequence[tuple[int, int]]:
        return self._journal.pending()

    def leaving(self, rows: Ranges) -> str:
        return self._journal.leaving(rows)

    def stayed(self, note: str) -> None:
        self._journal.stayed(note)

    def acknowledge(self, first: int, end: int, refused: Sequence[Refused] = (), note: str = "") -> None:
        told = [
            replace(row, code=shown_code(row.code, self._near), said=shown(row.said, self._near))
            for row in refused
        ]
        self._journal.acknowledge(first, end, told, note)

    def finishes(self) -> bool:
        return self._journal.finishes()

    def keep(self, name: str, value: str) -> None:
        self._journal.keep(name, value)

    def kept(self) -> Mapping[str, str]:
        return self._journal.kept()

    def tell(self, text: str) -> None:
        self._journal.tell(shown(text, self._near))


@contextmanager
def _showing(near: Near) -> "Generator[None]":
    with showing_errors(near):
        try:
            yield
        except DeliveryError as error:
            error.reword(what=shown(error.what, near))
            raise


def _words_of(destination: Destination) -> set[str]:
    """Return the names of the place: they stand in the export file and in the connection's address."""
    named = destination.canonical_object()
    return {named, *named.replace("/", " ").replace('"', " ").replace("`", " ").split()}
