"""Half-open ranges of row numbers, ascending and apart: joined, met with others, taken out of others.

Belongs here: arithmetic. Does not: which rows a range is of.
"""

from collections.abc import Iterable, Sequence

Ranges = Sequence[tuple[int, int]]


def joined(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the same rows in as few ranges as there can be; the given ones may overlap, in any order."""
    found: list[tuple[int, int]] = []
    for first, end in sorted(ranges):
        if first >= end:
            continue
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((first, end))
    return found


def without(ranges: Ranges, others: Ranges) -> list[tuple[int, int]]:
    """Return the rows of the first that are not among the second; both ascending and apart."""
    found: list[tuple[int, int]] = []
    place = 0
    for first, end in ranges:
        at = first
        while place < len(others) and others[place][1] <= at:
            place += 1
        later = place
        while later < len(others) and others[later][0] < end:
            if at < others[later][0]:
                found.append((at, others[later][0]))
            at = max(at, others[later][1])
            later += 1
        if at < end:
            found.append((at, end))
    return found


def common(ranges: Ranges, others: Ranges) -> list[tuple[int, int]]:
    """Return the rows that both have; both ascending and apart."""
    return without(ranges, without(ranges, others))


def condition(column: str, ranges: Ranges) -> str:
    """Return SQL for a number of that column to be in one of the ranges."""
    return " or ".join(f"({column} >= {first} and {column} < {end})" for first, end in ranges) or "false"
