"""Thirty days of each source and export, as squares that are words as well; and what of a promise was kept.

Belongs here: from what is on record to a strip. Does not belong here: what was promised (`reporting`).
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta

from sluicegate.columns.catalogue import TableShown
from sluicegate.page.look import Look, day_of, in_words, number
from sluicegate.page.places import Place
from sluicegate.page.urgent import touched
from sluicegate.reporting.model import Day, Month, by_month, last_days
from sluicegate.state.shown import EXPORT

DAYS, PER_PAGE = 30, 100
# {what a day is, in one word: the sign of its square}, what matters most first.
SIGNS = {"held": "!", "missed": "✗", "pending": "…", "met": "✓", "there": "•", "excused": "~", "nothing": " "}
MEANS = {
    "held": "something is wrong with it, or it waits for that",
    "missed": "not there in time",
    "pending": "not there, and not due yet",
    "met": "there in time",
    "there": "there; no time was promised",
    "excused": "due before it was promised, or in a maintenance window",
    "nothing": "nothing expected",
}


@dataclass(frozen=True)
class Square:
    """One day: `word` is what it is, `told` what a reader of words gets, `rows` and `lead` its numbers."""

    day: date
    word: str
    told: str
    rows: str = ""
    lead: str = ""

    @property
    def sign(self) -> str:
        """What stands in it, for those who see no colours."""
        return SIGNS[self.word]


@dataclass(frozen=True)
class Line:
    """One source or export: whose it is, its days, and what of its promise was kept by month."""

    kind: str
    name: str
    about: TableShown
    squares: Sequence[Square]
    months: Sequence[str]
    incidents: Sequence[int]

    @property
    def here(self) -> Place:
        """Its page."""
        return Place(f"{self.kind}s", (self.name,))

    @property
    def told(self) -> str:
        """Its days in words."""
        counted = Counter(square.word for square in self.squares)
        return ", ".join(f"{counted[word]} {word}" for word in SIGNS if counted[word] and word != "nothing")


@dataclass(frozen=True)
class Names:
    """All sources or exports: those with which something is wrong first, then by name.

    `wrong` is {name: {number of an incident: days on which something is wrong by it}}. An outage has none:
    which days it is of, their promises tell.
    """

    kind: str
    ordered: Sequence[str]
    wrong: Mapping[str, Mapping[int, Collection[date]]]


def names(look: Look, kind: str) -> Names:
    """Return all sources or exports, in their order."""
    wrong: dict[str, dict[int, set[date]]] = {}
    for item in look.store.incidents.open():
        for of, name, key in touched(item):
            if of == kind:
                days = wrong.setdefault(name, {}).setdefault(item.id, set())
                cut = look.cut_of(kind, name)
                if key or cut is None or not cut.grain.timed:
                    days.add(day_of(key, cut, item.opened_at))
    ordered = sorted(look.names[kind], key=lambda name: (name not in wrong, name))
    return Names(kind, ordered, wrong)


def lines(look: Look, found: Names, shown: Sequence[str]) -> list[Line]:
    """Return the lines of those that are shown."""
    kind = found.kind
    days = last_days(look.store, look.now, DAYS, shown)
    months = by_month(look.store, look.now, names=shown) if kind == EXPORT else {}
    today = look.now.astimezone(UTC).date()
    blank = [Day(today - timedelta(days=back)) for back in reversed(range(DAYS))]
    return [
        Line(
            kind, name, look.about(kind, name),
            tuple(_squares(days.get((kind, name), blank), set().union(*found.wrong.get(name, {}).values()))),
            tuple(map(_kept, months.get(name, ()))),
            tuple(found.wrong.get(name, ())),
        )
        for name in shown
    ]  # fmt: skip


def _squares(days: Iterable[Day], wrong: Collection[date]) -> Iterable[Square]:
    for one in days:
        counts = {
            "missed": one.missed, "pending": one.pending, "met": one.met,
            "there": 0 if one.met + one.missed + one.pending else one.there, "excused": one.excused,
        }  # fmt: skip
        held = one.day in wrong
        word = "held" if held else next((word for word, count in counts.items() if count), "nothing")
        several = sum(counts.values()) > 1
        words = [f"{count} {word}" if several else word for word, count in counts.items() if count]
        late = ["there since"] if one.missed and one.there > one.met else []
        told = ", ".join([*(["held"] if held else []), *words, *late]) or MEANS["nothing"]
        lead = one.lead_seconds
        before = (
            "" if lead is None else f"{in_words(timedelta(seconds=lead))} {'after' if lead < 0 else 'before'}"
        )
        yield Square(one.day, word, f"{one.day:%Y-%m-%d}: {told}", number(one.rows), before)


def _kept(month: Month) -> str:
    if month.attainment is None:
        return f"{month.month:%b}: nothing due"
    excused = f", {month.excused} excused" if month.excused else ""
    counted = month.met + month.missed
    # Rounded down: what is not whole never reads as whole.
    return f"{month.month:%b}: {int(month.attainment * 1000) / 10:g} % ({month.met} of {counted}{excused})"
