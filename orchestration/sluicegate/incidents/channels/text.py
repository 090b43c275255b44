"""A notice in words, short enough for a phone.

Belongs here: what is said in which order, how long it may be, and what keeps a chat from reading it as
something else. Does not belong here: requests.

A notice holds no value of the data; no more than what stands in it is said.
"""

import re
from typing import Any

from sluicegate.incidents.trouble import Action, Notice

TITLE_CHARACTERS = 140
_PART_CHARACTERS = 500
_FIX_CHARACTERS = 4_000
_MOST_CHARACTERS = 20_000
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
# What Markdown reads as more than a letter in the cards of Teams, and may follow a backslash there.
_SIGNS = re.compile(r"([\\*\[\]])")
# Chats call everybody of a channel by these, or a person; no address of e-mail is meant.
_CALLS = re.compile(r"(?<![\w.+-])@(?=\w)")
_NO_BREAK = "\N{ZERO WIDTH SPACE}"
# What moves a terminal's cursor, turns a text round, or is half a character.
_UNSEEN = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """Return a text without characters that are signs to what shows it."""
    return _UNSEEN.sub("", text)


def cut(text: str, most: int) -> str:
    """Return a text on one line, of so many characters at most."""
    text = " ".join(printable(text[: 4 * most + 1]).split())
    return text if len(text) <= most else text[: most - 1] + "…"


def lines(text: str, most: int) -> str:
    """Return a text line by line, of so many characters at most."""
    kept = [line for line in (cut(one, most) for one in text[: 4 * most].splitlines()) if line]
    shown = "\n".join(kept)
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def title(notice: Notice) -> str:
    """Return what became of an incident, and its title."""
    word = _WORDS[notice.action]
    said = notice.title.casefold().startswith(word.casefold())
    return cut(notice.title if said else f"{word}{notice.title}", TITLE_CHARACTERS)


def facts(notice: Notice) -> dict[str, str]:
    """Return what is known by its heading, as much as fits."""
    shown = [(cut(name, 40), cut(value, _FACT_CHARACTERS)) for name, value in notice.facts.items()]
    more = len(shown) - _MOST_FACTS
    return dict(shown[:_MOST_FACTS]) | ({"more": f"{more} lines"} if more > 0 else {})


def steps(text: str) -> list[str]:
    """Return the lines of what to do, as many as fit: a command that is cut would be typed."""
    shown: list[str] = []
    for line in filter(None, map(str.strip, text[:_MOST_CHARACTERS].splitlines())):
        if len(line) + sum(map(len, shown)) > _FIX_CHARACTERS:
            return [*shown, "and more than fits here: it stands beside the incident"]
        shown.append(line)
    return shown


def http_links(notice: Notice) -> dict[str, str]:
    """Return the URLs by their text, of what is an address of the web alone."""
    return {text: url for text, url in notice.links.items() if url.startswith(("https://", "http://"))}


def as_data(notice: Notice) -> dict[str, Any]:
    """Return a notice as JSON has it, whole up to what no person reads."""
    return {
        "id": notice.id,
        "action": notice.action.value,
        "dedup_key": notice.dedup_key,
        "title": cut(notice.title, TITLE_CHARACTERS),
        "urgency": notice.urgency.value,
        "what": printable(notice.what[:_MOST_CHARACTERS]),
        "fix": notice.fix[:_MOST_CHARACTERS],
        "source": notice.source[:_PART_CHARACTERS],
        "at": notice.at.isoformat(),
        "facts": facts(notice),
        "links": http_links(notice),
    }


def as_plain(notice: Notice) -> str:
    """Return what is said below the title, as plain text."""
    parts = [_calling_nobody(lines(notice.what, _PART_CHARACTERS))]
    if todo := steps(notice.fix):
        parts.append("\n".join(["What to do:", *(f"  {line}" for line in todo)]))
    if known := facts(notice):
        parts.append("\n".join(_calling_nobody(f"{name}: {value}") for name, value in known.items()))
    parts += [f"{text}: {url}" for text, url in http_links(notice).items()]
    return "\n\n".join(filter(None, parts))


def as_card(notice: Notice) -> str:
    """Return what is said below the title, in the Markdown of Teams' cards, which knows no code."""
    parts = [for_card(lines(notice.what, _PART_CHARACTERS)).replace("\n", "\n\n")]
    if todo := steps(notice.fix):
        parts += ["**What to do**", "\n".join(f"- {for_card(line)}" for line in todo)]
    if known := facts(notice):
        parts.append("\n".join(f"- {for_card(name)}: {for_card(value)}" for name, value in known.items()))
    parts += [f"[{for_card(text)}]({_address(url)})" for text, url in http_links(notice).items()]
    return "\n\n".join(filter(None, parts))


def for_card(text: str) -> str:
    """Return a text that says in Markdown what it says, and calls nobody (`<at>`)."""
    return _SIGNS.sub(
        r"\\\1", _calling_nobody(text).replace("<", "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}")
    )


def _calling_nobody(text: str) -> str:
    return _CALLS.sub(f"@{_NO_BREAK}", text)


def _address(url: str) -> str:
    return url.replace("(", "%28").replace(")", "%29").replace("<", "%3C").replace(" ", "%20")
