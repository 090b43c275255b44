"""The rules of `sluice ci` in the page of the path to production: the table between two marks."""

import re

from sluicegate.core.settings import REPOSITORY
from sluicegate.review.rules import table

PAGE = REPOSITORY / "docs" / "path-to-production.md"
_MARKED = re.compile(r"(<!-- rules -->\n).*?(<!-- end of rules -->)", re.DOTALL)


def page() -> str:
    """Return the page with the table as the rules make it."""
    return _MARKED.sub(lambda found: f"{found[1]}{table()}\n{found[2]}", PAGE.read_text())
