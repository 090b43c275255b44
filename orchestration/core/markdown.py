"""Texts of files in Markdown: none of them becomes a tag, a link or another cell.

Belongs here: escaping. Does not belong here: what a page says.
"""


def code(text: str) -> str:
    """Return a name as code; a bar would end the cell."""
    return f"`{' '.join(text.replace('`', '').replace('|', chr(92) + '|').split())}`"


def plain(text: str) -> str:
    """Return a text that cannot become a tag, a link or another cell; code in it stays code."""
    for sign in ("|", "<", "[", "*", "_") if "`" not in text else ("|", "<", "["):
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())
