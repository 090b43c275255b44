"""A bucket whose policy wants objects to be put with certain encryption: moto's S3, behind what that refuses.

Belongs here: what S3 answers under such a policy, which moto does not judge by. Does not: anything else of
S3, which moto answers.

Source, as published in 2026: "Using server-side encryption with AWS KMS keys (SSE-KMS)", "Requiring SSE-KMS"
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html): a policy denies s3:PutObject
without the headers `x-amz-server-side-encryption` and `…-aws-kms-key-id`; that of an upload in parts is
judged where it is begun. 403 AccessDenied.
"""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from .forwarding import forwarding

_HEADERS = {"sse": "x-amz-server-side-encryption", "kms_key": "x-amz-server-side-encryption-aws-kms-key-id"}


class EncryptedBucket:
    """Objects are put with what `wanted` says, or not at all; `wanted` has `sse` and may have `kms_key`."""

    def __init__(self, s3: str, wanted: Mapping[str, str]) -> None:
        self._wanted = {_HEADERS[name]: value for name, value in wanted.items()}
        self.app = forwarding(s3, self._refused, lambda _: None)

    def _refused(self, request: Request) -> Response | None:
        named = request.url.path.strip("/").count("/") > 0
        puts = request.method == "PUT" and "partNumber" not in request.query_params
        begins = request.method == "POST" and "uploads" in request.query_params
        as_wanted = all(request.headers.get(name) == value for name, value in self._wanted.items())
        if not named or not (puts or begins) or as_wanted:
            return None
        body = (
            '<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code>'
            "<Message>User is not authorized to perform: s3:PutObject with an explicit deny in a "
            "resource-based policy</Message></Error>"
        )
        return Response(body, 403, media_type="application/xml")
