"""What a pull request does to files that others answer for: owners, and what guards the rest.

Belongs here: rules that ask for files by their names. Does not belong here: what is in definitions
(`definitions`).
"""

from collections.abc import Iterator

import yaml

from sluicegate.contracts.load import CLASSES_FILE, CONNECTORS_FILE
from sluicegate.project.code_owners import PLACES, CodeOwners
from sluicegate.project.environments_file import FILE as ENVIRONMENTS_FILE
from sluicegate.project.ownership import without_owner
from sluicegate.review.request import Request
from sluicegate.review.rules import RULES, Finding, Rule

_CONTRACTS = "contracts"
# What answers pull requests, at the hosts that we have files for.
_PIPELINES = (".github/workflows/", "azure-pipelines.yml")


def file_findings(request: Request) -> Iterator[Finding]:
    """Yield what the changed files themselves ask for."""
    yield from _without_owner(request)
    guards = [request.named(ENVIRONMENTS_FILE), *PLACES]
    shared = {CONNECTORS_FILE: Rule.SOURCE, CLASSES_FILE: Rule.CLASS}
    asked = {
        **dict.fromkeys(guards, Rule.GUARD),
        **{request.named(f"{_CONTRACTS}/{name}"): rule for name, rule in shared.items()},
    }
    for file in request.files:
        rule = asked.get(file) or (Rule.GUARD if file.startswith(_PIPELINES) else None)
        if rule and _says_another(request, file):
            yield Finding(rule, file, 1, "the file changed", RULES[rule].do, request.approvers(file))


def _says_another(request: Request, file: str) -> bool:
    """Return whether a file says another thing than before; a comment in it says nothing."""
    path = request.repository.top / file
    old = request.repository.text_at(request.commit, file)
    if old is None or not path.is_file():
        return True
    new = path.read_text(encoding="utf-8", errors="replace")
    if file in PLACES:
        return CodeOwners.read(file, old) != CodeOwners.read(file, new)
    try:
        return yaml.safe_load(old) != yaml.safe_load(new)
    except yaml.YAMLError:  # a script of the pipelines'
        return old != new


def _without_owner(request: Request) -> Iterator[Finding]:
    """Yield the definitions of production that this change leaves without an owner."""
    touched = set(request.files)
    for problem in without_owner(request.repository, request.owners):
        if problem.file in touched or request.owners_before.of(problem.file):
            yield Finding(Rule.OWNER, problem.file, problem.line, problem.what, problem.fix)
