"""Each benchmark runs, and prints its table: as small as it can be, as figures are not what is asked here."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO

import pytest
from sluicegate.core.settings import REPOSITORY

from benchmarks.__main__ import main, names, said
from benchmarks.measuring import Side, show
from tests.sampled import every_case

# A minute and more of processor each, as they take days through the graph: before a release.
WHOLE_DAYS = ("day_run", "done_to_delivered", "operations", "publish")
RUN = [name for name in names() if said(name)[2] and (every_case() or name not in WHOLE_DAYS)]


@pytest.mark.long
@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", RUN)
def test_a_benchmark_runs_at_its_smallest(name: str) -> None:
    command = [sys.executable, "-m", "benchmarks", "--smallest", name]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SLUICE_")}
    told = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr[-3000:]
    lines = [line for line in told.stdout.splitlines() if line]
    assert lines[0] == f"## {name}"
    assert [line for line in lines if line.startswith("##")] == [f"## {name}"]  # and nothing else ran
    assert f"goal: {said(name)[1]}" in lines
    # The side that is the measure, with its memory, and at least one that is measured by it.
    sides = [line for line in lines if re.search(r"\d x +[1-9][\d,]* MB", line)]
    assert len(sides) > 1, told.stdout
    assert " 1.00 x" in sides[0]
    assert json.loads(lines[-1])


def said_by(*arguments: str) -> list[str]:
    with redirect_stdout(StringIO()) as out:
        main(arguments)
    return out.getvalue().splitlines()


def test_a_list_says_what_there_is_and_only_what_is_named() -> None:
    listed = said_by("--list")
    assert [line.split()[0] for line in listed] == names()
    assert "measuring" not in names()
    assert len(names()) >= 20
    assert said_by("--list", "gate", "diff") == [
        next(line for line in listed if line.split()[0] == name) for name in ("gate", "diff")
    ]


def test_a_name_that_is_none_runs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["gate", "gates"])
    assert ended.value.code == 2
    told = capsys.readouterr()
    assert "no benchmark `gates`; expected one of: column_lineage, " in told.err
    assert told.out == ""


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Iterator[list[str]]:
    lines: list[str] = []
    yield lines
    assert capsys.readouterr().out.splitlines() == lines


def test_a_table_has_ratios_memory_and_the_goal(printed: list[str]) -> None:
    ratio = show("a title", "s", [Side("bare", 2.0, 100.4), Side("ours", 3.0, 1234.5, "more")], "2 x bare")
    assert ratio == 1.5
    printed += [
        "",
        "a title",
        "bare        2.00 s   1.00 x      100 MB",
        "ours        3.00 s   1.50 x    1,234 MB   more",
        "goal: 2 x bare",
    ]
