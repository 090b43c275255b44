"""The shards that the delivery tests send, and where to.

Belongs here: fixtures that several delivery tests need. Does not: any expectation.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest
from sluicegate.destinations.base import Mode

from .bench import Bench
from .cases import Case, case_class, case_names
from .keys_kit import Rows, opened
from .support import MakeShard, write_shard


@pytest.fixture
def make_shard(tmp_path: Path) -> MakeShard:
    """`write_shard` into the test's folder."""
    return partial(write_shard, tmp_path)


@pytest.fixture(params=case_names())
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    """Each destination in turn."""
    opened = case_class(request.param)(request, tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Rows]]:
    """What delivers rows that are stated as SQL to a destination, by its case's name."""
    with ExitStack() as stack:
        opening = contextmanager(opened)
        yield lambda name, **stated: stack.enter_context(
            opening(case_class(name), request, tmp_path, **stated)
        )


@pytest.fixture
def bench(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Bench]:
    """The engine on a shelf; in mode `mirror`, or in those of `each_mode`."""
    made = Bench(tmp_path, getattr(request, "param", Mode.MIRROR))
    yield made
    made.store.close()
