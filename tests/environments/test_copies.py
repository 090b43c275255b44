"""What tells a deployment from its copies, and which of them sends."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from sluicegate.codes import place as at_entry
from sluicegate.core.environments import FILE, Declared
from sluicegate.core.settings import OWN, REPOSITORY, Settings
from sluicegate.incidents.looking import tells_nobody
from sluicegate.state.adoption import NotTheOne, WrongDeployment, adopt, declare, give_up
from sluicegate.state.deployment import Deployment
from sluicegate.state.identity import Identities, Identity, anchor_of

from tests.company import BAKERY

pytestmark = pytest.mark.long
REASON = "the machine was replaced"


def opened(data: Path, **variables: str) -> Deployment:
    return Deployment(Settings.load(variables, project_dir=BAKERY, data_dir=data))


def made(data: Path, **variables: str) -> Deployment:
    """Return a new deployment, closed: its records are one file."""
    opened(data, **variables).store.close()
    return opened(data, **variables)


def kept_back(data: Path, **variables: str) -> str:
    """Return why nothing is sent, as a process says that starts now; "" where it is."""
    deployment = opened(data, **variables)
    why = deployment.kept_back()
    deployment.close()
    return str(why) if why else ""


def adopted(data: Path, *, gone: bool = False, **variables: str) -> int:
    deployment = opened(data, **variables)
    found = adopt(deployment.store.identities, deployment.settings, deployment.shared, REASON, gone=gone)
    deployment.close()
    return found.epoch


def by(*command: str) -> Callable[[Path, Path], None]:
    """Copy by a program, which has to be there."""

    def copy(original: Path, to: Path) -> None:
        if shutil.which(command[0]) is None:
            pytest.skip(f"{command[0]} is not installed here: that way to copy is not tried")
        words = [word.format(original=original, to=to) for word in command]
        subprocess.run(words, check=True, capture_output=True)

    return copy


def by_tar(original: Path, to: Path) -> None:
    to.mkdir()
    packed = subprocess.run(["tar", "-C", original, "-c", "."], check=True, capture_output=True).stdout
    subprocess.run(["tar", "-C", to, "-xp"], check=True, input=packed)


def in_its_place(original: Path, to: Path) -> None:
    """The original is moved, and a copy put where it was."""
    shutil.copytree(original, to)
    shutil.rmtree(original)
    shutil.copytree(to, original)


def by_hard_links(original: Path, to: Path) -> None:
    """As `rsync --link-dest` does: what has not changed is one file under two names."""
    shutil.copytree(original, to)
    (to / FILE).unlink()
    (to / FILE).hardlink_to(original / FILE)


def by_a_restore(original: Path, to: Path) -> None:
    """As `sluice backup restore --into` leaves it."""
    shutil.copytree(original, to)
    copy = opened(to)
    copy.store.identities.restored(to, "restored")
    copy.close()


COPIES: dict[str, Callable[[Path, Path], None]] = {
    "cp -a": by("cp", "-a", "{original}", "{to}"),
    "cp --reflink=auto -a": by("cp", "--reflink=auto", "-a", "{original}", "{to}"),
    "rsync -a": by("rsync", "-a", "{original}/", "{to}/"),
    "rsync -aH --times": by("rsync", "-aH", "--times", "{original}/", "{to}/"),
    "tar": by_tar,
    "hard links": by_hard_links,
    "restore --into": by_a_restore,
    "copytree": lambda original, to: shutil.copytree(original, to) and None,
}


@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES)
def test_a_copy_sends_nothing_until_it_is_adopted(tmp_path: Path, copy: Callable[[Path, Path], None]) -> None:
    original, other = tmp_path / "original", tmp_path / "copy"
    first = made(original).identity
    copy(original, other)
    assert kept_back(original) == ""
    said = kept_back(other)
    assert f"{other} is a copy of `local`" in said
    assert "`sluice env adopt --reason …`" in said
    # The original is still to be seen, at its place.
    with pytest.raises(WrongDeployment, match=f"`sluice env retire --data {original} --reason …`"):
        adopted(other)
    retiring = opened(original)
    give_up(retiring.store.identities, retiring.settings, REASON)
    assert f"was retired: {REASON}" in kept_back(original)
    assert adopted(other) == first.epoch + 1
    assert kept_back(other) == ""
    assert opened(other).identity.id == first.id


def test_a_copy_in_the_place_of_the_original_is_a_copy(tmp_path: Path) -> None:
    original = tmp_path / "data"
    made(original).close()
    in_its_place(original, tmp_path / "elsewhere")
    assert "is a copy of" in kept_back(original)
    # There is no original to be seen any more; where it is, nobody knows but people.
    with pytest.raises(WrongDeployment, match="the original is not to be seen, and was last at"):
        adopted(original)
    assert adopted(original, gone=True) == 2


def test_an_original_that_was_renamed_is_not_sent_from_beside_a_copy(tmp_path: Path) -> None:
    """They share nothing, so it would not learn of the other one."""
    made(tmp_path / "data").close()
    shutil.copytree(tmp_path / "data", tmp_path / "copy")
    renamed = (tmp_path / "data").rename(tmp_path / "renamed")
    with pytest.raises(WrongDeployment, match="`sluice env adopt --original-is-gone --reason …`"):
        adopted(tmp_path / "copy")
    assert (kept_back(renamed), kept_back(tmp_path / "copy") == "") == ("", False)
    # What was retired before it was copied sends nowhere, whatever becomes of it.
    retiring = opened(renamed)
    give_up(retiring.store.identities, retiring.settings, REASON)
    retiring.close()
    shutil.copytree(renamed, tmp_path / "later")
    renamed.rename(tmp_path / "elsewhere")
    assert adopted(tmp_path / "later") == 2
    assert "was retired" in kept_back(tmp_path / "elsewhere")


HARMLESS: dict[str, Callable[[Path], Path]] = {
    "renamed": lambda data: data.rename(data.with_name("renamed")),
    "touched": lambda data: (data / FILE).touch() or data,
    "with other rights": lambda data: (data / FILE).chmod(0o600) or data,
    "linked to": lambda data: _linked(data),
}


def _linked(data: Path) -> Path:
    link = data.with_name("link")
    link.symlink_to(data)
    return link


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
def test_the_original_stays_what_it_is(tmp_path: Path, change: Callable[[Path], Path]) -> None:
    made(tmp_path / "data").close()
    assert kept_back(change(tmp_path / "data")) == ""


def test_who_was_renamed_is_seen_where_it_is_now(tmp_path: Path) -> None:
    made(tmp_path / "data").close()
    (tmp_path / "data").rename(tmp_path / "renamed")
    assert opened(tmp_path / "renamed").identity.path == tmp_path / "renamed"
    shutil.copytree(tmp_path / "renamed", tmp_path / "copy")
    with pytest.raises(WrongDeployment, match=f"still at {tmp_path / 'renamed'}"):
        adopted(tmp_path / "copy")
    assert adopted(tmp_path / "copy", gone=True) == 2


@pytest.fixture(params=["an area", "a shelf", "the records"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """What both copies have: an area, or the state store."""
    if request.param == "the records":
        return {"SLUICE_STATE_URL": request.getfixturevalue("database_url")}
    name = {"an area": "SLUICE_ORIGINALS_URL", "a shelf": "SLUICE_PUBLISHED_URL"}[request.param]
    return {name: str(tmp_path / "shared")}


def test_of_copies_that_share_something_the_newest_alone_sends(
    tmp_path: Path, shared: dict[str, str]
) -> None:
    folders = [tmp_path / name for name in ("original", "one", "other")]
    made(folders[0], **shared).close()
    assert kept_back(folders[0], **shared) == ""
    for folder in folders[1:]:
        shutil.copytree(folders[0], folder)
    running = opened(folders[0], **shared)  # a process that started before
    assert running.kept_back() is None
    for place, folder in enumerate(folders[1:], 1):
        assert adopted(folder, gone=True, **shared) == place + 1
        assert running.kept_back() is not None
        for other in folders:
            assert (kept_back(other, **shared) == "") == (other == folder), (folder, other)
    # The way back is the same.
    assert adopted(folders[0], gone=True, **shared) == 4
    assert [kept_back(folder, **shared) == "" for folder in folders] == [True, False, False]
    running.close()


@pytest.mark.parametrize("kind", ["local", "scratch", "work:uat"])
def test_productions_areas_and_warehouse_are_no_other_deployments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A shell has production's variables: nothing of that is opened. One's own may be anywhere."""
    production = {"SLUICE_ORIGINALS_URL": str(tmp_path / "theirs"), "SLUICE_ENVIRONMENT": "production"}
    own = {"SLUICE_ORIGINALS_URL": str(tmp_path / "own"), "SLUICE_ENVIRONMENT": kind}
    monkeypatch.setenv("SLUICE_ENVIRONMENT", kind)
    assert kept_back(tmp_path / "production", **production) == ""
    for data in (tmp_path / "one", tmp_path / "one"):  # new, then as it was made
        assert kept_back(data, **own) == ""
        with pytest.raises(WrongDeployment, match="is production's .*`unset SLUICE_STAGING_URL SLUICE_ORIG"):
            opened(data, **{**own, **production, "SLUICE_ENVIRONMENT": kind}).store.close()
    assert kept_back(tmp_path / "production", **production) == ""

    (tmp_path / "theirs.duckdb").touch()
    theirs = {**own, "SLUICE_WAREHOUSE": str(tmp_path / "theirs.duckdb")}
    if kind != "local":
        with pytest.raises(WrongDeployment, match="there already.*; unset SLUICE_WAREHOUSE"):
            opened(tmp_path / "two", **theirs).store.close()
    assert kept_back(tmp_path / "two", **{**own, "SLUICE_WAREHOUSE": str(tmp_path / "new.duckdb")}) == ""


