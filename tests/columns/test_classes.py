"""How a class travels: every rule of classes, by every kind of step."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

import pytest
from sluicegate.columns.classes import ClassFlow, shown
from sluicegate.columns.graph import DELIVERED, ColumnGraph
from sluicegate.columns.said import Declassified, Said
from sluicegate.contracts.classes import ClassRules, Indirect
from sluicegate.contracts.columns import Column, Masking
from sluicegate.contracts.load import load_contracts
from sluicegate.contracts.model import SourceContract
from sluicegate.core.column_origins import Kind, Origin, Place, TableOrigins
from sluicegate.core.relations import Relation
from sluicegate.transformation.manifest import DbtNode

from tests.company import BAKERY

PEOPLE, STAGED, MART = Relation("raw", "orders"), Relation("staging", "people"), Relation("marts", "groups")
SENT = Relation(DELIVERED, "exp_groups")
RULES = ClassRules(
    masked={"personal": "internal"},
    measured={"restricted": ("internal", 5)},
    indirect={"personal": Indirect.REFUSE, "restricted": Indirect.WARN},
)
# {column of the source: its class, and what becomes of its values}
COLUMNS = {
    "id": ("", Masking.KEEP), "name": ("public", Masking.KEEP), "age": ("restricted", Masking.KEEP),
    "email": ("personal", Masking.KEEP), "mail_key": ("personal", Masking.HASH),
    "phone": ("personal", Masking.REDACT), "ssn": ("personal", Masking.DROP), "code": ("", Masking.HASH),
    "age_key": ("restricted", Masking.HASH),
}  # fmt: skip


@pytest.fixture(scope="module")
def contracts() -> Mapping[str, SourceContract]:
    loaded, problems = load_contracts(BAKERY)
    assert problems == []
    columns = tuple(
        Column(name, name, "VARCHAR", False, "", classification=class_, masking=masking)
        for name, (class_, masking) in COLUMNS.items()
    )
    return {"orders": replace(loaded["orders"], columns=columns)}


def source(relation: Relation = PEOPLE, columns: Mapping[str, object] = COLUMNS) -> TableOrigins:
    there = [name for name in columns if name != "ssn"]
    return TableOrigins(relation, dict.fromkeys(there, frozenset[Origin]()))


def table(
    relation: Relation,
    columns: Mapping[str, list[Origin]],
    *,
    row_of: Relation | None = None,
    rows: list[Origin] | None = None,
    reads: frozenset[Relation] = frozenset(),
) -> TableOrigins:
    read = {one.place.relation for origins in [*columns.values(), rows or []] for one in origins}
    made = {name: frozenset(origins) for name, origins in columns.items()}
    return TableOrigins(relation, made, reads | read, frozenset(rows or []), row_of)


def of(relation: Relation, column: str, kind: Kind = Kind.IDENTITY, at_least: int = 0) -> Origin:
    return Origin(Place(relation, column), kind, at_least)


def node(relation: Relation) -> DbtNode:
    return DbtNode(
        f"model.x.{relation.name}", relation.name, relation, "model", "", None, {}, (), True, ("how_old",)
    )


def said(
    relation: Relation, column: str, word: str = "", exception: str = ""
) -> dict[Relation, dict[str, Said]]:
    """A word, or an exception as `restricted internal`, of one column."""
    from_, _, to = exception.partition(" ")
    made = Declassified.model_validate(
        {"from": from_, "to": to, "reason": "r", "by": "a@b.example", "until": date(2026, 4, 30)}
    ) if exception else None  # fmt: skip
    return {relation: {column: Said(node(relation), column, word, made)}}


# {step from a restricted column: the classes of what is made of it}
STEPS: dict[Kind, set[str]] = {
    Kind.IDENTITY: {"restricted"}, Kind.PICK: {"restricted"}, Kind.TRANSFORMATION: {"restricted"},
    Kind.CONDITIONAL: {"restricted"}, Kind.MEASURE: {"restricted"},
    Kind.WINDOW: set(), Kind.SORT: set(), Kind.GROUP_BY: set(), Kind.JOIN: set(), Kind.FILTER: set(),
}  # fmt: skip


@pytest.mark.parametrize("kind", Kind)
def test_a_class_goes_with_all_that_tells_of_the_value(
    contracts: Mapping[str, SourceContract], kind: Kind
) -> None:
    """By another name, through one step more, of whatever kind: it is the step that counts, and no name."""
    tables = [
        source(),
        table(STAGED, {"how_old": [of(PEOPLE, "age", kind)]}, row_of=PEOPLE),
        table(MART, {"x": [of(STAGED, "how_old")]}, row_of=STAGED),
    ]
    flow = ClassFlow(ColumnGraph(tables), RULES, contracts, {})
    assert flow.of(Place(STAGED, "how_old")) == STEPS[kind]
    assert flow.of(Place(MART, "x")) == STEPS[kind]
    assert flow.hidden(MART) == ({"x"} if STEPS[kind] else set())
    if STEPS[kind]:
        expected = f"raw.orders.age → staging.people.how_old → marts.groups.x ({kind})"
        assert shown(flow.way(Place(MART, "x"), "restricted")) == expected


@dataclass(frozen=True)
class Measured:
    """A measure of a column of `staging.people`, and how that came to be."""

    at_least: int
    expected: set[str]
    step: Kind = Kind.IDENTITY
    one_row_each: bool = True
    beside: Kind | None = None
    decided_by: str = ""
    column: str = "age"


MEASURES: dict[str, Measured] = {
    "of a group that is large enough": Measured(5, {"internal"}),
    "of a larger group": Measured(50, {"internal"}),
    # As `pay * (id = 7)::int`, `greatest(pay - 1000000, 0)`.
    "of what is worked out before, row by row": Measured(5, {"restricted"}, Kind.TRANSFORMATION),
    "of what a condition decides, row by row": Measured(5, {"restricted"}, Kind.CONDITIONAL),
    "of what is there or not by another column": Measured(5, {"restricted"}, decided_by="id"),
    "of a group that is too small": Measured(4, {"restricted"}),
    "of a group of which nothing is proven": Measured(0, {"restricted"}),
    "of rows of which several may be of one row of the source": Measured(
        5, {"restricted"}, one_row_each=False
    ),
    "of one value that stands in many rows": Measured(5, {"restricted"}, Kind.PICK),
    "of a measure that stands in many rows": Measured(5, {"restricted"}, Kind.MEASURE),
    "beside the value itself": Measured(5, {"internal", "restricted"}, beside=Kind.PICK),
    "of a class that no rule lowers": Measured(5, {"personal"}, column="email"),
    "of a class that masking lowered": Measured(5, {"internal"}, column="mail_key"),
}


@pytest.mark.parametrize("measured", MEASURES.values(), ids=MEASURES)
def test_a_measure_lowers_by_its_rule_and_where_the_group_is_proven(
    contracts: Mapping[str, SourceContract], measured: Measured
) -> None:
    origins = [of(STAGED, "x", Kind.MEASURE, measured.at_least)]
    origins += [of(STAGED, "x", measured.beside)] if measured.beside else []
    decided = [of(PEOPLE, measured.decided_by, Kind.CONDITIONAL)] if measured.decided_by else []
    tables = [
        source(),
        table(
            STAGED, {"x": [of(PEOPLE, measured.column, measured.step), *decided]},
            row_of=PEOPLE if measured.one_row_each else None,
        ),
        table(MART, {"m": origins}),
        table(SENT, {"f": [of(MART, "m")]}, row_of=MART),
    ]  # fmt: skip
    flow = ClassFlow(ColumnGraph(tables), RULES, contracts, {})
    assert flow.of(Place(SENT, "f")) == measured.expected
    nobody = ClassFlow(ColumnGraph(tables), ClassRules(), contracts, {}).of(Place(SENT, "f"))
    assert nobody == {COLUMNS[measured.column][0]}, "no file, no rule that lowers"


def test_a_group_is_of_rows_of_the_source_in_which_the_class_begins(
    contracts: Mapping[str, SourceContract],
) -> None:
    """Joined to rows of another, one row of the class's source may be in a group more than once."""
    visits = Relation("raw", "visits")
    tables = [
        source(), source(visits, {"id": 0}),
        table(STAGED, {"age": [of(PEOPLE, "age")], "id": [of(visits, "id")]}, row_of=visits),
        table(MART, {"m": [of(STAGED, "age", Kind.MEASURE, 9)]}),
    ]  # fmt: skip
    flow = ClassFlow(ColumnGraph(tables), RULES, contracts, {})
    assert flow.of(Place(MART, "m")) == {"restricted"}


