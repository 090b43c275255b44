"""`TODO` in contracts, suites and exports: what a draft left for a person, and nobody has done.

Belongs here: telling what is left open from what only has the word in it. A list of things to do has columns
named `todo`, and a status `TODO` among others: names and data are taken as they are. Does not belong here:
what a file must say; a project with something left open still loads.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from sluicegate.contracts.load import SUFFIXES as CONTRACTS
from sluicegate.core.problems import Problem, shown_path
from sluicegate.core.yaml_files import staged_files
from sluicegate.delivery.export_files.exports import FOLDER as EXPORTS_FOLDER
from sluicegate.delivery.export_files.exports import SUFFIXES as EXPORTS
from sluicegate.quality.suites import SUFFIXES as SUITES

_FOLDERS = (("contracts", CONTRACTS), ("expectations", SUITES), (EXPORTS_FOLDER, EXPORTS))
# A word of its own in capitals; alone, or before a colon, in any.
_MARKED = re.compile(r"(?<![\w-])TODO(?![\w-])")
_ALONE = re.compile(r"\W*(team:\W*)?to-?do\W*", re.IGNORECASE)
_LEADING = re.compile(r"\W*todo\s*(:|\s-\s)", re.IGNORECASE)
_COMMENT = re.compile(r"(?:^|\s)#[#\s]*(TODO(?![\w-]).*|(?i:todo)\s*(?::.*)?$)")
# What stands below these is a name or a value of the data.
_NAMES_AND_DATA = frozenset((
    "name", "physicalName", "businessName", "id", "tags", "domain", "tenant", "dataProduct", "server", "path",
    "object", "model", "connection", "options", "key", "names", "kwargs", "mustBe", "validValues", "pattern",
    "aliases", "nullWords", "trueWords", "falseWords", "currency", "examples", "sheet", "topic", "filter",
    "map", "limits", "classes",
))  # fmt: skip
_BELONGS = {
    "purpose": "what it is for, in one sentence",
    "limitations": "what a reader must know: gaps, corrections, what an empty value means",
    "dataGranularityDescription": "what one row is",
    "provider": "who promises the feed, and how to reach them",
    "owner": "the e-mail address of who answers for it, or of an export team:NAME",
    "partitionStart": "the first partition of the feed, as 2024-03-08",
    "daysWithoutDrop": "allowed, or refused",
    "quarantineLimit": "how many rows of a drop may be bad, as {rows: 10}",
    "classification": "public, internal, or a word that `masking` knows",
    "physicalType": "the warehouse's type, as VARCHAR or DECIMAL(12,2)",
    "mode": "one of the modes that the destination knows",
    "key": "the columns that tell rows apart",
    "notes": "why the rule holds",
}
_MOST_SHOWN = 80


def unfinished_in(project_dir: Path) -> list[Problem]:
    """Return what is left open in the three folders, each at its line; what is no YAML is told elsewhere."""
    found: list[Problem] = []
    for folder, suffixes in _FOLDERS:
        for path in staged_files(project_dir / folder, project_dir):
            if path.name.endswith(suffixes) and path.is_file():
                found += unfinished_of(path, project_dir)
    return found


def unfinished_of(path: Path, project_dir: Path) -> Iterator[Problem]:
    """Yield what is left open in a file, each line once."""
    text = path.read_text(encoding="utf-8", errors="replace")
    if "todo" not in text.lower() and "to-do" not in text.lower():
        return
    try:
        root = yaml.compose(text)
    except yaml.YAMLError:
        return
    if root is None:
        return
    name, lines = shown_path(path, project_dir), text.splitlines()
    values, told = list(_values(root, ())), set[int]()
    for field, value, alone in values:
        if _is_open(field, value, alone):
            line = _line(value, lines)
            told.add(line)
            what = f"`{'.'.join(field)}` is left open: `{_short(value.value)}`"
            yield Problem(name, line, what, _expected(field), _fix(field), code="SLU-P066")
    for line, said in _comments(text, [value for _, value, _ in values]):
        if line in told:
            continue
        field = _field_at(root, line)
        marked = said if field is None else f"`{'.'.join(field)}` is left open: {said}"
        expected = _expected(field) if field else "what the comment asks for"
        yield Problem(
            name, line, marked, expected, "write it, and take the comment with TODO away", code="SLU-P066"
        )


class _Called(str):
    """A step that is what an item of a list is called: a column `name` is no field `name`."""

    __slots__ = ()


Field = tuple[str, ...]


def _called(item: Node, number: int) -> str:
    return _said(item, "property") or _Called(_said(item, "name") or _said(item, "type") or number)


def _values(node: Node, field: Field, alone: bool = True) -> Iterator[tuple[Field, ScalarNode, bool]]:
    """Yield each value with its field in words, and whether it is all that the field says."""
    if isinstance(node, ScalarNode):
        yield field, node, alone
    elif isinstance(node, MappingNode):
        custom = _said(node, "property")
        for key, value in node.value:
            step = str(getattr(key, "value", ""))
            # A custom property is called by what it is, and not `value`.
            yield from _values(value, field if custom and step == "value" else (*field, step))
    elif isinstance(node, SequenceNode):
        for number, item in enumerate(node.value):
            inner = (*field, _called(item, number)) if isinstance(item, MappingNode) else field
            yield from _values(item, inner, len(node.value) == 1)


def _said(node: Node, name: str) -> str:
    """Return what a mapping says under a name; empty, if nothing."""
    pairs: Sequence[tuple[Node, Node]] = node.value if isinstance(node, MappingNode) else []
    return next(
        (str(value.value) for key, value in pairs if key.value == name and isinstance(value, ScalarNode)), ""
    )


def _is_open(field: Field, value: ScalarNode, alone: bool) -> bool:
    text = value.value
    if _of_data(field):
        return alone and text == "TODO" and value.style is None
    return bool(_ALONE.fullmatch(text) or _MARKED.search(text) or _LEADING.match(text))


def _of_data(field: Field) -> bool:
    return any(step in _NAMES_AND_DATA for step in field if not isinstance(step, _Called))


def _line(value: ScalarNode, lines: Sequence[str]) -> int:
    """Return the line on which the word stands: a text may have several."""
    first, last = value.start_mark.line, value.end_mark.line
    of_text = range(first, min(last + 1, len(lines)))
    return next((at for at in of_text if "todo" in lines[at].lower()), first) + 1


def _comments(text: str, values: Sequence[ScalarNode]) -> Iterator[tuple[int, str]]:
    """Yield the line of each comment that begins with TODO, and what it says: a `#` in a value is none."""
    spans = sorted((value.start_mark.index, value.end_mark.index) for value in values)
    starts = [start for start, _ in spans]
    begin = 0
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        for match in _COMMENT.finditer(line):
            at = begin + line.index("#", match.start())
            before = bisect_right(starts, at) - 1
            if before < 0 or at >= spans[before][1]:
                yield number, _short(match[1])
        begin += len(line)


def _field_at(node: Node, line: int, field: Field = ()) -> Field | None:
    """Return the innermost field whose key stands on a line; None of a line that has a comment alone."""
    if isinstance(node, MappingNode):
        custom = _said(node, "property")
        for key, value in node.value:
            step = str(getattr(key, "value", ""))
            inner = field if custom and step in ("value", "property") else (*field, step)
            if (deeper := _field_at(value, line, inner)) is not None:
                return deeper
            if key.start_mark.line + 1 == line:
                return inner
    elif isinstance(node, SequenceNode):
        for number, item in enumerate(node.value):
            inner = (*field, _called(item, number)) if isinstance(item, MappingNode) else field
            if (deeper := _field_at(item, line, inner)) is not None:
                return deeper
    return None


def _expected(field: Field) -> str:
    name = field[-1] if field else ""
    if name == "description":
        return f"what `{field[-2]}` is, in one sentence" if len(field) > 1 else "what it is, in one sentence"
    return _BELONGS.get(name, "what is so, and not the word TODO")


def _fix(field: Field) -> str:
    if _of_data(field):
        return "write it; a value of the data that is called so stands in quotes"
    return "write it, or take the field away where it may be left out"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MOST_SHOWN else f"{line[: _MOST_SHOWN - 1]}…"
