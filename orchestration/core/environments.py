"""What kind of deployment this is: what may be sent from it, and which connections it has.

Belongs here: the words. Does not belong here: which one a data directory is (`state.identity`).
"""

import json
from enum import StrEnum
from pathlib import Path

# In a data directory that was made from what production publishes: what it was made from.
MADE_FROM = "environment.json"


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


def made_from(data_dir: Path) -> str | None:
    """Return the URL of the shelf that a data directory shows; None where it shows none."""
    try:
        return str(json.loads((data_dir / MADE_FROM).read_text())["shelf"])
    except FileNotFoundError:
        return None
