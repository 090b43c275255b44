"""`contracts/classes.yml`: which data classes there are, what lowers one, and what may decide unseen.

Belongs here: what the file may say, what holds without it, and which words are classes. Does not belong here:
how classes travel from column to column (`columns.classes`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from sluicegate.contracts.columns import OPEN_CLASSIFICATIONS
from sluicegate.contracts.load import CLASSES_FILE
from sluicegate.contracts.model import SourceContract
from sluicegate.core.problems import Problem, did_you_mean
from sluicegate.core.yaml_files import Location, YamlFile, read_yaml

_USUAL = ("public", "internal", "restricted", "personal")
# Of one row there is no group.
_SMALLEST_GROUP = 2


class Indirect(StrEnum):
    """What becomes of an export of which a class decides the rows or their order, and no value."""

    REFUSE = "refuse"
    WARN = "warn"
    ALLOW = "allow"


@dataclass(frozen=True)
class ClassRules:
    """The data classes, from the most open to the most closed, and what lowers one.

    `masked` is {class: what it becomes by the contract's `hash`}, `measured` {class: (what it becomes, of how
    many rows at least)}. `file` is where it is said; None where nobody has: then other words are classes,
    too, of which none is more open than another.
    """

    classes: tuple[str, ...] = _USUAL
    masked: Mapping[str, str] = field(default_factory=dict[str, str])
    measured: Mapping[str, tuple[str, int]] = field(default_factory=dict[str, tuple[str, int]])
    indirect: Mapping[str, Indirect] = field(default_factory=dict[str, Indirect])
    file: YamlFile | None = None

    def within(self, class_: str, other: str) -> bool:
        """Whether a class is known to be as open as another, or more."""
        known = self.classes
        return class_ == other or (
            class_ in known and other in known and known.index(class_) < known.index(other)
        )

    def deciding(self, class_: str) -> Indirect:
        """Return what becomes of an export of which a class decides the rows: without a word it is told."""
        return self.indirect.get(class_, Indirect.ALLOW if class_ in OPEN_CLASSIFICATIONS else Indirect.WARN)

    def unknown(self, class_: str) -> tuple[str, str] | None:
        """Return what is expected in the place of a word that is no class, and the fix; None if it is one."""
        if self.file is None or not class_ or class_ in self.classes:
            return None
        expected = f"a class of {self.file.name}: {', '.join(self.classes)}"
        return expected, did_you_mean(class_, self.classes)


class _Lowering(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    from_: str = Field(alias="from")
    by: Literal["masked", "measure"]
    to: str
    at_least: Annotated[int, Field(strict=True)] | None = Field(default=None, validate_default=True)

    @field_validator("at_least")
    @classmethod
    def _of_a_group(cls, rows: int | None, info: ValidationInfo) -> int | None:
        by = info.data.get("by")
        if by == "measure" and (rows is None or rows < _SMALLEST_GROUP):
            raise ValueError(f"a number of rows, {_SMALLEST_GROUP} or more")
        if by == "masked" and rows is not None:
            raise ValueError("nothing: only a measure has a group")
        return rows


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    classes: list[Annotated[str, Field(min_length=1)]] = Field(default=list(_USUAL), min_length=1)
    declassify: list[_Lowering] = []
    indirect: dict[str, Indirect] = {}


def load_classes(project_dir: Path) -> tuple[ClassRules, list[Problem]]:
    """Return what `contracts/classes.yml` says, or what holds without it, and every problem found."""
    path = project_dir / "contracts" / CLASSES_FILE
    if not path.exists():
        return ClassRules(), []
    read = read_yaml(path, project_dir)
    if isinstance(read, Problem):
        return ClassRules(), [read]
    try:
        said = _File.model_validate(read.data)
    except ValidationError as error:
        return ClassRules(), read.model_problems(error, _known_fields)
    lowered = {by: [one for one in said.declassify if one.by == by] for by in ("masked", "measure")}
    rules = ClassRules(
        classes=tuple(said.classes),
        masked={one.from_: one.to for one in lowered["masked"]},
        measured={one.from_: (one.to, one.at_least or 0) for one in lowered["measure"]},
        indirect=said.indirect,
        file=read,
    )
    return rules, list(_file_problems(read, said, rules))


def class_word_problems(
    rules: ClassRules, contracts: Mapping[str, SourceContract], cleared: Mapping[YamlFile, Sequence[str]]
) -> Iterator[Problem]:
    """Yield words that are no classes, where a file says which there are.

    `cleared` is {export file: the classes that it says its destination may receive}.
    """
    for contract in contracts.values():
        tables = cast("list[dict[str, Any]]", contract.file.data.get("schema") or [{}])
        for place, item in enumerate(tables[0].get("properties") or []):
            word = str(item.get("classification") or "")
            if wrong := rules.unknown(word):
                at = ("schema", 0, "properties", place, "classification")
                what = f"`{item.get('name')}` is classified `{word}`"
                yield contract.file.problem(what, expected=wrong[0], fix=wrong[1], at=at, code="SLU-P006")
    for file, words in cleared.items():
        for word in words:
            if wrong := rules.unknown(word):
                what = f"`classes` names `{word}`"
                yield file.problem(what, expected=wrong[0], fix=wrong[1], at=("classes",), code="SLU-P006")


def _file_problems(file: YamlFile, said: _File, rules: ClassRules) -> Iterator[Problem]:
    for place, word in enumerate(said.classes):
        if said.classes.index(word) != place:
            yield file.problem(
                f"`classes` names `{word}` twice", expected="each class once, the most open one first",
                fix="take one of them away", at=("classes", place), code="SLU-P009",
            )  # fmt: skip
    named: list[tuple[str, Location]] = [(word, ("indirect", word)) for word in said.indirect]
    seen: set[tuple[str, str]] = set()
    for place, one in enumerate(said.declassify):
        at: Location = ("declassify", place)
        named += [(one.from_, (*at, "from")), (one.to, (*at, "to"))]
        if (one.from_, one.by) in seen:
            yield file.problem(
                f"a second rule lowers `{one.from_}` by {one.by}", expected="one rule of each kind a class",
                fix="take one of them away", at=at, code="SLU-P009",
            )  # fmt: skip
        seen.add((one.from_, one.by))
        known = {one.from_, one.to} <= set(rules.classes)
        if known and (one.from_ == one.to or not rules.within(one.to, one.from_)):
            yield file.problem(
                f"`{one.to}` is not more open than `{one.from_}`",
                expected=f"a class before it in `classes`: {', '.join(rules.classes)}",
                fix="name one of those, or take the rule away", at=(*at, "to"), code="SLU-P008",
            )  # fmt: skip
    for word, at in named:
        if word not in rules.classes:
            yield file.problem(
                f"`{word}` is no class", expected=f"one of `classes`: {', '.join(rules.classes)}",
                fix=did_you_mean(word, rules.classes), at=at, code="SLU-P006",
            )  # fmt: skip


def _known_fields(at: Location) -> list[str]:
    model: type[BaseModel] = _Lowering if at[:1] == ("declassify",) else _File
    return [found.alias or name for name, found in model.model_fields.items()]
