"""What a destination held at a moment, from our own records; and its being made to hold that again.

Belongs here: old content. Does not belong here: what the destination says itself (`reconcile`).
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from orchestration.compute.engine import open_engine
from orchestration.compute.sql import literal, quoted
from orchestration.core.shown_text import showing_errors
from orchestration.delivery.deliver import Target, destination_of, order_of
from orchestration.delivery.engine import DeliveryEngine
from orchestration.delivery.order import Opened, Order, Outcome
from orchestration.delivery.planning.content import Content, acknowledged_layers, columns_as, shard_fields
from orchestration.delivery.preview import PREVIEWS
from orchestration.destinations.base import DeliveryError, Mode
from orchestration.state.deployment import Deployment
from orchestration.state.records import Delivery, DeliveryKind
from orchestration.state.store import StateStore

if TYPE_CHECKING:
    import duckdb

# The version of a redelivery says which moment it goes back to: whoever approves one finds it there.
_VERSION = "content at "


class NothingHeld(ValueError):
    """The destination had nothing of an export at a moment, as far as our records go."""


@dataclass(frozen=True)
class Held:
    """What one scope held at a moment; `delivery` is the newest that it was made of."""

    scope: str
    rows: int
    delivery: Delivery


def held_at(
    store: StateStore, export: str, key: tuple[str, ...], moment: datetime, scopes: Sequence[str]
) -> list[Held]:
    """Return what each scope held at a moment; scopes with nothing on record by then are left out."""
    found: list[Held] = []
    with open_engine() as connection:
        for scope in scopes:
            newest = _newest(store, export, scope, moment)
            if newest is not None:
                content = _content(connection, store, newest, key, moment)
                found.append(Held(scope, content.rows() if content else 0, newest))
    return found


def scopes_of(store: StateStore, export: str) -> list[str]:
    """Return the scopes of an export that deliveries are on record of, in order."""
    return sorted({item.scope for item in store.deliveries.of_export(export)})


def write_held(
    store: StateStore, export: str, key: tuple[str, ...], moment: datetime, scopes: Sequence[str], file: Path
) -> int:
    """Write what the scopes held at a moment to a Parquet or CSV file; return the number of rows.

    Raises:
        ValueError: the file's name ends with neither `.parquet` nor `.csv`.
        NothingHeld: none of the scopes had been delivered by then.
    """
    form = {".parquet": "format parquet", ".csv": "format csv, header"}.get(file.suffix)
    if form is None:
        raise ValueError(f"--to {file}: expected a name that ends with .parquet or .csv")
    with open_engine() as connection, TemporaryDirectory(dir=file.absolute().parent) as folder:
        written = 0
        for place, scope in enumerate(scopes):
            newest = _newest(store, export, scope, moment)
            content = _content(connection, store, newest, key, moment) if newest else None
            if content is None or newest is None:
                continue
            part = Path(folder) / f"{place}.parquet"
            rows = _values(connection, content, newest)
            connection.execute(f"copy ({rows}) to {literal(str(part))} (format parquet)")
            written += 1
        if not written:
            raise NothingHeld(f"`{export}` had no row at the destination at {moment:%Y-%m-%d %H:%M} UTC")
        # Fields may have come and gone between the scopes.
        parts = f"select * from read_parquet({literal(folder + '/*.parquet')}, union_by_name = true)"
        counted = connection.execute(f"copy ({parts}) to {literal(str(file))} ({form})").fetchone()
    return int(counted[0]) if counted else 0


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
    engine = DeliveryEngine(
        deployment.store,
        deployment.settings.deliveries_dir,
        destination_of(deployment, target.export, target.near),
        run_id,
        log,
    )
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
            f"`sluice content {order.export} --on … --to rows.parquet` gives the rows; mend it over there",
        )
    newest = _newest(engine.store, order.export, order.scope, moment)
    if newest is None:
        where = f" [{order.scope}]" if order.scope else ""
        raise NothingHeld(
            f"nothing of `{order.export}`{where} had been delivered at {moment:%Y-%m-%d %H:%M:%S} UTC;"
            f" `sluice deliveries {order.export}` shows when that was"
        )
    if order.latest_only:  # the content is that of the partition that was the newest then
        order = replace(order, partition_key=newest.partition_key)

    @contextmanager
    def opening() -> Generator[Opened]:
        folder = engine.folder / PREVIEWS
        folder.mkdir(parents=True, exist_ok=True)
        with open_engine() as connection, TemporaryDirectory(dir=folder) as temporary:
            # In a file of its own: the engine makes tables of the same names for what is held now.
            then = literal(str(Path(temporary) / "held.parquet"))
            content = _content(connection, engine.store, newest, order.key, moment)
            rows = _values(connection, content, newest) if content else _no_rows(connection, newest)
            connection.execute(f"copy ({rows}) to {then} (format parquet)")
            yield Opened(connection, f"select * from read_parquet({then})", f"{_VERSION}{moment.isoformat()}")

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


def _newest(store: StateStore, export: str, scope: str, moment: datetime) -> Delivery | None:
    found = store.deliveries.layers(export, scope, until=moment)
    return found[-1] if found else None


def _content(
    connection: "duckdb.DuckDBPyConnection",
    store: StateStore,
    newest: Delivery,
    key: tuple[str, ...],
    moment: datetime,
) -> Content | None:
    """Return a scope's content at a moment, with the fields of then; None where it was empty."""
    layers = acknowledged_layers(store.deliveries, newest.export, newest.scope, until=moment)
    if not layers:
        return None
    return Content(connection, layers, key, list(shard_fields(connection, newest.shard)), newest.shape)


def _values(connection: "duckdb.DuckDBPyConnection", content: Content, newest: Delivery) -> str:
    held = content.values()
    columns = columns_as(connection, held, shard_fields(connection, newest.shard), "cast")
    return f"select {columns} from ({held})"


def _no_rows(connection: "duckdb.DuckDBPyConnection", newest: Delivery) -> str:
    fields = shard_fields(connection, newest.shard)
    return f"select {', '.join(map(quoted, fields))} from read_parquet({literal(newest.shard)}) where false"
