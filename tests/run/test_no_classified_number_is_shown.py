"""Classified numbers and dates stand nowhere but where data are kept, nor does what is worked out of them.

One source, a day for each way to tell; what is searched is what `test_nothing_classified_is_shown` searches.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from sluicegate.contracts.dbt_sources import write_sources
from sluicegate.contracts.load import load_contracts
from sluicegate.core.settings import Settings
from sluicegate.state import schema

from tests.canaries import found_below
from tests.company import BAKERY, Company, recorded
from tests.doubles.serving import serve
from tests.doubles.webhook import WebhookDouble
from tests.ingestion.door import column, contract
from tests.run.test_nothing_classified_is_shown import DATA, EXPORT_FILE
from tests.typed import sluice

pytestmark = pytest.mark.long
HEADER = "No,Day,E-mail,Phone,Born,Kind"
# Each day has one guest, with a phone number and a birthday of its own.
KINDS = (
    "history", "judged", "fail_calc", "fail_calc_warn", "fail_calc_large", "sums", "renamed", "alias",
)  # fmt: skip
DAYS = {kind: f"2024-01-{number:02}" for number, kind in enumerate(KINDS, start=1)}
PHONES = {kind: 491510077300 + number for number, kind in enumerate(KINDS, start=1)}
PHONES["sums"] += 10**14
# dbt's events have 32 bits for what a test gives.
PHONES["fail_calc"], PHONES["fail_calc_warn"] = 491510303, 491510404
BORN = {kind: f"{1930 + number}-07-19" for number, kind in enumerate(KINDS, start=1)}

MODELS = """\
models:
  - name: stg_guests
    description: Guests of the day.
    columns:
      - {name: business_date, description: The day.}
      - {name: guest_number, description: The guest.}
      - {name: email, description: The address.}
      - {name: phone, description: The number.}
      - {name: born, description: The birthday.}
      - {name: kind, description: What happens on the day.}
      - name: contact
        description: The number once more.
        meta: {classification: personal}
      - name: birthday
        description: The birthday once more.
        meta: {classification: personal}
  - name: exp_guests
    description: Guests, for the door.
    columns:
      - {name: business_date, data_type: date, description: The day.}
      - {name: guest_number, data_type: varchar, description: The guest.}
      - {name: phone, data_type: bigint, description: The number.}
      - {name: kind, data_type: varchar, description: What happens on the day.}
"""
STAGING = """\
select
    guest_date as business_date,
    guest_number,
    email,
    phone,
    born,
    kind,
    case when kind = 'renamed' then phone end as contact,
    case when kind = 'renamed' then born end as birthday
from {{ source('raw', 'guests') }}
where {{ in_partition('guest_date') }}
"""
EXPORT = """\
select
    business_date,
    guest_number,
    phone,
    kind
from {{ ref('stg_guests') }}
where {{ in_partition('business_date') }}
"""
TEST = """\
{{{{ config(fail_calc='coalesce(max(phone), 0)', severity='{severity}') }}}}
select * from {{{{ ref('stg_guests') }}}} where kind = '{kind}' and {{{{ in_partition('business_date') }}}}
"""
SUITE = """\
expectations:
  - type: expect_table_row_count_to_be_between
    kwargs: {min_value: 1, max_value: 100}
  - type: expect_column_max_to_be_between
    kwargs: {column: phone, max_value: {$PARAMETER: 1 * phone.max.previous}}
    severity: warning
  - type: expect_column_quantile_values_to_be_between
    kwargs:
      column: phone
      quantile_ranges: {quantiles: [0.5], value_ranges: [[null, {$PARAMETER: phone.p50.max_4 / 2}]]}
    severity: warning
  - type: expect_table_row_count_to_be_between
    kwargs: {min_value: {$PARAMETER: phone.sum.previous}}
    severity: warning
  - type: expect_column_values_to_be_between
    kwargs:
      column: phone
      min_value: {$PARAMETER: phone.mean.min_3 / 2}
      max_value: {$PARAMETER: phone.min.previous + phone.null_ratio.previous}
      row_condition: col("kind") != "x"
      condition_parser: great_expectations
    severity: warning
  - type: expect_column_values_to_be_between
    kwargs: {column: contact, max_value: 5}
    severity: warning
  - type: expect_column_max_to_be_between
    kwargs: {column: contact, max_value: 5}
    severity: warning
  - type: expect_column_values_to_be_between
    kwargs: {column: birthday, max_value: '1900-01-01'}
    severity: warning
  - type: unexpected_rows_expectation
    kwargs:
      unexpected_rows_query: select phone as n, born as d, phone + 0 as m from {batch} where kind = 'alias'
    severity: warning
"""
EXPORT_SUITE = """\
expectations:
  - type: expect_table_row_count_to_be_between
    kwargs: {min_value: 1}
  - type: expect_column_values_to_not_be_null
    kwargs: {column: phone}
