"""What was restored: whoever asks, nothing is sent; then destinations are looked at, and all agrees again."""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from orchestration.graph.instance import open_instance
from orchestration.operations.backup.folder import Folder
from orchestration.operations.status import Standing
from tests.backup.places import at, backed_up, typed
from tests.company import MON, SHOP_ORDERS, TUE, WEATHER_REPORT, Company, failures
from tests.gate.triggers import by_command, by_hand, launch, look
from tests.run.test_hands_on_jobs import launch as launch_job

pytestmark = pytest.mark.long
EXPORTS = (f"delivered/{SHOP_ORDERS}", f"delivered/{WEATHER_REPORT}")


def by_sensor(company: Company) -> None:
    company.land_orders(MON, a=77)
    launch(company, *look(company))


def by_run(company: Company) -> None:
    company.land_orders(MON, a=78)
    assert "is to be reconciled before anything is sent" in failures(company.run())
    company.run(retry=True)


def by_words(*arguments: str, code: int = 1) -> Callable[[Company], None]:
    return lambda company: assert_said(typed(company, *arguments, code=code))


def assert_said(said: str) -> None:
    assert "nothing was sent" in said, said


TRIGGERS: dict[str, Callable[[Company], object]] = {
    "materialize": lambda company: by_hand(company, MON, exports=EXPORTS),
    "dagster asset materialize": lambda company: by_command(company, MON, EXPORTS),
    "the sensor": by_sensor,
    "sluice run": by_run,
    "sluice table rerun": by_words("table", "rerun", "staging.stg_orders", "--partition", MON),
    "sluice delivery resend": by_words("delivery", "resend", SHOP_ORDERS, "--partition", MON),
    "sluice delivery redeliver": lambda company: by_words(
        "delivery",
        "redeliver",
        SHOP_ORDERS,
        "--partition",
        MON,
        "--reason",
        "r",
        "--on",
        datetime.now(UTC).isoformat(),
    )(company),
    "the job resync": lambda company: launch_job(company, "resync", export=SHOP_ORDERS, partition=MON),
    "the job rerun": lambda company: launch_job(
        company, "rerun", table="staging.stg_orders", from_partition=MON
    ),
}


def test_a_restore_raises_the_epoch(restored: Company) -> None:
    identity = restored.deployment.identity
    assert (identity.epoch, identity.said[:25]) == (3, "restored from the backup ")  # its copy was adopted
    assert restored.deployment.kept_back() is None


def test_whoever_asks_nothing_is_sent_before_somebody_has_looked(restored: Company) -> None:
    there = restored.untouched()
    for name, ask in TRIGGERS.items():
        ask(restored)
        assert restored.untouched() == there, name
    rows = restored.status()
    for export in (SHOP_ORDERS, WEATHER_REPORT):
        assert rows[export, MON].standing is Standing.HELD
        assert "`sluice delivery reconcile --restored`" in rows[export, MON].why
    assert "needs attention" in typed(restored, "status")
    passed, description = restored.check_results(EXPORTS[0], "delivery")[MON]
    assert not passed
    assert f"`sluice delivery reconcile {SHOP_ORDERS} --partition {MON}`" in description


