"""What the gate finds: one link of the chain of evidence each, in words, with the command that repairs it.

Belongs here: verdicts, findings, the report made of them. Does not belong here: how they are found (`gate`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from orchestration.contracts.model import CONTRACT_CHECK
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
        raw = self.relation.startswith("raw.")
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
    def builds_again(self) -> bool:
        """Whether its fix builds this partition anew, and with it all that is made of it."""
        return self.verdict in _BUILT_AGAIN or self.verdict in (Verdict.FAILED, Verdict.NOT_BUILT)

    def __str__(self) -> str:
        where = f"{self.relation} [{self.partition_key}]" if self.partition_key else self.relation
        check = f" check `{self.check}`" if self.check else ""
        return f"{where}{check}: {self.verdict.value}{f': {self.summary}' if self.summary else ''}"


@dataclass(frozen=True)
class GateReport:
    """The gate of one partition of one table: every finding, ancestors first.

    `covered` are findings that another one's fix repairs as well: an ancestor that is built anew brings all
    that is made of it along. `content` is a digest of the rows, of a table that is sent.
    """

    relation: str
    partition_key: str
    findings: tuple[Finding, ...]
    versions: Mapping[tuple[str, str], str]
    releases: tuple[Release, ...] = ()
    covered: frozenset[Finding] = frozenset()
    content: str = ""

    @property
    def closed_by(self) -> tuple[Finding, ...]:
        """The findings that keep the gate closed."""
        return tuple(item for item in self.findings if item.verdict not in _LETS_PASS)

    @property
    def absent(self) -> tuple[Finding, ...]:
        """The days of trailing windows that are not in it, and hold nothing."""
        return tuple(item for item in self.findings if item.verdict in _NOT_THERE)

    @property
    def open(self) -> bool:
        """Whether the partition may go on."""
        return not self.closed_by

    @property
    def refusals(self) -> tuple[Finding, ...]:
        """The findings in which something said no; what is only not there yet is left out."""
        return tuple(
            item
            for item in self.findings
            if item.verdict is Verdict.FAILED
            or (item.verdict is Verdict.NOT_BUILT and item.judged_at is not None)
        )

    @property
    def waits_for(self) -> tuple[str, ...]:
        """The tables that are too old to be sent, or were built from what was; a newer drop lets it go."""
        return tuple(item.relation for item in self.findings if item.verdict in _OLD)

    @property
    def steps(self) -> tuple[str, ...]:
        """What to type, or to have done, in this order; what can be judged again is judged by one command."""
        judged = [item for item in self.reasons if item.verdict in _JUDGED_AGAIN]
        several = len({item.fix for item in judged}) > 1
        at_once = f"`{_judge(self.relation, self.partition_key)} --with-parents`"
        steps = [at_once if several and item in judged else item.fix for item in self.reasons]
        return tuple(dict.fromkeys(steps))

    @property
    def summary(self) -> str:
        """Why the gate is closed, and what to type, in one line."""
        shown = [str(item) for item in self.reasons[:_SHOWN_REASONS]]
        more = len(self.reasons) - len(shown)
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
        reasons = "\n".join(f"- {finding}" for finding in report.reasons)
        partition = f" [{report.partition_key}]" if report.partition_key else ""
        super().__init__(f"the gate of {report.relation}{partition} is closed:\n{reasons}")


def _rerun(relation: str, key: str) -> str:
    return f"sluice rerun {relation}" + (f" --partition {key}" if key else "")


def _judge(relation: str, key: str) -> str:
    return f"sluice judge {relation}" + (f" --from {key} --to {key}" if key else "")
