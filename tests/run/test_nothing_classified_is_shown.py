"""Classified values stand nowhere but where data are kept, however something fails, and in whichever column.

One source with classified columns, a day for each way to fail, a value of its own for each day; then all that
was written is looked through: records, Dagster's storage, logs, quarantine, what was judged, Data Docs, the
page, and what commands print. Left out are the data: staging, originals, converted files, warehouse's tables,
plans.
In the models the columns have other names than in the contract. And of two receivers only the one that is
cleared for a class has got a value of it.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import duckdb
import pytest
import yaml

from orchestration.contracts.dbt_sources import write_sources
from orchestration.contracts.load import load_contracts
from orchestration.core.settings import Settings
from orchestration.page.pages import Pages
from orchestration.page.reading import Reading
from tests.canaries import found_below, found_in, told_by
from tests.company import BAKERY, Company
from tests.doubles.serving import serve
from tests.doubles.webhook import WebhookDouble
from tests.ingestion.door import column, contract
from tests.page.crawling import crawled, of_pages
from tests.sampled import part_of
from tests.typed import sluice

pytestmark = pytest.mark.long
HEADER = "No,Day,E-mail,Phone,Note,Visits"
DATA = ("staging", "originals", "processing", "deliveries", "warehouse.duckdb", "outbox")


@dataclass(frozen=True)
class Way:
    """A way to fail: the day's file, where `{value}` is classified, and what is told of the failure.

    `header` is the file's first line; `told` is said of the failure, `kept` are rows in quarantine.
    """

    lines: tuple[str, ...]
    told: str
    header: str = HEADER
    kept: int = 0


GOOD = "{day}-1,{day},{value},{value},fine,1"
# The model, its tests, its suite and the receiver each stumble over a note of their own.
WAYS: dict[str, Way] = {
    "fields of a row are shifted, and it is quarantined": Way(
        (GOOD, "{day}-2,{day},Otto,{value},{value},{value}"), "1 of 2 rows are in quarantine.guests", kept=1
    ),
    "a row cannot be split": Way(
        (GOOD, "{day}-2,{day},{value},{value},{value},1,{value}"), "1 of 2 rows", kept=1
    ),
    "too many rows break the contract": Way(
        tuple(f"{{day}}-{number},{{day}},{{value}},x,{{value}},{{value}}" for number in range(3)),
        "3 of 3 rows break the contract", kept=3,
    ),
    "the header line is missing": Way(
        ("{day}-2,{day},{value},x,fine,1",), "is the header line missing", "{day}-1,{day},{value},x,{value},1"
    ),
    "columns are called by values": Way(
        (GOOD + ",x,y",), "the column at place 8, whose name is not shown", HEADER + ",{value},{value} more"
    ),
    "a model does not convert a value": Way(
        ("{day}-1,{day},{value},{value},convert {value},1",), "Conversion Error: Could not convert string"
    ),
    "a data test does not convert a value": Way(
        ("{day}-1,{day},{value},{value},test {value},1",), "check `guests_can_be_tested` could not run"
    ),
    "a data test fails": Way(
        ("{day}-1,{day},{value},{value},unwanted {value},1",), "guests_are_wanted"
    ),
    "a rule of the suite fails": Way(
        ("{day}-1,{day},{value},{value},forbidden {value},1",),
        "expect_column_values_to_not_match_regex(note)",
    ),
    "a rule of the suite shows values of a neighbour": Way(
        ("{day}-1,{day},{value},{value},zz {value},1",), "expect_column_distinct_values_to_be_in_set"
    ),
    "a rule of the suite does not convert a value": Way(
        ("{day}-1,{day},{value},{value},suite {value},1",), "unexpected_rows_expectation"
    ),
    "a receiver refuses a row and repeats it": Way(
        ("{day}-1,{day},{value},{value},refuse {value},1",), "the destination refused 1 of 1 rows"
    ),
    "a receiver refuses a request and repeats it": Way(
        ("{day}-1,{day},{value},{value},poison {value},1",), "the destination refused 1 of 1 rows"
    ),
}  # fmt: skip
# What other tests below ask for, and a part of the others.
_NEEDED = ("a data test does not convert a value", "a data test fails", "a rule of the suite fails")
TAKEN = part_of("ways to fail", tuple(WAYS), one_in=4, also=_NEEDED)
DAYS = {way: f"2024-01-{number:02}" for number, way in enumerate(TAKEN, start=1)}
VALUES = {way: f"zq{number:02}vkxw.kanarie@example.org" for number, way in enumerate(TAKEN, start=1)}

MODELS = """\
models:
  - name: stg_guests
    description: Guests of the day.
    columns:
      - {name: business_date, description: The day.}
      - {name: guest_number, description: The guest.}
      - {name: reach, description: The address.}
      - {name: caller, description: The number.}
      - {name: note, description: What the door ought to know.}
      - {name: visits, description: How often so far.}
  - name: exp_guests
    description: Guests, for the door.
    columns:
      - {name: business_date, data_type: date, description: The day.}
      - {name: guest_number, data_type: varchar, description: The guest.}
      - {name: reach, data_type: varchar, description: The address.}
      - {name: note, data_type: varchar, description: What the door ought to know.}
    data_tests:
      - unique_combination_of_columns:
          arguments: {combination_of_columns: [business_date, guest_number]}
  - name: exp_callers
    description: Who has called, for the desk.
    columns:
      - {name: business_date, data_type: date, description: The day.}
      - {name: guest_number, data_type: varchar, description: The guest.}
      - {name: caller, data_type: varchar, description: The number, masked.}
    data_tests:
      - unique_combination_of_columns:
          arguments: {combination_of_columns: [business_date, guest_number]}
