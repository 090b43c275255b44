"""What each field of an export file may say, and where it is told that it does not hold."""

import re
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import BaseModel, ConfigDict
from sluicegate.core.problems import Problem
from sluicegate.core.settings import REPOSITORY
from sluicegate.delivery.export_files import exports, spec
from sluicegate.delivery.export_files.exports import Export, load_exports
from sluicegate.delivery.export_files.spec import ExportSpec
from sluicegate.destinations.base import (
    Capabilities,
    Destination,
    Journal,
    KeyIdentity,
    Mode,
    Receipt,
    Shard,
)
from sluicegate.destinations.registry import destination_types

NAME = "exp_shop_orders"
FILE = f"exports/{NAME}.yml"
LINES = {
    "model": NAME,
    "destination": "{type: postgres, connection: shop_screens, object: bakery.shop_orders}",
    "key": "[business_date, shop]",
    "mode": "mirror",
    "partitions": "each",
    "owner": "counter@bakery.example",
    "purpose": "Shows each shop what it ordered.",
}
RULE = (
    "{filter: {column: shop, keep: [a]}, owner: me@bakery.example, reason: soon, issue: 'https://x.example/1',"
    " declared: 2026-04-01, expires: 2026-05-30}"
)


class CardOptions(BaseModel):
    """Options of the destination below."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    colour: str
    copies: int = 1


class CardIndex(Destination):
    """A destination with options, which knows two modes and rows by one field."""

    type_name: ClassVar[str] = "cards"
    guarantee: ClassVar[str] = "none"
    kinds: ClassVar[frozenset[str]] = frozenset()
    capabilities: ClassVar[Capabilities] = Capabilities(
        modes=frozenset({Mode.UPSERT, Mode.APPEND}),
        read_back=False,
        delete=False,
        keys=KeyIdentity(single=True),
    )
    options_model: ClassVar[type[BaseModel]] = CardOptions

    @classmethod
    def canonical_name(cls, object_name: str) -> str:
        return object_name

    def canonical_object(self) -> str:
        return self._object_name

    def send(self, shard: Shard, journal: Journal) -> Receipt:
        return Receipt(shard.rows, self._object_name)


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch) -> None:
    """The card index is a destination as well."""
    types = {**destination_types, CardIndex.type_name: CardIndex}
    for module in (exports, spec):
        monkeypatch.setattr(module, "destination_types", types)


def read(folder: Path, **fields: str) -> tuple[Export | None, list[Problem]]:
    """Read an export file that says these fields besides the usual ones, each on a line of its own."""
    (folder / "exports").mkdir()
    text = "".join(f"{name}: {value}\n" for name, value in {**LINES, **fields}.items())
    (folder / FILE).write_text(text)
    found, problems = load_exports(folder)
    return found.get(NAME), problems


def spec_of(folder: Path, **fields: str) -> ExportSpec:
    export, problems = read(folder, **fields)
    assert problems == []
    assert export is not None
    return export.spec


def test_what_a_file_does_not_say_has_defaults(tmp_path: Path) -> None:
    spec = spec_of(tmp_path)
    assert spec.channel is None
    assert spec.classes == ("internal", "public")
    assert spec.limits.empty == "hold"
    assert spec.limits.rows is None
    assert (spec.refusals.tolerated_share, spec.refusals.attempts) == (0, 5)
    assert spec.refusals.wait.span == timedelta(minutes=15)
    assert spec.budget.span == timedelta(minutes=30)
    assert spec.last_mile == ()


def test_every_field_is_read(tmp_path: Path) -> None:
    spec = spec_of(
        tmp_path,
        mode="upsert",
        partitions="latest",
        names="{shop: Shop__c}",
        classes="[public, confidential]",
        channel="'#counter'",
        limits="{rows: {min: 1, max: 9}, changed_share: 0.5, removed_share: 0, sums: {loaves: {max: 1.5}},"
        " empty: hold, first_load: 100}",
        refusals="{tolerated_share: 0.01, attempts: 3, wait: {latency: 1, unit: h}}",
        budget="{latency: 2, unit: h}",
        last_mile=f"[{RULE}]",
    )
    assert (spec.mode, spec.partitions) == (Mode.UPSERT, "latest")
    assert spec.classes == ("public", "confidential")
    assert spec.limits.rows is not None
    assert (spec.limits.rows.min, spec.limits.rows.max) == (1, 9)
    assert (spec.limits.changed_share, spec.limits.removed_share) == (0.5, 0)
    assert (spec.limits.sums["loaves"].min, spec.limits.sums["loaves"].max) == (None, 1.5)
    assert (spec.limits.empty, spec.limits.first_load) == ("hold", 100)
    assert (spec.refusals.tolerated_share, spec.refusals.attempts) == (0.01, 3)
    assert spec.budget.span == timedelta(hours=2)
    assert [rule.expires for rule in spec.last_mile] == [date(2026, 5, 30)]


def test_a_renamed_column_is_a_field_of_the_key(tmp_path: Path) -> None:
    export, _ = read(tmp_path, names="{shop: Shop__c}")
    assert export is not None
    assert export.field("shop") == "Shop__c"
    assert export.field("loaves") == "loaves"
    assert export.key_fields == ("business_date", "Shop__c")


WRONG: dict[str, tuple[dict[str, str], int, str, str]] = {
    # {what: (fields, line, what is told, what is expected or the fix)}
    "a key column twice": ({"key": "[shop, shop]"}, 3, "`key` is", "each name once"),
    "a mode that there is not": ({"mode": "merge"}, 4, "`mode` is 'merge'", "upsert"),
    "partitions": ({"partitions": "all"}, 5, "`partitions` is 'all'", "latest"),
    "an unknown type": (
        {"destination": "{type: postgress, connection: a, object: b, options: {x: 1}}"}, 2,
        "unknown destination type `postgress`", "did you mean `postgres`?",
    ),
    "a type that is no text": (
        {"destination": "{type: [a], connection: a, object: b}"}, 2, "`destination.type` is ['a']", "string",
    ),
    "a destination that is none": ({"destination": "postgres"}, 2, "`destination` is 'postgres'", "valid"),
    "options that a type has not": (
        {"destination": "{type: postgres, connection: a, object: b, options: {colour: red}}"}, 2,
        "unknown field `destination.options.colour`", "",
    ),
    "a name for two columns": ({"names": "{a: X, b: x}"}, 8, "`names` calls both `a` and `b` `x`", "another"),
    "a name that is none": ({"names": "{shop: shop}"}, 8, "calls `shop` what it is called", "take the line"),
    "an empty name": ({"names": "{shop: ''}"}, 8, "`names.shop` is ''", "character"),
    "a class twice": ({"classes": "[public, public]"}, 8, "`classes` is", "each name once"),
    "a channel without a text": ({"channel": "''"}, 8, "`channel` is ''", "character"),
    "an unknown limit": ({"limits": "{row: 1}"}, 8, "unknown field `limits.row`", "did you mean `rows`?"),
    "an unknown bound": (
        {"limits": "{rows: {minimum: 1, max: 2}}"}, 8, "unknown field `limits.rows.minimum`",
        "did you mean `min`?",
    ),
    "a bound of a sum": (
        {"limits": "{sums: {loaves: {mix: 1, max: 2}}}"}, 8, "unknown field `limits.sums.loaves.mix`", "min",
    ),
    "a range of nothing": ({"limits": "{rows: {}}"}, 8, "`limits.rows.max` is None", "at `min`, or both"),
    "a range upside down": (
        {"limits": "{rows: {min: 5, max: 3}}"}, 8, "`limits.rows.max` is 3", "at least what `min` says, 5",
    ),
    "half a row": ({"limits": "{rows: {min: 0.5}}"}, 8, "`limits.rows.min` is 0.5", "integer"),
    "a share in percent": ({"limits": "{changed_share: 50}"}, 8, "`limits.changed_share` is 50", "1"),
    "a share that is a text": (
        {"limits": "{removed_share: '0.5'}"}, 8, "`limits.removed_share` is '0.5'", "number",
    ),
    "a sum without an end": (
        {"limits": "{sums: {loaves: {max: .inf}}}"}, 8, "`limits.sums.loaves.max` is inf", "finite",
    ),
    "what becomes of an empty plan": ({"limits": "{empty: stop}"}, 8, "`limits.empty` is 'stop'", "'hold'"),
    "no attempt": ({"refusals": "{attempts: 0}"}, 8, "`refusals.attempts` is 0", "1"),
    "a wait in no unit": (
        {"refusals": "{wait: {latency: 1, unit: year}}"}, 8, "`refusals.wait.unit` is 'year'", "min",
    ),
    "a wait of seconds": (
        {"refusals": "{wait: {latency: 0.1, unit: min}}"}, 8, "`refusals.wait.latency` is 0.1", "a minute",
    ),
    "a budget of nothing": ({"budget": "{latency: 0, unit: h}"}, 8, "`budget.latency` is 0", "at least"),
    "an unknown field of a rule": (
        {"last_mile": f"[{RULE.replace('owner:', 'owners:')}]"}, 8, "unknown field `last_mile.0.owners`",
        "did you mean `owner`?",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_each_problem_is_located(tmp_path: Path, case: str) -> None:
    fields, line, what, said = WRONG[case]
    _, problems = read(tmp_path, **fields)
    told = [(p.file, p.line) for p in problems if what in p.what and said in f"{p.expected}; {p.fix}"]
    assert told == [(FILE, line)], problems


def test_a_mode_that_a_type_does_not_know_names_those_that_it_knows(tmp_path: Path) -> None:
    _, problems = read(tmp_path, destination="{type: blob, connection: a, object: b}", mode="upsert")
    assert [(p.line, p.what, p.expected) for p in problems] == [
        (4, "`blob` knows no `mode: upsert`", "one of: append, snapshot")
    ]


CARDS = "{type: cards, connection: a, object: b, options: {%s}}"


@pytest.mark.usefixtures("cards")
def test_options_are_the_types_own(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, destination=CARDS % "colour: red", key="[shop]", mode="upsert")
    assert spec.destination.options == CardOptions(colour="red", copies=1)


@pytest.mark.usefixtures("cards")
@pytest.mark.parametrize(
    ("fields", "what", "said"),
    [
        ({"destination": CARDS % ""}, "`destination.options.colour` is missing", "add `colour:`"),
        ({"destination": "{type: cards, connection: a, object: b}"}, "`destination.options` is missing", ""),
        ({"destination": CARDS % "colour: red, copy: 2"}, "unknown field `destination.options.copy`",
         "did you mean `copies`?"),
        ({"destination": CARDS % "colour: red, copies: many"}, "`destination.options.copies` is 'many'", ""),
        ({"destination": CARDS % "colour: red", "key": "[a, b]"}, "a key of 2 columns, but `cards` tells",
         "one column"),
        ({"destination": CARDS % "colour: red", "mode": "mirror"}, "`cards` knows no `mode: mirror`",
         "append, upsert"),
    ],
)  # fmt: skip
def test_what_a_type_cannot_do_is_located(
    tmp_path: Path, fields: Mapping[str, str], what: str, said: str
) -> None:
    _, problems = read(tmp_path, **{"key": "[shop]", "mode": "upsert", **fields})
    line = 3 if "key" in fields else 4 if "mode" in fields else 2
    assert [(p.line, what in p.what, said in f"{p.expected}; {p.fix}") for p in problems] == [
        (line, True, True)
    ], problems


def test_the_example_of_the_document_loads(tmp_path: Path) -> None:
    text = (REPOSITORY / "docs" / "adding-an-export.md").read_text(encoding="utf-8")
    blocks = [part.partition("```")[0] for part in text.split("```yaml\n")[1:]]
    (example,) = (block for block in blocks if "\ndestination:" in block)
    (rules,) = (block for block in blocks if block.startswith("last_mile:"))
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports" / "exp_promotions_partner_drop.yml").write_text(example + rules)
    found, problems = load_exports(tmp_path)
    assert problems == []
    spec = found["exp_promotions_partner_drop"].spec
    assert [rule.kind for rule in spec.last_mile] == ["filter", "map"]
    assert set(ExportSpec.model_fields) == {
        name
        for line in text.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`(\w+)", line.split(" | ")[0])
        if name in ExportSpec.model_fields
    }
