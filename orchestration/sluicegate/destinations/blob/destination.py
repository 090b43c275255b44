"""Blob storage: a delivery's files are created once, its manifest last, then it is shown.

Belongs here: the layout, the order of writing, which delivery is shown. Does not: the connection's URL
(`connection`), what manifests say (`manifests`), rows (`parts`), erasure (`erasure`), how
a byte gets to a disk or a bucket (`sluicegate.areas`), what consumers do with the files.

    <object>/<partition>/<delivery id>/part-00000.parquet
    <object>/<partition>/<delivery id>/manifest.json   created once, after the parts
    <object>/<partition>/manifest.json                 what is shown: all that consumers read
    <object>/latest.json                               names the newest partition's, for `partitions: latest`
    <object>/<partition>.done                          if wanted: last, with the id of the delivery shown

The folder of a model without partitions is `snapshot`.

What is shown is swapped on condition that nobody else has swapped it since it was read, so of two senders at
once none is lost, and none puts an older delivery over a newer one.
"""

import posixpath
import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from sluicegate.areas import Area, StrangeAnswerError
from sluicegate.compute.engine import shared_engine
from sluicegate.compute.sql_types import SqlType

from ..base import Capabilities, Destination, Journal, Mode, Receipt, Refused, Scope, Shard
from ..bounded import GoOn
from ..errors import DeliveryError
from ..exact_values import Unfit, nested, unfit_rows
from ..permission import may_send
from ..shards import check_shard
from . import manifests, parts, texts, writing
from .answers import explained
from .connection import BlobConnection, connection_of
from .erasure import Erasure
from .manifests import LATEST, MANIFEST, Manifest, Standing, folder_of

_SEGMENT = re.compile(r"[A-Za-z0-9_=+][A-Za-z0-9_.=+:-]*")
_DONE = ".done"
T = TypeVar("T")


