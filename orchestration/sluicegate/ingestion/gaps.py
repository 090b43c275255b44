"""Partitions without a drop, where the contract allows them: which a later drop closes.

Belongs here: the arithmetic of silence. Does not belong here: recording it (`staging`).
"""

import hashlib
import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from sluicegate.contracts.model import SourceContract

NO_DROP_DIGEST = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True)
class Gaps:
    """The partitions that a drop closes, earliest first, and silences too long to be closed."""

    silent: tuple[str, ...] = ()
    complaints: tuple[str, ...] = ()


def gaps_around(contract: SourceContract, known: Sequence[str], key: str) -> Gaps:
    """Return what lies open between a partition's first drop and its neighbours in time.

    A long silence is not a row of days without business: it is left open and complained about.

    Args:
        contract: the source's contract.
        known: the partitions that have a drop, or get one at this look, sorted; keys of one grain sort as
            time does.
        key: the partition.
    """
    silent: list[str] = []
    complaints: list[str] = []
    earlier, later = bisect_left(known, key), bisect_right(known, key)
    neighbours = [*known[max(earlier - 1, 0) : earlier], key, *known[later : later + 1]]
    for before, after in itertools.pairwise(neighbours):
        between = _between(contract, before, after)
        if len(between) > contract.grain.span.silence:
            complaints.append(_too_long(contract, before, after))
        else:
            silent += between
    return Gaps(tuple(silent), tuple(complaints))


def _between(contract: SourceContract, before: str, after: str) -> list[str]:
    """Return the partitions between two, or the first of them where there are too many to close."""
    cut = contract.partitioning
    between = cut.overlapping(cut.interval(before)[1], cut.interval(after)[0])
    return list(itertools.islice(between, contract.grain.span.silence + 1))


def _too_long(contract: SourceContract, before: str, after: str) -> str:
    cut = contract.partitioning
    count = sum(1 for _ in cut.overlapping(cut.interval(before)[1], cut.interval(after)[0]))
    units = f"{contract.grain.unit}s"
    return (
        f"{contract.name}: {count:,} {units} without a drop before {after}; expected at most"
        f" {contract.grain.span.silence} in a row; land the missing {units}"
    )
