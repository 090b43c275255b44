"""Rows that a person has mended, in the place of quarantined ones.

Belongs here: which row stands for which, and what keeps one from it. Such a row goes to the quarantine with
its reason, and no other waits for it. Does not belong here: what is registered as a drop
(`operations.mending`).
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sluicegate.areas import Area
from sluicegate.compute.exact_parquet import exact_rows
from sluicegate.compute.sql import literal, quoted
from sluicegate.contracts.model import QuarantineLimit, SourceContract
from sluicegate.contracts.reading import Format, ReadOptions
from sluicegate.ingestion.bad_rows import Place, Quarantined, QuarantinedRow
from sluicegate.ingestion.convert import Converted, convert
from sluicegate.ingestion.formats.base import BrokenRow, Reader, ReaderContext, Step
from sluicegate.ingestion.formats.csv import open_csv
from sluicegate.ingestion.formats.plain import LandedFile, plain_files
from sluicegate.ingestion.formats.scratch import numbered_rows, placed_rows
from sluicegate.ingestion.judgement import Judgement
from sluicegate.ingestion.originals import MENDED
from sluicegate.ingestion.refusal import DropRefused
from sluicegate.ingestion.shape import Shape

if TYPE_CHECKING:
    import duckdb

# A mended row says which row it stands in for.
PLACE_HEADERS = ("_file", "_line")
_ANY = QuarantineLimit(percent=100)


@dataclass(frozen=True)
class _Row:
    """A mended row: where it stands itself, and which row it is for, if it says so."""

    file: str
    line: int
    target: Place | None

    @property
    def own(self) -> Place:
        return (self.file, self.line)


class MendedRows:
    """The mended rows of a drop; `places` are the rows of the files themselves that they stand for."""

    def __init__(
        self,
        connection: "duckdb.DuckDBPyConnection",
        contract: SourceContract,
        partition_key: str,
        shape: Shape,
        area: Area,
        fixes: Sequence[LandedFile],
        scratch: Path,
        *,
        for_mending: bool = False,
    ) -> None:
        """Read which row each is for.

        Raises:
            DropRefused: a file lacks a column.
        """
        options = ReadOptions(Format.CSV)
        files = plain_files(area, fixes, options, scratch / "fixes")
        self._reader = open_csv(ReaderContext(connection, scratch, options, []), files)
        self._check_headers(shape)
        self._connection, self._scratch = connection, scratch
        # They are judged together with the rest of the drop, and not as one of its own.
        alone = replace(contract, row_count=(None, None), limit=_ANY, gaps_allowed=True)
        text = Shape(shape.found, {}, shape.added)
        self._judgement = Judgement(alone, text, partition_key, for_mending=for_mending)
        self._rows = self._read()
        self._wrong: dict[Place, str] = {}
        # A row that was mended, and was bad still, is mended under the name of its own file.
        mended = {row.own for row in self._rows}
        self._superseded = {row.target for row in self._rows if row.target in mended} | self._overtaken()
        counted = Counter(row.target for row in self._rows if row.own not in self._superseded)
        for row in self._rows:
            if row.target is None:
                self._wrong[row.own] = "`_file` and `_line` name no row"
            elif counted[row.target] > 1:
                self._wrong[row.own] = _said(row.target, "for which there is more than one mended row")
            elif row.target[0].startswith(f"{MENDED}/") and row.target not in mended:
                self._wrong[row.own] = _said(row.target, "which is no mended row")
        targets = {row.target for row in self._rows if row.own not in self._wrong}
        self.places = frozenset(target for target in targets if target is not None) - mended

    def _overtaken(self) -> set[Place | None]:
        """Of rows that were mended more than once, those of older files."""
        newest: dict[Place | None, int] = {}
        for row in self._rows:
            newest[row.target] = max(newest.get(row.target, 0), mended_in(row.file))
        return {
            row.own
            for row in self._rows
            if row.target is not None and mended_in(row.file) < newest[row.target]
        }

    def _check_headers(self, shape: Shape) -> None:
        headers = [*PLACE_HEADERS, *(name for name in shape.found.values() if name is not None)]
        for file, columns in self._reader.columns.items():
            lacking = [name for name in headers if name not in {column.name for column in columns}]
            if lacking:
                raise DropRefused(
                    file.name,
                    [f"line 1: column `{lacking[0]}` is missing; expected {', '.join(headers)}; export anew"],
                )

    def _read(self) -> list[_Row]:
        found = self._connection.execute(
            f"select _file, _line, c0, try_cast(c1 as bigint) from"
            f" ({placed_rows(self._connection, self._reader, PLACE_HEADERS, self._scratch)}) order by all"
        ).fetchall()
        self._reader.check(len(found))
        return [
            _Row(
                file,
                line,
                (for_file, for_line) if for_file is not None and for_line is not None else None,
            )
            for file, line, for_file, for_line in found
        ]

    def converted(self, original: Converted) -> Converted:
        """Convert those that may stand in; `original` is what was made of the drop's own files."""
        for row in self._rows:
            if row.target is not None and row.target in original.not_bad:
                said = "which is not in quarantine; take them from `sluice source quarantine --export`"
                self._wrong.setdefault(row.own, _said(row.target, said))
        self._find_followers()
        for key in self._judgement.keys:
            self._find_clashes(key, original.rows)
        left_out = self._wrong.keys() | self._superseded
        chosen = _Chosen(
            self._connection,
            self._reader,
            [row.own for row in self._rows if row.own in left_out],
            self._scratch,
        )
        scratch = self._scratch / "mended"
        converted = convert(self._connection, self._judgement, chosen, MENDED, scratch)
        if not self._wrong:
            return converted
        wrong = Quarantined.of(self._quarantined(), scratch / "wrong.parquet")
        return replace(converted, quarantined=converted.quarantined + wrong)

    def _find_followers(self) -> None:
        """What is for a row that stands for none, stands for none either."""
        while True:
            followers = [
                row for row in self._rows if row.target in self._wrong and row.own not in self._wrong
            ]
            if not followers:
                return
            for row in followers:
                assert row.target is not None
                self._wrong[row.own] = _said(row.target, "which stands for no row itself; fix that row")

    def _find_clashes(self, key: Sequence[str], rows: Path) -> None:
        """A mended row must not bring a key that is there already."""
        names = ", ".join(quoted(name) for name in key)
        held = f"select {names} from {exact_rows(self._connection, rows)}"
        values = self._judgement.key_values(key)
        for own in self._of_placed(f"coalesce(({values}) in ({held}), false)", "null"):
            rule = f"key ({', '.join(key)}) of a mended row stands in the drop already; fix it once more"
            self._wrong.setdefault(own, rule)

    def _quarantined(self) -> list[QuarantinedRow]:
        raw = self._of_placed("true", self._judgement.raw())
        return [
            QuarantinedRow(*own, "", rule, (rule,), str(raw.get(own, "")))
            for own, rule in sorted(self._wrong.items())
            if own not in self._superseded
        ]

    def _of_placed(self, condition: str, wanted: str) -> Mapping[Place, object]:
        """Return {own place: value} of rows that fulfil a condition, both SQL over the reader's columns."""
        placed = placed_rows(self._connection, self._reader, self._judgement.wanted, self._scratch)
        found = self._connection.execute(
            f"select _file, _line, {wanted} from ({placed}) where {condition}"
        ).fetchall()
        return {(file, line): value for file, line, value in found}


