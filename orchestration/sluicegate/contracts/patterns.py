"""Whether the engine can take a `pattern`: its regular expressions are RE2's, which run in linear time.

Belongs here: what RE2 leaves out of the expressions that people write. Does not belong here: matching. The
engine itself is not asked: it would be imported wherever the graph is loaded, for this alone.
"""

import re
import warnings

_TOKEN = re.compile(
    r"""
      (?P<unicode>\\[pP](?:\{\^?\w+\}|[A-Za-z]))
    | (?P<hex>\\x\{[0-9A-Fa-f]+\})
    | (?P<escape>\\.)
    | (?P<set>\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*\])
    | (?P<flags>\(\?(?=[imsU-])[imsU]*(?:-[imsU]+)?[:)])
    | (?P<group>\(\?(?:P<|P=|<[=!]|.)?)
    | (?P<possessive>(?:[*+?]|\{\d+(?:,\d*)?\})\+)
    | \{(?P<least>\d+)(?:,(?P<most>\d+)?)?\}
    """,
    re.VERBOSE | re.DOTALL,
)
_GROUPS = {
    "(?=": "looks ahead", "(?!": "looks ahead", "(?<=": "looks behind", "(?<!": "looks behind",
    "(?P=": "refers back to a group", "(?(": "depends on a group", "(?>": "has an atomic group",
    "(?#": "has a comment", "(?<": "names a group without P, as in `(?P<name>…)`",
}  # fmt: skip
_MOST_REPETITIONS = 1000


def pattern_problem(pattern: str) -> str:
    """Return what keeps the engine from taking a pattern, or nothing.

    It knows what people write; when repetitions within repetitions are too many, only the engine knows.
    """
    found: list[str] = []
    readable = _TOKEN.sub(lambda token: _as_python(token, found), pattern)
    if found:
        return found[0]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            re.compile(readable)
    except re.error as error:
        return str(error.msg)
    return ""


def _as_python(token: re.Match[str], found: list[str]) -> str:
    """Return what Python takes for the same; note in `found` what RE2 does not take."""
    text, kind = token[0], token.lastgroup
    if kind in ("unicode", "hex"):
        return "a"
    if kind == "escape":
        return _escape(text, found)
    if kind == "set":
        return _set(text, found)
    if kind == "flags":
        return "(?:" if text.endswith(":") else "(?:)"
    if kind == "group" and text not in ("(?:", "(?P<"):
        found.append(_GROUPS.get(text, f"has a group that begins with `{text}`"))
    if kind == "possessive":
        found.append(f"repeats what is repeated: `{text}`")
    if any(int(number) > _MOST_REPETITIONS for number in (token["least"], token["most"]) if number):
        found.append(f"repeats more than {_MOST_REPETITIONS} times: `{text}`")
    return text


def _escape(text: str, found: list[str]) -> str:
    letter = text[1]
    if letter in "123456789":
        found.append(f"refers back to a group: `{text}`")
    elif letter in "ZuUN" or not letter.isascii():
        found.append(f"has the escape `{text}`")
    return {"z": "$", "C": "."}.get(letter, text)


def _set(text: str, found: list[str]) -> str:
    for letter in re.findall(r"\\(.)", text, re.DOTALL):
        if letter in "bBAzZuUNC123456789" or not letter.isascii():
            found.append(f"has the escape `\\{letter}` in a set")
    return re.sub(r"\\x\{[0-9A-Fa-f]+\}|\\[pP](?:\{\^?\w+\}|[A-Za-z])", "a", text)
