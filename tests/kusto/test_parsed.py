"""What Microsoft's parser answered is kept, and it is not started for what is known.

Belongs here: the cache, the parser's own process, and what is said without the parser. Does not: its answers.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from sluicegate.kusto.language import engine, v8
from sluicegate.kusto.language.engine import KustoLanguage
from sluicegate.kusto.reading import load_kusto

from tests.kql import FEEDS, nothing_lent, shared_language, write

F = ".create-or-alter function F() { sales | where city == 'a' }\n"
G = ".create-or-alter function G() { F | summarize n=count() by city }\n"
H = ".create-or-alter function H() { stores }\n"
CITY = ".create-or-alter function city() { stores }\n"
FILES = {"functions/F.kql": F, "functions/G.kql": G, "functions/H.kql": H}


class Counted:
    """Starts the parser, and counts what it is asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.starts = 0
        self.asked: list[str] = []
        own = KustoLanguage.query

        def query(language: KustoLanguage, text: str) -> Any:
            self.asked.append(text)
            return own(language, text)

        monkeypatch.setattr(KustoLanguage, "query", query)

    def __call__(self) -> KustoLanguage:
        self.starts += 1
        return shared_language()

    def of(self, folder: Path) -> tuple[int, int]:
        """Read the project; return how often the parser was started, and how many queries it was asked."""
        before = self.starts, len(self.asked)
        project, problems = load_kusto(folder, folder / "kept" / "parsed.json", FEEDS, start=self)
        assert project is not None, problems
        return self.starts - before[0], len(self.asked) - before[1]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Any:
    with nothing_lent():
        yield Counted(monkeypatch)


def test_what_is_unchanged_asks_nobody(tmp_path: Path, counted: Counted) -> None:
    write(tmp_path, FILES)
    assert counted.of(tmp_path) == (1, 3)
    assert counted.of(tmp_path) == (0, 0)
    kept = tmp_path / "kept" / "parsed.json"
    assert [file.name for file in kept.parent.iterdir()] == [kept.name]


def _edit(folder: Path, text: str, name: str = "functions/F.kql") -> None:
    write(folder, {name: text})


CHANGES: list[tuple[str, Callable[[Path], object], int]] = [
    # (what changes, how, how many of the three queries are asked anew)
    (
        "one that nobody reads",
        lambda at: _edit(at, H.replace("stores", "stores | count"), "functions/H.kql"),
        1,
    ),
    ("one that another reads", lambda at: _edit(at, F.replace("'a'", "'b'")), 2),
    ("a comment above", lambda at: _edit(at, "// so\n" + F), 0),
    ("a name that was a column", lambda at: _edit(at, CITY, "functions/city.kql"), 2),
    ("the file itself", lambda at: (at / "kept/parsed.json").write_bytes(b"{"), 3),
    ("its form", lambda at: (at / "kept/parsed.json").write_text('{"by": "0", "answers": {"a": 1}}'), 3),
    ("its answers", lambda at: _spoil(at / "kept/parsed.json"), 3),
    ("that it is there", lambda at: (at / "kept/parsed.json").unlink(), 3),
]


def _spoil(file: Path) -> None:
    kept = json.loads(file.read_bytes())
    kept["answers"] = {key: {"kind": 7} for key in kept["answers"]}
    file.write_text(json.dumps(kept))


@pytest.mark.parametrize(("change", "asked"), [one[1:] for one in CHANGES], ids=[one[0] for one in CHANGES])
def test_what_changes_is_asked_anew(
    tmp_path: Path, counted: Counted, change: Callable[[Path], object], asked: int
) -> None:
    counted.of(write(tmp_path, FILES))
    change(tmp_path)
    assert counted.of(tmp_path)[1] == asked
    assert counted.of(tmp_path) == (0, 0)


def test_a_changed_export_is_asked_anew(tmp_path: Path, counted: Counted) -> None:
    counted.of(write(tmp_path, FILES))
    kept = tmp_path / "kept" / "parsed.json"
    sales = FEEDS[0]
    fewer = replace(sales, columns=[("day", "datetime")])
    project, problems = load_kusto(tmp_path, kept, [fewer, FEEDS[1]], start=counted)
    assert {problem.file for problem in problems} == {"kusto/functions/F.kql", "kusto/functions/G.kql"}
    assert project is not None


def test_what_is_kept_is_of_the_project_alone(tmp_path: Path, counted: Counted) -> None:
    kept = tmp_path / "kept" / "parsed.json"
    counted.of(write(tmp_path, FILES))
    before = len(json.loads(kept.read_bytes())["answers"])
    for number in range(3):
        _edit(tmp_path, F.replace("'a'", f"'{number}'"))
        counted.of(tmp_path)
    assert len(json.loads(kept.read_bytes())["answers"]) == before


def test_a_folder_that_may_only_be_read_is_no_error(tmp_path: Path, counted: Counted) -> None:
    (tmp_path / "kept").write_text("a file where the folder would be")
    assert counted.of(write(tmp_path, FILES)) == (1, 3)


@pytest.mark.long
def test_the_parser_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    """As it does for users: nothing of V8 is in this process, and the other one is gone afterwards."""
    script = (
        "import sys, subprocess, psutil\n"
        "from pathlib import Path\n"
        "from sluicegate.kusto.reading import load_kusto\n"
        "from sluicegate.kusto.language.engine import KustoLanguage\n"
        "load_kusto(Path(sys.argv[1]), None, [])\n"
        "from tests.kql import FEEDS\n"
        "project, problems = load_kusto(Path(sys.argv[1]), None, FEEDS)\n"
        "print(len(project.objects), problems, 'py_mini_racer' in sys.modules,"
        " len(psutil.Process().children()))\n"
    )
    write(tmp_path, FILES)
    ran = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True, timeout=120
    )
    assert ran.stdout.split() == ["3", "[]", "False", "0"]


class Ends(v8.Apart):
    """A parser whose process has ended."""

    def __init__(self) -> None:
        super().__init__()
        self.close()


@pytest.mark.long
def test_a_parser_that_ends_is_a_problem_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "Apart", Ends)
    with nothing_lent():
        _, problems = load_kusto(write(tmp_path, {"functions/F.kql": F}), None, FEEDS)
    assert [problem.file for problem in problems] == ["kusto/functions/F.kql"]
    assert "has ended" in problems[0].what


def test_a_text_that_is_too_deep_is_a_problem_of_the_file(tmp_path: Path) -> None:
    deep = F.replace("'a'", "(" * 20_000 + "'a'" + ")" * 20_000)
    _, problems = load_kusto(write(tmp_path, {"functions/F.kql": deep}), None, FEEDS)
    assert {problem.file for problem in problems} == {"kusto/functions/F.kql"}


def test_without_the_extra_the_way_to_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "RACER", "nobody_has_this_module")
    with nothing_lent():
        _, problems = load_kusto(write(tmp_path, {"functions/F.kql": F}), None, FEEDS)
    assert [problem.file for problem in problems] == ["kusto"]
    assert 'pip install "sluicegate[kusto]"' in problems[0].fix
    extras: Any = import_module("tomllib").loads(Path("pyproject.toml").read_text())["project"]
    assert "kusto" in extras["optional-dependencies"]
    assert extras["name"] == "sluicegate"
