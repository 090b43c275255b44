"""The text of a command as it is sent to change what stands there already.

Belongs here: a command's `with (…)`. Does not belong here: which commands are sent (`plan`).

A function's command without a folder or docstring leaves it open whether those that are there go: they are
taken away by saying so. Of a view some properties are taken only where it is new ("create-or-alter
materialized-view": supported properties).
"""

import re
from collections.abc import Callable, Collection

from sluicegate.kusto.objects import Kind, KustoObject

# Comments and strings, whose brackets and commas count for nothing.
_ASIDE = (
    r"//[^\n]*|```.*?```|~~~.*?~~~"
    r"|[hH]?@\"[^\"]*\"|[hH]?@'[^']*'|[hH]?\"(?:[^\"\\]|\\.)*\"|[hH]?'(?:[^'\\]|\\.)*'"
)
_PIECE = re.compile(rf"(?P<aside>{_ASIDE})|(?P<word>\w+)|(?P<mark>[()\[\]{{}},=])|.", re.DOTALL)
_OF_NEW_VIEWS = ("backfill", "effectivedatetime", "updateextentscreationtime")


def of_existing(one: KustoObject, text: str, emptied: Collection[str]) -> str:
    """Return the command of a function or view that is there; `emptied` are properties to take away."""
    if one.kind is Kind.FUNCTION:
        added = [f'{name} = ""' for name in sorted(emptied)]
        return _with(one, text, lambda name: name not in emptied, added) if added else text
    if one.kind is Kind.VIEW:
        return _with(one, text, lambda name: name not in _OF_NEW_VIEWS, [])
    return text


def _with(one: KustoObject, text: str, keeps: Callable[[str], bool], added: list[str]) -> str:
    """Return a command with some of its properties, and others."""
    head = text.removesuffix(one.body)
    opening = "function" if one.kind is Kind.FUNCTION else "view"
    depth, start, after, listed = 0, -1, -1, list[tuple[str, str]]()
    begun, name, seen = 0, "", ""
    for piece in _PIECE.finditer(head):
        word, mark = piece["word"] or "", piece["mark"] or ""
        if after < 0:
            after = piece.end() if word == opening else -1
        elif start < 0:
            if word == "with":
                start = piece.start()
            elif word or mark:
                break  # it has no properties
        elif mark in ("(", "[", "{"):
            depth += 1
            begun, name = (piece.end(), "") if depth == 1 else (begun, name)
        elif mark and depth == 1 and mark in (",", ")"):
            listed.append((name.lower(), head[begun : piece.start()].strip()))
            begun, name = piece.end(), ""
            if mark == ")":
                seen = head[piece.end() :]
                break
        elif mark in (")", "]", "}"):
            depth -= 1
        elif mark == "=" and depth == 1:
            pass
        elif word and depth == 1 and not name:
            name = word
    kept = [*added, *(said for name, said in listed if said and keeps(name))]
    before, rest = (head[:start], seen) if start >= 0 else (f"{head[:after]} ", head[after:])
    stated = f"with ({', '.join(kept)})" if kept else ""
    return f"{before}{stated}{rest if rest[:1].isspace() or not stated else f' {rest}'}{one.body}"
