"""Which database each kind of deployment may change, whatever the variables say, in whichever spelling.

Does not belong here: what is sent there (`test_deploying`).
"""

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sluicegate.areas import Area
from sluicegate.core.catalogues import path_of
from sluicegate.core.environments import place_digest
from sluicegate.core.settings import Settings, SettingsError
from sluicegate.kusto.objects import KustoProject
from sluicegate.kusto.places import database_digest, place_of
from sluicegate.state.deployment import Deployment

from tests.kusto.bench import ITEMS

PROJECT = KustoProject("telemetry", scratch_database="scratch_db", feeds=[ITEMS])
HOST = "acme.westeurope.kusto.windows.net"
PRODUCTION, WORK = "SLUICE_CONNECTION_TELEMETRY", "SLUICE_WORK_CONNECTION_TELEMETRY"
SCRATCH, SHELF = "SLUICE_SCRATCH_KUSTO", "SLUICE_PUBLISHED_URL"
SPELLINGS = [
    f"adx://{HOST}/scratch_db", f"adx://ingest-{HOST}/scratch_db", f"adx://{HOST.upper()}/scratch_db",
    f"adx://{HOST}:443/scratch_db", f"adx://{HOST}./scratch_db", f"adx://{HOST}/Scratch_DB",
    f"adx://{HOST}/scratch%5Fdb", f"adx://a:b@{HOST}/scratch_db?tenant=t", f"adx://{HOST}/scratch_db/",
]  # fmt: skip


@contextmanager
def deployment(folder: Path, environment: str, variables: Mapping[str, str]) -> Generator[Deployment]:
    project = folder / "project"
    project.mkdir(exist_ok=True)
    environ = {"SLUICE_ENVIRONMENT": environment, **variables}
    settings = Settings.load(environ, project_dir=project, data_dir=folder / "data")
    with closing(Deployment(settings)) as opened:
        yield opened


def publish(folder: Path, *tables: str, digests: Sequence[str] = ()) -> str:
    """Say what is production's in a catalogue of its shelf; return the shelf's URL."""
    area = Area(str(folder / "shelf"))
    said = {"places": [*digests, *(place_digest(table) for table in tables)]}
    area.create(path_of("000000000001"), [json.dumps(said).encode()])
    return str(folder / "shelf")


@pytest.mark.parametrize(
    ("environment", "variables", "found"),
    [
        ("production", {PRODUCTION: f"adx://{HOST}/telemetry"}, f"adx://{HOST}/telemetry"),
        ("production", {PRODUCTION: f"adx://{HOST}:443/T", WORK: f"adx://{HOST}/T"}, f"adx://{HOST}/t"),
        ("work:a", {WORK: f"adx://ingest-{HOST}/w"}, f"adx://{HOST}/w"),
        ("scratch:me", {SCRATCH: f"adx://{HOST}/scratch_db"}, f"adx://{HOST}/scratch_db"),
        (
            "scratch", {SCRATCH: f"adx://{HOST}/scratch_db", WORK: f"adx://{HOST}/w"},
            f"adx://{HOST}/scratch_db",
        ),
        ("local", {SCRATCH: "adx://127.0.0.1:8080/scratch_db"}, "adx://localhost:8080/scratch_db"),
        (
            "local", {SCRATCH: "adx://127.0.0.1:1/scratch_db", PRODUCTION: "adx://127.0.0.1:1/db"},
            "adx://localhost:1/scratch_db",
        ),
    ],
)  # fmt: skip
def test_each_has_its_own(tmp_path: Path, environment: str, variables: Mapping[str, str], found: str) -> None:
    with deployment(tmp_path, environment, variables) as opened:
        place = place_of(opened, PROJECT)
        assert (place.name, place.environment) == (found, environment)
        assert "s3cret" not in repr(place)


