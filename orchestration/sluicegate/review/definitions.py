"""What a pull request makes of contracts, models and exports, as far as files tell.

Belongs here: rules that compare the project before and after. Does not belong here: what only a build tells
(`trial`), rules of files by their names (`files`).
"""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, cast

from sluicegate.columns.delivered_changes import delivered_changes
from sluicegate.columns.delivered_contract import delivered_contract
from sluicegate.columns.kusto_changes import given
from sluicegate.columns.said import Said
from sluicegate.contracts.changes import Weight
from sluicegate.contracts.model import SourceContract
from sluicegate.contracts.sla import supported_until
from sluicegate.core.problems import Problem
from sluicegate.core.relations import Relation
from sluicegate.core.stages import Stage
from sluicegate.delivery.export_files.expiry import expired_problems
from sluicegate.delivery.export_files.exports import Export
from sluicegate.delivery.export_files.spec import LimitsSpec
from sluicegate.project.loading import Project
from sluicegate.project.work_rules import ended_problems
from sluicegate.review.request import Request
from sluicegate.review.rules import RULES, Finding, Rule, Verdict

_AT_ITS_END = ("deprecated", "retired")


def definition_findings(request: Request) -> Iterator[Finding]:
    """Yield what the definitions tell."""
    yield from (_of_problem(request, Rule.CHECK, problem) for problem in request.checked.problems)
    if request.contracts:
        yield from (_of_problem(request, Rule.VERSION, problem) for problem in request.contracts.problems)
    if request.unknown:
        yield Finding(Rule.UNKNOWN, "", 1, request.unknown, RULES[Rule.UNKNOWN].do, request.approvers(""))
    if request.after is None or request.then is None:
        return
    yield from _expired(request, request.after)
    yield from _sources(request, request.after)
    yield from _exports(request, request.after)
    yield from _kusto(request, request.after)
    yield from _classes(request, request.after)


def _of_problem(request: Request, rule: Rule, problem: Problem) -> Finding:
    return Finding(
        rule, request.named(problem.file), problem.line, f"{problem.what}; expected {problem.expected}",
        problem.fix,
    )  # fmt: skip


def _finding(request: Request, rule: Rule, file: str, line: int, what: str, do: str = "") -> Finding:
    named = request.named(file)
    who = request.approvers(named) if RULES[rule].verdict is Verdict.APPROVAL else ()
    return Finding(rule, named, line, what, do or RULES[rule].do, who)


def _of_export(request: Request, rule: Rule, export: Export, line: int, what: str) -> Finding:
    named = request.named(export.file.name)
    return Finding(rule, named, line, what, RULES[rule].do, request.approvers(named, export))


# -- what is at its end


def _expired(request: Request, after: Project) -> Iterator[Finding]:
    """Yield what the changed tables and exports build on, and is at its end or nearly."""
    lineage, today = after.lineage, request.today
    built = {*request.changed_models, *(_table(after, one) for one in request.changed_exports.values())}
    inputs = built.union(*(lineage.ancestors(name) for name in built))
    ended = ended_problems(
        [one for name, one in after.work.items() if name in inputs], after.environments.work, today
    )
    of_exports = (
        expired_problems(one, request.settings.project_dir, today) for one in request.reached.values()
    )
    for problem in dict.fromkeys([*ended, *chain.from_iterable(of_exports)]):
        yield _of_problem(request, Rule.EXPIRED, problem)
    for contract in after.contracts.values():
        if str(contract.relation) in inputs and (why := _ended(request, contract)):
            at, what = why
            yield _finding(request, Rule.EXPIRED, contract.file.name, contract.file.line(at), what)
    for export in request.reached.values():
        for warning in (*export.last_mile_warnings(today), *export.exception_warnings(today)):
            line = export.file.line("last_mile")
            yield _finding(request, Rule.EXPIRED, export.file.name, line, warning)


def _ended(request: Request, contract: SourceContract) -> tuple[str, str] | None:
    """Return which field says that a source is at its end, and what it says; None while it is not."""
    status = str(contract.file.data.get("status") or "").strip().casefold()
    if status in _AT_ITS_END:
        return "status", f"the change is made of `{contract.name}`, whose contract is {status}"
    until = supported_until(contract.file)
    if until is not None and until < request.today:
        what = f"the change is made of `{contract.name}`, which is supported until {until}"
        return "slaProperties", what
    return None


def _table(project: Project, export: Export) -> str:
    return str(project.node_of(export).relation)


# -- what is new, and what receivers lose


def _sources(request: Request, after: Project) -> Iterator[Finding]:
    before = request.before.contracts if request.before else {}
    for name, contract in after.contracts.items():
        if name not in before:
            what = f"source `{name}` is new, by connector `{contract.connector}`"
        elif before[name].connector != contract.connector:
            what = f"source `{name}` comes by `{contract.connector}`, was `{before[name].connector}`"
        else:
            continue
        yield _finding(request, Rule.SOURCE, contract.file.name, contract.file.line("servers"), what)


