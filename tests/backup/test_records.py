"""Records on either kind of database, and of an earlier version: backed up, and brought back as they were."""

import shutil
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from orchestration.state import schema
from orchestration.state.store import StateStore
from tests.backup.places import backed_up, typed
from tests.company import SHOP_ORDERS, Company, recorded
from tests.prepared import database
from tests.upgrade.conftest import old_week as old_week

pytestmark = pytest.mark.long
# What a restore changes: who is at work, what is planned, and its own record.
CHANGED = {"leases", "restores", "deliveries", "records_form", "deployment"}


def everything(company: Company) -> dict[str, list[Any]]:
    """Return {table: its rows, in the order of their text} of a deployment's records."""
    columns = {
        table.name: ", ".join(c.name for c in table.columns) for table in schema.metadata.sorted_tables
    }
    return {
        name: sorted(repr(_plain(row)) for row in recorded(company.settings, f"select {listed} from {name}"))
        for name, listed in columns.items()
        if name not in CHANGED
    }


def _plain(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(value.isoformat(" ") if hasattr(value, "isoformat") else value for value in row)


@pytest.mark.sampled(2)
def test_a_week_of_an_earlier_version_comes_back(
    old_week: Company, tmp_path: Path, postgres_url: str
) -> None:
    dest = tmp_path / "backups"
    on_postgres = old_week.settings.state_url.get_secret_value().startswith("postgres")
    before = {key: (row.standing, row.rows) for key, row in old_week.status().items()}
    held = everything(old_week)
    assert held["drops"]
    backed_up(old_week, dest)
    old_week.deployment.store.close()
    typed(old_week, "backup", "verify", str(dest))
    shutil.rmtree(old_week.settings.data_dir)
    with database(postgres_url) as empty:
        settings = old_week.settings
        if on_postgres:
            # Its tables live still, and are not restored over.
            assert "behind SLUICE_STATE_URL" in typed(old_week, "backup", "restore", str(dest), code=1)
            settings = settings.model_copy(update={"state_url": SecretStr(empty)})
        again = Company(settings, old_week.postgres_url, old_week.container)
        typed(again, "backup", "restore", str(dest))
        assert everything(again) == held
        assert "9 of 9 partitions may be sent to again" in typed(again, "delivery", "reconcile", "--restored")
        # Plans that waited for a word are made anew; all else stands as it did.
        now = {key: (row.standing, row.rows) for key, row in again.status().items()}
        assert {key for key in before if before[key] != now[key]} <= {(SHOP_ORDERS, "2024-01-04")}
        store = again.deployment.store
        # What counts rows up goes on where it was.
        store.record_connections({"new": True}, served=False)
        held_by = store.releases.of_partition("2024-01-07")
        if held_by:
            assert store.releases.record(held_by[0]).id > held_by[0].id
        store.close()
    with psycopg.connect(old_week.postgres_url) as connection:
        assert connection.execute("select count(*) from bakery.shop_orders").fetchone() == (2,)
    assert SHOP_ORDERS in old_week.project.exports


def test_nothing_is_nothing_in_the_copy_too(state_url_of_a_hold: str, tmp_path: Path) -> None:
    store = StateStore(state_url_of_a_hold)
    store.copy_out(tmp_path / "copy.db")
    store.close()
    with sa.create_engine(f"sqlite:///{tmp_path / 'copy.db'}").connect() as connection:
        rows = connection.execute(sa.text("select waits_for is null from holds")).all()
    assert rows == [(1,)]


@pytest.fixture
def state_url_of_a_hold(database_url: str) -> str:
    """A store on Postgres with a hold that waits for nothing."""
    from orchestration.state.records import Hold

    store = StateStore(database_url)
    store.hold(Hold("exp_items", "2024-01-01", ("a reason",), "run"))
    with store._engine.begin() as connection:  # pyright: ignore[reportPrivateUsage]
        connection.execute(sa.text("update holds set waits_for = null"))
    store.close()
    return database_url
