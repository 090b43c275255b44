"""Data tests that read several tables: they run after all of them, and hold what is below."""

from collections.abc import Callable, Iterable
from pathlib import Path

import psycopg
import pytest

from orchestration.gate.gate import Verdict
from orchestration.operations.status import Standing
from tests.company import MON, SHOP_ORDERS, TUE, Company, failures, held, runs
from tests.gate.edits import append, replace, write
from tests.run.breaking import dbt_test
from tests.typed import sluice

STAGING, MARTS = "dbt_project/models/staging/_staging.yml", "dbt_project/models/marts/_marts.yml"
ORDERS, WEATHER = "staging.stg_orders", "staging.stg_weather"
_SHOP = "      - {name: shop, description: The shop.}\n"


def _relationship(column: str, to: str, field: str, name: str = "") -> str:
    named = f"              name: {name}\n" if name else ""
    return (
        f"      - name: {column}\n        data_tests:\n          - relationships:\n{named}"
        f"              arguments:\n                to: {to}\n                field: {field}\n"
    )


SHOPS_KNOWN = replace(STAGING, _SHOP, _relationship("shop", "source('raw', 'shops')", "shop", "shops_known"))
# In the shape of dbt Labs' jaffle-shop, whose order_items are tested against the orders that read them.
BACK_FROM_BELOW = replace(STAGING, _SHOP, _relationship("shop", "ref('shop_orders')", "shop", "all_are_in"))


def _company(bakery: Company, edits: Iterable[Callable[[Path], None]]) -> Company:
    company = bakery.with_own_project()
    for edit in edits:
        edit(company.settings.project_dir)
    return company.read_anew()


def _both_ways(folder: Path) -> None:
    replace(
        STAGING,
        "    columns:\n      - {name: business_date, description: The day.}\n",
        "    columns:\n" + _relationship("business_date", "ref('stg_weather')", "business_date"),
    )(folder)
    append(
        STAGING,
        "    columns:\n"
        + _relationship("business_date", "ref('stg_orders')", "business_date")
        + "      - {name: rain_mm, description: Rain.}\n",
    )(folder)


def _of_two(folder: Path) -> None:
    write(
        "dbt_project/tests/both_there.sql",
        "select 1 from {{ ref('stg_orders') }} where not exists (select 1 from {{ ref('stg_weather') }})\n",
    )(folder)
    replace(
        "dbt_project/dbt_project.yml",
        'model-paths: ["models"]',
        'model-paths: ["models"]\ntest-paths: ["tests"]',
    )(folder)


def _export_of_the_tested(folder: Path) -> None:
    """An export made of the orders alone, and not of what their test reads."""
    write(
        "dbt_project/models/exports/exp_order_list.sql",
        "select business_date, order_number, shop from {{ ref('stg_orders') }}"
        " where {{ in_partition('business_date') }}\n",
    )(folder)
    append(
        "dbt_project/models/exports/_exports.yml",
        "  - name: exp_order_list\n    description: The orders.\n    columns:\n"
        "      - {name: business_date, data_type: date, description: The day.}\n"
        "      - {name: order_number, data_type: varchar, description: The order.}\n"
        "      - {name: shop, data_type: varchar, description: The shop.}\n",
    )(folder)
    text = (folder / "exports/exp_shop_orders.yml").read_text()
    (folder / "exports/exp_order_list.yml").write_text(
        text.replace("exp_shop_orders", "exp_order_list")
        .replace("bakery.shop_orders", "bakery.order_list")
        .replace("[business_date, shop]", "[business_date, order_number]")
    )
    (folder / "expectations/exp_order_list.yml").write_text(
        "description: The orders.\nexpectations:\n"
        "  - type: expect_table_row_count_to_be_between\n    kwargs: {min_value: 1}\n    severity: critical\n"
        "    meta: {notes: There is no day without orders.}\n"
        "  - type: expect_column_values_to_not_be_null\n    kwargs: {column: shop}\n    severity: critical\n"
        "    meta: {notes: Somebody has ordered.}\n"
    )


