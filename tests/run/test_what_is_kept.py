"""What a suite leaves behind: rules and failing rows by day, masked where classified; numbers over days."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
from sluicegate.contracts.dbt_sources import write_sources
from sluicegate.contracts.load import load_contracts
from sluicegate.graph.instance import open_instance

from tests.company import BAKERY, MON, TUE, WED, Company, failures, recorded, runs

pytestmark = [pytest.mark.long, pytest.mark.stories(2)]
SECRET = "Elisabeth"
SUITE = """\
expectations:
  - type: expect_table_row_count_to_be_between
    kwargs: {min_value: 1}
  - type: expect_table_row_count_to_be_between
    kwargs: {min_value: {$PARAMETER: 0.5 * row_count.previous}}
  - type: expect_column_mean_to_be_between
    kwargs: {column: loaves, max_value: {$PARAMETER: 2 * loaves.mean.median_3}}
    severity: warning
  - type: expect_column_value_lengths_to_be_between
    kwargs: {column: shop, max_value: 3}
    meta: {notes: Shops are called by their codes.}
  - type: expect_column_distinct_values_to_be_in_set
    kwargs: {column: shop, value_set: [a, b, c, d]}
"""


@pytest.fixture
def discreet_bakery(bakery: Company, tmp_path: Path) -> Company:
    """The bakery, whose shops are nobody's business; its suite looks at their names and at history."""
    project_dir = tmp_path / "discreet"
    shutil.copytree(BAKERY, project_dir)
    contract = project_dir / "contracts/orders.odcs.yaml"
    text = contract.read_text().replace(
        "physicalName: Shop\n", "physicalName: Shop\n        classification: pii\n"
    )
    kept = "customProperties:\n  - {property: masking, value: {pii: keep}}\n"
    contract.write_text(text.replace("customProperties:\n", kept))
    write_sources(project_dir, load_contracts(project_dir)[0])
    with (project_dir / "exports/exp_shop_orders.yml").open("a") as export:
        export.write("classes: [internal, pii, public]\n")
    (project_dir / "expectations/stg_orders.yml").write_text(SUITE)
    company = replace(bakery, settings=bakery.settings.model_copy(update={"project_dir": project_dir}))
    company.land_shops("a", "b", "c", "d", SECRET)
    return company


def outcomes(company: Company, day: str) -> list[tuple[str, str]]:
    """Return (outcome, what was observed) of each rule of the orders for a day, as is on record."""
    rows = recorded(
        company.settings,
        "select outcome, observed from rule_results join judgements on judgements.id = judgement_id"
        f" where relation = 'staging.stg_orders' and partition_key = '{day}' order by judged_at, rule_number",
    )
    return [(str(outcome), str(observed)) for outcome, observed in rows]


def test_failing_rows_are_kept_and_shown_without_what_is_classified(discreet_bakery: Company) -> None:
    company = discreet_bakery
    company.land_day(MON, a=3, **{SECRET: 7})
    events = company.run()
    assert (MON, False) in runs(events)
    assert "expect_column_value_lengths_to_be_between(shop): 1 of 2 rows" in failures(events)

    rows = recorded(
        company.settings,
        "select rule_number, row from failing_rows join judgements on judgements.id = judgement_id"
        " where relation = 'staging.stg_orders' order by rule_number",
    )
    kept = recorded(company.settings, "select * from rule_results")
    assert [(number, json.loads(row)["shop"]) for number, row in rows] == [(3, "***"), (4, "***")]
    assert outcomes(company, MON)[3] == ("failed", "1 of 2 rows (50 %)")
    assert outcomes(company, MON)[4] == ("failed", "(classified)")
    with open_instance(company.settings) as instance:
        said = [str(event) for run in instance.get_runs() for event in instance.all_logs(run.run_id)]
    assert any("***" in text for text in said)
    for text in (*said, str(kept), failures(events), str(company.status())):
        assert SECRET not in text


