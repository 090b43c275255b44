"""A pull request's answer, put together: what was found, what changes, and what it comes to.

Belongs here: the answer and its JSON. Does not belong here: finding it (`files`, `definitions`, `trial`), how
it reads (`comment`).
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from pydantic import ConfigDict, TypeAdapter, with_config

from orchestration.columns.report import ImpactReport
from orchestration.comparing.report import DiffReport
from orchestration.contracts.changes import Change
from orchestration.core.json_schemas import schema_text_of
from orchestration.core.settings import Settings
from orchestration.review.definitions import definition_findings
from orchestration.review.files import file_findings
from orchestration.review.request import Request, requested
from orchestration.review.rules import RULES, Finding, Rule, Verdict
from orchestration.review.trial import tried

SCHEMA_FILE = "docs/ci.schema.json"
_VERSION = 1
# What stands below a field is its description in the schema.
_DESCRIBED = ConfigDict(use_attribute_docstrings=True)


@with_config(_DESCRIBED)
@dataclass(frozen=True)
class Told:
    """One thing that is to be seen to."""

    verdict: Verdict
    rule: Rule
    file: str
    """Relative to the repository; empty where it is no file's."""
    line: int
    what: str
    do: str
    who: tuple[str, ...]
    """Who must approve."""


@with_config(_DESCRIBED)
@dataclass(frozen=True)
class Answer:
    """What `sluice ci --json` writes."""

    version: int
    """Of this form: fields are added to it, and none is taken away or renamed without another one."""
    verdict: Verdict
    since: str
    """The commit that was compared with; empty where none was found."""
    approvers: tuple[str, ...]
    """Who must approve: all that the findings name."""
    findings: tuple[Told, ...]
    """The heaviest first."""
    warnings: tuple[str, ...]
    contracts: tuple[Change, ...]
    """What changes in contracts, as `sluice contract diff` tells it."""
    impact: ImpactReport | None
    """As `sluice impact --json`; null where it could not be told."""
    diff: DiffReport | None
    """As `sluice env diff --json`; null where nothing was built and compared."""
    not_compared: str
    """Why nothing was; empty where something was."""


@dataclass(frozen=True)
class Review:
    """The answer.

    `since` is the commit that was compared with, `findings` the heaviest first. `diff` is None where nothing
    was built and compared, and `why` says why.
    """

    since: str = ""
    findings: tuple[Finding, ...] = ()
    warnings: tuple[str, ...] = ()
    contracts: tuple[Change, ...] = ()
    impact: ImpactReport | None = None
    diff: DiffReport | None = None
    why: str = ""

    @property
    def verdict(self) -> Verdict:
        """What becomes of the pull request."""
        found = {one.verdict for one in self.findings}
        return next((one for one in reversed(Verdict) if one in found), Verdict.PASSED)

    @property
    def approvers(self) -> tuple[str, ...]:
        """Who must approve, each once."""
        return tuple(dict.fromkeys(who for one in self.findings for who in one.who))

    def as_data(self) -> dict[str, Any]:
        """Return all of it for machines."""
        findings = tuple(Told(one.verdict, **vars(one)) for one in self.findings)
        return asdict(
            Answer(
                _VERSION, self.verdict, self.since, self.approvers, findings, self.warnings, self.contracts,
                self.impact, self.diff, self.why,
            )
        )  # fmt: skip


def schema_text() -> str:
    """Return the text of the answer's schema (JSON Schema, draft 2020-12)."""
    return schema_text_of(TypeAdapter[Any](Answer).json_schema())


def reviewed(
    settings: Settings, revision: str, name: str, today: date, told: Callable[[str], None]
) -> Review:
    """Answer a pull request into a revision; its environment is called `name`.

    Raises:
        ValueError: there is no such revision, or no repository; or no environment may be called so.
    """
    with requested(settings, revision, today, told) as request:
        static = [*file_findings(request), *definition_findings(request)]
        trial = tried(request, name, told)
        return Review(
            request.commit, _in_order([*static, *trial.findings]), _warnings(request, static),
            request.contracts.changes if request.contracts else (), request.impact, trial.report, trial.why,
        )  # fmt: skip


def _warnings(request: Request, found: Iterable[Finding]) -> tuple[str, ...]:
    """Return what a person should look at, and what has expired that the change has no part in."""
    told = {(one.file, one.line) for one in found if one.rule is Rule.EXPIRED}
    others = [one for one in request.checked.expired if (request.named(one.file), one.line) not in told]
    return (*request.checked.warnings, *map(str, others))


def not_asked(why: str) -> Review:
    """Return the answer where it could not be told whether a pull request may be merged: it may not."""
    return Review(findings=(Finding(Rule.CHECK, "", 1, why, RULES[Rule.CHECK].do),), why="nothing was asked")


def _in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    rules, verdicts = list(Rule), list(Verdict)
    return tuple(
        sorted(
            dict.fromkeys(findings),
            key=lambda one: (
                -verdicts.index(one.verdict),
                rules.index(one.rule),
                one.file,
                one.line,
                one.what,
            ),
        )
    )
