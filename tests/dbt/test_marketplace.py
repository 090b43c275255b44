"""The demo company's models on three small days, told by hand; and what its files promise."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft201909Validator
from open_data_contract_standard.model import OpenDataContractStandard
from sluicegate.ingestion.raw_table import TECHNICAL_COLUMNS

from tests.dbt.warehouse import REPOSITORY, Warehouse

PROJECT = REPOSITORY / "dbt_project"
FIRST, SECOND, THIRD = date(2022, 10, 1), date(2022, 10, 2), date(2022, 10, 3)
PARTITIONED = {
    "staging.stg_sales", "staging.stg_inventory", "intermediate.int_city_item_sales",
    "intermediate.int_city_top_items", "intermediate.int_reporting_stores",
    "intermediate.int_store_top_items", "marts.top_items_not_carried", "marts.city_item_gaps",
    "marts.store_gaps", "marts.vendor_gaps", "exports.exp_top_items_retailer_app",
    "exports.exp_top_items_partner_drop", "exports.exp_store_gaps_crm",
    "exports.exp_vendor_gaps_marketing", "exports.exp_missing_items_messaging",
    "exports.exp_city_gaps_telemetry", "exports.exp_wide_gaps_partner_hook",
}  # fmt: skip


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def contracts() -> dict[str, Any]:
    found = {path: read(path) for path in sorted((REPOSITORY / "contracts").glob("*.odcs.yaml"))}
    return {path.name.removesuffix(".odcs.yaml"): contract for path, contract in found.items()}


def raw_tables() -> str:
    """The raw tables as the platform makes them: the contract's columns and its own."""
    statements = ["create schema raw"]
    for name, contract in contracts().items():
        columns = [f"{p['name']} {p['physicalType']}" for p in contract["schema"][0]["properties"]]
        columns += [f"{name} {type_}" for name, type_ in TECHNICAL_COLUMNS.items()]
        statements.append(f"create table raw.{name} ({', '.join(columns)})")
    return ";".join(statements)


# Five stores of one city; 20007 holds a beer-and-wine licence in the seed, S5 is closed.
ROWS = """
insert into raw.stores (store_number, store_name, store_status, city) values
  ('S1', 'ONE', 'A', 'RIVERBEND'), ('S2', 'TWO', 'A', 'RIVERBEND'), ('S3', 'THREE', 'A', 'RIVERBEND'),
  ('20007', 'BEER', 'A', 'RIVERBEND'), ('S5', 'CLOSED', 'I', 'RIVERBEND');
insert into raw.products (item_number, item_description, category_name, vendor_number, vendor_name,
    bottle_volume_ml, state_bottle_retail, list_date) values
  ('VODKA', 'A VODKA', 'AMERICAN VODKAS', '033', 'V  INC', 750, 10.00, '1990-01-01'),
  ('MINI', 'A MINI', 'AMERICAN VODKAS', '033', 'V  INC', 50, 1.00, '1990-01-01'),
  ('LAGER', 'A LAGER', 'BEER', '130', 'B INC', 330, 2.00, '1990-01-01'),
  ('GIFT', 'A GIFT', 'TEMPORARY & SPECIALTY PACKAGES', '130', 'B INC', 750, 20.00, '2020-01-01');
insert into raw.sales (invoice_item_number, sale_date, store_number, item_number, bottles_sold,
    sale_dollars) values
  ('INV-1', '2022-10-01', 'S1', 'VODKA', 12, 120), ('INV-2', '2022-10-01', 'S2', 'MINI', 9, 9),
  ('INV-3', '2022-10-01', 'S5', 'LAGER', 6, 12), ('INV-4', '2022-10-01', 'S1', 'GIFT', 99, 1980),
  ('RINV-5', '2022-10-03', 'S1', 'VODKA', -6, -60);
insert into raw.inventory (inventory_date, store_number, item_number, remaining_quantity)
select cast(day as date), store, 'VODKA', case when store = 'S1' then 0 else day(cast(day as date)) end
from unnest(['2022-10-01', '2022-10-02', '2022-10-03']) as days (day),
    unnest(['S1', 'S2', 'S3', '20007', 'S5']) as stores (store);
update raw.sales set _partition_key = cast(sale_date as varchar);
update raw.inventory set _partition_key = cast(inventory_date as varchar);
"""


