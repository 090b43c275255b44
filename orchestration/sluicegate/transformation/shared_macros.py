"""The macros that every company shares: what of them a dbt project must read.

Belongs here: their names, and whether a project reads them. Does not belong here: what they do.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from sluicegate.core.problems import Problem
from sluicegate.core.settings import SHARED_DBT_MACROS, Settings
from sluicegate.transformation.code_lines import PROJECT_FILE

_ITEM = "\"{{ env_var('SLUICE_DBT_MACROS') }}\""
_VARIABLE = "SLUICE_DBT_MACROS"
_MACRO = re.compile(r"\{%-?\s*(macro|test)\s+(\w+)")


def is_shared(macro: Mapping[str, Any]) -> bool:
    """Whether a macro of a manifest is the platform's."""
    return str(SHARED_DBT_MACROS) in str(macro["original_file_path"])


def macro_path_problems(settings: Settings, content: Mapping[str, Any]) -> list[Problem]:
    """Return that a parsed project reads none, or not all, of the platform's macros."""
    found = {macro["name"] for macro in content["macros"].values() if is_shared(macro)}
    missing = sorted(_names() - found)
    return [_problem(settings, f"`{missing[0]}` and {len(missing) - 1} more")] if missing else []


def unread_problems(settings: Settings) -> list[Problem]:
    """Return the same of a project that dbt could not parse, which may well be why."""
    return (
        [] if _VARIABLE in _project_text(settings) else [_problem(settings, "in-partition filters, versions")]
    )


@cache
def _names() -> frozenset[str]:
    """The names of the platform's macros, as dbt calls them."""
    found: set[str] = set()
    for path in SHARED_DBT_MACROS.glob("*.sql"):
        for kind, name in _MACRO.findall(path.read_text(encoding="utf-8")):
            found.add(f"test_{name}" if kind == "test" else name)
    return frozenset(found)


def _problem(settings: Settings, what: str) -> Problem:
    return Problem(
        PROJECT_FILE, _line(settings), f"the platform's macros are not read: {what}",
        f"macro-paths with the item {_ITEM}", f"add it to macro-paths: [\"macros\", {_ITEM}]",
    )  # fmt: skip


def _project_text(settings: Settings) -> str:
    file = settings.dbt_dir / "dbt_project.yml"
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def _line(settings: Settings) -> int:
    """The line of macro-paths, or else the first."""
    lines = _project_text(settings).splitlines()
    return next((at for at, line in enumerate(lines, 1) if line.startswith("macro-paths")), 1)
