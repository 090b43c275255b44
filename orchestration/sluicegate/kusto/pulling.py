"""Files of `kusto/` from what a database holds: to begin with git where there was none.

Belongs here: commands as they are written for what is shown. Does not belong here: what a project may write:
`reading` is asked, and what it does not take is left out, and told.

What the database does not show is not there: obfuscated strings, external tables with their secrets, who may
what. A file is left as it is where it says the same.
"""

import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sluicegate.core.problems import Mistyped, Problem
from sluicegate.core.stages import Stage
from sluicegate.destinations.adx import kql
from sluicegate.kusto.database_file import FILE
from sluicegate.kusto.facts import Facts, Words, facts_of
from sluicegate.kusto.files import FOLDER, SUFFIX
from sluicegate.kusto.held import Held, HeldFunction, HeldTable, HeldView
from sluicegate.kusto.objects import Fed, Kind, KustoObject, KustoProject
from sluicegate.kusto.plan import spelled_otherwise
from sluicegate.kusto.spellings import is_obfuscated, ticks
from sluicegate.state.kusto_objects import Deployed

# A name that is no word of commands, of which some hundred (`date`, `kind`, `title`) have no capital letter.
_PLAIN = re.compile(r"(?!(?i:true|false)$)[a-z_]*[A-Z]\w*", re.ASCII)
# What a name may have ("Entity names"); a name with anything else might lead out of the folder.
_NAME_OF_A_FILE = re.compile(r"[\w -][\w .-]*")
# What a destination makes for itself.
_STAGING, _REMARK, _MAPPING = "_sluice_staging", "sluice: ", "sluice_"
NOTHING_OURS: Mapping[tuple[str, str], Deployed] = {}
Read = Callable[[Path], tuple[KustoProject | None, list[Problem]]]


@dataclass(frozen=True)
class Pulled:
    """What a pull found.

    Args:
        texts: {file, relative to the project directory: its text} to write: what is new or another.
        same: the files that say it already.
        other: the files that are there and say something else; they are among `texts`.
        left: what is not written, and why.
    """

    texts: dict[str, str]
    same: Sequence[str]
    other: Sequence[str]
    left: Sequence[str]


def pull(
    held: Held,
    project_dir: Path,
    project: KustoProject,
    words: Words,
    read: Read,
    only: Sequence[str] = (),
    ours: Mapping[tuple[str, str], Deployed] = NOTHING_OURS,
) -> Pulled:
    """Return the files that say what a database holds.

    Args:
        held: the database.
        project_dir: the project directory; nothing is written there.
        project: what its `kusto/` says; without objects where there is none yet.
        words: the parser.
        read: reads the `kusto/` of a project directory.
        only: names of objects; all without.
        ours: what is on record of the database.

    Raises:
        DeliveryError: the database does not answer.
        ValueError: it has no object of one of the names.
    """
    if unknown := {*only} - {*held.functions, *held.views, *held.tables}:
        raise Mistyped(
            "SLU-C007",
            f"the database has nothing that is called {', '.join(sorted(unknown))}; expected names of its"
            " functions, views and tables, as they are written there; without names all is taken",
        )
    texts, left = dict[str, str](), list[str]()
    for name, made in _written(held, project.feeds, words):
        object_name = name.partition("/")[2].removesuffix(SUFFIX)
        if only and object_name not in only:
            continue
        if not _NAME_OF_A_FILE.fullmatch(object_name):
            left.append(f"{kql.text(name)}: no file is called so")
        elif made.startswith("!"):
            left.append(f"{name}: {made[1:]}")
        elif any(name.lower() == other.lower() for other in texts):
            left.append(
                f"{name}: another name differs in capital letters alone, which many disks do not tell"
            )
        else:
            texts[name] = made
    own = {one.file: one for one in project.objects}
    work = {f"{one.kind.value}/{one.name}{SUFFIX}" for one in project.objects if one.stage is Stage.WORK}
    texts = {name: text for name, text in texts.items() if name not in work}
    files = {f"{FOLDER}/{name}": text for name, text in texts.items()}
    if not (project_dir / FILE).exists():
        files[FILE] = f"connection: {project.connection}\n"
    files, refused, found = _taken(files, project_dir, read)
    left += refused

    def spelled(one: KustoObject, said: Facts) -> set[str]:
        facts = held.facts(one.kind, one.name, said) or {}
        return spelled_otherwise(one, facts, ours.get((one.kind.value, one.name)), said)

    same = [file for file in files if file in own and _says(own[file], found.get(file), words, spelled)]
    files = {file: text for file, text in files.items() if file not in same}
    other = [file for file in files if (project_dir / file).exists()]
    return Pulled(files, same, other, left)


def _taken(
    files: dict[str, str], project_dir: Path, read: Read
) -> tuple[dict[str, str], list[str], dict[str, KustoObject]]:
    """Return the files that a project may have beside its own, what is not taken, and what they define."""
    left: list[str] = []
    with TemporaryDirectory(prefix="sluice_kusto_") as folder:
        there = Path(folder)
        while True:
            shutil.rmtree(there / FOLDER, ignore_errors=True)
            if (project_dir / FOLDER).is_dir():
                shutil.copytree(project_dir / FOLDER, there / FOLDER)
            for name, text in files.items():
                path = there / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8", newline="")
            project, problems = read(there)
            wrong = {problem.file: problem for problem in reversed(problems) if problem.file in files}
            if not wrong:
                objects = {one.file: one for one in project.objects} if project else {}
                return files, left, objects
            left += [f"{name}: {problem.what}" for name, problem in sorted(wrong.items())]
            files = {name: text for name, text in files.items() if name not in wrong}


