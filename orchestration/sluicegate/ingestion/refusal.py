"""A drop that breaks its contract as a whole."""

from collections.abc import Sequence


class DropRefused(Exception):
    """A drop breaks its contract; `rules` says which ones and where, one line each."""

    def __init__(self, file: str, rules: Sequence[str]) -> None:
        self.file = file
        self.rules = tuple(rules)
        super().__init__(f"{file} refused: " + "; ".join(rules))


class NotTheDrop(DropRefused):
    """What there is to read is not what was recorded as the drop; the contract says nothing of it."""
