"""Tables that are too long for each run of the suite: a part of them each time, other ones each time.

`@pytest.mark.sampled(3)` at a parametrized test takes one in three of its cases. The choice is the same in
all processes of a run; its seed stands at the top of the output, and `PYTEST_SAMPLED_SEED` repeats it. All
cases run with `SLUICE_TEST_KILLS=2` or more, as they do before a release.
`stories(2)` of a file takes one in two of its tests, each of which is whole days of one mechanism.
`part_of` and `some_of` draw from a list in the same way, for what a fixture prepares or a story goes through:
what no test asks for need not be built.
Belongs here: the choice. Does not: which test takes part, nor how many examples a generated test has.
"""

import os
import random
from collections.abc import Container, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import pytest

_T = TypeVar("_T")
_ALL = int(os.environ.get("SLUICE_TEST_KILLS", "1")) > 1


def every_case() -> bool:
    """Whether all cases run, as before a release."""
    return _ALL


def part_of(name: str, cases: Sequence[_T], one_in: int, also: Container[_T] = ()) -> list[_T]:
    """Return one in so many of these, drawn for this run, and what is in `also`, in their order.

    All are returned as before a release. `name` tells one draw from another.
    """
    if _ALL:
        return list(cases)
    kept = _drawn(name, range(len(cases)), one_in)
    return [case for place, case in enumerate(cases) if place in kept or case in also]


def some_of(name: str, cases: Sequence[_T], many: int) -> list[_T]:
    """Return so many of these, or all where there are fewer, drawn for this run; `name` as in `part_of`."""
    return _random(name).sample(cases, min(many, len(cases)))


def pytest_configure(config: pytest.Config) -> None:
    """Draw a seed; processes that xdist starts get it by the environment."""
    config.addinivalue_line("markers", "sampled(one_in): one in so many of its cases runs each time")
    config.addinivalue_line("markers", "stories(one_in): one in so many of a file's tests runs each time")
    os.environ.setdefault("PYTEST_SAMPLED_SEED", f"{datetime.now(UTC):%Y%m%d%H%M%S}")


def pytest_report_header() -> str:
    """Tell how to repeat the choice."""
    return "all cases of sampled tests" if _ALL else f"sampled by PYTEST_SAMPLED_SEED={_seed()}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is not chosen this time; whoever names one case gets it."""
    if _ALL:
        return
    files: dict[str, dict[str, int]] = {}
    tables: dict[str, list[pytest.Item]] = {}
    for item in items:
        name = item.nodeid.partition("[")[0]
        if item.get_closest_marker("sampled"):
            tables.setdefault(name, []).append(item)
        if item.get_closest_marker("stories"):
            files.setdefault(name.partition("::")[0], {})[name] = _one_in(item, "stories")
    told = {name for file, tests in files.items() for name in _drawn(file, [*tests], max(tests.values()))}
    untold = {name for tests in files.values() for name in tests} - told
    left = {item for item in items if item.nodeid.partition("[")[0] in untold}
    for name, cases in tables.items():
        left |= {*cases} - {*_drawn(name, cases, _one_in(cases[0], "sampled"))}
    if left:
        config.hook.pytest_deselected(items=[item for item in items if item in left])
        items[:] = [item for item in items if item not in left]


def _one_in(item: pytest.Item, marker: str) -> int:
    marked = item.get_closest_marker(marker)
    assert marked is not None
    return int(marked.args[0])


def _drawn(name: str, cases: Sequence[_T], one_in: int) -> list[_T]:
    return _random(name).sample(cases, -(-len(cases) // one_in))


def _random(name: str) -> random.Random:
    return random.Random(f"{_seed()} {name}")


def _seed() -> str:
    return os.environ["PYTEST_SAMPLED_SEED"]
