"""The benchmark of column lineage still runs, on a project that is small."""

import json
import subprocess
import sys

import pytest
from sluicegate.core.settings import REPOSITORY


@pytest.mark.long
def test_it_runs() -> None:
    """A few models of each kind; what it prints last is for machines."""
    command = [sys.executable, "-m", "benchmarks.column_lineage", "--models", "210", "--rounds", "1"]
    told = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout
    figures = json.loads(told.splitlines()[-1])
    assert figures.keys() == {"whole_s", "walk_s", "warm_s"}
    assert 0 < figures["walk_s"] < figures["whole_s"]
