"""Files of S3 and what speaks its protocol, through s3fs."""

import itertools
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, cast

from sluicegate.areas.access import Place, StorageAccess
from sluicegate.areas.files import Entry, StrangeAnswerError
from sluicegate.areas.objects import CONCURRENT_PARTS, ObjectFiles

_TRIES = 5
_REMOVED_TOGETHER = 1000
_ANOTHER_TRY = "ConditionalRequestConflict"  # somebody else was writing the object at that moment
# The object is another, was there, or has gone.
_CONDITION_FAILED = ("PreconditionFailed", "412", "NoSuchKey")


class S3Files(ObjectFiles):
    """The objects of one bucket whose names begin with `root`."""

    page_size = 1000

    def objects(self, prefix: str) -> Iterator[Entry]:
        """Yield the objects whose name begins with `prefix`."""
        where: dict[str, Any] = {"Bucket": self.container, "Prefix": prefix, "MaxKeys": self.page_size}
        while True:
            try:
                page = cast("dict[str, Any]", self.filesystem.call_s3("list_objects_v2", **where))
            except FileNotFoundError as error:
                raise FileNotFoundError(
                    f"no bucket `{self.container}`; expected one that exists; make it or correct the URL"
                ) from error
            for found in page.get("Contents", ()):
                modified = cast("datetime", found["LastModified"]).astimezone(UTC)
                # The ETag is made of the content: the same content, put again, is told by its time (seconds).
                yield Entry(
                    found["Key"], int(found["Size"]), modified, f"{found['ETag']}-{modified.isoformat()}"
                )
            if not page.get("IsTruncated"):
                return
            where["ContinuationToken"] = page["NextContinuationToken"]

    def put(self, path: str, content: bytes, *, create: bool) -> None:
        """Write an object in one request; S3 may ask for another try."""
        for tries_left in reversed(range(_TRIES)):
            try:
                mode = "create" if create else "overwrite"
                _stored(self.filesystem.pipe_file(self._at(path), content, mode=mode))
            except OSError as error:
                if not (create and tries_left and error_code(error) == _ANOTHER_TRY):
                    raise
            else:
                return

    def version(self, path: str) -> str | None:
        """Return an object's ETag, None if there is no such object."""
        with suppress(FileNotFoundError):
            where = {"Bucket": self.container, "Key": self.name_of(path)}
            return str(self.filesystem.call_s3("head_object", **where)["ETag"])
        return None

    def swap(self, path: str, content: bytes, version: str | None) -> bool:
        """Write an object in one request that carries the condition; return whether it held."""
        where = {"Bucket": self.container, "Key": self.name_of(path), "Body": content}
        condition = {"IfNoneMatch": "*"} if version is None else {"IfMatch": version}
        for tries_left in reversed(range(_TRIES)):
            try:
                _stored(self.filesystem.call_s3("put_object", **where, **condition))
            except OSError as error:
                if isinstance(error, FileExistsError) or error_code(error) in _CONDITION_FAILED:
                    return False
                if not (tries_left and error_code(error) == _ANOTHER_TRY):
                    raise
            else:
                return True
        return False

    def put_parts(self, path: str, parts: Iterator[bytes], *, create: bool) -> None:
        """Write a large object as an upload in parts.

        What a killed process has uploaded is nowhere seen; a rule of the bucket's life cycle clears it.
        """
        call: Any = self.filesystem.call_s3
        where = {"Bucket": self.container, "Key": self.name_of(path)}
        upload = {**where, "UploadId": call("create_multipart_upload", **where)["UploadId"]}

        def send(numbered: tuple[int, bytes]) -> dict[str, Any]:
            number, part = numbered
            sent = call("upload_part", PartNumber=number, Body=part, **upload)
            return {"PartNumber": number, "ETag": _stored(sent)}

        sent: list[dict[str, Any]] = []
        numbered = enumerate(parts, start=1)
        try:
            with ThreadPoolExecutor(CONCURRENT_PARTS) as pool:
                while batch := list(itertools.islice(numbered, CONCURRENT_PARTS)):
                    sent += pool.map(send, batch)
            condition = {"IfNoneMatch": "*"} if create else {}
            _stored(call("complete_multipart_upload", MultipartUpload={"Parts": sent}, **upload, **condition))
        except BaseException:
            call("abort_multipart_upload", **upload)
            raise

    def remove_all(self, paths: Iterable[str]) -> None:
        """Remove objects, those that are there, 1,000 in one request."""
        names = iter(dict.fromkeys(self.name_of(path) for path in paths))
        while batch := list(itertools.islice(names, _REMOVED_TOGETHER)):
            which = {"Objects": [{"Key": name} for name in batch], "Quiet": True}
            answer: dict[str, Any] = self.filesystem.call_s3(
                "delete_objects", Bucket=self.container, Delete=which
            )
            for failed in answer.get("Errors", ()):
                raise OSError(
                    f"object {failed['Key']} of bucket {self.container} was not removed: {failed['Code']}"
                )


def _stored(answer: Any) -> str:
    """The ETag of what was written; a proxy's page has none, under whatever status."""
    etag = answer.get("ETag") if isinstance(answer, dict) else None
    if not etag:
        raise StrangeAnswerError("the answer to a write has no ETag, as all of S3's have")
    return str(etag)


def error_code(error: OSError) -> str:
    """Return S3's own code of an error, "" if it has none."""
    response = cast("dict[str, Any]", getattr(error.__cause__, "response", None) or {})
    return str(response.get("Error", {}).get("Code", ""))


def s3_files(place: Place, access: StorageAccess) -> S3Files:
    """Return the files of an area in S3; without credentials those of the standard `AWS_*` environment."""
    from s3fs import S3FileSystem

    options: dict[str, Any] = {"use_listings_cache": False}
    if access.s3_endpoint_url:
        options |= {
            "endpoint_url": access.s3_endpoint_url,
            "config_kwargs": {"s3": {"addressing_style": "path"}},
        }
    if access.s3_key is not None and access.s3_secret is not None:
        options |= {"key": access.s3_key.get_secret_value(), "secret": access.s3_secret.get_secret_value()}
    if access.s3_region:
        options["client_kwargs"] = {"region_name": access.s3_region}
    if access.s3_encryption:
        # s3fs adds them to the requests that know them: a put, and the beginning of an upload in parts.
        said = {"ServerSideEncryption": access.s3_encryption, "SSEKMSKeyId": access.s3_kms_key}
        options["s3_additional_kwargs"] = {name: value for name, value in said.items() if value}
    return S3Files(S3FileSystem(**options), place.container, place.root)
