"""Blobs: keys taken out of files that are otherwise never changed."""

from datetime import date

import pytest
from sluicegate.areas import Area
from sluicegate.destinations.base import Mode

from .blobs import Place, anywhere, place, scope_of
from .support import DAY, rows_of

__all__ = ["anywhere", "place"]


@pytest.mark.parametrize("file_format", ["parquet", "csv", "json_lines"])
def test_a_key_is_forgotten_in_every_file(place: Place, file_format: str) -> None:
    options = {"format": file_format, "rows_per_part": 2}
    rows = rows_of(DAY, 5, "x")
    place.send(place.shard(rows, "d1"), **options)
    place.send(place.shard(rows_of(DAY, 1, "x"), "d2", after="d1"), **options)
    newest = place.shard(rows, "d3", after="d2")
    place.send(newest, **options)
    keys = [{"business_date": date(2022, 10, 3), "item": item} for item in (3, 77)]
    assert place.destination().forget(scope_of(), keys) == 1
    shown = place.load(f"{DAY}/manifest.json")
    assert (shown["delivery_id"], shown["rows"], shown["forgotten"]) == ("d3", 4, 1)
    assert place.held() == [row for row in rows if row[0] != 3]
    assert {name.split("/")[1] for name in place.names()} == {"manifest.json", "d2", shown["folder"]}
    # The delivery is the same, so a later one comes after it, and it is not sent again.
    assert place.send(newest, **options).already_delivered
    assert place.destination().arrived(newest)
    assert place.destination().forget(scope_of(), keys) == 0
    place.send(place.shard(rows, "d4", after="d3"), **options)
    assert place.held() == rows


def test_a_key_is_forgotten_in_all_that_was_appended(anywhere: Place) -> None:
    for number in range(3):
        anywhere.send(anywhere.shard([(number, DAY, "x")], f"d{number}", mode=Mode.APPEND))
    assert anywhere.destination().forget(scope_of(), [{"business_date": DAY, "item": "1"}]) == 1
    assert anywhere.held() == [(0, DAY, "x"), (2, DAY, "x")]
    shown = anywhere.load(f"{DAY}/manifest.json")
    assert [delivery["delivery_id"] for delivery in shown["deliveries"]] == ["d0", "d1", "d2"]
    assert not any(name.startswith(f"{DAY}/d1/") for name in anywhere.names())


def test_an_erasure_that_was_killed_is_done_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = rows_of(DAY, 3, "x")
    place.send(place.shard(rows, "d1"))
    keys = [{"business_date": DAY, "item": 1}]
    for step in ("create", "swap", "remove_tree"):

        def die(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(Area, step, die)
            with pytest.raises(KeyboardInterrupt):
                place.destination().forget(scope_of(), keys)
        assert place.held() in (rows, [row for row in rows if row[0] != 1])
    assert place.destination().forget(scope_of(), keys) == 1
    assert place.held() == [row for row in rows if row[0] != 1]
    assert f"{DAY}/d1/manifest.json" not in place.names()
