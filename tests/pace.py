"""Which tests are `long`, so that `make quick` has none that starts a process, or takes its time.

A test is long that starts a process, be it a server's or `sluice`'s own; that is in a folder which needs
servers or takes whole days through the graph; or that is in a file which parses more than a dozen projects.
What is known from where a test stands and which fixtures it asks for is marked here. What shows only while it
runs is refused: such a test wants `@pytest.mark.long`. No clock decides: a slow machine has the same tests.
Belongs here: the marker, and what keeps it true. Does not: any fixture.
"""

import subprocess
from collections import Counter
from collections.abc import Generator
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parent
LONG_FOLDERS = (
    "backup", "columns", "daemon", "dbt", "delivery", "environments", "feeds", "gate", "incidents",
    "page", "publishing", "review", "run", "stages", "storage", "upgrade",
)  # fmt: skip
# The fixtures that start one.
SERVERS = ("postgres_url", "azurite", "s3")
MOST_PARSED = 12
# Over at once: what a comparison asks for, and what Python asks the machine's kind by, as dbt does.
_SHORT_PROGRAMS = ("git", "uname")
_now: list[pytest.Item] = []
_parsed = Counter[str]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is long by its place or by its fixtures."""
    for item in items:
        folder = item.path.relative_to(TESTS).parts[0] if item.path.is_relative_to(TESTS) else ""
        if folder in LONG_FOLDERS or set(SERVERS) & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.long)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Any:
    """Know the test whose fixtures begin; at the end of the last, other tests' servers end."""
    return (yield from _known(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Any:
    """Know the test that is running."""
    return (yield from _known(item))


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Count the projects that a file's tests have had dbt parse, each in a data directory of its own."""
    folder: Path | None = getattr(item, "funcargs", {}).get("tmp_path")
    if folder is None or _is_long(item):
        return
    _parsed[item.nodeid.partition("::")[0]] += sum(1 for _ in folder.glob("**/dbt/target/manifest.json"))
    if (count := _parsed[item.nodeid.partition("::")[0]]) > MOST_PARSED:
        pytest.fail(
            f"{item.path.name} has dbt parse {count} projects, and {MOST_PARSED} at most are quick: {WANTED}"
        )


WANTED = "mark it `pytest.mark.long` (tests/pace.py)"


def _known(item: pytest.Item) -> Generator[None, Any, Any]:
    _now.append(item)
    try:
        return (yield)
    finally:
        _now.pop()


def _is_long(item: pytest.Item) -> bool:
    return item.get_closest_marker("long") is not None


_start = subprocess.Popen.__init__


@wraps(_start)
def _start_if_long(process: "subprocess.Popen[Any]", args: Any, *more: Any, **named: Any) -> None:
    """Refuse a process that a quick test starts, by whatever code.

    Not by a hook for Python's audit events: it is called for each file that is opened and each name that is
    looked up, a twentieth of the time of all tests.
    """
    program = Path(str(args if isinstance(args, (str, bytes, Path)) else args[0])).name
    if _now and not _is_long(_now[-1]) and program not in _SHORT_PROGRAMS:
        raise AssertionError(f"{_now[-1].nodeid} starts a process, {program}: {WANTED}")
    _start(process, args, *more, **named)


setattr(subprocess.Popen, "__init__", _start_if_long)  # noqa: B010 - its many overloads are the same
