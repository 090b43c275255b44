"""Which files of a project somebody has to approve, and whether CODEOWNERS says who.

Belongs here: what needs an owner: the definitions of production, and the contracts. Does not belong here: how
the file is read (`code_owners`), what becomes of a pull request (`review`).
"""

from sluicegate.core.problems import Problem
from sluicegate.core.stages import Stage, stage_of
from sluicegate.kusto.files import FOLDER as KUSTO
from sluicegate.project.code_owners import CodeOwners, load_code_owners, unowned
from sluicegate.project.earlier import FOLDERS
from sluicegate.project.repository import Repository

_TOLD = 10


def without_owner(repository: Repository, owners: CodeOwners) -> list[Problem]:
    """Return the production definitions and contracts without an owner, as the repository names them."""
    production = [
        file for file in repository.files(*FOLDERS, KUSTO)
        if stage_of(repository.of_project(file) or file) is Stage.PRODUCTION
    ]  # fmt: skip
    return unowned(owners, production)


def ownership_warnings(repository: Repository | None) -> list[str]:
    """Return what a person should look at; nothing of a project outside of any."""
    if repository is None:
        return []
    owners = load_code_owners(repository.top)
    found = [*owners.problems, *without_owner(repository, owners)]
    more = [f"and {len(found) - _TOLD} more files or lines of CODEOWNERS"] if len(found) > _TOLD else []
    return [*map(str, found[:_TOLD]), *more]
