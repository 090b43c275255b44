"""Maintenance: while somebody takes a copy of one moment, new work waits, and what is under way ends.

It is a lease of its own name. Who begins to send takes the lease of its object first, and then asks for this
one; who takes this one asks for the objects' afterwards. So one of the two sees the other, whoever was first.
Steps that write the warehouse need nothing of it: the file itself keeps them out, and they only wait longer.

Belongs here: asking for it, and waiting. Does not belong here: what is done meanwhile (`operations.backup`).
"""

import threading
from collections.abc import Callable

from sluicegate.state.leases import Leases

MAINTENANCE = "maintenance"
_LOOK_AGAIN_SECONDS = 0.2


def under_maintenance(leases: Leases) -> str:
    """Return who has the deployment under maintenance; "" where nobody has."""
    standing = leases.standing(MAINTENANCE)
    return "" if standing is None or standing.is_free else str(standing.holder)


def wait_for_its_end(leases: Leases, waiting: Callable[[str], None]) -> None:
    """Wait until nobody has the deployment under maintenance; `waiting` is told once who has."""
    pause, told = threading.Event(), False
    while holder := under_maintenance(leases):
        if not told:
            waiting(f"waiting for {holder}, which takes a backup")
            told = True
        pause.wait(_LOOK_AGAIN_SECONDS)  # a database offers nothing to wait on
