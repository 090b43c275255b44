"""Plain English: `python -m tests.documents.words` names words of our old dialect, and what to write.

codespell finds what is misspelt; here is what no dictionary knows to be odd. Belongs here: the list, and
which rooms are done. Does not: style that only a reader can judge.
"""

import io
import re
import sys
import tokenize
from collections.abc import Iterator

from sluicegate.core.settings import REPOSITORY

from tests.documents.reading import TRACKED

# What is not to be written, and what is.
WORDS = {
    r"mend(s|ed|ing)?": "fix",
    r"(is|are) not to be had": "is in use, or: is not available",
    r"needs? nobody": "needs no attention",
    r"needs? somebody|somebody is needed": "needs attention",
    r"means? nothing (here|elsewhere)": "is not known here",
    r"few eyes": "restrict access",
    r"eased": "tuned",
    r"sees? to (it|an?|the)": "take on",
    r"hangs? on an?": "depend on",
    r"as ever": "as usual",
    r"for ever": "forever",
    r"(did|does|do) not come about": "failed",
    r"else than": "other than",
    r"(what|nothing|something) is another": "differs",
}
# What is done, by how names begin, but for what is not yet. All other rooms are not done either:
# `orchestration/` besides `cli/`, `tests/`, `benchmarks/`, the demo's folders. Done, it goes into DONE.
NOT_YET = (
    "docs/runbook", "docs/decisions/", "docs/answers.md", "docs/path-to-production.md", "docs/page.md",
    "docs/operations-data.md",
)  # fmt: skip
DONE = (
    "docs/",
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "orchestration/sluicegate/cli/",
    "mkdocs.yml",
)

_ODD = re.compile(
    "|".join(rf"(?P<w{number}>\b(?:{word.replace('(', '(?:')})\b)" for number, word in enumerate(WORDS)),
    re.IGNORECASE,
)
_NOT_PROSE = re.compile(r"`[^`\n]*`|\]\([^)]*\)|\{[^{}\n]*\}|https?://\S+")


def odd_words() -> Iterator[str]:
    """Yield `file:line: word; write …` of each odd word in what is done."""
    for file in TRACKED:
        if file.startswith(DONE) and not file.startswith(NOT_YET) and file.endswith((".md", ".py", ".yml")):
            yield from (f"{file}:{line}: {said}" for line, said in found_in(file))


def found_in(file: str, text: str | None = None) -> Iterator[tuple[int, str]]:
    """Yield the lines of odd words in a file; of Python, in its texts and comments alone."""
    text = (REPOSITORY / file).read_text(encoding="utf-8") if text is None else text
    for line, part in _prose(text) if file.endswith(".py") else enumerate(text.splitlines(), 1):
        for match in _ODD.finditer(_NOT_PROSE.sub("", part)):
            number = int((match.lastgroup or "")[1:])
            yield line, f"`{match[0]}`; write `{list(WORDS.values())[number]}`"


def _prose(text: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.STRING, tokenize.COMMENT):
            yield from ((token.start[0] + at, line) for at, line in enumerate(token.string.splitlines()))


if __name__ == "__main__":
    found = list(odd_words())
    sys.stdout.write("".join(f"{one}\n" for one in found))
    sys.exit(bool(found))
