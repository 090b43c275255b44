"""What an export has for a time only, asked when it is used: last-mile rules, exceptions, work it is made of.

Belongs here: what holds no more, or not yet, and what is to be done. Does not belong here: what a file may
say whatever the day (`exports`), which must load on any; who asks. It holds its own export and keeps no
graph from loading: a delivery refuses, `sluice status` and `sluice delivery plan` say why, `sluice check`
fails.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from orchestration.core.problems import Problem, shown_path
from orchestration.core.yaml_files import Location
from orchestration.delivery.export_files.exports import Export, MadeOfWork

_NOT_DBTS = frozenset({"target", "dbt_packages", "logs"})


@dataclass(frozen=True)
class Expired:
    """Something that keeps an export from being sent on a day; `at` is where its file says it.

    `place` is file and line of what another file says.
    """

    what: str
    expected: str
    mend: str
    at: Location = ()
    place: tuple[str, int] | None = None

    def __str__(self) -> str:
        return f"{self.what}: {self.mend}"


def expired(export: Export, project_dir: Path, today: date) -> list[Expired]:
    """Return what keeps an export from being sent on a day (UTC).

    Its file is not read for it: a process may have done so long ago, and the file be another by now.
    """
    return [
        *_last_mile(export, project_dir, today),
        *_exceptions(export, today),
        *work_ended(export.work, today),
    ]


def expired_problems(export: Export, project_dir: Path, today: date) -> list[Problem]:
    """Return the same as problems of the files, each at its line."""
    return [
        Problem(*item.place, item.what, item.expected, item.mend)
        if item.place
        else export.file.problem(item.what, expected=item.expected, mend=item.mend, at=item.at)
        for item in expired(export, project_dir, today)
    ]


def in_one_line(found: Sequence[Expired]) -> str:
    """Return what holds an export and what is to be done."""
    return "; ".join(str(item) for item in found)


def _last_mile(export: Export, project_dir: Path, today: date) -> Iterator[Expired]:
    for place, rule in enumerate(export.spec.last_mile):
        if rule.declared > today:
            yield Expired(
                f"the last-mile {rule.kind} on `{rule.column}` is declared on {rule.declared}, a day to come",
                "the day on which it was written",
                f"correct the date in {export.file.name}",
                ("last_mile", place, "declared"),
            )
        if rule.days_left(today) < 0:
            yield Expired(
                f"the last-mile {rule.kind} on `{rule.column}` expired on {rule.expires}",
                "no rule past its day: what lasts belongs in dbt, where it is tested",
                f"{rule.owner} moves it into {_dbt_file(project_dir, export.spec.model)} and takes it out of"
                f" {export.file.name} ({rule.issue})",
                ("last_mile", place, "expires"),
            )


def _exceptions(export: Export, today: date) -> Iterator[Expired]:
    for one in export.rests_on:
        if one.days_left(today) < 0:
            yield Expired(
                f"the exception that lets `{one.column}` count as {one.to} ended on {one.until}, and without"
                f" it {one.fields}",
                f"data of the classes that the destination may receive: {', '.join(export.spec.classes)}",
                f"{one.by} takes the data out of what is sent, or decides anew until when it holds"
                f" (`until` in {one.file}:{one.line})",
                place=(one.file, one.line),
            )


def work_ended(work: Iterable[MadeOfWork], today: date) -> Iterator[Expired]:
    """Yield what is work and past its last day: it is not built, and nothing that is made of it is sent."""
    for one in work:
        if one.ended(today):
            expected = "work within its time: what lasts is production's, reviewed and checked as that"
            yield Expired(one.what, expected, one.mend, place=(one.file, one.line))


def _dbt_file(project_dir: Path, model: str) -> str:
    """Return a model's file, found by its name."""
    for path in sorted((project_dir / "dbt_project").rglob(f"{model}.sql")):
        if not _NOT_DBTS & set(path.relative_to(project_dir).parts):
            return shown_path(path, project_dir)
    return f"the dbt model `{model}`"
