"""Operations data as Parquet files in a place of their own, for whatever reads Parquet.

    manifest.json                          what is there, last written: of which moment, of which deployment
    runs/day=2026-05-01/data.parquet       a fact's day, replaced in one step
    exports/data.parquet                   what the project says now, and `sla`

Days are read again that may have changed since: those in which something was put on record, and those with
a row that may still change. A file is written where its content is another one. What the records have
forgotten meanwhile, as it is old, stays in it. Who was killed does it again. Belongs here: that. Does not
belong here: what the files say (`state.ops_views`), drops made of them (`source`).
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from sluicegate.areas import Area
from sluicegate.areas.access import place_of
from sluicegate.core.environments import Environment
from sluicegate.core.json_records import bytes_of
from sluicegate.core.loopback import elsewhere
from sluicegate.core.progress import each
from sluicegate.core.settings import not_here
from sluicegate.kusto.files import FOLDER as KUSTO
from sluicegate.project.earlier import FOLDERS
from sluicegate.state.deployment import Deployment
from sluicegate.state.ops_model import Type, View
from sluicegate.state.ops_views import VIEWS

MANIFEST = "manifest.json"
# What is now, and changes with every second; and what is soon made of facts.
_NOT_PUBLISHED = {"late_now", "held_now", "duration_trend", "volume_trend"}
_FORM = 1
# A row is on record a while after the moment that it tells.
_OVERLAP = timedelta(days=1)
_TYPES: Mapping[Type, pa.DataType] = {
    Type.TEXT: pa.string(),
    Type.INTEGER: pa.int64(),
    Type.NUMBER: pa.float64(),
    Type.BOOLEAN: pa.bool_(),
    Type.DATE: pa.date32(),
    Type.TIMESTAMP: pa.timestamp("us"),
}


class NotPublishable(ValueError):
    """Operations data cannot be published so: the message says why, and what to do."""


@dataclass(frozen=True)
class File:
    """A published file: its rows, the digest of its bytes; `open`: a row of it may still change.

    `landed` is the digest of its bytes when a drop was last made of it; "" where none was.
    """

    rows: int
    digest: str
    open: bool = False
    landed: str = ""


@dataclass(frozen=True)
class Manifest:
    """What is published: {path: file}, of one deployment, up to a moment."""

    deployment: str
    told: str
    at: str
    files: Mapping[str, File] = field(default_factory=dict[str, File])

    def of(self, view: View) -> Iterator[tuple[date, str, File]]:
        """Yield the days of a fact, with their files."""
        for path, file in self.files.items():
            name, _, rest = path.partition("/day=")
            if name == view.name and rest:
                yield date.fromisoformat(rest.partition("/")[0]), path, file


@dataclass(frozen=True)
class Published:
    """What was done: the files written, and what is there now."""

    written: tuple[str, ...]
    manifest: Manifest


def area_to_publish(deployment: Deployment, url: str | None) -> Area:
    """Return where operations data go: `ops` of the data directory, or a URL.

    Raises:
        NotPublishable: this deployment may not write there, or something else lies there.
        StorageUrlError: it is no area's URL.
    """
    settings = deployment.settings
    if why := deployment.kept_back():
        raise NotPublishable(f"{why.what}; expected {why.expected}; {why.fix}")
    area = Area(url or str(settings.data_dir / "ops"), settings.storage_access)
    host = elsewhere(settings.storage_access.hosts(area.place))
    kind = deployment.identity.kind
    if host and kind is Environment.LOCAL:
        raise NotPublishable(str(not_here("URL", host)))
    if host and kind is Environment.SCRATCH:
        raise NotPublishable(
            f"URL leads to {host}, and this deployment is `scratch`; expected a folder of this machine; name"
            " one, or say what this deployment is: `sluice env init work`"
        )
    # What is published there would be read as files of the project; beside them, in `data/` say, it is not.
    project = settings.project_dir
    folders = (place_of(str(project / name)) for name in (*FOLDERS, KUSTO))
    if area.place == place_of(str(project)) or any(area.place.lies_in(folder) for folder in folders):
        raise NotPublishable(
            f"{area.url} is where the project has its files; expected a place of its own; name another URL"
        )
    for name, other in (
        ("SLUICE_STAGING_URL", settings.staging_url), ("SLUICE_ORIGINALS_URL", settings.originals_url),
        ("SLUICE_PROCESSING_URL", settings.processing_url), ("SLUICE_COLD_URL", settings.cold_url),
        ("SLUICE_PUBLISHED_URL", settings.published_url),
    ):  # fmt: skip
        if other and (area.place.lies_in(place_of(other)) or place_of(other).lies_in(area.place)):
            raise NotPublishable(
                f"{area.url} and {name}, {place_of(other)}, lie in each other; expected a place of its own;"
                " name another URL"
            )
    return area


def publish(deployment: Deployment, area: Area, now: datetime) -> Published:
    """Publish what is new; the manifest comes last.

    Raises:
        NotPublishable: the place holds what another deployment, or newer code, has published; or somebody
            else published at the same time.
    """
    store = deployment.store
    version = area.version(MANIFEST)
    before = read_manifest(area)
    if before is not None and before.deployment != deployment.identity.id:
        raise NotPublishable(
            f"{area.url} holds operations data of deployment {before.deployment[:8]}, and this is"
            f" {deployment.identity.id[:8]}; expected a place of its own; name another URL"
        )
    restored = store.restores.last_at()
    told = f"epoch {deployment.identity.epoch}, restored {restored.isoformat() if restored else 'never'}"
    # After a restore the records say something else of days that are long over; and who published with a
    # clock that was ahead has seen nothing of what came since.
    last = datetime.fromisoformat(before.at) if before and before.told == told else None
    since = last - _OVERLAP if last and last <= now else None
    old = (now - deployment.settings.operations_kept).date()
    files, written = dict(before.files) if before else dict[str, File](), list[str]()
    for view in each("publishing operations data", VIEWS.values(), "tables", lambda view: view.name):
        if view.name in _NOT_PUBLISHED:
            continue
        for path, rows, is_open in _changed(deployment, view, since, before):
            known = files.get(path)
            if known is not None and known.rows > len(rows) and view.aged_by:
                rows = _with_forgotten(view, rows, area.read(path), old)
            content = parquet_of(view, rows)
            digest = hashlib.sha256(content).hexdigest()
            if known is None or known.digest != digest or not area.exists(path):
                area.write(path, [content])
                written.append(path)
            files[path] = File(len(rows), digest, is_open, known.landed if known else "")
    manifest = Manifest(deployment.identity.id, told, now.isoformat(), files)
    write_manifest(area, manifest, version)
    return Published(tuple(written), manifest)


def _changed(
    deployment: Deployment, view: View, since: datetime | None, before: Manifest | None
) -> Iterator[tuple[str, Sequence[Mapping[str, Any]], bool]]:
    """Yield (path, rows, whether one may still change) of what may be another than it was."""
    store = deployment.store.operations
    if not view.is_fact:
        yield f"{view.name}/data.parquet", list(store.rows(view)), False
        return
    days: set[date] | None = None
    if since is not None and before is not None:
        since -= timedelta(days=view.late_days)
        days = set(store.days(view, f"{view.written} >= :since", since=since))
        days |= {day for day, _, file in before.of(view) if file.open}
        if not days:
            return
    unfinished = set(store.days(view, view.open)) if view.open != "false" else set[date]()
    for day, rows in groupby(store.rows(view, days=days), key=lambda row: row["day"]):
        yield path_of(view, day), list(rows), day in unfinished


def _with_forgotten(
    view: View, rows: Sequence[Mapping[str, Any]], published: bytes | None, old: date
) -> Sequence[Mapping[str, Any]]:
    """Return a day's rows, and those published ones that are not on record any more as they are old.

    What one day tells ends at different moments, so that a part of it is forgotten before the rest.
    """
    try:
        there = parquet.read_table(pa.BufferReader(published or b"")).to_pylist()
    except pa.ArrowInvalid:  # it is damaged
        return rows
    found = {tuple(row[name] for name in view.key): row for row in rows}
    for row in there:
        at = row[view.aged_by]
        if at is not None and (at.date() if isinstance(at, datetime) else at) <= old:
            found.setdefault(tuple(row[name] for name in view.key), row)
    return [found[key] for key in sorted(found)]


def path_of(view: View, day: date) -> str:
    """Return where a fact's day is."""
    return f"{view.name}/day={day.isoformat()}/data.parquet"


