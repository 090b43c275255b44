"""What Dagster keeps of a run of `sluice run`: what it was about, and the request that it answers."""

import json
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.tags import TagType, get_tag_type

from orchestration.graph.instance import open_instance
from orchestration.graph.reconciled import RECONCILED_CHECK
from orchestration.graph.sensors import run_exists
from orchestration.operations.due_run import OLD_RUN_KEY_TAG, RUN_KEY_TAG, run_key_of
from tests.company import MON, Company
from tests.typed import sluice

pytestmark = pytest.mark.long
OLD_RUNS = Path(__file__).parents[1] / "upgrade" / "716f0d0" / "runs.json"


def newest(company: Company) -> dg.DagsterRun:
    with open_instance(company.settings) as instance:
        return instance.get_runs(limit=1)[0]


def test_a_run_says_what_it_was_about_and_hides_its_key(open_bakery: Company) -> None:
    run = newest(open_bakery)
    expected = {"exp_shop_orders", "exp_weather_report", "shop_orders", "stg_orders", "stg_weather"}
    assert {key.path[-1] for key in run.asset_selection or ()} == {*expected, "orders", "weather"}
    checks = run.asset_check_selection or frozenset()
    assert {key.name for key in checks} >= {"gate", "delivery", "contract", "expectations"}
    assert RECONCILED_CHECK not in {key.name for key in checks}
    assert get_tag_type(RUN_KEY_TAG) is TagType.HIDDEN
    shown = [value for tag, value in run.tags.items() if get_tag_type(tag) is not TagType.HIDDEN]
    assert all(len(value) < 32 for value in shown), shown
    assert (run.root_run_id, run.parent_run_id) == (None, None), "it repeats no other run"


def test_a_delivery_alone_and_a_comparison_alone_say_so_too(open_bakery: Company) -> None:
    assert sluice(open_bakery, "delivery", "resend", "exp_shop_orders", "--partition", MON)[0] == 0
    assert [key.path[-1] for key in newest(open_bakery).asset_selection or ()] == ["exp_shop_orders"]
    assert sluice(open_bakery, "delivery", "reconcile", "exp_shop_orders", "--partition", MON)[0] == 0
    run = newest(open_bakery)
    assert not run.asset_selection
    assert {key.name for key in run.asset_check_selection or ()} == {RECONCILED_CHECK}


@pytest.mark.parametrize("tag", [RUN_KEY_TAG, OLD_RUN_KEY_TAG])
def test_a_request_is_found_by_the_tag_of_today_and_of_older_code(bakery: Company, tag: str) -> None:
    @dg.job
    def nothing() -> None: ...

    with open_instance(bakery.settings) as instance:
        assert not run_exists(instance, "some key")
        result = nothing.execute_in_process(instance=instance, tags={tag: "some key"})
        assert run_exists(instance, "some key")
        assert not run_exists(instance, "another key")
        assert run_key_of(result.dagster_run.tags) == "some key"


def test_older_code_wrote_that_tag() -> None:
    runs = [json.loads(line.rstrip(",")) for line in OLD_RUNS.read_text().splitlines() if line[:1] == "{"]
    assert runs
    assert all(OLD_RUN_KEY_TAG in run["tags"] for run in runs)
