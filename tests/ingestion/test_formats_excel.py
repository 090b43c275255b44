"""Excel: what a cell says, as text, and the row that a person finds it in."""

import datetime as dt
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st
from sluicegate.contracts.reading import Format, ReadOptions
from sluicegate.ingestion.formats.base import BrokenRow, Unreadable

from tests.ingestion.readers import GENERATED, Opened, opened

EXCEL = ReadOptions(Format.EXCEL)
Write = Callable[[Any, Any], None]


def workbook(path: Path, *writes: Write, names: tuple[str, ...] = ()) -> Path:
    """Write a workbook; each of `writes` is given the workbook and a sheet of its own."""
    with xlsxwriter.Workbook(str(path), {"strings_to_numbers": False}) as book:
        for index, write in enumerate(writes):
            write(book, book.add_worksheet(names[index] if names else None))
    return path


def grid(*rows: tuple[object, ...]) -> Write:
    """Return what writes rows from the sheet's corner on; None leaves a cell out."""

    def write(book: Any, sheet: Any) -> None:
        for row, values in enumerate(rows):
            for column, value in enumerate(values):
                if isinstance(value, str):
                    sheet.write_string(row, column, value)
                elif value is not None:
                    sheet.write(row, column, value)

    return write


def read(tmp_path: Path, *writes: Write, options: ReadOptions = EXCEL, names: tuple[str, ...] = ()) -> Opened:
    path = workbook(tmp_path / "0.xlsx", *writes, names=names)
    return opened(options, tmp_path, [path], ["first", "second"])


def test_numbers_truths_and_texts_are_as_they_stand(tmp_path: Path) -> None:
    values = [
        1,
        -2,
        1.5,
        0.1,
        1e21,
        1e-7,
        123456789012345,
        True,
        False,
        "007",
        "1.10",
        " x ",
        "a\nb",
        "€",
        "",
    ]
    found = read(tmp_path, grid(("v", "end"), *((value, "x") for value in values)))
    texts = [
        "1", "-2", "1.5", "0.1", "1000000000000000000000", "1e-07", "123456789012345", "true", "false",
        "007", "1.10", " x ", "a\nb", "€", None,
    ]  # fmt: skip
    assert [row[0] for row in found.placed("v")] == texts
    assert found.columns() == {"v": "VARCHAR", "end": "VARCHAR"}


@pytest.mark.parametrize(
    ("value", "number_format", "text"),
    [
        (dt.date(2022, 1, 2), "dd/mm/yyyy", "2022-01-02"),
        (dt.datetime(2022, 1, 2), "yyyy-mm-dd hh:mm", "2022-01-02 00:00:00"),
        (dt.datetime(2022, 1, 2, 12), "yyyy-mm-dd", "2022-01-02 12:00:00"),
        (dt.datetime(2022, 1, 2, 3, 4, 5), "d.m.yy h:mm", "2022-01-02 03:04:05"),
        (dt.datetime(2022, 1, 2, 3, 4, 5, 678000), "d.m.yy h:mm", "2022-01-02 03:04:05.678000"),
        (dt.time(3, 4, 5), "hh:mm:ss", "03:04:05"),
        (dt.timedelta(hours=30, minutes=5), "[h]:mm:ss", "30:05:00"),
        (0.05, "0.00%", "0.05"),
        (1234.5, '#,##0.00 "EUR"', "1234.5"),
    ],
)
def test_dates_and_times_are_iso_whatever_they_look_like(
    tmp_path: Path, value: object, number_format: str, text: str
) -> None:
    def write(book: Any, sheet: Any) -> None:
        shown = book.add_format({"num_format": number_format})
        sheet.write("A1", "v")
        if isinstance(value, float):
            sheet.write_number("A2", value, shown)
        else:
            sheet.write_datetime("A2", value, shown)

    assert read(tmp_path, write).rows("v") == [(text,)]


