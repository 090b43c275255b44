"""Last-mile rules: a time to live, and SQL that does what the file says, in the engine itself."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from sluicegate.compute.sql import quoted
from sluicegate.core.problems import Problem
from sluicegate.delivery.export_files.expiry import expired, expired_problems
from sluicegate.delivery.export_files.exports import Export, load_exports
from sluicegate.delivery.export_files.last_mile import value_problem

from tests.unit.conftest import Edit

FILE = "exports/exp_shop_orders.yml"
KEPT: Mapping[str, Any] = {
    "filter": {"column": "shop", "keep": ["a"]},
    "owner": "me@bakery.example",
    "reason": "the app cannot show b yet",
    "issue": "https://issues.bakery.example/7",
    "declared": "2026-02-01",
    "expires": "2026-04-30",
}
TYPES = {"shop": "varchar", "loaves": "integer", "day": "date", "open": "boolean", "price": "decimal(6,2)"}
ROWS = [
    ("a", 1, date(2026, 1, 1), True, "1.50"),
    ("b", 2, date(2026, 1, 2), False, "2.00"),
    ("o'c", 3, None, None, None),
    (None, None, date(2026, 1, 1), True, "0.10"),
]


def read(folder: Path, *rules: Mapping[str, Any], today: date) -> tuple[Export, list[Problem]]:
    path = folder / FILE
    # PyYAML would write a date that is a text in quotes, which says the same.
    path.write_text(path.read_text() + yaml.safe_dump({"last_mile": [dict(rule) for rule in rules]}))
    exports, problems = load_exports(folder)
    assert problems == [], "a file loads whatever the day"
    export = exports["exp_shop_orders"]
    return export, expired_problems(export, folder, today)


@pytest.mark.parametrize(
    ("today", "left", "warned", "ended"),
    [
        (date(2026, 2, 1), 88, False, False),
        (date(2026, 4, 15), 15, False, False),
        (date(2026, 4, 16), 14, True, False),
        (date(2026, 4, 30), 0, True, False),
        (date(2026, 5, 1), -1, False, True),
    ],
)
def test_a_rule_warns_two_weeks_before_its_day_and_holds_its_export_after_it(
    folder: Path, today: date, left: int, warned: bool, ended: bool
) -> None:
    export, problems = read(folder, KEPT, today=today)
    assert [rule.days_left(today) for rule in export.spec.last_mile] == [left]
    assert len(export.last_mile_warnings(today)) == int(warned)
    assert all("me@bakery.example" in text and KEPT["issue"] in text
               for text in export.last_mile_warnings(today))  # fmt: skip
    assert len(problems) == int(ended)


def test_an_expired_rule_says_in_which_file_of_dbt_it_belongs(folder: Path) -> None:
    _, problems = read(folder, {**KEPT, "declared": "2026-01-01", "expires": "2026-01-09"}, KEPT,
                       today=date(2026, 4, 1))  # fmt: skip
    assert len(problems) == 1
    lines = (folder / FILE).read_text().splitlines()
    assert problems[0].file == FILE
    assert "expires: '2026-01-09'" in lines[problems[0].line - 1]
    assert problems[0].what == "the last-mile filter on `shop` expired on 2026-01-09"
    assert "moves it into dbt_project/models/exports/exp_shop_orders.sql" in problems[0].fix
    assert "https://issues.bakery.example/7" in problems[0].fix


def test_a_process_that_read_the_file_long_ago_knows_what_has_expired(folder: Path) -> None:
    export, problems = read(folder, KEPT, today=date(2026, 4, 1))
    assert problems == []
    (folder / FILE).unlink()
    [found] = expired(export, folder, date(2026, 5, 1))
    assert found.what == "the last-mile filter on `shop` expired on 2026-04-30"
    assert str(found).endswith(f"takes it out of {FILE} (https://issues.bakery.example/7)")


def test_a_rule_of_a_day_to_come_would_last_longer_than_90_days(folder: Path) -> None:
    _, problems = read(folder, KEPT, today=date(2026, 1, 31))
    assert [problem.what for problem in problems] == [
        "the last-mile filter on `shop` is declared on 2026-02-01, a day to come"
    ]
    assert "declared: '2026-02-01'" in (folder / FILE).read_text().splitlines()[problems[0].line - 1]


WRONG: dict[str, tuple[Mapping[str, Any], str, str]] = {
    "91 days": ({"expires": "2026-05-03"}, "`last_mile.0.expires` is '2026-05-03'", "2026-05-02"),
    "before it began": ({"expires": "2026-01-31"}, "`last_mile.0.expires` is '2026-01-31'", "2026-05-02"),
    "no date": ({"expires": "20260401"}, "`last_mile.0.expires` is '20260401'", "as 2026-04-30"),
    "no day of the calendar": ({"expires": "2026-02-30"}, "`last_mile.0.expires`", "that the calendar has"),
    "a number": ({"expires": 1775000000}, "`last_mile.0.expires` is 1775000000", "as 2026-04-30"),
    "no link": ({"issue": "BAKE-7"}, "`last_mile.0.issue` is 'BAKE-7'", ""),
    "no reason": ({"reason": ""}, "`last_mile.0.reason` is ''", ""),
    "neither": ({"filter": None}, "`last_mile.0.map` is None", "either a `filter` or a `map`"),
    "both": (
        {"map": {"column": "shop", "values": {"a": "b"}}}, "`last_mile.0.map` is", "either a `filter`",
    ),
    "keep and drop": (
        {"filter": {"column": "shop", "keep": ["a"], "drop": ["b"]}}, "`last_mile.0.filter.drop`", "either",
    ),
    "neither keep nor drop": ({"filter": {"column": "shop"}}, "`last_mile.0.filter.drop` is None", "either"),
    "keep nothing": ({"filter": {"column": "shop", "keep": []}}, "`last_mile.0.filter.keep` is []", ""),
    "a list for a value": (
        {"filter": {"column": "shop", "keep": [["a"]]}}, "`last_mile.0.filter.keep.0` is ['a']", "a text",
    ),
    "a map of nothing": (
        {"filter": None, "map": {"column": "shop", "values": {}}}, "`last_mile.0.map.values` is {}", "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_each_problem_is_located(folder: Path, case: str) -> None:
    change, what, expected = WRONG[case]
    rule = {name: value for name, value in {**KEPT, **change}.items() if value is not None}
    path = folder / FILE
    path.write_text(path.read_text() + yaml.safe_dump({"last_mile": [rule]}))
    begins = path.read_text().splitlines().index("last_mile:") + 1
    _, problems = load_exports(folder)
    assert len(problems) == 1, problems
    assert problems[0].file == FILE
    assert problems[0].line > begins
    assert what in problems[0].what
    assert expected in problems[0].expected


def sent(folder: Path, *rules: Mapping[str, Any], mapped: str = "shop") -> list[Any]:
    """Return what of the mapped column the engine sends, in the rows' order."""
    export, problems = read(folder, *(({**KEPT, **rule}) for rule in rules), today=date(2026, 3, 1))
    assert problems == []
    conditions, expressions = export.last_mile_sql(TYPES, quoted)
    with duckdb.connect() as connection:
        columns = ", ".join(f"{quoted(name)} {type_}" for name, type_ in TYPES.items())
        connection.execute(f"create table model (row_number integer, {columns})")
        for number, row in enumerate(ROWS):
            connection.execute("insert into model values (?, ?, ?, ?, ?, ?)", [number, *row])
        shown = expressions.get(mapped, quoted(mapped))
        where = " and ".join(["true", *conditions])
        sql = f"select {shown} as sent from model where {where} order by row_number"
        described = connection.execute(f"describe {sql}").fetchall()
        assert described[0][1].lower() == TYPES[mapped]
        return [value for (value,) in connection.execute(sql).fetchall()]


