"""The columns of a table beside those that are published: which are compared as what, and which are others.

Values are compared as what their types mean: a whole number of 32 bits and one of 64 by their value, decimals
whatever their scale. What a Delta table keeps as text that the engine does not cast back exactly is compared
as that text. Belongs here: names and types. Does not belong here: rows (`rows`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sluicegate.comparing.report import ColumnDiff, Shape
from sluicegate.compute.sql import quoted
from sluicegate.compute.sql_types import UnknownType, parse_type, without_names
from sluicegate.publishing.catalogue import UNKNOWN, PublishedTable
from sluicegate.publishing.delta_types import TEXT, written_as
from sluicegate.warehouse.base import Session

# What is not exact once it was a text: which member of a union it was, or what it was at all.
_LOST = ("UNION(", "VARIANT", "GEOMETRY")


@dataclass(frozen=True)
class Pair:
    """A column of both sides under one name: its type on each, and that in which its values are compared."""

    name: str
    now: str
    was: str
    common: str

    @property
    def changed(self) -> bool:
        """Whether it is of another type, so that a value may have no equal in the common one."""
        return self.now != self.was


@dataclass(frozen=True)
class Matched:
    """The columns of a table and of what is published of it.

    `pairs` are compared, `others` is what is another of columns as such, `spelt` {name: how it is published}.
    """

    pairs: tuple[Pair, ...]
    others: tuple[ColumnDiff, ...]
    spelt: Mapping[str, str]

    def now(self, rows: str) -> str:
        """Return SQL of the table's rows with the columns that are compared."""
        return f"select {self._listed({one.name: one.now for one in self.pairs}, {})} from ({rows})"

    def was(self, rows: str) -> str:
        """Return SQL of published rows with the same columns, under the names that they have now."""
        return f"select {self._listed({one.name: one.was for one in self.pairs}, self.spelt)} from ({rows})"

    def _listed(self, types: Mapping[str, str], spelt: Mapping[str, str]) -> str:
        casts = (
            f"cast({quoted(spelt.get(name, name))} as {kind}) as {quoted(name)}"
            for name, kind in types.items()
        )
        return ", ".join(casts) or "1 as _nothing"


def match(
    session: Session, now: Mapping[str, str], published: PublishedTable, closed: Mapping[str, str]
) -> Matched:
    """Return which columns are compared, and which are others.

    Args:
        session: the engine, which knows what two types have in common.
        now: {column: type} of the table.
        published: what production has published of it.
        closed: {column, in small letters: why its values are not compared}.
    """
    there = {name.casefold(): name for name in published.columns}
    left_out = {name.casefold(): why for name, why in published.left_out.items()}
    pairs, others, spelt = list[Pair](), list[ColumnDiff](), dict[str, str]()
    for name, kind in now.items():
        folded = name.casefold()
        was = there.pop(folded, None)
        if folded in left_out:
            others.append(ColumnDiff(name, Shape.CLOSED, why=_why(left_out.pop(folded))))
        elif was is None:
            others.append(ColumnDiff(name, Shape.ADDED, is_now=without_names(kind)))
        else:
            spelt[name] = was
            if was != name:
                others.append(ColumnDiff(name, Shape.SPELT, was, name))
            if (before := published.columns[was]) != kind:
                others.append(ColumnDiff(name, Shape.TYPE, without_names(before), without_names(kind)))
            if folded in closed:
                others.append(ColumnDiff(name, Shape.CLOSED, why=closed[folded]))
            else:
                pairs.append(_pair(session, name, kind, before, published.stored[was]))
    others += [
        ColumnDiff(name, Shape.GONE, without_names(published.columns[name])) for name in there.values()
    ]
    return Matched(tuple(pairs), (*others, *_gone_and_closed(published, left_out)), spelt)


def _gone_and_closed(published: PublishedTable, left: Mapping[str, str]) -> Iterator[ColumnDiff]:
    for name, why in published.left_out.items():
        if name.casefold() in left:
            yield ColumnDiff(name, Shape.GONE, why=_why(why))


def _why(class_: str) -> str:
    if class_ == UNKNOWN:
        return "production's files do not tell of it, so it is not published"
    return f"its class, {class_}, is not published"


def _pair(session: Session, name: str, now: str, was: str, stored: str) -> Pair:
    if now == was:
        kind = stored if _is_lost(was) else was
        return Pair(name, kind, kind, kind)
    now, was = (TEXT if _is_lost(kind) else kind for kind in (now, was))
    return Pair(name, now, was, _common(session, now, was) if now != was else now)


def _is_lost(kind: str) -> bool:
    try:
        parse_type(kind)
    except UnknownType:
        return True
    # A struct without names is written as text, wherever it stands.
    return any(word in kind for word in _LOST) or (
        "STRUCT(" in kind and written_as(kind).count("STRUCT(") < kind.count("STRUCT(")
    )


def _common(session: Session, now: str, was: str) -> str:
    """Return the type that the engine finds for both, or text."""
    both = f"select cast(null as {now}) as found union all select cast(null as {was})"
    try:
        return session.describe(both)["found"]
    except session.errors:
        return TEXT
