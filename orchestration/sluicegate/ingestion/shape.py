"""The columns of a drop's files beside the contract's: which is which, and what to do about the others.

Belongs here: names, order and declared types. Does not belong here: values.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sluicegate.compute.sql_types import without_names
from sluicegate.compute.type_text import ALIASES, parts_of, type_text
from sluicegate.contracts.columns import Column
from sluicegate.contracts.model import SourceContract
from sluicegate.contracts.reading import Format
from sluicegate.contracts.shape import Policy
from sluicegate.contracts.types import Kind, base_of, kind_of
from sluicegate.core.problems import nearest
from sluicegate.core.shown_text import HIDDEN
from sluicegate.ingestion.formats.base import TEXT, FoundColumn, PlainFile
from sluicegate.ingestion.refusal import DropRefused

_TECHNICAL = re.compile(r"[^a-z0-9]+")
# Of more new columns than these the others are counted.
_NAMED = 5
# Characters that take no room: zero width ones, marks of direction, soft hyphens.
_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
# Formats whose rows name their values: there is no order, and a key may be left out where it is NULL.
_KEYED = (Format.JSON, Format.JSONL)


@dataclass(frozen=True)
class Shape:
    """Which found column is which of the contract's.

    `found` maps a column's name in the contract to the name in the files (None: lost, and NULL everywhere),
    `types` to the type there. `added` are new columns to take in, {name in the table: name in the files}.
    `warnings` are for people. `others` are names that rows of keys have in the place of a column's: `meant`
    where their values are the column's, else `alike`, which no row may have instead of it.
    """

    found: Mapping[str, str | None]
    types: Mapping[str, str]
    added: Mapping[str, str] = field(default_factory=dict[str, str])
    warnings: tuple[str, ...] = ()
    others: tuple["OtherName", ...] = ()


@dataclass(frozen=True)
class OtherName:
    """A key by which some rows call a column that others call by the name that was found for it."""

    column: str
    name: str
    meant: bool
    shown: str
    """How it is called to people: where a name may be a value, it is not shown."""


def shape_of(contract: SourceContract, columns: Mapping[PlainFile, Sequence[FoundColumn]]) -> Shape:
    """Compare each file's columns with the contract; files of one drop must agree with each other.

    Raises:
        DropRefused: a change of shape that the contract's policies refuse, with every change of it named.
    """
    if contract.reading.format in _KEYED:
        columns = _merged(columns)
    shapes: dict[tuple[FoundColumn, ...], PlainFile] = {}
    for file, found in columns.items():
        shapes.setdefault(tuple(found), file)
    if not shapes:
        return Shape({column.name: None for column in contract.columns}, {})
    resolved = [_Comparison(contract, file, found).shape() for found, file in shapes.items()]
    first, file = resolved[0], next(iter(shapes.values()))
    for other, (_, other_file) in zip(resolved[1:], list(shapes.items())[1:], strict=True):
        # A column that another file names otherwise, or lacks, is found there under no name: values would be
        # lost without a word.
        if (other.found, other.added) != (first.found, first.added):
            raise DropRefused(
                other_file.name,
                [
                    f"other columns than {file.name}: {_list(contract, columns[other_file])}; expected the"
                    f" same in all files of a drop: {_list(contract, columns[file])}",
                    f"ask {contract.asked} for a corrected drop",
                ],
            )
    types = {
        name: kinds.pop() if len(kinds := {shape.types.get(name, TEXT) for shape in resolved}) == 1 else TEXT
        for name in first.found
    }
    warnings = tuple(dict.fromkeys(warning for shape in resolved for warning in shape.warnings))
    return Shape(first.found, types, first.added, warnings, first.others)


def _merged(columns: Mapping[PlainFile, Sequence[FoundColumn]]) -> Mapping[PlainFile, list[FoundColumn]]:
    """All files' columns as those of the first; where types differ, as text."""
    types: dict[str, str] = {}
    for found in columns.values():
        for column in found:
            types[column.name] = column.type if types.get(column.name, column.type) == column.type else TEXT
    return {file: [FoundColumn(*item) for item in types.items()] for file in list(columns)[:1]}


