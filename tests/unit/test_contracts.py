"""Contract files: what they say, and every problem with its file and line."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
import yaml
from jsonschema.validators import validator_for
from open_data_contract_standard.model import OpenDataContractStandard
from sluicegate.contracts.load import load_contracts
from sluicegate.contracts.model import SourceContract
from sluicegate.contracts.patterns import pattern_problem
from sluicegate.contracts.types import KNOWN, type_problem, value_of
from sluicegate.core.partitions import Grain
from sluicegate.core.settings import Settings

from tests.company import BAKERY
from tests.unit.conftest import Edit

ORDERS = "contracts/orders.odcs.yaml"
REPOSITORY = Path(__file__).parents[2]
CONTRACTS = sorted(
    path
    for folder in (REPOSITORY, *(REPOSITORY / "tests" / "companies").iterdir())
    for path in (folder / "contracts").glob("*.odcs.yaml")
)
DATE, LOAVES = "        physicalType: DATE\n", "        physicalType: INTEGER\n"
SHOP = "        physicalName: Shop\n        logicalType: string\n        physicalType: VARCHAR\n"
KEY, UNIQUE = "        primaryKey: true\n        primaryKeyPosition: 1\n", "        unique: true\n"
FORMAT, CUSTOM, TABLE = "    format: csv\n", "customProperties:\n", "    physicalType: table\n"


def _custom(name: str, value: str, indent: str = "") -> str:
    return f"{indent}  - {{property: {name}, value: {value}}}\n"


def _server(name: str, value: str) -> tuple[str, str]:
    return FORMAT, f"{FORMAT}    customProperties:\n{_custom(name, value, '    ')}"


def _contract(name: str, value: str) -> tuple[str, str]:
    return CUSTOM, CUSTOM + _custom(name, value)


def _options(column: str, **options: object) -> tuple[str, str]:
    said = ", ".join(f"{name}: {value}" for name, value in options.items())
    return column, f"{column}        logicalTypeOptions: {{{said}}}\n"


def _column(column: str, name: str, value: str) -> tuple[str, str]:
    return column, f"{column}        customProperties:\n{_custom(name, value, '        ')}"


def _quality(holder: str, rule: str) -> tuple[str, str]:
    indent = holder[: len(holder) - len(holder.lstrip())]
    return holder, f"{holder}{indent}quality:\n{indent}  - {rule}\n"


# -- what they say


@pytest.fixture(name="orders")
def _orders(folder: Path) -> Callable[[], SourceContract]:
    def load() -> SourceContract:
        contracts, problems = load_contracts(folder)
        assert problems == []
        return contracts["orders"]

    return load


@pytest.mark.parametrize("path", CONTRACTS, ids=lambda path: f"{path.parents[1].name}-{path.stem}")
def test_every_contract_is_valid_for_the_standard_and_its_json_schema(path: Path) -> None:
    data = yaml.safe_load(path.read_text())
    OpenDataContractStandard.model_validate(data)
    schema = json.loads(OpenDataContractStandard.json_schema())
    validator = validator_for(schema)(schema)
    assert [error.message for error in validator.iter_errors(data)] == []


def test_every_contract_loads_and_says_who_promises_it() -> None:
    for project in {path.parents[1] for path in CONTRACTS}:
        contracts, problems = load_contracts(project)
        assert problems == []
        assert all(contract.provider and contract.owner for contract in contracts.values())


def test_a_contract_says_where_drops_land_and_how_they_are_read() -> None:
    contracts, problems = load_contracts(BAKERY)
    assert problems == []
    orders, shops, weather = contracts["orders"], contracts["shops"], contracts["weather"]
    assert orders.relation == "raw.orders"
    assert (orders.grain, orders.partition_start) == (Grain.DAILY, datetime(2024, 1, 1, tzinfo=UTC))
    assert orders.template.text == "orders/{date}.csv.gz"
    assert orders.completion.template is not None
    assert orders.completion.template.text == "orders/{date}.done"
    assert [column.header for column in orders.columns] == ["Order No.", "Date", "Shop", "Loaves (pcs)"]
    assert [column.name for column in orders.columns] == ["order_number", "order_date", "shop", "loaves"]
    assert (orders.key, orders.partition_column) == (("order_number",), "order_date")
    assert not orders.gaps_allowed
    assert weather.gaps_allowed
    assert shops.completion.template is not None
    assert (shops.grain, shops.completion.template.text) == (Grain.SNAPSHOT, "shops/shops.done")
    assert shops.partition_column is None
    assert (orders.owner, orders.provider) == ("ovens@bakery.example", "tills@bakery.example")


@pytest.mark.parametrize(
    ("path", "day"),
    [
        ("orders/2024-01-01.csv.gz", "2024-01-01"),
        ("orders/2024-02-29.csv.gz", "2024-02-29"),
        ("orders/2024-02-30.csv.gz", None),
        ("orders/20240101.csv.gz", None),
        ("orders/2024-01-01.csv", None),
        ("weather/2024-01-01.csv.gz", None),
    ],
)
def test_a_path_tells_its_day(path: str, day: str | None) -> None:
    orders = load_contracts(BAKERY)[0]["orders"]
    assert orders.template.key_of(path) == day
    if day:
        assert orders.template.of(day) == path


def test_a_date_format_needs_no_logical_type(edit: Edit, orders: Callable[[], SourceContract]) -> None:
    old, new = _options(DATE, format="dd.MM.yyyy")
    edit(ORDERS, f"        logicalType: date\n{old}", new)
    assert orders().columns[1].written.dates == "%d.%m.%Y"


def test_what_is_hashed_may_still_tell_rows_apart(edit: Edit, orders: Callable[[], SourceContract]) -> None:
    edit(ORDERS, KEY, KEY + "        customProperties:\n" + _custom("masking", "hash", "        "))
    assert orders().loaded_columns[0].loaded_type == "VARCHAR"


# -- every problem, with the line that it stands on

Case = tuple[tuple[str, str], str, str]
CASES: list[Case] = [
    # the standard
    (("apiVersion: v3.1.0", "apiVersion: v2.2.2"), "apiVersion: v2.2.2", "apiVersion is v2.2.2"),
    (("version: 1.0.0", "versoin: 1.0.0"), "versoin", "unknown field `versoin`"),
    (("version: 1.0.0\n", ""), "apiVersion", "`version` is missing"),
    (("kind: DataContract", "kind: DataContract\nkind: DataContract"), "kind: DataContract", "stands twice"),
    (("status: active", "status: [active]"), "status", "`status` is ['active']"),
    (("    format: csv", "    fromat: csv"), "fromat", "unknown field `fromat`"),
    (("required: true", "requierd: true"), "requierd", "unknown field `requierd`"),
    (("servers:\n", "servers:\n  - {server: other, type: local, path: x}\n"), "servers:", "2 servers"),
    # the path, the connector
    (("orders/{date}.csv.gz", "orders/all.csv.gz"), "path:", "path is `orders/all.csv.gz`"),
    (("orders/{date}.csv.gz", "orders/{day}.csv.gz"), "path:", "do not name one partition"),
    (("orders/{date}.csv.gz", "orders/{dat}.csv.gz"), "path:", "unknown field {dat}"),
    (("orders/{date}.csv.gz", "../{date}.csv.gz"), "path:", "not a path below the staging area"),
    (("orders/{date}.csv.gz", "**/{date}.csv.gz"), "path:", "any number of folders"),
    (("server: staging", "server: stagin"), "server: stagin", "no connector is named `stagin`"),
    (("type: local", "type: kafka"), "type: kafka", "connector `staging` is not of type `kafka`"),
    # how files are read
    (("format: csv", "format: cvs"), "format: cvs", "format is `cvs`"),
    ((FORMAT, FORMAT + '    delimiter: "::"\n'), "delimiter", "delimiter is `::`"),
    (_server("delimiter", "';;'"), "delimiter", "delimiter is `;;`"),
    (_server("encoding", "utf-9"), "utf-9", "encoding is `utf-9`"),
    (_server("quote", '"<<"'), "quote", "`quote` is `<<`"),
    (_server("escape", '"<<"'), "escape", "`escape` is `<<`"),
    (_server("compression", "rar"), "rar", "custom property `compression` is `rar`"),
    (_server("header", "maybe"), "header", "custom property `header` is `maybe`"),
    (_server("skipLines", "-1"), "skipLines", "custom property `skipLines` is `-1`"),
    (_server("sheet", "One"), "sheet", "custom property `sheet` means nothing to format `csv`"),
    (_server("qoute", "x"), "qoute", "unknown custom property `qoute`"),
    (("format: csv", "format: rosbag"), "- server", "no `topic`"),
    # what says that a drop is whole
    (_contract("completion", "{on: bell}"), "completion", "`completion` is {'on': 'bell'}"),
    (_contract("completion", "{on: stable}"), "completion", "without the time it has rested"),
    (_contract("completion", "{on: manifest}"), "completion", "the manifest's path is ``"),
    (_contract("completion", "{on: manifest, path: 'm/*{date}'}"), "completion", "a pattern"),
    (_contract("completion", "{on: marker, path: '{date}.x', seconds: 3}"), "completion", "stable drops"),
    (_contract("completion", "{when: now}"), "completion", "says `when`"),
    (_contract("completion", "soon"), "completion", "custom property `completion` is `soon`"),
    # our own properties
    (("partitionGrain", "partitionGrian"), "partitionGrian", "unknown custom property `partitionGrian`"),
    (("value: daily", "value: fortnightly"), "fortnightly", "`partitionGrain` is `fortnightly`"),
    (('value: "2024-01-01"', "value: soon"), "value: soon", "custom property `partitionStart` is `soon`"),
    (_contract("partitionGrain", "daily"), "partitionGrain\n", "stands twice"),
    (_contract("daysWithoutDrop", "sometimes"), "daysWithoutDrop", "`daysWithoutDrop` is `sometimes`"),
    (_contract("staging", "burn"), "staging, value", "`staging` is `burn`"),
    (_contract("coldAfterDays", "1.5"), "coldAfterDays", "`coldAfterDays` is `1.5`"),
    (_contract("quarantineLimit", "{rows: -1}"), "quarantineLimit", "`quarantineLimit` is"),
    (_contract("quarantineLimit", "{percent: 101}"), "quarantineLimit", "`quarantineLimit` is"),
    (_contract("quarantineLimit", "{cells: 1}"), "quarantineLimit", "says `cells`"),
    (_contract("shapeChanges", "{newColumn: maybe}"), "shapeChanges", "says `maybe`"),
    (_contract("shapeChanges", "{newColum: add}"), "shapeChanges", "says `newColum`"),
    (_contract("shapeChanges", "{changedOrder: add}"), "shapeChanges", "`changedOrder` is `add`"),
    (_contract("masking", "{secret: hash}"), CUSTOM, "masking names the classification `secret`"),
    (_contract("masking", "{secret: eat}"), "masking", "says `eat`"),
    # columns
    (("        physicalType: VARCHAR\n", ""), "order_number", "column `order_number` has no physicalType"),
    (("physicalType: VARCHAR", "physicalType: VARCHRA"), "VARCHRA", "no type that the warehouse knows"),
    (("physicalType: VARCHAR", "physicalType: DECIMAL(40,2)"), "DECIMAL(40", "38 digits"),
    (("physicalType: VARCHAR", "physicalType: DATE(3)"), "DATE(3)", "DATE with arguments"),
    (("name: loaves", "name: Loaves"), "Loaves\n", "column name `Loaves`"),
    (("name: loaves", "name: _drop"), "_drop", "column name `_drop`"),
    (("name: loaves", "name: shop"), "name: shop\n", "column `shop` stands twice"),
    (("physicalName: Shop", "physicalName: Date"), "name: shop\n", "header `Date` means"),
    (_column(SHOP, "aliases", "[Date]"), "name: shop\n", "header `Date` means"),
    (_column(SHOP, "alias", "[Store]"), "alias", "unknown custom property `alias`"),
    (("required: true\n      - name: loaves", "partitioned: true\n      - name: loaves"), "    properties:",
     "2 partitioned properties"),
    (("        physicalType: DATE", "        physicalType: VARCHAR"), "VARCHAR",
     "partitioned column `order_date` is VARCHAR"),
    ((SHOP, SHOP + "        classification: restricted\n"), "classification",
     "nothing says what becomes of values classified `restricted`"),
    # masking
    (_column(KEY, "masking", "redact"), "primaryKey: true", "is primaryKey, and its masking is `redact`"),
    (_column(KEY, "masking", "drop"), "primaryKey: true", "is primaryKey, and its masking is `drop`"),
    (_column(UNIQUE, "masking", "drop"), "unique", "is unique, and its masking is `drop`"),
    (_column(DATE, "masking", "hash"), "partitioned", "is partitioned, and its masking is `hash`"),
    (_column(DATE, "masking", "redact"), "partitioned", "is partitioned, and its masking is `redact`"),
    (_column(DATE, "masking", "shred"), "masking", "custom property `masking` is `shred`"),
    # how values are written
    (_options(DATE, format="dd.QQ.yyyy"), "logicalTypeOptions", "`dd.QQ.yyyy`: `QQ` is not known"),
    (_options(DATE, format="\"yyyy'T\""), "logicalTypeOptions", "a quote is not closed"),
    (_column(LOAVES, "decimalSeparator", '",,"'), "decimalSeparator", "`decimalSeparator` is `,,`"),
    (_column(LOAVES, "thousandsSeparator", '"."'), "thousandsSeparator", "separates both"),
    (_server("thousandsSeparator", '"."'), "thousandsSeparator", "`.` separates both"),
    (_server("decimalSeparator", '",,"'), "decimalSeparator", "`decimalSeparator` is `,,`"),
    (_column(LOAVES, "decimalSeparator", "'5'"), "decimalSeparator", "`decimalSeparator` is `5`"),
    (_column(LOAVES, "thousandsSeparator", "'-'"), "thousandsSeparator", "`thousandsSeparator` is `-`"),
    (_column(LOAVES, "currency", "['€', '']"), "currency", "`currency` has ``"),
    (_column(LOAVES, "currency", "['-']"), "currency", "`currency` has `-`"),
    (_column(LOAVES, "trueWords", "[ja, 'False']"), "trueWords", "`false` stands for true and for false"),
    (_options(DATE, format="dd.MM"), "logicalTypeOptions", "the year is missing"),
    (_options(DATE, format="yyyy-MM"), "logicalTypeOptions", "the day is missing"),
    (_options(DATE, format="yyyy-dd"), "logicalTypeOptions", "the month is missing"),
    (_options(DATE, format="'dd.MM.yyyy yy'"), "logicalTypeOptions", "a part stands twice"),
    *((_options(DATE, format=date_format), "logicalTypeOptions", "nobody can tell where the first one ends")
      for date_format in ("dMyyyy", "yyyyMd", "yyyy-MM-dH", "\"d'1'Myy\"", "yyyyMMXdd")),
    *((("physicalType: INTEGER",
        f"physicalType: {type_}\n        logicalTypeOptions: {{format: 'HH:mm XXX'}}"),
       "logicalTypeOptions", "is read as ISO 8601 alone") for type_ in ("TIMETZ", "TIME WITH TIME ZONE")),
    (_options(DATE, format="'dd.MM.yyyy hh:mm'"), "logicalTypeOptions",
    "`hh` and `a` (AM or PM) go together"),
    (_options("        physicalType: TIMESTAMP\n", format="'yyyy-MM-dd HH:mm'",
              defaultTimezone="Europe/Berlin"), "logicalTypeOptions", "defaultTimezone is `Europe/Berlin`"),
    (_options("        physicalType: TIME\n", format="'dd.MM.yyyy HH:mm'"), "logicalTypeOptions",
     "a time has no day and no zone"),
    # types
    (("physicalType: INTEGER", "physicalType: UNION(a INTEGER, b VARCHAR)"), "UNION", "no file says which"),
    (("physicalType: INTEGER", "physicalType: STRUCT(a INTEGRE)"), "STRUCT", "`INTEGRE` is no type"),
    (("physicalType: INTEGER", "physicalType: DECIMAL(40,2)[]"), "DECIMAL(40", "38 digits"),
    (("physicalType: INTEGER", "physicalType: ENUM()"), "ENUM", "an ENUM without words"),
    # what YAML reads as something else
    (_column(LOAVES, "nullWords", "[NULL]"), "nullWords", "`nullWords` has `NULL`, which is no text"),
    (_column(LOAVES, "nullWords", "-999"), "nullWords", "`nullWords` has `-999`, which is no text"),
    (_column(LOAVES, "nullWords", "~"), "nullWords", "`nullWords` has `~`, which is no text"),
    (_column(LOAVES, "trueWords", "[True]"), "trueWords", "`trueWords` has `True`, which is no text"),
    (_column(LOAVES, "falseWords", "[0]"), "falseWords", "`falseWords` has `0`, which is no text"),
    (_column(SHOP, "aliases", "[1.10]"), "aliases", "`aliases` has `1.10`, which is no text"),
    (_server("nullWords", "[null]"), "nullWords", "`nullWords` has `null`, which is no text"),
    (_server("delimiter", "1"), "delimiter", "`delimiter` has `1`, which is no text"),
    (("physicalName: Shop", "physicalName: 2024"), "physicalName", "is 2024"),
    (_options(SHOP, pattern="0x10"), "pattern", "`pattern` is `0x10`, which YAML reads as `16`"),
    (_options(SHOP, pattern="~"), "pattern", "`pattern` is `~`, which YAML reads as `None`"),
    (_options(LOAVES, minimum="0o17"), "minimum", "`minimum` is `0o17`, which YAML reads as `15`"),
    (_options(LOAVES, maximum="~"), "maximum", "`maximum` is `~`, which YAML reads as `None`"),
    (_options(LOAVES, multipleOf="0.1000000000000000001"), "multipleOf", "which YAML reads as `0.1`"),
    (_options(LOAVES, maximum="12345678901234567890123"), "maximum",
    "is larger than YAML's"),
    (_quality(SHOP, "{metric: invalidValues, mustBe: 0, arguments: {validValues: [Ulm, 0x1F]}}"),
    "validValues",
     "`validValues` has `0x1F`, which YAML reads as `31`"),
    (_quality(SHOP, "{metric: invalidValues, mustBe: 0, arguments: {validValues: [true]}}"), "validValues",
     "`validValues` has `true`"),
    (_quality(SHOP, "{metric: invalidValues, mustBe: 0, arguments: {validValues: [NULL]}}"), "validValues",
     "`validValues` has `NULL`"),
    (_quality(SHOP, "{metric: invalidValues, mustBe: 0, arguments: {pattern: 12}}"), "pattern",
     "`pattern` has `12`"),
    # rules
    (_options(SHOP, patern="x"), "patern", "unknown field `patern`"),
    (_options(SHOP, pattern="'(?=a)'"), "pattern", "pattern `(?=a)` looks ahead"),
    (_options(SHOP, pattern="'(?<!a)b'"), "pattern", "looks behind"),
    (_options(SHOP, pattern=r"'(a)\1'"), "pattern", "refers back"),
    (_options(SHOP, pattern="'[a'"), "pattern", "unterminated character set"),
    (_options(LOAVES, pattern="'[0-9]'"), "pattern", "`pattern` on a column of INTEGER"),
    (_options(LOAVES, maxLength=3), "maxLength", "`maxLength` on a column of INTEGER"),
    (_options(SHOP, minLength="few"), "minLength", "`minLength` is `few`"),
    (_options(SHOP, minLength=3, maxLength=2), "maxLength", "no value lies between"),
    (_options(SHOP, minimum=3), "minimum", "`minimum` on a column of VARCHAR"),
    (_options(LOAVES, minimum="few"), "minimum", "`minimum` is `few`, which is no INTEGER"),
    (_options(LOAVES, minimum=0.5), "minimum", "`minimum` is `0.5`, which is no INTEGER"),
    (_options(LOAVES, exclusiveMaximum=1e10), "exclusiveMaximum", "which is no INTEGER"),
    (_options(LOAVES, minimum=3, maximum=2), "maximum", "no value lies between `minimum` 3 and `maximum` 2"),
    (_options(LOAVES, exclusiveMinimum=2, maximum=2), "maximum", "no value lies between"),
    (_options(DATE, maximum="01.02.2024"), "maximum", "`maximum` is `01.02.2024`, which is no DATE"),
    (_options(LOAVES, multipleOf=0), "multipleOf", "`multipleOf` is `0`"),
    (_options(SHOP, multipleOf=2), "multipleOf", "`multipleOf` on a column of VARCHAR"),
    # quality
    (_quality(SHOP, "{metric: nullValues, mustBe: 0}"), "nullValues", "`nullValues` is not held at the door"),
    (_quality(SHOP, "{type: sql, query: select 1, mustBe: 1}"), "sql", "`sql` is not held at the door"),
    (_quality(SHOP, "{metric: invalidValues, mustBeLessThan: 3}"), "invalidValues", "row by row"),
    (_quality(SHOP, "{metric: invalidValues, mustBe: 0, arguments: {validValues: a}}"), "validValues",
     "`validValues` is `a`"),
    (_quality(SHOP, "{metric: invalidValues, mustBe: 0, arguments: {pattern: '(?!a)'}}"), "quality",
     "looks ahead"),
    (_quality(LOAVES, "{metric: invalidValues, mustBe: 0, arguments: {validValues: [a]}}"), "quality",
     "one of `validValues` is `a`, which is no INTEGER"),
    (_quality(TABLE, "{metric: rowCount}"), "rowCount", "rowCount without a bound"),
    (_quality(TABLE, "{metric: rowCount, mustBe: many}"), "mustBe", "`mustBe` of rowCount is `many`"),
    (_quality(TABLE, "{metric: rowCount, mustBeBetween: [5, 3]}"), "quality", "at least 5 and at most 3"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "at", "what"), CASES, ids=[what for *_, what in CASES])
def test_each_problem_is_located(
    folder: Path, edit: Edit, change: tuple[str, str], at: str, what: str
) -> None:
    if UNIQUE in change[0]:
        edit(ORDERS, SHOP, SHOP + UNIQUE)
    for type_ in ("TIMESTAMP", "TIME"):
        if change[0] == f"        physicalType: {type_}\n":
            edit(ORDERS, LOAVES, change[0])
    edit(ORDERS, *change)
    _, problems = load_contracts(folder)
    said = [problem for problem in problems if what in str(problem)]
    assert len(said) == 1, problems
    line = (folder / ORDERS).read_text().splitlines(keepends=True)[said[0].line - 1]
    assert said[0].file == ORDERS
    assert at in line
    assert said[0].expected
    assert said[0].fix


QUOTED = {
    "nullWords": ("[NULL, -, N/A]", '["NULL", -, N/A]', ("NULL", "-", "N/A")),
    "aliases": ("[1.10, 007]", '["1.10", 007]', ("1.10", "007")),
    "trueWords": ("[1]", '["1"]', ("1",)),
    "currency": ("[~]", '["~"]', ("~",)),
}


@pytest.mark.parametrize("name", QUOTED)
def test_a_word_in_quotes_is_the_word(
    folder: Path, edit: Edit, orders: Callable[[], SourceContract], name: str
) -> None:
    """The fix that the problem names, typed."""
    unquoted, quoted, words = QUOTED[name]
    edit(ORDERS, *_column(LOAVES, name, unquoted))
    [problem] = load_contracts(folder)[1]
    assert problem.fix == "write it in quotes"
    edit(ORDERS, unquoted, quoted)
    column = orders().columns[3]
    written = column.written
    held = {
        "nullWords": written.null_words, "aliases": column.aliases, "trueWords": written.true_words,
        "currency": written.currency,
    }  # fmt: skip
    assert held[name] == words


def test_names_within_a_type_keep_their_letters(edit: Edit, orders: Callable[[], SourceContract]) -> None:
    said = """struct(b_c_int integer, "A b" enum('a', 'B'))[]"""
    edit(ORDERS, "physicalType: INTEGER", f"physicalType: >-\n          {said}")
    assert orders().columns[3].type == """STRUCT(b_c_int INTEGER, "A b" ENUM('a', 'B'))[]"""


def test_no_second_problem_comes_of_a_first(folder: Path, edit: Edit) -> None:
    edit(ORDERS, "        physicalType: VARCHAR\n", "")
    edit(ORDERS, "        physicalType: INTEGER\n", "        physicalType: INTEGRE\n")
    assert [problem.what.partition(":")[0] for problem in load_contracts(folder)[1]] == [
        "column `order_number` has no physicalType",
        "physicalType is `INTEGRE`",
    ]


@pytest.mark.parametrize(
    ("name", "old", "new", "meant"),
    [
        ("weather", "daysWithoutDrop", "daysWithoutDrops", "daysWithoutDrop"),
        ("orders", "required: true", "requierd: true", "required"),
        ("orders", "physicalType: INTEGER", "physicalType: INTEGRE", "INTEGER"),
        ("orders", "server: staging", "server: stagin", "staging"),
        ("orders", "format: csv", "format: cvs", "csv"),
    ],
)
def test_what_is_misspelt_is_told_its_name(
    folder: Path, edit: Edit, name: str, old: str, new: str, meant: str
) -> None:
    edit(f"contracts/{name}.odcs.yaml", old, new)
    assert f"did you mean `{meant}`?" in [problem.fix for problem in load_contracts(folder)[1]]


# -- the folder


def test_two_contracts_for_one_source(folder: Path, edit: Edit) -> None:
    edit("contracts/shops.odcs.yaml", "  - name: shops", "  - name: orders")
    _, problems = load_contracts(folder)
    assert [(problem.file, problem.line, problem.what) for problem in problems] == [
        ("contracts/shops.odcs.yaml", 15, "a second contract for `orders`")
    ]
    assert ORDERS in problems[0].expected


def test_a_file_that_nothing_reads(folder: Path) -> None:
    (folder / ORDERS).rename(folder / "contracts/orders.yaml")
    contracts, problems = load_contracts(folder)
    assert set(contracts) == {"shops", "weather"}
    assert [(problem.file, problem.what) for problem in problems] == [
        ("contracts/orders.yaml", "a file that nothing reads")
    ]


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("connectors:\n  - {name: x, types: [s3]}\n  - {name: y, type: [s3]}\n", 3, "`connectors.1.type`"),
        ("connectors:\n  - {name: staging, types: [ftp]}\n", 2, "`connectors.0.types.0` is 'ftp'"),
        ("connector: []\n", 1, "unknown field `connector`"),
        ("connectors: [\n", 2, "not YAML"),
    ],
)  # fmt: skip
def test_the_list_of_connectors(folder: Path, text: str, line: int, what: str) -> None:
    (folder / "contracts/connectors.yml").write_text(text)
    problems = [problem for problem in load_contracts(folder)[1] if what in problem.what]
    assert [(problem.file, problem.line) for problem in problems] == [("contracts/connectors.yml", line)]


def test_a_connector_may_be_one_type_alone(folder: Path) -> None:
    (folder / "contracts/connectors.yml").write_text("connectors:\n  - {name: staging, types: [s3]}\n")
    found = [(problem.line, problem.expected) for problem in load_contracts(folder)[1]]
    assert found == [(11, "one of: s3")] * 3


# -- types and patterns, beside the engine


@pytest.mark.parametrize("type_", KNOWN)
def test_the_engine_has_every_type(type_: str) -> None:
    assert duckdb.execute(f"select cast(null as {type_})").fetchall() == [(None,)]
    assert type_problem(type_) == ""


@pytest.mark.parametrize(
    ("type_", "text", "fits"),
    [
        ("TINYINT", "127", True), ("TINYINT", "128", False), ("UINTEGER", "-1", False),
        ("DECIMAL(4,2)", "99.99", True), ("DECIMAL(4,2)", "100", False), ("DECIMAL(4,2)", "0.125", False),
        ("DECIMAL", "0.125", True), ("DECIMAL(3)", "0.5", False), ("DOUBLE", "1e300", True),
        ("DOUBLE", "nan", False), ("INTEGER", "1_000", False), ("DATE", "2024-02-30", False),
        ("TIMESTAMP", "2024-02-03", True), ("BOOLEAN", "no", False), ("VARCHAR", "no", True),
        ("FLOAT", "16777217", False), ("FLOAT", "0.1", True), ("DOUBLE", "9007199254740993", False),
        ("DECIMAL(38,0)", "9" * 38, True), ("DECIMAL(38,0)", "1" + "0" * 38, False), ("DATE", "20240203",
        False),
        ("TIMESTAMP_NS", "2300-01-01", False), ("UUID", "x", False), ("ENUM('a')", "A", False),
    ],
)  # fmt: skip
def test_a_text_is_a_value_of_a_type_or_not(type_: str, text: str, fits: bool) -> None:
    try:
        value_of(type_, text)
    except ValueError:
        assert not fits
    else:
        assert fits


PATTERNS = [
    r"^[0-9]{4,5}$", r"^R?INV-[0-9]{11}$", r"[[:alpha:]]+", r"\p{L}+\z", r"\pN", r"(?P<n>a)", r"(?i)a",
    r"a(?i)b", r"(?-i)a", r"(?U)a+", r"(?i:a|b)", r"\x41", r"\x{41}", r"[]a]", r"[^]a]", r"[a\]b]",
    r"a{,3}", r"a{1000}", r"(?:a)?", r"a+?", r"\++", r"[+]+", r"\(", r"[(?=]", r"\C", r"(?=a)", r"(?!a)",
    r"(?<=a)", r"(?<!a)", r"(a)\1", r"(?P<n>a)(?P=n)", r"(?>a)", r"(?#c)a", r"(?<n>a)", r"(?x)a", r"(?a)a",
    r"a*+", r"a++", r"a{2}+", r"a**", r"a{1001}", r"a{2,1}", r"\Z", r"\u0041", r"[\b]", r"[\u0041]", r"\ä",
    r"[b-a]", r"a)", r"(a", r"[a", r"*a", r"\h", r"\8", r"(?(1)a)",
]  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_is_judged_as_the_engine_judges_it(pattern: str) -> None:
    try:
        duckdb.execute("select regexp_matches('a', ?)", [pattern])
    except duckdb.InvalidInputException:
        assert pattern_problem(pattern) != ""
    else:
        assert pattern_problem(pattern) == ""


def test_loading_contracts_does_not_import_the_engine() -> None:
    """The graph is loaded in many processes, most of which never open the warehouse."""
    source = (REPOSITORY / "orchestration/sluicegate/contracts").glob("*.py")
    at_the_top = re.compile(r"^(import|from) (duckdb|pyarrow|pandas|fastavro|yaml)\b", re.MULTILINE)
    assert [path.name for path in source if at_the_top.search(path.read_text())] == []


def test_a_deployments_project_has_no_problem(tmp_path: Path) -> None:
    settings = Settings.load({}, data_dir=tmp_path)
    assert load_contracts(settings.project_dir)[1] == []
