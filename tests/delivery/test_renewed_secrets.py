"""A secret that is renewed while deliveries run: one more call with the new one, nothing lost, nothing twice.

Does not belong here: how a reference is read (`unit/test_secrets`, `unit/test_key_vault`).
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sluicegate.core.secrets.by_reference import KEPT_SECONDS
from sluicegate.core.settings import Settings
from sluicegate.delivery.renewing import renewing
from sluicegate.destinations.base import DeliveryError, Destination, Mode
from sluicegate.destinations.errors import secrets_in
from sluicegate.destinations.webhook import WebhookDestination, WebhookOptions
from sluicegate.operations.status import Standing
from sluicegate.state.deployment import Deployment
from sqlalchemy.exc import DBAPIError

from tests.canaries import found_below, found_in
from tests.company import BAKERY, MON, SHOP_ORDERS, TUE, WEATHER_REPORT, WED, Company, failures, runs
from tests.doubles.key_vault import PRINCIPAL, Fault, KeyVaultDouble
from tests.doubles.serving import serve
from tests.doubles.webhook import WebhookDouble
from tests.vaults import kept, vault

from .cases import Case, case_names
from .deliveries import Sender

__all__ = ["kept", "vault"]
ROWS = {number: f"note {number}" for number in range(40)}


def _renewed(make: Callable[[str], Destination], *urls: str) -> tuple[Destination, list[str]]:
    """Return a destination with the first URL, whose connection says the others in turn; log those."""
    left, read = list(urls[1:]), list[str]()

    def another() -> Destination | None:
        if not left:
            return None
        read.append(left.pop(0))
        return make(read[-1])

    return renewing(make(urls[0]), another), read


# A directory has no secret, and the double of S3 takes any.
KNOW_SECRETS = [name for name in case_names() if name not in ("blob", "blob_s3")]


@pytest.mark.parametrize("case", KNOW_SECRETS, indirect=True)
@pytest.mark.sampled(3)
def test_each_destination_that_knows_secrets_takes_up_a_new_one(case: Case, tmp_path: Path) -> None:
    old = case.url
    for secret in secrets_in(case.url):
        # Another of the same form.
        old = old.replace(secret, secret[:-3] + ("abc" if secret[-3:] != "abc" else "bcd"))
    mode = Mode.MIRROR if Mode.MIRROR in case.destination_class.capabilities.modes else Mode.APPEND
    if case.type_name == "postgres":  # the tests' server takes any password, of users that there are
        old = case.url.replace("//postgres:", "//nobody_of_that_name:")
    names = {name: case.name(name) for name in ("item", "business_date", "note")}

    def sender(destination: Destination) -> Sender:
        single = case.destination_class.capabilities.keys.single
        return Sender(tmp_path, destination, mode=mode, names=names, single_key=single)

    with pytest.raises(DeliveryError):
        sender(case.destination(old)).deliver(ROWS, "v1")
    assert case.contents() == []
    destination, read = _renewed(case.destination, old, case.url)
    sender(destination).deliver(ROWS, "v1")
    assert len(case.contents()) == len(ROWS)
    assert case.twice() == 0
    assert read == [case.url]


@pytest.mark.parametrize("mode", [Mode.APPEND, Mode.UPSERT, Mode.MIRROR])
@pytest.mark.parametrize("at", [1, 2, 5, 9, 10])
@pytest.mark.sampled(3)
def test_the_secret_of_a_receiver_changes_at_any_request(tmp_path: Path, mode: Mode, at: int) -> None:
    double = WebhookDouble(secret=b"the old one")
    arrived: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            arrived.append(len(arrived) + 1)
            if len(arrived) == at:
                double.secret = b"the new one"
        await double.app(scope, receive, send)

    with serve(app) as address:

        def make(url: str) -> WebhookDestination:
            return WebhookDestination(url, "items", WebhookOptions(batch_rows=4))

        old, new = (f"webhook://:the%20{word}%20one@{address}/hooks" for word in ("old", "new"))
        destination, read = _renewed(make, old, new)
        sender = Sender(tmp_path, destination, mode=mode)
        sender.deliver(ROWS, "v1")
        assert sorted(row["item"] for row in double.contents("hooks/items")) == sorted(ROWS)
        assert (double.twice, double.taken) == (0, len(ROWS))
        assert read == [new]
        assert sender.recorded() == ROWS
        # The budget is the delivery's: the new connection has not got one of its own.
        assert destination.budget_seconds == sender.order().budget_seconds
        # One that is refused as well is not tried a third time.
        double.secret = b"one that nobody was told"
        destination, read = _renewed(make, old, new, old)
        refused = Sender(tmp_path / "..", destination, mode=mode)
        before = len(double.statuses)
        with pytest.raises(DeliveryError, match="does not know these credentials"):
            refused.deliver(ROWS, "v1")
        assert read == [new]
        assert set(double.statuses[before:]) == {401}


def test_a_connection_that_leads_elsewhere_now_ends_the_delivery(tmp_path: Path) -> None:
    """Its lease, and what is on record of it, are of the old place."""
    double, other = WebhookDouble(secret=b"the new one"), WebhookDouble(secret=b"the new one")
    with serve(double.app) as here, serve(other.app) as there:
        destination, _ = _renewed(
            lambda url: WebhookDestination(url, "items"),
            f"webhook://:the%20old%20one@{here}/hooks",
            f"webhook://:the%20new%20one@{there}/hooks",
        )
        with pytest.raises(DeliveryError, match="does not know these credentials"):
            Sender(tmp_path, destination, mode=Mode.UPSERT).deliver(ROWS, "v1")
    assert (double.taken, other.taken) == (0, 0)


# -- with a vault, days through the graph


PASSWORDS = {"clerk_a": "canary-of-clerk/a+1", "clerk_b": "canary-of-clerk/b+2"}
MASKING_KEY = "canary-of-the-masking-key"


def _admin(url: str, text: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL(text))  # pyright: ignore[reportArgumentType]


def test_a_password_that_is_renewed_in_the_vault_stops_nothing_and_is_written_nowhere(
    open_bakery: Company, vault: KeyVaultDouble, kept: list[float], tmp_path: Path
) -> None:
    company, admin = open_bakery, open_bakery.postgres_url
    key_file = tmp_path / "masking-key"
    key_file.write_text(MASKING_KEY)
    container = tmp_path / "container-url"
    container.write_text(f"{company.container}\n")
    environ = company.settings.environment() | {
        "SLUICE_CONNECTION_SHOP_SCREENS": f"secret+azkv://{vault.host}/screens",
        "SLUICE_CONNECTION_MILLER": f"secret+file:{container}",
        "SLUICE_MASKING_KEY": f"secret+file:{key_file}",
    }
    settings = Settings.load({name: value for name, value in environ.items() if name.startswith("SLUICE_")})
    company = replace(company, settings=settings)

    def url_of(clerk: str) -> str:
        password = PASSWORDS[clerk].replace("/", "%2F").replace("+", "%2B")
        return re.sub(r"//[^@]*@", f"//{clerk}:{password}@", admin)

    for clerk in PASSWORDS:
        _admin(admin, f"drop role if exists {clerk}; create role {clerk} superuser login")
    try:
        vault.put("screens", url_of("clerk_a"))
        company.land_shops("a", "b")
        company.land_day(MON, a=4)
        assert {success for _, success in runs(company.run())} == {True}
        assert vault.asked == ["screens"]
        # The old one is refused from here on, and this process has it still.
        vault.put("screens", url_of("clerk_b"))
        _admin(admin, "alter role clerk_a nologin")
        company.land_day(TUE, a=5, b=1)
        company.land_day(WED, a=6)
        assert {success for _, success in runs(company.run())} == {True}
        assert vault.asked == ["screens"] * 2
        sent = [(MON, "a", 4), (TUE, "a", 9), (TUE, "b", 1), (WED, "a", 15), (WED, "b", 1)]
        assert company.in_postgres() == sent
        assert set(company.in_container()) == {MON, TUE, WED}
        # And now nobody may.
        _admin(admin, "alter role clerk_b nologin")
        company.land_day("2024-01-04", a=1)
        said = failures(company.run())
        assert "is not permitted to log in" in said
        assert vault.asked == ["screens"] * 3
        assert company.status()[(SHOP_ORDERS, "2024-01-04")].standing is Standing.READY
        assert company.status()[(WEATHER_REPORT, "2024-01-04")].standing is Standing.DELIVERED
        # Nor does the vault say any more, once what it said is too old.
        kept[0] += KEPT_SECONDS
        vault.faults.extend(
            [Fault(403, "Forbidden", f"Caller is not authorized. Caller: {PRINCIPAL};x=y")] * 99
        )
        refused = failures(company.run(retry=True))
        assert f"the role `Key Vault Secrets User` on the vault for {PRINCIPAL}" in refused
        vault.faults.clear()
        outputs = [said, refused]
        for command in (("status", "--json"), ("run", "--retry"), ("check",)):
            outputs += map(str, company.sluice(*command))
        assert json.loads(outputs[3])
        show = "print(open('/proc/self/environ').read())"
        child = subprocess.run([sys.executable, "-c", show], env=company.environment(), capture_output=True)
        assert f"secret+azkv://{vault.host}/screens" in child.stdout.decode()
        outputs += [child.stdout.decode(), company.deployment.settings.model_dump_json()]
        canaries = [*PASSWORDS.values(), MASKING_KEY]
        assert [
            found for text in outputs for one in canaries if (found := found_in(text.encode(), one))
        ] == []
        company.deployment.store.close()
        assert found_below(settings.data_dir, canaries) == []
    finally:
        for clerk in PASSWORDS:
            _admin(admin, f"reassign owned by {clerk} to postgres; drop owned by {clerk}; drop role {clerk}")


def test_the_state_store_takes_up_a_password_and_no_other_database(
    database_url: str, postgres_url: str, tmp_path: Path
) -> None:
    users = ("keeper_a", "keeper_b")
    file = tmp_path / "state-url"
    with ExitStack() as stack:
        for user in users:
            _admin(postgres_url, f"drop role if exists {user}; create role {user} superuser login")
            stack.callback(_admin, postgres_url, f"drop role {user}")
            stack.callback(_admin, database_url, f"reassign owned by {user} to postgres")

        def url_of(user: str, url: str = database_url) -> str:
            return re.sub(r"//[^@]*@", f"//{user}:x@", url)

        file.write_text(url_of("keeper_a"))
        environ = {"SLUICE_STATE_URL": f"secret+file:{file}"}
        deployment = Deployment(Settings.load(environ, project_dir=BAKERY, data_dir=tmp_path / "data"))
        before = deployment.store.rows()
        file.write_text(url_of("keeper_b"))
        _admin(postgres_url, "alter role keeper_a nologin")
        deployment.store.close()  # as a server does that ends old connections
        assert deployment.store.rows() == before
        file.write_text(url_of("postgres", postgres_url))
        _admin(postgres_url, "alter role keeper_b nologin")
        deployment.store.close()
        with pytest.raises(DBAPIError, match="is not permitted to log in"):
            deployment.store.rows()


def test_a_check_of_the_project_reads_no_connection(open_bakery: Company, tmp_path: Path) -> None:
    """And a reference, which says nothing of where it leads, is one place for two exports of one object."""
    company = open_bakery.with_own_project()
    nowhere = f"secret+file:{tmp_path}/not/there"
    variables = {
        "SLUICE_CONNECTION_SHOP_SCREENS": f"postgresql://app:${{{nowhere}}}@db.bakery.example/screens",
        "SLUICE_CONNECTION_MILLER": nowhere,
        "SLUICE_MASKING_KEY": nowhere,
    }
    code, _, said = company.sluice("check", **variables)
    assert (code, said) == (0, "")
    export = company.settings.project_dir / "exports" / "exp_weather_report.yml"
    other = export.with_name("exp_shop_orders.yml")
    text = other.read_text()
    for connection, fits in (("baker", True), ("miller_too", False)):
        other.write_text(
            re.sub(
                r"(?s)type: postgres.*?object: \S+",
                f"type: blob\n  connection: {connection}\n  object: weather",
                text,
            ).replace("mode: mirror", "mode: snapshot")
        )
        more = {"SLUICE_CONNECTION_BAKER": f"{nowhere}/other", "SLUICE_CONNECTION_MILLER_TOO": nowhere}
        code, _, said = company.sluice("check", **variables, **more)
        assert ("the connections lead to one place" in said) is not fits
        assert (code == 0) is fits
    # A key that is not there yet keeps rows from landing unmasked, and the run is tried once more.
    other.write_text(text)
    contract = company.settings.project_dir / "contracts" / "shops.odcs.yaml"
    asked = "description: The town that the shop stands in.\n"
    hashed = f"{asked}        customProperties:\n          - {{property: masking, value: hash}}\n"
    contract.write_text(contract.read_text().replace(asked, hashed))
    assert company.sluice("contract", "sources")[0] == 0
    key = tmp_path / "key"
    settings = Settings.load(company.settings.environment() | {"SLUICE_MASKING_KEY": f"secret+file:{key}"})
    company = replace(company, settings=settings)
    company.land_shops("a")
    assert f"SLUICE_MASKING_KEY: `secret+file:{key}` cannot be read: No such file" in failures(company.run())
    key.write_text(MASKING_KEY)
    assert {success for _, success in runs(company.run(retry=True))} == {True}
    with company.deployment.warehouse.session() as session:
        [(town,)] = session.query("select town from raw.shops")
    assert re.fullmatch("[0-9a-f]{64}", town)
