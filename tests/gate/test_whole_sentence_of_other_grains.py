"""The gate's whole sentence where a day is made of hours and reads its month.

The cases are few, and what they come to is as in `test_whole_sentence`, which asks of days.
"""

import shutil
from collections.abc import Iterator
from dataclasses import replace as variant
from pathlib import Path

import pytest

from orchestration.core.settings import Settings
from tests.company import NO_WAIT, Company
from tests.gate.asking import nobody_sends_it_before_it_is_repaired
from tests.gate.deployments import run_in_this_process
from tests.gate.office import Office, Place, Rows, opened_office, rule, unnoticed
from tests.gate.sentence import Case, judge, rebuild, run
from tests.gate.sentence_rules import MODELS, NEVER, OLDER_BUILD, OLDER_SQL, edited, rerun_outdated
from tests.observatory import DAY, HOURS, JANUARY, OBSERVATORY, land_hour, land_plan, open_observatory
from tests.prepared import take_over

pytestmark = pytest.mark.long
SUMS: Place = ("exp_day_sums", DAY)
PLANS: Place = ("exp_month_plans", JANUARY)
# Station a measures 100 an hour, and 800 in the first: too much for a tighter rule.
AS_BUILT: Rows = [("a", "A hill", "4", "4", "1100.0")]
CORRECTED: Rows = [("a", "A hill", "4", "4", "400.0")]


def _hour_rebuilt_in_two_layers(office: Office) -> None:
    office.edit(*(rule(suite, "field_nt", "max_value: 500") for suite in ("readings", "stg_readings")))
    office.judge("raw.readings", HOURS[0], HOURS[-1])
    office.judge("staging.stg_readings", HOURS[0], HOURS[-1])
    land_hour(office.company, HOURS[0], a=100)
    office.by_hand(HOURS[0], "raw/readings", "staging/stg_readings")


def _month_rebuilt_in_part(office: Office) -> None:
    office.edit(rule("plans", "readings_planned", "max_value: 3"))
    office.judge("raw.plans", JANUARY)
    land_plan(office.company, JANUARY, readings=2)
    office.by_hand(JANUARY, "raw/plans", "staging/stg_plans")


def _hour_restored(office: Office) -> None:
    office.retry()
    with office.backup():
        land_hour(office.company, HOURS[0], a=100)
        office.sluice("run")


_HOURS = Case(
    "of hours", edited(),
    closed=(SUMS,), link="staging.stg_readings", said=NEVER, advice="sluice table judge",
    goes={PLANS: [("a", "4")]}, opened={SUMS: AS_BUILT},
    repair=(judge("staging.stg_readings", HOURS[0], HOURS[-1]),),
)  # fmt: skip
CASES = [
    Case(
        "an hour is rebuilt by hand in two layers, its day is not", _hour_rebuilt_in_two_layers,
        closed=(SUMS,), link="marts.day_sums", by_itself=True, repair=(run,), opened={SUMS: CORRECTED},
    ),
    Case(
        "a month is, its days are not", _month_rebuilt_in_part,
        closed=(SUMS,), link="marts.day_sums", by_itself=True,
        repair=(rebuild("marts.day_sums", DAY),), opened={SUMS: [("a", "A hill", "4", "2", "1100.0")]},
    ),
    variant(
        _HOURS, name="a rule of hours is tightened",
        happens=edited(rule("stg_readings", "field_nt", "max_value: 900")),
    ),
    Case(
        "the warehouse is from before an hour was corrected", _hour_restored,
        closed=(SUMS,), link="raw.readings", said=OLDER_BUILD,
        holds={SUMS: CORRECTED}, goes={PLANS: [("a", "4")]},
        repair=(rebuild("raw.readings", HOURS[0]),), opened={SUMS: CORRECTED},
    ),
    Case(
        "a staging model of hours is another",
        edited(unnoticed(f"{MODELS}/staging/stg_readings.sql", "    field_nt\n", "  7 field_nt\n")),
        closed=(SUMS,), link="staging.stg_readings", said=OLDER_SQL, goes={PLANS: [("a", "4")]},
        outdated=tuple(("staging.stg_readings", hour) for hour in HOURS),
        repair=(rerun_outdated,), opened={SUMS: [("a", "A hill", "4", "4", "28.0")]},
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def unsent_day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """A day of four hours, and its month, built while no connection was set; not for tests.

    Of a copy of the project, which is edited.
    """
    folder = tmp_path_factory.mktemp("observatory")
    project = folder / "project"
    shutil.copytree(OBSERVATORY, project)
    run_in_this_process(project)
    with open_observatory(folder) as made:
        nowhere = made.settings.model_copy(update={"connections": {}, "project_dir": project})
        company = variant(made, settings=nowhere)
        for hour in HOURS:
            land_hour(company, hour, a=800 if hour == HOURS[0] else 100)
        company.run()
        company.deployment.store.close()
        yield company


@pytest.fixture
def observatory(unsent_day: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    container = tmp_path / "archive"
    shutil.copytree(unsent_day.settings.data_dir, tmp_path / "data")
    settings = Settings.load(
        {"SLUICE_CONNECTION_ARCHIVE": str(container), **NO_WAIT},
        project_dir=unsent_day.settings.project_dir, data_dir=tmp_path / "data",
    )  # fmt: skip
    take_over(settings)
    with opened_office(Company(settings, "", container), monkeypatch) as office:
        yield office


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
@pytest.mark.sampled(4)
def test_nobody_sends_a_day_before_it_is_repaired(observatory: Office, case: Case) -> None:
    nobody_sends_it_before_it_is_repaired(observatory, case)
