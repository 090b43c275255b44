"""Drops on record: what providers landed, partition by partition, each time it was another content.

Belongs here: reading and writing drops and their files. Does not: finding them (`ingestion.staging`).
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from sluicegate.state import schema
from sluicegate.state.moments import utc
from sluicegate.state.records import Drop, DropFile
from sluicegate.state.rows import record_of

# Any number that no other advisory lock of this database uses.
_REGISTERING = 0x51D20
_Files = Mapping[int, Sequence[DropFile]]


class Drops:
    """The drops in a state store; nothing is ever taken out.

    The newest drop of each partition is kept in memory, and only rows with a higher id than any seen before
    are read: the cost of a look does not grow with what landed long ago.
    """

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock
        self._lock = threading.Lock()
        self._latest: dict[str, dict[str, Drop]] = {}
        self._seen = 0

    def latest(self, source: str, partition_keys: Iterable[str] | None = None) -> dict[str, Drop]:
        """Return the newest drop of each partition of a source, or of those partitions alone."""
        with self._lock:
            self._refresh()
            known = self._latest.get(source, {})
            if partition_keys is None:
                return dict(known)
            return {key: known[key] for key in partition_keys if key in known}

    def of(self, source: str, partition_key: str) -> list[Drop]:
        """Return all drops of a partition, oldest first."""
        table = schema.drops
        query = (
            sa.select(table)
            .where(table.c.source == source, table.c.partition_key == partition_key)
            .order_by(table.c.ordinal)
        )
        with self._engine.connect() as connection:
            rows = connection.execute(query).mappings().all()
            files = _files(connection, schema.drop_files.c.drop_id.in_([row["id"] for row in rows]))
        return [_drop(row, files) for row in rows]

    def landings(self, source: str) -> dict[tuple[str, int], datetime]:
        """Return {(partition key, ordinal): as of when a drop of a source tells}.

        That is when its content was first on record, or last announced by a marker that says something new.
        As the records are now: another process may have seen a marker that was written again.
        """
        table = schema.drops
        landed = sa.func.coalesce(table.c.tells_as_of, table.c.landed_at, type_=table.c.landed_at.type)
        query = sa.select(table.c.partition_key, table.c.ordinal, landed).where(table.c.source == source)
        with self._engine.connect() as connection:
            return {(row[0], row[1]): utc(row[2]) for row in connection.execute(query)}

    def register(
        self,
        source: str,
        partition_key: str,
        *,
        digest: str,
        file: str | None,
        size_bytes: int,
        marker_stamp: str,
        files: Sequence[DropFile] = (),
        announced: str = "",
    ) -> Drop:
        """Record a landed drop; the same content again is the same drop and only its marker is noted.

        `files` are those of a drop of several; the file of a drop of one is the drop's own `file`.
        `announced` is a digest of what its marker or manifest holds. Content that was there before is no
        newer for that: a staging area that was copied, restored or touched has all files anew. A marker that
        says another thing than it did then says that it is still so.
        """
        table, landed_at = schema.drops, self._clock()
        with self._engine.begin() as connection:
            self._one_at_a_time(connection)
            latest = (
                connection.execute(
                    sa.select(table)
                    .where(table.c.source == source, table.c.partition_key == partition_key)
                    .order_by(table.c.ordinal.desc())
                    .limit(1)
                )
                .mappings()
                .first()
            )
            if latest is not None and latest["digest"] == digest and latest["file"] == file:
                again = {"tells_as_of": landed_at} if _says_more(latest, announced) else {}
                connection.execute(
                    sa.update(table)
                    .where(table.c.id == latest["id"])
                    .values(marker_stamp=marker_stamp, announced=announced, **again)
                )
                noted = _files(connection, schema.drop_files.c.drop_id == latest["id"])
                drop = _drop({**latest, "marker_stamp": marker_stamp}, noted)
            else:
                before = self._of_that_content(connection, source, partition_key, digest)
                told = before is not None and not _says_more(before, announced)
                values: dict[str, Any] = {
                    "source": source,
                    "partition_key": partition_key,
                    "ordinal": latest["ordinal"] + 1 if latest is not None else 1,
                    "digest": digest,
                    "file": file,
                    "size_bytes": size_bytes,
                    "marker_stamp": marker_stamp,
                    "landed_at": landed_at,
                    "announced": announced,
                    "tells_as_of": (before["tells_as_of"] or before["landed_at"])
                    if before and told
                    else None,
                }
                inserted = connection.execute(sa.insert(table).values(**values))
                primary_key = inserted.inserted_primary_key
                assert primary_key is not None
                drop_id = primary_key[0]
                rows = [
                    {"drop_id": drop_id, "path": item.path, "digest": item.digest, "size_bytes": item.size}
                    for item in files
                ]
                if rows:
                    connection.execute(sa.insert(schema.drop_files), rows)
                drop = _drop({**values, "id": drop_id}, {drop_id: files})
        with self._lock:
            newest = self._latest.setdefault(source, {})
            if partition_key not in newest or newest[partition_key].id <= drop.id:
                newest[partition_key] = drop
        return drop

    def _of_that_content(
        self, connection: Connection, source: str, partition_key: str, digest: str
    ) -> Mapping[Any, Any] | None:
        """Return the newest drop of a partition that had this content."""
        table = schema.drops
        same = (
            table.c.source == source, table.c.partition_key == partition_key, table.c.digest == digest,
            table.c.file.is_not(None),
        )  # fmt: skip
        query = sa.select(table).where(*same).order_by(table.c.ordinal.desc()).limit(1)
        return connection.execute(query).mappings().first()

    def _one_at_a_time(self, connection: Connection) -> None:
        """Let no other process register until this transaction ends.

        Two that see the same marker must not both count up, and ids must appear in their order: `latest`
        reads only what stands above the highest one it has seen.
        """
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("begin immediate")
        else:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_REGISTERING)))

    def _refresh(self) -> None:
        table = schema.drops
        wanted = table.c.id > self._seen
        with self._engine.connect() as connection:
            newest = connection.execute(sa.select(sa.func.max(table.c.id)).where(wanted)).scalar()
            if newest is None:
                return
            latest = (
                sa.select(sa.func.max(table.c.id))
                .where(wanted, table.c.id <= newest)
                .group_by(table.c.source, table.c.partition_key)
            )
            rows = connection.execute(sa.select(table).where(table.c.id.in_(latest))).mappings().all()
            files = _files(connection, schema.drop_files.c.drop_id.in_(latest))
        for row in rows:
            self._latest.setdefault(row["source"], {})[row["partition_key"]] = _drop(row, files)
        self._seen = newest


def _says_more(before: Mapping[Any, Any], announced: str) -> bool:
    """Whether a marker says another thing than that of a drop before; no, where that is not known."""
    return bool(announced) and before["announced"] not in (None, announced)


def _files(connection: Connection, wanted: sa.ColumnElement[bool]) -> dict[int, list[DropFile]]:
    """Return {drop id: its files, by path} of drops of several files."""
    table = schema.drop_files
    found: dict[int, list[DropFile]] = {}
    for row in connection.execute(sa.select(table).where(wanted).order_by(table.c.path)).mappings():
        item = DropFile(row["path"], row["digest"], row["size_bytes"])
        found.setdefault(row["drop_id"], []).append(item)
    return found


def _drop(row: Mapping[Any, Any], files: _Files) -> Drop:
    own = tuple(files.get(row["id"], ()))
    if not own and row["file"] is not None:
        own = (DropFile(row["file"], row["digest"], row["size_bytes"]),)
    return record_of(Drop, row, files=own)
