"""A lease that this process holds: asked before anything is written or sent under it, renewed, and lost.

Belongs here: what its holder does with one. Does not belong here: who gets it, and who has it (`leases`).
"""

import logging
import threading
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

from sluicegate.codes import Coded
from sluicegate.core.processes import boot_seconds
from sluicegate.state import schema

# Shares of a lifetime: renewed after the first; after a renewal that failed, tried again after the second;
# and in the last nothing leaves any more without asking, as it has to arrive while the lease is held.
_RENEWED_AFTER, _TRIED_AGAIN_AFTER, _TOO_LATE = 1 / 4, 1 / 20, 1 / 6
_TAKEN_OVER = "another process has taken it over"
_log = logging.getLogger(__name__)


class LeaseLost(Coded):
    """Another process may be at work on what this one held the lease of; this one must stop."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            "SLU-M012", f"the lease of {name} is lost: {why}; this process stops, and records nothing more"
        )


def require_lease(connection: sa.Connection, token: str) -> None:
    """Make sure, within a caller's transaction, that the lease with this token is held until that ends.

    Raises:
        LeaseLost: it is another's now.
    """
    if not _locked(connection, token):
        raise LeaseLost("what it works on", _TAKEN_OVER)


class Lease:
    """A lease that is held; `token` is written with whatever is done under it."""

    def __init__(self, name: str, engine: Engine, lifetime: timedelta) -> None:
        self.name = name
        self.token = uuid.uuid4().hex
        self.lifetime_seconds = lifetime.total_seconds()
        self._engine = engine
        self._held_until = 0.0  # by `boot_seconds`
        self._lost = ""

    def require(self, connection: sa.Connection) -> None:
        """Make sure, within a caller's transaction, that the lease is held until that ends.

        Raises:
            LeaseLost: it is another's now, or was told to be lost before.
        """
        self._raise_if_lost()
        if not _locked(connection, self.token):
            self.lose(_TAKEN_OVER)
            self._raise_if_lost()

    def still_held(self) -> None:
        """Make sure that the lease is held now; call it before each thing that leaves this process.

        It costs nothing while renewals come in time: then nobody else can have it. Where they do not, as
        after a stop of this process, the state store is asked.

        Raises:
            LeaseLost: it is another's now, or it has run out and the state store does not answer.
        """
        self._raise_if_lost()
        if boot_seconds() < self._held_until - _TOO_LATE * self.lifetime_seconds:
            return
        try:
            self.renew()
        except SQLAlchemyError as error:
            if self.has_run_out:
                self.lose(f"it has run out, and the state store does not answer ({_said_by(error)})")
        self._raise_if_lost()

    def renew(self) -> None:
        """Have it last a lifetime from now on, unless another process has taken it over; then it is lost.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the state store did not answer in a quarter of a lifetime.
        """
        asked = boot_seconds()
        table = schema.leases
        renewed = sa.update(table).where(table.c.token == self.token)
        with self._engine.begin() as connection, _answering(connection, self._patience):
            there = connection.execute(renewed.values(lasting(connection, self.lifetime_seconds)))
        if there.rowcount == 1:
            self.held_since(asked)
        else:
            self.lose(_TAKEN_OVER)

    def give_back(self) -> None:
        """Free it for others; where the state store does not answer, it runs out."""
        table = schema.leases
        try:
            with self._engine.begin() as connection, _answering(connection, self._patience):
                connection.execute(sa.delete(table).where(table.c.token == self.token))
        except SQLAlchemyError as error:
            # What was done under it is done.
            _log.warning(
                "the lease of %s could not be given back (%s); it runs out in %g s",
                self.name, _said_by(error), self.lifetime_seconds,
            )  # fmt: skip

    def held_since(self, moment: float) -> None:
        """Note that the store was asked for a lifetime at a moment of `boot_seconds`."""
        self._held_until = max(self._held_until, moment + self.lifetime_seconds)

    def lose(self, why: str) -> None:
        """Note that it is lost; nothing brings it back."""
        self._lost = self._lost or why

    @property
    def lost(self) -> LeaseLost | None:
        """What to raise where it is known to be lost."""
        return LeaseLost(self.name, self._lost) if self._lost else None

    @property
    def has_run_out(self) -> bool:
        """Whether it has run out by the clock of this process, which nobody sets."""
        return boot_seconds() >= self._held_until

    @property
    def _patience(self) -> float:
        return self.lifetime_seconds * _RENEWED_AFTER

    def _raise_if_lost(self) -> None:
        if self.lost:
            raise self.lost


def keep(lease: Lease, done: threading.Event) -> None:
    """Renew a lease until the block ends or another process has taken it over, whatever goes wrong.

    One that has run out meanwhile is renewed as well: it is nobody else's while it has this token.
    """
    failing, told_run_out = False, False
    while not done.wait(lease.lifetime_seconds * (_TRIED_AGAIN_AFTER if failing else _RENEWED_AFTER)):
        try:
            lease.renew()
        except Exception as error:  # whatever it is: nobody would notice a renewer that dies
            if done.is_set():
                return
            if not failing:
                _log.warning(
                    "the lease of %s could not be renewed (%s); it is tried again",
                    lease.name,
                    _said_by(error),
                )
            elif lease.has_run_out and not told_run_out:
                told_run_out = True
                _log.error(
                    "the lease of %s has run out, as the state store does not answer (%s): nothing is done"
                    " under it until that answers, and then unless another process has taken it over",
                    lease.name, _said_by(error),
                )  # fmt: skip
            failing = True
        else:
            if lease.lost:
                if not done.is_set():
                    _log.error("%s", lease.lost)
                return
            if failing:
                _log.warning("the lease of %s is renewed again", lease.name)
            failing, told_run_out = False, False


def _locked(connection: sa.Connection, token: str) -> bool:
    """Keep the lease with a token as it is until the transaction ends; return whether there is one."""
    table = schema.leases
    mine = table.c.token == token
    if connection.dialect.name == "postgresql":
        return (
            connection.execute(sa.select(table.c.token).where(mine).with_for_update(read=True)).first()
            is not None
        )
    # To read takes no lock there: another process could take over before the caller commits.
    return connection.execute(sa.update(table).where(mine).values(token=token)).rowcount == 1


def lasting(connection: sa.Connection, seconds: float) -> dict[str, Any]:
    """Return the columns of a lease that runs out in so many seconds."""
    lifetime = timedelta(seconds=seconds)
    server_clock = connection.dialect.name == "postgresql"
    return {
        "until": (sa.func.clock_timestamp() if server_clock else datetime.now(UTC)) + lifetime,
        "boot_until": boot_seconds() + seconds,
        "lifetime_seconds": seconds,
    }


@contextmanager
def _answering(connection: sa.Connection, seconds: float) -> Generator[None]:
    """Have the store answer or fail within some seconds, whoever locks it."""
    milliseconds = max(1, round(seconds * 1_000))
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.set_config("statement_timeout", str(milliseconds), True)))
        yield
        return
    before = connection.exec_driver_sql("pragma busy_timeout").scalar_one()
    connection.exec_driver_sql(f"pragma busy_timeout = {milliseconds}")
    try:
        yield
    finally:
        connection.exec_driver_sql(f"pragma busy_timeout = {before}")


def _said_by(error: Exception) -> str:
    """Return what a driver says, without the statement."""
    return next(iter(str(getattr(error, "orig", None) or error).strip().splitlines()), type(error).__name__)
