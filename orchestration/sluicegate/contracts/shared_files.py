"""Two contracts on the same files: what one of them classifies must not come in by the other, unclassified.

Belongs here: whether two paths may name one file, and whether two contracts say the same of it. Does not
belong here: one path (`drops`), what a class is (`classes`).
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import NamedTuple

from sluicegate.contracts.columns import Masking
from sluicegate.contracts.drops import DropTemplate
from sluicegate.contracts.model import SourceContract

# What stands for other letters in `DropTemplate.letters`.
_WILD = re.compile("[#?*]")
_SAME = "the same classes and masking of the same headers, read in the same way"


def check_shared_files(contracts: Iterable[SourceContract]) -> None:
    """Complain of each contract that reads classified columns of another's files as if they were none."""
    for one, other in _beginning_alike(list(contracts)):
        these, those = _classified(one), _classified(other)
        if these == those and (not these or one.reading == other.reading):
            continue
        if not may_meet(one.template, other.template):
            continue
        more, less = (one, other) if len(these) >= len(those) else (other, one)
        less.file.complain(
            f"path is `{less.template.text}`: `{more.name}` reads such files too, and says otherwise what is"
            " classified in them",
            expected=_SAME,
            fix=f"write them as in {more.file.name}, or make models of `{more.name}`, not another contract",
            at=("servers", 0, "path"),
            code="SLU-P029",
        )


def _beginning_alike(
    contracts: Sequence[SourceContract],
) -> Iterator[tuple[SourceContract, SourceContract]]:
    """Yield the pairs of one connector whose paths begin alike, as far as both are written out.

    Of a thousand contracts these are few, and their order is that of all pairs.
    """
    begins = {
        place: (contract.connector or "", _WILD.split("".join(_letters(contract.template)), maxsplit=1)[0])
        for place, contract in enumerate(contracts)
    }
    ordered = sorted(begins, key=lambda place: (begins[place], place))
    found: list[tuple[int, int]] = []
    for at, place in enumerate(ordered):
        connector, begin = begins[place]
        # What begins with another's beginning stands right behind it.
        for other in islice(ordered, at + 1, None):
            if begins[other][0] != connector or not begins[other][1].startswith(begin):
                break
            found.append((min(place, other), max(place, other)))
    yield from ((contracts[one], contracts[other]) for one, other in sorted(found))


class _Told(NamedTuple):
    classification: str
    masking: Masking


def _classified(contract: SourceContract) -> Mapping[str, _Told]:
    return {
        name.casefold(): _Told(column.classification, column.masking)
        for column in contract.columns
        if column.classified
        for name in (column.header, *column.aliases)
    }


def may_meet(one: DropTemplate, other: DropTemplate) -> bool:
    """Whether some path is of both templates, whatever the case: some file systems know of none."""
    these, those = _letters(one), _letters(other)

    @cache
    def meet(at: int, there: int) -> bool:
        mine, theirs = these[at : at + 1], those[there : there + 1]
        if not mine and not theirs:
            return True
        if "*" in (*mine, *theirs):
            if mine == ["*"] and meet(at + 1, there):
                return True
            if theirs == ["*"] and meet(at, there + 1):
                return True
            # One letter more, which no wildcard takes beyond its folder.
            moved = (at + (mine != ["*"]), there + (theirs != ["*"]))
            return (
                moved != (at, there) and bool(mine and theirs) and _alike(mine[0], theirs[0]) and meet(*moved)
            )
        return bool(mine and theirs) and _alike(mine[0], theirs[0]) and meet(at + 1, there + 1)

    return meet(0, 0)


def _letters(template: DropTemplate) -> Sequence[str]:
    """Return a template letter by letter: `#` is any digit, `?` any letter, `*` any number of them."""
    return list(template.letters.casefold())


def _alike(one: str, other: str) -> bool:
    if one == other:
        return True
    for wild, letter in ((one, other), (other, one)):
        if wild in "?*" and letter != "/":
            return True
        if wild == "#" and (letter.isdigit()):
            return True
    return False
