"""The answer of `sluice impact` for people: tables for a terminal, Markdown for a pull request.

Belongs here: how it reads. Does not belong here: what is in it (`columns.report`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rich.console import Console
from rich.markup import escape

from sluicegate.cli.opened import table
from sluicegate.columns.receivers import RECEIVING
from sluicegate.columns.report import (
    ChangeReport,
    FieldOrigins,
    FieldReport,
    GuardReport,
    ImpactReport,
    OriginReport,
    ReaderReport,
    ReceiverReport,
    RowsReport,
)
from sluicegate.core.markdown import code, plain

_COLUMNS_NAMED = 6
# A comment on GitHub has 65,536 characters at most; what follows the changes has room as well.
_LONGEST = 50_000


def show(report: ImpactReport, out: Console) -> None:
    """Print what changes, and who sees it."""
    if report.problems:
        out.print(
            "the project does not load: only its contracts are compared, with what hung on them before",
            style="yellow", markup=False, soft_wrap=True,
        )  # fmt: skip
    for shown in _each_once(report):
        _show_change(shown, out)
    for line in [*_unseen(report), *_also(report)]:
        out.print(line, markup=False, soft_wrap=True)
    if not report.receivers:
        out.print(_nobody(report))


@dataclass(frozen=True)
class _Shown:
    """A change with what was not told of an earlier one, and how much of it was."""

    change: ChangeReport
    again: int = 0

    @property
    def told_above(self) -> str:
        """What is said of the rest."""
        return f"also reaches {self.again} of the fields and exports above" if self.again else ""


def _each_once(report: ImpactReport) -> Iterator[_Shown]:
    """Yield the changes that somebody sees; of changes since a revision each field once, at the first.

    An edit that goes through four models is one line to whoever gets the field, and four changes.
    """
    seen: set[tuple[str, ...]] = set()
    for change in report.changes:
        if not report.since and (change.fields or change.rows or change.reads):
            yield _Shown(change)
        elif change.fields or change.rows or change.reads:
            fields = {
                (one.receiver.kind, one.receiver.name, one.field, one.change): one for one in change.fields
            }
            rows = {(one.receiver.kind, one.receiver.name): one for one in change.rows}
            reads = {("reads", one.receiver.kind, one.receiver.name): one for one in change.reads}
            again = len(seen & fields.keys()) + len(seen & rows.keys())
            new = replace(
                change,
                fields=tuple(one for key, one in fields.items() if key not in seen),
                rows=tuple(one for key, one in rows.items() if key not in seen),
                reads=tuple(one for key, one in reads.items() if key not in seen),
            )
            seen |= fields.keys() | rows.keys() | reads.keys()
            yield _Shown(new, again)


def _show_change(shown: _Shown, out: Console) -> None:
    change = shown.change
    if change.fields:
        made = table(
            f"{escape(_place(change))}: {escape(change.what)}",
            "destination field", "change", "through", "whose", "class",
        )  # fmt: skip
        for one in change.fields:
            texts = (
                _field(one), one.change, f"{' → '.join(_steps(one.way))} ({one.influence})",
                _told(one.receiver), ", ".join(one.classes),
            )  # fmt: skip
            made.add_row(*map(escape, texts))
        out.print(made)
    else:
        out.print(f"{_place(change)}: {change.what}", markup=False, soft_wrap=True)
    for one in change.rows:
        out.print(
            f"  {_also_rows(change)} which rows are sent: {_told(one.receiver)}{_through(one)}",
            markup=False, soft_wrap=True,
        )  # fmt: skip
    for one in change.reads:
        out.print(
            f"  reads it: {one.receiver.kind} {_told(one.receiver)}{_named(one)}",
            markup=False, soft_wrap=True,
        )  # fmt: skip
    if shown.again:
        out.print(f"  {shown.told_above}")


def show_origins(found: FieldOrigins, out: Console) -> None:
    """Print what decides a field."""
    title = f"{found.receiver.name}.{found.field}: its values are made of"
    made = table(escape(title), "source column", "how", "through", "owner", "provider", "channel", "class")
    for one in found.values:
        texts = (
            f"{one.table}.{one.column}", one.influence, " → ".join(_steps(one.way)), one.owner, one.provider,
            one.channel, ", ".join(one.classes),
        )  # fmt: skip
        made.add_row(*(escape(text) for text in texts))
    if found.values:
        out.print(made)
    else:
        out.print(
            f"{found.receiver.name}.{found.field}: no column of a source is in its values", markup=False
        )
    for line in _rows_decided(found.rows):
        out.print(line, markup=False, soft_wrap=True)


def _rows_decided(rows: Sequence[OriginReport]) -> Iterator[str]:
    by_source: dict[str, list[OriginReport]] = {}
    for one in rows:
        by_source.setdefault(one.table, []).append(one)
    for source, found in by_source.items():
        whose = ", ".join(filter(None, [found[0].owner, found[0].provider, found[0].channel]))
        columns = ", ".join(f"{one.column} ({one.influence})" for one in found)
        yield f"which rows are sent, {source} decides{f' ({whose})' if whose else ''}: {columns}"


def markdown_of(report: ImpactReport) -> str:
    """Return the answer as a comment on a pull request."""
    lines = ["### Impact of this pull request" if report.since else "### Impact", ""]
    if report.problems:
        lines += ["The project does not load; only its contracts are compared, with what hung on them:", ""]
        lines += [*(f"- {plain(problem)}" for problem in report.problems), ""]
    changes = list(_each_once(report))
    for place, shown in enumerate(changes):
        lines += [*_change_lines(shown), ""]
        if sum(map(len, lines)) > _LONGEST and place + 1 < len(changes):
            left = len(changes) - place - 1
            lines += [f"and {left} more changes: `sluice impact --since {report.since[:12]}` tells them", ""]
            break
    if not report.receivers:
        nobody = _nobody(report)
        lines += [f"{nobody[0].upper()}{nobody[1:]}.", ""]
    rest = [*_unseen(report), *_also(report)]
    lines += [*(f"- {plain(line)}" for line in rest), *([""] if rest else [])]
    asked = list(dict.fromkeys(_asked(one) for one in report.receivers if one.owner or one.channel))
    if asked:
        lines += [f"Please look: {'; '.join(asked)}", ""]
    return "\n".join(lines)


def _change_lines(shown: _Shown) -> Iterator[str]:
    change = shown.change
    yield f"{code(_place(change))}: {plain(change.what)}: **{change.change}**"
    if change.fields:
        yield ""
        yield "| Destination field | Export | Change | Through | Owner | Channel | Class |"
        yield "| --- | --- | --- | --- | --- | --- | --- |"
        for one in change.fields:
            cells = (
                code(_field(one)), _whose(one.receiver), one.change,
                f"{one.influence}: {' → '.join(map(code, _steps(one.way)))}", plain(one.receiver.owner),
                plain(one.receiver.channel), ", ".join(map(plain, one.classes)),
            )  # fmt: skip
            yield f"| {' | '.join(cells)} |"
    if change.rows:
        yield ""
        named = ", ".join(f"{_whose(one.receiver)} {plain(_through(one))}".strip() for one in change.rows)
        yield f"{_also_rows(change)} **which rows** are sent: {named}"
    if change.reads:
        yield ""
        named = (f"{one.receiver.kind} {_whose(one.receiver)} {plain(_named(one))}" for one in change.reads)
        yield f"**reads it**: {', '.join(map(str.rstrip, named))}"
    if shown.again:
        yield ""
        yield shown.told_above


def _nobody(report: ImpactReport) -> str:
    if report.problems:
        return "no destination sees a change of a contract; of all else it is not known"
    return "no destination sees a change"


def _unseen(report: ImpactReport) -> Iterator[str]:
    for one in report.changes:
        if not (one.fields or one.rows or one.reads):
            yield f"{_place(one)}: {one.what}: reaches no destination"


def _also(report: ImpactReport) -> Iterator[str]:
    """Yield what changes no field."""
    for guard in report.guards:
        yield _guard(guard)
    yield from report.notes


def _guard(guard: GuardReport) -> str:
    held = ", ".join(guard.receivers) or "nobody"
    return f"guards changed: {guard.table}: {guard.what}; other days may be held of {held}"


def _place(change: ChangeReport) -> str:
    if not change.columns:
        return change.table
    named = ", ".join(change.columns[:_COLUMNS_NAMED])
    left = len(change.columns) - _COLUMNS_NAMED
    return f"{change.table}.{named}{f' and {left} more' if left > 0 else ''}"


def _field(one: FieldReport) -> str:
    """Return a field as its receiver's people know it."""
    receiver = one.receiver
    if receiver.kind == "export":
        return f"{receiver.connection} {receiver.object}.{one.field}"
    return f"{receiver.kind} {receiver.name}: {one.field}"