# {column of the source: (its classes as it stands in the raw table, hidden there)}
MASKED: dict[str, tuple[set[str], bool]] = {
    "id": (set(), False), "name": ({"public"}, False), "age": ({"restricted"}, True),
    "email": ({"personal"}, True), "mail_key": ({"internal"}, False), "phone": (set(), True),
    "code": (set(), True), "age_key": ({"restricted"}, True),
}  # fmt: skip


@pytest.mark.parametrize("column", MASKED)
def test_masking_by_the_contract_lowers_by_its_rule(
    contracts: Mapping[str, SourceContract], column: str
) -> None:
    classes, hidden = MASKED[column]
    tables = [source(), table(STAGED, {"x": [of(PEOPLE, column, Kind.TRANSFORMATION)]}, row_of=PEOPLE)]
    flow = ClassFlow(ColumnGraph(tables), RULES, contracts, {})
    for place in (Place(PEOPLE, column), Place(STAGED, "x")):
        assert flow.of(place) == classes
        assert (place.column in flow.hidden(place.relation)) is hidden


def test_without_a_rule_masking_lowers_nothing_and_what_is_dropped_is_not_there(
    contracts: Mapping[str, SourceContract],
) -> None:
    flow = ClassFlow(ColumnGraph([source()]), ClassRules(), contracts, {})
    assert flow.of(Place(PEOPLE, "mail_key")) == {"personal"}
    assert flow.hidden(PEOPLE) == {"age", "email", "mail_key", "phone", "code", "age_key"}
    assert flow.of(Place(PEOPLE, "ssn")) == frozenset()


