"""The webhook's own: its signature, its names, its forms of values, what it does not take.

Does not belong here: what every destination owes (`test_conformance`), sending in batches (`test_batches`).
"""

import base64
import math
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from sluicegate.destinations.base import DeliveryError, Mode, Refused, Scope
from sluicegate.destinations.errors import UnexpectedAnswer
from sluicegate.destinations.json_values import json_value, unknown_to_json
from sluicegate.destinations.signing import signature
from sluicegate.destinations.webhook import WebhookDestination, WebhookOptions

from tests.doubles.mangling import Mangling, Sent
from tests.doubles.serving import serve
from tests.doubles.webhook import WebhookDouble

from .journals import MemoryJournal
from .probe import Probe
from .support import DAY, rows_of, write_shard


def test_a_signature_is_that_of_the_standards_own_example() -> None:
    # The message that the libraries of standard-webhooks/standard-webhooks verify in their tests.
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    found = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}')
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("secret", "key"),
    [
        ("whsec_c2hhcmVkIHNlY3JldA%3D%3D", b"shared secret"),
        ("sch%C3%B6n%2Fgeheim%40", "schön/geheim@".encode()),
    ],
)
def test_a_secret_is_base64_after_its_mark_and_text_otherwise(
    tmp_path: Path, secret: str, key: bytes
) -> None:
    double = WebhookDouble(secret=key)
    with serve(double.app) as address:
        destination = WebhookDestination(f"webhook://:{secret}@{address}/a/b?tenant=7", "crm/items")
        destination.send(write_shard(tmp_path, rows_of(DAY, 2, "x")), MemoryJournal(2))
    assert len(double.contents("a/b/crm/items")) == 2


@pytest.mark.parametrize("user", ["", ":", ":whsec_n@t64"])
def test_without_a_secret_nothing_is_sent(tmp_path: Path, user: str) -> None:
    destination = WebhookDestination(f"webhook://{user}@127.0.0.1:9/hooks", "items")
    with pytest.raises(DeliveryError, match="no secret to sign with"):
        destination.check(write_shard(tmp_path, rows_of(DAY, 1, "x")))


# What the receiver verifies with as a secret is rotated: the old one at first, both, then the new one alone.
@pytest.mark.parametrize("receiver", [[b"old"], [b"old", b"new"], [b"new"]])
@pytest.mark.parametrize("query", ["?previous_secret=old", "?tenant=7&previous_secret=whsec_b2xk"])
def test_while_a_secret_is_rotated_receivers_of_either_take_everything(
    tmp_path: Path, receiver: list[bytes], query: str
) -> None:
    double = WebhookDouble(secret=receiver[0], accepts=receiver[1:])
    asked: list[bytes] = []

    async def noting(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope.get("query_string", b""))
        await double.app(scope, receive, send)

    with serve(noting) as address:
        destination = WebhookDestination(f"webhook://:new@{address}/hooks{query}", "items")
        shard = write_shard(tmp_path, rows_of(DAY, 3, "x"))
        destination.check(shard)
        destination.send(shard, MemoryJournal(3))
    assert len(double.contents("hooks/items")) == 3
    assert double.signatures == [2]
    assert b"old" not in b"".join(asked)
    assert b"secret" not in b"".join(asked)


def test_a_receiver_of_neither_secret_takes_nothing_and_neither_is_shown(tmp_path: Path) -> None:
    double = WebhookDouble(secret=b"another")
    with serve(double.app) as address:
        url = f"webhook://:n3w-s3cret@{address}/hooks?previous_secret=0ld%2Fs3cret"
        destination = WebhookDestination(url, "items")
        with pytest.raises(DeliveryError) as caught:
            destination.send(write_shard(tmp_path, rows_of(DAY, 1, "x")), MemoryJournal(1))
    said = str(caught.value) + destination.canonical_object() + repr(destination) + destination.shown(url)
    assert "401" in said
    assert not any(secret in said for secret in ("n3w-s3cret", "0ld%2Fs3cret", "0ld/s3cret"))


def test_a_message_that_is_old_or_under_two_names_is_not_taken(tmp_path: Path) -> None:
    httpx = import_module("httpx")
    double, content = WebhookDouble(secret=b"k"), b"{}"
    now = int(datetime.now(UTC).timestamp())
    with serve(double.app) as address:

        def status(moment: int, key: str) -> int:
            headers = {
                "content-type": "application/json",
                "idempotency-key": f'"{key}"',
                "webhook-id": "a",
                "webhook-timestamp": str(moment),
                "webhook-signature": signature(b"k", "a", str(moment), content),
            }
            return httpx.post(f"http://{address}/items", content=content, headers=headers).status_code

        assert [status(now - 301, "a"), status(now + 400, "a"), status(now, "b")] == [401, 401, 400]


