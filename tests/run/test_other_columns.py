"""SQL that makes a column of something else in a run than it did when the project was loaded.

Classes are judged at load; so a run that would send more than was judged is stopped, whatever its text asks.
Belongs here: that it is never executed. Does not: tables that a run may not read (`test_undeclared_reads`).
"""

import dataclasses

import pytest
from sluicegate.columns.in_a_run import unforeseen
from sluicegate.core.column_origins import Compared, Kind, Origin, Place, TableOrigins
from sluicegate.core.relations import Relation

from tests.company import TUE, Company
from tests.gate.edits import replace
from tests.typed import sluice

MODEL = "dbt_project/models/exports/exp_weather_report.sql"
PARENT = Relation("staging", "people")


@pytest.mark.long
@pytest.mark.parametrize(
    "asked",
    [
        f"var('partition_key', '') == '{TUE}'",
        "flags.WHICH != 'compile'",
        "invocation_args_dict.get('which') != 'compile'",
    ],
)
@pytest.mark.sampled(2)
def test_a_column_is_not_made_of_what_was_not_judged(open_bakery: Company, asked: str) -> None:
    company = open_bakery.with_own_project()
    dry = "{{ to_type('0', 'decimal(6,1)') }} as rain_mm"
    replace(MODEL, "    rain_mm", f"    {{% if {asked} %}}rain_mm{{% else %}}{dry}{{% endif %}}")(
        company.settings.project_dir
    )
    company = company.read_anew()
    company.land_day(TUE, a=1)
    code, said = sluice(company, "run")
    assert code == 1
    assert "its column `rain_mm` is made of staging.stg_weather.rain_mm in this run (identity)" in said
    company.materialize(TUE, "delivered/exp_weather_report")
    assert not (company.container / "weather" / TUE).exists()


def _of(
    *origins: tuple[str, Kind, int],
    rows: tuple[tuple[str, Kind], ...] = (),
    chosen: tuple[str, ...] = (),
    present: tuple[str, ...] = (),
    compared: bool = False,
) -> TableOrigins:
    chosen_by = tuple(Place(PARENT, name) for name in chosen)
    return TableOrigins(
        Relation("exports", "exp_people"),
        {
            "x": frozenset(
                Origin(Place(PARENT, name), kind, at_least, chosen_by if at_least else ())
                for name, kind, at_least in origins
            )
        },
        frozenset({PARENT}),
        frozenset(Origin(Place(PARENT, name), kind) for name, kind in rows),
        only_present=frozenset(Place(PARENT, name) for name in present),
        compared=frozenset(
            {Compared(Place(PARENT, "id"), Place(PARENT, "age"), equal=True)} if compared else ()
        ),
    )


@pytest.mark.parametrize(
    ("known", "now", "more"),
    [
        (_of(("age", Kind.IDENTITY, 0)), _of(("age", Kind.IDENTITY, 0)), False),
        (_of(("age", Kind.IDENTITY, 0)), _of(), False),
        (_of(("age", Kind.IDENTITY, 0)), _of(("age", Kind.MEASURE, 5)), False),
        (_of(), _of(("age", Kind.IDENTITY, 0)), True),
        (_of(("age", Kind.MEASURE, 5)), _of(("age", Kind.IDENTITY, 0)), True),
        (_of(("age", Kind.MEASURE, 5)), _of(("age", Kind.PICK, 0)), True),
        (_of(("age", Kind.MEASURE, 5)), _of(("age", Kind.MEASURE, 1)), True),
        (_of(("age", Kind.MEASURE, 5)), _of(("age", Kind.MEASURE, 6)), False),
        (_of(("age", Kind.MEASURE, 5)), _of(("name", Kind.MEASURE, 5)), True),
        (_of(("age", Kind.MEASURE, 5)), _of(("age", Kind.MEASURE, 5), chosen=("age",)), True),
        (_of(("age", Kind.MEASURE, 5), chosen=("age",)), _of(("age", Kind.MEASURE, 5)), False),
        (_of(("age", Kind.MEASURE, 0)), _of(("age", Kind.MEASURE, 5), chosen=("age",)), False),
        (_of(rows=(("age", Kind.FILTER),), present=("age",)), _of(rows=(("age", Kind.FILTER),)), True),
        (_of(rows=(("age", Kind.FILTER),), present=("age",)), _of(), False),
        (_of(compared=True), _of(compared=True), False),
        (_of(compared=True), _of(), False),
        (_of(), _of(compared=True), True),
        (_of(), dataclasses.replace(_of(), multiplied_by=frozenset({Place(PARENT, "age")})), True),
        (_of(rows=(("age", Kind.FILTER),)), _of(("age", Kind.CONDITIONAL, 0)), True),
        (_of(rows=(("age", Kind.FILTER),)), _of(rows=(("age", Kind.FILTER),)), False),
        (_of(rows=(("age", Kind.FILTER),)), _of(rows=(("name", Kind.FILTER),)), True),
        (_of(("age", Kind.IDENTITY, 0)), _of(rows=(("age", Kind.FILTER),)), False),
    ],
)
def test_no_more_is_what_tells_no_more(known: TableOrigins, now: TableOrigins, more: bool) -> None:
    assert bool(unforeseen(known, now)) is more
