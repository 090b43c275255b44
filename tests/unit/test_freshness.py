"""What contracts and exports promise about time: read, and refused with file and line."""

from datetime import timedelta
from pathlib import Path

import pytest
from sluicegate.contracts.load import load_contracts
from sluicegate.core.freshness import DurationError, duration
from sluicegate.core.partitions import Grain
from sluicegate.delivery.export_files.exports import load_exports

from tests.company import BAKERY
from tests.unit.conftest import Edit

ORDERS, SHOPS = "contracts/orders.odcs.yaml", "contracts/shops.odcs.yaml"
SHOP_ORDERS = "exports/exp_shop_orders.yml"
LATENCY = "  - property: latency\n    value: 6\n    unit: h\n"


@pytest.mark.parametrize(
    ("value", "unit", "found"),
    [
        (30, "h", timedelta(hours=30)),
        (1.5, "hours", timedelta(minutes=90)),
        (1, "d", timedelta(days=1)),
        (2, "weeks", timedelta(days=14)),
        (1, "min", timedelta(minutes=1)),
    ],
)
def test_a_duration_is_a_value_and_a_unit(value: float, unit: str, found: timedelta) -> None:
    assert duration(value, unit) == found


@pytest.mark.parametrize(
    ("value", "unit", "field"),
    [
        (1, "fortnight", "unit"),
        (1, "m", "unit"),  # a minute or a month
        (1, "H", "unit"),
        (1, None, "unit"),
        (-1, "h", "value"),
        (0, "h", "value"),
        (0.5, "min", "value"),
        ("30", "h", "value"),
        (True, "h", "value"),
        (None, "h", "value"),
        (float("nan"), "h", "value"),
        (float("inf"), "h", "value"),
        (10**12, "d", "value"),
        (10**400, "d", "value"),
    ],
)
def test_what_is_no_duration_is_told_by_its_field(value: object, unit: object, field: str) -> None:
    with pytest.raises(DurationError) as caught:
        duration(value, unit)
    assert caught.value.field == field


def test_a_source_is_overdue_after_its_frequency_and_its_latency() -> None:
    contracts, problems = load_contracts(BAKERY)
    assert problems == []
    orders, shops, weather = contracts["orders"], contracts["shops"], contracts["weather"]
    assert (orders.latency, orders.frequency) == (timedelta(hours=6), timedelta(days=1))
    assert orders.overdue_after == timedelta(hours=30)
    assert (shops.latency, shops.frequency) == (timedelta(days=2), timedelta(weeks=1))
    assert shops.overdue_after == timedelta(days=9)
    assert (weather.latency, weather.frequency, weather.overdue_after) == (None, None, None)


def test_a_frequency_alone_leaves_no_time(folder: Path, edit: Edit) -> None:
    edit(ORDERS, LATENCY, LATENCY.replace("latency", "frequency"))
    assert load_contracts(folder)[0]["orders"].overdue_after == timedelta(hours=6)


def test_the_standards_short_names_are_read_in_any_case(folder: Path, edit: Edit) -> None:
    edit(ORDERS, "property: latency", "property: LY")
    assert load_contracts(folder)[0]["orders"].latency == timedelta(hours=6)


MAX_AGE = "  - property: maxAge\n    value: 2\n    unit: d\n"


def test_what_is_sent_may_be_of_any_age_unless_the_contract_says_how_old(folder: Path, edit: Edit) -> None:
    contracts, _ = load_contracts(folder)
    assert {name: contract.max_age for name, contract in contracts.items()} == dict.fromkeys(contracts)
    edit(ORDERS, LATENCY, LATENCY + MAX_AGE)
    limited, problems = load_contracts(folder)
    assert (problems, limited["orders"].max_age) == ([], timedelta(days=2))
    # It judges no drop, and is no promise of when one comes.
    assert limited["orders"].rules_digest == contracts["orders"].rules_digest
    assert limited["orders"].overdue_after == contracts["orders"].overdue_after


def test_what_else_the_standard_promises_is_for_people(folder: Path, edit: Edit) -> None:
    edit(ORDERS, LATENCY, LATENCY + "  - property: retention\n    value: 3\n    unit: y\n")
    contracts, problems = load_contracts(folder)
    assert problems == []
    assert contracts["orders"].overdue_after == timedelta(hours=30)


