"""The project directory, read whole: the four folders that users edit, and the map made of them.

Belongs here: reading the folders together and the rules that look across them (`sluice check` and every
start run the same). Does not belong here: what one file may say; its stage knows that.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any

from sluicegate.columns.catalogue import Catalogue, tables_shown
from sluicegate.columns.classes import ClassFlow
from sluicegate.columns.delivered_contract import Delivered
from sluicegate.columns.door import Door
from sluicegate.columns.graph import ColumnGraph
from sluicegate.contracts.classes import class_word_problems, load_classes
from sluicegate.contracts.dbt_sources import sources_problems
from sluicegate.contracts.load import load_contracts
from sluicegate.contracts.model import CONTRACT_CHECK, SourceContract
from sluicegate.core.collecting import without_collecting
from sluicegate.core.lineage import Lineage, Table
from sluicegate.core.partitions import Partitioning
from sluicegate.core.problems import Mistyped, Problem, ProjectChanged, ProjectError, did_you_mean
from sluicegate.core.settings import Settings
from sluicegate.core.shown_text import NOTHING_CLASSIFIED, Near, names_in_code
from sluicegate.core.stages import Stage, stage_of
from sluicegate.delivery.export_files.expiry import expired_problems
from sluicegate.delivery.export_files.exports import Export, MadeOfWork, load_exports
from sluicegate.kusto.feeds import feeds_of
from sluicegate.kusto.files import FOLDER as KUSTO
from sluicegate.kusto.files import kql_names
from sluicegate.kusto.filled import fillers, with_filled
from sluicegate.kusto.objects import Fed, KustoProject
from sluicegate.kusto.reading import KEPT, load_kusto
from sluicegate.project.directions import direction_problems
from sluicegate.project.environments_file import EnvironmentRules, load_environment_rules
from sluicegate.project.graph_rules import (
    export_problems,
    partition_problems,
    place_problems,
    suites_problems,
)
from sluicegate.project.guards import Guards
from sluicegate.project.names import name_problems
from sluicegate.project.suite_sql import suite_sql_problems
from sluicegate.project.work_rules import (
    connection_problems,
    ended_problems,
    ending_soon,
    kusto_works,
    made_of_work,
    work_problems,
    works,
)
from sluicegate.quality.suite_rules import rule_problems
from sluicegate.quality.suites import CHECK_NAME, Suite, SuiteTarget, load_suites
from sluicegate.quality.trials.found import Trials
from sluicegate.transformation.binding import BoundSql, bound_sql
from sluicegate.transformation.code_lines import PROJECT_FILE, CodeLines
from sluicegate.transformation.data_test_places import DataTestPlaces, place_tests
from sluicegate.transformation.grains import partitionings
from sluicegate.transformation.identity import ProjectIdentity
from sluicegate.transformation.macro_rules import macro_problems
from sluicegate.transformation.manifest import (
    DbtManifest,
    DbtNode,
    blocks,
    load_manifest,
)
from sluicegate.transformation.node_origins import origin_notes
from sluicegate.transformation.project_rules import dbt_problems
from sluicegate.transformation.shared_macros import macro_path_problems
from sluicegate.transformation.stored_failures import stored_failures_problems
from sluicegate.warehouse.slices import RAW_PARTITION_COLUMN

# How often the folders are read whose files change meanwhile.
_TRIES = 3


@dataclass(frozen=True)
class Project:
    """Everything the project directory says, checked."""

    contracts: Mapping[str, SourceContract]
    manifest: DbtManifest
    suites: Mapping[str, Suite]
    exports: Mapping[str, Export]
    lineage: Lineage
    identity: ProjectIdentity
    test_places: DataTestPlaces
    door: Door
    environments: EnvironmentRules
    # {relation, or `kusto/<Name>`: its end} of what is work.
    work: Mapping[str, MadeOfWork]
    # What `kusto/` defines; None where there is no such folder.
    kusto: KustoProject | None = None

    @cached_property
    def stages(self) -> Mapping[str, Stage]:
        """{relation: its stage} of all tables; what a contract loads is production's."""
        of_nodes = {node.relation: node.stage for node in self.manifest.nodes.values()}
        return dict.fromkeys(self.lineage.tables, Stage.PRODUCTION) | of_nodes

    @property
    def columns(self) -> ColumnGraph:
        """Every column, from the contracts' to the destinations' fields, and what is made of what."""
        return self.door.graph

    @property
    def classes(self) -> ClassFlow:
        """The class of every column, as it comes down from the contracts."""
        return self.door.flow

    @cached_property
    def partition_starts(self) -> dict[Partitioning, datetime]:
        """{how tables are cut by time: when their first partition starts}, the earliest of their sources."""
        starts: dict[Partitioning, datetime] = {}
        for partitioning, relations in self.lineage.partitionings.items():
            if not partitioning.grain.timed:
                continue
            sources = {name for relation in relations for name in self.lineage.sources(relation)}
            known = [self.lineage.tables[name].start for name in sources]
            # A contract that is cut by time says when it starts.
            earliest = min(start for start in known if start is not None)
            starts[partitioning] = partitioning.grain.span.floor(earliest)
        return starts

    def node_of(self, export: Export) -> DbtNode:
        """Return the dbt model of an export."""
        return self._models[export.spec.model]

    @cached_property
    def _models(self) -> dict[str, DbtNode]:
        return {node.name: node for node in self.manifest.nodes.values()}

    @cached_property
    def catalogue(self) -> Catalogue:
        """All columns with their classes, and what people are told of their tables."""
        return Catalogue(
            self.columns,
            tables_shown(self.contracts, self.manifest, self.exports, self.kusto),
            self.classes.of,
        )

    def delivered(self, name: str) -> Delivered:
        """Return an export with all that the files say of what it sends.

        Raises:
            ValueError: there is no such export.
        """
        if name not in self.exports:
            raise Mistyped("SLU-C007", f"no export `{name}`; {did_you_mean(name, self.exports)}")
        export = self.exports[name]
        node = self.node_of(export)
        return Delivered(
            export, node, self.manifest, self.lineage.tables[node.relation].partitioning,
            self.suites.get(node.name), self.columns, self.classes,
        )  # fmt: skip

    def suite_targets(self) -> list[SuiteTarget]:
        """Return each suite with its table."""
        return [*self._raw_targets(), *self._dbt_targets()]

    @cached_property
    def classified_columns(self) -> dict[str, frozenset[str]]:
        """{relation: columns never shown}: classified ones, and what is made of them."""
        return {relation: self.classes.hidden(relation) for relation in self.columns.tables}

    def near(self, relation: str) -> Near:
        """Return what is near a text that may quote the rows of a table; the names are all of the project."""
        return self.near_classified if self.classified_columns.get(relation) else NOTHING_CLASSIFIED

    @cached_property
    def near_classified(self) -> Near:
        """What is near a text that may quote classified rows, with the names that the project's files give.

        Names in the models' SQL are among them: of columns that no YAML describes, and of CTEs.
        """
        names = {*self.exports, *self.lineage.tables}
        names.update(part for table in self.lineage.tables.values() for part in table.relation.parts)
        for contract in self.contracts.values():
            names |= contract.near.names
        for node in self.manifest.nodes.values():
            code = self.manifest.content["nodes"][node.unique_id].get("raw_code")
            # dbt tells a file without the folder of its project.
            names |= {node.unique_id, node.name, node.file, node.file.partition("/")[2], *node.columns}
            names |= names_in_code(str(code or ""))
        for test in self.manifest.tests():
            names |= {test["name"], test["original_file_path"]}
        for export in self.exports.values():
            columns = self.node_of(export).columns
            names.update(export.field(column) for column in columns)
            names |= {export.spec.model, export.spec.destination.object}
        return Near(True, frozenset(names))

    def _raw_targets(self) -> Iterator[SuiteTarget]:
        for contract in self.contracts.values():
            if suite := self.suites.get(contract.name):
                yield SuiteTarget(
                    suite,
                    self.lineage.tables[contract.relation],
                    RAW_PARTITION_COLUMN if contract.partitioning.partitioned else None,
                    contract.key,
                    self.classified_columns[contract.relation],
                )

    def _dbt_targets(self) -> Iterator[SuiteTarget]:
        for node in self.manifest.nodes.values():
            if suite := self.suites.get(node.name):
                export = self.exports.get(node.name)
                yield SuiteTarget(
                    suite,
                    self.lineage.tables[node.relation],
                    node.partition_column,
                    export.spec.key if export else suite.unique_columns,
                    self.classified_columns[node.relation],
                )


