"""CSV that was once read wrongly without a word, and its kin: exact, quarantined rightly, or refused."""

import gzip
import tracemalloc
from pathlib import Path

import pytest
from sluicegate.compute.engine import open_engine
from sluicegate.contracts.reading import Format, ReadOptions
from sluicegate.ingestion.formats import csv_records
from sluicegate.ingestion.formats.base import PlainFile, ReaderContext, Unreadable
from sluicegate.ingestion.formats.csv import CsvReader, open_csv
from sluicegate.ingestion.formats.csv_records import CsvFile
from sluicegate.ingestion.formats.csv_text import JOINED, MAX_LINE_BYTES, QUOTE
from sluicegate.ingestion.formats.scratch import placed_rows
from sluicegate.operations.mending import export_quarantined, replay

from tests.ingestion.door import DAY, HEADER, Door, column, contract

pytestmark = pytest.mark.long

ANY = {"rows": 1000}
TEXTS = tuple(column(name, "VARCHAR") for name in ("a", "b", "c"))


def texts(folder: Path) -> Door:
    return Door(folder, contract(*TEXTS, path="orders/{date}.csv", quarantineLimit=ANY))


@pytest.mark.parametrize(
    "rows",
    [
        ['1,5" pipe,x'],
        ['1,5" pipe,x', '2,6" pipe,y', "3,none,z"],
        ['1,6",x', '2,7",y'],
        ['1,12"x24",x'],
        ['1,say "hi" twice,x'],
        ['1,5" pipe,6" tube'],
        ['1,5" pipe,x', '2,"a, b",y'],
        ['1,5" pipe,x', '2,"two\nlines",y', '3,6" pipe,z'],
    ],
)
def test_an_inch_mark_is_loaded_where_it_can_mean_nothing_else(tmp_path: Path, rows: list[str]) -> None:
    door = texts(tmp_path)
    loaded = door.load("a,b,c\n" + "\n".join(rows) + "\n")
    assert (loaded.rows, loaded.quarantined) == (len(rows), 0)
    values = [row.split(",") if '"a, b"' not in row else ["2", "a, b", "y"] for row in rows]
    wanted = [tuple(one.strip('"') if "\n" in one else one for one in row) for row in values]
    assert door.rows("a, b, c") == sorted(wanted)


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ('$5"Table, Round",x', QUOTE),
        ('1,$5"Table, Round"', QUOTE),
        ('1, "a",x', QUOTE),
        ('1,"a" ,x', QUOTE),
        ('1,"a"b,x', QUOTE),
        ('1,5"" pipe,x', QUOTE),
        ('1,""a"",x', QUOTE),
        ("1,Smith, John,", "too many columns"),
        ("1,2,3,", "too many columns"),
        ("1,2", "too few columns"),
    ],
)
def test_a_row_that_can_mean_two_things_is_quarantined_and_no_other(
    tmp_path: Path, row: str, rule: str
) -> None:
    door = texts(tmp_path)
    loaded = door.load(f"a,b,c\n0,x,y\n{row}\n9,x,y\n")
    assert (loaded.read, loaded.rows, loaded.quarantined) == (3, 2, 1)
    assert door.quarantine("line, rule, raw") == [(3, rule, row)]
    assert door.rows("a") == [("0",), ("9",)]


@pytest.mark.parametrize(
    "lines",
    [
        ['1,$5"Table, Round', 'x,y",z', '"0",x,y'],
        ["0,x,a", 'b"', '"1","2","3"'],
    ],
    ids=["a delimiter is lost", "the first quote is lost"],
)
def test_lines_that_may_be_one_value_are_refused(tmp_path: Path, lines: list[str]) -> None:
    rules = texts(tmp_path).refused("a,b,c\n" + "\n".join(lines) + "\n")
    assert rules[0].startswith("line ")
    assert "nobody can tell its rows" in rules[0]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le"])
