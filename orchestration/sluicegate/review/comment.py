"""The answer as one comment on a pull request: what to see to first, then what changes.

The longest comment that GitHub takes has 65,536 characters, and Azure DevOps takes longer ones; what does not
fit is cut at the end of a line, and said to be. Belongs here: how it reads. Does not belong here: the impact
and the difference, which have texts of their own (`cli.impact_text`, `comparing.markdown`), and are given.
"""

from collections.abc import Iterator

from sluicegate.core.markdown import code, plain
from sluicegate.review.review import Review
from sluicegate.review.rules import Finding, Verdict

# By it our comment is found again, whoever else writes there.
MARKER = "<!-- sluice ci -->"
LONGEST = 65_536
# What is seen to comes first, and leaves room for what changes.
_FOR_FINDINGS = 30_000
_HEADINGS = {
    Verdict.PASSED: "nothing to see to",
    Verdict.APPROVAL: "needs somebody's approval",
    Verdict.REFUSED: "refused",
}


def comment_of(review: Review, impact: str, diff: str) -> str:
    """Return the comment; `impact` and `diff` are Markdown, "" where there is none of it."""
    head = [MARKER, f"## sluice ci: {_HEADINGS[review.verdict]}", "", *_said(review), ""]
    parts = [
        _cut([*head, *_findings(review)], _FOR_FINDINGS),
        *filter(None, (_contracts(review), impact, diff, _warnings(review))),
    ]
    return _cut("\n\n".join(part.strip("\n") for part in parts).splitlines(), LONGEST) + "\n"


def _said(review: Review) -> Iterator[str]:
    compared = f" since `{review.since[:10]}`" if review.since else ""
    if review.diff is None:
        yield f"Asked{compared} of the files alone: {plain(review.why)}."
    else:
        yield (
            f"Asked{compared} of the files, and of environment {code(review.diff.environment)}, built and"
            f" compared with catalogue {code(review.diff.catalogue)}."
        )
    if review.approvers:
        yield f"Must approve: {', '.join(map(_person, review.approvers))}."
    elif review.verdict is Verdict.APPROVAL:
        yield "Must approve: somebody; CODEOWNERS names nobody for these files."


def _person(owner: str) -> str:
    """Return an owner: a mention, where it is one of the code's host; an export's `team:NAME` is none."""
    return owner if owner.startswith("@") else plain(owner)


def _findings(review: Review) -> Iterator[str]:
    if not review.findings:
        return
    yield "| | Rule | Where | What | To do |"
    yield "| --- | --- | --- | --- | --- |"
    for one in review.findings:
        cells = (str(one.verdict), code(one.rule), _where(one), plain(one.what), plain(one.do))
        yield f"| {' | '.join(cells)} |"


def _where(one: Finding) -> str:
    return code(f"{one.file}:{one.line}") if one.file else ""


def _contracts(review: Review) -> str:
    rows = [
        f"- {code(f'{one.file}:{one.line}')} {one.weight}{f' for {one.affects}' if one.affects else ''}:"
        f" {plain(one.what)}"
        for one in review.contracts
    ]
    return "\n".join(["### Contracts", "", *rows]) if rows else ""


def _warnings(review: Review) -> str:
    rows = [f"- {plain(one)}" for one in review.warnings]
    return "\n".join(["### Warnings of `sluice check`", "", *rows]) if rows else ""


def _cut(lines: list[str], longest: int) -> str:
    """Return as many lines as there is room for, and say how many are left out."""
    whole = "\n".join(lines)
    if len(whole) <= longest:
        return whole
    said = "\n\n… {} more lines are cut here; `sluice ci --markdown FILE --json FILE` tells all of it."
    kept, length = list[str](), len(said) + 10
    for line in lines:
        if length + len(line) + 1 > longest:
            break
        kept.append(line)
        length += len(line) + 1
    return "\n".join(kept) + said.format(len(lines) - len(kept))
