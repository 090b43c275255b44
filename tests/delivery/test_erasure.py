"""Erasure: out of the destination, out of our shards, never sent again; safe to be asked for again."""

import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import ClassVar

import duckdb
import pytest
from sluicegate.delivery import erasure
from sluicegate.delivery.erasure import Erased, Request, erase, forget_unsent
from sluicegate.delivery.ledger import Opened, Row, Shards, digest_of, is_forgotten
from sluicegate.destinations.base import Alike, Capabilities, DeliveryError, Mode, Scope
from sluicegate.state.records import DeliveryKind, DeliveryStatus, ForgottenKey

from .deliveries import DAY, Sender
from .shelf import Crash, ShelfDestination

NEXT_DAY = "2024-01-02"


@pytest.fixture
def sender(tmp_path: Path) -> Iterator[Sender]:
    """Two days are on the shelf, the first of them after a change."""
    made = Sender(tmp_path, ShelfDestination(str(tmp_path), "shelf"))
    made.deliver({1: "ada", 2: "bob"}, "1")
    made.deliver({1: "ada", 2: "bob", 3: "eve"}, "2")
    made.deliver({1: "ada", 4: "dan"}, "1", day=NEXT_DAY)
    yield made
    made.store.close()


def forget(sender: Sender, **values: str) -> Erased:
    """Ask for an erasure, of both days."""
    request = Request(values, "request 7", "ada")
    return erase(sender.engine(), [sender.order(DAY), sender.order(NEXT_DAY)], request)


def notes(sender: Sender) -> set[str]:
    """Return the notes on the shelf."""
    assert isinstance(sender.destination, ShelfDestination)
    return {row["note"] for row in sender.destination.rows().values()}


def in_files(sender: Sender, text: str) -> list[Path]:
    """Return the files of ours that hold a text as a note."""
    return [
        path
        for path in (sender.folder / "shards").rglob("*")
        if path.is_file()
        and duckdb.sql(f"select count(*) from read_parquet('{path}') where note = '{text}'").fetchone()
        != (0,)
    ]


def unfinished(sender: Sender) -> list[ForgottenKey]:
    """The erasures that a person is still told to ask for again."""
    return [
        item
        for item in sender.store.forgotten_keys.of("exp_items")
        if "ask for the same again" in item.outcome
    ]


def test_a_person_is_gone_everywhere_and_stays_so(sender: Sender) -> None:
    assert len(in_files(sender, "ada")) == 2
    erased = forget(sender, note="ada")
    assert (len(erased.keys), erased.taken_out) == (2, 2)
    assert notes(sender) == {"bob", "eve", "dan"}
    assert in_files(sender, "ada") == []
    assert sender.recorded() == {2: "bob", 3: "eve"}
    assert unfinished(sender) == []
    records = sender.store.forgotten_keys.of("exp_items")
    assert {(item.reason, item.forgotten_by, item.found) for item in records} == {("request 7", "ada", 2)}
    assert "ada" not in "".join(item.outcome for item in records)  # three hex digits may spell a name
    # The source still has the row, even changed; a resync does not bring it back either.
    sender.deliver({1: "ada again", 2: "bob"}, "3")
    sender.deliver({1: "ada again", 2: "bob"}, "3", kind=DeliveryKind.RESYNC)
    assert notes(sender) == {"bob", "dan"}


def test_the_same_again_finds_nothing_more_to_do(sender: Sender) -> None:
    first = forget(sender, business_date=DAY, item="1")
    known = sender.store.forgotten_keys.of("exp_items")
    again = forget(sender, business_date=DAY, item="1")
    assert (first.taken_out, again.taken_out, again.rows) == (1, 0, 0)
    assert sender.store.forgotten_keys.of("exp_items") == known


@pytest.mark.parametrize(
    ("owner", "step"), [(erasure, "_take_out"), (Shards, "take_out"), (erasure, "_forget_refusals")]
)
def test_what_a_crash_leaves_the_same_request_ends(
    sender: Sender, monkeypatch: pytest.MonkeyPatch, owner: object, step: str
) -> None:
    def die(*_: object) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(owner, step, die)
        with pytest.raises(Crash):
            forget(sender, note="ada")
    assert unfinished(sender)
    # Another request in between takes nothing from the first.
    forget(sender, note="dan")
    forget(sender, note="ada")
    assert unfinished(sender) == []
    assert notes(sender) == {"bob", "eve"}
    assert in_files(sender, "ada") == []


