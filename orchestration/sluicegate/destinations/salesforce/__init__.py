"""Salesforce: Bulk API 2.0 for many rows, collections for few."""

from .destination import SalesforceDestination, SalesforceOptions

__all__ = ["SalesforceDestination", "SalesforceOptions"]
