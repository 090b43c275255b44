"""What is work becomes production's: its files move, and what production demands is drafted beside them.

All is looked at before anything is touched; the data of a deployment are not. Belongs here: which files move,
and what they say afterwards. Does not belong here: the words of drafts (`drafting`), arguments (`cli`).
"""

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml

from orchestration.core.problems import did_you_mean
from orchestration.core.settings import Settings
from orchestration.core.stages import WORK, Stage
from orchestration.core.yaml_files import staged_files
from orchestration.delivery.export_files.exports import FOLDER as EXPORTS
from orchestration.project.export_models import EXPORT_PREFIX
from orchestration.project.repository import git
from orchestration.quality.suites import FOLDER as SUITES
from orchestration.transformation.binding import bound_sql
from orchestration.transformation.code_lines import file_of
from orchestration.transformation.manifest import STAGED, DbtManifest, DbtNode

_OF_WORK = ("owner", "expires", "purpose")
# What a model's own SQL may say of the same, by dbt's `config(…)`.
_IN_SQL = re.compile(r"\bschema\s*=\s*(['\"])work\1\s*,?\s*|\bmeta\s*=\s*\{[^{}]*\}\s*,?\s*", re.IGNORECASE)
_CONFIG = re.compile(r"\{\{-?\s*config\s*\((.*?)\)\s*-?\}\}\n?", re.DOTALL)
_CONNECTION = re.compile(r"(?m)^(\s*)connection:[^\S\n]*([^\s#]+).*$")


@dataclass
class Promotion:
    """What moves, as {file: where to}, and what is written, as {file: its text}; relative to the project.

    `readers` are those that read it, by name; `suite` and `export` say whether it has one of its own.
    """

    node: DbtNode
    moves: dict[str, str] = field(default_factory=dict[str, str])
    texts: dict[str, str] = field(default_factory=dict[str, str])
    readers: tuple[str, ...] = ()
    suite: bool = False
    export: bool = False

    @property
    def sent(self) -> bool:
        """Whether it is an export's model, of which production demands most."""
        return self.node.name.startswith(EXPORT_PREFIX)


def promotion(settings: Settings, manifest: DbtManifest, name: str, to: str = "") -> Promotion:
    """Return what it takes to promote a model, seed or snapshot; nothing is touched.

    Args:
        settings: the deployment, whose project directory is a clone of somebody's.
        manifest: of both stages.
        name: the table's.
        to: the folder below `models` (or `seeds`, `snapshots`); by default `exports` for an export's model,
            else `marts`, and none for a seed or snapshot.

    Raises:
        ValueError: it is no work, still reads work, or a file is where one would go to.
    """
    node = _node(manifest, name)
    _require_production_above(manifest, node)
    done = Promotion(node)
    parts = node.file.split("/")
    usual = {"model": "exports" if done.sent else "marts"}.get(node.resource_type, "")
    folder = "/".join([*parts[:2], *(part for part in (to or usual).split("/") if part)])
    if {".", ".."} & set(folder.split("/")) or folder.split("/")[2:3] == [WORK]:
        raise ValueError(
            f"--to {to}: expected a folder of production below {'/'.join(parts[:2])}, as `marts`"
        )
    if node.file != node.described_in:  # a snapshot may be an entry of a YAML file, and nothing else
        _move(done, node.file, folder)
    if node.file.endswith(".sql"):
        done.texts[done.moves[node.file]] = _sql(settings, node)
    _describe(settings, manifest, done, folder)
    for where in (SUITES, EXPORTS):
        for path in staged_files(settings.project_dir / where, settings.project_dir):
            if path.stem == node.name and path.suffix in (".yml", ".yaml"):
                file = str(path.relative_to(settings.project_dir))
                done.suite, done.export = done.suite or where == SUITES, done.export or where == EXPORTS
                if path.parent != settings.project_dir / where:
                    _move(done, file, where)
                    if where == EXPORTS:
                        said = r"\1connection: TODO  # production's; it was \2, which is for work"
                        done.texts[done.moves[file]] = _CONNECTION.sub(said, path.read_text("utf-8"), count=1)
    for test in manifest.tests():
        file = file_of(manifest.content, test)
        if (
            file.endswith(".sql")
            and manifest.stage(test) is Stage.WORK
            and _work_read(manifest, test) == {node.unique_id}
        ):
            _move(done, file, "/".join(file.split("/")[:2]))
    done.readers = tuple(_readers(manifest, done))
    new = {*done.moves.values(), *done.texts} - {node.described_in}
    taken = [file for file in new if _taken(settings, done, file)]
    if taken:
        raise ValueError(f"{sorted(taken)[0]}: there is a file; expected none; rename one of them")
    return done


