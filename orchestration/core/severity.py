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


class DbtSeverity(StrEnum):
    """dbt's words for its data tests."""

    ERROR = "error"
    WARN = "warn"

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "DbtSeverity":
        """Return what the config of a test says, in whatever case; where it says nothing, dbt's own default.

        Raises:
            ValueError: dbt knows no such word.
        """
        return cls(str(config.get("severity") or cls.ERROR).lower())

    @property
    def blocks(self) -> bool:
        """Whether a failure holds what comes after."""
        return self is DbtSeverity.ERROR
