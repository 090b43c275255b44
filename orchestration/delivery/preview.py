"""What a delivery would do now, or what one that waits would do: counted, with some rows; nothing is sent.

Belongs here: reading plans. Does not belong here: deciding on one, tables on a terminal.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from orchestration.compute.engine import open_engine
from orchestration.compute.row_hash import fields_of, value_hash
from orchestration.compute.sql import literal, quoted
from orchestration.core.scratch import scratch_directory
from orchestration.core.shown_text import CLASSIFIED
from orchestration.delivery.comparing import comparison, newer_partition, rejected_already
from orchestration.delivery.deliver import PREVIEWS, Target, fetch, is_todays, made_by, order_of
from orchestration.delivery.export_files.expiry import expired
from orchestration.delivery.identity import MadeBy, free_id
from orchestration.delivery.order import Order
from orchestration.delivery.planning.content import (
    Content,
    acknowledged_layers,
    as_type,
    hash_in,
    shard_fields,
)
from orchestration.delivery.planning.difference import Difference, find_difference
from orchestration.destinations.base import CHANGE, Change, Mode
from orchestration.destinations.registry import destination_types
from orchestration.gate.gate import Gate, GateReport
from orchestration.state.deployment import Deployment
from orchestration.state.records import Delivery, DeliveryKind
from orchestration.state.store import StateStore

if TYPE_CHECKING:
    import duckdb

SHOWN_ROWS = 5
# What `find_difference` leaves behind: the key of each row that differs, `_new` and `_old` hash.
_DIFFERENCE = "_difference"


@dataclass(frozen=True)
class Preview:
    """A plan, counted. `delivery` is the one on record that is shown, `superseded` one that would end.

    `fields` is {field: how many changed rows have another value}. `added` and `removed` are rows as {field:
    text}, `changed` as {field: (old, new)} of key and changed fields: at most `SHOWN_ROWS` each. `kept` tells
    that what is gone from the model stays at the destination, as the mode takes nothing out.
    `overtaken_by` is the newer partition that the destination holds, where it holds one alone: nothing would
    be sent. `rejected` is this very plan, to which a person said no; `expired` what of the export file holds
    no more: nothing would be sent either.
    """

    export: str
    partition_key: str
    mode: Mode
    rows: int
    counts: Mapping[str, int]
    limits: tuple[str, ...]
    fields: Mapping[str, int]
    added: Sequence[Mapping[str, str]]
    changed: Sequence[Mapping[str, tuple[str, str]]]
    removed: Sequence[Mapping[str, str]]
    whole: bool
    gate: GateReport | None = None
    delivery: Delivery | None = None
    superseded: Delivery | None = None
    overtaken_by: str = ""
    rejected: Delivery | None = None
    expired: tuple[str, ...] = ()

    @property
    def kept(self) -> bool:
        """Whether the destination keeps what is gone from the model."""
        return self.mode in (Mode.APPEND, Mode.UPSERT)


@dataclass(frozen=True)
class _Shown:
    fields: Mapping[str, int]
    added: Sequence[Mapping[str, str]] = ()
    changed: Sequence[Mapping[str, tuple[str, str]]] = ()
    removed: Sequence[Mapping[str, str]] = ()


def preview(
    deployment: Deployment, gate: Gate, target: Target, partition_key: str, classified: Collection[str]
) -> Preview:
    """Return what a delivery of a partition would do now, or what a plan does that it would take up.

    That is a plan of the same data, which today's export file made. `classified` are model columns whose
    values are not shown. The destination is not asked.

    Raises:
        DeliveryError: the key does not hold.
    """
    store = deployment.store
    today = datetime.now(UTC).date()
    ended = tuple(map(str, expired(target.export, deployment.settings.project_dir, today)))
    made = made_by(deployment, target, partition_key)
    order = replace(order_of(target, partition_key), place=made.place)
    hidden = {target.export.field(column) for column in classified}
    under_way = store.deliveries.open_in(order.export, order.scope)
    if (
        under_way is not None
        and under_way.kind is DeliveryKind.REDELIVER
        and is_todays(deployment, target, under_way)
    ):
        return preview_recorded(store, order, under_way, hidden)
    with scratch_directory(deployment.settings.deliveries_dir / PREVIEWS) as folder:
        with deployment.warehouse.session() as session, session.snapshot():
            report = gate.report(session, target.table.relation, partition_key)
            fetched = fetch(session, gate.lineage, target, partition_key, folder)
        version = report.versions.get((target.table.relation, target.table.partition(partition_key)), "")
        with fetched.opened(version, report.content) as opened:
            if under_way is not None:
                # A resync that waits is taken up by whoever approves it.
                asked = replace(order, kind=under_way.kind)
                if MadeBy.of(asked, opened).makes(under_way, asked, version):
                    found = preview_recorded(store, order, under_way, hidden, report)
                    return replace(found, expired=ended)
            capabilities = destination_types[target.export.spec.destination.type].capabilities
            made = MadeBy.of(order, opened)
            found = preview_rows(
                store, order, opened.connection, opened.source, folder, hidden=hidden,
                replaces=Mode.SNAPSHOT in capabilities.modes, report=report, superseded=under_way,
                rightly_empty=opened.rightly_empty,
            )  # fmt: skip
    layers = store.deliveries.layers(order.export, order.scope)
    supersedes = layers[-1].delivery_id if layers else ""
    rejected = rejected_already(store, order, version, made) or store.deliveries.of(
        free_id(store.deliveries, order, version, made, supersedes)
    )
    return replace(found, rejected=rejected, expired=ended)


def preview_rows(
    store: StateStore,
    order: Order,
    connection: "duckdb.DuckDBPyConnection",
    source: str,
    folder: Path,
    *,
    hidden: Collection[str] = (),
    replaces: bool = True,
    report: GateReport | None = None,
    superseded: Delivery | None = None,
    rightly_empty: Callable[[], bool] = lambda: False,
) -> Preview:
    """Return what the engine would do with the rows of `source`, SQL whose columns are the fields.

    A shard is written below `folder`, and taken away again.
    """
    known = comparison(store, order, source, replaces=replaces, log=lambda _: None)
    asked, layers = known.asked, known.layers
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder) as temporary:
        difference = find_difference(connection, asked, layers, Path(temporary) / "shard.parquet")
    newer = newer_partition(store, order)
    fields = fields_of(connection, source)
    content = Content(connection, layers, order.key, list(fields), difference.shape)
    shown = _shown(connection, order.key, fields, source, content, hidden)
    return Preview(
        export=order.export,
        partition_key=order.partition_key,
        mode=order.mode,
        rows=difference.rows,
        counts={
            **_counts(difference),
            "waiting": difference.waiting,
            "given up": difference.given_up,
            "forgotten": difference.forgotten,
        },
        limits=order.limits.broken_by(
            difference, first=asked.first, rightly_empty=rightly_empty, hidden=order.hidden
        ),
        fields=shown.fields,
        added=shown.added,
        changed=shown.changed,
        removed=shown.removed,
        whole=difference.whole,
        gate=report,
        superseded=superseded,
        overtaken_by=newer.partition_key if newer else "",
    )


def preview_recorded(
    store: StateStore,
    order: Order,
    delivery: Delivery,
    hidden: Collection[str] = (),
    report: GateReport | None = None,
) -> Preview:
    """Return what a plan on record does, beside what the destination holds without it."""
    shown = _Shown({})
    if delivery.shard_rows or delivery.whole:
        with open_engine() as connection:
            shown = _shown_of_shard(connection, store, order, delivery, hidden)
    return Preview(
        export=delivery.export,
        partition_key=delivery.partition_key,
        mode=Mode(delivery.mode),
        rows=delivery.rows,
        counts=_counts(delivery),
        limits=delivery.reasons,
        fields=shown.fields,
        added=shown.added,
        changed=shown.changed,
        removed=shown.removed,
        whole=delivery.whole,
        gate=report,
        delivery=delivery,
    )


def _shown_of_shard(
    connection: "duckdb.DuckDBPyConnection",
    store: StateStore,
    order: Order,
    delivery: Delivery,
    hidden: Collection[str],
) -> _Shown:
    fields = shard_fields(connection, delivery.shard)
    layers = acknowledged_layers(store.deliveries, delivery.export, delivery.scope)
    content = Content(connection, layers, order.key, list(fields), delivery.shape)
    keys = ", ".join(quoted(name) for name in order.key)
    both = ", ".join(f"coalesce(s.{quoted(name)}, t.{quoted(name)}) as {quoted(name)}" for name in order.key)
    same = " and ".join(f"s.{quoted(name)} = t.{quoted(name)}" for name in order.key)
    names = ", ".join(quoted(name) for name in fields)
    shard = f"read_parquet({literal(delivery.shard)})"
    there = f"from {shard} where {CHANGE} <> '{Change.REMOVED}'"
    hashed = f"select {keys}, {hash_in(connection, delivery.shard, delivery.hashed_by)} as hash {there}"
    # A whole shard tells by what it lacks what has to go; any other names it.
    gone = "true" if delivery.whole else f"({keys}) in (select ({keys}) from {shard})"
    connection.execute(
        f"create or replace temp table {_DIFFERENCE} as select {both}, s.hash as _new, t._row_hash as _old"
        f" from ({hashed}) s"
        f" full outer join (select * from ({content.hashes()}) where {gone}) t on {same}"
        " where s.hash is distinct from t._row_hash"
    )
    rows = f"select {names} {there}"
    return _shown(connection, order.key, fields, rows, content, hidden)


def _shown(
    connection: "duckdb.DuckDBPyConnection",
    key: Sequence[str],
    fields: Mapping[str, str],
    new: str,
    content: Content,
    hidden: Collection[str],
) -> _Shown:
    """Return some rows of each sort, and how many changed rows differ in which field.

    `fields` are {field: SQL type}, `new` is SQL of the rows, `content` what they are compared with; the table
    of differences tells which of them count. Values are compared as a delivery does, and shown as they were.
    """
    old = f"select * from ({new}) where false" if content.empty else content.values(_DIFFERENCE)
    keys = ", ".join(quoted(name) for name in key)
    others = [name for name in fields if name not in key]
    sort = f"order by {keys} limit {SHOWN_ROWS}"
    both = f"select {keys} from {_DIFFERENCE} where _new is not null and _old is not null"
    changed = f"from ({new}) s join ({both}) d using ({keys}) join ({old}) w using ({keys})"
    held = fields_of(connection, old)
    differs = [
        f"{value_hash(f's.{quoted(name)}', fields[name])}"
        f" <> {value_hash(as_type(f'w.{quoted(name)}', held[name], fields[name]), fields[name])}"
        for name in others
    ]
    counted = ", ".join(["count(*)", *(f"count(*) filter (where {condition})" for condition in differs)])
    counts = connection.execute(f"select {counted} {changed}").fetchone() or (0,)
    of_key = [_as_text(name) for name in key]
    told = [
        text
        for name, condition in zip(others, differs, strict=True)
        for text in (condition, f"w.{_as_text(name)}", f"s.{_as_text(name)}")
    ]
    found = connection.execute(f"select {', '.join([*of_key, *told])} {changed} {sort}").fetchall()
    whole_row = ", ".join(f"r.{_as_text(name)}" for name in fields)
    added, removed = (
        connection.execute(
            f"select {whole_row} from ({rows}) r"
            f" join (select {keys} from {_DIFFERENCE} where {condition}) d using ({keys}) {sort}"
        ).fetchall()
        for rows, condition in ((new, "_old is null"), (old, "_new is null"))
    )
    return _Shown(
        fields={name: count for name, count in zip(others, counts[1:], strict=True) if count},
        added=[_row(list(fields), row, hidden) for row in added],
        changed=[_changed_row(key, others, row, hidden) for row in found],
        removed=[_row(list(fields), row, hidden) for row in removed],
    )


def _counts(of: Difference | Delivery) -> dict[str, int]:
    return {
        "added": of.added, "changed": of.changed, "removed": of.removed, "unchanged": of.unchanged
    }  # fmt: skip


def _as_text(name: str) -> str:
    return f"{quoted(name)}::varchar"


def _row(fields: Sequence[str], row: Sequence[Any], hidden: Collection[str]) -> dict[str, str]:
    return {name: _told(name, value, hidden) for name, value in zip(fields, row, strict=True)}


def _changed_row(
    key: Sequence[str], others: Sequence[str], row: Sequence[Any], hidden: Collection[str]
) -> dict[str, tuple[str, str]]:
    told: dict[str, tuple[str, str]] = {}
    for name, value in zip(key, row, strict=False):
        text = _told(name, value, hidden)
        told[name] = (text, text)
    for place, name in enumerate(others):
        differs, old, new = row[len(key) + 3 * place : len(key) + 3 * place + 3]
        if differs:
            told[name] = (_told(name, old, hidden), _told(name, new, hidden))
    return told


def _told(name: str, value: str | None, hidden: Collection[str]) -> str:
    if name in hidden:
        return CLASSIFIED
    return "null" if value is None else value
