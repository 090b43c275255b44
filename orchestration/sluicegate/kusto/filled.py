"""`kusto/filled/<Table>.yml`: tables that a function fills, partition by partition.

Belongs here: reading the files, how such a table is cut by the exports that feed it, and what is refused.
Does not: functions (`reading`), the filling (`operations.fills`).
"""

import hashlib
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from sluicegate.core.partitions import Grain, Partitioning
from sluicegate.core.problems import Problem, did_you_mean
from sluicegate.core.stages import Stage
from sluicegate.core.yaml_files import YamlFile, fields_at, yaml_folder
from sluicegate.delivery.export_files.exports import Export
from sluicegate.delivery.export_files.strict import Strict
from sluicegate.destinations.adx.replacing import STAGING
from sluicegate.destinations.adx.types import is_name
from sluicegate.kusto.objects import FilledTable, Kind, KustoObject, KustoProject

_SUFFIXES = (".yml", ".yaml")
_FOLDERS = {Stage.PRODUCTION: "kusto/filled", Stage.WORK: "kusto/work/filled"}
_WHOLE = "whole"
_PARTITION = "(partition_start: datetime, partition_end: datetime)"
_BLANKS = re.compile(r"\s+")
_UNCUT = Partitioning(Grain.SNAPSHOT)
# No month is made of whole weeks.
_NEVER_NESTED = {Grain.WEEKLY, Grain.MONTHLY}
_Text = Annotated[str, Field(min_length=1)]


class FilledSpec(Strict):
    """What the file of a table that a function fills may say."""

    function: _Text
    """A function of kusto/functions: it is called for each partition, and its rows take that one's place."""
    description: _Text
    owner: _Text
    grain: Literal["hourly", "daily", "weekly", "monthly", "whole"] | None = None
    """How the table is cut, where the exports that feed it do not tell; `whole`: it is not."""


def fillers(project_dir: Path, stages: Collection[Stage] = tuple(Stage)) -> dict[str, str]:
    """Return {table: the function that its file names}; what is wrong with a file `with_filled` tells."""
    named = {Path(file.name).stem: file.data.get("function") for _, file in _files(project_dir, stages)[0]}
    return {table: function for table, function in named.items() if isinstance(function, str)}


def with_filled(
    project_dir: Path,
    project: KustoProject,
    exports: Mapping[str, Export],
    cut: Callable[[Export], Partitioning],
    stages: Collection[Stage] = tuple(Stage),
) -> tuple[KustoProject, list[Problem]]:
    """Return the project with the tables that functions fill, and every problem found.

    `cut` tells how an export's model is cut.
    """
    files, problems = _files(project_dir, stages)
    entries: dict[str, _Entry] = {}
    seen: dict[str, _Entry] = {}
    for stage, file in files:
        try:
            spec = FilledSpec.model_validate(file.data)
        except ValidationError as error:
            problems += file.model_problems(error, lambda at: fields_at(FilledSpec, at))
            continue
        entry = _Entry(Path(file.name).stem, stage, file, spec)
        entries.setdefault(entry.table, entry)
        other = seen.setdefault(entry.table.casefold(), entry)
        if other is not entry:
            file.complain(
                f"`{entry.table}` is filled by two files", expected=f"one; {other.file.name} is there",
                fix="take one of them away, or fill another table", code="SLU-P009",
            )  # fmt: skip
    for one in project.objects:
        for kind, name in one.reads if one.stage is Stage.PRODUCTION else ():
            if kind is Kind.TABLE and name in entries and entries[name].stage is Stage.WORK:
                entries[name].file.complain(
                    f"production's {one.file} reads `{name}`, which is filled as work",
                    expected="what is production's: it alone is filled there",
                    fix=f"`git mv {entries[name].file.name} {_FOLDERS[Stage.PRODUCTION]}`", code="SLU-P060",
                )  # fmt: skip
    look = _Look(project, exports, cut, entries)
    tables = [table for name in sorted(entries) if (table := look.table(name)) is not None]
    problems += chain.from_iterable(file.problems for _, file in files)
    order = {name: place for place, name in enumerate(look.order)}
    tables.sort(key=lambda table: order[table.table])
    return replace(project, filled=tables), problems


def _files(
    project_dir: Path, stages: Collection[Stage]
) -> tuple[list[tuple[Stage, YamlFile]], list[Problem]]:
    files: list[tuple[Stage, YamlFile]] = []
    problems: list[Problem] = []
    for stage in Stage:
        if stage in stages:
            read, found = yaml_folder(project_dir / _FOLDERS[stage], project_dir, _SUFFIXES)
            files += [(stage, file) for file in read]
            problems += found
    return files, problems


