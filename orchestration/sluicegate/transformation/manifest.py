"""dbt's manifest: kept up to date, and read as models, tests and seeds."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from filelock import FileLock

from sluicegate.core.collecting import without_collecting
from sluicegate.core.problems import Problem, ProjectChanged, ProjectError
from sluicegate.core.relations import Relation
from sluicegate.core.settings import Settings
from sluicegate.core.severity import Severity
from sluicegate.core.stages import Stage, stage_of
from sluicegate.transformation.binding import bind_project, is_bound
from sluicegate.transformation.code_digests import CodeDigests
from sluicegate.transformation.code_lines import file_of, said_by_dbt
from sluicegate.transformation.parse_messages import place_of
from sluicegate.transformation.profile_rules import profile_problems
from sluicegate.transformation.project_files import stamp_of, touched
from sluicegate.transformation.runner import TABLE_RESOURCES, DbtError, DbtProcess
from sluicegate.transformation.shared_macros import unread_problems
from sluicegate.transformation.slices import partition_column, relation_of, windows_of

# What of a manifest has a stage.
STAGED = ("nodes", "sources", "exposures", "unit_tests", "metrics", "semantic_models", "saved_queries")
# How often a project is parsed whose files change while dbt reads them.
_TRIES = 3


@dataclass(frozen=True)
class DbtNode:
    """A model, seed or snapshot: one table.

    `file` and `described_in`, its YAML, are relative to the project directory. `partition_grain` is what its
    meta says of it, in its own word; empty if nothing. `selector` is what dbt selects it by, and it alone.
    `owner`, `expires` (its last day, UTC) and `purpose` are what the meta of a table says that is work.
    """

    unique_id: str
    name: str
    relation: Relation
    resource_type: str
    file: str
    partition_column: str | None
    trailing_days: Mapping[str, int]
    parents: tuple[str, ...]
    contract_enforced: bool
    columns: tuple[str, ...]
    described_in: str = ""
    selector: str = ""
    partition_grain: str = ""
    owner: str = ""
    expires: date | None = None
    purpose: str = ""

    @property
    def stage(self) -> Stage:
        """The stage of its file."""
        return stage_of(self.file)


class DbtManifest:
    """The parsed `manifest.json` of the company's dbt project.

    `digests` is {dbt's unique id: digest of the code} of its tables and data tests (`code_digests`), `stamp`
    that of the files that were parsed (`project_files`), `problems` what is wrong with its SQL (`binding`).
    """

    def __init__(
        self,
        content: Mapping[str, Any],
        digests: Mapping[str, str] | None = None,
        stamp: str = "",
        problems: Sequence[Problem] = (),
    ) -> None:
        self.content = content
        self.digests = digests or {}
        self.stamp = stamp
        self.problems = problems

    @cached_property
    def nodes(self) -> dict[str, DbtNode]:
        """Tables by dbt's unique id, parents before children, production before work.

        Raises:
            ProjectError: some are made of each other, which dbt says only when it runs them.
        """
        raw: dict[str, dict[str, Any]] = {
            unique_id: node
            for unique_id, node in self.content["nodes"].items()
            if node["resource_type"] in TABLE_RESOURCES
        }
        ordered: dict[str, DbtNode] = {}

        def visit(unique_id: str, below: tuple[str, ...] = ()) -> None:
            if unique_id in ordered or unique_id not in raw:
                return
            if unique_id in below:
                circle = [raw[one]["name"] for one in (*below[below.index(unique_id) :], unique_id)]
                what = f"`{circle[0]}` is made of itself: {' from '.join(circle)}"
                expected, fix = "models that read none that is made of them", "take one of the refs away"
                raise ProjectError([Problem(file_of(self.content, raw[unique_id]), 1, what, expected, fix)])
            for parent in raw[unique_id].get("depends_on", {}).get("nodes", []):
                visit(parent, (*below, unique_id))
            ordered[unique_id] = _node(raw[unique_id], file_of(self.content, raw[unique_id]))

        # Work last: a test of both stages then is the check of the one that is work.
        for unique_id in sorted(raw, key=lambda name: (self.stage(raw[name]) is Stage.WORK, name)):
            visit(unique_id)
        return ordered

    def stage(self, item: Mapping[str, Any]) -> Stage:
        """Return the stage of what the manifest has: that of its file; of a test also that of its table."""
        attached = self.content["nodes"].get(str(item.get("attached_node")))
        stages = [stage_of(file_of(self.content, one)) for one in (item, attached) if one]
        return Stage.WORK if Stage.WORK in stages else Stage.PRODUCTION

    def of_stages(self, stages: Collection[Stage]) -> "DbtManifest":
        """Return the manifest without what is of another stage; macros, which belong to no table, stay."""
        if set(stages) == set(Stage):
            return self
        content = dict(self.content)
        for kind in STAGED:
            content[kind] = {
                name: item for name, item in (content.get(kind) or {}).items() if self.stage(item) in stages
            }
        problems = [problem for problem in self.problems if stage_of(problem.file) in stages]
        return DbtManifest(content, self.digests, self.stamp, problems)

    @cached_property
    def source_names(self) -> dict[str, Relation]:
        """{dbt's unique id of a source: its table}."""
        return {unique_id: relation_of(source) for unique_id, source in self.content["sources"].items()}

    def relation(self, unique_id: str) -> Relation | None:
        """Return the relation of a node or source, None for what is no table."""
        node = self.nodes.get(unique_id)
        return node.relation if node else self.source_names.get(unique_id)

    def tests(self) -> Iterator[Mapping[str, Any]]:
        """Yield dbt's data tests (unit tests are not nodes)."""
        for node in self.content["nodes"].values():
            if node["resource_type"] == "test":
                yield cast("Mapping[str, Any]", node)


def full_name(node: Mapping[str, Any]) -> str:
    """Return what dbt selects a node by, and no other: its whole place, as a folder may have its name."""
    return f"fqn:{'.'.join(node['fqn'])}"


def blocks(test: Mapping[str, Any]) -> bool:
    """Return whether a dbt test holds what comes after it."""
    return Severity.of_dbt(test["config"]).blocks


def tested_relation(manifest: DbtManifest, test: Mapping[str, Any]) -> str | None:
    """Return the table whose check a dbt test is: the attached one, or the last that it reads."""
    attached = test.get("attached_node")
    if attached:
        return manifest.relation(attached)
    order = {unique_id: place for place, unique_id in enumerate(manifest.nodes)}
    reads = sorted(test["depends_on"]["nodes"], key=lambda unique_id: order.get(unique_id, -1))
    return manifest.relation(reads[-1]) if reads else None


def load_manifest(settings: Settings) -> DbtManifest:
    """Return the manifest, parsing the dbt project first where a file has changed since.

    Raises:
        ProjectError: dbt cannot parse the project, or would build it elsewhere than in the warehouse.
        ProjectChanged: its files changed during each of several parses.
    """
    folder = settings.dbt_target_dir
    manifest, digests, problems, stamped = (
        folder / name
        for name in ("manifest.json", "code_digests.json", "sql_problems.json", "manifest.stamp")
    )
    folder.mkdir(parents=True, exist_ok=True)
    # The UI's, the daemon's and each run's process load the graph, sometimes all at once.
    with FileLock(folder.parent / "manifest.lock"):
        files = (manifest, digests, problems, stamped)
        there = all(file.exists() for file in files) and is_bound(settings)
        if there and stamped.read_text() == (stamp := stamp_of(settings)):
            _require_warehouse(settings)
            with without_collecting():
                content = json.loads(manifest.read_bytes())
            found = [Problem(**item) for item in json.loads(problems.read_bytes())]
            return DbtManifest(content, json.loads(digests.read_bytes()), stamp, found)
        for _ in range(_TRIES):
            stamped.unlink(missing_ok=True)
            _profile_record(settings).unlink(missing_ok=True)
            before = touched(settings)
            _require_warehouse(settings)
            dbt = _parsed(settings)
            content = json.loads(manifest.read_bytes())
            code = CodeDigests(settings, content).of_everything()
            found = bind_project(settings, dbt, content, code)
            stamp = stamp_of(settings)
            if touched(settings) == before:  # asked last: the stamp is of what was parsed
                digests.write_text(json.dumps(code))
                problems.write_text(json.dumps([asdict(problem) for problem in found]))
                stamped.write_text(stamp)
                return DbtManifest(content, code, stamp, found)
    raise ProjectChanged("the dbt project")


def _require_warehouse(settings: Settings) -> None:
    """Raise ProjectError where dbt would build elsewhere than in the warehouse.

    dbt is asked once for a parsed project and the places of a deployment: to import it takes long.
    """
    record = _profile_record(settings)
    places = f"{settings.project_dir}\n{settings.data_dir}\n{settings.warehouse_path}"
    if record.exists() and record.read_text() == places:
        return
    if problems := profile_problems(settings):
        raise ProjectError(problems)
    record.write_text(places)


def _profile_record(settings: Settings) -> Path:
    """Where it is kept for which places the profile was found to be right; it goes with the parse."""
    return settings.dbt_target_dir / "profile.checked"


def _parsed(settings: Settings) -> DbtProcess:
    dbt = DbtProcess(settings)
    try:
        dbt.parse()
    except DbtError as error:
        raise ProjectError(
            [
                Problem(
                    *place_of(settings, str(error)),
                    f"dbt cannot parse the project: {said_by_dbt(str(error))}",
                    "a project that `dbt parse` takes", "correct what dbt names",
                ),
                *unread_problems(settings),
            ]
        ) from error  # fmt: skip
    return dbt


def _node(node: Mapping[str, Any], file: str) -> DbtNode:
    config = cast("Mapping[str, Any]", node["config"])
    meta = cast("Mapping[str, Any]", config.get("meta") or {})
    return DbtNode(
        unique_id=node["unique_id"],
        name=node["name"],
        relation=relation_of(node),
        resource_type=node["resource_type"],
        file=file,
        partition_column=partition_column(config),
        selector=full_name(node),
        partition_grain=str(meta.get("partition_grain") or ""),
        owner=_text(meta.get("owner")),
        expires=_day(meta.get("expires")),
        purpose=_text(meta.get("purpose")),
        trailing_days=windows_of(config),
        parents=tuple(node.get("depends_on", {}).get("nodes", [])),
        contract_enforced=bool((config.get("contract") or {}).get("enforced")),
        columns=tuple(node.get("columns") or {}),
        # `package://models/…/_models.yml`, where there is one.
        described_in=f"dbt_project/{node['patch_path'].partition('://')[2]}"
        if node.get("patch_path")
        else "",
    )


def _text(stated: object) -> str:
    return stated.strip() if isinstance(stated, str) else ""


def _day(stated: object) -> date | None:
    """Return a day as YAML has it, with or without quotes; None where it is none."""
    try:
        return date.fromisoformat(_text(stated))
    except ValueError:
        return None
