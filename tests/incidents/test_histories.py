"""Random histories of a bakery's records, looked at by processes that die, on a clock that is set back.

Whatever happens: each trouble has one open incident, or is part of another's; a look that finds the same
changes nothing; and each channel hears of an incident open, update …, resolve, and open again, in this order.
"""

import os
import random
from collections import defaultdict
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from sluicegate.contracts.model import CONTRACT_CHECK
from sluicegate.incidents.settling import acknowledge, known_of, settle, snooze
from sluicegate.incidents.trouble import RootKind
from sluicegate.incidents.troubles import FailedRun
from sluicegate.state.incidents import Mute
from sluicegate.state.moments import now as real_now
from sluicegate.state.records import CheckError, Evidence
from sluicegate.state.store import StateStore
from sqlalchemy import event

from tests.company import FRI, MON, SHOP_ORDERS, THU, TUE, WEATHER_REPORT, WED, Company
from tests.incidents.desk import Watch
from tests.incidents.test_kinds import Bakery

DAYS = (MON, TUE, WED, THU, FRI)
EXPORTS = (SHOP_ORDERS, WEATHER_REPORT)
CASES = 2 * int(os.environ.get("SLUICE_TEST_KILLS", "1"))
STEPS = 25


class Killed(Exception):
    """A process that is no more."""


