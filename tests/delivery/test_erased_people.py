"""Erasures typed as people type them, as the export file, the model or its name changes afterwards."""

from datetime import date, timedelta

import psycopg
import pytest

from tests.company import MON, Company

EXPORT_FILE = "exports/exp_shop_orders.yml"
MAPPED = f"""
last_mile:
  - map:
      column: shop
      values: {{"a": "A-1"}}
    owner: counter@bakery.example
    reason: The screens know it so.
    issue: https://x.example/1
    declared: {date.today() - timedelta(days=1)}
    expires: {date.today() + timedelta(days=30)}"""


def edited(company: Company, old: str, new: str) -> Company:
    """The deployment with a changed export file."""
    path = company.settings.project_dir / EXPORT_FILE
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return company.read_anew()


def shops(company: Company, column: str = "shop", table: str = "shop_orders") -> list[str]:
    """The shops on the screens."""
    with psycopg.connect(company.postgres_url) as connection:
        found = connection.execute(f"select {column} from bakery.{table} order by 1".encode()).fetchall()
    return [row[0] for row in found]


def forget(company: Company, shop: str = "a") -> str:
    """Type the erasure of Monday's row of a shop; return what it says."""
    code, said, _ = company.sluice(
        "delivery", "forget", f"shop={shop}", f"business_date={MON}", "--reason", "request 7"
    )
    assert code == 0, said
    return said


def resync(company: Company) -> None:
    """Type a resync of Monday."""
    company.sluice("delivery", "resend", "exp_shop_orders", "--partition", MON)


def test_who_was_erased_stays_away_when_names_call_the_column_otherwise(open_bakery: Company) -> None:
    """A rename in the export file brings nobody back."""
    company = open_bakery.with_own_project()
    forget(company)
    assert shops(company) == ["b"]
    with psycopg.connect(company.postgres_url, autocommit=True) as connection:
        connection.execute("alter table bakery.shop_orders rename column shop to store")
    company = edited(company, "mode: mirror", "mode: mirror\nnames: {shop: store}")
    resync(company)
    assert shops(company, "store") == ["b"]


def test_who_was_erased_stays_away_when_the_export_is_renamed(open_bakery: Company) -> None:
    """A model under another name is another export, and sends everything: but those who were erased."""
    company = open_bakery.with_own_project()
    forget(company)
    folder = company.settings.project_dir
    for path in [*folder.rglob("*.yml"), *folder.rglob("*.sql")]:
        if "exp_shop_orders" in (text := path.read_text()):
            path.write_text(text.replace("exp_shop_orders", "exp_orders_of_shops"))
        if path.stem == "exp_shop_orders":
            path.rename(path.with_stem("exp_orders_of_shops"))
    company = company.read_anew()
    company.run(retry=True)
    assert shops(company) == ["b"]


@pytest.mark.parametrize("named", ["a", "A-1"])
@pytest.mark.sampled(2)
def test_who_was_erased_under_a_mapping_stays_away_once_it_ends(open_bakery: Company, named: str) -> None:
    """Named by the model's value or by what is sent: the row goes, and stays away as the mapping ends."""
    company = edited(open_bakery.with_own_project(), "mode: mirror", f"mode: mirror{MAPPED}")
    resync(company)
    assert shops(company) == ["A-1", "b"]
    said = forget(company, named)
    assert shops(company) == ["b"], said
    company = edited(company, MAPPED, "")
    resync(company)
    assert shops(company) == ["b"]


def test_an_erasure_names_the_object_that_was_delivered_to_before(open_bakery: Company) -> None:
    """A person is told where else the rows may be, after `destination.object` changed."""
    company = open_bakery.with_own_project()
    company = edited(company, "object: bakery.shop_orders", "object: bakery.orders_of_shops")
    resync(company)
    said = forget(company)
    assert shops(company, table="orders_of_shops") == ["b"]
    assert "by hand, of postgres" in said
    assert '"bakery"."shop_orders", delivered to before' in said
    assert shops(company) == ["a", "b"]
