"""Texts and names of files in Markdown, as GitHub and Azure DevOps show it.

Belongs here: what keeps a name from becoming a tag, a link or another cell. Does not belong here: documents.
"""

import re

_SPAN = re.compile(r"(`[^`|]+`)")
_SIGNS = re.compile(r"[\\`*_\[<|~&]")
# A name that looks like a person, or an issue: GitHub finds it in what is shown, whatever is escaped.
_CALLS = re.compile(r"(?<!\w)([@#])(?=\w)")


def code(text: str) -> str:
    """Return a name as code; as text where code could not hold it in a cell as well as outside."""
    text = _in_a_line(text)
    if text and not {"`", "|"} & {*text}:
        return f"`{text}`"
    return _CALLS.sub("\\1\u200b", _SIGNS.sub(r"\\\g<0>", text))


def plain(text: str) -> str:
    """Return a text that cannot become a tag, a link or another cell; code in it stays code."""
    parts = _SPAN.split(_in_a_line(text))
    return "".join(part if number % 2 else _SIGNS.sub(r"\\\g<0>", part) for number, part in enumerate(parts))


def _in_a_line(text: str) -> str:
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
