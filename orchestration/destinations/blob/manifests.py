"""Manifests of blob deliveries: what they say, and which delivery may be shown in the place of which.

Belongs here: the content of manifests, their order. Does not: how and when they are written (`blob`,
`erasure`), the bytes of parts (`parts`).

An own manifest is made of the shard alone, no clock: two attempts write the same. A shown one is the own one
of the newest delivery (`snapshot`), or has all of a partition in order (`append`).
"""

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, cast

from orchestration.areas import Area, StrangeAnswerError

from ..base import Mode, Shard
from ..errors import DeliveryError

MANIFEST = "manifest.json"
LATEST = "latest.json"
FORMAT = 2
# What `sluice status` calls the one partition of a source that has none.
_WITHOUT_PARTITIONS = "snapshot"
# How many earlier deliveries a shown manifest remembers: an attempt that is older than all of them is
# stopped by the engine, which lets one process at a time send to an object.
_REMEMBERED = 1000

Manifest = dict[str, Any]


class Standing(StrEnum):
    """How a delivery stands to what is shown: `NEXT` may be shown, `OLDER` was passed by another."""

    NEXT = "next"
    SHOWN = "shown"
    OLDER = "older"


def folder_of(partition_key: str) -> str:
    """Return the name of a partition's folder; what has no partitions has a folder, too."""
    return partition_key or _WITHOUT_PARTITIONS


def own_manifest(
    shard: Shard, fields: Sequence[tuple[str, str]], file_format: str, files: Sequence[Manifest]
) -> Manifest:
    """Return a delivery's manifest; `files` have `path` (in its folder), `bytes`, `sha256` and `rows`."""
    return {
        "format": FORMAT,
        "export": shard.export,
        "partition_key": shard.partition_key,
        "partition_column": shard.partition_column,
        "bounds": list(shard.bounds) if shard.bounds else None,
        "delivery_id": shard.delivery_id,
        "mode": str(shard.mode),
        "version": shard.version,
        "digest": shard.digest,
        "key": list(shard.key),
        "fields": [{"name": name, "type": kind} for name, kind in fields],
        "file_format": file_format,
        "rows": shard.rows,
        "folder": shard.delivery_id,
        "files": list(files),
        "supersedes": [shard.supersedes] if shard.supersedes else [],
    }


def appended(shown: Manifest | None, own: Manifest) -> Manifest:
    """Return what a partition shows with one more delivery."""
    return with_deliveries(own, [*(deliveries_of(shown) if shown else []), own])


def with_deliveries(like: Manifest, deliveries: Sequence[Manifest]) -> Manifest:
    """Return what a partition of mode `append` shows."""
    copied = ("format", "export", "partition_key", "partition_column", "mode")
    return {
        **{name: like[name] for name in copied},
        "rows": sum(int(delivery["rows"]) for delivery in deliveries),
        "deliveries": list(deliveries),
    }


def replaced(shown: Manifest | None, new: Manifest, others: Sequence[str] = ()) -> Manifest:
    """Return what is shown in the place of something else; it remembers all that it passes.

    `others` are deliveries of which something lies there: attempts that died or were given up. Should one
    still be under way, it finds that it is older.
    """
    earlier = [*passed_by(shown), *ids_of(shown)] if shown else []
    passed = dict.fromkeys([*earlier, *others, *new["supersedes"]])
    passed.pop(new["delivery_id"], None)
    return {**new, "supersedes": list(passed)[-_REMEMBERED:]}


def latest_of(own: Manifest) -> Manifest:
    """Return what names the manifest of the newest partition, where there is but one scope."""
    copied = ("format", "export", "partition_key", "bounds", "delivery_id", "mode", "supersedes")
    return {
        **{name: own[name] for name in copied},
        "manifest": f"{folder_of(str(own['partition_key']))}/{MANIFEST}",
    }


def deliveries_of(shown: Manifest) -> list[Manifest]:
    """Return the deliveries that a shown manifest is made of, oldest first."""
    return cast("list[Manifest]", shown["deliveries"]) if "deliveries" in shown else [shown]


def ids_of(shown: Manifest) -> list[str]:
    """Return the ids of the deliveries that a shown manifest is made of, oldest first."""
    return [str(delivery["delivery_id"]) for delivery in deliveries_of(shown)]


def passed_by(shown: Manifest) -> list[str]:
    """Return the ids of the deliveries that came before what is shown, or were given up for it."""
    before = (str(earlier) for delivery in deliveries_of(shown) for earlier in delivery["supersedes"])
    return list(dict.fromkeys(before))


def fields_of(delivery: Manifest) -> list[tuple[str, str]]:
    """Return the names and types of the fields of a delivery's parts."""
    return [(str(field["name"]), str(field["type"])) for field in delivery["fields"]]


def standing(shown: Manifest | None, shard: Shard, at: str) -> Standing:
    """Return whether a delivery may be shown where `shown` is now.

    Raises:
        DeliveryError: it was made to replace something that another delivery has replaced already.
    """
    if shown is None:
        return Standing.NEXT
    shown_ids = ids_of(shown)
    if shard.delivery_id in shown_ids:
        return Standing.SHOWN
    passed = passed_by(shown)
    if shard.delivery_id in passed:
        return Standing.OLDER
    # What is appended takes nothing away, whatever it was planned after.
    if shard.mode is not Mode.APPEND and shard.supersedes in passed and shard.supersedes != shown_ids[-1]:
        raise DeliveryError(
            f"{at} shows delivery {shown_ids[-1]}, which came after {shard.supersedes};"
            f" delivery {shard.delivery_id} was planned to replace the latter",
            "a plan made of what the container shows",
            "rerun the export's partition. If the records are older than the container (restored from a"
            f" backup), move {at} away first",
        )
    return Standing.NEXT


def check_same(manifest: Manifest, shard: Shard, at: str) -> None:
    """Raise DeliveryError unless a manifest is that of this very shard."""
    rows = int(manifest["rows"]) + int(manifest.get("forgotten", 0))
    found = (manifest["export"], manifest["partition_key"], manifest["digest"], rows)
    asked = (shard.export, shard.partition_key, shard.digest, shard.rows)
    if found != asked:
        raise DeliveryError(
            f"delivery id {shard.delivery_id} has been used for {found}, says {at}",
            f"an id of its own for {asked}",
            "rerun the export's model: a new build has a new delivery id",
        )


def read(area: Area, at: str) -> Manifest | None:
    """Return the manifest at a path, None if there is none.

    Raises:
        DeliveryError: something else lies there.
    """
    content = area.read(at)
    if content is None:
        return None
    if content.lstrip()[:1] == b"<" and not area.local:
        raise StrangeAnswerError(f"{area.path(at)} is read as a page of HTML or XML, not as a manifest")
    try:
        manifest = json.loads(content)
    except (ValueError, RecursionError):
        manifest = None
    if not isinstance(manifest, dict) or cast("Manifest", manifest).get("format") != FORMAT:
        raise DeliveryError(
            f"{area.path(at)} is no manifest of a delivery",
            f"a file that deliveries alone write, of format {FORMAT}",
            "move it away, then `sluice delivery resend` the partition: the manifest is written anew",
        )
    return cast("Manifest", manifest)


def encode(manifest: Manifest) -> bytes:
    """Return a manifest's bytes."""
    return (json.dumps(manifest, indent=2, ensure_ascii=False) + "\n").encode()
