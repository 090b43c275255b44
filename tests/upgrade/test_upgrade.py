"""A data directory of version 716f0d0 under today's code: nothing is sent on half a sentence."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.storage.dagster_run import FINISHED_STATUSES

from orchestration.graph.instance import open_instance
from orchestration.graph.reported import report
from orchestration.operations.status import Standing
from orchestration.state.held_lease import LeaseLost
from orchestration.state.kusto_fills import Fill
from orchestration.state.kusto_objects import Deployed
from orchestration.state.ops_views import VIEWS
from orchestration.state.store import StateStore
from orchestration.state.upgrade import FORM, RecordsTooNew
from tests.company import FRI, MON, SHOP_ORDERS, THU, TUE, WEATHER_REPORT, WED, Company, runs
from tests.typed import sluice
from tests.upgrade.old_week import NEXT_MON, SAT, SUN

pytestmark = pytest.mark.long
UNSENT = {SHOP_ORDERS: (TUE, WED, THU), WEATHER_REPORT: (TUE, WED, THU, SUN)}


def follow(company: Company, export: str, day: str, most: int = 4) -> list[str]:
    """Type what the gate prints until it is open; return the commands that were typed."""
    typed, said = list[str](), ""
    for _ in range(most):
        code, said = sluice(company, "why", export, "--partition", day)
        if code == 0:
            return typed
        for command in re.findall(r"→ .*?`sluice (.*?)`", said):
            typed.append(command)
            sluice(company, *command.split())
    raise AssertionError(f"still closed after {typed}:\n{said}")


def test_delivered_days_stay_delivered_and_unsent_ones_say_what_to_type(old_week: Company) -> None:
    rows = old_week.status()
    for name, day in ((SHOP_ORDERS, MON), (WEATHER_REPORT, MON), (WEATHER_REPORT, SAT)):
        assert rows[name, day].standing is Standing.DELIVERED
    for name, days in UNSENT.items():
        for day in days:
            assert rows[name, day].standing is Standing.HELD
            judge = f"`sluice table judge exports.{name} --from {day} --to {day} --with-parents`"
            # What was refused then is told first.
            assert judge in rows[name, day].why or "failed" in rows[name, day].why


def test_what_ran_then_is_told(old_week: Company) -> None:
    """Operations data are views, so they tell of what older code did; and of its runs, which it kept."""
    operations = old_week.deployment.store.operations
    sent = [row["status"] for row in operations.rows(VIEWS["deliveries"])]
    held, under_way = sent.count("held"), sent.count("sending")
    assert (sent.count("acknowledged") >= 3, held, under_way) == (True, 1, 1)
    assert {row["partition_key"] for row in operations.rows(VIEWS["verdicts"])} >= {MON, TUE, WED}
    with open_instance(old_week.settings) as instance:
        report(old_week.desk(instance))
        ended = set(instance.get_run_ids(dg.RunsFilter(statuses=list(FINISHED_STATUSES))))
    assert {row["run_id"] for row in operations.rows(VIEWS["runs"])} == ended != set()


@pytest.mark.sampled(2)
def test_nothing_is_sent_on_half_a_sentence(old_week: Company) -> None:
    before = old_week.untouched()
    assert runs(old_week.run()) == []
    for day in (TUE, WED, THU, FRI, SAT, SUN, NEXT_MON):
        for name in UNSENT:
            ok, said = old_week.materialize(day, f"delivered/{name}")
            if (name, day) != (WEATHER_REPORT, SAT):
                assert not ok, (name, day)
                assert "held, nothing was sent" in said
    assert old_week.untouched() == before


@pytest.mark.sampled(2)
def test_what_the_gate_prints_opens_it_and_the_very_rows_go_out(old_week: Company) -> None:
    before = old_week.untouched(TUE)
    typed = follow(old_week, SHOP_ORDERS, TUE)
    assert typed == [f"table judge exports.{SHOP_ORDERS} --from {TUE} --to {TUE} --with-parents"]
    assert follow(old_week, WEATHER_REPORT, TUE) == [
        f"table judge exports.{WEATHER_REPORT} --from {TUE} --to {TUE}"
    ]
    assert old_week.in_postgres(TUE) == []  # judged, and not sent by that
    for name in UNSENT:
        assert old_week.materialize(TUE, f"delivered/{name}") == (True, "")
    assert old_week.in_postgres(TUE) == [(TUE, "a", 4), (TUE, "b", 6)]
    assert old_week.in_container()[TUE] == 1
    assert old_week.untouched(TUE) == before


@pytest.mark.sampled(2)
def test_what_older_sql_has_built_is_found_out_and_built_anew(old_week: Company) -> None:
    model = old_week.settings.project_dir / "dbt_project/models/staging/stg_orders.sql"
    model.write_text(model.read_text().replace("    loaves\n", "    loaves * 2 as loaves\n"))
    typed = follow(old_week, SHOP_ORDERS, TUE)
    assert typed == [
        f"table judge exports.{SHOP_ORDERS} --from {TUE} --to {TUE} --with-parents",
        f"table rerun staging.stg_orders --partition {TUE}",
    ]
    # The rerun sends what is below, made of Monday's loaves as they were read and Tuesday's twice.
    assert old_week.in_postgres(TUE) == [(TUE, "a", 5), (TUE, "b", 8)]


@pytest.mark.sampled(2)
def test_a_day_that_failed_is_judged_and_stays_closed(old_week: Company) -> None:
    code, said = sluice(
        old_week, "table", "judge", f"exports.{SHOP_ORDERS}", "--from", WED, "--to", WED, "--with-parents"
    )
    assert (code, "staging.stg_weather [2024-01-03] check `expectations`" in said) == (1, True)
    code, said = sluice(old_week, "why", SHOP_ORDERS, "--partition", WED)
    assert (code, "fix the model or its input, then `sluice table rerun staging.stg_weather" in said) == (
        1,
        True,
    )


@pytest.mark.sampled(2)
def test_a_release_without_rules_opens_nothing_any_more(old_week: Company) -> None:
    sluice(
        old_week, "table", "judge", f"exports.{WEATHER_REPORT}", "--from", SUN, "--to", SUN, "--with-parents"
    )
    assert runs(old_week.run()) == []
    assert SUN not in old_week.in_container()
    code, said = sluice(old_week, "why", WEATHER_REPORT, "--partition", SUN)
    assert (code, "check `expectations`: failed" in said) == (1, True)
    code, said = sluice(
        old_week, "export", "release", WEATHER_REPORT, "--partition", SUN, "--reason", "calibrated",
        "--by", "ada",
        "--until", "2099-01-01",
    )  # fmt: skip
    assert code == 0, said
    assert runs(old_week.run()) == [(SUN, True)]
    assert old_week.in_container()[SUN] == 1


def test_records_of_newer_code_are_refused_with_the_reason(old_week: Company) -> None:
    url = old_week.settings.state_url.get_secret_value()
    StateStore(url).close()
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        assert connection.execute(sa.text("select version from records_form")).scalar() == FORM
        connection.execute(sa.text(f"update records_form set version = {FORM + 1}, written_by = '9.9'"))
    with pytest.raises(RecordsTooNew, match=f"form {FORM + 1}, written by Sluice 9.9"):
        StateStore(url)
    code, said = sluice(old_week, "status")
    assert code == 2
    assert "start the newer code again, or restore the backup" in " ".join(said.split())
    with engine.begin() as connection:
        connection.execute(sa.text(f"update records_form set version = {FORM}"))
    engine.dispose()
    assert sluice(old_week, "status")[0] == 0


def test_a_new_store_says_its_form(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'state.db'}"
    StateStore(url).close()
    with sa.create_engine(url).connect() as connection:
        assert connection.execute(sa.text("select version from records_form")).scalar() == FORM


def test_it_is_asked_once_what_it_is_and_sends_nothing_until_somebody_has_said_it(old_week: Company) -> None:
    unsaid = Company(
        old_week.settings.model_copy(update={"declared": None}), old_week.postgres_url, old_week.container
    )
    before = old_week.untouched()
    # Whatever is asked, it is said once; what sends nothing works.
    code, said = sluice(unsaid, "status")
    assert (code, said.count("nothing says what it is")) == (0, 1)
    assert "`sluice env init production`" in said
    resync = ("delivery", "resend", SHOP_ORDERS, "--partition", MON)
    code, said = sluice(unsaid, *resync)
    assert (code, "nothing says what it is" in said) == (1, True), said
    assert old_week.untouched() == before
    assert unsaid.deployment.identity.kind is None
    unsaid.deployment.close()
    code, said = sluice(unsaid, "env", "init", "production")
    assert (code, "is `production`" in said) == (0, True), said
    assert "nothing says what it is" not in sluice(unsaid, *resync)[1]  # as its gate is closed, that is told
    code, said = sluice(unsaid, "env", "init", "scratch")
    assert (code, "SLUICE_CONNECTION_MILLER is set" in said) == (2, True), said


def test_what_is_deployed_to_a_database_of_kusto_is_kept_from_now_on(old_week: Company) -> None:
    objects = old_week.deployment.store.kusto_objects
    assert objects.of("adx://there/db") == {}
    one = Deployed("adx://there/db", "functions", "F", "production", "d", "h", "c", datetime.now(UTC))
    for hours, digest in enumerate("de"):
        objects.record(replace(one, digest=digest, deployed_at=one.deployed_at + timedelta(hours=hours)))
    [last] = objects.of("adx://there/db").values()
    assert (last.digest, last.deployed_at - last.since) == ("e", timedelta(hours=1))
    assert objects.of("adx://there/other") == {}
    objects.forget(one)
    assert objects.of("adx://there/db") == {}


def test_what_a_table_of_kusto_is_filled_from_is_kept_from_now_on(old_week: Company) -> None:
    store = old_week.deployment.store
    assert store.kusto_fills.latest("t") == {}
    fill = Fill("t", MON, "id", "F", "code", {SHOP_ORDERS: {MON: "v1"}}, 3, "tag", "adx://there/db", "run")
    with store.leases.hold("t", wait_seconds=1) as lease:
        for key, rows in ((MON, 3), (TUE, 4), (MON, 5)):
            store.kusto_fills.record(replace(fill, partition_key=key, rows=rows), lease.token)
        token = lease.token
    found = store.kusto_fills.latest("t")
    assert {key: (one.rows, one.inputs) for key, one in found.items()} == {
        MON: (5, {SHOP_ORDERS: {MON: "v1"}}), TUE: (4, {SHOP_ORDERS: {MON: "v1"}}),
    }  # fmt: skip
    assert store.kusto_fills.latest("t", "adx://there/other") == {}
    with pytest.raises(LeaseLost):
        store.kusto_fills.record(fill, token)
