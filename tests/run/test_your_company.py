"""`docs/your-company.md`, typed as it stands: from files of one's own to a delivered day and a held one."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from sluicegate.core.settings import REPOSITORY, Settings

from tests.company import Company
from tests.drafts import finish

DAY = "exp_prices --partition 2024-03-10"
_BLOCK = re.compile(r"(?:`([\w/.]+)`:\n\n)?```(\w+)\n(.*?)```", re.DOTALL)


def test_the_page_is_typed_from_files_to_a_delivered_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(REPOSITORY / "tests/companies/kiosk", tmp_path / "tests/companies/kiosk")
    monkeypatch.chdir(tmp_path)
    said: list[tuple[str, int, str]] = []
    variables: dict[str, str] = {}
    for name, kind, text in _BLOCK.findall((REPOSITORY / "docs" / "your-company.md").read_text()):
        if kind != "sh":
            Path(name).write_text(text)
            continue
        for line in text.splitlines():
            words = shlex.split(line)
            if words[0] == "export":
                name, _, value = words[1].partition("=")
                variables[name] = value.replace("$PWD", str(tmp_path))
            elif words[0] == "sluice":
                at = Company(Settings.load(variables), "", tmp_path)
                code, *told = at.sluice_with(variables, *words[1:])
                said.append((line, code, "".join(told)))
            else:
                subprocess.run(["bash", "-c", line], check=True)
        if "contract new" in text:
            finish(Path("shop/contracts/till.odcs.yaml"))
    assert [line for line, code, _ in said if code] == ["sluice run", f"sluice why {DAY}"], said
    why = said[-1][2]
    assert ["no problem found" in text for line, _, text in said if line == "sluice check"] == [True]
    sent = Path("shop/sent/prices")
    assert sorted(path.name for path in sent.iterdir()) == ["2024-03-08", "2024-03-09"]
    assert "expect_column_values_to_be_between(price)" in why
    # As the page says: a corrected file of that name is delivered.
    Path("till_2024-03-10.csv").write_text("receipt,item,price\n0005,A,1.50\n")
    at = Company(Settings.load(variables), "", tmp_path)
    assert at.sluice_with(variables, "land", "till", "till_2024-03-10.csv")[0] == 0
    assert at.sluice_with(variables, "run")[0] == 0
    assert (sent / "2024-03-10" / "manifest.json").exists()
