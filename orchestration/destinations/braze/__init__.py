"""Braze: attributes of users, and events."""

from .destination import BrazeDestination, BrazeTracking
from .events import BrazeEventsDestination

__all__ = ["BrazeDestination", "BrazeEventsDestination", "BrazeTracking"]
