"""A held day in the UI: red among its partitions until it goes out, and a gate check that says what to do."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import dagster as dg
import pytest
import yaml
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value

from orchestration.core.settings import REPOSITORY
from orchestration.gate.findings import Finding, GateReport, Verdict
from orchestration.graph.deliveries_shown import gate_result
from orchestration.graph.instance import open_instance
from tests.company import MON, SHOP_ORDERS, TUE, WEATHER_REPORT, Company
from tests.gate.edits import append, replace
from tests.run.test_repairs import LARGE, ORDERS_SUITE, sluice

pytestmark = [pytest.mark.long, pytest.mark.stories(2)]
EXPORTS = (f"delivered/{SHOP_ORDERS}", f"delivered/{WEATHER_REPORT}")


def failed(company: Company, asset: str) -> set[str]:
    """Return the partitions that the UI shows as failed, of an asset."""
    key = dg.AssetKey(asset.split("/"))
    cut = company.definitions.get_repository_def().asset_graph.get(key).partitions_def
    assert cut is not None
    with open_instance(company.settings) as instance:
        found = get_and_update_asset_status_cache_value(instance, key, cut)
    return set(found.deserialize_failed_partition_subsets(cut).get_partition_keys()) if found else set()


def a_check_fails(company: Company) -> Company:
    company.land_orders(TUE, a=1)
    company.land_weather(TUE, rain=-1)
    company.run()
    return company


def feeds_come_one_by_one(company: Company) -> Company:
    company.land_orders(TUE, a=1)
    company.run()
    company.land_weather(TUE, rain=-1)
    company.run()
    return company


def a_drop_is_refused(company: Company) -> Company:
    company.land_orders(TUE, a=1)
    company.land("weather", TUE, f"date,town,rain_mm\n{TUE},Ulm,much\n")
    company.run()
    return company


def a_correction_of_a_delivered_day_fails(company: Company) -> Company:
    company.land_day(TUE, a=1)
    company.run()
    company.land_weather(TUE, rain=-1)
    company.run()
    return company


@dataclass(frozen=True)
class Hold:
    """How a day comes to be held; the assets of the day that are red because of it."""

    happens: Callable[[Company], Company]
    red: tuple[str, ...]


BELOW = ("marts/shop_orders", f"exports/{SHOP_ORDERS}", f"exports/{WEATHER_REPORT}")
HOLDS = {
    "a check fails": Hold(a_check_fails, BELOW),
    "its feeds come one by one": Hold(feeds_come_one_by_one, BELOW),
    "a drop is refused": Hold(a_drop_is_refused, ("raw/weather", "staging/stg_weather", *BELOW)),
    "a correction of a delivered day fails": Hold(a_correction_of_a_delivered_day_fails, ()),
}


@pytest.mark.parametrize("hold", [pytest.param(hold, id=name) for name, hold in HOLDS.items()])
@pytest.mark.sampled(3)
def test_a_held_day_is_red_among_the_partitions_until_it_goes_out(open_bakery: Company, hold: Hold) -> None:
    company = hold.happens(open_bakery)
    for asset in (*EXPORTS, *hold.red):
        assert failed(company, asset) == {TUE}, asset
    assert company.run() == [] or company.status()[(WEATHER_REPORT, TUE)].standing == "held"
    company.land_weather(TUE, rain=1)
    company.run()
    for asset in (*EXPORTS, *hold.red):
        assert failed(company, asset) == set(), asset
        assert company.materialized(asset) == {MON, TUE}, asset


def test_a_day_that_a_judging_closed_is_red_too(open_bakery: Company) -> None:
    """No run of it has failed, so there is none that knows the reason."""
    company = open_bakery.with_own_project()
    append(ORDERS_SUITE, LARGE % 1)(company.settings.project_dir)
    assert sluice(company, "table", "judge", "staging.stg_orders", "--from", MON, "--to", MON)[0] == 1
    company = company.read_anew()
    company.run()
    assert failed(company, EXPORTS[0]) == {MON}
    replace(ORDERS_SUITE, LARGE % 1, "")(company.settings.project_dir)
    assert sluice(company, "table", "rerun", "staging.stg_orders", "--partition", MON)[0] == 0
    assert failed(company.read_anew(), EXPORTS[0]) == set()


def metadata(company: Company, day: str) -> dict[str, str]:
    """Return what the newest result of the weather report's gate shows beside its description."""
    key = dg.AssetCheckKey(dg.AssetKey(EXPORTS[1].split("/")), "gate")
    with open_instance(company.settings) as instance:
        for record in instance.event_log_storage.get_asset_check_execution_history(key, limit=20):
            event = record.event.dagster_event if record.event else None
            if event is not None and event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
                said = event.asset_check_evaluation_data
                if said.partition == day:
                    return {name: str(item.value) for name, item in said.metadata.items()}
    return {}


