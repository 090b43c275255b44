"""HubSpot: batch upsert of CRM objects."""

from .destination import HubSpotDestination, HubSpotOptions

__all__ = ["HubSpotDestination", "HubSpotOptions"]
