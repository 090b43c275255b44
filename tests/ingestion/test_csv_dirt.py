"""CSV as providers send it: what is read, what is quarantined, what is refused, and what the user is told."""

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.ingestion.door import DAY, HEADER, NEXT, Door, column, contract

pytestmark = pytest.mark.long

GOOD = f"1,{DAY},a,3\n"
ANY = {"rows": 1000}


def amounts(type_: str = "DECIMAL(12,2)", **written: Any) -> tuple[dict[str, Any], ...]:
    """Return columns `id` and `amount`."""
    said = [{"property": name, "value": value} for name, value in written.items()]
    return (column("id", "INTEGER"), column("amount", type_, customProperties=said))


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("options", "server", "content"),
    [
        ({}, {"delimiter": ";"}, "Order No.;Date;Shop;Loaves (pcs)\n1;2024-01-01;a;3\n"),
        ({}, {"delimiter": "\t"}, "Order No.\tDate\tShop\tLoaves (pcs)\n1\t2024-01-01\ta\t3\n"),
        ({}, {"delimiter": "§"}, "Order No.§Date§Shop§Loaves (pcs)\n1§2024-01-01§a§3\n"),
        ({"quote": "'"}, {}, f"{HEADER}\n'1',{DAY},'a',3\n"),
        ({"escape": "\\"}, {}, f'{HEADER}\n1,{DAY},"a",3\n'),
        ({"quote": ""}, {}, f"{HEADER}\n1,{DAY},a,3\n"),
        ({"encoding": "cp1252"}, {}, f"{HEADER}\n1,{DAY},a,3\n"),
        ({"encoding": "utf-16"}, {}, f"{HEADER}\n1,{DAY},a,3\n".encode("utf-16")),
        ({}, {}, f"\ufeff{HEADER}\n1,{DAY},a,3\n"),
        ({}, {}, f"{HEADER}\r\n1,{DAY},a,3\r\n"),
        ({}, {}, f"{HEADER}\r1,{DAY},a,3\r"),
        ({}, {}, f"{HEADER}\r\n1,{DAY},a,3\n"),
        ({}, {}, f"{HEADER}\n1,{DAY},a,3"),
        ({}, {}, f"{HEADER}\n\n1,{DAY},a,3\n\n"),
        ({"skipLines": 2}, {}, f"Orders of the day\nprinted at noon\n{HEADER}\n1,{DAY},a,3\n"),
        ({"header": False}, {}, f"1,{DAY},a,3\n"),
    ],
    ids=[
        "semicolons", "tabs", "a delimiter beyond ASCII", "another quote", "another escape", "no quote",
        "cp1252", "utf-16", "byte order mark", "crlf", "cr", "mixed line ends", "no last line end",
        "blank lines", "lines before the header", "no header",
    ],
)  # fmt: skip
def test_dialects(
    tmp_path: Path, options: dict[str, Any], server: dict[str, Any], content: str | bytes
) -> None:
    door = Door(tmp_path, contract(options=options, server=server))
    loaded = door.load(content)
    assert (loaded.read, loaded.rows, loaded.quarantined) == (1, 1, 0)
    assert door.rows() == [("1", "a", 3)]


