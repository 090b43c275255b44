"""Signed requests to an address that a connection names: "Standard Webhooks".

Belongs here: the secrets in a connection's URL, what is posted to, and the headers that prove who sent it.
Does not: what is sent, and what answers mean.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hmac
import time
from functools import cached_property
from urllib.parse import unquote

from .errors import DeliveryError

_SECRET_PREFIX = "whsec_"  # noqa: S105 - how "Standard Webhooks" marks a secret that is base64
# In the query of the connection's URL; such a name is a secret to `secrets_in`, and is shown nowhere.
_PREVIOUS = "previous_secret"


class SignedAddress:
    """Where to post, and how it is signed: `webhook://:SECRET@host/path?previous_secret=…`.

    While a secret is rotated requests are signed with the new and the old one.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._address, _, query = url.partition("://")[2].partition("?")
        self._pairs = query.split("&")

    @property
    def path(self) -> str:
        """The URL's path, without slashes at its ends."""
        return self._address.rpartition("@")[2].partition("/")[2].strip("/")

    def target(self, path: str) -> str:
        """Return what a request asks for: a path, and what the URL's query says beside secrets."""
        query = "&".join(pair for pair in self._pairs if pair.partition("=")[0] != _PREVIOUS)
        return f"{path}?{query}" if query else path

    @cached_property
    def keys(self) -> list[bytes]:
        """The bytes that sign: those of the URL's password, then those of the secrets before it.

        Raises:
            DeliveryError: a secret lacks, or is no base64.
        """
        pairs = [pair.partition("=") for pair in self._pairs]
        secrets = [self._address.rpartition("@")[0].partition(":")[2]]
        secrets += [value for name, _, value in pairs if name == _PREVIOUS]
        keys = [_key(unquote(secret)) for secret in secrets]
        if not all(keys):
            raise DeliveryError(
                "SLU-V001",
                "the connection's URL has no secret to sign with",
                "webhook://:SECRET@host/path, where SECRET is text, or base64 after whsec_; while it is"
                f" rotated ?{_PREVIOUS}=OLD_SECRET as well",
                "set the connection's variable to such a URL; the receiver verifies with the same secret",
            )
        return list(dict.fromkeys(keys))

    def headers(self, name: str, content: bytes) -> dict[str, str]:
        """Return what goes with a message of this name and content, sent now; the same name at each try."""
        moment = str(int(time.time()))
        return {
            # A structured field of type string, so in quotes.
            "idempotency-key": f'"{name}"',
            "webhook-id": name,
            "webhook-timestamp": moment,
            "webhook-signature": " ".join(signature(key, name, moment, content) for key in self.keys),
        }


def signature(key: bytes, name: str, moment: str, content: bytes) -> str:
    """What "Standard Webhooks" has in `webhook-signature` for a message of this name, moment and content."""
    signed = f"{name}.{moment}.".encode() + content
    return f"v1,{base64.b64encode(hmac.digest(key, signed, 'sha256')).decode()}"


def _key(secret: str) -> bytes:
    """The bytes of a secret: base64 after `whsec_`, otherwise its UTF-8; none of what is no base64."""
    if not secret.startswith(_SECRET_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True)
    except binascii.Error:
        return b""
