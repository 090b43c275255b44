"""One at a time: a lease on a name, across processes and machines that share the state store.

A lease runs out unless its holder renews it, so a machine that dies frees it. On the same machine a dead
process is seen at once. What a holder writes is written under its token (`Deliveries.acknowledge`), so one
that lost its lease without knowing can do no harm to the records.
"""

import os
import socket
import threading
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psutil
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import IntegrityError

from orchestration.state import schema
from orchestration.state.moments import utc

LIFETIME = timedelta(seconds=60)
_LOOK_AGAIN_SECONDS = 0.2


class LeaseTimeout(Exception):
    """Somebody else held the lease for as long as this one could wait."""


@dataclass(frozen=True)
class Lease:
    """A lease that is held; `token` is written with whatever is done under it."""

    name: str
    token: str


class Leases:
    """The leases in a state store."""

    def __init__(self, engine: Engine, lifetime: timedelta = LIFETIME) -> None:
        self._engine = engine
        self._lifetime = lifetime

    @contextmanager
    def hold(
        self, name: str, *, wait_seconds: float, waiting: Callable[[str], None] = lambda _: None
    ) -> Generator[Lease]:
        """Take the lease of a name, and renew it until the block ends.

        `waiting` is told once who has it.

        Raises:
            LeaseTimeout: somebody else had it for `wait_seconds`.
        """
        lease = Lease(name, uuid.uuid4().hex)
        self._wait_for(lease, wait_seconds, waiting)
        done = threading.Event()
        renewing = threading.Thread(target=self._renew, args=(lease, done), daemon=True)
        renewing.start()
        try:
            yield lease
        finally:
            done.set()
            renewing.join()
            table = schema.leases
            with self._engine.begin() as connection:
                connection.execute(sa.delete(table).where(table.c.token == lease.token))

    def held(self) -> dict[str, str]:
        """Return {name: who has it} of the leases that somebody holds now."""
        table, now = schema.leases, datetime.now(UTC)
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(table)).mappings().all()
        return {
            row["object"]: f"process {row['process']} on {row['host']}"
            for row in rows
            if utc(row["until"]) > now
            and not (row["host"] == socket.gethostname() and not psutil.pid_exists(row["process"]))
        }

    def _wait_for(self, lease: Lease, wait_seconds: float, waiting: Callable[[str], None]) -> None:
        pause, told = threading.Event(), False
        deadline = datetime.now(UTC) + timedelta(seconds=wait_seconds)
        while not self._take(lease):
            holder = self._holder(lease.name)
            if datetime.now(UTC) > deadline:
                raise LeaseTimeout(f"{lease.name} is held by {holder}")
            if not told:
                waiting(f"waiting for {holder}, which is at work on {lease.name}")
                told = True
            pause.wait(_LOOK_AGAIN_SECONDS)  # a database offers nothing to wait on

    def _take(self, lease: Lease) -> bool:
        table, now = schema.leases, datetime.now(UTC)
        values = {
            "token": lease.token,
            "host": socket.gethostname(),
            "process": os.getpid(),
            "until": now + self._lifetime,
        }
        with self._engine.connect() as connection:
            row = connection.execute(sa.select(table).where(table.c.object == lease.name)).mappings().first()
        with self._engine.begin() as connection:
            if row is None:
                try:
                    connection.execute(sa.insert(table).values(object=lease.name, **values))
                except IntegrityError:
                    return False
                return True
            gone = row["host"] == socket.gethostname() and not psutil.pid_exists(row["process"])
            if not gone and utc(row["until"]) > now:
                return False
            # By token: of several that saw the same lease run out, one gets it.
            taken = connection.execute(
                sa.update(table)
                .where(table.c.object == lease.name, table.c.token == row["token"])
                .values(**values)
            )
            return taken.rowcount == 1

    def _renew(self, lease: Lease, done: threading.Event) -> None:
        table = schema.leases
        while not done.wait(self._lifetime.total_seconds() / 4):
            with self._engine.begin() as connection:
                connection.execute(
                    sa.update(table)
                    .where(table.c.token == lease.token)
                    .values(until=datetime.now(UTC) + self._lifetime)
                )

    def _holder(self, name: str) -> str:
        table = schema.leases
        with self._engine.connect() as connection:
            row = connection.execute(sa.select(table).where(table.c.object == name)).mappings().first()
        return f"process {row['process']} on {row['host']}" if row else "another process"
