"""Destinations: how a shard gets to one place, and what is promised on the way.

Belongs here: one module a destination, the interface they share, their registry. Does not: when
and whether to send (the gate, the plan and the guard decide that). Imports nothing of the project
outside this package, so that a destination can be tested alone.
"""

from .base import DeliveryError, Destination, Receipt, Shard
from .registry import build, destination_types

__all__ = ["DeliveryError", "Destination", "Receipt", "Shard", "build", "destination_types"]
