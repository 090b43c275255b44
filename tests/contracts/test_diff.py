"""What has changed in the contracts since another version, for whom it breaks, and if `version` says so."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from sluicegate.cli import app
from sluicegate.codes import place
from sluicegate.contracts.diff import difference
from typer.testing import CliRunner, Result

from tests.company import BAKERY

ORDERS = "contracts/orders.odcs.yaml"
LOAVES = "        physicalType: INTEGER\n        description: Loaves ordered.\n        required: true\n"
SHOP = "        description: The shop, by its code.\n        required: true\n"
DATE = "        physicalType: DATE\n        description: Day of the order.\n"
CUSTOM, FORMAT, TABLE = "customProperties:\n", "    format: csv\n", "    physicalType: table\n"
NEW = "      - {name: paid, physicalType: BOOLEAN, logicalType: boolean}\n"
BREAKING, COMPATIBLE, NOTE = "breaking", "compatible", "note"


@pytest.fixture(name="project")
def _project(tmp_path: Path) -> Path:
    """A bakery in a git repository of its own, all committed, with a remote's main as it is."""
    project = Path(shutil.copytree(BAKERY, tmp_path / "repository" / "bakery"))
    git(project.parent, "init", "--quiet", "--initial-branch=work")
    commit(project, "all")
    git(project.parent, "update-ref", "refs/remotes/origin/main", "HEAD")
    return project


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=Baker", "-c", "user.email=baker@bakery.example", "-c", "commit.gpgsign=false"]
    program = shutil.which("git")
    assert program is not None
    subprocess.run([program, *who, *arguments], cwd=folder, check=True, capture_output=True)


def commit(project: Path, message: str) -> None:
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--allow-empty", "--message", message)


def edit(project: Path, old: str, new: str, file: str = ORDERS) -> None:
    text = (project / file).read_text()
    assert old in text
    (project / file).write_text(text.replace(old, new, 1))


def diff(project: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["contract", "diff", "--project", str(project), *arguments])


def changes(project: Path, against: str | None = None) -> list[tuple[str, str, str]]:
    return [(change.weight, change.affects, change.what) for change in difference(project, against).changes]


def options(column: str, said: str) -> tuple[str, str]:
    return column, f"{column}        logicalTypeOptions: {{{said}}}\n"


def custom(name: str, value: str) -> tuple[str, str]:
    return CUSTOM, f"{CUSTOM}  - {{property: {name}, value: {value}}}\n"


def of_column(column: str, name: str, value: str) -> tuple[str, str]:
    return column, f"{column}        customProperties: [{{property: {name}, value: {value}}}]\n"


def of_server(name: str, value: str) -> tuple[str, str]:
    return FORMAT, f"{FORMAT}    customProperties: [{{property: {name}, value: {value}}}]\n"


