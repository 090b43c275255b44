"""Bad rows of every text format, beside plain Python: each by its file, line and rules, and no other.

Random files with random faults: values, keys that stand twice, rows that are too short or no JSON, line ends
within values, blank lines, several files that the engine reads in several goes. Belongs here: which rows are
bad, and where they stand. Does not belong here: what a rule says of one value (`test_exact_texts`).
"""

import json
import os
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pytest
from sluicegate.ingestion.formats.scratch import numbered_rows

from tests.ingestion.door import Door, column, contract

EXAMPLES = range(4 * int(os.environ.get("SLUICE_TEST_KILLS", "1")))
NAMES = ("id", "note", "pieces")
NOTES = [
    "a", "Müller", "x,y", 'q"q', "two\nlines", "NaN, Infinity,]", "2022-10-03T10:00:00.120Z", "1.10", "{",
    "\\",
]  # fmt: skip
UNFIT, LARGE = "column `pieces` does not hold INTEGER", "column `pieces` is more than 9"
PIECES = {
    "7": [], "7.0": [], "-0": [], "": [], "7.5": [UNFIT], "1e3": [UNFIT, LARGE], "99999999999": [UNFIT],
    "seven": [UNFIT], "50": [LARGE],
}  # fmt: skip
LANDED = {"": None, "-0": "0", "7.0": "7"}
SPLIT = (
    "too few columns",
    "too many columns",
    "an array; expected an object",
    "a number; expected an object",
)


