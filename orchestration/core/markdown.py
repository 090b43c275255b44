"""Texts and names of files in Markdown, as GitHub and Azure DevOps show it.

Belongs here: what keeps a name from becoming a tag, a link or another cell. Does not belong here: documents.
"""


def code(text: str) -> str:
    """Return a name as code; a bar would end the cell."""
    return f"`{_one_line(text.replace('`', '').replace(chr(92), '/')).replace('|', chr(92) + '|')}`"


def plain(text: str) -> str:
    """Return a text that cannot become a tag, a link or another cell; code in it stays code."""
    marked = ("\\", "|", "<", "[") if "`" in text else ("\\", "|", "<", "[", "*", "_")
    for sign in marked:
        text = text.replace(sign, f"\\{sign}")
    return _one_line(text)


def _one_line(text: str) -> str:
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
