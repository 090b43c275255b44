"""What one file may say: which commands, of which object, with which properties and policies.

Belongs here: rules that need no other file. Does not belong here: queries (`query_rules`), rules between
files (`rules`).
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any

from sluicegate.core.problems import Problem, did_you_mean
from sluicegate.core.stages import Stage
from sluicegate.destinations.adx.types import is_name
from sluicegate.kusto.commands import ALLOWED, Commands, errors, part_of, parts_of
from sluicegate.kusto.files import KqlFile
from sluicegate.kusto.language.engine import Command
from sluicegate.kusto.objects import Kind
from sluicegate.kusto.spellings import ticks

NAMED = {
    Kind.FUNCTION: "FunctionName",
    Kind.VIEW: "MaterializedViewName",
    Kind.TABLE: "TableName",
}
_WORDS = {
    Kind.FUNCTION: "one `.create-or-alter function`",
    Kind.VIEW: "one `.create-or-alter materialized-view`",
    Kind.TABLE: (
        "`.create-merge table`, `.alter table … docstring`, `folder`, `policy retention`, `caching`,"
        " `row_level_security` and `update`, `.alter-merge table … column-docstrings`, and"
        " `.create-or-alter table … ingestion mapping`"
    ),
}
# What a function or a table may say of itself; a view's are words of the grammar.
_PROPERTIES = {
    Kind.FUNCTION: ("folder", "docstring", "view", "hidden", "skipvalidation"),
    Kind.TABLE: ("folder", "docstring", "hidden"),
    Kind.VIEW: (),
}
_SKIP = "skipvalidation"
# Names that the platform itself gives.
_STAGING, _MAPPING = "_sluice_staging", "sluice_"
_SHOWN = re.compile(r"[.;|<#]*(?: ?[a-z-]+)*")
_OWNER = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_OF_WORK = {
    "owner": "the e-mail address of who answers for it",
    "expires": "its last day, as 2027-01-31",
    "purpose": "what is found out by it, in one sentence",
}
_EXAMPLES = {"owner": "ada@example.com", "expires": "2027-01-31", "purpose": "what is found out by it"}
_FORMS: Mapping[str, Callable[[str], object]] = {
    "owner": _OWNER.fullmatch,
    "expires": lambda said: day_of(said),
}
_JSON = {
    "RetentionPolicy": "an object, as `{\"SoftDeletePeriod\": \"30.00:00:00\"}`",
    "UpdatePolicy": "a list, as `[{\"IsEnabled\": true, \"Source\": \"T\", \"Query\": \"F()\"}]`",
    "MappingFormat": "a list, as `[{\"column\": \"a\", \"Properties\": {\"path\": \"$.a\"}}]`",
}  # fmt: skip
_KEYS = {
    "RetentionPolicy": ("SoftDeletePeriod", "Recoverability"),
    "UpdatePolicy": (
        "IsEnabled", "Source", "SourceIsWildCard", "Query", "IsTransactional", "PropagateIngestionProperties",
    ),
}  # fmt: skip
_DAY = 864_000_000_000  # in ticks
_OF_COLUMNS = {"CreateMergeTable": "column", "AlterMergeTableColumnDocStrings": "docstring of"}


def _of_work(file: KqlFile) -> Iterator[Problem]:
    """Yield what a file of work does not say, in the words that dbt's tables of work say it in."""
    for word, expected in _OF_WORK.items() if file.stage is Stage.WORK else ():
        said, place = file.said.get(word, ("", 0))
        if not said or (word in _FORMS and not _FORMS[word](said)):
            what = f"has a `{word}` that is none" if said else f"says no `{word}`"
            yield file.problem(
                place, "SLU-P062", f"`{file.object_name}` is work, and {what}", expected,
                f"write `// {word}: {_EXAMPLES[word]}` above the command",
            )  # fmt: skip


def day_of(said: str) -> date | None:
    """Return a day that is written as 2027-01-31; None if it is none."""
    try:
        return date.fromisoformat(said) if len(said) == len("2027-01-31") else None
    except ValueError:
        return None


def file_problems(file: KqlFile, read: Commands) -> Iterator[Problem]:
    """Yield what is wrong with a file; of a file with commands that are none, nothing else is asked."""
    expected = f"{_WORDS[file.kind]}, and nothing else"
    found = [*_not_allowed(file, read, expected)]
    yield from found
    if found:
        return
    for command in read.commands:
        yield from _named(file, command)
        yield from _properties(file, command)
        yield from _policies(file, command)
    yield from _twice(file, read)
    yield from _of_work(file)


