"""A `local` deployment connects to this machine alone: every kind of destination, channel and area."""

import re
import socket
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from sluicegate.core.loopback import hosts_of_libpq, is_here
from sluicegate.core.settings import Settings, SettingsError
from sluicegate.delivery.deliver import engine_for
from sluicegate.destinations.base import DeliveryError
from sluicegate.destinations.registry import destination_types
from sluicegate.incidents.alerts_file import Alerts
from sluicegate.incidents.alerts_spec import CHANNEL_TYPES, AlertsSpec
from sluicegate.incidents.channels.base import ChannelRefused
from sluicegate.incidents.channels.opening import open_channel
from sluicegate.operations.site import Site
from sluicegate.project.loading import Project
from sluicegate.state.adoption import WrongDeployment
from sluicegate.state.deployment import Deployment

from tests.company import BAKERY, SHOP_ORDERS
from tests.environments.test_outbox import OBJECTS
from tests.parses import loaded

KEY = "0123456789abcdefghijABCDEFGHIJ42"
# Of each kind: URLs that lead to this machine, and URLs that lead away.
DESTINATIONS: dict[str, tuple[list[str], list[str]]] = {
    "adx": (["adx://localhost:8080/db"], ["adx://i:s@help.kusto.windows.net/db?tenant=t"]),
    "blob": (
        [
            "/a/path", "s3://bucket/x?key=k&secret=s&endpoint=http://127.0.0.1:9000",
            "abfs://c/x?connection_string=AccountName=d%3BAccountKey=aw==%3BBlobEndpoint=http://127.0.0.1:1/d",
        ],
        [
            "s3://bucket/x", "s3://bucket/x?key=k&secret=s&endpoint=https://minio.example",
            "abfs://c@acme.dfs.core.windows.net/x", "abfs://c/x?connection_string=AccountName=d%3BAccountKey=aw==",
        ],
    ),
    "braze": (["braze://:k@127.0.0.1:8000"], ["braze://:k@rest.iad-01.braze.com"]),
    "braze_events": (["braze://:k@[::1]:8000"], ["braze://:k@rest.fra-01.braze.eu"]),
    "hubspot": (["hubspot://:t@localhost"], ["hubspot://1:t@api.hubapi.com"]),
    "postgres": (
        [
            "postgresql://u:p@localhost/db", "postgresql:///db", "postgresql://u@/db?host=/tmp",
            "postgresql://127.0.0.1:5433/db", "postgresql://u@%2Ftmp/db",
        ],
        [
            "postgresql://u:p@db.example/db", "postgresql://localhost/db?host=db.example",
            "postgresql://localhost/db?hostaddr=10.0.0.1", "postgresql:///db?service=prod",
            "postgresql://10.1.2.3/db",
        ],
    ),
    "salesforce": (["salesforce://i:s@127.0.0.1:1"], ["salesforce://i:s@acme.my.salesforce.com"]),
    "webhook": (["webhook://:s@127.0.0.1/x"], ["webhook://:s@hooks.example/x"]),
}  # fmt: skip
CHANNELS: dict[str, tuple[list[str], list[str]]] = {
    "log": ([], []),
    "pagerduty": ([f"pagerduty://:{KEY}@127.0.0.1:1"], [f"pagerduty://:{KEY}@events.pagerduty.com"]),
    "webhook": (["webhook://:s@localhost:1/x"], ["webhook://:s@hooks.example/x"]),
    "slack": ([], ["https://hooks.slack.com/services/T0000/B0000/xxxxxxxxxxxxxxxxxxxxxxxx"]),
    "teams": ([], ["https://prod-1.westeurope.logic.azure.com/workflows/x/triggers/manual/paths/invoke?sig=s"]),
    "email": (
        ["smtp://127.0.0.1:25?from=a@b.example&tls=no"], ["smtp://u:p@smtp.example:587?from=a@b.example"],
    ),
    "apprise": (["json://127.0.0.1:1/x"], ["json://hooks.example/x", "pover://user@token", "mailto://u:p@gmail.com"]),
}  # fmt: skip


