"""What one page is made of: the records and the project of one moment, and who looks.

Belongs here: what all pages ask. Does not belong here: a page.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Any

from sluicegate.columns.catalogue import TableShown
from sluicegate.columns.graph import DELIVERED
from sluicegate.core.partitions import Partitioning, grain_of
from sluicegate.core.relations import RAW, Relation
from sluicegate.core.settings import Settings
from sluicegate.core.shown_text import NOTHING_CLASSIFIED, Near
from sluicegate.incidents.telling import run_url
from sluicegate.operations.site import Site
from sluicegate.page.reading import Read
from sluicegate.state.deployment import Deployment
from sluicegate.state.incidents import LOOKS
from sluicegate.state.shown import EXPORT, SOURCE, TABLE
from sluicegate.state.store import StateStore

# So long ago the last look at what is wrong may be: the sensor looks every half minute.
FRESH = timedelta(minutes=10)


@dataclass(frozen=True)
class Banner:
    """What everybody who looks has to know first; `fix` is what to type."""

    level: str
    said: str
    fix: str = ""


@dataclass(frozen=True)
class Look:
    """The records and the project at a moment. `written`: the page becomes a file, and has no server.

    `person` is who looks, as the proxy in front says; "" where nobody vouches for that. `token` is theirs.
    """

    deployment: Deployment
    read: Read
    now: datetime
    written: bool = False
    person: str = ""
    token: str = ""
    fresh: timedelta = FRESH

    @property
    def store(self) -> StateStore:
        """The records."""
        return self.deployment.store

    @property
    def settings(self) -> Settings:
        """Where things are."""
        return self.deployment.settings

    @cached_property
    def site(self) -> Site | None:
        """The deployment with its project; None where none was read."""
        return None if self.read.project is None else Site(self.deployment, self.read.project)

    @cached_property
    def names(self) -> Mapping[str, frozenset[str]]:
        """{SOURCE, TABLE or EXPORT: names}, of the project and on record."""
        found, project = self.store.shown.names(), self.read.project
        if project is not None:
            found[SOURCE] |= set(project.contracts)
            found[TABLE] |= set(project.lineage.tables)
            found[EXPORT] |= set(project.exports)
        return {kind: frozenset(names) for kind, names in found.items()}

    def about(self, kind: str, name: str) -> TableShown:
        """Return whose a source, table or export is, and which file says so; empty where nobody knows."""
        project, gone = self.read.project, TableShown("table")
        if project is None or name not in self.names[kind]:
            return gone
        relation = {SOURCE: Relation(RAW, name), EXPORT: Relation(DELIVERED, name)}.get(kind)
        return project.catalogue.tables.get(relation or Relation.parse(name), gone)

    def relation_of(self, export: str) -> str | None:
        """Return the table that an export sends; None where the project has no such export."""
        project = self.read.project
        if project is None or export not in project.exports:
            return None
        return project.node_of(project.exports[export]).relation

    def cut_of(self, kind: str, name: str) -> Partitioning | None:
        """Return how something is cut; None where the project has it not."""
        project = self.read.project
        relation = {SOURCE: f"{RAW}.{name}", EXPORT: self.relation_of(name)}.get(kind, name)
        table = project.lineage.tables.get(relation) if project is not None and relation else None
        return table.partitioning if table else None

    def near(self, relation: str) -> Near:
        """Return what is near a text of a table, "" being any; of one that nobody knows, something is.

        So it is of pages that are written: those leave the machine, and nobody asks who reads them.
        """
        project = self.read.project
        if project is None:
            return Near(classified=True)
        return project.near_classified if self.written else self._near.get(relation, project.near_classified)

    @cached_property
    def _near(self) -> Mapping[str, Near]:
        project = self.read.project
        if project is None:
            return {}
        anything = any(project.classified_columns.values())
        return {name: project.near(name) for name in project.lineage.tables} | {
            "": project.near_classified if anything else NOTHING_CLASSIFIED
        }

    def run_url(self, run_id: str, step: str = "") -> str:
        """Return where the UI shows a run; "" where nobody says where it is."""
        return run_url(self.settings, run_id, step)

    @cached_property
    def looked_at(self) -> datetime | None:
        """When what is wrong was last looked for; None: never."""
        beats = (beat.at for beat in self.store.incidents.heartbeats() if beat.component == LOOKS)
        return max(beats, default=None)

    @property
    def stale(self) -> str:
        """How far off the last look is, in words; "" of one that is fresh, or of none.

        One that is ahead was made before the clock was put back: nobody has looked since.
        """
        if self.looked_at is None or abs(self.now - self.looked_at) <= self.fresh:
            return ""
        return f"{in_words(self.now - self.looked_at)} {'ago' if self.looked_at < self.now else 'ahead'}"

    @cached_property
    def banners(self) -> Sequence[Banner]:
        """What is wrong with the whole."""
        return list(self._banners())

    def _banners(self) -> Iterator[Banner]:
        if self.read.problems:
            more = len(self.read.problems) - 1
            others = f" (and {more} more)" if more else ""
            yield Banner("bad", f"The project does not load: {self.read.problems[0]}{others}", "sluice check")
        elif not self.read.begun:
            yield Banner("quiet", "The project is being read: what only its files tell comes in a moment.")
        if why := self.deployment.kept_back(asks_areas=False):
            yield Banner("bad", f"Nothing leaves this deployment: {why.what}", why.fix)
        if self.looked_at is None:
            yield Banner("warn", "Nobody has looked yet at what is wrong.", "sluice run")
        elif self.stale and self.looked_at > self.now:
            yield Banner(
                "bad", f"The last look at what is wrong is {self.stale} of the clock: this may be old.",
                "sluice run",
            )  # fmt: skip
        elif self.stale:
            ago = in_words(self.now - self.looked_at)
            yield Banner(
                "bad", f"Nobody has looked at what is wrong for {ago}: what follows is of then.", "sluice run"
            )


def day_of(key: str, cut: Partitioning | None, otherwise: datetime) -> date:
    """Return the day on which a partition begins; what has no time stands on that of a moment."""
    grain = cut.grain if cut is not None else grain_of(key)
    if grain is None or not grain.timed:
        return otherwise.astimezone(UTC).date()
    try:
        return Partitioning(grain).interval(key)[0].date()
    except ValueError:  # of when the table was cut in another way
        return otherwise.astimezone(UTC).date()


def in_words(span: timedelta) -> str:
    """Return how long something is, in the two largest units that say something."""
    minutes = int(abs(span).total_seconds() // 60)
    if minutes >= 2 * 24 * 60:
        return f"{minutes // (24 * 60)} days"
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def at(moment: datetime | None) -> str:
    """Return a moment as pages show it, in UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}" if moment else ""


def number(value: Any) -> str:
    """Return a number with its thousands apart; "" of none."""
    return "" if value is None else f"{value:,}"
