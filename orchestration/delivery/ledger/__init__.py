"""What each scope of a destination holds by our records, what a delivery to it changes, and how that ends.

All of it is behind `Ledger`; the rest of these names are what it is asked and what it answers. The modules
are the package's own: nothing outside imports one. Does not belong here: export files, the gate, the
warehouse, talking to a destination.
"""

from orchestration.delivery.ledger.difference import limits_past
from orchestration.delivery.ledger.forgotten import (
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
from orchestration.delivery.ledger.identity import MadeBy
from orchestration.delivery.ledger.journal import SendingElsewhere, under_lease
from orchestration.delivery.ledger.keys import Alikes, KeyForm, told_as_sent
from orchestration.delivery.ledger.ledger import Ledger
from orchestration.delivery.ledger.limits import Between, Limits
from orchestration.delivery.ledger.look import Look
from orchestration.delivery.ledger.order import (
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
from orchestration.delivery.ledger.reading import Held
from orchestration.delivery.ledger.shards import Found, Shards, values_before, values_sent

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
