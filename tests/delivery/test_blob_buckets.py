"""Buckets of S3 with rules of their own: encryption that has to be said, objects that are locked.

Belongs here: what a bucket's policy or configuration asks of whoever writes. Does not: what every storage
owes (`test_blob_destination`), containers of Azure (`test_blob_immutable`).
"""

import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import pytest
from sluicegate.areas import Area, StorageAccess
from sluicegate.destinations.base import DeliveryError
from sluicegate.destinations.blob import BlobDestination

from tests.doubles.encrypted_bucket import EncryptedBucket
from tests.doubles.serving import serve
from tests.storage.fixtures import Storage
from tests.storage.s3 import CREDENTIALS

from .blobs import Place, scope_of
from .cases.blob import storage_of
from .support import DAY, MakeShard, rows_of

KEY_ARN = "arn:aws:kms:eu-central-1:111122223333:key/b6a8e2f0-0000-4000-8000-5f3d1c2b4a69"
WANTED = ({"sse": "AES256"}, {"sse": "aws:kms"}, {"sse": "aws:kms", "kms_key": KEY_ARN})


@pytest.fixture
def storage(request: pytest.FixtureRequest) -> Storage:
    return storage_of(request, "s3")


def place_at(make_shard: MakeShard, url: str, endpoint: str, **said: str) -> Place:
    given = {
        "endpoint": endpoint,
        "key": CREDENTIALS["AWS_ACCESS_KEY_ID"],
        "secret": CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        **said,
    }
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in given.items())
    return Place(f"{url}?{query}", Area(url, StorageAccess(s3_endpoint_url=endpoint)), make_shard)


@pytest.mark.parametrize("wanted", WANTED, ids=lambda wanted: "-".join(wanted))
@pytest.mark.sampled(2)
def test_objects_are_put_with_the_encryption_that_a_policy_wants(
    storage: Storage, make_shard: MakeShard, wanted: Mapping[str, str]
) -> None:
    url, rows = storage.fresh_url(), rows_of(DAY, 3, "a")
    with serve(EncryptedBucket(storage.environ["SLUICE_S3_ENDPOINT_URL"], wanted).app) as host:
        silent = place_at(make_shard, url, f"http://{host}")
        with pytest.raises(DeliveryError, match="explicit deny|Access Denied|AccessDenied"):
            silent.send(silent.shard(rows, "d-1"))
        assert silent.names() == set()
        told = place_at(make_shard, url, f"http://{host}", **wanted)
        told.send(told.shard(rows, "d-1"))
        told.send(told.shard(rows_of(DAY, 3, "b"), "d-2", "d-1"))
        assert {row[2] for row in told.held()} == {"b"}
        assert told.destination().forget(scope_of(), [{"business_date": DAY, "item": rows[0][0]}]) == 1
    for entry in storage.area(url).listing("**"):
        found = _head(storage, url, entry.path)
        assert found["ServerSideEncryption"] == wanted["sse"]
        assert "kms_key" not in wanted or found["SSEKMSKeyId"] == KEY_ARN


def test_a_large_part_is_begun_with_it_as_well(storage: Storage) -> None:
    url, endpoint = storage.fresh_url(), storage.environ["SLUICE_S3_ENDPOINT_URL"]
    wanted = {"sse": "aws:kms", "kms_key": KEY_ARN}
    with serve(EncryptedBucket(endpoint, wanted).app) as host:
        access = StorageAccess(s3_endpoint_url=f"http://{host}", s3_encryption="aws:kms", s3_kms_key=KEY_ARN)
        Area(url, access).write("large", [b"x" * (17 << 20)])
    assert _head(storage, url, "large")["SSEKMSKeyId"] == KEY_ARN


@pytest.mark.parametrize("said", ["sse=rot13", "sse=", f"kms_key={KEY_ARN}", f"sse=AES256&kms_key={KEY_ARN}"])
def test_an_encryption_that_cannot_be_is_said(said: str) -> None:
    with pytest.raises(DeliveryError, match=r"S3 does not know|empty parameter|kms_key without sse=aws:kms"):
        BlobDestination(f"s3://bucket/x?{said}", "a").canonical_object()


def test_one_folder_is_one_however_it_is_encrypted() -> None:
    places = {
        BlobDestination(f"s3://bucket/x{said}", "a").canonical_object()
        for said in ("", "?sse=AES256", f"?sse=aws:kms&kms_key={quote(KEY_ARN, safe='')}")
    }
    assert places == {"s3://bucket/x/a"}


@pytest.fixture
def locked(storage: Storage, make_shard: MakeShard) -> Place:
    """A bucket that locks each object for a day, nobody excepted."""
    client, bucket = _client(storage), f"locked-{uuid.uuid4().hex[:8]}"
    client.create_bucket(
        Bucket=bucket,
        ObjectLockEnabledForBucket=True,
        CreateBucketConfiguration={"LocationConstraint": CREDENTIALS["AWS_DEFAULT_REGION"]},
    )
    rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}
    client.put_object_lock_configuration(
        Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
    )
    return place_at(make_shard, f"s3://{bucket}/x", storage.environ["SLUICE_S3_ENDPOINT_URL"])


def test_under_object_lock_all_goes_on_and_versions_stay(storage: Storage, locked: Place) -> None:
    rows = rows_of(DAY, 3, "a")
    locked.send(locked.shard(rows, "d-1"))
    locked.send(locked.shard(rows_of(DAY, 3, "b"), "d-2", "d-1"))
    assert {row[2] for row in locked.held()} == {"b"}
    keys = [{"business_date": DAY, "item": rows[0][0]}]
    assert locked.destination().forget(scope_of(), keys) == 1
    assert len(locked.held()) == 2
    # What the documents say of it: the row is in no file that is shown, and in versions until their time.
    bucket = locked.url.partition("://")[2].partition("/")[0]
    versions = _client(storage).list_object_versions(Bucket=bucket)
    shown = {version["Key"] for version in versions["Versions"] if version["IsLatest"]}
    assert {version["Key"] for version in versions["Versions"]} - shown


def _client(storage: Storage) -> Any:
    import boto3

    return boto3.client("s3", endpoint_url=storage.environ["SLUICE_S3_ENDPOINT_URL"])


def _head(storage: Storage, url: str, path: str) -> dict[str, Any]:
    bucket, _, root = url.partition("://")[2].partition("/")
    return _client(storage).head_object(Bucket=bucket, Key=f"{root}/{path}")
