"""`sluice impact`, on a real repository: what git is asked, what is kept, and what is said when it fails."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from jsonschema import Draft202012Validator
from sluicegate.cli import app
from sluicegate.columns.report import schema_text
from typer.testing import CliRunner

from tests.company import BAKERY

MART, STAGING = "dbt_project/models/marts/shop_orders.sql", "dbt_project/models/staging/stg_weather.sql"
ORDERS, SENT = "contracts/orders.odcs.yaml", "exports/exp_shop_orders.yml"
EXPOSURES = """exposures:
  - name: rain board
    label: The rain board
    type: dashboard
    maturity: high
    url: https://bi.bakery.example/rain
    owner: {name: Ann, email: ann@bakery.example}
    depends_on: [ref('shop_orders')]
    config: {meta: {channel: "#rain", columns: {shop_orders: [rain_mm]}}}
"""
# Every part of a step is written otherwise, and means the same.
REFORMATTED = """-- The weather, by day and town.
with weather as (select * from {{ source('raw', 'weather') }} where {{ in_partition('weather_date') }})
select town, weather_date business_date, CAST(COALESCE(rain_mm, 0) as decimal(6,1)) as rain_mm from weather
"""


@pytest.fixture(name="repository", scope="module")
def _repository(tmp_path_factory: pytest.TempPathFactory) -> "Repository":
    """A repository in which the bakery lies in a folder; at first there was only a README."""
    return Repository(tmp_path_factory.mktemp("repository"), tmp_path_factory.mktemp("data") / "data")


@pytest.fixture(name="bakery_at")
def _bakery_at(repository: "Repository") -> Iterator["Repository"]:
    """The same for one test; what it edits is taken back."""
    yield repository
    repository.git("reset", "--quiet", "--hard", "whole")
    repository.git("clean", "--quiet", "--force", "-d")


class Repository:
    """A company in a git repository, with tags `before` (no company yet), `broken` and `whole`."""

    def __init__(self, folder: Path, data: Path) -> None:
        self.folder, self.data, self.project = folder, data, folder / "companies" / "the bakery"
        self.git("init", "--quiet", "--initial-branch=main")
        (folder / "README.md").write_text("Bread.\n")
        self.commit("before")
        shutil.copytree(BAKERY, self.project)
        (self.project / "dbt_project/models/marts/_exposures.yml").write_text(EXPOSURES)
        self.edit(SENT, "mode: mirror", "mode: sometimes")
        self.commit("broken")
        self.edit(SENT, "mode: sometimes", "mode: mirror")
        self.commit("whole")

    def git(self, *arguments: str) -> str:
        program = shutil.which("git")
        assert program is not None
        who = ["-c", "user.name=Baker", "-c", "user.email=baker@bakery.example", "-c", "commit.gpgsign=false"]
        done = subprocess.run([program, *who, *arguments], cwd=self.folder, check=True, capture_output=True)
        return done.stdout.decode()

    def commit(self, tag: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", tag)
        self.git("tag", tag)

    def edit(self, file: str, old: str, new: str) -> None:
        text = (self.project / file).read_text()
        assert old in text
        (self.project / file).write_text(text.replace(old, new, 1))

    def since(self, revision: str, *arguments: str, **environment: str) -> tuple[int, str, str]:
        return sluice(self.project, self.data, "--since", revision, *arguments, **environment)

    def answer(self, revision: str) -> tuple[int, Any]:
        code, written, complained = self.since(revision, "--json")
        assert written, complained
        return code, json.loads(written)


def sluice(project: Path, data: Path, *arguments: str, **environment: str) -> tuple[int, str, str]:
    asked = ["impact", *arguments, "--project", str(project), "--data", str(data)]
    done = CliRunner().invoke(app, asked, env=environment)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def told(answer: Any) -> list[str]:
    """Return what changes where, and who sees it."""
    return sorted(
        f"{change['change']} {change['table']}.{','.join(change['columns'])}: "
        + ", ".join(
            [f"{one['change']} {one['receiver']['name']}.{one['field']}" for one in change["fields"]]
            + [f"rows {one['receiver']['name']}" for one in change["rows"]]
        )
        for change in answer["changes"]
    )


def test_nothing_has_changed_since_and_git_is_left_as_it_was(bakery_at: Repository) -> None:
    def of_git() -> list[Any]:
        files = sorted(path for path in (bakery_at.folder / ".git").rglob("*") if path.is_file())
        return [(path, path.read_bytes()) for path in files]

    bakery_at.edit(SENT, "model:", "# Bread.\nmodel:")  # in no commit, nor in the index
    before = of_git()

    assert bakery_at.since("whole") == (0, "no destination sees a change\n", "")
    assert of_git() == before
    assert bakery_at.git("status", "--porcelain").split()[0] == "M"


def test_edits_are_compared_by_what_the_engine_understands(bakery_at: Repository) -> None:
    bakery_at.edit(STAGING, (bakery_at.project / STAGING).read_text(), REFORMATTED)
    bakery_at.edit(MART, "ordered as (", "sold as (")
    bakery_at.edit(MART, "from ordered\n", "from sold as ordered\n")
    bakery_at.edit(MART, "weather.rain_mm\n", "cast(weather.rain_mm * 10 as decimal(6, 1)) as rain_mm\n")

    code, answer = bakery_at.answer("whole")

    assert (code, told(answer)) == (
        1,
        ["values shop_orders.rain_mm: values exp_shop_orders.rain_mm, values rain board.shop_orders.rain_mm"],
    )
    assert answer["since"] == bakery_at.git("rev-parse", "whole").strip()
    assert not list(Draft202012Validator(json.loads(schema_text())).iter_errors(answer))

    code, written, _ = bakery_at.since("whole", "--markdown")
    assert code == 1
    assert written.startswith(
        "### Impact of this pull request\n\n`shop_orders.rain_mm`: made otherwise: **values**\n"
    )
    assert (
        "| `shop_screens bakery.shop_orders.rain_mm` | exp\\_shop\\_orders | values | identity:"
        " `shop_orders.rain_mm` → `exp_shop_orders.rain_mm` | counter@bakery.example | #counter |  |"
    ) in written
    assert (
        "| `dashboard rain board: shop_orders.rain_mm` | [rain board](https://bi.bakery.example/rain) |"
        in written
    )
    assert written.endswith("Please look: counter@bakery.example in #counter; ann@bakery.example in #rain\n")

    code, written, _ = bakery_at.since("whole")
    assert code == 1
    for one in ("shop_orders.rain_mm: made otherwise", "ann@bakery.example", "#rain"):
        assert one in written


def test_what_was_laid_out_and_parsed_is_not_again(bakery_at: Repository) -> None:
    bakery_at.since("whole")
    (place,) = (bakery_at.data / "earlier").glob(f"{bakery_at.git('rev-parse', 'whole')[:16]}-*/")
    parsed = place / "data" / "dbt" / "target" / "manifest.json"
    before = parsed.stat().st_mtime_ns

    for revision in ("whole", "HEAD", place.name[:12]):  # as the end of a comment names it
        assert bakery_at.since(revision)[0] == 0

    assert parsed.stat().st_mtime_ns == before
    assert {path.name for path in (place / "project").iterdir()} == {
        "contracts", "dbt_project", "expectations", "exports",
    }  # fmt: skip


def test_what_a_killed_process_has_left_is_cleared_and_what_is_read_stays(bakery_at: Repository) -> None:
    commit = bakery_at.git("rev-parse", "whole")[:16]
    earlier = bakery_at.data / "earlier"
    bakery_at.since("whole")
    (place,) = earlier.glob(f"{commit}-*/")
    shutil.rmtree(place)
    (place / "data").mkdir(parents=True)  # laid out to a half: the project is not there
    left = [earlier / f".{name}-abc" for name in (place.name, "0123456789abcdef-01234567")]
    read = earlier / ".fedcba9876543210-01234567-abc"
    old = [earlier / f"{number:016}-01234567" for number in range(9)]
    for number, folder in enumerate([*left, read, *old]):
        folder.mkdir()
        os.utime(folder, (number, number))

    with FileLock(earlier / "fedcba9876543210-01234567.lock"):
        assert bakery_at.since("whole")[0] == 0

    assert [folder.exists() for folder in [*left, read]] == [False, False, True]
    assert (place / "project" / "exports").is_dir()
    assert len(list(earlier.glob("[!.]*-*/"))) == 8
    assert not old[0].exists()
    read.rmdir()


def test_a_company_that_was_not_there_is_new(bakery_at: Repository) -> None:
    code, answer = bakery_at.answer("before")

    changes = {one["change"] for change in answer["changes"] for one in change["fields"]}
    sent = {one["receiver"]["name"] for change in answer["changes"] for one in change["fields"]}
    assert (code, changes) == (1, {"new"})
    assert {"exp_shop_orders", "exp_weather_report"} <= sent


def test_a_column_out_of_a_contract_is_told_though_the_project_does_not_load(bakery_at: Repository) -> None:
    text = (bakery_at.project / ORDERS).read_text()
    gone = text[text.index("      - name: loaves\n") : text.index("customProperties:\n")]
    bakery_at.edit(ORDERS, gone, "")

    code, written, complained = bakery_at.since("whole", "--json")

    answer = json.loads(written)
    assert (code, told(answer)) == (2, ["gone orders.loaves: values exp_shop_orders.loaves"])
    assert answer["problems"]
    assert "_sources.yml" in complained
    code, written, _ = bakery_at.since("whole", "--markdown")
    assert code == 2
    assert "only its contracts are compared" in written


def test_a_project_that_does_not_load_is_not_said_to_change_nothing(bakery_at: Repository) -> None:
    bakery_at.edit(MART, "weather.rain_mm\n", "weather.rain\n")

    for form in ((), ("--markdown",)):
        code, written, complained = bakery_at.since("whole", *form)
        assert code == 2
        assert "o destination sees a change of a contract; of all else it is not known" in written
        assert "shop_orders.sql" in complained


def test_a_hook_of_git_may_ask(bakery_at: Repository) -> None:
    index = bakery_at.folder / ".git" / "index"
    before = index.read_bytes()

    assert bakery_at.since("whole", GIT_DIR=".git", GIT_INDEX_FILE=str(index))[0] == 0
    assert index.read_bytes() == before


# (revision, exit code, what is said)
FAILING = [
    ("nowhere", "`nowhere` is no commit of this repository; expected one; type `git fetch origin nowhere`"),
    ("--all", "`--all` is no commit of this repository"),
    ("broken", "the project at `broken`"),
    ("broken", "exports/exp_shop_orders.yml:7: `mode` is 'sometimes'"),
]


@pytest.mark.parametrize(("revision", "said"), FAILING)
def test_a_revision_that_cannot_be_compared_with_is_told(
    bakery_at: Repository, revision: str, said: str
) -> None:
    code, written, complained = bakery_at.since(revision)

    assert (code, written) == (2, "")
    assert said in complained


def test_a_shallow_clone_says_what_to_type_and_that_mends_it(bakery_at: Repository, tmp_path: Path) -> None:
    origin, clone = f"file://{bakery_at.folder}", tmp_path / "clone"
    bakery_at.git("clone", "--quiet", "--depth=1", "--no-tags", origin, str(clone))
    project = clone / "companies" / "the bakery"
    old = bakery_at.git("rev-parse", "whole~1").strip()

    code, _, complained = sluice(project, bakery_at.data, "--since", old)
    assert code == 2
    typed = complained.partition("type `")[2].partition("`")[0]
    assert typed == "git fetch --unshallow"
    bakery_at.git("-C", str(clone), *typed.split()[1:])

    code, _, complained = sluice(project, bakery_at.data, "--since", old)
    assert (code, "does not load" in complained) == (2, True)  # it is `broken`, and found


def test_outside_of_a_repository_is_told(tmp_path: Path) -> None:
    project = shutil.copytree(BAKERY, tmp_path / "bakery")

    code, _, complained = sluice(
        project, tmp_path / "data", "--since", "main", GIT_CEILING_DIRECTORIES=str(tmp_path)
    )

    assert code == 2
    assert "lies in no git repository" in complained


def test_a_column_that_a_dashboard_names_and_is_not_there_is_told_by_check(bakery_at: Repository) -> None:
    asked = ["check", "--project", str(bakery_at.project), "--data", str(bakery_at.data)]
    assert CliRunner().invoke(app, asked).exit_code == 0

    bakery_at.edit("dbt_project/models/marts/_exposures.yml", "[rain_mm]", "[rain]")

    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 2
    assert "_exposures.yml:1: meta.columns of exposure `rain board` names `shop_orders.rain`" in done.stderr
    assert "did you mean `rain_mm`?" in done.stderr


# (what is typed, what is said)
ASKED = [
    ([], "these options do not go together"),
    (["orders", "--since", "whole"], "these options do not go together"),
    (["--field", "exp_shop_orders.loaves", "--markdown"], "these options do not go together"),
    (["order"], "did you mean `orders`?"),
    (["orders.loafs"], "did you mean `loaves`?"),
    (["--field", "exp_shop_orders.loafs"], "did you mean `loaves`?"),
]


@pytest.mark.parametrize(("arguments", "said"), ASKED)
def test_what_cannot_be_asked_so_is_told(bakery_at: Repository, arguments: list[str], said: str) -> None:
    code, written, complained = sluice(bakery_at.project, bakery_at.data, *arguments)

    assert (code, written) == (2, "")
    assert said in complained


def test_what_hangs_on_columns_and_what_decides_a_field(bakery_at: Repository) -> None:
    def asked(*arguments: str) -> tuple[int, str]:
        return sluice(bakery_at.project, bakery_at.data, *arguments)[:2]

    code, written = asked("weather.rain_mm", "orders.order_number")
    assert code == 1
    for one in (
        "bakery.shop_orders.rain_mm",
        "miller weather.rain_mm",
        "dashboard rain board:",
    ):
        assert one in written
    assert asked("orders.order_number") == (
        0, "orders.order_number: what hangs on it: reaches no destination\nno destination sees a change\n",
    )  # fmt: skip
    code, written = asked("--field", "exp_shop_orders.loaves")
    assert code == 0
    assert "orders.loaves" in written
    assert "which rows are sent, shops decides" in written
    assert "ovens@bakery.example" in written
    assert "_partition_key" not in written
    code, written = asked("--field", "exp_shop_orders.loaves", "--json")
    assert (code, json.loads(written)["values"][0]["column"]) == (0, "loaves")
