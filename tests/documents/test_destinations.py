"""The tables of destinations are what the destinations say of themselves."""

import re

import pytest
from sluicegate.destinations.registry import destination_types

from tests.documents.reading import Document, spans_of

GUIDE = Document("docs/adding-an-export.md")
OPTIONS = GUIDE.table("Type", "`destination.options`", "Default")
MODES = {
    spans_of(row[0])[0]: spans_of(row[1])
    for row in GUIDE.table("Type", "Modes", "What arrives how often", "Key")
}
# The rate of the webhook is none where it is not stated, and there are no associations.
_IN_WORDS = {"None": "no limit", "()": "none"}


def test_every_type_stands_in_the_tables() -> None:
    connections = [spans_of(row[0])[0] for row in GUIDE.table("Type", "`destination.object`", "Connection")]
    assert sorted(connections) == sorted(MODES) == sorted(destination_types)


@pytest.mark.parametrize("name", destination_types)
def test_its_modes_are_told(name: str) -> None:
    assert sorted(MODES[name]) == sorted(map(str, destination_types[name].capabilities.modes))


@pytest.mark.parametrize("name", destination_types)
def test_its_options_are_told_with_their_defaults(name: str) -> None:
    fields = destination_types[name].options_model.model_fields
    told: dict[str, str] = {}
    of = ""
    for type_, meaning, default in OPTIONS:
        of = spans_of(type_)[0] if type_ else of
        names = [span for span in spans_of(meaning.partition(":")[0]) if of == name]
        told |= dict(zip(names, default.replace("`", "").split(", "), strict=False))
    assert told.keys() == fields.keys()
    for option, default in told.items():
        stated = fields[option].default
        text = f"{stated:g}" if isinstance(stated, float) else str(stated)
        assert re.sub(r"(?<=\d),(?=\d)", "", default).lower() == _IN_WORDS.get(text, text).lower(), option


def test_what_can_be_read_back_and_taken_out_is_told() -> None:
    [said] = re.findall(
        r"^All but (.*?) can be read back.*?out of all but (.*?), for", GUIDE.text, re.M | re.S
    )
    kinds = destination_types.items()
    assert [set(spans_of(names)) for names in said] == [
        {name for name, kind in kinds if not kind.capabilities.read_back},
        {name for name, kind in kinds if not kind.capabilities.delete},
    ]
