"""One Delta table as we write it: files that the engine has written, and commits that say what we put in.

A commit is a comparison and a swap: it is made upon the version that was read, or not at all. What delta-rs
does by itself would not do (seen with deltalake 1.6.6):

- Two writers who put the same new partition both succeed, and its rows are there twice: what is not there yet
  conflicts with nothing. So `max_commit_retries=0`, with which a commit has the number after the one read.
- `write_deltalake` with a predicate reads the rows, takes memory by their size, and quotes rows that do not
  fit in its error. So rows never go through it: the engine writes Parquet, the commit names the file.
- A partition value of "" is null. A table that is not cut has no partition column.
- A vacuum makes two versions, without a word of ours: they change nothing.
- The engine's `delta_scan` cuts a path at its last letters beyond ASCII, and delta-rs reads `%` in a local
  path as an escape. So locations are plain letters, and delta-rs is told local places as URLs.

Belongs here: that. Does not belong here: what is put in (`publish`), which tables there are (`catalogue`).
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deltalake import DeltaTable

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
    """The commits of the table at a URL of delta-rs, as they are when it is first asked."""

    def __init__(self, url: str, options: Mapping[str, str]) -> None:
        self._url, self._options = url, dict(options)

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
        if self._table is None or self.version <= version:
            return []
        commits = self._table.history(self.version - version)
        found = [
            (int(commit["version"]), json.loads(commit[_NOTE]) if _NOTE in commit else None)
            for commit in commits
            if not str(commit["operation"]).startswith(_VACUUM)
        ]
        return sorted((item for item in found if item[0] > version), key=lambda item: item[0])

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
        from deltalake import CommitProperties, PostCommitHookProperties, Schema
        from deltalake.exceptions import CommitFailedError, DeltaError
        from deltalake.transaction import AddAction, create_table_with_add_actions

        added = [
            AddAction(
                file.name, file.size, {key_column: file.key} if key_column else {}, 0, True,
                json.dumps({"numRecords": file.rows}),
            )
            for file in files
        ]  # fmt: skip
        said = CommitProperties(custom_metadata={_NOTE: json.dumps(note)}, max_commit_retries=0)
        # Old commits are kept as long as a catalogue names them: `cleaning` sees to it.
        after = PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False)
        wanted, cut = Schema.from_json(json.dumps(schema)), [key_column] if key_column else []
        if self._table is None:
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
        filters = None if replaced is None else [(key_column, "in", sorted(replaced))]
        try:
            self._table.create_write_transaction(
                [*added], "overwrite", wanted, cut, partition_filters=filters, commit_properties=said,
                post_commithook_properties=after,
            )  # fmt: skip
        except CommitFailedError:
            raise Overtaken from None
        return upon + 1
