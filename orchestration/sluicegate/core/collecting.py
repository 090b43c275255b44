"""Python's search for garbage, put off while much is made that all stays.

Belongs here: that. Does not belong here: what is made.
"""

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def without_collecting() -> Generator[None]:
    """Put the search off: a project that is read and a graph that is made only grow.

    Python looks through all of them again each time that a quarter more is there, which takes a quarter of
    the time to load a thousand models. What is no cycle is freed all the same.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def collect_seldom() -> None:
    """Search for garbage after each 50,000 new objects, for the life of the process, and not after each 700.

    What a command imports and reads stays. Of the demo's processor time the search took a twelfth, and takes
    a twentieth.
    """
    gc.set_threshold(50_000, 20, 50)
