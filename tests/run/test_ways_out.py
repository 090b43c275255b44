"""Unusual states of deliveries in a whole company, each left by typing what is printed.

Belongs here: commands, and what the receivers see then. Does not: every state in every mode
(`tests/delivery/test_ways_out.py`).
"""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestration.cli.delivery_tables import to_type
from orchestration.operations.status import Standing
from orchestration.state.records import DeliveryKind, DeliveryStatus
from tests.company import MON, SHOP_ORDERS, WEATHER_REPORT, Company, failures, runs
from tests.delivery.support import execute
from tests.run.test_without_partitions import EXPORT, with_export
from tests.typed import sluice

pytestmark = [pytest.mark.long, pytest.mark.stories(2)]
ORDERS_FILE, WEATHER_FILE = f"exports/{SHOP_ORDERS}.yml", f"exports/{WEATHER_REPORT}.yml"
_COMMAND = re.compile(r"`(sluice [^`]+)`")


def edited(company: Company, name: str, old: str, new: str) -> Company:
    """Return the company after an edit of a file of its own project."""
    company = company.with_own_project()
    path = company.settings.project_dir / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    return company.read_anew()


def shard_of(company: Company, export: str) -> Path:
    """Return the file that tells what was sent of Monday."""
    return Path(company.deployment.store.deliveries.of_export(export, MON)[-1].shard)


def type_what_is_printed(company: Company, said: str) -> str:
    """Type the one command of a text, as it stands there; return what it says."""
    [command] = set(_COMMAND.findall(said))
    code, answer = sluice(company, *shlex.split(command)[1:])
    assert code == 0, answer
    return answer


def all_calm(company: Company) -> None:
    """Nothing waits for anybody: no delivery, no day."""
    assert "no delivery is held" in sluice(company, "delivery", "list")[1]
    standings = {row.standing for row in company.status().values() if row.kind == "export"}
    assert standings == {Standing.DELIVERED}
    assert runs(company.run()) == []
    assert sluice(company, "status")[0] == 0


def _gone(path: Path) -> None:
    path.unlink()


def _cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


@pytest.mark.parametrize("lose", [_gone, _cut_off])
@pytest.mark.sampled(2)
def test_a_file_of_what_was_sent_is_lost(open_bakery: Company, lose: Callable[[Path], None]) -> None:
    company = open_bakery
    lose(shard_of(company, SHOP_ORDERS))
    company.land_orders(MON, a=30, b=5)
    said = failures(company.run())
    assert str(shard_of(company, SHOP_ORDERS)) in said
    type_what_is_printed(company, said)
    assert company.in_postgres() == [(MON, "a", 30), (MON, "b", 5)]
    all_calm(company)


def test_a_file_of_what_was_appended_is_lost(open_bakery: Company) -> None:
    company = edited(open_bakery, WEATHER_FILE, "mode: snapshot", "mode: append")
    _cut_off(shard_of(company, WEATHER_REPORT))
    company.land("weather", MON, f"date,town,rain_mm\n{MON},Ulm,1.5\n{MON},Bonn,2\n")
    said = failures(company.run())
    assert "name it in `destination.object` of the export file" in said
    company = edited(company, WEATHER_FILE, "object: weather", "object: weather_2")
    [command] = [text for text in _COMMAND.findall(said) if "delivery resend" in text][:1]
    assert sluice(company, *shlex.split(command)[1:])[0] == 0
    assert (company.container / "weather_2" / MON / "manifest.json").exists()
    assert sluice(company, "delivery", "reconcile", WEATHER_REPORT)[0] == 0
    all_calm(company)


def test_a_destination_is_another_object(open_bakery: Company) -> None:
    company = edited(open_bakery, WEATHER_FILE, "object: weather", "object: weather_2")
    code, said = sluice(company, "delivery", "reconcile", WEATHER_REPORT)
    assert (code, "1 missing there" in said) == (1, True), said
    type_what_is_printed(company, said)
    assert sluice(company, "delivery", "reconcile", WEATHER_REPORT)[0] == 0
    all_calm(company)


