"""Parent records named by their external ID, both ways that rows take; and versions of the interface.

Belongs here: `Account.Ext__c` and the like, from the export's field to the record. Does not: fields that hold
their value (`test_salesforce_destination`), jobs (`test_salesforce_bulk`).
"""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from sluicegate.delivery.reconcile import reconcile
from sluicegate.destinations.base import Change, Scope, Shard
from sluicegate.destinations.errors import DeliveryError
from sluicegate.destinations.salesforce import SalesforceDestination, SalesforceOptions

from tests.doubles.salesforce_records import Field, Table

from .cases.salesforce import SalesforceCase
from .deliveries import Sender
from .journals import MemoryJournal
from .salesforce_support import KEY, Send, bulk, destination, opened
from .support import write_shard

ACCOUNT, OWNER, NUMBER = "Account.Code__c", "User:Owner.Code__c", "Store__r.Number__c"
SENDS = pytest.mark.parametrize("send", [bulk, destination])


@pytest.fixture
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SalesforceCase]:
    """Items that refer to an account, to a store by a number, and to an owner: a user or a group."""
    for made in opened(request, tmp_path):
        double = made.double
        double.table.fields |= {
            "AccountId": Field("reference", refers_to=("Account",), relationship="Account"),
            "OwnerId": Field("reference", refers_to=("Group", "User"), relationship="Owner"),
            "Store__c": Field("reference", refers_to=("Store__c",), relationship="Store__r"),
        }
        code = {"Code__c": Field(external_id=True), "Name": Field()}
        for name, prefix in (("Account", "001"), ("User", "005"), ("Group", "00G")):
            double.parents[name] = Table(name, code, prefix)
            for number in (1, 2):
                double.parents[name].hold({"Code__c": f"{name}-{number}"})
        double.parents["Store__c"] = Table(
            "Store__c", {"Number__c": Field("double", external_id=True)}, "a01"
        )
        for number in (1, 2):
            double.parents["Store__c"].hold({"Number__c": Decimal(number)})
        yield made


def shard_of(tmp_path: Path, columns: dict[str, Any], **stated: Any) -> Shard:
    arrow = import_module("pyarrow")
    rows = len(next(iter(columns.values())))
    table = arrow.table({KEY: arrow.array(range(rows), arrow.int64()), **columns})
    usual: dict[str, Any] = {"key": (KEY,), "partition_column": None}
    return write_shard(tmp_path, table, **(usual | stated))


def texts(*values: str | None) -> Any:
    arrow = import_module("pyarrow")
    return arrow.array(values, arrow.string())


def refers(case: SalesforceCase, field: str, parent: str, identifier: str = "Code__c") -> list[Any]:
    """What the records refer to by a field, by the parents' external IDs; as the organisation holds it."""
    held = sorted(case.double.table.records.values(), key=lambda row: row[KEY])
    parents = case.double.parents[parent].records
    return [parents[row[field]][identifier] if row.get(field) else None for row in held]


@SENDS
def test_parents_are_found_by_their_external_id(case: SalesforceCase, tmp_path: Path, send: Send) -> None:
    arrow = import_module("pyarrow")
    columns = {
        ACCOUNT: texts("Account-2", "Account-1", None),
        OWNER: texts("User-1", None, "User-2"),
        NUMBER: arrow.array([2, 1, None], arrow.int64()),
    }
    sender, shard = send(case), shard_of(tmp_path, columns)
    sender.check(shard)
    journal = MemoryJournal(3)
    sender.send(shard, journal)
    assert (journal.pending(), journal.refused) == ([], [])
    assert refers(case, "AccountId", "Account") == ["Account-2", "Account-1", None]
    assert refers(case, "OwnerId", "User") == ["User-1", None, "User-2"]
    assert refers(case, "Store__c", "Store__c", "Number__c") == [2, 1, None]


