"""One Delta table as we write it: files that the engine has written, and commits that say what we put in.

A commit is a comparison and a swap: it is made upon the version that was read, or not at all. What delta-rs
does by itself would not do (seen with deltalake 1.6.6):

- Two writers who put the same new partition both succeed, and its rows are there twice: what is not there yet
  conflicts with nothing. So `max_commit_retries=0`, with which a commit has the number after the one read.
- `write_deltalake` with a predicate reads the rows, takes memory by their size, and quotes rows that do not
  fit in its error. So rows never go through it: the engine writes Parquet, the commit names the file.
- A partition value of "" is null. A table that is not cut has no partition column.
- `vacuum` makes two versions each time, tells of files that are long gone, and lets a commit through whose
  files it has just removed. So files are removed here, by what the kept versions name (`cleaning`); two
  versions of anybody's vacuum change nothing.
- On Azure delta-rs lists commits by `startFrom`: an emulator that does not know it, as Azurite before 3.37,
  shows the first commit alone.
- The engine's `delta_scan` cuts a path at its last letters beyond ASCII, and delta-rs reads `%` in a local
  path as an escape. So locations are plain letters, and delta-rs is told local places as URLs.

Belongs here: that. Does not belong here: what is put in (`publish`), which tables there are (`catalogue`).
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluicegate.areas import Area

if TYPE_CHECKING:
    from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Schema
    from deltalake.transaction import AddAction

_NOTE = "sluice"
_VACUUM = "VACUUM"


class Overtaken(Exception):
    """Somebody else has written to the table since it was read."""


@dataclass(frozen=True)
class DataFile:
    """A Parquet file in the folder of the table: its name, size in bytes, rows, and its partition's key."""

    name: str
    size: int
    rows: int
    key: str


class DeltaLog:
    """The commits of the table at a location of an area, as they are when it is first asked.

    `options` are those with which delta-rs reaches the area's storage.
    """

    def __init__(self, area: Area, location: str, options: Mapping[str, str]) -> None:
        self._area, self._location, self._options = area, location, dict(options)
        self._url = Path(area.engine_path(location)).as_uri() if area.local else area.path(location)

    @cached_property
    def _table(self) -> "DeltaTable | None":
        from deltalake import DeltaTable
        from deltalake.exceptions import TableNotFoundError

        try:
            return DeltaTable(self._url, storage_options=self._options)
        except TableNotFoundError:
            return None

    @property
    def version(self) -> int:
        """The newest version; -1 where there is no table."""
        return self._table.version() if self._table is not None else -1

    def notes_after(self, version: int) -> list[tuple[int, Mapping[str, Any] | None]]:
        """Return (version, what `commit` was told) of what came after one, oldest first; None: not ours."""
        # delta-rs's own history keeps all other threads of the process waiting for storage.
        found: list[tuple[int, Mapping[str, Any] | None]] = []
        for number in range(version + 1, self.version + 1):
            content = self._area.read(f"{self._location}/_delta_log/{number:020d}.json") or b""
            actions = (json.loads(line) for line in content.splitlines())
            said = next((action["commitInfo"] for action in actions if "commitInfo" in action), {})
            if not str(said.get("operation", "")).startswith(_VACUUM):
                found.append((number, json.loads(said[_NOTE]) if _NOTE in said else None))
        return found

    def commit(
        self,
        schema: Mapping[str, Any],
        key_column: str,
        files: Sequence[DataFile],
        note: Mapping[str, Any],
        replaced: Collection[str] | None,
        *,
        upon: int,
    ) -> int:
        """Put files in the place of those of the `replaced` keys, or of all (None), and return the version.

        `upon` is the version that is there, -1 where there is none; `note` is told by `notes_after`.

        Raises:
            Overtaken: nothing was changed; look again.
        """
        if self.version != upon:
            raise Overtaken
        from deltalake import Schema
        from deltalake.exceptions import DeltaError
        from deltalake.transaction import AddAction, create_table_with_add_actions

        added = [
            AddAction(
                file.name, file.size, {key_column: file.key} if key_column else {}, 0, True,
                json.dumps({"numRecords": file.rows}),
            )
            for file in files
        ]  # fmt: skip
        wanted, cut = Schema.from_json(json.dumps(schema)), [key_column] if key_column else []
        if self._table is not None:
            filters = None if replaced is None else [(key_column, "in", sorted(replaced))]
            self._write(added, "overwrite", wanted, cut, filters, note)
            return upon + 1
        said, after = _properties(note)
        try:
            create_table_with_add_actions(
                self._url, wanted, added, partition_by=cut, storage_options=self._options,
                commit_properties=said, post_commithook_properties=after,
            )  # fmt: skip
        except DeltaError as error:
            if "already exists" not in str(error):
                raise
            raise Overtaken from None
        return 0

    @property
    def files(self) -> set[str]:
        """The names of the files that the newest version has."""
        return {url.rpartition("/")[2] for url in self._table.file_uris()} if self._table else set()

    def files_of(self, versions: Collection[int]) -> set[str]:
        """Return the names of the files that these versions and the newest one have."""
        from deltalake import DeltaTable

        found = set[str]()
        for version in {*versions, self.version} if self._table is not None else ():
            table = DeltaTable(self._url, version=version, storage_options=self._options)
            found |= {url.rpartition("/")[2] for url in table.file_uris()}
        return found

    def raise_version(self) -> None:
        """Make a version that changes nothing, so that whoever is about to commit upon this one looks again.

        Raises:
            Overtaken: somebody has.
        """
        assert self._table is not None
        cut = self._table.metadata().partition_columns
        note = {"put": {}, "out": [], "whole": False}
        self._write([], "append", self._table.schema(), cut, None, note)

    def _write(
        self,
        added: "Sequence[AddAction]",
        mode: str,
        schema: "Schema",
        cut: list[str],
        filters: list[tuple[str, str, Any]] | None,
        note: Mapping[str, Any],
    ) -> None:
        from deltalake.exceptions import CommitFailedError

        assert self._table is not None
        said, after = _properties(note)
        try:
            self._table.create_write_transaction(
                [*added], mode, schema, cut, partition_filters=filters, commit_properties=said,
                post_commithook_properties=after,
            )  # fmt: skip
        except CommitFailedError:
            raise Overtaken from None


def _properties(note: Mapping[str, Any]) -> "tuple[CommitProperties, PostCommitHookProperties]":
    from deltalake import CommitProperties, PostCommitHookProperties

    return (
        CommitProperties(custom_metadata={_NOTE: json.dumps(note)}, max_commit_retries=0),
        # The log is kept: a version can be read as long as its commits are there, and they are small.
        PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False),
    )
