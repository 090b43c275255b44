"""What a vendor keeps as another value, by its own documents, is refused by name or arrives all the same.

Belongs here: values that depend on a vendor's rules. Does not: what any value of a type becomes
(`test_every_type`).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sluicegate.destinations.base import DeliveryError, Mode
from sluicegate.destinations.exact_values import INEXACT

from tests.doubles.hubspot import Property

from .cases import Case, case_class
from .probe import Probe


@pytest.fixture
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    opened = case_class(request.param)(request, tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def probe(tmp_path: Path) -> Probe:
    return Probe(tmp_path)


BRAZE_KEEPS_OTHERWISE = {
    # All but the last: www.braze.com/docs/api/objects_filters/user_attributes_object
    "a list with a value twice": ("['hotdog', 'hotdog', 'pizza'] as v", "['hotdog', 'pizza'] as v"),
    "a list with a number twice": ("[1, 1] as v", "[1, null] as v"),
    "an increment": ("{'inc': 5} as v", "{'increase': 5} as v"),
    "an addition to a list": ("{'add': ['Value3']} as v", "{'within': {'add': 1}} as v"),
    "a removal from a list": (
        "{'remove': ['Value1']} as v",
        "{'removed': ['Value1']} as v",
    ),
    "a country that is no code": ("'Atlantis' as country", "'FR' as country"),
    "a country in small letters": ("'fr' as country", "null::varchar as country"),
    "a time zone that is none": ("'Mars/Phobos' as time_zone", "'Europe/Paris' as time_zone"),
    "a gender in words": ("'female' as gender", "'F' as gender"),
    "a subscription of another kind": ("'yes' as email_subscribe", "'opted_in' as email_subscribe"),
    # "if the year is less than 0 or greater than 3000, Braze stores these values as strings"
    "a day after the year 3000": ("date '3001-01-01' as v", "date '3000-12-31' as v"),
}


@pytest.mark.parametrize("case", ["braze"], indirect=True)
@pytest.mark.parametrize("what", BRAZE_KEEPS_OTHERWISE)
@pytest.mark.sampled(3)
def test_braze_is_sent_what_it_keeps_and_no_more(case: Case, probe: Probe, what: str) -> None:
    otherwise, as_it_is = (f"select 'u1' as external_id, {of}" for of in BRAZE_KEEPS_OTHERWISE[what])
    with pytest.raises(DeliveryError, match="would not arrive as they are"):
        probe.deliver(case.destination(), otherwise, key=("external_id",))
    assert not case.contents()
    assert not probe.refused(case.destination(), as_it_is, key=("external_id",))


@pytest.mark.parametrize("case", ["braze_events"], indirect=True)
@pytest.mark.parametrize(
    "kind", ["timestamp '2099-01-01'", "timestamptz '2099-01-01 00:00:00+00'", "date '2099-01-01'"]
)
def test_an_event_of_a_time_to_come_waits_and_the_others_go(case: Case, probe: Probe, kind: str) -> None:
    """ "Events with timestamps in the future will default to the current time" (event object)."""
    past = kind.replace("2099", "2024")
    rows = f"select 'u1' as external_id, {kind} as time, 1 as v union all select 'u2', {past}, 2"
    refused = probe.refused(case.destination(), rows, key=("external_id", "time"), mode=Mode.APPEND)
    assert [said.split()[0] for said in refused.values()] == [INEXACT]
    assert len(case.contents()) == 1


@pytest.mark.sampled(3)
@pytest.mark.parametrize("text", [" a", "a ", "", "   ", "\u00a0a", "a\t"])
@pytest.mark.parametrize("case", ["hubspot", "salesforce", "salesforce_bulk"], indirect=True)
def test_a_text_is_not_trimmed_or_made_null(case: Case, probe: Probe, text: str) -> None:
    item, note = case.name("item"), case.name("note")
    rows = f"select 7 as {item}, '{text}' as {note} union all select 8, 'a b' union all select 9, null"
    refused = probe.refused(case.destination(), rows, key=(item,))
    assert [said.split()[0] for said in refused.values()] == [INEXACT]
    assert len(case.contents()) == 2


@pytest.mark.parametrize("case", ["hubspot"], indirect=True)
def test_hubspot_is_sent_an_address_as_it_keeps_it(case: Case, probe: Probe) -> None:
    rows = "select 7 as item, 'Zoe@Example.com' as email union all select 8, 'zoe@example.com'"
    refused = probe.refused(case.destination(), rows, key=("item",))
    assert [said.split()[0] for said in refused.values()] == [INEXACT]
    assert [row["email"] for row in case.contents()] == ["zoe@example.com"]


@pytest.mark.parametrize("case", ["hubspot"], indirect=True)
def test_the_texts_of_a_list_may_be_options_of_a_property(case: Case, probe: Probe) -> None:
    tiers = [*_double(case).properties["tier"].options][:2]
    rows = f"select 7 as item, {tiers} as tier"
    assert not probe.refused(case.destination(), rows, key=("item",))
    assert [row["tier"] for row in case.contents()] == [";".join(tiers)]


@pytest.mark.parametrize("case", ["hubspot"], indirect=True)
def test_a_stage_that_moves_back_arrives(case: Case, probe: Probe) -> None:
    stages = ("subscriber", "lead", "customer")
    double = _double(case)
    double.properties["lifecyclestage"] = Property("enumeration", options=stages, hubspot_defined=True)
    for stage in ("customer", "lead", "lead", "customer", "subscriber"):
        rows = f"select 7 as item, '{stage}' as lifecyclestage union all select 8, 'lead'"
        assert not probe.refused(case.destination(), rows, key=("item",))
        assert {row["lifecyclestage"] for row in case.contents()} == {stage, "lead"}


@pytest.mark.parametrize("case", ["adx"], indirect=True)
def test_a_text_that_kusto_would_cut_is_refused(case: Case, probe: Probe) -> None:
    """ "If a single string value in a record exceeds 1MB (measured using UTF-8 encoding), the value is
    truncated and ingestion succeeds": https://learn.microsoft.com/kusto/query/scalar-data-types/string
    """
    rows = "select 1 as k, repeat('é', 524289) as v union all select 2, repeat('é', 524288)"
    refused = probe.refused(case.destination(), rows, mode=Mode.SNAPSHOT)
    assert [*refused] == [0]
    assert len(case.contents()) == 1


def _double(case: Case) -> Any:
    return vars(case)["double"]
