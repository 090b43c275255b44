"""Every page by its path: what is on it, rendered; each kept as long as nothing that it shows has changed.

Belongs here: from a path to HTML. Does not belong here: what is on a page, HTTP (`serving`), files
(`written`).
"""

import hashlib
import hmac
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from math import ceil
from pathlib import Path
from threading import Lock
from typing import Any, cast

import jinja2

from sluicegate.incidents.people import incident_of
from sluicegate.page import places, strips, urgent
from sluicegate.page.logs import log
from sluicegate.page.look import FRESH, Look, at, number
from sluicegate.page.places import Place, href, meant, parsed
from sluicegate.page.reading import Reading
from sluicegate.page.way import keys_known, way
from sluicegate.state.deployment import Deployment
from sluicegate.state.shown import EXPORT, SOURCE, TABLE

_KEPT, _FOUND, _DROPS = 200, 100, 60
_KINDS = (SOURCE, TABLE, EXPORT)


@dataclass(frozen=True)
class Page:
    """A page as it is sent; `stamp` is another text once it may be another."""

    html: str
    stamp: str


class Pages:
    """The pages of a deployment. `linked`: what else the frame leads to, {words: URL}.

    `written`: they become files. `instance` is Dagster's, where it is open. `fresh` is as in `Look`.
    """

    def __init__(
        self,
        deployment: Deployment,
        reading: Reading,
        *,
        linked: Mapping[str, str] | None = None,
        written: bool = False,
        instance: Any = None,
        fresh: timedelta = FRESH,
    ) -> None:
        self.deployment, self.reading = deployment, reading
        self._linked, self._written, self._instance, self._fresh = (
            dict(linked or {}),
            written,
            instance,
            fresh,
        )
        self._secret, self._lock = secrets.token_bytes(32), Lock()
        self._kept: OrderedDict[tuple[str, str, str], Page] = OrderedDict()

    def token(self, person: str) -> str:
        """Return what a form of a person's carries, and no other site knows."""
        return hmac.new(self._secret, person.encode(), hashlib.sha256).hexdigest()

    def look(self, person: str = "") -> Look:
        """Return the records and the project of now."""
        self.deployment.store.shown.follow()
        token = self.token(person) if person else ""
        return Look(
            self.deployment, self.reading.now(), self.deployment.clock(), self._written, person, token,
            self._fresh,
        )  # fmt: skip

    def page(self, path: str, person: str = "", query: str = "") -> Page | None:
        """Return a page; None where there is none of that path."""
        place, look = parsed(path), self.look(person)
        if place is None:
            return None
        minute = int(look.now.timestamp() // 60)
        # The token is of this process and person: a form of others is not one that may be kept.
        read = look.read.stamp, look.read.problems
        told = f"{self.deployment.store.shown.stamp()} {read} {minute} {look.token}"
        # A log may grow while its step is at work, and nothing on record tells.
        stamp = (
            secrets.token_hex(8) if place.kind == "logs" else hashlib.sha256(told.encode()).hexdigest()[:24]
        )
        key = (path, person, query)
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None and kept.stamp == stamp:
                self._kept.move_to_end(key)
                return kept
        html = self._rendered(place, look, query)
        if html is None:
            return None
        page = Page(html, stamp)
        with self._lock:
            self._kept[key] = page
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return page

    def _rendered(self, place: Place, look: Look, query: str) -> str | None:
        kind, _, number_ = place.kind.rpartition("-") if place.kind[-1:].isdigit() else (place.kind, "", "1")
        view = _VIEWS.get((kind, len(place.of)))
        if view is None or not _PART.fullmatch(number_) or (number_ != "1" and kind not in _LISTS):
            return None
        found = view(look, *place.of, **_more(kind, place, int(number_), query, self._instance))
        if found is None:
            return None
        name, title, told = found
        up = place.up
        template = _templates().get_template(f"{name}.html")
        return template.render(
            look=look, title=title, place=place, up=up, link=lambda to: href(to, up), linked=self._linked,
            nav=[(words, Place(one)) for words, one in _NAV if look.written or one != places.NAMES],
            **told,
        )  # fmt: skip


_NAV = (
    ("Now", places.NOW), ("Sources", places.SOURCES), ("Exports", places.EXPORTS),
    ("Incidents", places.INCIDENTS), ("All names", places.NAMES),
)  # fmt: skip
# Which part of a long list: no list has more.
_PART = re.compile("[1-9][0-9]{0,5}")
_LISTS = (places.SOURCES, places.EXPORTS)
_View = tuple[str, str, dict[str, Any]]


def _more(kind: str, place: Place, number_: int, query: str, instance: Any) -> dict[str, Any]:
    if kind in _LISTS and not place.of:
        return {"page": number_}
    if kind == places.SEARCH:
        return {"query": query}
    return {"instance": instance} if kind == "logs" else {}


@cache
def _templates() -> jinja2.Environment:
    """The templates: every text is escaped but their own, and a name that is missing raises."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    cast("dict[str, Any]", made.filters).update({"at": at, "number": number, "code": code_parts})
    cast("dict[str, Any]", made.globals).update(
        {"signs": strips.SIGNS, "means": strips.MEANS, "Place": Place}
    )
    return made


def code_parts(text: str) -> list[tuple[str, bool]]:
    """Return a text in parts, each with whether it is to be typed: what stands between backticks."""
    return [(part, place % 2 == 1) for place, part in enumerate(text.split("`")) if part]


# -- what is on each page: its template, its title, and what the template is told


def _now(look: Look, owner: str = "") -> _View | None:
    found = urgent.now(look, owner)
    if owner and owner not in found.owners:
        return None
    return "now", f"Now, {owner}" if owner else "Now", {"now": found}


def _owner(look: Look, owner: str) -> _View | None:
    name = meant(owner, urgent.now(look).owners)
    return _now(look, name) if name else None


def _list(kind: str) -> Callable[..., _View | None]:
    def view(look: Look, page: int = 1) -> _View | None:
        names = strips.names(look, kind)
        pages = max(1, ceil(len(names.ordered) / strips.PER_PAGE))
        if not 1 <= page <= pages:
            return None
        shown = names.ordered[(page - 1) * strips.PER_PAGE : page * strips.PER_PAGE]
        heading = f"{kind.capitalize()}s"
        others = [(one, Place(f"{kind}s" if one == 1 else f"{kind}s-{one}")) for one in range(1, pages + 1)]
        told = {
            "lines": strips.lines(look, names, shown),
            "count": len(names.ordered),
            "page": page,
            "others": others,
            "kind": kind,
        }
        return "lines", heading, told

    return view


def _one(kind: str) -> Callable[..., _View | None]:
    def view(look: Look, name: str) -> _View | None:
        known = meant(name, look.names[kind])
        if known is None:
            return None
        line = strips.lines(look, strips.names(look, kind), [known])[0]
        of = (kind, known) if kind == EXPORT else (TABLE, f"raw.{known}")
        keys = sorted(keys_known(look, *of), reverse=True)[:_DROPS]
        incidents = [look.store.incidents.of(one) for one in line.incidents]
        told = {
            "line": line, "kind": kind, "ways": [(key, Place("ways", (*of, key))) for key in keys],
            "rows": urgent.in_order([one for one in incidents if one is not None], look),
            "drops": look.store.shown.drops_of(known, _DROPS) if kind == SOURCE else [],
            "deliveries": look.store.shown.deliveries_of(known, _DROPS) if kind == EXPORT else [],
        }  # fmt: skip
        return "line", known, told

    return view


def _way(look: Look, kind: str, name: str, key: str) -> _View | None:
    if kind not in (TABLE, EXPORT) or (known := meant(name, look.names[kind])) is None:
        return None
    cut = look.cut_of(kind, known)
    fits = cut is not None and cut.holds(key)
    exact = key if fits else meant(key, keys_known(look, kind, known))
    if exact is None:
        return None
    return "way", f"{known} {exact}".strip(), {"way": way(look, kind, known, exact)}


def _incidents(look: Look) -> _View:
    return "incidents", "Incidents", {"rows": urgent.in_order(look.store.incidents.newest(), look)}


def _incident(look: Look, number_: str) -> _View | None:
    try:
        item = incident_of(look.store, number_)
    except ValueError:
        return None
    messages = look.store.incidents.outbox.of_incident(item.id)
    row = urgent.in_order([item], look)[0]
    told = {
        "row": row, "events": look.store.incidents.events(item.id), "messages": messages
    }  # fmt: skip
    return "incident", f"Incident {item.id}", told


def _log(look: Look, run_id: str, step: str, instance: Any = None) -> _View:
    return "log", f"{step or 'run'} {run_id[:8]}", {"log": log(look, run_id, step, instance)}


def _names(look: Look) -> _View:
    return "names", "All names", {"found": _sorted(look, lambda _: True), "query": "", "keyed": []}


def _search(look: Look, query: str = "") -> _View:
    """Find names that hold every word; a word that is a partition's key finds what has it."""
    words = query.casefold().split()[:8]
    keyed: list[tuple[str, str, Place]] = []
    rest = words
    for word in query.split()[:8]:
        places_ = look.store.shown.with_key(word) if word else set[tuple[str, str]]()
        if not places_:
            continue
        rest = [other for other in words if other != word.casefold()]
        keyed = [
            (kind, name, Place("ways", (EXPORT, name, word) if kind == EXPORT else (TABLE, of, word)))
            for kind, name in sorted(places_)
            if all(other in name.casefold() for other in rest)
            for of in [f"raw.{name}" if kind == SOURCE else name]
        ]
    found = _sorted(look, lambda name: all(word in name.casefold() for word in rest)) if rest else []
    told = {"query": query, "found": found[:_FOUND], "keyed": keyed[:_FOUND]}
    return "names", "Search", told


def _sorted(look: Look, fits: Callable[[str], bool]) -> Sequence[tuple[str, str, Place]]:
    return [
        (kind, name, Place(f"{kind}s", (name,)))
        for kind in (EXPORT, SOURCE, TABLE)
        for name in sorted(look.names[kind])
        if fits(name)
    ]


def _table(look: Look, name: str) -> _View | None:
    known = meant(name, look.names[TABLE])
    if known is None:
        return None
    keys = sorted(keys_known(look, TABLE, known), reverse=True)[:_DROPS]
    ways = [(key, Place("ways", (TABLE, known, key))) for key in keys]
    return "table", known, {"name": known, "about": look.about(TABLE, known), "ways": ways}


# {(kind of page, how many names it has): its view}
_VIEWS: Mapping[tuple[str, int], Callable[..., _View | None]] = {
    (places.NOW, 0): _now, ("owners", 1): _owner,
    (places.SOURCES, 0): _list(SOURCE), (places.EXPORTS, 0): _list(EXPORT),
    (places.SOURCES, 1): _one(SOURCE), (places.EXPORTS, 1): _one(EXPORT), ("tables", 1): _table,
    ("ways", 3): _way, (places.INCIDENTS, 0): _incidents, (places.INCIDENTS, 1): _incident,
    ("logs", 2): _log, (places.NAMES, 0): _names, (places.SEARCH, 0): _search,
}  # fmt: skip