@SENDS
def test_what_was_delivered_is_read_back(case: SalesforceCase, tmp_path: Path, send: Send) -> None:
    arrow = import_module("pyarrow")
    columns = {
        ACCOUNT: texts("Account-2", None),
        OWNER: texts("User-1", None),
        NUMBER: arrow.array([2, None], arrow.int64()),
    }
    shard = shard_of(tmp_path, columns)
    send(case).send(shard, MemoryJournal(2))
    scope = Scope("exp_items", "2022-10-03", (KEY,), (KEY, *columns), None)
    # By a process of its own, which has seen no shard.
    read = [row for batch in destination(case).read_back(scope) for row in batch.to_pylist()]
    assert sorted(read, key=lambda row: row[KEY]) == arrow.table({KEY: [0, 1], **columns}).to_pylist()
    # Somebody gave it to a group: no user is what it refers to now.
    record = next(one for one in case.double.table.records.values() if one[KEY] == 0)
    record["OwnerId"] = next(iter(case.double.parents["Group"].records))
    read = [row for batch in destination(case).read_back(scope) for row in batch.to_pylist()]
    assert [row[OWNER] for row in sorted(read, key=lambda row: row[KEY])] == [None, None]


@SENDS
@pytest.mark.parametrize(("field", "parent"), [(ACCOUNT, "Account"), (OWNER, "User")])
@pytest.mark.sampled(2)
def test_a_relationship_is_planned_refused_compared_and_changed_like_any_field(
    case: SalesforceCase, tmp_path: Path, send: Send, field: str, parent: str
) -> None:
    holder = "AccountId" if parent == "Account" else "OwnerId"
    names = {"item": KEY, "business_date": "Business_Date__c", "note": field}
    sender = Sender(tmp_path, send(case), names=names, single_key=True)
    sender.deliver({1: f"{parent}-1", 2: f"{parent}-2", 3: f"{parent}-3"}, "1")
    assert refers(case, holder, parent) == [f"{parent}-1", f"{parent}-2"]
    # The parent comes, and the row that waits for it is tried again with the next delivery.
    case.double.parents[parent].hold({"Code__c": f"{parent}-3"})
    sender.deliver({1: f"{parent}-2", 2: f"{parent}-2", 3: f"{parent}-3"}, "2")
    assert refers(case, holder, parent) == [f"{parent}-2", f"{parent}-2", f"{parent}-3"]
    found = reconcile(sender.engine(), sender.order())
    assert found is not None
    assert found.equal
    record = next(one for one in case.double.table.records.values() if one[KEY] == 1)
    record[holder] = None
    found = reconcile(sender.engine(), sender.order())
    assert found is not None
    assert found.differing == 1
    assert found.changed[0][1:3] == (field, f"{parent}-2")


@SENDS
@pytest.mark.parametrize("nothing", [None, ""])
def test_null_ends_a_relationship(
    case: SalesforceCase, tmp_path: Path, send: Send, nothing: str | None
) -> None:
    before = {ACCOUNT: texts("Account-1", "Account-1"), OWNER: texts("User-1", "User-1")}
    send(case).send(shard_of(tmp_path, before), MemoryJournal(2))
    after = {ACCOUNT: texts(nothing, "Account-2"), OWNER: texts("User-2", nothing)}
    journal = MemoryJournal(2)
    send(case).send(shard_of(tmp_path, after, changes=Change.CHANGED), journal)
    assert journal.refused == []
    assert refers(case, "AccountId", "Account") == [None, "Account-2"]
    assert refers(case, "OwnerId", "User") == ["User-2", None]


