"""Parquet of operations data: what DuckDB reads of it, a kill at each file, and where it may not go.

Belongs here: publishing, without any run. Does not: drops made of it (`test_as_a_source`).
"""

import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import pytest
import sqlalchemy as sa
from sluicegate.areas import Area
from sluicegate.core.settings import REPOSITORY, Settings
from sluicegate.reporting.publish import MANIFEST, NotPublishable, area_to_publish, publish
from sluicegate.state import schema
from sluicegate.state.deployment import Deployment
from sluicegate.state.ops_model import Type
from sluicegate.state.ops_views import FACTS, VIEWS

from tests.company import BAKERY
from tests.reporting.histories import history, this_moment, write
from tests.unit.test_state_leases import engine_of

NOW = this_moment()
TOLD = history(1, NOW)
_TYPES = {
    Type.TEXT: "VARCHAR", Type.INTEGER: "BIGINT", Type.NUMBER: "DOUBLE", Type.BOOLEAN: "BOOLEAN",
    Type.DATE: "DATE", Type.TIMESTAMP: "TIMESTAMP",
}  # fmt: skip


class Killed(BaseException):
    """The process ends here."""


def opened(folder: Path, **variables: str) -> Deployment:
    settings = Settings.load(variables, project_dir=BAKERY, data_dir=folder / "data")
    return Deployment(settings, lambda: NOW)


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    """A deployment with a history of deliveries, and without a run."""
    found = opened(tmp_path)
    write(found.store, found.settings.state_url.get_secret_value(), TOLD)
    yield found
    found.close()


def read(area: Area, view: str) -> set[tuple[object, ...]]:
    """Read a fact by the line of the page."""
    line = re.search(
        r"```sql\n(from read_parquet.*)\n```", (REPOSITORY / "docs" / "operations-data.md").read_text()
    )
    assert line is not None
    sql = line[1].replace("'ops/deliveries/", f"'{area.url}/{view}/")
    columns = ", ".join(column.name for column in VIEWS[view].columns)
    with duckdb.connect() as connection:
        return set(connection.execute(f"select {columns} {sql}").fetchall())


def on_record(deployment: Deployment, view: str) -> set[tuple[object, ...]]:
    return {
        tuple(value.replace(tzinfo=None) if hasattr(value, "tzinfo") else value for value in row.values())
        for row in deployment.store.operations.rows(VIEWS[view])
    }


def test_the_line_of_the_page_reads_what_the_views_say(deployment: Deployment) -> None:
    area = area_to_publish(deployment, None)
    done = publish(deployment, area, NOW)
    for name in ("deliveries", "promises"):
        rows = on_record(deployment, name)
        assert rows
        assert read(area, name) == rows
        with duckdb.connect() as connection:
            found = connection.execute(f"describe from '{area.url}/{name}/*/*.parquet'").fetchall()
        assert {row[0]: row[1] for row in found} == {c.name: _TYPES[c.type] for c in VIEWS[name].columns}
    named = json.loads((Path(area.url) / MANIFEST).read_text())["files"]
    assert set(named) == set(done.written)
    for path, file in named.items():
        assert hashlib.sha256((Path(area.url) / path).read_bytes()).hexdigest() == file["digest"]


def test_only_what_is_new_is_written(deployment: Deployment) -> None:
    area = area_to_publish(deployment, None)
    publish(deployment, area, NOW)
    assert publish(deployment, area, NOW + timedelta(minutes=5)).written == ()
    late = next(one for one in TOLD.sent if one.status == "planned" and one.at < NOW - timedelta(days=9))
    engine = engine_of(deployment.settings.state_url.get_secret_value())
    table = schema.deliveries
    with engine.begin() as connection:
        connection.execute(
            sa.update(table).where(table.c.export == late.export, table.c.partition_key == late.key)
            .where(table.c.status == "planned").values(status="rejected")
        )  # fmt: skip
    engine.dispose()
    written = publish(deployment, area, NOW + timedelta(minutes=9)).written
    # Its deliveries alone: a plan that is rejected changes no promise.
    assert {path.partition("/")[0] for path in written} == {"deliveries"}
    assert len(written) <= 2
    assert read(area, "deliveries") == on_record(deployment, "deliveries")


def test_a_promise_that_is_put_on_record_late_is_published(deployment: Deployment) -> None:
    """A new source whose history lands at once makes promises of days that are over."""
    area = area_to_publish(deployment, None)
    publish(deployment, area, NOW)
    ended = NOW - timedelta(days=31)
    deployment.store.incidents.note_due({("delivery", "exp_new", "2024-01-01"): (ended, ended)})
    written = publish(deployment, area, NOW + timedelta(minutes=5)).written
    assert f"promises/day={ended:%Y-%m-%d}/data.parquet" in written
    assert read(area, "promises") == on_record(deployment, "promises")


