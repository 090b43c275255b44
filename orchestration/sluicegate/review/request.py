"""A pull request: the project as it was where the branch began, as it is, and which files are others.

Belongs here: the two states and what is asked of both. Does not belong here: the rules.
"""

from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from sluicegate.contracts.diff import Difference, difference
from sluicegate.contracts.model import CONTRACT_CHECK
from sluicegate.core.lineage import Table
from sluicegate.core.problems import ProjectError
from sluicegate.core.settings import Settings
from sluicegate.core.stages import Stage
from sluicegate.delivery.export_files.exports import Export
from sluicegate.project.code_owners import PLACES, CodeOwners, load_code_owners
from sluicegate.project.compared import ImpactReport, impact_between, impact_of_contracts
from sluicegate.project.earlier import Earlier, earlier
from sluicegate.project.loading import Project
from sluicegate.project.repository import Repository, fork_point
from sluicegate.publishing.meaning import check_of, meanings
from sluicegate.review.checking import Checked, checked


@dataclass(frozen=True)
class Request:
    """What a branch makes of a project, since the `commit` that it comes from.

    `files` are relative to the repository. `then` is None where the project of that commit does not load,
    and `unknown` says why. `after` is None where the project does not load now.
    """

    settings: Settings
    repository: Repository
    commit: str
    today: date
    files: tuple[str, ...]
    checked: Checked
    then: Earlier | None
    unknown: str = ""

    @property
    def before(self) -> Project | None:
        """The project as it was; None where there was none."""
        return self.then.project if self.then else None

    @property
    def after(self) -> Project | None:
        """The project as it is."""
        return self.checked.project

    @cached_property
    def impact(self) -> ImpactReport | None:
        """What changes for destinations; None where it cannot be told."""
        if self.then is None:
            return None
        if self.after is not None:
            return impact_between(self.then, self.after)
        try:
            return impact_of_contracts(self.then, self.settings, ProjectError(self.checked.problems))
        except ProjectError:  # told as what it is
            return None

    @cached_property
    def contracts(self) -> Difference | None:
        """What changes in the contracts; None where they do not load."""
        try:
            return difference(self.settings.project_dir, self.commit)
        except ProjectError:
            return None

    @cached_property
    def owners(self) -> CodeOwners:
        """Who owns what, as the branch has it."""
        return load_code_owners(self.repository.top)

    @cached_property
    def owners_before(self) -> CodeOwners:
        """Who owns what before the change."""
        there = ((place, self.repository.text_at(self.commit, place)) for place in PLACES)
        return next((CodeOwners.read(place, text) for place, text in there if text is not None), CodeOwners())

    def approvers(self, file: str, export: Export | None = None) -> tuple[str, ...]:
        """Return who must approve a change of a file (relative to the repository), and of an export.

        Both as they were: whoever wants to merge does not choose who approves.
        """
        before = self.owners_before
        named = before.of(file) or self.owners.of(file) or before.of(before.file)
        before_it = self.before.exports.get(export.name) if export and self.before else None
        if before_it is not None and before_it.stage is Stage.PRODUCTION:
            export = before_it
        return (*named, *([export.spec.owner] if export else ()))

    def named(self, file: str) -> str:
        """Return a file of the project as the repository names it."""
        return f"{self.repository.prefix}{file}"

    @cached_property
    def changed_models(self) -> tuple[str, ...]:
        """The models, seeds and snapshots that mean something else, or are new, parents first."""
        nodes = self.after.manifest.nodes.values() if self.after else ()
        models = {str(node.relation) for node in nodes}
        return tuple(name for name in self._tables if name in models and self._is_another(name))

    @cached_property
    def changed_checks(self) -> frozenset[str]:
        """The tables of which a check is another, or new; a contract is asked when a drop is loaded."""
        return frozenset(
            name for name, table in self._tables.items()
            if any(rule != CONTRACT_CHECK and self._is_another(check_of(name, rule)) for rule in table.rules)
        )  # fmt: skip

    @cached_property
    def changed_exports(self) -> dict[str, Export]:
        """The exports whose files say something else, or are new."""
        before = self.before.exports if self.before else {}
        exports = self.after.exports if self.after else {}
        return {
            name: one for name, one in exports.items()
            if name not in before or before[name].spec != one.spec
        }  # fmt: skip

    @cached_property
    def concerned(self) -> tuple[str, ...]:
        """The tables that are others, judged or sent otherwise, and all that is made of them."""
        if self.after is None:
            return ()
        lineage = self.after.lineage
        sent = {str(self.after.node_of(one).relation) for one in self.changed_exports.values()}
        begun = {*self.changed_models, *self.changed_checks, *sent}
        below = begun.union(*(lineage.descendants(name) for name in begun))
        return tuple(name for name in lineage.tables if name in below)

    @cached_property
    def reached(self) -> dict[str, Export]:
        """The exports that are others, or are made of what is."""
        if self.after is None:
            return {}
        told = {one.name for one in self.impact.receivers if one.kind == "export"} if self.impact else ()
        return {
            name: one for name, one in self.after.exports.items()
            if name in told or str(self.after.node_of(one).relation) in self.concerned
        }  # fmt: skip

    @property
    def _tables(self) -> Mapping[str, Table]:
        return self.after.lineage.tables if self.after else {}

    def _is_another(self, name: str) -> bool:
        old, new = self._meanings
        return old.get(name) != new[name]

    @cached_property
    def _meanings(self) -> tuple[dict[str, str], dict[str, str]]:
        old, new = (meanings(one) if one else {} for one in (self.before, self.after))
        return old, new


@contextmanager
def requested(
    settings: Settings, revision: str, today: date, told: Callable[[str], None]
) -> Generator[Request]:
    """Yield the pull request of a work tree, uncommitted edits too.

    Args:
        settings: of the process.
        revision: the branch that it is to be merged into.
        today: the day (UTC) that decides what has expired.
        told: is called with what is done, before it takes its time.

    Raises:
        ValueError: there is no such revision, or no repository.
    """
    commit = fork_point(settings.project_dir, revision)
    repository = Repository.of(settings.project_dir)
    assert repository is not None  # there is a commit
    told(f"checking the project, and as it was at {commit[:10]}")
    with ExitStack() as stack:
        then, unknown = None, ""
        try:
            then = stack.enter_context(earlier(settings, commit))
        except ValueError as error:
            unknown = str(error)
        yield Request(
            settings, repository, commit, today, tuple(repository.changed_since(commit)),
            checked(settings, today), then, unknown,
        )  # fmt: skip
