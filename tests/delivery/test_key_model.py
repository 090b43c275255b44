"""Random sequences of spellings, moves between days, erasures and crashes against a model of keys.

The model is what a mirror by key promises where the other side takes spellings for one key and finds a key
wherever it is: a record is that of the day that wrote it last; nobody else takes it out; who was erased stays
away. Does not belong here: modes, limits and decisions (`test_model`).
"""

import json
import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import duckdb
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sluicegate.delivery.engine import DeliveryEngine
from sluicegate.delivery.erasure import Request, erase
from sluicegate.delivery.ledger import Ledger, Opened, Order
from sluicegate.destinations.base import DeliveryError, Mode
from sluicegate.state.store import StateStore

from .shelf import Crash, FoldingShelf

EXAMPLES = 6 * int(os.environ.get("SLUICE_TEST_KILLS", "1"))
DAYS = ("2024-01-01", "2024-01-02")
PEOPLE = ("ada", "bob", "eve", "dan")
people, days = st.sampled_from(PEOPLE), st.sampled_from(DAYS)
spellings = st.sampled_from([str.lower, str.upper, str.title, " {}".format, "{}\t".format])
# {person: (day, how the key is spelt, note)}: nobody is in two days at once.
sources = st.dictionaries(people, st.tuples(days, spellings, st.sampled_from("abc")))


class Keys(RuleBasedStateMachine):
    """Two days of one export, to one shelf; a person is in one of them, or in none."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.shelf = FoldingShelf(self.folder.name, "shelf")
        self.store = StateStore(
            f"sqlite:///{self.folder.name}/state.db", shards=Path(self.folder.name, "shards")
        )
        self.source: dict[str, tuple[str, str, str]] = {}
        self.version = 0
        self.erased: set[str] = set()

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    @property
    def engine(self) -> DeliveryEngine:
        return DeliveryEngine(Ledger(self.store, Path(self.folder.name, "shards"), "run"), self.shelf)

    @rule(source=sources)
    def build(self, source: dict[str, tuple[str, object, str]]) -> None:
        self.source = {
            person: (day, spelt(person), note)  # pyright: ignore[reportCallIssue]
            for person, (day, spelt, note) in source.items()
        }
        self.version += 1

    @rule(day=days)
    def deliver(self, day: str) -> None:
        before = self.held()
        if not self.send(day):
            return
        after, wanted = self.held(), self.wanted(day)
        assert {person: after.get(person) for person in wanted} == wanted
        for person, (held_by, note) in before.items():
            if held_by != day and person not in wanted:
                assert after.get(person) == (held_by, note), "another day's record is left alone"

    @rule(day=days, rows=st.integers(0, 3), told=st.booleans())
    def crash(self, day: str, rows: int, told: bool) -> None:
        faults = self.shelf.faults
        faults.crash_after_rows, faults.before_acknowledging = rows, told
        try:
            self.send(day)
        except Crash:
            pass
        finally:
            faults.crash_after_rows = None

    @rule(person=people, spelt=spellings)
    def forget(self, person: str, spelt: object) -> None:
        request = Request({"code": spelt(person)}, "request 7", "me")  # pyright: ignore[reportCallIssue]
        erase(self.engine, [self.order(day) for day in DAYS], request)
        self.erased.add(person)

    @rule()
    def deliver_all(self) -> None:
        """Whatever came before: once both days have gone out, the shelf is what the source is."""
        for day in (*DAYS, *DAYS):
            self.send(day)
        assert self.held() == self.wanted(*DAYS)
        for day in DAYS:
            assert self.recorded(day) == set(self.wanted(day))

    @invariant()
    def nobody_who_was_erased_is_there(self) -> None:
        if hasattr(self, "shelf"):
            assert not self.erased & set(self.held())

    def order(self, day: str) -> Order:
        alike = {"code": self.shelf.capabilities.keys.alike}
        return Order("exp_people", day, ("code",), Mode.MIRROR, "day", replaces=False, alike=alike)

    def send(self, day: str) -> bool:
        """Deliver a day; False where it has to wait for the other one's end."""

        @contextmanager
        def opening() -> Generator[Opened]:
            with duckdb.connect() as connection:
                connection.execute("create table people (code varchar, day varchar, note varchar)")
                for of_day, code, note in self.source.values():
                    if of_day == day:
                        connection.execute("insert into people values ($1, $2, $3)", [code, day, note])
                yield Opened(connection, "select * from people", str(self.version))

        try:
            self.engine.deliver(self.order(day), opening)
        except DeliveryError as error:
            if "are on their way" not in error.what:
                raise
            return False
        return True

    def wanted(self, *of: str) -> dict[str, tuple[str, str]]:
        return {
            person: (day, note)
            for person, (day, _, note) in self.source.items()
            if day in of and person not in self.erased
        }

    def held(self) -> dict[str, tuple[str, str]]:
        found = self.shelf.rows()
        return {json.loads(key)[0]: (row["day"], row["note"]) for key, row in found.items()}

    def recorded(self, day: str) -> set[str]:
        ledger = Ledger(self.store, Path(self.folder.name, "shards"))
        with ledger.reading() as reading:
            held = reading.content("exp_people", day, ("code",))
            if held is None or held.empty:
                return set()
            rows = reading.connection.execute(f"select code from ({held.rows})").fetchall()
        return {str(row[0]).strip().lower() for row in rows}


TestKeys = Keys.TestCase
TestKeys.settings = settings(max_examples=EXAMPLES, stateful_step_count=12, deadline=None)
