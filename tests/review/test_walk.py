"""The walk of docs/path-to-production.md, typed: a try in scratch, work, a pull request, production.

What stands in the page is what is typed, and the files that it shows are those that are written; an exit code
that it tells is the one that there is. Belongs here: that, and what arrives. Does not: any step by itself.
"""

import re
import shlex
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sluicegate.core.settings import REPOSITORY

from tests.company import FRI
from tests.review.conftest import Branch

pytestmark = pytest.mark.long
PAGE = REPOSITORY / "docs/path-to-production.md"
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_NAMED = re.compile(r"(?:--|#) (\S+/\S+)\n")
_ENDS = re.compile(r"\s+# ends with (\d): .*")
_DAY = re.compile(r"expires: \d{4}-\d{2}-\d{2}")


class Typist:
    """Who types a page's blocks, on machines whose `/srv` is a folder of the test's."""

    def __init__(self, branch: Branch, srv: Path) -> None:
        self.branch, self.srv = branch, srv
        self.exported: dict[str, str] = {}

    def block(self, kind: str, text: str) -> None:
        """Type a block of commands, or write a file."""
        if kind == "sh":
            for line in text.splitlines():
                ends = _ENDS.search(line)
                self.line(_ENDS.sub("", line), int(ends[1]) if ends else 0)
        elif named := _NAMED.match(text):
            future = datetime.now(UTC).date() + timedelta(days=60)
            self.branch.edit(named[1], "", _DAY.sub(f"expires: {future}", text[named.end() :]))

    def line(self, line: str, ends: int) -> None:
        """Type one line."""
        words = [word.replace("/srv/", f"{self.srv}/") for word in shlex.split(line)]
        own = dict(word.split("=", 1) for word in words if re.match(r"SLUICE_\w+=", word))
        words = [word for word in words if word.partition("=")[0] not in own]
        if words[0] == "export":
            self.exported |= own
        elif words[0] == "git":
            self.branch.git(*words[1:])
        else:
            assert words[0] == "sluice", line
            variables = self.branch.variables() | self.exported | own
            if words[1:] == ["run"]:  # the provider has been there
                self.land(variables)
            code, said, complained = self.branch.company.sluice_with(variables, *words[1:])
            assert code == ends, (line, said, complained)

    def land(self, variables: Mapping[str, str]) -> None:
        """Land a day's weather, as its provider does."""
        weather = self.srv / f"{FRI}.csv"
        weather.write_text(f"date,town,rain_mm\n{FRI},Ulm,1.5\n{FRI},Bonn,0.2\n")
        asked = ("land", "weather", str(weather), "--partition", FRI)
        code, _, complained = self.branch.company.sluice_with(variables, *asked)
        assert code == 0, complained


def test_the_walk(branch: Branch, tmp_path: Path) -> None:
    walk = PAGE.read_text().partition("## The walk")[2].partition("\n## ")[0]
    typist = Typist(branch, tmp_path)
    (tmp_path / "published").symlink_to(str(branch.company.settings.published_url))

    for found in _BLOCK.finditer(walk):
        typist.block(found[1], found[2])

    comment = (tmp_path / "comment.md").read_text()
    assert "`exp_wet_days` is a new export, to `wet_days` of `miller` (blob)" in comment
    assert "Must approve: @bakery/deliveries, counter@bakery.example." in comment
    for place in ("sandbox", "miller"):
        manifests = sorted((tmp_path / place / "wet_days").glob("*/manifest.json"))
        assert [path.parent.name for path in manifests] == [FRI]
    # Production knew of no work, and work sent nothing of production's.
    assert [path.name for path in (tmp_path / "sandbox").glob("[!.]*") if path.is_dir()] == ["wet_days"]
    assert (tmp_path / "miller" / "weather").is_dir()
    assert not list((branch.tree / "exports").glob("work/*"))
