"""A pull request's answer, put together: what was found, what changes, and what it comes to.

Belongs here: the answer and its JSON. Does not belong here: finding it (`files`, `definitions`, `trial`), how
it reads (`comment`).
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from orchestration.columns.report import ImpactReport
from orchestration.comparing.report import DiffReport
from orchestration.contracts.changes import Change
from orchestration.core.settings import Settings
from orchestration.review.definitions import definition_findings
from orchestration.review.files import file_findings
from orchestration.review.request import Request, requested
from orchestration.review.rules import RULES, Finding, Rule, Verdict
from orchestration.review.trial import tried

_VERSION = 1


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
        return {
            "version": _VERSION,
            "verdict": self.verdict,
            "since": self.since,
            "approvers": self.approvers,
            "findings": [{"verdict": one.verdict, **asdict(one)} for one in self.findings],
            "warnings": self.warnings,
            "contracts": [asdict(one) for one in self.contracts],
            "impact": asdict(self.impact) if self.impact else None,
            "diff": asdict(self.diff) if self.diff else None,
            "not_compared": self.why,
        }


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
