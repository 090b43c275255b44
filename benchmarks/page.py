"""What a page of the deployment takes, with a month of each of 1,000 exports on record, 40 of them held.

The company, and what is on record of it, are those of `benchmarks.incidents_look`; the look for what is wrong
has settled its incidents. Each page is made twice: anew, and with nothing changed since. The number that
counts: the slowest page that is made anew, in milliseconds of processor, whose goal is 300.

Run as `python -m benchmarks.page`.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from sluicegate.incidents.settling import known_of, settle
from sluicegate.incidents.trouble import Action, Trouble
from sluicegate.incidents.troubles import find_troubles
from sluicegate.operations.site import Site
from sluicegate.page.pages import Pages
from sluicegate.page.reading import Read, Reading
from sluicegate.project.loading import Project

from benchmarks.incidents_look import KEYS, NOW, deployed, project_of
from benchmarks.measuring import Side, peak_mb, show

GOAL = "the slowest below 300 ms"
SMALLEST = ("--exports", "50")
PAGES: Mapping[str, str] = {
    "now": "index.html",
    "sources": "sources.html",
    "exports": "exports.html",
    "one export": "exports/e_7.html",
    "a partition's way": f"ways/export/e_7/{KEYS[-1]}.html",
    "incidents": "incidents.html",
    "all names": "names.html",
}


class _Read:
    """The project as it was read."""

    def __init__(self, project: Project) -> None:
        self._read = Read(project, stamp="read")

    def now(self) -> Read:
        return self._read


def _nobody(trouble: Trouble, action: Action) -> tuple[str, ...]:
    del trouble, action
    return ()


def _timed(pages: Pages, path: str) -> tuple[float, int]:
    began = time.process_time()
    page = pages.page(path)
    taken = (time.process_time() - began) * 1000
    assert page is not None, path
    return taken, len(page.html)


def measure(exports: int) -> dict[str, tuple[float, float, int]]:
    """Return {page: (milliseconds anew, unchanged, bytes)}, by processor."""
    with tempfile.TemporaryDirectory() as temporary:
        deployment, project = deployed(Path(temporary), project_of(exports), asked=False)
        vars(project)["catalogue"] = SimpleNamespace(tables={})
        site, store = Site(deployment, project), deployment.store
        troubles = find_troubles(site, NOW, known=known_of(store))
        settle(store, store.incidents.look(), troubles, NOW, _nobody, deployment="bench")
        pages = Pages(deployment, cast("Reading", _Read(project)))
        figures: dict[str, tuple[float, float, int]] = {}
        for name, path in PAGES.items():
            pages.page(path)  # what is compiled or cached once for all
            getattr(pages, "_kept").clear()  # noqa: B009
            anew, size = _timed(pages, path)
            unchanged, _ = _timed(pages, path)
            figures[name] = (anew, unchanged, size)
        deployment.close()
    return figures


def main() -> None:
    """Print the figures, and the number that counts as JSON on the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exports", type=int, default=1000)
    figures = measure(parser.parse_args().exports)
    peak = peak_mb()
    sides = [
        Side(name, anew, peak, f"{unchanged:.1f} ms unchanged, {size / 1000:,.0f} kB")
        for name, (anew, unchanged, size) in figures.items()
    ]
    show("pages made anew, by processor", "ms", sides, GOAL)
    print(json.dumps({"slowest_page_ms": round(max(anew for anew, _, _ in figures.values()))}))


if __name__ == "__main__":
    main()
