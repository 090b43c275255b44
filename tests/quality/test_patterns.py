"""What regular expressions and sets mean: the same as to Great Expectations' pandas engine, on any text."""

import re
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

import duckdb
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sluicegate.quality.judging import judge
from sluicegate.quality.pushdown.regular_expressions import Readers, readers
from sluicegate.quality.rule_results import RuleResult
from sluicegate.quality.suites import Rule

from tests.quality.generated_tables import judged_by_gx

pytestmark = pytest.mark.long

EITHER, PLAIN, PYTHON, RE2 = Readers.EITHER, Readers.EITHER_IF_PLAIN, Readers.PYTHON, Readers.RE2
# pattern -> who reads it as it is meant
PATTERNS: dict[str, Readers] = {
    "^A": EITHER, "": EITHER, "å|東": EITHER, "a.b": EITHER, "[^x]": EITHER, "^[A-Z]{2,3}": EITHER,
    "(ab)+?c": EITHER, r"\.": EITHER, "(?s)a.b": EITHER, "(?P<n>a)": EITHER, r"\A1": EITHER, "a{2,}": EITHER,
    "[]a]": EITHER, r"\n": EITHER, "[a-z\u00e5]": EITHER,
    r"\d": PLAIN, r"^\d+$": PLAIN, r"\w": PLAIN, r"\W": PLAIN, r"\s": PLAIN, r"^\S+$": PLAIN, "a$": PLAIN,
    "^$": PLAIN, r"\bA": PLAIN, r"[^\d]": PLAIN, r"[\s-]": PLAIN, r"^[\w.]+@\w+$": PLAIN, "(?i)k": PLAIN,
    "(?i:s)1": PLAIN, "(?m)^b": PLAIN, "(?m)a$": PLAIN, "^.$": PLAIN, r"$\n": PLAIN,
    r"\Ba": PYTHON, r"1\Z": PYTHON, "a(?=b)": PYTHON, "(?<!a)b": PYTHON, r"(.)\1": PYTHON, "a++b": PYTHON,
    "(?>a+)b": PYTHON, "(?a)\\d": PYTHON, "(?i)å": PYTHON, "(?i)ſ": PYTHON, "a{,2}$": PYTHON,
    "(?x) a b": PYTHON, "\\u0661": PYTHON, "a{1001}": PYTHON, "(?#note)a": PYTHON,
}  # fmt: skip
# pandas keeps text in Arrow, which has RE2: most of what that reads otherwise it hands on to Python, but not
# this.
NOT_TAKEN_BY_PANDAS = (
    "a++b",
    "(?>a+)b",
    "(?a)\\d",
    "(?x) a b",
    "\\u0661",
    "a{1001}",
    "(?#note)a",
    "a{,2}$",
)
RE2_ALONE = [r"\p{L}", r"^\pN+$", r"a\z"]
# Digits, spaces, line ends, letters and cases of which engines have views of their own.
LETTERS = (
    "aAbB1 kKsS.-\n\r\t\v\f\x1c\x1f\x85\xa0\u2028\u3000\u0661\uff11\u00b2åÅ\u0301ß\u1e9eſ\u212aİı東🍺\x00_"
)
TEXTS = st.text(alphabet=LETTERS, max_size=5)


def difference(rule: Rule, ours: RuleResult, theirs: Any) -> str | None:
    if ours.error or theirs.error:
        return f"{rule.title}: {ours.error} / {theirs.error}"
    said = (ours.passed, ours.failing_rows, ours.rows), (theirs.success, theirs.failing, theirs.rows)
    return None if said[0] == said[1] else f"{rule.title}: {said[0]} / {said[1]}"


def differences(kind: str, dtype: str, values: Sequence[Any], rules: Sequence[Rule]) -> list[str]:
    with duckdb.connect() as connection:
        connection.execute(f"create table t (v {kind})")
        if values:
            connection.executemany("insert into t values (?)", [[value] for value in values])
        ours = judge(connection, "t", None, rules)
    frame = pd.DataFrame({"v": pd.Series(values, dtype=dtype)})  # pyright: ignore
    theirs = judged_by_gx(frame, rules)
    found = (difference(*said) for said in zip(rules, ours, theirs, strict=True))
    return [item for item in found if item]


