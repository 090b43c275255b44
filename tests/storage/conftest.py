"""Every kind of storage, for the tests of this folder."""

from tests.storage.fixtures import area, area_url, azurite, directory, memory, s3, storage

__all__ = ["area", "area_url", "azurite", "directory", "memory", "s3", "storage"]
