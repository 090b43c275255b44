"""What is asked of a definition that is work: its owner, its end, its purpose, its schema, its connection.

A suite, an enforced contract and blocking checks are not, unless an export sends what is made of it: those
rules are of the export (`guards`, `graph_rules`), whatever its stage. Belongs here: those, and what has ended
or ends soon. Does not belong here: which way things point (`directions`).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta

from orchestration.core.lineage import Lineage
from orchestration.core.owners import is_address
from orchestration.core.problems import Problem
from orchestration.core.settings import Settings
from orchestration.core.stages import WORK, Stage
from orchestration.delivery.export_files.expiry import work_ended
from orchestration.delivery.export_files.exports import Export, MadeOfWork
from orchestration.delivery.export_files.last_mile import WARNED_BEFORE
from orchestration.kusto.objects import KustoProject
from orchestration.project.environments_file import FILE, WorkSpec
from orchestration.transformation.code_lines import CodeLines
from orchestration.transformation.manifest import DbtManifest, DbtNode

_SAID = "config: {meta: {owner: ada@example.com, expires: 2027-01-31, purpose: what is found out by it}}"
_EXPECTED = {
    "owner": "the e-mail address of who answers for it",
    "expires": "its last day, as 2027-01-31",
    "purpose": "what is found out by it, in one sentence",
}


def work_problems(settings: Settings, manifest: DbtManifest) -> Iterator[Problem]:
    """Yield what tables of work do not say, and tables that lie in the schema of the other stage."""
    lines = CodeLines(settings.project_dir, manifest.content)
    for node in manifest.nodes.values():
        raw = manifest.content["nodes"][node.unique_id]
        work, schema = node.stage is Stage.WORK, node.relation.schema
        if work and schema != WORK:
            yield Problem(
                *lines.of_config(raw, "schema"), f"`{node.name}` is work, and lies in the schema `{schema}`",
                f"the schema `{WORK}`: whoever reads the warehouse sees what is work",
                f"set `+schema: {WORK}` for the folder {WORK} in dbt_project.yml, and none in the model",
                cause=f"work in the schema {schema}",
            )  # fmt: skip
        elif schema.casefold() == WORK and not work:
            yield Problem(
                *lines.of_config(raw, "schema"),
                f"`{node.name}` is production's, and lies in the schema `{schema}`",
                f"another schema than `{WORK}`",
                "set `+schema` to that of its layer, or move it to models/work",
                cause=f"production in the schema {WORK}",
            )  # fmt: skip
        if not work:
            continue
        stated = (raw["config"].get("meta") or {}).keys()
        said = {"owner": is_address(node.owner), "expires": node.expires, "purpose": node.purpose}
        for name in (name for name, found in said.items() if not found):
            what = f"says no `{name}`" if name not in stated else f"has a `{name}` that is none"
            yield Problem(
                *lines.of_config(raw, name), f"`{node.name}` is work, and its meta {what}", _EXPECTED[name],
                f"write it in {node.described_in or f'a YAML file beside {node.file}'}, as `{_SAID}`",
            )  # fmt: skip


def connection_problems(exports: Iterable[Export], rules: WorkSpec) -> Iterator[Problem]:
    """Yield exports that send by a connection of the other stage: work has a list of its own."""
    for export in exports:
        connection, at = export.spec.destination.connection, ("destination", "connection")
        listed = ", ".join(rules.connections) or "none so far"
        if export.stage is Stage.WORK and connection not in rules.connections:
            yield export.file.problem(
                f"an export of work sends by `{connection}`", expected=f"a connection for work: {listed}",
                mend=f"name one of them, or let {FILE} say `work: {{connections: [{connection}]}}`, if it"
                " leads to a place that nobody relies on", at=at,
            )  # fmt: skip
        elif export.stage is Stage.PRODUCTION and connection in rules.connections:
            yield export.file.problem(
                f"an export of production sends by `{connection}`, which is for work",
                expected=f"a connection that `work.connections` in {FILE} does not have: {listed}",
                mend="name production's", at=at,
            )  # fmt: skip


def works(manifest: DbtManifest, lines: CodeLines) -> dict[str, MadeOfWork]:
    """Return {relation: its end} of all tables of work that say one."""
    return {
        node.relation: MadeOfWork(
            node.name, node.expires, node.owner,
            *lines.of_config(manifest.content["nodes"][node.unique_id], "expires"),
        )
        for node in manifest.nodes.values()
        if node.stage is Stage.WORK and node.expires is not None
    }  # fmt: skip


def kusto_works(kusto: KustoProject | None) -> dict[str, MadeOfWork]:
    """Return {`kusto/<Name>`: its end} of all KQL that is work."""
    return {
        f"kusto/{one.name}": MadeOfWork(one.name, one.expires, one.owner, one.file, 1)
        for one in (kusto.objects if kusto else ())
        if one.stage is Stage.WORK and one.expires is not None
    }


def made_of_work(
    exports: Mapping[str, Export],
    lineage: Lineage,
    nodes: Mapping[str, DbtNode],
    work: Mapping[str, MadeOfWork],
) -> dict[str, Export]:
    """Return the exports, each with what is work of all that it is made of; `nodes` is {model: its node}."""
    found: dict[str, Export] = {}
    for name, export in exports.items():
        node = nodes.get(export.spec.model)
        above = [node.relation, *sorted(lineage.ancestors(node.relation))] if node and work else []
        found[name] = replace(export, work=tuple(work[one] for one in above if one in work))
    return found


def ended_problems(work: Iterable[MadeOfWork], rules: WorkSpec, today: date) -> Iterator[Problem]:
    """Yield tables of work that have ended on a day (UTC), and those that last longer than any may."""
    found = list(work)
    for item in work_ended(found, today):
        assert item.place is not None
        yield Problem(*item.place, item.what, item.expected, item.mend)
    last = today + timedelta(days=rules.at_most)
    for one in found:
        if one.expires > last:
            yield Problem(
                one.file, one.line, f"`{one.name}` is work until {one.expires}",
                f"{last} at the latest: `work.at_most` in {FILE} is {rules.at_most}d",
                f"write an earlier day; what lasts longer is production's (`sluice env promote {one.name}`)",
            )  # fmt: skip


def ending_soon(work: Iterable[MadeOfWork], today: date) -> list[str]:
    """Return the tables of work whose last day is within two weeks, each with what is to be done."""
    return [
        f"{one.file}:{one.line}: `{one.name}` is work until {one.expires}, in"
        f" {(one.expires - today).days} days; {one.mend}"
        for one in work
        if 0 <= (one.expires - today).days <= WARNED_BEFORE.days
    ]
