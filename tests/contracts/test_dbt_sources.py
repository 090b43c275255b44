"""dbt's sources, generated from the contracts: what dbt reads, and how a stale file is told."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from sluicegate.cli import app
from sluicegate.contracts.dbt_sources import SOURCES_FILE, sources_problems, sources_text, write_sources
from sluicegate.contracts.load import load_contracts
from sluicegate.core.problems import Problem
from sluicegate.core.settings import Settings
from sluicegate.ingestion.raw_table import TECHNICAL_COLUMNS
from sluicegate.project.loading import load_project
from typer.testing import CliRunner

from tests.company import BAKERY

REPOSITORY = Path(__file__).parents[2]
COMPANIES = [REPOSITORY, *sorted((REPOSITORY / "tests" / "companies").iterdir())]
ORDERS = "contracts/orders.odcs.yaml"
FIX = "run `sluice contract sources`"
Edit = Callable[[str, str, str], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the bakery's project directory."""
    return Path(shutil.copytree(BAKERY, tmp_path / "bakery"))


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def _problems(folder: Path) -> list[Problem]:
    contracts, problems = load_contracts(folder)
    assert problems == []
    return sources_problems(folder, contracts)


@pytest.mark.parametrize("company", COMPANIES, ids=lambda path: path.name)
def test_the_file_says_what_the_contracts_say(company: Path) -> None:
    contracts, _ = load_contracts(company)
    assert sources_problems(company, contracts) == []
    (source,) = yaml.safe_load((company / SOURCES_FILE).read_text())["sources"]
    assert (source["name"], source["schema"]) == ("raw", "raw")
    assert [table["name"] for table in source["tables"]] == list(contracts)
    for table in source["tables"]:
        contract = contracts[table["name"]]
        columns = {column["name"]: column["data_type"] for column in table["columns"]}
        loaded = {column.name: column.loaded_type for column in contract.loaded_columns}
        assert columns == {**loaded, **TECHNICAL_COLUMNS}
        assert table["config"]["meta"] == {
            "owner": contract.owner,
            "provider": contract.provider,
            "contract": contract.file.name,
            "contract_version": contract.version,
            "partition_grain": str(contract.grain),
        }


def test_what_is_masked_says_so_and_what_is_dropped_is_not_there(folder: Path) -> None:
    shop = "        physicalName: Shop\n"
    _edit(folder / ORDERS, shop, shop + "        classification: restricted\n")
    masking = "  - {property: masking, value: {restricted: hash, secret: drop}}\n"
    _edit(folder / ORDERS, "customProperties:\n", f"customProperties:\n{masking}")
    loaves = "        physicalName: Loaves (pcs)\n"
    _edit(folder / ORDERS, loaves, loaves + "        classification: secret\n")
    contracts, problems = load_contracts(folder)
    assert problems == []
    (source,) = yaml.safe_load(sources_text(contracts))["sources"]
    columns = {column["name"]: column for column in source["tables"][0]["columns"]}
    assert columns["shop"]["config"]["meta"] == {"classification": "restricted", "masking": "hash"}
    assert "loaves" not in columns


def test_dbt_reads_every_text_as_it_is(folder: Path, tmp_path: Path) -> None:
    """dbt takes braces for its templates, in descriptions and in meta."""
    odd = "100 % of {{ 'orders' }}, {% raw %} and {# none #}: \"all\" – 'ä'"
    _edit(folder / ORDERS, "  purpose: What shops ordered for a day.", f"  purpose: {yaml.safe_dump(odd)}")
    _edit(folder / ORDERS, "value: tills@bakery.example", f"value: {yaml.safe_dump(odd).strip()}")
    _edit(
        folder / ORDERS, "description: The shop, by its code.", f"description: {yaml.safe_dump(odd).strip()}"
    )
    contracts, problems = load_contracts(folder)
    assert problems == []
    assert write_sources(folder, contracts)
    project = load_project(Settings.load({}, project_dir=folder, data_dir=tmp_path / "data"))
    table = project.manifest.content["sources"]["source.bakery.raw.orders"]
    assert table["description"] == f"{odd} ({ORDERS})"
    assert table["columns"]["shop"]["description"] == odd
    assert table["meta"]["provider"] == odd


def test_a_file_that_says_the_same_is_not_written(folder: Path) -> None:
    """dbt would parse the project again."""
    contracts, _ = load_contracts(folder)
    path = folder / SOURCES_FILE
    before = path.stat()
    assert not write_sources(folder, contracts)
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


@pytest.mark.parametrize(
    ("file", "old", "new", "what"),
    [
        (ORDERS, "Loaves ordered.", "Loaves baked.", "table `orders`: column `loaves`"),
        (ORDERS, "name: loaves", "name: breads", "table `orders`: column `breads`, column `loaves`"),
        (ORDERS, "physicalType: INTEGER", "physicalType: BIGINT", "table `orders`: column `loaves`"),
        (ORDERS, "version: 1.0.0", "version: 1.0.1", "table `orders`: `config`"),
        (ORDERS, "What shops ordered", "What shops got", "table `orders`: `description`"),
        (ORDERS, "  - name: orders", "  - name: wishes",
         "table `wishes` is missing; table `orders` has no contract"),
        (SOURCES_FILE, "      - name: shops\n", "      - name: shop\n",
         "table `shops` is missing; table `shop` has no contract"),
        (SOURCES_FILE, "# Generated", "# Once generated", "written by hand"),
        (SOURCES_FILE, "sources:", "sauces:", "table `orders` is missing"),
        (SOURCES_FILE, "    schema: raw\n", "    schema: RAW\n", "written by hand"),
    ],
)  # fmt: skip
def test_a_stale_file_is_told(folder: Path, file: str, old: str, new: str, what: str) -> None:
    _edit(folder / file, old, new)
    (problem,) = _problems(folder)
    assert (problem.file, problem.line, problem.fix) == (SOURCES_FILE, 1, FIX)
    assert problem.what.startswith(f"dbt's sources are not the contracts': {what}")


def test_a_file_that_does_not_read_is_told_with_its_line(folder: Path) -> None:
    _edit(folder / SOURCES_FILE, "    schema: raw\n", "    schema: raw\n    schema: raw\n")
    (problem,) = _problems(folder)
    assert (problem.line, problem.what, problem.fix) == (5, "`schema` stands twice", FIX)


def test_a_missing_file_is_told_and_the_command_makes_it(folder: Path) -> None:
    (folder / SOURCES_FILE).unlink()
    (problem,) = _problems(folder)
    assert (problem.file, problem.what, problem.fix) == (SOURCES_FILE, "dbt's sources are missing", FIX)
    made = CliRunner().invoke(app, ["contract", "sources", "--project", str(folder)])
    assert (made.exit_code, made.output) == (0, f"wrote {SOURCES_FILE}\n")
    assert _problems(folder) == []
    again = CliRunner().invoke(app, ["contract", "sources", "--project", str(folder)])
    assert again.output == f"unchanged: {SOURCES_FILE}\n"


def test_the_command_does_not_generate_from_a_contract_that_does_not_load(folder: Path) -> None:
    before = (folder / SOURCES_FILE).read_text()
    _edit(folder / ORDERS, "partitionGrain", "partitionGrian")
    made = CliRunner().invoke(app, ["contract", "sources", "--project", str(folder)])
    assert made.exit_code == 2
    assert f"{ORDERS}:" in made.output
    assert (folder / SOURCES_FILE).read_text() == before