def test_a_plan_that_waits_is_ended_first(sender: Sender) -> None:
    assert isinstance(sender.destination, ShelfDestination)
    sender.destination.faults.crash_after_rows = 1
    with pytest.raises(Crash):
        sender.deliver({1: "ada", 5: "ada", 6: "fay", 7: "ada"}, "3")
    sender.destination.faults.crash_after_rows = None
    forget(sender, note="ada")
    statuses = {item.status for item in sender.store.deliveries.of_export("exp_items")}
    assert statuses <= {DeliveryStatus.ACKNOWLEDGED, DeliveryStatus.SUPERSEDED}
    assert in_files(sender, "ada") == []
    sender.deliver({1: "ada", 5: "ada", 6: "fay", 7: "ada"}, "3")
    assert notes(sender) == {"fay", "dan"}
    assert sender.recorded() == {6: "fay"}


def test_refused_rows_and_the_vendors_words_go_too(sender: Sender) -> None:
    assert isinstance(sender.destination, ShelfDestination)
    sender.destination.faults.refused_keys = {f'["{DAY}", "5"]'}
    sender.deliver({1: "ada", 5: "gus"}, "3")
    [refused] = sender.store.refused_keys.of("exp_items", DAY)
    assert "5" in refused.said
    forget(sender, business_date=DAY, item="5")
    assert sender.store.refused_keys.of("exp_items") == []
    words = sender.store.deliveries.refusals(refused.delivery_id)
    assert [said for _, _, said in words] == [""]


class KeepingShelf(ShelfDestination):
    """Takes no single key out."""

    capabilities: ClassVar[Capabilities] = Capabilities(frozenset(Mode), read_back=True, delete=False)


class BrokenShelf(ShelfDestination):
    """Is out of order when it is to forget."""

    def forget(self, scope: Scope, keys: object) -> int:
        raise DeliveryError("SLU-E005", f"no answer for {scope.partition_key}", "an answer", "wait")


def test_what_cannot_be_taken_out_there_is_said(tmp_path: Path) -> None:
    sender = Sender(tmp_path, KeepingShelf(str(tmp_path), "shelf"))
    sender.deliver({1: "ada", 2: "bob"}, "1")
    erased = forget(sender, note="ada")
    assert erased.taken_out is None
    assert "by hand" in erased.said
    assert in_files(sender, "ada") == []
    sender.store.close()


def test_an_outage_leaves_what_is_needed_to_ask_again(tmp_path: Path) -> None:
    sender = Sender(tmp_path, BrokenShelf(str(tmp_path), "shelf"))
    sender.deliver({1: "ada", 2: "bob"}, "1")
    with pytest.raises(DeliveryError, match="no answer"):
        forget(sender, note="ada")
    assert unfinished(sender)
    assert in_files(sender, "ada")
    sender.destination = ShelfDestination(str(tmp_path), "shelf")
    forget(sender, note="ada")
    assert notes(sender) == {"bob"}
    assert unfinished(sender) == []
    sender.store.close()


def test_a_key_that_was_never_sent_is_never_sent(tmp_path: Path) -> None:
    sender = Sender(tmp_path, ShelfDestination(str(tmp_path), "shelf"))
    request = Request({"business_date": DAY, "item": "1"}, "request 7", "ada")
    forget_unsent(sender.store, "exp_items", sender.key, request)
    [record] = sender.store.forgotten_keys.of("exp_items")
    assert record.key_digest == digest_of(record.salt, (DAY, "1"))
    sender.deliver({1: "ada", 2: "bob"}, "1")
    assert notes(sender) == {"bob"}
    sender.store.close()


# -- whatever the key is by now


def send_rows(sender: Sender, rows: str, key: tuple[str, ...], version: str = "9") -> None:
    """Deliver the rows of a SELECT, told apart by a key, as the whole of a day."""

    @contextmanager
    def opening() -> Generator[Opened]:
        with duckdb.connect() as connection:
            yield Opened(connection, rows, version)

    order = replace(sender.order(), key=key, partition_column=None)
    sender.engine().deliver(order, opening)