def test_text_comes_through_as_it_is(tmp_path: Path) -> None:
    door = Door(tmp_path, contract())
    shops = ['Bäcker "Ö", Ulm', "two\nlines", "two\r\nlines", " spaces ", "日本", "NULL", "a;b", "'", "\\n"]
    lines = [f'{n},{DAY},"{shop.replace(chr(34), chr(34) * 2)}",{n}' for n, shop in enumerate(shops)]
    door.load(HEADER + "\n" + "\n".join(lines) + "\n")
    assert [row[0] for row in door.query("select shop from raw.orders order by loaves")] == shops


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("type_", "written", "text", "value"),
    [
        ("DECIMAL(12,2)", {"decimalSeparator": ","}, "3,50", Decimal("3.50")),
        (
            "DECIMAL(12,2)",
            {"decimalSeparator": ",", "thousandsSeparator": "."},
            "1.234,5",
            Decimal("1234.50"),
        ),
        ("DECIMAL(12,2)", {"thousandsSeparator": ","}, "1,234,567.89", Decimal("1234567.89")),
        ("DECIMAL(12,2)", {"currency": ["€", "EUR"]}, "€ 5.00", Decimal("5.00")),
        ("DECIMAL(12,2)", {"currency": "$"}, "-$5.00", Decimal("-5.00")),
        ("DECIMAL(12,2)", {}, "1.500", Decimal("1.50")),
        ("DECIMAL(12,2)", {"nullWords": ["N/A", "-"]}, "N/A", None),
        ("DECIMAL(12,2)", {}, "", None),
        ("INTEGER", {"thousandsSeparator": "'"}, "1'000", 1000),
        ("INTEGER", {}, "7.0", 7),
        ("DOUBLE", {}, "1.5e3", 1500.0),
        ("BOOLEAN", {"trueWords": ["ja"], "falseWords": ["nein"]}, "Ja", True),
        ("BOOLEAN", {}, "false", False),
        ("TIMESTAMP", {}, "2024-01-01T10:00:00+02:00", dt.datetime(2024, 1, 1, 8)),
        ("TIMESTAMP", {}, "2024-01-01 10:00:00.5", dt.datetime(2024, 1, 1, 10, 0, 0, 500000)),
    ],
)
def test_values_as_they_are_written(
    tmp_path: Path, type_: str, written: dict[str, Any], text: str, value: object
) -> None:
    said = contract(*amounts(type_, **written), path="orders/{date}.csv")
    door = Door(tmp_path, said)
    door.load(f'id,amount\n1,"{text}"\n')
    assert door.rows("amount") == [(value,)]


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("type_", "written", "text"),
    [
        ("DECIMAL(12,2)", {}, "1.005"),
        ("DECIMAL(12,2)", {}, "3,50"),
        ("DECIMAL(12,2)", {"decimalSeparator": ","}, "3.50"),
        ("DECIMAL(12,2)", {"decimalSeparator": ",", "thousandsSeparator": "."}, "12.34"),
        ("DECIMAL(12,2)", {"thousandsSeparator": ","}, "1,2345"),
        ("DECIMAL(12,2)", {}, "12345678901.00"),
        ("DECIMAL(12,2)", {}, "$5.00"),
        ("DECIMAL(12,2)", {}, "1e2"),
        ("INTEGER", {}, "1.5"),
        ("INTEGER", {}, " 5"),
        ("INTEGER", {}, "1_000"),
        ("INTEGER", {}, "0x10"),
        ("INTEGER", {}, "3000000000"),
        ("INTEGER", {}, "N/A"),
        ("DOUBLE", {}, "nan"),
        ("DOUBLE", {}, "inf"),
        ("BOOLEAN", {}, "yes"),
        ("DATE", {}, "01/02/2024"),
        ("DATE", {}, "2024-02-30"),
        ("DATE", {}, "2024-1-5"),
        ("DATE", {}, "infinity"),
        ("DATE", {}, "epoch"),
        ("TIMESTAMP", {}, "2024-01-01 10:00:00.1234567"),
        ("TIMESTAMP", {}, "2024-01-01 25:00"),
        ("TIMESTAMPTZ", {}, "2024-01-01 10:00:00"),
        ("TIME", {}, "25:00"),
        ("UUID", {}, "550e8400"),
    ],
)
def test_a_value_that_does_not_fit_is_quarantined_and_never_altered(
    tmp_path: Path, type_: str, written: dict[str, Any], text: str
) -> None:
    door = Door(tmp_path, contract(*amounts(type_, **written), quarantineLimit=ANY))
    loaded = door.load(f'id,amount\n1,\n2,"{text}"\n')
    assert (loaded.read, loaded.rows, loaded.quarantined) == (2, 1, 1)
    assert door.rows("id") == [(1,)]
    [(file, line, name, rule, raw)] = door.quarantine("file, line, column_name, rule, raw")
    assert (file, line, name) == (f"orders/{DAY}.csv", 3, "amount")
    assert rule.startswith("column `amount` ")
    assert f'"amount":"{text}"' in raw


