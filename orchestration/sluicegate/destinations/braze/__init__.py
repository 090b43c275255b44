"""Braze: attributes of users, and events."""

from .destination import BrazeDestination, BrazeOptions, BrazeTracking, BrazeUserOptions
from .events import BrazeEventsDestination

__all__ = ["BrazeDestination", "BrazeEventsDestination", "BrazeOptions", "BrazeTracking", "BrazeUserOptions"]