@pytest.mark.parametrize(
    "url", ["webhook://:new@h?previous_secret=", "webhook://:new@h?previous_secret=whsec_n@"]
)
def test_a_secret_before_that_is_none_is_told(tmp_path: Path, url: str) -> None:
    with pytest.raises(DeliveryError, match="no secret to sign with"):
        WebhookDestination(url, "items").check(write_shard(tmp_path, rows_of(DAY, 1, "x")))


BIG = 2**53 + 1


@pytest.mark.parametrize(
    ("option", "forms"),
    [({}, [BIG, -BIG, 2**53 - 1]), ({"big_numbers": "text"}, [str(BIG), str(-BIG), 2**53 - 1])],
)
def test_big_numbers_are_exact_and_text_where_the_receiver_wants_it(
    tmp_path: Path, option: dict[str, Any], forms: list[Any]
) -> None:
    arrow = import_module("pyarrow")
    numbers = [BIG, -BIG, 2**53 - 1]
    columns = {
        "item": arrow.array(numbers, arrow.int64()),
        "deep": arrow.array([[{"a": number, "yes": True}] for number in numbers]),
    }
    shard = write_shard(tmp_path, arrow.table(columns), key=("item",), partition_column=None)
    double = WebhookDouble(secret=b"k")
    with serve(double.app) as address:
        destination = WebhookDestination(f"webhook://:k@{address}", "items", WebhookOptions(**option))
        destination.check(shard)
        destination.send(shard, MemoryJournal(3))
        held = double.contents("items")
        assert [row["item"] for row in held] == forms
        assert [row["deep"] for row in held] == [[{"a": form, "yes": True}] for form in forms]
        # A key is taken out in the form that it was sent in.
        scope = Scope("exp_items", DAY, ("item",), ("item", "deep"), None)
        assert destination.forget(scope, [{"item": BIG}]) == 1
    assert [row["item"] for row in double.contents("items")] == forms[1:]


@pytest.mark.parametrize("name", ["", "/", "a b", "../up", "a/../b", "a?b=c", "a#b", ".hidden"])
def test_an_object_is_a_path_of_plain_names(name: str) -> None:
    with pytest.raises(DeliveryError, match="is no path"):
        WebhookDestination.canonical_name(name)


def test_slashes_at_the_ends_are_no_other_object() -> None:
    one, other = (
        WebhookDestination(f"webhook://:s@Shop.example{path}", "/crm/items/") for path in ("/h", "/h/")
    )
    assert one.canonical_object() == other.canonical_object() == "https://shop.example/h/crm/items"


@pytest.mark.parametrize(
    ("status", "words"), [("404", "answers HTTP 404"), ("302", "answers what it should not: HTTP 302")]
)
def test_an_address_that_takes_nothing_ends_the_delivery(tmp_path: Path, status: str, words: str) -> None:
    double = WebhookDouble(secret=b"k")
    double.faults.append(status)
    shard = write_shard(tmp_path, rows_of(DAY, 2, "x"))
    with serve(double.app) as address:
        destination = WebhookDestination(f"webhook://:k@{address}", "items")
        with pytest.raises(DeliveryError, match=words):
            destination.send(shard, MemoryJournal(2))


def test_a_row_that_is_refused_in_a_full_load_keeps_what_was_there(tmp_path: Path) -> None:
    double = WebhookDouble(secret=b"k")
    with serve(double.app) as address:
        destination = WebhookDestination(f"webhook://:k@{address}", "items", WebhookOptions(batch_rows=2))

        def load(count: int, note: str) -> MemoryJournal:
            rows = rows_of(DAY, count, note)
            shard = write_shard(tmp_path, rows, mode=Mode.MIRROR, full=True)
            destination.send(shard, journal := MemoryJournal(count))
            return journal

        load(5, "old")
        double.refuses = lambda fields: fields["item"] == 1
        assert load(3, "new").refused == [Refused(1, "NOT_WANTED", "this row is not wanted")]
    held = {row["item"]: row["note"] for row in double.contents("items")}
    assert held == {0: "new", 1: "old", 2: "new"}


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (Decimal("1E+3"), "1000"),
        (Decimal("2.50"), "2.50"),
        (date(2022, 10, 3), "2022-10-03"),
        (datetime(2022, 10, 3, 4, 5, 6), "2022-10-03T04:05:06"),
        (datetime(2022, 10, 3, 4, tzinfo=timezone(timedelta(hours=2))), "2022-10-03T02:00:00Z"),
        (datetime(2022, 10, 3, 4, 5, 6, 7, UTC), "2022-10-03T04:05:06.000007Z"),
        (time(4, 5), "04:05:00"),
        (b"\0\xff", "AP8="),
        (math.inf, "inf"),
        (2**60, 2**60),
        ({"a": [Decimal("1.0"), None, True]}, {"a": ["1.0", None, True]}),
    ],
)
def test_values_keep_what_they_are_in_json(value: Any, form: Any) -> None:
    assert json_value(value) == form


