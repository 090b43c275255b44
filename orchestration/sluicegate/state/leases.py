"""One at a time: a lease on a name, across processes and machines that share the state store.

A lease runs out unless its holder renews it, so a machine that dies frees it. Whether it has run out, the
state store's clock says: on Postgres the server's own, so that machines whose clocks differ agree; SQLite is
on one machine, and there it is the clock since boot, which nobody sets. A holder that is known to be gone
frees its lease at once; see `core.processes` for when that is known.

Who has lost a lease is told at the next question: nothing is written to the records without asking, within
the transaction that writes (`Lease.require`), and nothing leaves this process without asking
(`Lease.still_held`).
"""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import IntegrityError

from sluicegate.codes import Coded
from sluicegate.core.processes import Process, boot_seconds, this_process
from sluicegate.state import schema
from sluicegate.state.held_lease import Lease, keep, lasting
from sluicegate.state.held_lease import LeaseLost as LeaseLost
from sluicegate.state.moments import utc

LIFETIME = timedelta(seconds=60)
_LOOK_AGAIN_SECONDS = 0.2
# Where nobody can tell whether a holder is gone, it counts as dead so many lifetimes after its lease ran out.
_DEAD_AFTER_LIFETIMES = 3
_RUN = "run:"


class LeaseTimeout(Coded):
    """Somebody else held the lease for as long as this one could wait."""


def run_name(run_id: str) -> str:
    """Return the name of the lease that the process of a run holds."""
    return f"{_RUN}{run_id}"


@dataclass(frozen=True)
class Standing:
    """A lease as it is on record.

    `overdue_seconds` are those since it ran out, negative while it has not; `lifetime_seconds` how long it
    lasts when it is renewed.
    """

    name: str
    token: str
    holder: Process
    until: datetime
    lifetime_seconds: float
    overdue_seconds: float

    @property
    def is_free(self) -> bool:
        """Whether another process may have it: it has run out, or its holder is gone."""
        return self.overdue_seconds >= 0 or self.holder.is_gone()

    @property
    def is_dead(self) -> bool:
        """Whether its holder is gone, or has not been heard of for so long that nobody waits for it."""
        return self.dead_in_seconds < 0 or self.holder.is_gone()

    @property
    def dead_in_seconds(self) -> float:
        """After how long its holder counts as dead, if it is not heard of."""
        return _DEAD_AFTER_LIFETIMES * self.lifetime_seconds - self.overdue_seconds