@pytest.mark.parametrize("ended", ["\n", "\r\n", ""])
def test_two_files_that_were_put_together(tmp_path: Path, packed: bool, encoding: str, ended: str) -> None:
    """Each begins with a byte order mark and a header; gzip files may be joined as they are."""
    door = Door(
        tmp_path,
        contract(
            *TEXTS,
            path="orders/{date}.csv" + ".gz" * packed,
            quarantineLimit=ANY,
            options={"encoding": encoding},
        ),
    )
    files = [f"\ufeffa,b,c{ended or chr(10)}{n},x,y{ended}".encode(encoding) for n in range(2)]
    loaded = door.load(b"".join(gzip.compress(one) if packed else one for one in files))
    assert loaded.read == loaded.rows + loaded.quarantined
    [(line, rule)] = door.quarantine("line, rule")
    assert (line, rule) == ((3, JOINED) if ended else (2, "too many columns"))
    assert door.rows("a") == ([("0",), ("1",)] if ended else [("1",)])


@pytest.mark.parametrize("kind", ["\n", "\r\n", "\r", "mixed"])
def test_the_replay_key_of_a_row_is_its_own_line_however_lines_end(tmp_path: Path, kind: str) -> None:
    ends = ["\n", "\r\n", "\r", "\n", "\r\n", "\n"] if kind == "mixed" else [kind] * 6
    rows = [
        HEADER, f'1,{DAY},"two\r\nlines",1', f'2,{DAY}, "a",2', f"3,{DAY},b,many", "", f'4,{DAY},"x\ny",none',
    ]  # fmt: skip
    door = Door(tmp_path, contract(quarantineLimit=ANY))
    loaded = door.load("".join(row + end for row, end in zip(rows, ends, strict=True)))
    assert (loaded.rows, loaded.quarantined) == (1, 3)
    wrong = "column `Loaves (pcs)` does not hold INTEGER"
    assert door.quarantine("line, rule") == [(4, QUOTE), (5, wrong), (7, wrong)]
    assert door.rows("shop") == [("two\r\nlines",)]

    file = tmp_path / "to fix.csv"
    export_quarantined(door.deployment, door.contract, DAY, file)
    with file.open(newline="") as stream:
        text = stream.read()
    file.write_text(text.replace(",many,", ",8,").replace(",none,", ",9,"), newline="")
    keys = [line for line in text.splitlines() if QUOTE in line]
    assert keys
    mended = "".join(line for line in file.read_text().splitlines(keepends=True) if QUOTE not in line)
    file.write_text(mended, newline="")
    replay(door.deployment, door.contract, DAY, file)
    door.load()
    assert door.rows("order_number, loaves") == [("1", 1), ("3", 8), ("4", 9)]


# -- lines of any length --


def reader(folder: Path, content: bytes) -> tuple[CsvReader, int]:
    path = folder / "long.csv"
    path.write_bytes(content)
    with open_engine(threads=2, memory_limit="512MB") as connection:
        connection.execute("set preserve_insertion_order = false")
        context = ReaderContext(connection, folder, ReadOptions(Format.CSV), [])
        found = open_csv(context, [PlainFile(str(path), "long.csv")])
        row = connection.execute(
            f"select count(*), sum(strlen(c1)) from ({found.rows(['a', 'b'])})"
        ).fetchone()
        assert row is not None
        found.check(row[0])
        return found, row[1]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("times", [1, 5])
