"""SQL that reads something else in a run than it did when the project was loaded.

Belongs here: that it is never executed, whoever presses the button. Does not: what is
found when a project is loaded (tests/graph/test_bound_sql.py).
"""

from typing import Any

import pytest
from sluicegate.graph.data_tests import DataTests
from sluicegate.transformation import declared_reads
from sluicegate.transformation.runner import DbtProcess
from sluicegate.warehouse.duckdb_file import DuckDBSession

from tests.company import MON, TUE, WEATHER_REPORT, Company
from tests.gate.edits import append, replace, write
from tests.typed import sluice
from tests.warehouse.bare import bare

pytestmark = [pytest.mark.long, pytest.mark.stories(2)]
MODEL = "dbt_project/models/exports/exp_weather_report.sql"
REF = "{{ ref('stg_weather') }}"
ON_TUESDAY = f"{{% if var('partition_key', '') == '{TUE}' %}}"


def test_a_table_is_not_made_of_what_is_not_declared(open_bakery: Company) -> None:
    company = open_bakery.with_own_project()
    past = f"{ON_TUESDAY}(select * from staging.stg_weather limit 9){{% else %}}{REF}{{% endif %}}"
    replace(MODEL, f"from {REF}", f"from {past}")(company.settings.project_dir)
    company = company.read_anew()
    company.land_day(TUE, a=1)
    code, said = sluice(company, "run")
    assert code == 1
    assert "dbt could not build exp_weather_report: it reads `staging.stg_weather` past its" in said
    with bare(company.deployment.warehouse) as connection:
        assert (WEATHER_REPORT, TUE) not in DuckDBSession(connection).versions([WEATHER_REPORT])
    assert company.status()[(WEATHER_REPORT, TUE)].why
    company.materialize(TUE, f"delivered/{WEATHER_REPORT}")
    assert not (company.container / "weather" / TUE).exists()
    assert (company.container / "weather" / MON).exists()


def test_a_test_that_reads_what_is_not_declared_has_not_judged(open_bakery: Company) -> None:
    company = open_bakery.with_own_project()
    write(
        "dbt_project/tests/no_flood.sql",
        "select * from {{ ref('stg_weather') }} where rain_mm > 300"
        f" {ON_TUESDAY} and rain_mm > (select max(rain_mm) from raw.weather) {{% endif %}}\n",
    )(company.settings.project_dir)
    company = company.read_anew()
    company.land_day(TUE, a=1)
    code, said = sluice(company, "run")
    assert code == 1
    assert "it reads `raw.weather`, and nothing says so" in said
    company.materialize(TUE, f"delivered/{WEATHER_REPORT}")
    assert not (company.container / "weather" / TUE).exists()


@pytest.mark.parametrize("kind", ["singular", "generic"])
@pytest.mark.sampled(2)
def test_a_second_statement_of_a_test_is_never_executed(open_bakery: Company, kind: str) -> None:
    company = open_bakery.with_own_project()
    semicolon = "{{ '%c' % 59 }}"  # one that is written is found when the project is loaded
    second = f"{ON_TUESDAY}{semicolon} delete from raw.weather where _partition_key = '{MON}' {{% endif %}}"
    if kind == "singular":
        query = f"select * from {{{{ ref('stg_weather') }}}} where rain_mm > 300 {second}\n"
        write("dbt_project/tests/no_flood.sql", query)(company.settings.project_dir)
    else:
        query = f"select * from {{{{ model }}}} where {{{{ column_name }}}} > 300 {second}"
        macro = f"{{% test no_flood(model, column_name) %}}\n{query}\n{{% endtest %}}\n"
        (company.settings.dbt_dir / "tests").mkdir()
        write("dbt_project/tests/generic/no_flood.sql", macro)(company.settings.project_dir)
        append(
            "dbt_project/models/staging/_staging.yml",
            "    columns:\n      - {name: rain_mm, description: Rain., data_tests: [no_flood]}\n",
        )(company.settings.project_dir)
    company = company.read_anew()
    company.land_day(TUE, a=1)
    code, said = sluice(company, "run")
    assert code == 1
    assert "it is 2 statements, not one query" in said
    with bare(company.deployment.warehouse) as connection:
        monday = f"select * from raw.weather where _partition_key = '{MON}'"
        assert connection.execute(monday).fetchall()
    company.materialize(TUE, f"delivered/{WEATHER_REPORT}")
    assert not (company.container / "weather" / TUE).exists()


def test_the_engine_is_asked_of_a_slice_once_until_a_table_is_built(
    open_bakery: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    scans = declared_reads.scans

    def asking(connection: Any, sql: str) -> Any:
        asked.append(sql)
        return scans(connection, sql)

    monkeypatch.setattr(declared_reads, "scans", asking)
    company = open_bakery
    tests = DataTests(company.site, DbtProcess(company.settings))
    [unique] = tests.of("staging.stg_orders").values()
    table = company.project.lineage.tables["staging.stg_orders"]
    with company.deployment.warehouse.session() as session:
        refuse = tests.refusing(session, table, MON)
        day = "cast('{}' as date)"
        sliced = f"select * from staging.stg_orders where business_date >= {day} and business_date < {day}"
        for _ in range(3):
            assert refuse(unique.unique_id, sliced.format(MON, TUE)) == ""
            assert "past its partition" in refuse(unique.unique_id, "select * from staging.stg_orders")
        assert len(asked) == 1
        session.native.execute("alter table staging.stg_orders alter business_date type timestamp")
        assert refuse(next(name for name in tests._nodes if name.endswith(".stg_orders")), "select 1") != ""  # pyright: ignore[reportPrivateUsage]
        assert refuse(unique.unique_id, sliced.format(MON, TUE)) == ""
        assert len(asked) == 2
