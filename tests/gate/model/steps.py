"""The steps of a sequence: what providers, contributors and operators do, as data.

Belongs here: one class a deed. Does not: how it is done (`interpreter`), when it makes sense: each does
nothing where there is nothing to do. Tables and exports are named as their files are.
"""

from dataclasses import dataclass

from tests.gate.model.facts import EXPORTS, SUITE, ExportFile


@dataclass(frozen=True)
class Land:
    """The provider lands a day's sales, first or corrected: the amounts of the stalls a, b, c in order."""

    day: str
    amounts: tuple[int, ...]


@dataclass(frozen=True)
class LandStalls:
    """The provider lands the snapshot: by what the sales of the stalls a, b, c are multiplied."""

    amounts: tuple[int, int, int]


@dataclass(frozen=True)
class LandBroken:
    """The provider lands a day's sales, or with no day the snapshot, that break their contract."""

    day: str


@dataclass(frozen=True)
class SetBound:
    """A contributor tightens or loosens a rule of a suite, or the dbt test: amounts above `bound` fail."""

    table: str
    bound: int
    check: str = SUITE


@dataclass(frozen=True)
class SetFactor:
    """A contributor changes a model's SQL: its amounts are multiplied by `factor`."""

    model: str
    factor: int


@dataclass(frozen=True)
class SetExport:
    """A contributor changes an export file."""

    export: str
    file: ExportFile


@dataclass(frozen=True)
class Build:
    """A person presses the button of one table for a day, with its checks or without."""

    table: str
    day: str
    checks: bool = True


@dataclass(frozen=True)
class Rebuild:
    """A person reruns a table and all that is made of it for a range of days, exports too."""

    table: str
    first: str
    last: str


@dataclass(frozen=True)
class Judge:
    """A person has a table's checks run on a range of days, and builds nothing."""

    table: str
    first: str
    last: str


@dataclass(frozen=True)
class Release:
    """A person lets a day of an export pass on whatever failed checks hold it."""

    export: str
    day: str


@dataclass(frozen=True)
class Backup:
    """The warehouse file is copied."""


@dataclass(frozen=True)
class Restore:
    """The latest copy of the warehouse file takes its place again; without one, that of the beginning."""


@dataclass(frozen=True)
class Press:
    """A person presses the button of exports for a day."""

    day: str
    exports: tuple[str, ...] = EXPORTS


@dataclass(frozen=True)
class Approve:
    """A person approves the plan of a day that is held, if one is."""

    export: str
    day: str


@dataclass(frozen=True)
class Run:
    """`sluice run`; with no connection nothing can be sent, and what is due is built all the same."""

    retry: bool = False
    connected: bool = True


@dataclass(frozen=True)
class May:
    """Nothing is done: a sequence tells that it has come to where these days may be sent, or may not.

    A sequence that has not come there tests something else than it says.
    """

    export: str
    days: tuple[str, ...]
    sent: bool = True


Step = (
    Land | LandStalls | LandBroken | SetBound | SetFactor | SetExport | Build | Rebuild | Judge | Release
    | Backup | Restore | Press | Approve | Run | May
)  # fmt: skip
