"""Blobs: layout, manifests, create-once, repair, spelling. Kills are in a module of their own."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from orchestration.delivery.destinations import DeliveryError, build
from orchestration.delivery.destinations.blob_store import open_store

from .support import DAY, MakeShard, read_folder, rows_of


def names(folder: Path) -> set[str]:
    files = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    return files - {".lock"}


def load(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text("utf-8"))


def test_layout_and_manifest(tmp_path: Path, make_shard: MakeShard) -> None:
    shard = make_shard(rows_of(DAY, 3, "x"), delivery_id="d1")
    build("blob", str(tmp_path / "c"), "partner/drop").deliver(shard)
    folder = tmp_path / "c" / "partner" / "drop"
    assert names(folder) == {
        f"{DAY}/manifest.json",
        f"{DAY}/d1/manifest.json",
        f"{DAY}/d1/part-00000.parquet",
    }
    assert load(folder / DAY / "manifest.json") == load(folder / DAY / "d1" / "manifest.json")
    sent = shard.path.read_bytes()
    assert load(folder / DAY / "manifest.json") == {
        "format": 1,
        "export": "exp_items",
        "partition_key": DAY,
        "partition_column": "business_date",
        "delivery_id": "d1",
        "digest": shard.digest,
        "key": ["business_date", "item"],
        "rows": 3,
        "files": [
            {
                "path": "part-00000.parquet",
                "bytes": len(sent),
                "sha256": hashlib.sha256(sent).hexdigest(),
                "rows": 3,
            }
        ],
        "supersedes": [],
    }


def test_parts_of_an_attempt_that_died_are_taken_over(tmp_path: Path, make_shard: MakeShard) -> None:
    folder = tmp_path / "drop" / DAY / "d1"
    folder.mkdir(parents=True)
    (folder / "part-00000.parquet").write_bytes(b"half")
    (folder / ".tmp-part-00000.parquet").write_bytes(b"ha")
    shard = make_shard(rows_of(DAY, 3, "x"), delivery_id="d1")
    assert not build("blob", str(tmp_path), "drop").deliver(shard).already_delivered
    assert read_folder(str(tmp_path), "drop") == rows_of(DAY, 3, "x")
    assert names(folder) == {"manifest.json", "part-00000.parquet"}


def test_a_lost_partition_manifest_is_shown_again(tmp_path: Path, make_shard: MakeShard) -> None:
    destination, shard = build("blob", str(tmp_path), "drop"), make_shard(rows_of(DAY, 3, "x"))
    destination.deliver(shard)
    (tmp_path / "drop" / DAY / "manifest.json").unlink()
    assert destination.deliver(shard).already_delivered
    assert read_folder(str(tmp_path), "drop") == rows_of(DAY, 3, "x")


def test_a_part_that_somebody_changed_is_reported_not_repaired(tmp_path: Path, make_shard: MakeShard) -> None:
    destination = build("blob", str(tmp_path), "drop")
    shard = make_shard(rows_of(DAY, 3, "x"), delivery_id="d1")
    destination.deliver(shard)
    part = tmp_path / "drop" / DAY / "d1" / "part-00000.parquet"
    part.write_bytes(b"oops")
    with pytest.raises(DeliveryError, match="has 4 bytes since it was delivered"):
        destination.deliver(shard)
    part.unlink()
    with pytest.raises(DeliveryError, match="has gone since it was delivered"):
        destination.deliver(shard)


def test_a_manifest_of_somebody_else_is_not_overwritten(tmp_path: Path, make_shard: MakeShard) -> None:
    shown = tmp_path / "drop" / DAY / "manifest.json"
    shown.parent.mkdir(parents=True)
    shown.write_text("theirs")
    with pytest.raises(DeliveryError, match="is no manifest of a delivery"):
        build("blob", str(tmp_path), "drop").deliver(make_shard(rows_of(DAY, 1, "x")))
    assert shown.read_text() == "theirs"


def test_one_folder_has_one_spelling(tmp_path: Path) -> None:
    here = str(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    wanted = f"file://{tmp_path.resolve()}/a/b"
    for url in (here, here + "/", f"file://{here}", f"{here}/./x/..", f"{here}//", f"{here}/link"):
        for name in ("a/b", "./a//b/", "/a/b"):
            assert build("blob", url, name).canonical_object() == wanted
    for url in ("s3://Bucket/x/", "s3a://bucket//x", "s3://k:s3cret@bucket/x/?sig=s3cret"):
        assert build("blob", url, "a/b").canonical_object() == "s3://bucket/x/a/b"
    for url in ("abfs://c@acct.dfs/x", "abfss://C@ACCT.dfs/./x"):
        assert build("blob", url, "a").canonical_object() == "abfs://c@acct.dfs/x/a"


@pytest.mark.parametrize("name", ["", "/", "..", "a/../b", "a/.hidden", "a b", "a\\b", "a\0b"])
def test_what_leads_out_of_the_folder_is_refused(name: str) -> None:
    with pytest.raises(DeliveryError, match="is no folder name"):
        build("blob", "somewhere", name)


def test_a_partition_or_id_that_leads_out_is_refused(tmp_path: Path, make_shard: MakeShard) -> None:
    destination = build("blob", str(tmp_path / "c"), "drop")
    for changes in ({"partition": "../x"}, {"delivery_id": "a/b"}):
        with pytest.raises(DeliveryError, match="is no folder name"):
            destination.deliver(make_shard(rows_of(DAY, 1, "x"), **changes))
    assert not (tmp_path / "c").exists()


def test_no_error_shows_a_secret(make_shard: MakeShard) -> None:
    url = "nosuch+scheme://key:hunter2@bucket/x?sig=hunter2"
    with pytest.raises(DeliveryError) as caught:
        build("blob", url, "drop").deliver(make_shard(rows_of(DAY, 1, "x")))
    assert "hunter2" not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_folder_that_cannot_be_written_is_explained(tmp_path: Path, make_shard: MakeShard) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DeliveryError, match="storage that can be reached"):
        build("blob", str(tmp_path / "file"), "drop").deliver(make_shard(rows_of(DAY, 1, "x")))


@pytest.mark.parametrize("scheme", ["file://", "memory://"])
def test_create_is_once_and_leaves_the_first(tmp_path: Path, scheme: str) -> None:
    with open_store(f"{scheme}{tmp_path}", "drop") as store:
        store.create("m", b"first")
        with pytest.raises(FileExistsError):
            store.create("m", b"second")
        assert store.read("m") == b"first"
