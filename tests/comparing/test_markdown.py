"""What `sluice env diff` says, as a comment on a pull request."""

from dataclasses import replace

from markdown_it import MarkdownIt

from orchestration.comparing.markdown import markdown_of
from orchestration.comparing.report import (
    ColumnDiff,
    DiffReport,
    ExportDiff,
    Keys,
    PartitionDiff,
    Shape,
    Stands,
    SumDiff,
    TableDiff,
)

AGAIN = "type `sluice env drop ada`, then `sluice env new ada`"
DAYS = [f"2026-11-2{day}" for day in range(1, 6)]


def report(*partitions: PartitionDiff, key: tuple[str, ...] = ("store",)) -> DiffReport:
    """Return what is said of one table, and of an export of it under other names."""
    table = TableDiff(
        table="exports.exp_gaps", key=key, key_from="export", partitions=partitions,
        columns=(ColumnDiff("e_mail", Shape.CLOSED, why="its class, personal, is not published"),),
        unbuilt=("exports.exp_gaps [2026-11-25]: failed: its build broke; type `sluice env build`",),
    )  # fmt: skip
    export = ExportDiff(
        export="exp_gaps", table="exports.exp_gaps", type="postgres", connection="crm", object="a|<b>",
        mode="upsert", owner="team:*x*", channel="", key=("Store",), columns=(), partitions=partitions,
        unbuilt=table.unbuilt, held_by=("[2026-11-25] 2 of 3 rows changed",), stays=True,
    )  # fmt: skip
    return DiffReport("ada", "000000000004", (table,), (export,))


def test_it_says_what_is_another_and_no_more() -> None:
    """Each reason once, whatever the number of days; names of files cannot become tags or cells."""
    changed = PartitionDiff(
        DAYS[4], Stands.CHANGED, was=3, is_now=4, added=1, removed=2, changed=57, twice=4,
        columns={"items": 50, "a": 57}, sums=(SumDiff("items", "10", "12"),),
        keys=Keys(changed=({"store": "7|<i>"},)),
        notes=(f"production has corrected stg_sales since; {AGAIN}",),
    )  # fmt: skip
    why = f"a drop of raw.sales was landed in the environment; {AGAIN}"
    others = [PartitionDiff(day, Stands.NOT_COMPARABLE, why) for day in DAYS[:4]]

    said = markdown_of(report(*others, changed))

    assert said.startswith(
        "### Difference to production\n\nEnvironment `ada` beside catalogue `000000000004`."
    )
    for line in (
        r"| `exp_gaps` | crm a\|\<b> | 1 added, 2 removed (they stay there), 57 changed |"
        r" `a` 57, `items` 50 | team:\*x\* |",
        "| `exports.exp_gaps` | 4 not comparable, 1 changed | 1 added, 2 removed, 57 changed |"
        " `a` 57, `items` 50 | `store` (export) |",
        r"- `exp_gaps` \[2026-11-25] 2 of 3 rows changed",
        r"- exports.exp\_gaps \[2026-11-25]: failed: its build broke; type `sluice env build`",
        rf"- `exports.exp_gaps` \[{DAYS[0]}, {DAYS[1]}, {DAYS[2]} and 1 more] not comparable: {why}",
        "- `exports.exp_gaps.e_mail`: not compared: its class, personal, is not published",
        rf"- exp\_gaps \[{DAYS[4]}] sum of `items`: 10 → 12",
        "- `exports.exp_gaps`: 4 rows whose key (`store`) stands more than once",
        rf"- `exports.exp_gaps` \[{DAYS[4]}] production has corrected stg\_sales since; {AGAIN}",
        rf"- exp\_gaps \[{DAYS[4]}] changed: 7\|\<i>",
    ):
        assert said.count(line) == 1, (line, said)


def test_nothing_is_said_in_so_many_words() -> None:
    """Where nothing is built, where nothing is another, and where nothing could be compared."""
    assert "Nothing is built there that means anything else." in markdown_of(DiffReport("ada", "1", (), ()))
    equal = markdown_of(report(PartitionDiff(DAYS[0], Stands.EQUAL, was=1, is_now=1), key=()))
    assert "| nothing |" in equal
    assert "whole rows are compared, as no export, suite or dbt test names its key" in equal
    assert "| not compared |" in markdown_of(report(PartitionDiff(DAYS[0], Stands.FAILED, "…")))


NAMES = [
    "a|b",
    "x`y",
    "``",
    "<i>",
    "</details>",
    "[x](http://e)",
    "*a* _b_",
    "~~c~~",
    "a\\|b",
    "&lt;",
    "<!-- x",
]


def test_every_name_is_read_as_it_is() -> None:
    """Of columns, fields, keys and objects: whoever renders the page shows that name, and nothing besides."""
    for name in NAMES:
        part = PartitionDiff(
            DAYS[0], Stands.CHANGED, was=1, is_now=1, changed=1, twice=1, columns={name: 1},
            sums=(SumDiff(name, "1", "2"),), keys=Keys(changed=({name: name},)),
        )  # fmt: skip
        said = report(part, key=(name,))
        [table], [export] = said.tables, said.exports
        columns = (ColumnDiff(name, Shape.SPELT, name, name),)
        table = replace(table, columns=columns)
        export = replace(export, columns=columns, object=name, connection=name)

        shown = (
            MarkdownIt().enable("table").parse(markdown_of(replace(said, tables=(table,), exports=(export,))))
        )

        inline = [token for token in shown if token.type == "inline"]
        parts = [part for token in inline for part in token.children or ()]
        assert {part.type for part in parts} <= {"text", "code_inline", "strong_open", "strong_close"}, name
        texts = ["".join(part.content for part in token.children or ()) for token in inline]
        assert sum(text.count(name) for text in texts) == 12, (name, texts)
        assert [token.content for token in shown if token.type == "html_block"] == [
            "<details><summary>Sums and keys</summary>\n", "</details>\n",
        ], name  # fmt: skip


def test_ends_of_keys_are_seen_and_nobody_is_called() -> None:
    """An empty key, a blank, a line: told apart; a name that looks like a team's notifies no team."""
    values = ("", " ", "a\nb", "@team|x", None, "null", '"null"', "a b")
    keys = Keys(added=tuple({"k": value} for value in values))
    said = markdown_of(report(PartitionDiff(DAYS[0], Stands.CHANGED, added=8, keys=keys)))
    assert (
        r'`""`, `" "`, `"a\nb"`, @' + "\u200b" + r'team\|x, `null`, `"null"`, `"\"null\""`, `"a b"`' in said
    )


def test_keys_of_several_columns_are_told_apart() -> None:
    pairs = (("a b", "c"), ("a", "b c"), ("a", None), ("a", "null"), ('a"', "c"), ("a", '"c'))
    shown: set[str] = set()
    for one, other in pairs:
        keys = Keys(added=({"k": one, "l": other},))
        shown.add(markdown_of(report(PartitionDiff(DAYS[0], Stands.CHANGED, added=1, keys=keys))))
    assert len(shown) == len(pairs)
