"""A company that begins with drafts, and people who write what `sluice check` says is open.

Belongs here: a person's hands. Does not: any expectation.
"""

import re
import shutil
from pathlib import Path

from sluicegate.core.settings import Settings

from tests.company import BAKERY, Company

_DBT = BAKERY.parent / "kiosk" / "dbt_project"

SAID = {
    "purpose": "What the shop sold.", "limitations": "None.",
    "dataGranularityDescription": "One row is one sale.", "description": "What the column says.",
}  # fmt: skip
TOLD = (
    "--purpose", "What the shop sold.", "--provider", "Shop, shop@shop.example",
    "--owner", "data@shop.example",
)  # fmt: skip


def finish(path: Path) -> None:
    """Write what a draft leaves open: words where there are none, and no TODO."""
    lines: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if re.match(r"\s*# TODO", line):  # a comment alone
            continue
        kept = line.partition("  # TODO")[0]
        field = kept.strip().partition(":")[0]
        lines.append(kept.replace('""', f'"{SAID[field]}"') if field in SAID and line != kept else kept)
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")


def empty_project(folder: Path) -> Company:
    """Return a deployment of a project without a source, a model or an export."""
    project = folder / "shop"
    for name in ("contracts", "expectations", "exports", "dbt_project/models/staging"):
        (project / name).mkdir(parents=True)
    for name in ("dbt_project.yml", "profiles.yml"):
        shutil.copy(_DBT / name, project / "dbt_project" / name)
    return Company(Settings.load({}, project_dir=project, data_dir=folder / "data"), "", folder)
