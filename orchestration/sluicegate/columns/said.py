"""What dbt's files say of a column's class: a word that raises it, or an exception that lowers it for a time.

Belongs here: reading `classification` and `declassified` in a column's meta, strictly, each at its line.
Does not belong here: what they come to (`classes`). dbt's sources say what the contracts say.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from sluicegate.contracts.classes import ClassRules
from sluicegate.core.problems import Problem, did_you_mean
from sluicegate.core.relations import Relation
from sluicegate.core.settings import Settings
from sluicegate.delivery.export_files.last_mile import Day
from sluicegate.transformation.code_lines import CodeLines
from sluicegate.transformation.manifest import DbtManifest, DbtNode

CLASSIFICATION, DECLASSIFIED = "classification", "declassified"
EXCEPTION = "declassified: {from: %s, to: %s, reason: …, by: name@…, until: YYYY-MM-DD}"

_Text = Annotated[str, StringConstraints(strict=True, strip_whitespace=True, min_length=1)]


class Declassified(BaseModel):
    """An exception: one class of a column counts as another, until a day (its last, UTC)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    from_: _Text = Field(alias="from")
    to: _Text
    reason: _Text
    by: Annotated[str, StringConstraints(strict=True, pattern=r"^[^@\s]+@[^@\s]+$")]
    until: Day


@dataclass(frozen=True)
class Said:
    """What a dbt file says of one column."""

    node: DbtNode
    column: str
    classification: str = ""
    exception: Declassified | None = None

    def __str__(self) -> str:
        return f"{self.node.relation}.{self.column}"


class DbtWords:
    """What the dbt files of a project say of classes: `of` is {table: {column, in small letters: word}}."""

    def __init__(self, settings: Settings, manifest: DbtManifest, rules: ClassRules) -> None:
        self._content = manifest.content
        self._rules = rules
        self._lines = CodeLines(settings.project_dir, manifest.content)
        self.problems: list[Problem] = []
        self.of: dict[Relation, dict[str, Said]] = {}
        for node in manifest.nodes.values():
            if said := {one.column.lower(): one for one in self._read(node)}:
                self.of[node.relation] = said

    def exceptions(self) -> Iterator[Said]:
        """Yield what is lowered for a time."""
        for columns in self.of.values():
            yield from (said for said in columns.values() if said.exception)

    def place(self, said: Said, *below: str) -> tuple[str, int]:
        """Return file and line of what is said in a column's meta."""
        return self._lines.of_column(self._content["nodes"][said.node.unique_id], said.column, *below)

    def problem(self, said: Said, code: str, what: str, expected: str, fix: str, *below: str) -> Problem:
        """Return a problem at what is said in a column's meta."""
        return Problem(*self.place(said, *below), what, expected, fix, code=code)

    def _read(self, node: DbtNode) -> Iterator[Said]:
        described: Mapping[str, Mapping[str, Any]] = (
            self._content["nodes"][node.unique_id].get("columns") or {}
        )
        for name, column in described.items():
            # dbt keeps meta in the column's config, and in older files beside it.
            meta: Mapping[str, Any] = (column.get("config") or {}).get("meta") or column.get("meta") or {}
            word, written = meta.get(CLASSIFICATION), meta.get(DECLASSIFIED)
            if word is None and written is None:
                continue
            said = Said(node, name, str(word or ""))
            if wrong := self._rules.unknown(said.classification):
                what = f"column `{name}` of `{node.name}` is classified `{word}`"
                self.problems.append(self.problem(said, "SLU-P069", what, *wrong, CLASSIFICATION))
            yield Said(node, name, said.classification, self._exception(said, written))

    def _exception(self, said: Said, written: Any) -> Declassified | None:
        if written is None:
            return None
        where = f"`{DECLASSIFIED}` of `{said.column}` of `{said.node.name}`"
        usual = EXCEPTION % ("restricted", "internal")
        if not isinstance(written, dict):
            self.problems.append(
                self.problem(
                    said, "SLU-P069", f"{where} is {written!r}", "a mapping", f"write `{usual}`", DECLASSIFIED
                )
            )
            return None
        try:
            exception = Declassified.model_validate(written)
        except ValidationError as error:
            self.problems += self._field_problems(said, where, error)
            return None
        wrong = list(self._word_problems(said, where, exception))
        self.problems += wrong
        return None if wrong else exception

    def _field_problems(self, said: Said, where: str, error: ValidationError) -> Iterator[Problem]:
        fields = [found.alias or name for name, found in Declassified.model_fields.items()]
        for detail in error.errors(include_url=False):
            name = str(detail["loc"][0])
            if detail["type"] == "extra_forbidden":
                what, expected = f"{where} has an unknown field `{name}`", f"one of: {', '.join(fields)}"
                fix = did_you_mean(name, fields)
            elif detail["type"] == "missing":
                what, expected, fix = f"{where} has no `{name}`", f"all of: {', '.join(fields)}", "add it"
            else:
                what = f"`{name}` of {where} is {detail['input']!r}"
                expected, fix = _EXPECTED.get(name, "a text that says it"), "correct the value"
            yield self.problem(said, "SLU-P069", what, expected, fix, DECLASSIFIED, name)

    def _word_problems(self, said: Said, where: str, exception: Declassified) -> Iterator[Problem]:
        for name, word in (("from", exception.from_), ("to", exception.to)):
            if wrong := self._rules.unknown(word):
                yield self.problem(
                    said, "SLU-P069", f"`{name}` of {where} is `{word}`", *wrong, DECLASSIFIED, name
                )
        if exception.from_ == exception.to or self._rules.within(exception.from_, exception.to):
            yield self.problem(
                said, "SLU-P069", f"{where} is from `{exception.from_}` to `{exception.to}`",
                "`to` more open than `from`", "correct it, or take the exception away", DECLASSIFIED, "to",
            )  # fmt: skip


_EXPECTED = {"by": "the e-mail address of who decided it", "until": "its last day, as 2026-04-30"}