def _through(one: RowsReport) -> str:
    steps = _steps(one.way)
    through = " → ".join(steps[:-1]) if one.influence == "rows" else f"{one.influence} by {steps[-1]}"
    return f" ({through})" if through else ""


def _named(one: ReaderReport) -> str:
    """Return by which column a function reads it, or which function that does it reads."""
    if len(one.through) > 1:
        return f" (through {' → '.join(_steps(one.through[:-1]))})"
    return f" (as {_steps(one.way)[-1]})" if len(one.way) > 1 else ""


def _also_rows(change: ChangeReport) -> str:
    return "also decides" if change.fields else "decides"


def _steps(way: Sequence[str]) -> list[str]:
    """Return a way without schemas, and without a receiver's step where the field is called as the column."""
    steps = [step.partition(".")[2] for step in way]
    received = len(steps) > 1 and way[-1].partition(".")[0] in RECEIVING
    same = received and steps[-1].partition(".")[2] in ("", steps[-2].partition(".")[2])
    return steps[:-1] if same else steps


def _told(receiver: ReceiverReport) -> str:
    return ", ".join(filter(None, [receiver.name, receiver.owner, receiver.channel, receiver.url]))


def _whose(receiver: ReceiverReport) -> str:
    name = plain(receiver.name)
    return f"[{name}]({receiver.url})" if receiver.url else name


def _asked(receiver: ReceiverReport) -> str:
    """Return whom to ask: a mention, where the owner is a team of the code's host."""
    team = receiver.owner.removeprefix("team:")
    owner = f"@{team}" if team != receiver.owner else receiver.owner
    return plain(" in ".join(filter(None, [owner, receiver.channel])))
