"""`sluice run`: everything due, with a line a run and its troubles below it."""

import sys
import time
from typing import TYPE_CHECKING

from rich.console import Console

from sluicegate.cli.story import show_trouble, skipped_lines

if TYPE_CHECKING:
    from sluicegate.graph.desk import Desk
    from sluicegate.graph.finished import Finished
    from sluicegate.operations.rebuilding import Wanted
    from sluicegate.operations.site import Site


def run_site(site: "Site", out: Console) -> bool:
    """Run everything that is due on a site; return whether nothing failed and nothing is held."""
    from sluicegate.graph.desk import Desk
    from sluicegate.graph.instance import open_instance

    with open_instance(site.deployment.settings) as instance:
        return run_and_show(Desk.of(site, instance), out)


def run_and_show(desk: "Desk", out: Console, *, retry: bool = False) -> bool:
    """Run everything that is due; return whether nothing failed and nothing is held."""
    from sluicegate.graph.finished import Finished
    from sluicegate.graph.headless import Complaint, Note, Started, run_everything
    from sluicegate.operations.status import status

    began, complained = time.monotonic(), False
    ended: list[Finished] = []
    for event in run_everything(desk, retry=retry):
        match event:
            case Started():
                began = time.monotonic()
            case Finished():
                ended.append(event)
                show_line(event, out, f", {time.monotonic() - began:.1f} s")
            case Complaint():
                complained = True
                out.print(event.text, style="yellow", markup=False)
            case Note():
                out.print(event.text, style="dim", markup=False)
            case _:  # what is held, its partition's row tells
                pass
    rows = status(desk)
    troubled = show_trouble(rows, [failure for run in ended for failure in _failures(run)], out)
    for warning in dict.fromkeys(warning for run in ended for warning in run.warnings):
        out.print(warning, style="yellow", markup=False, soft_wrap=True)
    for line in skipped_lines(rows):
        out.print(line, style="yellow", markup=False, soft_wrap=True)
    return not (troubled or complained)


def tell(desk: "Desk", out: Console) -> None:
    """Look at what is wrong, tell who answers for it, and print what was opened and closed."""
    from sluicegate.graph.incidents import look_at

    def to_stderr(line: str) -> None:
        sys.stderr.write(f"{line}\n")

    looked = look_at(desk, to_stderr, to_stderr)
    found = looked.settled if looked else None
    open_ = {item.place: item for item in desk.deployment.store.incidents.open()}
    for root in (*found.opened, *found.reopened) if found else ():
        if item := open_.get((root.kind, root.name, root.partition_key)):
            what = item.findings[0]["what"]
            said = f"incident {item.id} opened: {root}; `sluice incident show {item.id}`\n  {what}"
            out.print(said, style="yellow", markup=False, soft_wrap=True)
    for root in found.resolved if found else ():
        out.print(f"incident resolved: {root}", style="dim", markup=False, soft_wrap=True)


def _failures(run: "Finished") -> tuple[str, ...]:
    """Return what a run said that failed: something, in any case."""
    if run.success or run.failures:
        return run.failures
    return (f"{_title(run.run.partition_key)}: run {run.run_id} failed and did not say why: its log may",)


def show_finished(event: "Finished", out: Console) -> bool:
    """Print a line for a run that has ended, below it what it says; return whether it went well."""
    show_line(event, out)
    for failure in event.failures:
        out.print(f"    {failure}", style="red", markup=False, soft_wrap=True)
    for warning in event.warnings:
        out.print(f"    {warning}", style="yellow", markup=False, soft_wrap=True)
    if event.built:
        out.print(f"    built: {', '.join(event.built)}", markup=False, soft_wrap=True)
    for sent in event.sent:
        out.print(f"    {sent}", markup=False, soft_wrap=True)
    return event.success


def show_line(event: "Finished", out: Console, took: str = "") -> None:
    """Print a line for a run that has ended."""
    mark = "[green]✓[/]" if event.success else "[red]✗[/]"
    skipped = f" ({len(event.not_configured)} skipped, not configured)" if event.not_configured else ""
    tables = f"{len(event.run.relations)} tables, {len(event.run.exports)} exports{skipped}"
    out.print(f"{mark} {_title(event.run.partition_key)}: {tables}{took}")


def rerun_and_show(desk: "Desk", wanted: "Wanted", out: Console, *, only_say: bool = False) -> bool:
    """Say what a rebuild does, then do it; return whether all of it went through.

    Raises:
        ValueError: what is to be built anew is not there.
    """
    from sluicegate.graph.headless import carry_out
    from sluicegate.operations.rebuilding import (
        NOTHING_OUTDATED,
        left_out,
        rebuild_wanted,
        said_beforehand,
    )

    rebuilds = rebuild_wanted(desk, wanted)
    if not rebuilds:
        out.print(NOTHING_OUTDATED)
    for line in said_beforehand(rebuilds):
        out.print(line, markup=False, soft_wrap=True)
    if only_say:
        return True
    healthy, done = True, 0
    for finished in carry_out(desk, rebuilds):
        show_finished(finished, out)
        healthy &= finished.success
        done += 1
    if done < len(rebuilds):
        out.print(left_out(len(rebuilds) - done), style="red")
    return healthy


def _title(partition_key: str) -> str:
    return partition_key or "snapshots and reference tables"