def test_destinations_are_looked_at_and_all_agrees_again(restored: Company) -> None:
    weather, sent = restored.untouched(TUE)[0], restored.in_postgres()
    assert sent == [(MON, "a", 30), (MON, "b", 4), (TUE, "a", 35), (TUE, "b", 10)]
    said = typed(restored, "delivery", "reconcile", "--restored", code=1)
    # Monday's orders were corrected after the backup: the destination is ahead of the records.
    assert f"{SHOP_ORDERS} [{MON}]: 1 changed there, of 2 acknowledged rows" in said
    assert f"`sluice delivery resend {SHOP_ORDERS} --partition {MON}`" in said
    assert "1 of 2 partitions may be sent to again" in said
    rows = restored.status()
    assert (rows[SHOP_ORDERS, MON].standing, rows[WEATHER_REPORT, MON].standing) == (
        Standing.HELD, Standing.DELIVERED,
    )  # fmt: skip
    passed, description = restored.check_results(EXPORTS[0], "reconciled")[MON]
    assert (passed, "1 changed there" in description) == (False, True)
    # The provider lands again what it landed since.
    restored.land_orders(MON, a=30, b=4)
    restored.land_day(TUE, a=5, b=6)
    assert "nothing was sent" in failures(restored.run())
    assert restored.in_postgres() == sent
    said = typed(restored, "delivery", "reconcile", "--restored", code=1)
    assert f"{SHOP_ORDERS} [{TUE}]: 2 foreign there" in said
    for export, day in ((SHOP_ORDERS, MON), (SHOP_ORDERS, TUE), (WEATHER_REPORT, TUE)):
        typed(restored, "delivery", "resend", export, "--partition", day)
    assert typed(restored, "delivery", "reconcile", "--restored").endswith(
        "0 of 0 partitions may be sent to again"
    )
    held = [row for row in restored.status().values() if row.standing is not Standing.VALIDATED]
    assert {row.standing for row in held} == {Standing.DELIVERED}
    for export in (SHOP_ORDERS, WEATHER_REPORT):
        for day in (MON, TUE):
            typed(restored, "delivery", "reconcile", export, "--partition", day)
    assert restored.in_postgres() == sent
    assert restored.untouched(TUE)[0] == weather
    # And a new day goes out as always, once it was looked at.
    restored.land_orders(TUE, a=8, b=6)
    restored.run()
    assert restored.in_postgres(TUE) == [(TUE, "a", 38), (TUE, "b", 10)]


def test_the_ui_says_what_waits_before_anybody_asks(restored: Company) -> None:
    """What Dagster showed at the backup is green."""
    assert restored.check_results(EXPORTS[0], "delivery")[MON][0]
    assert look(restored) == []
    for name, key in zip((SHOP_ORDERS, WEATHER_REPORT), EXPORTS, strict=True):
        passed, said = restored.check_results(key, "reconciled")[MON]
        assert not passed
        assert f"{name} [{MON}], restored from the backup" in said
        assert f"`sluice delivery reconcile {name} --partition {MON}`" in said
    typed(restored, "delivery", "reconcile", "--restored", code=1)
    look(restored)  # said once
    assert restored.check_results(EXPORTS[1], "reconciled")[MON][0]
    assert "1 changed there" in restored.check_results(EXPORTS[0], "reconciled")[MON][1]


def test_a_persons_word_lets_an_export_go(restored: Company) -> None:
    typed(restored, "delivery", "reconcile", SHOP_ORDERS, "--looked-at", code=2)
    typed(
        restored,
        "delivery",
        "reconcile",
        SHOP_ORDERS,
        "--looked-at",
        "--reason",
        "all is there",
        "--by",
        "ada",
    )
    assert restored.status()[SHOP_ORDERS, MON].standing is Standing.DELIVERED
    assert restored.status()[WEATHER_REPORT, MON].standing is Standing.HELD
    restored.land_orders(MON, a=30, b=4)
    restored.run()
    assert restored.in_postgres(MON) == [(MON, "a", 30), (MON, "b", 4)]
    typed(
        restored,
        "delivery",
        "reconcile",
        SHOP_ORDERS,
        "--looked-at",
        "--partition",
        MON,
        "--reason",
        "r",
        code=2,
    )


def test_the_check_in_the_ui_looks_as_well(restored: Company) -> None:
    ok, said = restored.materialize(MON, EXPORTS[1])
    assert (ok, "is to be reconciled" in said) == (False, True)
    typed(restored, "delivery", "reconcile", WEATHER_REPORT, "--partition", MON)
    assert restored.materialize(MON, EXPORTS[1]) == (True, "")


def test_what_lives_is_never_restored_over(open_bakery: Company, backups: Path, tmp_path: Path) -> None:
    before = open_bakery.status()
    said = typed(open_bakery, "backup", "restore", str(backups), code=1)
    assert "nothing was restored" in said
    assert "`--into`" in said
    assert open_bakery.status() == before
    for path in (
        "state.db",
        "state.db-wal",
        "warehouse.duckdb",
        "warehouse.duckdb.wal",
        "deliveries/one.parquet",
        "originals/a/b.csv",
        "dagster/x",
    ):
        again = at(open_bakery, tmp_path / path.replace("/", " "))
        living = again.settings.data_dir / path
        living.parent.mkdir(parents=True)
        living.write_text("lives")
        assert "nothing was restored" in typed(again, "backup", "restore", str(backups), code=1), path
        assert [item for item in again.settings.data_dir.rglob("*") if item.is_file()] == [living]


