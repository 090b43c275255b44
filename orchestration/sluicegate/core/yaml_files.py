"""YAML files with line numbers.

Belongs here: reading a YAML file strictly (no duplicate keys, a mapping at the top) and finding the line
of a field again. Does not belong here: what the fields mean.
"""

import hashlib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast, get_args

import ryaml
import yaml
from pydantic import BaseModel, ValidationError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from sluicegate.core.problems import Problem, did_you_mean, shown_path
from sluicegate.core.stages import Stage, stage_of

Location = tuple[str | int, ...]
# With or without a mark of the byte order, which Windows' editors write.
_ENCODING = "utf-8-sig"
# Of another base, or with more digits than a float surely has.
_ODD_NUMBER = re.compile(r"\b0[xob][0-9A-Fa-f]|[0-9][0-9.]{15}|\.(?:nan|inf)", re.IGNORECASE)
_TOO_LARGE = re.compile(r"invalid type: integer `(-?[0-9]+)`")


class YamlFile:
    """One file: `data` as plain Python, `line(location)` for a field's line (counted from 1)."""

    def __init__(self, path: Path, project_dir: Path, data: Mapping[str, Any]) -> None:
        self.path = path
        self.data = data
        self._project_dir = project_dir
        # What its reader has found wrong with it.
        self.problems: list[Problem] = []

    @cached_property
    def name(self) -> str:
        """The file as a reader of the project knows it: relative to the project directory."""
        return shown_path(self.path, self._project_dir)

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the file."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    @cached_property
    def _root(self) -> Node:
        root = yaml.compose(self.path.read_text(encoding=_ENCODING))
        assert root is not None
        return root

    def line(self, *location: str | int) -> int:
        """Return the line of the deepest part of `location` that the file has."""
        node, line = self._root, self._root.start_mark.line + 1
        for step in location:
            found = _child(node, step)
            if found is None:
                break
            line, node = found
        return line

    def written(self, *location: str | int) -> str:
        """Return a scalar as it is written in the file, without its quotes; empty where there is none."""
        node = self._root
        for step in location:
            found = _child(node, step)
            if found is None:
                return ""
            node = found[1]
        return str(node.value) if isinstance(node, ScalarNode) else ""

    def read_otherwise(self, value: object, *location: str | int) -> str:
        """Return how a number is written that YAML reads as another (`0o17`, digits that are cut), or "".

        Most files have nothing that looks so, and need not be read a second time.
        """
        if isinstance(value, bool) or not isinstance(value, int | float) or not self._has_odd_numbers:
            return ""
        written = self.written(*location)
        try:
            same = Decimal(written) == Decimal(str(value))
        except InvalidOperation:
            same = False
        return "" if same else written

    @cached_property
    def _has_odd_numbers(self) -> bool:
        return _ODD_NUMBER.search(self.path.read_text(encoding=_ENCODING)) is not None

    def problem(
        self, what: str, *, expected: str, fix: str, at: Sequence[str | int] = (), code: str = ""
    ) -> Problem:
        """Return a problem at the field `at` of this file."""
        return Problem(self.name, self.line(*at), what, expected, fix, code=code)

    def complain(
        self, what: str, *, expected: str, fix: str, at: Sequence[str | int] = (), code: str = ""
    ) -> None:
        """Note a problem at the field `at` among `problems`, once."""
        problem = self.problem(what, expected=expected, fix=fix, at=at, code=code)
        if problem not in self.problems:
            self.problems.append(problem)

    def model_problems(
        self,
        error: ValidationError,
        known_fields: Callable[[Location], Sequence[str]],
        at: Location = (),
        names: Mapping[str, str] = MappingProxyType({}),
    ) -> list[Problem]:
        """Return pydantic's errors as problems; `known_fields` names what a mapping may hold.

        `at` is the field of the file that was read by pydantic, all of it if none is named. `names` are
        {attribute: field} where pydantic tells the attribute, as it does of a default.
        """
        problems: list[Problem] = []
        for detail in error.errors(include_url=False):
            location = (*at, *detail["loc"])
            shown = names if detail["type"] == "value_error" else {}
            field = ".".join(shown.get(str(step), str(step)) for step in location)
            if detail["type"] == "extra_forbidden":
                known = known_fields(detail["loc"][:-1])
                what, expected = f"unknown field `{field}`", f"one of: {', '.join(sorted(known))}"
                fix, code = did_you_mean(str(location[-1]), known), "SLU-P006"
            elif detail["type"] == "missing":
                what, expected = f"`{field}` is missing", "a value"
                fix, code = f"add `{location[-1]}:`", "SLU-P007"
            else:
                what = f"`{field}` is {detail['input']!r}"
                expected = detail["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
                fix = "write it in quotes" if detail["type"] == "string_type" else "correct the value"
                code = "SLU-P008"
            problems.append(self.problem(what, expected=expected, fix=fix, at=location, code=code))
        return problems


def fields_at(model: type[BaseModel], at: Location) -> list[str]:
    """Return the fields of the mapping at a place; an index or a mapping's key leads no deeper."""
    for step in at:
        found = model.model_fields.get(str(step))
        model = (_model_in(found.annotation) if found else None) or model
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := _model_in(part))), None)