def test_of_several_origins_each_class_counts(contracts: Mapping[str, SourceContract]) -> None:
    """A union, a concatenation, a coalesce: one column of several."""
    both = [of(PEOPLE, name, Kind.TRANSFORMATION) for name in ("name", "age", "email", "id")]
    flow = ClassFlow(ColumnGraph([source(), table(STAGED, {"x": both})]), RULES, contracts, {})
    assert flow.of(Place(STAGED, "x")) == {"public", "restricted", "personal"}


# {what dbt says of a restricted column: (word, exception, its classes, whether it is a problem)}
WORDS: dict[str, tuple[str, str, set[str], bool]] = {
    "nothing": ("", "", {"restricted"}, False),
    "the same": ("restricted", "", {"restricted"}, False),
    "more closed": ("personal", "", {"restricted", "personal"}, False),
    "more open": ("internal", "", {"restricted", "internal"}, True),
    "another word": ("odd", "", {"restricted", "odd"}, True),
    "an exception": ("", "restricted internal", {"internal"}, False),
    "an exception and its word": ("internal", "restricted internal", {"internal"}, False),
    "an exception and a word below it": ("public", "restricted internal", {"internal", "public"}, True),
    "an exception from what it is not": ("", "personal internal", {"restricted"}, True),
}


@pytest.mark.parametrize(("word", "exception", "classes", "wrong"), WORDS.values(), ids=WORDS)
def test_a_word_in_dbt_raises_and_an_exception_lowers(
    contracts: Mapping[str, SourceContract], word: str, exception: str, classes: set[str], wrong: bool
) -> None:
    words = said(STAGED, "how_old", word, exception)
    tables = [
        source(),
        table(STAGED, {"how_old": [of(PEOPLE, "age")]}),
        table(MART, {"x": [of(STAGED, "how_old")]}),
    ]
    flow = ClassFlow(ColumnGraph(tables), RULES, contracts, words)
    assert flow.of(Place(MART, "x")) == classes
    assert bool(flow.misfits) is wrong
    assert flow.hidden(MART) == {"x"}, "what is shown stays on record after an exception has ended"
    ended = ClassFlow(ColumnGraph(tables), RULES, contracts, words, without=words[STAGED].values())
    if exception and not wrong:
        assert "restricted" in ended.of(Place(MART, "x"))
        assert ended.misfits == []


