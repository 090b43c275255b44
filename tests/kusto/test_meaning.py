"""Two texts are one if they mean the same, and two if they do not.

Does not belong here: what is sent then (`test_deploying`).
"""

import json

import pytest
from sluicegate.kusto.facts import facts_of, function_facts, policy_facts, query_words
from sluicegate.kusto.objects import Statement
from sluicegate.kusto.spellings import string, ticks

from tests.doubles.kusto_objects import Parser

OTHERS = [
    ("print 'a b'", "print 'a  b'"),
    ("print 'a'", "print 'A'"),
    ("print '// x'", "print '//x'"),
    ("print @'a\\b'", "print 'a\\b'"),
    ("print 'a' // 'b'", "print 'a', 'b'"),
    ("print ```a\nb```", "print ```a\n\nb```"),
    ("print x=1 // | take 5", "print x=1 | take 5"),
    ("T | where a == 1d", "T | where a == 1m"),
    ("T | where a !in (b)", "T | where a in (b)"),
    ("T | where a has 'x'", "T | where a has_cs 'x'"),
    ("T | project-away a", "T | project a"),
    ("T | where a == datetime(2024-01-01)", "T | where a == datetime(2024-01-10)"),
    ("T | where a > 1.5", "T | where a > 15"),
    ("T | extend ['a b'] = 1", "T | extend ['ab'] = 1"),
    ("print 'ä'", "print 'a\u0308'"),
    ("print '😀'", "print '😁'"),
    ("print '\u00a0'", "print ' '"),
    ("T | where a == -1", "T | where a == 1"),
    ("print 'a' 'b'", "print 'a', 'b'"),
]
ALIKE = [
    ("T|where a==1", "T\r\n\r\n  | where a == 1 // why\r\n"),
    ("print 'a' // b", "// c\nprint 'a'"),
    ("print -1", "print - 1"),
    ("T\u00a0| take 1", "T | take 1"),
]


@pytest.mark.parametrize(("one", "other"), OTHERS)
def test_bodies_that_mean_another_thing_are_never_one(parser: Parser, one: str, other: str) -> None:
    assert _body(parser, one) != _body(parser, other)


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_bodies_that_mean_the_same_are_one(parser: Parser, one: str, other: str) -> None:
    assert _body(parser, one) == _body(parser, other)


def test_an_obfuscated_string_is_not_compared_and_no_other_is_taken_for_one(parser: Parser) -> None:
    assert _body(parser, 'print h"secret"') == _body(parser, "print H'****'") == _body(parser, "print h@'x'")
    assert _body(parser, "print 'secret'") != _body(parser, "print h'secret'")
    assert _body(parser, "print '****'") != _body(parser, "print h'****'")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("(a:int)", "( a : int )", True),
        ("(['a']:int32)", "(a:int)", True),
        ("(a:long=5)", "(a:long=long(5))", True),
        ("(a:string='x')", '(a:string = "x")', True),
        ("(a:timespan=1d)", "(a:timespan=time(24h))", True),
        ("(T:(x:long, y:string))", "(T:(x:long,y:string))", True),
        ("(T:(*))", "(T:( * ))", True),
        ("(a:int, b:int)", "(b:int, a:int)", False),
        ("(a:int)", "(a:long)", False),
        ("(a:long=5)", "(a:long=-5)", False),
        ("(a:long=5)", "(a:long)", False),
        ("(a:string='x')", "(a:string='X')", False),
        ("(T:(x:long))", "(T:(x:long, y:long))", False),
        ("(T:(*))", "(T:(x:long))", False),
        ("(a:datetime=datetime(2024-01-01))", "(a:datetime=datetime(2024-01-02))", False),
        ("(a:dynamic=dynamic([1,2]))", "(a:dynamic=dynamic([12]))", False),
    ],
)
def test_parameters(parser: Parser, one: str, other: str, same: bool) -> None:
    found = [function_facts(text, "{ print 1 }", parser.tokens)["parameters"] for text in (one, other)]
    assert (found[0] == found[1]) is same


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("softdelete = 10d", "softdelete = 240h", True),
        ("softdelete = 10d", '\'{"SoftDeletePeriod": "10.00:00:00"}\'', True),
        ("softdelete = 10d recoverability = disabled", "recoverability=Disabled softdelete=10d", True),
        ("softdelete = 10d", "softdelete = 1d", False),
        ("softdelete = 10d recoverability = disabled", "softdelete = 10d recoverability = enabled", False),
    ],
)
def test_retention(parser: Parser, one: str, other: str, same: bool) -> None:
    head = ".alter-merge table T policy retention "
    found = [
        facts_of(Statement("AlterMergeTablePolicyRetention", head + text, 1, ""), parser.tokens)
        for text in (one, other)
    ]
    assert (found[0] == found[1]) is same


def test_update_policies_are_one_in_any_order_of_keys_and_with_what_is_left_out(parser: Parser) -> None:
    one = [{"Source": "A", "Query": "A | take 1"}, {"Source": "B", "Query": "B"}]
    other = [
        {"Query": "B", "Source": "B", "IsEnabled": True, "IsTransactional": False, "ManagedIdentity": None},
        {"Query": "A\n|  take 1", "Source": "A", "PropagateIngestionProperties": False},
    ]
    assert policy_facts("update", one, parser.tokens) == policy_facts("update", other, parser.tokens)
    other[0]["IsTransactional"] = True
    assert policy_facts("update", one, parser.tokens) != policy_facts("update", other, parser.tokens)


@pytest.mark.parametrize(
    ("spellings", "span"),
    [
        (
            ("1d", "24h", "1.00:00:00", "24:00:00", "time(1d)", "timespan(1.00:00:00)", "1days"),
            864_000_000_000,
        ),
        (("1.5h", "90m", "01:30:00", "1:30"), 54_000_000_000),
        (("1ms", "00:00:00.001", "10000ticks"), 10_000),
    ],
)
def test_time_spans(spellings: tuple[str, ...], span: int) -> None:
    assert {ticks(one) for one in spellings} == {span}


def test_what_is_no_time_span_is_itself() -> None:
    assert [ticks(one) for one in ("soon", "10", "1y")] == ["soon", "10", "1y"]


@pytest.mark.parametrize(
    "text",
    ["", "a", "a \"b\" 'c'", "a\\b", "tab\there", "line\nbreak", "ü😀", "``` ~~~", "{x} // y", "\x07\x00"],
)
def test_a_string_is_read_as_it_is_written(parser: Parser, text: str) -> None:
    plain = json.dumps(text, ensure_ascii=False)
    verbatim = '@"' + text.replace('"', '""') + '"'
    for word in (plain, verbatim, "h" + plain, json.dumps(text)):
        assert string(word) == text
    assert query_words(parser.tokens(f"print {plain}")) == ["print", plain]


def _body(parser: Parser, text: str) -> object:
    return function_facts("()", f"{{ {text}\n}}", parser.tokens)["body"]