@pytest.mark.parametrize(
    ("environment", "variables", "why"),
    [
        ("production", {}, f"{PRODUCTION} is not set"),
        ("production", {WORK: f"adx://{HOST}/w", SCRATCH: f"adx://{HOST}/s"}, f"{PRODUCTION} is not"),
        ("production", {PRODUCTION: "https://x/y"}, f"{PRODUCTION}: the connection's URL is none of"),
        ("work", {SCRATCH: f"adx://{HOST}/scratch_db"}, f"{WORK} is not set"),
        ("scratch", {}, f"{SCRATCH} is not set"),
        ("scratch", {WORK: f"adx://{HOST}/scratch_db"}, f"{SCRATCH} is not set"),
        ("scratch", {SCRATCH: f"adx://{HOST}/telemetry"}, "names `scratch: scratch_db` for scratch"),
        ("scratch", {SCRATCH: f"adx://{HOST}/SCRATCH_DB"}, "names `scratch: scratch_db` for scratch"),
        ("local", {SCRATCH: f"adx://{HOST}/scratch_db"}, "this deployment is `local`"),
        ("local", {PRODUCTION: "adx://127.0.0.1:8080/scratch_db"}, f"{SCRATCH} is not set"),
    ],
)  # fmt: skip
def test_none_has_anothers(tmp_path: Path, environment: str, variables: Mapping[str, str], why: str) -> None:
    with deployment(tmp_path, environment, variables) as opened, pytest.raises(SettingsError, match=why):
        place_of(opened, PROJECT)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_works_database_is_known_in_every_spelling(tmp_path: Path, spelling: str) -> None:
    variables = {SCRATCH: f"adx://{HOST}/scratch_db", WORK: spelling}
    with (
        deployment(tmp_path, "scratch", variables) as opened,
        pytest.raises(SettingsError, match=f"that of work \\({WORK}\\)"),
    ):
        place_of(opened, PROJECT)


@pytest.mark.parametrize("host", ["127.0.0.1:80", "localhost:80", "[::1]:80", "LOCALHOST:80"])
def test_this_machine_has_one_name(tmp_path: Path, host: str) -> None:
    variables = {SCRATCH: "adx://127.0.0.1:80/scratch_db", PRODUCTION: f"adx://{host}/scratch_db"}
    with (
        deployment(tmp_path, "local", variables) as opened,
        pytest.raises(SettingsError, match="that of production"),
    ):
        place_of(opened, PROJECT)


@pytest.mark.parametrize(
    "published", [f"adx://{host}/scratch_db/items" for host in (HOST, f"{HOST}:443", f"{HOST}.")]
)
@pytest.mark.parametrize(("environment", "variable"), [("scratch", SCRATCH), ("work:b", WORK)])
def test_productions_database_is_known_by_its_catalogue(
    tmp_path: Path, environment: str, variable: str, published: str
) -> None:
    variables = {variable: f"adx://ingest-{HOST}/scratch_db", SHELF: publish(tmp_path, published)}
    with (
        deployment(tmp_path, environment, variables) as opened,
        pytest.raises(SettingsError, match="production's, as its catalogue says"),
    ):
        place_of(opened, PROJECT)


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize(("environment", "variable"), [("scratch", SCRATCH), ("work:b", WORK)])
def test_productions_database_is_known_in_every_spelling_and_by_no_table(
    tmp_path: Path, environment: str, variable: str, spelling: str
) -> None:
    shelf = publish(tmp_path, digests=[database_digest(spelling)])
    with (
        deployment(tmp_path, environment, {variable: SPELLINGS[0], SHELF: shelf}) as opened,
        pytest.raises(SettingsError, match="production's, as its catalogue says"),
    ):
        place_of(opened, replace(PROJECT, feeds=[]))


def test_another_table_is_not_productions(tmp_path: Path) -> None:
    shelf = publish(tmp_path, f"adx://{HOST}/telemetry/items")
    with deployment(tmp_path, "scratch", {SCRATCH: f"adx://{HOST}/scratch_db", SHELF: shelf}) as opened:
        assert place_of(opened, PROJECT).name == f"adx://{HOST}/scratch_db"


def test_a_shelf_that_says_nothing_is_a_refusal(tmp_path: Path) -> None:
    variables = {SCRATCH: f"adx://{HOST}/scratch_db", SHELF: str(tmp_path / "empty")}
    with (
        deployment(tmp_path, "scratch", variables) as opened,
        pytest.raises(SettingsError, match="no catalogue is there.*SLUICE_PUBLISHED_URL"),
    ):
        place_of(opened, PROJECT)


@pytest.mark.parametrize(
    ("said", "agrees"),
    [
        ("work", True),
        ("work:a", True),
        ("work:b", False),
        ("production", False),
        ("scratch", False),
        ("", True),
    ],
)
def test_what_a_person_names_has_to_be_so_and_changes_nothing(
    tmp_path: Path, said: str, agrees: bool
) -> None:
    with deployment(tmp_path, "work:a", {WORK: f"adx://{HOST}/w"}) as opened:
        if agrees:
            assert place_of(opened, PROJECT, said).name == f"adx://{HOST}/w"
        else:
            with pytest.raises(SettingsError, match=f"--environment says `{said}`"):
                place_of(opened, PROJECT, said)
