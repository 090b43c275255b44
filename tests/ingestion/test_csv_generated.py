"""Generated CSV: what was written is what is read, or is quarantined rightly; nothing is ever altered.

An oracle in plain Python says what each field holds by the contract, without the engine's help.
"""

import datetime as dt
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.ingestion.door import Door, column, contract

pytestmark = pytest.mark.long
TEXTS = st.text(
    st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cs"]), max_size=12
) | st.sampled_from(
    ["", " ", '"', "'", ",", "a\nb", "a\r\nb", "a\rb", "NULL", "None", "\\N", "\ufeff", '"a"', "#"]
)
INTEGERS = st.integers(-(2**33), 2**33).map(str) | st.sampled_from(
    ["", "7", "007", "+7", "7.0", "7.5", " 7", "7 ", "1e3", "1_0", "0x1f", "-", "٣", "1,000", "nan", "true"]
)
DECIMALS = st.decimals(-(10**7), 10**7, places=2, allow_nan=False).map(str) | st.sampled_from(
    [
        "",
        "1",
        "1.5",
        "1.500",
        "1.005",
        ".5",
        "5.",
        ".",
        "1e2",
        "-0.0",
        "123456789.00",
        "1,5",
        "Infinity",
        "--1",
    ]
)
DAYS = st.dates(dt.date(1900, 1, 1), dt.date(2100, 1, 1)).map(str) | st.sampled_from(
    ["", "2024-02-30", "2024-1-5", "05.01.2024", "today", "2024-01-05 00:00:00", "infinity", "20240105"]
)
ROWS = st.lists(st.tuples(TEXTS, INTEGERS, DECIMALS, DAYS, st.sampled_from([0, 0, 0, 0, -1, 1])), max_size=12)


@dataclass(frozen=True)
class Dialect:
    """How the generated file is written."""

    delimiter: str
    quote: str
    quotes_all: bool
    line_end: str

    def line(self, fields: Sequence[str]) -> str:
        """Return a record. Python's own writer quotes only the line end that it writes itself."""
        return self.delimiter.join(self._field(field) for field in fields) + self.line_end

    def _field(self, text: str) -> str:
        special = {self.delimiter, self.quote, "\r", "\n", "\ufeff"}
        if self.quotes_all or special & set(text):
            return self.quote + text.replace(self.quote, self.quote * 2) + self.quote
        return text


DIALECTS = st.builds(
    Dialect,
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(['"', "'"]),
    st.booleans(),
    st.sampled_from(["\n", "\r\n", "\r"]),
)


def expected(row: tuple[str, str, str, str]) -> tuple[object, ...] | set[str]:
    """Return what the contract makes of a row's four fields: its values, or the columns that are wrong."""
    text, integer, decimal, day = row
    wrong: set[str] = set()
    if not text:
        wrong.add("name")
    number = None
    if integer:
        if re.fullmatch(r"[+-]?[0-9]+(\.0*)?", integer) and -(2**31) <= int(Decimal(integer)) < 2**31:
            number = int(Decimal(integer))
        else:
            wrong.add("number")
    amount = None
    if decimal:
        well_written = re.fullmatch(r"[+-]?([0-9]+(\.[0-9]{0,2}0*)?|\.[0-9]{1,2}0*)", decimal)
        if well_written and abs(Decimal(decimal)) < 10**8:
            amount = Decimal(decimal).quantize(Decimal("0.01"))
        else:
            wrong.add("amount")
    date = None
    if day:
        try:
            date = dt.datetime.strptime(day, "%Y-%m-%d").date()
        except ValueError:
            wrong.add("day")
        else:
            if str(date) != day:
                wrong.add("day")
    return wrong or (text, number, amount, date)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, dialect=DIALECTS)
def test_what_was_written_is_what_is_read(
    tmp_path: Path, rows: list[tuple[str, str, str, str, int]], dialect: Dialect
) -> None:
    written = dialect.line(["name", "number", "amount", "day"])
    loaded: list[tuple[object, ...]] = []
    quarantined: list[tuple[int, set[str]]] = []
    for text, number, amount, day, ragged in rows:
        line = 1 + len(re.findall("\r\n|\r|\n", written))
        fields = [text, number, amount, day, "more"][: 4 + ragged]
        written += dialect.line(fields)
        found = expected((text, number, amount, day))
        if ragged:
            quarantined.append((line, {"too few columns" if ragged < 0 else "too many columns"}))
        elif isinstance(found, set):
            quarantined.append((line, found))
        else:
            loaded.append(found)

    shutil.rmtree(tmp_path / "door", ignore_errors=True)
    said = contract(
        column("name", "VARCHAR", required=True),
        column("number", "INTEGER"),
        column("amount", "DECIMAL(10,2)"),
        column("day", "DATE"),
        path="orders/{date}.csv",
        server={"delimiter": dialect.delimiter},
        options={"quote": dialect.quote},
        quarantineLimit={"rows": 100},
        daysWithoutDrop="allowed",
    )
    door = Door(tmp_path / "door", said)
    result = door.load(written)

    assert (result.read, result.rows, result.quarantined) == (len(rows), len(loaded), len(quarantined))
    assert sorted(door.query("select name, number, amount, day from raw.orders"), key=str) == sorted(
        loaded, key=str
    )
    found = [
        (line, {rule.partition("`")[2].partition("`")[0] or rule for rule in rules})
        for line, rules in door.quarantine("line, rules")
    ]
    assert found == quarantined
    door.deployment.store.close()