def as_rows(item: str = "item::integer", mail: str = "mail") -> str:
    """SQL of two people, with what is made of their fields."""
    return (
        f"select {item} as item, {mail} as mail, date '{DAY}' as business_date, mail as note"
        " from (values (1, 'ada@x.org'), (2, 'bob@x.org')) people (item, mail)"
    )


ERASED_BY = {
    "its key": {"item": "1"},
    "its key and more": {"item": "1", "mail": "ada@x.org"},
    "another field": {"mail": "ada@x.org"},
}


@pytest.mark.parametrize("named", ERASED_BY.values(), ids=ERASED_BY)
@pytest.mark.parametrize(
    ("rows", "key"),
    [
        pytest.param(as_rows(), ("mail",), id="another column"),
        pytest.param(as_rows(), ("mail", "item"), id="composite"),
        pytest.param(as_rows("item::varchar"), ("item",), id="text"),
        pytest.param(as_rows("'00' || item"), ("item",), id="text of a number"),
        pytest.param(as_rows("item::decimal(9, 2)"), ("item",), id="decimal"),
        pytest.param(as_rows("item::double"), ("mail",), id="another column and type"),
        pytest.param(as_rows("item::bigint"), ("business_date", "item"), id="with the day"),
    ],
)
@pytest.mark.sampled(7)
def test_an_erased_person_stays_away_whatever_the_key_is_by_now(
    tmp_path: Path, named: dict[str, str], rows: str, key: tuple[str, ...]
) -> None:
    sender = Sender(tmp_path, ShelfDestination(str(tmp_path), "shelf"), latest=True)
    send_rows(sender, as_rows(), ("item",))
    order = replace(sender.order(), key=("item",))
    erased = erase(sender.engine(), [order], Request(named, "request 7", "ada"))
    assert erased.taken_out == 1
    # By another key in between, so that everything is compared and sent anew.
    for version, by in enumerate((("mail", "business_date"), key, key)):
        send_rows(sender, rows, by, f"later {version}")
        assert notes(sender) == {"bob@x.org"}
    kept = "".join(item.fields for item in sender.store.forgotten_keys.of("exp_items"))
    assert kept
    assert '"ada"' not in kept
    sender.store.close()


def test_the_field_that_was_named_is_enough_where_the_old_key_is_no_more_sent(tmp_path: Path) -> None:
    sender = Sender(tmp_path, ShelfDestination(str(tmp_path), "shelf"), latest=True)
    send_rows(sender, as_rows(), ("item",))
    order = replace(sender.order(), key=("item",))
    erase(sender.engine(), [order], Request({"mail": "ada@x.org"}, "request 7", "ada"))
    send_rows(sender, f"select * exclude (item) from ({as_rows()})", ("mail",), "10")
    assert notes(sender) == {"bob@x.org"}
    sender.store.close()


@pytest.mark.parametrize(
    ("kind", "item", "alike", "kept", "number", "away"),
    [
        pytest.param("varchar", "'ada'", (), {"text": "ada", "folded": "ada"}, False, True, id="text"),
        pytest.param("varchar", "'ADA'", (), {"text": "ada", "folded": "ada"}, False, False, id="another"),
        pytest.param("varchar", "'ADA'", ("case",), {"text": "ada", "folded": "ada"}, False, True, id="case"),
        pytest.param(
            "varchar", "'ADA'", ("trimmed", "text"), {"text": "ada", "folded": "ada"}, False, False, id="trim"
        ),
        pytest.param(
            "varchar", "'ada '", ("trimmed",), {"text": "ada", "folded": "ada"}, False, True, id="white space"
        ),
        pytest.param("integer", "7", (), {"text": "7", "number": "7"}, True, True, id="number"),
        pytest.param("varchar", "'07'", (), {"text": "7", "number": "7"}, True, True, id="number as text"),
        pytest.param("double", "1.5", (), {"text": "1.5", "number": "1.5"}, True, True, id="double"),
        pytest.param("double", "1e17", (), {"text": "1e+17"}, True, True, id="exponent"),
        pytest.param("date", "'2024-01-01'", (), {"text": "2024-01-01"}, False, True, id="day"),
        pytest.param("timestamp", "'2024-01-01'", (), {"text": "2024-01-01"}, False, True, id="moment"),
    ],
)
def test_the_digests_of_an_older_version_hold(
    kind: str, item: str, alike: tuple[str, ...], kept: dict[str, str], *, number: bool, away: bool
) -> None:
    """They were of the text, of the text without what destinations fold, and of the number that it writes."""
    digests: dict[str, object] = {
        form: sha256(f"salt{form}:item:{text}".encode()).hexdigest() for form, text in kept.items()
    }
    fields = json.dumps({"key": {"item": digests | {"was_number": number}}, "named": {}})
    record = ForgottenKey("exp_items", "salt", "of the whole key", 0, "done", "so", "ada", fields=fields)
    # Also where `names` calls the column otherwise by now.
    kind = kind.upper()  # as `describe` writes it
    for row in (Row({"item": kind}), Row({"thing": kind}, columns={"thing": "item"})):
        [name] = row.kinds
        condition = is_forgotten((name,), row, {name: frozenset(map(Alike, alike))}, [record])
        found = duckdb.sql(f"select {condition or 'false'} from (select {item}::{kind} as {name})").fetchone()
        assert found == (away,)


