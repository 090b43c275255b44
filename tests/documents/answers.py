"""The page of what destinations answer: `docs/answers.md`, made of their decision tables.

Belongs here: the page's form. Does not: the tables, which stand where answers are read.
"""

from sluicegate.core.settings import REPOSITORY
from sluicegate.destinations.decisions import decisions

PAGE = REPOSITORY / "docs" / "answers.md"
_HEAD = """# What a destination's answer means

Made by `python -m tests.documents.renew` of the decision tables in the code. The first line of a table that
fits an answer counts. Every answer ends as one of five:

| Meaning | What becomes of the rows of the request |
| --- | --- |
| *taken* | acknowledged |
| *refused* | those that the answer refuses are kept with its words and tried again by key; others are taken |
| *nothing done* | for certain: they count as not sent. The delivery fails, and says what to fix |
| *try again* | they may have been taken: the same request follows until the `budget` is spent |
| *should not be answered* | they may be taken; it fails: [see](runbook/destinations.md#slu-v005) |
"""
_SAME = {"braze_events": "braze"}


def page() -> str:
    """The page's text."""
    parts = [_HEAD]
    for name, table in decisions.items():
        if name in _SAME:
            continue
        names = [name, *(other for other, of in _SAME.items() if of == name)]
        rows = "".join(f"| {line.answer} | *{line.meaning.value}* | {line.then} |\n" for line in table)
        heading = ", ".join(f"`{one}`" for one in names)
        parts.append(f"\n## {heading}\n\n| What comes | Meaning | Then |\n| --- | --- | --- |\n{rows}")
    return "".join(parts)
