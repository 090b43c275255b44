"""One run that is asked for: what it builds and sends, and the tags by which it is found again.

Belongs here: the answer of whoever asks what is due, and the run keys of older code. Does not belong here:
the question (`due`, `checks_due`, `deliveries_due`, `rebuilding`).
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from orchestration.core.lineage import Partition

# Dagster's list of runs does not show tags that begin so: 64 digits tell nobody anything.
RUN_KEY_TAG = ".dagster/sluice_run_key"
# What older code wrote; its runs count as ever.
OLD_RUN_KEY_TAG = "sluice/run_key"
# A run that a person asked for says by this tag which kind of delivery it makes (`sluice delivery resend`).
KIND_TAG = "sluice/delivery"
# Which try of what it was asked for a run is, where what is due asked for it.
TRY_TAG = ".dagster/sluice_try"


def run_key_of(tags: Mapping[str, str]) -> str | None:
    """Return the run key of a run by its tags; None for a run that nobody's request started."""
    return tags.get(RUN_KEY_TAG, tags.get(OLD_RUN_KEY_TAG))


class Try(StrEnum):
    """Which try a run is; a first one that failed becomes `WAITING` for the second, or `OVER`."""

    FIRST = "first"
    WAITING = "waiting"
    SECOND = "second"
    OVER = "over"


@dataclass(frozen=True)
class DueRun:
    """One run to start: the tables to build for a partition, and the exports to send after them.

    All of them are cut alike: what is made of the partition, but cut otherwise, is another run's. `kind` is
    that of its deliveries, where a person asked for another than what the data call for. `checks` are
    (relation, check) of tables that stay as they are, to be judged again. `attempt` is None where a person
    asked for it, and of checks alone, which are tried again by themselves. `fills` are tables of Kusto that
    functions fill, behind the exports.
    """

    partition: Partition
    relations: tuple[str, ...]
    exports: tuple[str, ...]
    run_key: str
    requests: Mapping[str, frozenset[str]]
    kind: str = ""
    checks: tuple[tuple[str, str], ...] = ()
    attempt: Try | None = None
    fills: tuple[str, ...] = ()

    @property
    def partition_key(self) -> str:
        """The partition's key, as Dagster has it; empty for tables that are not partitioned."""
        return self.partition.key

    @property
    def tags(self) -> dict[str, str]:
        """The tags by which the run is found again."""
        attempt = {TRY_TAG: self.attempt.value} if self.attempt else {}
        return {RUN_KEY_TAG: self.run_key} | ({KIND_TAG: self.kind} if self.kind else {}) | attempt


def digest_of(names: Iterable[str]) -> str:
    """Return the digest of names, in this order: what a partition is asked for by, once."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()