@pytest.mark.parametrize(
    ("format_", "text", "day"),
    [
        ("dd.MM.yyyy", "05.01.2024", dt.date(2024, 1, 5)),
        ("M/d/yyyy", "1/5/2024", dt.date(2024, 1, 5)),
        ("yyyyMMdd", "20240105", dt.date(2024, 1, 5)),
        ("dd MMM yyyy", "05 Jan 2024", dt.date(2024, 1, 5)),
    ],
)
def test_dates_in_the_contracts_format(tmp_path: Path, format_: str, text: str, day: dt.date) -> None:
    columns = (
        column("id", "INTEGER"),
        column("day", "DATE", logicalType="date", logicalTypeOptions={"format": format_}),
    )
    door = Door(tmp_path, contract(*columns, quarantineLimit=ANY))
    assert door.load(f"id,day\n1,{text}\n2,2024-01-32\n").quarantined == 1
    assert door.rows("day") == [(day,)]


@pytest.mark.parametrize(
    ("lines", "line", "rule"),
    [
        (f"{GOOD}2,{DAY}\n", 3, "too few columns"),
        (f"{GOOD}2,{DAY},b,4,more\n", 3, "too many columns"),
        (f'{GOOD}2,{DAY},"b"x,4\n', 3, "a quote that does not close, or stands in the middle of a value"),
        (f'1,{DAY},"two\nlines",3\n2,{DAY}\n', 4, "too few columns"),
        (f'1,{DAY},"two\nlines",3\n\n2,{DAY},b,many\n', 5, "column `Loaves (pcs)` does not hold INTEGER"),
        (f"{GOOD}2,{DAY},,4\n", 3, "column `Shop` is empty"),
        (f"{GOOD}2,{NEXT},b,4\n", 3, f"column `Date` is not in {DAY}"),
        (f"{GOOD}{HEADER}\n", 3, "the header line once more"),
        (f"{GOOD}2,{DAY},b\udcff,4\n", 3, "not UTF-8"),
    ],
    ids=[
        "too few", "too many", "quote inside", "after an embedded line end",
        "after an embedded line end and a blank line", "required", "another day", "header again", "bad bytes",
    ],
)  # fmt: skip
def test_a_bad_row_is_quarantined_with_its_place(tmp_path: Path, lines: str, line: int, rule: str) -> None:
    door = Door(tmp_path, contract(quarantineLimit=ANY))
    loaded = door.load(f"{HEADER}\n{lines}".encode("utf-8", "surrogateescape"))
    assert loaded.read == loaded.rows + loaded.quarantined
    assert loaded.quarantined == 1
    assert door.quarantine("line, rule") == [(line, rule)]


def test_rows_that_share_a_key_are_quarantined_all(tmp_path: Path) -> None:
    door = Door(tmp_path, contract(quarantineLimit=ANY))
    loaded = door.load(f"{HEADER}\n1,{DAY},a,3\n2,{DAY},b,4\n1,{DAY},c,5\n")
    assert (loaded.rows, loaded.quarantined) == (1, 2)
    said = "key (order_number) stands twice"
    assert door.quarantine("line, column_name, rule") == [
        (2, "order_number", said), (4, "order_number", said),
    ]  # fmt: skip


def test_every_rule_that_a_row_breaks_is_told(tmp_path: Path) -> None:
    door = Door(tmp_path, contract(quarantineLimit=ANY))
    door.load(f"{HEADER}\n{GOOD}2,{NEXT},,many\n")
    [(rules,)] = door.quarantine("rules")
    assert set(rules) == {
        f"column `Date` is not in {DAY}",
        "column `Shop` is empty",
        "column `Loaves (pcs)` does not hold INTEGER",
    }


