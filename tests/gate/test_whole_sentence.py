"""The gate's whole sentence: checked by today's rules, made of what there is now, built by today's SQL.

Each case is a partition that every table's check had once passed, and that must not be sent as it is. Nobody
gets it out; the command that the gate names does.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster._core.definitions.asset_daemon_cursor import AssetDaemonCursor

from tests.company import MON, TUE
from tests.gate.asking import nobody_sends_it_before_it_is_repaired
from tests.gate.conditions import monday
from tests.gate.conftest import Shelf
from tests.gate.office import Office, ask_the_sensor, opened_office
from tests.gate.sentence import REBUILT_IN_PART, RELEASED, SHOP, WINDOWS, Case
from tests.gate.sentence_rules import (
    LATER,
    OTHER_RULES,
    OTHER_SQL,
    RESTORED,
    SEVERITIES,
    SEVERITY,
    WARNED,
    Later,
)

pytestmark = pytest.mark.long
CASES = {
    "rebuilt in part": REBUILT_IN_PART,
    "window": WINDOWS,
    "released": RELEASED,
    "another rule": OTHER_RULES,
    "restored": RESTORED,
    "other SQL": OTHER_SQL,
    "warned only": WARNED,
}


@pytest.fixture
def evening(shelf: Shelf) -> AssetDaemonCursor:
    """What automation had seen on Monday evening; looked at before any project file is another."""
    return shelf.monday_evening


@pytest.fixture
def office(shelf: Shelf, tmp_path: Path, case: Case, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    """The stricter bakery as it is before the case."""
    for company in shelf.copy_of(tmp_path, *case.base):
        with opened_office(company, monkeypatch) as office:
            yield office


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=f"{kind}: {case.name}") for kind, cases in CASES.items() for case in cases]
)
@pytest.mark.sampled(19)
def test_nobody_sends_it_before_it_is_repaired(
    evening: AssetDaemonCursor, office: Office, case: Case
) -> None:
    nobody_sends_it_before_it_is_repaired(office, case, evening)


@pytest.fixture
def monday_office(shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    """The stricter bakery, its Monday delivered."""
    for company in shelf.copy_of(tmp_path, monday):
        with opened_office(company, monkeypatch) as office:
            yield office


@pytest.mark.sampled(2)
@pytest.mark.parametrize("where", SEVERITIES)
def test_a_test_blocks_as_the_environment_says_now(monday_office: Office, where: str) -> None:
    office, (edit, name) = monday_office, SEVERITIES[where]
    office.patch.setenv(SEVERITY, "warn")
    office.edit(edit)
    assert not blocks(office, name)
    office.patch.delenv(SEVERITY)
    office.reload()
    assert blocks(office, name)
    office.patch.setenv(SEVERITY, "warn")
    office.reload()
    assert not blocks(office, name)


def blocks(office: Office, name: str) -> bool:
    """Whether a check holds what comes after it, as the project is loaded."""
    tables = office.company.project.lineage.tables.values()
    return any(name in table.rules for table in tables)


@pytest.mark.parametrize("later", [pytest.param(later, id=later.name) for later in LATER])
@pytest.mark.sampled(3)
def test_the_sensor_builds_nothing_on_it_before_it_is_repaired(monday_office: Office, later: Later) -> None:
    office = monday_office
    office.company.land_weather(TUE)
    ask_the_sensor(office.company)
    later.happens(office)
    office.company.land_orders(TUE, a=1, b=2)
    before = office.sent()
    ask_the_sensor(office.company)
    office.sluice("run")
    assert office.sent() == before
    assert office.built("marts.shop_orders").keys() == {MON}
    later.repair(office)
    ask_the_sensor(office.company)
    assert office.rows((SHOP, TUE)) == [("a", 4), ("b", 6)]