@dataclass(frozen=True)
class _Entry:
    table: str
    stage: Stage
    file: YamlFile
    spec: FilledSpec


@dataclass(frozen=True)
class _Reads:
    """All that a function reads: objects of git's, tables, and how each is come to from the function."""

    objects: Mapping[tuple[Kind, str], tuple[str, ...]]
    tables: Mapping[str, tuple[str, ...]]


class _Look:
    """The entries beside what they read; a table is made once."""

    def __init__(
        self,
        project: KustoProject,
        exports: Mapping[str, Export],
        cut: Callable[[Export], Partitioning],
        entries: Mapping[str, _Entry],
    ) -> None:
        self._objects = {one.key: one for one in project.objects}
        self._project, self._exports, self._cut, self._entries = project, exports, cut, entries
        self._made: dict[str, FilledTable | None] = {}
        self.order: list[str] = []

    @cached_property
    def _fed(self) -> dict[str, Export]:
        """{table: the export that feeds it} of the database."""
        return {fed.table: self._exports[fed.export] for fed in self._project.feeds}

    def table(self, name: str) -> FilledTable | None:
        """Return the table of an entry; None where something is wrong with it, which its file is told."""
        if name not in self._made:
            self._made[name] = None  # what reads itself comes here again
            self._made[name] = self._make(self._entries[name])
            self.order.append(name)
        return self._made[name]

    def _make(self, entry: _Entry) -> FilledTable | None:
        function = self._function(entry)
        self._own_name(entry)
        if function is None:
            return None
        reads = self._reads(function)
        if entry.table in reads.tables:
            way = " → ".join([*reads.tables[entry.table], entry.table])
            entry.file.complain(
                f"{function.name} reads the table that it fills: {way}",
                expected="a function of other tables, so that a fill that is done again gives the same",
                fix="read the tables that it is made of", at=("function",), code="SLU-K016",
            )  # fmt: skip
            return None
        direct = self._reads(function, through=False).tables
        after = tuple(sorted(other for other in direct if other in self._entries))
        above = [self.table(other) for other in after]
        feeding = {name: self._fed[name] for name in sorted(direct) if name in self._fed}
        if None in above:  # it is told of there
            return None
        if not feeding and not above:
            entry.file.complain(
                f"no export feeds what {function.name} reads, so nothing tells when it is filled",
                expected=f"a function of tables that exports of connection `{self._project.connection}` feed",
                fix="read such a table, or take this file away", at=("function",), code="SLU-K016",
            )  # fmt: skip
        cuts = {self._cut_of(export) for export in feeding.values()}
        cuts |= {table.partitioning for table in above if table is not None}
        partitioning = self._partitioning(entry, cuts) if cuts else None
        if partitioning is None or entry.file.problems:
            return None
        self._signature(entry, function, partitioning)
        code = hashlib.sha256()
        for key in sorted(reads.objects):
            if key[0] is not Kind.TABLE:
                code.update(f"{key[0]} {key[1]} {self._objects[key].digest}\n".encode())
        if entry.file.problems:
            return None
        return FilledTable(
            entry.table, function.name, entry.file.name, entry.stage, entry.spec.description,
            entry.spec.owner, partitioning, tuple(export.name for export in feeding.values()), after,
            tuple(sorted(key for key in reads.objects if key[0] is not Kind.TABLE)), code.hexdigest(),
            tuple(function.columns or ()),
        )  # fmt: skip

    def _function(self, entry: _Entry) -> KustoObject | None:
        name, file = entry.spec.function, entry.file
        function = self._objects.get((Kind.FUNCTION, name))
        if function is None:
            known = [one for kind, one in self._objects if kind is Kind.FUNCTION]
            file.complain(
                f"there is no function `{name}`", expected="one of kusto/functions",
                fix=did_you_mean(name, known), at=("function",), code="SLU-P006",
            )  # fmt: skip
            return None
        if function.stage is Stage.WORK and entry.stage is Stage.PRODUCTION:
            file.complain(
                f"`{name}` is work ({function.file}), and this table is production's",
                expected="a function of kusto/functions",
                fix=f"move this file to {_FOLDERS[Stage.WORK]}/, or the function to kusto/functions/",
                at=("function",),
                code="SLU-P060",
            )
        if not function.columns:
            file.complain(
                f"nobody knows which columns `{name}` gives", expected="a function that gives a table",
                fix="let it end in a table, with `project` and the columns that are wanted",
                at=("function",), code="SLU-K016",
            )  # fmt: skip
        elif wrong := [column for column, kind in function.columns if not is_name(column) or not kind]:
            file.complain(
                f"`{name}` gives columns that no table has: {', '.join(map(repr, wrong))}",
                expected="letters, digits, underscores, spaces, dots and dashes",
                fix="rename them with `project`", at=("function",), code="SLU-K016",
            )  # fmt: skip
        return function

    def _own_name(self, entry: _Entry) -> None:
        table, file = entry.table, entry.file
        if not is_name(table):
            file.complain(
                f"`{table}` is no table's name", expected="letters, digits, underscores, spaces and dashes",
                fix="name the file as the table", code="SLU-K013",
            )  # fmt: skip
        if table.endswith(STAGING):
            file.complain(
                f"`{table}` is called as a table in which rows are staged",
                expected=f"a name that does not end in {STAGING}", fix="rename the file", code="SLU-K013",
            )  # fmt: skip
        for fed, export in self._fed.items():
            if fed.casefold() != table.casefold():
                continue
            file.complain(
                f"`{table}` is fed by the export {export.file.name}",
                expected="a table that nothing else writes", fix="fill another table", code="SLU-K016",
            )  # fmt: skip
        for kind in (Kind.FUNCTION, Kind.VIEW):
            if (kind, table) in self._objects:
                file.complain(
                    f"`{table}` is {self._objects[(kind, table)].file} already",
                    expected="a name of its own: Kusto would find the one and not the other",
                    fix="rename one of them",
                    code="SLU-K013",
                )

    def _reads(self, function: KustoObject, *, through: bool = True) -> _Reads:
        """Return what a function reads, however far; `through` tables that functions fill as well."""
        objects: dict[tuple[Kind, str], tuple[str, ...]] = {function.key: (function.name,)}
        tables: dict[str, tuple[str, ...]] = {}
        waiting = [function.key]
        while waiting:
            key = waiting.pop(0)
            way = objects[key]
            one = self._objects.get(key)
            for kind, name in one.reads if one is not None else ():
                if kind is not Kind.TABLE:
                    if (kind, name) in self._objects and (kind, name) not in objects:
                        objects[(kind, name)] = (*way, name)
                        waiting.append((kind, name))
                    continue
                if name in tables:
                    continue
                tables[name] = way
                entry = self._entries.get(name) if through else None
                other = (Kind.FUNCTION, entry.spec.function) if entry is not None else None
                if other is not None and other in self._objects and other not in objects:
                    objects[other] = (*way, name, other[1])
                    waiting.append(other)
        if through:
            own = self._reads(function, through=False)
            return _Reads(own.objects, tables)
        return _Reads(objects, tables)

    def _cut_of(self, export: Export) -> Partitioning:
        return _UNCUT if export.spec.latest_only else self._cut(export)

    def _partitioning(self, entry: _Entry, cuts: Collection[Partitioning]) -> Partitioning | None:
        said, file = entry.spec.grain, entry.file
        timed = {one.grain for one in cuts if one.grain.timed}
        if said == _WHOLE or (said is None and cuts == {_UNCUT}):
            return _UNCUT
        if said is not None and timed:
            return Partitioning(Grain(said))
        if said is not None or not timed:
            by = ", ".join(sorted({str(one.grain) for one in cuts}))
            file.complain(
                f"what {entry.spec.function} reads is not cut by time ({by}), so nothing tells which"
                " partitions the table has",
                expected="`grain: whole`, and a function without parameters", fix="write `grain: whole`",
                at=("grain",) if said else ("function",), code="SLU-K016",
            )  # fmt: skip
            return None
        if timed >= _NEVER_NESTED:
            file.complain(
                f"{entry.spec.function} reads tables cut by {', '.join(sorted(timed))}, and months are not"
                " made of weeks", expected="`grain:`, which says how this table is cut",
                fix=f"write `grain: {Grain.DAILY}`, or another one", at=("function",), code="SLU-K016",
            )  # fmt: skip
            return None
        return Partitioning(max(timed, key=lambda grain: grain.span.longest))

    def _signature(self, entry: _Entry, function: KustoObject, partitioning: Partitioning) -> None:
        wanted = _PARTITION if partitioning.partitioned else "()"
        if _BLANKS.sub("", function.parameters or "()") == _BLANKS.sub("", wanted):
            return
        cut = f"is cut {partitioning.grain}" if partitioning.partitioned else "is filled whole"
        entry.file.complain(
            f"`{entry.table}` {cut}, and {function.name} takes {function.parameters or '()'}",
            expected=f"exactly {wanted}",
            fix=f"write `{function.name}{wanted}` in {function.file}"
            + ("; `grain: whole` is for one that takes none" if partitioning.partitioned else ""),
            at=("function",),
            code="SLU-K016",
        )
