"""`sluice backup create …`: make, verify and restore backups.

Belongs here: arguments and what is printed. Does not belong here: work (`operations.backup`).
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sluicegate.cli.exits import ended
from sluicegate.cli.opened import DataDir, Json, ProjectDir, opened, out, print_json, table

if TYPE_CHECKING:
    from sluicegate.operations.backup.folder import Manifest

Where = Annotated[Path, typer.Argument(metavar="DEST", help="The folder of backups.")]
At = Annotated[str | None, typer.Option("--at", help="The backup's name (default: the newest).")]


app = typer.Typer(help="Make, verify and restore backups.")


@app.command()
def create(
    dest: Where,
    wait: Annotated[
        float,
        typer.Option(min=0, help="Seconds to wait for what is under way; nothing new begins meanwhile."),
    ] = 600,
    keep: Annotated[
        int | None, typer.Option(min=1, help="Keep so many of the newest backups, and delete the others.")
    ] = None,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Back up records, warehouse, shards, Dagster's files and local areas, of one moment, while work goes on.

    What an earlier backup in the folder has is not copied again. Ends with code 1 if none was made.
    """
    with opened(project, data) as here:
        from sluicegate.operations.backup.folder import Folder
        from sluicegate.operations.backup.taking import take as take_backup

        folder = Folder(dest.absolute())
        made = take_backup(here.deployment, folder, patience=wait, say=_say, keep=keep)
    out.print(f"backup {made.name}: {len(made.files):,} files, {made.size:,} bytes in {made.seconds:.1f} s")
    _show_left_out(made)


@app.command()
def verify(
    dest: Where,
    at: At = None,
    as_json: Json = False,
) -> None:
    """Read a backup to its last byte, open its databases, and compare records, warehouse and shards.

    Ends with code 1 if it cannot be restored as it was taken.
    """
    from sluicegate.cli.opened import errors_told

    with errors_told():
        from sluicegate.operations.backup.folder import BackupError, Folder
        from sluicegate.operations.backup.verifying import verify as verify_backup

        folder = Folder(dest.absolute())
        manifest = folder.manifest(at)
        try:
            wrong = verify_backup(folder, manifest)
        except BackupError as error:
            wrong = [str(error)]
    if as_json:
        print_json(
            {
                "backup": manifest.name, "taken_at": manifest.taken_at.isoformat(), "bytes": manifest.size,
                "files": len(manifest.files), "wrong": wrong, "notes": manifest.notes,
                "backups": folder.names(),
            }
        )  # fmt: skip
        raise ended(wrong)
    for text in wrong:
        out.print(f"✗ {text}", style="red", markup=False, soft_wrap=True)
    if not wrong:
        out.print(f"backup {manifest.name} of {manifest.taken_at:%Y-%m-%d %H:%M:%S} UTC is whole")
        _show_left_out(manifest)
    else:
        out.print(
            f"the next `sluice backup create {folder.path}` writes anew what the deployment has still: then"
            " verify again, this one as well",
            style="yellow", markup=False, soft_wrap=True,
        )  # fmt: skip
    shown = table("backups", "name", "#files", "#bytes")
    for name in folder.names():
        try:
            item = folder.manifest(name)
        except BackupError:
            shown.add_row(name, "cannot be read", "")
            continue
        shown.add_row(name, f"{len(item.files):,}", f"{item.size:,}")
    out.print(shown)
    raise ended(wrong)


@app.command()
def restore(
    src: Annotated[Path, typer.Argument(metavar="SRC", help="The folder of backups.")],
    at: At = None,
    into: Annotated[
        Path | None, typer.Option("--into", help="The data directory, empty (default: the deployment's).")
    ] = None,
    no_erasures_since: Annotated[
        str | None,
        typer.Option(
            help="Only where the journal of erasures is lost: nobody was forgotten since then, as"
            " 2026-05-01T06:00 (UTC)."
        ),
    ] = None,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Bring a backup back into empty places, and replay the erasures since; nothing is sent afterwards.

    Each export waits until `sluice delivery reconcile --restored` has looked at its destination.
    """
    with opened(project, into or data, half_restored=True) as here:
        from sluicegate.operations.backup.folder import Folder
        from sluicegate.operations.backup.restoring import restore as restore_backup

        folder = Folder(src.absolute())
        since = None if no_erasures_since is None else _moment(no_erasures_since)
        done = restore_backup(
            here.settings, folder, folder.manifest(at), none_since=since, say=_say,
            # In another path, that path's own would be another by default.
            journal_of=here.settings.load(project_dir=project, data_dir=data).erasures_file if into else None,
        )  # fmt: skip
    taken = f"{done.manifest.taken_at:%Y-%m-%d %H:%M:%S} UTC"
    out.print(f"{here.settings.data_dir} is as it was at {taken}", soft_wrap=True, markup=False)
    if done.erasures:
        out.print(
            f"{done.erasures:,} erasures since then were replayed: those keys are never sent. The warehouse,"
            " the originals and the quarantine are as they were: have the rows taken out of the source, and"
            " rerun it",
            style="yellow", soft_wrap=True,
        )  # fmt: skip
    _show_left_out(done.manifest)
    out.print(
        "nothing is sent before it was looked at: `sluice delivery reconcile --restored` compares the"
        f" destinations of {len(done.exports):,} exports",
        style="yellow", soft_wrap=True,
    )  # fmt: skip


def _show_left_out(manifest: "Manifest") -> None:
    """Tell what is not in a backup, and what did not agree when it was taken."""
    areas = [name for name, there in manifest.areas.items() if not there]
    left_out = [f"the area {name}" for name in areas]
    if not manifest.dagster:
        left_out.append("Dagster's storage, which is no SQLite")
    if left_out:
        out.print(f"not in it: {', '.join(left_out)}; back them up where they are", style="yellow")
    for note in manifest.notes:
        out.print(f"does not agree, and did not when it was taken: {note}", style="yellow", markup=False)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"--no-erasures-since {text!r} is no time; expected ISO 8601, as 2026-05-01T06:00 (UTC)"
        ) from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _say(text: str) -> None:
    out.print(text, style="dim", markup=False, soft_wrap=True)