@pytest.mark.parametrize("value", ["{}", '"{}"', '"{}"\r'], ids=["bare", "quoted", "mixed line ends"])
def test_lines_up_to_the_limit_are_loaded(tmp_path: Path, times: int, value: str) -> None:
    """Five of them are more than the engine reads at once, which loses some that end where it cuts."""
    around = len(f"1,{value.format('')}\n")
    filled = b"a\n" if '"' in value else b"ab"
    long = filled * ((MAX_LINE_BYTES - around) // 2) + b"c" * ((MAX_LINE_BYTES - around) % 2)
    line = f"1,{value}\n".encode().replace(b"{}", long)
    assert len(line) == MAX_LINE_BYTES
    _, held = reader(tmp_path, b"a,b\n0,x\n" + line * times + b"2,y\n")
    assert held == times * len(long) + 2


@pytest.mark.parametrize("megabytes", [0, 1, 24, 40])
@pytest.mark.parametrize(("times", "value"), [(1, "{}"), (2, "{}"), (1, '"{}"'), (1, '"{}')])
@pytest.mark.sampled(4)
def test_a_longer_line_is_refused_by_its_number(
    tmp_path: Path, megabytes: int, times: int, value: str
) -> None:
    filled = b"a\n" if '"' in value else b"ab"
    long = filled * ((MAX_LINE_BYTES >> 1) + (megabytes << 19))
    line = f"1,{value}\n".encode().replace(b"{}", long)
    with pytest.raises(Unreadable) as caught:
        reader(tmp_path, b"a,b\n0,x\n" + line * times + b"2,y\n")
    assert str(caught.value).startswith("long.csv: line 3: ")
    said = "longer than 8 MB" if value == "{}" else "longer than 8 MB|does not close"
    assert any(one in caught.value.rule for one in said.split("|"))


@pytest.mark.parametrize("cut", [1, 2, 3, 5, 7, 16])
def test_a_file_is_read_alike_wherever_it_is_cut(
    tmp_path: Path, cut: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = 'ä,b\r\n1,"x\r\ny\rz\nw ""q"" "\r2,5" pipé\n3,\r\n\n4\n5,\ufeffü\r\n6,"é"\r'.encode()
    monkeypatch.setattr(csv_records, "CHUNK_BYTES", cut)
    path = tmp_path / "cut.csv"
    path.write_bytes(content)
    with open_engine() as connection:
        found = open_csv(
            ReaderContext(connection, tmp_path, ReadOptions(Format.CSV), []),
            [PlainFile(str(path), "cut.csv")],
        )
        placed = placed_rows(connection, found, ["ä", "b"], tmp_path)
        rows = connection.execute(f"select _line, c0, c1 from ({placed}) order by _line").fetchall()
    assert rows == [
        (2, "1", 'x\r\ny\rz\nw "q" '), (6, "2", '5" pipé'), (7, "3", None), (10, "5", "\ufeffü"),
        (11, "6", "é"),
    ]  # fmt: skip
    assert [(row.line, row.rule) for row in found.broken_rows(9)] == [(9, "too few columns")]


def test_a_file_is_looked_at_without_being_kept_in_memory(tmp_path: Path) -> None:
    file = tmp_path / "large.csv"
    file.write_bytes(b"id,note\n" + b"1,abcdefghijklmnop\n" * 2_000_000)  # 38 MB
    tracemalloc.start()
    _, found = CsvFile(str(file), file.name, ReadOptions(Format.CSV)).look(2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found is not None
    assert found.rows == 2_000_000
    assert peak < 16 << 20


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("skipped", [0, 1, 3])
@pytest.mark.parametrize("header", [True, False])
def test_the_last_line_may_lack_its_end_whatever_stands_before_it(
    tmp_path: Path, end: str, skipped: int, header: bool
) -> None:
    options = ReadOptions(Format.CSV, header=header, skip_lines=skipped)
    path = tmp_path / "one.csv"
    with open_engine() as connection:
        for blank in (0, 1, 2):
            lines = ["Orders, of the day"] * skipped + [""] * blank + ["a,b"] * header + ["1,2"]
            path.write_bytes(end.join(lines).encode())
            context = ReaderContext(connection, tmp_path, options, ["a", "b"])
            found = open_csv(context, [PlainFile(str(path), "one.csv")])
            rows = connection.execute(f"from ({found.rows(['a', 'b'])})").fetchall()
            assert rows == [("1", "2")], blank
            found.check(1)
