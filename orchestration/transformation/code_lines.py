"""Where in a project's files something of dbt's stands: file and line.

Belongs here: from a node, a place in compiled SQL or a message of dbt's to a line that a person can go to.
Does not belong here: what is wrong there.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PROJECT_FILE = "dbt_project/dbt_project.yml"
_WORD = re.compile(r"\w+")
_QUOTED = re.compile(r"[`\"]([^`\"]+)[`\"]")
_IN_A_MESSAGE = re.compile(r"\(([\w./-]+\.(?:sql|ya?ml))\)|\bat path ([\w./-]+)")


def file_of(content: Mapping[str, Any], node: Mapping[str, Any]) -> str:
    """Return the file of a node, source or macro of a manifest, relative to the project directory."""
    package, path = node["package_name"], node["original_file_path"]
    inside = "" if package == content["metadata"]["project_name"] else f"dbt_packages/{package}/"
    return f"dbt_project/{inside}{path}"


class CodeLines:
    """The lines of a project's dbt files; `content` is that of `manifest.json`."""

    def __init__(self, project_dir: Path, content: Mapping[str, Any]) -> None:
        self._project_dir = project_dir
        self._content = content

    def of_position(
        self, node: Mapping[str, Any], compiled: str, position: int | None, message: str
    ) -> tuple[str, int]:
        """Return file and line of a place in a node's compiled SQL.

        The line that reads the same; or else the first with the word that stands there, or with a name that
        the message quotes; or else the first. A test that is written in YAML is found by such a name.
        """
        file = file_of(self._content, node)
        lines = self._lines(file)
        searched: list[str] = []
        if position is not None and file.endswith(".sql"):
            whole = compiled[: compiled.find("\n", position) if "\n" in compiled[position:] else None]
            text = whole.rpartition("\n")[2].strip()
            for at, line in enumerate(lines, 1):
                if text and line.strip() == text:
                    return file, at
            if word := _WORD.match(compiled, position):
                searched.append(word.group())
        for quoted in _QUOTED.findall(message):
            searched += [quoted, quoted.rpartition(".")[2]]
        return file, self._first(lines, searched)

    def of_column(self, node: Mapping[str, Any], column: str) -> tuple[str, int]:
        """Return file and line of a column's description; the model's own file where it has none."""
        patch = str(node.get("patch_path") or "").partition("://")[2]
        if not patch:
            return file_of(self._content, node), 1
        file = file_of(self._content, {**node, "original_file_path": patch})
        lines, below = self._lines(file), False
        for at, line in enumerate(lines, 1):
            words = line.replace("-", " ", 1).split()
            below = below or words[:2] == ["name:", str(node["name"])]
            if below and words[:2] == ["name:", column]:
                return file, at
        return file, 1

    def of_message(self, message: str) -> tuple[str, int]:
        """Return the file that a message of dbt's names; the project's own file where it names none."""
        for groups in _IN_A_MESSAGE.findall(message):
            named = next(filter(None, groups))
            if (self._project_dir / "dbt_project" / named).is_file():
                return f"dbt_project/{named}", 1
        return PROJECT_FILE, 1

    def _lines(self, file: str) -> list[str]:
        path = self._project_dir / file
        return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []

    @staticmethod
    def _first(lines: list[str], searched: list[str]) -> int:
        for text in searched:
            whole = re.compile(rf"(?<!\w){re.escape(text)}(?!\w)")
            for at, line in enumerate(lines, 1):
                if whole.search(line):
                    return at
        return 1
