"""SQL that reads something else in a run than it did when the project was loaded.

Belongs here: that such a table, or verdict, does not count, whoever presses the button. Does not: what is
found when a project is loaded (tests/graph/test_bound_sql.py).
"""

import pytest

from tests.company import MON, TUE, WEATHER_REPORT, Company
from tests.gate.edits import replace, write
from tests.run.test_repairs import sluice

pytestmark = pytest.mark.long
MODEL = "dbt_project/models/exports/exp_weather_report.sql"
REF = "{{ ref('stg_weather') }}"
ON_TUESDAY = f"{{% if var('partition_key', '') == '{TUE}' %}}"


def test_a_table_that_was_made_of_what_is_not_declared_does_not_count(open_bakery: Company) -> None:
    company = open_bakery.with_own_project()
    past = f"{ON_TUESDAY}(select * from staging.stg_weather limit 9){{% else %}}{REF}{{% endif %}}"
    replace(MODEL, f"from {REF}", f"from {past}")(company.settings.project_dir)
    company = company.read_anew()
    company.land_day(TUE, a=1)
    code, said = sluice(company, "run")
    assert code == 1
    assert "exp_weather_report was built, and does not count: it reads `staging.stg_weather` past its" in said
    assert company.status()[(WEATHER_REPORT, TUE)].why
    company.materialize(TUE, f"delivered/{WEATHER_REPORT}")
    assert not (company.container / "weather" / TUE).exists()
    assert (company.container / "weather" / MON).exists()


def test_a_test_that_read_what_is_not_declared_has_not_judged(open_bakery: Company) -> None:
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
