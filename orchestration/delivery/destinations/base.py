"""What every destination promises: the shard it is given, the receipt it returns, the interface.

Belongs here: the vocabulary that the delivery engine and the destinations share.
Does not: anything of one destination, any heavy import (this module is read whenever the graph
is loaded), any knowledge of exports, plans or settings.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote, unquote_plus

_NO_DETAILS: Mapping[str, str | int | float] = {}
_SECRET_WORDS = ("password", "passwd", "secret", "token", "key", "credential")


@dataclass(frozen=True, slots=True)
class Shard:
    """One partition of one export, frozen in a Parquet file.

    `bounds` are those of a partition that is a span of time, half-open, ISO 8601 in UTC: every value of
    `partition_column` lies between them. Without them every value is the partition key.
    """

    export: str
    partition_key: str
    delivery_id: str
    path: Path
    rows: int
    key: tuple[str, ...]
    partition_column: str
    digest: str
    bounds: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the destination holds once `deliver` has returned."""

    rows: int
    location: str
    already_delivered: bool
    details: Mapping[str, str | int | float] = field(default_factory=lambda: _NO_DETAILS)


class DeliveryError(Exception):
    """Says what is wrong, what was expected and how to mend it; never holds a secret or a row."""

    def __init__(self, what: str, expected: str, mend: str) -> None:
        # All three are passed on, so that the error survives pickling between processes.
        super().__init__(what, expected, mend)
        self.what = what
        self.expected = expected
        self.mend = mend

    def __str__(self) -> str:
        return f"{self.what}\n  expected: {self.expected}\n  mend: {self.mend}"


class Destination(ABC):
    """One object (a table, a folder) in one place, which shards are delivered to."""

    type_name: ClassVar[str]
    guarantee: ClassVar[str]
    kinds: ClassVar[frozenset[str]]

    def __init__(self, url: str, object_name: str) -> None:
        self._url = url
        self._object_name = object_name

    @classmethod
    @abstractmethod
    def canonical_name(cls, object_name: str) -> str:
        """One spelling for one object of a given connection; needs no URL."""

    @abstractmethod
    def canonical_object(self) -> str:
        """One spelling for one object in one place; holds no secret."""

    @abstractmethod
    def deliver(self, shard: Shard) -> Receipt:
        """Make the partition's slice equal to the shard, as `guarantee` says; else DeliveryError.

        The same delivery id again changes nothing. A new attempt to send is a new id.
        """

    def __repr__(self) -> str:
        # The default of a subclass would tempt somebody to show the URL, password and all.
        return f"{type(self).__name__}({self._object_name!r})"


def secrets_in(url: str) -> list[str]:
    """The secrets of a URL, as written and as meant; longest first."""
    found: set[str] = set()
    # By hand: a password with an unescaped character is read wrongly by urllib.
    credentials, at, _ = url.partition("://")[2].rpartition("@")
    if at:
        found.add(credentials.partition(":")[2])
    for pair in url.partition("?")[2].split("&"):
        name, _, value = pair.partition("=")
        if name.lower() == "sig" or any(word in name.lower() for word in _SECRET_WORDS):
            found.update((value, unquote_plus(value)))
    found.update([unquote(secret) for secret in found])
    return sorted((secret for secret in found if secret), key=len, reverse=True)


def redact(text: str, url: str) -> str:
    """The text without any secret of the URL."""
    for secret in secrets_in(url):
        text = text.replace(secret, "***")
    return text
