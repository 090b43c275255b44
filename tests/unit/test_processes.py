"""Which process it was: numbers are used again, and mean another in every namespace and after every boot."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from sluicegate.core import processes
from sluicegate.core.processes import boot_seconds, process_of, this_process

from tests.machines import elsewhere

HIGHEST = 2**22  # of numbers, on Linux


@pytest.fixture
def child() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that waits."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def test_this_one_works() -> None:
    assert not this_process().is_gone()
    assert str(this_process()) == f"process {os.getpid()} on {this_process().host}"


@pytest.mark.parametrize(
    ("change", "gone"),
    [
        ({"number": HIGHEST}, True),
        ({"started": "1"}, True),  # its number is another's by now
        ({"number": HIGHEST, "boot": "another machine, or this one before"}, False),
        ({"number": HIGHEST, "namespace": "pid:[1]"}, False),
        ({"number": HIGHEST, "host": "another"}, False),
        ({"number": HIGHEST, "boot": "", "namespace": "", "started": ""}, False),  # older code took the lease
        ({"number": HIGHEST, "started": ""}, False),
    ],
)
def test_gone_is_said_for_certain_or_not_at_all(change: dict[str, object], gone: bool) -> None:
    assert replace(this_process(), **change).is_gone() is gone


@pytest.mark.long
@pytest.mark.parametrize("tells_all", [True, False])
def test_who_has_ended_is_gone_before_anybody_has_waited_for_it(
    child: "subprocess.Popen[bytes]", tells_all: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if not tells_all:  # as on macOS
        monkeypatch.setattr(processes, "_PROC", tmp_path)
    process = process_of(child.pid)
    assert not process.is_gone()
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert psutil.pid_exists(child.pid)
    assert process.is_gone()


_TELLS = "from sluicegate.core.processes import this_process as it; print(it().place, it().number, sep='|')"


@pytest.mark.long
@pytest.mark.parametrize("proc", [True, False])
def test_one_in_another_namespace_is_none_of_this_one(proc: bool) -> None:
    command = elsewhere([sys.executable, "-c", _TELLS])
    if not proc:  # numbers in /proc are those of the namespace around it
        command.remove("--mount-proc")
    place, number = subprocess.check_output(command, text=True).strip().split("|")
    assert number == "1"
    assert place != this_process().place
    assert bool(place) == proc
    boot, _, namespace = place.rpartition(" ")
    other = replace(this_process(), boot=boot, namespace=namespace, number=HIGHEST)
    assert not other.is_gone()


def test_the_clock_since_boot_goes_on() -> None:
    assert boot_seconds() <= boot_seconds()
