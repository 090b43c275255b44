"""Every kind of storage, and a zone that is not UTC, for the tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.storage.fixtures import azurite, directory, s3, storage
from tests.zones import in_zone

__all__ = ["azurite", "directory", "s3", "storage"]


@pytest.fixture(scope="package", autouse=True)
def far_east() -> Iterator[None]:
    """What drops say of days and hours is read in a process whose zone is not UTC."""
    with in_zone():
        yield
