"""`docs/operations-data.md`, its part on a source, typed as it stands: from runs to a table at a destination.

Belongs here: one company from its facts to what is sent of them, and a correction. Does not: other facts.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from sluicegate.core.settings import REPOSITORY

from tests.company import MON, SHOP_ORDERS, WEATHER_REPORT, Company
from tests.typed import sluice
from tests.unit.test_state_leases import engine_of

pytestmark = [pytest.mark.long, pytest.mark.stories(2)]
_BLOCK = re.compile(r"(?:`([\w/.]+)`:\n\n)?```(sh|sql|yaml)\n(.*?)```", re.DOTALL)
YESTERDAY = (datetime.now(UTC) - timedelta(days=1)).date()
PASSED = "update deliveries set planned_at = strftime('%Y-%m-%d %H:%M:%f000', planned_at, '-1 day')"
COPIED = (
    "partition_key, version, digest, row_count, shard, location, run_id, planned_at, acknowledged_at, added"
)
# Of an export that is in the project no more.
UNDER_WAY = (
    f"insert into deliveries (delivery_id, export, status, {COPIED}) select 'gone', 'exp_gone', 'sending',"
    f" {COPIED} from deliveries where export = 'exp_shop_orders'"
)
ARRIVED = "update deliveries set status = 'acknowledged' where delivery_id = 'gone'"


@pytest.fixture
def company(open_bakery: Company) -> Iterator[Company]:
    """The bakery, whose deliveries were yesterday's, with the page's files."""
    reports = {**open_bakery.settings.connections, "reports": SecretStr(open_bakery.postgres_url)}
    settings = open_bakery.settings.model_copy(update={"connections": reports})
    with_reports = replace(open_bakery, settings=settings).with_own_project()
    told(with_reports, PASSED, UNDER_WAY)
    page = (REPOSITORY / "docs" / "operations-data.md").read_text()
    part = page.partition("\n## As a source")[2].partition("\n## ")[0]
    for name, kind, text in _BLOCK.findall(part):
        if kind == "sh":
            for line in text.splitlines():
                code, said = sluice(with_reports, *shlex.split(line)[1:])
                assert code == 0, said
        else:
            (with_reports.settings.project_dir / name).write_text(text)
    yield with_reports
    with_reports.deployment.store.close()


def told(company: Company, *statements: str) -> None:
    """Change the records, as only time does."""
    engine = engine_of(company.settings.state_url.get_secret_value())
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))
    engine.dispose()


def there(company: Company) -> list[tuple[object, ...]]:
    with psycopg.connect(company.postgres_url) as connection:
        return connection.execute(
            "select business_date, export, deliveries, acknowledged, changed_rows from operations.daily"
            " order by export"
        ).fetchall()


def test_a_fact_goes_to_a_destination_as_any_data(company: Company) -> None:
    code, said = sluice(company, "check")
    assert code == 0, said
    code, said = sluice(company, "ops", "publish")
    assert (code, said.splitlines()[0]) == (0, f"landed sluice_ops_deliveries {YESTERDAY}")
    code, said = sluice(company, "run")
    assert code == 0, said
    assert there(company) == [
        (YESTERDAY, "exp_gone", 1, 0, 2), (YESTERDAY, SHOP_ORDERS, 1, 1, 2),
        (YESTERDAY, WEATHER_REPORT, 1, 1, 1),
    ]  # fmt: skip
    # What was landed is not landed again; what the run did is today's, and not over.
    code, said = sluice(company, "ops", "publish")
    assert (code, "landed" in said) == (0, False)
    code, said = sluice(company, "run")
    assert (code, "tables" in said) == (0, False)
    # What was under way at the end of a day is there by now: the day is corrected, there as well.
    told(company, ARRIVED)
    code, said = sluice(company, "ops", "publish", "--json")
    assert code == 0
    assert MON not in said
    assert f"sluice_ops_deliveries {YESTERDAY}" in said
    code, said = sluice(company, "run")
    assert code == 0, said
    assert there(company)[0] == (YESTERDAY, "exp_gone", 1, 1, 2)
