"""dbt's tests, contracts and rules on a partition's own column: which of them an export may stand on.

Each alone in a copy of the bakery, beside what else the weather report needs. Suites' rules by themselves are
tried in `tests/quality/test_trials.py`.
"""

from pathlib import Path

import pytest
from sluicegate.contracts.dbt_sources import write_sources
from sluicegate.contracts.load import load_contracts

from tests.gate.edits import Edit, append, both, remove, replace, write
from tests.graph.test_guards import (
    COUNT,
    DESCRIBED,
    NO_ROWS,
    NO_VALUES,
    NOT_NULL,
    REPORT,
    SUITE,
    bakery,
    do_as_told,
    problems,
)

pytestmark = pytest.mark.long
ONE_ROW = COUNT.replace("0", "1")
RAIN = '{name: rain_mm, data_type: "decimal(6,1)", description: Rain in millimetres.}'
TOWN = "{name: town, data_type: varchar, description: The town.}"
DAY = "{name: business_date, data_type: date, description: The day.}"
REF = "{{ ref('exp_weather_report') }}"
OTHER = "{{ ref('stg_weather') }}"
SQL = "dbt_project/models/exports/exp_weather_report.sql"


def rules(*texts: str) -> Edit:
    return both(
        remove("expectations/weather.yml", "expectations/stg_weather.yml"),
        write(SUITE, "expectations:\n" + "".join(texts)),
    )


def of_column(said: str, test: str, *suite: str) -> Edit:
    """Leave the report one dbt test of a column, beside a count that can fail."""
    return both(
        rules(*(suite or (ONE_ROW,))), replace(DESCRIBED, said, f"{said[:-1]}, data_tests: [{test}]}}")
    )


def of_model(test: str, *suite: str) -> Edit:
    return both(rules(*(suite or (ONE_ROW,))), append(DESCRIBED, f"    data_tests:\n      - {test}\n"))


def singular(sql: str) -> Edit:
    return both(rules(ONE_ROW), write("dbt_project/tests/mine.sql", f"{sql}\n"))


NOTHING_FAILS_IT: dict[str, tuple[Edit, str]] = {
    "a rule that the day is there": (
        rules(ONE_ROW, NOT_NULL.replace("town", "business_date")), NO_VALUES,
    ),
    "dbt's not_null of the day": (of_column(DAY, "not_null"), NO_VALUES),
    "SQL where false": (singular(f"select * from {REF} where false"), NO_VALUES),
    "SQL where one is zero": (singular(f"select * from {REF} where 1 = 0"), NO_VALUES),
    "SQL with limit 0": (singular(f"select * from {REF} where town is null limit 0"), NO_VALUES),
    "SQL that contradicts itself": (
        singular(f"select * from {REF} where town is null and town is not null"), NO_VALUES,
    ),
    "SQL of a length below zero": (singular(f"select * from {REF} where length(town) < 0"), NO_VALUES),
    "SQL that is of nothing when it is executed": (
        singular(f"select * from {REF} where {{{{ 'true' if not execute else 'false' }}}}"), NO_VALUES,
    ),
    "SQL of two tables that are joined on false": (
        singular(f"select a.* from {REF} as a inner join {OTHER} as b on false"), NO_VALUES,
    ),
    "within the type's own bounds": (
        of_column(RAIN, "{within: {arguments: {at_least: -100000, at_most: 100000}}}"), NO_VALUES,
    ),
    "not_null of a number": (of_column(RAIN, "{not_null: {arguments: {column_name: '1'}}}"), NO_VALUES),
    "not_null of what is coalesced": (
        of_model("not_null: {arguments: {column_name: \"coalesce(town, '')\"}}"), NO_VALUES,
    ),
    "unique of a random id": (
        of_model("unique: {arguments: {column_name: 'uuid()'}}", COUNT, NOT_NULL), NO_ROWS,
    ),
    "a unique combination of a random id": (
        of_model(
            "unique_combination_of_columns: {arguments: {combination_of_columns: ['uuid()']}}",
            COUNT, NOT_NULL,
        ),
        NO_ROWS,
    ),
}  # fmt: skip
CAN_FAIL: dict[str, Edit] = {
    "SQL that reads one table": singular(f"select * from {REF} where town is null"),
    "SQL that compares with another table": singular(
        f"select * from {REF} where town not in (select town from {OTHER})"
    ),
    "SQL that joins a table with itself": singular(
        f"select a.town from {REF} as a inner join {REF} as b on a.town = lower(b.town) and a.town <> b.town"
    ),
    "within bounds": of_column(RAIN, "{within: {arguments: {at_least: 0, at_most: 500}}}"),
    "accepted values": of_column(TOWN, "{accepted_values: {arguments: {values: [Ulm, Linz]}}}"),
    "not_null of an expression": of_model("not_null: {arguments: {column_name: \"nullif(town, 'x')\"}}"),
    "a relationship": of_column(
        TOWN, "{relationships: {arguments: {to: ref('stg_weather'), field: town}}}"
    ),
    "not the day before's rows": of_model(
        "differs_from_previous_partition: {arguments: {column_names: [town]}}"
    ),
    "unique": of_column(TOWN, "unique", COUNT, NOT_NULL),
    "a unique combination": of_model(
        "unique_combination_of_columns: {arguments: {combination_of_columns: [business_date, town]}}",
        COUNT, NOT_NULL,
    ),
}  # fmt: skip
# What a contract says of a column, or of the table: after which line, what, and whether it can be broken.
SAID_OF_TOWN = "        description: The town.\n        required: false\n"
SAID_OF_RAIN = "empty where the gauge was dry or broken.\n        required: false\n"
SAID_OF_TABLE = "    physicalType: table\n"
OPTIONS, QUALITY = "        logicalTypeOptions: ", "        quality: "
CONTRACTS: dict[str, tuple[str, str, bool]] = {
    "any pattern": (SAID_OF_TOWN, OPTIONS + "{pattern: '.*'}", False),
    "a pattern or nothing": (SAID_OF_TOWN, OPTIONS + "{pattern: 'x|'}", False),
    "a pattern": (SAID_OF_TOWN, OPTIONS + "{pattern: '^[A-Z][a-z]+$'}", True),
    "no length at least": (SAID_OF_TOWN, OPTIONS + "{minLength: 0}", False),
    "a length at least": (SAID_OF_TOWN, OPTIONS + "{minLength: 2}", True),
    "a length that no text has": (SAID_OF_TOWN, OPTIONS + "{maxLength: 1000000000000}", False),
    "a length at most": (SAID_OF_TOWN, OPTIONS + "{maxLength: 4000}", True),
    "multiples of the last digit": (SAID_OF_RAIN, OPTIONS + "{multipleOf: 0.1}", False),
    "multiples": (SAID_OF_RAIN, OPTIONS + "{multipleOf: 0.5}", True),
    "a least that the type implies": (SAID_OF_RAIN, OPTIONS + "{minimum: -99999.9}", False),
    "a least": (SAID_OF_RAIN, OPTIONS + "{minimum: 0}", True),
    "a quality of any pattern": (
        SAID_OF_TOWN, QUALITY + "[{metric: invalidValues, mustBe: 0, arguments: {pattern: '.*'}}]", False,
    ),
    "a quality of valid values": (
        SAID_OF_TOWN, QUALITY + "[{metric: invalidValues, mustBe: 0, arguments: {validValues: [Ulm]}}]", True,
    ),
    "any number of rows": (
        SAID_OF_TABLE, "    quality: [{metric: rowCount, mustBeBetween: [0, 100000000000000]}]", False,
    ),
    "a number of rows": (SAID_OF_TABLE, "    quality: [{metric: rowCount, mustBeBetween: [0, 5000]}]", True),
}  # fmt: skip


