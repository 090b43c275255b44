"""HubSpot's versions of the API, what each asks for, and lists of more properties than a URL holds."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError
from sluicegate.destinations.base import DeliveryError, Mode, Scope
from sluicegate.destinations.hubspot import HubSpotDestination, HubSpotOptions

from tests.doubles.hubspot import API_VERSIONS, TOKEN, HubSpotDouble, Property
from tests.doubles.serving import serve

from .cases.hubspot import PROPERTIES
from .journals import MemoryJournal
from .support import DAY, rows_of, write_shard


@contextmanager
def account(
    properties: dict[str, Property] = PROPERTIES, **options: Any
) -> Generator[tuple[HubSpotDouble, HubSpotDestination]]:
    double = HubSpotDouble(properties)
    with serve(double.app) as address:
        url = f"hubspot://:{TOKEN}@{address}"
        yield double, HubSpotDestination(url, "contacts", HubSpotOptions(**options))


def deliver(hubspot: HubSpotDestination, tmp_path: Path, rows: Any, **stated: Any) -> MemoryJournal:
    shard = write_shard(tmp_path, rows, key=("item",), **stated)
    hubspot.check(shard)
    journal = MemoryJournal(shard.rows)
    hubspot.send(shard, journal)
    return journal


def scope(*fields: str) -> Scope:
    return Scope("exp_items", DAY, ("item",), fields, "business_date")


@pytest.mark.parametrize("version", API_VERSIONS)
def test_every_request_is_of_the_version_that_the_export_says(tmp_path: Path, version: str) -> None:
    with account(api_version=version) as (double, hubspot):
        double.put(item="900", business_date=DAY)
        deliver(hubspot, tmp_path, rows_of(DAY, 3, "a"), mode=Mode.MIRROR, full=True)
        assert pa.Table.from_batches(hubspot.read_back(scope("item", "business_date"))).num_rows == 3
        assert hubspot.forget(scope("item"), [{"item": 1}]) == 1
        above = (
            ("/crm/v3/",)
            if version == "v3"
            else tuple(f"/crm/{of}/{version}/" for of in ("objects", "properties"))
        )
        assert all(path.startswith(above) for path in double.paths)
        last = {path.rpartition("/")[2] for path in double.paths}
        assert last == {"contacts", "upsert", "read", "archive", "gdpr-delete"}


def test_without_a_word_it_is_v3_and_a_default_is_no_part_of_a_plan() -> None:
    def said(options: HubSpotOptions) -> str:
        return json.dumps(options.model_dump(mode="json", exclude_defaults=True))

    assert HubSpotOptions().api_version == "v3"
    assert said(HubSpotOptions()) == said(HubSpotOptions(api_version="v3", associations=())) == "{}"
    assert said(HubSpotOptions(api_version="2026-09")) == '{"api_version": "2026-09"}'


@pytest.mark.parametrize(
    "version", ["v1", "v4", "2026", "2026-10", "2026-09-01", "2026-9", "2027-03-beta", "v3/x"]
)
def test_other_versions_are_none(version: str) -> None:
    with pytest.raises(ValidationError, match="api_version"):
        HubSpotOptions(api_version=version)


def test_a_version_that_hubspot_does_not_know_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    with account(api_version="2030-09") as (double, hubspot):
        with pytest.raises(DeliveryError, match="HTTP 404") as caught:
            deliver(hubspot, tmp_path, rows_of(DAY, 1, "a"))
        assert "version 2030-09 of the API" in caught.value.expected
        assert double.rows == 0


@pytest.mark.parametrize(("version", "refused"), [("v3", []), ("2026-03", []), ("2026-09", [1])])
def test_rules_of_the_administrator_refuse_rows_since_the_version_that_brought_them(
    tmp_path: Path, version: str, refused: list[int]
) -> None:
    rows = [(0, DAY, "a"), (1, DAY, ""), (2, DAY, "c")]
    with account(api_version=version) as (double, hubspot):
        double.required = {"note"}
        journal = deliver(hubspot, tmp_path, rows)
        assert [row.row for row in journal.refused] == refused
        assert all("note is required" in row.said for row in journal.refused)
        assert len(double.records) == 3 - len(refused)


@pytest.mark.parametrize("count", [3, 120, 500])
def test_properties_that_no_url_holds_are_read_back_all_the_same(tmp_path: Path, count: int) -> None:
    names = [f"a_property_with_a_name_of_some_length_{n:03}" for n in range(count)]
    with account(PROPERTIES | {name: Property() for name in names}) as (double, hubspot):
        days = pa.array([DAY] * 130).cast(pa.date32())
        columns = {"item": pa.array(range(130), pa.int32()), "business_date": days}
        wide = {name: pa.array([f"{name}-{item}" for item in range(130)]) for name in names}
        deliver(hubspot, tmp_path, pa.table(columns | wide))
        held = pa.Table.from_batches(hubspot.read_back(scope("item", "business_date", *names))).to_pylist()
        assert {row["item"]: row[names[-1]] for row in held} == {
            str(n): f"{names[-1]}-{n}" for n in range(130)
        }
        assert len(held) == 130
        # One request a page where the URL holds the names, two where it does not.
        asked = [
            path for path in double.paths if path.endswith(("/contacts", "batch/read")) and "objects" in path
        ]
        assert len(asked) == (2 if count == 3 else 4)


def test_a_url_that_is_too_long_is_refused_by_the_double() -> None:
    httpx = pytest.importorskip("httpx")
    double = HubSpotDouble(PROPERTIES)
    with serve(double.app) as address:
        url = f"http://{address}/crm/v3/objects/contacts"
        headers = {"authorization": f"Bearer {TOKEN}"}
        statuses = [
            httpx.get(url, params={"properties": "x" * length}, headers=headers).status_code
            for length in (7_000, 8_000)
        ]
    assert statuses == [200, 414]
