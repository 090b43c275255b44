"""The page as files: what the server would answer, page after page, from the first one along its links.

Belongs here: which pages there are, and putting them into a folder. Does not belong here: a page (`pages`).
"""

import re
import shutil
from collections.abc import Callable
from html import unescape
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from sluicegate.columns.lineage_page import LINEAGE_PAGE, lineage_html
from sluicegate.core.progress import step
from sluicegate.page import places
from sluicegate.page.data_docs import FOLDER, framed
from sluicegate.page.pages import Pages

_HREF = re.compile(r'href="([^"]*)"')
# What tells a folder that this made from one that somebody keeps other things in; it lists what was written.
_MARK = ".sluice-page"


def write(pages: Pages, folder: Path, say: Callable[[str], object]) -> int:
    """Write all pages into a folder, in the place of those that were there; return how many.

    They are written beside it, and put there whole.

    Raises:
        ValueError: the folder has something in it that this did not make.
    """
    if others := _others(folder):
        raise ValueError(
            f"{folder}: has other things in it, as {others[0]}; expected an empty folder, or one of this"
            " command's"
        )
    new, old = folder.with_name(f".{folder.name}.new"), folder.with_name(f".{folder.name}.old")
    for left in (new, old):  # of one that was killed
        shutil.rmtree(left, ignore_errors=True)
    new.mkdir(parents=True)
    project = pages.reading.now().project
    beside = set[str]()
    if project is not None:
        (new / FOLDER).mkdir()
        html = framed(lineage_html(project.catalogue), "../", pages.deployment.settings.project_dir.name)
        (new / FOLDER / LINEAGE_PAGE).write_text(html, encoding="utf-8")
        beside.add(f"{FOLDER}/{LINEAGE_PAGE}")
    known = _write_linked(pages, new, beside, say)
    made = sorted(file.relative_to(new).as_posix() for file in new.rglob("*") if file.is_file())
    (new / _MARK).write_text("".join(f"{name}\n" for name in made), encoding="utf-8")
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
    return len(known)


def _write_linked(pages: Pages, new: Path, beside: set[str], say: Callable[[str], object]) -> set[str]:
    """Write the first page, and all that links lead to from there; return the pages that there are."""
    waiting, known = [f"{places.NOW}{places.SUFFIX}"], {f"{places.NOW}{places.SUFFIX}"}
    with step("writing", unit="pages") as under_way:
        while waiting:
            path = waiting.pop()
            under_way.now, under_way.total = path, len(known)
            page = pages.page(path)
            under_way.add()
            if page is None:
                say(f"{path}: there is no such page any more")
                continue
            file = new / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(page.html, encoding="utf-8")
            for one in _linked(page.html, path) - known - beside:
                known.add(one)
                waiting.append(one)
    return known


def _others(folder: Path) -> list[str]:
    """Return the files of a folder that this did not write; those of a folder that lists none are ours.

    Raises:
        NotADirectoryError: it is no folder.
    """
    if not folder.exists():
        return []
    there = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())
    mark = folder / _MARK
    if not mark.is_file():
        return there or [path.name for path in folder.iterdir()]
    made = {_MARK, *mark.read_text("utf-8").splitlines()}
    older = len(made) == 1  # the mark of earlier versions is empty: pages are theirs
    return [name for name in there if name not in made and not (older and name.endswith(places.SUFFIX))]


def _linked(html: str, path: str) -> set[str]:
    """Return the paths of the pages that a page links to."""
    found: set[str] = set()
    for link in _HREF.findall(html):
        url = urlsplit(unescape(link))
        if url.scheme or url.netloc or not url.path:
            continue
        parts: list[str] = list(PurePosixPath(path).parent.parts)
        for part in unquote(url.path).split("/"):
            if part == "..":
                parts.pop()
            else:
                parts.append(part)
        found.add("/".join(parts))
    return found
