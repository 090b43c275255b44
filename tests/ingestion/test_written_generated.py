"""Generated texts: what is taken is what was written, by an oracle of Python's own that knows no engine.

Many texts are judged by one statement, with the very SQL that judges drops. Belongs here: floats, dates and
moments, which have no end of spellings. Does not belong here: whole loads (`test_exact_texts`).
"""

import datetime as dt
import math
import os
import random
import re
import struct
from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from itertools import product
from typing import Any

import duckdb
import pytest
from sluicegate.compute.engine import open_engine
from sluicegate.contracts.columns import Column, ValueFormat
from sluicegate.contracts.dates import strptime_format
from sluicegate.contracts.floats import float_problem
from sluicegate.contracts.types import kind_of, value_of
from sluicegate.ingestion.values import typed_value

TIMES = int(os.environ.get("SLUICE_TEST_KILLS", "1"))
SOME = 400 * TIMES


@pytest.fixture(name="chance")
def _chance() -> random.Random:
    return random.Random(None if TIMES > 1 else 17)


@pytest.fixture(name="engine", scope="module")
def _engine() -> Iterator[duckdb.DuckDBPyConnection]:
    with open_engine() as connection:
        yield connection


def judged(
    engine: duckdb.DuckDBPyConnection, type_: str, texts: list[str], **written: Any
) -> dict[str, object]:
    """Return {text: its value} of the texts that are taken."""
    column = Column("x", "x", type_, required=False, description="", written=ValueFormat(**written))
    typed = typed_value(column, "v", "VARCHAR")
    found = engine.execute(
        f"select v, {typed.value} from (select unnest($1::varchar[]) as v) where not {typed.misfit}", [texts]
    )
    return dict(found.fetchall())


def nearest(type_: str, text: str) -> float:
    value = float(text)
    if type_ == "FLOAT" and math.isfinite(value):
        try:
            return float(struct.unpack("f", struct.pack("f", value))[0])
        except OverflowError:
            return math.inf
    return value


def is_printed(type_: str, text: str) -> bool:
    """Whether a float, rounded by hand to as many significant digits as are written, is what is written."""
    value, number = nearest(type_, text), Decimal(text)
    if not math.isfinite(value):
        return False
    digits = "".join(map(str, number.as_tuple().digits)).strip("0")
    if not digits or not value:
        return not digits and not value
    exact = Fraction(value)
    step = Fraction(10) ** (math.floor(math.log10(abs(value))) - len(digits) + 1)
    near = [round(exact / one) * one for one in (step / 10, step, step * 10)]
    return Fraction(number) in near and len(digits) == len(digits.strip("0"))


@pytest.mark.parametrize("type_", ["FLOAT", "DOUBLE"])
def test_a_float_is_taken_where_its_digits_are_those_that_are_written(
    engine: duckdb.DuckDBPyConnection, chance: random.Random, type_: str
) -> None:
    sure, bits = (9, 32) if type_ == "FLOAT" else (17, 64)
    letters = {32: ("<I", "<f"), 64: ("<Q", "<d")}[bits]
    printed: set[str] = set()
    written: set[str] = set()
    for _ in range(SOME):
        [value] = struct.unpack(letters[1], struct.pack(letters[0], chance.getrandbits(bits)))
        if math.isfinite(value):
            shortest = next(text for places in range(sure) for text in [f"{value:.{places}e}"]
                            if nearest(type_, text) == value)  # fmt: skip
            printed |= {shortest, f"{value:.{sure - 1}e}"}
        size = chance.randint(1, sure + 4)
        digits = "".join(chance.choice("0123456789") for _ in range(size))
        place = chance.randint(0, size)
        written.add(
            f"{chance.choice(['', '-', '+'])}{digits[:place]}.{digits[place:]}" if size > 1 else digits
        )
    taken = judged(engine, type_, sorted(printed | written))
    # Every program's print of a float, short or long, is read back as that very float.
    assert [text for text in printed if taken.get(text) != nearest(type_, text)] == []
    assert all(found == nearest(type_, text) for text, found in taken.items())
    for text in written:
        assert (text in taken) == is_printed(type_, text), text
        # What a contract may name as a bound is the same.
        assert (text in taken) == (not float_problem(type_, text)), text


