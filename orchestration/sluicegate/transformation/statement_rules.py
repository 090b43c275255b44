"""A model, a snapshot and a data test are one select each: what follows a `;` would run as well.

DuckDB runs all statements of a text, and dbt hands it the text as it is: a second one changes what is judged.
Belongs here: what is written out, in models and in macros. Does not belong here: what Jinja asks for
(`jinja_rules`).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from sluicegate.core.problems import Problem
from sluicegate.core.settings import Settings
from sluicegate.transformation.jinja_rules import line_of
from sluicegate.transformation.manifest import DbtManifest, file_of
from sluicegate.transformation.shared_macros import is_shared

# It says for itself what it does (`jinja_rules`), and may stand within a text in quotes.
_JINJA = re.compile(r"\{#.*?#\}|\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
# What makes no SQL by itself: comments, tags and settings.
_NO_SQL = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{-?\s*config\s*\(.*?\}\}|--[^\n]*|/\*.*?\*/", re.DOTALL)
# In SQL no end of a statement: comments, texts and quoted names.
_NO_END = re.compile(
    r"--[^\n]*|/\*.*?\*/|\$(\w*)\$.*?\$\1\$"
    r"|\b[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|(;)",
    re.DOTALL,
)


def statement_problems(settings: Settings, manifest: DbtManifest) -> Iterator[Problem]:
    """Yield the texts in which a statement ends, and those in which there is none."""
    content = manifest.content
    own = content["metadata"]["project_name"]
    for node in content["nodes"].values():
        if node["resource_type"] in ("model", "snapshot", "test") and node.get("language") != "python":
            text = str(node.get("raw_code") or "")
            yield from _problems(settings, content, node, text, "")
            if not _NO_SQL.sub(" ", text).strip():
                yield Problem(
                    file_of(content, node), 1, f"`{node['name']}` has no SQL",
                    "one select: of comments and settings no table is made",
                    "write its select, or take the file away",
                )  # fmt: skip
    for macro in content["macros"].values():
        if macro["package_name"] == own and not is_shared(macro):
            yield from _problems(settings, content, macro, str(macro["macro_sql"]), "macro ")


def _problems(
    settings: Settings, content: Mapping[str, Any], owner: Mapping[str, Any], text: str, kind: str
) -> Iterator[Problem]:
    if ";" not in text or owner.get("test_metadata"):
        return
    sql = _JINJA.sub(lambda jinja: "\n" * jinja.group().count("\n"), text)
    for found in _NO_END.finditer(sql):
        if found.group(2):
            file = file_of(content, owner)
            yield Problem(
                file, line_of(settings, file, text, sql.count("\n", 0, found.start()) + 1),
                f"{kind}`{owner['name']}` ends a statement with `;`",
                "one select, and nothing after it: DuckDB would run that, too",
                "take the `;` away, and make a model of what follows", cause=f"{kind}statement",
            )  # fmt: skip
            return