@pytest.mark.parametrize("mode", ["snapshot", "append"])
@pytest.mark.sampled(2)
def test_a_key_has_another_type(bakery: Company, mode: str) -> None:
    company = with_export(bakery, way=("blob", mode))
    company.land_shops("a", "b")
    assert runs(company.run()) == [("", True)]
    file, model = f"exports/{EXPORT}.yml", f"dbt_project/models/exports/{EXPORT}.sql"
    company = edited(company, model, "select shop,", "select ascii(shop) as shop,")
    company = edited(
        company,
        "dbt_project/models/exports/_exports.yml",
        "shop, data_type: varchar, description: The shop.}\n      - {name: town",
        "shop, data_type: integer, description: The shop.}\n      - {name: town",
    )
    code, said = sluice(company, "table", "rerun", f"exports.{EXPORT}")
    if mode == "append":
        assert (code, "shop is INTEGER, and was VARCHAR" in said) == (1, True), said
        company = edited(company, file, f"object: {EXPORT}", "object: elsewhere")
        [command] = {text for text in _COMMAND.findall(said) if "delivery resend" in text}
        assert sluice(company, *shlex.split(command)[1:])[0] == 0
    else:
        assert code == 0, said
    code, said = sluice(company, "delivery", "reconcile", EXPORT)
    assert (code, "holds the 2 rows that it acknowledged" in said) == (0, True), said
    all_calm(company)


def test_a_key_is_another_field(open_bakery: Company) -> None:
    company = edited(
        open_bakery, ORDERS_FILE, "key: [business_date, shop]", "key: [business_date, shop, loaves]"
    )
    code, said = sluice(company, "delivery", "reconcile", SHOP_ORDERS)
    assert code == 1
    type_what_is_printed(company, said)
    assert sluice(company, "delivery", "reconcile", SHOP_ORDERS)[0] == 0
    assert company.in_postgres() == [(MON, "a", 3), (MON, "b", 4)]
    all_calm(company)


@pytest.mark.parametrize("kind", list(DeliveryKind))
@pytest.mark.sampled(2)
def test_a_delivery_that_did_not_go_out_is_taken_up_by_what_is_listed(
    open_bakery: Company, kind: DeliveryKind
) -> None:
    company, store = open_bakery, open_bakery.deployment.store.deliveries
    then = store.newest(SHOP_ORDERS)[0].acknowledged_at
    assert then is not None
    company.land_orders(MON, a=30, b=5)
    if kind is not DeliveryKind.CHANGE:
        assert runs(company.run()) == [(MON, True)]
    execute(company.postgres_url, "alter table bakery.shop_orders rename column loaves to l")
    asks = {
        DeliveryKind.CHANGE: ["run"],
        DeliveryKind.RESYNC: ["delivery", "resend", SHOP_ORDERS],
        DeliveryKind.REDELIVER: [
            "delivery",
            "redeliver",
            SHOP_ORDERS,
            "--on",
            then.isoformat(),
            "--reason",
            "so",
        ],
    }[kind]
    assert sluice(company, *asks)[0] == 1
    [waits] = store.open_of(SHOP_ORDERS)
    assert (waits.kind, waits.status) == (kind, DeliveryStatus.PLANNED)
    execute(company.postgres_url, "alter table bakery.shop_orders rename column l to loaves")
    command = to_type(waits).partition(",")[0].replace("…", "so")
    assert to_type(waits) in sluice(company, "delivery", "list", "--json")[1]
    code, said = sluice(company, *command.split()[1:])
    assert code == 0, said
    now = store.of(waits.delivery_id)
    assert now is not None
    assert now.status is DeliveryStatus.ACKNOWLEDGED
    a, b = (3, 4) if kind is DeliveryKind.REDELIVER else (30, 5)
    assert company.in_postgres() == [(MON, "a", a), (MON, "b", b)]
    assert store.open_of(SHOP_ORDERS) == []