def parquet_of(view: View, rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Return rows of a view as a Parquet file; moments are in UTC, and have no zone."""
    fields = [
        pa.field(
            column.name, _TYPES[column.type], nullable=column.name not in view.key,
            metadata={"description": column.description, "unit": column.unit},
        )
        for column in view.columns
    ]  # fmt: skip
    bare = [
        {
            name: value.replace(tzinfo=None) if isinstance(value, datetime) else value
            for name, value in row.items()
        }
        for row in rows
    ]
    buffer = pa.BufferOutputStream()
    parquet.write_table(pa.Table.from_pylist(bare, pa.schema(fields)), buffer, compression="zstd")
    return buffer.getvalue().to_pybytes()


def read_manifest(area: Area) -> Manifest | None:
    """Return what is published in an area; None where nothing was.

    Raises:
        NotPublishable: newer code has published there, or the manifest is damaged.
    """
    content = area.read(MANIFEST)
    if content is None:
        return None
    try:
        said = json.loads(content)
        if said["form"] > _FORM:
            raise NotPublishable(
                f"{area.path(MANIFEST)} has form {said['form']}; expected {_FORM} at most, as newer code has"
                " published there; install that code, or name another URL"
            )
        files = {path: File(**file) for path, file in said["files"].items()}
        return Manifest(said["deployment"], said["told"], said["at"], files)
    except (KeyError, TypeError, json.JSONDecodeError, UnicodeDecodeError, AttributeError) as error:
        raise NotPublishable(
            f"{area.path(MANIFEST)} is damaged ({type(error).__name__}); expected it as it was written;"
            " remove that file, then `sluice ops publish` writes all anew"
        ) from None


def write_manifest(area: Area, manifest: Manifest, version: str | None) -> None:
    """Write a manifest in the place of the one that was read at a version; None: there was none.

    Raises:
        NotPublishable: somebody else has written one meanwhile.
    """
    said = {
        "form": _FORM,
        "deployment": manifest.deployment,
        "told": manifest.told,
        "at": manifest.at,
        "files": {path: vars(file) for path, file in sorted(manifest.files.items())},
    }
    content = bytes_of(said)
    if not area.swap(MANIFEST, content, version) and area.read(MANIFEST) != content:
        raise NotPublishable(
            f"{area.url} was published to by somebody else meanwhile; expected one at a time; type the same"
            " again: what was written stays"
        )