def test_a_rule_without_history_warns_and_one_with_it_judges(discreet_bakery: Company) -> None:
    company = discreet_bakery
    company.land_day(MON, a=3, b=4)
    assert (MON, True) in runs(company.run())
    passed, said = company.check_results("staging/stg_orders", "expectations")[MON]
    assert not passed  # it warns
    assert "no rule fails; 2 of 5 have no history yet" in said
    assert [outcome for outcome, _ in outcomes(company, MON)] == [
        "passed", "no history yet", "no history yet", "passed", "passed",
    ]  # fmt: skip

    company.land_day(TUE, a=3, b=50)
    assert (TUE, True) in runs(company.run())
    assert [outcome for outcome, _ in outcomes(company, TUE)][1:3] == ["passed", "failed"]
    passed, said = company.check_results("staging/stg_orders", "expectations")[TUE]
    assert not passed
    assert "loaves.mean.median_3 = 3.5 (of 2024-01-01)" in said

    company.land_day(WED, a=3, b=4, c=5, d=6)
    assert (WED, True) in runs(company.run())
    assert "5 rules hold" in company.check_results("staging/stg_orders", "expectations")[WED][1]


def test_the_numbers_of_a_suite_are_there_to_be_plotted(open_bakery: Company) -> None:
    key = dg.AssetCheckKey(dg.AssetKey(["staging", "stg_orders"]), "expectations")
    with open_instance(open_bakery.settings) as instance:
        [record] = instance.event_log_storage.get_asset_check_execution_history(key, limit=10)
    assert record.partition == MON
    assert record.event is not None
    assert record.event.dagster_event is not None
    metadata = record.event.dagster_event.asset_check_evaluation_data.metadata
    assert {name: value.value for name, value in metadata.items() if isinstance(value.value, float)} == {
        "observed, expect_table_row_count_to_be_between": 2.0,
        "failing share, expect_column_values_to_be_between(loaves)": 0.0,
    }


def test_a_delivered_day_that_is_held_since_shows_as_failed_among_the_partitions(
    open_bakery: Company,
) -> None:
    company = open_bakery
    company.land_weather(MON, rain=-1)
    company.run()
    key = dg.AssetCheckKey(dg.AssetKey(["delivered", "exp_weather_report"]), "gate")
    with open_instance(company.settings) as instance:
        [info] = instance.event_log_storage.get_asset_check_partition_info([key])
    assert (info.partition_key, info.latest_execution_status.value, info.is_current) == (MON, "FAILED", True)


def test_a_rule_whose_own_sql_breaks_is_an_error_on_record(bakery: Company, tmp_path: Path) -> None:
    """The other rules' answers and the error are kept; there is no verdict, and nothing goes on."""
    project_dir = tmp_path / "broken"
    shutil.copytree(BAKERY, project_dir)
    query = "select * from {batch} where cast(shop as integer) > 0"
    (project_dir / "expectations/stg_orders.yml").write_text(
        "expectations:\n"
        "  - {type: expect_table_row_count_to_be_between, kwargs: {min_value: 1}}\n"
        f"  - {{type: unexpected_rows_expectation, kwargs: {{unexpected_rows_query: '{query}'}}}}\n"
    )
    company = replace(bakery, settings=bakery.settings.model_copy(update={"project_dir": project_dir}))
    company.land_shops("a")
    company.land_day(MON, a=3)
    assert (MON, False) in runs(company.run())
    # It was tried again, and each time is kept.
    assert {outcome for outcome, _ in outcomes(company, MON)[::2]} == {"passed"}
    assert {outcome for outcome, _ in outcomes(company, MON)[1::2]} == {"did not run"}
    assert company.in_postgres(MON) == []
    evidence = company.deployment.store.evidence_of([("staging.stg_orders", MON)])
    assert [item.passed for item in evidence if item.check == "expectations"] == []
