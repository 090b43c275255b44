"""The tables of folders are those of the repository, and the layers of the linter."""

import tomllib

from sluicegate.core.settings import REPOSITORY, Settings
from sluicegate.state.schema import metadata

from tests.documents.reading import FOLDERS, TRACKED, Document, spans_of

ARCHITECTURE = Document("docs/architecture.md")
# The doors stand beside the rooms.
_MODULES = frozenset(
    name for name in TRACKED if name.startswith("orchestration/sluicegate/") and name.count("/") == 2
)


def test_the_house_has_the_rooms_that_the_architecture_tells() -> None:
    rows = [spans_of(row[0])[0] for row in ARCHITECTURE.table("Folder", "Takes", "Makes")]
    below = ARCHITECTURE.text.partition("They stand on ")[2].partition("\n\n")[0]
    told = [*rows, *(span for span in spans_of(below) if span.endswith("/"))]
    demo = ["demo/"] if "No stage imports `demo/`" in ARCHITECTURE.text else []
    assert sorted([*told, *demo]) == sorted(set(told) | set(demo)), "a room is told twice"
    rooms = {f"{name.removeprefix('orchestration/sluicegate/')}/" for name in FOLDERS
             if name.startswith("orchestration/sluicegate/") and name.count("/") == 2}  # fmt: skip
    modules = {name.removeprefix("orchestration/sluicegate/") for name in _MODULES} - {"__init__.py"}
    assert {*told, *demo} == rooms | modules


def test_the_layers_of_the_linter_are_all_rooms() -> None:
    contracts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
    [layers] = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    [apart] = [contract["source_modules"] for contract in contracts if contract["type"] == "forbidden"]
    named = [room.strip() for layer in layers for room in layer.split("|")]
    told = [spans_of(row[0])[0] for row in ARCHITECTURE.table("Folder", "Takes", "Makes")]
    assert {name.rstrip("/").removesuffix(".py") for name in told} <= set(named)
    assert {name.removeprefix("sluicegate.") for name in apart} == set(named) - {"graph", "definitions"}


def test_contributing_tells_the_folders_of_tests() -> None:
    rows = Document("CONTRIBUTING.md").table("In `tests/`", "Is tested")
    told = {span.rstrip("/") for row in rows for span in spans_of(row[0])}
    with_tests = {name.split("/")[1] for name in TRACKED
                  if name.startswith("tests/") and name.rpartition("/")[2].startswith("test_")}  # fmt: skip
    assert told == with_tests | {"companies"}


def test_contributing_tells_the_folders_of_the_repository() -> None:
    block = Document("CONTRIBUTING.md").text.partition("## Layout")[2].split("```")[1]
    told = {word.rstrip("/") for line in block.splitlines() for word in line.split() if word.endswith("/")}
    assert told == {name for name in FOLDERS if "/" not in name and name[0] != "."}


def test_the_data_directory_is_told() -> None:
    told = {span for row in ARCHITECTURE.table("Path", "What", "If it is lost") for span in spans_of(row[0])}
    settings = Settings.load({})
    paths = [settings.staging_url, settings.originals_url, settings.processing_url, settings.deliveries_dir]
    folders = [*map(str, paths), settings.dagster_home, settings.dbt_target_dir.parent]
    files = [settings.warehouse_path, settings.state_url.get_secret_value().removeprefix("sqlite:///")]
    kept = {f"{str(path).removeprefix(f'{settings.data_dir}/')}/" for path in folders}
    kept |= {str(path).removeprefix(f"{settings.data_dir}/") for path in files}
    assert kept <= told


def test_every_table_of_the_records_is_told() -> None:
    told = [span for row in ARCHITECTURE.table("Table", "A row is") for span in spans_of(row[0])]
    assert sorted(told) == sorted(metadata.tables)
