"""What was restored from a backup sends nothing to a scope before that was reconciled with its destination.

The records of a backup end with the backup: what was sent later is at the destination, and nobody here knows
of it. So each scope is looked at once after a restore. Where the destination can be read, `sluice delivery
reconcile` looks: a scope that holds what the records say may be sent to again; another only by a resync,
which sends everything anew and is what the records begin with. Where it cannot be read, a person looks and
says so; so too where what was sent stays (`append`), and the look has found more than the records say.

A partition of time that begins after the restore was sent by nobody, and needs no look.

Belongs here: who may send, and what to type. Does not belong here: the comparison (`reconcile`), the restore
itself (`operations.backup`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from orchestration.core.partitions import as_option, place
from orchestration.delivery.ledger import Order
from orchestration.destinations.base import Capabilities, DeliveryError, Mode
from orchestration.state.records import DeliveryKind
from orchestration.state.restores import EVERY_SCOPE, Finding, Restore
from orchestration.state.store import StateStore

# What is found of a scope that cannot be read as its options are, though its kind can.
UNREADABLE = "the destination cannot be read, as its options say"


class NotReconciled(DeliveryError):
    """The records were restored, and nobody has looked yet at what the destination holds."""


@dataclass(frozen=True)
class Waiting:
    """A scope to which nothing is sent yet; `finding` is what a look has found, None before there was one."""

    restore: Restore
    export: str
    scope: str
    by_hand: bool  # no look of ours, and no resync, helps
    finding: Finding | None = None

    @property
    def fix(self) -> str:
        """What to type."""
        if self.finding is not None and not self.by_hand:
            return (
                f"`sluice delivery resend {self.export}{as_option(self.scope)}`, which sends everything anew"
            )
        if not self.by_hand:
            return f"`sluice delivery reconcile {self.export}{as_option(self.scope)}`"
        return (
            f"look at what the destination has since {self.restore.taken_at:%Y-%m-%d %H:%M} UTC, and take out"
            " what must not come twice; then"
            f" `sluice delivery reconcile {self.export}{as_option(self.scope)} --looked-at --reason …`"
        )

    @property
    def said(self) -> str:
        """Why nothing is sent, in a sentence without the fix."""
        why = "is to be reconciled before anything is sent"
        if self.by_hand:
            why = "waits for a person: what was sent since the backup cannot be compared here"
        elif self.finding is not None:
            why = "differs from its destination since"
        return f"{place(self.export, self.scope)}, {self.restore}, {why}"

    @property
    def brief(self) -> str:
        """The same for every partition of an export in this state, with what to type for all of them."""
        if self.by_hand:
            why = f"what was sent to {self.export} since cannot be compared"
            if self.finding is not None and self.finding.said != UNREADABLE:
                why = f"{self.finding.said}; what was appended since must not come twice"
            return (
                f"{self.restore}: {why}; look at its destination, then"
                f" `sluice delivery reconcile {self.export} --looked-at --reason …`"
            )
        if self.finding is not None:
            return f"{self.said}; {self.fix}"
        return f"{self.restore}, and not looked at since: `sluice delivery reconcile --restored`"

    @property
    def error(self) -> NotReconciled:
        """The same as an error."""
        return NotReconciled(
            f"{self.said}; nothing was sent",
            "a destination that was looked at since the restore",
            self.fix,
        )


@dataclass(frozen=True)
class Ways:
    """What helps an export after a restore: `looks` can compare it, a `resync` sets it right."""

    looks: bool
    resync: bool

    @classmethod
    def of(cls, capabilities: Capabilities, mode: Mode) -> "Ways":
        """Return those of a kind of destination in a mode."""
        return cls(capabilities.read_back, capabilities.read_back and mode is not Mode.APPEND)


def waiting(
    store: StateStore, export: str, scope: str, bounds: tuple[str, str] | None, ways: Ways
) -> Waiting | None:
    """Return what keeps a scope from being sent to since a restore; None where nothing does.

    `bounds` are those of a partition of time.
    """
    restore = store.restores.newest()
    findings = store.restores.findings(restore, export) if restore is not None else {}
    return kept_back(restore, findings, export, scope, bounds, ways)


def kept_back(
    restore: Restore | None,
    findings: Mapping[str, Finding],
    export: str,
    scope: str,
    bounds: tuple[str, str] | None,
    ways: Ways,
) -> Waiting | None:
    """Return the same by what is on record: the newest restore, and what was found of the export since."""
    if restore is None or _begins_later(bounds, restore):
        return None
    every, own = findings.get(EVERY_SCOPE), findings.get(scope)
    if (every is not None and every.settled) or (own is not None and own.settled):
        return None
    by_hand = not ways.looks or (own is not None and (own.said == UNREADABLE or not ways.resync))
    return Waiting(restore, export, scope, by_hand, own)


def require_reconciled(store: StateStore, order: Order, capabilities: Capabilities) -> Order:
    """Return the order as it may be sent.

    After a restore its plans have ids of their own: the destination may know those that were made of the same
    data after the backup, and take the new ones for them. What is appended keeps them, for that very reason.

    Raises:
        NotReconciled: the scope was restored and not looked at since; or it differs, and it is no resync.
    """
    restore = store.restores.newest()
    if restore is None:
        return order
    ways, findings = Ways.of(capabilities, order.mode), store.restores.findings(restore, order.export)
    found = kept_back(restore, findings, order.export, order.scope, order.bounds, ways)
    if found is not None and (
        found.by_hand or found.finding is None or order.kind is not DeliveryKind.RESYNC
    ):
        raise found.error
    return replace(order, since=restore.told_apart) if ways.resync else order


def settle(store: StateStore, order: Order, said: str, by: str = "") -> None:
    """Put on record that a scope may be sent to again."""
    note(store, order.export, order.scope, said, by, settled=True)


def note(store: StateStore, export: str, scope: str, said: str, by: str = "", *, settled: bool) -> None:
    """Put on record what was found of a scope since the last restore; does nothing where there was none.

    What was settled stays so: whatever differs later, it is not the restore's doing.
    """
    restore = store.restores.newest()
    if restore is None:
        return
    known = store.restores.findings(restore, export).get(scope)
    if known is None or not known.settled:
        store.restores.found(Finding(restore.id, export, scope, settled, said, by))


def _begins_later(bounds: tuple[str, str] | None, restore: Restore) -> bool:
    if bounds is None:
        return False
    begins = datetime.fromisoformat(bounds[0])
    return (begins if begins.tzinfo else begins.replace(tzinfo=UTC)) > restore.restored_at
