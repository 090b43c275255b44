"""Every condition in a later run, which the sensor asks for.

The weather lands first, and something is the matter with it; then the orders land, and the sensor looks
again. Whatever it asks for is run, until it asks for nothing.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.company import MON, TUE, WED, Company
from tests.gate.cells import Pass, assert_told
from tests.gate.conditions import monday, two_rains, weather
from tests.gate.conftest import Prepare, Shelf
from tests.gate.deployments import NOWHERE
from tests.gate.triggers import launch, look
from tests.gate.without_gate import gate_taken_out

pytestmark = pytest.mark.long


def _failed(company: Company) -> None:
    company.land_weather(TUE, rain=-1)
    launch(company, *look(company))


def _another_failed(company: Company) -> None:
    company.land_weather(WED)
    _failed(company)


def _warned(company: Company) -> None:
    company.land_weather(TUE, rain=60)
    launch(company, *look(company))


def _never_ran(company: Company) -> None:
    company.land_weather(TUE)
    (request,) = look(company)
    # Its run ends after the table is built, and before its checks.
    company.materialize(TUE, "raw/weather", tags=request.tags)
    assert company.materialize(TUE, "staging/stg_weather", checks=False, tags=request.tags) == (True, "")


def _on_an_older_version(company: Company) -> None:
    company.land_weather(TUE)
    launch(company, *look(company))
    assert company.materialize(TUE, "staging/stg_weather", checks=False) == (True, "")


def _errored(company: Company) -> None:
    company.land("weather", TUE, two_rains(TUE))
    launch(company, *look(company))


def _ancestor_failed(company: Company) -> None:
    company.land("weather", TUE, weather(TUE, town=NOWHERE))
    launch(company, *look(company))
    with gate_taken_out():  # nothing would be built on it otherwise
        assert company.materialize(TUE, "staging/stg_weather") == (True, "")


@dataclass(frozen=True)
class Earlier:
    """What has happened to Tuesday's weather before its orders land.

    `said` is what the gate check of the export names; empty where it is open.
    """

    name: str
    happened: Prepare
    holds: bool = True
    said: str = ""
    good: tuple[str, ...] = ()


LATER_RUN = [
    Earlier("check failed", _failed, said="staging.stg_weather"),
    Earlier("check warned", _warned, holds=False),
    Earlier("check never ran", _never_ran, said="never ran on this version"),
    Earlier("check passed on an older version", _on_an_older_version, said="passed on an older version"),
    Earlier("check errored", _errored, said="check `one_rain_a_day`"),
    Earlier("ancestor two layers up failed", _ancestor_failed, said="raw.weather"),
    Earlier("another partition failed", _another_failed, said="staging.stg_weather", good=(WED,)),
]


@pytest.fixture
def weather_came_first(shelf: Shelf, tmp_path: Path, earlier: Earlier) -> Iterator[Company]:
    yield from shelf.copy_of(tmp_path, monday, earlier.happened)


@pytest.mark.parametrize(
    ("earlier", "gate"),
    [
        pytest.param(earlier, gate, id=f"{earlier.name}, {gate}")
        for earlier in LATER_RUN
        for gate in Pass
        if earlier.holds or gate is Pass.ASKED
    ],
)
@pytest.mark.sampled(7)
def test_later_run_by_the_sensor(weather_came_first: Company, earlier: Earlier, gate: Pass) -> None:
    company = weather_came_first
    for day in (TUE, *earlier.good):
        company.land_orders(day, a=1, b=1)
    held = earlier.holds and gate is Pass.ASKED
    arrives = [*earlier.good] if held else [TUE, *earlier.good]
    before, in_container = company.untouched(*arrives), company.in_container()
    with gate_taken_out() if gate is Pass.TAKEN_OUT else nullcontext():
        while asked := look(company):
            launch(company, *asked)
    assert company.untouched(*arrives) == before
    assert company.in_container() == in_container  # the weather's own export is not asked for again
    assert {row[0] for row in company.in_postgres()} == {MON, *arrives}
    if held:
        assert_told(company, ("delivered/exp_shop_orders",), earlier.said)
    else:
        assert company.check_results("delivered/exp_shop_orders", "gate")[TUE][0] is True
