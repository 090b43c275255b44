"""Policies of Azure Data Explorer that take away what a delivery is known by, or hide what is to be erased.

Belongs here: extent tags retention, of a table and of its database, and row-level security. Does not: the
ways of ingestion (`test_adx_destination`), tables and scopes (`test_adx_tables`).
"""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sluicegate.destinations.base import DeliveryError, Mode, Shard

from tests.doubles.kusto import Kusto

from .adx_deliveries import SCOPE, STAGING, adx, append, delivered, held, snapshot
from .cases.adx import AdxCase
from .support import DAY, rows_of

AGED = timedelta(days=30)
DROP_BY = {"TagPrefix": "drop-by:", "RetentionPeriod": "3.00:00:00"}
INGEST_BY = {"TagPrefix": "ingest-by:", "RetentionPeriod": "02:00:00"}
THEIRS = {"TagPrefix": "source:", "RetentionPeriod": "1.00:00:00"}
MAKES = {Mode.APPEND: append, Mode.SNAPSHOT: snapshot}
BREAKS = {Mode.APPEND: INGEST_BY, Mode.SNAPSHOT: DROP_BY}
MODES = pytest.mark.parametrize("mode", [Mode.APPEND, Mode.SNAPSHOT])
WHOSE = pytest.mark.parametrize("whose", ["table", "database"])


@pytest.fixture
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AdxCase]:
    opened = AdxCase(request, tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def kusto(case: AdxCase) -> Kusto:
    return case.kusto


def set_policy(kusto: Kusto, whose: str, *rules: dict[str, str]) -> None:
    if whose == "table":
        kusto.engine.tables["items"].tag_policy = list(rules)
    else:
        kusto.engine.tag_policy = list(rules)


def made(tmp_path: Path, mode: Mode, note: str, delivery_id: str) -> Shard:
    return MAKES[mode](tmp_path, rows_of(DAY, 3, note), delivery_id=delivery_id)


@MODES
@WHOSE
def test_a_policy_that_drops_tags_is_said_with_what_ends_it(
    case: AdxCase, kusto: Kusto, tmp_path: Path, mode: Mode, whose: str
) -> None:
    delivered(adx(case), made(tmp_path, mode, "a", "d-1"))
    set_policy(kusto, whose, BREAKS[mode], THEIRS)
    again = made(tmp_path, mode, "b", "d-2")
    with pytest.raises(
        DeliveryError, match=f"retention policy of {whose} .*{BREAKS[mode]['TagPrefix']}"
    ) as error:
        adx(case).check(again)
    # What it prints is right when typed, and leaves what is none of ours.
    [command] = re.findall(r"`(\.alter table .*?)`, then", error.value.fix)
    kusto.engine.command(command)
    assert kusto.engine.tables["items"].tag_policy == [THEIRS]
    adx(case).check(again)
    kusto.engine.forget_tags(AGED)
    delivered(adx(case), again)
    assert {row[2] for row in held(kusto)} == ({"b"} if mode is Mode.SNAPSHOT else {"a", "b"})


@MODES
def test_what_the_mode_does_not_lean_on_may_be_dropped(
    case: AdxCase, kusto: Kusto, tmp_path: Path, mode: Mode
) -> None:
    delivered(adx(case), made(tmp_path, mode, "a", "d-1"))
    other = DROP_BY if mode is Mode.APPEND else INGEST_BY
    set_policy(kusto, "table", other, THEIRS)
    kusto.engine.forget_tags(AGED)
    again = made(tmp_path, mode, "b", "d-2")
    adx(case).check(again)
    delivered(adx(case), again)
    assert len(held(kusto)) == (3 if mode is Mode.SNAPSHOT else 6)
    assert adx(case).arrived(again)


@MODES
def test_a_table_that_is_made_under_such_a_policy_keeps_its_tags(
    case: AdxCase, kusto: Kusto, tmp_path: Path, mode: Mode
) -> None:
    set_policy(kusto, "database", DROP_BY, INGEST_BY, THEIRS)
    first = made(tmp_path, mode, "a", "d-1")
    adx(case).check(first)
    delivered(adx(case), first)
    kusto.engine.forget_tags(AGED)
    assert adx(case).arrived(first)
    second = made(tmp_path, mode, "b", "d-2")
    adx(case).check(second)
    delivered(adx(case), second)
    assert len(held(kusto)) == (3 if mode is Mode.SNAPSHOT else 6)
    names = ["items"] if mode is Mode.APPEND else ["items", STAGING]
    assert [kusto.engine.tables[name].tag_policy for name in names] == [[THEIRS]] * len(names)


def test_a_table_of_its_own_rules_is_not_judged_by_the_database(
    case: AdxCase, kusto: Kusto, tmp_path: Path
) -> None:
    delivered(adx(case), made(tmp_path, Mode.SNAPSHOT, "a", "d-1"))
    set_policy(kusto, "database", DROP_BY)
    set_policy(kusto, "table")
    adx(case).check(made(tmp_path, Mode.SNAPSHOT, "b", "d-2"))
    # Nothing was altered: it was right as it was.
    assert not any(command.startswith(".alter table") for command in kusto.engine.commands)


def test_what_a_lost_tag_leads_to(case: AdxCase, kusto: Kusto, tmp_path: Path) -> None:
    """Why it is refused: the double forgets as the service does, and the day stands twice."""
    delivered(adx(case), made(tmp_path, Mode.SNAPSHOT, "a", "d-1"))
    set_policy(kusto, "table", DROP_BY)
    kusto.engine.forget_tags(timedelta(days=2))
    assert adx(case).arrived(made(tmp_path, Mode.SNAPSHOT, "a", "d-1"))
    kusto.engine.forget_tags(AGED)
    assert not adx(case).arrived(made(tmp_path, Mode.SNAPSHOT, "a", "d-1"))
    delivered(adx(case), made(tmp_path, Mode.SNAPSHOT, "b", "d-2"))
    assert len(held(kusto)) == 6


def test_nothing_is_taken_out_where_rows_may_be_hidden(case: AdxCase, kusto: Kusto, tmp_path: Path) -> None:
    delivered(adx(case), made(tmp_path, Mode.SNAPSHOT, "a", "d-1"))
    item = held(kusto)[0][0]
    keys = [{"business_date": DAY, "item": item}]
    hides = ".alter table ['items'] policy row_level_security enable \"['items'] | where ['item'] == 999\""
    kusto.engine.command(hides)
    with pytest.raises(DeliveryError, match="row-level security is on for table 'items'") as error:
        adx(case).forget(SCOPE, keys)
    # Both commands that it prints are right when typed.
    off, on = re.findall(r"`(\.alter table .*?)`", error.value.fix)
    kusto.engine.command(off)
    assert adx(case).forget(SCOPE, keys) == 1
    kusto.engine.command(on)
    assert item not in {row[0] for row in held(kusto)}
    with pytest.raises(DeliveryError, match="row-level security is on"):
        adx(case).forget(SCOPE, keys)
