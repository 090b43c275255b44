"""Vendors' answers repeat the rows that were sent: what comes out of a destination does not.

Each kind, with what its other side really says: in reasons of refused rows, in errors, in progress. Does not
belong here: what may be shown of a text (`tests.unit.test_shown_text`).
"""

import base64
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from sluicegate.core.shown_text import NOTHING_CLASSIFIED, Near
from sluicegate.delivery.discretion import discreet
from sluicegate.destinations.base import DeliveryError, Refused

from tests.canaries import found_in
from tests.doubles.kusto import Failed

from .cases import Case, case_class
from .journals import MemoryJournal
from .support import DAY, MakeShard, items_table

VALUE = "zq71vkxw.echo@example.org"
ECHO = f"{VALUE} {VALUE[:8]} {quote(VALUE, safe='')} {base64.b64encode(VALUE.encode()).decode()} {[VALUE]!r}"
_TRIGGER = """
create table public.items (item integer, business_date date, note text, primary key (business_date, item));
create function refuse() returns trigger language plpgsql as $$
  begin raise exception 'duplicate value in %', new::text using detail = new::text, errcode = '23505'; end $$;
create trigger refuse before insert on public.items for each row execute function refuse();
"""


def _webhook_row(case: Any) -> None:
    case.double.echoes, case.double.refuses = True, lambda fields: fields["item"] == 1


def _webhook_request(case: Any) -> None:
    case.double.echoes, case.double.poison = True, lambda fields: fields["item"] == 1


def _hubspot(case: Any) -> None:
    case.double.say_no = lambda given: f"value of note is invalid: {ECHO}" if given["item"] == "1" else None


def _braze(case: Any) -> None:
    def say_no(given: Mapping[str, Any]) -> str | None:
        return f"invalid value of note: {ECHO}" if given["external_id"] == "1" else None

    case.double.say_no = say_no


def _salesforce(case: Any) -> None:
    said = ("FIELD_CUSTOM_VALIDATION_EXCEPTION", f"duplicate value in Note__c: {ECHO}")
    case.double.table.rules.update(dict.fromkeys(("1", "1.0"), said))


def _postgres(case: Any) -> None:
    with psycopg.connect(case.url, autocommit=True) as connection:
        connection.execute(_TRIGGER)


def _adx(case: Any) -> None:
    case.kusto.ingestion.faults.append(Failed("BadRequest_InvalidRow", f"invalid value of note: {ECHO}"))


# {what: (destination, how it is made to say no, words that are to be shown)}
WAYS: dict[str, tuple[str, Callable[[Any], None], str]] = {
    "a webhook refuses a row": ("webhook", _webhook_row, "this row is not"),
    "a webhook refuses a request": ("webhook", _webhook_request, "something in the rows is wrong"),
    "HubSpot refuses a record": ("hubspot", _hubspot, "value of note is invalid"),
    "Braze refuses a user": ("braze", _braze, "invalid value of note"),
    "Braze refuses an event": ("braze_events", _braze, "invalid value of note"),
    "Salesforce refuses a record": ("salesforce", _salesforce, "duplicate value in Note__c"),
    "a bulk job refuses a record": ("salesforce_bulk", _salesforce, "duplicate value in Note__c"),
    "Azure Data Explorer refuses a file": ("adx", _adx, "invalid value of note"),
    "Postgres refuses a row": ("postgres", _postgres, "SQLSTATE 23505"),
}


@pytest.fixture
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    made = case_class(WAYS[request.getfixturevalue("way")][0])(request, tmp_path)
    yield made
    made.close()


def _said(case: Case, make_shard: MakeShard, near: Near) -> tuple[str, list[Refused]]:
    """Send rows of which one is refused; return all that comes out, and the refused rows."""
    table = items_table([(number, DAY, VALUE) for number in range(3)]).rename_columns(
        [case.name(name) for name in ("item", "business_date", "note")]
    )
    shard = make_shard(table, key=case.key, partition_column=case.name("business_date"))
    destination = discreet(case.destination(), near)
    destination.budget_seconds = 20.0
    journal, error = MemoryJournal(3), ""
    try:
        destination.send(shard, journal)
    except DeliveryError as problem:
        error = "".join(traceback.format_exception(problem)) + repr(problem.args)
    return "\n".join([error, *journal.told, *map(str, journal.refused)]), journal.refused


@pytest.mark.parametrize("way", WAYS)
def test_what_a_vendor_repeats_of_a_row_does_not_come_out(
    way: str, case: Case, make_shard: MakeShard
) -> None:
    WAYS[way][1](case)
    names = {"note", "item", "business_date", *map(case.name, ("note", "item", "business_date"))}
    told, refused = _said(case, make_shard, Near(True, frozenset(names)))
    assert WAYS[way][2] in told
    assert found_in(told.encode(), VALUE) == []
    assert all(len(row.code) < 40 and row.said for row in refused)


@pytest.mark.parametrize("way", WAYS)
def test_it_does_come_out_where_nothing_is_classified(way: str, case: Case, make_shard: MakeShard) -> None:
    """What the test above does not find is there to be found."""
    WAYS[way][1](case)
    told, _ = _said(case, make_shard, NOTHING_CLASSIFIED)
    assert found_in(told.encode(), VALUE)
