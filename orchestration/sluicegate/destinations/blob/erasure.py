"""Keys taken out of blob deliveries, the shown ones and those that were shown before.

Belongs here: writing deliveries anew without some keys, removing folders that have them. Does not: which
partitions are meant (`blob`), rows (`parts`).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluicegate.areas import Area

from ..permission import may_send
from . import manifests, parts, writing
from .manifests import MANIFEST, Manifest
from .parts import Part

if TYPE_CHECKING:
    import duckdb

Keys = set[tuple[str, ...]]


@dataclass
class Erasure:
    """Some keys that go, by values of the fields `key`."""

    area: Area
    engine: "duckdb.DuckDBPyConnection"
    scratch: Path
    key: Sequence[str]
    keys: Sequence[Mapping[str, Any]]
    _found: Keys = field(default_factory=lambda: Keys())

    def of_partition(self, partition: str) -> Keys:
        """Take the keys out of all deliveries in a partition's folder; return those that were there."""
        self._found = set()
        at = f"{partition}/{MANIFEST}"
        kept: list[str] = []
        if self.area.exists(at):
            shown = writing.swap_manifest(self.area, at, lambda shown: self._without(partition, shown))
            kept = [str(delivery["folder"]) for delivery in manifests.deliveries_of(shown)]
        self._clear(partition, kept)
        return self._found

    def _without(self, partition: str, shown: Manifest | None) -> Manifest | None:
        """Return what is to be shown instead; None if nothing that is shown has a key."""
        if shown is None:
            return None
        before = manifests.deliveries_of(shown)
        after = [self._rewritten(partition, delivery) for delivery in before]
        if after == before:
            return None
        if "deliveries" in shown:
            return manifests.with_deliveries(shown, after)
        return {**after[0], "supersedes": shown["supersedes"]}

    def _rewritten(self, partition: str, delivery: Manifest) -> Manifest:
        """Write a delivery without the keys into a folder of its own; the same one if it has none of them."""
        old = f"{partition}/{delivery['folder']}"
        parts = [self._part_without(old, delivery, file) for file in delivery["files"]]
        if not any(parts):
            return delivery
        folder = f"{delivery['delivery_id']}-{self._digest(str(delivery['folder']))}"
        files: list[Manifest] = []
        for file, part in zip(delivery["files"], parts, strict=True):
            if part is not None:
                files.append(writing.create_part(self.area, f"{partition}/{folder}", part))
                part.path.unlink()
            else:
                with writing.local_copy(self.area, f"{old}/{file['path']}", self.scratch) as path:
                    copied = Part(path, int(file["rows"]))
                    files.append(writing.create_part(self.area, f"{partition}/{folder}", copied))
        rows = sum(int(file["rows"]) for file in files)
        forgotten = int(delivery.get("forgotten", 0)) + int(delivery["rows"]) - rows
        new = {**delivery, "folder": folder, "rows": rows, "forgotten": forgotten, "files": files}
        return writing.create_manifest(self.area, f"{partition}/{folder}/{MANIFEST}", new)

    def _part_without(self, folder: str, delivery: Manifest, file: Manifest) -> Part | None:
        """Write a part without the keys into the scratch folder; None if it has none of them."""
        to = self.scratch / "rewritten" / str(file["path"])
        to.parent.mkdir(exist_ok=True)
        with writing.local_copy(self.area, f"{folder}/{file['path']}", self.scratch) as path:
            held, form = manifests.fields_of(delivery), str(delivery["file_format"])
            forgotten = parts.without_keys(self.engine, path, form, held, self.key, self.keys, to)
        if forgotten is None:
            return None
        self._found |= forgotten.keys
        return forgotten.part

    def _clear(self, partition: str, kept: Sequence[str]) -> None:
        """Remove the folders of deliveries that are not shown and have a key, or may have one."""
        skipped = len(partition) + 1
        listed = self.area.listing(f"{partition}/*/*")
        folders = {entry.path[skipped:].partition("/")[0] for entry in listed}
        for folder in sorted(folders.difference(kept)):
            if self._may_have(f"{partition}/{folder}"):
                may_send()
                self.area.remove_tree(f"{partition}/{folder}")

    def _may_have(self, folder: str) -> bool:
        delivery = manifests.read(self.area, f"{folder}/{MANIFEST}")
        if delivery is None or not {name for name, _ in manifests.fields_of(delivery)}.issuperset(self.key):
            return True  # an attempt that died, or the rest of a removal: nobody was shown it
        try:
            parts = [self._part_without(folder, delivery, file) for file in delivery["files"]]
        except FileNotFoundError:
            return True
        return any(part is not None for part in parts)

    def _digest(self, of: str) -> str:
        """Return what names a new folder: the same for the same keys taken out of the same folder."""
        texts = sorted([parts.text_of(key[name]) for name in self.key] for key in self.keys)
        return hashlib.sha256(json.dumps([of, texts]).encode()).hexdigest()[:16]
