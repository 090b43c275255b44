"""Who answers for something, as files say it: a person's e-mail address, or a team.

Belongs here: what such a text is. Does not belong here: who approves a change (`project.code_owners`).
"""

import re

OWNER_EXPECTED = "an e-mail address, or team:NAME"
_ADDRESS = re.compile(r"[^@\s,;:]+@[^@\s,;.]+(?:\.[^@\s,;.]+)+")
_TEAM = re.compile(r"team:\S(?:.*\S)?")


def is_address(text: str) -> bool:
    """Whether a text is one e-mail address."""
    return _ADDRESS.fullmatch(text) is not None


def is_owner(text: str) -> bool:
    """Whether a text says who answers for something."""
    return is_address(text) or _TEAM.fullmatch(text) is not None
