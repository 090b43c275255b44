"""What every destination takes for one key, asked of the engine and of what has really arrived.

Belongs here: keys, of every destination, by the whole way from a plan to the other side. Does not belong
here: the ways of one destination, the canonical form of a value (`tests/unit/test_alike.py`).
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from sluicegate.core.shown_text import CLASSIFIED
from sluicegate.delivery.engine import DeliveryEngine
from sluicegate.delivery.erasure import Request, erase
from sluicegate.delivery.ledger import Ledger, Opened, Order, Outcome
from sluicegate.delivery.reconcile import Reconciled, reconcile
from sluicegate.destinations.base import DeliveryError, Mode
from sluicegate.state.store import StateStore

from tests.doubles.hubspot import Property

from .cases import Case, each
from .cases.hubspot import HubSpotCase
from .cases.salesforce import SalesforceCase
from .shelf import FoldingShelf, ShelfDestination
from .support import DAY, NEXT_DAY

ODD, PLAIN = " Über-7\t", "über-7"
BIG = 2**53 + 1


@dataclass
class Sender:
    """Delivers rows (code, note) of a day to a case; the key is the code, of a type that a test states."""

    case: Case
    folder: Path
    mode: Mode
    kind: str = "varchar"
    key: tuple[str, ...] = ("code",)
    version: int = 0
    store: StateStore = field(init=False)

    def __post_init__(self) -> None:
        self.store = StateStore(f"sqlite:///{self.folder / 'state.db'}", shards=self.folder / "shards")

    def order(self, day: str = DAY) -> Order:
        capabilities = self.case.destination_class.capabilities
        return Order(
            export="exp_items",
            partition_key=day,
            key=tuple(map(self.case.name, self.key)),
            mode=self.mode,
            partition_column=self.case.name("business_date"),
            replaces=Mode.SNAPSHOT in capabilities.modes,
        )

    @property
    def engine(self) -> DeliveryEngine:
        ledger = Ledger(self.store, self.folder / "shards", "run")
        return DeliveryEngine(ledger, self.case.destination())

    def deliver(self, rows: Sequence[tuple[Any, str]], day: str = DAY, order: Order | None = None) -> Outcome:
        self.version += 1

        @contextmanager
        def opening() -> Generator[Opened]:
            with duckdb.connect() as connection:
                connection.execute("set TimeZone = 'UTC'")
                connection.execute(f"create table items (code {self.kind}, business_date date, note varchar)")
                for code, note in rows:
                    connection.execute(f"insert into items values ($1, '{day}', $2)", [code, note])
                names = ", ".join(
                    f'{name} as "{self.case.name(name)}"' for name in ("code", "business_date", "note")
                )
                yield Opened(connection, f"select {names} from items", str(self.version))

        return self.engine.deliver(order or self.order(day), opening)

    def held(self, day: str = DAY) -> list[tuple[Any, str]]:
        """(code, note) of a day, as the other side has them."""
        names = [self.case.name(name) for name in ("code", "note", "business_date")]
        rows = [tuple(row.get(name) for name in names) for row in self.case.contents()]
        return sorted((row[0], str(row[1])) for row in rows if str(row[2])[:10] == day)

    def reconciled(self) -> Reconciled | None:
        return reconcile(self.engine, self.order())


@pytest.fixture
def send(case: Case, tmp_path: Path) -> Iterator[Any]:
    made: list[Sender] = []

    def sender(mode: Mode, **stated: Any) -> Sender:
        made.append(Sender(case, tmp_path, mode, **stated))
        return made[-1]

    yield sender
    for one in made:
        one.store.close()


def folds(case: Case) -> bool:
    return case.destination_class.type_name == "salesforce"


@each(*Mode, trims=True)
@pytest.mark.sampled(3)
def test_two_spellings_of_one_key_are_refused_before_sending(case: Case, send: Any, mode: Mode) -> None:
    sender = send(mode)
    for one, other in (("A-7 ", "A-7"), *((("A-7", "a-7"), (ODD, PLAIN)) if folds(case) else ())):
        rows = [(one, "first"), (other, "second")]
        with pytest.raises(DeliveryError) as refused:
            sender.deliver(rows)
        key = case.name("code")
        assert all(f"{key}={spelt!r}" in str(refused.value) for spelt in (one, other))
        with pytest.raises(DeliveryError) as hushed:
            sender.deliver(rows, order=replace(sender.order(), hidden=frozenset({key})))
        assert f"{key}={CLASSIFIED} and {key}={CLASSIFIED}" in str(hushed.value)
        assert "A-7" not in str(hushed.value)
        assert case.contents() == []


@each(*Mode)
@pytest.mark.sampled(6)
def test_two_keys_of_odd_spelling_arrive_as_two(case: Case, send: Any, mode: Mode) -> None:
    sender = send(mode)
    rows = [("A-7", "a"), ("B-7", "b"), ("007", "c"), ("7", "d"), ("ß", "e"), ("1e3", "f"), ("O'Neil", "g")]
    if not case.trims:
        rows += [("A-7 ", "h"), (" A-7", "i")]
    if not folds(case):
        rows += [("a-7", "j"), ("é", "k"), ("É", "l")]
    outcome = sender.deliver(rows)
    assert outcome.refused == ()
    assert sender.held() == sorted(rows)
    assert sender.deliver(rows).delivery.shard_rows == 0
    if case.destination_class.capabilities.read_back:
        found = sender.reconciled()
        assert found is not None
        assert found.equal, found


@pytest.mark.sampled(3)
@each(*Mode, trims=True)
def test_a_key_that_is_spelt_otherwise_is_a_change_of_its_record(case: Case, send: Any, mode: Mode) -> None:
    sender = send(mode)
    # The first of them also ends with what else the day holds taken out.
    spellings = [" A-7 ", "A-7", *(["a-7"] if folds(case) else [])]
    for place, spelt in enumerate(spellings):
        sender.deliver([(spelt, str(place)), ("B", "b")])
        [outcome] = sender.store.deliveries.newest("exp_items", 1)
        assert (outcome.added, outcome.changed, outcome.removed) in ((2, 0, 0), (0, 1, 0))
        assert sorted(note for _, note in sender.held()) == [str(place), "b"]
        found = sender.reconciled()
        assert found is not None
        assert found.equal, found
    if mode is Mode.MIRROR:
        sender.deliver([("B", "b")])
        assert [note for _, note in sender.held()] == ["b"]


@each(*Mode)
@pytest.mark.sampled(6)
def test_numbers_above_what_a_double_holds_are_two_keys_or_refused(case: Case, send: Any, mode: Mode) -> None:
    sender = send(mode, kind="bigint")
    if isinstance(case, SalesforceCase):
        # A number field of Salesforce is a double; a text field has every digit.
        fields = case.double.table.fields
        fields["Code__c"] = replace(fields["Code__c"], type="double")
        with pytest.raises(DeliveryError, match=f"Code__c={BIG - 1} and Code__c={BIG} for one key"):
            sender.deliver([(BIG, "odd"), (BIG - 1, "even")])
        assert case.contents() == []
        return
    sender.deliver([(BIG, "odd"), (BIG - 1, "even")])
    assert [(int(code), note) for code, note in sender.held()] == [(BIG - 1, "even"), (BIG, "odd")]
    sender.deliver([(BIG, "odd"), (BIG - 1, "even")])
    assert len(sender.held()) == 2


@pytest.mark.sampled(3)
def test_a_key_of_two_fields_is_told_apart_or_refused(case: Case, send: Any) -> None:
    capabilities = case.destination_class.capabilities
    mode = next(mode for mode in Mode if mode in capabilities.modes)
    sender = send(mode, key=("code", "note"))
    rows = [("A", "a"), ("A", "b"), ("B", "a")]
    if capabilities.keys.single:
        with pytest.raises(DeliveryError, match="key|external ID"):
            sender.deliver(rows)
        assert case.contents() == []
        return
    sender.deliver(rows)
    assert sender.held() == rows


@pytest.mark.sampled(3)
@each(Mode.MIRROR)
def test_a_row_that_moves_to_another_day_stays(case: Case, send: Any, mode: Mode) -> None:
    """The new day goes first: the old one must not take out what is no more its own."""
    sender = send(mode)
    sender.deliver([("A", "a"), ("B", "b")])
    sender.deliver([("C", "c")], NEXT_DAY)
    moved = [("A", "moved"), ("C", "c")]
    if case.destination_class.type_name == "postgres":
        # A table with a primary key takes it once the old day has let go of it.
        with pytest.raises(DeliveryError, match="23505"):
            sender.deliver(moved, NEXT_DAY)
    else:
        sender.deliver(moved, NEXT_DAY)
    sender.deliver([("B", "b")])
    if case.destination_class.type_name == "postgres":
        sender.deliver(moved, NEXT_DAY)
    assert sender.held() == [("B", "b")]
    assert sender.held(NEXT_DAY) == [("A", "moved"), ("C", "c")]
    assert sender.deliver([("B", "b")]).delivery.shard_rows == 0
    # Gone from both, it goes.
    sender.deliver([("C", "c")], NEXT_DAY)
    assert sender.held(NEXT_DAY) == [("C", "c")]


@pytest.mark.sampled(6)
@each(Mode.MIRROR, Mode.UPSERT)
def test_a_row_that_comes_back_to_its_day_is_sent_again(case: Case, send: Any, mode: Mode) -> None:
    """By the records of its first day nothing has changed; but there the record is the other day's."""
    sender = send(mode)
    first, other = [("A", "a"), ("B", "b")], [("C", "c")]
    sender.deliver(first)
    sender.deliver(other, NEXT_DAY)
    if mode in case.destination_class.capabilities.keys.anywhere:
        sender.deliver([("A", "moved"), *other], NEXT_DAY)
        assert sender.held(NEXT_DAY) == [("A", "moved"), ("C", "c")]
        assert sender.held() == [("B", "b")]
    sender.deliver(other, NEXT_DAY)
    sender.deliver(first)
    assert sender.held() == first
    assert sender.held(NEXT_DAY) == other
    assert sender.deliver(first).delivery.shard_rows == 0
    assert sender.deliver(other, NEXT_DAY).delivery.shard_rows == 0