def _exports(request: Request, after: Project) -> Iterator[Finding]:
    before = request.before.exports if request.before else {}
    for name, export in after.exports.items():
        if export.stage is Stage.WORK:
            continue
        said, line = export.spec.destination, export.file.line("destination")
        place = f"`{said.object}` of `{said.connection}` ({said.type})"
        if name not in before or before[name].stage is Stage.WORK:
            yield _of_export(request, Rule.EXPORT, export, line, f"`{name}` is a new export, to {place}")
            continue
        if before[name].place != export.place:
            yield _of_export(request, Rule.EXPORT, export, line, f"`{name}` goes to {place} now")
        if before[name].spec.owner != export.spec.owner:
            what = f"`{name}` has another owner, was {before[name].spec.owner}"
            yield _of_export(request, Rule.EXPORT, export, export.file.line("owner"), what)
        for what in _looser(before[name].spec.limits, export.spec.limits):
            yield _of_export(request, Rule.LIMITS, export, export.file.line("limits"), f"`{name}`: {what}")
        for line, what in _broken(request, after, name):
            yield _of_export(request, Rule.FIELD, export, line, what)
        if wider := set(export.spec.classes) - set(before[name].spec.classes):
            what = f"`{name}` may receive {', '.join(sorted(wider))} now"
            yield _of_export(request, Rule.CLASS, export, export.file.line("classes"), what)
    for name, export in before.items():
        if name not in after.exports and export.stage is Stage.PRODUCTION:
            yield _of_export(request, Rule.FIELD, export, 1, f"`{name}` is not sent any more")


def _looser(was: LimitsSpec, now: LimitsSpec) -> Iterator[str]:
    """Yield which limits hold less than they did: a branch that passes one must not take it away."""
    old, new = (dict(_bounds(one.model_dump())) for one in (was, now))
    for name, bound in old.items():
        other = new.get(name)
        if other is None or (other < bound if name.endswith(".min") else other > bound):
            yield f"limits.{name} is {'gone' if other is None else other}, was {bound}"
    if now.empty == "send" != was.empty:
        yield "limits.empty is send, was hold"


def _bounds(limits: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, float]]:
    for name, bound in limits.items():
        if isinstance(bound, Mapping):
            yield from _bounds(cast("Mapping[str, Any]", bound), f"{within}{name}.")
        elif isinstance(bound, int | float):
            yield f"{within}{name}", bound


def _broken(request: Request, after: Project, name: str) -> Iterator[tuple[int, str]]:
    assert request.before is not None  # it has this export
    was, now = (project.delivered(name) for project in (request.before, after))
    changes = delivered_changes(
        delivered_contract(was), delivered_contract(now), now.export, after.door.rules
    )
    for change in changes:
        if change.weight is Weight.BREAKING:
            yield change.line, f"`{name}`: {change.what}"


def _kusto(request: Request, after: Project) -> Iterator[Finding]:
    """Yield what functions, views and tables of `kusto/` do not give any more, to whoever queries them."""
    before = given(request.before.kusto if request.before else None)
    now = given(after.kusto)
    for relation, old in before.items():
        if old.stage is Stage.WORK:
            continue
        new, named = now.get(relation), f"{old.kind} `{relation.name}` of Kusto"
        if new is None or new.stage is Stage.WORK:
            yield _finding(request, Rule.FIELD, old.file, 1, f"{named} is gone")
            continue
        for name, kind in old.columns.items():
            if name not in new.columns:
                yield _finding(request, Rule.FIELD, new.file, 1, f"{named} does not give `{name}` any more")
            elif new.columns[name] != kind:
                what = f"{named} gives `{name}` as {new.columns[name]}, was {kind}"
                yield _finding(request, Rule.FIELD, new.file, 1, what)


# -- what is said of classes


def _classes(request: Request, after: Project) -> Iterator[Finding]:
    before = request.before
    if before is None:
        return
    for name, contract in after.contracts.items():
        was = {one.name: one for one in before.contracts[name].columns} if name in before.contracts else {}
        for column in contract.columns:
            old = was.get(column.name)
            if old and (old.classification, old.masking) != (column.classification, column.masking):
                what = f"column `{column.name}` is classified or masked otherwise"
                yield _finding(request, Rule.CLASS, contract.file.name, contract.file.line("schema"), what)
    these, those = ({_named(one): one for one in _words(project)} for project in (before, after))
    for place, said in those.items():
        old = these.get(place)
        if said.exception and (old is None or old.exception != said.exception):
            what = f"an exception lets `{said}` count as {said.exception.to} until {said.exception.until}"
            yield _finding(request, Rule.CLASS, *after.door.words.place(said), what)
    for place, said in these.items():
        new = those.get(place)
        stays = str(said.node.relation) in after.lineage.tables
        if stays and said.classification and (new is None or new.classification != said.classification):
            named = said if new is None else new
            file = named.node.described_in or named.node.file
            yield _finding(
                request, Rule.CLASS, file, 1, f"`{said}` is no longer said to be {said.classification}"
            )


def _words(project: Project) -> Iterator[Said]:
    for columns in project.door.words.of.values():
        yield from columns.values()


def _named(said: Said) -> tuple[Relation, str]:
    return said.node.relation, said.column.lower()
