"""What each scope of a destination holds by our records, what a delivery to it changes, and how that ends.

All of it is behind `Ledger`; the rest of these names are what it is asked and what it answers. The modules
are the package's own: nothing outside imports one. Does not belong here: export files, the gate, the
warehouse, talking to a destination.
"""

from sluicegate.delivery.ledger.difference import limits_past
from sluicegate.delivery.ledger.forgotten import (
    BEFORE,
    Key,
    Row,
    Values,
    digest_of,
    digests_of,
    is_forgotten,
    names_in,
    of_a_person,
)
from sluicegate.delivery.ledger.identity import MadeBy
from sluicegate.delivery.ledger.journal import SendingElsewhere, under_lease
from sluicegate.delivery.ledger.keys import Alikes, KeyForm, told_as_sent
from sluicegate.delivery.ledger.ledger import Ledger
from sluicegate.delivery.ledger.limits import Between, Limits
from sluicegate.delivery.ledger.look import Look
from sluicegate.delivery.ledger.order import (
    NO_MAPS,
    NO_NAMES,
    DeliveryHeld,
    DeliveryRejected,
    Maps,
    Names,
    Opened,
    Order,
    Outcome,
    Plan,
)
from sluicegate.delivery.ledger.reading import Held
from sluicegate.delivery.ledger.shards import Found, Shards, values_before, values_sent

__all__ = [
    "BEFORE",
    "NO_MAPS",
    "NO_NAMES",
    "Alikes",
    "Between",
    "DeliveryHeld",
    "DeliveryRejected",
    "Found",
    "Held",
    "Key",
    "KeyForm",
    "Ledger",
    "Limits",
    "Look",
    "MadeBy",
    "Maps",
    "Names",
    "Opened",
    "Order",
    "Outcome",
    "Plan",
    "Row",
    "SendingElsewhere",
    "Shards",
    "Values",
    "digest_of",
    "digests_of",
    "is_forgotten",
    "limits_past",
    "names_in",
    "of_a_person",
    "told_as_sent",
    "under_lease",
    "values_before",
    "values_sent",
]
