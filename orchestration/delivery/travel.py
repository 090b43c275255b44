"""What a destination held at a moment, from our own records; and its being made to hold that again.

Belongs here: old content. Does not belong here: what the destination says itself (`reconcile`).
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from orchestration.compute.exact_parquet import exact_rows, write_exact
from orchestration.compute.sql import literal
from orchestration.core.shown_text import showing_errors
from orchestration.delivery.deliver import Target, engine_for, order_of, require_lasting_work
from orchestration.delivery.engine import DeliveryEngine
from orchestration.delivery.ledger import Ledger, Opened, Order, Outcome
from orchestration.destinations.base import DeliveryError, Mode
from orchestration.state.deployment import Deployment
from orchestration.state.records import Delivery, DeliveryKind
from orchestration.state.store import StateStore

# The version of a redelivery says which moment it goes back to: whoever approves one finds it there.
_VERSION = "content at "


class NothingHeld(ValueError):
    """The destination had nothing of an export at a moment, as far as our records go."""


@dataclass(frozen=True)
class HeldThen:
    """What one scope held at a moment; `delivery` is the newest that it was made of."""

    scope: str
    rows: int
    delivery: Delivery


def held_at(
    ledger: Ledger, export: str, key: tuple[str, ...], moment: datetime, scopes: Sequence[str]
) -> list[HeldThen]:
    """Return what each scope held at a moment; scopes with nothing on record by then are left out."""
    with ledger.reading() as reading:
        held = (reading.content(export, scope, key, until=moment) for scope in scopes)
        return [HeldThen(item.newest.scope, item.count(), item.newest) for item in held if item is not None]


def scopes_of(store: StateStore, export: str) -> list[str]:
    """Return the scopes of an export that deliveries are on record of, in order."""
    return sorted({item.scope for item in store.deliveries.of_export(export)})


def write_held(
    ledger: Ledger, export: str, key: tuple[str, ...], moment: datetime, scopes: Sequence[str], file: Path
) -> int:
    """Write what the scopes held at a moment to a Parquet or CSV file; return the number of rows.

    Raises:
        ValueError: the file's name ends with neither `.parquet` nor `.csv`.
        NothingHeld: none of the scopes had been delivered by then.
    """
    if file.suffix not in (".parquet", ".csv"):
        raise ValueError(f"--to {file}: expected a name that ends with .parquet or .csv")
    with ledger.reading() as reading:
        connection, parts = reading.connection, list[str]()
        for scope in scopes:
            held = reading.content(export, scope, key, until=moment)
            if held is not None and not held.empty:
                part = reading.folder / f"{len(parts)}.parquet"
                write_exact(connection, held.rows, part)
                parts.append(f"select * from {exact_rows(connection, part)}")
        if not parts:
            raise NothingHeld(f"`{export}` had no row at the destination at {moment:%Y-%m-%d %H:%M} UTC")
        # Fields may have come and gone between the scopes.
        every = " union all by name ".join(parts)
        if file.suffix == ".parquet":
            write_exact(connection, every, file)
        else:
            connection.execute(f"copy ({every}) to {literal(str(file))} (format csv, header)")
        [(count,)] = connection.execute(f"select count(*) from ({every})").fetchall()
    return int(count)


def redeliver(
    deployment: Deployment,
    target: Target,
    partition_key: str,
    moment: datetime,
    *,
    run_id: str,
    log: Callable[[str], None],
    asked_by: str,
    reason: str,
) -> Outcome:
    """Make the destination hold again what it held at a moment: the partition, or all where it holds one.

    Raises:
        NotConfigured: the deployment has no connection of that name.
        NothingHeld: nothing had been delivered by then.
        DeliveryHeld: the plan is past a limit; nothing was sent.
        DeliveryRejected: a person rejected this very plan.
        DeliveryError: the mode takes nothing back, or the destination refused.
    """
    require_lasting_work(deployment, target.export)
    engine = engine_for(deployment, target, run_id, log)
    order = order_of(target, partition_key, DeliveryKind.REDELIVER)
    order = replace(order, asked_by=asked_by, reason=reason)
    with showing_errors(target.near):
        return redeliver_order(engine, order, moment)


def redeliver_order(engine: DeliveryEngine, order: Order, moment: datetime) -> Outcome:
    """Send what differs between what a scope holds and what it held at a moment; see `redeliver`."""
    if order.mode is Mode.APPEND:
        raise DeliveryError(
            f"`{order.export}` is delivered with `mode: append`",
            "a mode that changes or removes what is there: upsert, mirror or snapshot",
            f"`sluice delivery content {order.export} --on … --to rows.parquet` gives the rows; mend it over"
            " there",
        )
    then = engine.ledger.store.deliveries.layers(order.export, order.scope, until=moment)
    if not then:
        where = f" [{order.scope}]" if order.scope else ""
        raise NothingHeld(
            f"nothing of `{order.export}`{where} had been delivered at {moment:%Y-%m-%d %H:%M:%S} UTC;"
            f" `sluice delivery list {order.export}` shows when that was"
        )
    if order.latest_only:  # the content is that of the partition that was the newest then
        order = replace(order, partition_key=then[-1].partition_key)

    @contextmanager
    def opening() -> Generator[Opened]:
        with engine.ledger.reading() as reading:
            held = reading.content(order.export, order.scope, order.key, until=moment)
            assert held is not None
            # In a file of its own: the ledger makes tables of the same names for what is held now.
            file = reading.folder / "held.parquet"
            write_exact(reading.connection, held.rows, file)
            rows = f"select * from {exact_rows(reading.connection, file)}"
            yield Opened(reading.connection, rows, f"{_VERSION}{moment.isoformat()}")

    return engine.deliver(replace(order, kind=DeliveryKind.REDELIVER), opening)


def moment_of(delivery: Delivery) -> datetime:
    """Return the moment that a redelivery on record goes back to."""
    return datetime.fromisoformat(delivery.version.removeprefix(_VERSION))


def parse_moment(text: str, now: datetime) -> datetime:
    """Return a moment in UTC: a day is its end, or now if that is today; a time without a zone is UTC.

    Raises:
        ValueError: it is no ISO 8601 date or time, or is to come.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"--on {text!r} is no time; expected ISO 8601, as 2026-05-01 or 2026-05-01T06:00 (UTC)"
        ) from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if len(text) == len("2026-05-01"):
        if moment.date() > now.date():
            raise ValueError(f"--on {text} is to come; expected a day that was, or today")
        return min(moment.replace(hour=23, minute=59, second=59, microsecond=999_999), now)
    if moment > now:
        raise ValueError(f"--on {text} is to come; expected a time that was (UTC)")
    return moment.astimezone(UTC)
