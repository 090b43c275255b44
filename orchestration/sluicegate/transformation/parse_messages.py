"""Where what dbt says of a project that it cannot parse stands, also if dbt names no file.

Belongs here: messages of `dbt parse`. Does not belong here: those of compiling (`code_lines`).
"""

import re

from sluicegate.core.settings import Settings
from sluicegate.transformation.code_lines import PROJECT_FILE, CodeLines

# What dbt says of a data test, a generic one included, that is materialized otherwise.
_TEST = "A test must have a materialized value of 'test'"
_MATERIALIZED = re.compile(r"\bmaterialized\b(?!['\"]?\s*[=:]\s*['\"]?test\b)")
# Each kind of SQL file but a data test may say so.
_OTHERS = re.compile(r"\{%-?\s*(macro|materialization|snapshot)\b")
_FOLDERS = {"models": "model-paths", "snapshots": "snapshot-paths", "target": "", "dbt_packages": ""}


def place_of(settings: Settings, message: str) -> tuple[str, int]:
    """Return file and line, relative to the project directory; the project file's where nothing tells."""
    if _TEST in message:
        return next(iter(_materialized_tests(settings)), (PROJECT_FILE, 1))
    return CodeLines(settings.project_dir, {}).of_message(message)


def _materialized_tests(settings: Settings) -> list[tuple[str, int]]:
    """Return where data tests are materialized: those of their own first, then those in YAML."""
    import yaml

    stated = yaml.safe_load((settings.project_dir / PROJECT_FILE).read_text(encoding="utf-8")) or {}
    passed = {
        str(name)
        for folder, key in _FOLDERS.items()
        for name in ((stated.get(key) if key else None) or [folder])
    }
    found: list[tuple[str, int]] = []
    for suffix in ("sql", "yml", "yaml"):
        for path in sorted(settings.dbt_dir.rglob(f"*.{suffix}")):
            inside = path.relative_to(settings.dbt_dir)
            text = path.read_text(encoding="utf-8")
            if suffix == "sql" and (
                _OTHERS.search(text) or any(inside.is_relative_to(name) for name in passed)
            ):
                continue
            if suffix != "sql" and (inside.parts[0] in ("target", "dbt_packages") or "tests:" not in text):
                continue
            # A folder's `+materialized` is of its models, unless it stands below `data_tests`.
            below = text.rfind("tests:") if path.name == "dbt_project.yml" else 0
            if (at := _MATERIALIZED.search(text, max(below, 0))) is not None:
                file = f"dbt_project/{inside.as_posix()}"
                found.append((file, text.count("\n", 0, at.start()) + 1))
    return found
