"""Functions as assets, their checks, and what shows and retries a fill: in the real graph.

Belongs here: what Dagster, `sluice status` and incidents tell. Does not: the gate of fills (`test_fills`).
"""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from sluicegate.graph.incidents import look_at
from sluicegate.graph.instance import open_instance
from sluicegate.graph.kusto_asking import kusto_sensor
from sluicegate.kusto.places import database_digest
from sluicegate.operations.fills import fills_due
from sluicegate.operations.kusto_checks import ANSWERS, DEPLOYED, ask
from sluicegate.publishing.publish import places_of

from tests.company import MON, TUE, WEATHER_REPORT, Company, finished
from tests.kusto.mill import RAIN, REPORT, TOWNS, Mill
from tests.run.test_deliveries import sensor_context

pytestmark = pytest.mark.long


def said(mill: Mill, *names: str) -> dict[tuple[str, str], tuple[bool, bool, str]]:
    """{(function, check): (passed, a verdict, words)}, of some functions or all."""
    project = mill.company.project.kusto
    assert project is not None
    asked = [
        (one, name)
        for one in project.objects
        for name in (DEPLOYED, ANSWERS)
        if not names or one.name in names
    ]
    found = ask(mill.company.site, asked)
    return {(key[1], name): (one.passed, one.verdict, one.words) for (key, name), one in found.items()}


def test_functions_stand_below_the_exports_that_feed_them(mill: Mill) -> None:
    graph = mill.company.definitions.get_repository_def().asset_graph

    def above(name: str) -> set[str]:
        return {key.to_user_string() for key in graph.get(dg.AssetKey(["kusto", name])).parent_keys}

    assert above("RainByTown") == {f"delivered/{WEATHER_REPORT}"}
    assert above("DayReport") == {"delivered/exp_shop_orders", "kusto/RainByTown"}
    assert above("Wettest") == {f"kusto/{RAIN}"}
    assert above(RAIN) == {"kusto/RainByTown", f"delivered/{WEATHER_REPORT}"}
    function, table = (graph.get(dg.AssetKey(["kusto", name])) for name in ("RainByTown", RAIN))
    assert (function.is_executable, table.is_executable) == (False, True)
    assert (function.group_name, function.partitions_def, table.owners) == (
        "kusto", None, ["mill@bakery.example"],
    )  # fmt: skip
    assert table.partitions_def == graph.get(dg.AssetKey(["delivered", WEATHER_REPORT])).partitions_def
    [columns] = [one for name, one in function.metadata.items() if name == "dagster/column_schema"]
    assert [(one.name, one.type) for one in columns.columns] == [("town", "string"), ("days", "long")]
    checks = {key for key in graph.asset_check_keys if key.asset_key == dg.AssetKey(["kusto", "Towns"])}
    assert {key.name for key in checks} == {DEPLOYED, ANSWERS}


def test_the_checks_tell_what_the_database_holds_and_hold_nothing(mill: Mill, tmp_path: Path) -> None:
    with mill.copied(tmp_path) as copy:
        functions = copy.kusto.objects.functions
        found = said(copy)
        for name in ("RainByTown", "DayReport", "Towns"):
            assert found[name, DEPLOYED][:2] == (True, True), found
        assert found["Towns", ANSWERS] == (
            True, True, "Towns() gives the 2 columns that kusto/functions/Towns.kql says",
        )  # fmt: skip
        assert found["RainByTown", ANSWERS][:2] == (True, True)
        assert "`// sample: RainByTown(…)`" in found["RainByTown", ANSWERS][2]
        assert found["Wettest", DEPLOYED][:2] == (False, True)
        # Somebody types another body, with columns of another type.
        functions["Towns"] = replace(functions["Towns"], body="{ weather | summarize days = 1.5 by town }")
        found = said(copy, "Towns")
        assert found["Towns", DEPLOYED] == (
            False, True, "Towns was changed in the database since it was deployed: `sluice kusto deploy`",
        )  # fmt: skip
        assert found["Towns", ANSWERS] == (False, True, "column days is real, expected long")
        functions["Towns"] = replace(functions["Towns"], body="{ wether | summarize days = count() by town }")
        passed, verdict, words = said(copy, "Towns")["Towns", ANSWERS]
        assert (passed, verdict, "refused to ask for its columns" in words) == (False, True, True), words
        with open_instance(copy.company.settings) as instance:
            result = _checks_of(copy.company, instance, "Towns")
            assert result.success
            told = {one.check_name: one for one in result.get_asset_check_evaluations()}
            assert (told[DEPLOYED].passed, told[DEPLOYED].blocking) == (False, False)


def _checks_of(company: Company, instance: dg.DagsterInstance, name: str) -> dg.ExecuteInProcessResult:
    repository = company.definitions.get_repository_def()
    key = dg.AssetKey(["kusto", name])
    job = repository.get_implicit_global_asset_job_def().get_subset(
        asset_selection=set(),
        asset_check_selection={
            one for one in repository.asset_graph.asset_check_keys if one.asset_key == key
        },
    )
    return job.execute_in_process(instance=instance, raise_on_error=False)


def test_a_cluster_that_is_out_of_reach_has_no_verdict(mill: Mill, tmp_path: Path) -> None:
    with mill.copied(tmp_path) as copy:
        copy.kusto.broken = 4
        found = said(copy)
        copy.kusto.broken = 0
        assert {one[:2] for one in found.values()} == {(False, False)}
        assert all(one[2].startswith("no verdict: ") for one in found.values())
        assert len(copy.kusto.engine.commands) == 0