def _says(
    own: KustoObject,
    pulled: KustoObject | None,
    words: Words,
    spelled: Callable[[KustoObject, Facts], set[str]],
) -> bool:
    """Whether a file says what was pulled: all that it says, and nothing less."""
    if pulled is None:
        return False
    said: list[dict[str, Any]] = []
    for one in (own, pulled):
        facts = [facts_of(statement, words) for statement in one.statements]
        said.append({name: fact for each in facts for name, fact in each.items()})
    mine, theirs = said
    for name in spelled(own, mine):
        theirs.pop(name, None)
        mine.pop(name, None)
    return all(theirs.get(name, "") == fact for name, fact in mine.items()) and mine.keys() >= {
        name for name, fact in theirs.items() if fact
    }


def _written(held: Held, feeds: Sequence[Fed], words: Words) -> Iterator[tuple[str, str]]:
    """Yield (file in `kusto/`, its text); a text that begins with `!` says why there is none."""
    for one in held.functions.values():
        yield f"{Kind.FUNCTION.value}/{one.name}{SUFFIX}", _function(one, words)
    for view in held.views.values():
        over = "materialized-view" if view.source in held.views else "table"
        yield f"{Kind.VIEW.value}/{view.name}{SUFFIX}", _view(view, over)
    fed = {one.table for one in feeds}
    for table in held.tables.values():
        if table.name.endswith(_STAGING) and table.folder == "sluice":
            continue
        if text := _table(table, held, table.name in fed):
            yield f"{Kind.TABLE.value}/{table.name}{SUFFIX}", text


def _function(one: HeldFunction, words: Words) -> str:
    if any(is_obfuscated(word) for word in words(one.body)):
        return "!it has an obfuscated string, which the database does not show"
    stated = _stated({"folder": kql.text(one.folder), "docstring": kql.text(one.docstring)})
    return f".create-or-alter function {stated}{_name(one.name)}{one.parameters}\n{_lines(one.body)}\n"


def _view(view: HeldView, over: str) -> str:
    shown = {name.lower(): said for name, said in view.properties.items()}
    properties = {
        "folder": kql.text(shown.get("folder", "")), "docString": kql.text(shown.get("docstring", "")),
        "lookback": _span(shown.get("lookback", "")),
        "autoUpdateSchema": "true" if shown.get("autoupdateschema", "").lower() == "true" else "",
    }  # fmt: skip
    query = _lines(view.query)
    return (
        f".create-or-alter materialized-view {_stated(properties)}{_name(view.name)}"
        f" on {over} {_name(view.source)}\n{{\n{query}\n}}\n"
    )


def _table(table: HeldTable, held: Held, fed: bool) -> str:
    name = _name(table.name)
    commands: list[str] = []
    if not fed:
        listed = ", ".join(f"{_name(column)}: {kind}" for column, kind in table.columns.items())
        commands.append(f".create-merge table {name} ({listed})")
    if table.docstring:
        commands.append(f".alter table {name} docstring {kql.text(table.docstring)}")
    if table.folder:
        commands.append(f".alter table {name} folder {kql.text(table.folder)}")
    said = {one: text for one, text in table.docstrings.items() if text and not text.startswith(_REMARK)}
    if said:
        listed = ", ".join(f"{_name(column)}: {kql.text(text)}" for column, text in said.items())
        commands.append(f".alter-merge table {name} column-docstrings ({listed})")
    for policy in ("retention", "caching", "row_level_security", "update"):
        commands += _policy(name, policy, held.policy(table.name, policy))
    for kind, mapping, text in held.mapping_texts(table.name):
        if not mapping.startswith(_MAPPING):
            made = f".create-or-alter table {name} ingestion {kind.lower()} mapping"
            commands.append(f"{made} {kql.text(mapping)} {kql.text(text)}")
    return "".join(f"{one}\n\n" for one in commands).removesuffix("\n")


def _policy(name: str, policy: str, said: Any) -> Iterator[str]:
    """Yield the command of a policy that a table has of its own."""
    if not said:
        return
    command = f"table {name} policy {policy}"
    if policy == "retention":
        span, kept = _span(str(said.get("SoftDeletePeriod", ""))), str(said.get("Recoverability", "Enabled"))
        yield f".alter-merge {command} softdelete = {span} recoverability = {kept.lower()}"
    elif policy == "caching":
        data, index = (
            _span(str(one["Value"] if isinstance(one, dict) else one))
            for one in (said.get("DataHotSpan", ""), said.get("IndexHotSpan", ""))
        )
        yield f".alter {command} " + (
            f"hot = {data}" if data == index else f"hotdata = {data} hotindex = {index}"
        )
    elif policy == "row_level_security":
        state = "enable" if said.get("IsEnabled") else "disable"
        yield f".alter {command} {state} {kql.text(str(said.get('Query', '')))}"
    else:
        objects = [{key: one for key, one in each.items() if one is not None} for each in said]
        yield f".alter {command} {kql.text(json.dumps(objects))}"


def _name(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else kql.name(name)


def _stated(properties: dict[str, str]) -> str:
    said = [f"{name} = {text}" for name, text in properties.items() if text not in ("", '""')]
    return f"with ({', '.join(said)}) " if said else ""


def _span(text: str) -> str:
    """A time span as a literal: the largest unit that it has a whole number of."""
    found = ticks(text)
    if not isinstance(found, int):
        return text
    for unit, size in (("d", 864_000_000_000), ("h", 36_000_000_000), ("m", 600_000_000), ("s", 10_000_000)):
        if found % size == 0:
            return f"{found // size}{unit}"
    return f"{found}tick"


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


__all__ = ["Pulled", "pull"]
