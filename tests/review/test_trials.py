"""The environment of a pull request: made anew each time, there while that is open, gone with it."""

import shutil

import pytest
from sluicegate.areas import Area
from sluicegate.environments.record import begin
from sluicegate.publishing.leases import all_leases, take_lease

from tests.company import FRI
from tests.review.conftest import Branch
from tests.review.test_ci import OWNERS, SHOP_ORDERS, TWICE

pytestmark = [pytest.mark.long, pytest.mark.stories(2)]


def test_the_environment_of_a_pull_request(branch: Branch) -> None:
    """It is in the comment; an older one of the name is dropped, and leases of machines that are gone."""
    area = Area(str(branch.company.settings.published_url))
    others = {lease.id for lease in all_leases(area)}
    assert branch.sluice("env", "new", branch.name, "--days", "1")[0] == 0
    [old] = [lease for lease in all_leases(area) if lease.id not in others]
    lost = take_lease(area, branch.name, old.catalogue, f"{old.holder.partition('@')[0]}@gone", 30)
    theirs = take_lease(area, branch.name, old.catalogue, "somebody-else@there", 30)
    branch.edit(*TWICE)

    answer = branch.ci()

    assert answer.code == 0, answer.said
    told = {one["export"]: one for one in answer.data["diff"]["exports"]}
    assert {part["partition_key"]: part["changed"] for part in told["exp_shop_orders"]["partitions"]}[
        FRI
    ] == 2
    assert "exp_shop_orders" in answer.comment
    assert "### Impact of this pull request" in answer.comment
    assert f"environment `{branch.name}`" in answer.comment
    assert "run 1 of" in answer.said
    names = {lease.id for lease in all_leases(area)} - others
    assert {old.id, lost.id} & names == set()
    assert theirs.id in names
    assert len(names) == 2

    assert branch.sluice("ci", "--closed", "--name", branch.name) == (0, "")
    assert branch.sluice("ci", "--closed", "--name", branch.name) == (0, "")
    assert {lease.id for lease in all_leases(area)} == {*others, theirs.id}


def test_without_a_shelf_the_files_alone_are_asked(branch: Branch) -> None:
    branch.edit(*TWICE)
    answer = branch.ci(shelf=False)
    assert (answer.code, answer.data["diff"]) == (0, None)
    assert "of the files alone: no shelf is named (SLUICE\\_PUBLISHED\\_URL)" in answer.comment
    assert branch.sluice("ci", "--closed", "--name", branch.name, shelf=False) == (0, "")


def test_a_shelf_with_nothing_on_it(branch: Branch) -> None:
    """Nothing can be built, so nothing that is changed may be merged; and what changes nothing may."""
    empty = branch.folder / "empty"
    empty.mkdir(exist_ok=True)
    variables = branch.variables() | {"SLUICE_PUBLISHED_URL": str(empty)}
    asked = ("ci", "--since", "main", "--name", branch.name)
    assert branch.company.sluice_with(variables, *asked)[0] == 0
    branch.edit(*TWICE)
    code, _, said = branch.company.sluice_with(variables, *asked)
    assert (code, "nothing is published" in said, "type `sluice env publish`" in said) == (1, True, True)


def test_half_of_one_is_taken_by_the_next(branch: Branch) -> None:
    """Whatever a kill has left under the name; what is no environment is left alone, and told."""
    data_dir = branch.folder / "environments" / branch.name
    begin(data_dir)
    assert branch.sluice("ci", "--closed", "--name", branch.name) == (0, "")
    assert not data_dir.exists()
    data_dir.mkdir()
    (data_dir / "precious").touch()
    branch.edit(*TWICE)
    answer = branch.ci()
    assert (answer.code, "is there, and no environment" in answer.said) == (1, True)
    assert (data_dir / "precious").exists()


def test_the_check_warns_of_what_has_no_owner(branch: Branch) -> None:
    """Ten lines at most, and no problem."""
    assert "no owner" not in branch.sluice("check")[1]
    branch.edit(OWNERS, "/contracts/                @bakery/sources", "/contracts/\n[Sources]")
    code, said = branch.sluice("check")
    assert code == 0, said
    assert "warning: contracts/orders.odcs.yaml:1: has no owner in .github/CODEOWNERS; expected" in said
    assert "add a line to .github/CODEOWNERS, as `/contracts/orders.odcs.yaml @" in said
    assert "warning: .github/CODEOWNERS:4: has `[ ]` in its pattern" in said
    branch.edit(OWNERS, "", "")
    code, said = branch.sluice("check")
    assert (code, said.count("has no owner in .github/CODEOWNERS, which is not there")) == (0, 10)
    assert "more files or lines of CODEOWNERS" in said


WRONG = {
    "no such revision": (("--since", "no/such"), "`no/such` is no commit"),
    "a name that none may have": (("--name", "PR 1"), "is no name of an environment"),
    "an unknown option": (("--no-such-option",), "No such option"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_asked_is_no_approval(branch: Branch, name: str) -> None:
    """Where a command is typed wrongly it ends with 2: no verdict is written, so the pipelines refuse it."""
    arguments, why = WRONG[name]
    branch.edit(*TWICE)
    answer = branch.ci(*arguments)
    if name == "an unknown option":
        assert (answer.code, answer.outputs) == (2, "")
    else:
        assert (answer.code, answer.outputs) == (2, "verdict=refused\n")
        assert why in answer.comment
    assert why in answer.said


def test_a_branch_is_compared_with_where_it_began(branch: Branch) -> None:
    """What was merged since is no part of it."""
    branch.git("checkout", "--quiet", "-B", "mine")
    branch.git("checkout", "--quiet", "-B", "further", "main")
    branch.edit(SHOP_ORDERS, "object: bakery.shop_orders", "object: bakery.others")
    branch.git("commit", "--quiet", "--all", "--message", "merged since")
    branch.git("checkout", "--quiet", "mine")
    assert branch.ci("--since", "further", shelf=False).code == 0
    branch.git("merge", "--quiet", "further")
    assert branch.ci("--since", "main", shelf=False).code == 3


def test_a_name_is_a_branch_first(branch: Branch) -> None:
    """Whoever may push a tag that is called as the branch which it goes into changes nothing by it."""
    branch.git("checkout", "--quiet", "-B", "mine")
    branch.edit("environments.yml", "[sandbox]", "[sandbox, other]")
    branch.git("commit", "--quiet", "--all", "--message", "mine")
    branch.git("update-ref", "refs/remotes/origin/main", "main")
    for name in ("main", "origin/main"):
        branch.git("tag", name, "mine")
        answer = branch.ci("--since", name, shelf=False)
        branch.git("tag", "--delete", name)
        assert (answer.code, answer.rules) == (3, {"guard"}), name


def test_a_link_and_a_submodule_have_owners(branch: Branch) -> None:
    """What is in them nobody reviews here, so who put them there is all that is known."""
    branch.edit(OWNERS, "unowned.yml\n", "unowned.yml\n/dbt_project/models/linked\n/exports/taken\n")
    (branch.tree / "dbt_project/models/linked").symlink_to("staging", target_is_directory=True)
    taken = branch.tree / "exports/taken"
    taken.mkdir()
    branch.git("-C", "exports/taken", "init", "--quiet")
    branch.git("-C", "exports/taken", "commit", "--quiet", "--allow-empty", "--message", "theirs")
    branch.git("add", "--all")
    answer = branch.ci(shelf=False)
    shutil.rmtree(taken)
    assert {("owner", "dbt_project/models/linked"), ("owner", "exports/taken")} <= answer.found, answer.said