# (before, after, weight, whom it affects, what is said); the text before stands in the bakery's contract, or
# is put there first and is what the earlier version says.
EDITS: list[tuple[str, str, str, str, str]] = [
    # for readers of the raw table
    ("name: loaves", "name: breads", BREAKING, "readers", "column `loaves` is now named `breads`"),
    ("INTEGER", "BIGINT", BREAKING, "readers", "column `loaves`: type is `BIGINT`, was `INTEGER`"),
    ("ordered.\n        required: true", "ordered.\n        required: false", BREAKING, "readers",
     "column `loaves`: may be NULL now"),
    ("value: daily", "value: weekly", BREAKING, "readers", "partition grain is `weekly`, was `daily`"),
    ("        partitioned: true\n        partitionKeyPosition: 1\n", "", BREAKING, "readers",
     "partition column is nothing, was `order_date`"),
    ("        primaryKeyPosition: 1\n", "        primaryKeyPosition: 1\n        unique: true\n", BREAKING,
     "provider", "column `order_number`: is unique now"),
    (DATE, DATE + "        primaryKey: true\n        primaryKeyPosition: 2\n", BREAKING, "readers",
     "key is `order_number, order_date`, was `order_number`"),
    (*of_column(SHOP, "masking", "hash"), BREAKING, "readers", "`shop`: masking is `hash`, was `keep`"),
    (*of_column(SHOP, "masking", "drop"), BREAKING, "readers", "`shop`: masking is `drop`, was `keep`"),
    # for the provider
    ("Shop\n", "Store\n", BREAKING, "provider", "column `shop`: header `Shop` is not known any more"),
    ("servers:\n  - server: staging", "servers:\n  - server: other", BREAKING, "provider",
     "connector is `other`, was `staging`"),
    ("orders/{date}.csv.gz", "orders/{date}.csv", BREAKING, "provider", "path is `orders/{date}.csv`"),
    ("format: csv", "format: jsonl", BREAKING, "provider", "format is `jsonl`, was `csv`"),
    (*of_server("encoding", "cp1252"), BREAKING, "provider", "encoding is `cp1252`, was `utf-8`"),
    (*custom("completion", "{on: stable, seconds: 60}"), BREAKING, "provider", "drop is complete on"),
    ('"2024-01-01"', '"2024-02-01"', BREAKING, "provider", "first partition is"),
    ('"2024-01-01"', '"2023-02-01"', COMPATIBLE, "provider", "first partition is"),
    (*custom("daysWithoutDrop", "allowed"), COMPATIBLE, "provider", "daysWithoutDrop is `allowed`"),
    (*options(LOAVES, "minimum: 0"), BREAKING, "provider", "column `loaves`: minimum is `0`, was nothing"),
    (*options(SHOP, "pattern: '^[a-z]+$'"), BREAKING, "provider", "column `shop`: pattern is"),
    (*options(SHOP, "maxLength: 3"), BREAKING, "provider", "column `shop`: max length is `3`, was nothing"),
    (*options(DATE, "format: dd.MM.yyyy"), BREAKING, "provider", "column `order_date`: dates is"),
    (*of_column(LOAVES, "nullWords", "['NULL']"), COMPATIBLE, "readers", "column `loaves`: null words is"),
    (*of_column(LOAVES, "decimalSeparator", "','"), BREAKING, "provider", "decimal separator is `,`"),
    (*of_column(LOAVES, "thousandsSeparator", "','"), COMPATIBLE, "readers", "thousands separator is `,`"),
    (*of_column(SHOP, "aliases", "[Store]"), COMPATIBLE, "provider", "header `Store` is known, too"),
    (*custom("quarantineLimit", "{rows: 5}"), COMPATIBLE, "readers", "what may be quarantined is `5 rows`"),
    (*custom("shapeChanges", "{newColumn: refuse}"), BREAKING, "provider", "policy for a new column is"),
    (*custom("shapeChanges", "{newColumn: add}"), COMPATIBLE, "readers", "policy for a new column is"),
    (TABLE, TABLE + "    quality: [{metric: rowCount, mustBeGreaterThan: 5}]\n",
     BREAKING, "provider", "least rowCount is `6`, was nothing"),
    # for people
    ("What shops ordered", "What shops want", NOTE, "", "description changed"),
    ("    unit: h\n", "    unit: d\n", NOTE, "", "SLA changed"),
    ("value: tills@bakery.example", "value: till@bakery.example", NOTE, "", "provider is"),
    ("Loaves ordered.", "Loaves.", NOTE, "", "column `loaves`: `description` changed"),
    (SHOP, SHOP + "        classification: public\n", NOTE, "", "column `shop`: `classification` changed"),
    ("status: active", "status: deprecated", NOTE, "", "status changed"),
    (*custom("staging", "remove"), NOTE, "", "staging is emptied is `True`"),
]  # fmt: skip


@pytest.mark.sampled(7)
@pytest.mark.parametrize(("before", "after", "weight", "affects", "what"), EDITS, ids=[e[4] for e in EDITS])
def test_each_change_has_its_weight_and_asks_for_a_version(
    project: Path, before: str, after: str, weight: str, affects: str, what: str
) -> None:
    (project / "contracts/connectors.yml").write_text(
        "connectors: [{name: staging, types: [local]}, {name: other, types: [local]}]\n"
    )
    edit(project, before, after)
    if "value: weekly" in after:
        edit(project, "orders/{date}", "orders/{week}")
    found = [change for change in changes(project) if what in change[2]]
    assert [change[:2] for change in found] == [(weight, affects)], changes(project)
    asked = {BREAKING: "2.0.0", COMPATIBLE: "1.1.0", NOTE: "1.0.1"}[
        min((change[0] for change in changes(project)), key=[BREAKING, COMPATIBLE, NOTE].index)
    ]
    (problem,) = difference(project, None).problems
    assert (problem.file, problem.line, problem.expected) == (ORDERS, 5, f"{asked} or later")
    edit(project, "version: 1.0.0", f"version: {asked}")
    assert difference(project, None).problems == ()


@pytest.mark.parametrize(
    ("plain", "ruled", "what"),
    [
        (*options(LOAVES, "minimum: 0"), "minimum is nothing, was `0`"),
        (*options(SHOP, "pattern: '^[a-z]+$'"), "pattern is nothing"),
    ],
    ids=["minimum", "pattern"],
)
def test_a_rule_that_is_gone_loses_nothing(project: Path, plain: str, ruled: str, what: str) -> None:
    edit(project, plain, ruled)
    commit(project, "ruled")
    edit(project, ruled, plain)
    ((weight, affects, said),) = changes(project, "HEAD")
    assert (weight, affects) == (COMPATIBLE, "readers")
    assert what in said


