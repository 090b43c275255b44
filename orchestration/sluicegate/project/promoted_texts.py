"""What the files of work say once they are production's: as they were written, without what is of work.

Belongs here: a model's SQL, its entry in a YAML file, its export. Does not belong here: which files move
(`promoting`), how a text is edited (`core.yaml_edits`).
"""

import ast
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

import yaml

from sluicegate.core.problems import Mistyped
from sluicegate.core.yaml_edits import added, edited, in_a_list, item_lines, root_of, value_of, without

_OF_WORK = dict.fromkeys(("owner", "expires", "purpose"))
_DEAD: dict[str, Any] = {"config": {"schema": None, "meta": _OF_WORK}, "meta": _OF_WORK}
_CONFIG = re.compile(r"\{\{-?\s*config\s*\((.*?)\)\s*-?\}\}\n?", re.DOTALL)


def sql_of_production(text: str) -> str:
    """Return SQL whose `config(…)` says no schema, and nothing of what work says of itself."""

    def config(found: re.Match[str]) -> str:
        inside = found[1]
        try:  # Jinja writes arguments as Python does
            call = ast.parse(f"config({inside})", mode="eval").body
        except SyntaxError:
            return found[0]
        edits = [(*in_a_list(inside, *place), "") for place in _places_of_work(inside, call)]
        left = edited(inside, edits)
        return found[0].replace(inside, left) if left.strip() or not edits else ""

    return _CONFIG.sub(config, text)


def _places_of_work(inside: str, call: ast.expr) -> Iterator[tuple[int, int]]:
    """Yield where the arguments begin and end that are of work, and the items of `meta` that are."""
    assert isinstance(call, ast.Call)
    lines = [line.encode() for line in f"config({inside})".splitlines(keepends=True)]

    def index(line: int | None, column: int | None) -> int:
        assert line is not None
        return len(b"".join([*lines[: line - 1], lines[line - 1][:column]]).decode()) - len("config(")

    for word in call.keywords:
        meta = word.value if word.arg == "meta" and isinstance(word.value, ast.Dict) else None
        items = list(zip(meta.keys, meta.values, strict=True)) if meta else []
        dead = [
            (key, value) for key, value in items if isinstance(key, ast.Constant) and key.value in _OF_WORK
        ]
        whole = word.arg == "schema" or (meta is not None and len(dead) == len(items))
        for begin, end in [(word, word.value)] if whole else dead:
            yield index(begin.lineno, begin.col_offset), index(end.end_lineno, end.end_col_offset)


def export_of_production(text: str) -> str:
    """Return an export file that leaves its connection open: that of work is none of production's."""
    connection = value_of(value_of(root_of(text), "destination"), "connection")
    return edited(
        text, [(connection.start_mark.index, connection.end_mark.index, "TODO")] if connection else []
    )


def entry_of_production(
    text: str, section: str, name: str, types: Mapping[str, str], *, stays: bool = False
) -> tuple[str, str]:
    """Return the text of a file of its own for the entry of a table, and what is left where it was.

    Its unit tests of that file go with it. Nothing is left ("") if nothing else is there.

    Args:
        text: of the YAML file in which the table is described.
        section: `models`, `seeds` or `snapshots`.
        name: the table's, as the entry calls it.
        types: {column: its type} of an export's model, of which production demands a contract; else none.
        stays: the file is production's already, so that all of it is returned, and nothing is left.

    Raises:
        ValueError: it shares what it says with others, so that it cannot be moved as it is.
    """
    text += "" if text.endswith("\n") else "\n"
    named = {section: "name", "unit_tests": "model"}
    before = cast("dict[str, Any]", yaml.safe_load(text))
    own = {kind: [one for one in before.get(kind) or [] if one.get(named[kind]) == name] for kind in named}
    rest = {kind: [one for one in said if one not in own[kind]] if kind in own else said
            for kind, said in before.items()}  # fmt: skip
    left = ""
    if not stays and any(said for kind, said in rest.items() if kind != "version"):
        text, left = _parted(text, named, name)
        _require(left, rest)
    if stays:
        own = {section: before[section]}
    _require(text, own)
    entry = next(one for one in value_of(root_of(text), section).value if value_of(one, "name").value == name)
    text = edited(text, without(text, entry, _DEAD))
    own[section] = [_pruned(one, _DEAD) if one.get("name") == name else one for one in own[section]]
    _require(text, own)
    return _with_contract(text, section, name, types) if types else text, left


