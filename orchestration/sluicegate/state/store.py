"""Reading and writing the state store, one transaction a call."""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from sqlite3 import OperationalError
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError

from sluicegate.core.relations import RAW
from sluicegate.state import schema
from sluicegate.state.check_errors import CheckErrors
from sluicegate.state.connecting import connecting, with_driver
from sluicegate.state.copying import copy_in, copy_out, rows_in
from sluicegate.state.deliveries import Deliveries
from sluicegate.state.drops import Drops
from sluicegate.state.earlier_results import take_over
from sluicegate.state.erasure_journal import ErasureJournal
from sluicegate.state.identity import Identities
from sluicegate.state.incidents import Incidents
from sluicegate.state.kusto_fills import Fills
from sluicegate.state.kusto_objects import KustoObjects
from sluicegate.state.leases import LIFETIME, Leases
from sluicegate.state.metrics import Metrics
from sluicegate.state.moments import now
from sluicegate.state.one_file import fold
from sluicegate.state.ops import Operations
from sluicegate.state.records import Build, Evidence, Hold, Inputs
from sluicegate.state.refusals import ForgottenKeys, RefusedKeys
from sluicegate.state.releases import Releases
from sluicegate.state.restores import Restores
from sluicegate.state.results import Results
from sluicegate.state.rows import Record, changed, record_of, values_of
from sluicegate.state.shown import Shown
from sluicegate.state.upgrade import StateStoreUnavailable, bring_up_to_date, require_form

if TYPE_CHECKING:
    import duckdb