NAMES = {
    "MMM": lambda day: day.strftime("%b"), "MMMM": lambda day: day.strftime("%B"),
    "EEE": lambda day: day.strftime("%a"), "EEEE": lambda day: day.strftime("%A"),
}  # fmt: skip
NUMBERS: Mapping[str, Any] = {
    "yyyy": lambda day: f"{day.year:04d}", "yy": lambda day: f"{day.year % 100:02d}",
        "MM": lambda day: f"{day.month:02d}",
    "M": lambda day: str(day.month), "dd": lambda day: f"{day.day:02d}", "d": lambda day: str(day.day),
    "HH": lambda day: f"{day.hour:02d}", "H": lambda day: str(day.hour),
    "hh": lambda day: f"{(day.hour + 11) % 12 + 1:02d}",
    "h": lambda day: str((day.hour + 11) % 12 + 1), "mm": lambda day: f"{day.minute:02d}",
    "ss": lambda day: f"{day.second:02d}",
    "SSS": lambda day: f"{day.microsecond // 1000:03d}", "SSSSSS": lambda day: f"{day.microsecond:06d}",
    "a": lambda day: "AM" if day.hour < 12 else "PM",
}  # fmt: skip
FORMATS = [
    "dd.MM.yyyy", "d.M.yyyy", "dd/MM/yyyy", "M/d/yyyy", "MM/dd/yyyy", "yyyyMMdd", "yyyy/MM/dd", "yy-MM-dd",
        "dd.MM.yy",
    "d/M/yy", "dd MMM yyyy", "d MMMM yyyy", "EEE dd MMM yyyy", "EEEE, d MMMM yyyy", "EEE MMM dd yyyy",
    "dd.MM.yyyy HH:mm", "d.M.yyyy H:mm", "yyyy-MM-dd'T'HH:mm:ss", "MM/dd/yyyy hh:mm a", "M/d/yyyy h:mm:ss a",
    "yyyy-MM-dd HH:mm:ss.SSS", "yyyy-MM-dd HH:mm:ss.SSSSSS", "'on' yyyy-MM-dd", "yyyyMMddHHmmss",
    "HH:mm dd.MM.yyyy",
    "Hmm dd.MM.yyyy", "dMMyyyy", "yyyyMdd", "dd/Myy", "MMMMdyy", "dMMyyyy'T'hmma", "yyyy' o''clock 'MMdd",
]  # fmt: skip
PARTS = re.compile(r"'(?:[^']|'')*'|([A-Za-z])\1*|.")
LETTERS = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*")


def printed(date_format: str, moment: dt.datetime) -> str:
    """Print as the JDK would."""
    return LETTERS.sub(
        lambda found: (
            found[1].replace("''", "'") if found[1] is not None else {**NUMBERS, **NAMES}[found[0]](moment)
        ),
        date_format,
    )


def spoilt(chance: random.Random, text: str) -> str:
    """Return a text that somebody may write in its place."""
    number = chance.choice([*re.finditer(r"[0-9]+", text)])
    weekday = re.search(r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun)", text)
    other = [
        text[: number.start()] + number[0].lstrip("0") + text[number.end() :],
        text[: number.start()] + "0" + text[number.start() :],
        text[: number.start()] + number[0][-2:] + text[number.end() :],
        text.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")),
        f" {text}", f"{text} ", f"{text}0", text.replace("-", "/"), text.replace(" ", "  "), text[:-1],
        text.replace(weekday[0], "Sun" if weekday[0] != "Sun" else "Mon") if weekday else f"{text}Z",
        re.sub("AM|PM", lambda half: {"AM": "PM", "PM": "AM"}[half[0]], text),
    ]  # fmt: skip
    return chance.choice(other)


