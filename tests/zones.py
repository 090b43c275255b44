"""The zone of the process that a test runs in, where it is not UTC.

Belongs here: changing it. Does not: any expectation.
"""

import time
from collections.abc import Generator
from contextlib import contextmanager

import pytest

# The first zone to have a day, fourteen hours before UTC: whoever takes its day or hour for UTC's is noticed.
FAR_EAST = "Pacific/Kiritimati"


@contextmanager
def in_zone(zone: str = FAR_EAST) -> Generator[None]:
    """Run the block as a process does whose zone is this."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", zone)
        time.tzset()
        yield
    time.tzset()