class StateStore:
    """The records behind the SQLAlchemy URL `url`; tables are made where they are missing.

    `shards` is the folder of the deliveries' files: what lies below it is on record by its place there, so
    that a deployment whose data lie elsewhere tomorrow still finds it. `clock` tells when drops land and when
    builds are made. `erasures` is the file of the journal of erasures, `lease_lifetime` how long a process
    may be unheard of until others take over its work. `renewed` returns the URL as it is now, where it is
    another than the one that is given.
    """

    def __init__(
        self,
        url: str,
        *,
        shards: Path | None = None,
        clock: Callable[[], datetime] = now,
        erasures: Path | None = None,
        lease_lifetime: timedelta = LIFETIME,
        renewed: Callable[[str], str | None] | None = None,
    ) -> None:
        parsed = with_driver(url)
        on_sqlite = parsed.get_backend_name() == "sqlite"
        # A server may have gone away since the connection was last used; a file has not.
        self._engine: Engine = sa.create_engine(
            parsed, pool_pre_ping=not on_sqlite, connect_args=_patience(parsed)
        )
        if on_sqlite:
            event.listen(self._engine, "connect", _configure_sqlite)
        else:
            event.listen(self._engine, "connect", _configure_postgres)
        if renewed is not None:
            event.listen(self._engine, "do_connect", connecting(url, renewed))
        try:
            bring_up_to_date(self._engine)
        except DBAPIError as error:
            raise StateStoreUnavailable(parsed, error) from None
        self.identities = Identities(self._engine)
        self.releases = Releases(self._engine)
        self.deliveries = Deliveries(self._engine, shards)
        self.refused_keys = RefusedKeys(self._engine)
        self.forgotten_keys = ForgottenKeys(self._engine, ErasureJournal(erasures) if erasures else None)
        self.restores = Restores(self._engine)
        self.leases = Leases(self._engine, lease_lifetime)
        self.check_errors = CheckErrors(self._engine, clock)
        self.results = Results(self._engine)
        self.metrics = Metrics(self._engine)
        self.drops = Drops(self._engine, clock)
        self.incidents = Incidents(self._engine)
        self.kusto_fills = Fills(self._engine)
        self.kusto_objects = KustoObjects(self._engine)
        self.shown = Shown(self._engine)
        self.operations = Operations(self._engine)
        self._clock = clock

    def fold(self) -> None:
        """Bring what is committed into the one file of a store on SQLite (see `one_file`); cheap."""
        fold(self._engine)

    def close(self) -> None:
        """Close every connection; a store on SQLite is one file then."""
        fold(self._engine, wait=True)
        self._engine.dispose()

    def copy_out(self, file: Path) -> None:
        """Write all records of this moment to a file, which is a store on SQLite (see `copying`)."""
        copy_out(self._engine, file)

    def copy_in(self, file: Path) -> None:
        """Put the records of such a file in the place of all that are here."""
        copy_in(file, self._engine)

    def rows(self) -> dict[str, int]:
        """Return {table: how many rows it has}."""
        return rows_in(self._engine)

    def take_over(self, warehouse: "duckdb.DuckDBPyConnection") -> None:
        """Move here what earlier code kept in the warehouse; see `earlier_results`."""
        take_over(warehouse, self._engine)

    # -- builds

    def record_build(self, build: Build) -> None:
        """Record that a partition of a table was written.

        Raises:
            LeaseLost: the run was taken from this process, which was not heard of for too long.
        """
        with self._engine.begin() as connection:
            require_form(connection)
            self.leases.require_runs(connection)
            connection.execute(
                sa.insert(schema.builds).values(values_of(build, schema.builds, built_at=self._clock()))
            )

    def inherit(self, taken_over: Iterable[tuple[Build, Sequence[Evidence]]]) -> None:
        """Record builds, and what checks said of each, as another deployment did: with its moments."""
        pairs = list(taken_over)
        builds = [values_of(build, schema.builds) for build, _ in pairs]
        said = [values_of(item, schema.evidence) for _, items in pairs for item in items]
        with self._engine.begin() as connection:
            require_form(connection)
            for table, rows in ((schema.builds, builds), (schema.evidence, said)):
                if rows:
                    connection.execute(sa.insert(table), rows)

    def tell_anew(self, codes: Mapping[str, tuple[str, str]]) -> None:
        """Have records of these say another code that means the same: {name: (before, after)}.

        A name is a table's, or that of a table and one of its checks, with a space between them.
        """
        builds, said = schema.builds, schema.evidence
        with self._engine.begin() as connection:
            for name, (before, after) in codes.items():
                relation, _, check = name.partition(" ")
                if check:
                    those = (said.c.relation == relation, said.c.check_name == check, said.c.rules == before)
                    changed(connection, said, *those, rules=after)
                else:
                    those = (builds.c.relation == relation, builds.c.code == before)
                    changed(connection, builds, *those, code=after)

    def built_by_runs_other_than(self, run_id: str) -> set[str]:
        """Return the tables of which a partition was built by another run."""
        query = sa.select(schema.builds.c.relation).distinct().where(schema.builds.c.run_id != run_id)
        return {row["relation"] for row in self._rows(query)}

    def complete_build(self, build: Build, inputs: Inputs, code: str, project: str) -> None:
        """Record what a build was made from, of which older code did not keep it."""
        table = schema.builds
        with self._engine.begin() as connection:
            connection.execute(
                sa.update(table)
                .where(table.c.id == build.id)
                .values(inputs=inputs, code=code, project=project)
            )

    def latest_builds(self, relation: str) -> dict[str, Build]:
        """Return the newest build of each partition of a table; without what they were made from."""
        table = schema.builds
        newest = (
            sa.select(sa.func.max(table.c.id))
            .where(table.c.relation == relation)
            .group_by(table.c.partition_key)
        )
        # Thousands of days, and the windows that each has read, are more than anybody asks for.
        columns = [column for column in table.c if column.name != "inputs"]
        query = sa.select(*columns).where(table.c.id.in_(newest))
        return {row["partition_key"]: record_of(Build, row) for row in self._rows(query)}

    def builds_of(self, tables: Iterable[tuple[str, str]]) -> list[Build]:
        """Return, for the named partitions, the newest build of each version; oldest first."""
        wanted = set(tables)
        table = schema.builds
        newest = (
            sa.select(sa.func.max(table.c.id))
            .where(*_among(table, wanted))
            .group_by(table.c.relation, table.c.partition_key, table.c.version)
        )
        query = sa.select(table).where(table.c.id.in_(newest)).order_by(table.c.id)
        return self._of_places(Build, query, wanted)

    # -- requests

    def record_requests(
        self, run_key: str, partition_key: str, requests: Mapping[str, frozenset[str]]
    ) -> None:
        """Record that the run `run_key` was asked to build {relation: digests of what it is made of}."""
        table = schema.requests
        with self._engine.begin() as connection:
            for relation, digests in requests.items():
                for digest in digests:
                    values = {"relation": relation, "partition_key": partition_key, "made_of": digest}
                    same = (table.c[name] == value for name, value in values.items())
                    connection.execute(sa.delete(table).where(*same))
                    connection.execute(sa.insert(table).values(**values, run_key=run_key))

    def requests_of(self, partition_key: str) -> dict[tuple[str, str], str]:
        """Return {(relation, made of): run key} of what was asked for in a partition."""
        table = schema.requests
        query = sa.select(table).where(table.c.partition_key == partition_key)
        return {(row["relation"], row["made_of"]): row["run_key"] for row in self._rows(query)}

    # -- evidence

    def newest(self) -> tuple[int, int, int, int]:
        """Return the highest ids of drops, builds, evidence and releases; 0 where there is none."""
        tables = (schema.drops, schema.builds, schema.evidence, schema.releases)
        query = sa.select(
            *(sa.select(sa.func.coalesce(sa.func.max(table.c.id), 0)).scalar_subquery() for table in tables)
        )
        with self._engine.connect() as connection:
            drops, builds, evidence, releases = connection.execute(query).one()
        return drops, builds, evidence, releases

    def touched_after(
        self, drop_id: int, build_id: int, evidence_id: int, release_id: int
    ) -> set[tuple[str, str]]:
        """Return the (relation, partition key) that anything was recorded of since those ids.

        A drop counts under its raw table, `raw.<source>`.
        """
        drops, builds, evidence, releases = schema.drops, schema.builds, schema.evidence, schema.releases
        query = sa.union(
            sa.select((sa.literal(f"{RAW}.") + drops.c.source).label("relation"), drops.c.partition_key)
            .where(drops.c.id > drop_id),
            sa.select(builds.c.relation, builds.c.partition_key).where(builds.c.id > build_id),
            sa.select(evidence.c.relation, evidence.c.partition_key).where(evidence.c.id > evidence_id),
            sa.select(releases.c.relation, releases.c.partition_key).where(releases.c.id > release_id),
        )  # fmt: skip
        with self._engine.connect() as connection:
            return {(row[0], row[1]) for row in connection.execute(query)}

    def record_evidence(self, evidence: Sequence[Evidence]) -> None:
        """Record what checks said.

        Raises:
            LeaseLost: the run was taken from this process, which was not heard of for too long.
        """
        rows = [values_of(item, schema.evidence, judged_at=now()) for item in evidence]
        if rows:
            with self._engine.begin() as connection:
                require_form(connection)
                self.leases.require_runs(connection)
                connection.execute(sa.insert(schema.evidence), rows)

    def evidence_of(self, tables: Iterable[tuple[str, str]]) -> list[Evidence]:
        """Return, for the named partitions, the newest evidence of each check by each rules on each version.

        Oldest first.
        """
        wanted = set(tables)
        table = schema.evidence
        newest = (
            sa.select(sa.func.max(table.c.id))
            .where(*_among(table, wanted))
            .group_by(
                table.c.relation, table.c.partition_key, table.c.check_name, table.c.version, table.c.rules
            )
        )
        query = sa.select(table).where(table.c.id.in_(newest)).order_by(table.c.id)
        return self._of_places(Evidence, query, wanted)

    def failed_after(self, evidence_id: int) -> set[tuple[str, str]]:
        """Return the (relation, partition key) of which any check has said no since that record."""
        return self._failed(schema.evidence.c.id > evidence_id)

    def failed_since(self, moment: datetime) -> set[tuple[str, str]]:
        """Return the (relation, partition key) of which any check has said no since a moment."""
        return self._failed(schema.evidence.c.judged_at > moment)

    def _failed(self, since: sa.ColumnElement[bool]) -> set[tuple[str, str]]:
        table = schema.evidence
        query = sa.select(table.c.relation, table.c.partition_key).where(table.c.passed.is_(False), since)
        with self._engine.connect() as connection:
            return {(row[0], row[1]) for row in connection.execute(query.distinct())}

    # -- connections

    def record_connections(self, there: Mapping[str, bool], *, served: bool) -> None:
        """Record which connections a process has, by name: one that serves the graph, or a command."""
        table = schema.connections
        query = sa.select(table.c.name, table.c.there).where(table.c.served == served)
        known = {row["name"]: row["there"] for row in self._rows(query)}
        new = {name: value for name, value in there.items() if known.get(name) is not value}
        if not new:
            return
        with self._engine.begin() as connection:
            require_form(connection)
            connection.execute(sa.delete(table).where(table.c.served == served, table.c.name.in_(list(new))))
            rows = [
                {"name": name, "served": served, "there": value, "found_at": now()}
                for name, value in new.items()
            ]
            connection.execute(sa.insert(table), rows)

    def connections(self) -> dict[str, bool]:
        """Return {name: whether the deployment has it}, of those that any process has looked for.

        What serves the graph tells, where there is such a process; a command beside it may know less.
        """
        table = schema.connections
        query = sa.select(table.c.name, table.c.there).order_by(table.c.served)
        return {row["name"]: row["there"] for row in self._rows(query)}

    # -- holds

    def hold(self, hold: Hold) -> None:
        """Record why a partition of an export was not sent; replaces what was recorded before."""
        table = schema.holds
        with self._engine.begin() as connection:
            self._delete_hold(connection, hold.export, hold.partition_key)
            connection.execute(sa.insert(table).values(values_of(hold, table, held_at=now())))

    def lift_hold(self, export: str, partition_key: str) -> None:
        """Forget that a partition of an export was held."""
        with self._engine.begin() as connection:
            self._delete_hold(connection, export, partition_key)

    def holds(self, export: str) -> dict[str, Hold]:
        """Return the held partitions of an export."""
        query = sa.select(schema.holds).where(schema.holds.c.export == export)
        return {row["partition_key"]: _hold(row) for row in self._rows(query)}

    def held_since(self, moment: datetime) -> list[Hold]:
        """Return what was held when it was last asked for, since a moment."""
        query = sa.select(schema.holds).where(schema.holds.c.held_at > moment)
        return [_hold(row) for row in self._rows(query)]

    def holds_that_wait(self) -> list[Hold]:
        """Return the holds that end once something newer has landed."""
        query = sa.select(schema.holds).where(schema.holds.c.waits_for.is_not(None))
        return [hold for row in self._rows(query) if (hold := _hold(row)).waits_for]

    def _delete_hold(self, connection: sa.Connection, export: str, partition_key: str) -> None:
        table = schema.holds
        connection.execute(
            sa.delete(table).where(table.c.export == export, table.c.partition_key == partition_key)
        )

    def _rows(self, query: sa.Select[Any]) -> Sequence[sa.RowMapping]:
        with self._engine.connect() as connection:
            return connection.execute(query).mappings().all()

    def _of_places(
        self, kind: type[Record], query: sa.Select[Any], wanted: Container[tuple[str, str]]
    ) -> list[Record]:
        found = (row for row in self._rows(query) if (row["relation"], row["partition_key"]) in wanted)
        return [record_of(kind, row) for row in found]