def _child(node: Node, step: str | int) -> tuple[int, Node] | None:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if isinstance(key, ScalarNode) and str(key.value) == str(step):
                return key.start_mark.line + 1, value
    if isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
        child = node.value[step]
        return child.start_mark.line + 1, child
    return None


def _duplicate_key(node: Node) -> tuple[str, int] | None:
    """Return the first key that stands twice in a mapping, with its line."""
    if isinstance(node, MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in seen:
                return name, key.start_mark.line + 1
            seen.add(name)
            if found := _duplicate_key(value):
                return found
    elif isinstance(node, SequenceNode):
        for child in node.value:
            if found := _duplicate_key(child):
                return found
    return None


def read_yaml(path: Path, project_dir: Path) -> YamlFile | Problem:
    """Read one file; a file that is not a YAML mapping without duplicate keys is a problem.

    ryaml reads it, ten times as fast as PyYAML; PyYAML reads it again where somebody asks for a line.
    """
    try:
        text = path.read_text(encoding=_ENCODING)
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        what = "a character that is not written in UTF-8"
        return Problem(
            shown_path(path, project_dir), line, what, "a text in UTF-8", "save it as UTF-8", code="SLU-P004"
        )
    try:
        data: Any = ryaml.loads(text)  # pyright: ignore[reportPrivateImportUsage]
    except ryaml.InvalidYamlError as error:  # pyright: ignore[reportPrivateImportUsage]
        return _located(path, project_dir, text, str(error))
    if not isinstance(data, dict):
        what, fix = "no mapping at the top", "write `field: value` lines"
        return Problem(shown_path(path, project_dir), 1, what, "a YAML mapping", fix, code="SLU-P004")
    return YamlFile(path, project_dir, cast("dict[str, Any]", data))


def _located(path: Path, project_dir: Path, text: str, said: str) -> Problem:
    """Find the line of what is wrong with a file that does not read."""
    name = shown_path(path, project_dir)
    try:
        root = yaml.compose(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        return Problem(
            name, line, f"not YAML: {error.problem}", "a YAML mapping", "correct the syntax", code="SLU-P004"
        )
    except yaml.YAMLError as error:
        return Problem(name, 1, f"not YAML: {error}", "a YAML mapping", "correct the syntax", code="SLU-P004")
    if root is None:
        what, fix = "no mapping at the top", "write `field: value` lines"
        return Problem(name, 1, what, "a YAML mapping", fix, code="SLU-P004")
    if duplicate := _duplicate_key(root):
        key, line = duplicate
        return Problem(
            name, line, f"`{key}` stands twice", "each key once", "remove one of them", code="SLU-P009"
        )
    if large := _TOO_LARGE.search(said):
        line = text[: text.find(large[1])].count("\n") + 1
        what = f"the number `{large[1]}` is larger than YAML's are"
        return Problem(
            name, line, what, "a number of 64 bits, or a text", "write it in quotes", code="SLU-P004"
        )
    return Problem(name, 1, f"not YAML: {said}", "a YAML mapping", "correct the syntax", code="SLU-P004")


def staged_files(folder: Path, project_dir: Path, stages: Collection[Stage] = tuple(Stage)) -> list[Path]:
    """Return what lies in a folder, and below its folder of work at any depth: production's first."""
    inside = sorted(folder.iterdir()) if folder.is_dir() else []
    folders = [path for path in inside if path.is_dir()]
    work = [path for path in folders if stage_of(f"{shown_path(path, project_dir)}/…") is Stage.WORK]
    found = [path for path in inside if path not in work]
    if Stage.WORK in stages:
        found += [path for one in work for path in sorted(one.rglob("*")) if not path.is_dir()]
    return found


def yaml_folder(
    folder: Path,
    project_dir: Path,
    suffixes: tuple[str, ...],
    beside: tuple[str, ...] = (),
    stages: Collection[Stage] = tuple(Stage),
) -> tuple[list[YamlFile], list[Problem]]:
    """Read every file of a folder, of these stages; those named in `beside` are another reader's.

    A file that nothing reads is a problem: it only looks as if it held.
    """
    files: list[YamlFile] = []
    problems: list[Problem] = []
    names: dict[str, Path] = {}
    for path in staged_files(folder, project_dir, stages):
        if path.name.startswith(".") or path.name.upper().startswith("README") or path.name in beside:
            continue
        if not path.is_file() or not path.name.endswith(suffixes):
            problems.append(
                Problem(
                    shown_path(path, project_dir), 1, "a file that nothing reads",
                    f"a name that ends in {' or '.join(suffixes)}", "rename it or move it away",
                    code="SLU-P005",
                )
            )  # fmt: skip
            continue
        stem = next(path.name.removesuffix(end) for end in suffixes if path.name.endswith(end))
        other = names.setdefault(stem, path)
        if other is not path:
            problems.append(
                Problem(
                    shown_path(path, project_dir), 1, f"a second file named `{stem}`",
                    f"one of it; {shown_path(other, project_dir)} is there", "take one of them away",
                    code="SLU-P009",
                )
            )  # fmt: skip
        read = read_yaml(path, project_dir)
        if isinstance(read, Problem):
            problems.append(read)
        else:
            files.append(read)
    return files, problems
