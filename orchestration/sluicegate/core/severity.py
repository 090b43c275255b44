"""How grave it is that a rule fails, in the words of those who write rules.

Belongs here: which words there are, and which of them hold what comes after. Does not belong here: what a
rule says (`quality`, dbt), and what a gate makes of it. Rules of a contract have none: they always hold.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """A suite's words: `critical` blocks, `warning` shows, `info` records."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"

    @property
    def blocks(self) -> bool:
        """Whether a failure holds what comes after."""
        return self is Severity.CRITICAL

    @classmethod
    def of_dbt(cls, config: Mapping[str, Any]) -> "Severity":
        """Return what the config of a data test says in dbt's words; dbt's own default is `error`.

        Raises:
            KeyError: dbt knows no such word.
        """
        return {"error": cls.CRITICAL, "warn": cls.WARNING}[str(config.get("severity") or "error").lower()]