@pytest.mark.parametrize("kind", ["local", "scratch", "work:uat"])
def test_what_lies_in_productions_data_directory_is_no_other_deployments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Made in a clean shell, then opened in one with production's variables: each is refused by itself."""
    assert kept_back(tmp_path / "production", SLUICE_ENVIRONMENT="production") == ""
    production = opened(tmp_path / "production", SLUICE_ENVIRONMENT="production")
    theirs = {
        variable: str(getattr(production.settings, field))
        for variable, field in OWN.items()
        if field not in ("state_url", "cold_url")
    }
    production.close()
    monkeypatch.setenv("SLUICE_ENVIRONMENT", kind)
    made(tmp_path / "own", SLUICE_ENVIRONMENT=kind).close()
    (tmp_path / "link").symlink_to(tmp_path / "production")
    for variable, place in theirs.items():
        for said in (place, place.replace(str(tmp_path / "production"), str(tmp_path / "link"))):
            with pytest.raises(
                WrongDeployment, match=f"{variable} is .* of production in {tmp_path}/(production|link),"
            ):
                opened(tmp_path / "own", SLUICE_ENVIRONMENT=kind, **{variable: said}).store.close()
        assert kept_back(tmp_path / "own", **{variable: str(tmp_path / "elsewhere" / variable)}) == ""


