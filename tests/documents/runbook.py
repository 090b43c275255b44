"""The runbook, `docs/runbook/`: an index and a page an area, made of the entries that ship with the package.

Belongs here: the pages' form. Does not: an entry's text, which is `orchestration/sluicegate/codes/entries/`.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from sluicegate.codes import AREAS, Area, place
from sluicegate.codes.reading import Entry, above, entries
from sluicegate.core.settings import REPOSITORY

FOLDER = REPOSITORY / "docs" / "runbook"
_TO_ENTRY = re.compile(r"\]\((SLU-[A-Z]\d{3})\)")
_MADE = "Made by `python -m tests.documents.renew` from `codes/entries/` in the package; change it there."


def pages() -> Mapping[Path, str]:
    """Return every page's text by its file."""
    made = {FOLDER / f"{area.page}.md": _linked(_page(area), area.page) for area in AREAS.values()}
    return {FOLDER / "README.md": _linked(_index(), "README"), **made}


def _index() -> str:
    head, _, rest = above("README").partition("\n\n")
    lines = [head, "", _MADE, "", rest.rstrip(), "", "## By code", "", "| Code | |", "| --- | --- |"]
    for area in AREAS.values():
        lines.append(f"| **{area.letter}** | **[{area.title}]({area.page}.md)** |")
        lines += [f"| [{entry.code}]({entry.code}) | {entry.title} |" for entry in _of(area)]
    lines += ["", "## By what you see", "", "| You see | Entry |", "| --- | --- |"]
    lines += [
        f"| {entry.sees} | [{entry.title}]({entry.code}) |" for entry in entries().values() if entry.sees
    ]
    return "\n".join(lines) + "\n"


def _page(area: Area) -> str:
    parts = [f"# {area.title}", f"{_MADE} [All codes](README.md#by-code).", above(area.letter).strip()]
    for entry in _of(area):
        anchors = "".join(f'<a id="{name}"></a>' for name in (entry.code.lower(), *entry.was))
        parts.append(f"{anchors}\n## {entry.code}: {entry.title}\n\n{entry.body}")
    return "\n\n".join(parts) + "\n"


def _of(area: Area) -> list[Entry]:
    return [entry for entry in entries().values() if entry.area == area]


def _linked(text: str, page: str) -> str:
    def target(found: re.Match[str]) -> str:
        return f"]({place(found[1]).removeprefix('docs/runbook/').removeprefix(f'{page}.md')})"

    return _TO_ENTRY.sub(target, text)