def test_what_came_since_a_publisher_whose_clock_was_ahead_is_published(deployment: Deployment) -> None:
    area = area_to_publish(deployment, None)
    publish(deployment, area, NOW + timedelta(days=9))
    run, steps = _ran(NOW)
    deployment.store.operations.add_runs([run], steps)
    publish(deployment, area, NOW + timedelta(days=2))
    assert len(read(area, "runs")) == 1
    assert read(area, "steps") == on_record(deployment, "steps")


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_file_the_next_one_does_it(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    area = area_to_publish(deployment, None)
    writes, left = Area.write, [0]

    def dies(self: Area, relative: str, chunks: list[bytes]) -> None:
        left[0] -= 1
        if left[0] or after:
            writes(self, relative, chunks)
        if not left[0]:
            raise Killed

    monkeypatch.setattr(Area, "write", dies)
    for number in (1, 7, 33):
        left[0] = number
        with pytest.raises(Killed):
            publish(deployment, area, NOW)
        assert not area.exists(MANIFEST)
    # A reader who does not wait for the manifest sees whole days.
    assert read(area, "deliveries") < on_record(deployment, "deliveries")
    monkeypatch.undo()
    publish(deployment, area, NOW)
    assert read(area, "promises") == on_record(deployment, "promises")
    assert read(area, "deliveries") == on_record(deployment, "deliveries")


def test_a_restored_or_an_adopted_one_reads_all_days_again(deployment: Deployment) -> None:
    area = area_to_publish(deployment, None)
    publish(deployment, area, NOW)
    # Of a day without a delivery that is still to end: such a day is read again each time.
    begun = {one: (one.at - timedelta(minutes=5)).date() for one in TOLD.sent}
    open_days = {day for one, day in begun.items() if one.status != "acknowledged"}
    old = min(one.at for one, day in begun.items() if day not in open_days)
    engine = engine_of(deployment.settings.state_url.get_secret_value())
    with engine.begin() as connection:
        connection.execute(sa.update(schema.deliveries).where(
            schema.deliveries.c.acknowledged_at == old).values(added=77))  # fmt: skip
    assert publish(deployment, area, NOW).written == ()  # nothing that is over changes, but by a restore
    with engine.begin() as connection:
        connection.execute(sa.insert(schema.restores).values(backup="b", taken_at=NOW, restored_at=NOW))
    engine.dispose()
    written = publish(deployment, area, NOW).written
    assert f"deliveries/day={old - timedelta(minutes=5):%Y-%m-%d}/data.parquet" in written


def test_what_the_records_forget_stays_published(deployment: Deployment) -> None:
    """Of each fact: a day of which a part is forgotten is read again, as what of it is left has changed."""
    area, store = area_to_publish(deployment, None), deployment.store
    cut = NOW - deployment.settings.operations_kept
    begin = cut.replace(hour=0, minute=0, second=0, microsecond=0)
    ends = {"gone": begin, "left": begin + timedelta(days=1) - timedelta(microseconds=1)}
    engine = engine_of(deployment.settings.state_url.get_secret_value())
    for number, (name, at) in enumerate(ends.items()):
        run, [step, *_] = _ran(at)
        store.operations.add_runs([run | {"run_id": name}], [step | {"run_id": name}])
        store.incidents.note_due({("delivery", name, "k"): (begin + timedelta(days=3), at)})
        told = {"root_kind": "table", "root_name": name, "partition_key": "", "dedup_key": name}
        told |= {"urgency": "error", "owner": "", "channel": "", "findings": [], "affected": []}
        told |= {"id": number + 1, "opened_at": begin, "updated_at": at, "resolved_at": at}
        with engine.begin() as connection:
            connection.execute(sa.insert(schema.incidents).values(told))
    names = {"runs": "run_id", "steps": "run_id", "promises": "name", "incidents": "root_name"}
    assert {view.name for view in FACTS.values() if view.aged_by} == {*names}

    def there() -> dict[str, set[object]]:
        place = f"from read_parquet('{area.url}/{{}}/*/*.parquet', hive_partitioning = true)"
        with duckdb.connect() as connection:
            return {
                view: {
                    name for (name,) in connection.execute(
                        f"select {column} {place.format(view)}"
                    ).fetchall() if name in ends
                } for view, column in names.items()
            }  # fmt: skip

    publish(deployment, area, NOW)
    store.operations.forget(cut)
    store.incidents.forget(cut)
    assert all(
        {row[column] for row in store.operations.rows(VIEWS[view])} & {*ends} == {"left"}
        for view, column in names.items()
    )
    # After a restore all days are read again; the second time there is nothing new.
    with engine.begin() as connection:
        connection.execute(sa.insert(schema.restores).values(backup="b", taken_at=NOW, restored_at=NOW))
    engine.dispose()
    publish(deployment, area, NOW)
    assert there() == {name: {*ends} for name in names}
    assert publish(deployment, area, NOW).written == ()
    assert there() == {name: {*ends} for name in names}


def test_where_it_may_not_go(tmp_path: Path, deployment: Deployment) -> None:
    settings = deployment.settings
    for url, said in {
        settings.staging_url: "SLUICE_STAGING_URL",
        f"{settings.originals_url}/ops": "SLUICE_ORIGINALS_URL",
        str(settings.data_dir): "lie in each other",
        "az://reports/ops": "SLUICE_ENVIRONMENT|leads to",
        str(BAKERY): "where the project has its files; .*; name another URL",
        f"{BAKERY}/exports": "where the project has its files",
        f"{BAKERY}/dbt_project/models/ops": "where the project has its files",
    }.items():
        with pytest.raises((NotPublishable, ValueError), match=said):
            area_to_publish(deployment, url)
    there = str(tmp_path / "there")
    publish(deployment, area_to_publish(deployment, there), NOW)
    other = opened(tmp_path / "other")
    with pytest.raises(NotPublishable, match="holds operations data of deployment .*; name another URL"):
        publish(other, area_to_publish(other, there), NOW)
    other.close()
    manifest = tmp_path / "there" / MANIFEST
    for content, said in {
        "{": "is damaged",
        '{"form": 99}': "has form 99; expected 1",
        "[]": "is damaged",
    }.items():
        manifest.write_text(content)
        with pytest.raises(NotPublishable, match=said):
            publish(deployment, area_to_publish(deployment, there), NOW)
    manifest.unlink()  # as it says
    publish(deployment, area_to_publish(deployment, there), NOW)
    deployment.store.close()
    shutil.copytree(settings.data_dir, tmp_path / "copy" / "data")
    copy = opened(tmp_path / "copy")
    with pytest.raises(NotPublishable, match="is a copy of .*; `sluice env adopt"):
        area_to_publish(copy, None)
    copy.close()


def test_a_month_of_the_demo_is_small(tmp_path: Path) -> None:
    """31 days with what a day of the demo leaves, all of it written twice, as by one that was killed."""
    with closing(opened(tmp_path)) as found:
        operations = found.store.operations
        before = _bytes_of(found)
        for day in range(DAYS):
            at = NOW - timedelta(days=day)
            run, steps = _ran(at)
            operations.add_runs([run], steps)
            operations.add_runs([run], steps)
            found.store.incidents.note_due(
                {("delivery", f"exp_number_{n}", f"{at:%Y-%m-%d}"): (at, at) for n in range(7)}
            )
        stored = _bytes_of(found) - before
        engine = engine_of(found.settings.state_url.get_secret_value())
        with engine.begin() as connection:
            for table, rows in _on_record_anyhow().items():
                connection.execute(sa.insert(table), rows)
        engine.dispose()
        assert len(list(operations.rows(FACTS["steps"]))) == DAYS * 30
        area = area_to_publish(found, None)
        publish(found, area, NOW)
    published = sum(path.stat().st_size for path in Path(area.url).rglob("*") if path.is_file())
    assert (stored < 1_000_000, published < 4_000_000) == (True, True), (stored, published)


DAYS = 31


def _bytes_of(deployment: Deployment) -> int:
    deployment.store.fold()
    return Path(deployment.settings.data_dir / "state.db").stat().st_size


def _ran(at: datetime) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    run_id, key = str(UUID(int=at.toordinal(), version=4)), f"{at:%Y-%m-%d}"
    run = {"run_id": run_id, "job": "assets", "partition_key": key, "started_by": "sensor drops"}
    run |= {"status": "success", "retry_of": "", "failed_step": ""}
    run |= dict.fromkeys(("queued_at", "started_at", "ended_at", "collected_at"), at)
    step = {"run_id": run_id, "kind": "model", "status": "success", "started_at": at, "ended_at": at}
    step |= {"seconds": 1.5, "attempts": 1, "error_class": ""}
    names = [f"int_store_top_items_{number}" for number in range(30)]
    return run, [step | {"step": f"intermediate__{name}", "name": f"intermediate.{name}"} for name in names]


def _on_record_anyhow() -> dict[sa.Table, list[dict[str, Any]]]:
    """Return builds, verdicts, and what rules said: 20, 50 and 60 a day."""
    builds, verdicts, judged, rules = ([] for _ in range(4))
    for day in range(DAYS):
        at = NOW - timedelta(days=day)
        place = {
            "partition_key": f"{at:%Y-%m-%d}",
            "version": f"{UUID(int=day)}-99080c15",
            "run_id": "r" * 36,
        }
        tables = [f"intermediate.int_store_top_items_{number}" for number in range(20)]
        builds += [place | {"relation": name, "row_count": 60, "built_at": at} for name in tables]
        verdicts += [
            place | {"relation": tables[n % 20], "check_name": f"not_null_{n}", "passed": True}
            | {"summary": "", "judged_at": at}
            for n in range(50)
        ]  # fmt: skip
        judged.append(
            place | {"id": day + 1, "relation": tables[0], "check_name": "expectations", "judged_at": at}
        )
        rules += [
            {"judgement_id": day + 1, "rule_number": n, "type": "expect_column_values_to_not_be_null"}
            | {"kwargs": "{}", "severity": "critical", "outcome": "passed", "expected": "", "observed": ""}
            for n in range(60)
        ]
    return {
        schema.builds: builds, schema.evidence: verdicts, schema.judgements: judged,
        schema.rule_results: rules,
    }  # fmt: skip
