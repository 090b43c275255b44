"""Suite file -> `Suite`: one suite of Great Expectations a table, in GX's own serialised form.

Belongs here: reading the file. Does not belong here: whether GX and the table know what it says
(`suite_rules`).
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sluicegate.core.lineage import Table
from sluicegate.core.problems import Problem
from sluicegate.core.severity import Severity
from sluicegate.core.stages import Stage
from sluicegate.core.yaml_files import YamlFile, yaml_folder
from sluicegate.warehouse.slices import partition_condition

FOLDER = "expectations"
SUFFIXES = (".yml", ".yaml")
CHECK_NAME = "expectations"
_SUBJECTS = ("column", "column_A", "column_B", "column_list", "column_set")


class Rule(BaseModel):
    """One expectation: GX's `type` and `kwargs`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: str
    kwargs: Mapping[str, Any] = {}
    severity: Severity = Severity.CRITICAL
    meta: Mapping[str, Any] = {}

    @property
    def title(self) -> str:
        """The rule in one line."""
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.kwargs.items())
        return f"{self.type}({arguments})"

    @property
    def subject(self) -> str:
        """What the rule looks at: its type and its columns, whatever its bounds."""
        named = [str(self.kwargs[name]) for name in _SUBJECTS if name in self.kwargs]
        return f"{self.type}({', '.join(named)})" if named else self.type


class _SuiteModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    description: str = ""
    expectations: tuple[Rule, ...] = Field(min_length=1)


@dataclass(frozen=True)
class Suite:
    """The rules for one table; `table` is a source's or a dbt node's name."""

    table: str
    description: str
    rules: tuple[Rule, ...]
    file: YamlFile

    @property
    def blocking(self) -> bool:
        """Whether a failure of this suite can hold anything."""
        return any(rule.severity.blocks for rule in self.rules)

    @property
    def rules_digest(self) -> str:
        """A digest of what the suite blocks by: its critical rules, with their parameters as written.

        What else it says shows, and holds nothing.
        """
        critical = [[rule.type, rule.kwargs] for rule in self.rules if rule.severity.blocks]
        told = sorted(json.dumps(rule, sort_keys=True, default=repr) for rule in critical)
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()

    @property
    def unique_columns(self) -> tuple[str, ...]:
        """The columns that name a row, as far as a rule of the suite says so."""
        for rule in self.rules:
            if rule.type == "expect_compound_columns_to_be_unique":
                return tuple(rule.kwargs.get("column_list") or ())
        single = [rule for rule in self.rules if rule.type == "expect_column_values_to_be_unique"]
        return tuple(str(rule.kwargs["column"]) for rule in single[:1])


@dataclass(frozen=True)
class SuiteTarget:
    """A suite and its table.

    `partition_column` cuts the table into its partitions; `key_columns` name a row to people; the values of
    `classified` columns are never shown.
    """

    suite: Suite
    table: Table
    partition_column: str | None
    key_columns: tuple[str, ...] = ()
    classified: frozenset[str] = frozenset()

    def condition(self, partition_key: str) -> str | None:
        """Return the SQL condition for the rows of a partition."""
        if self.partition_column is None:
            return None
        return partition_condition(self.partition_column, self.table.partitioning, partition_key)


def load_suites(
    project_dir: Path, stages: Collection[Stage] = tuple(Stage)
) -> tuple[dict[str, Suite], list[Problem]]:
    """Read `expectations/`; return the suites of these stages by table name, and every problem found."""
    files, problems = yaml_folder(project_dir / FOLDER, project_dir, SUFFIXES, stages=stages)
    suites: dict[str, Suite] = {}
    for file in files:
        try:
            model = _SuiteModel.model_validate(file.data)
        except ValidationError as error:
            problems += file.model_problems(
                error,
                lambda at: list(Rule.model_fields if at else _SuiteModel.model_fields),
            )
            continue
        name = file.path.name.removesuffix(".yml").removesuffix(".yaml")
        suites[name] = Suite(name, model.description, model.expectations, file)
    return suites, problems