@SENDS
def test_a_parent_that_is_not_there_refuses_its_row_alone(
    case: SalesforceCase, tmp_path: Path, send: Send
) -> None:
    codes = [f"Account-{1 if number != 7 else 77}" for number in range(300)]
    journal = MemoryJournal(300)
    send(case).send(shard_of(tmp_path, {ACCOUNT: texts(*codes)}), journal)
    assert journal.pending() == []
    assert [(row.row, row.code) for row in journal.refused] == [(7, "INVALID_FIELD")]
    said = "Foreign key external ID: Account-77 not found for field Code__c in entity Account"
    assert said in journal.refused[0].said
    assert len(case.contents()) == 299


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"Acount.Code__c": ["a"]}, r"no relationship 'Acount'.*one of: Account, Owner, Store__r"),
        ({"account.Code__c": ["a"]}, r"no relationship 'account'.*one of: Account, Owner, Store__r"),
        ({"Store__c.Number__c": [1]}, r"no relationship 'Store__c'.*Store__c is the relationship Store__r"),
        ({"Account.Owner.Code__c": ["a"]}, r"names no parent record.*to a parent alone"),
        ({"Account.Name": ["a"]}, r"Account has no external ID field 'Name'.*one of: Code__c"),
        ({"Account.Nope__c": ["a"]}, r"Account has no external ID field 'Nope__c'"),
        ({"Owner.Code__c": ["a"]}, r"several objects.*one of: Group:Owner.Code__c, User:Owner.Code__c"),
        ({"Account:Owner.Code__c": ["a"]}, r"one of: Group:Owner.Code__c, User:Owner.Code__c"),
        ({"Account:Account.Code__c": ["a"]}, r"one object alone.*one of: Account.Code__c"),
        ({NUMBER: ["a"]}, r"Store__r.Number__c \(double\) cannot hold string"),
        ({ACCOUNT: ["a"], "AccountId": ["b"]}, r"both say what Store_Item__c.AccountId holds"),
        ({OWNER: ["a"], "Group:Owner.Code__c": ["b"]}, r"both say what Store_Item__c.OwnerId holds"),
    ],
)
def test_what_is_no_relationship_is_said_before_anything_is_sent(
    case: SalesforceCase, tmp_path: Path, columns: dict[str, Any], said: str
) -> None:
    with pytest.raises(DeliveryError, match=f"(?s){said}"):
        destination(case).check(shard_of(tmp_path, columns))
    assert case.contents() == []


def test_a_reference_that_may_not_be_written_is_said(case: SalesforceCase, tmp_path: Path) -> None:
    case.double.table.fields["AccountId"] = Field(
        "reference", refers_to=("Account",), relationship="Account", read_only=True
    )
    with pytest.raises(DeliveryError, match=r"Account\.Code__c cannot be written"):
        destination(case).check(shard_of(tmp_path, {ACCOUNT: ["Account-1"]}))


def test_a_relationship_is_what_a_required_reference_wants(case: SalesforceCase, tmp_path: Path) -> None:
    case.double.table.fields["AccountId"] = Field(
        "reference", refers_to=("Account",), relationship="Account", required=True
    )
    with pytest.raises(DeliveryError, match="requires: AccountId"):
        destination(case).check(shard_of(tmp_path, {"Note__c": ["a"]}, full=True))
    destination(case).check(shard_of(tmp_path, {ACCOUNT: ["Account-1"]}, full=True))


def test_a_field_that_was_taken_away_is_said_when_read(case: SalesforceCase) -> None:
    scope = Scope("exp_items", "2022-10-03", (KEY,), (KEY, "Gone__c"), None)
    with pytest.raises(DeliveryError, match="no field 'Gone__c' that this user sees"):
        next(destination(case).read_back(scope))


@pytest.mark.parametrize("version", ["v999.0", "v67.0"])
def test_a_version_that_the_organisation_has_not_is_said(
    case: SalesforceCase, tmp_path: Path, version: str
) -> None:
    with pytest.raises(DeliveryError, match=rf"(?s)no interface of version {version}.*api_version: v66\.0"):
        destination(case, api_version=version).check(shard_of(tmp_path, {"Note__c": ["a"]}))


def test_a_version_that_was_retired_is_said(case: SalesforceCase, tmp_path: Path) -> None:
    # As it will be of today's default, some years on.
    case.double.versions = {"v65.0": 65, "v66.0": 66}
    with pytest.raises(DeliveryError, match=r"(?s)no interface of version v64\.0.*api_version: v66\.0"):
        destination(case).check(shard_of(tmp_path, {"Note__c": ["a"]}))


@pytest.mark.parametrize("version", ["v45.0", "64.0", "v64", "v64.5", "v0.0", "latest"])
def test_a_version_that_cannot_be_is_refused_when_the_file_is_read(version: str) -> None:
    with pytest.raises(ValidationError, match="api_version"):
        SalesforceOptions(api_version=version)


def test_rows_go_to_the_version_that_is_asked_for(case: SalesforceCase, tmp_path: Path) -> None:
    for number, version in enumerate(("v46.0", "v66.0"), start=1):
        sender = SalesforceDestination(
            case.url, case.object_name, SalesforceOptions(api_version=version, bulk_from=number)
        )
        sender.send(shard_of(tmp_path, {"Business_Date__c": [date(2022, 10, number)]}), MemoryJournal(1))
    assert case.double.asked == {"v46.0", "v66.0"}
