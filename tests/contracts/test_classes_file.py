"""`contracts/classes.yml`: what it may say, what holds without it, and each wrong field at its line."""

import shutil
from pathlib import Path

import pytest
from sluicegate.contracts.classes import ClassRules, Indirect, class_word_problems, load_classes
from sluicegate.contracts.load import load_contracts
from sluicegate.delivery.export_files.exports import load_exports

from tests.company import BAKERY

WHOLE = """\
classes: [public, internal, restricted, personal]
declassify:
  - {from: personal, by: masked, to: internal}
  - {from: restricted, by: measure, to: internal, at_least: 5}
indirect:
  personal: refuse
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(BAKERY, tmp_path / "bakery"))


def test_what_the_file_says_and_what_holds_without_it(folder: Path) -> None:
    without, problems = load_classes(folder)
    assert (without, problems) == (ClassRules(), [])
    assert (without.masked, without.measured) == ({}, {})
    words = ("public", "internal", "restricted", "odd")
    assert [without.deciding(word) for word in words] == [Indirect.ALLOW] * 2 + [Indirect.WARN] * 2
    assert without.unknown("odd") is None
    assert without.within("public", "personal")
    assert not without.within("odd", "personal")
    assert not without.within("public", "odd")

    (folder / "contracts" / "classes.yml").write_text(WHOLE)
    rules, problems = load_classes(folder)
    assert problems == []
    assert (rules.masked, rules.measured) == ({"personal": "internal"}, {"restricted": ("internal", 5)})
    assert rules.deciding("personal") is Indirect.REFUSE
    assert rules.unknown("personl") == (
        "a class of contracts/classes.yml: public, internal, restricted, personal",
        "did you mean `personal`?",
    )
    contracts, problems = load_contracts(folder)
    assert (problems, len(contracts)) == ([], 3), "it is no contract"


# {what is wrong: (in the place of what, what is written, line, what is told, expected)}
WRONG: dict[str, tuple[str, str, int, str, str]] = {
    "an unknown field": ("indirect:", "indirectly:", 5, "unknown field `indirectly`", "indirect"),
    "no list": (
        "[public, internal, restricted, personal]", "public", 1, "`classes` is 'public'", "a valid list"
    ),
    "no class at all": ("[public, internal, restricted, personal]", "[]", 1, "`classes` is []", "at least 1"),
    "a class twice": (
        "restricted, personal]", "restricted, personal, public]", 1, "`classes` names `public` twice", "once"
    ),
    "an unknown class lowered": ("from: personal", "from: personel", 3, "`personel` is no class", "one of"),
    "to an unknown class": ("by: masked, to: internal", "by: masked, to: open", 3, "`open`", "one of"),
    "an unknown way to lower": ("by: masked", "by: sha256", 3, "`declassify.0.by` is 'sha256'", "'masked'"),
    "no way to lower": ("by: masked, ", "", 3, "`declassify.0.by` is missing", "a value"),
    "an unknown field of a rule": (
        "at_least: 5", "at_last: 5", 4, "unknown field `declassify.1.at_last`", "at_least"
    ),
    "a measure without a group": (", at_least: 5", "", 4, "`declassify.1.at_least` is None", "2 or more"),
    "a group of one": ("at_least: 5", "at_least: 1", 4, "`declassify.1.at_least` is 1", "2 or more"),
    "a group of a text": ("at_least: 5", "at_least: '5'", 4, "`declassify.1.at_least` is '5'", "integer"),
    "a group of what is masked": (
        "by: masked, to: internal", "by: masked, to: internal, at_least: 5", 3,
        "`declassify.0.at_least` is 5", "only a measure",
    ),
    "raised": ("from: personal, by: masked, to: internal", "from: public, by: masked, to: internal", 3,
               "`internal` is not more open than `public`", "before it"),
    "lowered to itself": ("by: measure, to: internal", "by: measure, to: restricted", 4,
                          "`restricted` is not more open than `restricted`", "before it"),
    "two rules of a kind": (
        "from: restricted, by: measure, to: internal, at_least: 5", "from: personal, by: masked, to: public",
        4, "a second rule lowers `personal` by masked", "one rule",
    ),
    "an unknown policy": ("refuse", "hide", 6, "`indirect.personal` is 'hide'", "'warn' or 'allow'"),
    "a policy of no class": ("personal: refuse", "odd: refuse", 6, "`odd` is no class", "one of"),
    "a key twice": ("indirect:", "classes:", 5, "`classes` stands twice", "each key once"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "line", "what", "expected"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_told_at_its_line(
    folder: Path, old: str, new: str, line: int, what: str, expected: str
) -> None:
    assert old in WHOLE
    (folder / "contracts" / "classes.yml").write_text(WHOLE.replace(old, new, 1))
    _, problems = load_classes(folder)
    told = [(problem.file, problem.line) for problem in problems if what in problem.what]
    assert told == [("contracts/classes.yml", line)], problems
    assert any(expected in problem.expected for problem in problems), problems


def test_words_that_are_no_classes_are_told_where_they_stand(folder: Path) -> None:
    contract, export = folder / "contracts" / "orders.odcs.yaml", folder / "exports" / "exp_shop_orders.yml"
    described = "description: The shop, by its code.\n"
    assert described in contract.read_text()
    contract.write_text(
        contract.read_text().replace(described, f"{described}        classification: internl\n", 1).replace(
            "customProperties:\n", "customProperties:\n  - {property: masking, value: {internl: keep}}\n", 1
        )
    )  # fmt: skip
    export.write_text(export.read_text() + "classes: [public, persnal]\n")

    def told() -> list[tuple[str, int, str, str]]:
        rules, problems = load_classes(folder)
        contracts, found = load_contracts(folder)
        exports, more = load_exports(folder)
        assert [*problems, *found, *more] == []
        cleared = {one.file: one.spec.classes for one in exports.values()}
        words = class_word_problems(rules, contracts, cleared)
        return [(one.file, one.line, one.what, one.fix) for one in words]

    assert told() == [], "without the file any word is a class"
    (folder / "contracts" / "classes.yml").write_text(WHOLE)
    lines = contract.read_text().splitlines()
    at = next(number for number, line in enumerate(lines, 1) if "classification: internl" in line)
    assert told() == [
        ("contracts/orders.odcs.yaml", at, "`shop` is classified `internl`", "did you mean `internal`?"),
        (
            "exports/exp_shop_orders.yml", len(export.read_text().splitlines()), "`classes` names `persnal`",
            "did you mean `personal`?",
        ),
    ]  # fmt: skip
