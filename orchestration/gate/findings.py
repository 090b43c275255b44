"""What the gate finds: one link of the chain of evidence each, in words, with the command that repairs it.

Belongs here: verdicts, findings, the report made of them. Does not belong here: how they are found (`gate`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from orchestration.contracts.model import CONTRACT_CHECK
from orchestration.core.relations import RAW, Relation
from orchestration.state.records import Release


class Verdict(StrEnum):
    """What the records say of one link: a check on a version, a version, or a build and its parents."""

    PASSED = "passed"
    FAILED = "failed"
    RELEASED = "failed, and released"
    STALE = "passed on an older version"
    MISSING = "never ran on this version"
    OTHER_RULES = "never ran by today's rules"
    COULD_NOT_RUN = "could not run"
    OTHER_READ = "judged beside another version of a table that it reads"
    NOT_BUILT = "table never built for this partition"
    ABSENT = "not there: nothing of it has landed"
    CAME_SINCE = "built without it, and it has come since"
    LEFT_OUT = "left out: it was refused, and its contract allows days without a drop"
    RESTORED = "older than the newest build on record"
    UNRECORDED = "its build is not on record"
    HALF_RECORDED = "not on record what it was built from"
    OLDER_SQL = "built by older SQL"
    OTHER_PARENT = "built from another version of its parent"
    OTHER_ROWS = "not the rows that were judged"
    TOO_OLD = "older than its contract lets be sent"
    BUILT_FROM_TOO_OLD = "built from what was too old already"


_SHOWN_REASONS = 2
_NOT_THERE = (Verdict.ABSENT, Verdict.CAME_SINCE, Verdict.LEFT_OUT)
_LETS_PASS = (Verdict.PASSED, Verdict.RELEASED, *_NOT_THERE)
# What judging what is there can repair, without building.
_JUDGED_AGAIN = (
    Verdict.STALE, Verdict.MISSING, Verdict.OTHER_RULES, Verdict.OTHER_READ, Verdict.COULD_NOT_RUN,
    Verdict.HALF_RECORDED,
)  # fmt: skip
_BUILT_AGAIN = (
    Verdict.RESTORED, Verdict.UNRECORDED, Verdict.OLDER_SQL, Verdict.OTHER_PARENT, Verdict.OTHER_ROWS,
    Verdict.BUILT_FROM_TOO_OLD,
)  # fmt: skip
# What a newer drop ends, without anybody: what was built of an older one is built anew then.
_OLD = (Verdict.TOO_OLD, Verdict.BUILT_FROM_TOO_OLD)

# A range is built of partitions whose builds are on record.
_BUILT_IN_A_RANGE = tuple(verdict for verdict in _BUILT_AGAIN if verdict is not Verdict.UNRECORDED)


@dataclass(frozen=True)
class Finding:
    """One link; `check` is empty where it is about the table or its build.

    `read_by` is the (relation, partition key) that was built from this version, where the warehouse does not
    hold the version any more. `own`: it is of the partition's own chain, and not of a window or snapshot.
    `mend` is what repairs it, where the verdict alone does not tell.
    """

    relation: str
    partition_key: str
    check: str
    verdict: Verdict
    summary: str
    version: str
    judged_at: datetime | None
    run_id: str = ""
    rules: str = ""
    read_by: tuple[str, str] | None = None
    own: bool = True
    mend: str = ""

    @property
    def link(self) -> tuple[str, str, str, str]:
        """What it is about: relation, partition key, check, version."""
        return self.relation, self.partition_key, self.check, self.version

    @property
    def fix(self) -> str:
        """What opens the gate again, as far as this finding goes: one command, or what a person has to do."""
        if self.mend:
            return self.mend
        raw = Relation.parse(self.relation).schema == RAW
        verdict = self.verdict
        if verdict in _LETS_PASS:
            return ""
        if self.read_by is not None and verdict is Verdict.FAILED:
            return f"`{_rerun(*self.read_by)}`"
        if verdict is Verdict.FAILED:
            if raw and self.check == CONTRACT_CHECK:
                # A drop that is refused leaves no table: this one was judged when it was there already.
                return (
                    f"`{_rerun(self.relation, self.partition_key)}` takes the drop in by today's contract; if"
                    " that refuses it, have the provider land a corrected drop"
                )
            if raw:
                return "have the provider land a corrected drop"
            return f"fix the model or its input, then `{_rerun(self.relation, self.partition_key)}`"
        if verdict is Verdict.NOT_BUILT:
            if self.judged_at is not None:
                return "have the provider land a corrected drop"
            if raw:
                return "wait for its drop: it runs by itself once it has landed"
            return f"`{_rerun(self.relation, self.partition_key)}`, once what it reads is in order"
        if verdict in _JUDGED_AGAIN:
            return f"`{_judge(self.relation, self.partition_key)}`"
        return f"`{_rerun(self.relation, self.partition_key)}`"

    @property
    def judges_again(self) -> bool:
        """Whether its fix judges what is there."""
        return self.verdict in _JUDGED_AGAIN

    @property
    def rebuilds(self) -> bool:
        """Whether what is there is not what should be: whatever else is in order, it is to be built anew."""
        return self.verdict in _BUILT_AGAIN

    @property
    def builds_again(self) -> bool:
        """Whether its fix builds this partition anew, and with it all that is made of it."""
        return self.rebuilds or self.verdict in (Verdict.FAILED, Verdict.NOT_BUILT)

    @property
    def says_no(self) -> bool:
        """Whether something said no, a check or whoever takes drops in; what is not there yet does not."""
        refused = self.verdict is Verdict.NOT_BUILT and self.judged_at is not None
        return self.verdict is Verdict.FAILED or refused

    def __str__(self) -> str:
        return self.in_words()

    def in_words(self, alike: int = 0) -> str:
        """Return the finding as a sentence; `alike` is in how many more partitions it is the same."""
        more = f" and {alike} more" if alike else ""
        where = f"{self.relation} [{self.partition_key}{more}]" if self.partition_key else self.relation
        check = f" check `{self.check}`" if self.check else ""
        return f"{where}{check}: {self.verdict.value}{f': {self.summary}' if self.summary else ''}"


@dataclass(frozen=True)
class Step:
    """Reasons that keep a gate closed, each told once, and the one thing that opens all of them.

    `findings` has the first finding of each reason: of several partitions the same is told once.
    """

    reasons: tuple[str, ...]
    fix: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class GateReport:
    """The gate of one partition of one table: every finding, ancestors first.

    `covered` are findings that another one's fix repairs as well: an ancestor that is built anew brings all
    that is made of it along. `content` is a digest of the rows, of a table that is sent. `timed` are tables
    whose partitions follow each other in time. `releasable`: a person may let it pass as it is.
    """

    relation: str
    partition_key: str
    findings: tuple[Finding, ...]
    versions: Mapping[tuple[str, str], str]
    releases: tuple[Release, ...] = ()
    covered: frozenset[Finding] = frozenset()
    content: str = ""
    timed: frozenset[str] = frozenset()
    releasable: bool = False

    @property
    def closed_by(self) -> tuple[Finding, ...]:
        """The findings that keep the gate closed."""
        return tuple(item for item in self.findings if item.verdict not in _LETS_PASS)

    @property
    def open(self) -> bool:
        """Whether the partition may go on."""
        return not self.closed_by

    @property
    def validated(self) -> bool:
        """Whether all has passed, and nothing only because a person let it pass."""
        return self.open and not any(item.verdict is Verdict.RELEASED for item in self.findings)

    @property
    def refusals(self) -> tuple[Finding, ...]:
        """The findings in which something said no; what is only not there yet is left out."""
        return tuple(item for item in self.findings if item.says_no)

    @property
    def could_not_run(self) -> tuple[Finding, ...]:
        """The checks that could not run: nobody knows what they would say."""
        return tuple(item for item in self.findings if item.verdict is Verdict.COULD_NOT_RUN)

    @property
    def waits_for(self) -> tuple[str, ...]:
        """The tables that are too old to be sent, or were built from what was; a newer drop lets it go."""
        return tuple(item.relation for item in self.findings if item.verdict in _OLD)

    @property
    def story(self) -> tuple[Step, ...]:
        """Why the gate is closed: each reason once, with what opens it; ancestors first.

        What can be judged again is judged by one command, and a range of partitions is built by one.
        """
        told: dict[str, list[Finding]] = {}
        for item in self.reasons:
            told.setdefault(self._fix(item), []).append(item)
        return tuple(_step(fix, found) for fix, found in told.items())

    def _fix(self, item: Finding) -> str:
        if item.verdict in _JUDGED_AGAIN:
            several = len({other.fix for other in self.reasons if other.verdict in _JUDGED_AGAIN}) > 1
            at_once = f"`{_judge(self.relation, self.partition_key)} --with-parents`"
            return at_once if several else item.fix
        if item.verdict in _BUILT_IN_A_RANGE and item.relation in self.timed:
            keys = sorted(
                {
                    other.partition_key
                    for other in self.reasons
                    if other.verdict in _BUILT_IN_A_RANGE and other.relation == item.relation
                }
            )
            if len(keys) > 1:
                return f"`sluice table rerun {item.relation} --from {keys[0]} --to {keys[-1]}`"
        return item.fix

    @property
    def steps(self) -> tuple[str, ...]:
        """What to type, or to have done, in this order."""
        return tuple(step.fix for step in self.story)

    @property
    def summary(self) -> str:
        """Why the gate is closed, and what to type, in one line."""
        told = [reason for step in self.story for reason in step.reasons]
        shown = told[:_SHOWN_REASONS]
        more = len(told) - len(shown)
        return "; ".join(
            [
                *shown,
                *([f"and {more} more"] if more else []),
                *(f"→ {step}" for step in self.steps[:1] if "`" in step),
            ]
        )

    @property
    def unjudged(self) -> bool:
        """Whether a table holds what was not judged as it is now, or is no longer what was judged."""
        return any(item.verdict in (*_JUDGED_AGAIN, *_BUILT_AGAIN) for item in self.findings)

    @property
    def reasons(self) -> tuple[Finding, ...]:
        """Why the gate is closed: what said no, not all that is missing because of it."""
        return tuple(item for item in self.closed_by if item not in self.covered) or self.closed_by


class GateClosed(Exception):
    """A partition must not go on; `report` says why."""

    def __init__(self, report: GateReport) -> None:
        self.report = report
        reasons = "\n".join(
            "\n".join([*(f"- {reason}" for reason in step.reasons), f"  → {step.fix}"])
            for step in report.story
        )
        partition = f" [{report.partition_key}]" if report.partition_key else ""
        super().__init__(f"the gate of {report.relation}{partition} is closed:\n{reasons}")


def _step(fix: str, findings: Sequence[Finding]) -> Step:
    alike: dict[tuple[str, str, Verdict, str], list[Finding]] = {}
    for item in findings:
        alike.setdefault((item.relation, item.check, item.verdict, item.summary), []).append(item)
    return Step(
        tuple(same[0].in_words(len(same) - 1) for same in alike.values()),
        fix,
        tuple(same[0] for same in alike.values()),
    )


def _rerun(relation: str, key: str) -> str:
    return f"sluice table rerun {relation}" + (f" --partition {key}" if key else "")


def _judge(relation: str, key: str) -> str:
    return f"sluice table judge {relation}" + (f" --from {key} --to {key}" if key else "")
