"""Workbooks as people and programs make them: taken exactly, in quarantine, or refused with a sentence."""

import datetime as dt
import io
import re
import zipfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlsxwriter

from tests.ingestion.door import Door, column, contract

pytestmark = pytest.mark.long

Fill = Callable[[Any, Any], None]


def workbook(fill: Fill, **options: Any) -> bytes:
    """Return a workbook; `fill` is given it, and its first sheet, which has the header."""
    stream = io.BytesIO()
    with xlsxwriter.Workbook(stream, options) as book:
        sheet = book.add_worksheet("Data")
        sheet.write_row(0, 0, ["id", "v"])
        fill(book, sheet)
    return stream.getvalue()


def cells(*values: Any, number_format: str = "", **options: Any) -> bytes:
    """Return a workbook with a row for each value, by xlsxwriter's own choice of a cell's type."""

    def fill(book: Any, sheet: Any) -> None:
        shown = book.add_format({"num_format": number_format}) if number_format else None
        for number, value in enumerate(values, 1):
            sheet.write(number, 0, number)
            if value is not None:
                sheet.write(number, 1, value, shown)

    return workbook(fill, **options)


def door(folder: Path, type_: str = "VARCHAR", options: dict[str, Any] | None = None, **more: Any) -> Door:
    return Door(
        folder,
        contract(
            column("id", "INTEGER", required=True),
            column("v", type_, **more),
            path="orders/{date}.xlsx",
            server={"format": "xlsx"},
            options=options,
            quarantineLimit={"rows": 9},
        ),
    )


NOON = dt.datetime(2024, 1, 2, 12)
DAY = dt.datetime(2024, 1, 2)
DAY_MONTH = {"logicalTypeOptions": {"format": "dd.MM.yyyy"}}


@pytest.mark.parametrize(
    ("type_", "written", "more", "taken", "refused"),
    [
        ("DATE", [DAY, NOON, "2024-01-03", "3.1.2024"], {}, {1: DAY.date(), 3: dt.date(2024, 1, 3)}, {2, 4}),
        ("DATE", [DAY, NOON, "03.01.2024"], DAY_MONTH, {1: DAY.date(), 3: dt.date(2024, 1, 3)}, {2}),
        ("TIMESTAMP", [DAY, NOON], {}, {1: DAY, 2: NOON}, set[int]()),
        (
            "DECIMAL(18,9)",
            [0.00001, -0.000123, 1.5e-7, 1e-10, 1234.5, 1 / 3, "1.10", "1.2.3"],
            {},
            {
                1: Decimal("0.00001"), 2: Decimal("-0.000123"), 3: Decimal("0.00000015"),
                5: Decimal("1234.5"), 7: Decimal("1.1"),
            },
            {4, 6, 8},
        ),
        ("INTEGER", [7, 7.0, 7.5, "007", True, 1e12], {}, {1: 7, 2: 7, 4: 7}, {3, 5, 6}),
        ("VARCHAR", ["007", 7, True, 0.5, "=x"], {}, {1: "007", 2: "7", 3: "true", 4: "0.5"}, set[int]()),
        ("BOOLEAN", [True, False, "true", 1], {}, {1: True, 2: False, 3: True}, {4}),
        ("BIGINT", [2**53, "9007199254740993"], {}, {1: 2**53, 2: 2**53 + 1}, set[int]()),
    ],
)  # fmt: skip
def test_a_cell_is_taken_as_its_type_has_it_or_not_at_all(
    tmp_path: Path,
    type_: str,
    written: list[Any],
    more: dict[str, Any],
    taken: dict[int, Any],
    refused: set[int],
) -> None:
    at = door(tmp_path, type_, **more)
    values = [value for value in written if value != "=x"]
    at.load(cells(*values, number_format="yyyy-mm-dd hh:mm" if DAY in written else ""))
    assert dict(at.rows("id, v")) == taken
    assert {line - 1 for (line,) in at.quarantine("line")} == refused


@pytest.mark.parametrize(
    ("number_format", "text"), [("0.00%", "0.05"), ('#,##0.00 "EUR"', "0.05"), ("[$€-2] #,##0.00", "0.05")]
)
def test_how_a_number_is_shown_is_no_part_of_it(tmp_path: Path, number_format: str, text: str) -> None:
    at = door(tmp_path, "DECIMAL(9,2)")
    at.load(cells(0.05, number_format=number_format))
    assert at.rows("v") == [(Decimal(text),)]


