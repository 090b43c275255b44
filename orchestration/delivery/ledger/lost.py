"""A shard that is lost: what is said of it, and what to type.

Belongs here: those words. Does not belong here: whether a file can be read (`readable`).
"""

from orchestration.core.partitions import as_option
from orchestration.destinations.base import DeliveryError, Mode
from orchestration.state.records import Delivery


class ShardLost(DeliveryError):
    """A shard that tells what the destination holds, or is to hold, is gone or cannot be read."""

    @classmethod
    def of(cls, newest: Delivery, shard: str, problem: str) -> "ShardLost":
        """Return the error of a shard; `newest` is the delivery whose scope and mode tell what to type."""
        fix = f"put it back from a backup, or {resync_of(newest)}, which sends everything anew"
        if newest.mode == Mode.APPEND:
            fix = f"put it back from a backup, or append to another object: {elsewhere(newest)}"
        return cls(
            f"the shard {shard}, which tells what the destination holds of `{newest.export}`, {problem}",
            "the files of deliveries/ as they were written",
            fix,
        )


def resync_of(newest: Delivery) -> str:
    """Return the command that sends everything of a delivery's scope anew, as a message prints it."""
    return f"`sluice delivery resend {newest.export}{as_option(newest.scope)}`"


def elsewhere(newest: Delivery) -> str:
    """Return how everything is appended once more, at a place that has none of it."""
    return (
        f"name it in `destination.object` of the export file, then {resync_of(newest)} sends everything there"
    )