@pytest.mark.parametrize(
    ("kind", "unknown"),
    [
        (lambda arrow: arrow.duration("s"), True),
        (lambda arrow: arrow.list_(arrow.struct([("a", arrow.duration("us"))])), True),
        (lambda arrow: arrow.map_(arrow.string(), arrow.int32()), True),
        (lambda arrow: arrow.dictionary(arrow.int8(), arrow.string()), False),
        (lambda arrow: arrow.list_(arrow.decimal128(5, 2)), False),
    ],
)
def test_types_without_a_form_are_refused_before_anything_is_sent(
    tmp_path: Path, kind: Callable[[Any], Any], unknown: bool
) -> None:
    arrow = import_module("pyarrow")
    assert unknown_to_json(kind(arrow)) is unknown
    table = arrow.table({"item": arrow.array([1]), "odd": arrow.nulls(1, kind(arrow))})
    shard = write_shard(tmp_path, table, key=("item",), partition_column=None)
    destination = WebhookDestination("webhook://:k@127.0.0.1:9", "items")
    if unknown:
        with pytest.raises(DeliveryError, match="field 'odd' of exp_items is of type"):
            destination.check(shard)
    else:
        destination.check(shard)


# SQL of whole numbers of 128 bits, and the same in JSON; in a file with one of 39 digits all are text.
WHOLE = {
    "5::hugeint": 5,
    "[5::hugeint, null]": [5, None],
    "{'a': [{'b': -7::hugeint}]}": {"a": [{"b": -7}]},
    "[9007199254740993::uhugeint]": [9007199254740993],
}


@pytest.mark.parametrize("wide", [None, 2**127 - 1])
def test_whole_numbers_are_numbers_wherever_they_are(tmp_path: Path, wide: int | None) -> None:
    double = WebhookDouble(secret=b"k")
    columns = ", ".join(f"{value} as v{place}" for place, value in enumerate(WHOLE))
    one = "" if wide is None else f", {wide}::hugeint as w, [{wide}::hugeint] as x"
    with serve(double.app) as address:
        outcome = Probe(tmp_path).deliver(
            WebhookDestination(f"webhook://:k@{address}", "items"), f"select 1 as k, {columns}{one}"
        )
    assert not outcome.refused
    wanted: dict[str, Any] = {f"v{place}": form for place, form in enumerate(WHOLE.values())}
    if wide is not None:
        wanted |= {"w": wide, "x": [wide]}
    assert double.contents("items") == [{"k": 1, **wanted}]


@pytest.mark.parametrize("value", ["row(1, 'a')", "[{'a': row(1)}]", "5::variant", "union_value(a := 1)"])
def test_a_type_whose_fields_have_no_names_is_refused_before_anything_is_sent(
    tmp_path: Path, value: str
) -> None:
    probe, destination = Probe(tmp_path), WebhookDestination("webhook://:k@127.0.0.1:9", "items")
    with pytest.raises(DeliveryError, match=r"has nothing like these fields of exp_items: odd \("):
        probe.deliver(destination, f"select 1 as k, {value} as odd")


@pytest.mark.parametrize("body", [b"OK", b'{"status": "ok"}', b'{"ok": true}', b"<p>Thanks</p>"])
def test_a_receiver_that_cannot_be_changed_is_taken_at_its_status(tmp_path: Path, body: bytes) -> None:
    double = WebhookDouble(secret=b"s3cret-of-ours")
    shard, front = write_shard(tmp_path, rows_of(DAY, 2, "x")), Mangling()
    with serve(front) as address:
        url = f"webhook://:s3cret-of-ours@{address}"
        front.spoil(double.app, 0, lambda _: Sent(200, {"content-type": "text/plain"}, body))
        with pytest.raises(UnexpectedAnswer, match="answer: status") as caught:
            WebhookDestination(url, "items").send(shard, MemoryJournal(2))
        assert body.decode() in caught.value.what
        front.spoil(double.app, 0, lambda _: Sent(200, {"content-type": "text/plain"}, body))
        options = WebhookOptions(answer="status")
        WebhookDestination(url, "items", options).send(shard, journal := MemoryJournal(2))
    assert (journal.pending(), journal.refused, double.twice) == ([], [], 0)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
@pytest.mark.parametrize("body", [b"", b"{}"])
def test_an_empty_answer_means_that_all_is_taken(tmp_path: Path, status: int, body: bytes) -> None:
    double = WebhookDouble(secret=b"s3cret-of-ours")
    shard, front = write_shard(tmp_path, rows_of(DAY, 2, "x")), Mangling()
    with serve(front) as address:
        front.spoil(double.app, 0, lambda _: Sent(status, {}, b"" if status == 204 else body))
        WebhookDestination(f"webhook://:s3cret-of-ours@{address}", "items").send(
            shard, journal := MemoryJournal(2)
        )
    assert (journal.pending(), journal.refused) == ([], [])