"""
STAGING = """\
select
    guest_date as business_date,
    guest_number,
    email as reach,
    phone as caller,
    note,
    case when note like 'convert%' then cast(email as integer) else visits end as visits
from {{ source('raw', 'guests') }}
where {{ in_partition('guest_date') }}
"""
EXPORT = """\
select
    business_date,
    guest_number,
    reach,
    note
from {{ ref('stg_guests') }}
where {{ in_partition('business_date') }}
"""
CALLERS = """\
select
    business_date,
    guest_number,
    caller
from {{ ref('stg_guests') }}
where {{ in_partition('business_date') }}
"""
CLASSES = """\
classes: [public, internal, personal, secret]
declassify:
  - {from: secret, by: masked, to: internal}
"""
TESTS = {
    "guests_can_be_tested": "note like 'test%' and cast(reach as integer) > 0",
    "guests_are_wanted": "note like 'unwanted%'",
}
SUITE = """\
expectations:
  - type: expect_table_row_count_to_be_between
    kwargs: {min_value: 1, max_value: 100}
  - type: expect_column_values_to_not_match_regex
    kwargs: {column: note, regex: "^forbidden"}
  - type: expect_column_values_to_not_match_regex
    kwargs: {column: reach, regex: "^forbidden"}
  - type: expect_column_distinct_values_to_be_in_set
    kwargs: {column: note, value_set: [fine]}
    severity: warning
  - type: unexpected_rows_expectation
    kwargs:
      unexpected_rows_query: select * from {batch} where note like 'suite%' and cast(reach as integer) > 0