def test_a_name_says_more_than_lineage_only_where_lineage_does_not_know_of_it(
    contracts: Mapping[str, SourceContract],
) -> None:
    """The column of that name may be two tables up, with tables between that do not have it."""
    between = table(STAGED, {"id": [of(PEOPLE, "id")]}, row_of=PEOPLE)
    unknown = table(MART, {"Age": [], "id": [of(STAGED, "id")]}, reads=frozenset({STAGED}))
    flow = ClassFlow(ColumnGraph([source(), between, unknown]), RULES, contracts, {})
    assert flow.of(Place(MART, "Age")) == {"restricted"}
    assert flow.hidden(MART) == {"Age"}
    measured = table(MART, {"age": [of(PEOPLE, "age", Kind.MEASURE, 5)]})
    flow = ClassFlow(ColumnGraph([source(), measured]), RULES, contracts, {})
    assert flow.of(Place(MART, "age")) == {"internal"}
    # What a destination calls a field is no name of the project's.
    field = table(SENT, {"age": [of(STAGED, "id")]}, row_of=STAGED)
    flow = ClassFlow(ColumnGraph([source(), between, field]), RULES, contracts, {})
    assert flow.of(Place(SENT, "age")) == frozenset()


# {kind: whether it is of the rows, or of a column's order}
@pytest.mark.parametrize("kind", [Kind.FILTER, Kind.JOIN, Kind.GROUP_BY, Kind.SORT, Kind.WINDOW])
def test_what_only_decides_rows_is_told_with_its_way(
    contracts: Mapping[str, SourceContract], kind: Kind
) -> None:
    deciding = [of(PEOPLE, name, kind) for name in ("email", "age", "name", "mail_key", "id")]
    of_rows = kind is not Kind.WINDOW
    staged = table(
        STAGED, {"id": [of(PEOPLE, "id")], "place": [] if of_rows else deciding},
        rows=deciding if of_rows else [], row_of=PEOPLE,
    )  # fmt: skip
    sent = table(SENT, {"place": [of(STAGED, "place")]}, row_of=STAGED)
    flow = ClassFlow(ColumnGraph([source(), staged, sent]), RULES, contracts, {})
    told = {one.class_: (shown(one.way), one.table) for one in flow.deciding(SENT)}
    assert told == {
        "personal": (f"raw.orders.email ({kind})", STAGED),
        "restricted": (f"raw.orders.age ({kind})", STAGED),
    }
    unsent = table(SENT, {"id": [of(STAGED, "id")]}, row_of=STAGED)
    flow = ClassFlow(ColumnGraph([source(), staged, unsent]), RULES, contracts, {})
    assert bool(flow.deciding(SENT)) is of_rows, "an order that is not sent decides nothing"
    allowed = replace(RULES, indirect=dict.fromkeys(("personal", "restricted"), Indirect.ALLOW))
    assert ClassFlow(ColumnGraph([source(), staged, sent]), allowed, contracts, {}).deciding(SENT) == []
