"""Whatever happens in production, an environment shows what its own catalogue let through, for good.

Random days, corrections and bad drops, published at random moments; environments of each catalogue are looked
at when all is over. Belongs here: random histories. Does not belong here: what one command does.
"""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from sluicegate.core.settings import Settings
from sluicegate.environments.making import make
from sluicegate.environments.record import NotUsable, require_usable, settings_of
from sluicegate.operations.publishing import forget_published, publish_tables
from sluicegate.warehouse.slices import partition_rows

from tests.company import BAKERY, FRI, MON, NO_WAIT, THU, TUE, WED, Company

pytestmark = pytest.mark.long
DAYS = (MON, TUE, WED, THU, FRI)
STEPS = 2 * int(os.environ.get("SLUICE_TEST_KILLS", "1"))
Rows = dict[tuple[str, str], list[tuple[object, ...]]]


@pytest.fixture
def bakery_with_a_shelf(tmp_path: Path, parsed_bakery: Path) -> Iterator[Company]:
    """A bakery at which nothing has happened, which publishes to a folder."""
    environ = {"SLUICE_PUBLISHED_URL": str(tmp_path / "shelf"), **NO_WAIT}
    company = Company(Settings.load(environ, project_dir=BAKERY, data_dir=tmp_path / "data"), "", tmp_path)
    yield company
    company.deployment.close()


def validated(company: Company) -> Rows:
    """Return the rows of each partition whose gate is open, as production holds them."""
    found: Rows = {}
    with company.deployment.warehouse.session() as session:
        held = session.versions(list(company.project.lineage.tables))
        for relation, key in held:
            table = company.project.lineage.tables[relation]
            if company.site.gate.report(session, relation, key).validated:
                query = partition_rows(table.relation, table.cut_by, table.partitioning, key)
                found[(relation, key)] = session.query(f"{query} order by all")
    return found


def shown(company: Company) -> Rows:
    """Return the rows of each partition that an environment says it has."""
    found: Rows = {}
    with company.deployment.warehouse.session() as session:
        for relation, key in session.versions(list(company.project.lineage.tables)):
            table = company.project.lineage.tables[relation]
            query = partition_rows(table.relation, table.cut_by, table.partitioning, key)
            found[(relation, key)] = session.query(f"{query} order by all")
    return found


@pytest.mark.parametrize("number", range(int(os.environ.get("SLUICE_TEST_KILLS", "1"))))
def test_an_environment_shows_what_its_catalogue_let_through(
    bakery_with_a_shelf: Company, number: int
) -> None:
    """Corrected, refused and taken out since: it shows the same, until a person is forgotten."""
    production, chance = bakery_with_a_shelf, random.Random(f"{number} {os.environ['PYTEST_SAMPLED_SEED']}")
    production.land_shops("Nord", "Sued:Bonn")
    expected: dict[str, Rows] = {}
    for step in range(STEPS):
        for day in chance.sample(DAYS, 2):
            # No loaves at all is what a check refuses.
            loaves = {} if chance.random() < 0.2 else {"Nord": chance.randint(1, 99), "Sued": step + 1}
            production.land_orders(day, **loaves)
            production.land_weather(day, rain=chance.randint(0, 9))
        production.run()
        publish_tables(production.site, ())
        name = f"step-{step}"
        made = make(production.settings, production.project, name, days=chance.randint(5, 9))
        assert made.days >= 5
        expected[name] = validated(production)
    for name, rows in expected.items():
        assert shown(Company(settings_of(production.settings, name), "", Path())) == rows, (number, name)

    said = forget_published(production.site, {"shop": "Nord"}, by="ada", reason="asked to")
    for name in expected:
        assert f"`{name}` of" in said
        with pytest.raises(NotUsable, match=f"were forgotten in production.*sluice env drop {name}"):
            require_usable(settings_of(production.settings, name))
