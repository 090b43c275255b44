"""A process whose project files have changed under it: it builds nothing and sends nothing, and says so.

Else it would build by the SQL, and judge by the rules, of neither yesterday nor today.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.company import MON, TUE, failures
from tests.gate.conditions import DELIVERED, EXPORTS, MARTS, STAGING, monday
from tests.gate.conftest import Shelf
from tests.gate.edits import Edit, append, replace
from tests.gate.office import Office, Rows, ask_the_sensor, opened_office, rule, unsent_tuesday
from tests.gate.sentence import SHOP, Happening, judge, rebuild
from tests.gate.sentence_rules import LARGEST_IN_MODEL, LESS_RAIN, MODELS, rerun_outdated
from tests.gate.triggers import by_automation, by_hand

pytestmark = pytest.mark.long


@dataclass(frozen=True)
class Change:
    """What is changed under a process, and what arrives once it is loaded anew and repaired.

    `tables` are what it is asked to build; `used` says that it has called dbt before.
    """

    name: str
    edit: Edit
    repair: tuple[Happening, ...] = (rerun_outdated,)
    opened: Rows = field(default_factory=Rows)
    tables: tuple[str, ...] = (*STAGING, *MARTS, *EXPORTS)
    used: bool = False


# Tuesday's orders are corrected meanwhile: b has two loaves.
_LARGEST: Rows = [("a", 3), ("b", 4)]
_AS_IT_WAS: Rows = [("a", 4), ("b", 6)]
CHANGES = [
    Change("a model of the same length and time", LARGEST_IN_MODEL, opened=_LARGEST),
    Change("after its first call of dbt", LARGEST_IN_MODEL, opened=_LARGEST, used=True),
    Change("a macro", replace("dbt_project/macros/measures.sql", "sum(", "max("), opened=_LARGEST),
    Change(
        "a window", replace(f"{MODELS}/marts/_marts.yml", "{stg_orders: 3}", "{stg_orders: 1}"),
        opened=[("a", 1), ("b", 2)],
    ),
    Change(
        "a singular dbt test",
        append("dbt_project/tests/one_rain_a_day.sql", LESS_RAIN),
        repair=(judge("staging.stg_weather", TUE),), opened=_AS_IT_WAS,
    ),
    Change(
        "a suite", rule("stg_orders", "loaves", "max_value: 100"),
        repair=(judge("staging.stg_orders", MON, TUE),), opened=_AS_IT_WAS,
    ),
    Change(
        "a contract", replace("contracts/weather.odcs.yaml", "required: false", "required: true"),
        repair=(rebuild("raw.weather", TUE),), opened=_AS_IT_WAS, tables=("raw/weather",),
    ),
]  # fmt: skip


@pytest.fixture
def office(shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    """Tuesday is built and validated, and not sent."""
    for company in shelf.copy_of(tmp_path, monday, unsent_tuesday):
        with opened_office(company, monkeypatch) as office:
            yield office


@pytest.mark.parametrize("change", [pytest.param(change, id=change.name) for change in CHANGES])
@pytest.mark.sampled(6)
def test_it_refuses_until_it_is_loaded_anew(office: Office, change: Change, shelf: Shelf) -> None:
    company, evening = office.company, shelf.monday_evening
    assert company.definitions is not None  # loaded before the change
    if change.used:
        assert company.materialize(TUE, "exports/exp_weather_report") == (True, "")
    office.edit_unseen(change.edit)
    tables = [table.replace("/", ".") for table in (*change.tables, *STAGING, *MARTS, *EXPORTS)]
    built, before = {table: office.built(table) for table in tables}, office.sent()

    ok, said = company.materialize(TUE, *change.tables, *DELIVERED)
    assert not ok
    assert "reload" in said
    by_hand(company, TUE)
    by_automation(company, evening, TUE)
    company.land_orders(TUE, a=1, b=2)
    ask_the_sensor(company)
    assert "reload" in failures(company.run(retry=True))
    assert office.sent() == before
    assert {table: office.built(table) for table in tables} == built

    office.reload()
    office.retry()
    for repair in change.repair:
        repair(office)
    assert office.rows((SHOP, TUE)) == change.opened