def _not_allowed(file: KqlFile, read: Commands, expected: str) -> Iterator[Problem]:
    for command in read.commands:
        start = command.extent.start if command.extent else 0
        known = command.kind in ALLOWED[file.kind]
        if told := errors(command) if known or not command.kind else []:
            for one in told:
                yield file.problem(
                    one.span.start, "SLU-K005", f"{one.code}: {one.message.rstrip('.')}",
                    f"{expected}, as Microsoft's parser reads it", "correct it",
                )  # fmt: skip
            return
        if not known:
            folders = [kind.value for kind, kinds in ALLOWED.items() if command.kind in kinds]
            what = f"the command {command.kind}" if command.kind else "a command that nobody knows"
            fix = f"move it to {folders[0]}/" if folders else "take it away; people do that by hand, if ever"
            yield file.problem(start, "SLU-K011", f"has {what}", expected, fix)
            return
    if read.rest is not None:
        # A text that somebody forgot there is not repeated.
        words = _SHOWN.match(file.text, read.rest)
        shown = (words[0].strip() if words else "") or file.text[read.rest]
        yield file.problem(
            read.rest, "SLU-K011",
            f"`{shown}` belongs to no command", f"{expected}, each on lines of its own",
            "take it away, a `;` too",
        )  # fmt: skip
    elif not read.commands:
        yield file.problem(0, "SLU-K011", "has no command", expected, "write it, or take the file away")
    elif file.kind is not Kind.TABLE and len(read.commands) > 1:
        second = read.commands[1].extent
        yield file.problem(
            second.start if second else 0,
            "SLU-K011",
            "has a second command",
            expected,
            "move it to a file of its own",
        )


def _named(file: KqlFile, command: Command) -> Iterator[Problem]:
    name, expected = part_of(command, NAMED[file.kind]), file.object_name
    said, place = (name.value, name.span.start) if name else ("", 0)
    if said != expected:
        yield file.problem(
            place, "SLU-K013",
            f"defines `{said}`", f"`{expected}`, as the file is named; capital letters count",
            f"rename the file to `{said}.kql`, or what it defines",
        )  # fmt: skip
    elif not is_name(said):
        yield file.problem(
            place, "SLU-K013", f"`{said}` is no name of Kusto's",
            "1 to 1,024 letters, digits, underscores, spaces, dots and dashes", "choose another name",
        )  # fmt: skip
    elif said.endswith(_STAGING):
        yield file.problem(
            place, "SLU-K013", f"`{said}` is a name that deliveries give",
            f"a name that does not end with `{_STAGING}`", "choose another name",
        )  # fmt: skip


def _properties(file: KqlFile, command: Command) -> Iterator[Problem]:
    values = parts_of(command, "PropertyValue")
    seen = set[str]()
    for name in parts_of(command, "PropertyName"):
        word = name.value.casefold()
        value = next((one for one in values if one.span.start >= name.span.end), None)
        if word not in _PROPERTIES[file.kind]:
            known = _PROPERTIES[file.kind] or ("folder", "docString", "lookback", "backfill")
            yield file.problem(
                name.span.start, "SLU-K012",
                f"has the property `{name.value}`", f"one of: {', '.join(known)}",
                did_you_mean(word, known),
            )  # fmt: skip
        elif word in seen:
            yield file.problem(
                name.span.start,
                "SLU-P009",
                f"has the property `{name.value}` twice",
                "each once",
                "take one away",
            )
        elif word == _SKIP and (value is None or value.value.casefold() != "false"):
            yield file.problem(
                name.span.start, "SLU-K012", f"says `{name.value}`", "that the service looks at it, too",
                f"take `{name.value}` away",
            )  # fmt: skip
        seen.add(word)


