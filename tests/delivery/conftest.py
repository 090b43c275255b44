"""The shards that the delivery tests send.

Belongs here: fixtures that several delivery tests need. Does not: any expectation.
"""

from functools import partial
from pathlib import Path

import pytest

from .support import MakeShard, write_shard


@pytest.fixture
def make_shard(tmp_path: Path) -> MakeShard:
    """`write_shard` into the test's folder."""
    return partial(write_shard, tmp_path)
