"""The pipelines' files: each command in them is executed, and what they let through is what the verdict says.

What this does not prove: that the hosts start them, hand out secrets and keep those from forks, and ask those
who approve. Belongs here: the files. Does not: what `sluice ci` answers (`test_ci`).
"""

import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import chdir
from multiprocessing.connection import Client, Listener
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml
from sluicegate.core.settings import REPOSITORY
from sluicegate.review.comment import MARKER

from tests.doubles.azure_devops import DevOpsDouble
from tests.doubles.serving import serve
from tests.review.conftest import Branch
from tests.review.test_ci import REPORT

pytestmark = pytest.mark.long
# `on` is a truth value of YAML 1.1.
GITHUB: dict[Any, Any] = yaml.safe_load((REPOSITORY / ".github/workflows/sluice.yml").read_text())
AZURE: dict[Any, Any] = yaml.safe_load((REPOSITORY / "azure-pipelines.yml").read_text())
RENAMED = (REPORT, "mode: snapshot\n", "mode: snapshot\nnames: {rain_mm: rain}\n")
_EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}|\$\(([A-Za-z.]+)\)|\$\[variables\['(\w+)'\]\]")
# One command, whatever it is told; what it says may go to a file.
_ONE_COMMAND = re.compile(r"""(?:[\w./=-]+|"[\w./$ -]*"|\s|>>)+""")
STUB = """\
#!/bin/sh
printf '%s\\n' "$(basename "$0") $*" >> "{log}"
case "$*" in *--body-file*) cat sluice-ci.md > "{posted}";; esac
"""
# What it is asked this process answers, which has all of it loaded.
SLUICE = """\
#!{python} -IS
import os, sys
from multiprocessing.connection import Client
with Client({address}) as line:
    line.send((sys.argv[1:], dict(os.environ)))
    code, said, complained = line.recv()
sys.stdout.write(said)
sys.stderr.write(complained)
sys.exit(code)
"""


