"""The conditions of the matrix: what may be wrong with a Tuesday whose tables are all built.

Monday is delivered, Wednesday is built and validated, Tuesday is built and something is the matter with its
evidence. Nothing of Tuesday and Wednesday has been sent: the next hand on the button could.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tests.company import MON, TUE, WED, Company, runs
from tests.gate.deployments import NOWHERE, STUCK_GAUGE
from tests.gate.without_gate import gate_taken_out

RAW = ("raw/orders", "raw/weather")
STAGING = ("staging/stg_orders", "staging/stg_weather")
MARTS = ("marts/shop_orders",)
EXPORTS = ("exports/exp_shop_orders", "exports/exp_weather_report")
DELIVERED = ("delivered/exp_shop_orders", "delivered/exp_weather_report")
TABLES = (*RAW, *STAGING, *MARTS, *EXPORTS)


@dataclass(frozen=True)
class Condition:
    """One column of the matrix.

    `happens` brings Tuesday there; `said` is what the gate's check of each export must name, and is empty
    where Tuesday may go through; `days` are what is asked for.
    """

    name: str
    happens: Callable[[Company], None]
    said: tuple[str, ...] = ()
    days: tuple[str, ...] = (TUE,)


def monday(company: Company) -> None:
    """Deliver a Monday: a (3 loaves), b (4), rain 1.5 mm."""
    company.land_shops("a", "b")
    company.land_day(MON, a=3, b=4)
    assert runs(company.run()) == [("", True), (MON, True)]


def week(company: Company) -> None:
    """Build Wednesday to its exports' models, and Tuesday's orders: the weather of Tuesday is to come."""
    company.land_orders(TUE, a=1, b=1)
    company.land_day(WED, a=2, b=2)
    assert company.materialize(WED, *TABLES) == (True, "")
    assert company.materialize(TUE, "raw/orders", "staging/stg_orders") == (True, "")


def weather(day: str, rain: float = 1.5, town: str = "Ulm") -> str:
    """Return one line of weather, under its header."""
    return f"date,town,rain_mm\n{day},{town},{rain}\n"


def two_rains(day: str) -> str:
    """Return a day with two measures of rain, at which the test of stg_weather errs."""
    return f"{weather(day)}{day},Bonn,2.5\n"


def _build(company: Company, *tables: str, checks: bool = True, fails: bool = False) -> None:
    ok, said = company.materialize(TUE, *tables, checks=checks)
    assert ok is not fails, said


def _land(company: Company, text: str) -> None:
    company.land("weather", TUE, text)


def _good(company: Company) -> None:
    _land(company, weather(TUE))
    _build(company, "raw/weather", "staging/stg_weather", *MARTS)


def _failed(company: Company) -> None:
    _land(company, weather(TUE, rain=STUCK_GAUGE))
    _build(company, "raw/weather", "staging/stg_weather", *MARTS, *EXPORTS, fails=True)


def _warned(company: Company) -> None:
    _land(company, weather(TUE, rain=60))
    _build(company, "raw/weather", "staging/stg_weather", *MARTS, *EXPORTS)


def _never_ran(company: Company) -> None:
    _good(company)
    _build(company, *EXPORTS, checks=False)


def _older_version(company: Company) -> None:
    _good(company)
    _build(company, *EXPORTS)
    _build(company, *EXPORTS, checks=False)


def _errored(company: Company) -> None:
    _land(company, two_rains(TUE))
    _build(company, "raw/weather", "staging/stg_weather", fails=True)
    with gate_taken_out():  # nothing would be built on it otherwise
        _build(company, *MARTS, *EXPORTS)


def _ancestor_failed(company: Company) -> None:
    _land(company, weather(TUE, town=NOWHERE))
    _build(company, "raw/weather", fails=True)
    with gate_taken_out():  # nothing would be built on it otherwise
        _build(company, "staging/stg_weather", *MARTS, *EXPORTS)


_OWN = ("exports.exp_", f"[{TUE}] check `expectations`: ")
CONDITIONS = [
    Condition("check failed", _failed, (*_OWN, "`expectations`: failed")),
    Condition("check warned", _warned),
    Condition("check never ran", _never_ran, (*_OWN, "never ran on this version")),
    Condition("check passed on an older version", _older_version, (*_OWN, "passed on an older version")),
    Condition("check errored", _errored, (f"staging.stg_weather [{TUE}] check `one_rain_a_day`: ",)),
    Condition("ancestor two layers up failed", _ancestor_failed, (f"raw.weather [{TUE}] check `exp",)),
    Condition("another partition failed", _failed, (*_OWN, "`expectations`: failed"), (TUE, WED)),
]  # fmt: skip