def test_above_the_limit_the_drop_is_refused_and_the_days_earlier_data_stays(tmp_path: Path) -> None:
    door = Door(tmp_path, contract(quarantineLimit={"rows": 1}))
    door.load(f"{HEADER}\n{GOOD}2,{DAY},b,many\n")
    assert door.rows() == [("1", "a", 3)]
    rules = door.refused(f"{HEADER}\n5,{DAY},a,3\n6,{DAY},b,many\n7,{DAY},,4\n")
    assert rules[:2] == [
        "line 3: column `Loaves (pcs)` does not hold INTEGER", "line 4: column `Shop` is empty",
    ]  # fmt: skip
    assert "2 of 3 rows break the contract, which allows 1 rows" in rules
    assert "ask ovens@bakery.example for a corrected drop" in rules[-1]
    assert door.rows() == [("1", "a", 3)]
    # The rows of both drops can be looked at, and told apart.
    assert door.quarantine("_drop_id, line, drop_refused") == [
        (f"orders:{DAY}:1:{door.deployment.store.drops.of('orders', DAY)[0].digest[:16]}", 3, False),
        (door.drop().key, 3, True),
        (door.drop().key, 4, True),
    ]  # fmt: skip


def test_a_share_of_the_rows_may_be_the_limit(tmp_path: Path) -> None:
    door = Door(tmp_path, contract(quarantineLimit={"percent": 10}))
    good = "".join(f"{n},{DAY},a,3\n" for n in range(9))
    assert door.load(f"{HEADER}\n{good}x,{DAY},a,many\n").quarantined == 1
    assert "10 % of the rows" in " ".join(door.refused(f"{HEADER}\n1,{DAY},a,many\n{GOOD}"))


def test_many_bad_rows_are_counted_and_the_first_shown(tmp_path: Path) -> None:
    rules = Door(tmp_path, contract()).refused(
        HEADER + "\n" + "".join(f"{n},{DAY},a,none\n" for n in range(40))
    )
    assert [rule.partition(":")[0] for rule in rules[:5]] == [f"line {n}" for n in range(2, 7)]
    assert rules[5] == "and 35 more"
    assert "no value of column `Loaves (pcs)` is a INTEGER: has its type changed?" in rules
    assert "40 of 40 rows break the contract, which allows no row" in rules


def test_an_empty_file_and_one_without_rows(tmp_path: Path) -> None:
    door = Door(tmp_path, contract())
    assert "the file is empty; expected a header line" in door.refused("")[0]
    assert "the file has no rows" in door.refused(f"{HEADER}\n")[0]


def test_a_gzip_that_is_cut_is_refused(tmp_path: Path) -> None:
    import gzip

    door = Door(tmp_path, contract(path="orders/{date}.csv.gz"))
    whole = gzip.compress((HEADER + "\n" + "".join(f"{n},{DAY},a,{n}\n" for n in range(200))).encode())
    assert "damaged or cut short" in door.refused(whole[:-4])[0]
    assert "damaged or cut short" in door.refused(b"no gzip at all")[0]
    assert door.load(whole).rows == 200


def test_several_files_are_one_drop(tmp_path: Path) -> None:
    door = Door(tmp_path, contract(path="orders/{date}/part-*.csv", quarantineLimit=ANY))
    loaded = door.load({"1": f"{HEADER}\n{GOOD}", "2": f"{HEADER}\n2,{DAY},b,4\n3,{DAY},c,many\n"})
    assert (loaded.read, loaded.rows, loaded.quarantined) == (3, 2, 1)
    assert door.quarantine("file, line") == [(f"orders/{DAY}/part-2.csv", 3)]
    rules = door.refused({"1": f"{HEADER}\n{GOOD}", "2": f"Order No.,Date,Shop\n2,{DAY},b\n"})
    assert "missing" in rules[0] or "other columns than" in rules[0]


