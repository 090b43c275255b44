"""What is work becomes production's: its files move, and what production demands is drafted beside them.

All is looked at before anything is touched; the data of a deployment are not. Belongs here: which files move,
and what they say afterwards. Does not belong here: the words of drafts (`drafting`), arguments (`cli`).
"""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from orchestration.core.problems import did_you_mean
from orchestration.core.settings import Settings
from orchestration.core.stages import Stage, stage_of
from orchestration.core.yaml_files import staged_files
from orchestration.delivery.export_files.exports import FOLDER as EXPORTS
from orchestration.project.export_models import EXPORT_PREFIX
from orchestration.project.promoted_texts import entry_of_production, export_of_production, sql_of_production
from orchestration.project.repository import git
from orchestration.quality.suites import FOLDER as SUITES
from orchestration.transformation.binding import bound_sql
from orchestration.transformation.code_lines import file_of
from orchestration.transformation.manifest import STAGED, DbtManifest, DbtNode

# In the data directory: what is being carried out, so that it can be ended after a kill.
_RECORD = "promoting.json"


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
    if {".", ".."} & set(folder.split("/")) or stage_of(f"{folder}/…") is Stage.WORK:
        raise ValueError(
            f"--to {to}: expected a folder of production below {'/'.join(parts[:2])}, as `marts`"
        )
    if node.file != node.described_in:  # a snapshot may be an entry of a YAML file, and nothing else
        _move(done, node.file, folder)
    if node.file.endswith(".sql"):
        text, ended = _read(settings.project_dir / node.file)
        done.texts[done.moves[node.file]] = ended(sql_of_production(text))
    _describe(settings, manifest, done, folder)
    for where in (SUITES, EXPORTS):
        for path in staged_files(settings.project_dir / where, settings.project_dir):
            if path.stem == node.name and path.suffix in (".yml", ".yaml"):
                file = str(path.relative_to(settings.project_dir))
                done.suite, done.export = done.suite or where == SUITES, done.export or where == EXPORTS
                if path.parent != settings.project_dir / where:
                    _move(done, file, where)
                    if where == EXPORTS:
                        text, ended = _read(path)
                        done.texts[done.moves[file]] = ended(export_of_production(text))
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


def planned(done: Promotion) -> Iterator[str]:
    """Yield what `carry_out` would, of what it would do."""
    yield from (f"{file} -> {to}" for file, to in done.moves.items())
    yield from (f"{file}: written" for file in done.texts if file not in done.moves.values())


def carry_out(settings: Settings, done: Promotion) -> Iterator[str]:
    """Move the files, by git what git knows, and write what they say; yield each file that is done.

    Raises:
        ValueError: a file is where one would go to, or somebody has edited one since it was read.
    """
    root = settings.project_dir
    moved = {to: file for file, to in done.moves.items()}
    before = {file: root / moved.get(file, file) for file in done.texts}
    told = {file: _said(path) for file, path in before.items()}
    record = {"name": done.node.name, "moves": done.moves, "texts": done.texts, "before": told}
    _write(settings.data_dir / _RECORD, json.dumps(record))
    yield from end_begun(settings)


def begun(settings: Settings) -> str:
    """Return the name of a table whose promotion was begun and has not ended; "" if there is none."""
    path, root = settings.data_dir / _RECORD, settings.project_dir
    if not path.is_file():
        return ""
    record = json.loads(path.read_text("utf-8"))
    untouched = all((root / file).exists() for file in record["moves"]) and all(
        _said(root / file) == before
        for file, before in record["before"].items()
        if file not in record["moves"].values()
    )
    return "" if untouched else str(record["name"])


