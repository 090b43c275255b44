"""What the attacks on values share: see `probe`."""

from .probe import Probe

__all__ = ["Probe"]