def rule(kind: str, **kwargs: Any) -> Rule:
    return Rule(type=f"expect_column_values_to_{kind}", kwargs={"column": "v", **kwargs})


@pytest.mark.parametrize("pattern", [*PATTERNS, *RE2_ALONE])
def test_who_reads_a_pattern(pattern: str) -> None:
    assert readers(pattern) is PATTERNS.get(pattern, RE2)


BOUNDED = settings(
    max_examples=8, derandomize=True, deadline=None, database=None,
    phases=[Phase.explicit, Phase.generate], suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip


@BOUNDED
@given(
    st.lists(TEXTS | st.none(), max_size=12), st.lists(st.sampled_from([*PATTERNS]), min_size=2, max_size=3)
)
def test_patterns_find_what_python_finds(values: list[str | None], several: list[str]) -> None:
    taken = [regex for regex in PATTERNS if regex not in NOT_TAKEN_BY_PANDAS]
    alone = [rule(kind, regex=regex) for kind in ("match_regex", "not_match_regex") for regex in taken]
    several = [regex for regex in several if regex in taken] or ["a"]
    lists = [
        rule("match_regex_list", regex_list=several, match_on="any"),
        rule("match_regex_list", regex_list=several, match_on="all"),
        rule("not_match_regex_list", regex_list=several),
    ]
    assert differences("varchar", "object", values, [*alone, *lists]) == []


@BOUNDED
@given(st.lists(TEXTS, max_size=12), st.sampled_from(["any", "all"]))
def test_patterns_find_what_pythons_own_engine_finds(values: list[str], match_on: str) -> None:
    rules = [rule("match_regex", regex=regex) for regex in PATTERNS]
    pairs = list(pairwise(PATTERNS))
    rules += [rule("match_regex_list", regex_list=pair, match_on=match_on) for pair in pairs]
    with duckdb.connect() as connection:
        connection.execute("create table t (v varchar)")
        connection.executemany("insert into t values (?)", [[value] for value in [*values, None]])
        failing = [item.failing_rows for item in judge(connection, "t", None, rules)]
    holds = any if match_on == "any" else all
    assert failing == [
        sum(not holds(re.search(regex, value) for regex in one_of) for value in values)
        for one_of in [*((regex,) for regex in PATTERNS), *pairs]
    ]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("pattern", [r"^\d+$", r"^\s*$", r"^a$", r"\bA", "(?i)k", r"\w"])
@pytest.mark.parametrize("text", ["\u0661", "a\n", "\xa0", "\x1c", "\u212a", "åA", "1\n", "", "\n", "é"])
def test_a_text_beyond_ascii_is_no_hole(pattern: str, text: str) -> None:
    both = [rule("match_regex", regex=pattern), rule("not_match_regex", regex=pattern)]
    assert differences("varchar", "object", [text, "plain"], both) == []


def test_python_and_the_warehouse_share_a_rule() -> None:
    r"""`\p{L}` is RE2's alone, `(?=` Python's; what fails is shown, of either."""
    with duckdb.connect() as connection:
        connection.execute("create table t as select unnest(['å', '1', 'ab', 'ab', null]) as v")
        [any_of, plain] = judge(
            connection, "t", None,
            [rule("match_regex_list", regex_list=[r"^\p{L}$", "a(?=b)"]), rule("match_regex", regex=r"^\d$")],
        )  # fmt: skip
    assert (any_of.failing_rows, any_of.rows, any_of.sample) == (1, 4, ({"v": "1"},))
    assert (plain.failing_rows, plain.sample) == (3, ({"v": "ab"}, {"v": "ab"}, {"v": "å"}))


CONDITION = {"condition_parser": "great_expectations"}
CONDITIONS: list[tuple[dict[str, Any], int]] = [
    ({"row_condition": 'col("n") > 1', **CONDITION}, 2),
    ({"row_condition": 'col("town") == "Ames"', **CONDITION}, 1),
    ({"row_condition": 'col("v").notNull()', **CONDITION}, 3),
    ({"row_condition": 'col("day") <= date("2024-01-02")', **CONDITION}, 2),
    ({"row_condition": {"type": "comparison", "column": {"name": "n"}, "operator": ">", "parameter": 1}}, 2),
]


@pytest.mark.parametrize(("condition", "rows"), CONDITIONS)
def test_a_condition_changes_nothing_in_what_a_pattern_means(condition: dict[str, Any], rows: int) -> None:
    """Great Expectations chooses the rows; another rule that it judges itself looks at the same."""
    with duckdb.connect() as connection:
        connection.execute(
            "create table t as select * from (values (1, 'Ames', '\u0661', date '2024-01-01'),"
            " (2, 'Pella', '\u0662', date '2024-01-02'), (3, 'Boone', '\u0663', date '2024-01-03'))"
            " as t (n, town, v, day)"
        )
        beyond_ascii, at_hand, rule_of_gx = judge(
            connection, "t", None,
            [
                rule("not_match_regex", regex=r"^\d$", **condition),
                rule("match_regex", regex=r"(?<!x)\d", **condition),
                rule("not_be_null", **condition),
            ],
        )  # fmt: skip
    assert (beyond_ascii.failing_rows, beyond_ascii.rows) == (rows, rows)
    assert (at_hand.passed, at_hand.rows) == (True, rows)
    assert rule_of_gx.rows == rows


BIG = 2**53
SETS: list[tuple[str, str, list[Any], list[Any]]] = [
    ("bigint", "int64", [BIG, BIG + 1, 3], [BIG, 0.5]),
    ("bigint", "int64", [BIG, BIG + 1, 3], [BIG + 1, 3.0]),
    ("bigint", "int64", [BIG, BIG + 1], [float(BIG), 1.5]),
    ("bigint", "int64", [1, 2], [True, Decimal("2.0"), Decimal("1.5")]),
    ("bigint", "int64", [1, 2], ["1", "2"]),
    ("bigint", "int64", [1, 2], [1, float("nan"), float("inf")]),
    ("double", "float64", [0.30000000000000004, 0.3], [0.3]),
    ("double", "float64", [0.30000000000000004, 0.3], [0.30000000000000004, 7]),
    ("double", "float64", [1e22, 1.5, float("inf")], [1e22, float("inf")]),
    ("double", "float64", [1.0, 0.0], [True]),
    ("double", "float64", [float(BIG), 1.0], [BIG + 1, 1]),
    ("decimal(12, 2)", "object", [Decimal("0.10"), Decimal("2.00")], [2, Decimal("0.1")]),
    ("decimal(12, 2)", "object", [Decimal("0.10"), Decimal("0.11")], [Decimal("0.104"), Decimal("1e30")]),
    ("boolean", "bool", [True, False], [1, "true"]),
    ("boolean", "bool", [True, False], [0.0]),
    ("varchar", "object", ["1", "1.0", "true", "nan", "NaN"], [1, True, float("nan"), "1.0"]),
    ("varchar", "object", ["e\u0301", "é", "a ", "a"], ["é", "a"]),
]


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("kind", "dtype", "values", "value_set"), SETS)
def test_a_set_holds_what_it_holds(kind: str, dtype: str, values: list[Any], value_set: list[Any]) -> None:
    both = [rule("be_in_set", value_set=value_set), rule("not_be_in_set", value_set=value_set)]
    assert differences(kind, dtype, values, both) == []


@pytest.mark.parametrize(
    ("kind", "value", "bounds", "passes"),
    [
        ("bigint", BIG + 1, {"max_value": float(BIG)}, False),
        ("bigint", BIG + 1, {"min_value": float(BIG), "strict_min": True}, True),
        ("bigint", 2, {"min_value": 1.5, "max_value": 2.0}, True),
        ("double", 0.1 + 0.2, {"min_value": 0.1 + 0.2, "max_value": 0.1 + 0.2}, True),
        ("double", 0.30000000000000004, {"max_value": 0.3}, False),
    ],
)  # fmt: skip
def test_bounds_are_not_rounded(kind: str, value: Any, bounds: dict[str, Any], passes: bool) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"create table t (v {kind})")
        connection.execute("insert into t values (?)", [value])
        [said] = judge(connection, "t", None, [rule("be_between", **bounds)])
    assert (said.passed, said.error) == (passes, None)
