"""Blob storage: files that are created once, and manifests that tell which of them count."""

from .destination import BlobDestination, BlobOptions

__all__ = ["BlobDestination", "BlobOptions"]
