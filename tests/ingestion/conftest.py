"""Every kind of storage, for the tests of this folder."""

from tests.storage.fixtures import azurite, directory, s3, storage

__all__ = ["azurite", "directory", "s3", "storage"]