"""
EXPORT_FILE = """\
model: exp_guests
destination: {type: webhook, connection: door, object: guests}
key: [business_date, guest_number]
mode: upsert
partitions: each
owner: counter@bakery.example
purpose: Tells the door who comes.
classes: [internal, personal, public]
"""
CALLERS_FILE = """\
model: exp_callers
destination: {type: webhook, connection: desk, object: callers}
key: [business_date, guest_number]
mode: upsert
partitions: each
owner: counter@bakery.example
purpose: Tells the desk whose calls are of one guest.
"""


def _project(folder: Path) -> None:
    """Write the company: one source, one model, one export."""
    shutil.copytree(BAKERY, folder)
    for name in ("contracts", "expectations", "exports", "dbt_project/models"):
        shutil.rmtree(folder / name)
        (folder / name).mkdir()
    said = contract(
        column("guest_number", "VARCHAR", "No", required=True, primaryKey=True, primaryKeyPosition=1),
        column("guest_date", "DATE", "Day", required=True, partitioned=True, partitionKeyPosition=1),
        column("email", "VARCHAR", "E-mail", classification="personal"),
        column("phone", "VARCHAR", "Phone", classification="secret"),
        column("note", "VARCHAR", "Note"),
        column("visits", "INTEGER", "Visits"),
        path="guests/{date}.csv",
        masking={"personal": "keep", "secret": "hash"},
        quarantineLimit={"rows": 1},
        owner="ovens@bakery.example",
    )
    said["id"] = said["name"] = said["schema"][0]["name"] = "guests"
    (folder / "contracts/guests.odcs.yaml").write_text(yaml.safe_dump(said, sort_keys=False))
    models = folder / "dbt_project/models"
    (folder / "contracts/classes.yml").write_text(CLASSES)
    for stage, name, sql in (
        ("staging", "stg_guests", STAGING), ("exports", "exp_guests", EXPORT),
        ("exports", "exp_callers", CALLERS),
    ):  # fmt: skip
        (models / stage).mkdir(exist_ok=True)
        (models / stage / f"{name}.sql").write_text(sql)
    (models / "_models.yml").write_text(MODELS)
    (folder / "dbt_project/tests").mkdir()
    for name, condition in TESTS.items():
        day = "{{ in_partition('business_date') }}"
        text = f"select * from {{{{ ref('stg_guests') }}}} where {condition} and {day}"
        (folder / f"dbt_project/tests/{name}.sql").write_text(text)
    (folder / "expectations/stg_guests.yml").write_text(SUITE)
    (folder / "exports/exp_guests.yml").write_text(EXPORT_FILE)
    (folder / "exports/exp_callers.yml").write_text(CALLERS_FILE)
    contracts, problems = load_contracts(folder)
    assert problems == []
    write_sources(folder, contracts)


@dataclass(frozen=True)
class Failed:
    """The company after all ways to fail, and what its commands have printed."""

    company: Company
    console: dict[str, str]
    door: WebhookDouble
    desk: WebhookDouble


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Failed]:
    """A company at which a day has failed in each way."""
    folder = tmp_path_factory.mktemp("guests")
    _project(folder / "project")
    double = WebhookDouble(secret=b"s3cret")
    desk = WebhookDouble(secret=b"s3cret")
    double.echoes = True
    double.refuses = lambda fields: str(fields.get("note")).startswith("refuse")
    double.poison = lambda fields: str(fields.get("note")).startswith("poison")
    with serve(double.app) as address, serve(desk.app) as at_the_desk:
        settings = Settings.load(
            {"SLUICE_CONNECTION_DOOR": f"webhook://:s3cret@{address}",
             "SLUICE_CONNECTION_DESK": f"webhook://:s3cret@{at_the_desk}",
             "SLUICE_MASKING_KEY": "a key of these tests alone", "SLUICE_CHECK_RETRY": "0.01"},
            project_dir=folder / "project", data_dir=folder / "data",
        )  # fmt: skip
        company = Company(settings, "", folder / "container")
        for name in TAKEN:
            way = WAYS[name]
            told = {"day": DAYS[name], "value": VALUES[name]}
            company.land("guests", DAYS[name], "\n".join([way.header, *way.lines, ""]).format(**told))
        printed = {
            " ".join(command): "\n".join(map(str, typed(*command)))
            # What takes days through the graph, in a process, as libraries write to its console too.
            for typed, command in (
                (company.process, ("run",)),
                (partial(sluice, company), ("source", "quarantine", "guests", "--rows", "100")),
                (partial(sluice, company), ("source", "quarantine", "guests", "--rows", "100", "--json")),
                (partial(sluice, company), ("table", "judge", "staging.stg_guests", "--from",
                                            DAYS["a data test does not convert a value"])),
                (partial(sluice, company), ("page", "data-docs")),
                (partial(sluice, company), ("page", "write", "--out", str(folder / "data" / "page"))),
            )
        }  # fmt: skip
        printed["status"] = str(company.status())
        served = Pages(company.deployment, Reading(company.settings, company.project))
        printed |= {path: page.html for path, page in crawled(of_pages(served)).items()}
    yield Failed(company, printed, double, desk)
    company.deployment.store.close()


@pytest.mark.parametrize("way", TAKEN)
def test_a_classified_value_is_shown_nowhere(failed: Failed, way: str) -> None:
    printed, data_dir = failed.console, failed.company.settings.data_dir
    warehouse = failed.company.settings.warehouse_path
    assert "is not shown" in printed[next(name for name in printed if "judge staging" in name)]
    places = [(relation, DAYS[way]) for relation in ("raw.guests", "staging.stg_guests")]
    evidence = [item.summary for item in failed.company.deployment.store.evidence_of(places)]
    assert WAYS[way].told in "\n".join([printed["run"], *evidence])
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        kept = connection.execute(
            "select count(*) from quarantine.guests where _partition_key = ?", [DAYS[way]]
        ).fetchone()
    assert kept == (WAYS[way].kept,)
    value = VALUES[way]
    assert found_below(data_dir, [value], leave_out=DATA) == []
    assert found_in(told_by({warehouse: ["quarantine", "sluice"]}), value) == []
    assert {name: found for name, text in printed.items() if (found := found_in(text.encode(), value))} == {}


def test_values_are_there_to_be_found(failed: Failed) -> None:
    """The data that are left out hold them, so that the search has something to miss."""
    data_dir = failed.company.settings.data_dir
    for way, value in VALUES.items():
        assert found_below(data_dir / "originals", [value]), way
    loaded = told_by({failed.company.settings.warehouse_path: ["raw"]})
    assert found_in(loaded, VALUES["a data test fails"])


def test_only_who_is_cleared_for_a_class_gets_a_value_of_it(failed: Failed) -> None:
    at_the_door = str([held.fields for rows in failed.door.held.values() for held in rows])
    at_the_desk = [held.fields for rows in failed.desk.held.values() for held in rows]
    assert at_the_desk, "something was sent there"
    assert [value for value in VALUES.values() if value in at_the_door], "it is cleared for addresses"
    assert [found for value in VALUES.values() if (found := found_in(str(at_the_desk).encode(), value))] == []
    assert {len(fields["caller"]) for fields in at_the_desk} == {64}, "the number goes as a keyed hash"
    hidden = failed.company.project.classified_columns
    assert hidden["staging.stg_guests"] == {"reach", "visits"}
