"""What pages ask of the records for many tables at once: one query each, whatever a company's size.

Belongs here: reads of the state store for whoever looks. Does not belong here: what follows from them.
"""

import json
import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError

from sluicegate.state import schema
from sluicegate.state.records import Build, Delivery, Drop
from sluicegate.state.rows import record_of
from sluicegate.state.upgrade import StateStoreUnavailable

SOURCE, TABLE, EXPORT = "source", "table", "export"


@dataclass(frozen=True)
class Ruled:
    """What the rules of a check said of a version: how many by outcome, and how many rows failed at most.

    `failed` are the rules that did not pass, by their types and the columns that they name.
    """

    relation: str
    partition_key: str
    check: str
    version: str
    outcomes: Mapping[str, int]
    rows: int | None
    failing_rows: int | None
    failed: tuple[str, ...] = ()


class Shown:
    """The records as pages read them; nothing is written."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._file: tuple[int, int] | None = None  # of a server's records, and of what SQLite names otherwise
        with suppress(OSError):
            self._file = _file_of(engine)

    def follow(self) -> None:
        """Go on with the records that are in the place of ours now: whoever shows them stays for long.

        A file on SQLite that was moved away, by a restore or a person, is still read by what has it open.

        Raises:
            StateStoreUnavailable: there are none; to connect would make an empty file of that name.
        """
        if self._file is None:
            return
        try:
            there = _file_of(self._engine)
        except OSError as error:
            raise StateStoreUnavailable(self._engine.url, DBAPIError("", None, error)) from None
        if there != self._file:
            self._file = there
            self._engine.dispose()

    def stamp(self) -> str:
        """Return what is another text once anything was recorded that a page shows: one query."""
        ids = (
            schema.drops, schema.builds, schema.evidence, schema.releases, schema.deliveries,
            schema.incident_events, schema.outbox, schema.judgements,
        )  # fmt: skip
        found: list[Any] = [sa.select(sa.func.max(table.c.id)).scalar_subquery() for table in ids]
        moments = (
            schema.deliveries.c.acknowledged_at, schema.deliveries.c.decided_at, schema.holds.c.held_at,
            schema.heartbeats.c.at,
        )  # fmt: skip
        found += [sa.select(sa.func.max(column)).scalar_subquery() for column in moments]
        with self._engine.connect() as connection:
            return "/".join(map(str, (self._file, *connection.execute(sa.select(*found)).one())))

    def names(self) -> dict[str, set[str]]:
        """Return {SOURCE, TABLE or EXPORT: the names of which anything is on record}."""
        columns = {
            SOURCE: schema.drops.c.source, TABLE: schema.builds.c.relation, EXPORT: schema.deliveries.c.export
        }  # fmt: skip
        return {kind: set(self._column(sa.select(column).distinct())) for kind, column in columns.items()}

    def keys(self, kind: str, name: str) -> set[str]:
        """Return the partitions of a source, a table or an export of which anything is on record."""
        match kind:
            case "source":
                tables = [(schema.drops, schema.drops.c.source)]
            case "table":
                tables = [
                    (schema.builds, schema.builds.c.relation), (schema.evidence, schema.evidence.c.relation)
                ]  # fmt: skip
            case _:
                tables = [
                    (schema.deliveries, schema.deliveries.c.export), (schema.holds, schema.holds.c.export)
                ]  # fmt: skip
        queries = (sa.select(table.c.partition_key).where(column == name) for table, column in tables)
        return {key for query in queries for key in self._column(query.distinct())}

    def with_key(self, key: str) -> set[tuple[str, str]]:
        """Return (SOURCE, TABLE or EXPORT, name) of all that has such a partition on record."""
        asked = (
            (SOURCE, schema.drops, schema.drops.c.source), (TABLE, schema.builds, schema.builds.c.relation),
            (EXPORT, schema.deliveries, schema.deliveries.c.export),
        )  # fmt: skip
        return {
            (kind, name)
            for kind, table, column in asked
            for name in self._column(sa.select(column).where(table.c.partition_key == key).distinct())
        }

    def builds(self, places: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Build]:
        """Return the newest build of each (relation, partition key), with what it was made from."""
        wanted, table = set(places), schema.builds
        newest = (
            sa.select(sa.func.max(table.c.id))
            .where(*_among(table, table.c.relation, wanted))
            .group_by(table.c.relation, table.c.partition_key)
        )
        found = (record_of(Build, row) for row in self._rows(sa.select(table).where(table.c.id.in_(newest))))
        return {place: one for one in found if (place := (one.relation, one.partition_key)) in wanted}

    def drops(self, places: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Drop]:
        """Return the newest drop of each (source, partition key), without its files."""
        wanted, table = set(places), schema.drops
        newest = (
            sa.select(sa.func.max(table.c.id))
            .where(*_among(table, table.c.source, wanted))
            .group_by(table.c.source, table.c.partition_key)
        )
        found = (record_of(Drop, row) for row in self._rows(sa.select(table).where(table.c.id.in_(newest))))
        return {place: one for one in found if (place := (one.source, one.partition_key)) in wanted}

    def drops_of(self, source: str, at_most: int) -> list[Drop]:
        """Return a source's newest drops, the newest first."""
        table = schema.drops
        query = sa.select(table).where(table.c.source == source).order_by(table.c.id.desc()).limit(at_most)
        return [record_of(Drop, row) for row in self._rows(query)]

    def deliveries_of(self, export: str, at_most: int, key: str | None = None) -> list[Delivery]:
        """Return an export's newest deliveries, the newest first; of one partition, if it is given."""
        table = schema.deliveries
        query = sa.select(table).where(table.c.export == export).order_by(table.c.id.desc()).limit(at_most)
        if key is not None:
            query = query.where(table.c.partition_key == key)
        return [record_of(Delivery, row, reasons=(), bounds=None, shard="") for row in self._rows(query)]

    def ruled(self, places: Collection[tuple[str, str]]) -> list[Ruled]:
        """Return what rules said of each (relation, partition key), as each check judged it last: counts."""
        judged, rules = schema.judgements, schema.rule_results
        place = (judged.c.relation, judged.c.partition_key, judged.c.check_name)
        newest = (
            sa.select(sa.func.max(judged.c.id))
            .where(*_among(judged, judged.c.relation, places))
            .group_by(*place)
        )
        columns = (
            rules.c.outcome, rules.c.type, rules.c.kwargs, rules.c.row_count, rules.c.failing_rows,
        )  # fmt: skip
        query = (
            sa.select(*place, judged.c.version, *columns)
            .join(rules, rules.c.judgement_id == judged.c.id)
            .where(judged.c.id.in_(newest))
            .order_by(judged.c.id, rules.c.rule_number)
        )
        found: dict[tuple[str, str, str, str], list[Mapping[Any, Any]]] = {}
        for row in self._rows(query):
            one = (row["relation"], row["partition_key"], row["check_name"], row["version"])
            if one[:2] in places:
                found.setdefault(one, []).append(row)
        return [
            Ruled(
                *one,
                Counter(row["outcome"] for row in rows),
                max((row["row_count"] for row in rows if row["row_count"] is not None), default=None),
                max((row["failing_rows"] for row in rows if row["failing_rows"] is not None), default=None),
                tuple(_rule(row) for row in rows if row["outcome"] == "failed"),
            )
            for one, rows in found.items()
        ]

    def delivery_counts(self) -> dict[str, int]:
        """Return {status: how many deliveries stand at it}."""
        status = schema.deliveries.c.status
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(status, sa.func.count()).group_by(status))
            return {row[0]: row[1] for row in rows}

    def _rows(self, query: sa.Select[Any]) -> Iterable[Mapping[Any, Any]]:
        with self._engine.connect() as connection:
            return connection.execute(query).mappings().all()

    def _column(self, query: sa.Select[Any]) -> list[str]:
        with self._engine.connect() as connection:
            return list(connection.execute(query).scalars())


def _rule(row: Mapping[Any, Any]) -> str:
    """Return a rule by its type and the columns that it names; its bounds may be values of the data."""
    kwargs = json.loads(row["kwargs"])
    named = [kwargs.get(name) for name in ("column", "column_A", "column_B")]
    columns = [*named, *(kwargs.get("column_list") or ())]
    told = ", ".join(str(one) for one in columns if one)
    return f"{row['type']}({told})" if told else str(row["type"])


def _among(
    table: sa.Table, name: sa.ColumnElement[str], places: Iterable[tuple[str, str]]
) -> list[sa.ColumnElement[bool]]:
    wanted = list(places)
    return [name.in_({one for one, _ in wanted}), table.c.partition_key.in_({key for _, key in wanted})]


def _file_of(engine: Engine) -> tuple[int, int] | None:
    """Return which file an engine's records are in; None on a server.

    Raises:
        OSError: it is not there.
    """
    if engine.url.get_backend_name() != "sqlite" or not engine.url.database:
        return None
    found = os.stat(engine.url.database)
    return found.st_dev, found.st_ino