def config_of(address: str, job: str) -> dict[str, Any]:
    """Return the fields that a link into the Launchpad of a job fills in."""
    where = urlsplit(address)
    assert where.path == f"/locations/{location()}/jobs/{job}/playground/setup"
    return yaml.safe_load(parse_qs(where.query)["config"][0])


def test_the_gate_check_tells_reason_command_and_click_first(open_bakery: Company) -> None:
    company = a_check_fails(open_bakery)
    passed, said = company.check_results(EXPORTS[1], "gate")[TUE]
    first, reason, fix, counted = said.split("\n\n")
    assert (passed, first) == (False, "held, nothing was sent:")
    assert reason.startswith(f"- staging.stg_weather [{TUE}] check `expectations`: failed: 1 of 3 rules fail")
    assert (
        fix
        == f"  → fix the model or its input, then `sluice table rerun staging.stg_weather --partition {TUE}`"
    )
    assert counted.endswith(" blocking checks passed")
    shown = metadata(company, TUE)
    jobs = [
        (name.partition(": ")[2], address) for name, address in shown.items() if "/playground/" in address
    ]
    assert [said for said, _ in jobs] == [
        f"rerun staging.stg_weather [{TUE}]", f"release {WEATHER_REPORT} [{TUE}]"
    ]  # fmt: skip
    for said, address in jobs:
        job = said.partition(" ")[0]
        config = config_of(address, job)
        assert TUE in str(config)
        assert dg.validate_run_config(company.definitions.get_job_def(job), config)
    assert f"/assets/delivered/{WEATHER_REPORT}?view=checks&checkDetail=gate" in shown.values()
    assert f"sluice why {WEATHER_REPORT} --partition {TUE} --all" in shown.values()


def location() -> str:
    workspace = yaml.safe_load((REPOSITORY / "workspace.yaml").read_text())
    return str(workspace["load_from"][0]["python_module"]["location_name"])


CLICKS = {
    Verdict.OLDER_SQL: ("rerun", {"table": "marts.sums", "from_partition": MON, "to_partition": TUE}),
    Verdict.OTHER_RULES: (
        "judge", {"table": "exports.sums", "from_partition": TUE, "to_partition": TUE, "with_parents": True},
    ),
    Verdict.UNRECORDED: ("rerun", {"table": "marts.sums", "from_partition": MON}),
}  # fmt: skip


@pytest.mark.parametrize("verdict", CLICKS)
def test_what_is_advised_has_a_job_with_its_fields_filled_in(open_bakery: Company, verdict: Verdict) -> None:
    findings = tuple(Finding("marts.sums", day, "", verdict, "2 * 3 < 7", "v", None) for day in (MON, TUE))
    report = GateReport("exports.sums", TUE, findings, {}, timed=frozenset(["marts.sums"]))
    shown = gate_result(dg.AssetKey(["delivered", "exp_sums"]), report)
    job, fields = CLICKS[verdict]
    address, *_ = [str(item.value) for name, item in shown.metadata.items() if name.startswith("to click")]
    config = config_of(address, job)
    assert next(iter(config["ops"].values()))["config"] == fields
    assert dg.validate_run_config(open_bakery.definitions.get_job_def(job), config)
    assert r"2 \* 3 \< 7" in (shown.description or "")


def test_the_gate_check_says_what_it_does(open_bakery: Company) -> None:
    graph = open_bakery.definitions.get_repository_def().asset_graph
    for asset in EXPORTS:
        spec = graph.get_check_spec(dg.AssetCheckKey(dg.AssetKey(asset.split("/")), "gate"))
        assert "before anything is sent" in (spec.description or "")
