"""A bakery whose destinations are tables of Azure Data Explorer, and functions that fill further ones.

Belongs here: the project, the double as its database, deploying, what tables hold. Does not: any expectation.
"""

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from orchestration.core.settings import Settings
from orchestration.kusto.deploying import alone, cluster_of, deploy, planned
from orchestration.kusto.places import place_of
from tests.company import BAKERY, MON, NO_WAIT, TUE, Company
from tests.doubles.kusto import Kusto
from tests.doubles.kusto_queries import Queries

ORDERS, WEATHER = "exp_shop_orders", "exp_weather_report"
RAIN, REPORT, TOWNS = "rain_by_town", "day_report", "towns"
_EXPORT = """model: {model}
destination: {{type: adx, connection: telemetry, object: {table}, options: {{wait_minutes: 0.5}}}}
key: {key}
mode: snapshot
partitions: each
owner: counter@bakery.example
purpose: Feeds the mill's reports.
"""
_PARTITION = "(partition_start: datetime, partition_end: datetime)"
_IN_IT = "| where business_date >= partition_start and business_date < partition_end"
FILES = {
    "exports/exp_shop_orders.yml": _EXPORT.format(
        model=ORDERS, table="shop_orders", key="[business_date, shop]"
    ),
    "exports/exp_weather_report.yml": _EXPORT.format(
        model=WEATHER, table="weather", key="[business_date, town]"
    ),
    "kusto/database.yml": "connection: telemetry\nscratch: try\n",
    "kusto/functions/RainByTown.kql": f"""// what fell in each town
.create-or-alter function with (folder = "mill") RainByTown{_PARTITION} {{
    weather
    {_IN_IT}
    | summarize days = count() by town
}}
""",
    "kusto/functions/DayReport.kql": f""".create-or-alter function DayReport{_PARTITION} {{
    let wet = RainByTown(partition_start, partition_end);
    shop_orders
    {_IN_IT}
    | summarize shops = count(), loaves = sum(loaves) by business_date
}}
""",
    "kusto/functions/Towns.kql": """.create-or-alter function Towns() {
    weather
    | summarize days = count() by town
}
""",
    "kusto/filled/rain_by_town.yml": "function: RainByTown\ndescription: Rain.\nowner: mill@bakery.example\n",
    "kusto/filled/day_report.yml": "function: DayReport\ndescription: Loaves.\nowner: mill@bakery.example\n",
    "kusto/filled/towns.yml": "function: Towns\ndescription: Towns.\nowner: mill@bakery.example\n"
    "grain: whole\n",
}


@dataclass(frozen=True)
class Mill:
    """A deployment, production if nothing else is said, beside its database."""

    company: Company
    kusto: Kusto
    queries: Queries

    def held(self, table: str) -> list[tuple[object, ...]]:
        """The rows of a table, in order; none where there is no table."""
        found = self.kusto.engine.tables.get(table)
        return sorted(tuple(row.values()) for row in found.rows()) if found else []

    def sent(self, *beginnings: str) -> list[str]:
        """The commands so far that begin so."""
        return [text for text in self.kusto.engine.commands if text.startswith(beginnings)]

    def deploy(self) -> int:
        """Deploy what git says to the database; return how many commands were sent."""
        deployment, project = self.company.deployment, self.company.project.kusto
        assert project is not None
        place, store = place_of(deployment, project), deployment.store
        words = self.kusto.objects.parser.tokens
        with cluster_of(place) as cluster, alone(store, place, deployment.kept_back, lambda _: None):
            plan = planned(cluster, store, place, project, words)
            return deploy(
                cluster, store, place, plan, commit="c0ffee", prune=False, say=lambda _: None, words=words
            )

    @contextmanager
    def as_it_is(self) -> Generator[None]:
        """Put the database back as it was when the block ends."""
        tables = deepcopy(self.kusto.engine.tables)
        try:
            yield
        finally:
            self.kusto.engine.tables = tables

    def read_anew(self) -> "Mill":
        """The same, as a process that starts now sees it."""
        return Mill(self.company.read_anew(), self.kusto, self.queries)


def project_in(folder: Path) -> Path:
    """Make the mill's project in a folder."""
    project = shutil.copytree(BAKERY, folder / "project")
    for name, text in FILES.items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return project


def mill_in(folder: Path, project: Path, kusto: Kusto, url: str, **environ: str) -> Mill:
    """Return a mill in a folder; its database is at a URL."""
    said = {"SLUICE_ENVIRONMENT": "production", "SLUICE_CONNECTION_TELEMETRY": url, **NO_WAIT, **environ}
    settings = Settings.load(said, project_dir=project, data_dir=folder / "data")
    return Mill(Company(settings, "", folder), kusto, Queries(kusto.engine, kusto.objects))


def land(mill: Mill) -> None:
    """Land Monday and Tuesday."""
    mill.company.land_shops("a", "b")
    for day in (MON, TUE):
        mill.company.land_day(day, a=3, b=4)
