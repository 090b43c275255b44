"""A bakery whose Tuesday failed a check, and whose Monday is delivered: its records alone, and its page.

Belongs here: the records, and who serves them. Does not: any expectation.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sluicegate.core.secrets import secret_of
from sluicegate.core.settings import Settings
from sluicegate.incidents.looking import look
from sluicegate.page.pages import Pages
from sluicegate.page.reading import Reading
from sluicegate.page.serving import Door, PageServer
from sluicegate.project.loading import Project
from sluicegate.state.records import Delivery, DeliveryStatus

from tests.company import BAKERY, MON, SHOP_ORDERS, TUE, Company
from tests.incidents.desk import NOON
from tests.parses import loaded
from tests.prepared import bakery_in
from tests.unit.conftest import another_process as another_process
from tests.unit.conftest import far_east as far_east
from tests.unit.conftest import state_url as state_url
from tests.unit.records import Ledger

OWN = "https://ops.example"
PERSON = "X-Forwarded-User"
# Whoever reads a page may not read this.
PASSWORD = "pa55-w0rd/of the screens"


@dataclass
class Shown:
    """A company with its page, served; `ledger` plays its runs."""

    company: Company
    ledger: Ledger
    reading: Reading
    stack: ExitStack = field(default_factory=ExitStack)
    pages: Pages = field(init=False)
    client: httpx.Client = field(init=False)
    url: str = ""

    def __post_init__(self) -> None:
        self.client = self.serve(Door(OWN, PERSON))

    def serve(self, door: Door, host: str = "ops.example") -> httpx.Client:
        """Serve it; by another door, if one is given. Return who asks for a host."""
        server = PageServer(self.company.deployment, self.reading, door)
        self.stack.enter_context(server.serving())
        self.pages, self.url = server.pages, server.url
        headers = {"Host": host or f"127.0.0.1:{server.port}"}
        return self.stack.enter_context(httpx.Client(base_url=server.url, headers=headers, timeout=60))

    def html(self, path: str) -> str:
        """Return a page that is there."""
        answer = self.client.get(f"/{path}")
        assert answer.status_code == 200, (path, answer.text)
        return answer.text

    def close(self) -> None:
        """Leave nothing behind."""
        self.stack.close()
        self.company.deployment.store.close()

    def deliver(self, export: str, key: str, **others: object) -> None:
        """Record that a partition of an export was acknowledged."""
        relation = self.company.project.node_of(self.company.project.exports[export]).relation
        build = self.company.deployment.store.latest_builds(relation)[key]
        values: dict[str, object] = {"status": DeliveryStatus.ACKNOWLEDGED} | others
        plan = Delivery(
            f"{export}{key}".ljust(64, "0")[:64], export, key, build.version, "d", 3, "", "run",
            scope=key, added=3, **values,  # pyright: ignore[reportArgumentType]
        )  # fmt: skip
        store = self.company.deployment.store.deliveries
        store.plan(plan)
        with store._engine.begin() as connection:  # pyright: ignore[reportPrivateUsage]
            from sluicegate.state import schema

            table = schema.deliveries
            connection.execute(
                table.update()
                .where(table.c.delivery_id == plan.delivery_id)
                .values(acknowledged_at=self.company.clock(), **values)
            )


@pytest.fixture(scope="session")
def bakery_project(parsed_bakery: Path) -> Project:
    """What the bakery's four folders say, read once."""
    return loaded(Settings.load({}, project_dir=BAKERY, data_dir=parsed_bakery))


def shop_in(folder: Path, project: Project) -> Shown:
    """Return a bakery: Monday is delivered, Tuesday's orders failed a check, and a look has found that."""
    company = bakery_in(folder, "postgresql://nobody@nowhere.example/screens").at(NOON + timedelta(days=9))
    settings = company.settings.model_copy(
        update={"connections": {
            **company.settings.connections,
            "shop_screens": secret_of(f"postgresql://baker:{PASSWORD}@nowhere.example/screens", "X"),
        }}
    )  # fmt: skip
    company = Company(settings, company.postgres_url, company.container, company.clock)
    vars(company)["project"] = project
    company.settings.data_dir.mkdir()
    ledger = Ledger(company)
    company.land_shops("a")
    company.land_day(MON, a=1)
    ledger.settle()
    shop = Shown(company, ledger, Reading(settings, project, seconds=3600))
    shop.deliver(SHOP_ORDERS, MON)
    company.land_day(TUE, a=1)
    ledger.settle(failing={"staging.stg_orders"})
    vars(company.deployment)["clock"] = lambda: NOON
    look(company.site, write=lambda _: None)
    shop.reading.look()
    return shop


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, bakery_project: Project) -> Iterator[Shown]:
    """Such a bakery, for tests that leave it as it is."""
    made = shop_in(tmp_path_factory.mktemp("shop"), bakery_project)
    yield made
    made.close()


@pytest.fixture
def own_shop(tmp_path: Path, bakery_project: Project) -> Iterator[Shown]:
    """One that a test may change."""
    made = shop_in(tmp_path, bakery_project)
    yield made
    made.close()
