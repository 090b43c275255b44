"""A container under an immutability policy: a real Azurite, behind what such a policy refuses.

Belongs here: what Azure answers under a policy or a legal hold, which Azurite does not know. Does not:
anything else of storage, which Azurite answers.

Sources, as published in 2026: "Store business-critical blob data with immutable storage in a write once, read
many (WORM) state" (https://learn.microsoft.com/azure/storage/blobs/immutable-storage-overview): at the level
of a container blobs may be made and read, and neither changed nor deleted. "Blob service error codes"
(https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes): 409
BlobImmutableDueToPolicy, 409 BlobImmutableDueToLegalHold.
"""

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from .forwarding import forwarding

_SAID = {
    "BlobImmutableDueToPolicy": "This operation is not permitted as the blob is immutable due to a policy.",
    "BlobImmutableDueToLegalHold": "This operation is not permitted as the blob is immutable due to one or "
    "more legal holds.",
}


class ImmutableBlobs:
    """Blobs that were made through it stay as they are, as long as `code` is not empty.

    Attributes:
        code: what is answered to a change or a deletion.
        blobs: the paths of the blobs that there are.
    """

    def __init__(self, azurite: str, code: str = "") -> None:
        self.code = code
        self.blobs: set[str] = set()
        place = urlsplit(azurite)
        self.app = forwarding(f"{place.scheme}://{place.netloc}", self._refused, self._taken)

    def _refused(self, request: Request) -> Response | None:
        if not self.code or not _changes(request) or request.url.path not in self.blobs:
            return None
        body = (
            f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{self.code}</Code>'
            f"<Message>{_SAID[self.code]}</Message></Error>"
        )
        headers = {"x-ms-error-code": self.code, "x-ms-version": "2025-01-05"}
        return Response(body, 409, headers, media_type="application/xml")

    def _taken(self, request: Request) -> None:
        if _changes(request):
            change = self.blobs.discard if request.method == "DELETE" else self.blobs.add
            change(request.url.path)


def _changes(request: Request) -> bool:
    staged = request.query_params.get("comp") == "block"
    return request.method == "DELETE" or (request.method == "PUT" and not staged)
