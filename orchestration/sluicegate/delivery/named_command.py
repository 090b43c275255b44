"""The command that delivers a partition again, in the words of an error that asks for just that.

A destination knows an export and a partition, and no model: it says `rerun the partition`. Belongs here:
naming the command behind it. Does not belong here: what else an error says.
"""

import re
from collections.abc import Generator
from contextlib import contextmanager

from sluicegate.delivery.ledger import Order
from sluicegate.destinations.base import DeliveryError
from sluicegate.state.records import DeliveryKind

_ASKS = re.compile(r"\b(re)?run\b")
_TYPED = "`sluice "


@contextmanager
def naming_the_command(order: Order) -> Generator[None]:
    """Name the command in errors that ask for an order's delivery again, and name none."""
    try:
        yield
    except DeliveryError as error:
        error.reword(fix=fix_with_command(error.fix, order))
        raise


def fix_with_command(fix: str, order: Order) -> str:
    """Return a fix with the command to type behind it, if it asks to run something and does not say how."""
    if not _ASKS.search(fix) or _TYPED in fix:
        return fix
    everything = order.kind is DeliveryKind.RESYNC
    return f"{fix}; that is {order.resync if everything else order.again(order.partition_key)}"
