"""CSV in every dialect, clean and polluted: a row is exact, quarantined rightly, or its file is refused.

The files are written from values by chance (`polluted`), so that what a row means is known beforehand.
"""

import os
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sluicegate.areas import Area
from sluicegate.compute.engine import open_engine
from sluicegate.ingestion.formats.base import BrokenRow, ReaderContext, Unreadable
from sluicegate.ingestion.formats.csv import open_csv
from sluicegate.ingestion.formats.plain import LandedFile, plain_files
from sluicegate.ingestion.formats.scratch import placed_rows

from tests.ingestion.polluted import POLLUTIONS, File, Outcome, Pollution, Written, file

if TYPE_CHECKING:
    import duckdb

TIMES = int(os.environ.get("SLUICE_TEST_KILLS", "1"))
# Of these, so many rows in a hundred are read as they were meant; it may rise, and never falls.
EXACT_OF_100 = 67


@dataclass(frozen=True)
class Read:
    """What a reader makes of a file: rows by the line that they begin on."""

    rows: dict[int, tuple[str, ...]]
    broken: dict[int, BrokenRow]


@dataclass
class Desk:
    """Where files are written and read, one after the other."""

    folder: Path
    connection: "duckdb.DuckDBPyConnection"
    number: int = 0

    def read(self, content: bytes, how: Written, names: list[str]) -> Read:
        """Read a file as a drop is: every row once, and again with its place."""
        self.number += 1
        area = Area(str(self.folder / "area"))
        area.write(f"{self.number}.csv", iter([content]))
        scratch = self.folder / f"scratch{self.number}"
        landed = LandedFile(f"{self.number}.csv", "landed.csv")
        context = ReaderContext(self.connection, scratch, how.options, names)
        reader = open_csv(context, plain_files(area, [landed], how.options, scratch / "plain"))
        (columns,) = reader.columns.values()
        wanted = [column.name for column in columns]
        rows = self.connection.execute(reader.rows(wanted)).fetchall()
        reader.check(len(rows))
        places = ", ".join(f"c{place}" for place in range(len(wanted)))
        query = f"select _line, {places} from ({placed_rows(self.connection, reader, wanted, scratch)})"
        placed = self.connection.execute(query).fetchall()
        found = {line: tuple(one or "" for one in row) for line, *row in placed}
        assert Counter(map(str, found.values())) == Counter(
            str(tuple(one or "" for one in row)) for row in rows
        )
        broken = reader.broken_rows(1000)
        assert len(broken) == reader.broken_count()
        return Read(found, {row.line: row for row in broken})


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with open_engine(threads=2) as connection:
        yield Desk(tmp_path_factory.mktemp("desk"), connection)


def judged(written: File, outcome: Outcome, desk: Desk) -> int:
    """Read a file, and compare each record with what may come of it; return how many are exact."""
    try:
        found = desk.read(written.content(), written.how, written.names)
    except Unreadable as error:
        refusal = error
    else:
        return exact_of(written, outcome, found)
    assert refusal.file == "landed.csv"
    assert outcome.refused, f"{refusal} in {written.content()!r}"
    assert refusal.rule.startswith("line "), refusal.rule
    return 0


def exact_of(written: File, outcome: Outcome, found: Read) -> int:
    shown = f"{written.how} {written.content()!r}: {found}"
    quarantined = " ".join(row.raw for row in found.broken.values())
    exact, every = 0, set[int]()
    for at, row in enumerate(written.rows):
        lines = written.lines_of(at)
        line = lines[0]
        every.update(lines)
        rules, text = outcome.rules.get(at), written.text_of(at).decode(errors="replace")
        rows = [found.rows[one] for one in lines if one in found.rows]
        broken = [found.broken[one] for one in lines if one in found.broken]
        if rows:
            meant = [one for one in (row if rules is None else None, outcome.rows.get(at)) if one is not None]
            assert line in found.rows, f"line {line}; {shown}"
            assert rows[0] in meant, f"line {line}; {shown}"
            assert not rows[1:], f"line {line}; {shown}"
            assert not broken, f"line {line}; {shown}"
            exact += 1
        elif broken:
            assert {one.rule for one in broken} <= (rules or frozenset()), f"line {line}; {shown}"
            assert all(one.raw.startswith(text) or one.raw in text for one in broken), f"line {line}; {shown}"
        elif row is not None:
            # A quote that is lost may take the next line into its record, which is in quarantine then.
            assert outcome.refused, f"line {line} is lost; {shown}"
            assert text in quarantined, f"line {line} is lost; {shown}"
    assert every >= {*found.rows, *found.broken}, f"rows that nobody wrote; {shown}"
    return exact


def seeds(number: int) -> Iterator[int]:
    """Return the same ones always, and others as well in longer runs."""
    yield from range(number)
    if TIMES > 1:
        yield from (random.SystemRandom().randrange(2**32) for _ in range(number * TIMES))


def test_clean_files_are_read_as_they_were_written(desk: Desk) -> None:
    for seed in seeds(100):
        written = file(random.Random(seed))
        assert judged(written, Outcome(), desk) == len(written.rows), f"seed {seed}"


@pytest.mark.sampled(3)
@pytest.mark.parametrize("pollute", POLLUTIONS, ids=lambda one: one.__name__)
def test_polluted_rows_are_exact_or_quarantined_or_their_file_is_refused(
    desk: Desk, pollute: Pollution
) -> None:
    tried = 0
    for seed in seeds(40):
        luck = random.Random(f"{pollute.__name__} {seed}")
        written = file(luck)
        outcome = pollute(luck, written)
        if outcome is None:
            continue
        tried += 1
        try:
            judged(written, outcome, desk)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
    assert tried


def test_as_many_rows_as_ever_are_exact(desk: Desk) -> None:
    """What can be told is told: nothing is quarantined or refused for convenience."""
    exact = rows = 0
    for seed in range(150):
        luck = random.Random(seed)
        written = file(luck)
        outcome = luck.choice(POLLUTIONS)(luck, written)
        if outcome is not None:
            exact += judged(written, outcome, desk)
            rows += len(written.rows)
    assert 100 * exact / rows >= EXACT_OF_100
