"""What all benchmarks share: the table that they print, and what a process takes of memory.

Belongs here: that. Does not belong here: what is measured. A benchmark is a module with a `main`; its `GOAL`
says what its ratio may be, and `SMALLEST` are the arguments of the smallest run that measures anything.
"""

import resource
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Side:
    """One of those that are compared; `figure` is in the unit of its table."""

    name: str
    figure: float
    peak_mb: float
    """Resident memory of its process, at most; of sides that share a process, so far."""
    more: str = ""


def show(title: str, unit: str, sides: Sequence[Side], goal: str) -> float:
    """Print sides with their ratios to the first one, memory and the goal; return the second one's ratio."""
    print(f"\n{title}")
    width = max(len(side.name) for side in sides) + 2
    for side in sides:
        ratio = f"{side.figure / sides[0].figure:7.2f} x" if sides[0].figure else "        -"
        line = f"{side.name:<{width}}{side.figure:10,.2f} {unit}{ratio}{side.peak_mb:9,.0f} MB   {side.more}"
        print(line.rstrip(), flush=True)
    print(f"goal: {goal}", flush=True)
    return sides[1].figure / sides[0].figure if len(sides) > 1 and sides[0].figure else 1.0


def peak_mb() -> float:
    """Return the most resident memory that this process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def peak_of_children_mb() -> float:
    """Return the most that any process had that this one has started and waited for."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
