"""Where in a project's files something of dbt's stands: file and line.

Belongs here: from a node, a place in compiled SQL or a message of dbt's to a line that a person can go to.
Does not belong here: what is wrong there.
"""

import os
import re
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any

from sluicegate.core.stages import Stage, stage_of
from sluicegate.transformation.yaml_places import YamlPlaces

PROJECT_FILE = "dbt_project/dbt_project.yml"
_JINJA = re.compile(r"\{#.*?#\}|\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_QUOTED = re.compile(r"[`\"]([^`\"]+)[`\"]")
_IN_A_MESSAGE = re.compile(
    r"\(([\w./-]+\.(?:sql|ya?ml))\)|\bat path ([\w./-]+)"
    r"|\bError reading \w+: ([\w./-]+)"
)
# `line 3`, and what stands there, two lines deep.
_LINE = re.compile(r"\bline (\d+)\b(?:[^\n]*\n([^\n]*))?")
_NAMED = (re.compile(r"\bnamed '([^']+)'"), re.compile(r"'([^']+)'"))


def file_of(content: Mapping[str, Any], node: Mapping[str, Any]) -> str:
    """Return the file of a node, source or macro of a manifest.

    It is relative to the project directory. A file that dbt found by an absolute path, as the macros that all
    projects share are, keeps it: below `dbt_project/` it would be the path of something else.
    """
    package, path = node["package_name"], node["original_file_path"]
    if os.path.isabs(path):
        return str(path)
    inside = "" if package == content["metadata"]["project_name"] else f"dbt_packages/{package}/"
    return f"dbt_project/{inside}{path}"


def said_by_dbt(message: str) -> str:
    """Return what a message of dbt's says, in one line."""
    return " ".join(message.removeprefix("Encountered an error:").split())


class CodeLines:
    """The lines of a project's dbt files; `content` is that of `manifest.json`."""

    def __init__(self, project_dir: Path, content: Mapping[str, Any]) -> None:
        self._project_dir = project_dir
        self._content = content

    def of_position(
        self, node: Mapping[str, Any], compiled: str, position: int | None, message: str
    ) -> tuple[str, int]:
        """Return file and line of a place in a node's compiled SQL.

        The one line that reads the same; or else that of the text, or of the Jinja, which it was made of.
        Without a position it is the first line with a name that the message quotes, or else the first; of a
        test that is written in YAML the first such line of its entry.
        """
        file = file_of(self._content, node)
        lines = self._lines(file)
        if not file.endswith(".sql"):
            begin = self._places(file).test(node)
            entry = _entry(lines, begin) if begin else lines
            return file, (begin or 1) - 1 + _first(entry, _quoted(message))
        if position is None:
            return file, _first(lines, _quoted(message))
        whole = compiled[: compiled.find("\n", position) if "\n" in compiled[position:] else None]
        text = whole.rpartition("\n")[2].strip()
        same = [at for at, line in enumerate(lines, 1) if text and line.strip() == text]
        if len(same) == 1:
            return file, same[0]
        raw = str(node.get("raw_code") or "")
        above = max(0, "\n".join(lines).find(raw)) if raw else 0
        return file, "\n".join(lines).count("\n", 0, above) + _line_of(raw, compiled, position)

    def of_column(self, node: Mapping[str, Any], column: str, *meta: str) -> tuple[str, int]:
        """Return file and line of a column's description; the model's own file where it has none.

        With `meta`, that of what its meta says below these keys, as far as they are there.
        """
        file = self._description(node)
        if not file:
            return file_of(self._content, node), 1
        return file, self._places(file).column(str(node["name"]), column, *meta) or 1

    def of_description(self, node: Mapping[str, Any]) -> int:
        """Return the line of the YAML file that describes a node where its entry begins."""
        return self._places(self._description(node)).table(str(node["name"])) or 1

    def of_config(self, node: Mapping[str, Any], key: str) -> tuple[str, int]:
        """Return file and line where a config of a node is stated, as `key` or as `key: value`.

        As dbt has it: the node's own file counts, then its description, then the innermost folder of
        dbt_project.yml. Where it is stated nowhere it is the first line of the node's own file;
        so it is where work is handed it down, as what is wrong with work is told in files of work.
        """
        own, described = file_of(self._content, node), self._description(node)
        named, _, value = key.partition(": ")
        word = re.escape(named.replace("-", "_")).replace("_", "[_-]")
        stated = re.compile(rf"(?<![\w-])\+?['\"]?{word}['\"]?\s*[:=]\s*{re.escape(value)}")
        begins = {own: 1, described: self._places(described).table(str(node["name"])) if described else None}
        for file, begin in begins.items():
            lines = self._lines(file)
            inside = (lines if file == own else _entry(lines, begin)) if begin else []
            for at, line in enumerate(inside, begin or 1):
                if stated.search(line):
                    return file, at
        work = stage_of(own) is Stage.WORK
        line = 0 if work else self._places(PROJECT_FILE).handed_down(node, named)
        return (PROJECT_FILE, line) if line else (own, 1)

    def _description(self, node: Mapping[str, Any]) -> str:
        """Return the YAML file that describes a node; "" if there is none."""
        patch = str(node.get("patch_path") or "").partition("://")[2]
        return file_of(self._content, {**node, "original_file_path": patch}) if patch else ""

    def _places(self, file: str) -> YamlPlaces:
        return YamlPlaces(self._project_dir / file, self._project_dir)

    def of_message(self, message: str) -> tuple[str, int]:
        """Return the place that a message of dbt's names; the project's own file where it names none."""
        for groups in _IN_A_MESSAGE.findall(message):
            named = next(filter(None, groups))
            file = f"dbt_project/{named}"
            if lines := self._lines(file):
                return file, _told_line(lines, message)
        return PROJECT_FILE, 1

    def _lines(self, file: str) -> list[str]:
        path = self._project_dir / file
        return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []


def _told_line(lines: list[str], message: str) -> int:
    """Return the line that a message of dbt's tells, whose text it quotes; or that of a name in it."""
    if told := _LINE.search(message):
        number, text = int(told[1]), told[2].strip()
        # dbt counts from the first line that is not empty.
        same = [at for at, line in enumerate(lines, 1) if text and line.strip() == text]
        return min(same, key=lambda at: abs(at - number)) if same else min(number, len(lines))
    named = [name for pattern in _NAMED for name in pattern.findall(message)]
    return _first(lines, [part for name in named for part in (name, name.rpartition(".")[2])])


def _quoted(message: str) -> list[str]:
    return [part for name in _QUOTED.findall(message) for part in (name, name.rpartition(".")[2])]


def _first(lines: list[str], searched: list[str]) -> int:
    """Return the first line with the first of these words that is there; or else the first line."""
    for text in searched:
        whole = re.compile(rf"(?<!\w){re.escape(text)}(?!\w)")
        for at, line in enumerate(lines, 1):
            if whole.search(line):
                return at
    return 1


def _entry(lines: list[str], begin: int) -> list[str]:
    """Return the lines of an entry in YAML: its first, and those that are further in."""
    first, *others = lines[begin - 1 :]
    inside = takewhile(lambda line: not line.strip() or _indent(line) > _indent(first), others)
    return [first, *inside]


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _line_of(raw: str, compiled: str, position: int) -> int:
    """Return the line of a text with Jinja in which a place in what it was compiled to has come about.

    What stands between the Jinja is found again in the order in which it stands there; what is none of it was
    made by the Jinja before it. Of a loop only the first round is found.
    """
    found, begin = 0, 0
    for jinja in (*_JINJA.finditer(raw), None):
        end = jinja.start() if jinja else len(raw)
        text = raw[begin:end].strip()
        at = compiled.find(text, found) if text else -1
        if at >= 0:
            start = raw.index(text, begin)
            if position < at:  # in what the Jinja before it has made
                return raw.count("\n", 0, max(0, begin - 1)) + 1
            if position < at + len(text):
                return raw.count("\n", 0, start + position - at) + 1
            found = at + len(text)
        if jinja is None:
            break
        begin = jinja.end()
    return raw.count("\n", 0, begin) + 1
