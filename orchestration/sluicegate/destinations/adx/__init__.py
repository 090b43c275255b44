"""Azure Data Explorer: Parquet through queued ingestion, told apart by tags."""

from .destination import AdxDestination, AdxOptions

__all__ = ["AdxDestination", "AdxOptions"]