# A server that a cut network hides is known to be away after so long; a URL may say otherwise.
_SERVER_WITHIN = {"connect_timeout": 10, "tcp_user_timeout": 15_000, "keepalives_idle": 15}


def _patience(url: sa.URL) -> dict[str, int]:
    """Return how long drivers wait for a server that says nothing; Linux alone knows all of it."""
    if url.get_backend_name() != "postgresql":
        return {}
    return {name: value for name, value in _SERVER_WITHIN.items() if name not in url.query}


def _configure_sqlite(connection: Any, _: object) -> None:
    # WAL lets the UI's process read while a run writes; the time-out is for two writers, and comes first, as
    # to change the mode is to write.
    connection.execute("pragma busy_timeout = 30000")
    # No wait helps where another process writes the file for the first time; that one, or the next one,
    # makes the change, and it lasts.
    with suppress(OperationalError):
        connection.execute("pragma journal_mode = wal")


def _configure_postgres(connection: Any, _: object) -> None:
    # Times are shown as what is read says them, and a server may stand in any zone.
    connection.execute("set time zone 'UTC'")
    connection.commit()


def _among(table: sa.Table, places: Iterable[tuple[str, str]]) -> list[sa.ColumnElement[bool]]:
    """Return conditions for rows of these (relation, partition key); they may let a few more pass."""
    wanted = list(places)
    return [
        table.c.relation.in_({relation for relation, _ in wanted}),
        table.c.partition_key.in_({key for _, key in wanted}),
    ]


def _hold(row: Mapping[Any, Any]) -> Hold:
    return record_of(Hold, row, reasons=tuple(row["reasons"]), waits_for=tuple(row["waits_for"] or ()))
