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

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_SAID = {
    "BlobImmutableDueToPolicy": "This operation is not permitted as the blob is immutable due to a policy.",
    "BlobImmutableDueToLegalHold": "This operation is not permitted as the blob is immutable due to one or "
    "more legal holds.",
}
_HOP = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding", "content-encoding"})


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
        self._base = f"{place.scheme}://{place.netloc}"
        self.app = Starlette(
            routes=[Route("/{path:path}", self._forward, methods=["GET", "HEAD", "PUT", "DELETE", "POST"])]
        )

    async def _forward(self, request: Request) -> Response:
        path, comp = request.url.path, request.query_params.get("comp", "")
        changes = request.method == "DELETE" or (request.method == "PUT" and comp != "block")
        if self.code and changes and path in self.blobs:
            body = (
                f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{self.code}</Code>'
                f"<Message>{_SAID[self.code]}</Message></Error>"
            )
            headers = {"x-ms-error-code": self.code, "x-ms-version": "2025-01-05"}
            return Response(body, 409, headers, media_type="application/xml")
        query = request.scope["query_string"].decode()
        raw = request.scope["raw_path"].decode()
        headers = {name: value for name, value in request.headers.items() if name != "host"}
        async with httpx.AsyncClient() as client:
            answer = await client.request(
                request.method,
                f"{self._base}{raw}?{query}" if query else f"{self._base}{raw}",
                headers=headers,
                content=await request.body(),
                timeout=60,
            )
        if changes and answer.is_success:
            (self.blobs.discard if request.method == "DELETE" else self.blobs.add)(path)
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP}
        if request.method == "HEAD" and "content-length" in answer.headers:
            kept["content-length"] = answer.headers["content-length"]
        return Response(answer.content, answer.status_code, kept)
