"""HubSpot: batch upsert of CRM objects."""

from .associations import Association
from .destination import HubSpotDestination, HubSpotOptions

__all__ = ["Association", "HubSpotDestination", "HubSpotOptions"]
