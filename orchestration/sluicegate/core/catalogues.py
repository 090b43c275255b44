"""Where a shelf's catalogues lie, and which is the newest: for publishing, and for who must keep away.

Belongs here: their files. Does not belong here: what one says (`publishing.catalogue`), writing one.
"""

import json
import re
from typing import Any

from sluicegate.areas import Area

_FOLDER = "catalogues"
_FILE = re.compile(r"(\d{12})\.json")


def path_of(name: str) -> str:
    """Return the path of a catalogue's file in the area of its shelf."""
    return f"{_FOLDER}/{name}.json"


def names_in(area: Area) -> list[str]:
    """Return the names of all catalogues, oldest first; other files are none."""
    found = (_FILE.fullmatch(entry.path.rpartition("/")[2]) for entry in area.listing(f"{_FOLDER}/*"))
    return sorted(name[1] for name in found if name)


def said_by(area: Area, name: str) -> Any:
    """Return what a catalogue's file holds, as JSON has it.

    Raises:
        KeyError: there is none of this name.
    """
    content = area.read(path_of(name))
    if content is None:
        raise KeyError(name)
    return json.loads(content)