class Leases:
    """The leases in a state store."""

    def __init__(self, engine: Engine, lifetime: timedelta = LIFETIME) -> None:
        self._engine = engine
        self._lifetime = lifetime
        self._held: dict[str, Lease] = {}

    @contextmanager
    def hold(
        self, name: str, *, wait_seconds: float, waiting: Callable[[str], None] = lambda _: None
    ) -> Generator[Lease]:
        """Take the lease of a name, and renew it until the block ends.

        `waiting` is told once who has it.

        Raises:
            LeaseTimeout: somebody else had it for `wait_seconds`.
        """
        lease = Lease(name, self._engine, self._lifetime)
        self._wait_for(lease, wait_seconds, waiting)
        done = threading.Event()
        renewing = threading.Thread(target=keep, args=(lease, done), daemon=True, name=f"renews {name}")
        self._held[name] = lease
        renewing.start()
        try:
            yield lease
        finally:
            del self._held[name]
            done.set()
            lease.give_back()

    def held(self, name: str) -> Lease | None:
        """Return the lease of a name if this process took it, and has not given it back."""
        return self._held.get(name)

    def require_runs(self, connection: sa.Connection) -> None:
        """Make sure, within a caller's transaction, that no run was taken from this process.

        Raises:
            LeaseLost: one was: it is over for all others, and what is made of it is another run's.
        """
        for name, lease in list(self._held.items()):
            if name.startswith(_RUN):
                lease.require(connection)

    def require_runs_now(self) -> None:
        """Make sure the same for what is committed elsewhere than in the state store; call it just before.

        Raises:
            LeaseLost: a run was taken from this process.
        """
        if any(name.startswith(_RUN) for name in self._held):
            with self._engine.begin() as connection:
                self.require_runs(connection)

    def standing(self, name: str) -> Standing | None:
        """Return the lease of a name as it is on record; None where nobody holds it."""
        table = schema.leases
        with self._engine.connect() as connection:
            server_clock = connection.dialect.name == "postgresql"
            now = sa.func.clock_timestamp() if server_clock else sa.null()
            query = sa.select(table, now.label("now")).where(table.c.object == name)
            row = connection.execute(query).mappings().first()
        if row is None:
            return None
        holder = Process(row["host"], row["boot"], row["namespace"], row["process"], row["started"])
        return Standing(
            name, row["token"], holder, utc(row["until"]), row["lifetime_seconds"], _overdue(row, holder)
        )

    def dead_runs(self) -> dict[str, Standing]:
        """Return {run id: lease} of those whose process is dead."""
        table = schema.leases
        query = sa.select(table.c.object).where(table.c.object.startswith(_RUN, autoescape=True))
        with self._engine.connect() as connection:
            names = [str(name) for name in connection.execute(query).scalars()]
        found = {name.removeprefix(_RUN): self.standing(name) for name in names}
        return {run_id: standing for run_id, standing in found.items() if standing and standing.is_dead}

    def end(self, standing: Standing) -> bool:
        """Take a lease from its holder, which can write nothing any more; return whether it was still so."""
        with self._engine.begin() as connection:
            return connection.execute(sa.delete(schema.leases).where(*_as_read(standing))).rowcount == 1

    def at_work(self) -> dict[str, str]:
        """Return {name: who has it} of all leases that somebody holds now, of whatever process."""
        with self._engine.connect() as connection:
            names = list(connection.execute(sa.select(schema.leases.c.object)).scalars())
        found = {name: self.standing(name) for name in names}
        return {name: str(item.holder) for name, item in found.items() if item and not item.is_free}

    def _wait_for(self, lease: Lease, wait_seconds: float, waiting: Callable[[str], None]) -> None:
        pause, told = threading.Event(), False
        deadline = boot_seconds() + wait_seconds
        seen: dict[tuple[str, datetime], float] = {}
        while True:
            asked = boot_seconds()
            standing = self.standing(lease.name)
            if self._take(lease, standing, seen):
                lease.held_since(asked)
                return
            holder = str(standing.holder) if standing else "another process"
            if boot_seconds() > deadline:
                raise LeaseTimeout("SLU-E007", f"{lease.name} is held by {holder}")
            if not told:
                waiting(f"waiting for {holder}, which is at work on {lease.name}")
                told = True
            pause.wait(_LOOK_AGAIN_SECONDS)  # a database offers nothing to wait on

    def _take(self, lease: Lease, standing: Standing | None, seen: dict[tuple[str, datetime], float]) -> bool:
        table, here = schema.leases, this_process()
        values = {
            "token": lease.token,
            "host": here.host,
            "process": here.number,
            "boot": here.boot,
            "namespace": here.namespace,
            "started": here.started,
        }
        if standing is not None and not standing.is_free:
            # Who has waited for a lifetime and saw no renewal needs no other clock: another's may have been
            # set back.
            first_seen = seen.setdefault((standing.token, standing.until), boot_seconds())
            if boot_seconds() <= first_seen + standing.lifetime_seconds:
                return False
        with suppress(IntegrityError), self._engine.begin() as connection:
            values |= lasting(connection, lease.lifetime_seconds)
            if standing is None:
                connection.execute(sa.insert(table).values(object=lease.name, **values))
                return True
            # As it was read: of several that saw the same lease run out one gets it, and none if it is
            # renewed after all.
            taken = connection.execute(sa.update(table).where(*_as_read(standing)).values(values))
            return taken.rowcount == 1
        return False


def _overdue(row: sa.RowMapping, holder: Process) -> float:
    """Return the seconds since a lease ran out, by the clock that its holder and this process share."""
    if row["now"] is not None:
        return (utc(row["now"]) - utc(row["until"])).total_seconds()
    if holder.boot and holder.boot == this_process().boot and row["boot_until"] is not None:
        return boot_seconds() - float(row["boot_until"])
    return (datetime.now(UTC) - utc(row["until"])).total_seconds()


def _as_read(standing: Standing) -> list[sa.ColumnElement[bool]]:
    table = schema.leases
    return [
        table.c.object == standing.name, table.c.token == standing.token, table.c.until == standing.until,
    ]  # fmt: skip