SHAPES: dict[str, list[Callable[[Path], None]]] = {
    "a source that is no parent": [SHOPS_KNOWN],
    "a table that is made of the tested one": [BACK_FROM_BELOW, _export_of_the_tested],
    "two tables, each tested against the other": [_both_ways],
    "a test of its own that reads two tables": [_of_two],
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.sampled(3)
def test_everything_that_landed_at_once_is_delivered(bakery: Company, shape: str) -> None:
    company = _company(bakery, SHAPES[shape])
    company.land_day(MON, a=3)
    company.land_day(TUE, a=4)
    company.land_shops("a")
    events = company.run()
    assert failures(events) == ""
    assert held(events) == []
    assert [row.standing for row in company.status().values() if row.kind == "export"] == (
        [Standing.DELIVERED] * len(company.project.exports) * 2
    )


def test_a_table_waits_for_what_its_tests_read(bakery: Company) -> None:
    company = _company(bakery, [SHOPS_KNOWN])
    company.land_day(MON, a=3)
    assert all(success for _, success in runs(company.run()))
    assert MON not in company.deployment.store.latest_builds(ORDERS)
    assert "raw.shops" in company.status()[(SHOP_ORDERS, MON)].why or company.in_postgres() == []
    company.land_shops("a")
    assert failures(company.run()) == ""
    assert company.in_postgres() == [(MON, "a", 3)]


def test_what_failed_beside_an_older_snapshot_is_judged_beside_the_newest(bakery: Company) -> None:
    """Nobody has to rerun anything: the snapshot was wrong, and a corrected one has landed."""
    company = _company(bakery, [SHOPS_KNOWN])
    company.land_shops("a")
    company.land_day(MON, a=3, b=4)
    events = company.run()
    assert "shops_known" in failures(events)
    assert (SHOP_ORDERS, MON) in held(events)
    before = company.deployment.store.latest_builds(ORDERS)[MON].version
    company.land_shops("a", "b")
    assert failures(company.run()) == ""
    assert company.in_postgres() == [(MON, "a", 3), (MON, "b", 4)]
    assert company.deployment.store.latest_builds(ORDERS)[MON].version == before
    assert company.run() == []


def test_evidence_names_the_versions_that_were_read_and_a_newer_snapshot_takes_no_pass_away(
    bakery: Company,
) -> None:
    company = _company(bakery, [SHOPS_KNOWN])
    company.land_shops("a")
    company.land_day(MON, a=3)
    company.run()
    store = company.deployment.store
    (said,) = [item for item in store.evidence_of([(ORDERS, MON)]) if item.check == "shops_known"]
    assert said.reads == {"raw.shops": {"": store.latest_builds("raw.shops")[""].version}}
    company.land_shops("a", "b")
    assert all(success for _, success in runs(company.run()))
    assert company.site.gate_report(SHOP_ORDERS, MON).open


def test_a_pass_beside_another_version_is_none(bakery: Company) -> None:
    """Somebody builds the other table alone: the test has said nothing of it as it is now."""
    company = _company(bakery, [_both_ways])
    company.land_shops("a")
    company.land_day(MON, a=3)
    assert failures(company.run()) == ""
    (host,) = {table.relation for table in company.project.lineage.tables.values() if table.reads_of}
    (other,) = {ORDERS, WEATHER} - {host}
    assert company.materialize(MON, other.replace(".", "/")) == (True, "")
    report = company.site.gate_report(SHOP_ORDERS, MON)
    told = {(item.relation, item.verdict) for item in report.closed_by}
    assert (host, Verdict.OTHER_READ) in told
    code, said, complained = company.sluice("table", "judge", host, "--from", MON, "--to", MON)
    assert code == 0, said + complained
    report = company.site.gate_report(SHOP_ORDERS, MON)
    assert Verdict.OTHER_READ not in {item.verdict for item in report.closed_by}


def test_a_test_that_reads_what_is_below_holds_all_that_is_made_of_the_tested_table(bakery: Company) -> None:
    """The mart leaves shops out that no snapshot knows: orders of theirs must not leave in a list either."""
    company = _company(bakery, [BACK_FROM_BELOW, _export_of_the_tested])
    company.land_shops("a")
    company.land_day(MON, a=3, b=4)
    events = company.run()
    assert "all_are_in" in failures(events)
    assert {(SHOP_ORDERS, MON), ("exp_order_list", MON)} <= set(held(events))
    assert company.in_postgres() == []
    assert company.status()[("exp_order_list", MON)].standing is Standing.HELD
    company.land_day(MON, a=3)  # the provider takes the order of the unknown shop back
    assert failures(company.run()) == ""
    assert company.status()[("exp_order_list", MON)].standing is Standing.DELIVERED


BIG_AND_WET = (
    "select 1 from {{ ref('stg_orders') }} as o where loaves > 5 and exists (select 1"
    " from {{ ref('stg_weather') }} as w where w.business_date = o.business_date and rain_mm > 10)\n"
)


def _order_list(company: Company, day: str) -> list[tuple[str, str]]:
    with psycopg.connect(company.postgres_url) as connection:
        rows = connection.execute(
            "select order_number, shop from bakery.order_list where business_date = %s order by 1", [day]
        ).fetchall()
    return [(row[0], row[1]) for row in rows]


def test_a_correction_goes_out_once_the_other_table_of_its_test_is_corrected(open_bakery: Company) -> None:
    """What was held by an older look, and is not any more, is no trouble: what `run` ends with is printed."""
    company = _company(open_bakery, [dbt_test(BIG_AND_WET), _export_of_the_tested])
    company.land_orders(TUE, a=10)
    company.land_weather(TUE, rain=1)
    assert failures(company.run()) == ""
    assert _order_list(company, TUE) == [(f"{TUE}-0", "a")]
    company.land_orders(TUE, b=10)
    company.land_weather(TUE, rain=20)
    assert ("exp_order_list", TUE) in held(company.run())
    assert company.status()[("exp_order_list", TUE)].standing is Standing.HELD
    company.land_weather(TUE, rain=2)
    code, said = sluice(company, "run")
    assert (code, "needs attention" in said) == (0, False), said
    assert _order_list(company, TUE) == [(f"{TUE}-0", "b")]
    assert company.run() == []
    assert company.site.gate_report("exp_order_list", TUE).open
    assert sluice(company, "why", "exp_order_list", "--partition", TUE)[0] == 0
    assert sluice(company, "run")[0] == 0
