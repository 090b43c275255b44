"""The jobs by which people act in the UI: they do, and record, what the commands do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg
import psycopg
import pytest
from dagster._core.storage.tags import PARTITION_NAME_TAG
from sluicegate.graph.instance import open_instance
from sluicegate.operations.status import Standing

from tests.company import MON, SHOP_ORDERS, TUE, WEATHER_REPORT, Company, held, runs
from tests.run.test_deliveries import SENT, hold, observed

pytestmark = [pytest.mark.long, pytest.mark.stories(2)]
LATER = "2099-01-01"
OPS = {
    "rerun": "rerun_partitions",
    "release": "release_partition",
    "approve": "approve_delivery",
    "reject": "reject_delivery",
    "resync": "resync_partition",
}


@dataclass(frozen=True)
class Launched:
    """What became of a job: whether it succeeded, what its failure said, and the runs that it made."""

    success: bool
    said: str
    runs: list[dg.DagsterRun]


def launch(company: Company, job: str, **config: Any) -> Launched:
    """Launch a job of the real definitions with these fields."""
    with open_instance(company.settings) as instance:
        before = {run.run_id for run in instance.get_runs()}
        result = company.definitions.get_job_def(job).execute_in_process(
            instance=instance,
            run_config={
                "ops": {OPS[job]: {"config": config}},
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
            raise_on_error=False,
        )
        made = [run for run in instance.get_runs() if run.run_id not in {*before, result.run_id}]
    failures = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    said = [
        item.user_failure_data.description or "" if item.user_failure_data else str(item) for item in failures
    ]
    return Launched(result.success, "\n".join(said), made[::-1])


@pytest.fixture
def rainy(open_bakery: Company) -> Company:
    """Monday is delivered, Tuesday is held: its weather has failed a rule."""
    open_bakery.land_orders(TUE, a=1)
    open_bakery.land_weather(TUE, rain=-1)
    assert held(open_bakery.run()) == [(SHOP_ORDERS, TUE), (WEATHER_REPORT, TUE)]
    return open_bakery


def test_a_range_is_built_anew_in_ordinary_runs_of_its_partitions(rainy: Company) -> None:
    company = rainy
    said = launch(company, "rerun", table="staging.stg_orders", from_partition=MON, to_partition=TUE)
    assert [run.tags[PARTITION_NAME_TAG] for run in said.runs] == [MON, TUE]
    assert [run.is_success for run in said.runs] == [True, False]
    # Tuesday's weather is not validated: whoever presses the button, nothing of it is built on or sent.
    assert not said.success
    assert f"of {TUE}: " in said.said
    assert "stg_weather" in said.said
    assert (company.in_container(), company.in_postgres(TUE)) == ({MON: 1}, [])
    assert launch(company, "rerun", table="raw.shops", dry_run=True) == Launched(True, "", [])


def test_what_older_sql_has_built_is_built_anew(open_bakery: Company) -> None:
    company = open_bakery.with_own_project()
    assert launch(company, "rerun", which="OUTDATED") == Launched(True, "", [])
    company = company.with_line("dbt_project/models/staging/stg_weather.sql", "-- rounded\n")
    said = launch(company, "rerun", which="OUTDATED", table="staging.stg_weather")
    assert (said.success, [run.is_success for run in said.runs]) == (True, [True]), said.said
    assert launch(company, "rerun", which="OUTDATED") == Launched(True, "", [])


def test_a_release_is_on_the_record_and_sends_with_the_next_look(rainy: Company) -> None:
    asked = {"export": WEATHER_REPORT, "partition": TUE, "until": LATER, "by": "ada"}
    said = launch(rainy, "release", **asked, reason="calibrated", checks=["staging.stg_weather:expectations"])
    assert (said.success, said.runs) == (True, []), said.said
    [recorded] = rainy.deployment.store.releases.of_partition(TUE)
    assert (recorded.released_by, recorded.reason) == ("ada", "calibrated")
    assert any("released by ada" in text for text in observed(rainy, "delivered/exp_weather_report"))
    assert runs(rainy.run()) == [(TUE, True)]
    assert rainy.in_container() == {MON: 1, TUE: 1}


def test_a_held_delivery_is_approved_and_sent_by_a_run_of_its_partition(open_bakery: Company) -> None:
    company, name = hold(open_bakery)
    said = launch(company, "approve", delivery=name[:8], reason="a feast", by="ada")
    assert (said.success, [run.tags[PARTITION_NAME_TAG] for run in said.runs]) == (True, [MON]), said.said
    assert company.in_postgres() == [(MON, "a", 30), (MON, "b", 4)]
    assert any("approved by ada: a feast" in text for text in observed(company, SENT))
    again = launch(company, "reject", delivery=name, reason="late", by="ada")
    assert (again.success, "was sent" in again.said) == (False, True)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("job", ["approve", "reject"])
@pytest.mark.parametrize("field", ["reason", "by"])
def test_nobody_decides_without_a_reason_and_a_name(open_bakery: Company, job: str, field: str) -> None:
    company, name = hold(open_bakery)
    said = launch(company, job, **{**DECIDE, "delivery": name, field: " "})
    assert (said.success, said.runs) == (False, [])
    assert said.said.startswith(f"`{field}` is empty: enter ")
    assert company.status()[(SHOP_ORDERS, MON)].standing is Standing.HELD


def test_a_held_delivery_is_rejected(open_bakery: Company) -> None:
    company, name = hold(open_bakery)
    said = launch(company, "reject", delivery=name, reason="a slip", by="ada")
    assert (said.success, said.runs) == (True, []), said.said
    assert any("rejected by ada: a slip" in text for text in observed(company, SENT))
    assert company.status()[(SHOP_ORDERS, MON)].standing is Standing.REJECTED
    assert runs(company.run()) == []


def test_every_row_is_sent_again(open_bakery: Company) -> None:
    company = open_bakery
    for partition in (MON, ""):
        with psycopg.connect(company.postgres_url) as connection:
            connection.execute("update bakery.shop_orders set loaves = 99 where shop = 'a'")
        said = launch(company, "resync", export=SHOP_ORDERS, partition=partition)
        assert (said.success, [run.tags[PARTITION_NAME_TAG] for run in said.runs]) == (True, [MON]), said.said
        assert company.in_postgres() == [(MON, "a", 3), (MON, "b", 4)]


RELEASE = {"export": WEATHER_REPORT, "partition": TUE, "reason": "so", "by": "ada", "until": LATER}
DECIDE = {"delivery": "abcd1234", "reason": "so", "by": "ada"}
RANGE = {"table": "staging.stg_orders", "from_partition": MON, "to_partition": TUE}
WRONG: list[tuple[str, Mapping[str, Any], str]] = [
    ("rerun", {}, "`table` is empty: enter one, as staging.stg_sales, or choose OUTDATED"),
    ("rerun", {"table": "staging.stg_order"}, "did you mean `staging.stg_orders`?"),
    ("rerun", {"table": "staging.stg_orders"}, "expected a key of its grain, daily, as 2022-10-05"),
    ("rerun", {"table": "raw.shops", "from_partition": MON}, "expected none: it is not partitioned"),
    ("rerun", {**RANGE, "from_partition": ""}, "`to_partition` without `from_partition`: enter the first"),
    ("rerun", {**RANGE, "to_partition": "tomorrow"}, "'tomorrow' is no partition of `staging.stg_orders`"),
    ("rerun", {**RANGE, "from_partition": TUE, "to_partition": MON}, "goes backwards"),
    ("rerun", {**RANGE, "from_partition": "2024-02-01", "to_partition": "2024-02-09"}, "nothing of"),
    ("release", {**RELEASE, "export": "exp_weather"}, "did you mean `exp_weather_report`?"),
    ("release", {**RELEASE, "export": " "}, "`export` is empty: enter an export's name"),
    ("release", {**RELEASE, "partition": "monday"}, "enter a key of its grain, daily, as 2022-10-05"),
    ("release", {**RELEASE, "partition": ""}, "enter a key of its grain, daily, as 2022-10-05"),
    ("release", {**RELEASE, "reason": " "}, "`reason` is empty: enter why; it is kept"),
    ("release", {**RELEASE, "by": ""}, "`by` is empty: enter who answers for it: your name"),
    ("release", {**RELEASE, "until": ""}, "enter when the release ends if it was not used"),
    ("release", {**RELEASE, "until": "soon"}, "`until` 'soon' is no time: enter when"),
    ("release", {**RELEASE, "until": "2020-01-01"}, "`until` '2020-01-01' is past: enter a time to come"),
    ("release", {**RELEASE, "checks": ["raw.orders:contract"]}, "no check `raw.orders:contract` has failed"),
    ("release", {**RELEASE, "partition": MON}, "is open already"),
    ("approve", {**DECIDE, "delivery": ""}, "`delivery` is empty: enter the id"),
    ("approve", DECIDE, "no delivery is called `abcd1234`"),
    ("reject", {**DECIDE, "delivery": ""}, "`delivery` is empty: enter the id"),
    ("reject", DECIDE, "no delivery is called `abcd1234`"),
    ("resync", {"export": "shop_orders"}, "no export `shop_orders`"),
    ("resync", {"export": SHOP_ORDERS, "partition": "2024"}, "enter a key of its grain, daily"),
]  # fmt: skip


def test_each_wrong_field_is_told_with_what_to_enter(rainy: Company) -> None:
    before = rainy.untouched(), rainy.deployment.store.newest()
    for job, config, told in WRONG:
        said = launch(rainy, job, **config)
        assert (said.success, said.runs) == (False, []), (job, config)
        assert told in said.said, (job, config)
        assert "--" not in said.said, said.said  # nobody types options in the UI
    assert (rainy.untouched(), rainy.deployment.store.newest()) == before


@pytest.mark.parametrize(
    ("job", "config"),
    [
        ("rerun", {"which": "SOME"}),
        ("rerun", {"table": 1}),
        ("release", {"export": WEATHER_REPORT}),
        ("approve", {"delivery": "abcd", "reason": "so"}),
        ("resync", {"export": SHOP_ORDERS, "day": MON}),
    ],
)
def test_the_launchpad_knows_the_fields(open_bakery: Company, job: str, config: dict[str, Any]) -> None:
    with pytest.raises(dg.DagsterInvalidConfigError):
        launch(open_bakery, job, **config)


@pytest.mark.parametrize("job", OPS)
def test_every_field_says_in_the_launchpad_what_it_is(open_bakery: Company, job: str) -> None:
    op = open_bakery.definitions.get_job_def(job).get_node_named(OPS[job]).definition
    assert isinstance(op, dg.OpDefinition)
    fields: Mapping[str, Any] = op.config_field.config_type.fields  # pyright: ignore
    assert fields
    assert [name for name, field in fields.items() if not field.description] == []
