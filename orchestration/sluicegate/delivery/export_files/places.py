"""Who writes where: no two exports to one object, nor one into another's folder.

Belongs here: comparing places. Does not belong here: how a place is spelt; its kind of destination knows.
"""

from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

Owner = TypeVar("Owner")


class Places(Generic[Owner]):
    """Places that are taken; a place is what tells where an object is, with its one spelling last."""

    def __init__(self) -> None:
        self._taken: dict[tuple[str, ...], Owner] = {}
        self._folders: dict[tuple[str, ...], Owner] = {}

    def claim(self, place: Sequence[str], owner: Owner) -> Owner | None:
        """Take a place; return whose it is, lies in or holds already, if anybody's."""
        (*where, name) = place
        above = [(*where, folder) for folder in folders_of(name)]
        whole = (*where, name)
        other = next((self._taken[part] for part in (*above, whole) if part in self._taken), None)
        other = other or self._folders.get(whole)
        self._taken.setdefault(whole, owner)
        for folder in above:
            self._folders.setdefault(folder, owner)
        return other


def folders_of(name: str) -> Iterator[str]:
    """Yield the folders that an object lies in, outermost first."""
    end = name.find("/")
    while end != -1:
        yield name[:end]
        end = name.find("/", end + 1)