def carry_out(settings: Settings, done: Promotion) -> None:
    """Move the files, by git what git knows, and write what they say."""
    root = settings.project_dir
    for file, to in done.moves.items():
        (root / to).parent.mkdir(parents=True, exist_ok=True)
        try:
            git(root, "ls-files", "--error-unmatch", "--", file)
            git(root, "mv", "--", file, to)
        except ValueError:  # no repository, or a file that was never added
            shutil.move(root / file, root / to)
    for file, text in done.texts.items():
        (root / file).write_text(text, encoding="utf-8")


def _node(manifest: DbtManifest, name: str) -> DbtNode:
    nodes = {node.name: node for node in manifest.nodes.values()}
    work = [node.name for node in nodes.values() if node.stage is Stage.WORK]
    if name not in nodes:
        raise ValueError(f"no model, seed or snapshot is named `{name}`; {did_you_mean(name, work)}")
    if name not in work:
        raise ValueError(
            f"`{name}` is production's: {nodes[name].file}; expected what is work; {did_you_mean(name, work)}"
        )
    return nodes[name]


def _work_read(manifest: DbtManifest, item: Mapping[str, Any]) -> set[str]:
    """Return the tables of work that something reads, by dbt's unique id."""
    reads = (manifest.nodes.get(one) for one in (item.get("depends_on") or {}).get("nodes") or ())
    return {node.unique_id for node in reads if node is not None and node.stage is Stage.WORK}


def _require_production_above(manifest: DbtManifest, node: DbtNode) -> None:
    content = manifest.content["nodes"]
    above = {manifest.nodes[one].name for one in _work_read(manifest, content[node.unique_id])}
    of_tests = {
        manifest.nodes[one].name
        for test in manifest.tests()
        if test.get("attached_node") == node.unique_id
        for one in _work_read(manifest, test) - {node.unique_id}
    }
    if above or of_tests:
        first = sorted(above or of_tests)[0]
        what = "reads" if above else "has a test that reads"
        named = ", ".join(f"`{one}`" for one in sorted(above or of_tests))
        raise ValueError(
            f"`{node.name}` {what} {named}, which is work; expected that it reads production alone;"
            f" `sluice promote {first}` first"
        )


def _readers(manifest: DbtManifest, done: Promotion) -> Iterator[str]:
    """Yield what reads a table, by kind and name, but for tests that go with it."""
    unique_id = done.node.unique_id
    for kind in STAGED:
        for item in (manifest.content.get(kind) or {}).values():
            own = item.get("attached_node") == unique_id or file_of(manifest.content, item) in done.moves
            if unique_id in ((item.get("depends_on") or {}).get("nodes") or ()) and not own:
                yield f"{str(item['resource_type']).replace('_', ' ')} {item['name']}"


def _move(done: Promotion, file: str, folder: str) -> None:
    done.moves[file] = f"{folder}/{Path(file).name}"


def _taken(settings: Settings, done: Promotion, file: str) -> bool:
    """Whether a file is where one would go to; whatever the case of its letters."""
    folder = (settings.project_dir / file).parent
    names = {path.name.casefold() for path in folder.iterdir()} if folder.is_dir() else set[str]()
    return Path(file).name.casefold() in names and file not in done.moves