def pairs(table: dict[str, tuple[list[str], list[str]]]) -> list[Any]:
    return [
        pytest.param(kind, url, here, id=f"{kind}-{'here' if here else 'away'}-{number}")
        for kind, both in table.items()
        for here, urls in zip((True, False), both, strict=True)
        for number, url in enumerate(urls)
    ]


def local(folder: Path, **variables: str) -> Settings:
    environ = {"SLUICE_ENVIRONMENT": "local", **variables}
    return Settings.load(environ, project_dir=BAKERY, data_dir=folder)


@pytest.fixture(scope="module")
def made_bakery(parsed_bakery: Path) -> Project:
    return loaded(Settings.load({}, project_dir=BAKERY, data_dir=parsed_bakery))


def test_every_kind_is_in_the_tables() -> None:
    assert DESTINATIONS.keys() == destination_types.keys()
    assert CHANNELS.keys() == CHANNEL_TYPES.keys()


@pytest.mark.parametrize(("kind", "url", "here"), pairs(DESTINATIONS))
def test_a_destination_elsewhere_is_refused_before_anything_is_planned(
    tmp_path: Path, made_bakery: Project, kind: str, url: str, here: bool
) -> None:
    deployment = Deployment(local(tmp_path, SLUICE_CONNECTION_SHOP_SCREENS=url))
    target = Site(deployment, made_bakery).target(SHOP_ORDERS)
    stated = target.export.spec.destination.model_copy(
        update={"type": kind, "object": OBJECTS[kind], "options": destination_types[kind].options_model()}
    )
    spec = target.export.spec.model_copy(update={"destination": stated})
    target = replace(target, export=replace(target.export, spec=spec))
    if here:
        assert engine_for(deployment, target, "", print).destination.type_name == kind
        return
    with pytest.raises(DeliveryError) as refused:
        engine_for(deployment, target, "", print)
    assert "SLUICE_CONNECTION_SHOP_SCREENS leads to" in refused.value.what
    assert "this machine" in refused.value.expected


@pytest.mark.parametrize(("kind", "url", "here"), pairs(CHANNELS))
def test_a_channel_elsewhere_is_refused(tmp_path: Path, kind: str, url: str, here: bool) -> None:
    more = {"to": ["a@b.example"]} if kind == "email" else {}
    spec = {"channels": {"there": {"type": kind, "connection": "there", **more}}, "routes": [{"to": "there"}]}
    alerts = Alerts(AlertsSpec.model_validate(spec))
    settings = local(tmp_path, SLUICE_CONNECTION_THERE=url)
    if here:
        assert open_channel(alerts, "there", settings)
        return
    with pytest.raises(ChannelRefused, match="SLUICE_CONNECTION_THERE leads to"):
        open_channel(alerts, "there", settings)


AZURE = "AccountName=d;AccountKey=aw==;BlobEndpoint={}"
AREAS: list[tuple[dict[str, str], bool]] = [
    ({}, True),
    ({"SLUICE_S3_ENDPOINT_URL": "http://127.0.0.1:9000"}, True),
    ({"SLUICE_AZURE_CONNECTION_STRING": AZURE.format("http://127.0.0.1:10000/d")}, True),
    ({"SLUICE_S3_ENDPOINT_URL": "https://minio.example"}, False),
    ({"SLUICE_AZURE_CONNECTION_STRING": AZURE.format("https://d.blob.core.windows.net")}, False),
    ({"SLUICE_AZURE_ACCOUNT": "acme"}, False),
]


@pytest.mark.parametrize("area", ["STAGING", "ORIGINALS", "COLD", "PROCESSING", "PUBLISHED"])
@pytest.mark.parametrize(("access", "here"), AREAS)
def test_an_area_elsewhere_is_refused_at_the_start(
    tmp_path: Path, area: str, access: dict[str, str], here: bool
) -> None:
    azure = any("AZURE" in name for name in access)
    places = ["abfs://c/x"] if azure else ["s3://b/x"] if access else [str(tmp_path / "there")]
    for place in places:
        settings = local(tmp_path / "data", **access, **{f"SLUICE_{area}_URL": place})
        if here:
            assert Deployment(settings).identity
        else:
            with pytest.raises(WrongDeployment, match=f"SLUICE_{area}_URL leads to"):
                _ = Deployment(settings).identity


