"""The shelf: where published tables and their catalogues lie, on a disk or on object storage.

    catalogues/000000000042.json   what is published: the newest counts
    sheets/marts.store_gaps/…      one table at one version, named by catalogues
    tables/marts/store_gaps/       a Delta table
    leases/                        who reads from a catalogue, and until when (`leases`)

A catalogue is created once, after all that it names; who was quicker with a number has it. Belongs here:
places, reading and writing catalogues. Does not belong here: tables (`delta_log`), what is put in
(`publish`).
"""

import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import cache
from urllib.parse import urlsplit

from orchestration.areas import Area, StorageAccess
from orchestration.areas.access import Scheme
from orchestration.core.catalogues import names_in, path_of, said_by
from orchestration.core.json_records import bytes_of, json_of, record_of
from orchestration.core.relations import Relation
from orchestration.publishing.catalogue import Catalogue, PublishedTable
from orchestration.publishing.delta_log import DeltaLog

_SHEETS, _TABLES = "sheets", "tables"
_PLAIN = re.compile(r"[a-z0-9_]+")
_ODD = re.compile(r"[^a-z0-9_]")
# Raised when older code could not read what newer code writes.
_FORM = 1


class NotPublished(Exception):
    """Nothing was published; the message says why, and what to do."""


class _SheetGone(NotPublished, KeyError):
    """A sheet that a catalogue names is gone or damaged: by that catalogue, the table is not there."""

    __str__ = Exception.__str__  # KeyError's own has quotes around it


class Shelf:
    """A shelf on an area; `access` is with what object storage is reached."""

    def __init__(self, area: Area, access: StorageAccess | None = None) -> None:
        self.area = area
        self._access = access or StorageAccess()

    # -- catalogues

    def names(self) -> list[str]:
        """Return the names of all catalogues, oldest first."""
        return names_in(self.area)

    def newest(self) -> Catalogue | None:
        """Return the newest catalogue; None where nothing was ever published."""
        names = self.names()
        return self.catalogue(names[-1]) if names else None

    def catalogue(self, name: str) -> Catalogue:
        """Return a catalogue; its tables are read when they are asked for.

        Raises:
            KeyError: there is none of this name.
            NotPublished: newer code wrote it, or it is damaged.
        """
        path = self.area.path(path_of(name))
        try:
            said = said_by(self.area, name)
            if said["form"] > _FORM:
                raise NotPublished(
                    f"{path} has form {said['form']}; expected {_FORM} at most, as newer code has published"
                    " here; install that code"
                )
            return replace(
                record_of(Catalogue, {**said, "tables": {}}), tables=_Sheets(self.area, said["tables"])
            )
        except (ValueError, TypeError) as error:
            raise NotPublished(
                f"{path} is damaged ({type(error).__name__}); expected it as it was written; remove"
                " that file, then `sluice env publish`"
            ) from None

    def add(self, catalogue: Catalogue) -> None:
        """Write a catalogue, and first the tables that the shelf does not have as they are.

        Raises:
            FileExistsError: somebody else has written one of this name.
        """
        sheets = {
            relation: found if isinstance(found, str) else self._add_sheet(found)
            for relation, found in _there(catalogue).items()
        }
        said = {**json_of(replace(catalogue, tables={})), "form": _FORM, "tables": sheets}
        self.area.create(path_of(catalogue.name), [bytes_of(said)])

    def with_tables(self, catalogue: Catalogue, tables: Mapping[str, PublishedTable | None]) -> Catalogue:
        """Return a catalogue with other tables in the place of its own; None: without that table."""
        there = {name: found for name, found in {**_there(catalogue), **tables}.items() if found is not None}
        return replace(catalogue, tables=_Sheets(self.area, there))

    def sheets(self, catalogue: Catalogue) -> frozenset[str]:
        """Return the paths of the tables' sheets that a catalogue names."""
        return frozenset(found for found in _there(catalogue).values() if isinstance(found, str))

    def _add_sheet(self, table: PublishedTable) -> str:
        content = bytes_of(json_of(table))
        digest = hashlib.sha256(content).hexdigest()[:24]
        folder = table.location.removeprefix(f"{_TABLES}/").replace("/", ".")
        path = f"{_SHEETS}/{folder}/{table.at:012d}-{digest}.json"
        self.area.write(path, [content])  # named by its content: whoever writes it writes the same
        return path

    def remove(self, names: Collection[str], sheets: Collection[str]) -> None:
        """Remove catalogues, and all sheets but those that are named."""
        there = (entry.path for entry in self.area.listing(f"{_SHEETS}/**"))
        self.area.remove_all([path for path in there if path not in sheets])
        self.area.remove_all([path_of(name) for name in names])

    # -- tables

    def locations(self) -> frozenset[str]:
        """Return where tables lie, named by a catalogue or not."""
        logs = self.area.listing(f"{_TABLES}/*/*/**")
        return frozenset("/".join(entry.path.split("/")[:3]) for entry in logs)

    def location(self, relation: Relation) -> str:
        """Return where a table lies, of plain letters: not every reader knows what to do with others."""
        return "/".join([_TABLES, *map(_folder, relation.parts)])

    def files_at(self, location: str) -> set[str]:
        """Return the names of the files in the folder of a table."""
        return {entry.path.rpartition("/")[2] for entry in self.area.listing(f"{location}/*")}

    def log(self, location: str) -> DeltaLog:
        """Return the commits of a table."""
        return DeltaLog(self.area, location, self.options)

    def scan_path(self, location: str) -> str:
        """Return what the engine's `delta_scan` is told to open."""
        return self.area.engine_path(location)

    @property
    def options(self) -> dict[str, str]:
        """With what delta-rs reaches object storage; the values are secrets."""
        place, access = self.area.place, self._access
        if place.scheme is Scheme.AZURE:
            return _azure(place.account, access)
        return _s3(access) if place.scheme is Scheme.S3 else {}


