"""Going from page to page by their links, as people do, and reading what a browser would show.

Belongs here: that, without the platform's help. Does not: any expectation.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

from sluicegate.page.pages import Pages

# What stands alone, and has no end.
_VOID = {"meta", "input", "link", "br", "img", "hr"}


@dataclass
class Read(HTMLParser):
    """A page as a browser takes it: its elements, their attributes, its text, what is to be typed."""

    html: str
    tags: list[str] = field(default_factory=list[str])
    attributes: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    text: str = ""
    typed: list[str] = field(default_factory=list[str])
    unclosed: list[str] = field(default_factory=list[str])
    _typing: bool = False

    def __post_init__(self) -> None:
        HTMLParser.__init__(self)
        self.feed(self.html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in _VOID:
            self.unclosed.append(tag)
        if tag == "code" and ("class", "type") in attrs:
            self._typing = True
            self.typed.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.unclosed[-1:] == [tag], (tag, self.unclosed)
        self.unclosed.pop()
        self._typing = self._typing and tag != "code"

    def handle_data(self, data: str) -> None:
        if self.unclosed[-1:] != ["style"]:
            self.text += data
        if self._typing:
            self.typed[-1] += data

    @property
    def links(self) -> list[str]:
        """Where it leads."""
        return [value for tag, name, value in self.attributes if (tag, name) == ("a", "href")]


def crawled(get: Callable[[str], str | None], first: str = "index.html") -> dict[str, Read]:
    """Return {path: page} of all that is reached from the first; a link that leads nowhere raises."""
    found: dict[str, Read] = {}
    waiting = [(first, "")]
    while waiting:
        path, came_from = waiting.pop()
        html = get(path)
        assert len(found) < 2000
        assert html is not None, f"{came_from} leads to {path}, which is not there"
        found[path] = page = Read(html)
        for link in page.links:
            if urlsplit(link).scheme or link.startswith("#"):
                continue
            to = urljoin(f"http://x/{path}", link).removeprefix("http://x/")
            if to not in found and to not in [one for one, _ in waiting] and "data-docs/" not in to:
                waiting.append((to, path))
    return found


def of_server(get: Callable[[str], str]) -> Callable[[str], str | None]:
    """Return how a page that is served is got."""
    return lambda path: get(path)


def of_pages(pages: Pages) -> Callable[[str], str | None]:
    """Return how a page is got without a server, which decodes a path once."""

    def get(path: str) -> str | None:
        page = pages.page(unquote(path))
        return page.html if page else None

    return get


def of_files(folder: Path) -> Callable[[str], str | None]:
    """Return how a page that was written is got: a path of a link is a file's, decoded once."""

    def get(path: str) -> str | None:
        file = folder / unquote(path)
        return file.read_text("utf-8") if file.is_file() else None

    return get