class BlobOptions(BaseModel):
    """How the files of an export are written: their format, the rows of a part, whether `.done` follows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["parquet", "csv", "json_lines"] = "parquet"
    rows_per_part: int = Field(default=1_000_000, ge=1)
    done: bool = False


class BlobDestination(Destination):
    """A folder in a directory, in Azure Blob or in S3."""

    type_name: ClassVar[str] = "blob"
    guarantee: ClassVar[str] = (
        "create-once, manifest last: a delivery's files and manifest are written once and never "
        "changed but by an erasure; the partition's manifest is then replaced in one step and names whole "
        "deliveries only, each once; a replacement that comes late finds another one there, and is none"
    )
    kinds: ClassVar[frozenset[str]] = frozenset({"parquet", "storage"})
    options_model: ClassVar[type[BaseModel]] = BlobOptions
    capabilities: ClassVar[Capabilities] = Capabilities(
        modes=frozenset({Mode.SNAPSHOT, Mode.APPEND}),
        read_back=True,
        delete=True,
    )

    def __init__(self, url: str, object_name: str, options: BaseModel | None = None) -> None:
        super().__init__(url, object_name, options)
        self._object = self.canonical_name(object_name)
        self._settings = BlobOptions.model_validate(self._options.model_dump())
        self._opened: BlobConnection | None = None

    @classmethod
    def canonical_name(cls, object_name: str) -> str:
        """One spelling for one object of a connection."""
        parts = [part for part in object_name.strip().split("/") if part not in ("", ".")]
        if not parts or not all(_SEGMENT.fullmatch(part) for part in parts):
            raise DeliveryError(
                "SLU-V004",
                f"destination object {object_name!r} is no folder name",
                "names of letters, digits, _ . = + : and -, joined by /, none starting with a dot",
                "correct destination.object in the export file",
            )
        return "/".join(parts)

    def canonical_object(self) -> str:
        """One spelling for one object in one place, without secrets."""
        return f"{self._connection.name}/{self._object}"

    def hosts(self) -> Sequence[str]:
        """Those of the storage."""
        return self._area.hosts

    def check(self, shard: Shard) -> None:
        """Raise DeliveryError for a mode, name, type or value that files cannot have, or no storage."""
        self._check_shard(shard)

        def look(_: GoOn) -> None:
            self._check_marker(shard)
            next(self._area.listing(self._at(folder_of(shard.partition_key), MANIFEST)), None)

        self._explained(f"delivery of {shard.export}, partition {shard.partition_key}, to", look)

    def offline(self) -> bool:
        """Its values are judged by rules that stand here."""
        return True

    def inexact(self, shard: Shard) -> Sequence[Refused]:
        """Return the rows with values that the format of the files cannot say."""
        form = self._settings.format

        def of(_: str, value: str, kind: SqlType) -> Iterator[Unfit]:
            yield from nested(value, kind, partial(texts.unfit, form))

        return unfit_rows(shard, of) if form != "parquet" else ()

    def send(self, shard: Shard, journal: Journal) -> Receipt:
        """Write the whole shard, whatever is pending of it, and show it."""
        self._check_shard(shard)
        what = f"delivery of {shard.export}, partition {shard.partition_key}, to"
        note, receipt = self._explained(what, lambda go_on: self._send(shard, journal, go_on))
        pending = journal.pending()
        for first, end in pending:
            journal.acknowledge(first, end, (), note if end == pending[-1][1] else "")
        return receipt

    def arrived(self, shard: Shard) -> bool:
        """Return whether a delivery was shown.

        Its own manifest is not enough: an attempt that died before it was shown has reached nobody.
        """
        what = f"a look for a delivery of {shard.export}, partition {shard.partition_key}, in"
        return self._explained(what, lambda _: self._arrived(shard))

    def read_back(self, scope: Scope) -> Iterator[Any]:
        """Yield what the scope shows, part by part, with the types that it was sent with."""
        batches = self._batches(scope)
        try:
            while True:
                batch = self._explained(
                    f"a look at what {scope.export} holds in", lambda _: next(batches, None)
                )
                if batch is None:
                    return
                yield batch
        finally:
            # One that hangs in a read that nobody waits for is left to it.
            with suppress(ValueError):
                batches.close()

    def forget(self, scope: Scope, keys: Sequence[Mapping[str, Any]]) -> int:
        """Take keys out of the scope's files, those of earlier deliveries too; return how many were there.

        That files are never changed yields to the right to erasure, and to nothing else: a delivery with one
        of the keys is written anew without it into another folder and shown, then its old folder is removed.
        Killed on the way, it is done again: what is left has the key, and goes.
        """
        return self._explained(
            f"taking keys of {scope.export} out of", lambda _: self._forget(scope, keys) if keys else 0
        )

    @property
    def _connection(self) -> BlobConnection:
        if self._opened is None:
            self._opened = connection_of(self._url)
        return self._opened

    @property
    def _area(self) -> Area:
        return self._connection.area

    def _at(self, *below: str) -> str:
        return posixpath.join(self._object, *below)

    def _own_at(self, shard: Shard) -> str:
        return self._at(folder_of(shard.partition_key), shard.delivery_id, MANIFEST)

    def _check_shard(self, shard: Shard) -> None:
        for what, segment in (("partition", folder_of(shard.partition_key)), ("id", shard.delivery_id)):
            if _SEGMENT.fullmatch(segment) is None:
                raise DeliveryError(
                    "SLU-V004",
                    f"the delivery's {what} {segment!r} is no folder name",
                    "letters, digits, _ . = + : and -, not starting with a dot",
                    f"choose another form for the {what}",
                )
        if shard.mode not in self.capabilities.modes or (shard.mode is Mode.SNAPSHOT and not shard.full):
            raise DeliveryError(
                "SLU-V201",
                f"{shard.export} would change rows of files, with mode {shard.mode}",
                "mode snapshot, with all rows of the partition, or append",
                "correct `mode` in the export file",
            )
        if shard.partition_column is not None:
            check_shard(shard)
        with shared_engine() as engine:
            parts.check_rows(engine, shard, self._settings.format)

    def _check_marker(self, shard: Shard) -> None:
        """Raise where a partition's folder and the marker of another would have one name."""
        folder, fix = folder_of(shard.partition_key), ""
        clash, done = folder.endswith(_DONE), self._settings.done
        if clash and done:
            fix = "have the drop named otherwise"
        elif clash and next(self._area.listing(self._at(folder)), None):
            fix = f"remove the marker {self._at(folder)}, which is of before"
        elif done and next(self._area.listing(self._at(folder + _DONE, MANIFEST)), None):
            folder, fix = folder + _DONE, f"move the folder {self._at(folder + _DONE)} away"
        if fix:
            raise DeliveryError(
                "SLU-V207",
                f"partition {folder!r} of {shard.export} is called as the marker is that says that partition"
                f" {folder.removesuffix(_DONE)!r} is whole",
                f"partitions whose keys do not end with {_DONE}",
                fix + (", or take `done` out of `destination.options`" if done else ""),
            )

    def _arrived(self, shard: Shard) -> bool:
        shown_at, own_at = self._at(folder_of(shard.partition_key), MANIFEST), self._own_at(shard)
        shown = manifests.read(self._area, shown_at)
        if shown is None:
            return False
        for delivery in manifests.deliveries_of(shown):
            if delivery["delivery_id"] == shard.delivery_id:
                manifests.check_same(delivery, shard, shown_at)
                return True
        own = manifests.read(self._area, own_at)
        if own is None:
            return False
        manifests.check_same(own, shard, own_at)
        return shard.delivery_id in manifests.passed_by(shown)

    def _batches(self, scope: Scope) -> Generator[Any]:
        with parts.scratch_engine() as (engine, scratch):
            for delivery in self._shown(scope):
                folder = self._at(folder_of(str(delivery["partition_key"])), str(delivery["folder"]))
                held = manifests.fields_of(delivery)
                for file in delivery["files"]:
                    with writing.local_copy(self._area, f"{folder}/{file['path']}", scratch) as part:
                        yield from parts.batches(
                            engine, part, str(delivery["file_format"]), held, scope.fields, scratch
                        )

    def _forget(self, scope: Scope, keys: Sequence[Mapping[str, Any]]) -> int:
        partitions = [folder_of(scope.partition_key)]
        if scope.partition_column is None:
            listed = self._area.listing(self._at("*", MANIFEST))
            partitions = sorted(entry.path.split("/")[-2] for entry in listed)
        found: set[tuple[str, ...]] = set()
        with parts.scratch_engine() as (engine, scratch):
            erasure = Erasure(self._area, engine, scratch, scope.key, keys)
            for partition in partitions:
                found |= erasure.of_partition(self._at(partition))
        return len(found)

    def _send(self, shard: Shard, journal: Journal, go_on: GoOn) -> tuple[str, Receipt]:
        """Write and show a shard; return the note of that, "" if nothing was shown, and the receipt."""
        shown_at = self._at(folder_of(shard.partition_key), MANIFEST)
        shown = manifests.read(self._area, shown_at)
        own = manifests.read(self._area, self._own_at(shard))
        # Twice, so that nothing is written for a plan that cannot be shown.
        standing = manifests.standing(shown, shard, self._area.path(shown_at))
        if self._standing_as_latest(self._latest(shard), shard) is Standing.OLDER:
            standing = Standing.OLDER
        if standing is Standing.SHOWN and shown is not None:
            # An erasure may have moved it to another folder.
            deliveries = manifests.deliveries_of(shown)
            own = next(found for found in deliveries if found["delivery_id"] == shard.delivery_id)
        already = own is not None or standing is Standing.OLDER
        if own is not None:
            manifests.check_same(own, shard, self._own_at(shard))
        if standing is Standing.OLDER and shown is not None:
            return "", self._receipt(shard, own, shown, already)
        if own is not None:
            self._check_parts(shard, own)
        else:
            own = self._write(shard, journal, go_on)
        go_on()
        # Nobody reads what is not shown: so far nothing has left. Whoever may not send any more ends here.
        note = journal.leaving(journal.pending())
        shown = self._show(shard, own)
        if self._settings.done:
            self._mark_done(shard, shown)
        return note, self._receipt(shard, own, shown, already)

    def _write(self, shard: Shard, journal: Journal, go_on: GoOn) -> Manifest:
        """Write parts and manifest; those of an attempt that died are taken over, or passed by."""
        folder, form = self._at(folder_of(shard.partition_key), shard.delivery_id), self._settings.format
        with parts.scratch_engine() as (engine, scratch):
            files: list[Manifest] = []
            rows = self._settings.rows_per_part
            for part in parts.written_parts(engine, shard, form, rows, scratch):
                go_on()
                files.append(writing.create_part(self._area, folder, part))
                journal.tell(f"part {len(files)}: {part.rows} rows, {files[-1]['bytes']} bytes")
            fields = parts.fields_of(engine, shard)
        own = manifests.own_manifest(shard, fields, form, files)
        own = writing.create_manifest(self._area, f"{folder}/{MANIFEST}", own)
        manifests.check_same(own, shard, f"{folder}/{MANIFEST}")
        # Whoever else was at work on this delivery now uses the parts of this manifest.
        listed = {f"{folder}/{file['path']}" for file in own["files"]} | {f"{folder}/{MANIFEST}"}
        sizes = {entry.path: entry.size for entry in self._area.listing(f"{folder}/*")}
        if lost := [
            file["path"] for file in own["files"] if sizes.get(f"{folder}/{file['path']}") != file["bytes"]
        ]:
            raise StrangeAnswerError(
                f"{', '.join(lost)} is not there as it was written, though storage said so"
            )
        may_send()
        self._area.remove_all(path for path in sizes if path not in listed)
        return own

    def _show(self, shard: Shard, own: Manifest) -> Manifest:
        """Show a delivery in its partition, and the partition as the newest one; return what is shown."""
        shown_at = self._at(folder_of(shard.partition_key), MANIFEST)

        def of_partition(shown: Manifest | None) -> Manifest | None:
            if manifests.standing(shown, shard, self._area.path(shown_at)) is not Standing.NEXT:
                return None
            if shard.mode is Mode.APPEND:
                return manifests.appended(shown, own)
            return manifests.replaced(shown, own, self._others(shard))

        def of_object(latest: Manifest | None) -> Manifest | None:
            if self._standing_as_latest(latest, shard) is not Standing.NEXT:
                return None
            return manifests.replaced(latest, manifests.latest_of(own))

        shown = writing.swap_manifest(self._area, shown_at, of_partition)
        if shard.partition_column is None:
            writing.swap_manifest(self._area, self._at(LATEST), of_object)
        return shown

    def _others(self, shard: Shard) -> list[str]:
        """Return the folders of the partition's other deliveries."""
        below = len(self._at(folder_of(shard.partition_key))) + 1
        listed = self._area.listing(self._at(folder_of(shard.partition_key), "*", "*"))
        names = {entry.path[below:].partition("/")[0] for entry in listed}
        return sorted(names - {shard.delivery_id})

    def _latest(self, of: Shard | Scope) -> Manifest | None:
        """Return what names the newest partition, where there is but one scope."""
        return manifests.read(self._area, self._at(LATEST)) if of.partition_column is None else None

    def _standing_as_latest(self, latest: Manifest | None, shard: Shard) -> Standing:
        return manifests.standing(latest, shard, self._area.path(self._at(LATEST)))

    def _shown(self, scope: Scope) -> list[Manifest]:
        """Return the deliveries that the scope is made of."""
        paths = [self._at(folder_of(scope.partition_key), MANIFEST)]
        if scope.partition_column is None:
            latest = self._latest(scope)
            paths = [self._at(str(latest["manifest"]))] if latest else []
            if latest and latest["mode"] == Mode.APPEND:
                paths = sorted(entry.path for entry in self._area.listing(self._at("*", MANIFEST)))
        shown = (manifests.read(self._area, path) for path in paths)
        return [delivery for found in shown if found for delivery in manifests.deliveries_of(found)]

    def _mark_done(self, shard: Shard, shown: Manifest) -> None:
        newest = manifests.ids_of(shown)[-1]
        marker, content = self._at(f"{folder_of(shard.partition_key)}{_DONE}"), f"{newest}\n".encode()
        if self._area.read(marker) != content:
            may_send()
            self._area.write(marker, [content])

    def _check_parts(self, shard: Shard, own: Manifest) -> None:
        below = f"{folder_of(shard.partition_key)}/{own['folder']}"
        folder = self._at(below)
        sizes = {entry.path: entry.size for entry in self._area.listing(f"{folder}/*")}
        for part in own["files"]:
            size = sizes.get(f"{folder}/{part['path']}")
            if size != part["bytes"]:
                raise DeliveryError(
                    "SLU-V203",
                    f"{self.canonical_object()}/{below}/{part['path']} has "
                    f"{'gone' if size is None else f'{size} bytes'} since it was delivered",
                    f"{part['bytes']} bytes, as its manifest says: parts are never changed",
                    "deliver the partition again under a new delivery id",
                )

    def _receipt(self, shard: Shard, own: Manifest | None, shown: Manifest, already: bool) -> Receipt:
        files = own["files"] if own else ()
        return Receipt(
            rows=shard.rows,
            location=f"{self.canonical_object()}/{folder_of(shard.partition_key)}/{MANIFEST}",
            already_delivered=already,
            details={
                "delivery_id": shard.delivery_id,
                "bytes": sum(int(part["bytes"]) for part in files),
                "parts": len(files),
                "shown": manifests.ids_of(shown)[-1],
            },
        )

    def _explained(self, what: str, act: Callable[[GoOn], T]) -> T:
        place = f"{self._connection.name}/{self._object}"
        return explained(self._connection, place, what, act, self.seconds_left(), self.too_late)
