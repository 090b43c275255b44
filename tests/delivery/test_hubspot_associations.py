"""HubSpot's associations: made after the records, moved and cleared with the field, refused by row."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError
from sluicegate.destinations.base import Change, DeliveryError, Mode, Shard
from sluicegate.destinations.batches import Rate
from sluicegate.destinations.hubspot import Association, HubSpotDestination, HubSpotOptions

from tests.doubles.hubspot import TOKEN, Property
from tests.doubles.hubspot_links import Label, LinkedHubSpotDouble, Others
from tests.doubles.serving import serve

from .cases.hubspot import PROPERTIES
from .journals import MemoryJournal
from .support import write_shard

PLAIN, BILLING, PRIMARY = 279, 37, 1
LABELS = (
    Label("HUBSPOT_DEFINED", PRIMARY, "Primary"),
    Label("HUBSPOT_DEFINED", PLAIN),
    Label("USER_DEFINED", BILLING, "Billing contact"),
)
TO_COMPANY: dict[str, Any] = {"field": "company_key", "object": "companies", "key": "ref"}
# What a person has made, which nothing of ours may touch.
THEIRS = ("101", "companies", "9002", PLAIN)
Company = Mapping[int, str | None]


@contextmanager
def account(
    *associations: Mapping[str, Any], labels: tuple[Label, ...] = LABELS, **more: Any
) -> Generator[tuple[LinkedHubSpotDouble, HubSpotDestination]]:
    own = PROPERTIES | {"company_key": Property(), "payer_key": Property()}
    companies = Others({"ref": Property(unique=True), "name": Property()}, labels, {})
    limits = {name: more.pop(name) for name in ("requests", "seconds") if name in more}
    double = LinkedHubSpotDouble(own, {"companies": companies}, **limits)
    for ref in ("A", "B", "C"):
        double.put_other("companies", ref=ref)
    made = [Association.model_validate(one) for one in associations or [TO_COMPANY]]
    options = HubSpotOptions(associations=tuple(made), **more)
    with serve(double.app) as address:
        yield double, HubSpotDestination(f"hubspot://:{TOKEN}@{address}", "contacts", options)


def shard_of(tmp_path: Path, companies: Company, changes: Change = Change.ADDED, **columns: Any) -> Shard:
    values = {
        "item": pa.array([*companies], pa.int32()),
        "company_key": pa.array([*companies.values()], pa.string()),
    }
    table = pa.table(values | {name: pa.array(of, pa.string()) for name, of in columns.items()})
    return write_shard(
        tmp_path, table, changes=changes, key=("item",), partition_column=None, mode=Mode.UPSERT
    )


def deliver(hubspot: HubSpotDestination, shard: Shard) -> MemoryJournal:
    hubspot.check(shard)
    journal = MemoryJournal(shard.rows)
    hubspot.send(shard, journal)
    assert journal.pending() == []
    return journal


def keys(double: LinkedHubSpotDouble) -> dict[str, str]:
    return {held["item"]: held.get("company_key", "") for held in double.records.values()}


@pytest.mark.parametrize("version", ["v3", "2026-03", "2026-09"])
def test_new_records_are_associated_once_they_exist(tmp_path: Path, version: str) -> None:
    with account(api_version=version) as (double, hubspot):
        assert deliver(hubspot, shard_of(tmp_path, {1: "A", 2: "B", 3: None, 4: "A"})).refused == []
        assert double.linked("item") == {"1": {"9000"}, "2": {"9001"}, "4": {"9000"}}
        assert keys(double) == {"1": "A", "2": "B", "3": "", "4": "A"}
        above = "/crm/v4/associations" if version == "v3" else f"/crm/associations/{version}"
        assert f"{above}/contacts/companies/batch/create" in double.paths


def test_what_changes_moves_what_is_cleared_goes_and_what_people_made_stays(tmp_path: Path) -> None:
    with account() as (double, hubspot):
        deliver(hubspot, shard_of(tmp_path, {1: "A", 2: "B", 3: "C", 4: None}))
        double.links.add(THEIRS)
        deliver(hubspot, shard_of(tmp_path, {1: "B", 2: None, 3: "C", 4: "A"}, Change.CHANGED))
        assert double.linked("item") == {"1": {"9001", "9002"}, "3": {"9002"}, "4": {"9000"}}
        assert keys(double) == {"1": "B", "2": "", "3": "C", "4": "A"}
        assert double.removed == 2


def test_the_same_delivery_again_changes_nothing(tmp_path: Path) -> None:
    with account() as (double, hubspot):
        rows = {n: "ABC"[n % 3] for n in range(250)}
        deliver(hubspot, shard_of(tmp_path, rows))
        links, records = set(double.links), {i: dict(held) for i, held in double.records.items()}
        deliver(hubspot, shard_of(tmp_path, rows))
        assert (double.links, double.records, double.removed) == (links, records, 0)


@pytest.mark.parametrize("lost", range(6))
def test_a_lost_answer_at_any_request_leaves_no_old_association_and_loses_no_new_one(
    tmp_path: Path, lost: int
) -> None:
    with account() as (double, hubspot):
        deliver(hubspot, shard_of(tmp_path, {1: "A", 2: "B"}))
        shard = shard_of(tmp_path, {1: "C", 2: None, 3: "A"}, Change.CHANGED)
        double.faults.pass_by(lost)
        double.faults.lose_answers()
        journal = MemoryJournal(shard.rows)
        hubspot.send(shard, journal)
        assert double.linked("item") == {"1": {"9002"}, "3": {"9000"}}
        assert keys(double) == {"1": "C", "2": "", "3": "A"}
        assert double.faults.next() is None


def test_a_row_that_names_no_record_is_refused_before_anything_of_it_is_sent(tmp_path: Path) -> None:
    with account() as (double, hubspot):
        (refused,) = deliver(hubspot, shard_of(tmp_path, {1: "A", 2: "nobody"})).refused
        assert (refused.row, refused.code) == (1, "MISSING_RECORD")
        assert refused.said == "field 'company_key' names no record of companies by 'ref'"
        assert keys(double) == {"1": "A"}
        double.put_other("companies", ref="nobody")
        assert deliver(hubspot, shard_of(tmp_path, {2: "nobody"})).refused == []
        assert double.linked("item")["2"] == {"9003"}


def test_an_association_that_hubspot_refuses_is_its_rows_and_the_old_one_stays(tmp_path: Path) -> None:
    with account() as (double, hubspot):
        deliver(hubspot, shard_of(tmp_path, {1: "A", 2: "A"}))
        no = ("101", "9001")
        allowed = double._no_link  # pyright: ignore[reportPrivateUsage]

        def refusing(name: str, record_id: str, other: str, label: Label) -> tuple[str, str] | None:
            if (record_id, other) == no:
                return "VALIDATION_ERROR", "the limit of associations of this type is exceeded"
            return allowed(name, record_id, other, label)

        double._no_link = refusing  # pyright: ignore[reportPrivateUsage]
        (refused,) = deliver(hubspot, shard_of(tmp_path, {1: "B", 2: "B"}, Change.CHANGED)).refused
        assert (refused.row, refused.code) == (0, "VALIDATION_ERROR")
        assert "limit of associations" in refused.said
        assert double.linked("item") == {"1": {"9000"}, "2": {"9001"}}
        assert keys(double) == {"1": "A", "2": "B"}


def test_two_keys_that_differ_in_case_alone_are_two_records(tmp_path: Path) -> None:
    with account() as (double, hubspot):
        small = double.put_other("companies", ref="a")
        assert deliver(hubspot, shard_of(tmp_path, {1: "A", 2: "a", 3: " a"})).refused[0].row == 2
        assert double.linked("item") == {"1": {"9000"}, "2": {small}}


def test_a_record_that_hubspot_finds_by_another_spelling_is_the_one(tmp_path: Path) -> None:
    with account() as (double, hubspot):
        double.folds = True
        double.put_other("companies", ref="b")
        # Of two records that are spelt alike none is taken for a third spelling.
        refused = deliver(hubspot, shard_of(tmp_path, {1: "a", 2: " A", 3: "b", 4: "B", 5: " b"})).refused
        assert [row.row for row in refused] == [4]
        assert double.linked("item") == {"1": {"9000"}, "2": {"9000"}, "3": {"9003"}, "4": {"9001"}}


def test_a_field_that_new_records_have_to_have_is_sent_with_them(tmp_path: Path) -> None:
    with account(api_version="2026-09") as (double, hubspot):
        double.required = {"company_key"}
        assert deliver(hubspot, shard_of(tmp_path, {1: "A", 2: "B"})).refused == []
        assert deliver(hubspot, shard_of(tmp_path, {1: "B", 2: "B"}, Change.CHANGED)).refused == []
        assert double.linked("item") == {"1": {"9001"}, "2": {"9001"}}


ERROR = {"status": "error", "category": "CONFLICT", "message": "?"}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (207, {"results": [], "errors": [ERROR]}),
        (201, {"status": "COMPLETE", "results": []}),
        (400, ERROR),
    ],
)
def test_an_answer_that_says_nothing_of_some_is_asked_for_by_halves(
    tmp_path: Path, status: int, body: dict[str, Any]
) -> None:
    with account() as (double, hubspot):
        hubspot.check(shard := shard_of(tmp_path, {1: "A", 2: "B", 3: "C"}))
        double.faults.pass_by(3)
        double.faults.fail(status, body=body)
        hubspot.send(shard, journal := MemoryJournal(3))
        assert (journal.refused, double.faults.next()) == ([], None)
        assert double.linked("item") == {"1": {"9000"}, "2": {"9001"}, "3": {"9002"}}


def test_a_label_that_allows_one_record_alone_is_moved(tmp_path: Path) -> None:
    one = (Label("HUBSPOT_DEFINED", PLAIN), Label("USER_DEFINED", BILLING, "Billing contact", most=1))
    with account(TO_COMPANY | {"label": "Billing contact"}, labels=one) as (double, hubspot):
        deliver(hubspot, shard_of(tmp_path, {1: "A"}))
        assert deliver(hubspot, shard_of(tmp_path, {1: "B"}, Change.CHANGED)).refused == []
        assert double.linked("item", BILLING) == {"1": {"9001"}}


@pytest.mark.parametrize("kind", [{"label": "Billing contact"}, {"type_id": BILLING}])
def test_with_a_label_the_label_alone_is_ours(tmp_path: Path, kind: dict[str, Any]) -> None:
    with account(TO_COMPANY | kind) as (double, hubspot):
        deliver(hubspot, shard_of(tmp_path, {1: "A", 2: "B"}))
        assert double.linked("item", BILLING) == {"1": {"9000"}, "2": {"9001"}}
        deliver(hubspot, shard_of(tmp_path, {1: None, 2: "C"}, Change.CHANGED))
        assert double.linked("item", BILLING) == {"2": {"9002"}}
        assert double.linked("item", PLAIN)["1"] == {"9000"}


def test_two_fields_may_name_records_of_one_type(tmp_path: Path) -> None:
    payer = {"field": "payer_key", "object": "companies", "key": "ref", "label": "Billing contact"}
    with account(TO_COMPANY, payer) as (double, hubspot):
        deliver(hubspot, shard_of(tmp_path, {1: "A", 2: "B"}, payer_key=["B", "B"]))
        # The unlabeled one goes from A and B, and with it what is labeled between the same two records.
        deliver(hubspot, shard_of(tmp_path, {1: "C", 2: "A"}, Change.CHANGED, payer_key=["B", "B"]))
        assert double.linked("item", BILLING) == {"1": {"9001"}, "2": {"9001"}}
        assert {"9002"} <= double.linked("item", PLAIN)["1"]


def test_a_field_may_have_record_ids(tmp_path: Path) -> None:
    with account({"field": "company_key", "object": "company"}) as (double, hubspot):
        refused = deliver(hubspot, shard_of(tmp_path, {1: "9001", 2: "12"})).refused
        assert [row.row for row in refused] == [1]
        assert double.linked("item") == {"1": {"9001"}}


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"field": "note"}, "goes by 'note', which exp_items does not send"),
        ({"field": "item"}, "goes by 'item', the key of exp_items"),
        ({"key": "name"}, "looks for 'name', which does not have unique values"),
        ({"key": "gone"}, "looks for 'gone', which does not have unique values"),
        ({"object": "deals"}, "HubSpot refuses a request for 'deals'"),
        ({"label": "Landlord"}, "no association to companies with the label or type"),
        ({"type_id": 12345}, "no association to companies with the label or type"),
    ],
)
def test_check_tells_what_is_not_there(tmp_path: Path, told: dict[str, Any], said: str) -> None:
    with account(TO_COMPANY | told) as (double, hubspot):
        with pytest.raises(DeliveryError, match=said):
            hubspot.check(shard_of(tmp_path, {1: "A"}))
        assert double.rows == 0


@pytest.mark.parametrize(
    "wrong", [{"label": "a", "type_id": 1}, {"field": ""}, {"object": "my companies"}, {"to": "x"}]
)
def test_an_association_is_said_in_one_way(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Association.model_validate(TO_COMPANY | wrong)


class SmallAccount(HubSpotDestination):
    """One that may make four requests in 0.4 seconds."""

    def rate_allowed(self) -> Rate:
        return Rate(4, 0.4)


def test_each_request_for_associations_waits_for_the_accounts_rate(tmp_path: Path) -> None:
    with account(requests=4, seconds=0.4) as (double, hubspot):
        options = HubSpotOptions(associations=(Association.model_validate(TO_COMPANY),))
        small = SmallAccount(hubspot._url, "contacts", options)  # pyright: ignore[reportPrivateUsage]
        deliver(small, shard_of(tmp_path, dict.fromkeys(range(450), "A")))
        assert len(double.linked("item")) == 450
        # Four requests for each hundred records; a busy machine may lose one now and then, not thousands.
        assert double.refused <= 3
