"""Blobs: the connection's URL, spellings of one place, what errors say and keep to themselves."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from sluicegate.areas import Area
from sluicegate.destinations.blob import BlobDestination
from sluicegate.destinations.errors import DeliveryError

from .blobs import OBJECT, Place, place, scope_of
from .cases.blob import connection_url, storage_of
from .journals import MemoryJournal
from .support import DAY, rows_of

__all__ = ["place"]


def test_one_folder_has_one_spelling(tmp_path: Path) -> None:
    here = str(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    wanted = f"file://{tmp_path.resolve()}/a/b"

    def canonical(url: str, name: str) -> str:
        return BlobDestination(url, name).canonical_object()

    for url in (here, here + "/", f"file://{here}", f"{here}/./x/..", f"{here}//", f"{here}/link"):
        for name in ("a/b", "./a//b/", "/a/b"):
            assert canonical(url, name) == wanted
    for url in ("s3://Bucket/x/", "s3a://bucket//x", "s3://bucket/./x?key=K&secret=s3cret&region=eu-west-1"):
        assert canonical(url, "a/b") == "s3://bucket/x/a/b"
    assert canonical("s3://bucket/x?endpoint=http://minio:9000", "a") == "http://minio:9000/bucket/x/a"
    string = "AccountName%3DAcct%3BAccountKey%3Ds3cret%3D%3D"
    for url in (
        "abfs://c@acct.dfs.core.windows.net/x",
        "abfss://C@ACCT.blob.core.windows.net/./x?sas=sig%3Ds3cret",
        f"az://c/x?connection_string={string}",
    ):
        assert canonical(url, "a") == "abfs://c@acct.dfs.core.windows.net/x/a"


@pytest.mark.parametrize(
    "url",
    [
        "s3://key:s3cret@bucket/x",
        "s3://bucket/x?key=s3cret",
        "s3://bucket/x?password=s3cret",
        "s3://bucket/x?key=&secret=s3cret",
        "s3://bucket/x?endpoint=http://user:s3cret@minio",
        "abfs://container/x?sas=s3cret",
        "abfs://container/x?connection_string=s3cret",
        "abfs://c@one.dfs.core.windows.net/x?connection_string=AccountName%3Dtwo%3BAccountKey%3Ds3cret",
        "ftp://host/s3cret",
    ],
)
def test_a_url_that_is_none_is_explained_without_its_secrets(url: str) -> None:
    with pytest.raises(DeliveryError) as caught:
        BlobDestination(url, "a").canonical_object()
    assert "s3cret" not in str(caught.value)
    assert caught.value.__context__ is None
    assert "connection" in caught.value.fix


@pytest.mark.parametrize("name", ["", "/", "..", "a/../b", "a/.hidden", "a b", "a\\b", "a\0b"])
def test_what_leads_out_of_the_folder_is_refused(name: str) -> None:
    with pytest.raises(DeliveryError, match="is no folder name"):
        BlobDestination("somewhere", name)


@pytest.mark.parametrize("changes", [{"partition": "../x"}, {"delivery_id": "a/b"}])
def test_a_partition_or_id_that_leads_out_is_refused(place: Place, changes: dict[str, Any]) -> None:
    shard = place.shard(rows_of(DAY, 1, "x"), changes.pop("delivery_id", "d1"), **changes)
    with pytest.raises(DeliveryError, match="is no folder name"):
        place.destination().send(shard, MemoryJournal(1))
    assert not Path(place.url).exists()


@pytest.mark.parametrize("act", ["check", "send", "arrived", "read_back", "forget"])
def test_no_error_of_storage_shows_a_secret(place: Place, monkeypatch: pytest.MonkeyPatch, act: str) -> None:
    """A client's exception may repeat what it was given."""
    shard = place.shard(rows_of(DAY, 1, "x"), "d1")

    def fail(*_: object, **__: object) -> None:
        raise OSError("cannot sign with AccountKey=hun/ter2== for hun%2Fter2%3D%3D")

    for method in ("read", "listing", "exists"):
        monkeypatch.setattr(Area, method, fail)
    url = "abfs://c/x?connection_string=AccountName%3Dacct%3BAccountKey%3Dhun%2Fter2%3D%3D"
    destination = BlobDestination(url, OBJECT)
    acts: Mapping[str, Callable[[], object]] = {
        "check": lambda: destination.check(shard),
        "send": lambda: destination.send(shard, MemoryJournal(1)),
        "arrived": lambda: destination.arrived(shard),
        "read_back": lambda: list(destination.read_back(scope_of())),
        "forget": lambda: destination.forget(scope_of(), [{"business_date": DAY, "item": 1}]),
    }
    with pytest.raises(DeliveryError, match="cannot sign") as caught:
        acts[act]()
    assert "ter2" not in str(caught.value)
    assert caught.value.__context__ is None
    assert "AccountKey" not in repr(destination)


def test_a_folder_that_cannot_be_written_is_explained(tmp_path: Path, place: Place) -> None:
    (tmp_path / "file").write_text("in the way")
    shard = place.shard(rows_of(DAY, 1, "x"), "d1")
    with pytest.raises(DeliveryError, match="storage that can be reached"):
        BlobDestination(str(tmp_path / "file"), OBJECT).send(shard, MemoryJournal(1))


@pytest.mark.parametrize("kind", ["azurite", "s3"])
def test_a_container_that_does_not_exist_is_found_before_anything_is_sent(
    request: pytest.FixtureRequest, place: Place, kind: str
) -> None:
    storage = storage_of(request, kind)
    url = connection_url(storage, storage.base_url.replace("sluice", "no-such-container"))
    with pytest.raises(DeliveryError, match="no-such-container"):
        BlobDestination(url, OBJECT).check(place.shard(rows_of(DAY, 1, "x"), "d1"))
