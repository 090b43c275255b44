"""Tables of failed rows, which dbt's `store_failures` makes: no test may leave one behind.

Such a table holds rows that nobody has judged, all their columns in clear, in a schema where no masking, no
erasure and no retention looks; and which columns it has, its test's SQL alone knows. So it is refused on
every table, not on those with classified columns alone: a table may get one any day, or a test read another.

Belongs here: finding where it is set. Does not belong here: what a test says (`data_tests`).
"""

import os
from collections.abc import Iterator, Mapping
from typing import Any, cast

from sluicegate.core.problems import Problem
from sluicegate.core.settings import Settings
from sluicegate.core.yaml_files import read_yaml
from sluicegate.transformation.code_lines import PROJECT_FILE
from sluicegate.transformation.manifest import DbtManifest, file_of

_SETTING = "store_failures"
_VARIABLES = ("DBT_ENGINE_STORE_FAILURES", "DBT_STORE_FAILURES")
_EXPECTED = (
    "failed rows that are counted and stored nowhere: their table would hold them in clear, and no masking,"
    " erasure or retention reaches it"
)


def stored_failures_problems(settings: Settings, manifest: DbtManifest) -> Iterator[Problem]:
    """Yield each data test whose failed rows dbt would store, and the setting that does so for all."""
    project_file = read_yaml(settings.dbt_dir / "dbt_project.yml", settings.project_dir)
    flags: Any = {} if isinstance(project_file, Problem) else project_file.data.get("flags") or {}
    if not isinstance(project_file, Problem) and isinstance(flags, Mapping) and flags.get(_SETTING):
        yield project_file.problem(
            f"`flags` say `{_SETTING}`: each data test would leave a table of its failed rows",
            expected=_EXPECTED, fix=f"remove `{_SETTING}` from `flags`", at=("flags", _SETTING),
        )  # fmt: skip
    # A later change of it is noticed, as what dbt reads of the environment belongs to the parse.
    for name in _VARIABLES:
        if os.environ.get(name, "").lower() not in ("", "0", "f", "false", "n", "no", "off"):
            yield Problem(
                PROJECT_FILE, 1, f"the variable {name} of the environment has each data test store its rows",
                _EXPECTED, f"unset {name}",
            )  # fmt: skip
    for test in manifest.tests():
        config = cast("Mapping[str, Any]", test["config"])
        if not (config.get(_SETTING) or config.get(f"{_SETTING}_as") in ("table", "view")):
            continue
        file, line = _said_in(settings, manifest, test)
        yield Problem(
            file, line, f"data test `{test['name']}` would leave a table of its failed rows", _EXPECTED,
            f"remove `{_SETTING}` and `{_SETTING}_as`: run the test's own SQL to look at the rows",
            cause=f"{_SETTING} {file}",
        )  # fmt: skip


def _said_in(settings: Settings, manifest: DbtManifest, test: Mapping[str, Any]) -> tuple[str, int]:
    """Return the file and line that set it: the test's own, its macro's, or the project's."""
    macros = manifest.content["macros"]
    used = [macros[name] for name in test["depends_on"]["macros"] if name in macros]
    own = file_of(manifest.content, test)
    for file in (own, *(file_of(manifest.content, macro) for macro in used), PROJECT_FILE):
        path = settings.project_dir / file
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        found = [number for number, text in enumerate(lines, start=1) if _SETTING in text]
        if found:
            return file, found[0]
    return own, 1