def load_project(settings: Settings, stages: Collection[Stage] | None = None) -> Project:
    """Read the four folders, all of them as they are at one moment; no clock is asked (see `expired_in`).

    What is of other stages than these is not in it, nor told, whatever is wrong with it, unless production
    leans on it. Without a word they are those of the deployment.

    Raises:
        ProjectError: with every problem found, each with file, line and fix.
        ProjectChanged: files change all the while.
    """
    for _ in range(_TRIES):
        # What dbt's parse depends on is known once it is parsed, so that comes first.
        parsed = _manifest_or_problems(settings)
        identity = ProjectIdentity.of(settings)
        with without_collecting():
            project = _read(settings, parsed, identity, settings.stages if stages is None else stages)
        of_one_parse = isinstance(parsed, DbtManifest) and parsed.stamp == identity.dbt_stamp
        if of_one_parse and ProjectIdentity.of(settings).contents == identity.contents:
            return project
    raise ProjectChanged(f"the project directory {settings.project_dir.name}")


def _manifest_or_problems(settings: Settings) -> DbtManifest | ProjectError:
    """What is wrong with the dbt project is told with what is wrong elsewhere."""
    try:
        return load_manifest(settings)
    except ProjectError as error:
        return error


def _read(
    settings: Settings,
    parsed: DbtManifest | ProjectError,
    identity: ProjectIdentity,
    stages: Collection[Stage],
) -> Project:
    contracts, problems = load_contracts(settings.project_dir)
    if not problems:
        problems += sources_problems(settings.project_dir, contracts)
    rules, found = load_classes(settings.project_dir)
    problems += found
    suites, found = load_suites(settings.project_dir, stages)
    problems += found
    problems += [problem for suite in suites.values() for problem in rule_problems(suite)]
    exports, found = load_exports(settings.project_dir, stages)
    problems += found
    cleared = {
        export.file: export.spec.classes for export in exports.values() if "classes" in export.file.data
    }
    problems += class_word_problems(rules, contracts, cleared)
    environments, found = load_environment_rules(settings.project_dir, rules)
    problems += [*found, *connection_problems(exports.values(), environments.work)]
    if isinstance(parsed, ProjectError):
        raise ProjectError([*problems, *parsed.problems]) from parsed
    if problems:  # a file that does not load would be missed elsewhere, which is no second problem
        raise ProjectError(problems)
    if pointing := list(
        direction_problems(settings, parsed, suites, exports, stages, kql_names(settings.project_dir))
    ):
        raise ProjectError(pointing)
    manifest = parsed.of_stages(stages)
    cut = partitionings(manifest, contracts)
    problems += macro_path_problems(settings, manifest.content)
    problems += [one for one in dbt_problems(settings, manifest, contracts) if stage_of(one.file) in stages]
    if Stage.WORK not in stages:  # dbt would hear the names of its macros for production's tables, too
        problems += [one for one in macro_problems(settings, manifest) if stage_of(one.file) is Stage.WORK]
    problems += work_problems(settings, manifest)
    problems += stored_failures_problems(settings, manifest)
    problems += name_problems(manifest, contracts, exports, (settings.project_dir / KUSTO).is_dir())
    problems += suites_problems(manifest, contracts, suites, cut)
    if problems:
        raise ProjectError([*problems, *_of_sql(manifest, problems)])
    places = place_tests(manifest, cut)
    lineage = _lineage(manifest, contracts, suites, exports, cut, places)
    bound = bound_sql(settings, manifest.digests)
    kusto, found = _kusto(settings, manifest, exports, bound, lineage, stages)
    problems += found
    door = Door.of(settings, rules, contracts, manifest, bound, exports, kusto)
    work = works(manifest, CodeLines(settings.project_dir, manifest.content))
    models = {node.name: node for node in manifest.nodes.values()}
    exports = made_of_work(door.resting(exports, contracts), lineage, models, work)
    work |= kusto_works(kusto)
    project = Project(
        contracts, manifest, suites, exports, lineage, identity, places, door, environments, work, kusto
    )
    problems += places.problems
    problems += partition_problems(manifest, lineage)
    problems += suite_sql_problems(settings, manifest.content, project.suite_targets())
    with Trials(settings.dbt_target_dir / "rule_trials.json", settings.warehouse_path.stem) as trials:
        guards = Guards(manifest, contracts, suites, trials, bound)
        problems += export_problems(manifest, lineage, exports, guards)
    problems += door.problems(exports.values(), lambda export: project.node_of(export).file)
    problems += place_problems(exports, settings)
    problems += _of_sql(manifest, problems)
    if problems:
        raise ProjectError(problems)
    return project


