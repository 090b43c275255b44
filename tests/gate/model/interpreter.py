"""Steps, done to a real kiosk one after the other, each compared with what the oracle says.

Belongs here: doing a step, telling the oracle what took place, the comparison. Does not: the rule (`oracle`).
The oracle is told which builds took place, which checks ran and that a plan was made; what may be at the
destination it says itself.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import assert_never

from sluicegate.state.records import DeliveryStatus

from tests.gate.model.chronicle import Chronicle
from tests.gate.model.company import Kiosk, Planned, Recorded
from tests.gate.model.facts import CONTRACT, DAYS, TABLES, WHOLE, Place, Rows, named
from tests.gate.model.oracle import Oracle
from tests.gate.model.steps import (
    Approve,
    Backup,
    Build,
    Judge,
    Land,
    LandBroken,
    LandStalls,
    May,
    Press,
    Rebuild,
    Release,
    Restore,
    Run,
    SetBound,
    SetExport,
    SetFactor,
    Step,
)

_STALLS = "abc"


class Failed(AssertionError):
    """The platform and the oracle do not agree after these steps, of which the last has shown it."""

    def __init__(self, said: str, steps: Sequence[Step], of: int) -> None:
        done = "".join(f"\n    {step}," for step in steps)
        super().__init__(f"step {len(steps)} of {of}, {steps[-1]}:\n{said}\nthe steps:{done}")
        self.steps = tuple(steps)


def run(company: Kiosk, steps: Sequence[Step]) -> None:
    """Do the steps.

    After each step nothing may be at the destination that the oracle does not allow, and what it allows has
    to be there once it is asked for.

    Raises:
        Failed: it is not so; tells the step, what the oracle said, and what is at the destination.
    """
    interpreter = Interpreter(company)
    company.copy_warehouse()
    interpreter.copied = dict(company.known.warehouse)
    for number, step in enumerate(steps, 1):
        try:
            interpreter.do(step)
        except Exception as error:
            kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
            said = "\n".join([f"{kind}{error}", *getattr(error, "__notes__", ())])
            raise Failed(said, steps[:number], len(steps)) from error


class Interpreter:
    """What goes on between a kiosk and the oracle."""

    def __init__(self, company: Kiosk) -> None:
        self._company = company
        self._known = company.known
        self._oracle = Oracle(company.known)
        self.copied: dict[Place, str] = {}
        self._builds = max((item.id for item in company.builds(0)), default=0)
        self._judgements = max((item.id for item in company.judgements(0)), default=0)
        self._plans = company.plans()

    def do(self, step: Step) -> None:
        """Do one step, and look."""
        company, known = self._company, self._known
        match step:
            case Land(day, amounts):
                company.land(day, amounts)
                known.landed[("sales", day)] = _rows(amounts)
            case LandStalls(amounts):
                company.land_stalls(amounts)
                known.landed[("stalls", WHOLE)] = _rows(amounts)
            case LandBroken(day):
                company.land_broken(day)
                known.landed[("sales", day) if day else ("stalls", WHOLE)] = None
            case SetBound(table, bound, check):
                company.edit(known.files.with_bound(table, check, bound))
            case SetFactor(model, factor):
                company.edit(known.files.with_factor(model, factor))
            case SetExport(export, file):
                company.edit(known.files.with_export(export, file))
            case Build(table, day, checks):
                self._build((table, day if TABLES[table].daily else WHOLE), checks=checks)
            case Rebuild(table, first, last):
                for _ in company.rebuild(table, TABLES[table].keys(_days(first, last))):
                    self.look()
            case Judge(table, first, last):
                self._judge(table, TABLES[table].keys(_days(first, last)))
            case Release(export, day):
                failed = company.release(export, day)
                if failed:
                    known.released(export, day, failed)
            case Backup():
                company.copy_warehouse()
                self.copied = dict(known.warehouse)
            case Restore():
                company.restore_warehouse()
                known.warehouse = dict(self.copied)
            case Press(day, exports):
                self._press(day, exports)
            case Approve(export, day):
                if company.approve(export, day) and (export, day) in known.plans:
                    self._oracle.approve(export, day)
            case Run(retry, connected):
                for _ in company.run(retry=retry, connected=connected):
                    self.look()
            case May(export, days, sent):
                self._say(export, days, sent=sent)
            case _:
                assert_never(step)
        self.look()

    def look(self, pressed: Collection[Place] = ()) -> None:
        """Take in what took place since the last look, and compare what has arrived with what may have."""
        self._take_in_builds()
        warehouse = self._company.warehouse()
        assert warehouse == self._known.warehouse, (
            f"the warehouse holds something else than what was built: {_differing(warehouse, self._known)}"
        )
        plans, before, now = self._company.plans(), dict(self._known.sent), self._company.arrived()
        planned = {item.place for item in plans - self._plans if self._was_asked_for(item)}
        changed = {place for place in {*before, *now} if before.get(place) != now.get(place)}
        self._plans = plans
        for place in sorted({*planned, *changed, *pressed}):
            against = self._oracle.against_sending(*place)
            found = f"at the destination was {_told(before.get(place))}, and is {_told(now.get(place))}"
            if against:
                assert place not in changed, (
                    f"{_named(place)} must not be sent, and was:{_list(against)}\n{found}"
                )
                assert place not in planned, (
                    f"{_named(place)} must not be sent, and a delivery is on record:{_list(against)}\n{found}"
                )
                continue
            expected = self._oracle.ask(*place)
            waits = ", as its plan waits for a person" if place in self._known.plans else ""
            assert now.get(place) == expected, (
                f"{_named(place)} may be sent, so that {_told(expected)} is there{waits}; {found}"
            )

    def _was_asked_for(self, plan: Planned) -> bool:
        """Whether a delivery tells that its gate was asked: it is new, or has gone out."""
        return plan.status == DeliveryStatus.ACKNOWLEDGED or plan.id not in {item.id for item in self._plans}

    def _take_in_builds(self) -> None:
        builds = self._company.builds(self._builds)
        judgements = self._company.judgements(self._judgements)
        self._builds = max([self._builds, *(item.id for item in builds)])
        self._judgements = max([self._judgements, *(item.id for item in judgements)])
        built = {(item.place, item.version) for item in builds}
        # What a check says of a new version it says before anything is made of it.
        at_once = [item for item in judgements if (item.place, item.version) in built]
        self._take_in_judgements(item for item in judgements if (item.place, item.version) not in built)
        for build in builds:
            against = self._oracle.against_building(build.place)
            assert not against, f"{named(build.place)} was built, and must not be:{_list(against)}"
            self._known.built(build.place, build.version)
            self._take_in_judgements(
                item for item in at_once if (item.place, item.version) == (build.place, build.version)
            )

    def _take_in_judgements(self, judgements: Iterable[Recorded]) -> None:
        for item in judgements:
            if not item.version:
                continue  # a dbt test that found no partition: nothing was judged
            if item.check == CONTRACT and not item.passed:
                assert self._known.landed[item.place] is None, (
                    f"{named(item.place)}: a sound drop was refused"
                )
                continue
            assert self._known.warehouse.get(item.place) == item.version, (
                f"{item.check} has judged what {named(item.place)} does not hold"
            )
            verdict = self._known.judged(item.place, item.version, item.check)
            assert verdict.passed == item.passed, (
                f"{named(item.place)}: on record is of {item.check} that it"
                f" {'passed' if item.passed else 'failed'}, and reckoned is {verdict}"
            )

    def _build(self, place: Place, *, checks: bool) -> None:
        must, before = self._oracle.must_build(place), self._builds
        said = self._company.press(place[1], place[0], checks=checks)
        self.look()
        assert self._builds > before or not must, f"{named(place)} may be built, and was not:\n{said}"

    def _judge(self, table: str, keys: Sequence[str]) -> None:
        self._company.judge(table, keys)
        self.look()
        for place in ((table, key) for key in keys):
            version = self._known.warehouse.get(place)
            for check in TABLES[table].checks if version is not None else ():
                said = {verdict.bound for verdict in self._known.verdicts(place, version or "", check)}
                assert self._known.files.bound(table, check) in said, (
                    f"{check} was asked to judge {named(place)}, and did not"
                )

    def _press(self, day: str, exports: Sequence[str]) -> None:
        # Of a day that was never built there is nothing to be sent.
        places = [(export, day) for export in exports if (export, day) in self._known.newest]
        if not places:
            return
        said = self._company.press(day, *(f"delivered/{export}" for export, _ in places))
        try:
            self.look(pressed=places)
        except AssertionError as error:
            error.add_note(f"the button said: {said or 'nothing'}")
            raise

    def _say(self, export: str, days: Sequence[str], *, sent: bool) -> None:
        for day in days:
            against = self._oracle.against_sending(export, day)
            assert sent is not bool(against), (
                f"the sequence is another than it says: {_named((export, day))}"
                f" {'may not' if against else 'may'} be sent{_list(against)}"
            )


def _rows(amounts: Sequence[int]) -> Rows:
    return tuple(zip(_STALLS, amounts, strict=False))


def _days(first: str, last: str) -> list[str]:
    return [day for day in DAYS if first <= day <= last]


def _named(place: Place) -> str:
    return f"{place[0]} [{place[1]}]"


def _told(rows: Rows | None) -> str:
    return "nothing" if rows is None else ", ".join(f"{stall} {amount}" for stall, amount in rows)


def _list(reasons: Sequence[str]) -> str:
    return "".join(f"\n- {reason}" for reason in dict.fromkeys(reasons))


def _differing(found: Mapping[Place, str], known: Chronicle) -> list[str]:
    places = {*found, *known.warehouse}
    return sorted(named(place) for place in places if found.get(place) != known.warehouse.get(place))
