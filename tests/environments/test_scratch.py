"""A scratch deployment: what it delivers is in its outbox, and nothing of it leaves."""

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestration.areas import Area
from orchestration.compute.engine import open_engine
from orchestration.core.settings import REPOSITORY, Settings, SettingsError
from orchestration.delivery.deliver import engine_for
from orchestration.delivery.productions_places import digests_of
from orchestration.destinations.base import DeliveryError
from orchestration.destinations.registry import build, destination_types
from orchestration.incidents.alerts_spec import CHANNEL_TYPES
from orchestration.operations.site import Site
from orchestration.operations.status import Standing
from orchestration.project.loading import Project
from orchestration.state.deployment import Deployment
from tests.company import BAKERY, MON, NO_WAIT, SHOP_ORDERS, TUE, WEATHER_REPORT, Company, runs
from tests.parses import loaded
from tests.typed import sluice

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def made_bakery(parsed_bakery: Path) -> Project:
    return loaded(Settings.load({}, project_dir=BAKERY, data_dir=parsed_bakery))


def bakery_in_scratch(folder: Path) -> Company:
    settings = Settings.load(
        {"SLUICE_ENVIRONMENT": "scratch:ada", **NO_WAIT}, project_dir=BAKERY, data_dir=folder / "data"
    )
    return Company(settings, "", folder / "none")


def rows(company: Company, export: str) -> int:
    file = company.settings.data_dir / "outbox" / export / "rows.parquet"
    with open_engine() as engine:
        (found,) = engine.execute(f"select count(*) from '{file}'").fetchall()
    return int(found[0])


def test_what_would_be_delivered_is_in_the_outbox(tmp_path: Path, parsed_bakery: Path) -> None:
    shutil.copytree(parsed_bakery, tmp_path / "data")
    company = bakery_in_scratch(tmp_path)
    company.land_shops("a", "b")
    company.land_day(MON, a=3, b=4)
    assert runs(company.run()) == [("", True), (MON, True)]
    assert {company.status()[name, MON].standing for name in (SHOP_ORDERS, WEATHER_REPORT)} == {
        Standing.DELIVERED
    }
    assert rows(company, SHOP_ORDERS) == 2
    # Whatever a person types is done there.
    for command in (
        ("delivery", "plan", SHOP_ORDERS), ("delivery", "resend", SHOP_ORDERS, "--partition", MON),
        ("delivery", "reconcile", SHOP_ORDERS, "--partition", MON),
    ):  # fmt: skip
        code, said = sluice(company, *command)
        assert code == 0, (command, said)
    sent = company.settings.data_dir / "outbox" / SHOP_ORDERS / "sent"
    assert len(list(sent.iterdir())) == 2
    code, said = sluice(
        company,
        "delivery",
        "redeliver",
        SHOP_ORDERS,
        "--partition",
        MON,
        "--on",
        str(datetime.now(UTC).date()),
        "--reason",
        "r",
    )
    assert (code, "the destination has these 2 rows" in said) == (0, True), said
    company.land_day(TUE, a=5)
    assert runs(company.run()) == [(TUE, True)]
    assert rows(company, SHOP_ORDERS) == 4  # each day has what both shops have ordered since
    company.deployment.close()


ALONE = """
import json, os, socket, sys, threading
from pathlib import Path
from typer.testing import CliRunner
from orchestration.cli import app

kinds, data = json.loads(sys.argv[1]), Path(sys.argv[2])
doubles, came = {}, []

def listen(name, server):
    while True:
        server.accept()
        came.append(name)

for kind in kinds:
    doubles[kind] = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=listen, args=(kind, doubles[kind]), daemon=True).start()
urls = {kind: "{}://user:secret@127.0.0.1:{}/there".format(kind, server.getsockname()[1])
        for kind, server in doubles.items()}
urls |= {"shop_screens": urls["postgres"].replace("postgres:", "postgresql:"), "miller": urls["blob"]}
run = lambda *said, **more: CliRunner().invoke(app, [*said, "--data", str(data)], env=more)
refused = []
for name, url in urls.items():
    told = run("run", **{"SLUICE_CONNECTION_" + name.upper(): url})
    refused.append((told.exit_code, "this deployment is `scratch:ada`" in told.output))
renamed = {"SLUICE_WORK_CONNECTION_" + name.upper(): url for name, url in urls.items()}
renamed |= {name.upper() + "_URL": url for name, url in urls.items()}
told = run("run", **renamed)
socket.create_connection(doubles[kinds[0]].getsockname()).close()  # the doubles do listen
while not came:
    pass
print(json.dumps({"refused": refused, "code": told.exit_code, "said": told.output, "came": came}))
"""