@contextmanager
def killed_before(store: StateStore, statement: int) -> Generator[None]:
    """Let a process die before the n-th statement that it sends to its records."""
    left = statement

    def count(*_: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed

    engine = store._engine  # pyright: ignore[reportPrivateUsage]
    event.listen(engine, "before_cursor_execute", count)
    try:
        yield
    except Killed:
        pass
    finally:
        event.remove(engine, "before_cursor_execute", count)


@dataclass
class World:
    """A bakery, who watches it, and what Dagster knows."""

    ledger: Bakery
    watch: Watch
    chance: random.Random
    runs: list[FailedRun] = field(default_factory=list[FailedRun])

    @property
    def store(self) -> StateStore:
        return self.ledger.company.deployment.store

    def table(self) -> tuple[str, str] | None:
        """Return a partition of a table that is built."""
        lineage = self.ledger.company.project.lineage
        built = [(name, key) for name in lineage.tables for key in self.store.latest_builds(name)]
        return self.chance.choice(sorted(built)) if built else None

    # -- what happens

    def land(self) -> None:
        day = self.chance.choice(DAYS)
        self.ledger.company.land_orders(day, a=self.chance.randrange(9))
        if self.chance.random() < 0.8:
            self.ledger.company.land_weather(day)

    def build_all(self) -> None:
        failing = set[str]()
        if self.chance.random() < 0.4:
            failing = {self.chance.choice(("raw.orders", "staging.stg_orders", "marts.shop_orders"))}
        self.ledger.settle(failing=failing)

    def refuse(self) -> None:
        day = self.chance.choice(DAYS)
        self.ledger.company.land_orders(day, a=self.chance.randrange(99, 999))
        self.ledger.look()
        drop = self.store.drops.latest("orders").get(day)
        if drop is not None:
            self.store.record_evidence(
                [Evidence("raw.orders", day, CONTRACT_CHECK, drop.key, False, "no", "run")]
            )

    def judge(self) -> None:
        if (place := self.table()) is not None:
            self.ledger.judge(*place, passed=self.chance.random() < 0.6)

    def give_up(self) -> None:
        place = self.table()
        rules = self.ledger.company.project.lineage.tables[place[0]].rules if place else {}
        if place is not None and rules:
            check = self.chance.choice(sorted(rules))
            version = self.store.latest_builds(place[0])[place[1]].version
            for run in range(5):
                error = CheckError(*place, check, version, rules[check], "no", f"run {run}")
                self.store.check_errors.record([error])

    def check_runs(self) -> None:
        for error in self.store.check_errors.all():
            self.store.check_errors.forget(error.relation, error.partition_key, [error.check])

    def deliver(self) -> None:
        export = self.chance.choice(EXPORTS)
        for day in sorted(self.store.latest_builds(f"exports.{export}"))[: self.chance.randrange(6)]:
            self.ledger.deliver(day, export=export)

    def fail_runs(self) -> None:
        lineage = self.ledger.company.project.lineage
        for day in self.chance.sample(DAYS, self.chance.randrange(1, 6)):
            relations = [name for name in lineage.tables if lineage.tables[name].partitioning.partitioned]
            only_sends = self.chance.random() < 0.6
            run = FailedRun(
                f"r{len(self.runs)}", day, () if only_sends else tuple(relations), EXPORTS, "s", real_now(),
                "E", self.chance.randrange(2),
            )  # fmt: skip
            self.runs.append(run)

    def forget_runs(self) -> None:
        self.runs.clear()

    def pass_time(self) -> None:
        self.watch.later(hours=self.chance.choice((0.1, 1, 8, 30)))

    def set_clock_back(self) -> None:
        self.look()
        before = self.open_by_clock()
        self.watch.later(hours=-self.chance.choice((1, 24, 72)))
        self.look()
        assert before == self.open_by_clock()

    def say(self) -> None:
        now, incidents = self.watch.now, self.store.incidents.open()
        if incidents:
            id_ = self.chance.choice(incidents).id
            if self.chance.random() < 0.5:
                acknowledge(self.store, id_, "ann", "on it", now)
            else:
                snooze(self.store, id_, now + timedelta(hours=3), "ann", "later", now)
        mute = Mute({"kind": "delivery"}, now, now + timedelta(hours=2), "month end", "ann")
        if self.chance.random() < 0.2:
            self.store.incidents.mute(mute)

    # -- who looks

    def look(self) -> None:
        self.watch.look(failed_runs=self.runs)

    def look_and_die(self) -> None:
        """Die before some statement of a look: all of it counts, or nothing, and the next one goes on."""
        before = self.told()
        with killed_before(self.store, self.chance.randrange(40)):
            self.look()
            return
        after = self.told()
        assert after[: len(before)] == before

    def look_twice_at_once(self) -> None:
        """Begin a look, let another one be faster, and end it."""
        incidents = self.store.incidents
        slow, found = incidents.look(), self.watch.troubles(failed_runs=self.runs)
        self.chance.choice(self.events())()
        self.look()
        told = self.told()
        late = settle(self.store, slow, found, self.watch.now, self.watch.routes, deployment="bakery")
        assert late is None
        assert self.told() == told

    def send(self) -> None:
        outbox = self.store.incidents.outbox
        for channel in outbox.channels():
            for _ in range(self.chance.randrange(8)):
                message = outbox.take(channel, self.watch.now)
                if message is None:
                    break
                what = self.chance.random()
                if what < 0.6:
                    outbox.sent(message, self.watch.now)
                    self.watch.sent.append((channel, message.action, str(message.body["dedup_key"])))
                elif what < 0.8:
                    outbox.failed(message, "503", self.watch.now + timedelta(minutes=5))
                elif what < 0.9:
                    outbox.given_up(message, "400")
                # Otherwise the sender dies.

    def events(self) -> list[Callable[[], None]]:
        """Return what may happen to the records."""
        return [
            self.land, self.build_all, self.refuse, self.judge, self.give_up, self.check_runs, self.deliver,
            self.fail_runs, self.forget_runs, self.pass_time,
        ]  # fmt: skip

    def steps(self) -> list[Callable[[], None]]:
        """Return all that may come next."""
        others = [
            self.look, self.look_and_die, self.look_twice_at_once, self.send, self.set_clock_back, self.say,
        ]  # fmt: skip
        return [*self.events(), *others, *others]

    # -- what must hold

    def told(self) -> list[tuple[int, str, str]]:
        """Return (id, channel, action) of every message that was queued."""
        with self.store._engine.connect() as connection:  # pyright: ignore[reportPrivateUsage]
            rows = connection.execute(sa.text("select id, channel, action from outbox order by id"))
            return [(row[0], row[1], row[2]) for row in rows]

    def open_by_clock(self) -> set[str]:
        """Return the open incidents that only a clock has opened."""
        return {
            name
            for name, item in self.watch.open.items()
            if {said["kind"] for said in item.findings} <= {"late source", "late export"}
            or any(said["what"].startswith("many partitions: ") for said in item.findings)
        }

    def check(self) -> None:
        """Look, and ask of everything that must hold."""
        self.look()
        found = self.watch.troubles(failed_runs=self.runs)
        incidents = self.store.incidents.open()
        places = [item.place for item in incidents]
        expected = {(one.root.kind.value, one.root.name, one.root.partition_key) for one in found}
        assert len(places) == len(set(places))
        assert set(places) == expected
        parts = [root for one in found for root in one.holds]
        assert len(parts) == len(set(parts))
        assert not {one.root for one in found} & set(parts)
        assert known_of(self.store).keys() == {one.root for one in found}
        told = self.told()
        assert self.watch.look(failed_runs=self.runs).told == 0
        assert self.told() == told
        self.check_order()

    def check_order(self) -> None:
        """Of what was sent: open (update …) resolve, on each channel, for each incident."""
        heard: dict[tuple[str, str], list[str]] = defaultdict(list)
        for channel, action, key in self.watch.sent:
            heard[(channel, key)].append(action)
        for (_, key), actions in heard.items():
            if key.endswith(":summary"):
                continue
            is_open = False
            for action in actions:
                assert is_open is (action != "open"), (key, actions)
                is_open = action != "resolve"


@pytest.mark.parametrize("seed", range(CASES))
@pytest.mark.sampled(3)
def test_whatever_happens(bakery: Company, state_url: str, seed: int) -> None:
    chance = random.Random(f"{seed} {os.environ.get('PYTEST_SAMPLED_SEED', '')}")
    settings = bakery.settings.model_copy(update={"state_url": SecretStr(state_url)})
    company = Company(settings, bakery.postgres_url, bakery.container, bakery.clock)
    vars(company)["project"] = bakery.project
    ledger = Bakery(company)
    company.land_shops("a")
    ledger.settle()
    channels = ("pager", "feed")[: chance.randrange(1, 3)]
    world = World(ledger, Watch(company.site, channels=channels), chance)
    try:
        for number in range(STEPS):
            chance.choice(world.steps())()
            if number % 4 == 3:
                world.check()
        # All is mended: nothing is open, and whoever was told of anything was told of its end.
        world.runs.clear()
        world.check_runs()
        for day in DAYS:
            company.land_orders(day, a=1_000 + seed)
            company.land_weather(day)
        ledger.look()
        for relation, table in company.project.lineage.tables.items():
            for day in DAYS if table.partitioning.partitioned else ("",):
                ledger.build(relation, day)
                ledger.judge(relation, day)
        for export in EXPORTS:
            ledger.deliver(
                *sorted(company.deployment.store.latest_builds(f"exports.{export}")), export=export
            )
        world.check()
        left = {item.place for item in company.deployment.store.incidents.open()}
        assert {kind for kind, _, _ in left} <= {RootKind.SOURCE.value}
        world.watch.later(days=1)
        outbox = company.deployment.store.incidents.outbox
        while message := next((m for c in outbox.channels() if (m := outbox.take(c, world.watch.now))), None):
            outbox.sent(message, world.watch.now)
            world.watch.sent.append((message.channel, message.action, str(message.body["dedup_key"])))
        world.check_order()
    finally:
        company.deployment.store.close()
