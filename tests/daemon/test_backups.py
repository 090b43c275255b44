"""Backups of a deployment whose daemon is at work: each is of one moment, and can be restored.

Belongs here: what needs the real processes of `sluice dev`. Does not: `sluice run` beside backups
(`tests/backup/test_at_work`).
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.graph.headless import reconcile_alone
from orchestration.graph.instance import open_instance
from orchestration.operations.backup.folder import Folder
from orchestration.operations.status import Standing
from tests.backup.places import at, backed_up, typed
from tests.company import MON, SHOP_ORDERS, THU, TUE, WEATHER_REPORT, WED
from tests.daemon.server import Server
from tests.daemon.test_daemon import all_landed, land, orders_file, pytestmark, rain, weather_file
from tests.prepared import take_over
from tests.sampled import every_case, part_of

__all__ = ["pytestmark"]
DAYS = (TUE, WED, THU) if every_case() else (TUE, WED)


@pytest.fixture
def server(tmp_path: Path, postgres_url: str) -> Iterator[Server]:
    """A bakery with its daemon."""
    folder = tmp_path / "backed_up_at_work"
    folder.mkdir()
    with all_landed(folder, postgres_url) as server:
        yield server


def test_each_backup_beside_a_daemon_restores_to_what_its_destinations_hold(
    server: Server, tmp_path: Path
) -> None:
    company, dest = server.company, tmp_path / "backups"
    server.up()
    names = [backed_up(company, dest)]  # its first look may be under way
    for number, day in enumerate(DAYS, 1):
        land(
            company,
            orders=orders_file(server, day, a=number, c=1),
            weather=weather_file(server, day, rain=number),
        )
        names.append(backed_up(company, dest))
        names.append(backed_up(company, dest))
    server.wait_until(
        lambda: all(company.in_postgres(day) and rain(company, day) for day in (MON, *DAYS)),
        "all is delivered",
    )
    server.wait_until(server.idle, "no run is under way")
    names.append(backed_up(company, dest))
    assert server.stop(seconds=60) == 0
    sent = company.in_postgres()
    for name in names:
        assert Folder(dest).manifest(name).notes == [], name
    # Of its first look, of the middle or of the end; before a release of all three.
    for name in part_of("backups beside a daemon", (names[0], names[len(names) // 2], names[-1]), one_in=3):
        typed(company, "backup", "verify", str(dest), "--at", name)
        again = at(company, tmp_path / f"again {name}", erasures_file=company.settings.erasures_file)
        typed(again, "backup", "restore", str(dest), "--at", name)
        take_over(again.settings)  # its original can be seen
        again.run()
        assert (company.in_postgres(), rain(company, MON)) == (sent, [1.5]), "nothing is sent unlooked-at"
        again.sluice("delivery", "reconcile", "--restored")
        again.run(retry=True)
        for row in again.status().values():
            if row.standing is Standing.HELD:
                typed(again, "delivery", "resend", row.name, "--partition", row.partition_key)
        for row in again.status().values():
            if row.name in (SHOP_ORDERS, WEATHER_REPORT):
                assert row.standing is Standing.DELIVERED, row
                with open_instance(again.settings) as instance:
                    done = reconcile_alone(
                        again.desk(instance), again.site.target(row.name), row.partition_key
                    )
                assert done.success, (row, done)
                assert (done.failures, done.warnings) == ((), ()), (row, done)
        with open_instance(again.settings) as instance:
            assert [run.status for run in instance.get_runs() if not run.is_finished] == []
        assert company.in_postgres() == sent
        again.deployment.store.close()
