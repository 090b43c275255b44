"""Nobody who was forgotten comes back with a backup: the journal of erasures is outside, and replayed."""

import shutil
from pathlib import Path

import duckdb
import pytest

from orchestration.delivery.erasure import Request, forget_unsent
from orchestration.state.erasure_journal import ErasureJournal, JournalError
from orchestration.state.records import ForgottenKey
from orchestration.state.store import StateStore
from tests.backup.places import backed_up, typed
from tests.company import MON, SHOP_ORDERS, Company

pytestmark = pytest.mark.long
KEY = ("delivery", "forget", "shop=a", f"business_date={MON}", "--reason", "request of Ada Lovelace")


def forgotten(company: Company, *, backup_first: bool, dest: Path) -> None:
    """Forget shop a's Monday, before a backup or after it."""
    if backup_first:
        backed_up(company, dest)
    typed(company, *KEY)
    if not backup_first:
        backed_up(company, dest)


def in_shards(company: Company) -> list[str]:
    """Return the shops in all shards of the shops' orders."""
    files = company.settings.deliveries_dir.glob(f"{SHOP_ORDERS}/**/*.parquet")
    return [shop for file in files for (shop,) in duckdb.sql(f"select shop from '{file}'").fetchall()]


@pytest.mark.parametrize("backup_first", [True, False], ids=["forgotten since", "forgotten before"])
@pytest.mark.sampled(3)
def test_a_person_stays_away(open_bakery: Company, tmp_path: Path, backup_first: bool) -> None:
    dest = tmp_path / "backups"
    forgotten(open_bakery, backup_first=backup_first, dest=dest)
    assert open_bakery.in_postgres() == [(MON, "b", 4)]
    before = open_bakery.deployment.store.forgotten_keys.of(SHOP_ORDERS)
    open_bakery.deployment.store.close()
    shutil.rmtree(open_bakery.settings.data_dir)
    said = typed(open_bakery, "backup", "restore", str(dest))
    assert ("1 erasures since then were replayed" in said) == backup_first
    again = open_bakery.read_anew()
    assert in_shards(again) == ["b"]
    kept = again.deployment.store.forgotten_keys.of(SHOP_ORDERS)
    assert [(item.key_digest, item.fields, item.outcome) for item in kept] == [
        (item.key_digest, item.fields, item.outcome) for item in before
    ]
    said = typed(again, "delivery", "reconcile", SHOP_ORDERS, "--partition", MON)
    assert "the destination holds the 1 rows that it acknowledged" in said
    # The source has the row still, and the warehouse of the backup as well.
    typed(again, "delivery", "resend", SHOP_ORDERS, "--partition", MON)
    typed(again, "table", "rerun", "staging.stg_orders", "--partition", MON)
    assert again.in_postgres() == [(MON, "b", 4)]
    assert in_shards(again) == ["b"] * len(in_shards(again))
    # And a second backup has it all, so that a second restore replays nothing.
    backed_up(again, dest)
    again.deployment.store.close()
    shutil.rmtree(again.settings.data_dir)
    assert "were replayed" not in typed(again, "backup", "restore", str(dest))


def test_without_the_journal_nothing_is_restored(open_bakery: Company, tmp_path: Path) -> None:
    dest = tmp_path / "backups"
    forgotten(open_bakery, backup_first=True, dest=dest)
    open_bakery.deployment.store.close()
    data, journal = open_bakery.settings.data_dir, open_bakery.settings.erasures_file
    shutil.rmtree(data)
    kept = journal.rename(tmp_path / "kept.jsonl")
    said = typed(open_bakery, "backup", "restore", str(dest), code=1)
    assert "whoever was forgotten since" in said
    assert not data.exists()
    # Another's, or one that lacks what the backup knew, is no journal of this deployment.
    ErasureJournal(journal).complete([])
    assert "is not the journal of erasures that the backup knew" in typed(
        open_bakery, "backup", "restore", str(dest), code=2
    )
    journal.write_bytes(kept.read_bytes().partition(b"\n")[0] + b"\n")
    typed(open_bakery, "backup", "restore", str(dest))  # the backup was taken when there was no more in it
    shutil.rmtree(data)
    journal.write_text("{}\n")
    assert "is no journal of erasures" in typed(open_bakery, "backup", "restore", str(dest), code=2)
    journal.unlink()
    late = ("--no-erasures-since", "2199-01-01")
    assert "whoever was forgotten since" in typed(open_bakery, "backup", "restore", str(dest), *late, code=1)
    # What the message says can be typed.
    command = said.partition("`sluice backup restore … ")[2].partition("`")[0]
    typed(open_bakery, "backup", "restore", str(dest), *command.split())
    assert ErasureJournal(journal).erasures() == []


