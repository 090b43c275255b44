"""A bakery's repository, its shelf, and branches of it that are answered: all of it made once.

Belongs here: what a branch begins from, and asking `sluice ci`. Does not: what a change comes to.
"""

import json
import shutil
import subprocess
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.company import BAKERY, Company
from tests.stages.workshop import open_workshop

CODEOWNERS = """\
*                          @bakery/platform
/exports/                  @bakery/deliveries
/contracts/                @bakery/sources
/dbt_project/models/work/  @bakery/analysts
/expectations/unowned.yml
"""
_NUMBERS = count(1)
FILES = ("sluice-ci.md", "sluice-ci.json", "outputs")


@dataclass(frozen=True)
class Answer:
    """What `sluice ci` ended with, wrote and printed."""

    code: int
    comment: str
    data: dict[str, Any]
    outputs: str
    said: str

    @property
    def found(self) -> set[tuple[str, str]]:
        """Return (rule, file) of each finding."""
        return {(one["rule"], one["file"]) for one in self.data["findings"]}

    @property
    def rules(self) -> set[str]:
        """Return the rules of which there is a finding."""
        return {one["rule"] for one in self.data["findings"]}


@dataclass(frozen=True)
class Branch:
    """A work tree of the bakery's repository, and the machine on which its pull request is answered."""

    company: Company
    folder: Path
    number: int = 0

    @property
    def name(self) -> str:
        """What its environment is called; the walk and the pipelines have names of their own (`pr-1`)."""
        return f"branch-{self.number}"

    @property
    def tree(self) -> Path:
        """The work tree, which is the project directory as well."""
        return self.folder / "tree"

    def git(self, *arguments: str) -> None:
        """Run git in the work tree."""
        who = ["-c", "user.name=ada", "-c", "user.email=ada@bakery.example"]
        subprocess.run(["git", "-C", str(self.tree), *who, *arguments], check=True, capture_output=True)

    def begin(self) -> None:
        """Go back to what is merged."""
        self.git("checkout", "--quiet", "--force", "main")
        self.git("clean", "--quiet", "--force", "-d")

    def edit(self, name: str, old: str, new: str) -> None:
        """Change text of a file; make a file where `old` is empty, and take it away where both are."""
        path = self.tree / name
        if not old and not new:
            path.unlink()
        elif not old:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(new)
        else:
            text = path.read_text()
            assert old in text, (name, old)
            path.write_text(text.replace(old, new))

    def variables(self, *, shelf: bool = True) -> dict[str, str]:
        """Return the variables of the machine; without the shelf as a fork's pull request has them."""
        return {
            "SLUICE_ENVIRONMENT": "scratch",
            "SLUICE_PUBLISHED_URL": str(self.company.settings.published_url) if shelf else "",
            "SLUICE_DATA_DIR": str(self.folder / "own"),
            "SLUICE_ENVIRONMENTS_DIR": str(self.folder / "environments"),
            "SLUICE_PROJECT_DIR": str(self.tree),
        }

    def sluice(self, *arguments: str, shelf: bool = True) -> tuple[int, str]:
        """Run a command; return its exit code and all that it printed."""
        variables = self.variables(shelf=shelf)
        code, written, complained = self.company.sluice_with(variables, *arguments)
        return code, written + complained

    def ci(self, *arguments: str, shelf: bool = True) -> Answer:
        """Ask, with all that can be written."""
        markdown, as_json, outputs = (self.folder / name for name in FILES)
        for file in (markdown, as_json, outputs):
            file.unlink(missing_ok=True)
        written = ("--markdown", str(markdown), "--json", str(as_json), "--outputs", str(outputs))
        asked = ("--name", self.name, *written)
        since = () if "--since" in arguments else ("--since", "main")
        code, said = self.sluice("ci", *asked, *since, *arguments, shelf=shelf)
        there = markdown.exists()
        return Answer(
            code, markdown.read_text() if there else "", json.loads(as_json.read_text()) if there else {},
            outputs.read_text() if there else "", said,
        )  # fmt: skip


@pytest.fixture(scope="session")
def repository(published_bakery: Company, tmp_path_factory: pytest.TempPathFactory) -> Branch:
    """The bakery in a repository of its own, three days of it published."""
    made = Branch(published_bakery, tmp_path_factory.mktemp("review"))
    ignored = shutil.ignore_patterns("target", "logs", "README.md")
    shutil.copytree(BAKERY, made.tree, ignore=ignored)
    open_workshop(made.tree)
    with (made.tree / "environments.yml").open("a") as file:
        file.write("scratch: {days: 1}\n")
    (made.tree / ".github").mkdir()
    (made.tree / ".github/CODEOWNERS").write_text(CODEOWNERS)
    made.git("init", "--quiet", "--initial-branch=main")
    made.git("add", "--all")
    made.git("commit", "--quiet", "--message", "all")
    return made


@pytest.fixture
def branch(repository: Branch) -> Branch:
    """A branch of what is merged, without a change; its environment has a name of its own.

    What Dagster has opened in a process it would look for again, had another one the same place.
    """
    repository.begin()
    return replace(repository, number=next(_NUMBERS))