def of(column: str, **values: list[Any]) -> Mapping[str, Any]:
    return {"filter": {"column": column, **values}}


FILTERS: dict[str, tuple[list[Mapping[str, Any]], list[Any]]] = {
    "keep some": ([of("shop", keep=["a", "o'c"])], ["a", "o'c"]),
    "keep null": ([of("shop", keep=["a", None])], ["a", None]),
    "keep null alone": ([of("shop", keep=[None])], [None]),
    "drop some, and null stays": ([of("shop", drop=["a"])], ["b", "o'c", None]),
    "drop null": ([of("shop", drop=[None, "b"])], ["a", "o'c"]),
    "a number": ([of("loaves", keep=[1, 3])], ["a", "o'c"]),
    "a date": ([of("day", keep=["2026-01-01"])], ["a", None]),
    "a truth value": ([of("open", drop=[True])], ["b", "o'c"]),
    "a decimal": ([of("price", keep=[1.5, 2])], ["a", "b"]),
    "two filters, both hold": ([of("shop", drop=["b"]), of("loaves", keep=[1, 2])], ["a"]),
}


@pytest.mark.parametrize("case", FILTERS)
def test_a_filter_sends_what_it_says(folder: Path, case: str) -> None:
    rules, expected = FILTERS[case]
    assert sent(folder, *rules) == expected


def test_a_map_leaves_other_values_as_they_are(folder: Path) -> None:
    mapping = {"column": "shop", "values": {"a": "Ä'", None: "nobody", "b": None}}
    assert sent(folder, {"filter": None, "map": mapping}) == ["Ä'", None, "o'c", "nobody"]


def test_a_filter_sees_the_models_values_not_the_mapped_ones(folder: Path) -> None:
    mapping = {"filter": None, "map": {"column": "loaves", "values": {1: 100, 2: 1}}}
    assert sent(folder, mapping, of("loaves", keep=[1, 3]), mapped="loaves") == [100, 3]


@pytest.mark.parametrize(
    ("sql_type", "value", "expected"),
    [
        ("varchar", "a", ""),
        ("varchar", None, ""),
        ("varchar", 512, "a text, in quotes"),
        ("integer", 1, ""),
        ("integer", 1.5, "a number, of type integer"),
        ("integer", 2**40, "a number, of type integer"),
        ("integer", True, "a number"),
        ("decimal(12,2)", 1.25, ""),
        ("decimal(12,2)", 1.255, "a number, of type decimal(12,2)"),
        ("boolean", True, ""),
        ("boolean", "true", "true or false"),
        ("date", "2026-01-01", ""),
        ("date", "1.1.2026", "a date in ISO 8601, in quotes"),
        ("timestamp", "2026-01-01T10:00:00", ""),
        ("varchar[]", "a", "a column of texts"),
    ],
)
def test_a_value_must_be_of_its_columns_type(sql_type: str, value: Any, expected: str) -> None:
    found = value_problem(sql_type, value)
    assert found.startswith(expected)
    assert bool(found) is bool(expected)


def test_a_top_level_filter_is_still_refused(folder: Path, edit: Edit) -> None:
    edit(FILE, "mode:", "filter: {column: shop, keep: [a]}\nmode:")
    _, problems = load_exports(folder)
    assert [(problem.line, problem.what) for problem in problems] == [
        (7, "`filter` makes the export send something else than its model")
    ]
