"""Any address that takes signed JSON, as "Standard Webhooks" says; the notice's id is the message's."""

import json

from sluicegate.destinations.errors import DeliveryError
from sluicegate.destinations.signing import SignedAddress
from sluicegate.incidents.channels.base import Channel, ChannelRefused
from sluicegate.incidents.channels.posting import Poster
from sluicegate.incidents.channels.text import as_data
from sluicegate.incidents.trouble import Notice


class WebhookChannel(Channel):
    """One address; the connection's URL is that of the webhook destination, the path and query its own."""

    def __init__(self, url: str, variable: str) -> None:
        self._address = SignedAddress(url)
        try:
            _ = self._address.keys
        except DeliveryError as error:
            raise ChannelRefused(error.what, f"set {variable} to {error.expected}") from None
        self._poster = Poster(url, variable)

    def send(self, notice: Notice) -> str:
        """Post the whole notice; a receiver that has taken this id before answers 2xx, and does nothing."""
        body = {
            "type": f"sluice.incident.{notice.action}",
            "timestamp": notice.at.isoformat(),
            "data": as_data(notice),
        }
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        target = self._address.target(f"/{self._address.path}")
        self._poster.post(target, content, self._address.headers(notice.id, content))
        return notice.id