"""


def _project(folder: Path) -> None:
    shutil.copytree(BAKERY, folder)
    for name in ("contracts", "expectations", "exports", "dbt_project/models"):
        shutil.rmtree(folder / name)
        (folder / name).mkdir()
    said = contract(
        column("guest_number", "VARCHAR", "No", required=True, primaryKey=True, primaryKeyPosition=1),
        column("guest_date", "DATE", "Day", required=True, partitioned=True, partitionKeyPosition=1),
        column("email", "VARCHAR", "E-mail", classification="personal"),
        column("phone", "BIGINT", "Phone", classification="personal"),
        column("born", "DATE", "Born", classification="personal"),
        column("kind", "VARCHAR", "Kind"),
        path="guests/{date}.csv", masking={"personal": "keep"}, owner="ovens@bakery.example",
    )  # fmt: skip
    said["id"] = said["name"] = said["schema"][0]["name"] = "guests"
    (folder / "contracts/guests.odcs.yaml").write_text(yaml.safe_dump(said, sort_keys=False))
    models = folder / "dbt_project/models"
    for stage, name, sql in (("staging", "stg_guests", STAGING), ("exports", "exp_guests", EXPORT)):
        (models / stage).mkdir()
        (models / stage / f"{name}.sql").write_text(sql)
    (models / "_models.yml").write_text(MODELS)
    (folder / "dbt_project/tests").mkdir()
    for kind, severity in (("fail_calc", "error"), ("fail_calc_warn", "warn"), ("fail_calc_large", "warn")):
        (folder / f"dbt_project/tests/of_{kind}.sql").write_text(TEST.format(kind=kind, severity=severity))
    (folder / "expectations/stg_guests.yml").write_text(SUITE)
    (folder / "expectations/exp_guests.yml").write_text(EXPORT_SUITE)
    limits = "limits: {sums: {phone: {max: 10000000000000}}}\n"
    (folder / "exports/exp_guests.yml").write_text(EXPORT_FILE + limits)
    contracts, problems = load_contracts(folder)
    assert problems == []
    write_sources(folder, contracts)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Company, dict[str, str]]]:
    """The company after all days, and what its commands have printed."""
    folder = tmp_path_factory.mktemp("guests")
    _project(folder / "project")
    with serve(WebhookDouble(secret=b"s3cret").app) as address:
        settings = Settings.load(
            {"SLUICE_CONNECTION_DOOR": f"webhook://:s3cret@{address}", "SLUICE_CHECK_RETRY": "0.01"},
            project_dir=folder / "project", data_dir=folder / "data",
        )  # fmt: skip
        company = Company(settings, "", folder / "container")
        for kind, day in DAYS.items():
            row = f"{day}-1,{day},zq{day}@example.org,{PHONES[kind]},{BORN[kind]},{kind}"
            company.land("guests", day, f"{HEADER}\n{row}\n")
        printed = {"run": "\n".join(map(str, sluice(company, "run")))}
        printed |= {
            " ".join(command): "\n".join(map(str, sluice(company, *command)))
            for command in (
                ("status",), ("page", "data-docs",), ("delivery", "list",),
                ("why", "exp_guests", "--partition", DAYS["fail_calc"]),
                ("delivery", "plan", "exp_guests", "--partition", DAYS["sums"]),
                ("delivery", "plan", "exp_guests", "--partition", DAYS["sums"], "--json"),
                ("delivery", "list", "exp_guests", "--json"),
            )
        }  # fmt: skip
        yield company, printed
        company.deployment.store.close()


def _places(company: Company, printed: dict[str, str], value: str) -> list[str]:
    """Return where a value stands: files, tables of the records, and commands."""
    # The first eight characters of a number are its neighbours', too: the whole counts.
    # Of the records each table is looked at by itself.
    found = found_below(company.settings.data_dir, [value], leave_out=(*DATA, "state.db"))
    places = [name for _, name, form in found if form != "its first characters"]
    for table in schema.metadata.tables:
        if value in str(recorded(company.settings, f"select * from {table}")):
            places.append(table)
    places += [f"sluice {name}" for name, text in printed.items() if value in text]
    return list(dict.fromkeys(places))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.sampled(4)
def test_a_classified_number_or_date_is_shown_nowhere(
    shown: tuple[Company, dict[str, str]], kind: str
) -> None:
    values = (str(PHONES[kind]), f"{PHONES[kind]:,}", BORN[kind])
    places = {value: _places(*shown, value) for value in values}
    # What later days are compared with is kept, in the records alone.
    places = {value: [at for at in found if at != "metrics"] for value, found in places.items()}

    assert places == {value: [] for value in values}


def test_it_is_told_that_there_is_something_and_what_is_not_shown(
    shown: tuple[Company, dict[str, str]],
) -> None:
    company, printed = shown
    rules = recorded(
        company.settings,
        "select type, outcome, observed, expected, kwargs from rule_results"
        " join judgements on judgements.id = judgement_id where relation = 'staging.stg_guests'"
        f" and partition_key = '{DAYS['judged']}' and kwargs like '%PARAMETER%' order by rule_number",
    )
    kept = recorded(company.settings, "select count(*) from metrics where value > 491510000000")
    assert [item[:3] for item in rules] == [
        ("expect_column_max_to_be_between", "failed", "(classified)"),
        ("expect_column_quantile_values_to_be_between", "failed", "(classified)"),
        ("expect_table_row_count_to_be_between", "failed", "1"),
        ("expect_column_values_to_be_between", "failed", "1 of 1 rows (100 %)"),
    ]
    before = f"of {DAYS['history']}"
    assert rules[0][3] == f"max_value: (classified); phone.max.previous = (classified) ({before})"
    assert f"phone.null_ratio.previous = 0 ({before})" in rules[3][3]
    assert "1 * phone.max.previous" in rules[0][4]
    assert kept[0][0] > 0
    assert printed["page data-docs"].startswith("0\n")
    sums = "the sum of `phone` is outside its limits (limits.sums)"
    assert sums in printed["run"]
    assert sums in printed[f"delivery plan exp_guests --partition {DAYS['sums']}"]
    tested = {name: company.check_results("staging/stg_guests", f"of_{name}") for name in KINDS[2:5]}
    hidden = "its number is not shown: `fail_calc` may tell values of classified columns"
    assert tested["fail_calc"][DAYS["fail_calc"]] == (False, f"fail: {hidden}")
    assert tested["fail_calc_warn"][DAYS["fail_calc_warn"]] == (False, f"warn: {hidden}")
    assert "expected one below 2^31" in tested["fail_calc_large"][DAYS["fail_calc_large"]][1]
