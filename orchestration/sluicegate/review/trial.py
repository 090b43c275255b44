"""A pull request tried: an environment of its own, built, and compared with what production has published.

The environment is called after the pull request, and stays until that is closed; an earlier one of the name
is dropped first. Belongs here: the order of it, and what refuses. Does not belong here: each part
(`environments`, `graph.trying`, `comparing`).
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from sluicegate.areas import Area
from sluicegate.comparing.compare import compare
from sluicegate.comparing.report import DiffReport, ExportDiff, Stands, TableDiff
from sluicegate.core.settings import Settings
from sluicegate.environments.changes import building
from sluicegate.environments.making import alone, make, shelf_of
from sluicegate.environments.record import Made, NotUsable, holder, is_one, settings_of
from sluicegate.environments.sweeping import drop
from sluicegate.graph.desk import Desk
from sluicegate.graph.instance import open_instance
from sluicegate.graph.trying import try_out
from sluicegate.operations.site import Site
from sluicegate.project.loading import load_project
from sluicegate.publishing.leases import all_leases, clear_lease
from sluicegate.publishing.shelf import NotPublished
from sluicegate.review.request import Request
from sluicegate.review.rules import RULES, Finding, Rule
from sluicegate.state.deployment import Deployment

_NOT_RIGHT = (Stands.NOT_BUILT, Stands.FAILED, Stands.REFUSED)
_TOLD = 3


@dataclass(frozen=True)
class Trial:
    """What came of it; `report` is None where nothing was compared, and `why` says why."""

    findings: tuple[Finding, ...] = ()
    report: DiffReport | None = None
    why: str = ""


def tried(request: Request, name: str, told: Callable[[str], None]) -> Trial:
    """Build what a pull request changes in an environment of this name, and compare it with production."""
    if request.settings.published_url is None:
        return Trial(why="no shelf is named (SLUICE_PUBLISHED_URL), so nothing was built or compared")
    if request.after is None or request.checked.problems:
        return Trial(why="what does not pass the check is not built")
    if not request.concerned:
        return Trial(why="nothing means anything else than before, so nothing was built")
    try:
        close(request.settings, name)
        told(f"making environment `{name}`")
        made = make(request.settings, request.after, name)
        return _built(request, made, told)
    except (NotUsable, NotPublished) as error:
        # Where the shelf lies is a secret of the pipeline's, and anybody may read a comment.
        what = str(error).replace(request.settings.published_url, "$SLUICE_PUBLISHED_URL")
        found = Finding(Rule.BUILD, "", 1, what, RULES[Rule.BUILD].do)
        return Trial((found,), why="no environment came about")


def close(settings: Settings, name: str) -> None:
    """Drop the environment of a pull request, and end leases that machines have left which are gone.

    Raises:
        NotUsable: it is another's, or another process is at work on it, or something is left of it.
        ValueError: no environment may be called so.
    """
    data_dir = settings_of(settings, name).data_dir
    if is_one(data_dir) and (left := drop(settings, name)):
        raise NotUsable(
            f"{', '.join(left)} could not be removed; expected nothing of environment `{name}`; remove it,"
            " then type `sluice env sweep`"
        )
    if settings.published_url is not None:
        area, account = Area(settings.published_url, settings.storage_access), holder().partition("@")[0]
        for lease in all_leases(area):
            if lease.name == name and lease.holder.partition("@")[0] == account:
                clear_lease(area, lease.id)


def _built(request: Request, made: Made, told: Callable[[str], None]) -> Trial:
    settings = settings_of(request.settings, made.name)
    with ExitStack() as stack:
        stack.enter_context(alone(request.settings, made.name))
        deployment = Deployment(settings)
        stack.callback(deployment.close)
        site = Site(deployment, load_project(settings))
        desk = Desk.of(site, stack.enter_context(open_instance(settings)))
        plan = building(site, made, request.changed_models)
        for line in plan.said:
            told(line)
        for number, run in enumerate(try_out(desk, plan, []) if plan.said else (), start=1):
            told(f"run {number} of {len(plan.runs)}: {'done' if run.success else 'failed'}")
        told("comparing with what is published")
        # Keys are values of data, and anybody may read a comment.
        models = {str(node.relation) for node in site.project.manifest.nodes.values()}
        wanted = [name for name in request.concerned if name in models]
        report = compare(site, made, shelf_of(settings), wanted, samples=0)
    return Trial(tuple(_findings(request, report)), report)


def _findings(request: Request, report: DiffReport) -> Iterator[Finding]:
    after = request.after
    assert after is not None
    files = {str(node.relation): node.file for node in after.manifest.nodes.values()}
    # Of a source that is new nothing is published: no branch could build what is made of it.
    untried = {name for table in report.tables if not table.partitions for name in table.unbuilt}
    for table in report.tables:
        file = request.named(files.get(table.table, ""))
        rule = _rule(table, untried)
        who = request.approvers(file) if rule is Rule.UNKNOWN else ()
        for what in _not_right(table):
            yield Finding(rule, file, 1, f"{table.table}: {what}", RULES[rule].do, who)
    for one in report.exports:
        export = after.exports[one.export]
        file = request.named(export.file.name)
        who = request.approvers(file, export)
        rule = _rule(one, untried)
        for what in _not_right(one):
            named = who if rule is Rule.UNKNOWN else ()
            yield Finding(rule, file, 1, f"`{one.export}`: {what}", RULES[rule].do, named)
        for what in _unlike(one):
            yield Finding(Rule.UNKNOWN, file, 1, f"`{one.export}`: {what}", RULES[Rule.UNKNOWN].do, who)
        for limit in one.held_by:
            line = export.file.line("limits")
            yield Finding(Rule.LIMITS, file, line, f"`{one.export}`: {limit}", RULES[Rule.LIMITS].do, who)


def _rule(one: TableDiff | ExportDiff, untried: Collection[str]) -> Rule:
    """Return what it is that something is not built: nobody could, or the branch has it wrong."""
    wrong = any(part.stands in _NOT_RIGHT for part in one.partitions)
    return Rule.BUILD if wrong or not untried or not set(one.unbuilt) <= set(untried) else Rule.UNKNOWN


def _not_right(one: TableDiff | ExportDiff) -> Iterator[str]:
    """Yield what is not built and validated as it is meant, a line for each way in which it is not."""
    told = False
    for stands in _NOT_RIGHT:
        if wrong := [part for part in one.partitions if part.stands is stands]:
            keys = [part.partition_key or "all of it" for part in wrong]
            more = f" and {len(keys) - _TOLD} more" if len(keys) > _TOLD else ""
            told = True
            yield f"{', '.join(keys[:_TOLD])}{more} {_words(stands)}: {wrong[0].why}"
    if not told:
        yield from (f"not built and validated: {name}" for name in one.unbuilt)


def _unlike(one: ExportDiff) -> Iterator[str]:
    """Yield why nothing of an export is compared; of what is compared in part the comment says which part."""
    if any(part.stands in (Stands.EQUAL, Stands.CHANGED) for part in one.partitions):
        return
    for part in one.partitions:
        if part.stands in (Stands.NOT_COMPARABLE, Stands.ONLY_PUBLISHED):
            yield f"{part.partition_key or 'all of it'} {_words(part.stands)}: {part.why}"


def _words(stands: Stands) -> str:
    return stands.replace("_", " ")