class _Chosen(Reader):
    """What another reader reads, without some rows."""

    def __init__(
        self,
        connection: "duckdb.DuckDBPyConnection",
        reader: Reader,
        left_out: Sequence[Place],
        scratch: Path,
    ) -> None:
        self._connection = connection
        self._scratch = scratch
        self._reader = reader
        self.columns = reader.columns
        listed = ", ".join(f"({literal(file)}, {line})" for file, line in left_out)
        self._kept = f"(_file, _line) not in ({listed})" if left_out else "true"

    def _placed(self, wanted: Sequence[str | None]) -> str:
        placed = placed_rows(self._connection, self._reader, wanted, self._scratch)
        return f"from ({placed}) where {self._kept} order by _n"

    def rows(self, wanted: Sequence[str | None]) -> str:
        return f"select * exclude (_n, _file, _line) {self._placed(wanted)}"

    def numbered(self, wanted: Sequence[str | None], chosen: str) -> str:
        return numbered_rows([(self.rows(wanted), 0)], chosen)

    def steps(self) -> Iterator[Step]:
        found = self._connection.execute(f"select _file, _line {self._placed([None])}").fetchall()
        yield from (Step(number, file, line) for number, (file, line) in enumerate(found, 1))

    def broken_count(self) -> int:
        return self._reader.broken_count()

    def broken_rows(self, at_most: int) -> list[BrokenRow]:
        return self._reader.broken_rows(at_most)


def mended_name(ordinal: int, digest: str) -> str:
    """Return what a file of mended rows is called in the drop that it makes, by its ordinal."""
    return f"{MENDED}/{ordinal:06d}-{digest[:16]}.csv"


def mended_in(name: str) -> int:
    """Return the ordinal of the drop that a file of mended rows made; 0 of other files and older code's."""
    folder, _, file = name.rpartition("/")
    number, dash, _ = file.partition("-")
    return int(number) if folder == MENDED and dash and number.isdecimal() else 0


def _said(target: Place, what: str) -> str:
    return f"a mended row is for {target[0]} line {target[1]}, {what}"
