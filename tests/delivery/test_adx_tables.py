"""Azure Data Explorer: what becomes of tables, partitions, keys; addresses and rights.

Belongs here: what is particular to this destination's tables. Does not: the queues (`test_adx_destination`).
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from sluicegate.destinations.adx import AdxDestination
from sluicegate.destinations.adx.cluster import Address
from sluicegate.destinations.adx.types import remarked
from sluicegate.destinations.base import DeliveryError, Mode

from tests.doubles import kusto_engine
from tests.doubles.kusto import Kusto

from .adx_deliveries import SCOPE, STAGING, adx, append, delivered, held, snapshot
from .cases.adx import AdxCase
from .journals import MemoryJournal
from .support import DAY, NEXT_DAY, rows_of, write_shard


@pytest.fixture
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AdxCase]:
    opened = AdxCase(request, tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def kusto(case: AdxCase) -> Kusto:
    return case.kusto


@pytest.fixture
def destination(case: AdxCase) -> AdxDestination:
    return adx(case)


def extents_commands(kusto: Kusto) -> list[str]:
    """The commands that changed the extents of the table itself."""
    changing = (".replace extents in table ['items'] ", ".drop extents <| .show table ['items'] ")
    return [text for text in kusto.engine.commands if text.startswith(changing)]


def test_a_snapshot_changes_the_table_by_one_command(
    destination: AdxDestination, kusto: Kusto, tmp_path: Path
) -> None:
    delivered(destination, snapshot(tmp_path, rows_of(DAY, 5, "before")))
    kusto.engine.commands.clear()
    delivered(destination, snapshot(tmp_path, rows_of(DAY, 6, "after")))
    assert [text.split()[0] for text in extents_commands(kusto)] == [".replace"]
    assert held(kusto) == rows_of(DAY, 6, "after")
    assert held(kusto, STAGING) == []


@pytest.mark.parametrize("lost", [".replace extents", ".create-merge", ".drop extents", ".create-or-alter"])
def test_a_command_whose_answer_was_lost_is_given_again(
    destination: AdxDestination, kusto: Kusto, tmp_path: Path, lost: str
) -> None:
    delivered(destination, snapshot(tmp_path, rows_of(DAY, 5, "before")))
    kusto.lost.append(lost)
    delivered(destination, snapshot(tmp_path, rows_of(DAY, 6, "after")))
    assert kusto.lost == []
    assert held(kusto) == rows_of(DAY, 6, "after")


def test_what_others_ingest_into_the_day_stays(
    destination: AdxDestination, kusto: Kusto, tmp_path: Path
) -> None:
    delivered(destination, snapshot(tmp_path, rows_of(DAY, 2, "ours")))
    kusto.engine.ingest("items", [foreign_row(9)], ["theirs"], [])
    delivered(destination, snapshot(tmp_path, rows_of(DAY, 3, "new")))
    assert held(kusto) == [*rows_of(DAY, 3, "new"), (9, DAY, "theirs")]


def foreign_row(item: int) -> dict[str, Any]:
    return {"item": item, "business_date": datetime(2022, 10, 3, tzinfo=UTC), "note": "theirs"}


def test_the_newest_day_alone_takes_the_whole_table(
    destination: AdxDestination, kusto: Kusto, tmp_path: Path
) -> None:
    latest: dict[str, Any] = {"partition_column": None}
    delivered(destination, snapshot(tmp_path, rows_of(DAY, 2, "old"), **latest))
    kusto.engine.ingest("items", [foreign_row(9)], ["theirs"], [])
    newest = rows_of(NEXT_DAY, 3, "new")
    delivered(destination, snapshot(tmp_path, newest, partition=NEXT_DAY, **latest))
    assert held(kusto) == newest
    assert sum(batch.num_rows for batch in destination.read_back(replace(SCOPE, partition_column=None))) == 3


def test_merged_extents_are_still_told_apart(
    destination: AdxDestination, kusto: Kusto, tmp_path: Path
) -> None:
    first, second = append(tmp_path, rows_of(DAY, 2, "a")), append(tmp_path, [(7, DAY, "b")])
    other_day = append(tmp_path, rows_of(NEXT_DAY, 2, "c"), partition=NEXT_DAY)
    for shard in (first, second, other_day):
        delivered(destination, shard)
    kusto.engine.merge_extents()
    assert len(kusto.engine.tables["items"].extents) == 2
    assert [destination.arrived(shard) for shard in (first, second, other_day)] == [True] * 3
    delivered(destination, snapshot(tmp_path, rows_of(DAY, 1, "new")))
    assert held(kusto) == [*rows_of(DAY, 1, "new"), *rows_of(NEXT_DAY, 2, "c")]


@pytest.mark.parametrize(
    ("forbidden", "doing"),
    [(".create-merge table", "make a table"), (".get ingestion resources", "hand out its queues")],
)
def test_missing_rights_are_told_with_the_roles(
    destination: AdxDestination, kusto: Kusto, tmp_path: Path, forbidden: str, doing: str
) -> None:
    kusto.forbidden.append(forbidden)
    with pytest.raises(DeliveryError, match=f"does not let the principal {doing}") as caught:
        destination.send(append(tmp_path, rows_of(DAY, 2, "a")), MemoryJournal(2))
    assert "Ingestor" in caught.value.expected


def test_wrong_credentials_are_told(case: AdxCase, tmp_path: Path) -> None:
    url = case.url.replace(case.kusto.token, "wrong")
    with pytest.raises(DeliveryError, match="401") as caught:
        AdxDestination(url, "items").check(append(tmp_path, rows_of(DAY, 2, "a")))
    assert "wrong" not in str(caught.value)


def test_a_missing_database_is_not_an_empty_one(case: AdxCase) -> None:
    other = AdxDestination(case.url.replace("/sluice", "/other"), "items")
    with pytest.raises(DeliveryError, match="Database"):
        other.forget(SCOPE, [{"business_date": DAY, "item": 1}])


def test_columns_of_another_type_are_named_before_anything_is_sent(
    destination: AdxDestination, kusto: Kusto, tmp_path: Path
) -> None:
    kusto.engine.command(".create-merge table ['items'] (['item']:string, ['note']:long)")
    with pytest.raises(DeliveryError, match="'item' is string, not int; 'note' is long, not string"):
        destination.check(append(tmp_path, rows_of(DAY, 2, "a")))
    assert kusto.ingestion.messages == []


def test_a_wider_column_is_kept(destination: AdxDestination, kusto: Kusto, tmp_path: Path) -> None:
    kusto.engine.command(".create-merge table ['items'] (['item']:long)")
    delivered(destination, append(tmp_path, rows_of(DAY, 2, "a")))
    assert kusto.engine.tables["items"].columns["item"] == "long"
    assert held(kusto) == rows_of(DAY, 2, "a")


def test_what_people_say_of_a_column_stays_beside_how_it_was_sent(
    destination: AdxDestination, kusto: Kusto, tmp_path: Path
) -> None:
    delivered(destination, snapshot(tmp_path, [(1, DAY, "a")]))
    said = kusto.engine.tables["items"].docstrings
    remark = said["business_date"]
    assert remark == "sluice: date32[day]"
    said["business_date"] = f"The day (of the till). ({remark})"
    delivered(destination, snapshot(tmp_path, [(1, DAY, "b")], delivery_id="another"))
    assert said["business_date"] == f"The day (of the till). ({remark})"
    (batch,) = destination.read_back(SCOPE)
    assert str(batch.schema.field("business_date").type) == "date32[day]"
    said["business_date"] = "The day."
    delivered(destination, snapshot(tmp_path, [(1, DAY, "c")], delivery_id="a third"))
    assert said["business_date"] == remark


@pytest.mark.parametrize(("docstring", "remark"), [
    ("", ""), ("The day.", ""), ("sluice: date32[day]", "sluice: date32[day]"),
    ("A price. (sluice: decimal128(10, 2))", "sluice: decimal128(10, 2)"),
    ("sluice: decimal128(10, 2)", "sluice: decimal128(10, 2)"), ("(sluice: date32[day]) and more", ""),
])  # fmt: skip
def test_a_remark_is_found_behind_other_words(docstring: str, remark: str) -> None:
    assert remarked(docstring) == remark


def test_types_that_kusto_has_not_are_named(destination: AdxDestination, tmp_path: Path) -> None:
    arrow = import_module("pyarrow")
    table = arrow.table(
        {
            "item": [1],
            "business_date": arrow.array([date(2022, 10, 3)]),
            "moment": arrow.array([datetime(2022, 10, 3)], arrow.timestamp("ns")),
            "labels": [["a", "b"]],
        }
    )
    with pytest.raises(DeliveryError, match=r"'moment' \(timestamp\[ns\]\), 'labels'"):
        destination.check(write_shard(tmp_path, table, mode=Mode.APPEND))


def test_a_table_that_grew_past_the_limit_of_answers_is_read_back(
    destination: AdxDestination, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kusto_engine, "MOST_RECORDS", 5)
    delivered(destination, append(tmp_path, rows_of(DAY, 8, "a")))
    assert sum(batch.num_rows for batch in destination.read_back(SCOPE)) == 8


def test_an_answer_that_breaks_off_is_not_an_empty_table(
    destination: AdxDestination, kusto: Kusto, tmp_path: Path
) -> None:
    delivered(destination, append(tmp_path, rows_of(DAY, 8, "a")))
    kusto.lost.append("['items']")
    with pytest.raises(DeliveryError, match="read a table"):
        list(destination.read_back(SCOPE))


def test_bounds_select_a_span_of_time(destination: AdxDestination, tmp_path: Path) -> None:
    delivered(destination, append(tmp_path, rows_of(DAY, 2, "a")))
    delivered(destination, append(tmp_path, rows_of(NEXT_DAY, 3, "b"), partition=NEXT_DAY))
    week = replace(SCOPE, partition_key="2022-W40", bounds=("2022-10-03T00:00:00+00:00", "2022-10-04"))
    assert sum(batch.num_rows for batch in destination.read_back(week)) == 2


def test_many_keys_are_forgotten(destination: AdxDestination, kusto: Kusto, tmp_path: Path) -> None:
    delivered(destination, append(tmp_path, rows_of(DAY, 1200, "a")))
    keys = [{"business_date": date(2022, 10, 3), "item": item} for item in range(1, 1300)]
    assert destination.forget(SCOPE, keys) == 1199
    assert held(kusto) == rows_of(DAY, 1, "a")
    single = replace(SCOPE, key=("item",))
    assert destination.forget(single, [{"item": 0}, {"item": 5}]) == 1


def test_an_address_is_read_without_showing_its_secret() -> None:
    url = "adx://app-1:p%2Fw@ingest-stock.westeurope.kusto.windows.net/Sales%20Data?tenant=t-1"
    address = Address.of(url)
    assert address == Address("stock.westeurope.kusto.windows.net", "Sales Data", "app-1", "p/w", "t-1")
    assert "p/w" not in repr(address)
    assert AdxDestination(url, "Items").canonical_object() == (
        "adx://stock.westeurope.kusto.windows.net/Sales Data/Items"
    )


def test_both_endpoints_get_the_applications_credentials() -> None:
    url = "adx://app-1:p%2Fw@ingest-stock.westeurope.kusto.windows.net/Sales?tenant=t-1"
    for endpoint in ("", "ingest-"):
        connection = Address.of(url).connection(endpoint)
        assert connection.data_source == f"https://{endpoint}stock.westeurope.kusto.windows.net"
        assert (connection.application_client_id, connection.application_key) == ("app-1", "p/w")
        assert connection.authority_id == "t-1"
    without = Address.of("adx://stock.westeurope.kusto.windows.net/Sales").connection("")
    assert without.token_credential_login


@pytest.mark.parametrize(
    "url",
    [
        "adx://app:s3cret@cluster.kusto.windows.net/db",
        "adx://app@cluster.kusto.windows.net/db?tenant=t",
        "adx://app:s3cret@cluster.kusto.windows.net?tenant=t",
        "adx://app:s3cret@cluster.kusto.windows.net/db?tenant=t&mode=x",
        "https://app:s3cret@cluster.kusto.windows.net/db?tenant=t",
    ],
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(DeliveryError, match="none of Azure Data Explorer") as caught:
        AdxDestination(url, "items").canonical_object()
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "a'b", "x" * 1020])
def test_a_name_that_is_no_table_is_refused(name: str) -> None:
    with pytest.raises(DeliveryError, match="no table name"):
        AdxDestination.canonical_name(name)
