"""The comment: what it says first, how long it may be, what a name cannot do in it; Azure DevOps' thread."""

import re

import pytest
from sluicegate.core.markdown import code, plain
from sluicegate.core.settings import REPOSITORY
from sluicegate.review.azure import post
from sluicegate.review.comment import LONGEST, MARKER, comment_of
from sluicegate.review.review import SCHEMA_FILE, Review, schema_text
from sluicegate.review.rules import RULES, Finding, Rule, Verdict, table

from tests.documents import rules
from tests.doubles.azure_devops import DevOpsDouble
from tests.doubles.serving import serve

EVIL = [
    "a|b", "a\\|b", "a\\\\|b", "a`b|c", "`a`|b`", "<!-- sluice ci --><script>", "[x](http://evil)", "a\nb|c",
    "![x](y)", "a\r\n\n# b", "--> x", "| --- |", "a\u2028b", "a\x1b[31mb", "**x**", "`\\`|", "```", "\\",
]  # fmt: skip


def finding(rule: Rule, text: str = "x", file: str = "exports/x.yml") -> Finding:
    return Finding(rule, file, 3, text, text, ("@a/b",) if RULES[rule].verdict is Verdict.APPROVAL else ())


@pytest.mark.parametrize("rule", Rule)
def test_each_rule_has_its_verdict_and_exit_code(rule: Rule) -> None:
    """The heaviest decides; the table in the docs has each once."""
    review = Review(findings=(finding(rule),))
    assert review.verdict is RULES[rule].verdict
    assert review.verdict.exit_code == {Verdict.REFUSED: 1, Verdict.APPROVAL: 3}[review.verdict]
    assert Review(findings=(finding(rule), finding(Rule.CHECK))).verdict is Verdict.REFUSED
    assert comment_of(review, "", "").startswith(f"{MARKER}\n## sluice ci: ")
    assert f"| `{rule}` |" in table()


def test_nothing_found() -> None:
    comment = comment_of(Review(since="0123456789abcdef", why="no shelf"), "### Impact", "### Difference")
    assert comment.splitlines()[1] == "## sluice ci: nothing to see to"
    assert "since `0123456789` of the files alone: no shelf" in comment
    assert comment.index("### Impact") < comment.index("### Difference")
    assert Review().verdict.exit_code == 0


def test_what_is_in_the_docs() -> None:
    assert (REPOSITORY / SCHEMA_FILE).read_text() == schema_text(), "python -m tests.documents.renew"
    assert rules.PAGE.read_text() == rules.page(), "python -m tests.documents.renew"
    assert table() in rules.page()


@pytest.mark.parametrize("text", EVIL)
def test_a_name_stays_in_its_cell(text: str) -> None:
    """Cells as GitHub counts them: a backslash takes the sign after it along, a bar that is left ends one."""
    review = Review(findings=(finding(Rule.FIELD, text, text),))
    comment = comment_of(review, "", "")
    [row] = [line for line in comment.splitlines() if line.startswith("| approval")]
    assert [sign for sign in re.findall(r"\\.|\|", row) if sign == "|"] == ["|"] * 6
    assert not re.search(r"(?<!\\)<", re.sub(r"`[^`]*`", "", row))
    assert (code(text).isprintable(), plain(text).isprintable()) == (True, True)


def test_the_longest_comment_is_cut_and_says_so() -> None:
    """What is to be seen to comes first, whole lines alone, and never more than a host takes."""
    many = tuple(finding(Rule.FIELD, f"field {number} is gone") for number in range(2000))
    for review, impact, diff in (
        (Review(findings=many), "### Impact\n\n- one", "### Difference"),
        (Review(), "### Impact\n\n" + "- a line of it\n" * 9000, "### Difference"),
        (Review(), "", "### Difference\n\n" + "ä" * LONGEST),
        (Review(warnings=("x" * 100,) * 2000), "### Impact", "### Difference"),
        (Review(findings=many), "- x\n" * 20000, "- y\n" * 20000),
    ):
        comment = comment_of(review, impact, diff)
        assert len(comment) <= LONGEST
        assert len(comment.encode()) <= 4 * LONGEST
        assert "more lines are cut here" in comment
        assert comment.startswith(MARKER)
    comment = comment_of(Review(findings=many), "### Impact\n\n- one", "")
    assert "### Impact" in comment
    said = re.search(r"… (\d+) more lines are cut here", comment)
    assert said is not None
    assert int(said[1]) + comment.count("| approval |") == 2000


def variables(host: str, token: str = "a-token") -> dict[str, str]:
    return {
        "SYSTEM_COLLECTIONURI": f"http://{host}/contoso/", "SYSTEM_TEAMPROJECTID": "p 1",
        "BUILD_REPOSITORY_ID": "r", "SYSTEM_PULLREQUEST_PULLREQUESTID": "7", "SYSTEM_ACCESSTOKEN": token,
    }  # fmt: skip


def test_one_comment_on_azure_devops() -> None:
    """Ours is found by its marker, at its beginning; one that was deleted is written anew."""
    double = DevOpsDouble("a-token")
    with serve(double.app) as host:
        theirs = double.add(f"somebody quotes {MARKER}")
        double.add(f"{MARKER}\nold", deleted=True)
        post(f"{MARKER}\nfirst", variables(host))
        post(f"{MARKER}\nsecond", variables(host))
    contents = [thread["comments"][0]["content"] for thread in double.threads]
    assert contents == [f"somebody quotes {MARKER}", f"{MARKER}\nold", f"{MARKER}\nsecond"]
    assert theirs["comments"][0]["content"] == contents[0]
    assert [method for method, _ in double.asked] == ["GET", "POST", "GET", "PATCH"]
    path = "/contoso/p 1/_apis/git/repositories/r/pullRequests/7/threads"
    assert {where for method, where in double.asked if method == "GET"} == {path}


def test_a_comment_that_cannot_be_posted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each says what to do, and no secret."""
    double = DevOpsDouble("another")
    with serve(double.app) as host:
        told = [variables(host), {}, variables(host, "$(System.AccessToken)"), variables("127.0.0.1:1")]
        for environ in told:
            with pytest.raises(ValueError, match="; expected .*; (add|give) ") as caught:
                post("x", environ)
            assert "a-token" not in str(caught.value)
    assert double.threads == []