def test_the_checks_are_asked_daily_and_where_columns_changed(mill: Mill, tmp_path: Path) -> None:
    def requests(copy: Mill, cursor: str, hours: int = 0) -> list[tuple[str, set[str]]]:
        [sensor] = kusto_sensor(copy.company.site, lambda: noon + timedelta(hours=hours))
        with open_instance(copy.company.settings) as instance:
            context: Any = sensor_context(copy.company, instance)
            tick = sensor.evaluate_tick(dg.build_sensor_context(
                instance=instance, cursor=cursor, repository_def=context.repository_def,
            ))  # fmt: skip
        return [
            (str(one.run_key), {key.asset_key.path[-1] for key in one.asset_check_keys or ()})
            for one in tick.run_requests or []
        ]

    noon = datetime(2026, 1, 5, 12, tzinfo=UTC)
    with mill.copied(tmp_path) as copy:
        everything, *shapes = requests(copy, "")
        assert everything[0] == "kusto 2026-01-05"
        assert everything[1] == {"RainByTown", "DayReport", "Towns", "Wettest"}
        assert {frozenset(one[1]) for one in shapes} == {
            frozenset({"RainByTown", "DayReport", "Towns", "Wettest"}), frozenset({"DayReport"}),
        }  # fmt: skip
        # The same keys are asked once, whatever the day: Dagster knows them.
        assert requests(copy, "2026-01-05") == shapes
        assert requests(copy, "2026-01-05", hours=12)[0][0] == "kusto 2026-01-06"
        with closing(sqlite3.connect(copy.company.settings.data_dir / "state.db")) as records:
            records.execute(f"update deliveries set shape = 'wider' where export = '{WEATHER_REPORT}'")
            records.commit()
        new = {key for key, _ in requests(copy, "2026-01-05")} - {key for key, _ in shapes}
        assert new == {f"kusto {WEATHER_REPORT} wider"}
        elsewhere = copy.company.settings.model_copy(update={"connections": {}})
        company = Company(elsewhere, "", tmp_path)
        vars(company)["project"] = copy.company.project
        assert requests(Mill(company, copy.kusto, copy.queries), "") == []
        company.deployment.close()


def test_a_fill_that_failed_is_told_and_tried_again(mill: Mill, tmp_path: Path) -> None:
    with mill.copied(tmp_path) as copy:
        company = copy.company
        rows = {key: row.standing.value for key, row in company.status().items() if row.kind == "fill"}
        assert rows == {
            (RAIN, MON): "ready", (RAIN, TUE): "ready", (REPORT, MON): "ready", (REPORT, TUE): "ready",
            (TOWNS, ""): "ready",
        }  # fmt: skip
        assert company.materialize(MON, f"kusto/{RAIN}") == (True, "")
        assert company.check_results(f"kusto/{RAIN}", "gate") == {
            MON: (True, "open: 1 deliveries that feed it are there as they were validated")
        }
        copy.kusto.forbidden.append(".set-or-append")
        failed = [one for one in finished(company.run()) if TOWNS in one.run.fills]
        copy.kusto.forbidden.clear()
        assert [one.success for one in failed] == [False]
        assert "does not let the principal fill a table" in failed[0].failures[0]
        with open_instance(company.settings) as instance:
            assert look_at(company.desk(instance), lambda _: None) is not None
        [incident] = [one for one in company.deployment.store.incidents.open() if one.root_name == TOWNS]
        assert (incident.root_kind, incident.owner) == ("fill", "mill@bakery.example")
        # The same day nobody asks again by itself but the second try; the next day the sensor does.
        store = company.deployment.store
        now = company.deployment.clock()
        today = fills_due(company.site, now, lambda _: False)
        tomorrow = fills_due(company.site, now + timedelta(days=1), lambda key: key == today[0].run_key)
        assert ([one.fills for one in today], [one.fills for one in tomorrow]) == ([(TOWNS,)], [(TOWNS,)])
        later = company.at(now + timedelta(seconds=company.settings.run_retry_seconds + 1))
        vars(later)["project"] = company.project
        assert [(one.run.fills, one.success) for one in finished(later.run())] == [((TOWNS,), True)]
        with open_instance(company.settings) as instance:
            look_at(later.desk(instance), lambda _: None)
        assert [one for one in store.incidents.open() if one.root_name == TOWNS] == []
        row = company.status()[TOWNS, ""]
        assert (row.standing.value, row.rows) == ("delivered", 1)


def test_names_that_kusto_takes_and_dagster_does_not_are_assets_as_well(mill: Mill) -> None:
    project, company = mill.company.project, mill.company.read_anew()
    assert project.kusto is not None
    renamed = {"RainByTown": "Rain by-town.v2", RAIN: "rain, by town"}
    objects = [replace(one, name=renamed.get(one.name, one.name)) for one in project.kusto.objects]
    filled = [
        replace(
            one, table=renamed.get(one.table, one.table), function=renamed.get(one.function, one.function)
        )
        for one in project.kusto.filled
    ]
    vars(company)["project"] = replace(project, kusto=replace(project.kusto, objects=objects, filled=filled))
    keys = company.definitions.resolve_asset_graph().get_all_asset_keys()
    assert {
        dg.AssetKey(["kusto", name]) for name in ("Rain_20_by_2d_town_2e_v2", "rain_2c__20_by_20_town")
    } <= keys


def test_production_publishes_which_database_is_its_own(mill: Mill) -> None:
    company = mill.company
    url = company.settings.connection("telemetry")
    assert url is not None
    assert database_digest(url.replace("127.0.0.1", "localhost")) in places_of(
        company.deployment, company.project
    )
