"""On a terminal `sluice contract new` asks what it cannot know; anywhere else it asks nothing."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

SLUICE = Path(sys.executable).with_name("sluice")


def at_a_terminal(typed: str, *arguments: str) -> tuple[int, str]:
    """Run `sluice` in a pseudo terminal; return its exit code and all that the terminal shows."""
    ours, its = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SLUICE_")}
    with subprocess.Popen(
        [SLUICE, *arguments], stdin=its, stdout=its, stderr=its, close_fds=True,
        env=environment | {"COLUMNS": "200", "TERM": "dumb"},
    ) as process:  # fmt: skip
        os.close(its)
        os.write(ours, typed.encode())  # the terminal keeps it until somebody reads
        shown = b""
        while True:
            try:
                read = os.read(ours, 4096)
            except OSError:  # Linux's way to say that nobody has it open any more
                break
            if not read:
                break
            shown += read
        process.wait(timeout=60)
    os.close(ours)
    return process.returncode, shown.decode()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "project" / "contracts").mkdir(parents=True)
    return tmp_path / "project"


def test_the_answer_is_drafted(project: Path, tmp_path: Path) -> None:
    sample = tmp_path / "s_08-03-2024.csv"
    sample.write_text("id,d,birth_date\n1,01/02/2020,03/04/1980\n2,03/04/2020,05/06/1981\n")
    # What is no answer is asked again.
    code, shown = at_a_terminal("1\nfour\n2\n1\n", "contract", "new", str(sample), "--project", str(project))
    assert code == 0, shown
    assert "the name can be read in more than one way" in shown
    assert "2  MM/dd/yyyy, which is 2 January 2020" in shown
    # Somebody's own date is not shown.
    assert "column `birth_date` can be read" in shown
    assert "1980" not in shown
    text = (project / "contracts" / "s.odcs.yaml").read_text()
    assert 'value: "2024-03-08"' in text
    assert [line.strip() for line in text.splitlines() if "format: " in line and "/" in line] == [
        "format: MM/dd/yyyy", "format: dd/MM/yyyy",
    ]  # fmt: skip


def test_who_ends_the_question_gets_no_contract(project: Path, tmp_path: Path) -> None:
    sample = tmp_path / "s.csv"
    sample.write_text("id,d\n1,01/02/2020\n")
    code, _ = at_a_terminal("\x04", "contract", "new", str(sample), "--project", str(project))
    assert code != 0
    assert list((project / "contracts").iterdir()) == []