@dataclass
class Written:
    """Files, and of each row its file, its line, its values, and which rules it breaks by itself."""

    chance: random.Random
    files: dict[str, str] = field(default_factory=dict[str, str])
    rows: list[tuple[str, int, dict[str, str], list[str]]] = field(
        default_factory=list[tuple[str, int, dict[str, str], list[str]]]
    )

    def row(self, number: int) -> tuple[dict[str, str], list[str]]:
        """Return a row, and the rules that it breaks by itself."""
        chance, good = self.chance, self.chance.random() < 0.7
        id_ = str(number if chance.random() < 0.9 else max(number - 1, 1))
        row = {"id": id_ if good or chance.random() < 0.8 else "", "note": chance.choice(NOTES)}
        row["pieces"] = "7" if good else chance.choice([*PIECES])
        rules = ["column `id` is empty"] if not row["id"] else []
        return row, [*rules, *PIECES[row["pieces"]]]

    def csv(self, name: str, rows: int) -> None:
        """Write a file that has its own line ends, and quotes all of its values or none that needs none."""
        chance = self.chance
        end, quoted = chance.choice(["\n", "\r\n", "\r"]), chance.random() < 0.3
        text = ",".join(NAMES) + end
        for _ in range(rows):
            line = len(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
            row, rules = self.row(len(self.rows) + 1)
            fields = [
                '"' + value.replace('"', '""') + '"' if quoted or set('",\r\n') & set(value) else value
                for value in row.values()
            ]
            odd = chance.random()
            if odd < 0.03:
                fields, rules = fields[:-1], [SPLIT[0]]
            elif odd < 0.06:
                fields, rules = [*fields, "more"], [SPLIT[1]]
            elif odd < 0.09:
                text, line = text + end, line + 1
            text += ",".join(fields) + end
            self.rows.append((name, line, row, rules))
        self.files[name] = text

    def json(self, name: str, rows: int, array: bool) -> None:
        """Write an array, or a row a line with blank lines between some."""
        chance, lines = self.chance, list[str]()
        for _ in range(rows):
            row, rules = self.row(len(self.rows) + 1)
            numbers = {"pieces": row["pieces"] not in ("", "seven")}
            pairs = [
                f"{json.dumps(key)}:{value if numbers.get(key) else json.dumps(value or None)}"
                for key, value in row.items()
                if value or chance.random() < 0.5
            ]
            chance.shuffle(pairs)
            text = "{" + ",".join(pairs) + "}"
            if not array and chance.random() < 0.1:
                lines.append("")
            if chance.random() < 0.05:
                text, rule = chance.choice([("[]", SPLIT[2]), ("7", SPLIT[3])])
                rules = [rule]
            lines.append(text)
            self.rows.append((name, len(lines), row, rules))
        self.files[name] = f"[{','.join(lines)}]" if array else "\n".join(lines)


def said(written: Written) -> tuple[list[tuple[str | None, ...]], list[tuple[str, int, list[str]]]]:
    """Return what lands, and what is in quarantine: a key that stands twice is nobody's."""
    keys = Counter(row["id"] for *_, row, rules in written.rows if not rules)
    lands = list[tuple[str | None, ...]]()
    bad = list[tuple[str, int, list[str]]]()
    for name, line, row, rules in written.rows:
        twice = keys[row["id"]] > 1 and not (rules and rules[0] in SPLIT)
        all_rules = [*rules, *(["key (id) stands twice"] if twice else [])]
        if all_rules:
            bad.append((name, line, all_rules))
        else:
            lands.append((row["id"], row["note"], LANDED.get(row["pieces"], row["pieces"])))
    return sorted(lands, key=str), sorted(bad)


@pytest.mark.parametrize("format_", ["csv", "jsonl", "json"])
@pytest.mark.parametrize("example", EXAMPLES)
def test_bad_rows_are_those_that_plain_python_finds(tmp_path: Path, format_: str, example: int) -> None:
    written = Written(random.Random(f"{format_} {example}"))
    for number in range(written.chance.randrange(2, 5)):
        name, rows = (
            f"orders/2024-01-01/{number}.{format_}",
            written.chance.choice([0, 3, 40] if number else [20]),
        )
        if format_ == "csv":
            written.csv(name, rows)
        else:
            written.json(name, rows, array=format_ == "json")
    written.files = {Path(name).stem: text for name, text in written.files.items()}
    door = Door(
        tmp_path,
        contract(
            column("id", "INTEGER", required=True, primaryKey=True, primaryKeyPosition=1),
            column("note", "VARCHAR"),
            column("pieces", "INTEGER", logicalType="integer", logicalTypeOptions={"maximum": 9}),
            path="orders/{date}/*." + format_,
            server={"format": format_},
            quarantineLimit={"percent": 100},
            daysWithoutDrop="allowed",
        ),
    )
    lands, bad = said(written)

    loaded = door.load({**written.files})

    assert (loaded.read, loaded.rows, loaded.quarantined) == (len(written.rows), len(lands), len(bad))
    found = door.query("select id::varchar, note, pieces::varchar from raw.orders")
    assert sorted(found, key=str) == lands
    quarantined = door.query("select file, line, rules, raw from quarantine.orders order by file, line")
    assert [row[:3] for row in quarantined] == bad
    held = {(name, line): row for name, line, row, _ in written.rows}
    for file, line, rules, raw in quarantined:
        if rules[0].startswith(("column", "key")):
            kept = {name: value or "" for name, value in json.loads(raw).items()}
            assert kept == held[file, line], (file, line)
    door.deployment.store.close()


def test_rows_of_several_relations_have_the_same_numbers_each_time(tmp_path: Path) -> None:
    parts: list[tuple[str, int]] = []
    for number in range(4):
        file = tmp_path / f"{number}.csv"
        file.write_text("".join(f"{number * 40 + row}\n" for row in range(40)))
        parts.append((f"select n from read_csv('{file}', columns = {{n: 'BIGINT'}}, header = false)", 40))
    with duckdb.connect() as connection:
        connection.execute("create table chosen as select range as n from range(1, 161, 3)")
        query = f"select count(*), count(*) filter (n = _n - 1) from ({numbered_rows(parts, 'chosen')})"
        # Numbered above the union, one time in three they are others.
        assert {connection.execute(query).fetchone() for _ in range(20)} == {(54, 54)}
