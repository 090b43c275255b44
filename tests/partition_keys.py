"""Keys before and after a key, which tests step through and the platform does not."""

from __future__ import annotations

from datetime import timedelta

from orchestration.core.partitions import Partitioning


def shifted(cut: Partitioning, key: str, by: int) -> str:
    """Return the key `by` partitions later (earlier, if negative)."""
    for _ in range(abs(by)):
        start, end = cut.interval(key)
        key = cut.key_at(end if by > 0 else start - timedelta(hours=1))
    return key