def test_of_two_that_adopt_at_one_moment_one_is_told_that_it_did_not(tmp_path: Path) -> None:
    """They share the records, and no area: whose change comes first is the one."""
    shared = {"SLUICE_STATE_URL": f"sqlite:///{tmp_path / 'state.db'}"}
    original, quicker, slower = (tmp_path / name for name in ("original", "quicker", "slower"))
    made(original, **shared).close()
    for copy in (quicker, slower):
        shutil.copytree(original, copy)
    shutil.rmtree(original)

    class OvertakenRecords(Identities):
        """Records that another process changes just before this one does."""

        def change(self, before: Identity, after: Identity) -> bool:
            assert adopted(quicker, gone=False, **shared) == 2
            return super().change(before, after)

    late = opened(slower, **shared)
    records = OvertakenRecords(sa.create_engine(shared["SLUICE_STATE_URL"]))
    with pytest.raises(WrongDeployment, match="another copy was adopted at this moment.*type the same again"):
        adopt(records, late.settings, late.shared, REASON)
    late.close()
    assert kept_back(quicker, **shared) == ""
    assert "is a copy of" in kept_back(slower, **shared)
    with pytest.raises(WrongDeployment, match=f"the original is still at {quicker}"):
        adopted(slower, gone=False, **shared)


def test_a_claim_is_made_by_one_of_two_that_would_have_the_same_epoch(tmp_path: Path) -> None:
    shared = {"SLUICE_ORIGINALS_URL": str(tmp_path / "shared")}
    folders = [tmp_path / name for name in ("original", "one", "other")]
    made(folders[0], **shared).close()
    # Restored twice where the original is not seen: both records say epoch 2, and nobody has claimed it yet.
    folders[0] = folders[0].rename(tmp_path / "unseen")
    for folder in folders[1:]:
        shutil.copytree(folders[0], folder)
        copy = opened(folder, **shared)
        copy.store.identities.restored(folder, "restored")
        copy.close()
        assert opened(folder, **shared).identity.epoch == 2
    # A restore that sends nothing takes nothing from the original.
    assert kept_back(folders[0], **shared) == ""
    assert [kept_back(folder, **shared) == "" for folder in (folders[2], *folders)] == [
        True, False, False, True,
    ]  # fmt: skip


MOUNTS = """
set -e
mount -t tmpfs sluice {at}
{python} {script} {at} {originals} look
tar -C {at} -cf {out}/data.tar .
unshare -m sh -ec 'mount -t tmpfs other {at}; tar -C {at} -xf {out}/data.tar
{python} {script} {at} {originals} look adopt look'
{python} {script} {at} {originals} look
"""
# What it imports is all that it needs: three processes of the tests' own imports take a while.
SCRIPT = """
import sys
from sluicegate.core.settings import Settings
from sluicegate.state.adoption import adopt
from sluicegate.state.deployment import Deployment
at, originals, *asked = sys.argv[1:]
deployment = Deployment(Settings.load({"SLUICE_ORIGINALS_URL": originals}, data_dir=at))
for what in asked:
    if what == "look":
        print(deployment.kept_back())
    else:
        adopt(deployment.store.identities, deployment.settings, deployment.shared, "moved")
deployment.close()
"""


