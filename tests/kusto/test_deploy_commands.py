"""`sluice kusto plan`, `deploy`, `drift` and `pull` as they are typed, on a real project.

Does not belong here: what is compared and sent (`test_deploying`), which database (`test_places`).
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import dagster as dg
import pytest
from sluicegate.cli import app
from sluicegate.core.settings import Settings
from sluicegate.graph.instance import open_instance
from typer.testing import CliRunner

from tests.company import BAKERY
from tests.doubles.kusto import Kusto
from tests.doubles.kusto_objects import Parser
from tests.kusto.bench import function
from tests.parses import own_copy

pytestmark = pytest.mark.long
EXPORT = (BAKERY / "exports/exp_weather_report.yml").read_text().replace("type: blob", "type: adx")
FILES = {
    "database.yml": "connection: miller\nscratch: scratch_db\n",
    "functions/Wet.kql": function("Wet", "weather | where rain_mm > 1"),
    "tables/weather.kql": ".alter table weather docstring 'Rain'\n",
}


@dataclass
class Typed:
    """A project and a database, and what is typed there."""

    project: Path
    data: Path
    kusto: Kusto
    url: str

    def __call__(
        self, *arguments: str, environment: str = "local", variable: str = "SLUICE_SCRATCH_KUSTO"
    ) -> tuple[int, str]:
        where = ("--project", str(self.project), "--data", str(self.data / environment))
        variables = {"SLUICE_ENVIRONMENT": environment, variable: self.url, "COLUMNS": "250"}
        told = CliRunner().invoke(app, ["kusto", *arguments, *where], env=variables)
        assert told.exception is None or isinstance(told.exception, SystemExit), told.exception
        return told.exit_code, told.stdout + told.stderr

    def write(self, name: str, text: str) -> None:
        path = self.project / "kusto" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def git(self, *arguments: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@b.example")
        subprocess.run(["git", "-C", self.project, *who, *arguments], check=True, capture_output=True)


@pytest.fixture
def typed(tmp_path: Path, parser: Parser) -> Iterator[Typed]:
    kusto = Kusto(None, "scratch_db", parser=parser)
    with kusto.running() as url:
        project = own_copy(BAKERY)
        (project / "exports/exp_weather_report.yml").write_text(EXPORT)
        made = Typed(project, tmp_path, kusto, url)
        for name, text in FILES.items():
            made.write(name, text)
        yield made


def test_a_deploy_is_shown_on_the_assets_that_it_made_however_it_ended(typed: Typed) -> None:
    """A function that a deploy has made before it broke off is shown, and once."""
    typed.write("functions/Wetter.kql", function("Wetter", "Wet() | where rain_mm > 3"))
    typed.kusto.forbidden = [".create-or-alter function Wetter"]
    assert typed("deploy", "--dirty")[0] == 1
    assert shown(typed, "Wet", "Wetter") == {"Wet": 1, "Wetter": 0}
    typed.kusto.forbidden = []
    assert typed("deploy", "--dirty")[0] == 0
    assert shown(typed, "Wet", "Wetter") == {"Wet": 1, "Wetter": 1}
    typed.write("functions/Wet.kql", function("Wet", "weather | where rain_mm > 2"))
    assert typed("deploy", "--dirty")[0] == typed("deploy", "--dirty")[0] == 0
    assert shown(typed, "Wet", "Wetter") == {"Wet": 2, "Wetter": 1}


def shown(typed: Typed, *names: str) -> dict[str, int]:
    """How often each was shown as deployed to the database, from its file."""
    settings = Settings.load({}, project_dir=typed.project, data_dir=typed.data / "local")
    found: dict[str, int] = {}
    with open_instance(settings) as instance:
        for name in names:
            events = instance.fetch_materializations(dg.AssetKey(["kusto", name]), limit=10).records
            found[name] = len(events)
            for event in events:
                assert event.asset_materialization is not None
                said = {key: one.value for key, one in event.asset_materialization.metadata.items()}
                assert (said["file"], said["environment"]) == (f"kusto/functions/{name}.kql", "local")
                assert str(said["database"]).endswith("/scratch_db")
                assert said["digest"]
    return found


def test_from_a_plan_to_drift_and_back(typed: Typed) -> None:
    code, said = typed("plan")
    assert (code, "+ function Wet  kusto/functions/Wet.kql" in said) == (1, True), said
    assert "is made here, as nothing is delivered to this database" in said
    assert [one for one in typed.kusto.engine.commands if not one.startswith(".show")] == []
    code, said = typed("plan", "--json")
    data = json.loads(said)
    assert (code, data["differs"], data["environment"]) == (1, True, "local")
    assert [one["name"] for one in data["objects"]] == ["weather", "weather", "Wet"]

    code, said = typed("deploy")
    assert code == 0, said
    assert "creates function Wet  kusto/functions/Wet.kql:1" in said
    assert typed("plan")[0] == typed("drift")[0] == 0

    typed.kusto.objects.principal = "aaduser=ada"
    typed.kusto.engine.command(".create-or-alter function Wet() { weather | where rain_mm > 2 }")
    code, said = typed("drift")
    assert code == 1
    for part in (
        "function Wet  kusto/functions/Wet.kql: somebody has changed it there, aaduser=ada at 2024-",
        "-{ weather | where rain_mm > 2 }", "+{ weather | where rain_mm > 1", "`sluice kusto deploy` makes",
    ):  # fmt: skip
        assert part in said
    assert json.loads(typed("drift", "--json")[1])["who"]["Wet"].startswith("aaduser=ada")
    typed.kusto.forbidden = [".show database ['scratch_db'] journal"]
    assert json.loads(typed("drift", "--json")[1])["who"] == {}

    code, said = typed("pull")
    assert code == 1
    assert "kusto/functions/Wet.kql says something else; --force writes over it" in said
    assert "rain_mm > 1" in (typed.project / "kusto/functions/Wet.kql").read_text()
    assert typed("pull", "--force")[0] == 0
    assert "rain_mm > 2" in (typed.project / "kusto/functions/Wet.kql").read_text()
    assert typed("plan")[0] == 0

    assert typed("deploy")[0] == 0  # which puts on record that it is so

    (typed.project / "kusto/functions/Wet.kql").unlink()
    code, said = typed("deploy")
    assert (code, "ours, and in git no more: function Wet; --prune removes them" in said) == (0, True), said
    code, said = typed("deploy", "--prune")
    assert (code, "removes function Wet" in said) == (0, True), said
    assert typed.kusto.objects.functions == {}


def test_a_work_deployment_wants_a_commit_and_waits_for_a_delivery(typed: Typed) -> None:
    work = {"environment": "work:kql", "variable": "SLUICE_WORK_CONNECTION_MILLER"}
    typed.git("init", "-q")
    typed.git("add", ".")
    typed.git("commit", "-qm", "all")
    typed.write("functions/Wet.kql", function("Wet", "weather | where rain_mm > 3"))
    typed.write("functions/One.kql", function("One", "print 1"))
    code, said = typed("deploy", **work)
    assert (code, "kusto/functions/One.kql, kusto/functions/Wet.kql: not committed" in said) == (2, True), (
        said
    )
    code, said = typed("deploy", "--dirty", **work)
    assert code == 0, said
    assert "function Wet: waits for the first delivery of exp_weather_report" in said
    assert {*typed.kusto.objects.functions} == {"One"}
    typed.git("add", ".")
    typed.git("commit", "-qm", "more")
    assert typed("plan", **work)[0] == 0
    # What git ignores is in no commit either.
    typed.write("functions/Two.kql", function("Two", "print 2"))
    (typed.project / ".git/info/exclude").write_text("Two.kql\n.*.swp\n")
    typed.write("functions/.One.kql.swp", "")
    typed.write("functions/.DS_Store", "")
    code, said = typed("deploy", **work)
    assert (code, said.startswith("kusto/functions/Two.kql: not committed")) == (2, True), said
    (typed.project / "kusto/functions/Two.kql").unlink()
    code, said = typed("plan", "--environment", "production", **work)
    assert (code, "--environment says `production`" in said) == (2, True), said
    # A copy of the data directory deploys nothing.
    typed.kusto.engine.command(".drop function One")
    copied = replace(typed, data=typed.data / "copies")
    shutil.copytree(typed.data / "work:kql", copied.data / "work:kql")
    code, said = copied("deploy", **work)
    assert (code, "is a copy of" in said, "nothing was deployed" in said) == (1, True, True), said
    assert typed.kusto.objects.functions == {}
    assert typed("deploy", **work)[0] == 0


def test_a_deploy_whose_process_is_killed_is_typed_again(typed: Typed) -> None:
    for name in ("Dry", "Windy"):
        typed.write(f"functions/{name}.kql", function(name, "weather | where rain_mm < 1"))
    assert typed("plan")[0] == 1
    killed: list[subprocess.Popen[bytes]] = []

    def kill(text: str) -> None:
        if text.startswith(".create-or-alter function Wet"):
            killed[0].kill()
            killed[0].wait()

    typed.kusto.before = kill
    here = ("--project", str(typed.project), "--data", str(typed.data / "local"))
    command = [sys.executable, "-c", "from sluicegate.cli import app; app()", "kusto", "deploy", *here]
    own = {"SLUICE_ENVIRONMENT": "local", "SLUICE_SCRATCH_KUSTO": typed.url}
    # It is there before the first command that it waits for.
    with subprocess.Popen(command, env=os.environ | own, stdout=subprocess.PIPE) as process:
        killed.append(process)
        said, _ = process.communicate(timeout=600)
    assert process.returncode == -signal.SIGKILL, said
    typed.kusto.before = lambda _: None
    stood = {*typed.kusto.objects.functions}
    code, said = typed("deploy")
    assert code == 0, said
    assert {*typed.kusto.objects.functions} == {"Dry", "Wet", "Windy"} >= stood
    assert not any(f"creates function {name}" in said for name in stood)
    assert typed("plan")[0] == typed("drift")[0] == 0


def test_what_cannot_be_asked_ends_with_2_and_says_why(typed: Typed) -> None:
    typed.kusto.token = "another"
    code, said = typed("plan")
    assert (code, "does not let the principal show its" in said) == (2, True), said
    assert ("delivery" in said, "Ingestor" in said, "Function Admin" in said) == (False, False, True)
    code, said = typed("deploy")
    assert (code, "does not let the principal" in said) == (1, True), said
    typed.write("functions/Wet.kql", function("Wet", "weather | where rain > 1"))
    code, said = typed("deploy")
    assert (code, "kusto/functions/Wet.kql:1:" in said) == (2, True), said


def test_files_begin_from_a_database_that_is_there(typed: Typed) -> None:
    typed.kusto.engine.command(".create-merge table weather (town: string)")
    typed.kusto.engine.command(".create-or-alter function with (folder='f') Dry() { weather | take 1 }")
    for name in FILES:
        (typed.project / "kusto" / name).unlink()
    for folder in ("functions", "tables", "."):
        (typed.project / "kusto" / folder).rmdir()
    code, said = typed("plan")
    assert (code, "has no kusto/" in said, "`sluice kusto pull`" in said) == (2, True, True), said
    work = {"environment": "work:kql", "variable": "SLUICE_WORK_CONNECTION_MILLER"}
    code, said = typed("pull", **work)
    assert (code, "wrote kusto/functions/Dry.kql" in said, "wrote kusto/database.yml" in said) == (
        0,
        True,
        True,
    ), said
    code, said = typed("plan", **work)
    assert code == 0, said