@pytest.mark.parametrize("date_format", FORMATS)
def test_a_date_is_taken_where_it_is_written_in_the_format(
    engine: duckdb.DuckDBPyConnection, chance: random.Random, date_format: str
) -> None:
    type_ = "TIMESTAMP" if re.search("[HhmsS]", date_format.replace("'T'", "")) else "DATE"
    smallest = next((unit for letters, unit in (("SSSSSS", 1), ("SSS", 1000), ("ss",
        10**6)) if letters in date_format),
                    60 * 10**6 if type_ == "TIMESTAMP" else 24 * 3600 * 10**6)  # fmt: skip
    epoch, century = dt.datetime(1970, 1, 1), "yyyy" not in date_format
    texts: dict[str, dt.datetime] = {}
    for _ in range(SOME // 8):
        years = (0, 98) if century else (-1900, 7000)
        moment = epoch + dt.timedelta(days=chance.randint(years[0] * 365, years[1] * 365))
        moment += dt.timedelta(microseconds=chance.randrange(24 * 3600 * 10**6 // smallest) * smallest)
        texts[printed(date_format, moment)] = moment
    written = {spoilt(chance, text) for text in texts} | {text.upper() for text in texts}
    taken = judged(engine, type_, sorted(written | texts.keys()), dates=strptime_format(date_format))
    found: dict[str, dt.datetime] = {}
    for text, value in taken.items():
        assert isinstance(value, dt.date)
        found[text] = (
            value if isinstance(value, dt.datetime) else dt.datetime(value.year, value.month, value.day)
        )
    assert {text: found.get(text) for text in texts} == texts
    # A number of a single letter may have a zero before it, and nothing else is written otherwise.
    loose = [
        "".join(parts)
        for parts in product(
            *(
                (part, part * 2) if part in ("d", "M", "H", "h") else (part,)
                for part in (found[0] for found in PARTS.finditer(date_format))
            )
        )
    ]
    for text, value in found.items():
        assert text.lower() in {printed(one, value).lower() for one in loose}, text


BOUNDS = {
    "DATE": ["2024-01-05", "20240105", "2024-1-5", "2024-W01-1", "2024-02-30", "0001-01-01"],
    "TIMESTAMP": [
        "2024-01-05",
        "2024-01-05T06",
        "2024-01-05T06:00:00",
        "20240105T060000",
        "2024-01-05 06:00:00Z",
    ],
    "TIMESTAMP_NS": ["2024-01-05", "2300-01-01", "1500-01-01"],
    "TIMESTAMP_S": ["2024-01-05 06:00:00", "2024-01-05 06:00:00.5"],
    "FLOAT": ["0.1", "16777217", "1e39", "1e-60", "-0"],
    "DOUBLE": ["0.1", "9007199254740993", "1e400"],
    "HUGEINT": [str(2**127 - 1), str(2**127), "1e3", "1.5"],
    "DECIMAL(38,2)": ["9" * 36 + ".99", "9" * 37, "0.001", "1e2"],
    "TIME": ["06:00", "06:00:00.5", "T06", "0600"],
    "UUID": ["550e8400-e29b-41d4-a716-446655440000", "550e8400"],
    "ENUM('a')": ["a", "A"],
    "JSON": ['{"a": 1}', "{a}"],
    "BIT": ["01", "02"],
}


@pytest.mark.parametrize("type_", BOUNDS)
def test_the_engine_has_the_value_of_every_text_that_a_contract_may_name(
    engine: duckdb.DuckDBPyConnection, type_: str
) -> None:
    """What `sluice check` lets through is no error of the engine's at night, and no other value."""
    fits = []
    for text in BOUNDS[type_]:
        try:
            value_of(type_, text)
        except ValueError:
            continue
        fits.append(text)
        [(value,)] = engine.execute(f"select cast($1 as {type_})", [format(Decimal(text), "f") if
                                    kind_of(type_).value == "number" else text]).fetchall()  # fmt: skip
        assert value is not None
    assert BOUNDS[type_][0] in fits
    assert len(fits) < len(BOUNDS[type_])
