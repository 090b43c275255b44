"""What every channel does, and how it fails.

Belongs here: the interface. Does not belong here: a vendor's ways.
"""

from abc import ABC, abstractmethod

from sluicegate.incidents.channels.text import printable
from sluicegate.incidents.trouble import Notice

# For one message, whatever the vendor does meanwhile.
LONGEST_SECONDS = 30.0
# A vendor that says nothing for so long is not there.
SILENCE_SECONDS = 10.0


class ChannelBusy(Exception):
    """Not now: the vendor is down, slow, or wants to be left alone; the same notice is sent again later.

    `retry_after` are the seconds that it asks to wait, a day at most; None if it does not say. The notice
    may have arrived all the same.
    """

    def __init__(self, what: str, retry_after: float | None = None) -> None:
        super().__init__(what, retry_after)
        self.what = printable(what)  # a vendor's words
        self.retry_after = retry_after

    def __str__(self) -> str:
        return self.what


class ChannelRefused(Exception):
    """Not like this, however often it is tried; `fix` is what a person does. Neither holds a secret."""

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(what, fix)
        self.what = printable(what)
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.what}; {self.fix}"


class Channel(ABC):
    """One place where somebody is told."""

    @abstractmethod
    def send(self, notice: Notice) -> str:
        """Tell a notice; return the vendor's id for it, "" if it gives none.

        Raises:
            ChannelBusy: not now.
            ChannelRefused: never like this.
        """

    def __repr__(self) -> str:
        # The default of a subclass would tempt somebody to show the URL, secret and all.
        return f"{type(self).__name__}()"