def test_a_journal_that_cannot_be_written_lets_nobody_be_forgotten_in_part(
    open_bakery: Company, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    nowhere = {"SLUICE_ERASURES_FILE": str(tmp_path / "file" / "erasures.jsonl")}
    code, written, complained = open_bakery.sluice(*KEY, **nowhere)
    assert code == 2, written + complained
    assert "so nothing was erased" in " ".join(complained.split())
    assert open_bakery.in_postgres() == [(MON, "a", 3), (MON, "b", 4)]
    assert open_bakery.deployment.store.forgotten_keys.of(SHOP_ORDERS) == []


def test_the_journal_holds_digests_alone(open_bakery: Company) -> None:
    typed(open_bakery, *KEY)
    text = open_bakery.settings.erasures_file.read_text()
    assert '"key"' in text
    for value in ("Ada", "Lovelace", "request", f'"{MON}"', '"a"'):
        assert value not in text, value
    assert open_bakery.settings.erasures_file.stat().st_mode & 0o077 == 0
    assert not open_bakery.settings.erasures_file.is_relative_to(open_bakery.settings.data_dir)


# -- the file


def key(number: int) -> ForgottenKey:
    return ForgottenKey("exp_items", f"salt {number}", f"digest {number}", 0, "begun", "a reason", "ada")


def test_the_journal_knows_how_far_each_erasure_has_come(tmp_path: Path) -> None:
    journal = ErasureJournal(tmp_path / "erasures.jsonl")
    assert not journal.exists
    for number in (1, 2):
        journal.record(key(number))
    journal.conclude("exp_items", "salt 2", 7, "done")
    found = journal.erasures()
    assert [(item.key_digest, item.stage, item.found) for item in found] == [
        ("digest 1", "begun", 0), ("digest 2", "done", 7),
    ]  # fmt: skip


def test_what_a_crash_cut_off_was_never_acted_on(tmp_path: Path) -> None:
    journal = ErasureJournal(tmp_path / "erasures.jsonl")
    journal.record(key(1))
    mark = journal.mark()
    with journal.file.open("ab") as opened:
        opened.write(b'{"export": "exp_it')
    assert [item.key_digest for item in journal.erasures()] == ["digest 1"]
    journal.require_after(mark)
    journal.record(key(2))
    assert [item.key_digest for item in journal.erasures()] == ["digest 1", "digest 2"]
    journal.require_after(mark)
    lines = journal.file.read_bytes().splitlines(keepends=True)
    journal.file.write_bytes(lines[0])
    with pytest.raises(JournalError, match="was cut short"):
        journal.require_after(mark)


def test_records_of_older_code_are_written_down_by_the_first_backup(tmp_path: Path) -> None:
    url, file = f"sqlite:///{tmp_path / 'state.db'}", tmp_path / "erasures.jsonl"
    older = StateStore(url)
    forget_unsent(older, "exp_items", ["item"], Request({"item": "7"}, "r", "ada"))
    older.close()
    store = StateStore(url, erasures=file)
    journal = store.forgotten_keys.journal
    assert journal is not None
    first = journal.complete(store.forgotten_keys.of())
    [known] = journal.erasures()
    assert known.key_digest == store.forgotten_keys.of("exp_items")[0].key_digest
    assert journal.complete(store.forgotten_keys.of()) == first
    store.close()
