"""The decision table of each destination, by its type.

Belongs here: nothing but the list. Does not: lines (a destination's own module has them).
"""

from collections.abc import Mapping, Sequence

from .adx.cluster import DECISIONS as ADX
from .answers import Line
from .blob.answers import DECISIONS as BLOB
from .braze.client import DECISIONS as BRAZE
from .hubspot.forms import DECISIONS as HUBSPOT
from .postgres.errors import DECISIONS as POSTGRES
from .salesforce.forms import DECISIONS as SALESFORCE
from .webhook import DECISIONS as WEBHOOK

decisions: Mapping[str, Sequence[Line]] = {
    "adx": ADX,
    "blob": BLOB,
    "braze": BRAZE,
    "braze_events": BRAZE,
    "hubspot": HUBSPOT,
    "postgres": POSTGRES,
    "salesforce": SALESFORCE,
    "webhook": WEBHOOK,
}
