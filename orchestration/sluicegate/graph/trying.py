"""Building what an environment has to build, run by run.

Belongs here: its beginning, its runs and its end, whoever asks. Does not belong here: what is built
(`environments.changes`), printing.
"""

from collections.abc import Iterator

from sluicegate.environments.changes import Building
from sluicegate.graph.desk import Desk
from sluicegate.graph.finished import Finished
from sluicegate.graph.headless import carry_out


def try_out(desk: Desk, plan: Building, left: list[str]) -> Iterator[Finished]:
    """Build, and yield each run that has ended; `left` gets the tables of which not all was built."""
    # Open all the while: each opening loads what reads published tables, which takes half a second.
    with desk.deployment.warehouse.session():
        plan.begin()
        yield from carry_out(desk, plan.runs)
    left += plan.end()
