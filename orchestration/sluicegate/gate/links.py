"""Findings of one link of the chain of evidence, as the walk makes them.

Belongs here: from what is on record of a link to a finding. Does not belong here: which links there are
(`walk`), words and commands (`findings`).
"""

from sluicegate.gate.findings import Finding, Verdict
from sluicegate.gate.on_record import Place
from sluicegate.state.records import Build, CheckError, Evidence


def of_check(
    place: Place,
    check: str,
    verdict: Verdict,
    version: str,
    item: Evidence | None,
    summary: str | None = None,
    *,
    own: bool = True,
    rules: str = "",
    read_by: Place | None = None,
) -> Finding:
    """Return what a check has said of a version, or that it has not; `item` is its word."""
    said = item.summary if item is not None else ""
    return Finding(
        *place,
        check,
        verdict,
        said if summary is None else summary,
        version,
        item.judged_at if item is not None else None,
        item.run_id if item is not None else "",
        rules or (item.rules if item is not None else ""),
        read_by,
        own,
    )


def of_error(place: Place, error: CheckError, *, own: bool) -> Finding:
    """Return that a check could not run, with how often it was tried and when it is again."""
    tries = f"{error.attempts} tries" if error.attempts > 1 else "1 try"
    again = f"the next is at {error.next_try_at:%Y-%m-%d %H:%M} UTC" if error.next_try_at else "given up"
    return Finding(
        *place, error.check, Verdict.COULD_NOT_RUN, f"{error.said} ({tries}, {again})", error.version,
        error.failed_at, error.run_id, error.rules, own=own,
    )  # fmt: skip


def link(
    place: Place, version: str, verdict: Verdict, said: str, build: Build | None, *, own: bool = True
) -> Finding:
    """Return what is wrong with a version or its build."""
    return Finding(*place, "", verdict, said, version, None, build.run_id if build else "", own=own)


def absence(place: Place, verdict: Verdict) -> Finding:
    """Return that a day of a window is not in it."""
    return Finding(*place, "", verdict, "", "", None, own=False)


def named(place: Place | None) -> str:
    """Return a place in words."""
    if place is None:
        return "it"
    return f"{place[0]} [{place[1]}]" if place[1] else place[0]


def short(version: str | None) -> str:
    """Return a version as people are told it."""
    return (version or "")[:8]