class _Sheets(Mapping[str, PublishedTable]):
    """Tables by their relations: `there` has each, or the path of its sheet, read when it is asked for."""

    def __init__(self, area: Area, there: Mapping[str, PublishedTable | str]) -> None:
        self.there = dict(sorted(there.items()))
        self._read = cache(lambda path: _sheet(area, path))

    def __getitem__(self, relation: str) -> PublishedTable:
        found = self.there[relation]
        return self._read(found) if isinstance(found, str) else found

    def __iter__(self) -> Iterator[str]:
        return iter(self.there)

    def __len__(self) -> int:
        return len(self.there)


def _sheet(area: Area, path: str) -> PublishedTable:
    try:
        return record_of(PublishedTable, json.loads(area.read(path) or b""))
    except ValueError:
        raise _SheetGone(
            f"{area.path(path)} is gone or damaged; expected it as it was written; `sluice env publish`"
            " writes it anew"
        ) from None


def _there(catalogue: Catalogue) -> Mapping[str, PublishedTable | str]:
    return catalogue.tables.there if isinstance(catalogue.tables, _Sheets) else catalogue.tables


def _folder(name: str) -> str:
    if _PLAIN.fullmatch(name):
        return name
    return f"{_ODD.sub('_', name.lower())}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _azure(named: str | None, access: StorageAccess) -> dict[str, str]:
    account = access.account_of(named)
    if access.azure_connection_string is None:
        return {"account_name": account or ""}
    parts = (
        part.partition("=") for part in access.azure_connection_string.get_secret_value().split(";") if part
    )
    said = {name.strip().lower(): value for name, _, value in parts}
    options = {
        "account_name": said.get("accountname"),
        "account_key": said.get("accountkey"),
        "sas_token": said.get("sharedaccesssignature"),
        "endpoint": said.get("blobendpoint"),
    }
    if (endpoint := options["endpoint"]) and urlsplit(endpoint).scheme == "http":
        options["allow_http"] = "true"
    return {name: value for name, value in options.items() if value}


def _s3(access: StorageAccess) -> dict[str, str]:
    """Return what botocore finds in the standard places, as for the engine's own reading."""
    from orchestration.compute.object_storage import s3_sign_in

    options = {
        "access_key_id": (found := s3_sign_in()).key,
        "secret_access_key": found.secret,
        "session_token": found.token,
        "region": found.region,
        "conditional_put": "etag",
    }
    if access.s3_endpoint_url:
        options |= {"endpoint": access.s3_endpoint_url, "allow_http": "true"}
    return {f"aws_{name}": value for name, value in options.items() if value}
