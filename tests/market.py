"""The demo's company with a part of its exports, for stories that look at no other.

Belongs here: the copy of its folders. Does not: what lands, and any expectation.
"""

import shutil
from pathlib import Path

import yaml
from sluicegate.core.settings import REPOSITORY

APP, PARTNER = "exp_top_items_retailer_app", "exp_top_items_partner_drop"
MESSAGES = "exp_missing_items_messaging"


def market_with(project: Path, *exports: str) -> Path:
    """Copy the demo's company; of its exports these, as each is a table, its checks and a delivery a day.

    What no export of these needs is left out as well: what lands in Kusto.
    """
    for name in ("contracts", "dbt_project", "expectations", "exports"):
        shutil.copytree(REPOSITORY / name, project / name)
    others = {file.stem for file in (project / "exports").glob("*.yml")} - {*exports}
    for name in others:
        for file in (
            f"exports/{name}.yml",
            f"expectations/{name}.yml",
            f"dbt_project/models/exports/{name}.sql",
        ):
            (project / file).unlink()
    for file in (project / "dbt_project/models/exports").glob("*.yml"):
        said = yaml.safe_load(file.read_text())
        said["models"] = [model for model in said["models"] if model["name"] not in others]
        file.write_text(yaml.safe_dump(said, sort_keys=False))
    return project