def test_what_an_older_version_has_forgotten_stays_away(tmp_path: Path) -> None:
    sender = Sender(tmp_path, ShelfDestination(str(tmp_path), "shelf"))
    digest = digest_of("salt", (DAY, "1"))
    sender.store.forgotten_keys.record(ForgottenKey("exp_items", "salt", digest, 0, "done", "so", "ada"))
    sender.deliver({1: "ada", 2: "bob"}, "1")
    assert notes(sender) == {"bob"}
    sender.store.close()


@pytest.mark.parametrize(
    ("named", "told"), [({"note": "ada"}, True), ({"note": "zoe"}, False), ({"zone": "north"}, True)]
)
def test_partitions_that_were_sent_without_the_key_are_named(
    sender: Sender, named: dict[str, str], *, told: bool
) -> None:
    """The key has a column more since, and the day was not sent again: nobody says that nothing was there."""
    order = replace(sender.order(DAY), key=("business_date", "item", "zone"))
    erased = erase(sender.engine(), [order], Request(named, "request 7", "ada"))
    assert (DAY in erased.said) == told


def test_days_are_asked_although_the_model_is_cut_by_months_by_now(sender: Sender) -> None:
    """What was sent by days lies there until a month is sent in its place."""
    month = replace(sender.order(DAY), partition_key="2024-01")
    engine = sender.engine()
    # The store knows the place of what was delivered.
    assert erase(engine, [month], Request({"note": "ada"}, "request 7", "ada")).taken_out == 2
    assert notes(sender) == {"bob", "eve", "dan"}


# -- whatever the export is called by now


def test_an_erasure_holds_for_the_export_that_writes_to_the_object_by_now(sender: Sender) -> None:
    forget(sender, note="ada")
    renamed = replace(sender.order(DAY), export="exp_things")
    sender.deliver({1: "ada", 2: "bob"}, "9", order=renamed)
    assert "ada" not in notes(sender)
    assert "bob" in notes(sender)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("first", "named", "away"),
    [
        pytest.param("the erasure", {"business_date": DAY, "item": "1"}, True, id="its key was named"),
        pytest.param("the erasure", {"business_date": DAY, "item": "1", "note": "ada"}, True, id="and more"),
        pytest.param("the erasure", {"business_date": DAY, "item": "1", "note": "eve"}, False, id="not all"),
        pytest.param("the erasure", {"note": "ada"}, False, id="its key was not named"),
        pytest.param("the export", {"business_date": DAY, "item": "1"}, False, id="it was there, and asked"),
    ],
)
def test_what_was_named_whole_holds_for_an_export_that_comes_later(
    sender: Sender, tmp_path: Path, first: str, named: dict[str, str], *, away: bool
) -> None:
    (tmp_path / "elsewhere").mkdir()
    there, elsewhere = sender.destination, ShelfDestination(str(tmp_path / "elsewhere"), "shelf")
    other = replace(sender.order(DAY), export="exp_things")
    if first == "the export":
        sender.destination = elsewhere
        sender.deliver({2: "bob"}, "1", order=other)
        sender.destination = there
    forget(sender, **named)
    sender.destination = elsewhere
    sender.deliver({1: "ada", 2: "bob"}, "2", order=other)
    assert notes(sender) == ({"bob"} if away else {"ada", "bob"})