def test_days_are_counted_from_where_the_workbook_says(tmp_path: Path) -> None:
    for options in ({}, {"date_1904": True}):
        at = door(tmp_path / str(len(options)), "DATE")
        at.load(cells(DAY, number_format="d.m.yy", **options))
        assert at.rows("v") == [(DAY.date(),)]


@pytest.mark.parametrize("type_", ["VARCHAR", "DATE", "TIMESTAMP"])
def test_a_day_that_never_was_is_no_value(tmp_path: Path, type_: str) -> None:
    """Excel counts a 29 February 1900, and has no day before that year; 59 and 60 are read as one."""
    at = door(tmp_path, type_)
    at.load(cells(59, 60, 61, -1, 60.5, 1, number_format="yyyy-mm-dd"))
    assert at.query("select id, left(v::varchar, 10) from raw.orders order by id") == [
        (3, "1900-03-01"), (6, "1900-01-01"),
    ]  # fmt: skip
    assert len(at.quarantine("line")) == 4


@pytest.mark.parametrize("type_", ["VARCHAR", "DECIMAL(9,2)", "DATE", "BOOLEAN"])
def test_an_error_is_no_value(tmp_path: Path, type_: str) -> None:
    def fill(_: Any, sheet: Any) -> None:
        for number, error in enumerate(["#N/A", "#DIV/0!", "#REF!", "#NAME?", "#VALUE!"], 1):
            sheet.write(number, 0, number)
            sheet.write_formula(number, 1, "=A1", None, error)

    at = door(tmp_path / "as it is", type_)
    at.load(workbook(fill))
    assert at.quarantine("line, column_name") == [(line, "v") for line in range(2, 7)]
    at = door(tmp_path / "null", type_, customProperties=[{"property": "nullWords", "value": ["#N/A"]}])
    at.load(workbook(fill))
    assert at.rows("id, v") == [(1, None)]


@pytest.mark.parametrize("hide", ["hide", "very_hidden"])
def test_a_sheet_that_nobody_sees_is_read_only_by_its_name(tmp_path: Path, hide: str) -> None:
    def fill(book: Any, sheet: Any) -> None:
        sheet.write_row(1, 0, [1, "hidden"])
        shown = book.add_worksheet("Shown")
        shown.write_row(0, 0, ["id", "v"])
        shown.write_row(1, 0, [2, "shown"])
        shown.activate()
        shown.set_first_sheet()
        getattr(sheet, hide)()

    at = door(tmp_path / "first")
    at.load(workbook(fill))
    assert at.rows("id, v") == [(2, "shown")]
    at = door(tmp_path / "named", options={"sheet": "Data"})
    at.load(workbook(fill))
    assert at.rows("id, v") == [(1, "hidden")]


def test_rows_and_columns_that_are_hidden_are_data(tmp_path: Path) -> None:
    def fill(_: Any, sheet: Any) -> None:
        sheet.write_row(1, 0, [1, "a"])
        sheet.write_row(2, 0, [2, "b"])
        sheet.set_row(1, None, None, {"hidden": True})
        sheet.set_column(1, 1, None, None, {"hidden": True})

    at = door(tmp_path)
    at.load(workbook(fill))
    assert at.rows("id, v") == [(1, "a"), (2, "b")]


def test_merged_cells_say_what_they_say_once(tmp_path: Path) -> None:
    def fill(_: Any, sheet: Any) -> None:
        for number in range(1, 7):
            sheet.write(number, 0, number)
        sheet.merge_range("B3:B4", "of two rows")
        sheet.write("B2", "a")
        sheet.merge_range("A6:B6", 5)
        sheet.merge_range("F7:G7", "beside the table")

    at = door(tmp_path)
    at.load(workbook(fill))
    assert at.rows("id, v") == [(1, "a"), (4, None), (6, None)]
    assert at.quarantine("line, rule") == [
        (3, "is part of the merged cells B3:B4; expected a value in each cell; unmerge them"),
        (4, "is part of the merged cells B3:B4; expected a value in each cell; unmerge them"),
        (6, "is part of the merged cells A6:B6; expected a value in each cell; unmerge them"),
    ]