@pytest.mark.parametrize(
    ("old", "new", "weight"),
    [
        ("minimum: 1", "minimum: 0", COMPATIBLE), ("minimum: 1", "minimum: 2", BREAKING),
        ("maximum: 9", "maximum: 10", COMPATIBLE), ("maximum: 10", "maximum: 9", BREAKING),
        ("multipleOf: 2", "multipleOf: 3", BREAKING), ("minimum: 1", "exclusiveMinimum: 1", BREAKING),
    ],
)  # fmt: skip
def test_bounds_are_compared_as_values(project: Path, old: str, new: str, weight: str) -> None:
    edit(project, *options(LOAVES, old))
    commit(project, "bound")
    edit(project, old, new)
    assert changes(project, "HEAD")[0][0] == weight


@pytest.mark.parametrize(
    ("old", "new", "weight"),
    [
        ("{rows: 5}", "{rows: 4}", BREAKING), ("{rows: 5}", "{percent: 1}", BREAKING),
        ("{rows: 5, percent: 1}", "{rows: 5}", COMPATIBLE), ("{percent: 1}", "{percent: 2}", COMPATIBLE),
        ("{percent: 1}", "{}", BREAKING),
    ],
)  # fmt: skip
def test_limits(project: Path, old: str, new: str, weight: str) -> None:
    edit(project, *custom("quarantineLimit", old))
    commit(project, "limit")
    edit(project, old, new)
    assert changes(project, "HEAD")[0][0] == weight


@pytest.mark.parametrize(
    ("column", "policy", "expected"),
    [
        (NEW, "{lostColumn: add}",
         (COMPATIBLE, "readers", "column `paid` is new; NULL where a drop has none")),
        (NEW, "{lostColumn: refuse}",
         (BREAKING, "provider", "column `paid` is new: drops without it are refused, unless `shapeChanges`"
          " says `{lostColumn: add}`")),
        (NEW.replace("}", ", required: true}"), "{lostColumn: add}",
         (BREAKING, "provider", "column `paid` is new and required: drops without it are refused")),
    ],
)  # fmt: skip
def test_a_new_column(project: Path, column: str, policy: str, expected: tuple[str, str, str]) -> None:
    edit(project, *custom("shapeChanges", policy))
    commit(project, "policy")
    edit(project, CUSTOM, column + CUSTOM)
    assert changes(project, "HEAD") == [expected]


def test_a_column_that_is_gone_and_one_that_has_moved(project: Path) -> None:
    text = (project / ORDERS).read_text()
    shop = text[text.index("      - name: shop\n") : text.index("      - name: loaves")]
    (project / ORDERS).write_text(text.replace(shop, ""))
    assert changes(project) == [(BREAKING, "readers", "column `shop` is gone")]
    (project / ORDERS).write_text(text.replace(shop, "").replace(CUSTOM, shop + CUSTOM))
    assert changes(project) == [(BREAKING, "provider", "the order of the columns")]


def test_sources_that_are_new_or_gone(project: Path) -> None:
    (project / "contracts/weather.odcs.yaml").unlink()
    shutil.copy(project / "contracts/shops.odcs.yaml", project / "contracts/towns.odcs.yaml")
    edit(project, "  - name: shops", "  - name: towns", "contracts/towns.odcs.yaml")
    assert changes(project) == [
        (COMPATIBLE, "readers", "new source"),
        (BREAKING, "readers", "the contract is gone"),
    ]
    assert difference(project, None).problems == ()


def test_an_earlier_contract_that_does_not_load_is_no_reason_to_fail(project: Path) -> None:
    edit(project, "partitionGrain", "partitionGrian")
    commit(project, "broken")
    edit(project, "partitionGrian", "partitionGrain")
    ((weight, _, what),) = changes(project, "HEAD")
    assert (weight, what.partition(":")[0]) == (
        NOTE,
        "the earlier contract does not load, so nothing is compared",
    )


@pytest.mark.parametrize(
    ("before", "after", "edited", "expected"),
    [
        ("1.2.3", "1.2.3", False, ""), ("1.2.3", "1.2.2", False, "1.2.3 or later"),
        ("1.2.3", "2.0.0", True, ""), ("1.2.3", "1.3.0", True, "2.0.0 or later"),
        ("0.2.3", "0.3.0", True, ""), ("0.2.3", "0.2.4", True, "0.3.0 or later"),
        ("1.2.3", "2", True, "a semantic version, as 1.4.0"), ("1", "1.0.0", True, ""),
        ("1.2.3", "3.0.0-rc.1", True, ""),
    ],
)  # fmt: skip
def test_versions(project: Path, before: str, after: str, edited: bool, expected: str) -> None:
    edit(project, "version: 1.0.0", f'version: "{before}"')
    commit(project, "version")
    edit(project, f'version: "{before}"', f'version: "{after}"')
    if edited:
        edit(project, "INTEGER", "BIGINT")
    assert [problem.expected for problem in difference(project, "HEAD").problems] == (
        [expected] if expected else []
    )