class _Comparison:
    """One file's columns beside the contract's."""

    def __init__(self, contract: SourceContract, file: PlainFile, found: Sequence[FoundColumn]) -> None:
        self._contract = contract
        self._file = file
        self._keyed = contract.reading.format in _KEYED
        self._names = [column.name for column in found]
        self._types = {column.name: column.type for column in found}
        self._refusals: list[str] = []
        self._warnings: list[str] = []

    def shape(self) -> Shape:
        if not self._contract.reading.header:
            self._check_width()
        found = {column.name: self._name_of(column) for column in self._contract.columns}
        extra = [name for name in self._names if name not in found.values()]
        self._repeated()
        self._told_twice(found, extra)
        self._renamed(found, extra)
        self._lost(found, extra)
        others = list(self._others(found, extra))
        added = self._new(extra)
        if not self._refusals and not self._keyed:
            self._order(found)
        self._declared_types(found)
        if self._refusals:
            expected = ", ".join(column.header for column in self._contract.columns)
            raise DropRefused(
                self._file.name,
                [
                    *self._refusals,
                    f"expected header: {expected}; ask {self._contract.asked},"
                    f" or change {self._contract.file.name}",
                ],
            )
        types = {name: self._types[header] for name, header in found.items() if header is not None}
        return Shape(found, types, added, tuple(self._warnings), tuple(others))

    def _name_of(self, column: Column) -> str | None:
        return next((name for name in (column.header, *column.aliases) if name in self._types), None)

    def _check_width(self) -> None:
        """Without a header a place is all that tells a column."""
        expected = len(self._contract.columns)
        if len(self._names) != expected:
            self._refusals.append(f"line 1: {len(self._names)} columns; expected {expected}")

    def _repeated(self) -> None:
        for name, times in Counter(self._names).items():
            if times == 1:
                continue
            self._refusals.append(
                f"line 1: {self._called([name])} stands {times} times; expected each name once"
            )

    def _told_twice(self, found: Mapping[str, str | None], extra: list[str]) -> None:
        """Refuse two names of one column in a file: which of their values is meant, nobody can tell."""
        if self._keyed:
            return
        for column in self._contract.columns:
            for other in [name for name in extra if name in (column.header, *column.aliases)]:
                extra.remove(other)
                self._refusals.append(
                    f"line 1: `{found[column.name]}` and `{other}` both mean column `{column.name}`;"
                    " expected one of them; take the other out of `aliases` if it is a column of its own"
                )

    def _called(self, names: Sequence[str]) -> str:
        """Return how columns of the file are called to people: by their names, or by their places.

        A file without its header line has values where names are expected.
        """
        if all(_may_be_named(self._contract, name) for name in names):
            return ", ".join(f"column `{name}`" for name in names)
        places = ", ".join(str(self._names.index(name) + 1) for name in names)
        if len(names) == 1:
            return f"the column at place {places}, whose name is not shown,"
        return f"{len(names)} columns, at places {places}, whose names are not shown:"

    def _renamed(self, found: dict[str, str | None], extra: list[str]) -> None:
        for column in self._contract.columns:
            if found[column.name] is not None:
                continue
            alike = _same_to_the_eye(column.header, extra)
            meant = alike or nearest(column.header, extra) or _same_letters(column.header, extra)
            if meant is None:
                continue
            if self._contract.shape.renamed_column is Policy.IGNORE:
                found[column.name] = meant
                extra.remove(meant)
                called = (
                    f"called `{meant}`" if _may_be_named(self._contract, meant) else self._called([meant])
                )
                self._warnings.append(f"column `{column.header}` is {called}: read as the column meant")
            else:
                extra.remove(meant)
                found[column.name] = meant  # told here, and not as lost and new as well
                there = f"`{meant}`" if _may_be_named(self._contract, meant) else self._called([meant])
                said = "renamed?"
                if alike and _may_be_named(self._contract, meant):
                    said = (
                        "it looks the same, and has other characters; if that is meant, add"
                        f' "{ascii(meant)[1:-1]}" to `aliases` of the column'
                    )
                self._refusals.append(
                    f"line 1: column `{column.header}` is missing; {there} stands in the file: {said}"
                )

    def _lost(self, found: Mapping[str, str | None], extra: Sequence[str]) -> None:
        lost = [column for column in self._contract.columns if found[column.name] is None]
        for column in lost:
            if self._keyed and not column.required:
                continue
            if self._contract.shape.lost_column is Policy.ADD and not column.required:
                self._warnings.append(f"column `{column.header}` is missing: NULL in every row")
                continue
            required = " (it is required)" if self._contract.shape.lost_column is Policy.ADD else ""
            self._refusals.append(f"line 1: column `{column.header}` is missing{required}")
        if lost and len(lost) == len(self._contract.columns) and extra:
            said = "line 1: no column of the contract is there: is the header line missing?"
            self._refusals.insert(0, said)  # all that follows is because of it

    def _others(self, found: Mapping[str, str | None], extra: list[str]) -> Iterator[OtherName]:
        """Yield the other names of columns, where each row has names of its own; those meant are no extra."""
        if not self._keyed:
            return
        for column in self._contract.columns:
            name = found[column.name]
            if name is None:
                continue
            for other in [*extra]:
                alias = other in (column.header, *column.aliases)
                if not alias and _same_letters(name, [other]) is None:
                    continue
                meant = alias or self._contract.shape.renamed_column is Policy.IGNORE
                shown = f"`{other}`" if _may_be_named(self._contract, other) else "by another name"
                if meant:
                    extra.remove(other)
                if meant and not alias:
                    self._warnings.append(
                        f"column `{column.header}` is called {shown} in some rows: read as the column meant"
                    )
                yield OtherName(column.name, other, meant, shown)

    def _new(self, extra: Sequence[str]) -> dict[str, str]:
        policy = self._contract.shape.new_column
        added: dict[str, str] = {}
        taken = {column.name for column in self._contract.columns}
        # Beside another change a new name is part of what is wrong.
        refuses = policy is Policy.REFUSE or (self._refusals and policy is Policy.IGNORE)
        if refuses and len(extra) > 1 and self._contract.near.classified:
            self._refusals.append(f"line 1: {self._called(extra)} not in the contract")
            return added
        if policy is not Policy.ADD and len(extra) > _NAMED:
            all_of_them = (
                f"{self._called(extra[:_NAMED])} and {len(extra) - _NAMED} more are not in the contract"
            )
            if refuses:
                self._refusals.append(f"line 1: {all_of_them}")
            else:
                self._warnings.append(f"{all_of_them}: left out")
            return added
        for name in extra:
            if refuses:
                self._refusals.append(f"line 1: {self._called([name])} is not in the contract")
            elif policy is Policy.IGNORE:
                self._warnings.append(f"{self._called([name])} is not in the contract: left out")
            else:
                made = _TECHNICAL.sub("_", name.lower()).strip("_") or "column"
                made = made if made[0].isalpha() else f"c_{made}"
                while made in taken:
                    made += "_"
                taken.add(made)
                added[made] = name
                as_what = f", `{made}`" if _may_be_named(self._contract, name) else ""
                self._warnings.append(
                    f"{self._called([name])} is not in the contract: taken in as text{as_what}"
                )
        return added

    def _order(self, found: Mapping[str, str | None]) -> None:
        expected = [header for header in found.values() if header is not None]
        known = [name for name in self._names if name in set(expected)]
        if known == expected:
            return
        there = (name if _may_be_named(self._contract, name) else HIDDEN for name in self._names)
        said = f"columns stand in another order: {', '.join(there)}"
        if self._contract.shape.changed_order is Policy.REFUSE:
            self._refusals.append(f"line 1: {said}")
        else:
            self._warnings.append(f"{said}; they are told by their names")

    def _declared_types(self, found: Mapping[str, str | None]) -> None:
        """Formats that declare types: another one than the contract's is a change, though values may fit."""
        if self._contract.shape.changed_type is Policy.IGNORE:
            return
        for column in self._contract.columns:
            header = found[column.name]
            declared = self._types.get(header or "", TEXT)
            if declared != TEXT and _family(declared) != _family(column.type):
                self._refusals.append(
                    f"column `{column.header}` is {without_names(declared)} in the file;"
                    f" the contract says {column.type}"
                )