def _policies(file: KqlFile, command: Command) -> Iterator[Problem]:
    for name, expected in _JSON.items():
        if (part := part_of(command, name)) and not _is_json(part.value, expected.startswith("a list")):
            yield file.problem(
                part.span.start, "SLU-K012", f"{name} is not JSON of that form", expected, "correct it"
            )
    if (mapping := part_of(command, "MappingName")) and mapping.value.startswith(_MAPPING):
        yield file.problem(
            mapping.span.start, "SLU-K013", f"`{mapping.value}` is a name that deliveries give",
            f"a name that does not begin with `{_MAPPING}`", "choose another name",
        )  # fmt: skip
    for policy, known in _KEYS.items():
        part = part_of(command, policy)
        for one in _objects(part.value) if part else ():
            assert part is not None
            for word in one:
                if word not in known:
                    yield file.problem(
                        part.span.start, "SLU-K012",
                        f"{_spaced(policy)} has `{word}`", f"one of: {', '.join(known)}",
                        did_you_mean(word, known),
                    )  # fmt: skip
            if one.get("SourceIsWildCard"):
                yield file.problem(
                    part.span.start, "SLU-K012", "an update policy reads tables that it does not name",
                    "`Source`, one table", "write one policy for each",
                )  # fmt: skip
    kept = retention_of(file, command)
    if command.kind == "AlterTablePolicyRetention" and kept is None:
        part = part_of(command, "RetentionPolicy")
        yield file.problem(
            part.span.start if part else 0, "SLU-K012", "a retention policy does not say for how long",
            "`SoftDeletePeriod`: what `.alter` does not say is as Kusto has it",
            "write it, as `365.00:00:00`, or write `.alter-merge`",
        )  # fmt: skip
    if kept and not isinstance(ticks(kept[0]), int):
        yield file.problem(
            kept[1], "SLU-K012", f"`{kept[0]}` is no time span", "days, or `days.hours:minutes:seconds`",
            "write it as `365d`, in JSON as `365.00:00:00`",
        )  # fmt: skip


def retention_of(file: KqlFile, command: Command) -> tuple[str, int] | None:
    """Return for how long a command lets a table keep rows, as it is written, and where, if it does."""
    if part := part_of(command, "SoftDeleteValue"):
        # Its value is not asked for: Microsoft's parser makes nothing of `time(10.00:00:00)`.
        return file.text[part.span.start : part.span.end], part.span.start
    part = part_of(command, "RetentionPolicy")
    said = _objects(part.value) if part else []
    found = said[0].get("SoftDeletePeriod") if said else None
    return (str(found), part.span.start) if part and found is not None else None


def keeps_nothing(span: str) -> bool:
    """Whether a time span is less than a day; of what is none, Kusto tells."""
    kept = ticks(span)
    return isinstance(kept, int) and kept < _DAY


def _objects(text: str) -> list[dict[str, Any]]:
    """Return the objects of a policy's JSON, a list or one alone; nothing of what is none."""
    read = _json(text)
    listed = read if isinstance(read, list) else [read]
    return listed if all(isinstance(one, dict) for one in listed) else []


def _is_json(text: str, is_list: bool) -> bool:
    read = _json(text)
    return isinstance(read, list) is is_list and (read in ([], {}) or bool(_objects(text)))


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _twice(file: KqlFile, read: Commands) -> Iterator[Problem]:
    """Yield what is said again: of two words the later would hold, and the earlier differ at each plan."""
    seen = set[str]()
    for command in read.commands:
        for what, place in _says(command):
            if what in seen:
                yield file.problem(
                    place, "SLU-P009", f"says {what} twice", "each once", "take one of them away"
                )
            seen.add(what)


def _says(command: Command) -> Iterator[tuple[str, int]]:
    """Yield what a command says, in words that are the same where it is said again, and where."""
    if command.kind == "CreateOrAlterFunction":
        for one in parts_of(command, "NameAndType"):
            names = (p for p in parts_of(command, "Name") if one.span.start <= p.span.start < one.span.end)
            yield from ((f"the parameter `{name.value}`", name.span.start) for name in [*names][:1])
    elif command.kind in _OF_COLUMNS:
        for name in parts_of(command, "ColumnName"):
            yield f"the {_OF_COLUMNS[command.kind]} `{name.value}`", name.span.start
    elif name := part_of(command, "MappingName"):
        kind = command.words[command.words.index("ingestion", 8) + 1]
        yield f"the mapping `{name.value}` of {kind}", name.span.start
    elif command.extent and command.kind != "AlterMergeTablePolicyUpdate":  # that adds to what is there
        said = command.kind.removeprefix("AlterMerge").removeprefix("Alter").removeprefix("Table")
        yield f"the {_spaced(said)}", command.extent.start


def _spaced(name: str) -> str:
    return re.sub(r"(?<=[a-z])[A-Z]", lambda found: f" {found[0]}", name).lower()
