"""Files of Azure Blob storage, through adlfs."""

import asyncio
import itertools
import uuid
from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from sluicegate.areas.access import Place, StorageAccess, StorageUrlError
from sluicegate.areas.files import Entry, ImmutableFileError
from sluicegate.areas.objects import CONCURRENT_PARTS, ObjectFiles

T = TypeVar("T")
_REMOVED_TOGETHER = 32
# "Blob service error codes": both are HTTP 409, as is a blob that exists already, and the client has one
# exception for all of them.
_IMMUTABLE = frozenset({"BlobImmutableDueToPolicy", "BlobImmutableDueToLegalHold"})


class AzureFiles(ObjectFiles):
    """The blobs of one container whose names begin with `root`."""

    page_size = 5000

    def objects(self, prefix: str) -> Iterator[Entry]:
        """Yield the blobs whose name begins with `prefix`."""
        from azure.core.exceptions import ResourceNotFoundError

        client = self.filesystem.service_client.get_container_client(self.container)
        pages: Any = client.list_blobs(name_starts_with=prefix, results_per_page=self.page_size).by_page()

        async def page() -> list[Any] | None:
            async for blobs in pages:
                return [blob async for blob in blobs]
            return None

        try:
            while (blobs := self._run(page)) is not None:
                for blob in blobs:
                    # With a hierarchical namespace folders are listed as blobs of no bytes.
                    if (blob.metadata or {}).get("hdi_isfolder") != "true":
                        yield Entry(blob.name, int(blob.size), blob.last_modified, str(blob.etag))
        except ResourceNotFoundError as error:
            raise FileNotFoundError(
                f"no container `{self.container}`; expected one that exists; make it or correct the URL"
            ) from error

    def put(self, path: str, content: bytes, *, create: bool) -> None:
        """Write a blob in one request."""
        try:
            super().put(path, content, create=create)
        except FileExistsError as error:
            # adlfs makes one of every 409. Where a blob is to be created, it does exist.
            with _kept_as_it_is(path):
                if not create and error.__context__ is not None:
                    raise error.__context__ from None
            raise

    def put_parts(self, path: str, parts: Iterator[bytes], *, create: bool) -> None:
        """Upload a large blob in blocks with names of their own, and commit them.

        The client's own upload names blocks by their offset: of two uploads of one blob at once, it would
        commit a mixture. Blocks that are never committed are nowhere seen, and forgotten after a week.
        """
        from azure.core import MatchConditions
        from azure.core.exceptions import ResourceExistsError
        from azure.storage.blob import BlobBlock

        client = self.filesystem.service_client.get_blob_client(self.container, self.name_of(path))
        blocks: list[str] = []

        async def stage(named: Sequence[tuple[str, bytes]]) -> None:
            await asyncio.gather(*(client.stage_block(name, part, len(part)) for name, part in named))

        while batch := [(uuid.uuid4().hex, part) for part in itertools.islice(parts, CONCURRENT_PARTS)]:
            self._run(stage, batch)
            blocks += [name for name, _ in batch]
        condition = {"match_condition": MatchConditions.IfMissing} if create else {}
        try:
            with _kept_as_it_is("" if create else path):
                self._run(client.commit_block_list, [BlobBlock(name) for name in blocks], **condition)
        except ResourceExistsError as error:
            raise FileExistsError(path) from error

    def version(self, path: str) -> str | None:
        """Return a blob's ETag, None if there is no such blob."""
        from azure.core.exceptions import ResourceNotFoundError

        client = self.filesystem.service_client.get_blob_client(self.container, self.name_of(path))
        with suppress(ResourceNotFoundError):
            return str(self._run(client.get_blob_properties).etag)
        return None

    def swap(self, path: str, content: bytes, version: str | None) -> bool:
        """Write a blob in one request that carries the condition; return whether it held."""
        from azure.core import MatchConditions
        from azure.core.exceptions import ResourceExistsError, ResourceModifiedError

        client = self.filesystem.service_client.get_blob_client(self.container, self.name_of(path))
        condition: dict[str, object] = {"match_condition": MatchConditions.IfMissing}
        if version is not None:
            condition = {"match_condition": MatchConditions.IfNotModified, "etag": version}
        try:
            with _kept_as_it_is(path):
                self._run(client.upload_blob, content, overwrite=version is not None, **condition)
        except (ResourceExistsError, ResourceModifiedError):
            return False
        return True

    def remove(self, path: str) -> None:
        """Remove a blob if it is there."""
        self.remove_all([path])

    def remove_all(self, paths: Iterable[str]) -> None:
        """Remove blobs, those that are there, many at a time.

        A request for each: an account with a hierarchical namespace takes no batches.
        """
        from azure.core.exceptions import ResourceNotFoundError

        client = self.filesystem.service_client.get_container_client(self.container)
        names = iter(dict.fromkeys(self.name_of(path) for path in paths))

        async def remove(name: str) -> None:
            with suppress(ResourceNotFoundError), _kept_as_it_is(name):
                await client.delete_blob(name)

        async def together(batch: Sequence[str]) -> None:
            await asyncio.gather(*map(remove, batch))

        while batch := list(itertools.islice(names, _REMOVED_TOGETHER)):
            self._run(together, batch)

    def _run(
        self, function: Callable[..., Coroutine[Any, Any, T]], *arguments: object, **options: object
    ) -> T:
        """Run a coroutine in the loop that the client belongs to."""
        from fsspec.asyn import sync

        result: Any = sync(self.filesystem.loop, function, *arguments, **options)
        return result


@contextmanager
def _kept_as_it_is(path: str) -> Generator[None]:
    """Say it in words of our own where a policy of the container keeps a blob; "" for `path`: do not."""
    from azure.core.exceptions import ResourceExistsError

    try:
        yield
    except ResourceExistsError as error:
        code = getattr(error, "error_code", "")
        text = str(getattr(code, "value", code))
        if not path or text not in _IMMUTABLE:
            raise
        raise ImmutableFileError(f"{path} may be neither changed nor removed now ({text})") from error


def azure_files(place: Place, access: StorageAccess) -> AzureFiles:
    """Return the files of an area in Azure.

    Raises:
        StorageUrlError: no account is configured, or another one than the URL's.
    """
    account = access.account_of(place.account)
    from adlfs import AzureBlobFileSystem

    options: dict[str, Any] = {"use_listings_cache": False, "max_concurrency": CONCURRENT_PARTS}
    if access.azure_connection_string is not None:
        options["connection_string"] = access.azure_connection_string.get_secret_value()
    elif access.azure_sas is not None:
        options |= {"account_name": account, "sas_token": access.azure_sas.get_secret_value()}
    else:
        from azure.identity.aio import DefaultAzureCredential

        options |= {"account_name": account, "credential": DefaultAzureCredential()}
    try:
        filesystem = AzureBlobFileSystem(**options)
    except ValueError:
        # Its text may quote the key.
        raise StorageUrlError(
            "the storage account cannot be reached with these settings; expected a whole connection string"
            " or an account's name; correct SLUICE_AZURE_CONNECTION_STRING or SLUICE_AZURE_ACCOUNT"
        ) from None
    return AzureFiles(filesystem, place.container, place.root)
