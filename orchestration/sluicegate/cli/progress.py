"""How a command's progress looks: bars on a terminal, and elsewhere a line every ten seconds.

All of it goes to stderr, so that what is piped or parsed stays as it is. Belongs here: that, and that each
command has it. Does not belong here: what is under way (`core.progress`).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.filesize import decimal
from typer.core import TyperGroup

from sluicegate.cli.opened import err, out
from sluicegate.core.progress import Display, Step, watched

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Watched(TyperGroup):
    """All commands, each of which tells how far it is."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Note which command is called: `kusto deploy`, where it is one of a group."""
        words, place = ["sluice"], self
        for word in args:
            place = getattr(place, "commands", {}).get(word)
            if place is None:
                break
            words.append(word)
        ctx.meta[__name__] = " ".join(words)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command, and show its progress meanwhile."""
        with watched(ctx.meta[__name__], display_on(err, out)):
            return super().invoke(ctx)


def display_on(err: Console, out: Console) -> Display:
    """Return what shows progress on stderr, as fits where that goes."""
    return Bars(err, out) if err.is_terminal and not err.is_dumb_terminal else Lines(err)


class Lines:
    """A line now and then, for logs."""

    first = every = 10.0

    def __init__(self, err: Console) -> None:
        self._err = err

    def show(self, steps: Sequence[Step], seconds: float) -> None:
        """Print what is under way."""
        command, *others = map(_said, steps)
        said = f"{command}, {seconds:,.0f} s"
        self._err.print(f"{said}: {'; '.join(others)}" if others else said, markup=False)

    def hide(self) -> None:
        """Lines stay."""


class Bars:
    """A bar for each step, below what is printed, which goes when the command ends."""

    # A command that answers at once shows none.
    first, every = 1.0, 0.2

    def __init__(self, err: Console, out: Console) -> None:
        self._err, self._out = err, out
        self._bars: Progress | None = None
        self._tasks: dict[Step, TaskID] = {}

    def show(self, steps: Sequence[Step], seconds: float) -> None:
        """Draw the bars as they are now."""
        del seconds  # each bar has a clock of its own
        bars = self._bars or self._begin()
        for gone in self._tasks.keys() - set(steps):
            bars.remove_task(self._tasks.pop(gone))
        for one in steps:
            if one not in self._tasks:
                self._tasks[one] = bars.add_task("")
            bars.update(self._tasks[one], description=_said(one), total=one.total, completed=one.done)
        bars.refresh()

    def hide(self) -> None:
        """Take the bars away."""
        if self._bars is not None:
            self._bars.stop()
            if self._out.is_terminal:
                self._out.pop_render_hook()
        self._bars, self._tasks = None, {}

    def _begin(self) -> "Progress":
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = TextColumn("{task.description}", markup=False), BarColumn(bar_width=20), TimeElapsedColumn()
        shared = self._out.is_terminal
        self._bars = Progress(
            *columns, console=self._err, transient=True, auto_refresh=False, redirect_stdout=shared
        )
        self._bars.start()
        if shared:  # the same terminal: what is printed there stands above the bars as well
            self._out.push_render_hook(self._bars.live)
        return self._bars


def _said(one: Step) -> str:
    """Return what a step is at, as `copying shards: 3 of 12 files, a.parquet`."""
    counted = _counted(one)
    return one.what + (f": {', '.join(filter(None, (counted, one.now)))}" if counted or one.now else "")


def _counted(one: Step) -> str:
    if one.unit == "bytes":
        done, total = decimal(one.done), None if one.total is None else decimal(one.total)
    else:
        done, total = f"{one.done:,}", None if one.total is None else f"{one.total:,}"
    if total is None:
        return f"{done} {one.unit}" if one.done else ""
    return f"{done} of {total} {one.unit}".rstrip() if one.unit != "bytes" else f"{done} of {total}"