def test_of_all_that_listens_nothing_is_connected_to(tmp_path: Path, parsed_bakery: Path) -> None:
    """In a network of its own, so that nothing but the doubles can be met."""
    network = 'ip link set lo up && exec "$@"'
    own = ["unshare", "-n", "sh", "-c", network, "sh"]
    if (
        not all(map(shutil.which, ("unshare", "ip")))
        or subprocess.run([*own, "true"], check=False, capture_output=True).returncode
    ):
        pytest.skip("no right to make a network namespace here: that nothing is connected to is not tried")
    shutil.copytree(parsed_bakery, tmp_path / "data")
    company = bakery_in_scratch(tmp_path)
    company.land_shops("a", "b")
    company.land_day(MON, a=3, b=4)
    company.deployment.close()
    kinds = sorted({*destination_types, *CHANNEL_TYPES, "heartbeat", "connector"})
    told = subprocess.run(
        [*own, sys.executable, "-c", ALONE, json.dumps(kinds), str(company.settings.data_dir)],
        env=company.environment() | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    found = json.loads(told.stdout.splitlines()[-1])
    assert found["refused"] == [[2, True]] * (len(kinds) + 2)
    assert found["code"] == 0, found["said"]
    assert found["came"] == [kinds[0]]
    assert rows(company, SHOP_ORDERS) == 2


@pytest.mark.parametrize("kind", ["scratch", "scratch:ada", "work", "work:uat"])
def test_productions_connections_are_refused_at_the_start(tmp_path: Path, kind: str) -> None:
    with pytest.raises(
        SettingsError, match=f"SLUICE_CONNECTION_MILLER is set, and this deployment is `{kind}`"
    ):
        Settings.load({"SLUICE_ENVIRONMENT": kind, "SLUICE_CONNECTION_MILLER": "s3://x"}, data_dir=tmp_path)
    # Once the data directory says it, no variable has to.
    Deployment(Settings.load({"SLUICE_ENVIRONMENT": kind}, data_dir=tmp_path)).store.close()
    unsaid = {"SLUICE_ENVIRONMENT": "", "SLUICE_CONNECTION_MILLER": "s3://x"}
    with pytest.raises(SettingsError, match="SLUICE_CONNECTION_MILLER is set"):
        Settings.load(unsaid, data_dir=tmp_path)


def test_what_is_new_and_unsaid_is_scratch_and_has_no_connections(tmp_path: Path) -> None:
    unsaid = {"SLUICE_ENVIRONMENT": "", "SLUICE_CONNECTION_MILLER": "s3://x"}
    deployment = Deployment(Settings.load(unsaid, data_dir=tmp_path))
    with pytest.raises(SettingsError, match="SLUICE_ENVIRONMENT=production and its data directory"):
        _ = deployment.store
    # As it says.
    said = Settings.load(unsaid | {"SLUICE_ENVIRONMENT": "production"}, data_dir=tmp_path)
    assert Deployment(said).kept_back() is None


def test_connections_of_work_are_its_own(tmp_path: Path) -> None:
    environ = {"SLUICE_ENVIRONMENT": "work", "SLUICE_WORK_CONNECTION_MILLER": "/work"}
    settings = Settings.load(environ, data_dir=tmp_path)
    assert settings.connection("miller") == "/work"
    assert settings.variable_of("miller") == "SLUICE_WORK_CONNECTION_MILLER"
    assert Settings.load(settings.environment()) == settings
    for kind in ("production", "local", "scratch"):
        assert Settings.load(environ | {"SLUICE_ENVIRONMENT": kind}, data_dir=tmp_path).connections == {}


CRM = "postgresql://u:p@db.example/crm"


@pytest.mark.parametrize(
    ("export", "productions", "work", "refused"),
    [
        (SHOP_ORDERS, CRM, CRM, True), (SHOP_ORDERS, CRM, "postgresql://u:p@db.example/uat", False),
        (WEATHER_REPORT, "/a", "/a/", True), (WEATHER_REPORT, "/a", "/a/{object}", True),
        (WEATHER_REPORT, "/a", "/b", False),
    ],
)  # fmt: skip
def test_work_refuses_a_place_of_productions(
    tmp_path: Path, made_bakery: Project, export: str, productions: str, work: str, refused: bool
) -> None:
    shelf = tmp_path / "shelf"
    target = Site(Deployment(Settings.load({}, data_dir=tmp_path / "any")), made_bakery).target(export)
    said = target.export.spec.destination
    own = build(said.type, productions, said.object, said.options)
    variable = f"SLUICE_WORK_CONNECTION_{said.connection.upper()}"
    catalogues = Area(str(shelf))
    # The newest counts.
    for number, places in enumerate(([], sorted(digests_of(own)))):
        content = json.dumps({"places": places}).encode()
        catalogues.write(f"catalogues/{number:012}.json", [content])
    # What else lies there is no catalogue.
    catalogues.write("catalogues/notes.json", [b"{}"])
    variables = {
        "SLUICE_ENVIRONMENT": "work:uat", "SLUICE_PUBLISHED_URL": str(shelf),
        variable: work.format(object=said.object),
    }  # fmt: skip
    deployment = Deployment(Settings.load(variables, project_dir=BAKERY, data_dir=tmp_path / "work"))
    if refused:
        with pytest.raises(
            DeliveryError, match="is production's, and this deployment is `work:uat`"
        ) as error:
            engine_for(deployment, target, "", print)
        assert f"set {variable} to another one" in error.value.mend
    else:
        assert engine_for(deployment, target, "", print)


def working(tmp_path: Path, shelf: str, folder: Path, **variables: str) -> Deployment:
    """Return a work deployment whose miller gets files in a folder."""
    variables |= {
        "SLUICE_ENVIRONMENT": "work", "SLUICE_PUBLISHED_URL": shelf,
        "SLUICE_WORK_CONNECTION_MILLER": str(folder),
    }  # fmt: skip
    return Deployment(Settings.load(variables, project_dir=BAKERY, data_dir=tmp_path / "work"))


NO_SHELF: dict[str, tuple[str, bytes | None]] = {
    "mistyped": ("nowhere", None),
    "empty": ("shelf", None),
    "a damaged catalogue": ("shelf", b""),
    "a catalogue cut short": ("shelf", b'{"pla'),
    "no catalogue": ("shelf", b"[]"),
    "a catalogue of no places": ("shelf", b"{}"),
    "not a folder": ("shelf/catalogues/000000000001.json", b"{}"),
    "no answer": ("s3://published/there", None),
}


@pytest.mark.parametrize(("shelf", "catalogue"), NO_SHELF.values(), ids=NO_SHELF)
def test_where_nothing_says_what_is_productions_nothing_is_sent(
    tmp_path: Path, made_bakery: Project, shelf: str, catalogue: bytes | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    (tmp_path / "shelf").mkdir()
    if catalogue is not None:
        Area(str(tmp_path / "shelf")).write("catalogues/000000000001.json", [catalogue])
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    url = shelf if "://" in shelf else str(tmp_path / shelf)
    deployment = working(tmp_path, url, tmp_path, SLUICE_S3_ENDPOINT_URL="http://127.0.0.1:1")
    with pytest.raises(DeliveryError, match="does not say what is production's") as error:
        engine_for(deployment, Site(deployment, made_bakery).target(WEATHER_REPORT), "", print)
    assert "set SLUICE_PUBLISHED_URL" in error.value.mend


MOUNTED = """
set -e
mount --bind {productions} {mounted}
exec "$@"
"""
# Prints whether it is refused, at each place.
TRIED = """
import json, sys
from orchestration.delivery.productions_places import digests_of
from orchestration.destinations.registry import build
productions, *asked = sys.argv[1:]
said = digests_of(build("blob", productions, "reports"))
print(json.dumps([bool(said & digests_of(build("blob", *one.split("|")))) for one in asked]))
"""


def test_a_directory_is_productions_at_whatever_path_it_is_mounted(tmp_path: Path) -> None:
    if (
        shutil.which("unshare") is None
        or subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True).returncode
    ):
        pytest.skip("no right to make a mount namespace here: a bind mount is not tried")
    there, mounted, other = (tmp_path / name for name in ("there", "mounted", "other"))
    for folder in (there, mounted, other):
        folder.mkdir()
    tried = [f"{mounted}|reports", f"{there}|reports", f"{other}|reports", f"{mounted}|others"]
    told = subprocess.run(
        ["unshare", "-m", "sh", "-c", MOUNTED.format(productions=there, mounted=mounted), "sh",
         sys.executable, "-c", TRIED, str(there), *tried],
        capture_output=True, text=True, check=False,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout) == [True, True, False, False]