def commands(jobs: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """Return the steps with a command of some jobs."""
    found = jobs if isinstance(jobs, list) else [jobs]
    return [step for job in found for step in job["steps"] if key in step]


AZURE_JOBS = [
    job["strategy"]["runOnce"]["deploy"] if "strategy" in job else job
    for stage in AZURE["stages"]
    for job in stage["jobs"]
]
EVERY = [
    *((step, "run") for job in GITHUB["jobs"].values() for step in commands(job, "run")),
    *((step, "bash") for job in AZURE_JOBS for step in commands(job, "bash")),
]


def test_there_is_no_logic_in_them() -> None:
    """Neither a shell's, nor what a pull request has written: names come by variables alone."""
    assert len(EVERY) == 15
    for step, key in EVERY:
        assert _ONE_COMMAND.fullmatch(step[key]), step[key]


def test_they_are_allowed_no_more_than_they_need() -> None:
    assert GITHUB["permissions"] == {"contents": "read"}
    rights = {name: job.get("permissions") for name, job in GITHUB["jobs"].items()}
    asked = {"contents": "read", "pull-requests": "write"}
    assert rights == {"ci": asked, "approval": {}, "verdict": {}, "closed": None}
    # `pull_request_target` would hand secrets to whoever opens one.
    assert list(GITHUB[True]) == ["pull_request"]
    assert GITHUB["concurrency"]["cancel-in-progress"] is True
    used = [step for job in GITHUB["jobs"].values() for step in job["steps"] if "uses" in step]
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+\.\d+\.\d+", step["uses"]) for step in used)
    taken = [step["with"] for step in used if "checkout" in step["uses"]]
    taken += [step for job in AZURE_JOBS for step in job["steps"] if step.get("checkout") == "self"]
    assert all(
        str(one.get("persist-credentials", one.get("persistCredentials"))).lower() == "false" for one in taken
    )
    assert [one.get("fetch-depth", one.get("fetchDepth")) for one in taken] == [0, None, "0"]


VERDICTS = [
    # what `sluice ci` wrote, what became of the approval, whether it may be merged
    ("passed", "skipped", True), ("approval", "success", True), ("approval", "failure", False),
    ("approval", "cancelled", False), ("approval", "skipped", False), ("refused", "skipped", False),
    ("", "skipped", False),
]  # fmt: skip


@pytest.mark.parametrize(("verdict", "approved", "merged"), VERDICTS)
def test_what_lets_a_pull_request_through(verdict: str, approved: str, merged: bool) -> None:
    """Also where the command has said nothing, as it was typed wrongly, or was killed."""
    jobs = GITHUB["jobs"]
    assert jobs["approval"]["if"] == "needs.ci.outputs.verdict == 'approval'"
    assert (jobs["verdict"]["needs"], jobs["verdict"]["if"][:8]) == (["ci", "approval"], "always()")
    [step] = jobs["verdict"]["steps"]
    asked = step["if"].replace("needs.ci.outputs.verdict", repr(verdict)).replace("&&", "and")
    failing = eval(asked.replace("needs.approval.result", repr(approved)))
    assert (step["run"], failing) == ("exit 1", not merged)

    ci, approval, last = AZURE["stages"]
    words: dict[str, Callable[..., bool]] = {
        "eq": lambda one, other: one == other, "ne": lambda one, other: one != other,
        "and_": lambda *all_: all(all_),
    }  # fmt: skip
    known = {"dependencies.ci.outputs['ci.ci.verdict']": verdict}
    known["dependencies.approval.result"] = {"success": "Succeeded", "failure": "Failed"}.get(
        approved, "Skipped"
    )
    said = {}
    for stage in (approval, last):
        condition = stage["condition"].replace("and(", "and_(")
        for name, value in known.items():
            condition = condition.replace(name, repr(value))
        said[stage["stage"]] = eval(condition, words)
    assert said == {"approval": verdict == "approval", "verdict": not merged}
    assert ([step["name"] for step in ci["jobs"][0]["steps"] if "name" in step], last["dependsOn"]) == (
        ["ci"], ["ci", "approval"],
    )  # fmt: skip


class Machine:
    """A host's machine: its variables, and programs that stand in for what is not here."""

    def __init__(self, branch: Branch, folder: Path, known: Mapping[str, str]) -> None:
        self.branch, self.known = branch, known
        self.listener = Listener(("127.0.0.1", 0))
        self.log, self.posted, self.outputs = (folder / name for name in ("log", "posted", "outputs"))
        self.summary = folder / "summary"
        programs = folder / "bin"
        programs.mkdir()
        stub = STUB.format(log=self.log, posted=self.posted)
        sluice = SLUICE.format(python=sys.executable, address=self.listener.address)
        for name, text in {"gh": stub, "python": stub, "sluice": sluice}.items():
            (programs / name).write_text(text)
            (programs / name).chmod(stat.S_IRWXU)
        given = {name: value for name, value in os.environ.items() if not name.startswith("SLUICE_")}
        self.environ = given | {
            "PATH": f"{programs}{os.pathsep}{given['PATH']}", "GITHUB_OUTPUT": str(self.outputs),
            "GITHUB_STEP_SUMMARY": str(self.summary), "SLUICE_PROJECT_DIR": str(branch.tree),
            "SLUICE_ENVIRONMENTS_DIR": str(branch.folder / "environments"),
        }  # fmt: skip

    def told(self, text: str) -> str:
        """Return a value as the host writes it; what it does not know is an error of the test."""
        return _EXPRESSION.sub(lambda found: self.known[found[1] or found[2] or found[3]], text)

    def run(self, steps: list[dict[str, Any]], key: str, environ: Mapping[str, str]) -> list[tuple[int, str]]:
        """Run steps one after the other; one that may fail lets the next one run."""
        done: list[tuple[int, str]] = []
        for step in steps:
            own = {name: self.told(value) for name, value in {**environ, **step.get("env", {})}.items()}
            with subprocess.Popen(
                ["bash", "-e", "-o", "pipefail", "-c", step[key]], cwd=self.branch.tree,
                env=self.environ | own, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            ) as told:  # fmt: skip
                said = self.answered(told)
            done.append((told.returncode, said))
            if told.returncode and not (step.get("continue-on-error") or step.get("continueOnError")):
                break
        return done

    def answered(self, step: "subprocess.Popen[str]") -> str:
        """Answer what a step asks of `sluice` until it has ended; return what it says."""
        said: list[str] = []

        def ends() -> None:
            said.append(step.communicate()[0])
            with Client(self.listener.address) as line:
                line.send(None)

        waiting = Thread(target=ends)
        waiting.start()
        while True:
            with self.listener.accept() as line:
                if (asked := line.recv()) is None:
                    break
                arguments, environ = asked
                with chdir(self.branch.tree):
                    line.send(self.branch.company.sluice_with(environ, *arguments))
        waiting.join()
        return said[0]


def test_a_pull_request_on_github(branch: Branch, tmp_path: Path) -> None:
    """With its secrets: built, compared, one comment, a verdict for the jobs below; and closed."""
    branch.git("update-ref", "refs/remotes/origin/main", "main")
    branch.edit(*RENAMED)
    number = str(100 + branch.number)  # the walk has a `pr-1`
    known = {
        "github.event.number": number, "github.base_ref": "main", "github.token": "t",
        "runner.temp": str(tmp_path / "temp"), "secrets.SLUICE_AZURE_CONNECTION_STRING": "",
        "secrets.SLUICE_PUBLISHED_URL": str(branch.company.settings.published_url),
    }  # fmt: skip
    machine = Machine(branch, tmp_path, known)

    steps = commands(GITHUB["jobs"]["ci"], "run")
    done = machine.run(steps, "run", GITHUB["env"])

    assert [code for code, _ in done] == [0, 0, 3, 0, 0], done
    assert machine.outputs.read_text() == "verdict=approval\n"
    pip, install, posted = machine.log.read_text().splitlines()
    assert pip == "python -m pip install --no-deps --require-hashes -r requirements.txt"
    assert install.startswith("python -m pip install --no-deps")
    told = "--edit-last --create-if-none --body-file sluice-ci.md"
    assert posted == f"gh pr comment {number} {told}"
    comment = machine.posted.read_text()
    assert comment.startswith(MARKER)
    assert f"environment `pr-{number}`" in comment
    assert machine.summary.read_text() == comment
    assert (branch.tree / "sluice-ci.json").exists()
    made = branch.folder / "environments" / f"pr-{number}"
    assert made.is_dir()
    closed = machine.run(commands(GITHUB["jobs"]["closed"], "run"), "run", GITHUB["env"])
    assert ([code for code, _ in closed], made.exists()) == ([0, 0, 0], False), closed


def test_a_pull_request_of_a_fork_on_azure_devops(branch: Branch, tmp_path: Path) -> None:
    """Without a secret: the files alone, one thread, and the verdict as a variable of the pipeline."""
    branch.git("update-ref", "refs/remotes/origin/main", "main")
    branch.edit(*RENAMED)
    double = DevOpsDouble("a-token")
    names = {"SLUICE_PUBLISHED_URL": "", "SLUICE_AZURE_CONNECTION_STRING": ""}
    machine = Machine(branch, tmp_path, names)
    variables = {name: machine.told(value) for name, value in AZURE["variables"].items()}
    agent = {"Agent.TempDirectory": str(tmp_path / "temp"), "System.AccessToken": "a-token"}
    machine.known = {**variables, **agent}
    job = AZURE["stages"][0]["jobs"][0]
    with serve(double.app) as host:
        machine.environ |= {
            "SYSTEM_COLLECTIONURI": f"http://{host}/contoso/", "SYSTEM_TEAMPROJECTID": "p",
            "BUILD_REPOSITORY_ID": "r", "SYSTEM_PULLREQUEST_PULLREQUESTID": str(branch.number),
            "SYSTEM_PULLREQUEST_TARGETBRANCHNAME": "main",
        }  # fmt: skip
        done = machine.run(commands(job, "bash"), "bash", {})

    assert [code for code, _ in done] == [0, 0, 3], done
    assert "##vso[task.setvariable variable=verdict;isOutput=true]approval\n" in done[2][1]
    [thread] = double.threads
    assert "of the files alone: no shelf is named" in thread["comments"][0]["content"]
    assert (branch.tree / "sluice-ci.json").exists()
