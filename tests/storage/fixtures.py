"""Storage to test on: a directory, Azurite and moto's S3, each as a deployment would be told of it.

Belongs here: what tests of any folder need to run on every storage: import the fixtures into its
`conftest.py`. Does not: any expectation.
"""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sluicegate.areas import Area, StorageAccess
from sluicegate.core.settings import Settings

from tests.storage.azurite import running_azurite
from tests.storage.memory import MemoryArea
from tests.storage.s3 import CREDENTIALS, running_s3

_CONTAINER = "sluice"
KINDS = ("directory", "azurite", "s3")


@dataclass(frozen=True)
class Storage:
    """One kind of storage; `environ` is what a deployment on it sets, beside the URLs of its areas."""

    kind: str
    base_url: str
    environ: Mapping[str, str]

    def fresh_url(self) -> str:
        """Return the URL of an area in which nothing is yet."""
        return f"{self.base_url}/{uuid.uuid4().hex}"

    def fresh_area(self) -> Area:
        """Return an area in which nothing is yet."""
        return self.area(self.fresh_url())

    def area(self, url: str) -> Area:
        """Return the area behind a URL, opened anew."""
        return MemoryArea(url) if self.kind == "memory" else Area(url, self.access)

    @property
    def access(self) -> StorageAccess:
        """With what this storage is reached."""
        settings = {name: value for name, value in self.environ.items() if name.startswith("SLUICE_")}
        return Settings.load(settings).storage_access


@pytest.fixture(scope="session")
def azurite() -> Iterator[Storage]:
    """Azurite with an empty container; one a test process."""
    from azure.storage.blob import BlobServiceClient

    with running_azurite() as connection_string:
        with BlobServiceClient.from_connection_string(connection_string) as client:
            client.create_container(_CONTAINER)
        yield Storage(
            "azurite", f"abfs://{_CONTAINER}", {"SLUICE_AZURE_CONNECTION_STRING": connection_string}
        )


@pytest.fixture(scope="session")
def s3() -> Iterator[Storage]:
    """moto's S3 with an empty bucket; one a test process, which has its credentials in the environment."""
    import boto3

    with pytest.MonkeyPatch.context() as patch, running_s3() as endpoint:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        client: Any = boto3.client("s3", endpoint_url=endpoint)
        # Folders that import this fixture each have their own, and moto's buckets are the process's.
        _clear_bucket(client)
        where = {"LocationConstraint": CREDENTIALS["AWS_DEFAULT_REGION"]}
        client.create_bucket(Bucket=_CONTAINER, CreateBucketConfiguration=where)
        yield Storage("s3", f"s3://{_CONTAINER}", {"SLUICE_S3_ENDPOINT_URL": endpoint, **CREDENTIALS})


def _clear_bucket(client: Any) -> None:
    """Remove what a fixture of another folder left in this process."""
    if _CONTAINER not in {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}:
        return
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=_CONTAINER):
        for item in page.get("Contents", []):
            client.delete_object(Bucket=_CONTAINER, Key=item["Key"])
    client.delete_bucket(Bucket=_CONTAINER)


@pytest.fixture
def directory(tmp_path: Path) -> Storage:
    """A local directory."""
    return Storage("directory", str(tmp_path / "areas"), {})


@pytest.fixture
def memory() -> Storage:
    """Memory of this process, which the engine cannot read."""
    return Storage("memory", "s3://sluice", {})


@pytest.fixture(
    params=[pytest.param(kind, marks=[] if kind == "directory" else pytest.mark.long) for kind in KINDS]
)
def storage(request: pytest.FixtureRequest) -> Storage:
    """Each kind of storage in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def area_url(storage: Storage) -> str:
    """The URL of an area in which nothing is yet, on each kind of storage in turn."""
    return storage.fresh_url()


@pytest.fixture
def area(storage: Storage, area_url: str) -> Area:
    """An area in which nothing is yet, on each kind of storage in turn."""
    return storage.area(area_url)
