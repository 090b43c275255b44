"""JSON posted by the HTTP client that destinations have; what its answers mean for a channel.

Belongs here: one request, within its time. Does not belong here: what is posted.
"""

from collections.abc import Collection, Mapping
from functools import cached_property

from sluicegate.destinations.answers import Answer
from sluicegate.destinations.errors import DeliveryError, UnexpectedAnswer
from sluicegate.destinations.http import VendorClient
from sluicegate.destinations.said_no import TryAgain
from sluicegate.incidents.channels.base import (
    LONGEST_SECONDS,
    SILENCE_SECONDS,
    ChannelBusy,
    ChannelRefused,
)

_MOST_BYTES = 100_000


class Poster:
    """Posts to the host of a connection's URL, whose secrets are shown nowhere.

    Args:
        url: the connection's.
        variable: where it is set, to be named in a fix.
        secrets: more texts that are shown nowhere.
    """

    def __init__(self, url: str, variable: str, secrets: Collection[str] = ()) -> None:
        self._url, self._variable, self._secrets = url, variable, secrets

    def post(self, path: str, content: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        """Return the answer to a request, of status 2xx.

        Raises:
            ChannelBusy: 408, 429, 5xx, no answer in time, no connection.
            ChannelRefused: any other answer.
        """
        try:
            answer = self._client.request(
                "POST", path, content=content, headers=headers, timeout=SILENCE_SECONDS,
                most_bytes=_MOST_BYTES,
            )  # fmt: skip
        except TryAgain as error:
            raise ChannelBusy(error.said, error.after) from None
        except UnexpectedAnswer as error:  # its fix is that of a delivery
            raise ChannelRefused(error.what, f"correct the URL in {self._variable}") from None
        except DeliveryError as error:
            raise ChannelRefused(error.what, f"{error.fix} ({self._variable})") from None
        if answer.status_code >= 300:
            said = f"{answer.host} answers HTTP {answer.status_code} {self._client.shown(answer.text)}"
            raise ChannelRefused(said.rstrip(), f"correct the URL in {self._variable}")
        return answer

    @cached_property
    def _client(self) -> VendorClient:
        return VendorClient(
            self._url,
            headers={"content-type": "application/json"},
            secrets=self._secrets,
            connections=1,
            left=lambda: LONGEST_SECONDS,
        )
