"""Deliveries as tables on a terminal: plans, what is on record of them, refused rows."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sluicegate.cli.opened import table
from sluicegate.core.partitions import as_option, place
from sluicegate.core.shown_text import CLASSIFIED
from sluicegate.delivery.preview import Preview
from sluicegate.delivery.travel import moment_of
from sluicegate.destinations.base import Mode
from sluicegate.state.records import Delivery, DeliveryKind, DeliveryStatus, RefusedKey

_STYLES = {
    DeliveryStatus.HELD: "red",
    DeliveryStatus.REJECTED: "red",
    DeliveryStatus.SENDING: "yellow",
    DeliveryStatus.PLANNED: "yellow",
    DeliveryStatus.APPROVED: "yellow",
    DeliveryStatus.ACKNOWLEDGED: "green",
}
# What becomes of rows that the destination has already, where every row is sent.
_LEAVES = {
    Mode.APPEND: ", and added to what the destination has",
    Mode.UPSERT: ": those whose key the destination has are written over, all others stay",
    Mode.MIRROR: ", and what else the destination has there is removed",
    Mode.SNAPSHOT: ", and the destination's are replaced",
}


def show_plan(preview: Preview, out: Console) -> None:
    """Print what a delivery would do, and what to type."""
    plan, some = preview.plan, preview.plan.shown
    where = place(plan.export, plan.partition_key)
    counts = [f"{count:,} {name}" for name, count in plan.counts.items() if count]
    out.print(f"{where}, mode {plan.mode}: {plan.rows:,} rows; {', '.join(counts) or 'none'}", markup=False)
    if plan.kept and plan.counts["removed"]:
        out.print(f"  the {plan.counts['removed']:,} removed stay there: mode {plan.mode} takes nothing out")
    if plan.whole:
        out.print(f"  every row is sent{_LEAVES[plan.mode]}")
    if some.fields:
        changes = table("changed fields", "field", "#rows")
        for name, count in sorted(some.fields.items(), key=lambda item: -item[1]):
            changes.add_row(escape(name), f"{count:,}")
        out.print(changes)
    for title, rows in (("added", some.added), ("removed", some.removed)):
        if rows:
            shown = table(f"{title}, for example", *rows[0])
            for row in rows:
                shown.add_row(*(escape(value) for value in row.values()))
            out.print(shown)
    if some.changed:
        shown = table("changed, for example", "row", "field", "was", "becomes")
        for row in some.changed:
            key = ", ".join(f"{name}={new}" for name, (old, new) in row.items() if old == new != CLASSIFIED)
            for name, (old, new) in row.items():
                if old != new or (old == CLASSIFIED and name in some.fields):
                    shown.add_row(escape(key or CLASSIFIED), escape(name), escape(old), escape(new))
        out.print(shown)
    for limit in plan.limits:
        out.print(f"past a limit: {limit}", style="red", markup=False)
    if preview.gate is not None:
        answer = "[green]open[/]" if preview.gate.open else "[red]closed[/]"
        out.print(f"the gate is {answer}")
        for finding in preview.gate.reasons[:3] if not preview.gate.open else ():
            out.print(f"  {finding} → {finding.fix}", style="red", markup=False)
    for ended in preview.expired:
        out.print(f"held, whatever the data are: {ended}", style="red", markup=False, soft_wrap=True)
    if plan.rejected is not None:
        out.print(
            f"not to be sent: delivery {plan.rejected.delivery_id[:12]}, this very plan, was rejected by"
            f" {plan.rejected.decided_by}: {plan.rejected.decision}",
            style="yellow", markup=False, soft_wrap=True,
        )  # fmt: skip
    if plan.overtaken_by:
        out.print(
            f"not to be sent: the destination holds {plan.overtaken_by}, a newer partition", style="yellow"
        )
    if plan.superseded is not None:
        other = plan.superseded
        out.print(
            f"delivery {other.delivery_id[:12]}, which is {other.status}, would be superseded", style="yellow"
        )
    if plan.delivery is not None:
        out.print(f"this is delivery {plan.delivery.delivery_id[:12]}, {plan.delivery.status}")
        if told := to_type(plan.delivery):
            out.print(told, markup=False, soft_wrap=True)
    else:
        out.print("nothing was sent, nothing is recorded", style="dim")


def deliveries_table(deliveries: Sequence[Delivery], outdated: Collection[str] = ()) -> Table:
    """Return deliveries with what became of them, and what to type.

    `outdated` are the ids of those that another export file made than today's: no word on them counts.
    """
    made = table(
        "deliveries", "delivery", "export, partition", "status", "#added", "#changed", "#removed", "#refused",
        "when (UTC)", "who, why", "what to type",
    )  # fmt: skip
    for item in deliveries:
        style = _STYLES.get(item.status, "dim")
        kind = "" if item.kind == "change" else f" ({item.kind})"
        why = "; ".join(item.reasons) if item.status is DeliveryStatus.HELD else ""
        who = f"{item.decided_by}: {item.decision}" if item.decided_by else why
        made.add_row(
            item.delivery_id[:12],
            escape(f"{item.export} {item.partition_key}{kind}"),
            f"[{style}]{item.status.value}[/]",
            *(f"{count:,}" for count in (item.added, item.changed, item.removed, item.refused)),
            _when(item.acknowledged_at or item.planned_at),
            escape(who),
            escape("planned anew by the next delivery" if item.delivery_id in outdated else to_type(item)),
        )
    return made


def plan_as_data(preview: Preview) -> dict[str, Any]:
    """Return what a delivery would do, for machines; values of classified columns are not in it."""
    plan, some, gate = preview.plan, preview.plan.shown, preview.gate
    return {
        "export": plan.export,
        "partition": plan.partition_key,
        "mode": str(plan.mode),
        "rows": plan.rows,
        "whole": plan.whole,
        "counts": dict(plan.counts),
        "fields": dict(some.fields),
        "added": [dict(row) for row in some.added],
        "changed": [{name: list(pair) for name, pair in row.items()} for row in some.changed],
        "removed": [dict(row) for row in some.removed],
        "limits": [str(limit) for limit in plan.limits],
        "gate_open": gate.open if gate else None,
        "reasons": [str(finding) for finding in gate.reasons] if gate else [],
        "expired": list(preview.expired),
        "overtaken_by": plan.overtaken_by or "",
        "delivery": plan.delivery.delivery_id if plan.delivery else "",
        "to_type": to_type(plan.delivery) if plan.delivery else "",
    }


def deliveries_as_data(
    deliveries: Sequence[Delivery], outdated: Collection[str] = ()
) -> list[dict[str, Any]]:
    """Return deliveries for machines, in the order of the table."""
    return [
        {
            "delivery": item.delivery_id,
            "export": item.export,
            "partition": item.partition_key,
            "kind": str(item.kind),
            "status": str(item.status),
            "rows": item.rows,
            "added": item.added,
            "changed": item.changed,
            "removed": item.removed,
            "refused": item.refused,
            "planned_at": _iso(item.planned_at),
            "acknowledged_at": _iso(item.acknowledged_at),
            "reasons": list(item.reasons),
            "decided_by": item.decided_by,
            "decision": item.decision,
            "planned_anew": item.delivery_id in outdated,
            "to_type": "" if item.delivery_id in outdated else to_type(item),
        }
        for item in deliveries
    ]


def refusals_as_data(
    refused: Iterable[RefusedKey], key: Sequence[str], hidden: Collection[str]
) -> list[dict[str, Any]]:
    """Return refused rows for machines; parts of the key that are classified are not shown."""
    return [
        {
            "partition": item.scope,
            "key": dict(_key_shown(item, key, hidden)),
            "code": item.code,
            "said": item.said,
            "tries": item.attempts,
            "since": _iso(item.first_refused_at),
            "next_try": _iso(item.next_try_at),
        }
        for item in refused
    ]


def _key_shown(item: RefusedKey, key: Sequence[str], hidden: Collection[str]) -> Iterator[tuple[str, str]]:
    for name, value in zip(key, json.loads(item.key), strict=False):
        yield name, CLASSIFIED if name in hidden else value


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def to_type(delivery: Delivery) -> str:
    """Return the command that a delivery waits for, if any."""
    option = as_option(delivery.partition_key)
    match delivery.status:
        case DeliveryStatus.HELD:
            short = delivery.delivery_id[:12]
            return f"sluice delivery approve {short} --reason …, or sluice delivery reject {short} --reason …"
        case DeliveryStatus.APPROVED if delivery.kind is not DeliveryKind.REDELIVER:
            return "sluice run"
        case DeliveryStatus.APPROVED:
            return _sends(delivery)
        case DeliveryStatus.PLANNED | DeliveryStatus.SENDING:
            return f"{_sends(delivery)}, unless its run is at work"
        case _ if delivery.refused:
            return f"sluice delivery refusals {delivery.export}{option}"
        case _:
            return ""


def _sends(delivery: Delivery) -> str:
    """Return the command that takes up a delivery which is under way, by who asked for it."""
    option = as_option(delivery.partition_key)
    match delivery.kind:
        case DeliveryKind.CHANGE:
            return "sluice run --retry"
        case DeliveryKind.RESYNC:
            return f"sluice delivery resend {delivery.export}{option}"
        case DeliveryKind.REDELIVER:
            moment = moment_of(delivery).isoformat()
            return f"sluice delivery redeliver {delivery.export} --on {moment}{option} --reason …"


def rejected_table(
    export: str, refused: Iterable[RefusedKey], key: Sequence[str], hidden: Collection[str]
) -> Table:
    """Return refused keys with the vendor's words; parts of the key that are classified are not shown."""
    made = table(
        f"rows of {export} that the destination refuses", "partition", "key", "code", "what the vendor said",
        "#tries", "since (UTC)", "next try (UTC)",
    )  # fmt: skip
    for item in refused:
        named = ", ".join(f"{name}={value}" for name, value in _key_shown(item, key, hidden))
        next_try = _when(item.next_try_at) if item.next_try_at else "[red]given up[/]"
        made.add_row(
            item.scope, escape(named), escape(item.code), escape(item.said), str(item.attempts),
            _when(item.first_refused_at), next_try,
        )  # fmt: skip
    return made


def _when(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else ""


def pairs(named: Sequence[str]) -> Mapping[str, str]:
    """Return {column: value} of COLUMN=VALUE.

    Raises:
        ValueError: one of them is none.
    """
    found: dict[str, str] = {}
    for text in named:
        column, equals, value = text.partition("=")
        if not equals or not column or not value:
            raise ValueError(f"`{text}`: expected COLUMN=VALUE, as customer_id=4711")
        found[column] = value
    return found