def _parted(text: str, named: Mapping[str, str], name: str) -> tuple[str, str]:
    """Return entries as a text of their own, and the text without them; both as they were written."""
    moved, edits = "version: 2\n", list[tuple[int, int, str]]()
    root = root_of(text)
    for section, key in named.items():
        entries = value_of(root, section)
        if entries is None:
            continue
        own = [one for one in entries.value if getattr(value_of(one, key), "value", None) == name]
        moved += f"{section}:\n" if own else ""
        for one in own:
            if entries.flow_style:
                begin, end = one.start_mark.index, one.end_mark.index
                moved += f"  - {text[begin:end]}\n"
                edits.append((*in_a_list(text, begin, end), ""))
            else:
                begin, end = item_lines(text, one)
                moved += text[begin:end]
                edits.append((begin, end, ""))
    left = edited(text, edits)
    _require(left, {})
    empty = {key.value: None for key, value in root_of(left).value if key.value in named and not value.value}
    return moved, edited(left, without(left, root_of(left), empty))


def _with_contract(text: str, section: str, name: str, types: Mapping[str, str]) -> str:
    """Return a text whose entry has an enforced contract, and the type of each column where none is said."""
    root = root_of(text)
    entry = next(one for one in value_of(root, section).value if value_of(one, "name").value == name)
    contract, config = "contract: {enforced: true}", value_of(entry, "config")
    edits = list[tuple[int, int, str]]()
    if value_of(config, "contract") is None:
        edits.append(added(text, config or entry, contract if config else f"config: {{{contract}}}"))
    columns = value_of(entry, "columns")
    known = {str(value_of(one, "name").value).casefold(): one for one in (columns.value if columns else ())}
    new = list[str]()
    for column, kind in types.items():
        said = f"data_type: {kind.lower() if kind.isalnum() else json.dumps(kind.lower())}"
        one = known.get(column.casefold())
        if one is None:
            new.append(f"{{name: {json.dumps(column) if not column.isidentifier() else column}, {said}}}")
        elif value_of(one, "data_type") is None:
            edits.append(added(text, one, said))
    if new and columns:
        edits.append(added(text, columns, ("\n- " if not columns.flow_style else ", ").join(new)))
    text = edited(text, edits)
    if new and not columns:
        entry = next(
            one for one in value_of(root_of(text), section).value if value_of(one, "name").value == name
        )
        listed = (
            f"columns: [{', '.join(new)}]"
            if entry.flow_style
            else "columns:\n" + "\n".join(f"  - {n}" for n in new)
        )
        text = edited(text, [added(text, entry, listed)])
    return text


def _pruned(said: Mapping[str, Any], dead: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(said)
    for key in found.keys() & dead.keys():
        value, inner = found[key], dead[key]
        if inner is None:
            del found[key]
        elif isinstance(value, dict) and value:
            found[key] = _pruned(cast("dict[str, Any]", value), inner)
            if not found[key]:
                del found[key]
    return found


def _require(text: str, expected: Mapping[str, Any]) -> None:
    try:
        said = cast("dict[str, Any]", yaml.safe_load(text) or {})
    except yaml.YAMLError:
        said = None
    if said is None or any((said.get(kind) or []) != (one or []) for kind, one in expected.items()):
        raise Mistyped(
            "SLU-P070",
            "it shares what it says with others, or is written in an unusual way; expected an entry that"
            " stands by itself, without `&…` and `*…`; write out what it shares, then type this again",
        )