_FAMILIES = {
    "text": ("VARCHAR", "JSON", "ENUM", "UUID"),
    "time": ("TIME", "TIME_NS"),
}  # fmt: skip


def _family(type_: str) -> str:
    """Types that hold the same kind of thing; whether a value fits is asked of each value."""
    type_ = type_text(type_)
    if type_.endswith("]"):
        return f"{_family(parts_of(type_)[0])}[]"
    if (kind := kind_of(type_)) in (Kind.NUMBER, Kind.MOMENT):
        return kind.value
    base = base_of(type_)
    base = ALIASES.get(base, base)
    return next((family for family, types in _FAMILIES.items() if base in types), base)


def _same_letters(name: str, others: Sequence[str]) -> str | None:
    """Return a name that differs in case, spaces and signs alone."""
    wanted = _TECHNICAL.sub("", name.lower())
    return next((other for other in others if wanted and _TECHNICAL.sub("", other.lower()) == wanted), None)


def _same_to_the_eye(name: str, others: Sequence[str]) -> str | None:
    """Return a name that looks as another one does: composed otherwise, or with signs that nobody sees."""

    def seen(text: str) -> str:
        return " ".join(_UNSEEN.sub("", unicodedata.normalize("NFKC", text)).split())

    if name.isascii():
        others = [other for other in others if not other.isascii()]
    return next((other for other in others if seen(other) == seen(name)), None)


def _may_be_named(contract: SourceContract, name: str) -> bool:
    """Whether what stands in a file for a column's name may be shown: it may be a value."""
    return not contract.near.classified or name in contract.near.names


def _list(contract: SourceContract, columns: Sequence[FoundColumn]) -> str:
    return ", ".join(column.name if _may_be_named(contract, column.name) else HIDDEN for column in columns)
