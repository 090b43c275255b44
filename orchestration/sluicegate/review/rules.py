"""The rules by which a pull request is refused, or needs somebody's approval: each with its verdict.

The table of them in the docs is made from here. Belongs here: what a rule is about, and what is to be done.
Does not belong here: finding what breaks one (`files`, `definitions`, `trial`).
"""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What becomes of a pull request; the heaviest of its findings decides."""

    PASSED = "passed"
    APPROVAL = "approval"
    REFUSED = "refused"

    @property
    def exit_code(self) -> int:
        """What the command ends with."""
        return {"passed": 0, "refused": 1, "approval": 3}[self]


class Rule(StrEnum):
    """A rule by its name, as the comment and the JSON have it."""

    CHECK = "check"
    EXPIRED = "expired"
    VERSION = "version"
    OWNER = "owner"
    BUILD = "build"
    FIELD = "field"
    LIMITS = "limits"
    EXPORT = "export"
    SOURCE = "source"
    CLASS = "class"
    GUARD = "guard"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Meant:
    """What a rule says: its verdict, what breaks it, and what is to be done."""

    verdict: Verdict
    when: str
    do: str


_REFUSED, _APPROVAL = Verdict.REFUSED, Verdict.APPROVAL
RULES = {
    Rule.CHECK: Meant(
        _REFUSED,
        "`sluice check` finds a problem: a rule of the graph, a production definition that reads work, a"
        " class that a destination may not have, a TODO that is left",
        "what the problem says; `sluice check` tells the same on your machine",
    ),
    Rule.EXPIRED: Meant(
        _REFUSED,
        "what the change builds on is at its end: a work model past its `expires`; a last-mile rule, or an"
        " exception to a class, that ends within 14 days on an export that the change reaches; a contract"
        " whose `status` is deprecated or retired, or whose end of support or of life is past",
        "read another source or model, or agree on a new date with whoever owns it, and write that",
    ),
    Rule.VERSION: Meant(
        _REFUSED,
        "a contract changed, and its `version` does not say so",
        "raise it as the finding says; `sluice contract diff` tells the same",
    ),
    Rule.OWNER: Meant(
        _REFUSED,
        "a production definition or a contract that is new or changed has no owner in CODEOWNERS, or has lost"
        " it",
        "add the line that the finding prints",
    ),
    Rule.BUILD: Meant(
        _REFUSED,
        "what the change makes another is not built and validated, with what it means now, for the days of"
        " the pull request's environment: not built, failed, or refused by a check",
        "fix what the finding says; `sluice env new`, `sluice env build` shows the same on your machine",
    ),
    Rule.FIELD: Meant(
        _APPROVAL,
        "something that a destination relies on is gone or is another: a field, its type or class, the key,"
        " the mode, a promise of a check; a function, view or filled table of `kusto/`, or a column of one",
        "agree with whoever receives it",
    ),
    Rule.LIMITS: Meant(
        _APPROVAL,
        "the first delivery after the merge would pass a limit of its export file, and be held; or a limit is"
        " looser than it was, or gone",
        "look at the difference; the delivery itself waits for `sluice delivery approve` as well",
    ),
    Rule.EXPORT: Meant(
        _APPROVAL, "an export is new, goes to another object, or has another owner", "say who agreed to it"
    ),
    Rule.SOURCE: Meant(
        _APPROVAL, "a source or a connector is new, or a source comes by another connector",
        "say who promised it",
    ),
    Rule.CLASS: Meant(
        _APPROVAL,
        "classes are said otherwise: `contracts/classes.yml`, a column's `classification` or masking, an"
        " exception in dbt that is new or lasts longer, an export that may receive more",
        "ask whoever answers for the data",
    ),
    Rule.GUARD: Meant(
        _APPROVAL,
        "`environments.yml`, CODEOWNERS or a pipeline's file (`.github/workflows/`,"
        " `azure-pipelines.yml`) says another thing",
        "ask who owned the file before the change",
    ),
    Rule.UNKNOWN: Meant(
        _APPROVAL,
        "what changes for a destination cannot be told: the project from before does not load, no"
        " partition of the export has a counterpart of the same inputs, or no day of a model can be built, as"
        " nothing of a new source is published",
        "what the finding says; or somebody answers for it unseen",
    ),
}  # fmt: skip


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that is to be seen to; `file` is relative to the repository, "" where it is none's.

    `who` are those that must approve, by CODEOWNERS as it was before the change and as an export's owner.
    """

    rule: Rule
    file: str
    line: int
    what: str
    do: str
    who: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """What its rule comes to."""
        return RULES[self.rule].verdict


def table() -> str:
    """Return the rules as a Markdown table, for the docs."""
    rows = [f"| `{rule}` | {meant.verdict} | {meant.when} | {meant.do} |" for rule, meant in RULES.items()]
    return "\n".join(["| Rule | Verdict | When | What to do |", "| --- | --- | --- | --- |", *rows])