@pytest.mark.parametrize("said", ["local", ""])
@pytest.mark.parametrize(
    ("url", "variable"),
    [
        ("postgresql+psycopg://u:p@192.0.2.1:5432/sluice", ""),
        ("postgresql+psycopg://localhost:1/sluice?hostaddr=192.0.2.1", ""),
        ("postgresql+psycopg://localhost:1/sluice", "PGHOSTADDR"),
    ],
)
def test_records_elsewhere_are_not_asked_what_this_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, variable: str, said: str
) -> None:
    Deployment(local(tmp_path)).store.close()
    if variable:
        monkeypatch.setenv(variable, "192.0.2.1")
    with pytest.raises(WrongDeployment, match=r"SLUICE_STATE_URL leads to 192\.0\.2\.1"):
        _ = Deployment(local(tmp_path, SLUICE_ENVIRONMENT=said, SLUICE_STATE_URL=url)).store


def test_libpqs_own_environment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "PGHOSTADDR", "PGSERVICE"):
        monkeypatch.delenv(name, raising=False)
    assert hosts_of_libpq("postgresql:///db") == ("localhost",)
    monkeypatch.setenv("PGHOST", "db.example")
    assert hosts_of_libpq("postgresql:///db") == ("db.example",)
    assert hosts_of_libpq("postgresql://localhost,other.example:1/db") == ("localhost", "other.example")


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("[::1]", True), ("LOCALHOST", True),
        ("db.localhost", True), ("localhost.", True), ("/var/run/postgresql", True), ("@abstract", True),
        ("::ffff:127.0.0.1", True), ("localhost.example", False), ("127.0.0.1.example", False), ("", False),
        ("10.0.0.1", False), ("::ffff:10.0.0.1", False), ("0.0.0.0", False), ("2130706433", False),
        ("mylocalhost", False), ("169.254.169.254", False),
    ],
)  # fmt: skip
def test_a_host_is_judged_as_it_is_written(host: str, here: bool) -> None:
    assert is_here(host) == here


def test_no_socket_of_the_process_leads_away(tmp_path: Path) -> None:
    """The second line: whatever a library makes of a URL."""
    assert Deployment(local(tmp_path / "local")).identity
    away = ("192.0.2.1", 9)
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as one, pytest.raises(PermissionError, match="`local`"):
            one.connect(away)
    with socket.create_server(("127.0.0.1", 0)) as there:
        socket.create_connection(there.getsockname()).close()
    # Only as long as it is that.
    work = Settings.load({"SLUICE_ENVIRONMENT": "work"}, project_dir=BAKERY, data_dir=tmp_path / "work")
    assert Deployment(work).identity
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        assert one.connect_ex(away) in (0, 101)  # sends nothing
    assert Deployment(local(tmp_path / "local")).identity


def test_no_proxy_is_asked_for_what_is_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://192.0.2.1:3128")
        monkeypatch.setenv(name.lower(), "http://192.0.2.1:3128")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")  # put back afterwards
    asked: list[str] = []

    class Bucket(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")

    with ThreadingHTTPServer(("127.0.0.1", 0), Bucket) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        there = f"http://127.0.0.1:{server.server_port}"
        settings = local(tmp_path, SLUICE_STAGING_URL="s3://bucket/x", SLUICE_S3_ENDPOINT_URL=there)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
        deployment = Deployment(settings)
        assert deployment.identity
        assert list(deployment.staging.listing("*")) == []
        server.shutdown()
    assert asked
    assert asked[0].startswith("/bucket?")


def test_a_connector_elsewhere_is_refused(tmp_path: Path, made_bakery: Project) -> None:
    contract = replace(next(iter(made_bakery.contracts.values())), connector="partner")
    settings = local(tmp_path, SLUICE_CONNECTION_PARTNER="s3://bucket/x")
    with pytest.raises(SettingsError, match="SLUICE_CONNECTION_PARTNER leads to s3.amazonaws.com"):
        Deployment(settings).staging_of(contract)
    here = settings.model_copy(update={"s3_endpoint_url": "http://127.0.0.1:9000"})
    assert re.match("s3://", Deployment(here).staging_of(contract).url)