def _sql(settings: Settings, node: DbtNode) -> str:
    """Return the SQL without the schema and the meta of work."""
    text = (settings.project_dir / node.file).read_text(encoding="utf-8")

    def config(found: re.Match[str]) -> str:
        inside = re.sub(r",\s*$", "", _IN_SQL.sub("", found[1])).strip()
        changed = _IN_SQL.search(found[1])
        return (f"{{{{ config({inside}) }}}}\n" if inside else "") if changed else found[0]

    return _CONFIG.sub(config, text)


def _describe(settings: Settings, manifest: DbtManifest, done: Promotion, folder: str) -> None:
    """Let the entry of a table in its YAML file move: alone there, the file moves, else it is taken out."""
    node, section = done.node, f"{done.node.resource_type}s"
    to = f"{folder}/_{node.name}.yml"
    entry: dict[str, Any] = {"name": node.name}
    if node.described_in and (settings.project_dir / node.described_in).is_file():
        path = settings.project_dir / node.described_in
        data = cast("dict[str, Any]", yaml.safe_load(path.read_text("utf-8")))
        entries = cast("list[dict[str, Any]]", data.get(section) or [])
        entry = next(one for one in entries if one.get("name") == node.name)
        if len(entries) == 1 and not data.keys() - {"version", section}:
            done.moves[node.described_in] = to
        else:
            done.texts[node.described_in] = _without(path, section, node.name)
    entry = _of_production(settings, manifest, done, entry)
    if len(entry) > 1 or node.described_in in done.moves:
        text = yaml.safe_dump(
            {"version": 2, section: [entry]}, sort_keys=False, allow_unicode=True, width=100
        )
        done.texts[to] = text


def _without(path: Path, section: str, name: str) -> str:
    """Return the text of a YAML file without one entry; without the section, where it was the only one."""
    text = path.read_text(encoding="utf-8")
    lines, root = text.splitlines(keepends=True), yaml.compose(text, yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)
    key, entries = next((key, value) for key, value in root.value if key.value == section)
    item = next(
        item for item in entries.value if any((k.value, v.value) == ("name", name) for k, v in item.value)
    )
    begin, last = item.start_mark.line, item
    if len(entries.value) == 1:
        begin, last = key.start_mark.line, entries
    while not lines[begin].lstrip().startswith(("-", section)):
        begin -= 1
    # A block ends where the next thing begins; the comments before that are the next one's.
    end = last.end_mark.line + bool(last.flow_style)
    while lines[end - 1].strip()[:1] in ("", "#"):
        end -= 1
    return "".join([*lines[:begin], *lines[end:]])


def _of_production(
    settings: Settings, manifest: DbtManifest, done: Promotion, entry: dict[str, Any]
) -> dict[str, Any]:
    """Return an entry without what work says; of an export's model with a contract, and its types."""
    node = done.node
    config = dict(entry.get("config") or {})
    stated = {**(entry.get("meta") or {}), **(config.pop("meta", None) or {})}
    meta = {name: said for name, said in stated.items() if name not in _OF_WORK}
    config.pop("schema", None)
    config |= {"meta": meta} if meta else {}
    if done.sent:
        config["contract"] = {"enforced": True}
        types = dict(bound_sql(settings, manifest.digests).columns.get(node.unique_id, ()))
        said = {str(one.get("name")).casefold(): one for one in entry.get("columns") or []}
        entry["columns"] = [
            {"name": name, "data_type": kind.lower(), **said.get(name.casefold(), {})}
            for name, kind in types.items()
        ] or entry.get("columns", [])
    rest = {key: value for key, value in entry.items() if key not in ("config", "columns", "meta")}
    return (
        rest
        | ({"config": config} if config else {})
        | ({"columns": entry["columns"]} if "columns" in entry else {})
    )