def end_begun(settings: Settings) -> Iterator[str]:
    """Do what the record of a promotion says and is not done yet; as `carry_out`."""
    path, root = settings.data_dir / _RECORD, settings.project_dir
    record = json.loads(path.read_text("utf-8"))
    for file, to in record["moves"].items():
        if (root / file).exists():
            _move_file(root, file, to)
        yield f"{file} -> {to}"
    for file, text in record["texts"].items():
        now = _said(root / file)
        if now not in (text, record["before"][file]):
            raise ValueError(
                f"{file}: somebody edited it while `{record['name']}` was promoted; expected what it said"
                f" then; move your edit away, or end the promotion by hand and `rm {path}`"
            )
        if now != text:
            _write(root / file, text)
        if file not in record["moves"].values():
            yield f"{file}: written"
    path.unlink()


def _move_file(root: Path, file: str, to: str) -> None:
    if (root / to).exists():
        raise ValueError(f"{to}: there is a file; expected none; rename one of them")
    (root / to).parent.mkdir(parents=True, exist_ok=True)
    try:
        git(root, "ls-files", "--error-unmatch", "--", file)
        git(root, "mv", "--", file, to)
    except ValueError:  # no repository, or a file that was never added
        shutil.move(root / file, root / to)


def _said(path: Path) -> str | None:
    return path.read_bytes().decode() if path.is_file() else None


def _read(path: Path) -> tuple[str, Callable[[str], str]]:
    """Return a text with the line ends of Unix, and what gives it back its own."""
    text = path.read_bytes().decode()
    plain = text.replace("\r\n", "\n")
    return plain, (lambda said: said) if plain == text else (lambda said: said.replace("\n", "\r\n"))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(text.encode())
    partial.replace(path)


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
            f" `sluice env promote {first}` first"
        )


def _readers(manifest: DbtManifest, done: Promotion) -> Iterator[str]:
    """Yield what reads a table, by kind and name, but for tests that go with it."""
    unique_id = done.node.unique_id
    for kind in STAGED:
        for item in (manifest.content.get(kind) or {}).values():
            file = file_of(manifest.content, item)
            own = item.get("attached_node") == unique_id or file in done.moves
            own |= item["resource_type"] == "unit_test" and file == done.node.described_in
            if unique_id in ((item.get("depends_on") or {}).get("nodes") or ()) and not own:
                yield f"{str(item['resource_type']).replace('_', ' ')} {item['name']}"


def _move(done: Promotion, file: str, folder: str) -> None:
    done.moves[file] = f"{folder}/{Path(file).name}"


def _taken(settings: Settings, done: Promotion, file: str) -> bool:
    """Whether a file is where one would go to; whatever the case of its letters."""
    folder = (settings.project_dir / file).parent
    names = {path.name.casefold() for path in folder.iterdir()} if folder.is_dir() else set[str]()
    return Path(file).name.casefold() in names and file not in done.moves


def _describe(settings: Settings, manifest: DbtManifest, done: Promotion, folder: str) -> None:
    """Let the entry of a table in its YAML file move, with its unit tests; alone there, as the file."""
    node, section, to = done.node, f"{done.node.resource_type}s", f"{folder}/_{done.node.name}.yml"
    columns = bound_sql(settings, manifest.digests).columns.get(node.unique_id, ()) if done.sent else ()
    path = settings.project_dir / node.described_in
    if node.described_in and path.is_file():
        text, ended = _read(path)
        stays = stage_of(node.described_in) is Stage.PRODUCTION
        try:
            own, left = entry_of_production(text, section, node.name, dict(columns), stays=stays)
        except ValueError as error:
            raise ValueError(f"{node.described_in}: the entry of `{node.name}`: {error}") from error
        done.texts[node.described_in if stays else to] = ended(own)
        if left:
            done.texts[node.described_in] = ended(left)
        elif not stays:
            done.moves[node.described_in] = to
    elif done.sent:
        types = [{"name": name, "data_type": kind.lower()} for name, kind in columns]
        entry = {"name": node.name, "config": {"contract": {"enforced": True}}, "columns": types}
        done.texts[to] = yaml.safe_dump({"version": 2, section: [entry]}, sort_keys=False)