def says(after: str, more: str) -> Edit:
    """Let the contract say this, and the report's suite what it says nothing of."""

    def edit(folder: Path) -> None:
        rules(*((COUNT, NOT_NULL) if after == SAID_OF_TABLE else (ONE_ROW,)))(folder)
        replace("contracts/weather.odcs.yaml", after, f"{after}{more}\n")(folder)
        contracts, found = load_contracts(folder)
        assert found == []
        write_sources(folder, contracts)

    return edit


@pytest.mark.parametrize("check", NOTHING_FAILS_IT)
@pytest.mark.sampled(7)
def test_what_no_row_can_fail_is_no_guard_and_what_is_printed_is_one(tmp_path: Path, check: str) -> None:
    edit, what = NOTHING_FAILS_IT[check]
    folder = bakery(tmp_path / "bakery", edit)

    [problem] = problems(folder)

    assert (problem.file, problem.what) == (REPORT, what)
    do_as_told(folder, problem.fix)
    assert problems(folder) == ()


@pytest.mark.parametrize("check", CAN_FAIL)
@pytest.mark.sampled(5)
def test_a_dbt_test_that_rows_can_fail_is_a_guard(tmp_path: Path, check: str) -> None:
    assert problems(bakery(tmp_path / "bakery", CAN_FAIL[check])) == ()


@pytest.mark.parametrize("said", CONTRACTS)
@pytest.mark.sampled(8)
def test_a_contract_counts_if_a_drop_can_break_what_it_says(tmp_path: Path, said: str) -> None:
    after, more, can_fail = CONTRACTS[said]

    found = problems(bakery(tmp_path / "bakery", says(after, more)))

    missing = NO_ROWS if after == SAID_OF_TABLE else NO_VALUES
    assert [problem.what for problem in found] == ([] if can_fail else [missing])


def test_a_table_of_nothing_but_its_days_is_told_what_it_lacks(tmp_path: Path) -> None:
    folder = bakery(
        tmp_path / "bakery",
        rules(ONE_ROW),
        replace(REPORT, "key: [business_date, town]", "key: [business_date]"),
    )
    (folder / SQL).write_text(
        "select distinct business_date\nfrom {{ ref('stg_weather') }}\n"
        "where {{ in_partition('business_date') }}\n"
    )
    for column in (TOWN, RAIN):
        described = (folder / DESCRIBED).read_text()
        report = described.index("exp_weather_report")
        place = described.index(f"      - {column}\n", report)
        (folder / DESCRIBED).write_text(described[:place] + described[place + len(f"      - {column}\n") :])

    [problem] = problems(folder)

    assert problem.what == NO_VALUES
    assert "select another column in `exp_weather_report`" in problem.fix
    assert "`business_date`, which cuts it into partitions" in problem.fix
