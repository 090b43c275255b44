"""What a look costs grows as what there is: no table is held against all others, no export asks by itself.

Counted, not timed: calls of Python and statements of SQL, of companies of 4, 8 and 16 exports.
"""

import cProfile
import pstats
from collections.abc import Callable
from pathlib import Path

import pytest
from sluicegate.incidents.troubles import find_troubles
from sluicegate.operations.due import Cursor, find_due
from sluicegate.operations.site import Site
from sqlalchemy import event

from benchmarks.incidents_look import DAYS, NOW, deployed, project_of

Looks = Callable[[Site], object]


def due(site: Site) -> object:
    return find_due(site, Cursor(), lambda _: True)


def wrong(site: Site) -> object:
    return find_troubles(site, NOW)


def cost(folder: Path, exports: int, look: Looks, *, asked: bool) -> tuple[int, int]:
    """Return how many (calls, statements) a look takes."""
    deployment, project = deployed(folder / str(exports), project_of(exports), asked=asked)
    statements: list[str] = []
    engine = deployment.store._engine  # pyright: ignore[reportPrivateUsage]
    event.listen(engine, "before_cursor_execute", lambda *said: statements.append(said[2]))
    profile = cProfile.Profile()
    profile.enable()
    look(Site(deployment, project))
    profile.disable()
    deployment.close()
    return int(pstats.Stats(profile).total_calls), len(statements)  # pyright: ignore


@pytest.mark.parametrize(
    ("look", "asked"), [(due, False), (due, True), (wrong, True)], ids=["due at first", "due", "wrong"]
)
def test_twice_the_exports_cost_twice_as_much(tmp_path: Path, look: Looks, *, asked: bool) -> None:
    cost(tmp_path / "warm", 2, look, asked=asked)
    small, middle, large = (cost(tmp_path, exports, look, asked=asked) for exports in (4, 8, 16))
    assert large[0] - middle[0] < 2.3 * (middle[0] - small[0])
    # Of each table its builds, of each export a few things more: nothing for each of its days.
    assert large[1] - middle[1] < 12 * DAYS
