"""Storage areas: places behind one URL each, on a local disk, in Azure Blob or in S3.

Belongs here: reading, writing and listing files by a path relative to an area, the same on every storage.
Does not belong here: what the files are (staging, originals and processing are the business of `ingestion`),
and how the warehouse reads them (`compute.object_storage`).
"""

from sluicegate.areas.access import StorageAccess, StorageUrlError
from sluicegate.areas.area import Area, digest_of
from sluicegate.areas.errors import storage_errors, why_of
from sluicegate.areas.files import CHUNK_BYTES, Entry, ImmutableFileError, OnError, StrangeAnswerError

__all__ = [
    "CHUNK_BYTES",
    "Area",
    "Entry",
    "ImmutableFileError",
    "OnError",
    "StorageAccess",
    "StorageUrlError",
    "StrangeAnswerError",
    "digest_of",
    "storage_errors",
    "why_of",
]
