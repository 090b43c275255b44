"""The answer for people: each field once, no text that becomes a cell or a tag, no longer than a comment."""

from io import StringIO

import pytest
from rich.console import Console
from sluicegate.cli.impact_text import markdown_of, show
from sluicegate.columns.report import (
    ChangeReport,
    FieldReport,
    GuardReport,
    ImpactReport,
    ReceiverReport,
    RowsReport,
)

EXPORT = ReceiverReport(
    "export", "exp_a", "crm", "Account", "team:sales", "#sales", "For a.", "", "",
)  # fmt: skip
BOARD = ReceiverReport("dashboard", "board", "", "", "ann@a.example", "", "", "https://bi.example/1", "high")


def field(name: str = "x", receiver: ReceiverReport = EXPORT, change: str = "values") -> FieldReport:
    way = ("raw.s.a", "marts.m.b", f"delivered.{receiver.name}.{name}")
    return FieldReport(receiver, name, change, "identity", way, ("internal",))


def rows(receiver: ReceiverReport = EXPORT) -> RowsReport:
    return RowsReport(receiver, "filter", ("raw.s.a",))


def change(
    *fields: FieldReport, rows: tuple[RowsReport, ...] = (), table: str = "s", what: str = "edited"
) -> ChangeReport:
    return ChangeReport(table, f"raw.{table}", ("a",), "values", what, fields, rows)


def text_of(report: ImpactReport) -> str:
    written = StringIO()
    show(report, Console(file=written, width=200, highlight=False))
    return written.getvalue()


def since(*changes: ChangeReport) -> ImpactReport:
    return ImpactReport("0123456789abcdef", changes)


def test_markdown_has_a_table_a_change_and_one_line_of_rows() -> None:
    report = ImpactReport(
        "0123456789abcdef",
        (change(field(), field("m.c", BOARD), rows=(rows(), rows(BOARD))), change(table="t")),
        (GuardReport("s", "expectations: critical rules changed", ("exp_a",)),),
        ("exp_a: owner is b, was a",),
    )

    assert markdown_of(report) == (
        "### Impact of this pull request\n"
        "\n"
        "`s.a`: edited: **values**\n"
        "\n"
        "| Destination field | Export | Change | Through | Owner | Channel | Class |\n"
        "| --- | --- | --- | --- | --- | --- | --- |\n"
        "| `crm Account.x` | exp\\_a | values | identity: `s.a` → `m.b` → `exp_a.x` | team:sales | #sales |"
        " internal |\n"
        "| `dashboard board: m.c` | [board](https://bi.example/1) | values |"
        " identity: `s.a` → `m.b` → `board.m.c` | ann@a.example |  | internal |\n"
        "\n"
        "also decides **which rows** are sent: exp\\_a (filter by s.a),"
        " [board](https://bi.example/1) (filter by s.a)\n"
        "\n"
        "- t.a: edited: reaches no destination\n"
        "- guards changed: s: expectations: critical rules changed; other days may be held of exp\\_a\n"
        "- exp\\_a: owner is b, was a\n"
        "\n"
        "Please look: @sales in #sales; ann@a.example\n"
    )


def test_a_field_that_two_changes_reach_is_told_at_the_first() -> None:
    report = since(change(field(), rows=(rows(),)), change(field(), field("y"), rows=(rows(),), table="m"))

    for text in (markdown_of(report), text_of(report)):
        assert [text.count("crm Account.x"), text.count("crm Account.y")] == [1, 1], text
        assert "also reaches 2 of the fields and exports above" in text
    asked = ImpactReport("", report.changes)
    assert markdown_of(asked).count("crm Account.x") == 2


def test_a_field_that_is_gone_is_told_though_its_values_were() -> None:
    text = markdown_of(since(change(field()), change(field(change="gone"), table="m")))

    assert text.count("crm Account.x") == 2


@pytest.mark.parametrize("nasty", ["a|b", "<img src=x>", "[x](https://evil.example)", "`a`|b", "two\nlines"])
def test_what_a_file_says_stays_a_text(nasty: str) -> None:
    whose = ReceiverReport("export", nasty, nasty, nasty, nasty, nasty, nasty, "", "")
    report = since(change(field(nasty, whose), rows=(rows(whose),), what=nasty))

    lines = markdown_of(report).splitlines()
    (row,) = (line for line in lines if "identity:" in line)
    assert row.replace("\\|", "").count("|") == 8
    for line in lines:
        outside = "".join(line.split("`")[::2]) if line.count("`") % 2 == 0 else line
        assert "<img" not in outside.replace("\\<", "")
        assert "](https://evil" not in outside.replace("\\[x]", "")


def test_no_comment_is_longer_than_one_may_be() -> None:
    report = since(*(change(*(field(f"{n}_{m}") for m in range(20)), table=f"t{n}") for n in range(60)))

    text = markdown_of(report)

    assert len(text) < 65_536
    assert "more changes: `sluice impact --since 0123456789ab` tells them" in text
    assert text.endswith("Please look: @sales in #sales\n")
    assert "59_19" in text_of(report)


def test_nothing_is_said_in_a_line() -> None:
    assert markdown_of(since()) == "### Impact of this pull request\n\nNo destination sees a change.\n"
    assert text_of(since()) == "no destination sees a change\n"