@pytest.fixture(scope="module")
def marketplace(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """Three days built; the second without sales. Tests only read it, or break the third day last."""
    warehouse = Warehouse(PROJECT, tmp_path_factory.mktemp("marketplace"))
    warehouse.execute(f"{raw_tables()}; {ROWS}")
    for day in (FIRST, SECOND, THIRD):
        result = warehouse.dbt("build", "--exclude", "test_type:unit", day=day)
        assert result.success, (result.failed(), result.messages)
    return warehouse


def test_retailer_app_gets_what_each_store_lacks(marketplace: Warehouse) -> None:
    found = marketplace.rows(
        "select store_number, store_rank, item_number, city_rank, city_net_bottles "
        "from exports.exp_top_items_retailer_app where business_date = '2022-10-01' order by all"
    )
    assert found == [
        ("20007", 1, "LAGER", 3, 6),
        ("S1", 1, "VODKA", 1, 12), ("S1", 2, "MINI", 2, 9), ("S1", 3, "LAGER", 3, 6),
        ("S2", 1, "MINI", 2, 9), ("S2", 2, "LAGER", 3, 6),
        ("S3", 1, "MINI", 2, 9), ("S3", 2, "LAGER", 3, 6),
    ]  # fmt: skip


def test_a_return_changes_the_ranking_of_its_day_alone(marketplace: Warehouse) -> None:
    found = marketplace.rows(
        "select cast(business_date as varchar), item_number, city_net_bottles "
        "from exports.exp_top_items_partner_drop where city_rank = 1 order by all"
    )
    assert found == [
        ("2022-10-01", "VODKA", 12), ("2022-10-02", "VODKA", 12), ("2022-10-03", "MINI", 9),
    ]  # fmt: skip


def test_partners_learn_how_many_stores_lack_an_item(marketplace: Warehouse) -> None:
    found = marketplace.rows(
        "select item_number, vendor_name, stores_reporting, stores_without "
        "from exports.exp_top_items_partner_drop where business_date = '2022-10-03' order by all"
    )
    assert found == [("LAGER", "B INC", 4, 4), ("MINI", "V INC", 3, 3), ("VODKA", "V INC", 3, 1)]


def test_who_lacks_nothing_any_more_is_told_so(marketplace: Warehouse) -> None:
    stores = marketplace.rows(
        "select store_number, top_items, top_items_missing from exports.exp_store_gaps_crm "
        "where business_date = '2022-10-03' order by all"
    )
    assert stores == [("20007", 1, 1), ("S1", 3, 3), ("S2", 3, 2), ("S3", 3, 2)]
    vendors = marketplace.rows(
        "select vendor_number, cities_with_gaps, items_missing, places_missing "
        "from exports.exp_vendor_gaps_marketing where business_date = '2022-10-03' order by all"
    )
    assert vendors == [("033", 1, 2, 4), ("130", 1, 1, 4)]


def test_a_mail_names_what_it_may_show(marketplace: Warehouse) -> None:
    found = marketplace.rows(
        "select store_number, top_items_missing, first_item, second_item, third_item "
        "from exports.exp_missing_items_messaging where business_date = '2022-10-01' order by all"
    )
    assert found == [
        ("20007", 1, "A LAGER", None, None), ("S1", 3, "A VODKA", "A LAGER", None),
        ("S2", 2, "A LAGER", None, None), ("S3", 2, "A LAGER", None, None),
    ]  # fmt: skip


def test_a_wide_gap_is_one_of_half_the_stores(marketplace: Warehouse) -> None:
    found = marketplace.rows(
        "select item_number, stores_reporting, stores_without from exports.exp_wide_gaps_partner_hook "
        "where business_date = '2022-10-03' order by all"
    )
    assert found == [("LAGER", 4, 4), ("MINI", 3, 3)]


def test_miniatures_are_not_for_mails(marketplace: Warehouse) -> None:
    found = marketplace.rows(
        "select distinct item_number from marts.top_items_not_carried where not is_mailable"
    )
    assert found == [("MINI",)]


def test_every_table_records_its_version(marketplace: Warehouse) -> None:
    found = marketplace.rows("select relation, partition_key from sluice.table_versions")
    days = {(name, f"2022-10-0{n}") for name in PARTITIONED for n in (1, 2, 3)}
    whole = ("staging.stg_stores", "staging.stg_products", "reference.store_licences")
    assert sorted(found) == sorted(days | {(name, "") for name in whole})


def test_every_column_is_documented_and_of_the_type_it_says(marketplace: Warehouse) -> None:
    described: dict[tuple[str, str], str] = {}
    for path in [*PROJECT.glob("models/*/_*.yml"), PROJECT / "seeds" / "_seeds.yml"]:
        if path.name in ("_sources.yml", "_unit_tests.yml"):
            continue
        for node in next(iter(read(path).values())):
            assert node["description"], node["name"]
            for column in node["columns"]:
                assert column["description"], (node["name"], column["name"])
                described[node["name"], column["name"]] = column["data_type"].upper()
    found = marketplace.rows(
        "select table_name, column_name, data_type from information_schema.columns "
        "where table_schema in ('staging', 'intermediate', 'marts', 'exports', 'reference')"
    )
    assert described == {(table, column): kind for table, column, kind in found}


def test_every_table_has_a_suite_with_a_row_count_and_known_columns(marketplace: Warehouse) -> None:
    found = marketplace.rows("select table_name, column_name from information_schema.columns")
    columns: dict[str, set[str]] = {}
    for table, column in found:
        columns.setdefault(table, set()).add(column)
    suites = {path.stem: read(path) for path in (REPOSITORY / "expectations").glob("*.yml")}
    assert suites.keys() == columns.keys() - {"table_versions"}
    for table, suite in suites.items():
        types = [rule["type"] for rule in suite["expectations"]]
        assert "expect_table_row_count_to_be_between" in types, table
        for rule in suite["expectations"]:
            named = {v for k, v in rule["kwargs"].items() if k in ("column", "column_A", "column_B")}
            named |= set(rule["kwargs"].get("column_list", []))
            assert named <= columns[table], (table, rule)


def test_an_export_names_its_model_and_a_key_that_the_model_is_tested_for() -> None:
    files = sorted((PROJECT / "models/exports").glob("*.yml"))
    models = {each["name"]: each for path in files for each in read(path)["models"]}
    exports = {path.stem: read(path) for path in (REPOSITORY / "exports").glob("*.yml")}
    assert exports.keys() == models.keys()
    for name, export in exports.items():
        assert export["model"] == name
        assert models[name]["config"]["contract"] == {"enforced": True}
        combinations = [
            test["unique_combination_of_columns"]["arguments"]["combination_of_columns"]
            for test in models[name]["data_tests"]
        ]
        # A destination that holds the newest day alone is not sent the day.
        day = ["business_date"] if export["partitions"] == "latest" else []
        assert [*day, *export["key"]] in combinations


@pytest.mark.parametrize("name", ["inventory", "products", "sales", "stores"])
def test_contracts_follow_the_standard(name: str) -> None:
    text = (REPOSITORY / "contracts" / f"{name}.odcs.yaml").read_text()
    schema = json.loads(OpenDataContractStandard.json_schema())
    errors = [error.message for error in Draft201909Validator(schema).iter_errors(yaml.safe_load(text))]
    assert errors == []
    contract = OpenDataContractStandard.from_string(text)
    assert contract.apiVersion == "v3.1.0"
    assert contract.servers is not None
    assert [server.server for server in contract.servers] == ["staging"]


def test_business_rules_hold_in_unit_tests(marketplace: Warehouse) -> None:
    result = marketplace.dbt("test", "--select", "test_type:unit")
    assert result.success, result.messages
    assert len(result.statuses) == 11


SILENT = "stores_keep_reporting_inventory"


@pytest.mark.parametrize(("stores", "passes"), [(5, True), (4, True), (3, False), (0, False)], ids=str)
def test_stores_that_go_silent_are_noticed(marketplace: Warehouse, stores: int, passes: bool) -> None:
    kept = ", ".join(f"'{name}'" for name in ("S1", "S2", "S3", "S5", "20007")[:stores]) or "''"
    marketplace.execute(
        "delete from staging.stg_inventory where business_date = '2022-10-03';"
        "insert into staging.stg_inventory by name select cast('2022-10-03' as date) as "
        "business_date, store_number, item_number, remaining_quantity from raw.inventory "
        f"where inventory_date = '2022-10-03' and store_number in ({kept})"
    )
    assert marketplace.dbt("test", "--select", SILENT, day=THIRD).success == passes
    assert marketplace.dbt("test", "--select", SILENT, day=FIRST).success