# -- the command


def test_nothing_has_changed(project: Path) -> None:
    found = diff(project)
    assert (found.exit_code, found.output) == (0, "no change since origin/main\n")


def test_changes_are_listed_and_a_version_that_does_not_fit_is_code_1(project: Path) -> None:
    edit(project, "INTEGER", "BIGINT")
    edit(project, "Loaves ordered.", "Loaves.")
    found = diff(project)
    assert found.exit_code == 1
    assert found.output.splitlines() == [
        f"{ORDERS}:41: breaking for readers: column `loaves`: type is `BIGINT`, was `INTEGER`",
        f"{ORDERS}:45: note: column `loaves`: `description` changed",
        f"{ORDERS}:5: version is 1.0.0, was 1.0.0, and column `loaves`: type is `BIGINT`, was `INTEGER`"
        f" (breaking); expected 2.0.0 or later; write `version: 2.0.0` [SLU-P031: {place('SLU-P031')}]",
    ]
    edit(project, "version: 1.0.0", "version: 2.0.0")
    assert diff(project).exit_code == 0


def test_json_for_ci(project: Path) -> None:
    edit(project, "INTEGER", "BIGINT")
    found = diff(project, "--json")
    assert found.exit_code == 1
    said: dict[str, Any] = json.loads(found.stdout)
    assert said["against"] == "origin/main"
    assert said["changes"] == [
        {"source": "orders", "file": ORDERS, "line": 41, "weight": "breaking", "affects": "readers",
         "what": "column `loaves`: type is `BIGINT`, was `INTEGER`"}
    ]  # fmt: skip
    assert [(problem["line"], problem["expected"]) for problem in said["problems"]] == [(5, "2.0.0 or later")]


def test_the_default_is_the_remotes_main_then_main_then_the_last_commit(project: Path) -> None:
    edit(project, "Loaves ordered.", "Loaves.")
    commit(project, "later")
    assert difference(project, None).against == "origin/main"
    assert len(changes(project)) == 1
    git(project, "update-ref", "-d", "refs/remotes/origin/main")
    assert (difference(project, None).against, changes(project)) == ("HEAD", [])
    git(project, "branch", "main", "HEAD~1")
    assert difference(project, None).against == "main"
    assert len(changes(project)) == 1


def test_against_a_ref_a_file_or_a_directory(project: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(project, tmp_path / "other"))
    edit(project, "INTEGER", "BIGINT")
    commit(project, "wider")
    assert changes(project, "HEAD") == []
    expected = [(BREAKING, "readers", "column `loaves`: type is `BIGINT`, was `INTEGER`")]
    for against in ("HEAD~1", str(other), str(other / "contracts"), str(other / ORDERS)):
        assert changes(project, against) == expected


@pytest.mark.parametrize("against", ["nothing", "--output=x", "HEAD:contracts"])
def test_what_is_not_there_is_said(project: Path, against: str) -> None:
    found = diff(project, f"--against={against}")
    assert found.exit_code == 2
    assert f"{against}: no commit in the repository" in found.output


def test_outside_of_any_repository(tmp_path: Path) -> None:
    project = Path(shutil.copytree(BAKERY, tmp_path / "bakery"))
    found = diff(project)
    assert found.exit_code == 2
    assert "origin/main and main and HEAD: no commit" in found.output


def test_contracts_that_do_not_load_are_said_first(project: Path) -> None:
    edit(project, "partitionGrain", "partitionGrian")
    found = diff(project)
    assert found.exit_code == 2
    assert f"{ORDERS}:" in found.output


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ("", "2 d", (BREAKING, "provider", "maxAge is `2 days, 0:00:00`, was nothing")),
        ("2 d", "", (COMPATIBLE, "readers", "maxAge is nothing, was `2 days, 0:00:00`")),
        ("2 d", "1 d", (BREAKING, "provider", "maxAge is `1 day, 0:00:00`, was `2 days, 0:00:00`")),
        ("1 d", "2 d", (COMPATIBLE, "readers", "maxAge is `2 days, 0:00:00`, was `1 day, 0:00:00`")),
        ("1 d", "24 h", None),
    ],
)
def test_how_old_a_source_may_be_when_it_is_sent(
    project: Path, before: str, after: str, found: tuple[str, str, str] | None
) -> None:
    contract = project / ORDERS
    text = contract.read_text()

    def say(max_age: str) -> None:
        value, _, unit = max_age.partition(" ")
        line = f"  - {{property: maxAge, value: {value}, unit: {unit}}}\n" if max_age else ""
        contract.write_text(text + line)

    say(before)
    commit(project, "before")
    git(project.parent, "update-ref", "refs/remotes/origin/main", "HEAD")
    say(after)
    assert changes(project) == ([found] if found else [])