def _kusto(
    settings: Settings,
    manifest: DbtManifest,
    exports: Mapping[str, Export],
    bound: BoundSql,
    lineage: Lineage,
    stages: Collection[Stage],
) -> tuple[KustoProject | None, list[Problem]]:
    """Return what `kusto/` defines, and what is wrong; of SQL that is wrong, nobody knows the columns."""
    if manifest.problems or not (settings.project_dir / KUSTO).is_dir():
        return None, []
    feeds, filled = kusto_feeds(manifest, exports, bound), fillers(settings.project_dir, stages)
    kept = settings.data_dir / KEPT
    kusto, problems = load_kusto(settings.project_dir, kept, feeds, stages, filled=filled)
    if kusto is None:
        return None, problems
    models = {node.name: node for node in manifest.nodes.values()}

    def cut(export: Export) -> Partitioning:
        return lineage.tables[models[export.spec.model].relation].partitioning

    kusto, found = with_filled(settings.project_dir, kusto, exports, cut, stages)
    return kusto, [*problems, *found]


def kusto_feeds(manifest: DbtManifest, exports: Mapping[str, Export], bound: BoundSql) -> list[Fed]:
    """Return the tables of Azure Data Explorer that exports feed, by the columns of their models' SQL."""
    columns = {node.name: bound.columns.get(name, ()) for name, node in manifest.nodes.items()}
    return feeds_of(exports.values(), {name: found for name, found in columns.items() if found})


