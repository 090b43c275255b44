"""Deployments on other data directories: what tests of backups restore into.

Belongs here: where a copy's things are. Does not: any expectation.
"""

from pathlib import Path
from typing import Any

from pydantic import SecretStr

from tests.company import Company


def at(company: Company, folder: Path, **settings: Any) -> Company:
    """Return the same deployment on another data directory, with the journal of erasures that it has."""
    moved: dict[str, Any] = {
        "data_dir": folder,
        "warehouse_path": folder / "warehouse.duckdb",
        "deliveries_dir": folder / "deliveries",
        "state_url": SecretStr(f"sqlite:///{folder / 'state.db'}"),
        "staging_url": str(folder / "staging"),
        "originals_url": str(folder / "originals"),
        "processing_url": str(folder / "processing"),
    }
    changed = company.settings.model_copy(update=moved | settings)
    return type(company)(changed, company.postgres_url, company.container)


def typed(company: Company, *arguments: str, code: int = 0) -> str:
    """Type a command, which ends with a code; return all that it wrote, in one line."""
    found, written, complained = company.sluice(*arguments)
    assert found == code, written + complained
    return " ".join((written + complained).split())


def backed_up(company: Company, folder: Path) -> str:
    """Take a backup, and return its name."""
    said = typed(company, "backup", "create", str(folder))
    return said.partition("backup 2")[2].partition(":")[0].join(["2", ""])