def test_rules_of_the_contract(tmp_path: Path) -> None:
    columns = (
        column("id", "INTEGER", required=True, unique=True),
        column("code", "VARCHAR", logicalTypeOptions={"pattern": "^[A-Z]{2}$", "minLength": 2}),
        column("share", "DOUBLE", logicalTypeOptions={"minimum": 0, "exclusiveMaximum": 1}),
        column("count", "INTEGER", logicalTypeOptions={"multipleOf": 5, "maximum": 100}),
        column(
            "kind", "VARCHAR",
            quality=[{"metric": "invalidValues", "mustBe": 0, "arguments": {"validValues": ["x", "y"]}}],
        ),
        column("name", "VARCHAR(3)"),
    )  # fmt: skip
    door = Door(tmp_path, contract(*columns, quarantineLimit=ANY))
    good = "1,AB,0,5,x,abc\n2,,,,,\n"
    bad = (
        "3,ab,0,5,x,abc\n4,AB,1,5,x,abc\n5,AB,-0.1,5,x,abc\n6,AB,0,6,x,abc\n7,AB,0,105,x,abc\n"
        "8,AB,0,5,z,abc\n9,AB,0,5,x,abcd\n"
    )
    door.load(f"id,code,share,count,kind,name\n{good}{bad}")
    assert door.rows("id") == [(1,), (2,)]
    assert door.quarantine("rule") == [
        ("column `code` does not match ^[A-Z]{2}$",),
        ("column `share` is not less than 1",),
        ("column `share` is less than 0",),
        ("column `count` is no multiple of 5",),
        ("column `count` is more than 100",),
        ("column `kind` is none of x, y",),
        ("column `name` is longer than 3",),
    ]


def test_the_number_of_rows_by_contract(tmp_path: Path) -> None:
    table = {"quality": [{"metric": "rowCount", "mustBeBetween": [2, 3]}]}
    door = Door(tmp_path, contract(table=table))
    assert "1 rows; the contract says at least 2" in door.refused(f"{HEADER}\n{GOOD}")[0]
    many = "".join(f"{n},{DAY},a,3\n" for n in range(4))
    assert "4 rows; the contract says at most 3" in door.refused(f"{HEADER}\n{many}")[0]


@pytest.mark.parametrize(
    ("header", "row", "rule"),
    [
        ("", ",", "too many columns"),
        ("", ",,", "too many columns"),
        ("", ',""', "too many columns"),
        (",", ",", None),
        (",,", ",,", None),
        (",,", ',,""', None),
        (",", "", "too few columns"),
        (",", ",,", "too many columns"),
        (",", ",more", "too many columns"),
        (",,", ",more,", "too many columns"),
    ],
)
def test_delimiters_at_the_end_of_a_row_stand_in_the_header_as_well(
    tmp_path: Path, header: str, row: str, rule: str | None
) -> None:
    """A value that holds an unquoted delimiter moves all after it, and the last one, if empty, is surplus."""
    door = Door(tmp_path, contract(quarantineLimit=ANY))
    loaded = door.load(f"{HEADER}{header}\n{GOOD.strip()}{header}\n2,{DAY},b,4{row}\n")
    assert loaded.warnings == ()
    assert loaded.rows == (1 if rule else 2)
    assert door.quarantine("line, rule") == ([(3, rule)] if rule else [])


@pytest.mark.parametrize("after", [1, 1_000, 500_000])
@pytest.mark.parametrize("closed", ["", f'9,{DAY},"i",9\n'], ids=["never closed", "closed by another"])
def test_a_quote_that_is_lost_swallows_lines_and_the_drop_is_refused(
    tmp_path: Path, after: int, closed: str
) -> None:
    """One row less is within the limit; the rows inside of it would be lost without a word."""
    door = Door(tmp_path, contract(quarantineLimit=ANY))
    swallowed = "".join(f"{n},{DAY},shop number {n},3\n" for n in range(after))
    rules = door.refused(f'{HEADER}\n{GOOD}2,{DAY},"b,4\n{swallowed}{closed}')
    assert rules[0].startswith("line 3: ")
    assert "lines after it are swallowed" in rules[0]


def test_line_ends_inside_of_values_wherever_the_engine_cuts_a_file(tmp_path: Path) -> None:
    """It reads large files in parts, and must find where a record begins."""
    door = Door(tmp_path, contract())
    rows = 400_000
    content = "".join(f'{n},{DAY},"shop\n""{n}"",\n{n % 7},{DAY},x",{n % 1000}\n' for n in range(rows))
    assert len(content) > 16_000_000
    loaded = door.load(f"{HEADER}\n{content}")
    assert (loaded.read, loaded.rows) == (rows, rows)
    wrong = """select count(*) from raw.orders where loaves <> order_number::int % 1000 or shop <> 'shop'
        || chr(10) || '"' || order_number || '",' || chr(10) || (order_number::int % 7) || ','
        || order_date || ',x'"""
    assert door.query(wrong) == [(0,)]