def _of_sql(manifest: DbtManifest, told: Sequence[Problem]) -> list[Problem]:
    """Return what is wrong with SQL, of files of which nothing is `told` yet.

    SQL is bound as if all else were right: what dbt could not compile at all may be due to what is told.
    """
    if told and any(problem.file == PROJECT_FILE for problem in manifest.problems):
        return []
    files = {problem.file for problem in told}
    return [problem for problem in manifest.problems if problem.file not in files]


def expired_in(project: Project, settings: Settings, today: date) -> list[Problem]:
    """Return what the folders say for a time only and holds no more on a day (UTC), each at its line.

    `load_project` does not ask: it would keep a whole company from its graph for one export's sake.
    """
    of_exports = [
        problem
        for export in project.exports.values()
        for problem in expired_problems(export, settings.project_dir, today)
    ]
    return [*of_exports, *ended_problems(project.work.values(), project.environments.work, today)]


def warnings_in(project: Project, today: date) -> list[str]:
    """Return what a person should look at, and holds nothing on a day (UTC)."""
    settings, manifest = project.identity.settings, project.manifest
    bound = bound_sql(settings, manifest.digests)
    notes = origin_notes(settings, manifest.content, bound.compiled, bound.origins)
    exports = project.exports.values()
    ending = [
        f"{export.file.name}: {text}" for export in exports for text in export.exception_warnings(today)
    ]
    ending += ending_soon(project.work.values(), today)
    of_kql = project.kusto.warnings if project.kusto is not None else ()
    return [*map(str, [*project.door.warnings(exports), *notes]), *of_kql, *ending]


def _lineage(
    manifest: DbtManifest,
    contracts: Mapping[str, SourceContract],
    suites: Mapping[str, Suite],
    exports: Mapping[str, Export],
    cut: Mapping[str, Partitioning],
    places: DataTestPlaces,
) -> Lineage:
    tests: dict[str, dict[str, str]] = {}
    reads_of: dict[str, dict[str, tuple[str, ...]]] = {}
    for test in manifest.tests():
        relation = places.tables.get(test["unique_id"])
        if relation and blocks(test):
            tests.setdefault(relation, {})[test["name"]] = manifest.digests.get(test["unique_id"], "")
        if relation and (others := places.others[test["unique_id"]]):
            reads_of.setdefault(relation, {})[test["name"]] = others

    def rules(name: str, relation: str) -> dict[str, str]:
        suite = suites.get(name)
        of_suite = {CHECK_NAME: suite.rules_digest} if suite is not None and suite.blocking else {}
        return of_suite | tests.get(relation, {})

    def tested(relation: str) -> dict[str, Any]:
        return {
            "tested_beside": places.before.get(relation, frozenset()),
            "reads_of": reads_of.get(relation, {}),
            "awaits": places.awaited.get(relation, {}),
        }

    sent = {export.spec.model for export in exports.values()}
    tables = [
        Table(
            relation=contract.relation,
            asset_key=contract.relation.parts,
            partitioning=contract.partitioning,
            parents={},
            rules={CONTRACT_CHECK: contract.rules_digest} | rules(contract.name, contract.relation),
            start=contract.partition_start,
            cut_by=RAW_PARTITION_COLUMN if contract.partitioning.partitioned else "",
            gaps_allowed=contract.gaps_allowed,
            **tested(contract.relation),
            max_age=contract.max_age,
        )
        for contract in contracts.values()
    ]
    for node in manifest.nodes.values():
        parents: dict[str, int] = {}
        for unique_id in node.parents:
            relation = manifest.relation(unique_id)
            if relation is not None:
                parents[relation] = node.trailing_days.get(relation.name, 1)
        tables.append(
            Table(
                relation=node.relation,
                asset_key=node.relation.parts,
                partitioning=cut[node.relation],
                parents=parents,
                rules=rules(node.name, node.relation),
                code=manifest.digests.get(node.unique_id, ""),
                cut_by=node.partition_column or "",
                sent=node.name in sent,
                **tested(node.relation),
            )
        )
    return Lineage(tables)
