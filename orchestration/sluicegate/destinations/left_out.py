"""Which rows of a delivery are left out, as they were refused before anything was sent; kept in its journal.

They stay what they are whatever happens, so that rows are cut into the same requests after a crash. Belongs
here: the note. Does not: which rows those are (`exact_values`), the shard without them (`delivery.sendable`).
"""

import json
from collections.abc import Iterable, Mapping

NOTE = "left_out"


def as_note(rows: Iterable[int]) -> str:
    """Return what the journal keeps under `NOTE`."""
    return json.dumps(sorted(rows))


def left_out(kept: Mapping[str, str]) -> frozenset[int]:
    """Return the numbers of the rows, by what a journal has kept."""
    return frozenset(json.loads(kept.get(NOTE, "[]")))
