"""A notice in words, short enough for a phone.

Belongs here: what is said in which order, how long it may be, and what keeps a chat from reading it as
something else. Does not belong here: requests.

A notice holds no value of the data; no more than what stands in it is said.
"""

import re
from collections.abc import Mapping
from typing import Any

from orchestration.incidents.trouble import Action, Notice

TITLE_CHARACTERS = 140
_PART_CHARACTERS = 500
_FACT_CHARACTERS = 200
_MOST_FACTS = 12
_WORDS = {
    Action.OPEN: "",
    Action.UPDATE: "Update: ",
    Action.ACKNOWLEDGE: "Acknowledged: ",
    Action.RESOLVE: "Resolved: ",
    Action.SUMMARY: "Summary: ",
    Action.TEST: "Test: ",
}
# CommonMark's signs, of which each may be written after a backslash.
_SIGNS = re.compile(r"([\\`*_{}\[\]()#+!|<>~-])")
# Chats tell everybody of a channel for these words, and a person for a name after an @.
_CALLS = re.compile(r"@(?=\w)")
_NO_BREAK = "\N{ZERO WIDTH SPACE}"


def cut(text: str, most: int) -> str:
    """Return a text on one line, of so many characters at most."""
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"


def title(notice: Notice) -> str:
    """Return what became of an incident, and its title."""
    return cut(f"{_WORDS[notice.action]}{notice.title}", TITLE_CHARACTERS)


def facts(notice: Notice) -> dict[str, str]:
    """Return what is known by its heading, as much as fits."""
    shown = [(cut(name, 40), cut(value, _FACT_CHARACTERS)) for name, value in notice.facts.items()]
    more = len(shown) - _MOST_FACTS
    return dict(shown[:_MOST_FACTS]) | ({"more": f"{more} lines"} if more > 0 else {})


def steps(text: str) -> list[str]:
    """Return the lines of what to do, each short."""
    return [cut(line, _PART_CHARACTERS) for line in text.splitlines() if line.strip()][:_MOST_FACTS]


def as_data(notice: Notice) -> dict[str, Any]:
    """Return a notice as JSON has it, whole."""
    return {
        "id": notice.id,
        "action": notice.action.value,
        "dedup_key": notice.dedup_key,
        "title": notice.title,
        "urgency": notice.urgency.value,
        "what": notice.what,
        "fix": notice.fix,
        "source": notice.source,
        "at": notice.at.isoformat(),
        "facts": dict(notice.facts),
        "links": dict(notice.links),
    }


def as_markdown(notice: Notice) -> str:
    """Return what is said below the title, in CommonMark, whose signs in a notice's words mean nothing."""
    parts = [_escaped(cut(notice.what, _PART_CHARACTERS))]
    if todo := steps(notice.fix):
        parts += ["**What to do**", "\n".join(f"- {_command(line)}" for line in todo)]
    if known := facts(notice):
        parts.append("\n".join(f"- {_escaped(name)}: {_escaped(value)}" for name, value in known.items()))
    parts += [f"[{_escaped(cut(name, 40))}](<{_address(url)}>)" for name, url in _http(notice.links).items()]
    return "\n\n".join(filter(None, parts))


def _escaped(text: str) -> str:
    return _SIGNS.sub(r"\\\1", _CALLS.sub(f"@{_NO_BREAK}", text))


def _command(line: str) -> str:
    """What is typed stands as it is, so that it can be copied; all else is words."""
    return f"`{line}`" if line.startswith("sluice ") and "`" not in line else _escaped(line)


def _http(links: Mapping[str, str]) -> dict[str, str]:
    return {name: url for name, url in links.items() if url.startswith(("https://", "http://"))}


def _address(url: str) -> str:
    return url.replace("<", "%3C").replace(">", "%3E").replace(" ", "%20")
