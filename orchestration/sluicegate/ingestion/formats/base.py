"""What every reader gives: the columns it found, the rows as a relation, and where a row stands."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from sluicegate.contracts.reading import ReadOptions

if TYPE_CHECKING:
    import duckdb

TEXT = "VARCHAR"
# Of a row's text this much is kept, in characters: a lost quote makes one row of half a file.
KEPT_TEXT = 10_000


class Unreadable(Exception):
    """A file that cannot be read at all: damaged, cut short, or not of its format.

    `file` is the path as it was landed; `rule` says what is wrong, what was expected, and where.
    """

    def __init__(self, file: str, rule: str) -> None:
        self.file = file
        self.rule = rule
        super().__init__(f"{file}: {rule}")


class MachineLimit(Exception):
    """Memory or the disk of this machine ended before a file was read; nothing is wrong with the file."""


@dataclass(frozen=True)
class PlainFile:
    """A file that the engine can open: decompressed, in UTF-8.

    `path` is a local path, or one that the engine opens in object storage, which `opened` opens for us;
    `name` is the path as it was landed (`archive.zip/member.csv` in an archive).
    """

    path: str
    name: str
    opened: Callable[[], IO[bytes]] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class FoundColumn:
    """A column as the files have it: `type` is an engine type, `VARCHAR` where the format has only text."""

    name: str
    type: str = TEXT


@dataclass(frozen=True)
class BrokenRow:
    """A row that could not be split into columns. `line` counts from 1; `raw` is its text, unmasked."""

    file: str
    line: int
    rule: str
    raw: str


class Step(NamedTuple):
    """From the `first` row of all files on, counted from 1, rows begin a line each, from `line` of `file` on.

    A line of text, a row of a sheet, the n-th record of a binary file: the number by which a person finds it.
    """

    first: int
    file: str
    line: int


class Reader(ABC):
    """The rows of one drop, in one format. Made by the format's `open_…` function, which reads the shape.

    `columns` holds what each file has (files that differ are listed with their own), so that the caller can
    compare with the contract before a row is read.
    """

    columns: Mapping[PlainFile, Sequence[FoundColumn]]

    @abstractmethod
    def rows(self, wanted: Sequence[str | None]) -> str:
        """Return SQL of a relation (without semicolon) of all rows of all files.

        The engine has them in the same order each time, as long as it keeps the order of files.
        One column an item of `wanted`, named `c0`, `c1`, …: the file's column of that name, of its found
        type; NULL (VARCHAR) for None. Rows that cannot be split are left out; `broken_rows` has them.
        """

    @abstractmethod
    def steps(self) -> Iterable[Step]:
        """Yield where the rows stand that executing `rows` gives, the first ones first.

        It may be slow, as it is asked for bad drops alone, once `check` has been called.
        """

    @abstractmethod
    def numbered(self, wanted: Sequence[str | None], chosen: str) -> str:
        """Return SQL of `rows` with their number, `_n`, from 1: of those that the relation `chosen` has."""

    def check(self, rows: int) -> None:  # noqa: B027
        """Compare how many rows executing `rows` has given with what the reader knows of the files.

        Raises:
            Unreadable: some are lost, or are none.
        """

    def broken_count(self) -> int:
        """Return how many rows could not be split, once `check` has been called."""
        return 0

    def broken_rows(self, at_most: int) -> list[BrokenRow]:  # noqa: ARG002
        """Return the first rows that could not be split, once `check` has been called."""
        return []


@dataclass(frozen=True)
class ReaderContext:
    """What a reader works with: the engine, a private directory for intermediate files, the options."""

    connection: "duckdb.DuckDBPyConnection"
    scratch: Path
    options: ReadOptions
    names: Sequence[str]
    """The contract's headers in their order, for files that have none."""
