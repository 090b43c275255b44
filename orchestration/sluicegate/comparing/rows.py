"""The rows of a partition beside the published ones: one join by key, in which all is counted.

Rows whose key stands more than once on either side, and all rows where there is no key, are compared whole,
as a multiset. Values are equal if no reader could tell them apart (`compute.row_hash`): NaN is NaN, null is
null, -0.0 is not 0.0. Belongs here: that SQL, and what it found. Does not belong here: columns (`shapes`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from sluicegate.comparing.report import NO_KEYS, Key, Keys, SumDiff
from sluicegate.comparing.shapes import Pair
from sluicegate.compute.alike import EXACT, canonical, is_number
from sluicegate.compute.row_hash import differ, equal_as_they_are, row_hash
from sluicegate.compute.sql import quoted
from sluicegate.compute.sql_types import parse_type
from sluicegate.delivery.ledger import KeyForm
from sluicegate.warehouse.base import Session

# A sum of numbers of more digits may be more than any number of the engine's.
_SUMMED_DIGITS = 28
_SUMMED_AS_DOUBLE = ("HUGEINT", "UHUGEINT", "BIGNUM", "FLOAT", "DOUBLE")


@dataclass(frozen=True)
class RowsDiff:
    """Rows as they were and are, counted; `twice` are those, now and then, whose key stands twice or more."""

    was: int
    is_now: int
    added: int
    removed: int
    changed: int = 0
    twice: tuple[int, int] = (0, 0)
    columns: Mapping[str, int] = field(default_factory=dict[str, int])
    sums: tuple[SumDiff, ...] = ()
    keys: Keys = NO_KEYS


def compare_rows(
    session: Session,
    was: str,
    now: str,
    pairs: Sequence[Pair],
    key: KeyForm,
    *,
    hidden: Collection[str] = (),
    samples: int = 0,
) -> RowsDiff:
    """Return what is another.

    Args:
        session: the engine.
        was: SQL of the published rows.
        now: SQL of the rows as they are now; both have the columns of `pairs`.
        pairs: the columns that are compared.
        key: the columns that tell rows apart, among `pairs`; without one whole rows are compared.
        hidden: columns of whose values nothing is shown.
        samples: how many keys are shown of each sort.
    """
    return _Rows(session, (now, was), pairs, key, frozenset(hidden), samples).compared()


@dataclass(frozen=True)
class _Rows:
    """`sources` are SQL of the rows as they are, and as they were."""

    session: Session
    sources: tuple[str, str]
    pairs: Sequence[Pair]
    key: KeyForm
    hidden: frozenset[str]
    samples: int

    def compared(self) -> RowsDiff:
        summed = {
            place: _sum(f"_c{place}", pair.common)
            for place, pair in enumerate(self.pairs)
            if is_number(pair.common) and pair.name not in {*self.hidden, *self.key.names}
        }
        now, was = (
            self.session.query(f"select {', '.join(['count(*)', *summed.values()])} from ({side})")[0]
            for side in self._sides
        )
        sums = tuple(
            SumDiff(self.pairs[place].name, *map(_number, totals))
            for place, *totals in zip(summed, was[1:], now[1:], strict=True)
            if _number(totals[0]) != _number(totals[1])
        )
        found = self._by_key(now[0], was[0]) if self.key.names else None
        return replace(found or self._with_whole(now[0], was[0]), sums=sums)

    @cached_property
    def _sides(self) -> tuple[str, str]:
        """SQL of both sides: keys `_k…`, values `_c…`, and `_x…` where a value has no equal on the other."""
        now, was = (self._side(rows, side) for side, rows in enumerate(self.sources))
        return now, was

    def _side(self, rows: str, side: int) -> str:
        values, keys = ["true as _is"], list[str]()
        for place, pair in enumerate(self.pairs):
            value = quoted(pair.name)
            if pair.changed:
                kind, common = (pair.now, pair.was)[side], f"try_cast({value} as {pair.common})"
                same = f"try_cast({common} as {kind}) is not distinct from {value}"
                values.append(f"case when {same} then 0 else {side + 1} end as _x{place}")
                value = common
            values.append(f"{value} as _c{place}")
        for name in self.key.names:
            place = self._places[name]
            pair, alike = self.pairs[place], self.key.alike.get(name, EXACT)
            keys.append(canonical(f"_c{place}", pair.common, alike))
            keys += [f"_x{place}"] if pair.changed else []
        named = [f"{value} as _k{number}" for number, value in enumerate(keys)]
        return f"select {', '.join(['*', *named])} from (select {', '.join(values)} from ({rows}))"

    @cached_property
    def _places(self) -> dict[str, int]:
        return {pair.name: place for place, pair in enumerate(self.pairs)}

    @cached_property
    def _keys(self) -> list[str]:
        changed = sum(self.pairs[self._places[name]].changed for name in self.key.names)
        return [f"_k{number}" for number in range(len(self.key.names) + changed)]

    def _same_key(self, one: str, other: str) -> str:
        return " and ".join(f"{one}.{name} is not distinct from {other}.{name}" for name in self._keys)

    def _by_key(self, now: int, was: int) -> RowsDiff | None:
        """Compare rows of one key; None where one stands more than once on a side.

        As many rows as found a partner are partners: so none of them stands twice, and only keys without one
        are left to be looked at.
        """
        found, distinct = self._joined(*self._sides)
        matched = now - found.added
        once = matched == was - found.removed == found.is_now and distinct == (found.added, found.removed)
        return replace(found, was=was, is_now=now) if once else None

    def _with_whole(self, now: int, was: int) -> RowsDiff:
        """Compare as whole rows those whose key stands more than once, or all where there is no key."""
        if not self.key.names:
            added, removed = self._multiset(*self._sides)
            return RowsDiff(was, now, added, removed)
        keys = ", ".join(self._keys)
        each = (f"select {keys} from ({side}) group by all having count(*) > 1" for side in self._sides)
        twice = f"({' union '.join(each)}) t on {self._same_key('s', 't')}"
        of_several = [f"select s.* from ({side}) s semi join {twice}" for side in self._sides]
        found, _ = self._joined(*(f"select s.* from ({side}) s anti join {twice}" for side in self._sides))
        added, removed = self._multiset(*of_several)
        counts = [int(self.session.query(f"select count(*) from ({side})")[0][0]) for side in of_several]
        return replace(
            found, was=was, is_now=now, added=found.added + added, removed=found.removed + removed,
            twice=(counts[0], counts[1]),
        )  # fmt: skip

    def _joined(self, now: str, was: str) -> tuple[RowsDiff, tuple[int, int]]:
        """Return what a join of the sides counts, `is_now` being rows that found one; and different keys."""
        told = [place for place in range(len(self.pairs)) if self._may_differ(place)]
        differs = [f"n._is and o._is and ({self._differ(place)}) as _d{place}" for place in told]
        keys = [f"{side}.{name} as {side}{name}" for side in "no" for name in self._keys]
        texts = [
            f"{side}._c{self._places[name]} as {side}_t{number}"
            for side in "no" for number, name in enumerate(self.key.names)
        ]  # fmt: skip
        joined = (
            f"select {', '.join(['n._is as n_is, o._is as o_is', *differs, *keys, *texts])}"
            f" from ({now}) n full join ({was}) o on {self._same_key('n', 'o')}"
        )
        changed = " or ".join(f"_d{place}" for place in told) or "false"
        which = ["n_is and o_is", "o_is is null", "n_is is null", changed, *(f"_d{place}" for place in told)]
        counted = [f"count(*) filter (where {condition})" for condition in which]
        distinct = [
            f"count(distinct hash({', '.join(f'{side}{name}' for name in self._keys)}))"
            f" filter (where {condition})"
            for side, condition in (("n", which[1]), ("o", which[2]))
        ]
        shown = [self._first(side, which[number]) for side, number in (("n", 1), ("o", 2), ("n", 3))]
        shown = [] if not self.samples or self.hidden.intersection(self.key.names) else shown
        [row] = self.session.query(f"select {', '.join([*counted, *distinct, *shown])} from ({joined})")
        matched, added, removed, rows, *columns = row[: len(counted)]
        named = {self.pairs[place].name: count for place, count in zip(told, columns, strict=True) if count}
        added_once, removed_once, *keys_shown = row[len(counted) :]
        found = RowsDiff(
            0, matched, added, removed, rows, columns=named, keys=Keys(*map(self._keys_of, keys_shown))
        )
        return found, (added_once, removed_once)

    def _may_differ(self, place: int) -> bool:
        """Whether two rows of one key may have different values in a column."""
        pair = self.pairs[place]
        of_key = pair.name in self.key.names and not self.key.alike.get(pair.name)
        return not (of_key and (equal_as_they_are(pair.common) or pair.common == "VARCHAR"))

    def _differ(self, place: int) -> str:
        pair = self.pairs[place]
        other = f" or n._x{place} <> o._x{place}" if pair.changed else ""
        return differ(f"n._c{place}", f"o._c{place}", pair.common) + other

    def _first(self, side: str, condition: str) -> str:
        """Return SQL of the first keys where a condition holds, as texts."""
        texts = [f"_t{number}" for number in range(len(self.key.names))]
        packed = ", ".join(f"{name} := {side}{name}" for name in texts)
        return (
            f"list_transform(min(struct_pack({packed}), {self.samples}) filter (where {condition}),"
            f" lambda one: [{', '.join(f'one.{text}::varchar' for text in texts)}])"
        )

    def _keys_of(self, found: Sequence[Sequence[str | None]] | None) -> tuple[Key, ...]:
        return tuple(dict(zip(self.key.names, one, strict=True)) for one in found or ())

    def _multiset(self, now: str, was: str) -> tuple[int, int]:
        """Return how many rows there are more of, and fewer."""
        fields = {f"_c{place}": pair.common for place, pair in enumerate(self.pairs)}
        fields |= {f"_x{place}": "INTEGER" for place, pair in enumerate(self.pairs) if pair.changed}
        hashed = row_hash(fields) if fields else "0"
        both = " union all ".join(
            f"select {hashed} as _h, {sign} as _s from ({side})" for side, sign in ((now, 1), (was, -1))
        )
        each = f"select sum(_s) as _s from ({both}) group by _h"
        [row] = self.session.query(f"select sum(greatest(_s, 0)), sum(greatest(-_s, 0)) from ({each})")
        return int(row[0] or 0), int(row[1] or 0)


def _sum(value: str, kind: str) -> str:
    found = parse_type(kind)
    if found.name in _SUMMED_AS_DOUBLE or (found.numbers and found.numbers[0] > _SUMMED_DIGITS):
        return f"fsum({value}::double)"
    return f"sum({value})"


def _number(total: Any) -> str:
    """Return a sum as text; of what is summed up as a DOUBLE as many digits as no order of rows changes."""
    return "" if total is None else f"{total:.12g}" if isinstance(total, float) else str(total)
