"""What version 716f0d0 kept of its rules in the warehouse: on record from the first opening on."""

from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.state.deployment import Deployment
from tests.company import FRI, MON, WED, Company, recorded
from tests.upgrade.old_week import SAT
from tests.warehouse.bare import bare

pytestmark = pytest.mark.long
ORDERS = "staging.stg_orders"
TABLES = ("rule_results", "failing_rows", "metrics")
JUDGED = "relation, partition_key, check_name, version, run_id"
RESULTS = (
    f"{JUDGED}, rule_number, type, severity, outcome, expected, observed, observed_value, row_count,"
    " failing_rows, failing_share, error"
)
FINITE = "value is null or isfinite(value)"
METRICS = "relation, partition_key, version, metric, value"


MEASURED = f"""
    insert into sluice.metrics values
        ('{ORDERS}', '{MON}', 'v1', 'row_count', 7, '2024-01-02 03:04:05'),
        ('{ORDERS}', '{MON}', 'v1', 'loaves.mean', null, '2024-01-02 03:04:05'),
        ('{ORDERS}', '{MON}', 'v1', 'loaves.stdev', 'nan', '2024-01-02 03:04:05'),
        ('raw.shops', '', 'first', 'row_count', 2, '2024-01-03'),
        ('raw.shops', '', 'second', 'row_count', 3, '2024-01-02')
"""


@pytest.fixture
def measured_week(old_week: Company) -> Company:
    """The week, whose suites compared nothing with earlier days, and metrics as that version kept them."""
    with duckdb.connect(str(old_week.settings.warehouse_path)) as connection:
        connection.execute(MEASURED)
    return old_week


def in_warehouse(company: Company, sql: str) -> list[Any]:
    with duckdb.connect(str(company.settings.warehouse_path), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def kept_then(company: Company) -> dict[str, list[Any]]:
    """Return what the old warehouse keeps, sorted."""
    return {
        "results": sorted(map(str, in_warehouse(company, f"select {RESULTS} from sluice.rule_results"))),
        "rows": sorted(map(str, in_warehouse(
            company, f"select {JUDGED}, rule_number, row_number, row from sluice.failing_rows"))),
        "metrics": sorted(map(str, in_warehouse(
            company, f"select {METRICS} from sluice.metrics where {FINITE}"))),
    }  # fmt: skip


def kept_now(company: Company) -> dict[str, list[Any]]:
    """Return what is on record, in the same form."""
    of = "join judgements on judgements.id = judgement_id"
    return {
        "results": sorted(map(str, recorded(company.settings, f"select {RESULTS} from rule_results {of}"))),
        "rows": sorted(map(str, recorded(
            company.settings, f"select {JUDGED}, rule_number, row_number, row from failing_rows {of}"))),
        "metrics": sorted(map(str, recorded(company.settings, f"select {METRICS} from metrics"))),
    }  # fmt: skip


def tables_left(company: Company) -> set[str]:
    found = in_warehouse(company, "select table_name from duckdb_tables() where schema_name = 'sluice'")
    return {name for (name,) in found} & set(TABLES)


def test_all_that_was_kept_is_on_record_and_the_tables_are_gone(measured_week: Company) -> None:
    then = kept_then(measured_week)
    assert all(then.values()), "the week has none of something"
    with bare(measured_week.deployment.warehouse):
        pass
    assert (kept_now(measured_week), tables_left(measured_week)) == (then, set())
    with bare(Deployment(measured_week.settings).warehouse):  # another process
        pass
    assert kept_now(measured_week) == then
    moments = {item.judged_at for item in measured_week.deployment.store.results.newest(30)}
    assert moments
    assert all(moment.utcoffset() is not None for moment in moments)


def test_a_process_that_died_before_the_tables_went_leaves_nothing_twice(
    measured_week: Company, tmp_path: Path
) -> None:
    before = (tmp_path / "before.duckdb", measured_week.settings.warehouse_path)
    before[0].write_bytes(before[1].read_bytes())
    then = kept_then(measured_week)
    with bare(measured_week.deployment.warehouse):
        pass
    before[1].write_bytes(before[0].read_bytes())
    assert tables_left(measured_week) == set(TABLES)
    with bare(Deployment(measured_week.settings).warehouse):
        pass
    assert (kept_now(measured_week), tables_left(measured_week)) == (then, set())


def test_history_is_what_it_was(measured_week: Company) -> None:
    """A version of which the old code measured something is not measured again."""
    judged = in_warehouse(
        measured_week, "select distinct relation, partition_key, version from sluice.rule_results"
    )
    with bare(measured_week.deployment.warehouse):
        pass
    store = measured_week.deployment.store
    assert store.metrics.of(ORDERS, [(MON, "v1", "row_count")]) == {(MON, "v1", "row_count"): 7.0}
    assert store.metrics.of(ORDERS, [(MON, "v1", "loaves.mean")]) == {(MON, "v1", "loaves.mean"): None}
    # Measured again, as what was not finite was, whenever somebody asked.
    assert store.metrics.of(ORDERS, [(MON, "v1", "loaves.stdev")]) == {}
    assert store.metrics.versions("raw.shops") == ["second", "first"]
    for table in {item[0] for item in judged}:
        wanted = {item[1:] for item in judged if item[0] == table}
        assert store.results.judged_versions(table) == wanted


def test_data_docs_show_what_the_old_code_judged(measured_week: Company) -> None:
    code, written, complained = measured_week.sluice("page", "data-docs")
    assert (code, complained) == (0, "")
    pages = [page.as_posix() for page in Path(written.strip()).parent.glob("validations/**/*.html")]
    for relation, day in (
        ("raw/orders", FRI),
        ("staging/stg_weather", WED),
        ("exports/exp_weather_report", SAT),
    ):
        assert any(f"/{relation}/" in page and f"/{day}/" in page for page in pages), (relation, day)