def test_two_volumes_at_one_path_are_told_apart(tmp_path: Path) -> None:
    if (
        shutil.which("unshare") is None
        or subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True).returncode
    ):
        pytest.skip("no right to make a mount namespace here: two volumes at one path are not tried")
    (tmp_path / "at").mkdir()
    (tmp_path / "script.py").write_text(SCRIPT)
    text = MOUNTS.format(
        at=tmp_path / "at", originals=tmp_path / "originals", out=tmp_path, python=sys.executable,
        script=tmp_path / "script.py",
    )  # fmt: skip
    told = subprocess.run(
        ["unshare", "-m", "sh", "-c", text], capture_output=True, text=True, check=False, cwd=REPOSITORY,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY), "SLUICE_ENVIRONMENT": "local"},
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    made_here, seen_there, adopted_there, seen_here = told.stdout.splitlines()
    assert (made_here, adopted_there) == ("None", "None")
    assert "is a copy of" in seen_there
    assert "holds epoch 2 of this deployment" in seen_here


def test_nobody_is_whom_the_records_do_not_name(tmp_path: Path) -> None:
    made(tmp_path).close()
    (tmp_path / FILE).unlink()
    assert "is a copy of" in kept_back(tmp_path)
    (tmp_path / FILE).write_text(json.dumps({"id": "another", "environment": "local"}))
    assert "is a copy of" in kept_back(tmp_path)
    assert anchor_of(tmp_path / "nowhere") == ""
    with pytest.raises(WrongDeployment, match="is not the one that sends"):
        give_up(opened(tmp_path).store.identities, opened(tmp_path).settings, REASON)
    assert adopted(tmp_path, gone=True) == 2


def test_who_sends_is_not_adopted(tmp_path: Path) -> None:
    made(tmp_path).close()
    with pytest.raises(WrongDeployment, match="is the one that sends"):
        adopted(tmp_path)


def test_an_area_that_does_not_answer_sends_nothing(tmp_path: Path) -> None:
    shared = {"SLUICE_ORIGINALS_URL": str(tmp_path / "file")}
    made(tmp_path / "data").close()
    (tmp_path / "file").write_text("no directory")
    assert "an area does not say who sends" in kept_back(tmp_path / "data", **shared)


@pytest.mark.parametrize(
    ("said", "then", "agrees"),
    [
        ("scratch:ada", "scratch:ada", True), ("scratch:ada", "scratch", True), ("scratch:ada", "", True),
        ("scratch:ada", "scratch:bob", False), ("production", "scratch", False),
        ("work", "production", False),
        ("scratch", "scratch:ada", False), ("local", "local", True), ("", "scratch", True),
    ],
)  # fmt: skip
def test_a_process_that_says_another_kind_does_not_start(
    tmp_path: Path, said: str, then: str, agrees: bool
) -> None:
    made(tmp_path, SLUICE_ENVIRONMENT=said).close()
    if agrees:
        assert str(opened(tmp_path, SLUICE_ENVIRONMENT=then).identity.declared) == (said or "scratch")
        return
    with pytest.raises(WrongDeployment, match=f"is `{said}` .*SLUICE_ENVIRONMENT says `{then}`"):
        _ = opened(tmp_path, SLUICE_ENVIRONMENT=then).store


def test_what_nothing_has_happened_in_may_be_said_anew(tmp_path: Path) -> None:
    first = opened(tmp_path, SLUICE_ENVIRONMENT="").identity
    assert (str(first.declared), first.epoch) == ("scratch", 1)
    again = opened(tmp_path, SLUICE_ENVIRONMENT="")
    declare(again.records.identities, again.settings, Declared.of("production"))
    assert str(opened(tmp_path, SLUICE_ENVIRONMENT="").identity.declared) == "production"
    assert kept_back(tmp_path, SLUICE_ENVIRONMENT="production") == ""


def test_why_nothing_is_sent_is_a_sentence() -> None:
    said = str(NotTheOne("SLU-N006", "a", "b", "c"))
    assert said == f"a; nothing is sent; expected b; c [SLU-N006: {at_entry('SLU-N006')}]"


def test_a_copy_tells_nobody_but_the_log(tmp_path: Path) -> None:
    made(tmp_path / "data").close()
    assert tells_nobody(opened(tmp_path / "data")) is None
    shutil.copytree(tmp_path / "data", tmp_path / "copy")
    for asks_areas in (True, False):
        assert tells_nobody(opened(tmp_path / "copy"), asks_areas=asks_areas) is not None
    scratch = opened(tmp_path / "scratch", SLUICE_ENVIRONMENT="scratch")
    assert "has no connections" in str(tells_nobody(scratch))