@pytest.mark.parametrize(
    ("file", "old", "new", "line", "what", "fix"),
    [
        (ORDERS, "property: latency", "property: latancy", 55, "unknown SLA property `latancy`",
         "did you mean `latency`?"),
        (ORDERS, "unit: h", "unit: hrs", 57, "SLA property `latency`: unit is `hrs`", "`unit: h`"),
        (ORDERS, "    unit: h\n", "", 55, "SLA property `latency`: unit is `None`", "`unit: h`"),
        (ORDERS, "value: 6", "value: -6", 56, "SLA property `latency`: value is `-6`", "`value: 30`"),
        (ORDERS, "value: 6", "value: six", 56, "SLA property `latency`: value is `six`", "`value: 30`"),
        (ORDERS, LATENCY, LATENCY * 2, 58, "SLA property `latency` stands twice", "remove one of them"),
        (ORDERS, "unit: h", "unti: h", 57, "unknown field `unti`", "did you mean `unit`?"),
        (ORDERS, LATENCY, MAX_AGE.replace("2", "0"), 56, "`maxAge`: value is `0`", "`value: 30`"),
        (ORDERS, LATENCY, MAX_AGE.replace("2", "-1"), 56, "`maxAge`: value is `-1`", "`value: 30`"),
        (ORDERS, LATENCY, MAX_AGE.replace("d", "month"), 57, "`maxAge`: unit is `month`", "`unit: h`"),
        (ORDERS, LATENCY, MAX_AGE.replace("    unit: d\n", ""), 55, "`maxAge`: unit is `None`", "`unit: h`"),
        (ORDERS, LATENCY, MAX_AGE * 2, 58, "SLA property `maxAge` stands twice", "remove one of them"),
        (ORDERS, LATENCY, MAX_AGE.replace("maxAge", "maxage_"), 55, "unknown SLA property", "`maxAge`"),
        (SHOPS, "  - property: frequency\n    value: 1\n    unit: w\n", "", 36, "nothing says how often",
         "add `- property: frequency`"),
    ],
)  # fmt: skip
def test_each_problem_of_a_contract_is_located(
    folder: Path, edit: Edit, file: str, old: str, new: str, line: int, what: str, fix: str
) -> None:
    edit(file, old, new)
    _, problems = load_contracts(folder)
    located = [
        (problem.file, problem.line) for problem in problems if what in problem.what and fix in problem.fix
    ]
    assert located == [(file, line)], problems


def test_an_export_is_overdue_a_day_and_its_latency_after_the_last() -> None:
    exports, problems = load_exports(BAKERY)
    assert problems == []
    assert exports["exp_shop_orders"].overdue_after(Grain.DAILY) == timedelta(hours=36)
    assert exports["exp_weather_report"].overdue_after(Grain.DAILY) is None


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ("unit: h", "unit: hrs", 13, "`deadline.unit` is 'hrs'"),
        ("latency: 12", "latency: -12", 12, "`deadline.latency` is -12"),
        ("latency: 12", "latency: 0", 12, "`deadline.latency` is 0"),
        ("latency: 12", "latency: '12'", 12, "`deadline.latency` is '12'"),
        ("latency: 12", "latency: true", 12, "`deadline.latency` is True"),
        ("latency: 12", "latency: 1.0e12", 12, "`deadline.latency` is 1000000000000.0"),
        ("latency: 12", "value: 12", 12, "unknown field `deadline.value`"),
        ("  unit: h\n", "", 11, "`deadline.unit` is missing"),
    ],
)
def test_each_problem_of_a_deadline_is_located(
    folder: Path, edit: Edit, old: str, new: str, line: int, what: str
) -> None:
    edit(SHOP_ORDERS, old, new)
    _, problems = load_exports(folder)
    located = [(problem.file, problem.line) for problem in problems if what in problem.what]
    assert located == [(SHOP_ORDERS, line)], problems
    assert all(problem.expected and problem.fix for problem in problems)


def test_classification_is_the_contracts_own_word(folder: Path, edit: Edit) -> None:
    edit(ORDERS, "description: The shop, by its code.", "classification: restricted")
    edit(ORDERS, "customProperties:", "customProperties:\n  - {property: masking, value: {restricted: keep}}")
    columns = {column.name: column for column in load_contracts(folder)[0]["orders"].columns}
    assert columns["shop"].classification == "restricted"
    assert columns["loaves"].classification == ""
