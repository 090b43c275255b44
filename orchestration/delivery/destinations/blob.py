"""Blob storage: files of a delivery are created once, its manifest last, then it is shown.

Belongs here: layout, manifests, their order, which delivery is shown. Does not: how a byte gets
to a disk or a bucket (`blob_store`), what consumers do with the files.

    <url>/<object>/<partition>/<delivery id>/part-00000.parquet
    <url>/<object>/<partition>/<delivery id>/manifest.json   created once, after the parts
    <url>/<object>/<partition>/manifest.json                 a copy: all that consumers read
"""

import json
import posixpath
import re
from typing import Any, ClassVar, cast

from .base import DeliveryError, Destination, Receipt, Shard, redact
from .blob_store import Store, canonical_url, open_store
from .shards import check_shard

_MANIFEST = "manifest.json"
_PART = "part-00000.parquet"
_SEGMENT = re.compile(r"[A-Za-z0-9_=+][A-Za-z0-9_.=+:-]*")

Manifest = dict[str, Any]


class BlobDestination(Destination):
    """A folder under a directory or any fsspec URL."""

    type_name: ClassVar[str] = "blob"
    guarantee: ClassVar[str] = (
        "create-once, manifest last: a delivery's files and manifest are written once and never "
        "changed; the partition's manifest is then replaced in one step and names whole "
        "deliveries only"
    )
    kinds: ClassVar[frozenset[str]] = frozenset({"parquet", "storage"})

    def __init__(self, url: str, object_name: str) -> None:
        super().__init__(url, object_name)
        self._object = self.canonical_name(object_name)

    @classmethod
    def canonical_name(cls, object_name: str) -> str:
        """One spelling for one object of a connection."""
        parts = [part for part in object_name.strip().split("/") if part not in ("", ".")]
        if not parts or not all(_SEGMENT.fullmatch(part) for part in parts):
            raise DeliveryError(
                f"destination object {object_name!r} is no folder name",
                "names of letters, digits, _ . = + : and -, joined by /, none starting with a dot",
                "correct destination.object in the export file",
            )
        return "/".join(parts)

    def canonical_object(self) -> str:
        """One spelling for one object in one place, without secrets."""
        return f"{canonical_url(self._url)}/{self._object}"

    def deliver(self, shard: Shard) -> Receipt:
        """Make the slice of the partition equal to the shard, once."""
        for what, segment in (("partition", shard.partition_key), ("id", shard.delivery_id)):
            if _SEGMENT.fullmatch(segment) is None:
                raise DeliveryError(
                    f"the delivery's {what} {segment!r} is no folder name",
                    "letters, digits, _ . = + : and -, not starting with a dot",
                    f"choose another form for the {what}",
                )
        check_shard(shard)
        problem = ""
        try:
            with open_store(self._url, self._object) as store:
                return self._deliver(store, shard)
        except DeliveryError:
            raise
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
        # Outside the handler, so that the original, which may hold a secret, is not its context.
        raise DeliveryError(
            f"delivery of {shard.export}, partition {shard.partition_key}, to "
            f"{self.canonical_object()}: {redact(problem, self._url)}",
            "storage that can be reached, listed and written",
            "mend the connection, then rerun the partition: the same id is written once only",
        )

    def _deliver(self, store: Store, shard: Shard) -> Receipt:
        folder = f"{shard.partition_key}/{shard.delivery_id}"
        shown_at = f"{shard.partition_key}/{_MANIFEST}"
        own_at = f"{folder}/{_MANIFEST}"
        store.clear_leftovers(folder)
        manifest = _read(store, own_at)
        already = manifest is not None
        if manifest is None:
            # Parts without a manifest are an attempt that died: nobody was shown them.
            size, digest = store.put_file(f"{folder}/{_PART}", shard.path)
            manifest = _manifest(shard, size, digest, _superseded(store, shard))
            store.create(own_at, _encode(manifest))
        else:
            _check_same(manifest, shard, own_at)
            self._check_parts(store, manifest, folder)
        shown = _read(store, shown_at)
        if shown is None or not _supersedes(shown, shard.delivery_id):
            store.replace(shown_at, _encode(manifest))
            shown = manifest
        return Receipt(
            rows=shard.rows,
            location=f"{self.canonical_object()}/{shown_at}",
            already_delivered=already,
            details={
                "delivery_id": shard.delivery_id,
                "bytes": int(sum(int(part["bytes"]) for part in manifest["files"])),
                "shown": str(shown["delivery_id"]),
            },
        )

    def _check_parts(self, store: Store, manifest: Manifest, folder: str) -> None:
        for part in manifest["files"]:
            size = store.size(f"{folder}/{part['path']}")
            if size != part["bytes"]:
                raise DeliveryError(
                    f"{self.canonical_object()}/{folder}/{part['path']} has "
                    f"{'gone' if size is None else f'{size} bytes'} since it was delivered",
                    f"{part['bytes']} bytes, as its manifest says: parts are never changed",
                    "deliver the partition again under a new delivery id",
                )


def _manifest(shard: Shard, size: int, sha256: str, superseded: list[str]) -> Manifest:
    """Made of the shard alone, no clock: two attempts write the same bytes."""
    return {
        "format": 1,
        "export": shard.export,
        "partition_key": shard.partition_key,
        "partition_column": shard.partition_column,
        "delivery_id": shard.delivery_id,
        "digest": shard.digest,
        "key": list(shard.key),
        "rows": shard.rows,
        "files": [{"path": _PART, "bytes": size, "sha256": sha256, "rows": shard.rows}],
        # Which deliveries came before. It orders them, so that an old run that is tried again
        # does not put its slice back over a newer one.
        "supersedes": superseded,
    }


def _superseded(store: Store, shard: Shard) -> list[str]:
    others = (name for name in store.folders(shard.partition_key) if name != shard.delivery_id)
    return sorted(
        name for name in others if store.size(f"{shard.partition_key}/{name}/{_MANIFEST}") is not None
    )


def _supersedes(shown: Manifest, delivery_id: str) -> bool:
    return shown["delivery_id"] == delivery_id or delivery_id in shown["supersedes"]


def _check_same(manifest: Manifest, shard: Shard, at: str) -> None:
    found = tuple(manifest[field] for field in ("export", "partition_key", "digest", "rows"))
    asked = (shard.export, shard.partition_key, shard.digest, shard.rows)
    if found != asked:
        raise DeliveryError(
            f"delivery id {shard.delivery_id} has been used for {found}, says {at}",
            f"an id of its own for {asked}",
            "make the delivery id of export, partition and content",
        )


def _read(store: Store, at: str) -> Manifest | None:
    content = store.read(at)
    if content is None:
        return None
    try:
        manifest = json.loads(content)
    except ValueError:
        manifest = None
    if not isinstance(manifest, dict) or "delivery_id" not in manifest:
        raise DeliveryError(
            f"{posixpath.join(store.root, at)} is no manifest of a delivery",
            "a file that deliveries alone write",
            "move it away, then rerun the partition: the manifest is written anew",
        )
    return cast("Manifest", manifest)


def _encode(manifest: Manifest) -> bytes:
    return (json.dumps(manifest, indent=2, ensure_ascii=False) + "\n").encode()
