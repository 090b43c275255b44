"""Whether a key stands twice among converted rows, however many of them are looked at at once."""

import random
from collections import Counter
from pathlib import Path

import duckdb
import pytest
from sluicegate.compute.sql import quoted
from sluicegate.ingestion import convert
from sluicegate.ingestion.judgement import BREAKS

Row = tuple[str | None, int | None, bool]
ONE: Row = ("a", 1, False)
CASES: dict[str, list[Row]] = {
    "nothing": [],
    "one": [ONE],
    "twice": [ONE, ONE],
    "far apart": [ONE, *((str(number), number, False) for number in range(400)), ONE],
    "part of the key": [ONE, ("a", 2, False), ("b", 1, False)],
    "a null is no key": [("a", None, False), ("a", None, False), (None, 1, False), (None, 1, False)],
    "a row that breaks a rule": [ONE, ("a", 1, True)],
    "two that do": [("a", 1, True), ("a", 1, True)],
}
chance = random.Random(20240101)
for number in range(12):
    most = chance.choice([3, 30, 300])
    CASES[f"random {number}"] = [
        (chance.choice("abc"), chance.randrange(most), chance.random() < 0.2) for _ in range(20)
    ]


@pytest.mark.parametrize("at_once", [1, 7, 1 << 25])
def test_as_plain_python_finds_it(at_once: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convert, "_HASHES_AT_ONCE", at_once)
    file = tmp_path / "rows.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"create table rows (name varchar, number integer, {quoted(BREAKS)} boolean)")
        for case, rows in CASES.items():
            if at_once == 1 and len(rows) > 100:
                continue  # as many queries as rows
            connection.execute("delete from rows")
            if rows:
                connection.executemany("insert into rows values (?, ?, ?)", rows)
            connection.execute(f"copy rows to '{file}' (format parquet)")
            keys = Counter(row[:2] for row in rows if not row[2] and None not in row)
            expected = any(times > 1 for times in keys.values())
            assert convert.any_twice(connection, [file], ("name", "number")) is expected, case
