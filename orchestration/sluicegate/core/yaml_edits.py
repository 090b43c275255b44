"""Edits of a YAML text that leave all else as somebody wrote it: comments, quotes, order, spaces.

Belongs here: where in a text an item, or a key with its value, begins and ends. Does not belong here: what is
taken out or added, nor whether the text says afterwards what it should: whoever edits reads it again.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

Node = yaml.Node
Edit = tuple[int, int, str]
# Keys to take out of a mapping, each with those of its value's keys that go; None is all of it.
Dead = Mapping[str, Any]
_COMMENT = re.compile(r"(?:(?<=\s)|^)#.*$", re.MULTILINE)


def root_of(text: str) -> yaml.MappingNode:
    """Return the mapping that a text is, with the places of all that is in it.

    Raises:
        ValueError: it is none.
    """
    try:
        root = yaml.compose(text, yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML: {error}") from error
    if not isinstance(root, yaml.MappingNode):
        raise ValueError("not a mapping")
    return root


def value_of(mapping: Node | None, key: str) -> Any:
    """Return the node of a key's value, None where there is none."""
    pairs = mapping.value if isinstance(mapping, yaml.MappingNode) else []
    return next((value for name, value in pairs if name.value == key), None)


def edited(text: str, edits: Iterable[Edit]) -> str:
    """Return a text with these parts (begin, end, what stands there then) replaced, a comma of two once."""
    done, at = list[str](), 0
    for begin, end, instead in sorted(edits):
        done += [text[at:begin], instead]
        at = max(at, end)
    return "".join([*done, text[at:]])


def in_a_list(text: str, begin: int, end: int) -> tuple[int, int]:
    """Return the part to take out for one of several that commas part: with a comma, no comment beside it."""
    if after := re.compile(r"\s*,[^\S\n]*").match(text, end):
        return begin, after.end()
    before = re.search(r",\s*$", text[:begin])
    return (before.start() if before else begin), end


def item_lines(text: str, item: Node) -> tuple[int, int]:
    """Return begin and end of the lines of an item of a block sequence, with the comments right above it."""
    begin = _line_start(text, item.start_mark.index)
    while not text[begin:].lstrip(" ").startswith("-"):
        begin = _line_start(text, begin - 1)
    column = len(text[begin:]) - len(text[begin:].lstrip(" "))
    end = _block_end(text, item, column)
    while begin and re.fullmatch(rf" {{{column}}}#.*\n", text[_line_start(text, begin - 1) : begin]):
        begin = _line_start(text, begin - 1)
    return begin, end


def without(text: str, mapping: yaml.MappingNode, dead: Dead) -> list[Edit]:
    """Return what takes keys out of a mapping; a mapping of which nothing is left goes, comments stay."""
    edits: list[Edit] = []
    for at, (key, value) in enumerate(mapping.value):
        if key.value not in dead:
            continue
        inner = dead[key.value]
        if inner is not None and (not isinstance(value, yaml.MappingNode) or _left(value, inner)):
            edits += without(text, value, inner) if isinstance(value, yaml.MappingNode) else []
            continue
        begin, end = key.start_mark.index, value.end_mark.index
        if mapping.flow_style:
            edits.append((*in_a_list(text, begin, end), ""))
            continue
        start, end = _line_start(text, begin), _block_end(text, value, key.start_mark.column)
        indent = " " * key.start_mark.column
        if text[start:begin].strip() and at + 1 < len(mapping.value):  # behind the dash of an item
            end = mapping.value[at + 1][0].start_mark.index
            comments = _COMMENT.findall(text[begin:end])
            edits.append((begin, end, "".join(f"{one}\n{indent}" for one in comments)))
        else:
            comments = _COMMENT.findall(text[begin:end])
            edits.append((start, end, "".join(f"{indent}{one}\n" for one in comments)))
    return edits


def added(text: str, collection: yaml.CollectionNode, said: str) -> Edit:
    """Return what adds a key with its value, behind the first one, or an item, behind the last one."""
    mapping, dash = isinstance(collection, yaml.MappingNode), ""
    if collection.flow_style:
        if not collection.value:
            return collection.start_mark.index + 1, collection.start_mark.index + 1, said
        at = (collection.value[0][1] if mapping else collection.value[-1]).end_mark.index
        return at, at, f", {said}"
    if mapping:
        key, value = collection.value[0]
        column = key.start_mark.column
        at = _block_end(text, value, column)
    else:
        begin, at = item_lines(text, collection.value[-1])
        column, dash = len(text[begin:]) - len(text[begin:].lstrip(" ")), "- "
    lines = said.splitlines()
    return at, at, "".join(f"{' ' * column}{'' if n else dash}{line}\n" for n, line in enumerate(lines))


def _left(mapping: yaml.MappingNode, dead: Dead) -> bool:
    """Whether anything is left of a mapping."""
    for key, value in mapping.value:
        inner = dead.get(key.value, {})
        if inner is not None and (not isinstance(value, yaml.MappingNode) or _left(value, inner)):
            return True
    return not mapping.value


def _line_start(text: str, index: int) -> int:
    return text.rfind("\n", 0, index) + 1 if index > 0 else 0


def _block_end(text: str, value: Node, column: int) -> int:
    """Return where the lines of a value end: behind it is what comes next, with the comments above that."""
    end = value.end_mark.index
    start = _line_start(text, end)
    # A block ends where the next thing begins.
    end = (text.find("\n", end) + 1 or len(text)) if text[start:end].strip() else start
    while end > value.start_mark.index:
        line = text[_line_start(text, end - 1) : end]
        bare = line.strip()
        if bare and not (bare.startswith("#") and len(line) - len(line.lstrip(" ")) <= column):
            break
        end = _line_start(text, end - 1)
    return end