@pytest.mark.sampled(3)
@each(*Mode, trims=True)
def test_an_erased_person_stays_away_under_another_spelling(case: Case, send: Any, mode: Mode) -> None:
    sender = send(mode)
    sender.deliver([("A-7", "ada"), ("B", "bob")])
    spelt = " a-7" if folds(case) else " A-7"
    key = case.name("code")
    erased = erase(sender.engine, [sender.order()], Request({key: spelt}, "request 7", "me"))
    assert erased.taken_out == 1
    assert [note for _, note in sender.held()] == ["bob"]
    for again in ("A-7", " A-7 ", spelt):
        sender.deliver([(again, "ada again"), ("B", "bob")])
        assert [note for _, note in sender.held()] == ["bob"]


def test_a_contact_is_one_whatever_the_case_of_its_address(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    case = HubSpotCase(request, tmp_path)
    case.names = {"code": "email"}
    case.double.properties["email"] = Property(unique=True, hubspot_defined=True)
    sender = Sender(case, tmp_path, Mode.UPSERT)
    sender.deliver([("Ada@X.example", "a"), ("bob@x.example", "b")])
    outcome = sender.deliver([("ada@x.EXAMPLE ", "c"), ("bob@x.example", "b")])
    assert (outcome.delivery.added, outcome.delivery.changed) == (0, 1)
    found = {held["email"]: held["note"] for held in case.double.records.values()}
    assert found == {"ada@x.example": "c", "bob@x.example": "b"}
    reconciled = sender.reconciled()
    assert reconciled is not None
    assert reconciled.equal, reconciled
    with pytest.raises(DeliveryError, match="email='Ada@x.example' and email='ada@x.example' for one key"):
        sender.deliver([("Ada@x.example", "a"), ("ada@x.example", "b")])
    sender.store.close()
    case.close()


def test_what_was_taken_for_two_keys_before_is_one_now(tmp_path: Path) -> None:
    """As records of an older version say, and of an object whose field folds since."""

    @dataclass
    class ShelfCase:
        """A case's place in the sender: the tests' own names, and a shelf."""

        shelf: ShelfDestination

        @property
        def destination_class(self) -> type[ShelfDestination]:
            return type(self.shelf)

        def destination(self) -> ShelfDestination:
            return self.shelf

        def name(self, field: str) -> str:
            return field

    case: Any = ShelfCase(ShelfDestination(str(tmp_path), "shelf"))
    sender = Sender(case, tmp_path, Mode.MIRROR)
    sender.deliver([("A-7", "a"), ("a-7", "b"), ("B", "b")])
    sender.deliver([("A-7", "c"), ("a-7", "b"), ("C", "c")])
    case.shelf = FoldingShelf(str(tmp_path), "shelf")
    outcome = sender.deliver([("A-7", "d"), ("C", "c")])
    assert (outcome.delivery.changed, outcome.delivery.added, outcome.delivery.removed) == (1, 0, 0)
    with sender.engine.ledger.reading() as reading:
        held = reading.content("exp_items", DAY, ("code",))
        assert held is not None
        found = reading.connection.execute(f"select code, note from ({held.rows}) order by all").fetchall()
        assert (found, held.count()) == ([("A-7", "d"), ("C", "c")], 2)
    assert sender.deliver([("A-7", "d"), ("C", "c")]).delivery.shard_rows == 0
    sender.store.close()
