"""Suite file -> `Suite`: one suite of Great Expectations a table, in GX's own serialised form."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from orchestration.problems import Problem, did_you_mean
from orchestration.yaml_files import YamlFile, yaml_folder

SUFFIXES = (".yml", ".yaml")
CHECK_NAME = "expectations"


class Rule(BaseModel):
    """One expectation: GX's `type` and `kwargs`. `critical` blocks, `warning` shows, `info` records."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: str
    kwargs: Mapping[str, Any] = {}
    severity: Literal["critical", "warning", "info"] = "critical"
    meta: Mapping[str, Any] = {}

    @property
    def title(self) -> str:
        """The rule in one line."""
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.kwargs.items())
        return f"{self.type}({arguments})"


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
        return any(rule.severity == "critical" for rule in self.rules)


def load_suites(project_dir: Path) -> tuple[dict[str, Suite], list[Problem]]:
    """Read `expectations/`; return the suites by table name, and every problem found."""
    files, problems = yaml_folder(project_dir / "expectations", project_dir, SUFFIXES)
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
        known = expectation_types()
        for index, rule in enumerate(model.expectations):
            if rule.type not in known:
                problems.append(
                    file.problem(
                        f"unknown expectation `{rule.type}`",
                        expected="one of Great Expectations' core expectations",
                        mend=did_you_mean(rule.type, known),
                        at=("expectations", index, "type"),
                    )
                )
        # GX passes an empty table on every other rule; only a count notices that nothing came.
        if not any(rule.type.startswith("expect_table_row_count") for rule in model.expectations):
            problems.append(
                file.problem(
                    "no rule looks at the row count",
                    expected="an expect_table_row_count_… rule",
                    mend="add expect_table_row_count_to_be_between with min_value",
                    at=("expectations",),
                )
            )
        name = file.path.name.removesuffix(".yml").removesuffix(".yaml")
        suites[name] = Suite(name, model.description, model.expectations, file)
    return suites, problems


@cache
def expectation_types() -> frozenset[str]:
    """Return the types of GX's core expectations, from the schemas it ships; importing GX takes seconds."""
    spec = find_spec("great_expectations")
    assert spec is not None
    assert spec.origin is not None
    schemas = Path(spec.origin).parent / "expectations" / "core" / "schemas"
    names = (path.stem for path in schemas.glob("*.json"))
    return frozenset(_snake_case(name) for name in names if name != "index")


def _snake_case(name: str) -> str:
    """`ExpectColumnKLDivergence…` -> `expect_column_kl_divergence…`, as GX itself names types."""
    letters: list[str] = []
    for index, letter in enumerate(name):
        after_lower = index > 0 and not name[index - 1].isupper()
        before_lower = index + 1 < len(name) and name[index + 1].islower()
        if index > 0 and letter.isupper() and (after_lower or before_lower):
            letters.append("_")
        letters.append(letter.lower())
    return "".join(letters)
