"""What has happened to the kiosk: the facts that the oracle judges by, kept without the platform's records.

Belongs here: versions of tables, what each was built from, what its rows were and what each check said of
them by which rules, reckoned from what landed; releases, plans, what the destination holds. Does not: what
follows from it (`oracle`), and how it is found out which builds took place (`company`).
"""

from collections.abc import Collection, Mapping
from copy import deepcopy
from dataclasses import dataclass, field

from tests.gate.model.facts import TABLES, WHOLE, ExportFile, Files, Place, Rows, named, trailing


@dataclass(frozen=True)
class Version:
    """One content of one partition of a table: the number in its SQL, what it was built from, its rows."""

    place: Place
    name: str
    factor: int
    reads: Mapping[Place, str]
    rows: Rows


@dataclass(frozen=True)
class Verdict:
    """What a check said of a version by the rules of that day."""

    check: str
    bound: int
    passed: bool


@dataclass(frozen=True)
class Failure:
    """A check that said no of a version, by these rules."""

    place: Place
    version: str
    check: str
    bound: int


@dataclass
class Word:
    """A person's word that a day of an export may pass on failures; `used_for` is the version that did."""

    export: str
    day: str
    failures: frozenset[Failure]
    used_for: str | None = None


@dataclass(frozen=True)
class Plan:
    """A delivery past a limit: of which version, under which export file, and whether a person approved."""

    version: str
    file: ExportFile
    approved: bool = False


@dataclass
class Chronicle:
    """All of it; `landed` is what a provider landed last, None where it breaks its contract."""

    files: Files = field(default_factory=Files)
    landed: dict[Place, Rows | None] = field(default_factory=dict[Place, Rows | None])
    versions: dict[tuple[Place, str], Version] = field(default_factory=dict[tuple[Place, str], Version])
    newest: dict[Place, str] = field(default_factory=dict[Place, str])
    warehouse: dict[Place, str] = field(default_factory=dict[Place, str])
    said: dict[tuple[Place, str], list[Verdict]] = field(
        default_factory=dict[tuple[Place, str], list[Verdict]]
    )
    words: list[Word] = field(default_factory=list[Word])
    plans: dict[Place, Plan] = field(default_factory=dict[Place, Plan])
    sent: dict[Place, Rows] = field(default_factory=dict[Place, Rows])

    def copy(self) -> "Chronicle":
        """Return another that begins where this one is."""
        return deepcopy(self)

    def built(self, place: Place, name: str) -> None:
        """Note that a build took place: its rows are reckoned from what is in the warehouse now.

        Raises:
            AssertionError: it cannot have: a refused drop was taken, or a version is not new.
        """
        version = self._made(place, name)
        known = self.versions.setdefault((place, name), version)
        # A drop that is loaded again is the same version; every build of a model is another.
        assert known is version or (TABLES[place[0]].raw and known.rows == version.rows), (
            f"{named(place)} was built anew, and its version is {name} still"
        )
        self.newest[place] = self.warehouse[place] = name

    def judged(self, place: Place, name: str, check: str) -> Verdict:
        """Note that a check ran on a version, by today's rules; return what it must have said."""
        bound = self.files.bound(place[0], check)
        rows = self.versions[(place, name)].rows
        verdict = Verdict(check, bound, all(amount <= bound for _, amount in rows))
        self.said.setdefault((place, name), []).append(verdict)
        return verdict

    def released(self, export: str, day: str, failed: Collection[tuple[Place, str, str]]) -> None:
        """Note a person's word on failed checks, each (place, version, check)."""
        failures = [
            Failure(place, name, check, self._bound_that_failed(place, name, check))
            for place, name, check in failed
        ]
        self.words.append(Word(export, day, frozenset(failures)))

    def verdicts(self, place: Place, name: str, check: str) -> list[Verdict]:
        """Return what a check said of a version, the newest last."""
        return [verdict for verdict in self.said.get((place, name), []) if verdict.check == check]

    def read_now(self, place: Place) -> dict[Place, str]:
        """Return what a build would read now, beyond its own parents' partitions where they exist."""
        return {item: self.warehouse[item] for item in parents_of(place) if item in self.warehouse}

    def _made(self, place: Place, name: str) -> Version:
        table = TABLES[place[0]]
        factor = self.files.factor(table.name)
        if table.rows is None:
            landed = self.landed.get(place)
            assert landed is not None, f"{named(place)} took a drop that breaks its contract"
            return Version(place, name, factor, {}, landed)
        reads = self.read_now(place)
        read: dict[str, list[Rows]] = {parent: [] for parent in table.parents}
        for item, version in reads.items():
            read[item[0]].append(self.versions[(item, version)].rows)
        assert all(read.values()), f"{named(place)} was built, and lacks what it is made of"
        rows = tuple((stall, amount * factor) for stall, amount in table.rows(read))
        return Version(place, name, factor, reads, rows)

    def _bound_that_failed(self, place: Place, name: str, check: str) -> int:
        """Return the rules by which a check said no: today's, if it did so by them on what is there."""
        verdicts = self.verdicts(place, name, check)
        today = self.files.bound(place[0], check)
        by_today = any(verdict.bound == today and not verdict.passed for verdict in verdicts)
        return today if by_today and self.warehouse.get(place) == name else verdicts[-1].bound


def parents_of(place: Place) -> dict[Place, bool]:
    """Return what a partition of a table is made of, and whether each is its own: of its very day.

    The earlier days of a window, and what is not cut into days, may be what they were when they were read.
    """
    name, key = place
    table = TABLES[name]
    found: dict[Place, bool] = {}
    for parent, days in table.parents.items():
        if not TABLES[parent].daily:
            found[(parent, WHOLE)] = not table.daily
            continue
        found |= {(parent, day): day == key for day in trailing(key, days)}
    return found