def test_rows_that_are_empty_at_the_end_are_none(tmp_path: Path) -> None:
    def fill(book: Any, sheet: Any) -> None:
        sheet.write_row(1, 0, [1, "a"])
        for number in range(2, 40):
            sheet.write_blank(number, 0, None, book.add_format({"bold": True}))

    at = door(tmp_path)
    loaded = at.load(workbook(fill))
    assert (loaded.read, at.rows("id, v")) == (1, [(1, "a")])


def test_a_header_further_down_is_refused_and_found_by_skipping(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with xlsxwriter.Workbook(stream) as book:
        sheet = book.add_worksheet()
        sheet.write(0, 0, "Sales of May")
        sheet.write_row(2, 0, ["id", "v"])
        sheet.write_row(3, 0, [1, "a"])
    assert "line 1: column `id` is missing" in door(tmp_path / "first").refused(stream.getvalue())
    at = door(tmp_path / "third", options={"skipLines": 2})
    at.load(stream.getvalue())
    assert at.rows("id, v") == [(1, "a")]


def by_openpyxl(*rows: tuple[Any, ...]) -> bytes:
    book, stream = openpyxl.Workbook(), io.BytesIO()
    sheet: Any = book.active
    for row in [("id", "v"), *rows]:
        sheet.append(row)
    book.save(stream)
    return stream.getvalue()


def rewritten(content: bytes, change: Callable[[str], str]) -> bytes:
    """Return a workbook whose first sheet is another text."""
    whole, stream = zipfile.ZipFile(io.BytesIO(content)), io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in whole.namelist():
            text = whole.read(name)
            archive.writestr(name, change(text.decode()) if name.endswith("sheet1.xml") else text)
    return stream.getvalue()


@pytest.mark.parametrize(
    "number", ["12345678901234567.89", "0.0000123456789012345678", "-1.23456789012345678E5"]
)
def test_a_number_of_more_digits_than_excel_keeps_is_refused(tmp_path: Path, number: str) -> None:
    content = rewritten(by_openpyxl((1, 0.25)), lambda text: text.replace("0.25", number))
    (said, _) = door(tmp_path, "DECIMAL(38,9)").refused(content)
    assert said == (
        "cell B2 has a number of more digits than Excel keeps; expected at most 17; have it written as text"
    )


@pytest.mark.parametrize(
    "number", ["1.500000000000000000000", "12345678901234567890", "0.000000000000001", "-1234567890.234567"]
)
def test_a_number_of_as_many_digits_is_taken(tmp_path: Path, number: str) -> None:
    at = door(tmp_path, "DECIMAL(38,16)")
    at.load(rewritten(by_openpyxl((1, 0.25)), lambda text: text.replace("0.25", number)))
    assert at.rows("v") == [(Decimal(number),)]


@pytest.mark.parametrize("formula", ["=A2+1", '="a"&"b"'])
def test_a_formula_without_its_result_is_refused(tmp_path: Path, formula: str) -> None:
    (said, _) = door(tmp_path).refused(by_openpyxl((1, formula)))
    assert said.startswith("cell B2 is a formula that was never calculated; expected a result; open the")


def test_a_prefix_of_its_elements_hides_no_formula(tmp_path: Path) -> None:
    def prefixed(text: str) -> str:
        return re.sub(r"<(/?)(?=[a-zA-Z])", r"<\1x:", text).replace("xmlns=", "xmlns:x=")

    assert door(tmp_path / "right", "INTEGER").load(rewritten(by_openpyxl((1, 7)), prefixed)).rows == 1
    (said, _) = door(tmp_path / "formula").refused(rewritten(by_openpyxl((1, "=A2+1")), prefixed))
    assert said.startswith("cell B2 is a formula that was never calculated; expected a result; open the")


def test_texts_that_would_fill_the_memory_are_refused(tmp_path: Path) -> None:
    content = bytearray(cells("a"))
    # Where the archive's directory tells how large a member is.
    entry = content.index(b"PK\x01\x02", content.rindex(b"xl/sharedStrings.xml") - 60)
    content[entry + 24 : entry + 28] = (513 << 20).to_bytes(4, "little")
    (said, _) = door(tmp_path).refused(bytes(content))
    assert said.startswith("its texts take 513 MiB; expected at most 512; have it split up, or land it as")
