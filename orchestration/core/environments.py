"""What kind of deployment this is: what may be sent from it, and which connections it has.

Belongs here: the words. Does not belong here: which one a data directory is (`state.identity`).
"""

import hashlib
from enum import StrEnum


class Environment(StrEnum):
    """The kind of a deployment.

    `local`: a demo or a test; it connects to this machine alone. `scratch`: a person's own, which vanishes;
    it has no connections, and what would be delivered goes to a folder. `work`: shared, with connections of
    its own, never to a place of production's. `production`: what others rely on.
    """

    LOCAL = "local"
    SCRATCH = "scratch"
    WORK = "work"
    PRODUCTION = "production"


def place_digest(place: str) -> str:
    """Return a digest of a place that is written to, by which it is known again and not found.

    `place` is in the one spelling of its kind of destination (`canonical_object`).
    """
    return hashlib.sha256(place.encode()).hexdigest()
