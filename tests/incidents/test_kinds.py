"""Each kind of trouble, from records that tell of it: found once, with what fixes it, and gone with its cause."""

import pytest

from tests.company import MON, Company
from tests.incidents.desk import NOON, Watch
from tests.unit.records import Ledger


@pytest.fixture
def ledger(bakery: Company) -> Ledger:
    bakery = bakery.at(NOON)
    bakery.land_shops("a")
    ledger = Ledger(bakery)
    ledger.settle()
    return ledger


def test_a_failed_check_is_one_trouble_and_what_it_holds(ledger: Ledger) -> None:
    ledger.company.land_day(MON, a=1)
    watch = Watch(ledger.company.site)
    ledger.settle(failing={"staging.stg_orders"})
    found = watch.troubles()
    print(found)
    assert 0
