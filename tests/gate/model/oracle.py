"""The rule: what may be sent, and on what may be built, told of the facts alone.

A partition of an export may be sent if every blocking check, by today's rules, passed on the version of the
table that is in the warehouse, if that is the newest build on record, and if it was built by today's SQL from
the versions that its parents of the same day have now; the same of those parents, all the way up. A window's
earlier days and snapshots may be the versions that were read: such a one counts unless its newest verdict is
a no, or, while the warehouse holds it, unless today's rules have not passed it; and so on up through what it
was itself built from. A failed check that a person released counts as passed for that export, on that version
and by those rules.

Belongs here: this, and nothing that the platform says. Does not: what has happened (`chronicle`).
"""

from collections.abc import Collection, Iterator
from dataclasses import replace

from tests.gate.model.chronicle import Chronicle, Failure, Plan, Word, parents_of
from tests.gate.model.facts import EXPORTS, LOOSE, TABLES, Place, Rows, ancestors, named


class Oracle:
    """The rule, on one chronicle."""

    def __init__(self, chronicle: Chronicle) -> None:
        self.known = chronicle

    def against_sending(self, export: str, day: str) -> list[str]:
        """Return why a day of an export must not be sent; nothing where it may."""
        version = self.known.warehouse.get((export, day))
        words = [word for word in self._words(export, day) if word.used_for in (None, version)]
        return list(_Look(self.known, words).own((export, day)))

    def against_building(self, place: Place) -> list[str]:
        """Return why a table must not be built for a key; nothing where it may be."""
        look = _Look(self.known, self._words_below(place))
        return list(self._against_building(look, place))

    def must_build(self, place: Place) -> bool:
        """Whether a table whose button is pressed has to be built: there is no doubt that it may be."""
        unused = [word for word in self._words_below(place) if word.used_for is None]
        look = _Look(self.known, unused)
        if TABLES[place[0]].raw:
            return self.known.landed.get(place) is not None
        return not [*self._against_building(look, place), *self._doubts(look, place)]

    def ask(self, export: str, day: str) -> Rows | None:
        """Take in that a day was asked for, and may be sent; return what the destination has to hold then.

        A plan past a limit waits for a person's word on it: on this version, under this export file.
        """
        known, place = self.known, (export, day)
        version, file = known.warehouse[place], known.files.export(export)
        self._use_words(export, day, version)
        rows, held = file.sent(known.versions[(place, version)].rows), known.sent.get(place)
        plan = known.plans.pop(place, None)
        if plan is None or (plan.version, plan.file) != (version, file):
            too_many = file.most_rows is not None and len(rows) > file.most_rows
            plan = Plan(version, file, approved=not too_many or rows == held)
        if not plan.approved:
            known.plans[place] = plan
            return held
        known.sent[place] = rows
        return rows

    def approve(self, export: str, day: str) -> None:
        """Take in that a person approved the plan that is held."""
        place = (export, day)
        self.known.plans[place] = replace(self.known.plans[place], approved=True)

    def _against_building(self, look: "_Look", place: Place) -> Iterator[str]:
        known, table = self.known, TABLES[place[0]]
        for parent, own in parents_of(place).items():
            if own:
                yield from look.own(parent)
            elif parent in known.warehouse:
                yield from look.as_it_is(parent)
            elif not TABLES[parent[0]].daily:
                yield f"{named(parent)} is not there, of which {table.relation} is made"

    def _doubts(self, look: "_Look", place: Place) -> Iterator[str]:
        """Yield what the rule leaves open: what windows' days were made of, and days that a backup lacks."""
        for parent, own in parents_of(place).items():
            if own:
                continue
            version = self.known.warehouse.get(parent)
            if version is not None:
                yield from look.as_read(parent, version)
            elif parent in self.known.newest:
                yield f"{named(parent)} is on record, and not there"

    def _words(self, export: str, day: str) -> list[Word]:
        return [word for word in self.known.words if (word.export, word.day) == (export, day)]

    def _words_below(self, place: Place) -> list[Word]:
        name, key = place
        below = [export for export in EXPORTS if name == export or name in ancestors(export)]
        return [word for export in below for word in self._words(export, key)]

    def _use_words(self, export: str, day: str, version: str) -> None:
        """What goes out under a release is this version, and no other."""
        for word in self._words(export, day):
            if word.used_for is None:
                look = _Look(self.known, [word])
                list(look.own((export, day)))
                word.used_for = version if look.passed_on else None


class _Look:
    """One look up from a table, under these releases; `passed_on` are the failures that they cover."""

    def __init__(self, known: Chronicle, words: Collection[Word]) -> None:
        self._known = known
        self._released = frozenset[Failure]().union(*(word.failures for word in words))
        self.passed_on: set[Failure] = set()

    def own(self, place: Place) -> Iterator[str]:
        """Yield what is wrong with a partition that has to be right altogether."""
        version = self._known.warehouse.get(place)
        yield from self.as_it_is(place)
        if version is None:
            return
        made = self._known.versions[(place, version)]
        today = self._known.files.factor(place[0])
        if made.factor != today:
            yield f"{named(place)} was built by other SQL (* {made.factor}) than today's (* {today})"
        for parent, own in parents_of(place).items():
            read = made.reads.get(parent)
            if own:
                if read != self._known.warehouse.get(parent):
                    yield f"{named(place)} was built from another version of {named(parent)}"
                yield from self.own(parent)
            elif read is not None:
                yield from self.as_read(parent, read)

    def as_it_is(self, place: Place) -> Iterator[str]:
        """Yield what is wrong with what the warehouse holds of a partition: its version, and its checks."""
        version = self._known.warehouse.get(place)
        if version is None:
            yield f"{named(place)} is not in the warehouse"
            return
        if version != self._known.newest.get(place):
            yield f"{named(place)} is older in the warehouse than its newest build"
        yield from self._by_today(place, version)

    def as_read(self, place: Place, version: str) -> Iterator[str]:
        """Yield what is wrong with a version that was read, whether or not it is there still."""
        if self._known.warehouse.get(place) == version:
            yield from self._by_today(place, version)
        else:
            for check in TABLES[place[0]].checks:
                newest = self._known.verdicts(place, version, check)[-1:]
                for verdict in newest:
                    if not verdict.passed and not self._lets(place, version, check, verdict.bound):
                        yield f"{named(place)}, as it was read, was judged bad by {check} since"
        for parent, read in self._known.versions[(place, version)].reads.items():
            yield from self.as_read(parent, read)

    def _by_today(self, place: Place, version: str) -> Iterator[str]:
        for check in TABLES[place[0]].checks:
            bound = self._known.files.bound(place[0], check)
            rules = f"{check} (at most {bound})" if bound != LOOSE else check
            said = [one for one in self._known.verdicts(place, version, check) if one.bound == bound]
            if not said:
                yield f"{named(place)} was not judged by today's {rules}"
            elif not said[-1].passed and not self._lets(place, version, check, bound):
                yield f"{named(place)} fails {rules}"

    def _lets(self, place: Place, version: str, check: str, bound: int) -> bool:
        failure = Failure(place, version, check, bound)
        if failure not in self._released:
            return False
        self.passed_on.add(failure)
        return True