def test_dagsters_runs_are_known_again(restored: Company, sent_on: Company) -> None:
    with open_instance(restored.settings) as instance, open_instance(sent_on.settings) as before:
        kept = {run.run_id for run in instance.get_runs()}
        assert kept
        assert kept < {run.run_id for run in before.get_runs()}
        assert instance.all_logs(next(iter(kept)))


@pytest.mark.parametrize("harm", ["flipped", "cut", "gone"])
def test_verify_and_restore_find_what_is_not_as_it_was_written(
    open_bakery: Company, tmp_path: Path, harm: str
) -> None:
    dest = tmp_path / "backups"
    backed_up(open_bakery, dest)
    parts = {file.part: file for file in Folder(dest).manifest().files}
    assert {"records", "warehouse", "deliveries", "dagster", "originals", "staging"} <= set(parts)
    for part, file in parts.items():
        content = Folder(dest).object(file.digest)
        whole = content.read_bytes()
        if harm == "gone":
            content.unlink()
        else:
            content.write_bytes(whole[:-1] + (b"" if harm == "cut" else bytes([whole[-1] ^ 1])))
        said = typed(open_bakery, "backup", "verify", str(dest), code=1)
        assert f"✗ {part}/" in said
        again = at(open_bakery, tmp_path / f"again {part}")
        assert "not as it was written" in typed(again, "backup", "restore", str(dest), code=1)
        assert "its restore did not end" in typed(again, "status", code=2)
        content.write_bytes(whole)
        typed(again, "backup", "restore", str(dest))
    typed(open_bakery, "backup", "verify", str(dest))


def test_a_manifest_says_no_secret_and_no_value(open_bakery: Company, tmp_path: Path) -> None:
    settings = open_bakery.settings.model_copy(update={"masking_key": SecretStr("a-key-of-sixteen-letters")})
    company = type(open_bakery)(settings, open_bakery.postgres_url, open_bakery.container)
    dest = tmp_path / "backups"
    name = backed_up(company, dest)
    text = (dest / name / "backup.json").read_text()
    secrets = [url.get_secret_value() for url in settings.connections.values()]
    for secret in [*secrets, "a-key-of-sixteen-letters", str(settings.data_dir)]:
        assert secret not in text
    assert json.loads(text)["notes"] == []


def test_backups_share_what_has_not_changed_and_old_ones_go(open_bakery: Company, tmp_path: Path) -> None:
    dest = tmp_path / "backups"
    first = backed_up(open_bakery, dest)
    shards = {file.digest for file in Folder(dest).manifest(first).files if file.part == "deliveries"}
    inodes = {digest: Folder(dest).object(digest).stat().st_mtime_ns for digest in shards}
    open_bakery.land_day(TUE, a=1)
    open_bakery.run()
    second = backed_up(open_bakery, dest)
    assert {digest: Folder(dest).object(digest).stat().st_mtime_ns for digest in shards} == inodes
    assert Folder(dest).names() == [first, second]
    typed(
        open_bakery,
        "backup",
        "restore",
        str(dest),
        "--at",
        "20000101T000000Z",
        "--into",
        str(tmp_path / "x"),
        code=1,
    )
    typed(open_bakery, "backup", "create", str(dest), "--keep", "1")
    [third] = Folder(dest).names()
    assert third > second
    wanted = {file.digest for file in Folder(dest).manifest().files}
    assert {path.name for path in dest.glob("objects/*/*")} == wanted
    typed(open_bakery, "backup", "verify", str(dest))


def test_a_folder_that_is_something_else_is_refused(open_bakery: Company, tmp_path: Path) -> None:
    other = tmp_path / "photos"
    other.mkdir()
    (other / "cat.jpg").write_text("a cat")
    assert "which no backup has" in typed(open_bakery, "backup", "create", str(other), code=1)
    inside = open_bakery.settings.data_dir / "backups"
    assert "would be lost with it" in typed(open_bakery, "backup", "create", str(inside), code=1)
    assert "no backup in" in typed(open_bakery, "backup", "verify", str(other), code=1)
    assert [path.name for path in other.iterdir()] == ["cat.jpg"]
    shutil.rmtree(other)
