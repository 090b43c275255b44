"""A folder of backups that time, disks and hands have been at: clocks that are set, files that are damaged.

Belongs here: what the folder holds, and what the next backup makes of it. Does not: what a restore brings
back (`test_restores`), kills (`test_kills`).
"""

import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestration.operations.backup.folder import BackupError, Folder, files_below
from orchestration.operations.backup.taking import take
from tests.backup.places import at, backed_up, typed
from tests.company import MON, SHOP_ORDERS, Company

pytestmark = pytest.mark.long


def test_a_clock_that_is_set_back_makes_no_backup_older_than_one_before(
    open_bakery: Company, tmp_path: Path
) -> None:
    dest = tmp_path / "backups"
    first = backed_up(open_bakery, dest)
    earlier = open_bakery.at(datetime.now(UTC) - timedelta(hours=3))
    second = take(earlier.deployment, Folder(dest), patience=60, say=lambda _: None, keep=1)
    earlier.deployment.store.close()
    assert Folder(dest).names() == [second.name]
    assert second.name > first


@pytest.mark.parametrize("harm", ["flipped", "cut", "gone"])
def test_what_verify_found_damaged_the_next_backup_writes_anew(
    open_bakery: Company, tmp_path: Path, harm: str
) -> None:
    dest = tmp_path / "backups"
    backed_up(open_bakery, dest)
    damaged: set[str] = set()
    for part in ("deliveries", "originals", "processing"):
        file = next(file for file in Folder(dest).manifest().files if file.part == part and file.size)
        content = Folder(dest).object(file.digest)
        whole = content.read_bytes()
        damaged.add(part)
        if harm == "gone":
            content.unlink()
        else:
            content.write_bytes(whole[:-1] + (b"" if harm == "cut" else bytes([whole[-1] ^ 1])))
    said = typed(open_bakery, "backup", "verify", str(dest), code=1)
    for part in damaged:
        assert f"✗ {part}/" in said
    assert f"`sluice backup create {dest}`" in said
    name = backed_up(open_bakery, dest)
    typed(open_bakery, "backup", "verify", str(dest), "--at", name)
    again = at(open_bakery, tmp_path / "again")
    typed(again, "backup", "restore", str(dest))


def test_a_manifest_that_is_damaged_stands_in_nobodys_way(open_bakery: Company, tmp_path: Path) -> None:
    dest = tmp_path / "backups"
    first = backed_up(open_bakery, dest)
    manifest = dest / first / "backup.json"
    whole = manifest.read_bytes()
    manifest.write_bytes(whole[:-10])
    second = backed_up(open_bakery, dest)
    said = typed(open_bakery, "backup", "verify", str(dest))
    assert first in said
    # What it names may be wanted still, once it is put back from a copy.
    manifest.write_bytes(whole)
    typed(open_bakery, "backup", "verify", str(dest), "--at", first)
    manifest.write_bytes(whole[:-10])
    typed(open_bakery, "backup", "create", str(dest), "--keep", "1")
    [third] = Folder(dest).names()
    assert third > second
    typed(open_bakery, "backup", "verify", str(dest))


def test_no_byte_of_a_manifest_is_changed_unnoticed(open_bakery: Company, tmp_path: Path) -> None:
    dest = tmp_path / "backups"
    name = backed_up(open_bakery, dest)
    folder, file = Folder(dest), dest / name / "backup.json"
    whole, meant = file.read_bytes(), folder.manifest()
    spoilt = [
        whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :]
        for place in range(0, len(whole), 23)
        for bit in (1, 64)
    ]
    spoilt += [whole[:length] for length in range(0, len(whole), 97)]
    spoilt += [
        b"[]",
        b"null",
        b"1",
        b'"x"',
        b"{}",
        b"\xff",
        b'{"form": "x", "digest": 1}',
        b'{"form": null, "digest": ""}',
    ]
    for text in spoilt:
        file.write_bytes(text)
        try:
            found = folder.manifest()
        except BackupError:
            continue
        assert found == meant


def test_what_is_linked_is_backed_up_as_if_it_were_there(open_bakery: Company, tmp_path: Path) -> None:
    """A disk was full, and a folder moved to another one: what it held is the deployment's still."""
    data, dest = open_bakery.settings.data_dir, tmp_path / "backups"
    for folder in (f"deliveries/{SHOP_ORDERS}", "originals/orders", "staging/orders"):
        moved = tmp_path / "larger disk" / folder
        moved.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(data / folder, moved)
        (data / folder).symlink_to(moved)
    (data / "originals/orders/back").symlink_to(data / "originals")  # a link that has no end
    kept = {
        path.relative_to(data).as_posix()
        for name in ("deliveries", "originals", "staging")
        for path in files_below(data / name)
    }
    backed_up(open_bakery, dest)
    assert Folder(dest).manifest().notes == []
    again = at(open_bakery, tmp_path / "again")
    typed(again, "backup", "restore", str(dest))
    assert len(kept) > 8
    assert [path for path in kept if not (again.settings.data_dir / path).is_file()] == []
    typed(again, "delivery", "reconcile", SHOP_ORDERS, "--partition", MON)


FULL = (50_000, 1_000_000)  # bytes that a file may have: as on a disk that is full, in the middle


@pytest.mark.parametrize("most_bytes", FULL)
@pytest.mark.sampled(2)
def test_a_disk_that_is_full_is_told_and_leaves_nothing_that_counts(
    open_bakery: Company, tmp_path: Path, most_bytes: int
) -> None:
    dest, again = tmp_path / "backups", at(open_bakery, tmp_path / "again")
    said = limited(open_bakery, most_bytes, "backup", "create", str(dest))
    assert "no backup was made" in said
    assert "name another folder" in said
    assert Folder(dest).names() == []
    assert list(dest.glob("objects/*.partial")) == []
    backed_up(open_bakery, dest)
    said = limited(again, most_bytes, "backup", "restore", str(dest))
    assert "the restore did not end" in said
    assert "then type the same again" in said
    assert "its restore did not end" in typed(again, "status", code=2)
    typed(again, "backup", "restore", str(dest))


def limited(company: Company, most_bytes: int, *arguments: str) -> str:
    """Run `sluice` where no file may be longer; return what it complained, which is no stack of calls."""
    sluice = Path(sys.executable).with_name("sluice")
    done = subprocess.run(
        ["prlimit", f"--fsize={most_bytes}", str(sluice), *arguments],
        env=company.environment(), text=True, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return " ".join(done.stderr.split())


def test_what_this_user_may_not_read_or_write_is_told(open_bakery: Company, tmp_path: Path) -> None:
    dest = tmp_path / "backups"
    backed_up(open_bakery, dest)
    (tmp_path / "file").write_text("no folder")
    again = at(open_bakery, tmp_path / "file" / "again")
    assert "the restore did not end: Not a directory" in typed(again, "backup", "restore", str(dest), code=1)
    assert "cannot be written" in typed(
        open_bakery, "backup", "create", str(tmp_path / "file" / "backups"), code=1
    )
