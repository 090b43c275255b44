"""The look at a CSV file's bytes says the same however they are cut into chunks, with quotes or without."""

import random

import pytest
from sluicegate.ingestion.formats.csv_survey import Survey, survey

# A text of records of three values, and how many records there are; None: it is not plain.
TEXTS: dict[str, int | None] = {
    "a,b,c\nd,e,f\n": 2,
    "a,b,c\nd,e,f": 2,
    ",,\n,,\n": 2,
    "": 0,
    "a,b\n": None,
    "a,b,c,d\n": None,
    "a,b,c\n\n": None,
    "a,b\nc,d,e,f\n": None,
    "a,b,c\r\nd,e,f\n": None,
    'a,"b",c\nd,e,f\n': 2,
    'a,"b\n,",c\nd,e,f\n': 2,
    'a,b,"c"\nd,e,f\n': 2,
    'a,b,"c""d"\ne,f,g\n': 2,
    'a,"b"x,c\nd,e,f\n': None,
    'a,b,c"d"\ne,f,g\n': None,
    'a,b,"c\nd,e,f\n': None,
    "é,ü,ß\nd,e,f\n": 2,
}


def look(*chunks: bytes, width: int = 3, line_end: bytes = b"\n") -> Survey | None:
    return survey(chunks, width=width, delimiter=b",", quote=b'"', escape=b'"', line_end=line_end)


CASES = [
    (text.replace("\n", line_end), rows, line_end)
    for text, rows in TEXTS.items()
    for line_end in ("\n", "\r", "\r\n")
    if line_end == "\n" or "\r" not in text
]


@pytest.mark.parametrize(("text", "rows", "line_end"), CASES)
def test_where_a_file_is_cut_does_not_matter(text: str, rows: int | None, line_end: str) -> None:
    whole = text.encode()
    for cut in range(len(whole) + 1):
        found = look(*filter(None, (whole[:cut], whole[cut:])), line_end=line_end.encode())
        assert (found.rows if found else None) == rows, (whole[:cut], whole[cut:])


@pytest.mark.parametrize("width", [1, 2, 7])
def test_records_of_any_length_are_counted_across_blocks(width: int) -> None:
    chance = random.Random(width)
    lengths = [chance.choice([0, 1, 9, 90_000, 300_000]) for _ in range(40)]
    records = [b",".join([b"x" * length, *[b"y"] * (width - 1)]) + b"\n" for length in lengths]
    whole = b"".join(records)
    chunks = [whole[first : first + (1 << 20)] for first in range(0, len(whole), 1 << 20)]
    found = look(*chunks, width=width)
    assert found is not None
    assert found.rows == len(records)
    # Records within a block are not measured: none of them is long.
    assert found.longest == max(map(len, records))
    assert look(*chunks, b"z,z,z,z,z,z,z,z\n", width=width) is None
