"""Names and types that dbt writes into SQL as they stand: what of them is a name, and nothing else.

dbt puts a name between quotes without doubling those within, or writes no quotes at all: a header of a seed,
a described column and a type can each end the statement that they are part of, and begin another.
Belongs here: which text is a plain name or type, and the names that people write in files. Does not belong
here: names of tables (`sluicegate.project.names`), values of configs (`config_rules`).
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sluicegate.core.problems import Problem
from sluicegate.core.settings import Settings
from sluicegate.transformation.code_lines import CodeLines, file_of

_WORD = re.compile(r"[^\W\d]\w*")
# What may end a name in quotes, or the statement that it stands in; `'` is of texts that hold names.
_NEVER = re.compile(r"[\"'`;\x00-\x1f\x7f-\x9f\u2028\u2029]|/\*|\*/|--")
_PARENTHESES = re.compile(r"[()]")
_TOKEN = re.compile(r"\"(?:[^\"]|\"\")*\"|'(?:[^']|'')*'|[^\"']", re.DOTALL)
_OF_A_TYPE = re.compile(r"(?:\"(?:[^\"]|\"\")*\"|'(?:[^']|'')*'|[\w ,.()\[\]])+")
_OPENS, _CLOSES = "([{", ")]}"

NAME = "a name without quotes, `;`, comments and control characters"
_SEED_NAME = "names of letters, digits, `_`, spaces and other signs, but no quotes, `;` and parentheses"
_BARE_NAME = "a name of letters, digits and `_`, not a digit first"


def is_plain(name: str) -> bool:
    """Return whether a name stays one between double quotes that are not doubled within."""
    return bool(name.strip()) and _NEVER.search(name) is None


def is_word(name: str) -> bool:
    """Return whether a name stays one without quotes."""
    return _WORD.fullmatch(name) is not None


def is_type(text: str) -> bool:
    """Return whether a text can only be a type, whatever SQL it is put into; the engine may not have it."""
    if _OF_A_TYPE.fullmatch(text) is None or "--" in text or "/*" in text or ";" in text:
        return False
    outside = outside_parentheses(text)
    return outside is not None and "," not in outside and _WORD.match(text.lstrip(' "')) is not None


def outside_parentheses(text: str) -> str | None:
    """Return what of an expression stands outside quotes and parentheses; None if one is not closed."""
    depth, outside = 0, ""
    tokens = _TOKEN.findall(text)
    if sum(map(len, tokens)) != len(text):  # a quote that does not end
        return None
    for token in tokens:
        if token in _OPENS:
            depth += 1
        elif token in _CLOSES:
            depth -= 1
        elif depth == 0 and len(token) == 1:
            outside += token
        if depth < 0:
            return None
    return outside if depth == 0 else None


def name_in_sql_problems(settings: Settings, content: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield headers of seeds, described columns and paths of seeds that are more than names.

    Args:
        settings: the deployment.
        content: that of `manifest.json`.
    """
    lines = CodeLines(settings.project_dir, content)
    for node in content["nodes"].values():
        if node["resource_type"] == "seed":
            yield from _seed_problems(settings, content, node)
        if node["resource_type"] in ("model", "seed", "snapshot"):
            yield from _described_problems(lines, node)


def _seed_problems(
    settings: Settings, content: Mapping[str, Any], node: Mapping[str, Any]
) -> Iterator[Problem]:
    file, config = file_of(content, node), node["config"]
    if "'" in str(node["original_file_path"]):
        yield Problem(
            file, 1, f"the path of seed `{node['name']}` has a quote, `'`",
            "a path without quotes: dbt writes it into SQL as it stands", "rename the folder",
        )  # fmt: skip
    path = Path(node.get("root_path") or settings.dbt_dir) / node["original_file_path"]
    quoted = config.get("quote_columns") is not False
    for number, name in enumerate(_header(path, str(config.get("delimiter") or ",")), 1):
        if quoted and is_plain(name) and not _PARENTHESES.search(name):
            continue
        if not quoted and is_word(name):
            continue
        yield Problem(
            file, 1, f"column {number} of seed `{node['name']}` is called {shown(name)}",
            _SEED_NAME if quoted else f"{_BARE_NAME}: with quote_columns: false it is written as it stands",
            "rename it in the first line of the file", cause="" if quoted else "quote_columns",
        )  # fmt: skip


def _header(path: Path, delimiter: str) -> Sequence[str]:
    """Return the names that dbt takes from a seed; none where it reads none, of which another tells."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return next(csv.reader(file, delimiter=delimiter), [])
    except (OSError, TypeError, ValueError, csv.Error):
        return []


def _described_problems(lines: CodeLines, node: Mapping[str, Any]) -> Iterator[Problem]:
    config = node["config"]
    enforced = (config.get("contract") or {}).get("enforced")
    written = enforced or (config.get("persist_docs") or {}).get("columns")
    for name, column in (node.get("columns") or {}).items():
        bare = bool(written) and not column.get("quote")
        if is_word(name) if bare else is_plain(name):
            continue
        file, line = lines.of_column(node, name)
        expected = f"{_BARE_NAME}, or `quote: true` beside it" if is_plain(name) else NAME
        yield Problem(
            file, line, f"`{node['name']}` describes a column {shown(name)}", expected,
            "write `quote: true` below the name" if is_plain(name) else "rename it in the SQL and here",
        )  # fmt: skip
    for name in config.get("column_types") or {}:
        if not is_plain(str(name)):
            file, line = lines.of_column(node, str(name))
            yield Problem(
                file, line, f"column_types of `{node['name']}` names {shown(str(name))}", NAME,
                "name a column of the file",
            )  # fmt: skip


def shown(name: str) -> str:
    """Return a name as it may stand in a message: in one line, and not longer than a line."""
    return f"`{' '.join(name.split())[:60]}`" if name.strip() else "nothing"