def test_errors_are_told_and_formulas_are_their_results(tmp_path: Path) -> None:
    def write(book: Any, sheet: Any) -> None:
        sheet.write_row("A1", ["v", "end"])
        cells = [("NA()", "#N/A"), ("1/0", "#DIV/0!"), ("A99!", "#REF!"), ("1+1", 2), ('"a"&"b"', "ab")]
        for row, (formula, result) in enumerate(cells, 1):
            sheet.write_formula(row, 0, f"={formula}", None, result)

    assert [row[0] for row in read(tmp_path, write).placed("v")] == ["#N/A", "#DIV/0!", "#REF!", "2", "ab"]


def test_a_formula_that_was_never_calculated_is_refused(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet: Any = book.active
    sheet.append(["a", "b"])
    sheet.append([1, "=A2+1"])
    book.save(tmp_path / "0.xlsx")
    with pytest.raises(
        Unreadable, match=r"^in/0.xlsx: cell B2 is a formula that was never calculated; expected"
    ):
        opened(EXCEL, tmp_path, [tmp_path / "0.xlsx"])


def test_empty_rows_are_none_but_count_for_who_looks_for_a_row(tmp_path: Path) -> None:
    found = read(tmp_path, grid(("a", "b"), (1, 2), (), ("",), (3, None), (4, 5), (), (None, 6)))
    assert found.placed("a", "b") == [
        ("1", "2", "in/0.xlsx", 2),
        ("3", None, "in/0.xlsx", 5),
        ("4", "5", "in/0.xlsx", 6),
        (None, "6", "in/0.xlsx", 8),
    ]


def test_a_title_above_the_header_is_skipped(tmp_path: Path) -> None:
    options = ReadOptions(Format.EXCEL, skip_lines=2)
    found = read(tmp_path, grid(("Sales of May",), (), ("a", "b"), (1, 2)), options=options)
    assert found.columns() == {"a": "VARCHAR", "b": "VARCHAR"}
    assert found.placed("a") == [("1", "in/0.xlsx", 4)]


def test_without_header_the_contracts_names_go_by_place(tmp_path: Path) -> None:
    found = read(tmp_path, grid((1, 2), (3, 4)), options=ReadOptions(Format.EXCEL, header=False))
    assert found.rows("second", "first") == [("2", "1"), ("4", "3")]
    assert found.placed("first") == [("1", "in/0.xlsx", 1), ("3", "in/0.xlsx", 2)]


def test_a_merged_header_names_its_first_column_and_the_others_by_their_letter(tmp_path: Path) -> None:
    def write(book: Any, sheet: Any) -> None:
        sheet.merge_range("A1:B1", "Sales")
        sheet.write_row("C1", ["c"])
        sheet.write_row("A2", [1, 2, 3])

    found = read(tmp_path, write)
    assert found.names() == ["Sales", "column B", "c"]
    assert found.rows("Sales", "column B", "c") == [("1", "2", "3")]


def test_columns_without_header_and_cells_are_none(tmp_path: Path) -> None:
    def write(book: Any, sheet: Any) -> None:
        bold = book.add_format({"bold": True})
        sheet.write_row("A1", ["a", None, "c"])
        sheet.write_row("A2", [1, None, 3])
        sheet.write_blank("Z2", None, bold)

    assert read(tmp_path, write).names() == ["a", "c"]


def test_a_header_that_stands_twice_is_listed_twice_and_one_in_capitals_is_another(tmp_path: Path) -> None:
    found = read(tmp_path, grid(("a", "A", "a"), (1, 2, 3)))
    assert [column.name for column in found.reader.columns[found.files[0]]] == ["a", "A", "a"]
    assert found.rows("A", "a") == [("2", "1")]


def test_a_cell_far_beside_the_header_breaks_its_row(tmp_path: Path) -> None:
    def write(book: Any, sheet: Any) -> None:
        sheet.write_row("A1", ["a", "b"])
        sheet.write_row("A2", [1, 2])
        sheet.write_row("A3", [3, 4])
        sheet.write("DD3", "note")

    found = read(tmp_path, write)
    assert found.rows("a", "b") == [("1", "2")]
    (broken,) = found.reader.broken_rows(9)
    assert (found.reader.broken_count(), found.reader.broken_rows(0)) == (1, [])
    assert broken == BrokenRow("in/0.xlsx", 3, broken.rule, broken.raw)
    assert broken.rule == "has a cell in column DD; expected the last one in BN, as in the header"
    assert broken.raw.startswith('["3","4",null')


# -- sheets --


def test_a_sheet_is_found_by_name_and_else_the_first_is_read(tmp_path: Path) -> None:
    sheets = grid(("a",), (1,)), grid(("b",), (2,))
    assert read(tmp_path, *sheets, names=("One", "Two")).names() == ["a"]
    options = ReadOptions(Format.EXCEL, sheet="Two")
    again = tmp_path / "again"
    again.mkdir()
    assert read(again, *sheets, options=options, names=("One", "Two")).rows("b") == [("2",)]


def test_an_unknown_sheet_is_refused_with_those_there_are(tmp_path: Path) -> None:
    options = ReadOptions(Format.EXCEL, sheet="one")
    with pytest.raises(
        Unreadable, match=r"^in/0.xlsx: it has no sheet `one`; expected one of .*: `One`, `Two`;"
    ):
        read(tmp_path, grid(()), grid(()), options=options, names=("One", "Two"))


def test_an_empty_sheet_has_no_columns(tmp_path: Path) -> None:
    found = read(tmp_path, grid())
    assert found.names() == []
    assert found.rows("a") == []


# -- damage --


def test_every_cut_is_noticed(tmp_path: Path) -> None:
    whole = workbook(tmp_path / "whole.xlsx", grid(("a",), (1,))).read_bytes()
    path = tmp_path / "0.xlsx"
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(Unreadable, match=r"^in/0.xlsx: damaged or cut short: no Excel workbook"):
            opened(EXCEL, tmp_path, [path])


def test_a_damaged_sheet_is_refused(tmp_path: Path) -> None:
    path = workbook(tmp_path / "0.xlsx", grid(("a",), *((f"text {number}",) for number in range(2000))))
    content = bytearray(path.read_bytes())
    middle = content.index(b"sheet1.xml") + 3000
    content[middle : middle + 20] = b"\xff" * 20
    path.write_bytes(content)
    with pytest.raises(Unreadable, match=r"^in/0.xlsx: damaged or cut short: (the sheet|no Excel workbook)"):
        opened(EXCEL, tmp_path, [path])


def test_an_old_or_locked_workbook_is_named(tmp_path: Path) -> None:
    path = tmp_path / "0.xlsx"
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600)
    with pytest.raises(
        Unreadable, match="a workbook of before 2007, or with a password; expected .xlsx without"
    ):
        opened(EXCEL, tmp_path, [path])


# -- what was written is what is read --

# Excel has no control characters, and keeps 15 to 17 digits of a number.
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8).filter(
    lambda text: "_x" not in text
)
CELLS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.floats(-1e15, 1e15, allow_nan=False).map(lambda value: float(f"{value:.16G}"))
    | TEXTS
)


def said(value: object) -> str | None:
    match value:
        case None:
            return None
        case bool():
            return str(value).lower()
        case float():
            return str(int(value)) if value.is_integer() else repr(value)
        case _:
            return str(value)


@GENERATED
@given(st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=8), st.integers(0, 3))
def test_what_was_written_is_what_is_read(rows: list[tuple[object, ...]], above: int) -> None:
    options = ReadOptions(Format.EXCEL, skip_lines=above)
    with tempfile.TemporaryDirectory() as directory:
        found = read(Path(directory), grid(*([("title",)] * above), ("a", "b", "c"), *rows), options=options)
        placed = found.placed("a", "b", "c")
    expected = {
        above + 2 + index: tuple(said(value) for value in row)
        for index, row in enumerate(rows)
        if any(value is not None for value in row)
    }
    assert {row[-1]: row[:3] for row in placed} == expected
